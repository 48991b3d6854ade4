//! Servers that misbehave before a connection is open: each run ends in bounded time with an error that says what to do.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::peer::{self, Authority};
use common::{ENGINES, Ended, assert_adds_up, assert_no_errors, errors, run};
use tokio_tungstenite::tungstenite;

/// Two connections with short timeouts; only `extra` differs between the tests.
fn attempt(engine: &str, url: &str, extra: &[&str]) -> Ended {
    attempts(engine, "2", url, extra)
}

fn attempts(engine: &str, connections: &str, url: &str, extra: &[&str]) -> Ended {
    let load = ["--connections", connections, "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
    let timeouts = ["--duration", "500ms", "--handshake-timeout", "1s", "--engine", engine];
    run(&[&[url], &load[..], &timeouts, extra].concat())
}

/// Asserts on each engine that no connection succeeds and that the error contains all of `parts`.
fn assert_fails(url: &str, extra: &[&str], parts: &[&str]) {
    for engine in ENGINES {
        let ended = attempt(engine, url, extra);
        let error = ended.refusal();
        assert!(error.starts_with("wssbench: no connection succeeded: "), "{error}");
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}

fn url(layer: &str, address: SocketAddr) -> String {
    format!("{layer}://{address}")
}

/// A server that answers every upgrade request with these bytes.
fn answering(response: &'static str) -> SocketAddr {
    peer::tcp(move |mut stream| {
        peer::read_head(&mut stream);
        let _ = stream.write_all(response.as_bytes());
        peer::stay_silent(stream);
    })
}

#[test]
fn connection_refused() {
    for layer in ["wss", "tcp"] {
        assert_fails(&url(layer, peer::nobody()), &[], &["refused the connection; check that a server listens there"]);
    }
}

#[test]
fn handshake_timeout_names_the_phase() {
    let silent = peer::tcp(peer::stay_silent);
    assert_fails(&url("wss", silent), &[], &["timed out in phase tls after 1s (--handshake-timeout)"]);
    assert_fails(&url("ws", silent), &[], &["timed out in phase upgrade after 1s (--handshake-timeout)"]);
}

#[test]
fn handshake_timeout_includes_the_first_echo() {
    let silent = peer::websocket(|socket| peer::stay_silent(socket.into_inner()));
    assert_fails(&url("ws", silent), &["--mode", "handshake"], &["timed out in phase first_echo"]);
}

#[test]
fn handshake_timeout_bounds_a_slow_head() {
    let dripping = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_fails(&url("ws", dripping), &[], &["timed out in phase upgrade after 1s"]);
}

#[test]
fn connection_closed_before_the_handshake() {
    let closing = peer::tcp(|mut stream| {
        // Reads what has arrived, so that the close sends a FIN, not a RST.
        let _ = stream.read(&mut [0; 4096]);
    });
    assert_fails(&url("wss", closing), &[], &["closed the connection without close_notify"]);
    assert_fails(&url("ws", closing), &[], &["closed the connection before its upgrade response was complete"]);
}

#[test]
fn connection_reset_before_the_handshake() {
    let resetting = peer::tcp(|mut stream| {
        let _ = stream.read(&mut [0; 16]);
        peer::reset(stream);
    });
    for layer in ["wss", "ws"] {
        assert_fails(&url(layer, resetting), &[], &["the connection failed"]);
    }
}

#[test]
fn garbage_or_http_instead_of_tls() {
    let garbage = peer::tcp(|mut stream| {
        let _ = stream.write_all(&[0x55; 4096]);
        peer::stay_silent(stream);
    });
    let http = peer::tcp(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        peer::stay_silent(stream);
    });
    for address in [garbage, http] {
        assert_fails(&url("wss", address), &[], &["the peer does not speak TLS on this port"]);
    }
}

#[test]
fn garbage_instead_of_http() {
    let answering = |garbage: &'static [u8]| {
        peer::tcp(move |mut stream| {
            peer::read_head(&mut stream);
            let _ = stream.write_all(garbage);
            peer::stay_silent(stream);
        })
    };
    let says = &["is not HTTP/1.1", "check the scheme and port"];
    assert_fails(&url("ws", answering(b"\x06\x03\x01\xff\r\n\r\n")), &[], says);
    assert_fails(&url("ws", answering(b"\x15\x03\x01\0\x02\x02\x0a")), &[], &["speaks TLS", "use wss://"]);
}

