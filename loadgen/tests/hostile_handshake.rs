//! Servers that are hostile before a connection is open: each run ends within its bound, and says what to do about it.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::peer::{self, Authority};
use common::{ENGINES, Ended, assert_adds_up, assert_no_errors, errors, run};
use tokio_tungstenite::tungstenite;

/// Two connections to a server, with short waits: only `extra` differs between the tests.
fn attempt(engine: &str, url: &str, extra: &[&str]) -> Ended {
    attempts(engine, "2", url, extra)
}

fn attempts(engine: &str, connections: &str, url: &str, extra: &[&str]) -> Ended {
    let always = ["--connections", connections, "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
    let waits = ["--duration", "500ms", "--handshake-timeout", "1s", "--engine", engine];
    run(&[&[url], &always[..], &waits, extra].concat())
}

/// On each engine: that it could not run, and that its one sentence has all of `says`.
fn refused(url: &str, extra: &[&str], says: &[&str]) {
    for engine in ENGINES {
        let ended = attempt(engine, url, extra);
        let sentence = ended.refusal();
        assert!(sentence.starts_with("wssbench: no connection succeeded: "), "{sentence}");
        for part in says {
            assert!(sentence.contains(part), "`{part}` is not in: {sentence}");
        }
    }
}

fn url(layer: &str, address: SocketAddr) -> String {
    format!("{layer}://{address}")
}

/// A WebSocket server that answers every request with these bytes.
fn answering(response: &'static str) -> SocketAddr {
    peer::tcp(move |mut stream| {
        peer::read_head(&mut stream);
        let _ = stream.write_all(response.as_bytes());
        peer::stay_silent(stream);
    })
}

#[test]
fn nobody_listens() {
    for layer in ["wss", "tcp"] {
        refused(&url(layer, peer::nobody()), &[], &["refused the connection: is a server listening there?"]);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_the_phase_that_it_stalls() {
    let silent = peer::tcp(peer::stay_silent);
    refused(&url("wss", silent), &[], &["no answer within 1s (--handshake-timeout)", "the phase tls was not over"]);
    refused(&url("ws", silent), &[], &["no answer within 1s (--handshake-timeout)", "the phase upgrade was not over"]);
}

#[test]
fn the_first_echo_has_the_same_deadline() {
    let silent = peer::websocket(|socket| peer::stay_silent(socket.into_inner()));
    refused(&url("ws", silent), &["--mode", "handshake"], &["the phase first_echo was not over"]);
}

#[test]
fn a_head_that_drips_is_a_stall() {
    let dripping = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    refused(&url("ws", dripping), &[], &["no answer within 1s", "the phase upgrade was not over"]);
}

#[test]
fn a_server_that_closes_at_once_is_told_as_that() {
    let closing = peer::tcp(|mut stream| {
        // What came is read, so that the end is a FIN and no RST.
        let _ = stream.read(&mut [0; 4096]);
    });
    refused(&url("wss", closing), &[], &["ended the connection in the middle, without close_notify"]);
    refused(&url("ws", closing), &[], &["ended the connection before its response was complete"]);
}

#[test]
fn a_server_that_resets_is_told_as_that() {
    let resetting = peer::tcp(|mut stream| {
        let _ = stream.read(&mut [0; 16]);
        peer::reset(stream);
    });
    for layer in ["wss", "ws"] {
        refused(&url(layer, resetting), &[], &["the connection broke"]);
    }
}

#[test]
fn garbage_and_http_instead_of_tls_are_no_tls() {
    let garbage = peer::tcp(|mut stream| {
        let _ = stream.write_all(&[0x55; 4096]);
        peer::stay_silent(stream);
    });
    let http = peer::tcp(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        peer::stay_silent(stream);
    });
    for address in [garbage, http] {
        refused(&url("wss", address), &[], &["the peer does not speak TLS on this port"]);
    }
}

#[test]
fn garbage_instead_of_http_is_no_http() {
    let garbage = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        let _ = stream.write_all(&[0x16, 0x03, 0x01, 0xff, b'\r', b'\n', b'\r', b'\n']);
        peer::stay_silent(stream);
    });
    refused(&url("ws", garbage), &[], &["is not HTTP/1.1", "is this the right port and scheme?"]);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_insecure_accepts_it_and_says_so() {
    let (server, other) = (Authority::new("127.0.0.1"), Authority::new("127.0.0.1"));
    let address = server.serve(peer::wss_echo);
    let url = url("wss", address);
    refused(&url, &["--ca", &other.ca_argument()], &["certificate was not accepted", "--ca FILE, or --insecure"]);
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
fn a_certificate_for_another_name_is_refused_and_its_own_name_can_be_asked_for() {
    let server = Authority::new("wss.example.org");
    let address = server.serve(peer::wss_echo);
    let (url, ca) = (url("wss", address), server.ca_argument());
    refused(&url, &["--ca", &ca], &["is not for this name", "wss.example.org", "--server-name"]);
    let result = attempt("epoll", &url, &["--ca", &ca, "--server-name", "wss.example.org"]).result();
    assert_no_errors(&result);
    assert_eq!(result.verify.as_deref(), Some("full"));
}

#[test]
fn a_server_without_the_version_that_was_asked_for_refuses_with_an_alert() {
    let server = Authority::new("127.0.0.1");
    let only_1_2 = wss_model::TlsOptions { tls_version: Some(wss_model::TlsVersion::V1_2), ..Default::default() };
    let config =
        std::sync::Arc::new(wss_wire::tls::server_config(&only_1_2, &server.identity, &Default::default()).unwrap());
    let address = peer::tcp(move |stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let _ = rustls::StreamOwned::new(connection, stream).read(&mut [0; 16]);
    });
    refused(&url("wss", address), &["--insecure", "--tls", "1.3"], &["refused with the alert ProtocolVersion"]);
}

#[test]
fn an_answer_that_is_no_upgrade_is_told_with_what_is_wrong_with_it() {
    for (response, says) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome", "the server answered 200 OK instead of 101"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "Sec-WebSocket-Accept is \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "is missing"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", "does not say Upgrade: websocket"),
    ] {
        refused(&url("ws", answering(response)), &[], &[says]);
    }
}

#[test]
fn a_head_without_an_end_is_read_no_further_than_its_limit() {
    let endless = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
        while stream.write_all(b"X-More: and more and more and more\r\n").is_ok() {}
    });
    refused(&url("ws", endless), &[], &["the head of the server's response is larger than 16384 bytes"]);
    refused(&url("ws", endless), &["--max-head-size", "1KiB"], &["larger than 1024 bytes"]);
}

#[test]
fn handshakes_that_fail_beside_others_that_do_not_are_counted_and_make_the_result_not_valid() {
    for engine in ENGINES {
        let count = AtomicUsize::new(0);
        let every_second = peer::tcp(move |mut stream| {
            if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                peer::read_head(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
                peer::stay_silent(stream);
            } else if let Ok(mut socket) = tungstenite::accept(stream) {
                peer::echo(&mut socket);
            }
        });
        let result = attempts(engine, "6", &url("ws", every_second), &[]).result();
        assert_adds_up(&result);
        assert_eq!((result.handshake.planned, result.handshake.completed), (6, 3));
        assert_eq!(errors(&result), [("upgrade", "status", 3)]);
        assert!(!result.valid && result.invalid_because.iter().any(|why| why.text.contains("3 errors")));
        assert!(result.errors[0].example.contains("503 Service Unavailable"));
        assert!(result.echo.unwrap().received > 0, "the others go on");
    }
}
