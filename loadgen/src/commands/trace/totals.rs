//! What the events add up to: the phases' totals, and what a reader should know.

use wss_model::trace_result::handshake::MessageDetails;
use wss_model::trace_result::{Content, Direction, Event, EventDetails, PhaseTotal, Protection, TracePhase};

/// The five bytes in front of each record.
const RECORD_HEADER: u64 = 5;

/// The totals of each phase that was begun.
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
    // A dummy is sent in the middle of the server's flight, and nobody waits for an answer to it.
    let telling: Vec<&&Event> = events.iter().filter(|event| !is_dummy(event)).collect();
    let turns = telling.windows(2).filter(|pair| {
        let [earlier, later] = pair else { return false };
        earlier.direction == Direction::Sent && later.direction == Direction::Received
    });
    PhaseTotal {
        phase,
        time_ns,
        cost_ns: events.iter().filter_map(|event| event.cost_ns).sum(),
        round_trips: turns.count() as u64,
        sent_bytes,
        received_bytes,
        sent_records,
        received_records,
    }
}

fn is_dummy(event: &Event) -> bool {
    matches!(&event.details, EventDetails::Record(record) if matches!(record.contents[..], [Content::ChangeCipherSpec { dummy: true }]))
}

/// What a reader should know of these events.
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
        notes.push(format!("{opaque} {noun} could not be opened; what {verb} inside is not known"));
    }
    let early_data = records().flat_map(|(_, record)| &record.contents).any(|content| {
        let Content::Handshake(message) = content else { return false };
        matches!(&message.details, MessageDetails::ClientHello(hello) if hello.early_data)
    });
    if early_data {
        notes.push(
            "early data went with the ClientHello, so that the rest of the TLS handshake is in the phase that it began"
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
            "the server ended TCP without close_notify: whoever reads such an end cannot tell it from an attacker's cut"
                .to_owned(),
        );
    }
    notes
}
