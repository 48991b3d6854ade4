//! Decodes application data: the WebSocket opening handshake and frames, or plain bytes.
//!
//! Frames are not decoded by `wss_wire::websocket`, which rejects violations: a trace shows them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};
use wss_model::trace_result::Direction;
use wss_model::trace_result::application::{AcceptDerivation, Application, Frame, HttpHead};
use wss_wire::upgrade::accept_key;

/// RFC 6455 section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The most bytes that are shown of a payload.
const MAX_PREVIEW: usize = 64;
/// The most bytes that are shown of a payload as sent, which may be masked.
const MAX_WIRE: usize = 16;
/// The most bytes that are shown of a line.
const MAX_LINE: usize = 300;
/// The longest head that is awaited.
const MAX_HEAD: usize = 64 << 10;
/// The most lines that are shown of a head.
const MAX_LINES: usize = 60;

/// The application data of a connection in both directions.
pub(super) struct Conversation {
    sent: Stream,
    received: Stream,
    /// Sec-WebSocket-Key as it was sent.
    key: Option<String>,
}

/// One direction.
struct Stream {
    state: State,
    /// Data whose end is still missing.
    rest: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    Head,
    Frames,
    Bytes,
}

impl Conversation {
    pub(super) fn new(websocket: bool) -> Self {
        let state = if websocket { State::Head } else { State::Bytes };
        let stream = || Stream { state, rest: Vec::new() };
        Self { sent: stream(), received: stream(), key: None }
    }

    /// Decodes more bytes of one direction.
    pub(super) fn read(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Application> {
        let Self { sent, received, key } = self;
        let stream = match direction {
            Direction::Sent => sent,
            Direction::Received => received,
        };
        stream.rest.extend_from_slice(bytes);
        let mut contents = Vec::new();
        while !stream.rest.is_empty() {
            let (application, took) = match stream.state {
                State::Bytes => (raw_bytes(&stream.rest), stream.rest.len()),
                State::Head => match head(&stream.rest) {
                    None if !could_be_head(direction, &stream.rest) => {
                        stream.state = State::Bytes;
                        continue;
                    }
                    None => {
                        contents.push(Application::Fragment { available_bytes: stream.rest.len() as u64 });
                        break;
                    }
                    Some(head) => {
                        let took = usize::try_from(head.bytes).unwrap_or(usize::MAX);
                        (upgrade(direction, head, key, &mut stream.state), took)
                    }
                },
                State::Frames => match frame(&stream.rest) {
                    Ok(None) => {
                        contents.push(Application::Fragment { available_bytes: stream.rest.len() as u64 });
                        break;
                    }
                    Ok(Some((frame, took))) => (Application::Frame(frame), took),
                    Err(because) => {
                        stream.state = State::Bytes;
                        contents.push(Application::Unreadable { because });
                        continue;
                    }
                },
            };
            contents.push(application);
            stream.rest.drain(..took.min(stream.rest.len()));
        }
        contents
    }
}

/// The head at the start of `bytes`, if it is complete.
fn head(bytes: &[u8]) -> Option<HttpHead> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let lines = bytes[..end - 4].split(|byte| *byte == b'\n').map(|line| excerpt(line.trim_ascii_end(), MAX_LINE));
    Some(HttpHead { lines: lines.take(MAX_LINES).collect(), bytes: end as u64 })
}

/// Whether `bytes` can be the start of a head.
fn could_be_head(direction: Direction, bytes: &[u8]) -> bool {
    let begins: &[u8] = if direction == Direction::Received { b"HTTP/" } else { b"GET " };
    bytes.len() <= MAX_HEAD && bytes.iter().zip(begins).all(|(came, expected)| came == expected)
}

/// The request or response of the opening handshake; frames follow if the server switched protocols.
fn upgrade(direction: Direction, head: HttpHead, key: &mut Option<String>, state: &mut State) -> Application {
    if direction == Direction::Sent {
        *state = State::Frames;
        *key = field(&head, "sec-websocket-key");
        return Application::UpgradeRequest(head);
    }
    let status = head.lines.first().and_then(|line| line.split(' ').nth(1));
    let switched = status == Some("101");
    *state = if switched { State::Frames } else { State::Bytes };
    let accept = key.as_ref().filter(|_| switched).map(|key| AcceptDerivation {
        key: key.clone(),
        guid: GUID.to_owned(),
        sha1: hex(&Sha1::new().chain_update(key).chain_update(GUID).finalize()),
        expected: accept_key(key),
        received: field(&head, "sec-websocket-accept"),
    });
    debug_assert!(
        accept.as_ref().is_none_or(|accept| hex(&BASE64.decode(&accept.expected).unwrap_or_default()) == accept.sha1)
    );
    Application::UpgradeResponse { head, accept }
}

