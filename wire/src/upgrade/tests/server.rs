//! The response of the server to each kind of request.

use super::super::{RefusalStatus, ServerHandshake, ServerUpgrade, UpgradeRefusal, accept};
use super::*;

fn options() -> ServerUpgrade {
    ServerUpgrade {
        path: "/echo".into(),
        subprotocols: vec!["b".into(), "a".into()],
        max_head_size: 16 * 1024,
        ..ServerUpgrade::default()
    }
}

/// The lines of a valid request; tests omit or change one.
fn good() -> Vec<String> {
    [
        "GET /echo HTTP/1.1",
        "Host: localhost:9001",
        "Upgrade: websocket",
        "Connection: Upgrade",
        &format!("Sec-WebSocket-Key: {KEY}"),
        "Sec-WebSocket-Version: 13",
    ]
    .map(Into::into)
    .to_vec()
}

fn head(lines: &[String]) -> Vec<u8> {
    let mut head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    head.push_str("\r\n");
    head.into()
}

/// The valid request with the line that starts with `start` replaced by others.
fn with(start: &str, by: &[&str]) -> Vec<u8> {
    let mut lines = good();
    let at = lines.iter().position(|line| line.starts_with(start)).unwrap();
    lines.splice(at..=at, by.iter().map(|&line| line.into()));
    head(&lines)
}

/// The valid request with additional lines.
fn and(more: &[&str]) -> Vec<u8> {
    let mut lines = good();
    lines.extend(more.iter().map(|&line| line.into()));
    head(&lines)
}

async fn accepted(request: &[u8]) -> (ServerHandshake, String) {
    let mut peer = Peer::new(request);
    let accepted = accept(&mut peer, &options()).await.unwrap();
    (accepted, peer.written().into())
}

/// Asserts that the request is refused with `status` by a complete response with the reason. Returns the response.
async fn refused(name: &str, request: &[u8], status: u16) -> String {
    let mut peer = Peer::new(request);
    let error = accept(&mut peer, &options()).await.expect_err(name);
    let UpgradeRefusal::Answered { status: found, reason } = error else { panic!("{name}: {error:?}") };
    assert_eq!(found.code(), status, "{name}: {reason}");
    let answer = peer.written().to_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect(name);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{name}: {head}");
    assert!(head.contains("\r\nContent-Type: text/plain"), "{name}: {head}");
    assert!(
        head.contains("\r\nConnection: close") || head.contains("\r\nConnection: Upgrade, close"),
        "{name}: {head}"
    );
    assert_eq!(body, format!("{reason}\n"), "{name}");
    assert!(reason.ends_with('.'), "{name}: {reason}");
    answer
}

