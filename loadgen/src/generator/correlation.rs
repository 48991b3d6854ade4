//! Which message a reply belongs to, by an id inside the message (`--correlate`): [`Correlation`].

use wss_model::config::MessageOptions;
use wss_model::{ErrorKind, ErrorPhase};

use super::exchange::quoted;
use super::failure::Failure;
use super::json_id::{self, FoundId};
use super::outstanding::{Outstanding, OutstandingMessage};
use super::template::age_of;

/// Where the ids of replies are, and what is ignored.
#[derive(Debug, Clone)]
pub(crate) struct Correlation {
    /// As the user wrote it.
    pointer: String,
    path: Vec<String>,
    ignore_unsolicited: bool,
    ignore_repeated: bool,
}

/// What a message of the server is.
pub(super) enum Matched {
    /// The reply to this message.
    Reply(OutstandingMessage),
    /// It has no id, and is ignored.
    Unsolicited,
    /// It is a further reply to a message, and is ignored.
    Repeated,
}

impl Correlation {
    /// `None` if replies come in the order of the messages.
    pub(crate) fn new(options: &MessageOptions) -> Option<Self> {
        let pointer = options.id_pointer()?;
        Some(Self {
            pointer: pointer.to_owned(),
            path: json_id::path(pointer),
            ignore_unsolicited: options.ignore_unsolicited,
            ignore_repeated: options.ignore_repeated,
        })
    }

    /// Takes the message that a reply belongs to; the connection has sent the messages from `first` to before `next`.
    ///
    /// # Errors
    /// If the reply has no id, an unknown one, or that of a message that was already answered, unless it is to be ignored.
    pub(super) fn take(
        &self,
        phase: ErrorPhase,
        reply: &[u8],
        outstanding: &mut Outstanding,
        (first, next): (u64, u64),
    ) -> Result<Matched, Failure> {
        let Some((id, number)) = self.number_of(phase, reply, (first, next))? else { return Ok(Matched::Unsolicited) };
        match outstanding.take(number) {
            Some(message) => Ok(Matched::Reply(message)),
            None if self.ignore_repeated => Ok(Matched::Repeated),
            None => {
                let text = format!(
                    "the server replied more than once to the message with the id {id}; ignore further replies with \
                     --ignore-repeated"
                );
                Err(Failure::new(phase, ErrorKind::Unexpected, text))
            }
        }
    }

    /// Whether this is the reply to the only message of a connection; `false` if it is to be ignored.
    ///
    /// # Errors
    /// If it has no id or another one, unless it is to be ignored.
    pub(super) fn is_reply(&self, phase: ErrorPhase, reply: &[u8], number: u64) -> Result<bool, Failure> {
        Ok(self.number_of(phase, reply, (number, number.wrapping_add(1)))?.is_some())
    }

    /// The id of a reply with the number of the message that had it; `None` if it has no id and is to be ignored.
    fn number_of(
        &self,
        phase: ErrorPhase,
        reply: &[u8],
        (first, next): (u64, u64),
    ) -> Result<Option<(u64, u64)>, Failure> {
        let pointer = &self.pointer;
        let (kind, text) = match json_id::find(reply, &self.path) {
            Some(FoundId::Number(id)) => match age_of(id, next) {
                Some(age) if age <= next.wrapping_sub(first) => return Ok(Some((id, next.wrapping_sub(age)))),
                _ => {
                    let text = format!("the server replied to the id {id}, which no message of the connection had");
                    return Err(Failure::new(phase, ErrorKind::Unexpected, text));
                }
            },
            Some(FoundId::Missing) if self.ignore_unsolicited => return Ok(None),
            Some(FoundId::Missing) => (
                ErrorKind::Unexpected,
                format!(
                    "the server sent a message without an id at {pointer}; ignore those with --ignore-unsolicited, or correct --correlate"
                ),
            ),
            Some(FoundId::Other) => (
                ErrorKind::Mismatch,
                format!("the value at {pointer} of the reply is not the id of a message; correct --correlate"),
            ),
            None => (ErrorKind::Mismatch, "the reply is not JSON, so it has no id; correct --correlate".to_owned()),
        };
        let text = format!("{text}; it starts with \"{}\"", quoted(reply));
        Err(Failure::new(phase, kind, text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::breakdown::SentMessage;
    use super::super::template::id_of;
    use super::*;

    fn correlation(ignore: bool) -> Correlation {
        let options = MessageOptions {
            correlate: Some("json:id".parse().unwrap()),
            ignore_unsolicited: ignore,
            ignore_repeated: ignore,
            ..MessageOptions::default()
        };
        Correlation::new(&options).unwrap()
    }

    /// Messages 64 to 67 are sent, of which 65 was answered.
    fn outstanding() -> Outstanding {
        let mut outstanding = Outstanding::default();
        for number in [64, 66, 67] {
            let message = SentMessage::now(Instant::now(), 0);
            outstanding.push(OutstandingMessage { number, message, first_byte: 0 });
        }
        outstanding
    }

    fn taken(ignore: bool, reply: &str) -> Result<Matched, Failure> {
        correlation(ignore).take(ErrorPhase::Echo, reply.as_bytes(), &mut outstanding(), (64, 68))
    }

    #[test]
    fn a_reply_takes_the_message_with_its_id() {
        let (correlation, mut outstanding) = (correlation(false), outstanding());
        for (number, left) in [(67, 2), (64, 1), (66, 0)] {
            let reply = format!(r#"{{"result":1,"id":"{}"}}"#, id_of(number));
            let matched = correlation.take(ErrorPhase::Echo, reply.as_bytes(), &mut outstanding, (64, 68));
            assert!(matches!(matched, Ok(Matched::Reply(message)) if message.number == number));
            assert_eq!(outstanding.len(), left);
        }
    }

    #[test]
    fn other_messages_are_errors_unless_they_are_ignored() {
        let repeated = format!(r#"{{"id":{}}}"#, id_of(65));
        for (reply, kind, part) in [
            (repeated.as_str(), ErrorKind::Unexpected, "more than once to the message with the id 100000065"),
            (r#"{"id":100000068}"#, ErrorKind::Unexpected, "the id 100000068, which no message"),
            (r#"{"id":100000063}"#, ErrorKind::Unexpected, "the id 100000063, which no message"),
            (r#"{"id":1}"#, ErrorKind::Unexpected, "the id 1, which no message"),
            (r#"{"method":"tick"}"#, ErrorKind::Unexpected, "without an id at /id; ignore those"),
            (r#"{"id":null}"#, ErrorKind::Mismatch, "is not the id of a message"),
            ("hello", ErrorKind::Mismatch, "is not JSON"),
        ] {
            let failure = taken(false, reply).err().unwrap();
            assert_eq!(failure.kind, kind, "{reply}");
            assert!(failure.text.contains(part), "{}", failure.text);
        }
        assert!(matches!(taken(true, &repeated), Ok(Matched::Repeated)));
        assert!(matches!(taken(true, r#"{"method":"tick"}"#), Ok(Matched::Unsolicited)));
        for reply in [r#"{"id":1}"#, r#"{"id":null}"#, "hello"] {
            assert!(taken(true, reply).is_err(), "{reply}");
        }
    }
}
