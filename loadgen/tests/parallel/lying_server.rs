//! Servers that drop, duplicate, delay, reorder or corrupt echoes while most of them are right. No run may be valid because
//! most of its messages were, and a delay is the server's.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Message, WebSocket};
use wss_model::{ReasonCode, RunResult};

use crate::common::{self, ENGINES, assert_adds_up, errors, peer, run};

/// The number of the message of each connection with which the server lies, from 0.
const LIE: usize = 20;

/// Runs 4 connections with 4 messages in flight on each, against a server that lets `lie` answer message [`LIE`] of each
/// connection and the one after it; it echoes all others.
fn run_each(lie: fn(&mut WebSocket<TcpStream>, [Message; 2]), check: impl Fn(&str, &RunResult)) {
    let server = peer::websocket(move |mut socket| {
        for _ in 0..LIE {
            let Ok(message) = socket.read() else { return };
            if !message.is_binary() || socket.send(message).is_err() {
                return;
            }
        }
        let (Ok(first), Ok(second)) = (socket.read(), socket.read()) else { return };
        lie(&mut socket, [first, second]);
        peer::echo(&mut socket);
    });
    let url = format!("ws://{server}/");
    for engine in ENGINES {
        let load = ["--connections", "4", "--connect-rate", "max", "--rate", "400/s", "--in-flight", "4"];
        let times = ["--duration", "500ms", "--warmup", "0s", "--echo-timeout", "1s", "--engine", engine];
        let result = run(&[&[url.as_str()], &load[..], &times].concat()).result();
        assert_adds_up(&result);
        check(engine, &result);
    }
}

/// Asserts that each connection failed with this kind of error.
fn assert_caught(kind: &'static str, lie: fn(&mut WebSocket<TcpStream>, [Message; 2])) {
    run_each(lie, |engine, result| {
        assert!(!result.valid, "{engine}");
        assert_eq!(result.invalid_because[0].code, ReasonCode::Errors, "{engine}: {:?}", result.invalid_because);
        assert!(errors(result).contains(&("echo", kind, 4)), "{engine}: {:?}", result.errors);
    });
}

fn send(socket: &mut WebSocket<TcpStream>, messages: impl IntoIterator<Item = Message>) {
    for message in messages {
        let _ = socket.send(message);
    }
}

#[test]
fn a_dropped_echo_is_an_error() {
    assert_caught("mismatch", |socket, [_, second]| send(socket, [second]));
}

#[test]
fn a_duplicated_echo_is_an_error() {
    assert_caught("mismatch", |socket, [first, second]| send(socket, [first.clone(), first, second]));
}

#[test]
fn reordered_echoes_are_an_error() {
    assert_caught("mismatch", |socket, [first, second]| send(socket, [second, first]));
}

#[test]
fn a_corrupted_echo_is_an_error() {
    assert_caught("mismatch", |socket, [first, second]| {
        let mut bytes = first.into_data().to_vec();
        bytes[40] ^= 0x10;
        send(socket, [Message::binary(bytes), second]);
    });
}

#[test]
fn a_delayed_echo_is_charged_to_the_server() {
    const DELAY: Duration = Duration::from_millis(200);
    run_each(
        |socket, messages| {
            thread::sleep(DELAY);
            send(socket, messages);
        },
        |engine, result| {
            common::assert_no_errors(result);
            let echo = result.echo.as_ref().unwrap();
            assert!(echo.response.max.unwrap() >= 200_000_000, "{engine}: {:?}", echo.response);
            // tokio-uring does not say when it looks for echoes.
            let Some(breakdown) = &echo.breakdown else { return assert_eq!(engine, "tokio-uring") };
            let generator_ns = breakdown.generator_ns + breakdown.unknown_ns;
            assert!(breakdown.server_ns > generator_ns, "{engine}: {breakdown:?}");
        },
    );
}
