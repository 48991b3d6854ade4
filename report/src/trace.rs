//! How a trace reads: [`timeline`], a ladder of what was sent and received, with what each thing is for.
//!
//! It is what someone who learns wss reads first: names are those of the RFCs, each comes with one clause of
//! explanation, and nothing is wider than 100 columns.

mod application;
mod messages;
#[cfg(test)]
mod tests;
mod timeline;

use self::timeline::{Timeline, WIDTH};
use crate::layout;
use wss_model::text::phrases::{describe_handshake, pluralize};
use wss_model::text::quantity::{count, time};
use wss_model::trace_result::{Content, Direction, Event, EventDetails, Protection, Record, TracePhase, TraceResult};

/// The whole connection as text, at most 100 columns wide.
pub fn timeline(trace: &TraceResult) -> String {
    let mut ladder = Timeline::default();
    let is_1_3 = messages::is_1_3(&trace.events);
    heading(trace, is_1_3, &mut ladder);
    let mut phase = None;
    for event in &trace.events {
        if phase != Some(event.phase) {
            phase = Some(event.phase);
            ladder.section(section(event.phase));
        }
        self::event(event, is_1_3, &mut ladder);
    }
    if let Some(failure) = &trace.failure {
        if phase != Some(failure.phase) {
            ladder.section(section(failure.phase));
        }
        ladder.gap();
        let end = if failure.message.ends_with(['.', '?', '!']) { "" } else { "." };
        ladder.text(&format!("FAILED in the phase {}: {}{end}", failure.phase.name(), failure.message));
    }
    ladder.section("totals");
    totals(trace, &mut ladder);
    for note in &trace.notes {
        ladder.text(&format!("Note: {note}."));
    }
    ladder.finish()
}

fn heading(trace: &TraceResult, is_1_3: bool, ladder: &mut Timeline) {
    let embedded = if trace.target.embedded { " (embedded server)" } else { "" };
    ladder.text(&format!("{} at {}{embedded}", trace.target.url, trace.target.address));
    if let Some(negotiated) = &trace.negotiated {
        ladder.text(&format!("negotiated: {}", describe_handshake(negotiated)));
    }
    ladder.gap();
    ladder.text(
        "→ the client sent it, ← the server did. First column: time since the SYN, until the kernel had it from the \
         client or the client had read its last byte.",
    );
    if trace.verify.is_some() {
        ladder.text(
            "Second column: what TLS in the client took to make it or to process it, a single reading; an answer that \
             was made on the way is in the cost of what it answers.",
        );
        ladder.text(if is_1_3 {
            "Records are told as their header tells them: in TLS 1.3 the version there is a constant, and whatever is \
             encrypted is called application_data. \"Inside\" is what was found when it was opened with the session's \
             own secrets, named as in SSLKEYLOGFILE."
        } else {
            "Records are told as their header tells them. \"Inside\" is what was found when one was opened with the \
             session's own secret."
        });
    }
}

/// The title of a phase: what it is for.
const fn section(phase: TracePhase) -> &'static str {
    match phase {
        TracePhase::Connect => "TCP connect: a way for bytes, in order",
        TracePhase::Tls => "TLS: who the server is, and keys that only the two know",
        TracePhase::Upgrade => "upgrade: from HTTP to WebSocket",
        TracePhase::Echo => "echo: one message there and back",
        TracePhase::Ping => "ping: is the other end alive?",
        TracePhase::Close => "close: each layer says goodbye",
    }
}

fn event(event: &Event, is_1_3: bool, ladder: &mut Timeline) {
    let arrow = match event.direction {
        Direction::Sent => '→',
        Direction::Received => '←',
    };
    let mut head = |text: &str| {
        let cost = event.cost_ns.map_or_else(String::new, |cost| time(cost as f64));
        // All in one unit, so that they can be subtracted at a glance.
        ladder.rung(&format!("{:.3} ms", event.at_ns as f64 / 1e6), &cost, arrow, text);
    };
    match &event.details {
        EventDetails::Syn { to } => head(&format!("SYN to {to}")),
        EventDetails::SynAck { local } => head(&format!("SYN/ACK to {local}: connected after one round trip")),
        EventDetails::Record(record) => {
            head(&record_head(record));
            record_contents(record, event.direction, is_1_3, ladder);
        }
        EventDetails::Segment { bytes, contents } => {
            head(&format!("{} on TCP, readable for everyone on the way", pluralize(*bytes, "byte")));
            for content in contents {
                application::application(content, ladder);
            }
        }
        EventDetails::NotTls { preview } => {
            head("bytes that are no TLS record");
            ladder.detail(1, preview);
        }
        EventDetails::Fin => head(match event.direction {
            Direction::Sent => "FIN: the client sends nothing more on TCP",
            Direction::Received => "FIN: the server sends nothing more on TCP",
        }),
        EventDetails::Reset => head("RST: TCP ends at once, in both directions"),
    }
}

