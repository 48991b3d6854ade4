//! Echo servers of other languages.

use std::process::Command;

use crate::common::left_out;
use crate::common::peer::{self, Authority};
use crate::daemon::{Daemon, assert_measurable};

/// Echoes over `wss://` and `ws://`. Usage: CERTIFICATE KEY WSS_PORT WS_PORT.
const PYTHON: &str = r"
import asyncio, ssl, sys
from websockets.asyncio.server import serve

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    async with serve(echo, '127.0.0.1', int(sys.argv[3]), ssl=context), serve(echo, '127.0.0.1', int(sys.argv[4])):
        await asyncio.Future()

asyncio.run(main())
";

/// A Python that has `websockets`: the one of `.ci/run`, or the one in the path.
pub(crate) fn python() -> Option<&'static str> {
    const OF_CI: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../ci/bin/python3");
    let has_websockets = |python: &&str| {
        Command::new(python).args(["-c", "import websockets.asyncio.server"]).output().is_ok_and(|o| o.status.success())
    };
    [OF_CI, "python3"].into_iter().find(has_websockets)
}

#[test]
fn python_websockets() {
    let Some(python) = python() else { return left_out("the Python package websockets is not installed") };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("127.0.0.1");
    let file = |name: &str| folder.path().join(name);
    authority.write_files(&file("server.pem"), &file("server.key"));
    let (wss, ws) = (peer::nobody(), peer::nobody());
    let mut command = Command::new(python);
    command.arg("-c").arg(PYTHON).args([file("server.pem"), file("server.key")] as [_; 2]);
    command.args([wss.port().to_string(), ws.port().to_string()]);
    let _daemon = Daemon::start(command, &[wss, ws]);
    let ca = authority.ca_argument();
    assert_measurable(&[&format!("wss://{wss}/"), "--ca", &ca]);
    assert_measurable(&[&format!("ws://{ws}/")]);
}
