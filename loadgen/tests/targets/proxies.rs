//! Proxies between the generator and the server: tinyproxy (HTTP CONNECT) and microsocks (SOCKS5).

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use wss_model::trace_result::application::Application;
use wss_model::trace_result::{Direction, EventDetails, TracePhase, TraceResult};

use crate::common::peer::{self, Authority};
use crate::common::{self, Ended, run, wssbench};
use crate::daemon::Daemon;

/// A running proxy.
struct Proxy {
    _daemon: Daemon,
    address: SocketAddr,
}

impl Proxy {
    /// tinyproxy, which lets through only the ports in `allowed`.
    fn http(folder: &Path, password: bool, allowed: &[u16]) -> Option<Self> {
        let address = peer::nobody();
        let mut configuration = format!("Port {}\nListen 127.0.0.1\nTimeout 600\nMaxClients 500\n", address.port());
        if password {
            configuration += "BasicAuth user secret\n";
        }
        for port in allowed {
            configuration += &format!("ConnectPort {port}\n");
        }
        let file = folder.join(format!("tinyproxy-{}.conf", address.port()));
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(file);
        installed("tinyproxy").then(|| Self { _daemon: Daemon::start(command, &[address]), address })
    }

    fn socks5(password: bool) -> Option<Self> {
        let address = peer::nobody();
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &address.port().to_string()]);
        if password {
            command.args(["-u", "user", "-P", "secret"]);
        }
        installed("microsocks").then(|| Self { _daemon: Daemon::start(command, &[address]), address })
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

fn installed(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().unwrap().success()
}

#[test]
fn connections_through_proxies_of_each_kind_work() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("localhost");
    let server = authority.serve(peer::wss_echo);
    let plain = peer::websocket(|mut socket| peer::echo(&mut socket));
    let secret = folder.path().join("proxy-auth");
    std::fs::write(&secret, "user:secret\n").unwrap();
    let secret = secret.to_str().unwrap();
    let ports = [server.port(), plain.port()];
    let proxies = [
        (Proxy::http(folder.path(), false, &ports), "http", None),
        (Proxy::http(folder.path(), true, &ports), "http", Some(secret)),
        (Proxy::socks5(false), "socks5", None),
        (Proxy::socks5(true), "socks5h", Some(secret)),
    ];
    if proxies.iter().any(|(proxy, ..)| proxy.is_none()) {
        return common::left_out("tinyproxy or microsocks is not installed");
    }
    let ca = authority.ca_argument();
    let (wss, ws) = (format!("wss://localhost:{}/", server.port()), format!("ws://127.0.0.1:{}/", plain.port()));
    for (proxy, scheme, secret) in &proxies {
        let url = proxy.as_ref().unwrap().url(scheme);
        let through: Vec<&str> = ["--proxy", &url]
            .into_iter()
            .chain(secret.iter().flat_map(|secret| ["--proxy-auth-file", secret]))
            .collect();
        let handshakes = ["--mode", "handshake", "--connect-rate", "50/s", "--kernel-clock", "all"];
        let echoes = ["--connections", "20", "--connect-rate", "max", "--rate", "200/s"];
        for (target, load) in [(&[wss.as_str(), "--ca", &ca][..], &handshakes[..]), (&[&ws], &echoes)] {
            let short = ["--duration", "300ms", "--warmup", "0s"];
            let result = run(&[target, &through, load, &short].concat()).result();
            common::assert_no_errors(&result);
            assert!(result.handshake.completed > 0, "{url}");
            assert_eq!(result.config.route.proxy.as_ref().unwrap().to_string(), url);
            let note = result.notes.iter().any(|note| note.contains("connect includes opening the tunnel"));
            assert!(note, "{:?}", result.notes);
        }
    }
}

/// The trace of a connection through a proxy.
fn trace(url: &str, proxy: &str, more: &[&str]) -> (TraceResult, Ended) {
    let ended = wssbench(&[&["trace", "--json", url, "--proxy", proxy], more].concat());
    let trace: TraceResult = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"));
    assert_eq!(ended.code(), Some(i32::from(trace.failure.is_some())), "{ended}");
    (trace, ended)
}

/// What was exchanged with the proxy.
fn exchanged(trace: &TraceResult) -> Vec<(Direction, String)> {
    let of_connect = trace.events.iter().filter(|event| event.phase == TracePhase::Connect);
    let segments = of_connect.filter_map(|event| match &event.details {
        EventDetails::Segment { contents, .. } => Some((event.direction, contents)),
        _ => None,
    });
    let previews = segments.flat_map(|(direction, contents)| {
        contents.iter().map(move |content| match content {
            Application::Bytes { preview, .. } => (direction, preview.clone()),
            other => panic!("{other:?}"),
        })
    });
    previews.collect()
}

