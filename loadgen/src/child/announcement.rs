//! What a server prints while it starts: where it listens ([`Announcement`]), or why it failed.

use serde::Deserialize;
use wss_model::Layer;
use wss_wire::target::Target;

/// What a server says about itself when it is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Where to connect.
    pub(crate) url: String,
    /// The CA of its certificate, PEM, if it made one at start.
    pub(crate) ca_pem: Option<String>,
    /// Base URL of its admin endpoint, if it has one.
    pub(crate) admin: Option<String>,
    /// Whether it said so in JSON, as our own servers do, which listen by then.
    pub(crate) is_event: bool,
}

/// One line of a server that starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerLine {
    Ready(Announcement),
    /// The `failed` event of our servers: the reason.
    Failed(String),
    Other,
}

impl ServerLine {
    /// Reads one line: a JSON object with a `url`, such as the `ready` event of `wssbench serve`, or any text with a URL
    /// of one of our layers in it.
    pub(crate) fn parse(line: &str) -> Self {
        match serde_json::from_str(line) {
            Ok(Event { url: Some(url), ca_pem, admin, .. }) if Target::parse(&url).is_ok() => {
                return Self::Ready(Announcement { url, ca_pem, admin, is_event: true });
            }
            Ok(Event { event: Some(event), text: Some(text), .. }) if event == "failed" => return Self::Failed(text),
            _ => {}
        }
        url_in(line).map_or(Self::Other, |url| Self::Ready(Announcement { url, ..Announcement::default() }))
    }
}

/// What is read of the events that `wssbench serve` prints; another server may print a part of them.
#[derive(Deserialize)]
struct Event {
    event: Option<String>,
    url: Option<String>,
    ca_pem: Option<String>,
    admin: Option<String>,
    text: Option<String>,
}

/// The first URL of a layer in a line of text.
fn url_in(line: &str) -> Option<String> {
    let start = Layer::ALL.iter().filter_map(|layer| position_of(line, &format!("{layer}://"))).min()?;
    let rest = &line[start..];
    let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "\"'`<>(){},;|\\".contains(c));
    let mut target = Target::parse(rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ':', '!', '?'])).ok()?;
    // "All addresses" is where it listens, not where to connect.
    target.host = match target.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "::1".to_owned(),
        _ => target.host,
    };
    Some(target.url())
}

/// Where `scheme` begins a word.
fn position_of(line: &str, scheme: &str) -> Option<usize> {
    let starts_word = |at: &usize| !line[..*at].ends_with(|c: char| c.is_ascii_alphanumeric());
    line.match_indices(scheme).map(|(at, _)| at).find(starts_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(line: &str) -> Option<String> {
        match ServerLine::parse(line) {
            ServerLine::Ready(announcement) => Some(announcement.url),
            _ => None,
        }
    }

    #[test]
    fn reads_the_json_line_of_our_servers() {
        let line =
            r#"{"event":"ready","url":"wss://127.0.0.1:1/","admin":"http://127.0.0.1:2","ca_pem":"PEM","pid":3}"#;
        let ServerLine::Ready(ready) = ServerLine::parse(line) else { panic!("{line}") };
        assert_eq!((ready.url.as_str(), ready.admin.as_deref()), ("wss://127.0.0.1:1/", Some("http://127.0.0.1:2")));
        assert!(ready.is_event && ready.ca_pem.as_deref() == Some("PEM"));
        assert_eq!(url(r#"{"url":"ws://127.0.0.1:1/"}"#).as_deref(), Some("ws://127.0.0.1:1/"));
        let line = r#"{"event":"failed","code":"start","text":"port 1 is taken"}"#;
        assert_eq!(ServerLine::parse(line), ServerLine::Failed("port 1 is taken".to_owned()));
    }

    #[test]
    fn finds_a_url_anywhere_in_a_line() {
        for (line, found) in [
            ("wss://localhost:9001/", "wss://localhost:9001/"),
            ("[info] Listening on ws://127.0.0.1:80/chat.", "ws://127.0.0.1:80/chat"),
            ("listening at \"wss://[::1]:8443/\", press Ctrl-C", "wss://[::1]:8443/"),
            ("(tcp://127.0.0.1:7)", "tcp://127.0.0.1:7/"),
            (r#"{"level":"info","msg":"on wss://127.0.0.1:1/"}"#, "wss://127.0.0.1:1/"),
            ("ready: wss://0.0.0.0:8443", "wss://127.0.0.1:8443/"),
        ] {
            assert_eq!(url(line).as_deref(), Some(found), "{line}");
        }
    }

    #[test]
    fn ignores_lines_without_a_url_of_a_layer() {
        for line in ["", "ready", "http://127.0.0.1:80/", "news://127.0.0.1:1/", "wss://", "wss://127.0.0.1:0/", "{}"] {
            assert_eq!(url(line), None, "{line}");
        }
    }
}
