//! A response that refuses the upgrade, and what it says about the reason: [`Rejection`].

use std::fmt;

use httparse::{Header, Status, parse_chunk_size};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::head;

/// Limit on the bytes of a body that are read for an error text.
const BODY_MAX: usize = 4096;
/// Limit on the bytes of the server in an error text.
const EXCERPT_MAX: usize = 160;

/// A response that does not open a WebSocket, which ends the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status code.
    pub status: u16,
    /// Its reason phrase, escaped.
    pub reason: String,
    /// The value of Location, escaped.
    pub location: Option<String>,
    /// The value of Retry-After, escaped.
    pub retry_after: Option<String>,
    /// The value of WWW-Authenticate or Proxy-Authenticate, escaped.
    pub challenge: Option<String>,
    /// The value of Location as it is, if it is text.
    location_unescaped: Option<String>,
    is_http2: bool,
    is_html: bool,
    framing: BodyFraming,
    /// The body as received.
    body: Vec<u8>,
}

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyFraming {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Rejection {
    /// From a parsed head and the bytes that came after it.
    pub(crate) fn new(status: u16, reason: &str, fields: &[Header<'_>], leftover: &[u8]) -> Self {
        let value = |name| head::values(fields, name).next();
        let escaped = |name| value(name).map(|value| head::excerpt(value, EXCERPT_MAX));
        let length = value("content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let framing = match length {
            _ if head::has_token(fields, "transfer-encoding", "chunked") => BodyFraming::Chunked,
            Some(length) => BodyFraming::Length(length),
            None => BodyFraming::UntilEnd,
        };
        Self {
            status,
            reason: head::excerpt(reason.as_bytes(), EXCERPT_MAX),
            location: escaped("location"),
            location_unescaped: value("location").and_then(|value| String::from_utf8(value.to_vec()).ok()),
            is_http2: false,
            retry_after: escaped("retry-after"),
            challenge: escaped("www-authenticate").or_else(|| escaped("proxy-authenticate")),
            is_html: value("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/html")),
            framing,
            body: leftover.to_vec(),
        }
    }

    /// From the head of a response of HTTP/2, which has no reason phrase.
    pub(crate) fn of_http2(status: u16, fields: &[Header<'_>]) -> Self {
        Self { is_http2: true, ..Self::new(status, "", fields, &[]) }
    }

    /// Whether the server redirects the request (RFC 9110 section 15.4).
    pub fn is_redirection(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The value of Location as it is, if it is text: a URL reference.
    pub fn location_reference(&self) -> Option<&str> {
        self.location_unescaped.as_deref()
    }

    /// Whether the server says that it speaks only HTTP/2, as Node.js does to a client that offers no ALPN.
    fn requires_http2(&self) -> bool {
        if self.is_http2 {
            return false;
        }
        let text = self.text();
        text.contains("ALPN") && text.contains("h2")
    }

    /// Reads the start of the body, as far as it fits in an error text. The call has no deadline of its own, and a server may
    /// leave the connection open.
    pub async fn read_body<S: AsyncRead + Unpin>(&mut self, stream: &mut S) {
        while self.body.len() < BODY_MAX && !self.is_complete() {
            let room = (BODY_MAX - self.body.len()) as u64;
            match (&mut *stream).take(room).read_buf(&mut self.body).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        match self.framing {
            BodyFraming::Length(length) => self.body.len() >= length,
            BodyFraming::Chunked => dechunked(&self.body).1,
            BodyFraming::UntilEnd => false,
        }
    }

    /// The text of the body, escaped.
    fn text(&self) -> String {
        let body = match self.framing {
            BodyFraming::Chunked => dechunked(&self.body).0,
            BodyFraming::Length(length) => self.body[..length.min(self.body.len())].to_vec(),
            BodyFraming::UntilEnd => self.body.clone(),
        };
        let body = if self.is_html { without_tags(&body) } else { body };
        let words: Vec<&[u8]> = body.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        head::excerpt(&words.join(&b' '), EXCERPT_MAX)
    }

    /// Status, reason and details, for an error text.
    pub fn summary(&self) -> String {
        self.status_line() + &self.details()
    }

    fn status_line(&self) -> String {
        if self.reason.is_empty() { self.status.to_string() } else { format!("{} {}", self.status, self.reason) }
    }

    /// What the server says besides the status, in parentheses; empty if it says nothing.
    fn details(&self) -> String {
        let text = self.text();
        let text = (!text.is_empty()).then(|| format!("\"{text}\""));
        let location = self.location.as_ref().map(|location| format!("Location: {location}"));
        let retry_after = self.retry_after.as_ref().map(|time| format!("Retry-After: {time}"));
        let challenge = self.challenge.as_ref().map(|challenge| format!("it asks for {challenge}"));
        let details: Vec<String> = [location, retry_after, challenge, text].into_iter().flatten().collect();
        if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) }
    }

    /// What the user can do.
    fn cure(&self) -> &'static str {
        match self.status {
            // As nginx and Go respond to plain text on a port for TLS.
            400 if self.text().contains("HTTPS") => "use wss://",
            _ if self.requires_http2() => "the server speaks only HTTP/2; add --http 2",
            _ if self.is_redirection() && self.location.is_some() => "give that URL, or add --follow 1",
            300..=399 if self.location.is_some() => "give that URL",
            401 | 407 => "give credentials with --bearer-file, --header or --cookie",
            403 => "check what the server requires, such as --origin, --header or --cookie",
            404 | 405 | 410 => "check the path of the URL",
            408 | 429 | 503 => "lower --connect-rate, or raise the limits of the server",
            500..=599 => "check the log of the server",
            _ => "check the path of the URL, and what the server requires (--header, --subprotocol)",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, details) = (self.status_line(), self.details());
        let expected = if self.is_http2 { "200" } else { "101 Switching Protocols" };
        write!(f, "the server responded with {status} instead of {expected}{details}; {}", self.cure())
    }
}

/// The content of the chunks received (RFC 9112 section 7.1), and whether the last one is among them.
fn dechunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    loop {
        match parse_chunk_size(bytes) {
            Ok(Status::Complete((_, 0))) | Err(_) => return (content, true),
            Ok(Status::Partial) => return (content, false),
            Ok(Status::Complete((start, size))) => {
                let rest = &bytes[start..];
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                content.extend_from_slice(&rest[..size.min(rest.len())]);
                // The CRLF after a chunk.
                match rest.get(size.saturating_add(2)..) {
                    Some(next) => bytes = next,
                    None => return (content, false),
                }
            }
        }
    }
}

