//! Names with several addresses, and options that choose among them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio_tungstenite::tungstenite;
use wss_model::RunResult;

use crate::common::{self, Ended, peer, run};

const LOAD: [&str; 10] =
    ["--connections", "4", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s", "--duration", "300ms"];

fn load(url: &str, options: &[&str]) -> Ended {
    run(&[&[url], &LOAD[..], options].concat())
}

/// Asserts that the run used this address.
fn assert_used(result: &RunResult, address: &str) {
    common::assert_no_errors(result);
    assert_eq!(result.target.address, address);
}

fn echo_server() -> SocketAddr {
    peer::websocket(|mut socket| peer::echo(&mut socket))
}

#[test]
fn an_address_that_refuses_is_passed_over() {
    let server = echo_server();
    let port = server.port();
    let url = format!("ws://server.test:{port}/");
    let ended = load(&url, &["--resolve", &format!("server.test:{port}:[::1],127.0.0.1")]);
    let result = ended.result();
    assert_used(&result, &server.to_string());
    assert_eq!(result.target.url, url);
    // `localhost` may be ::1 first.
    assert_used(&load(&format!("ws://localhost:{port}/"), &[]).result(), &server.to_string());
}

#[test]
fn addresses_that_all_refuse_are_all_named() {
    let port = peer::nobody().port();
    let entry = format!("server.test:{port}:127.0.0.1,127.0.0.2");
    let ended = load(&format!("ws://server.test:{port}/"), &["--resolve", &entry]);
    assert_eq!(ended.status.code(), Some(1));
    for part in
        [format!("127.0.0.1:{port}: "), format!("127.0.0.2:{port}: "), "server.test cannot be reached".to_owned()]
    {
        assert!(ended.stderr.contains(&part), "`{part}` is not in: {}", ended.stderr);
    }
}

#[test]
fn all_addresses_take_turns() {
    let counts = Arc::new(Mutex::new(BTreeMap::<IpAddr, u64>::new()));
    let (listeners, port) = (0..)
        .find_map(|_| {
            let first = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            let second = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).ok()?;
            Some(([first, second], port))
        })
        .unwrap();
    for listener in listeners {
        let counts = Arc::clone(&counts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *counts.lock().unwrap().entry(stream.local_addr().unwrap().ip()).or_default() += 1;
                std::thread::spawn(move || {
                    let Ok(mut socket) = tungstenite::accept(stream) else { return };
                    peer::echo(&mut socket);
                });
            }
        });
    }
    let entry = format!("server.test:{port}:127.0.0.1,127.0.0.2");
    let options = ["--resolve", &entry, "--addresses", "all", "--threads", "1"];
    let result = load(&format!("ws://server.test:{port}/"), &options).result();
    assert_used(&result, &format!("127.0.0.1:{port}, 127.0.0.2:{port}"));
    let counts: Vec<u64> = counts.lock().unwrap().values().copied().collect();
    assert_eq!(counts, [2, 2]);
}

#[test]
fn a_family_can_be_required() {
    let server = echo_server();
    let port = server.port();
    let url = format!("ws://server.test:{port}/");
    let entry = format!("server.test:{port}:[::1],127.0.0.1");
    assert_used(&load(&url, &["--resolve", &entry, "-4"]).result(), &server.to_string());
    let ended = load(&url, &["--resolve", &format!("server.test:{port}:127.0.0.1"), "-6"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("server.test has no IPv6 address; remove -6"), "{}", ended.stderr);
}

#[test]
fn connect_to_keeps_the_names_of_the_url() {
    let server = peer::tcp(|mut stream| {
        let head = peer::read_head(&mut stream).unwrap();
        assert!(head.contains("Host: server.test\r\n"), "{head}");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, response.as_bytes()).unwrap();
        peer::echo(&mut tungstenite::WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Server, None));
    });
    let entry = format!("server.test:80:127.0.0.1:{}", server.port());
    let result = load("ws://server.test/", &["--connect-to", &entry]).result();
    assert_used(&result, &server.to_string());
}

#[test]
fn impossible_routes_are_refused() {
    for (options, part) in [
        (&["--resolve", "a:1"][..], "such as example.org:443:127.0.0.1"),
        (&["--connect-to", "a:1:b"], "such as example.org:443:127.0.0.1:8443"),
        (&["-4", "-6"], "--ipv4 cannot be combined with --ipv6"),
    ] {
        let ended = load("ws://127.0.0.1:1/", options);
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    let ended = run(&["--addresses", "all"]);
    assert!(ended.stderr.contains("--addresses requires a URL"), "{}", ended.stderr);
}

/// Runs `wssbench` in a network of its own with 20 local ports; `$1` is the program, `$2` a port.
const TWENTY_PORTS: &str = r#"
set -e
ip link set lo up
echo 40000 40019 >/proc/sys/net/ipv4/ip_local_port_range
"$1" serve --layer ws --listen "0.0.0.0:$2" >/dev/null &
server=$!
trap 'kill $server' EXIT
run() {
    "$1" run "ws://server.test:$2/" --resolve "server.test:$2:127.0.0.1,127.0.0.2" --connect-rate 100/s --rate 100/s \
        --warmup 0s --duration 200ms --connections "$3" $4 || echo "exit code $?"
}
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && break; sleep 0.05; done
sleep 0.1
run "$1" "$2" 30 2>&1 | tail -n 2
run "$1" "$2" 30 "--addresses all --json --threads 1" 2>/dev/null
"#;

#[test]
fn each_address_has_all_local_ports() {
    let alone = ["unshare", "--net", "--map-root-user"];
    let mut allowed = Command::new(alone[0]);
    allowed.args(&alone[1..]).args(["sh", "-c", "ip link set lo up && test -w /proc/sys/net/ipv4/ip_local_port_range"]);
    if !allowed.output().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: this user may not create a network");
        return;
    }
    let mut command = Command::new(alone[0]);
    command.args(&alone[1..]).args(["bash", "-c", TWENTY_PORTS, "bash", env!("CARGO_BIN_EXE_wssbench"), "50000"]);
    let folder = tempfile::tempdir().unwrap();
    command.env("WSSBENCH_IDLE", "sleep").stdin(Stdio::null()).current_dir(folder.path());
    let output = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("30 connections to one address require as many local ports, but there are 20"), "{text}");
    let json = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    let result: RunResult = serde_json::from_str(json).unwrap();
    common::assert_no_errors(&result);
    assert_eq!(result.handshake.completed, 30);
}
