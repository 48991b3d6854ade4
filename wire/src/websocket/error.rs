//! [`WebSocketError`]: why an open WebSocket has to end.

use std::io;

use thiserror::Error;
use wss_model::ErrorKind;

use super::violation::Violation;

/// Why a connection has to end.
#[derive(Debug, Error)]
pub enum WebSocketError {
    /// The peer violated RFC 6455, or exceeded the limit of a message.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The stream ended. This is an error only without a Close frame before it.
    #[error("the peer closed the connection without a Close frame")]
    Eof,
    /// A Close frame was sent before, after which nothing may be sent (RFC 6455 section 5.5.1).
    #[error("nothing can be sent after the Close frame")]
    Closed,
    /// The stream failed. The end of a TLS stream without close_notify is [`io::ErrorKind::UnexpectedEof`].
    #[error(transparent)]
    Io(io::Error),
}

impl WebSocketError {
    /// The kind to count the error as.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Violation(_) => ErrorKind::Violation,
            Self::Eof => ErrorKind::Closed,
            Self::Closed => ErrorKind::ClosedHere,
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            Self::Io(_) => ErrorKind::Reset,
        }
    }

    /// The code of the Close frame to send (RFC 6455 section 7.4.1); `None` if the peer cannot be reached.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Eof | Self::Closed | Self::Io(_) => None,
        }
    }
}

impl From<io::Error> for WebSocketError {
    /// Unwraps the [`Violation`] that the strict reader wraps in an I/O error.
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
            Some(violation) => Self::Violation(*violation),
            None => Self::Io(error),
        }
    }
}

impl From<fastwebsockets::WebSocketError> for WebSocketError {
    fn from(error: fastwebsockets::WebSocketError) -> Self {
        use fastwebsockets::WebSocketError as Theirs;
        let violation = match error {
            Theirs::IoError(error) => return error.into(),
            Theirs::UnexpectedEOF => return Self::Eof,
            Theirs::ConnectionClosed => return Self::Closed,
            Theirs::InvalidUTF8 => Violation::InvalidUtf8,
            // The strict reader detects these first; mapped all the same, so that none is reported as an I/O error.
            Theirs::InvalidFragment => Violation::MessageInterrupted,
            Theirs::InvalidContinuationFrame => Violation::NothingToContinue,
            Theirs::InvalidCloseFrame => Violation::CloseTooShort,
            Theirs::ReservedBitsNotZero => Violation::ReservedBits,
            Theirs::ControlFrameFragmented => Violation::ControlFragmented,
            Theirs::PingFrameTooLarge => Violation::ControlTooLong,
            Theirs::FrameTooLarge => Violation::MessageTooLarge { limit: usize::MAX },
            other => return Self::Io(io::Error::other(other)),
        };
        Self::Violation(violation)
    }
}
