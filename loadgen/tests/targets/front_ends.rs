//! Programs that end TLS in front of a WebSocket server: nginx, HAProxy and Caddy. They tear both connections down as soon as
//! one end is gone.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::common::peer::{self, Authority};
use crate::common::{left_out, wssbench};
use crate::daemon::{Daemon, assert_measurable, program};

/// A running program in a folder of its own. It ends with the test.
pub(crate) struct FrontEnd {
    _daemon: Daemon,
    folder: tempfile::TempDir,
    authority: Authority,
    wss: SocketAddr,
    ws: SocketAddr,
}

impl FrontEnd {
    /// In front of an echo server. `configure` writes the files and returns the command; it gets the folder and the addresses
    /// of the echo server, of `wss://` and of `ws://`.
    fn start(configure: impl Fn(&Path, [SocketAddr; 3]) -> Command) -> Self {
        let upstream = peer::websocket(|mut socket| peer::echo(&mut socket));
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("127.0.0.1");
        authority.write_files(&folder.path().join("server.pem"), &folder.path().join("server.key"));
        let (wss, ws) = (peer::nobody(), peer::nobody());
        let mut command = configure(folder.path(), [upstream, wss, ws]);
        command.current_dir(folder.path());
        Self { _daemon: Daemon::start(command, &[wss, ws]), folder, authority, wss, ws }
    }

    /// HAProxy, with further words for where it listens for `wss://` and `ws://`.
    pub(crate) fn haproxy(program: &Path, wss_words: &str, ws_words: &str) -> Self {
        Self::start(|folder, [upstream, wss, ws]| {
            let both = ["server.pem", "server.key"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
            std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
            let configuration = format!(
                "global\n  maxconn 4000\n\
                 defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  \
                 timeout tunnel 30s\n\
                 frontend wss\n  bind {wss} ssl crt both.pem {wss_words}\n  default_backend echo\n\
                 frontend ws\n  bind {ws} {ws_words}\n  default_backend echo\n\
                 backend echo\n  server one {upstream}\n"
            );
            std::fs::write(folder.join("haproxy.cfg"), configuration).unwrap();
            let mut command = Command::new(program);
            command.args(["-db", "-f", "haproxy.cfg"]);
            command
        })
    }

    /// Measures it over `wss://` and `ws://`. Every connection must end cleanly.
    fn assert_measurable(&self) {
        self.assert_measurable_with(&[]);
    }

    /// The same with further options.
    pub(crate) fn assert_measurable_with(&self, options: &[&str]) {
        let ca = self.authority.ca_argument();
        let (wss, ws) = (format!("wss://{}/", self.wss), format!("ws://{}/", self.ws));
        for target in [&[wss.as_str(), "--ca", &ca][..], &[&ws]] {
            assert_measurable(&[target, options].concat());
        }
    }
}

#[test]
fn nginx() {
    let Some(program) = program("nginx") else { return left_out("nginx is not installed") };
    let nginx = FrontEnd::start(|folder, [upstream, wss, ws]| {
        let location = format!("location / {{ proxy_pass http://{upstream}; }}");
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log logs/error.log info;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n  access_log off; {}\n  proxy_http_version 1.1;\n  \
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
    nginx.assert_measurable();
    let log = std::fs::read_to_string(nginx.folder.path().join("logs/error.log")).unwrap();
    assert!(!log.contains("prematurely") && !log.contains("[error]"), "{log}");
}

#[test]
fn haproxy() {
    let Some(program) = program("haproxy") else { return left_out("HAProxy is not installed") };
    FrontEnd::haproxy(&program, "", "").assert_measurable();
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
    assert_measurable(&[&format!("ws://{ws}/")]);
    let refusal = wssbench(&["run", "--connections=1", "--duration=100ms", &format!("ws://{unchecked}/")]).refusal();
    assert!(refusal.contains("503 Service Unavailable"), "{refusal}");
}

#[test]
fn caddy() {
    let Some(program) = program("caddy") else { return left_out("Caddy is not installed") };
    let caddy = FrontEnd::start(|folder, [upstream, wss, ws]| {
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
    caddy.assert_measurable();
}