#[test]
fn insecure_accepts_an_unknown_authority() {
    let (server, other) = (Authority::new("127.0.0.1"), Authority::new("127.0.0.1"));
    let address = server.serve(peer::wss_echo);
    let url = url("wss", address);
    assert_fails(
        &url,
        &["--ca", &other.ca_argument()],
        &["a CA of the same name", "--ca FILE to give the CA that signed it, or --insecure"],
    );
    for engine in ENGINES {
        let result = attempt(engine, &url, &["--insecure"]).result();
        assert_no_errors(&result);
        assert_eq!(result.verify.as_deref(), Some("no-chain"));
        let result = attempt(engine, &url, &["--ca", &server.ca_argument()]).result();
        assert_no_errors(&result);
        assert_eq!(result.verify.as_deref(), Some("full"));
    }
}

#[test]
fn server_name_accepts_a_certificate_for_that_name() {
    let server = Authority::new("wss.example.org");
    let address = server.serve(peer::wss_echo);
    let (url, ca) = (url("wss", address), server.ca_argument());
    assert_fails(&url, &["--ca", &ca], &["not valid for name", "wss.example.org", "--server-name"]);
    let result = attempt("epoll", &url, &["--ca", &ca, "--server-name", "wss.example.org"]).result();
    assert_no_errors(&result);
    assert_eq!(result.verify.as_deref(), Some("full"));
}

#[test]
fn unsupported_tls_version_fails_with_an_alert() {
    let server = Authority::new("127.0.0.1");
    let only_1_2 = wss_model::TlsOptions { tls_version: Some(wss_model::TlsVersion::V1_2), ..Default::default() };
    let config =
        std::sync::Arc::new(wss_wire::tls::server_config(&only_1_2, &server.identity, &Default::default()).unwrap());
    let address = peer::tcp(move |stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let _ = rustls::StreamOwned::new(connection, stream).read(&mut [0; 16]);
    });
    assert_fails(&url("wss", address), &["--insecure", "--tls", "1.3"], &["sent the alert ProtocolVersion"]);
}

#[test]
fn invalid_upgrade_response_is_described() {
    for (response, part) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome",
            "the server responded with 200 OK instead of 101 Switching Protocols (\"welcome\")",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "Sec-WebSocket-Accept is \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "is missing"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", "has no Upgrade: websocket"),
    ] {
        assert_fails(&url("ws", answering(response)), &[], &[part]);
    }
}

#[test]
fn endless_head_is_limited() {
    let endless = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
        while stream.write_all(b"X-More: and more and more and more\r\n").is_ok() {}
    });
    assert_fails(&url("ws", endless), &[], &["the head of the server's response has more than 16384 bytes"]);
    assert_fails(&url("ws", endless), &["--max-head-size", "1KiB"], &["more than 1024 bytes"]);
}

#[test]
fn partial_failure_makes_the_result_invalid() {
    for engine in ENGINES {
        let count = AtomicUsize::new(0);
        let rejects_every_second = peer::tcp(move |mut stream| {
            if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                peer::read_head(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
                peer::stay_silent(stream);
            } else if let Ok(mut socket) = tungstenite::accept(stream) {
                peer::echo(&mut socket);
            }
        });
        let result = attempts(engine, "6", &url("ws", rejects_every_second), &[]).result();
        assert_adds_up(&result);
        assert_eq!((result.handshake.planned, result.handshake.completed), (6, 3));
        assert_eq!(errors(&result), [("upgrade", "status", 3)]);
        assert!(!result.valid && result.invalid_because.iter().any(|reason| reason.text.contains("3 errors")));
        assert!(result.errors[0].example.contains("503 Service Unavailable"));
        assert!(result.echo.unwrap().received > 0, "the other connections continue");
    }
}
