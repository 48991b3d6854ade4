//! Errors of HTTP/2 and of redirections.

use wss_wire::http2::Http2Error;
use wss_wire::redirection::RedirectionError;

use crate::{Entry, printed};

pub(crate) fn http2() -> Vec<Entry> {
    let code = |code: &str| code.to_owned();
    let errors = [
        Http2Error::NotSelected,
        Http2Error::NotHttp2 { start: "HTTP/1.1 400 Bad Request".to_owned() },
        Http2Error::Tls,
        Http2Error::NoAnswer,
        Http2Error::NoExtendedConnect,
        Http2Error::StreamReset { code: code("REFUSED_STREAM") },
        Http2Error::GoAway { code: code("ENHANCE_YOUR_CALM") },
        Http2Error::Violation("connection error detected: frame with invalid size".to_owned()),
    ];
    errors.into_iter().map(http2_error).collect()
}

fn http2_error(error: Http2Error) -> Entry {
    let (code, cause) = match &error {
        Http2Error::NotSelected => ("not_selected", "The server did not select h2 by ALPN."),
        Http2Error::Tls => ("speaks_tls", "The URL names a port for TLS without wss://."),
        Http2Error::NotHttp2 { .. } => ("not_http2", "Another protocol runs on the port."),
        Http2Error::NoAnswer => ("no_answer", "The server ended the connection before its first frame."),
        Http2Error::NoExtendedConnect => {
            ("no_extended_connect", "SETTINGS_ENABLE_CONNECT_PROTOCOL of the server is not 1 (RFC 8441 section 3).")
        }
        Http2Error::StreamReset { .. } => ("stream_reset", "The server sent RST_STREAM (RFC 9113 section 6.4)."),
        Http2Error::GoAway { .. } => ("go_away", "The server sent GOAWAY (RFC 9113 section 6.8)."),
        Http2Error::Violation(_) => ("http2_violation", "The server broke RFC 9113; the text says how."),
    };
    let cure = match code {
        "not_selected" | "no_answer" => "Enable HTTP/2 on the server, or remove --http 2.",
        _ => "See the kind of the same name under Kinds of errors.",
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn redirections() -> Vec<Entry> {
    let (from, to) = (|| "wss://example.org:443/".to_owned(), || "wss://example.org:443/chat".to_owned());
    let errors = [
        RedirectionError::NoLocation { from: from() },
        RedirectionError::Invalid { from: from(), why: "its scheme is ftp".to_owned() },
        RedirectionError::Downgrade { from: from(), to: "ws://example.org:80/".to_owned() },
        RedirectionError::Loop { from: from(), to: to() },
        RedirectionError::TooMany { from: from(), to: to(), limit: 3 },
    ];
    errors.into_iter().map(redirection).collect()
}

fn redirection(error: RedirectionError) -> Entry {
    let (cause, cure) = match &error {
        RedirectionError::NoLocation { .. } => ("The response says nothing about where to go.", "Give the final URL."),
        RedirectionError::Invalid { .. } => ("The Location cannot be connected to.", "Give the final URL."),
        RedirectionError::Downgrade { .. } => {
            ("A redirection must not remove TLS.", "Correct the server, or give the URL without TLS.")
        }
        RedirectionError::Loop { .. } => ("The redirections never end.", "Correct the server."),
        RedirectionError::TooMany { .. } => ("There are more redirections than --follow allows.", "Raise --follow."),
    };
    Entry::new(error.code(), printed(error), cause, cure)
}
