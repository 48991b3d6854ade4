//! The reaction of the client to each kind of response.

use super::super::{BASE64, ClientUpgrade, UpgradeError, connect};
use super::*;

use base64::Engine as _;
use wss_model::failure::ErrorKind;

fn request() -> ClientUpgrade {
    ClientUpgrade {
        host: "localhost:9001".into(),
        path: "/echo?x=1".into(),
        subprotocol: None,
        deflate: None,
        fields: "".into(),
        run: None,
        key: BASE64.decode(KEY).unwrap().try_into().unwrap(),
        max_head_size: 16 * 1024,
    }
}

fn requesting(name: &str) -> ClientUpgrade {
    ClientUpgrade { subprotocol: Some(name.into()), ..request() }
}

/// A valid response with additional lines, followed by other bytes.
fn response(more: &str, after: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{more}\r\n{after}"
    )
}

async fn failed(answer: impl Into<Vec<u8>>) -> UpgradeError {
    connect(&mut Peer::new(answer), &request()).await.unwrap_err()
}

#[tokio::test]
async fn sends_the_request_in_one_write_and_flushes() {
    let mut peer = Peer::new(response("", ""));
    let upgraded = connect(&mut peer, &request()).await.unwrap();
    assert_eq!((upgraded.subprotocol, upgraded.leftover), (None, Vec::new()));
    assert_eq!(peer.writes, 1);
    assert_eq!(
        peer.written(),
        format!(
            "GET /echo?x=1 HTTP/1.1\r\nHost: localhost:9001\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn accepts_a_response_in_any_segments_followed_by_a_frame() {
    let answer = response("X: y\r\n", "frame");
    for segment in 1..=answer.len() {
        let mut peer = Peer::segments(answer.as_bytes(), segment);
        let upgraded = connect(&mut peer, &request()).await.unwrap();
        assert_eq!([&upgraded.leftover[..], &answer.as_bytes()[peer.read..]].concat(), b"frame", "{segment}");
    }
}

#[tokio::test]
async fn compares_fields_and_tokens_without_case() {
    let answer = response("", "")
        .replace("Upgrade: websocket", "UPGRADE: WebSocket")
        .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
    connect(&mut Peer::new(answer), &request()).await.unwrap();
    // The reason phrase may be empty.
    connect(&mut Peer::new(response("", "").replace("Switching Protocols", "")), &request()).await.unwrap();
}

#[tokio::test]
async fn reports_another_status_with_the_body() {
    let error = failed("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n").await;
    assert_eq!(error.kind().name(), "status");
    assert_eq!(
        error.to_string(),
        "the server responded with 200 OK instead of 101 Switching Protocols (\"hello\"); check the path of the URL, and \
         what the server requires (--header, --subprotocol)"
    );
    let error = failed("HTTP/1.0 404 Not Found\r\n\r\n").await;
    let UpgradeError::Status(rejection) = error else { panic!("{error:?}") };
    assert_eq!((rejection.status, rejection.reason.as_str()), (404, "Not Found"));
    let error = failed("HTTP/1.1 503 No\r\n\r\n\r\n\x1b[31mbusy\n").await;
    assert!(error.to_string().contains("\\x1b[31mbusy"), "{error}");
}

#[tokio::test]
async fn reports_each_invalid_101_by_its_kind() {
    let good = response("", "");
    let accept_line = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    let cases: &[(&str, String)] = &[
        ("no_upgrade", good.replace("Upgrade: websocket\r\n", "")),
        ("no_upgrade", good.replace("Upgrade: websocket", "Upgrade: h2c")),
        ("no_connection_upgrade", good.replace("Connection: Upgrade\r\n", "")),
        ("no_connection_upgrade", good.replace("Connection: Upgrade", "Connection: close")),
        ("bad_accept", good.replace(&accept_line, "")),
        ("bad_accept", good.replace(&accept_line, &accept_line.repeat(2))),
        ("bad_accept", good.replace(ACCEPT, &ACCEPT.to_lowercase())),
        ("bad_accept", good.replace(ACCEPT, KEY)),
        ("bad_accept", good.replace(ACCEPT, "")),
        ("unexpected_extension", response("Sec-WebSocket-Extensions: permessage-deflate\r\n", "")),
        ("unexpected_subprotocol", response("Sec-WebSocket-Protocol: a\r\n", "")),
        ("malformed", good.replace("HTTP/1.1", "HTTP/1.0")),
        ("malformed", good.replace("HTTP/1.1", "HTTP/2")),
        ("malformed", good.replace("\r\n", "\n")),
        ("malformed", "\r\n\r\n".into()),
        ("malformed", "SSH-2.0-OpenSSH_9.6\r\n\r\n".into()),
        ("malformed", "SSH-2.0-OpenSSH_9.6\r\n".into()),
        ("speaks_tls", "\x15\x03\x03\0\x02\x02\x28".into()),
        ("eof", String::new()),
        ("eof", good[..5].into()),
        ("eof", good[..good.len() - 1].into()),
        ("head_too_large", response(&"X: y\r\n".repeat(2_000), "")),
        ("head_too_large", response(&format!("X: {}\r\n", "y".repeat(1 << 20)), "")),
    ];
    for (kind, answer) in cases {
        let error = failed(answer.as_bytes()).await;
        assert_eq!(error.kind().name(), *kind, "{error} for {:?}", &answer[..answer.len().min(200)]);
    }
}

#[tokio::test]
async fn escapes_a_response_that_is_not_http() {
    let error = failed("\x05\x03\x03\0\x02\x02\x28").await.to_string();
    assert!(error.contains(r#"it starts with "\x05\x03\x03\x00\x02\x02(""#), "{error}");
    let error = failed([b"x".repeat(500), b"\n".to_vec()].concat()).await.to_string();
    assert!(error.contains("x…\"") && error.len() < 300, "{error}");
}

#[tokio::test]
async fn names_a_port_that_speaks_tls() {
    // The alert unexpected_message, and the start of a ServerHello.
    for record in [b"\x15\x03\x03\0\x02\x02\x0a".to_vec(), b"\x16\x03\x03\0\x7a\x02\0\0\x76".to_vec()] {
        let error = failed(record).await;
        assert_eq!(error.kind(), ErrorKind::SpeaksTls, "{error}");
        assert!(error.to_string().contains("use wss://"), "{error}");
    }
}

#[tokio::test]
async fn requires_the_requested_subprotocol() {
    let mut peer = Peer::new(response("Sec-WebSocket-Protocol: a\r\n", ""));
    let upgraded = connect(&mut peer, &requesting("a")).await.unwrap();
    assert_eq!(upgraded.subprotocol.as_deref(), Some("a"));
    assert!(peer.written().ends_with("\r\nSec-WebSocket-Protocol: a\r\n\r\n"));

    for (lines, kind) in [
        ("", "no_subprotocol"),
        ("Sec-WebSocket-Protocol: b\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: A\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: a, b\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", "unexpected_subprotocol"),
    ] {
        let error = connect(&mut Peer::new(response(lines, "")), &requesting("a")).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{lines:?}");
    }
}

#[tokio::test]
async fn rejects_a_request_that_would_inject_a_field() {
    let invalid = [
        ClientUpgrade { path: "/a\r\nX: y".into(), ..request() },
        ClientUpgrade { path: "/a\nb".into(), ..request() },
        ClientUpgrade { path: "/a b".into(), ..request() },
        ClientUpgrade { path: "/a\tb".into(), ..request() },
        ClientUpgrade { path: "/é".into(), ..request() },
        ClientUpgrade { path: "/a#b".into(), ..request() },
        ClientUpgrade { path: "a".into(), ..request() },
        ClientUpgrade { path: String::new(), ..request() },
        ClientUpgrade { host: "a\r\nX: y".into(), ..request() },
        ClientUpgrade { host: "a/b".into(), ..request() },
        ClientUpgrade { host: String::new(), ..request() },
        requesting("a\r\nX: y"),
        requesting("a, b"),
        requesting(""),
    ];
    for request in invalid {
        let mut peer = Peer::new(response("", ""));
        let error = connect(&mut peer, &request).await.unwrap_err();
        assert_eq!(error.kind().name(), "invalid_request", "{error}");
        assert!(!error.to_string().contains(['\r', '\n']), "{error}");
        assert!(peer.written.is_empty());
    }
}

#[tokio::test]
async fn accepts_an_ipv6_host() {
    let request = ClientUpgrade { host: "[::1]:9001".into(), ..request() };
    connect(&mut Peer::new(response("", "")), &request).await.unwrap();
}
