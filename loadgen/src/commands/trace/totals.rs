//! Totals per phase, and notes for the reader.

use wss_model::trace_result::handshake::MessageDetails;
use wss_model::trace_result::{Content, Direction, Event, EventDetails, PhaseTotal, Protection, TracePhase};

/// Bytes of a record's header.
const RECORD_HEADER: u64 = 5;

/// The totals of every phase that began.
pub(super) fn phases(events: &[Event]) -> Vec<PhaseTotal> {
    use TracePhase::{Close, Connect, Echo, Ping, Tls, Upgrade};
    let mut ended = 0;
    let mut totals = Vec::new();
    for phase in [Connect, Tls, Upgrade, Echo, Ping, Close] {
        let of_phase: Vec<&Event> = events.iter().filter(|event| event.phase == phase).collect();
        let Some(last) = of_phase.last() else { continue };
        totals.push(total(phase, &of_phase, last.at_ns.saturating_sub(ended)));
        ended = last.at_ns;
    }
    totals
}

fn total(phase: TracePhase, events: &[&Event], time_ns: u64) -> PhaseTotal {
    let count = |direction| {
        let way = events.iter().filter(move |event| event.direction == direction);
        way.fold((0, 0), |(bytes, records), event| match &event.details {
            EventDetails::Record(record) => (bytes + RECORD_HEADER + record.length, records + 1),
            EventDetails::Segment { bytes: more, .. } => (bytes + more, records),
            _ => (bytes, records),
        })
    };
    let (sent_bytes, sent_records) = count(Direction::Sent);
    let (received_bytes, received_records) = count(Direction::Received);
    // The dummy ChangeCipherSpec is sent in the middle of the server's flight and gets no answer.
    let relevant: Vec<&&Event> = events.iter().filter(|event| !is_dummy(event)).collect();
    let round_trips = relevant.windows(2).filter(|pair| {
        let [earlier, later] = pair else { return false };
        earlier.direction == Direction::Sent && later.direction == Direction::Received
    });
    PhaseTotal {
        phase,
        time_ns,
        cost_ns: events.iter().filter_map(|event| event.cost_ns).sum(),
        round_trips: round_trips.count() as u64,
        sent_bytes,
        received_bytes,
        sent_records,
        received_records,
    }
}

fn is_dummy(event: &Event) -> bool {
    matches!(&event.details, EventDetails::Record(record) if matches!(record.contents[..], [Content::ChangeCipherSpec { dummy: true }]))
}

/// Notes on these events.
pub(super) fn notes(events: &[Event], failed: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let records = || {
        events.iter().filter_map(|event| match &event.details {
            EventDetails::Record(record) => Some((event.direction, record)),
            _ => None,
        })
    };
    let opaque = records().filter(|(_, record)| matches!(record.protection, Protection::Opaque { .. })).count();
    if opaque > 0 {
        let (noun, verb) = if opaque == 1 { ("record", "was") } else { ("records", "were") };
        notes.push(format!("{opaque} {noun} could not be decrypted, so the content {verb} not known"));
    }
    let early_data = records().flat_map(|(_, record)| &record.contents).any(|content| {
        let Content::Handshake(message) = content else { return false };
        matches!(&message.details, MessageDetails::ClientHello(hello) if hello.early_data)
    });
    if early_data {
        notes.push(
            "early data was sent with the ClientHello, so the rest of the TLS handshake is in the phase that it started"
                .to_owned(),
        );
    }
    let closed = records().any(|(direction, record)| {
        direction == Direction::Received
            && record
                .contents
                .iter()
                .any(|content| matches!(content, Content::Alert { description, .. } if description == "close_notify"))
    });
    if !failed && !closed && records().next().is_some() {
        notes.push(
            "the server ended TCP without close_notify, which cannot be distinguished from a truncation attack"
                .to_owned(),
        );
    }
    notes
}