/// The value of a header field.
fn field(head: &HttpHead, name: &str) -> Option<String> {
    let mut fields = head.lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The frame at the start of `bytes`, if it is complete, and its length (RFC 6455 section 5.2).
fn frame(bytes: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    let Some((&[first, second], _)) = bytes.split_first_chunk() else { return Ok(None) };
    let opcode = match first & 0x0f {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        other => return Err(format!("the opcode {other} is reserved")),
    };
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
    let header_bytes = 2 + extended + mask_bytes;
    let Some(header) = bytes.get(..header_bytes) else { return Ok(None) };
    let length = match extended {
        0 => u64::from(second & 0x7f),
        _ => header[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(header_bytes));
    let end = end.ok_or_else(|| format!("its length is {length} bytes"))?;
    let Some(payload) = bytes.get(header_bytes..end) else { return Ok(None) };
    let mask = &header[header_bytes - mask_bytes..];
    let start = &payload[..payload.len().min(MAX_PREVIEW + 2)];
    let mut plain = start.to_vec();
    if !mask.is_empty() {
        plain.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    let code = plain.first_chunk().filter(|_| opcode == "close").map(|code| u16::from_be_bytes(*code));
    let content = if code.is_some() { &plain[2..] } else { plain.as_slice() };
    let hidden = payload.len() > plain.len() || content.len() > MAX_PREVIEW;
    let frame = Frame {
        opcode: opcode.to_owned(),
        fin: first & 0x80 != 0,
        reserved_bits: first >> 4 & 0x07,
        masking_key: (!mask.is_empty()).then(|| hex(mask)),
        header_bytes: header_bytes as u64,
        header: hex(header),
        payload_bytes: length,
        on_the_wire: hex(&payload[..payload.len().min(MAX_WIRE)]),
        preview: text_or_hex(&content[..content.len().min(MAX_PREVIEW)], hidden),
        close_code: code,
    };
    Ok(Some((frame, end)))
}

fn raw_bytes(bytes: &[u8]) -> Application {
    let start = &bytes[..bytes.len().min(MAX_PREVIEW)];
    Application::Bytes { bytes: bytes.len() as u64, preview: text_or_hex(start, bytes.len() > start.len()) }
}

/// Text in quotation marks, or hexadecimal if it is not text. A truncated character is left out.
fn text_or_hex(bytes: &[u8], cut: bool) -> String {
    let dots = if cut { " …" } else { "" };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some("") => String::new(),
        Some(text) if text.chars().all(|letter| !letter.is_control() || letter.is_ascii_whitespace()) => {
            format!("{text:?}{dots}")
        }
        _ => format!("0x{}{dots}", hex(bytes)),
    }
}

/// At most `most` bytes of a peer's text: printable ASCII as it is, everything else escaped.
pub(super) fn excerpt(bytes: &[u8], most: usize) -> String {
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        other => other.escape_ascii().to_string(),
    };
    let text: String = bytes.iter().take(most).map(printable).collect();
    if bytes.len() > most { text + " …" } else { text }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one application that these bytes are.
    fn only(conversation: &mut Conversation, direction: Direction, bytes: &[u8]) -> Application {
        let mut found = conversation.read(direction, bytes);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// A conversation after its opening handshake.
    fn open() -> Conversation {
        let mut conversation = Conversation::new(true);
        only(&mut conversation, Direction::Sent, b"GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\n\r\n");
        only(&mut conversation, Direction::Received, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
        conversation
    }

    #[test]
    fn the_accept_value_of_the_rfc_follows_from_its_key() {
        let mut conversation = Conversation::new(true);
        let request = b"GET /chat HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        only(&mut conversation, Direction::Sent, request);
        let response =
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let found = only(&mut conversation, Direction::Received, response);
        let Application::UpgradeResponse { accept: Some(accept), .. } = found else { panic!("{found:?}") };
        assert_eq!(accept.sha1, "b37a4f2cc0624f1690f64606cf385945b2bec4ea");
        assert_eq!(accept.received.as_ref(), Some(&accept.expected));
    }

    #[test]
    fn the_masked_hello_of_the_rfc_is_decoded_in_pieces() {
        let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let mut conversation = open();
        for byte in &bytes[..10] {
            assert!(matches!(only(&mut conversation, Direction::Sent, &[*byte]), Application::Fragment { .. }));
        }
        let found = only(&mut conversation, Direction::Sent, &bytes[10..]);
        let Application::Frame(frame) = found else { panic!("{found:?}") };
        assert_eq!((frame.opcode.as_str(), frame.fin, frame.payload_bytes), ("text", true, 5));
        assert_eq!((frame.masking_key.as_deref(), frame.preview.as_str()), (Some("37fa213d"), "\"Hello\""));
        assert_eq!(frame.on_the_wire, "7f9f4d5158");
    }

    #[test]
    fn a_close_frame_has_code_and_reason_and_a_reserved_opcode_is_shown() {
        let found = only(&mut open(), Direction::Received, &[0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);
        let Application::Frame(frame) = found else { panic!("{found:?}") };
        assert_eq!((frame.close_code, frame.preview.as_str()), (Some(1001), "\"bye\""));
        let found = open().read(Direction::Received, &[0x83, 0]);
        assert!(
            matches!(&found[..], [Application::Unreadable { .. }, Application::Bytes { bytes: 2, .. }]),
            "{found:?}"
        );
    }

    #[test]
    fn a_response_without_an_upgrade_is_followed_by_a_body() {
        let mut conversation = Conversation::new(true);
        let found = conversation.read(Direction::Received, b"HTTP/1.1 200 OK\r\n\r\n<html>");
        assert!(matches!(
            &found[..],
            [Application::UpgradeResponse { accept: None, .. }, Application::Bytes { bytes: 6, .. }]
        ));
        let found = Conversation::new(true).read(Direction::Received, b"220 mail.example.org ESMTP");
        assert!(matches!(&found[..], [Application::Bytes { bytes: 26, .. }]), "{found:?}");
    }
}
