//! The header of a WebSocket frame (RFC 6455 section 5.2): parsed strictly, and written for a fragment.
//!
//! This module checks each header on its own; `strict.rs` checks it against the message it belongs to.

use fastwebsockets::{OpCode, Role};

use super::violation::Violation;

/// Size of the longest header: two bytes, a 64-bit length and a masking key.
pub(super) const MAX_SIZE: usize = 14;

/// The bit that says that a message is compressed (RFC 7692 section 6).
pub(super) const RSV1: u8 = 0x40;

/// A masking key.
pub(super) type Mask = [u8; 4];

/// A complete header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: OpCode,
    /// RSV1: the message is compressed (RFC 7692 section 6).
    pub(super) compressed: bool,
    pub(super) length: u64,
    pub(super) mask: Option<Mask>,
    /// Size of the header itself in bytes.
    pub(super) size: usize,
}

impl Header {
    /// Parses the header at the start of `bytes`, received by the end with the role `role`; `None` if more bytes are needed.
    /// `deflate`: messages may be compressed.
    ///
    /// A violation in the first bytes is reported before the rest has arrived.
    pub(super) fn parse(bytes: &[u8], role: Role, deflate: bool) -> Result<Option<Self>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let compressed = first & RSV1 != 0;
        if first & 0x30 != 0 || compressed && !deflate {
            return Err(Violation::ReservedBits);
        }
        let code = first & 0x0f;
        let opcode = OpCode::try_from(code).map_err(|_| Violation::ReservedOpcode(code))?;
        // Only the first frame of a message says that it is compressed.
        if compressed && !matches!(opcode, OpCode::Text | OpCode::Binary) {
            return Err(Violation::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        if is_control(opcode) && !fin {
            return Err(Violation::ControlFragmented);
        }

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        match role {
            Role::Server if !masked => return Err(Violation::Unmasked),
            Role::Client if masked => return Err(Violation::Masked),
            _ => {}
        }
        let short = second & 0x7f;
        if is_control(opcode) && short > 125 {
            return Err(Violation::ControlTooLong);
        }

        let mut size = 2 + extended_size(short);
        let Some(extended) = bytes.get(2..size) else { return Ok(None) };
        let length = length(short, extended)?;
        let mut mask = None;
        if masked {
            let Some(key) = bytes[size..].first_chunk::<4>() else { return Ok(None) };
            mask = Some(*key);
            size += key.len();
        }
        Ok(Some(Self { fin, opcode, compressed, length, mask, size }))
    }
}

/// Whether the opcode is that of a control frame (RFC 6455 section 5.5).
pub(super) const fn is_control(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Close | OpCode::Ping | OpCode::Pong)
}

/// Size of the extended length, which follows the second byte of a header.
const fn extended_size(short: u8) -> usize {
    match short {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// The payload length from the 7-bit field and the extended length.
fn length(short: u8, extended: &[u8]) -> Result<u64, Violation> {
    let long = extended.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    match short {
        126 if long < 126 => Err(Violation::LengthNotMinimal),
        127 if long > i64::MAX as u64 => Err(Violation::LengthTopBit),
        127 if long <= u64::from(u16::MAX) => Err(Violation::LengthNotMinimal),
        126 | 127 => Ok(long),
        _ => Ok(u64::from(short)),
    }
}

/// Size of the header that [`write`] writes with a 16-bit length. It does not depend on the length, so that room for the
/// header can be reserved before the length is known.
pub(super) const fn fragment_size(mask: Option<Mask>) -> usize {
    if mask.is_some() { 8 } else { 4 }
}

/// Writes a header that fills `place`, which has the size of a header with a 16-bit or a 64-bit length.
///
/// The length need not be in the shortest form: only fastwebsockets reads it, which accepts any.
pub(super) fn write(place: &mut [u8], fin: bool, opcode: OpCode, length: usize, mask: Option<Mask>) {
    let (fixed, rest) = place.split_at_mut(2);
    let (extended, key) = rest.split_at_mut(rest.len() - if mask.is_some() { 4 } else { 0 });
    let wide = (length as u64).to_be_bytes();
    debug_assert!(extended.len() == 2 || extended.len() == 8, "the short form has no room for a length");
    debug_assert!(extended.len() == 8 || length <= usize::from(u16::MAX), "a 16-bit length is too small");
    fixed[0] = u8::from(fin) << 7 | opcode as u8;
    fixed[1] = u8::from(mask.is_some()) << 7 | if extended.len() == 2 { 126 } else { 127 };
    extended.copy_from_slice(&wide[wide.len() - extended.len()..]);
    if let Some(mask) = mask {
        key.copy_from_slice(&mask);
    }
}

/// The masking key for the rest of a payload after `offset` bytes (RFC 6455 section 5.3).
pub(super) fn rotate(mask: Mask, offset: u64) -> Mask {
    let mut rotated = mask;
    rotated.rotate_left((offset % 4) as usize);
    rotated
}
