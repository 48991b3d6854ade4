//! Interprets a capture: decrypts each record with the session's secrets and decodes each message in it.

use std::sync::Arc;

use rustls::SupportedCipherSuite;
use wss_model::config::ProxyKind;
use wss_model::trace_result::{Content, Direction, Event, EventDetails, Protection, Record, TracePhase};

use super::application::{Conversation, excerpt};
use super::capture::{Captured, Raw};
use super::secrets::{Decrypter, Facts, Secrets};
use super::{handshake, names, tunnel};

/// The most bytes that are shown of data that is not TLS.
const MAX_NOT_TLS: usize = 64;
/// Bytes of type and length before a handshake message.
const MESSAGE_HEADER: usize = 4;

/// What is needed to decrypt records.
pub(super) struct KeyMaterial {
    pub(super) secrets: Arc<Secrets>,
    /// The suites that the client offered.
    pub(super) suites: Vec<SupportedCipherSuite>,
}

/// Interprets the events of a capture. `keys` is `None` without TLS; `proxy`: the protocol of the tunnel, if there is one.
pub(super) fn observe(
    events: Vec<Captured>,
    keys: Option<&KeyMaterial>,
    websocket: bool,
    proxy: Option<ProxyKind>,
) -> Vec<Event> {
    let (secrets, suites) = keys.map(|keys| (keys.secrets.logged(), keys.suites.clone())).unwrap_or_default();
    let half = |direction| Half {
        decrypter: Decrypter::new(direction, secrets.clone(), suites.clone()),
        changed_cipher: false,
        handshake: Vec::new(),
    };
    let mut observer = Observer {
        sent: half(Direction::Sent),
        received: half(Direction::Received),
        facts: Facts::default(),
        conversation: Conversation::new(websocket),
        proxy,
    };
    events.into_iter().map(|captured| observer.event(captured)).collect()
}

struct Observer {
    sent: Half,
    received: Half,
    facts: Facts,
    conversation: Conversation,
    proxy: Option<ProxyKind>,
}

/// The state of one direction.
struct Half {
    decrypter: Decrypter,
    /// Whether a ChangeCipherSpec was seen: in TLS 1.2 everything after it is encrypted.
    changed_cipher: bool,
    /// The start of a handshake message whose end is still missing.
    handshake: Vec<u8>,
}

impl Observer {
    fn event(&mut self, captured: Captured) -> Event {
        let Captured { at_ns, phase, direction, cost_ns, raw } = captured;
        let what = match raw {
            Raw::Syn(to) => EventDetails::Syn { to },
            Raw::SynAck(local) => EventDetails::SynAck { local },
            Raw::Record(header, body) => EventDetails::Record(self.record(direction, header, &body)),
            Raw::CutRecord(header, have) => EventDetails::Record(Record {
                protection: Protection::Opaque { because: format!("TCP ended after {have} bytes of it") },
                contents: Vec::new(),
                ..outside(header)
            }),
            Raw::NotTls(bytes) => EventDetails::NotTls { preview: excerpt(&bytes, MAX_NOT_TLS) },
            Raw::Segment(bytes) => {
                let contents = match self.proxy.filter(|_| phase == TracePhase::Connect) {
                    Some(proxy) => vec![tunnel::message(proxy, direction, &bytes)],
                    None => self.conversation.read(direction, &bytes),
                };
                EventDetails::Segment { bytes: bytes.len() as u64, contents }
            }
            Raw::Fin => EventDetails::Fin,
            Raw::Reset => EventDetails::Reset,
        };
        Event { at_ns, phase, direction, cost_ns, details: what }
    }

    fn record(&mut self, direction: Direction, header: [u8; 5], body: &[u8]) -> Record {
        let half = match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        let encrypted = match self.facts.is_1_3 {
            Some(false) => half.changed_cipher,
            // Early data precedes the ServerHello.
            _ => header[0] == 23,
        };
        let (protection, content_type, content) = if encrypted {
            match half.decrypter.open(header, body, &self.facts) {
                Ok(opened) => {
                    let protection = Protection::Decrypted {
                        secret: opened.secret,
                        sequence: opened.sequence,
                        content_type: names::content_type(opened.content_type),
                        content_bytes: opened.content.len() as u64,
                        padding_bytes: opened.padding as u64,
                    };
                    (protection, opened.content_type, opened.content)
                }
                Err(because) => {
                    let protection = Protection::Opaque { because };
                    return Record { protection, contents: Vec::new(), ..outside(header) };
                }
            }
        } else {
            (Protection::Plaintext, header[0], body.to_vec())
        };
        Record { protection, contents: self.contents(direction, content_type, &content), ..outside(header) }
    }

    /// The content of a decrypted record.
    fn contents(&mut self, direction: Direction, content_type: u8, content: &[u8]) -> Vec<Content> {
        let half = match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        let unreadable = |because: String| vec![Content::Unreadable { because }];
        match (content_type, content) {
            (20, _) => {
                let dummy = self.facts.is_1_3 != Some(false);
                half.changed_cipher = true;
                vec![Content::ChangeCipherSpec { dummy }]
            }
            (21, [level, description]) => {
                let (level, description) = names::alert(*level, *description);
                vec![Content::Alert { level, description }]
            }
            (21, _) => unreadable(format!("an alert has 2 bytes, this one has {}", content.len())),
            (22, _) => {
                half.handshake.extend_from_slice(content);
                messages(&mut half.handshake, &mut self.facts)
            }
            (23, _) => self.conversation.read(direction, content).into_iter().map(Content::Application).collect(),
            _ => unreadable(format!("unknown content type {content_type}")),
        }
    }
}

/// A record as its header describes it.
fn outside(header: [u8; 5]) -> Record {
    Record {
        content_type: names::content_type(header[0]),
        version: format!("0x{:02x}{:02x}", header[1], header[2]),
        length: u64::from(u16::from_be_bytes([header[3], header[4]])),
        protection: Protection::Plaintext,
        contents: Vec::new(),
    }
}

/// Takes the complete messages out of `bytes`, and describes the rest.
fn messages(bytes: &mut Vec<u8>, facts: &mut Facts) -> Vec<Content> {
    let mut contents = Vec::new();
    while let Some(&[_, high, middle, low]) = bytes.first_chunk::<MESSAGE_HEADER>() {
        let length = MESSAGE_HEADER + usize::from(high) * 0x1_0000 + usize::from(middle) * 0x100 + usize::from(low);
        if bytes.len() < length {
            contents.push(Content::HandshakeFragment {
                available_bytes: bytes.len() as u64,
                total_bytes: Some(length as u64),
            });
            return contents;
        }
        let message: Vec<u8> = bytes.drain(..length).collect();
        contents.push(Content::Handshake(handshake::message(&message, facts)));
    }
    if !bytes.is_empty() {
        contents.push(Content::HandshakeFragment { available_bytes: bytes.len() as u64, total_bytes: None });
    }
    contents
}

#[cfg(test)]
mod tests;
