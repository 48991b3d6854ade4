//! What the client makes of each kind of answer.

use super::super::{BASE64, ClientUpgrade, UpgradeError, connect};
use super::*;

use base64::Engine as _;

fn request() -> ClientUpgrade {
    ClientUpgrade {
        host: "localhost:9001".into(),
        path: "/echo?x=1".into(),
        subprotocol: None,
        key: BASE64.decode(KEY).unwrap().try_into().unwrap(),
        max_head_size: 16 * 1024,
    }
}

fn asking_for(name: &str) -> ClientUpgrade {
    ClientUpgrade { subprotocol: Some(name.into()), ..request() }
}

/// A good response with these lines more, and with what follows it.
fn response(more: &str, behind: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{more}\r\n{behind}"
    )
}

async fn failed(answer: impl Into<Vec<u8>>) -> UpgradeError {
    connect(&mut Peer::new(answer), &request()).await.unwrap_err()
}

#[tokio::test]
async fn the_request_is_one_write_that_is_flushed() {
    let mut peer = Peer::new(response("", ""));
    let upgraded = connect(&mut peer, &request()).await.unwrap();
    assert_eq!((upgraded.subprotocol, upgraded.leftover), (None, Vec::new()));
    assert_eq!(peer.writes, 1);
    assert_eq!(
        peer.heard(),
        format!(
            "GET /echo?x=1 HTTP/1.1\r\nHost: localhost:9001\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn a_response_may_come_in_any_segments_with_the_first_frame_behind_it() {
    let answer = response("X: y\r\n", "frame");
    for segment in 1..=answer.len() {
        let mut peer = Peer::segments(answer.as_bytes(), segment);
        let upgraded = connect(&mut peer, &request()).await.unwrap();
        assert_eq!([&upgraded.leftover[..], &answer.as_bytes()[peer.said..]].concat(), b"frame", "{segment}");
    }
}

#[tokio::test]
async fn what_http_compares_without_case_is_compared_so() {
    let answer = response("", "")
        .replace("Upgrade: websocket", "UPGRADE: WebSocket")
        .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
    connect(&mut Peer::new(answer), &request()).await.unwrap();
    // A reason phrase is for people, and may be missing.
    connect(&mut Peer::new(response("", "").replace("Switching Protocols", "")), &request()).await.unwrap();
}

#[tokio::test]
async fn another_status_is_told_with_what_the_server_says() {
    let error = failed("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n").await;
    assert_eq!(error.kind().name(), "status");
    assert_eq!(
        error.to_string(),
        "the server answered 200 OK instead of 101 Switching Protocols (it says \"hello\"): is there a WebSocket \
         endpoint at this path?"
    );
    let error = failed("HTTP/1.0 404 Not Found\r\n\r\n").await;
    let UpgradeError::Status { status: 404, reason, body: None } = error else { panic!("{error:?}") };
    assert_eq!(reason, "Not Found");
    let error = failed("HTTP/1.1 503 No\r\n\r\n\r\n\x1b[31mbusy\n").await;
    assert!(error.to_string().contains("\\x1b[31mbusy"), "{error}");
}

#[tokio::test]
async fn each_wrong_101_is_told_by_name() {
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
        ("malformed", "\x15\x03\x03\0\x02\x02\x28".into()),
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
async fn what_is_not_http_is_shown_escaped() {
    let error = failed("\x15\x03\x03\0\x02\x02\x28").await.to_string();
    assert!(error.contains(r#"it begins with "\x15\x03\x03\x00\x02\x02(""#), "{error}");
    let error = failed([b"x".repeat(500), b"\n".to_vec()].concat()).await.to_string();
    assert!(error.contains("x…\"") && error.len() < 300, "{error}");
}

#[tokio::test]
async fn the_subprotocol_is_the_one_asked_for_or_an_error() {
    let mut peer = Peer::new(response("Sec-WebSocket-Protocol: a\r\n", ""));
    let upgraded = connect(&mut peer, &asking_for("a")).await.unwrap();
    assert_eq!(upgraded.subprotocol.as_deref(), Some("a"));
    assert!(peer.heard().ends_with("\r\nSec-WebSocket-Protocol: a\r\n\r\n"));

    for (lines, kind) in [
        ("", "no_subprotocol"),
        ("Sec-WebSocket-Protocol: b\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: A\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: a, b\r\n", "unexpected_subprotocol"),
        ("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", "unexpected_subprotocol"),
    ] {
        let error = connect(&mut Peer::new(response(lines, "")), &asking_for("a")).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{lines:?}");
    }
}

#[tokio::test]
async fn a_request_that_would_inject_a_line_is_not_sent() {
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
        asking_for("a\r\nX: y"),
        asking_for("a, b"),
        asking_for(""),
    ];
    for request in invalid {
        let mut peer = Peer::new(response("", ""));
        let error = connect(&mut peer, &request).await.unwrap_err();
        assert_eq!(error.kind().name(), "invalid_request", "{error}");
        assert!(!error.to_string().contains(['\r', '\n']), "{error}");
        assert!(peer.heard.is_empty());
    }
}

#[tokio::test]
async fn an_ipv6_host_is_valid() {
    let request = ClientUpgrade { host: "[::1]:9001".into(), ..request() };
    connect(&mut Peer::new(response("", "")), &request).await.unwrap();
}
