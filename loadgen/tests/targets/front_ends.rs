//! Programs that end TLS in front of a WebSocket server: nginx, HAProxy and Caddy. They tear both connections down as soon as
//! one end is gone, so that the server behind them counts how connections ended; their own logs must agree.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::common::peer::{self, Authority};
use crate::common::{assert_no_errors, left_out, run, wssbench};
use crate::daemon::{Daemon, program};
use crate::servers::{EchoServer, Tungstenite, node_ws};
use crate::subject::{Subject, assert_all_clean};

/// A running program in a folder of its own. It ends with the test.
struct FrontEnd {
    daemon: Daemon,
    folder: tempfile::TempDir,
    authority: Authority,
    wss: SocketAddr,
    ws: SocketAddr,
}

impl FrontEnd {
    /// In front of an echo server at `upstream`. `configure` writes the files and returns the command; it gets the folder and
    /// the addresses of the echo server, of `wss://` and of `ws://`.
    fn start(upstream: SocketAddr, configure: impl Fn(&Path, [SocketAddr; 3]) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("127.0.0.1");
        authority.write_files(&folder.path().join("server.pem"), &folder.path().join("server.key"));
        let (wss, ws) = (peer::nobody(), peer::nobody());
        let mut command = configure(folder.path(), [upstream, wss, ws]);
        command.current_dir(folder.path());
        Self { daemon: Daemon::start(command, &[wss, ws]), folder, authority, wss, ws }
    }

    fn subject(&self) -> Subject {
        Subject {
            wss: format!("wss://{}/", self.wss),
            ws: format!("ws://{}/", self.ws),
            ca: self.authority.ca_argument(),
            pid: Some(self.daemon.pid()),
            resumes: "100%",
        }
    }
}

#[test]
fn nginx() {
    let Some(program) = program("nginx") else { return left_out("nginx is not installed") };
    let Some(node) = node_ws() else { return left_out("Node or its package ws is not installed") };
    let node = EchoServer::start(node);
    let nginx = FrontEnd::start(node.ws, |folder, [upstream, wss, ws]| {
        let location = format!("location / {{ proxy_pass http://{upstream}; }}");
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log logs/error.log info;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n  access_log off; {}\n  ssl_protocols TLSv1.2 TLSv1.3;\n  proxy_http_version 1.1;\n  \
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n  \
             server {{ listen {wss} ssl; ssl_certificate server.pem; ssl_certificate_key server.key; {location} }}\n  \
             server {{ listen {ws}; {location} }}\n}}\n",
            temporary.join(" ")
        );
        std::fs::create_dir(folder.join("logs")).unwrap();
        std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(&program);
        command.args(["-c", "nginx.conf", "-p"]).arg(folder);
        command
    });
    nginx.subject().assert_measurable(|| node.closes());
    let log = std::fs::read_to_string(nginx.folder.path().join("logs/error.log")).unwrap();
    assert!(!log.contains("prematurely") && !log.contains("[error]"), "{log}");
}

#[test]
fn haproxy() {
    let Some(program) = program("haproxy") else { return left_out("HAProxy is not installed") };
    let upstream = Tungstenite::default();
    let haproxy = FrontEnd::start(upstream.serve(), |folder, [upstream, wss, ws]| {
        let both = ["server.pem", "server.key"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
        std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
        let configuration = format!(
            "global\n  maxconn 4000\n  log stdout format raw local0\n\
             defaults\n  mode http\n  log global\n  option httplog\n  option dontlognull\n\
             \x20 timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 30s\n\
             frontend wss\n  bind {wss} ssl crt both.pem\n  default_backend echo\n\
             frontend ws\n  bind {ws}\n  default_backend echo\n\
             backend echo\n  server one {upstream}\n"
        );
        std::fs::write(folder.join("haproxy.cfg"), configuration).unwrap();
        let mut command = Command::new(&program);
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    });
    haproxy.subject().assert_measurable(|| upstream.closes());
    // The termination state of each connection: nothing aborted or timed out.
    let log = haproxy.daemon.printed();
    let unclean = log.lines().find(|line| line.contains(" 101 ") && !line.contains(" ---- "));
    assert!(log.contains(" 101 ") && unclean.is_none(), "{unclean:?}");
}

/// HAProxy in front of `wssbench serve`: it names the client to the server, and sends only to a server that passes its checks.
#[test]
fn haproxy_with_the_proxy_protocol_and_health_checks() {
    let Some(program) = program("haproxy") else { return left_out("HAProxy is not installed") };
    let (server, ws, unchecked) = (peer::nobody(), peer::nobody(), peer::nobody());
    let mut serve = Command::new(env!("CARGO_BIN_EXE_wssbench"));
    serve.args(["serve", "--layer=ws", "--proxy-protocol", "--listen", &server.to_string()]);
    let _server = Daemon::start(serve, &[server]);
    let folder = tempfile::tempdir().unwrap();
    let checks = |path: &str| {
        format!("  option httpchk GET {path}\n  server one {server} send-proxy-v2 check inter 50ms fall 1\n")
    };
    let configuration = format!(
        "global\n  maxconn 4000\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 30s\n\
         frontend up\n  bind {ws}\n  default_backend up\n\
         frontend down\n  bind {unchecked}\n  default_backend down\n\
         backend up\n{}backend down\n{}",
        checks("/healthz"),
        checks("/elsewhere")
    );
    std::fs::write(folder.path().join("haproxy.cfg"), configuration).unwrap();
    let mut command = Command::new(program);
    command.args(["-db", "-f", "haproxy.cfg"]).current_dir(folder.path());
    let _haproxy = Daemon::start(command, &[ws, unchecked]);
    // Several checks of both.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let load = ["--connections=100", "--connect-rate=max", "--rate=500/s", "--duration=500ms", "--warmup=0s"];
    let result = run(&[&[&*format!("ws://{ws}/")], &load[..]].concat()).result();
    assert_no_errors(&result);
    assert_eq!(assert_all_clean(&result), 100);
    let refusal = wssbench(&["run", "--connections=1", "--duration=100ms", &format!("ws://{unchecked}/")]).refusal();
    assert!(refusal.contains("503 Service Unavailable"), "{refusal}");
}

#[test]
fn caddy() {
    let Some(program) = program("caddy") else { return left_out("Caddy is not installed") };
    let upstream = Tungstenite::default();
    let caddy = FrontEnd::start(upstream.serve(), |folder, [upstream, wss, ws]| {
        let configuration = format!(
            "{{\n  admin off\n  auto_https off\n}}\n\
             https://{wss} {{\n  bind 127.0.0.1\n  tls server.pem server.key\n  reverse_proxy {upstream}\n}}\n\
             http://{ws} {{\n  bind 127.0.0.1\n  reverse_proxy {upstream}\n}}\n"
        );
        std::fs::write(folder.join("Caddyfile"), configuration).unwrap();
        let mut command = Command::new(&program);
        command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        command
    });
    caddy.subject().assert_measurable(|| upstream.closes());
    let log = caddy.daemon.printed();
    assert!(!log.contains("\"level\":\"error\""), "{log}");
}
