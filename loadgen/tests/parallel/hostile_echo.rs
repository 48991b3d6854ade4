//! Servers that misbehave on an open connection: each run ends in bounded time, and failures are counted by phase and kind.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::peer::{self, Authority};
use common::{ENGINES, assert_adds_up, assert_no_errors, errors, run};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use wss_model::RunResult;

/// Messages that a server echoes before it misbehaves.
const GOOD: usize = 10;
/// Connections of a run.
const CONNECTIONS: u64 = 2;

/// Sends 200 messages per second for half a second on each engine; `check` gets each result.
fn run_each(url: &str, extra: &[&str], check: impl Fn(&RunResult)) {
    for engine in ENGINES {
        let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let timeouts = ["--duration", "500ms", "--echo-timeout", "1s", "--close-timeout", "1s", "--engine", engine];
        let result = run(&[&[url], &load[..], &timeouts, extra].concat()).result();
        assert_adds_up(&result);
        assert_eq!(result.handshake.completed, CONNECTIONS, "{engine}");
        check(&result);
    }
}

/// Asserts that every connection fails with this error, whose text contains `part`, and that its other messages count as
/// lost.
fn assert_fails(url: &str, extra: &[&str], phase: &str, kind: &str, part: &str) {
    run_each(url, extra, |result| {
        let failed = result
            .errors
            .iter()
            .find(|error| error.kind.name() == kind)
            .unwrap_or_else(|| panic!("{:?}", result.errors));
        assert_eq!((failed.phase.name(), failed.count), (phase, CONNECTIONS), "{failed:?}");
        assert!(failed.example.contains(part), "`{part}` is not in: {}", failed.example);
        let others: Vec<_> = errors(result).into_iter().filter(|error| error.1 != kind).collect();
        assert!(others.iter().all(|error| (error.0, error.1) == ("echo", "connection_lost")), "{others:?}");
        let total: u64 = result.errors.iter().map(|error| error.count).sum();
        assert!(
            result.invalid_because.iter().any(|reason| reason.text.contains(&format!("{total} errors"))),
            "{result:?}"
        );
        if phase == "echo" {
            assert_eq!(result.echo.as_ref().unwrap().planned, 100, "messages that were due stay planned");
        }
    });
}

/// A `ws://` server that echoes [`GOOD`] messages and then passes the connection and the next message to `then`.
fn good_at_first(then: impl Fn(WebSocket<TcpStream>, Vec<u8>) + Send + Sync + 'static) -> String {
    url(peer::websocket(move |mut socket| {
        for _ in 0..GOOD {
            let Ok(message) = socket.read() else { return };
            if socket.send(message).is_err() {
                return;
            }
        }
        if let Ok(Message::Binary(message)) = socket.read() {
            then(socket, message.to_vec());
        }
    }))
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/")
}

/// Sends bytes as they are, then reads until the peer ends, so that only these bytes can cause the failure.
fn send_raw(socket: WebSocket<TcpStream>, bytes: &[u8]) {
    let mut stream = socket.into_inner();
    let _ = stream.write_all(bytes);
    peer::stay_silent(stream);
}

#[test]
fn closes_right_after_the_upgrade() {
    let server = peer::websocket(|socket| peer::end(socket.get_ref()));
    assert_fails(&url(server), &[], "echo", "closed", "the peer closed the connection without a Close frame");
}

#[test]
fn stops_answering() {
    let server = good_at_first(|socket, _| peer::stay_silent(socket.into_inner()));
    assert_fails(&server, &[], "echo", "timeout", "no echo arrived within 1s (--echo-timeout)");
}

#[test]
fn stops_reading() {
    let server = peer::websocket(|mut socket| {
        let _ = socket.read();
        thread::sleep(Duration::from_secs(5));
    });
    // Larger than all buffers, so that sending stalls.
    assert_fails(&url(server), &["--size", "16MiB"], "echo", "timeout", "no echo arrived within 1s (--echo-timeout)");
}

#[test]
fn flips_one_bit_of_an_echo() {
    let server = good_at_first(|socket, mut message| {
        message[17] ^= 1;
        send_raw(socket, &peer::frame(2, &message, false));
    });
    assert_fails(&server, &[], "echo", "mismatch", "differs from the message at byte 17 of 64");
}

#[test]
fn truncates_an_echo() {
    let server = good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &message[..63], false)));
    assert_fails(&server, &[], "echo", "mismatch", "the echo has 63 bytes instead of 64");
}

#[test]
fn lengthens_an_echo() {
    let server =
        good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &[&message[..], b"x"].concat(), false)));
    assert_fails(&server, &[], "echo", "mismatch", "the echo has 65 bytes instead of 64");
}

#[test]
fn answers_with_text() {
    let server = good_at_first(|socket, _| send_raw(socket, &peer::frame(1, &[b'a'; 64], false)));
    assert_fails(&server, &[], "echo", "mismatch", "answered a binary message with a text one");
}