#[tokio::test]
async fn accepts_the_example_of_rfc_6455() {
    let (accepted, answer) = accepted(&head(&good())).await;
    assert_eq!(
        accepted,
        ServerHandshake { path: "/echo".into(), subprotocol: None, deflate: None, run: None, leftover: Vec::new() }
    );
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn accepts_a_request_in_any_segments_followed_by_a_frame() {
    let request = [head(&good()), b"\x81\x80frame".to_vec()].concat();
    let end = request.len() - 7;
    for segment in 1..=request.len() {
        let mut peer = Peer::segments(&request, segment);
        let accepted = accept(&mut peer, &options()).await.unwrap();
        // Bytes that were not read are still in the stream.
        assert_eq!([&accepted.leftover[..], &request[peer.read..]].concat(), request[end..], "{segment}");
    }
}

#[tokio::test]
async fn compares_fields_and_tokens_without_case() {
    for request in [
        with("Upgrade", &["uPGRADE: WebSocket"]),
        with("Connection", &["CONNECTION: uPgRaDe"]),
        with("Connection", &["Connection: keep-alive, Upgrade"]),
        with("Connection", &["Connection: keep-alive", "Connection: ,upgrade,"]),
        with("Upgrade", &["Upgrade: h2c, websocket"]),
        with("Sec-WebSocket-Key", &[&format!("sec-websocket-key:   {KEY}  ")]),
        with("Sec-WebSocket-Version", &["SEC-WEBSOCKET-VERSION:13"]),
        with("GET", &["GET http://localhost:9001/echo HTTP/1.1"]),
        [b"\r\n".to_vec(), head(&good())].concat(),
        and(&["Content-Length: 0"]),
    ] {
        assert!(accepted(&request).await.1.contains(ACCEPT));
    }
}

#[tokio::test]
async fn keeps_the_query_without_comparing_it() {
    let (accepted, _) = accepted(&with("GET", &["GET /echo?a=b&c=http://d HTTP/1.1"])).await;
    assert_eq!(accepted.path, "/echo?a=b&c=http://d");
}

#[tokio::test]
async fn selects_the_first_supported_subprotocol() {
    for (offers, chosen) in [
        (&["Sec-WebSocket-Protocol: x, a, b"][..], Some("a")),
        (&["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Protocol: b , a"], Some("b")),
        (&["Sec-WebSocket-Protocol: A"], None),
        (&["Sec-WebSocket-Protocol: a b"], None),
        (&["Sec-WebSocket-Protocol: ,"], None),
    ] {
        let (accepted, answer) = accepted(&and(offers)).await;
        assert_eq!(accepted.subprotocol.as_deref(), chosen, "{offers:?}");
        let line = chosen.map(|name| format!("\r\nSec-WebSocket-Protocol: {name}\r\n\r\n"));
        match line {
            Some(line) => assert!(answer.ends_with(&line), "{answer}"),
            None => assert!(!answer.contains("Protocol:"), "{answer}"),
        }
    }
}

#[tokio::test]
async fn answers_a_bad_request_with_400() {
    let short = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA";
    let key = format!("Sec-WebSocket-Key: {KEY}");
    let good_text = String::from_utf8(head(&good())).unwrap();
    let cases: &[(&str, Vec<u8>)] = &[
        ("no request line", b"\r\n\r\n".to_vec()),
        ("not HTTP", b"hello there\r\n\r\n".to_vec()),
        ("a TLS record", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("a NUL in a value", with("Host", &["Host: a\0b"])),
        ("bare LF", good_text.replace("\r\n", "\n").into()),
        ("one bare LF", good_text.replacen("\r\n", "\n", 1).into()),
        ("a CR in a value", with("Host", &["Host: a\rb"])),
        ("a folded line", with("Host", &["Host: a", " b"])),
        ("a space before the colon", with("Host", &["Host : a"])),
        ("HTTP/1.0", with("GET", &["GET /echo HTTP/1.0"])),
        ("HTTP/2.0", with("GET", &["GET /echo HTTP/2.0"])),
        ("no Host", with("Host", &[])),
        ("an empty Host", with("Host", &["Host:"])),
        ("two Hosts", with("Host", &["Host: a", "host: a"])),
        ("no path", with("GET", &["GET * HTTP/1.1"])),
        ("a fragment in the path", with("GET", &["GET /echo#here HTTP/1.1"])),
        ("no key", with("Sec-WebSocket-Key", &[])),
        ("an empty key", with("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"])),
        ("a key of 15 bytes", with("Sec-WebSocket-Key", &[short])),
        ("a key that is not base64", with("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-=="])),
        ("a key without padding", with("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"])),
        ("two keys", with("Sec-WebSocket-Key", &[&key[..]; 2])),
        ("two versions", with("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 13"; 2])),
        ("a body", and(&["Content-Length: 5"])),
        ("a chunked body", and(&["Transfer-Encoding: chunked"])),
    ];
    for (name, request) in cases {
        refused(name, request, 400).await;
    }
}

#[tokio::test]
async fn answers_another_path_with_404_and_the_right_one() {
    for target in ["/", "/echo/", "/Echo", "/echo%2f", "/?/echo", "http://localhost"] {
        let answer = refused(target, &with("GET", &[&format!("GET {target} HTTP/1.1")]), 404).await;
        assert!(answer.contains("The WebSocket is at the path /echo."), "{answer}");
    }
}

