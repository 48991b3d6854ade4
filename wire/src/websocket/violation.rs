//! The violations of RFC 6455 by a peer on an open WebSocket, with their close codes, and the check of a Close payload.

use thiserror::Error;

/// A violation of RFC 6455 by the peer, after which the connection has to be failed (section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A client sent a frame without a mask (section 5.1).
    #[error("the client sent a frame without a mask")]
    Unmasked,
    /// A server sent a frame with a mask (section 5.1).
    #[error("the server sent a masked frame")]
    Masked,
    /// RSV1, RSV2 or RSV3 is set, although no extension was negotiated that gives it a meaning in this frame (section 5.2).
    #[error("a reserved bit of a frame is set, although no extension was negotiated that uses it there")]
    ReservedBits,
    /// An opcode from 3 to 7 or from 11 to 15 (section 5.2).
    #[error("a frame has the reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A control frame of more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A continuation frame outside a fragmented message (section 5.4).
    #[error("a continuation frame came outside a fragmented message")]
    NothingToContinue,
    /// A text or binary frame inside a fragmented message (section 5.4).
    #[error("a new message started inside a fragmented one")]
    MessageInterrupted,
    /// A length that fits into a shorter encoding (section 5.2).
    #[error("a frame length is not encoded in the shortest form")]
    LengthNotMinimal,
    /// A 64-bit length whose most significant bit is set (section 5.2).
    #[error("the most significant bit of a 64-bit frame length is set")]
    LengthTopBit,
    /// A message over the limit of this end (section 7.4.1, code 1009), detected from a header.
    #[error("a message is longer than the limit of {limit} bytes")]
    MessageTooLarge {
        /// The limit in bytes, over all fragments of a message.
        limit: usize,
    },
    /// A message whose received part exceeds what all unfinished messages together may hold (close code 1013 of the IANA
    /// registry). It is not the fault of the peer.
    #[error("the unfinished messages of all connections exceed the limit of {limit} bytes")]
    OverBudget {
        /// The limit in bytes, over all connections.
        limit: usize,
    },
    /// A text, or the reason of a Close frame, that is not UTF-8 (section 8.1).
    #[error("a text is not valid UTF-8")]
    InvalidUtf8,
    /// A compressed message that cannot be decompressed (RFC 7692 section 7.2.2).
    #[error("a message is not valid DEFLATE data")]
    InvalidDeflate,
    /// A Close frame with a payload of one byte, which is too short for a code (section 5.5.1).
    #[error("a Close frame has a payload of one byte")]
    CloseTooShort,
    /// A close code that must not be sent (section 7.4 and the IANA registry).
    #[error("the close code {0} must not be sent")]
    CloseCode(u16),
}

impl Violation {
    /// What it violates.
    pub const fn rfc(&self) -> &'static str {
        match self {
            Self::InvalidDeflate => "RFC 7692",
            _ => "RFC 6455",
        }
    }

    /// The code for the Close frame that fails the connection: 1002, 1007 or 1009 (RFC 6455 section 7.4.1), or 1013.
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => 1007,
            Self::MessageTooLarge { .. } => 1009,
            Self::OverBudget { .. } => 1013,
            _ => 1002,
        }
    }
}

impl From<Violation> for std::io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, violation)
    }
}

/// The code and the reason in the payload of a Close frame; `None` if the payload is empty, which is valid.
///
/// # Errors
///
/// [`Violation::CloseTooShort`] for one byte, [`Violation::CloseCode`] for a code that must not be sent, and
/// [`Violation::InvalidUtf8`] for a reason that is not UTF-8 (RFC 6455 sections 5.5.1 and 7.4). Valid codes up to 2999 are
/// those in the IANA registry, except the ones reserved for local use (1004, 1005, 1006, 1015).
pub fn parse_close(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::CloseTooShort),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Violation::CloseCode(code));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
            Ok(Some((code, reason)))
        }
    }
}