/// A page without its tags, scripts and styles. Good enough to find the sentence that a person would read.
fn without_tags(page: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.iter().position(|&byte| byte == b'<') {
        text.extend_from_slice(&rest[..start]);
        text.push(b' ');
        rest = &rest[start..];
        let hidden = ["script", "style"]
            .into_iter()
            .find(|name| rest.get(1..=name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes())));
        if let Some(name) = hidden {
            let end = format!("</{name}");
            let found = rest.windows(end.len()).position(|part| part.eq_ignore_ascii_case(end.as_bytes()));
            rest = found.map_or(&[], |at| &rest[at..]);
        }
        rest = rest.iter().position(|&byte| byte == b'>').map_or(&[], |end| &rest[end + 1..]);
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Rejection {
        let fields: Vec<Header<'_>> =
            fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        Rejection::new(status, "Reason", &fields, body)
    }

    #[test]
    fn the_text_names_what_the_server_says_and_a_cure_that_can_help() {
        let chunked = ("Transfer-Encoding", "chunked");
        for (rejection, parts) in [
            (rejection(302, &[("Location", "https://a/b")], b""), ["(Location: https://a/b)", "give that URL"]),
            (rejection(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b""), ["Basic realm", "--bearer-file"]),
            (
                rejection(401, &[chunked], b"a\r\nToken miss\r\n3\r\ning\r\n0\r\n\r\n"),
                ["\"Token missing\"", "--header"],
            ),
            (
                rejection(404, &[("Content-Type", "text/html")], b"<html><style>p{}</style>\n<p>No such\n page</html>"),
                ["(\"No such page\")", "the path of the URL"],
            ),
            (rejection(403, &[("Content-Length", "4")], b"no\x1b!!! more"), ["(\"no\\x1b!\")", "--origin"]),
            (rejection(503, &[], b""), ["503 Reason instead of 101", "--connect-rate"]),
            (rejection(429, &[("Retry-After", "30")], b""), ["(Retry-After: 30)", "--connect-rate"]),
            (
                rejection(400, &[], b"Client sent an HTTP request to an HTTPS server.\n"),
                ["an HTTPS server", "use wss://"],
            ),
        ] {
            let text = rejection.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_and_no_further() {
        for (fields, start, rest, expected) in [
            (&[("Content-Length", "5")][..], "ab", "cdeXX", "abcde"),
            (&[("Transfer-Encoding", "chunked")][..], "5\r\nab", "cde\r\n0\r\n\r\n", "abcde"),
            (&[][..], "ab", "cde", "abcde"),
        ] {
            let mut rejected = rejection(400, fields, start.as_bytes());
            rejected.read_body(&mut rest.as_bytes()).await;
            assert_eq!(rejected.text(), expected);
        }
        let mut endless = rejection(400, &[], b"");
        endless.read_body(&mut tokio::io::repeat(b'x')).await;
        assert_eq!(endless.body.len(), BODY_MAX);
    }
}
