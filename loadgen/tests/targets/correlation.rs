//! Servers whose replies are found by an id in the message: they answer out of order, send notifications, or repeat replies.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};
use wss_model::RunResult;
use wss_model::config::KernelClockSample;

use crate::common::{self, Ended, left_out, peer, run};
use crate::daemon::Daemon;
use crate::servers::python;

const CALL: &str = r#"{"jsonrpc":"2.0","method":"sum","params":[{"a":1}],"id":{id}}"#;
/// Messages that a server collects before it answers them.
const BATCH: usize = 4;

fn load(url: &str, extra: &[&str]) -> Ended {
    let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s", "--text"];
    run(&[&[url], &load[..], &["--duration", "500ms", "--correlate", "json:id"], extra].concat())
}

fn ws(server: SocketAddr) -> String {
    format!("ws://{server}/")
}

fn assert_measured(ended: &Ended) -> RunResult {
    let result = ended.result();
    common::assert_no_errors(&result);
    result
}

fn assert_fails(ended: &Ended, kind: &str, part: &str) {
    let result = ended.result();
    assert!(!result.valid);
    let found = result.errors.iter().any(|error| error.kind.name() == kind && error.example.contains(part));
    assert!(found, "{kind} `{part}` is not in: {:?}", result.errors);
}

/// A server that passes each message to `answer` and sends what it returns.
fn server(answer: impl Fn(Value) -> Vec<String> + Send + Sync + 'static) -> SocketAddr {
    peer::websocket(move |mut socket| {
        while let Ok(message) = socket.read() {
            if message.is_close() {
                break;
            }
            let Ok(call) = serde_json::from_slice(&message.into_data()) else { return };
            for reply in answer(call) {
                if socket.send(Message::text(reply)).is_err() {
                    return;
                }
            }
        }
        while socket.read().is_ok() {}
    })
}

/// A server that answers the messages which it has in the reverse order.
fn reversing(answer: impl Fn(String) -> String + Send + Sync + 'static) -> SocketAddr {
    let flush = move |socket: &mut WebSocket<TcpStream>, waiting: &mut Vec<String>| {
        waiting.drain(..).rev().all(|message| socket.send(Message::text(answer(message))).is_ok())
    };
    peer::websocket(move |mut socket| {
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut waiting = Vec::new();
        loop {
            match socket.read() {
                Ok(Message::Text(message)) => waiting.push(message.to_string()),
                Ok(_) => break,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if !flush(&mut socket, &mut waiting) {
                        return;
                    }
                }
                Err(_) => return,
            }
            if waiting.len() == BATCH && !flush(&mut socket, &mut waiting) {
                return;
            }
        }
        while socket.read().is_ok() {}
    })
}

fn result_of(call: &Value) -> String {
    json!({"jsonrpc": "2.0", "result": {"id": 1, "sum": 3}, "id": call["id"]}).to_string()
}

#[test]
fn replies_out_of_order_are_assigned_by_their_id() {
    let url = ws(reversing(|message| result_of(&serde_json::from_str(&message).unwrap())));
    for engine in common::ENGINES {
        for rate in ["max", "400/s"] {
            let options = ["--message", CALL, "--expect", "json:result.sum=3", "--in-flight", "4"];
            let ended = load(&url, &[&options[..], &["--rate", rate, "--engine", engine]].concat());
            let result = assert_measured(&ended);
            assert_eq!(result.config.size.0 as usize, CALL.len() - "{id}".len() + 9);
            // The kernel's times are those of the oldest message.
            assert_eq!(result.config.kernel_clock, Some(KernelClockSample::Off));
            assert!(result.echo.unwrap().kernel_clock.is_none());
        }
    }
}

#[test]
fn an_echo_with_an_id_equals_what_was_sent() {
    let url = ws(reversing(|message| message));
    for message in [CALL, r#"{"id":"{id}","same":"{id}","text":"{{id}} {}"}"#] {
        assert_measured(&load(&url, &["--message", message, "--in-flight", "4", "--rate", "max"]));
    }
    let url = ws(reversing(|message| message.replace("\"a\":1", "\"a\":2")));
    assert_fails(&load(&url, &["--message", CALL]), "mismatch", "the echo differs from the message at byte");
}

#[test]
fn notifications_are_errors_or_ignored_and_counted() {
    let url = ws(server(|call| vec![json!({"jsonrpc": "2.0", "method": "tick"}).to_string(), result_of(&call)]));
    let options = ["--message", CALL, "--expect", "any"];
    assert_fails(&load(&url, &options), "unexpected", "a message without an id at /id; ignore those with --ignore-uns");
    let ignoring = [&options[..], &["--ignore-unsolicited"]].concat();
    let echo = assert_measured(&load(&url, &ignoring)).echo.unwrap();
    assert_eq!((echo.unsolicited_messages, echo.repeated_replies), (echo.received, 0));
    let handshakes = ["--mode", "handshake", "--connect-rate", "100/s", "--warmup", "0s", "--duration", "500ms"];
    let result = assert_measured(&load(&url, &[&ignoring[..], &handshakes].concat()));
    assert_eq!(result.handshake.unsolicited_messages, result.handshake.completed);
    assert_eq!(result.handshake.first_echo.count, result.handshake.completed);
}