#[test]
fn sends_an_unsolicited_message() {
    let server = peer::websocket(|socket| send_raw(socket, &peer::frame(2, b"hello", false)));
    assert_fails(&url(server), &[], "echo", "unexpected", "an unsolicited message");
}

#[test]
fn echoes_twice() {
    let server = good_at_first(|socket, message| {
        let frame = peer::frame(2, &message, false);
        send_raw(socket, &[&frame[..], &frame].concat());
    });
    assert_fails(&server, &[], "echo", "unexpected", "an unsolicited message");
}

#[test]
fn sends_a_masked_frame() {
    let server = good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &message, true)));
    assert_fails(&server, &[], "echo", "violation", "the server violated RFC 6455: the server sent a masked frame");
}

#[test]
fn sends_a_frame_with_a_reserved_bit() {
    let server = good_at_first(|socket, message| {
        let mut frame = peer::frame(2, &message, false);
        frame[0] |= 0x40;
        send_raw(socket, &frame);
    });
    assert_fails(&server, &[], "echo", "violation", "a reserved bit of a frame is set");
}

#[test]
fn sends_endless_fragments() {
    let server = good_at_first(|socket, _| {
        let mut stream = socket.into_inner();
        let _ = stream.write_all(&[0x02, 1, b'a']);
        let fragment = [&[0x00, 100], &[b'a'; 100][..]].concat();
        while stream.write_all(&fragment.repeat(10)).is_ok() {}
    });
    assert_fails(&server, &[], "echo", "unexpected", "larger than 1048576 bytes");
}

#[test]
fn closes_with_1011() {
    let server = good_at_first(|mut socket, _| {
        let frame = CloseFrame { code: CloseCode::Error, reason: "out of order".into() };
        let _ = socket.close(Some(frame));
        while socket.read().is_ok() {}
    });
    assert_fails(&server, &[], "echo", "closed", "closed the connection with code 1011: out of order");
}

#[test]
fn resets_the_connection() {
    let server = good_at_first(|socket, _| peer::reset(socket.into_inner()));
    assert_fails(&server, &[], "echo", "reset", "the connection failed");
}

#[test]
fn ends_tls_without_close_notify() {
    let authority = Authority::new("127.0.0.1");
    let websocket = authority.serve(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        for _ in 0..GOOD {
            let Ok(message) = socket.read() else { return };
            let _ = socket.send(message);
        }
        let _ = socket.read();
        peer::end(&socket.get_ref().sock);
    });
    let ca = authority.ca_argument();
    let wss = format!("wss://{websocket}/");
    assert_fails(&wss, &["--ca", &ca], "echo", "truncated", "without close_notify");
}

#[test]
fn ends_in_the_middle_of_a_message() {
    let server = peer::tcp(|mut stream| {
        let mut message = [0; 64];
        for _ in 0..GOOD {
            if stream.read_exact(&mut message).is_err() {
                return;
            }
            let _ = stream.write_all(&message);
        }
        let _ = stream.read_exact(&mut message);
        let _ = stream.write_all(&message[..40]);
    });
    assert_fails(&format!("tcp://{server}"), &[], "echo", "closed", "after 40 of the 64 bytes of a message");
}

#[test]
fn waits_for_a_pong() {
    let server = peer::websocket(|mut socket| {
        // The first ping arrives while no message is due, the others while an echo is outstanding.
        for number in 0_u32.. {
            let payload = number.to_be_bytes().to_vec();
            if socket.send(Message::Ping(payload.clone().into())).is_err() {
                return;
            }
            let mut waiting = Vec::new();
            loop {
                match socket.read() {
                    Ok(Message::Pong(pong)) if pong == payload => break,
                    Ok(message @ Message::Binary(_)) => waiting.push(message),
                    // The connection ended, or the pong has the wrong payload: then the echo is never sent.
                    _ => return while socket.read().is_ok() {},
                }
            }
            if waiting.is_empty() {
                match socket.read() {
                    Ok(message @ Message::Binary(_)) if number > 0 => waiting.push(message),
                    Ok(message @ Message::Binary(_)) => drop(socket.send(message)),
                    _ => return while socket.read().is_ok() {},
                }
            }
            for message in waiting {
                let _ = socket.send(message);
            }
        }
    });
    run_each(&url(server), &[], assert_no_errors);
}

#[test]
fn pings_a_hundred_times_per_echo() {
    let server = peer::websocket(|mut socket| {
        while let Ok(message) = socket.read() {
            match message {
                Message::Binary(_) => {
                    let ping = peer::frame(9, b"are you there?", false);
                    let _ = socket.get_mut().write_all(&ping.repeat(100));
                    let _ = socket.send(message);
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
        while socket.read().is_ok() {}
    });
    run_each(&url(server), &[], assert_no_errors);
}
