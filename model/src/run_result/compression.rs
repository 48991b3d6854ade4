//! [`Compression`]: what permessage-deflate did in a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Compression of the messages of a run (RFC 7692), warm-up included, as the client counted it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compression {
    /// What the connections negotiated.
    pub negotiated: Vec<CompressionCount>,
    /// Messages to the server.
    pub sent: CompressedMessages,
    /// Messages from the server. Those that it did not compress are not among them.
    pub received: CompressedMessages,
}

/// Connections that negotiated the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompressionCount {
    /// The extension with its parameters, without those that have their default.
    pub parameters: String,
    /// Connections.
    pub connections: u64,
}

/// Compressed messages and the bytes of their payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompressedMessages {
    /// Messages.
    pub messages: u64,
    /// Bytes before compression.
    pub plain_bytes: u64,
    /// Bytes after compression, without frame headers.
    pub compressed_bytes: u64,
}

impl CompressedMessages {
    fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.plain_bytes += other.plain_bytes;
        self.compressed_bytes += other.compressed_bytes;
    }
}

impl Compression {
    /// Adds what another thread counted.
    pub fn merge(&mut self, other: Self) {
        for count in other.negotiated {
            match self.negotiated.iter_mut().find(|known| known.parameters == count.parameters) {
                Some(known) => known.connections += count.connections,
                None => self.negotiated.push(count),
            }
        }
        self.sent.add(&other.sent);
        self.received.add(&other.received);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(parameters: &str, messages: u64) -> Compression {
        let sent = CompressedMessages { messages, plain_bytes: 10 * messages, compressed_bytes: 4 * messages };
        let negotiated = vec![CompressionCount { parameters: parameters.to_owned(), connections: 1 }];
        Compression { negotiated, sent, received: CompressedMessages::default() }
    }

    #[test]
    fn threads_add_up() {
        let mut sum = record("permessage-deflate", 3);
        sum.merge(record("permessage-deflate", 4));
        sum.merge(record("permessage-deflate; client_max_window_bits=9", 1));
        assert_eq!(sum.negotiated.iter().map(|count| count.connections).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(sum.sent, CompressedMessages { messages: 8, plain_bytes: 80, compressed_bytes: 32 });
    }
}