#[test]
fn traces_show_the_tunnel_without_its_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("localhost");
    let server = authority.serve_resumable(peer::wss_echo);
    let plain = peer::websocket(|mut socket| peer::echo(&mut socket));
    let secret = folder.path().join("proxy-auth");
    std::fs::write(&secret, "user:secret").unwrap();
    let secret = ["--proxy-auth-file", secret.to_str().unwrap()];
    let ports = [server.port(), plain.port()];
    let (Some(http), Some(socks)) = (Proxy::http(folder.path(), true, &ports), Proxy::socks5(true)) else {
        return common::left_out("tinyproxy or microsocks is not installed");
    };
    let ca = ["--ca".to_owned(), authority.ca_argument()];
    let ca = ca.each_ref().map(String::as_str);
    let wss = format!("wss://localhost:{}/", server.port());
    let ws = format!("ws://localhost:{}/", plain.port());
    for (proxy, scheme, first, round_trips) in [
        (&http, "http", format!("\"CONNECT localhost:{} HTTP/1.1\"", server.port()), 2),
        // Method, password and request.
        (&socks, "socks5h", "0x05020002".to_owned(), 4),
    ] {
        let (trace, ended) = trace(&wss, &proxy.url(scheme), &[&ca[..], &secret].concat());
        assert_eq!(trace.failure, None, "{ended}");
        assert_eq!(trace.target.address, proxy.address.to_string());
        let exchanged = exchanged(&trace);
        assert_eq!(exchanged[0], (Direction::Sent, first), "{exchanged:?}");
        assert_eq!((trace.phases[0].phase, trace.phases[0].round_trips), (TracePhase::Connect, round_trips));
        assert!(trace.notes.iter().any(|note| note.contains("opening the tunnel")), "{:?}", trace.notes);
        assert!(exchanged.iter().all(|(_, preview)| !preview.contains("secret")), "{exchanged:?}");
        // In base64 and in hexadecimal.
        assert!(!ended.stdout.contains("dXNlcjpzZWNyZXQ") && !ended.stdout.contains("736563726574"), "{ended}");
    }
    // Both connections of a resumed session, and a server without TLS.
    for (url, more) in [(&wss, &[&ca[..], &secret, &["--resume=100%"]].concat()[..]), (&ws, &secret)] {
        assert_eq!(trace(url, &http.url("http"), more).0.failure, None);
    }
    let text = wssbench(&[&["trace", &ws, "--proxy", &http.url("http")], &secret[..]].concat()).stdout;
    assert!(text.contains("CONNECT localhost:") && text.contains("GET / HTTP/1.1"), "{text}");
}

#[test]
fn traces_of_refused_tunnels_name_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (Some(asking), Some(socks)) = (Proxy::http(folder.path(), true, &[1]), Proxy::socks5(true)) else {
        return common::left_out("tinyproxy or microsocks is not installed");
    };
    let url = format!("ws://{}/", peer::nobody());
    for (proxy, part) in [
        (asking.url("http"), "with --proxy-auth-file"),
        (socks.url("socks5h"), "--proxy-auth-file"),
        (socks.url("http"), "check the scheme and port of --proxy"),
        (format!("http://{}", peer::nobody()), "refused"),
    ] {
        let failure = trace(&url, &proxy, &[]).0.failure.unwrap();
        assert_eq!(failure.phase, TracePhase::Connect);
        assert!(failure.message.contains(part), "{proxy}: {}", failure.message);
    }
}

#[test]
fn proxies_that_refuse_are_named_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = peer::websocket(|mut socket| peer::echo(&mut socket));
    let (Some(asking), Some(closed), Some(socks)) = (
        Proxy::http(folder.path(), true, &[server.port()]),
        Proxy::http(folder.path(), false, &[1]),
        Proxy::socks5(true),
    ) else {
        return common::left_out("tinyproxy or microsocks is not installed");
    };
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "user:wrong").unwrap();
    let wrong = wrong.to_str().unwrap();
    let url = format!("ws://{server}/");
    for (proxy, more, part) in [
        (asking.url("http"), &[][..], "with --proxy-auth-file"),
        (closed.url("http"), &[], "403"),
        (socks.url("socks5h"), &[], "--proxy-auth-file"),
        (socks.url("socks5h"), &["--proxy-auth-file", wrong], "rejected the user name or the password"),
        (socks.url("http"), &[], "check the scheme and port of --proxy"),
        (format!("http://{}", peer::nobody()), &[], "refused"),
    ] {
        let arguments =
            [&["run", "--mode", "handshake", "--duration", "200ms", &url, "--proxy", &proxy], more].concat();
        let refusal = wssbench(&arguments).refusal();
        assert!(refusal.contains(part), "{proxy}: {refusal}");
    }
}

#[test]
fn a_refusal_without_end_is_named_with_its_status() {
    let proxy = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\nNot on the list.").unwrap();
        peer::stay_silent(stream);
    });
    let proxy = format!("http://{proxy}");
    let url = format!("ws://{}/", peer::nobody());
    let refusal = wssbench(&["run", "--mode", "handshake", "--duration", "200ms", &url, "--proxy", &proxy]).refusal();
    assert!(refusal.contains("403 Forbidden (\"Not on the list.\"); allow the host"), "{refusal}");
}
