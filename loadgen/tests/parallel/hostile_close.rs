//! Servers that misbehave while a connection closes: the run ends, and every failure and every ending is counted.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::peer::{self, Authority};
use common::{ENGINES, assert_adds_up, errors, run};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use wss_model::run_result::{Ending, EndingCount};

/// Asserts that two connections receive all echoes and fail to close with this error, whose text contains `part`.
fn assert_close_fails(url: &str, extra: &[&str], kind: &str, part: &str) {
    for engine in ENGINES {
        let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let timeouts = ["--duration", "300ms", "--close-timeout", "1s", "--engine", engine];
        let result = run(&[&[url], &load[..], &timeouts, extra].concat()).result();
        assert_adds_up(&result);
        assert_eq!(errors(&result), [("close", kind, 2)], "{engine}: {:?}", result.errors);
        assert!(result.errors[0].example.contains(part), "`{part}` is not in: {}", result.errors[0].example);
        assert!(
            result.invalid_because.iter().any(|reason| reason.text.contains("2 errors")),
            "{:?}",
            result.invalid_because
        );
        let echo = result.echo.unwrap();
        assert_eq!((echo.planned, echo.received), (60, 60));
    }
}

/// Asserts that two connections receive all echoes, and that the server ends both in this way.
fn assert_ends(url: &str, extra: &[&str], ending: Ending) {
    for engine in ENGINES {
        let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let timeouts = ["--duration", "300ms", "--close-timeout", "1s", "--engine", engine];
        let result = run(&[&[url], &load[..], &timeouts, extra].concat()).result();
        common::assert_no_errors(&result);
        assert_eq!(result.endings, [EndingCount { ending, count: 2 }], "{engine}");
        let noted = result.notes.iter().any(|note| note.contains(ending.describe()) && note.contains("2 of 2"));
        assert_eq!(noted, ending != Ending::Clean, "{:?}", result.notes);
        let echo = result.echo.unwrap();
        assert_eq!((echo.planned, echo.received), (60, 60));
    }
}

/// Answers a Close frame with another one.
fn answer_close(stream: &mut TcpStream) {
    let _ = stream.write_all(&peer::frame(8, &1000_u16.to_be_bytes(), false));
}

/// A `ws://` server that echoes, and calls `then` when the Close frame has arrived.
fn on_close(then: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let address = peer::websocket(move |mut socket| {
        while let Some(message) = next_binary(&mut socket) {
            if socket.send(message).is_err() {
                return;
            }
        }
        // tungstenite would answer the Close frame in its next call; there is none.
        then(socket.into_inner());
    });
    format!("ws://{address}/")
}

/// Keeps the connection open after the peer's FIN, for longer than any run here waits.
fn never_end(stream: TcpStream) {
    std::thread::sleep(std::time::Duration::from_secs(10));
    drop(stream);
}

fn next_binary(socket: &mut WebSocket<TcpStream>) -> Option<Message> {
    socket.read().ok().filter(Message::is_binary)
}

#[test]
fn never_answers_the_close_frame() {
    assert_ends(&on_close(peer::stay_silent), &[], Ending::NoReply);
}

#[test]
fn never_ends_the_connection() {
    let server = on_close(|mut stream| {
        answer_close(&mut stream);
        never_end(stream);
    });
    assert_ends(&server, &[], Ending::TcpKeptOpen);
}

#[test]
fn resets_after_its_close_frame() {
    let server = on_close(|mut stream| {
        answer_close(&mut stream);
        peer::reset(stream);
    });
    assert_ends(&server, &[], Ending::Reset);
}

#[test]
fn ends_as_specified() {
    let server = on_close(|mut stream| {
        answer_close(&mut stream);
        peer::end(&stream);
    });
    assert_ends(&server, &[], Ending::Clean);
}