#[test]
fn repeated_replies_are_errors_or_ignored_and_counted() {
    let complete = |call: &Value| json!({"type": "complete", "id": call["id"]}).to_string();
    let url = ws(server(move |call| vec![result_of(&call), complete(&call)]));
    let options = ["--message", CALL, "--expect", "contains:sum"];
    assert_fails(&load(&url, &options), "unexpected", "replied more than once to the message with the id 1");
    let echo = assert_measured(&load(&url, &[&options[..], &["--ignore-repeated"]].concat())).echo.unwrap();
    // The last ones of the connections may come after the phase.
    assert!(echo.received - echo.repeated_replies <= 2 && echo.unsolicited_messages == 0, "{echo:?}");
}

#[test]
fn other_replies_are_errors_of_their_own() {
    for (reply, kind, part) in [
        (json!({"id": 7}).to_string(), "unexpected", "replied to the id 7, which no message of the connection had"),
        (json!({"id": 999_999_999}).to_string(), "unexpected", "replied to the id 999999999, which no message"),
        (
            json!({"id": null, "error": {"code": -32700}}).to_string(),
            "mismatch",
            "at /id of the reply is not the id of a message",
        ),
        ("pong".to_owned(), "mismatch", "the reply is not JSON, so it has no id"),
        (format!("{{\"a\":{}", "[".repeat(500_000)), "mismatch", "the reply is not JSON"),
    ] {
        let reply = std::sync::Arc::new(reply);
        let url = ws(server(move |_| vec![reply.to_string()]));
        assert_fails(&load(&url, &["--message", CALL, "--ignore-unsolicited", "--ignore-repeated"]), kind, part);
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    let url = format!("ws://{}/", peer::nobody());
    for (options, part) in [
        (&["--correlate", "json:id"][..], "--correlate json:PATH requires a --message with an id"),
        (&["--correlate", "json:id", "--message", "{{id}}"], "requires an id in --message; write {id} where it goes"),
        (&["--ignore-unsolicited"], "--ignore-unsolicited requires --correlate json:PATH"),
        (&["--ignore-repeated", "--correlate", "order"], "--ignore-repeated requires --correlate json:PATH"),
        (&["--correlate", "id"], "expected order, or json:PATH such as json:id"),
    ] {
        let ended = run(&[&[url.as_str()], options].concat());
        assert_eq!(ended.status.code(), Some(1), "{ended}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn an_id_without_correlation_is_sent_as_it_is() {
    let url = ws(peer::websocket(|mut socket| peer::echo(&mut socket)));
    let load = ["--connections", "1", "--rate", "100/s", "--warmup", "0s", "--duration", "300ms", "--message", "{id}"];
    let result = assert_measured(&run(&[&[url.as_str()], &load[..]].concat()));
    assert_eq!(result.config.size.0, 4);
    assert!(result.notes.iter().any(|note| note.contains("{id} in --message is sent as it is")), "{:?}", result.notes);
}

/// A JSON-RPC server whose calls take random times, and which notifies meanwhile. Usage: PORT.
const PYTHON: &str = r#"
import asyncio, json, random, sys
from websockets.asyncio.server import serve

async def handle(socket):
    async def answer(call):
        await asyncio.sleep(random.random() / 100)
        if random.random() < 0.2:
            await socket.send(json.dumps({"jsonrpc": "2.0", "method": "progress", "params": [1]}))
        await socket.send(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": sum(call["params"])}))
    tasks = set()
    async for message in socket:
        task = asyncio.create_task(answer(json.loads(message)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

async def main():
    async with serve(handle, '127.0.0.1', int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
"#;

#[test]
fn a_json_rpc_server_of_python_is_measured() {
    let Some(python) = python() else { return left_out("the Python package websockets is not installed") };
    let address = peer::nobody();
    let mut command = Command::new(python);
    command.arg("-c").arg(PYTHON).arg(address.port().to_string());
    let _daemon = Daemon::start(command, &[address]);
    let call = r#"{"jsonrpc":"2.0","method":"sum","params":[1,2],"id":{id}}"#;
    let options = ["--message", call, "--expect", "json:result=3", "--in-flight", "16", "--ignore-unsolicited"];
    let result = assert_measured(&load(&ws(address), &[&options[..], &["--rate", "500/s"]].concat()));
    assert!(result.echo.unwrap().unsolicited_messages > 0);
}

/// In `--mode handshake` the rest of what the server sends arrives while the connection closes.
#[test]
fn what_is_ignored_may_arrive_during_the_close() {
    let complete = || json!({"type": "complete"}).to_string();
    let handshakes = ["--mode", "handshake", "--connect-rate", "50/s", "--message", CALL, "--expect", "any"];
    let url = ws(server(move |call| vec![result_of(&call), complete()]));
    let result = assert_measured(&load(&url, &[&handshakes[..], &["--ignore-unsolicited"]].concat()));
    assert_eq!(result.handshake.unsolicited_messages, result.handshake.completed);
    assert_fails(
        &load(&url, &handshakes),
        "unexpected",
        "without an id at /id; ignore those with --ignore-unsolicited",
    );
    let url = ws(server(|call| vec![result_of(&call), result_of(&call)]));
    assert_measured(&load(&url, &[&handshakes[..], &["--ignore-repeated"]].concat()));
    assert_fails(&load(&url, &handshakes), "unexpected", "ignore further replies with --ignore-repeated");
}
