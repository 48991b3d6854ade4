//! The opening handshake over wss: a refused request is answered with the right status and a sentence with the reason, it
//! is counted under that status, and the connection ends cleanly.

mod common;

use std::io::Write;

use common::{Server, TEXT, WebSocket, on_every_engine, read_to_end, request};

/// The response to a refused request.
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        Self { status: status.expect("a status line"), head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a field.
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request that is refused, and reads up to the end of the stream, which must be clean.
fn assert_refused(server: &Server, request: &[u8], status: u16, why: &str) -> Response {
    let before = server.count("upgrade", &status.to_string());
    let mut stream = server.tls();
    // A head over the limit is not read to its end, so writing its last bytes may fail.
    let _ = stream.write_all(request);
    let (bytes, ended) = read_to_end(&mut stream);
    let answer = Response::parse(&bytes);
    assert_eq!(answer.status, status, "{}\n{}", answer.head, answer.body);
    assert!(answer.body.contains(why), "the body {:?} does not contain `{why}`", answer.body);
    assert_eq!(answer.field("Content-Length"), Some(answer.body.len().to_string().as_str()), "{}", answer.head);
    ended.expect("the stream ends with close_notify");
    server.await_count("upgrade", &status.to_string(), before + 1);
    answer
}

/// The valid request with one line replaced, or removed if `by` is empty.
fn replaced(line: &str, by: &str) -> Vec<u8> {
    let good = request("");
    let line = format!("{line}\r\n");
    assert!(good.contains(&line), "{line:?} is not in the request");
    let by = if by.is_empty() { String::new() } else { format!("{by}\r\n") };
    good.replacen(&line, &by, 1).into_bytes()
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn answers_an_invalid_request_with_400(engine: &str) {
    let server = Server::start(engine, &[]);
    for (wrong, why) in [
        (replaced(KEY, "Sec-WebSocket-Key: short"), "not 16 bytes"),
        (replaced(KEY, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), "not 16 bytes"),
        (replaced(KEY, ""), "no Sec-WebSocket-Key"),
        (replaced(KEY, &format!("{KEY}\r\n{KEY}")), "more than one Sec-WebSocket-Key"),
        (replaced("GET / HTTP/1.1", "GET / HTTP/1.0"), "HTTP/1.0"),
        (replaced("Host: localhost", ""), "no Host"),
        (replaced("Host: localhost", "Host: a\r\nHost: b"), "more than one Host"),
        (replaced("Host: localhost", "Host: localhost\r\nContent-Length: 5"), "body"),
        (b"garbage\r\n\r\n".to_vec(), "not valid HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec(), "control character"),
        (b"GET / HTTP/1.1\nHost: localhost\n\n".to_vec(), "bare LF"),
    ] {
        assert_refused(&server, &wrong, 400, why);
    }
    server.assert_echoes();
}

fn answers_another_path_with_404(engine: &str) {
    let server = Server::start(engine, &["--path", "/echo"]);
    for path in ["/", "/echo/", "/Echo", "/echoes?/echo"] {
        let wrong = replaced("GET / HTTP/1.1", &format!("GET {path} HTTP/1.1"));
        assert_refused(&server, &wrong, 404, "The WebSocket is at the path /echo.");
    }
    let mut right = WebSocket { stream: server.tls() };
    right.send(&replaced("GET / HTTP/1.1", "GET /echo?with=query HTTP/1.1"));
    right.read_head();
    right.assert_echo(TEXT, b"the right path");
    right.close();
}

/// Sends a request that ends the connection, and returns the response.
fn ask(server: &Server, request: &str) -> Response {
    let mut stream = server.tls();
    stream.write_all(request.as_bytes()).expect("sending");
    let (bytes, ended) = read_to_end(&mut stream);
    ended.expect("the stream ends with close_notify");
    Response::parse(&bytes)
}

fn answers_health_checks_with_200(engine: &str) {
    let server = Server::start(engine, &["--path", "/echo"]);
    // HAProxy sends HTTP/1.0 without a Host.
    let checks = [
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "ok\n"),
        ("GET /healthz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n", "ok\n"),
        ("GET /healthz HTTP/1.0\r\n\r\n", "ok\n"),
        ("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", ""),
    ];
    for (check, body) in checks {
        let answer = ask(&server, check);
        assert_eq!((answer.status, answer.body.as_str(), answer.field("Connection")), (200, body, Some("close")));
        assert_eq!(answer.field("Content-Length"), Some("3"));
    }
    assert_eq!(ask(&server, "POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405);
    server.await_count("upgrade", "health_check", checks.len() as u64);
    let server = Server::start(engine, &["--health-path", "off"]);
    assert_eq!(ask(&server, checks[0].0).status, 404);
    let server = Server::start(engine, &["--health-path", "/up"]);
    assert_eq!(ask(&server, "GET /up HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(ask(&server, checks[0].0).status, 404);
    common::refused(engine, &["--path", "/up", "--health-path", "/up"])
        .assert_failure(wss_server::event::FailureCode::InvalidOptions, &["--health-path", "another path than --path"]);
}

fn requires_a_proxy_protocol_header_if_requested(engine: &str) {
    let server = Server::start(engine, &["--proxy-protocol"]);
    let addresses = ppp::v2::IPv4::new([192, 0, 2, 1], [127, 0, 0, 1], 4000, 443);
    let first = ppp::v2::Version::Two | ppp::v2::Command::Proxy;
    let header =
        ppp::v2::Builder::with_addresses(first, ppp::v2::Protocol::Stream, addresses).build().expect("a header");
    let mut tcp = server.tcp();
    tcp.write_all(&header).expect("sending");
    let mut behind_a_proxy = WebSocket::open(common::tls_over(tcp, server.ca_pem()));
    behind_a_proxy.assert_echo(TEXT, b"behind a proxy");
    behind_a_proxy.close();
    let mut direct = server.tcp();
    direct.write_all(request("").as_bytes()).expect("sending");
    server.await_count("tls", "proxy_header", 1);
    let (bytes, _) = read_to_end(&mut direct);
    assert!(bytes.is_empty(), "{bytes:?}");
    let mut short = server.tcp();
    short.write_all(&header[..10]).expect("sending");
    drop(short);
    server.await_count("tls", "eof", 1);
}

fn answers_another_method_with_405_and_allow(engine: &str) {
    let server = Server::start(engine, &[]);
    for method in ["POST", "HEAD", "CONNECT", "get"] {
        let wrong = replaced("GET / HTTP/1.1", &format!("{method} / HTTP/1.1"));
        let answer = assert_refused(&server, &wrong, 405, "GET");
        assert_eq!(answer.field("Allow"), Some("GET"), "{}", answer.head);
    }
    server.assert_echoes();
}

fn answers_a_request_without_upgrade_with_426(engine: &str) {
    let server = Server::start(engine, &[]);
    for (wrong, why) in [
        (replaced("Upgrade: websocket", ""), "Upgrade: websocket"),
        (replaced("Upgrade: websocket", "Upgrade: h2c"), "Upgrade: websocket"),
        (replaced("Connection: Upgrade", "Connection: keep-alive"), "Connection: Upgrade"),
    ] {
        let answer = assert_refused(&server, &wrong, 426, why);
        assert_eq!(answer.field("Upgrade"), Some("websocket"), "{}", answer.head);
    }
    server.assert_echoes();
}

fn answers_another_version_with_426_and_version_13(engine: &str) {
    let server = Server::start(engine, &[]);
    for (version, why) in
        [("Sec-WebSocket-Version: 8", "13"), ("Sec-WebSocket-Version: 14", "13"), ("", "no Sec-WebSocket-Version")]
    {
        let answer = assert_refused(&server, &replaced("Sec-WebSocket-Version: 13", version), 426, why);
        assert_eq!(answer.field("Sec-WebSocket-Version"), Some("13"), "{}", answer.head);
    }
    server.assert_echoes();
}

fn answers_two_thousand_fields_with_431(engine: &str) {
    let server = Server::start(engine, &["--max-head-size", "1MiB"]);
    let fields: String = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
    assert_refused(&server, request(&fields).as_bytes(), 431, "more than 100 header fields");
    server.assert_echoes();
}

fn answers_a_field_of_one_mib_with_431(engine: &str) {
    let server = Server::start(engine, &[]);
    let field = format!("X-Large: {}\r\n", "x".repeat(1 << 20));
    assert_refused(&server, request(&field).as_bytes(), 431, "larger than 16384 bytes");
    server.assert_echoes();
}

fn accepts_a_head_up_to_the_limit_exactly(engine: &str) {
    let server = Server::start(engine, &["--max-head-size", "1000B"]);
    let padded = |size: usize| request(&format!("X: {}\r\n", "x".repeat(size - request("X: \r\n").len()))).into_bytes();
    let mut fits = WebSocket { stream: server.tls() };
    fits.send(&padded(1000));
    fits.read_head();
    fits.close();
    assert_refused(&server, &padded(1001), 431, "larger than 1000 bytes");
}

fn selects_the_first_supported_subprotocol(engine: &str) {
    let server = Server::start(engine, &["--subprotocol", "chat", "--subprotocol", "echo"]);
    for (offered, chosen) in [
        ("Sec-WebSocket-Protocol: superchat, chat\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: echo, chat\r\n", Some("echo")),
        ("Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Protocol: echo\r\n", Some("echo")),
        ("Sec-WebSocket-Protocol: superchat, Chat\r\n", None),
        ("", None),
    ] {
        let mut peer = WebSocket { stream: server.tls() };
        peer.send(request(offered).as_bytes());
        let head = peer.read_head();
        let found = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(found, chosen, "{offered:?}: {head}");
        peer.close();
    }
}

fn accepts_no_extension(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = WebSocket { stream: server.tls() };
    peer.send(request("Sec-WebSocket-Extensions: permessage-deflate\r\n").as_bytes());
    let head = peer.read_head();
    assert!(!head.to_ascii_lowercase().contains("extensions"), "{head}");
    peer.assert_echo(TEXT, b"as it is");
    peer.close();
}

fn does_not_reflect_the_request(engine: &str) {
    let server = Server::start(engine, &[]);
    let wrong = replaced("GET / HTTP/1.1", "GET /<script>alert(1)</script> HTTP/1.1");
    let answer = assert_refused(&server, &wrong, 404, "The WebSocket is at the path /.");
    assert!(!answer.body.contains("script"), "{}", answer.body);
}

fn answers_tls_on_a_plaintext_port_with_400(engine: &str) {
    let server = Server::start(engine, &["--layer", "ws"]);
    let mut stream = server.tcp();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").expect("sending");
    let (bytes, ended) = read_to_end(&mut stream);
    assert_eq!(Response::parse(&bytes).status, 400);
    ended.expect("a clean end, despite unread bytes");
    server.await_count("upgrade", "400", 1);
    let mut fresh = WebSocket::open(server.tcp());
    fresh.assert_echo(TEXT, b"still there");
    fresh.close();
}

fn counts_an_end_inside_the_request(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut stream = server.tls();
    stream.write_all(b"GET / HTTP/1.1\r\n").expect("sending");
    stream.conn.send_close_notify();
    stream.flush().expect("sending close_notify");
    let (bytes, ended) = read_to_end(&mut stream);
    assert!(bytes.is_empty(), "half a request is not answered: {bytes:?}");
    ended.expect("a clean end");
    server.await_count("upgrade", "eof", 1);
    server.assert_echoes();
}

on_every_engine! {
    answers_an_invalid_request_with_400,
    answers_another_path_with_404,
    answers_health_checks_with_200,
    requires_a_proxy_protocol_header_if_requested,
    answers_another_method_with_405_and_allow,
    answers_a_request_without_upgrade_with_426,
    answers_another_version_with_426_and_version_13,
    answers_two_thousand_fields_with_431,
    answers_a_field_of_one_mib_with_431,
    accepts_a_head_up_to_the_limit_exactly,
    selects_the_first_supported_subprotocol,
    accepts_no_extension,
    does_not_reflect_the_request,
    answers_tls_on_a_plaintext_port_with_400,
    counts_an_end_inside_the_request,
}
