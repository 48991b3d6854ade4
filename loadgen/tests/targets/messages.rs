//! Servers that greet, that speak text only, and whose replies are not echoes.

use std::net::SocketAddr;

use tokio_tungstenite::tungstenite::Message;
use wss_model::RunResult;

use crate::common::{self, Ended, peer, run};

fn load(url: &str, extra: &[&str]) -> Ended {
    let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
    run(&[&[url], &load[..], &["--duration", "300ms"], extra].concat())
}

fn ws(server: SocketAddr) -> String {
    format!("ws://{server}/")
}

fn assert_measured(ended: &Ended) -> RunResult {
    let result = ended.result();
    common::assert_no_errors(&result);
    assert_eq!(result.echo.as_ref().unwrap().received, 60, "{ended}");
    result
}

/// Asserts that the first error contains these parts.
fn assert_fails(ended: &Ended, parts: &[&str]) {
    let result = ended.result();
    assert!(!result.valid);
    for part in parts {
        let found = result.errors.iter().any(|error| error.example.contains(part));
        assert!(found, "`{part}` is not in: {:?}", result.errors);
    }
}

/// A server that answers each message with what `reply` makes of it, and greets with these messages.
fn server(greeting: &'static [&'static str], reply: impl Fn(Message) -> Message + Send + Sync + 'static) -> SocketAddr {
    peer::websocket(move |mut socket| {
        for text in greeting {
            let _ = socket.send(Message::text(*text));
        }
        while let Ok(message) = socket.read() {
            if message.is_close() {
                break;
            }
            if socket.send(reply(message)).is_err() {
                return;
            }
        }
        while socket.read().is_ok() {}
    })
}

#[test]
fn a_greeting_is_skipped_and_counted() {
    let url = ws(server(&["hello", "{\"ready\":true}"], |message| message));
    assert_fails(&load(&url, &[]), &["unsolicited message", "--skip-messages"]);
    for skip in ["2", "until:ready"] {
        let result = assert_measured(&load(&url, &["--skip-messages", skip]));
        assert_eq!(result.handshake.skipped_messages, 4);
    }
    let handshakes = ["--mode", "handshake", "--connect-rate", "100/s", "--warmup", "0s", "--duration", "500ms"];
    let result = run(&[&[url.as_str()], &handshakes[..], &["--skip-messages", "2"]].concat()).result();
    common::assert_no_errors(&result);
    assert_eq!(result.handshake.skipped_messages, 2 * result.handshake.completed);
    assert_eq!(result.handshake.first_echo.count, result.handshake.completed);
}

#[test]
fn a_server_of_text_is_measured_with_text() {
    let url = ws(server(&[], |message| Message::text(message.into_text().unwrap_or_default())));
    assert_fails(&load(&url, &[]), &["answered a binary message with a text one", "use --text"]);
    assert_measured(&load(&url, &["--text"]));
    assert_measured(&load(&url, &["--text", "--binary", "--text"]));
    assert_fails(
        &load(&ws(server(&[], |message| Message::binary(message.into_data()))), &["--text"]),
        &["remove --text"],
    );
}

#[test]
fn replies_that_are_not_echoes_are_checked_as_asked() {
    let url = ws(server(&[], |_| Message::text(r#"{"status":"ok","id":7}"#)));
    for expect in ["any", "contains:ok", "json:status=ok", "json:/id=7", "length:22"] {
        assert_measured(&load(&url, &["--message", "ping", "--text", "--expect", expect]));
    }
    for (expect, part) in [
        ("contains:error", "does not contain `error`"),
        ("json:status=error", "has \"ok\" at /status instead of \"error\""),
        ("length:23", "has 22 bytes instead of 23"),
    ] {
        assert_fails(&load(&url, &["--message", "ping", "--text", "--expect", expect]), &[part, "correct --expect"]);
    }
}

#[test]
fn a_message_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message");
    std::fs::write(&path, [0, 1, 2, 255]).unwrap();
    let file = format!("@{}", path.display());
    let url = ws(server(&[], |message| {
        assert_eq!(message.clone().into_data().as_ref(), [0, 1, 2, 255]);
        message
    }));
    let result = assert_measured(&load(&url, &["--message", &file]));
    assert_eq!(result.config.size.0, 4);
    for (options, part) in [
        (&["--message", "@/nowhere/message"][..], "cannot read /nowhere/message"),
        (&["--message", ""], "--message is empty"),
        (&["--message", &file, "--text"], "is not UTF-8"),
        (&["--message", "a", "--size", "7"], "--size cannot be combined with --message"),
    ] {
        let ended = load(&url, options);
        assert_eq!(ended.status.code(), Some(1), "{ended}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

/// The Python programs of many introductions: the server sends one reply and closes.
#[test]
fn a_tls_server_that_replies_once_and_closes_is_measured() {
    let authority = peer::Authority::new("127.0.0.1");
    let server = authority.serve(|mut stream| {
        use std::io::{Read, Write};
        let mut message = [0; 13];
        if stream.read_exact(&mut message).is_ok() {
            let _ = stream.write_all(b"Hello, World!");
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    let (url, ca) = (format!("tls://{server}"), authority.ca_argument());
    for expect in ["contains:Hello, World!", "any", "length:13", "echo"] {
        let options = ["--message", "Hello, World!", "--expect", expect, "--mode", "handshake", "--ca", &ca];
        let load = ["--connect-rate", "100/s", "--warmup", "0s", "--duration", "500ms"];
        let result = run(&[&[url.as_str()], &options[..], &load].concat()).result();
        common::assert_no_errors(&result);
        assert_eq!(result.handshake.completed, 50);
    }
}
