//! Observes the frames that a server sends (RFC 9113 section 4.1), for what the h2 crate does not report: whether the
//! settings have arrived, and which frame ended the stream or the connection.

use super::error::Http2Error;
use crate::upgrade::head::excerpt;

/// Length of a frame header.
const HEADER: usize = 9;
/// Bytes of a payload that are kept: a GOAWAY begins with a stream and an error code.
const KEPT: usize = 8;
/// Limit on the bytes of the server quoted in an error.
const EXCERPT_MAX: usize = 80;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// The flag of DATA and HEADERS.
const END_STREAM: u8 = 1;
/// The flag of SETTINGS.
const ACK: u8 = 1;
/// The only stream of a connection here: the first one of a client.
const STREAM: u32 = 1;

/// Parses the frames of a server, from pieces of any size.
#[derive(Debug, Default)]
pub(super) struct FrameObserver {
    header: [u8; HEADER],
    header_filled: usize,
    payload_left: usize,
    payload: [u8; KEPT],
    payload_kept: usize,
    /// The first SETTINGS frame has arrived, which is the first frame.
    pub(super) has_settings: bool,
    /// Bytes of the heads of the stream, as compressed.
    pub(super) head_size: usize,
    /// The stream has ended in order.
    pub(super) has_end_stream: bool,
    /// The error code of RST_STREAM.
    pub(super) reset: Option<u32>,
    /// The error code of the last GOAWAY.
    pub(super) go_away: Option<u32>,
}

impl FrameObserver {
    /// Observes the next bytes.
    ///
    /// # Errors
    /// If the first frame is not SETTINGS: the server does not speak HTTP/2.
    pub(super) fn observe(&mut self, bytes: &[u8]) -> Result<(), Http2Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.header_filled < HEADER {
                let count = rest.len().min(HEADER - self.header_filled);
                self.header[self.header_filled..self.header_filled + count].copy_from_slice(&rest[..count]);
                self.header_filled += count;
                rest = &rest[count..];
                if !self.has_settings && self.header_filled > 3 && self.header[3] != SETTINGS {
                    return Err(another_protocol(&[&self.header[..self.header_filled], rest].concat()));
                }
                if self.header_filled < HEADER {
                    return Ok(());
                }
                let [high, middle, low, ..] = self.header;
                self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.payload_kept = 0;
                if matches!(self.header[3], HEADERS | CONTINUATION) {
                    self.head_size += self.payload_left;
                }
            }
            let count = rest.len().min(self.payload_left);
            let kept = count.min(KEPT - self.payload_kept);
            self.payload[self.payload_kept..self.payload_kept + kept].copy_from_slice(&rest[..kept]);
            self.payload_kept += kept;
            self.payload_left -= count;
            rest = &rest[count..];
            if self.payload_left == 0 {
                self.header_filled = 0;
                self.complete();
            }
        }
        Ok(())
    }

    /// A whole frame has arrived.
    fn complete(&mut self) {
        let [_, _, _, kind, flags, stream @ ..] = self.header;
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| self.payload[at + byte]));
        match kind {
            SETTINGS if flags & ACK == 0 => self.has_settings = true,
            DATA | HEADERS if stream == STREAM && flags & END_STREAM != 0 => self.has_end_stream = true,
            // A shorter payload is a violation, which h2 reports.
            RST_STREAM if stream == STREAM && self.payload_kept >= 4 => self.reset = Some(number(0)),
            GOAWAY if self.payload_kept == KEPT => self.go_away = Some(number(4)),
            _ => {}
        }
    }
}

/// What speaks on the port instead, by its first bytes.
fn another_protocol(start: &[u8]) -> Http2Error {
    match start {
        // An alert or a handshake message, as for HTTP/1.1.
        [0x15 | 0x16, 3, ..] => Http2Error::Tls,
        _ => Http2Error::NotHttp2 { start: excerpt(start, EXCERPT_MAX) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn observes_frames_in_pieces_of_any_size() {
        let stream = [
            frame(SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 1]),
            frame(SETTINGS, ACK, 0, &[]),
            frame(HEADERS, 4, 1, &[0x88]),
            // Of another stream.
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 9]),
            frame(DATA, END_STREAM, 1, &[7; 40]),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11, b'x']),
        ]
        .concat();
        for size in 1..stream.len() {
            let mut observer = FrameObserver::default();
            let mut read = 0;
            for piece in stream.chunks(size) {
                observer.observe(piece).unwrap();
                read += piece.len();
                assert_eq!(observer.has_settings, read >= 15);
                assert_eq!(observer.reset.is_some(), read >= stream.len() - 18);
            }
            assert!(observer.has_end_stream);
            assert_eq!((observer.reset, observer.go_away), (Some(8), Some(11)));
        }
    }

    #[test]
    fn another_protocol_is_recognized_by_its_first_bytes() {
        for start in ["HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-x\r\n", "\x15\x03\x01\0\x02\x02\x28"] {
            for size in 1..start.len() {
                let mut observer = FrameObserver::default();
                let mut pieces = start.as_bytes().chunks(size);
                let error = pieces.find_map(|piece| observer.observe(piece).err()).unwrap();
                match error {
                    Http2Error::Tls => assert!(start.starts_with('\x15')),
                    Http2Error::NotHttp2 { start: seen } => assert!(start.starts_with(&seen[..3]), "{seen}"),
                    other => panic!("{other}"),
                }
            }
        }
        assert_eq!(FrameObserver::default().observe(b"\0\0"), Ok(()));
    }
}
