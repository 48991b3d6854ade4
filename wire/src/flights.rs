//! Counts what a handshake puts on the wire, from the bytes that pass: TLS records, round trips, tickets.
//!
//! Only the headers of records are parsed (RFC 8446 section 5.1), and the first byte of plaintext handshake records, which
//! is the type of the message.

/// Length of a record header.
const HEADER: usize = 5;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const NEW_SESSION_TICKET: u8 = 4;

/// Parses the records of one direction, from pieces of any size.
#[derive(Debug, Default)]
struct RecordParser {
    count: u64,
    header: [u8; HEADER],
    header_filled: usize,
    payload_left: usize,
    /// The next byte is the first of the payload.
    at_payload: bool,
    encrypted: bool,
    /// A record other than ChangeCipherSpec has passed since this flag was last taken. With TLS 1.3 a ChangeCipherSpec may
    /// occur in the middle of the other end's flight, so it does not begin a flight.
    flight_data: bool,
    ticket_bytes: u64,
}

impl RecordParser {
    fn parse(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            if self.payload_left > 0 {
                if std::mem::take(&mut self.at_payload)
                    && self.header[0] == HANDSHAKE
                    && !self.encrypted
                    && first == NEW_SESSION_TICKET
                {
                    self.ticket_bytes += (HEADER + self.payload_left) as u64;
                }
                self.flight_data |= self.header[0] != CHANGE_CIPHER_SPEC;
                let count = self.payload_left.min(bytes.len());
                self.payload_left -= count;
                bytes = &bytes[count..];
                continue;
            }
            self.header[self.header_filled] = first;
            self.header_filled += 1;
            bytes = &bytes[1..];
            if self.header_filled == HEADER {
                self.header_filled = 0;
                self.count += 1;
                self.payload_left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                self.at_payload = true;
                self.encrypted |= self.header[0] == CHANGE_CIPHER_SPEC;
            }
        }
    }
}

/// Observes a connection from its first byte.
#[derive(Debug, Default)]
pub struct FlightObserver {
    sent: RecordParser,
    received: RecordParser,
    /// A flight was sent since the last byte was received.
    awaiting_reply: bool,
    round_trips: u64,
    sent_since_received: u64,
}

/// The counts of a [`FlightObserver`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlightStats {
    /// TLS records sent.
    pub records_sent: u64,
    /// TLS records received.
    pub records_received: u64,
    /// Number of times that something was received after something had been sent.
    pub round_trips: u64,
    /// Bytes sent since the last byte was received.
    pub sent_since_received: u64,
    /// Bytes of plaintext NewSessionTicket records in both directions: those of TLS 1.2.
    pub plain_ticket_bytes: u64,
}

impl FlightObserver {
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.sent.parse(bytes);
        self.awaiting_reply |= std::mem::take(&mut self.sent.flight_data);
        self.sent_since_received += bytes.len() as u64;
    }

    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.received.parse(bytes);
        self.round_trips += u64::from(std::mem::take(&mut self.awaiting_reply));
        self.sent_since_received = 0;
    }

    /// The counts so far.
    pub fn stats(&self) -> FlightStats {
        FlightStats {
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
        fn counts_records_in_pieces_of_any_size(cuts in proptest::collection::vec(1usize..40, 0..40)) {
            let stream = [
                record(HANDSHAKE, &[2; 90]),
                record(HANDSHAKE, &[NEW_SESSION_TICKET; 60]),
                record(CHANGE_CIPHER_SPEC, &[1]),
                // Encrypted, so its first byte is not a type.
                record(HANDSHAKE, &[NEW_SESSION_TICKET; 40]),
                record(23, &[]),
                record(23, &[7; 200]),
            ].concat();
            let mut observer = FlightObserver::default();
            observer.sent(b"\x16\x03\x01\x00\x01\x01");
            let mut rest = stream.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                observer.received(piece);
                rest = after;
            }
            observer.received(rest);
            let stats = observer.stats();
            prop_assert_eq!((stats.records_sent, stats.records_received), (1, 6));
            prop_assert_eq!((stats.round_trips, stats.plain_ticket_bytes), (1, 65));
        }
    }

    #[test]
    fn a_round_trip_is_a_reply_to_something_sent() {
        let mut observer = FlightObserver::default();
        observer.received(&record(HANDSHAKE, b"greeting"));
        observer.sent(&record(HANDSHAKE, b"one"));
        observer.sent(&record(HANDSHAKE, b"two"));
        observer.received(&record(HANDSHAKE, b"the first half of a reply"));
        // As a TLS 1.3 client sends it after the ServerHello.
        observer.sent(&record(CHANGE_CIPHER_SPEC, &[1]));
        observer.received(&record(HANDSHAKE, b"the second half"));
        observer.sent(&record(HANDSHAKE, b"four"));
        assert_eq!((observer.stats().round_trips, observer.stats().sent_since_received), (1, 9));
    }
}
