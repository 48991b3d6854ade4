//! Servers that speak HTTP/2 frame by frame, so that they can break it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::common::peer;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// SETTINGS_ENABLE_CONNECT_PROTOCOL = 1.
pub(crate) const EXTENDED_CONNECT: [u8; 6] = [0, 8, 0, 0, 0, 1];
/// `:status: 200` (RFC 7541 appendix A).
pub(crate) const OK: [u8; 1] = [0x88];

/// A field whose name is in the static table of HPACK at `index`, below 142.
pub(crate) fn field(index: u8, value: &str) -> Vec<u8> {
    let name = if index < 15 { vec![index] } else { vec![15, index - 15] };
    [name, vec![value.len() as u8], value.as_bytes().to_vec()].concat()
}

/// The server's end of a connection.
pub(crate) struct Http2(pub(crate) TcpStream);

impl Http2 {
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) -> io::Result<()> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
        self.0.write_all(&[&head, payload].concat())
    }

    /// The next frame: kind, flags and payload.
    pub(crate) fn receive(&mut self) -> io::Result<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload)?;
        Ok((head[3], head[4], payload))
    }

    /// Opens the WebSocket and echoes messages of less than 126 bytes up to the Close frame, which `close` answers.
    pub(crate) fn echo(mut self, close: impl FnOnce(&mut Self, &[u8]) -> io::Result<()>) -> io::Result<()> {
        self.send(HEADERS, END_HEADERS, 1, &OK)?;
        loop {
            let (kind, _, payload) = self.receive()?;
            if kind != DATA || payload.len() < 6 {
                continue;
            }
            let mut frame = vec![payload[0], payload[1] & 0x7f];
            frame.extend(payload[6..].iter().enumerate().map(|(at, byte)| byte ^ payload[2 + at % 4]));
            if payload[0] & 15 == 8 {
                return close(&mut self, &frame);
            }
            self.send(DATA, 0, 1, &frame)?;
        }
    }
}

/// A server without TLS that sends these settings and waits for the request.
pub(crate) fn serve(
    settings: &'static [u8],
    then: impl Fn(Http2) -> io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    peer::tcp(move |stream| {
        let mut http2 = Http2(stream);
        let request = || -> io::Result<Http2> {
            http2.send(SETTINGS, 0, 0, settings)?;
            http2.0.read_exact(&mut [0; 24])?;
            while http2.receive()?.0 != HEADERS {}
            Ok(http2)
        };
        // The generator ends connections that it does not want.
        let _ = request().and_then(&then);
    })
}