/// The generator sends nothing after its Close frame until the server has answered it and ended TCP (RFC 6455 section
/// 7.1.1), whatever the mode and the layer.
#[test]
fn waits_for_the_server_to_close() {
    let impatient = Arc::new(AtomicUsize::new(0));
    let check = |impatient: &Arc<AtomicUsize>| {
        let impatient = Arc::clone(impatient);
        move |stream: &TcpStream| {
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            if stream.peek(&mut [0]).is_ok() {
                impatient.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let plain = check(&impatient);
    let ws = on_close(move |mut stream| {
        plain(&stream);
        answer_close(&mut stream);
        plain(&stream);
    });
    let authority = Authority::new("127.0.0.1");
    let encrypted = check(&impatient);
    let wss = authority.serve(move |stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        while let Ok(message) = socket.read() {
            if message.is_close() {
                break;
            }
            socket.send(message).unwrap();
        }
        encrypted(&socket.get_ref().sock);
        // It reports that the connection is closed now.
        let _ = socket.flush();
        encrypted(&socket.get_ref().sock);
        socket.get_mut().conn.send_close_notify();
        let _ = socket.get_mut().flush();
    });
    let (wss, ca) = (format!("wss://{wss}/"), authority.ca_argument());
    let handshake = ["--mode", "handshake", "--connect-rate", "20/s"];
    let echo = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s"];
    for engine in ["uring", "epoll"] {
        for target in [&[ws.as_str()][..], &[&wss, "--ca", &ca]] {
            for load in [&echo[..], &handshake, &[&handshake[..], &["--server-closes"]].concat()] {
                let rest = ["--warmup", "0s", "--duration", "300ms", "--engine", engine];
                let result = run(&[target, load, &rest].concat()).result();
                common::assert_no_errors(&result);
                assert_eq!(result.endings[0].ending, Ending::Clean, "{:?}", result.endings);
                assert_eq!(
                    (result.endings.len(), impatient.load(Ordering::Relaxed)),
                    (1, 0),
                    "{engine} {target:?} {load:?}"
                );
            }
        }
    }
}

#[test]
fn resets_instead_of_a_close_frame() {
    assert_close_fails(&on_close(peer::reset), &[], "reset", "the connection failed");
}

#[test]
fn ends_without_a_close_frame() {
    assert_ends(&on_close(drop), &[], Ending::NoCloseFrame);
}

#[test]
fn sends_an_invalid_close_frame() {
    let server = on_close(|mut stream| {
        let _ = stream.write_all(&peer::frame(8, b"x", false));
        peer::stay_silent(stream);
    });
    assert_close_fails(&server, &[], "violation", "a Close frame has a payload of one byte");
}

#[test]
fn keeps_sending_after_its_close_frame() {
    let server = on_close(|mut stream| {
        let _ = stream.write_all(&peer::frame(8, &1000_u16.to_be_bytes(), false));
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    assert_close_fails(&server, &[], "unexpected", "kept sending after its Close frame");
}

#[test]
fn never_ends_a_plain_stream() {
    let server = peer::tcp(|mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            let _ = stream.write_all(&message);
        }
        never_end(stream);
    });
    assert_ends(&format!("tcp://{server}"), &[], Ending::TcpKeptOpen);
}

#[test]
fn ends_tls_without_close_notify_after_the_close_frames() {
    let authority = Authority::new("127.0.0.1");
    let server = authority.serve(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        peer::echo(&mut socket);
        peer::end(&socket.get_ref().sock);
    });
    let url = format!("wss://{server}/");
    assert_ends(&url, &["--ca", &authority.ca_argument()], Ending::NoCloseNotify);
}

#[test]
fn failure_between_last_echo_and_close_is_counted() {
    // 60 messages over two connections are 30 each; an unsolicited message follows the last echo.
    for engine in ENGINES {
        let server = peer::websocket(|mut socket| {
            for number in 1..=30 {
                let Some(message) = next_binary(&mut socket) else { return };
                if number < 30 {
                    let _ = socket.send(message);
                    continue;
                }
                let echo = peer::frame(2, &message.into_data(), false);
                let _ = socket.get_mut().write_all(&[&echo[..], &peer::frame(2, b"more", false)].concat());
            }
            peer::stay_silent(socket.into_inner());
        });
        let arguments = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let url = format!("ws://{server}/");
        let result =
            run(&[&[url.as_str()], &arguments[..], &["--duration", "300ms", "--engine", engine]].concat()).result();
        assert_adds_up(&result);
        assert_eq!(errors(&result), [("echo", "unexpected", 2)]);
        assert!(!result.valid);
    }
}

#[test]
fn handshake_mode_counts_failures_and_endings() {
    for (server, expected) in [
        (on_close(never_end), Ok(Ending::NoReply)),
        (on_close(peer::reset), Err("reset")),
        (on_close(drop), Ok(Ending::NoCloseFrame)),
    ] {
        for engine in ENGINES {
            let arguments =
                ["--mode", "handshake", "--connect-rate", "20/s", "--close-timeout", "1s", "--warmup", "0s"];
            let result =
                run(&[&[server.as_str()], &arguments[..], &["--duration", "200ms", "--engine", engine]].concat());
            let result = result.result();
            assert_adds_up(&result);
            let (failures, endings) = match expected {
                Ok(ending) => (vec![], vec![EndingCount { ending, count: 4 }]),
                Err(kind) => (vec![("close", kind, 4)], vec![]),
            };
            assert_eq!((errors(&result), &result.endings), (failures, &endings), "{:?}", result.errors);
            assert_eq!(result.handshake.completed, 4);
        }
    }
}
