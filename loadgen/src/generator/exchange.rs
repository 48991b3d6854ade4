//! What is sent, and what counts as a reply: [`Exchange`].

use std::cell::RefCell;
use std::fmt;

use memchr::memmem;
use serde_json::Value;
use wss_model::config::{Expect, MessageOptions, SkipMessages};
use wss_model::{ErrorKind, ErrorPhase};

use super::channel::MessageKind;
use super::correlation::Correlation;
use super::failure::Failure;
use super::payload::Payloads;

/// Bytes of a reply that an error quotes.
const QUOTED: usize = 80;

/// The messages of a run and the replies to them.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) payloads: Payloads,
    /// Whether messages are text frames.
    pub(crate) text: bool,
    pub(crate) expect: Expect,
    pub(crate) skip: Option<SkipMessages>,
    /// `None` if replies come in the order of the messages.
    pub(crate) correlation: Option<Correlation>,
    /// Limit on a message of the server, in bytes.
    pub(crate) max_reply: usize,
    /// The message that an echo is compared with, if it has an id.
    composed: RefCell<Vec<u8>>,
}

impl Exchange {
    pub(crate) fn new(payloads: Payloads, options: &MessageOptions, expect: Expect, max_reply: usize) -> Self {
        Self {
            payloads,
            text: options.text,
            expect,
            skip: options.skip_messages.clone(),
            correlation: Correlation::new(options),
            max_reply,
            composed: RefCell::default(),
        }
    }

    /// The kind of frame that is sent.
    pub(crate) fn kind(&self) -> MessageKind {
        if self.text { MessageKind::Text } else { MessageKind::Binary }
    }

    /// Checks the reply to message `number`.
    ///
    /// # Errors
    /// If it is not what is expected, and how it differs.
    pub(crate) fn check(&self, phase: ErrorPhase, number: u64, reply: &[u8], kind: MessageKind) -> Result<(), Failure> {
        let problem = match &self.expect {
            Expect::Echo if self.payloads.has_ids() => {
                let mut sent = self.composed.borrow_mut();
                self.payloads.write_to(number, &mut sent);
                return check_echo(phase, &sent, self.kind(), reply, kind);
            }
            Expect::Echo => return check_echo(phase, self.payloads.get(number), self.kind(), reply, kind),
            Expect::Any => return Ok(()),
            Expect::Contains(text) if memmem::find(reply, text.as_bytes()).is_some() => return Ok(()),
            Expect::Contains(text) => format!("does not contain `{text}`"),
            Expect::Length(size) if size.0 == reply.len() as u64 => return Ok(()),
            Expect::Length(size) => format!("has {} bytes instead of {}", reply.len(), size.0),
            Expect::Json { pointer, value } => match json_problem(reply, pointer, value) {
                None => return Ok(()),
                Some(problem) => problem,
            },
        };
        let start = quoted(reply);
        let text = format!("the reply {problem}; it starts with \"{start}\"; correct --expect or --message");
        Err(Failure::new(phase, ErrorKind::Mismatch, text))
    }
}

/// The start of a reply, for an error.
pub(super) fn quoted(reply: &[u8]) -> impl fmt::Display {
    reply[..reply.len().min(QUOTED)].escape_ascii()
}

/// Why a reply is not JSON with this value, if it is not.
fn json_problem(reply: &[u8], pointer: &str, value: &str) -> Option<String> {
    let Ok(json) = serde_json::from_slice::<Value>(reply) else { return Some("is not JSON".to_owned()) };
    let expected = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    match json.pointer(pointer) {
        Some(found) if *found == expected => None,
        Some(found) => Some(format!("has {found} at {pointer} instead of {expected}")),
        None => Some(format!("has no value at {pointer}")),
    }
}

/// Compares an echo with the message.
fn check_echo(
    phase: ErrorPhase,
    sent: &[u8],
    sent_kind: MessageKind,
    echo: &[u8],
    kind: MessageKind,
) -> Result<(), Failure> {
    let text = if kind != sent_kind && kind != MessageKind::Bytes {
        let option = if kind == MessageKind::Text { "use --text or --expect any" } else { "remove --text" };
        format!("the server answered a {} message with a {} one; {option}", sent_kind.name(), kind.name())
    } else if sent == echo {
        return Ok(());
    } else if sent.len() == echo.len() {
        let at = sent.iter().zip(echo).position(|(a, b)| a != b).unwrap_or(0);
        format!("the echo differs from the message at byte {at} of {}; check that it is an echo server", sent.len())
    } else {
        format!(
            "the echo has {} bytes instead of {}; check that it is an echo server, or give --expect",
            echo.len(),
            sent.len()
        )
    };
    Err(Failure::new(phase, ErrorKind::Mismatch, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(expect: &str, reply: &str) -> Option<String> {
        let options = MessageOptions { text: true, ..MessageOptions::default() };
        let payloads = Payloads::fixed(b"message".as_slice().into());
        let exchange = Exchange::new(payloads, &options, expect.parse().unwrap(), 1 << 20);
        let checked = exchange.check(ErrorPhase::Echo, 7, reply.as_bytes(), MessageKind::Text);
        checked.err().map(|failure| failure.text)
    }

    #[test]
    fn each_expectation_accepts_what_it_says_and_nothing_else() {
        for (expect, accepted, refused, part) in [
            ("echo", "message", "massage", "at byte 1 of 7"),
            ("echo", "message", "messages", "8 bytes instead of 7"),
            ("contains:sag", "a passage", "a message?", ""),
            ("length:3", "abc", "abcd", "has 4 bytes instead of 3"),
            ("json:a.b=1", r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, "has 2 at /a/b instead of 1"),
            ("json:/0=ok", r#"["ok"]"#, "[]", "has no value at /0"),
            ("json:a=1", r#"{"a":1}"#, "no", "is not JSON; it starts with \"no\""),
        ] {
            assert_eq!(problem(expect, accepted), None);
            if !part.is_empty() {
                let text = problem(expect, refused).unwrap();
                assert!(text.contains(part), "{text}");
            }
        }
        assert!(problem("any", "").is_none());
        assert!(problem("contains:x", "y").unwrap().contains("does not contain `x`"));
    }
}
