//! How connections ended: [`Ending`], and how often each occurred.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_choice;

named_choice! {
    /// How the server ended a connection that the generator closed after the last message. All but the first deviate from RFC
    /// 6455 section 7, RFC 8441 section 5 or RFC 8446 section 6.1. None has lost a message, so none is an error.
    Ending {
        /// As specified: a Close frame (WebSocket), END_STREAM (HTTP/2), close_notify (TLS), and the end of TCP.
        Clean = "clean",
        /// The end of TCP without a Close frame.
        NoCloseFrame = "no_close_frame",
        /// With HTTP/2: no END_STREAM before the end of the connection or `--close-timeout`.
        NoEndStream = "no_end_stream",
        /// With HTTP/2: RST_STREAM instead of END_STREAM.
        StreamReset = "stream_reset",
        /// The end of TCP without close_notify.
        NoCloseNotify = "no_close_notify",
        /// A reset instead of the end of TCP.
        Reset = "reset",
        /// TCP was still open after `--close-timeout`.
        TcpKeptOpen = "tcp_kept_open",
        /// The Close frame was still not answered after `--close-timeout`.
        NoReply = "no_reply",
    }
}

impl Ending {
    /// What the server did, as the predicate of a sentence.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Clean => "ended the connection as specified",
            Self::NoCloseFrame => "ended TCP without a Close frame",
            Self::NoEndStream => "did not end the HTTP/2 stream with END_STREAM",
            Self::StreamReset => "reset the HTTP/2 stream instead of ending it",
            Self::NoCloseNotify => "ended TCP without close_notify",
            Self::Reset => "reset TCP instead of ending it",
            Self::TcpKeptOpen => "did not end TCP within --close-timeout",
            Self::NoReply => "did not answer the Close frame within --close-timeout",
        }
    }
}

/// Connections that ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndingCount {
    /// How they ended.
    pub ending: Ending,
    /// Number of connections, those of the warm-up included.
    pub count: u64,
}
