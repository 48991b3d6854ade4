//! Why a WebSocket over HTTP/2 failed: [`Http2Error`].

use std::io;

use wss_model::ErrorKind;

/// A failure of HTTP/2, carried by the I/O errors of an [`super::Http2Stream`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Http2Error {
    /// The server did not select `h2`, or answered its offer with an alert.
    #[error(
        "the server does not select HTTP/2 (ALPN h2); enable HTTP/2 on the server, or remove --http 2 to use HTTP/1.1"
    )]
    NotSelected,
    /// The first bytes of the server are not a SETTINGS frame (RFC 9113 section 3.4).
    #[error(
        "the server does not speak HTTP/2 on this port; it starts with \"{start}\"; check the port, or remove --http 2 to use \
         HTTP/1.1"
    )]
    NotHttp2 {
        /// Its first bytes, escaped.
        start: String,
    },
    /// The first bytes of the server are a TLS record.
    #[error("the server speaks TLS on this port; use wss://")]
    Tls,
    /// The server ended the connection before its SETTINGS.
    #[error(
        "the server closed the connection instead of answering in HTTP/2; enable HTTP/2 on the server, or remove --http 2 to \
         use HTTP/1.1"
    )]
    NoAnswer,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL is not 1 (RFC 8441 section 3).
    #[error(
        "the server's HTTP/2 settings do not enable the extended CONNECT protocol of RFC 8441, so it has no WebSockets over \
         HTTP/2; enable it on the server, or remove --http 2 to use HTTP/1.1"
    )]
    NoExtendedConnect,
    /// RST_STREAM (RFC 9113 section 6.4).
    #[error("the server reset the HTTP/2 stream (RST_STREAM with {code}); {cure}", cure = cure(.code))]
    StreamReset {
        /// The name of the error code.
        code: String,
    },
    /// GOAWAY (RFC 9113 section 6.8).
    #[error("the server ended the HTTP/2 connection (GOAWAY with {code}); {cure}", cure = cure(.code))]
    GoAway {
        /// The name of the error code.
        code: String,
    },
    /// The server broke RFC 9113.
    #[error("the server violated RFC 9113 (HTTP/2): {0}; fix the server, or remove --http 2 to use HTTP/1.1")]
    Violation(String),
}

impl Http2Error {
    /// The kind to count the error as.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotSelected | Self::NotHttp2 { .. } | Self::NoAnswer => ErrorKind::NotHttp2,
            Self::Tls => ErrorKind::SpeaksTls,
            Self::NoExtendedConnect => ErrorKind::NoExtendedConnect,
            Self::StreamReset { .. } => ErrorKind::StreamReset,
            Self::GoAway { .. } => ErrorKind::GoAway,
            Self::Violation(_) => ErrorKind::Http2Violation,
        }
    }

    /// The failure that an I/O error carries, if it carries one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Http2Error> for io::Error {
    fn from(error: Http2Error) -> Self {
        Self::other(error)
    }
}

/// What helps against an error code (RFC 9113 section 7).
fn cure(code: &str) -> &'static str {
    match code {
        "HTTP_1_1_REQUIRED" => "remove --http 2 to use HTTP/1.1",
        "REFUSED_STREAM" | "ENHANCE_YOUR_CALM" => "lower --connect-rate, or raise the limits of the server",
        _ => "check its log",
    }
}
