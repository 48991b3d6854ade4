//! The head of an HTTP message, read byte by byte if need be, with limits: what the two ends of the opening handshake
//! have in common on the wire.
//!
//! Each byte is looked at once, however the stream splits it. This module never interprets a field and never answers.

use std::io;

use httparse::Header;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most header fields of a head.
pub(super) const FIELDS_MAX: usize = 100;

/// How much one read asks for: a browser's request fits.
const READ_SIZE: usize = 1024;

/// Why there is no head.
#[derive(Debug)]
pub(super) enum HeadError {
    /// What came cannot be HTTP, for this reason.
    Malformed(&'static str),
    /// More bytes than the limit.
    TooLarge,
    /// More than [`FIELDS_MAX`] fields.
    TooManyFields,
    /// The stream ended within the head.
    Eof,
    /// The stream failed.
    Io(io::Error),
}

/// Reads into `buffer`, which is empty, up to the empty line that ends a head (RFC 9112 section 2.1), and returns the
/// length of the head with that line. Whatever else came with it is behind it in `buffer`, never more than `limit`
/// bytes altogether. After an error `buffer` has what came. What does not begin with `begins` is told at once: a peer
/// that speaks another protocol may never send an empty line.
pub(super) async fn read_head<S>(
    stream: &mut S,
    begins: &[u8],
    limit: usize,
    buffer: &mut Vec<u8>,
) -> Result<usize, HeadError>
where
    S: AsyncRead + Unpin,
{
    let mut scan = Scan::default();
    while buffer.len() < limit {
        let seen = buffer.len();
        let size = READ_SIZE.min(limit - seen);
        buffer.reserve(size);
        if (&mut *stream).take(size as u64).read_buf(buffer).await.map_err(HeadError::Io)? == 0 {
            return Err(HeadError::Eof);
        }
        if buffer.iter().zip(begins).any(|(came, expected)| came != expected) {
            return Err(HeadError::Malformed("it is no HTTP"));
        }
        if let Some(end) = scan.bytes(&buffer[seen..])? {
            return Ok(seen + end);
        }
    }
    Err(HeadError::TooLarge)
}

/// Where the scan for the end of the head stands.
#[derive(Debug, Default)]
struct Scan {
    /// The line so far has no byte. It begins as false, since an empty line before a head is ignored (RFC 9112 section
    /// 2.2).
    line_is_empty: bool,
    after_cr: bool,
    lines: usize,
}

impl Scan {
    /// Looks at the next bytes; `Some` is how many of them belong to the head that ends with them.
    fn bytes(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
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
                // Whatever is not text is told at once; a TLS record on a plain port begins this way.
                (0..=8 | 11..=31 | 127, false) => return Err(HeadError::Malformed("it contains a control character")),
                (_, false) => self.line_is_empty = false,
            }
        }
        Ok(None)
    }
}

/// The values of all lines with the name `name`, which HTTP compares without case.
pub(super) fn values<'h>(fields: &'h [Header<'h>], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
}

/// The value of the one line with the name `name`.
pub(super) fn only<'h>(fields: &'h [Header<'h>], name: &'h str) -> Result<&'h [u8], Count> {
    let mut values = values(fields, name);
    match (values.next(), values.next()) {
        (None, _) => Err(Count::None),
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(Count::Several),
    }
}

/// Why a field has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    None,
    Several,
}

/// The elements of a comma-separated list that may go over several lines (RFC 9110 section 5.6.1). Empty ones are
/// ignored, as that section asks of a recipient.
pub(super) fn elements<'h>(fields: &'h [Header<'h>], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    values(fields, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a list has the token `token`, in any case.
pub(super) fn has_token<'h>(fields: &'h [Header<'h>], name: &'h str, token: &str) -> bool {
    elements(fields, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Text for an error from bytes of the peer: at most `limit` of them, nothing but printable ASCII.
pub(super) fn excerpt(bytes: &[u8], limit: usize) -> String {
    let dots = if bytes.len() > limit { "…" } else { "" };
    format!("{}{dots}", bytes[..bytes.len().min(limit)].escape_ascii())
}
