//! Hand-made clients: TLS from rustls, and WebSocket frames byte by byte, because libraries do not send malformed ones.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{CLOSE, PING, PONG};

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// The key of RFC 6455 section 1.3, and its Sec-WebSocket-Accept.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The masking key of all frames; not zero, so that missing unmasking is detected.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A TLS configuration that trusts only this CA.
pub(crate) fn client_config(ca_pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM")).expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Completes the TLS handshake on a connection.
pub(crate) fn tls_over(mut tcp: TcpStream, ca_pem: &str) -> Tls {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(client_config(ca_pem), name).expect("a client");
    while connection.is_handshaking() || connection.wants_write() {
        connection.complete_io(&mut tcp).expect("the TLS handshake");
    }
    StreamOwned::new(connection, tcp)
}

/// A request that opens a WebSocket at `/`; `more` are additional fields, each with its CRLF.
pub(crate) fn request(more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// The header of a masked frame of `length` bytes, in its shortest form. `first` is FIN, RSV and opcode.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | u8::try_from(length).expect("at most 125")),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).expect("at most 65535").to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// All bytes up to the end, and how the stream ended: a TLS stream without close_notify ends with an error.
pub(crate) fn read_to_end(stream: &mut impl Read) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all).map(drop);
    (all, ended)
}

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, RSV and opcode.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code and the reason of a Close frame.
    pub(crate) fn close(&self) -> (u16, String) {
        assert_eq!(self.first, CLOSE, "a Close frame instead of {self:?}");
        let (code, reason) = self.payload.split_first_chunk::<2>().expect("a Close frame with a code");
        (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("a reason in UTF-8"))
    }
}

/// The client's end of an open WebSocket.
pub(crate) struct WebSocket<S> {
    pub(crate) stream: S,
}

impl<S: Read + Write> WebSocket<S> {
    /// Performs the opening handshake.
    pub(crate) fn open(mut stream: S) -> Self {
        stream.write_all(request("").as_bytes()).expect("sending the request");
        let mut open = Self { stream };
        let head = open.read_head();
        assert!(head.contains(ACCEPT), "{head}");
        open
    }

    /// Reads the head of the response, which must be 101.
    pub(crate) fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("the answer to the request");
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        head
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sending");
        self.stream.flush().expect("sending");
    }

    /// Reads the next frame.
    pub(crate) fn read(&mut self) -> Frame {
        self.try_read().expect("a frame from the server")
    }

    pub(crate) fn try_read(&mut self) -> io::Result<Frame> {
        let mut start = [0; 2];
        self.stream.read_exact(&mut start)?;
        assert_eq!(start[1] & 0x80, 0, "a server does not mask");
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        assert!(length <= 16 << 20, "{length} bytes were never sent");
        let mut payload = vec![0; usize::try_from(length).expect("at most 16 MiB")];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame { first: start[0], payload })
    }

    /// Sends a message and asserts that the echo is identical.
    pub(crate) fn assert_echo(&mut self, first: u8, payload: &[u8]) {
        self.send(&frame(first, payload));
        let echo = self.read();
        assert_eq!(echo.first, first);
        assert!(echo.payload == payload, "{} bytes were echoed as {} other ones", payload.len(), echo.payload.len());
    }

    /// Sends a ping and asserts that a pong follows, so that the server has read everything before.
    pub(crate) fn assert_pong(&mut self, payload: &[u8]) {
        self.send(&frame(PING, payload));
        assert_eq!(self.read(), Frame { first: PONG, payload: payload.to_vec() });
    }

    /// Starts the closing handshake, and asserts that the stream ends cleanly: with close_notify, if it is TLS.
    pub(crate) fn close(mut self) {
        self.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
        assert_eq!(self.read().close(), (1000, String::new()));
        self.assert_end();
    }

    /// Asserts that the next frame is a Close with this code, answers it, and asserts that the stream ends. Returns the
    /// reason.
    pub(crate) fn assert_closed(mut self, code: u16) -> String {
        let (found, reason) = self.read().close();
        assert_eq!(found, code, "{reason}");
        // May fail, because the server may have stopped reading.
        let _ = self.stream.write_all(&frame(CLOSE, &code.to_be_bytes()));
        self.assert_end();
        reason
    }

    fn assert_end(&mut self) {
        let (rest, ended) = read_to_end(&mut self.stream);
        assert!(rest.is_empty(), "nothing may follow a Close frame: {rest:?}");
        ended.expect("the stream ends cleanly");
    }
}
