//! permessage-deflate, both ends against the implementation of Python's `websockets` and against each other.

use std::net::SocketAddr;
use std::process::Command;

use wss_model::run_result::{Compression, RunResult};

use crate::common::peer;
use crate::common::{assert_no_errors, left_out, run};
use crate::daemon::Daemon;
use crate::servers::python;

/// A server that echoes. Usage: PORT WINDOW_BITS, of which 0 means no compression.
const SERVER: &str = r"
import asyncio, sys
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    bits = int(sys.argv[2])
    extensions = [ServerPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits)] if bits else []
    async with serve(echo, '127.0.0.1', int(sys.argv[1]), compression=None, extensions=extensions):
        await asyncio.Future()

asyncio.run(main())
";

/// A client that checks what it negotiates and every echo. Usage: URL.
const CLIENT: &str = r"
import asyncio, itertools, os, sys
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

messages = ['', 'Hello', '{\'temperature\': 21.5}, ' * 2000, b'', os.urandom(100_000), b'\x00' * 900_000]

async def check(**offer):
    extension = ClientPerMessageDeflateFactory(**offer)
    async with connect(sys.argv[1], compression=None, extensions=[extension], max_size=None) as socket:
        assert 'permessage-deflate' in socket.response.headers['Sec-WebSocket-Extensions'], offer
        for message in messages + messages:
            await socket.send(message)
            assert await socket.recv() == message, offer
        # Fragments of a compressed message.
        await socket.send(['one ', 'two ', 'three'])
        assert await socket.recv() == 'one two three', offer

async def main():
    for server, client, bits in itertools.product([False, True], [False, True], [9, 12, 15]):
        await check(server_no_context_takeover=server, client_no_context_takeover=client,
                    server_max_window_bits=bits, client_max_window_bits=bits)
    await check()

asyncio.run(main())
";

/// A message as servers exchange it.
const MESSAGE: &str =
    r#"{"id":1,"device":"thermometer","place":"office","celsius":21.5,"history":[21.4,21.4,21.5,21.5,21.5]}"#;

/// A short run with compression; everything has to be echoed.
fn measured(target: &[&str], options: &[&str]) -> (RunResult, Compression) {
    let load =
        ["--deflate", "--connections=4", "--connect-rate=max", "--rate=200/s", "--duration=500ms", "--warmup=100ms"];
    let result = run(&[target, &load, &["--message", MESSAGE, "--text"], options].concat()).result();
    assert_no_errors(&result);
    let echo = result.echo.as_ref().unwrap();
    assert_eq!((echo.received, echo.failed), (echo.planned, 0));
    let compression = result.compression.clone().unwrap();
    let Compression { sent, received, .. } = &compression;
    assert!(sent.messages >= echo.sent && sent.messages == received.messages, "{compression:?}");
    assert_eq!(sent.plain_bytes, sent.messages * MESSAGE.len() as u64);
    assert_eq!(received.plain_bytes, sent.plain_bytes);
    (result, compression)
}

/// What the connections negotiated; all of them the same.
fn parameters(compression: &Compression) -> &str {
    assert_eq!(compression.negotiated.len(), 1, "{compression:?}");
    &compression.negotiated[0].parameters
}

#[test]
fn both_ends_compress_and_the_window_is_kept_unless_excluded() {
    let (_, kept) = measured(&[], &[]);
    assert_eq!(parameters(&kept), "permessage-deflate");
    // After the first messages of a connection, only a reference to the one before is left.
    assert!(kept.sent.compressed_bytes * 4 < kept.sent.plain_bytes, "{kept:?}");
    assert_eq!(kept.sent.compressed_bytes, kept.received.compressed_bytes);
    let (_, alone) = measured(&[], &["--deflate-no-context-takeover", "--deflate-window-bits=9"]);
    assert_eq!(
        parameters(&alone),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
         client_max_window_bits=9"
    );
    assert!(alone.sent.compressed_bytes > 2 * kept.sent.compressed_bytes * alone.sent.messages / kept.sent.messages);
    assert!(alone.sent.compressed_bytes < alone.sent.plain_bytes);
}

#[test]
fn handshakes_negotiate_it_and_random_bytes_grow() {
    let load = ["--mode=handshake", "--connect-rate=50/s", "--duration=500ms", "--warmup=0s"];
    let result = run(&[&load[..], &["--deflate", "--layer=ws"]].concat()).result();
    assert_no_errors(&result);
    let compression = result.compression.unwrap();
    assert_eq!(compression.negotiated[0].connections, result.handshake.completed);
    assert_eq!(compression.sent.messages, result.handshake.completed);
    assert!(compression.sent.compressed_bytes > compression.sent.plain_bytes);
}

fn python_server(python: &str, window_bits: u8) -> (Daemon, SocketAddr) {
    let address = peer::nobody();
    let mut command = Command::new(python);
    command.args(["-c", SERVER, &address.port().to_string(), &window_bits.to_string()]);
    (Daemon::start(command, &[address]), address)
}

#[test]
fn client_agrees_with_a_server_in_python() {
    let Some(python) = python() else { return left_out("the Python package websockets is not installed") };
    for (bits, own) in [(12, "15"), (15, "9"), (9, "15")] {
        let (_daemon, address) = python_server(python, bits);
        let (result, compression) = measured(&[&format!("ws://{address}/")], &["--deflate-window-bits", own]);
        let limit = own.parse::<u8>().unwrap().min(bits);
        let parameters = parameters(&compression);
        for end in ["server", "client"] {
            assert!(parameters.contains(&format!("{end}_max_window_bits={limit}")), "{parameters}");
        }
        assert!(compression.received.compressed_bytes < compression.received.plain_bytes);
        assert!(result.endings.iter().all(|ending| ending.ending.name() == "clean"), "{:?}", result.endings);
    }
    let (_daemon, address) = python_server(python, 0);
    let refusal = run(&["--deflate", "--connections=1", "--duration=100ms", &format!("ws://{address}/")]).refusal();
    assert!(refusal.contains("the server does not support permessage-deflate; remove --deflate"), "{refusal}");
}

#[test]
fn server_agrees_with_a_client_in_python() {
    let Some(python) = python() else { return left_out("the Python package websockets is not installed") };
    for options in [&["--layer=ws", "--deflate"][..], &["--layer=ws", "--deflate", "--deflate-no-context-takeover"]] {
        let server = peer::nobody();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_wssbench"));
        serve.args(["serve", "--listen", &server.to_string()]).args(options);
        let _server = Daemon::start(serve, &[server]);
        let client = Command::new(python).args(["-c", CLIENT, &format!("ws://{server}/")]).output().unwrap();
        assert!(client.status.success(), "{options:?}: {}", String::from_utf8_lossy(&client.stderr));
    }
}
