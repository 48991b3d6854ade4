//! nginx, which ends TLS in front of a WebSocket server and tears both connections down as soon as one end is gone.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use wss_model::run_result::{Ending, EndingCount};

use crate::common::peer::{self, Authority};
use crate::common::{self, run};
use crate::daemon::Daemon;

/// A running nginx in a folder of its own. It ends with the test.
struct Nginx {
    _daemon: Daemon,
    folder: tempfile::TempDir,
    authority: Authority,
    wss: SocketAddr,
    ws: SocketAddr,
}

impl Nginx {
    /// In front of `upstream`.
    fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("127.0.0.1");
        authority.write_files(&folder.path().join("server.pem"), &folder.path().join("server.key"));
        let (wss, ws) = (peer::nobody(), peer::nobody());
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        std::fs::write(folder.path().join("nginx.conf"), configuration(upstream, wss, ws)).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-c", "nginx.conf", "-p"]).arg(folder.path());
        Self { _daemon: Daemon::start(command, &[wss, ws]), folder, authority, wss, ws }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("logs/error.log")).unwrap_or_default()
    }
}

fn configuration(upstream: SocketAddr, wss: SocketAddr, ws: SocketAddr) -> String {
    let location = format!("location / {{ proxy_pass http://{upstream}; }}");
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log logs/error.log info;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off; {}\n  proxy_http_version 1.1;\n  \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n  \
         server {{ listen {wss} ssl; ssl_certificate server.pem; ssl_certificate_key server.key; {location} }}\n  \
         server {{ listen {ws}; {location} }}\n}}\n",
        temporary.join(" ")
    )
}

#[test]
fn every_connection_through_nginx_closes_cleanly() {
    if !Path::new("/usr/sbin/nginx").exists() {
        return common::left_out("nginx is not installed");
    }
    let nginx = Nginx::start(peer::websocket(|mut socket| peer::echo(&mut socket)));
    let ca = nginx.authority.ca_argument();
    let (wss, ws) = (format!("wss://{}/", nginx.wss), format!("ws://{}/", nginx.ws));
    for target in [&[wss.as_str(), "--ca", &ca][..], &[&ws]] {
        for load in [
            &["--mode", "handshake", "--connect-rate", "100/s", "--duration", "500ms", "--warmup", "0s"][..],
            &["--mode", "handshake", "--connect-rate", "max", "--duration", "300ms", "--warmup", "0s"],
            &["--connections", "100", "--connect-rate", "max", "--rate", "500/s", "--duration", "500ms"],
        ] {
            let result = run(&[target, load].concat()).result();
            common::assert_no_errors(&result);
            assert!(result.handshake.completed > 0);
            let endings: Vec<Ending> = result.endings.iter().map(|EndingCount { ending, .. }| *ending).collect();
            assert_eq!(endings, [Ending::Clean], "{target:?} {load:?}: {:?}", result.endings);
        }
    }
    let log = nginx.log();
    assert!(!log.contains("prematurely") && !log.contains("[error]"), "{log}");
}
