//! Servers that turn hostile once a connection is open: each run ends within its bound, and what went wrong is counted
//! under its phase and kind.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

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

/// Messages that a server echoes before it turns.
const GOOD: usize = 10;
/// Connections of a run.
const CONNECTIONS: u64 = 2;

/// Half a second of 200 messages a second to a server, on each engine; `check` looks at each result.
fn meet(url: &str, extra: &[&str], check: impl Fn(&RunResult)) {
    for engine in ENGINES {
        let always = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
        let waits = ["--duration", "500ms", "--echo-timeout", "1s", "--close-timeout", "1s", "--engine", engine];
        let result = run(&[&[url], &always[..], &waits, extra].concat()).result();
        assert_adds_up(&result);
        assert_eq!(result.handshake.completed, CONNECTIONS, "{engine}");
        check(&result);
    }
}

/// That every connection failed in this way and the rest of its messages is told as lost; the sentence has `says`.
fn fails(url: &str, extra: &[&str], phase: &str, kind: &str, says: &str) {
    meet(url, extra, |result| {
        let failed = result
            .errors
            .iter()
            .find(|error| error.kind.name() == kind)
            .unwrap_or_else(|| panic!("{:?}", result.errors));
        assert_eq!((failed.phase.name(), failed.count), (phase, CONNECTIONS), "{failed:?}");
        assert!(failed.example.contains(says), "`{says}` is not in: {}", failed.example);
        let others: Vec<_> = errors(result).into_iter().filter(|error| error.1 != kind).collect();
        assert!(others.iter().all(|error| (error.0, error.1) == ("echo", "connection_lost")), "{others:?}");
        let told: u64 = result.errors.iter().map(|error| error.count).sum();
        assert!(result.invalid_because.iter().any(|why| why.text.contains(&format!("{told} errors"))), "{result:?}");
        if phase == "echo" {
            assert_eq!(result.echo.as_ref().unwrap().planned, 100, "what was due stays planned");
        }
    });
}

/// A `ws://` server that echoes [`GOOD`] messages and then hands over the connection with the next one.
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

/// Sends bytes as they are and then reads what comes, so that nothing but these bytes is what fails.
fn send_raw(socket: WebSocket<TcpStream>, bytes: &[u8]) {
    let mut stream = socket.into_inner();
    let _ = stream.write_all(bytes);
    peer::stay_silent(stream);
}

#[test]
fn it_closes_right_after_the_upgrade() {
    let server = peer::websocket(|socket| peer::end(socket.get_ref()));
    fails(&url(server), &[], "echo", "closed", "the peer ended without a Close frame");
}

#[test]
fn it_stops_answering_in_mid_run() {
    let server = good_at_first(|socket, _| peer::stay_silent(socket.into_inner()));
    fails(&server, &[], "echo", "timeout", "no echo within 1s of its sending (--echo-timeout)");
}

#[test]
fn it_stops_reading_in_mid_run() {
    let server = peer::websocket(|mut socket| {
        let _ = socket.read();
        thread::sleep(Duration::from_secs(5));
    });
    // Larger than every buffer on the way: the sending itself stalls.
    fails(&url(server), &["--size", "16MiB"], "echo", "timeout", "no echo within 1s of its sending (--echo-timeout)");
}

#[test]
fn it_flips_one_bit_of_an_echo() {
    let server = good_at_first(|socket, mut message| {
        message[17] ^= 1;
        send_raw(socket, &peer::frame(2, &message, false));
    });
    fails(&server, &[], "echo", "mismatch", "differs from what was sent from byte 17 of 64 on");
}

#[test]
fn it_echoes_less_than_was_sent() {
    let server = good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &message[..63], false)));
    fails(&server, &[], "echo", "mismatch", "the echo has 63 bytes where 64 were sent");
}

#[test]
fn it_echoes_more_than_was_sent() {
    let server =
        good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &[&message[..], b"x"].concat(), false)));
    fails(&server, &[], "echo", "violation", "longer than the limit of 64 bytes");
}

#[test]
fn it_answers_with_text() {
    let server = good_at_first(|socket, _| send_raw(socket, &peer::frame(1, &[b'a'; 64], false)));
    fails(&server, &[], "echo", "mismatch", "a text message where a binary one was sent");
}

#[test]
fn it_sends_what_nobody_asked_for() {
    let server = peer::websocket(|socket| send_raw(socket, &peer::frame(2, b"hello", false)));
    fails(&url(server), &[], "echo", "unexpected", "a message that answers none");
}

#[test]
fn it_echoes_twice() {
    let server = good_at_first(|socket, message| {
        let frame = peer::frame(2, &message, false);
        send_raw(socket, &[&frame[..], &frame].concat());
    });
    fails(&server, &[], "echo", "unexpected", "a message that answers none");
}

#[test]
fn it_sends_a_masked_frame() {
    let server = good_at_first(|socket, message| send_raw(socket, &peer::frame(2, &message, true)));
    fails(&server, &[], "echo", "violation", "the server broke RFC 6455: the server sent a masked frame");
}

#[test]
fn it_sends_a_frame_with_a_reserved_bit() {
    let server = good_at_first(|socket, message| {
        let mut frame = peer::frame(2, &message, false);
        frame[0] |= 0x40;
        send_raw(socket, &frame);
    });
    fails(&server, &[], "echo", "violation", "a reserved bit of a frame is set");
}

#[test]
fn it_sends_fragments_without_an_end() {
    let server = good_at_first(|socket, _| {
        let mut stream = socket.into_inner();
        let _ = stream.write_all(&[0x02, 1, b'a']);
        while stream.write_all(&[0x00, 1, b'a'].repeat(100)).is_ok() {}
    });
    fails(&server, &[], "echo", "violation", "longer than the limit of 64 bytes");
}

#[test]
fn it_closes_with_1011_in_mid_run() {
    let server = good_at_first(|mut socket, _| {
        let frame = CloseFrame { code: CloseCode::Error, reason: "out of order".into() };
        let _ = socket.close(Some(frame));
        while socket.read().is_ok() {}
    });
    fails(&server, &[], "echo", "closed", "closed the connection with code 1011: out of order");
}

#[test]
fn it_resets_in_mid_run() {
    let server = good_at_first(|socket, _| peer::reset(socket.into_inner()));
    fails(&server, &[], "echo", "reset", "the connection broke");
}

#[test]
fn it_ends_tls_without_close_notify() {
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
    fails(&wss, &["--ca", &ca], "echo", "truncated", "without close_notify (truncated)");
}

#[test]
fn it_ends_in_the_middle_of_a_message_of_bytes() {
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
    fails(&format!("tcp://{server}"), &[], "echo", "truncated", "after 40 of the 64 bytes of a message");
}

#[test]
fn it_pings_and_goes_on_only_after_the_pong() {
    let server = peer::websocket(|mut socket| {
        // The first ping comes while nothing is due, the others while an echo is awaited.
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
                    // The end, or a pong that answers nothing: then the echo never comes.
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
    meet(&url(server), &[], assert_no_errors);
}

#[test]
fn it_pings_without_end_and_echoes_all_the_same() {
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
    meet(&url(server), &[], assert_no_errors);
}