#[tokio::test]
async fn answers_another_method_with_405_and_allow() {
    for method in ["POST", "HEAD", "get", "PRI"] {
        let answer = refused(method, &with("GET", &[&format!("{method} /echo HTTP/1.1")]), 405).await;
        assert!(answer.contains("\r\nAllow: GET\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn answers_a_request_without_upgrade_with_426() {
    for (name, request) in [
        ("plain HTTP", b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("no Upgrade", with("Upgrade", &[])),
        ("another Upgrade", with("Upgrade", &["Upgrade: h2c"])),
        ("no Connection", with("Connection", &[])),
        ("another Connection", with("Connection", &["Connection: keep-alive"])),
        ("no version", with("Sec-WebSocket-Version", &[])),
        ("version 8", with("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"])),
        ("version 130", with("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 130"])),
        ("a list of versions", with("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 13, 8"])),
    ] {
        let answer = refused(name, &request, 426).await;
        for line in ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: Upgrade, close"] {
            assert!(answer.contains(&format!("\r\n{line}\r\n")), "{name}: {answer}");
        }
    }
}

#[tokio::test]
async fn rejects_a_head_over_the_limit_without_reading_on() {
    let fields: Vec<String> = (0..2_000).map(|number| format!("X-{number}: y")).collect();
    let many = and(&fields.iter().map(String::as_str).collect::<Vec<_>>());
    refused("2,000 fields", &many, 431).await;
    let large = and(&[&format!("X: {}", "y".repeat(1 << 20))]);
    refused("1 MiB in one field", &large, 431).await;
    refused("1 MiB without a line", &vec![b'y'; 1 << 20], 431).await;

    for request in [many, large] {
        let mut peer = Peer::new(request);
        accept(&mut peer, &options()).await.unwrap_err();
        assert!(peer.read <= options().max_head_size, "{} bytes were read", peer.read);
    }
    let most: Vec<String> = (0..100 - 5).map(|number| format!("X-{number}: y")).collect();
    accepted(&and(&most.iter().map(String::as_str).collect::<Vec<_>>())).await;
    refused("101 fields", &and(&most.iter().map(String::as_str).chain(["X: y"]).collect::<Vec<_>>()), 431).await;
}

#[tokio::test]
async fn accepts_a_head_as_large_as_the_limit() {
    let request = head(&good());
    let exact = ServerUpgrade { max_head_size: request.len(), ..options() };
    accept(&mut Peer::new(&request[..]), &exact).await.unwrap();
    let less = ServerUpgrade { max_head_size: request.len() - 1, ..options() };
    let error = accept(&mut Peer::new(request), &less).await.unwrap_err();
    assert!(matches!(error, UpgradeRefusal::Answered { status: RefusalStatus::HeadTooLarge, .. }), "{error:?}");
}

#[tokio::test]
async fn reports_eof_for_an_incomplete_request_without_responding() {
    let request = head(&good());
    for end in [0, 1, 10, request.len() - 1] {
        let mut peer = Peer::new(&request[..end]);
        let error = accept(&mut peer, &options()).await.unwrap_err();
        assert!(matches!(error, UpgradeRefusal::Eof), "{error:?}");
        assert!(peer.written.is_empty());
    }
}

#[tokio::test]
async fn distinguishes_a_failed_write_from_a_refusal() {
    let mut peer = Peer { write_fails: true, ..Peer::new(head(&good())) };
    let error = accept(&mut peer, &options()).await.unwrap_err();
    assert!(matches!(error, UpgradeRefusal::Io(_)), "{error:?}");
    let mut peer = Peer { write_fails: true, ..Peer::new(with("GET", &["GET / HTTP/1.1"])) };
    let error = accept(&mut peer, &options()).await.unwrap_err();
    assert!(matches!(error, UpgradeRefusal::Answered { status: RefusalStatus::NotFound, .. }), "{error:?}");
}