fn record_head(record: &Record) -> String {
    let outside = format!("{} record, {}, {}", record.content_type, record.version, pluralize(record.length, "byte"));
    match &record.protection {
        Protection::Plaintext => format!("{outside}, not encrypted"),
        Protection::Decrypted { content_type, content_bytes, padding_bytes, .. } => {
            let inside = match (content_type.as_str(), *content_type == record.content_type) {
                ("application_data", _) => "data, ".to_owned(),
                (_, true) => String::new(),
                (other, false) => format!("{other}, "),
            };
            let padding = match padding_bytes {
                0 => String::new(),
                bytes => format!(" and {} of padding", pluralize(*bytes, "byte")),
            };
            format!("{outside}; inside: {inside}{}{padding}", pluralize(*content_bytes, "byte"))
        }
        Protection::Opaque { .. } => format!("{outside}, not opened"),
    }
}

fn record_contents(record: &Record, direction: Direction, is_1_3: bool, ladder: &mut Timeline) {
    match &record.protection {
        Protection::Decrypted { secret, sequence, .. } => {
            let secret = if secret == "CLIENT_RANDOM" { "the master secret" } else { secret };
            ladder.detail(0, &format!("opened with {secret}, sequence number {sequence}"));
        }
        Protection::Opaque { because } => ladder.detail(0, &format!("its content is not known: {because}")),
        Protection::Plaintext => {}
    }
    for content in &record.contents {
        match content {
            Content::Handshake(message) => messages::message(message, direction, is_1_3, ladder),
            Content::HandshakeFragment { available_bytes, total_bytes } => {
                let all = total_bytes.map_or_else(String::new, |all| format!(" of {}", count(all)));
                ladder.detail(
                    0,
                    &format!(
                        "beginning of a message ({}{all} bytes) that ends in a later record",
                        count(*available_bytes)
                    ),
                );
            }
            Content::ChangeCipherSpec { dummy: true } => ladder.titled(
                "ChangeCipherSpec",
                "means nothing in TLS 1.3: a dummy, so that middleboxes take this for a resumed TLS 1.2",
            ),
            Content::ChangeCipherSpec { dummy: false } => {
                ladder.titled("ChangeCipherSpec", "all that this end sends from here on is encrypted");
            }
            Content::Alert { level, description } => {
                ladder.titled(&format!("alert {description} ({level})"), messages::alert_is_for(description));
            }
            Content::Application(content) => application::application(content, ladder),
            Content::Unreadable { because } => ladder.detail(0, &format!("cannot be read: {because}")),
        }
    }
}

/// A row a phase, and the sum.
fn totals(trace: &TraceResult, ladder: &mut Timeline) {
    let tls = trace.verify.is_some();
    let mut header = vec!["", "time", "round trips", "bytes →", "bytes ←"];
    if tls {
        header.extend(["records →", "records ←", "TLS cost"]);
    }
    let mut table = layout::table(header);
    table.set_width(WIDTH as u16);
    let row = |name: &str, figures: [u64; 7]| {
        let [time_ns, cost_ns, round_trips, sent, received, sent_records, received_records] = figures;
        let mut row = vec![name.to_owned(), time(time_ns as f64), count(round_trips), count(sent), count(received)];
        if tls {
            let cost = if cost_ns == 0 { String::new() } else { time(cost_ns as f64) };
            row.extend([count(sent_records), count(received_records), cost]);
        }
        row
    };
    let mut sum = [0_u64; 7];
    for total in &trace.phases {
        let figures = [
            total.time_ns,
            total.cost_ns,
            total.round_trips,
            total.sent_bytes,
            total.received_bytes,
            total.sent_records,
            total.received_records,
        ];
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_add(figure));
        table.add_row(row(total.phase.name(), figures));
    }
    table.add_row(row("all", sum));
    layout::numbers_right(&mut table);
    ladder.table(&table);
}
