//! Servers that turn hostile when they are asked to close: the run ends, and nothing that went wrong is lost.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::peer::{self, Authority};
use common::{ENGINES, assert_adds_up, errors, run};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Two connections over which all messages come back, and which fail to close in this way.
fn fails_to_close(url: &str, extra: &[&str], kind: &str, says: &str) {
    for engine in ENGINES {
        let always = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let waits = ["--duration", "300ms", "--close-timeout", "1s", "--engine", engine];
        let result = run(&[&[url], &always[..], &waits, extra].concat()).result();
        assert_adds_up(&result);
        assert_eq!(errors(&result), [("close", kind, 2)], "{engine}: {:?}", result.errors);
        assert!(result.errors[0].example.contains(says), "`{says}` is not in: {}", result.errors[0].example);
        assert!(result.invalid_because.iter().any(|why| why.text.contains("2 errors")), "{:?}", result.invalid_because);
        let echo = result.echo.unwrap();
        assert_eq!((echo.planned, echo.received), (60, 60));
    }
}

/// A `ws://` server that echoes, and does `then` when the Close frame has come.
fn on_close(then: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let address = peer::websocket(move |mut socket| {
        while let Some(message) = next_binary(&mut socket) {
            if socket.send(message).is_err() {
                return;
            }
        }
        // tungstenite answers the Close frame with the next call: it gets none.
        then(socket.into_inner());
    });
    format!("ws://{address}/")
}

/// Keeps the connection after the other end's FIN, for longer than any run here waits.
fn never_end(stream: TcpStream) {
    std::thread::sleep(std::time::Duration::from_secs(10));
    drop(stream);
}

fn next_binary(socket: &mut WebSocket<TcpStream>) -> Option<Message> {
    socket.read().ok().filter(Message::is_binary)
}

#[test]
fn it_never_answers_the_close_frame() {
    let server = on_close(peer::stay_silent);
    fails_to_close(&server, &[], "timeout", "did not end the connection within 1s (--close-timeout)");
}

#[test]
fn it_answers_the_close_frame_and_never_ends_the_connection() {
    let server = on_close(|mut stream| {
        let _ = stream.write_all(&peer::frame(8, &1000_u16.to_be_bytes(), false));
        never_end(stream);
    });
    fails_to_close(&server, &[], "timeout", "did not end the connection within 1s (--close-timeout)");
}

#[test]
fn it_resets_where_a_close_frame_was_due() {
    fails_to_close(&on_close(peer::reset), &[], "reset", "the connection broke");
}

#[test]
fn it_ends_without_a_close_frame() {
    fails_to_close(&on_close(drop), &[], "closed", "ended without a Close frame");
}

#[test]
fn it_breaks_the_protocol_where_a_close_frame_was_due() {
    let server = on_close(|mut stream| {
        let _ = stream.write_all(&peer::frame(8, b"x", false));
        peer::stay_silent(stream);
    });
    fails_to_close(&server, &[], "violation", "a Close frame has a payload of one byte");
}

#[test]
fn it_goes_on_sending_after_its_close_frame() {
    let server = on_close(|mut stream| {
        let _ = stream.write_all(&peer::frame(8, &1000_u16.to_be_bytes(), false));
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    fails_to_close(&server, &[], "unexpected", "goes on sending after its Close frame");
}

#[test]
fn it_never_ends_a_stream_of_bytes() {
    let server = peer::tcp(|mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            let _ = stream.write_all(&message);
        }
        never_end(stream);
    });
    fails_to_close(&format!("tcp://{server}"), &[], "timeout", "within 1s (--close-timeout)");
}

#[test]
fn it_ends_tls_without_close_notify_after_the_close_frames() {
    let authority = Authority::new("127.0.0.1");
    let server = authority.serve(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        peer::echo(&mut socket);
        peer::end(&socket.get_ref().sock);
    });
    let url = format!("wss://{server}/");
    fails_to_close(&url, &["--ca", &authority.ca_argument()], "truncated", "without close_notify (truncated)");
}

#[test]
fn a_failure_between_the_last_echo_and_the_closing_is_not_lost() {
    // 60 messages over two connections are 30 each: with the last echo comes what no one asked for.
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
fn in_handshake_mode_each_way_of_not_closing_is_counted() {
    for (server, kind) in
        [(on_close(never_end), "timeout"), (on_close(peer::reset), "reset"), (on_close(drop), "closed")]
    {
        for engine in ENGINES {
            let arguments =
                ["--mode", "handshake", "--connect-rate", "20/s", "--close-timeout", "1s", "--warmup", "0s"];
            let result =
                run(&[&[server.as_str()], &arguments[..], &["--duration", "200ms", "--engine", engine]].concat());
            let result = result.result();
            assert_adds_up(&result);
            assert_eq!(
                (result.handshake.completed, errors(&result)),
                (4, vec![("close", kind, 4)]),
                "{:?}",
                result.errors
            );
        }
    }
}
