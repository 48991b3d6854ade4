//! Reads the head of an HTTP message within limits, for both ends of the opening handshake.
//!
//! Each byte is examined once, however the stream splits the head. This module does not interpret fields.

use std::io;

use httparse::Header;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Maximum number of header fields in a head.
pub(crate) const FIELDS_MAX: usize = 100;

/// Bytes per read; the request of a browser fits.
const READ_SIZE: usize = 1024;

/// Why no head could be read.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The bytes are not HTTP/1.1, for this reason.
    Malformed(&'static str),
    /// The head exceeds the limit of bytes.
    TooLarge,
    /// The head has more than [`FIELDS_MAX`] fields.
    TooManyFields,
    /// The stream ended inside the head.
    Eof,
    /// The stream failed.
    Io(io::Error),
}

/// Reads into `buffer`, which may hold the first bytes already, up to the empty line that ends a head (RFC 9112 section 2.1), and returns the length of
/// the head including that line. Bytes received after the head follow it in `buffer`, which never exceeds `limit` bytes.
/// After an error `buffer` holds the bytes received. A head that does not start with `prefix` is rejected at once, because
/// a peer that speaks another protocol may never send an empty line.
pub(crate) async fn read_head<S>(
    stream: &mut S,
    prefix: &[u8],
    limit: usize,
    buffer: &mut Vec<u8>,
) -> Result<usize, HeadError>
where
    S: AsyncRead + Unpin,
{
    let mut scanner = HeadScanner::default();
    let mut scanned = 0;
    loop {
        if buffer.iter().zip(prefix).any(|(received, expected)| received != expected) {
            return Err(HeadError::Malformed("it is not HTTP"));
        }
        if let Some(end) = scanner.find_end(&buffer[scanned..])? {
            return Ok(scanned + end);
        }
        scanned = buffer.len();
        if scanned >= limit {
            return Err(HeadError::TooLarge);
        }
        let size = READ_SIZE.min(limit - scanned);
        buffer.reserve(size);
        if (&mut *stream).take(size as u64).read_buf(buffer).await.map_err(HeadError::Io)? == 0 {
            return Err(HeadError::Eof);
        }
    }
}

/// The name of the first field that continues on the next line, escaped.
pub(super) fn folded_field(bytes: &[u8]) -> Option<String> {
    let mut name = None;
    for line in bytes.split(|&byte| byte == b'\n').skip(1) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return name;
        }
        name = line.split(|&byte| byte == b':').next().map(|name| excerpt(name, 40));
    }
    None
}

/// The state of the search for the end of the head.
#[derive(Debug, Default)]
struct HeadScanner {
    /// The current line has no byte. Initially false, because an empty line before a head is ignored (RFC 9112 section
    /// 2.2).
    line_is_empty: bool,
    after_cr: bool,
    lines: usize,
}

impl HeadScanner {
    /// Examines the next bytes. `Some`: the head ends with them, at this offset.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        for (index, &byte) in bytes.iter().enumerate() {
            match (byte, std::mem::replace(&mut self.after_cr, byte == b'\r')) {
                (b'\n', true) if self.line_is_empty => return Ok(Some(index + 1)),
                (b'\n', true) => {
                    self.lines += 1;
                    self.line_is_empty = true;
                    // The first line is not a field.
                    if self.lines > FIELDS_MAX + 1 {
                        return Err(HeadError::TooManyFields);
                    }
                }
                (b'\n', false) => return Err(HeadError::Malformed("a line ends with a bare LF, not with CRLF")),
                (_, true) => return Err(HeadError::Malformed("a CR is not followed by LF")),
                (b'\r', false) => {}
                // Anything but text is rejected at once; a TLS record on a plaintext port starts this way.
                (0..=8 | 11..=31 | 127, false) => return Err(HeadError::Malformed("it contains a control character")),
                (_, false) => self.line_is_empty = false,
            }
        }
        Ok(None)
    }
}

/// The values of all fields called `name`; field names are case-insensitive.
pub(super) fn values<'h>(fields: &'h [Header<'h>], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
}

/// The value of the only field called `name`.
pub(super) fn only<'h>(fields: &'h [Header<'h>], name: &'h str) -> Result<&'h [u8], FieldError> {
    let mut values = values(fields, name);
    match (values.next(), values.next()) {
        (None, _) => Err(FieldError::Missing),
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(FieldError::Repeated),
    }
}

/// Why a field does not have exactly one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldError {
    Missing,
    Repeated,
}

/// The elements of a comma-separated list that may span several fields (RFC 9110 section 5.6.1). Empty elements are
/// ignored, as that section requires.
pub(super) fn elements<'h>(fields: &'h [Header<'h>], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    values(fields, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a list contains `token`, compared without case.
pub(super) fn has_token<'h>(fields: &'h [Header<'h>], name: &'h str, token: &str) -> bool {
    elements(fields, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// At most `limit` bytes of the peer, escaped to printable ASCII for an error text.
pub(crate) fn excerpt(bytes: &[u8], limit: usize) -> String {
    let dots = if bytes.len() > limit { "…" } else { "" };
    format!("{}{dots}", bytes[..bytes.len().min(limit)].escape_ascii())
}
