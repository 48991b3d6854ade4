//! What a handshake puts on the wire, watched where the bytes pass: TLS records, round trips, tickets.
//!
//! Only headers of records are looked at (RFC 8446 section 5.1), and of plaintext handshake records the first byte,
//! the type of the message.

/// Length of a record's header.
const HEADER: usize = 5;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const NEW_SESSION_TICKET: u8 = 4;

/// Records of one direction, from bytes in pieces of any size.
#[derive(Debug, Default)]
struct Records {
    count: u64,
    header: [u8; HEADER],
    have: usize,
    left: usize,
    /// The first byte of this record's payload is the next.
    at_payload: bool,
    encrypted: bool,
    /// Something other than a ChangeCipherSpec has passed since this was last looked at. That one is said in passing:
    /// with TLS 1.3 in the midst of the other end's flight.
    spoke: bool,
    ticket_bytes: u64,
}

impl Records {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            if self.left > 0 {
                if std::mem::take(&mut self.at_payload)
                    && self.header[0] == HANDSHAKE
                    && !self.encrypted
                    && first == NEW_SESSION_TICKET
                {
                    self.ticket_bytes += (HEADER + self.left) as u64;
                }
                self.spoke |= self.header[0] != CHANGE_CIPHER_SPEC;
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            self.header[self.have] = first;
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == HEADER {
                self.have = 0;
                self.count += 1;
                self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                self.at_payload = true;
                self.encrypted |= self.header[0] == CHANGE_CIPHER_SPEC;
            }
        }
    }
}

/// Watches a connection from its first byte on.
#[derive(Debug, Default)]
pub struct Watch {
    sent: Records,
    received: Records,
    /// Something was said since the last byte that came.
    awaiting: bool,
    round_trips: u64,
    sent_since_received: u64,
}

/// What a [`Watch`] has seen until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// TLS records sent.
    pub records_sent: u64,
    /// TLS records received.
    pub records_received: u64,
    /// Times that something came after something had been sent.
    pub round_trips: u64,
    /// Bytes sent since the last byte came.
    pub sent_since_received: u64,
    /// Bytes of the NewSessionTicket records that came or went in the clear: those of TLS 1.2.
    pub plain_ticket_bytes: u64,
}

impl Watch {
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.sent.pass(bytes);
        self.awaiting |= std::mem::take(&mut self.sent.spoke);
        self.sent_since_received += bytes.len() as u64;
    }

    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.received.pass(bytes);
        self.round_trips += u64::from(std::mem::take(&mut self.awaiting));
        self.sent_since_received = 0;
    }

    /// Until now.
    pub fn seen(&self) -> Seen {
        Seen {
            records_sent: self.sent.count,
            records_received: self.received.count,
            round_trips: self.round_trips,
            sent_since_received: self.sent_since_received,
            plain_ticket_bytes: self.sent.ticket_bytes + self.received.ticket_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 3, 3, 0, payload.len() as u8];
        record.extend_from_slice(payload);
        record
    }

    proptest! {
        #[test]
        fn records_are_counted_however_they_are_cut(cuts in proptest::collection::vec(1usize..40, 0..40)) {
            let stream = [
                record(HANDSHAKE, &[2; 90]),
                record(HANDSHAKE, &[NEW_SESSION_TICKET; 60]),
                record(CHANGE_CIPHER_SPEC, &[1]),
                // Encrypted: its first byte says nothing.
                record(HANDSHAKE, &[NEW_SESSION_TICKET; 40]),
                record(23, &[]),
                record(23, &[7; 200]),
            ].concat();
            let mut watch = Watch::default();
            watch.sent(b"\x16\x03\x01\x00\x01\x01");
            let mut rest = stream.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                watch.received(piece);
                rest = after;
            }
            watch.received(rest);
            let seen = watch.seen();
            prop_assert_eq!((seen.records_sent, seen.records_received), (1, 6));
            prop_assert_eq!((seen.round_trips, seen.plain_ticket_bytes), (1, 65));
        }
    }

    #[test]
    fn a_round_trip_is_an_answer_to_something_sent() {
        let mut watch = Watch::default();
        watch.received(&record(HANDSHAKE, b"greeting"));
        watch.sent(&record(HANDSHAKE, b"one"));
        watch.sent(&record(HANDSHAKE, b"two"));
        watch.received(&record(HANDSHAKE, b"the first half of an answer"));
        // As a client of TLS 1.3 says it once it has read the ServerHello.
        watch.sent(&record(CHANGE_CIPHER_SPEC, &[1]));
        watch.received(&record(HANDSHAKE, b"the second half"));
        watch.sent(&record(HANDSHAKE, b"four"));
        assert_eq!((watch.seen().round_trips, watch.seen().sent_since_received), (1, 9));
    }
}
