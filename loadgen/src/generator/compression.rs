//! Compression of the messages of one thread: what it offers, what was negotiated, and what it saved.

use std::cell::RefCell;
use std::rc::Rc;

use wss_model::config::DeflateOptions;
use wss_model::run_result::{CompressedMessages, Compression, CompressionCount};
use wss_wire::upgrade::{DeflateParameters, DeflatePolicy};
use wss_wire::websocket::{Deflate, DeflateCounts, MessageBytes};

/// The compression of all connections of a thread.
#[derive(Debug)]
pub(crate) struct ThreadCompression {
    /// What is offered, if anything is.
    pub(crate) policy: Option<DeflatePolicy>,
    level: u8,
    counts: Rc<DeflateCounts>,
    /// Connections by what they negotiated. Servers answer all of them alike, so that there are few kinds.
    negotiated: RefCell<Vec<(DeflateParameters, u64)>>,
}

impl ThreadCompression {
    pub(crate) fn new(options: &DeflateOptions) -> Self {
        let policy = options.deflate.then(|| DeflatePolicy {
            window_bits: options.window_bits(),
            no_context_takeover: options.deflate_no_context_takeover,
        });
        Self { policy, level: options.level(), counts: Rc::default(), negotiated: RefCell::default() }
    }

    /// Counts a connection by what it negotiated, and returns how it compresses.
    pub(crate) fn of_connection(&self, parameters: DeflateParameters) -> Deflate {
        let mut negotiated = self.negotiated.borrow_mut();
        match negotiated.iter_mut().find(|(known, _)| *known == parameters) {
            Some((_, count)) => *count += 1,
            None => negotiated.push((parameters, 1)),
        }
        Deflate { parameters, level: self.level, counts: Some(Rc::clone(&self.counts)) }
    }

    /// Everything since the last call, for the result; `None` if nothing is offered.
    pub(crate) fn take(&self) -> Option<Compression> {
        self.policy?;
        let count = |(parameters, connections): (DeflateParameters, u64)| CompressionCount {
            parameters: parameters.to_string(),
            connections,
        };
        let messages = |MessageBytes { messages, plain, compressed }| CompressedMessages {
            messages,
            plain_bytes: plain,
            compressed_bytes: compressed,
        };
        Some(Compression {
            negotiated: self.negotiated.take().into_iter().map(count).collect(),
            sent: messages(self.counts.sent.take()),
            received: messages(self.counts.received.take()),
        })
    }
}
