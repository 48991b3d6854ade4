//! The text of a trace: [`timeline`], what was sent and received in order, with the purpose of each message.
//!
//! It is written for readers who are new to wss: names are those of the RFCs, and each comes with one clause of
//! explanation.

mod application;
mod messages;
#[cfg(test)]
mod tests;
mod timeline;

use self::timeline::Timeline;
use crate::style::{Style, Tone};
use crate::table::Table;
use wss_model::text::phrases::{describe_handshake, pluralize};
use wss_model::text::quantity::{count, time};
use wss_model::trace_result::{Content, Direction, Event, EventDetails, Protection, Record, TracePhase, TraceResult};

/// What the records of a connection have in common.
#[derive(Clone, Copy)]
struct Session<'a> {
    is_1_3: bool,
    /// `None` if the handshake failed.
    suite: Option<&'a str>,
}

/// The whole connection as text in the given style, ending with a newline.
pub fn timeline(trace: &TraceResult, style: Style) -> String {
    let mut timeline = Timeline::new(style);
    let session = Session {
        is_1_3: messages::is_1_3(&trace.events),
        suite: trace.negotiated.as_ref().map(|negotiated| negotiated.suite.as_str()),
    };
    heading(trace, session.is_1_3, &mut timeline);
    let mut phase = None;
    for event in &trace.events {
        if phase != Some(event.phase) {
            phase = Some(event.phase);
            timeline.section(section(event.phase));
        }
        self::event(event, session, &mut timeline);
    }
    if let Some(failure) = &trace.failure {
        if phase != Some(failure.phase) {
            timeline.section(section(failure.phase));
        }
        timeline.layout.gap();
        let end = if failure.message.ends_with(['.', '?', '!']) { "" } else { "." };
        let rest = format!(" in the phase {}: {}{end}", failure.phase.name(), failure.message);
        timeline.layout.verdict(Tone::Bad, "FAILED", &rest);
    }
    timeline.section("totals");
    totals(trace, &mut timeline);
    for note in &trace.notes {
        timeline.layout.text(&format!("Note: {note}."));
    }
    timeline.layout.finish()
}

fn heading(trace: &TraceResult, is_1_3: bool, timeline: &mut Timeline) {
    let embedded = if trace.target.embedded { " (embedded server)" } else { "" };
    timeline.layout.text(&format!("{} at {}{embedded}", trace.target.url, trace.target.address));
    if let Some(negotiated) = &trace.negotiated {
        timeline.layout.text(&format!("negotiated: {}", describe_handshake(negotiated)));
    }
    timeline.layout.gap();
    timeline.layout.text(
        "→ sent by the client, ← sent by the server. First column: time since the SYN, when the kernel took the data from \
         the client or when the client had read its last byte.",
    );
    if trace.verify.is_some() {
        timeline.layout.text(
            "Second column: the time that the client's TLS took to make or process it, measured once; an answer made \
             while processing a record is included in that record's time.",
        );
        timeline.layout.text(if is_1_3 {
            "A record is described by its header: in TLS 1.3 the version there is constant, and everything encrypted is \
             called application_data. \"Inside\" describes the content after decryption with the session's own secrets, \
             named as in SSLKEYLOGFILE."
        } else {
            "A record is described by its header. \"Inside\" describes the content after decryption with the session's \
             own secret."
        });
        // A resumed TLS 1.2 session has no key exchange.
        let exchanges = is_1_3 || trace.negotiated.as_ref().is_some_and(|negotiated| negotiated.kind != "resumed");
        timeline.layout.text(if !exchanges {
            "The keys of the records come from the master secret of the resumed session."
        } else {
            "Nothing is encrypted with the key of the certificate, unlike in the RSA key transport that older texts \
             describe (RFC 5246 section 7.4.7.1): that key only signs. Both ends compute the keys of the records from \
             the two shares of the key exchange."
        });
    }
}

/// Bytes of the authentication tag, which is the same in all suites.
const TAG: u64 = 16;

/// The title of a phase with its purpose.
const fn section(phase: TracePhase) -> &'static str {
    match phase {
        TracePhase::Connect => "TCP connect: a reliable, ordered stream of bytes",
        TracePhase::Tls => "TLS: proof of who the server is, and keys that only both ends know",
        TracePhase::Upgrade => "upgrade: from HTTP to WebSocket",
        TracePhase::Echo => "echo: one message and its echo",
        TracePhase::Ping => "ping: is the other end alive?",
        TracePhase::Close => "close: each layer ends in turn",
    }
}

fn event(event: &Event, session: Session<'_>, timeline: &mut Timeline) {
    let arrow = match event.direction {
        Direction::Sent => '→',
        Direction::Received => '←',
    };
    let mut head = |text: &str| {
        let cost = event.cost_ns.map_or_else(String::new, |cost| time(cost as f64));
        // All in one unit: differences are easy to read.
        timeline.step(&format!("{:.3} ms", event.at_ns as f64 / 1e6), &cost, arrow, text);
    };
    match &event.details {
        EventDetails::Syn { to } => head(&format!("SYN to {to}")),
        EventDetails::SynAck { local } => head(&format!("SYN/ACK to {local}: connected after one round trip")),
        EventDetails::Record(record) => {
            head(&record_head(record));
            record_contents(record, event.direction, session, timeline);
        }
        EventDetails::Segment { bytes, contents } => {
            head(&format!("{} on TCP, readable by anyone on the path", pluralize(*bytes, "byte")));
            for content in contents {
                application::application(content, timeline);
            }
        }
        EventDetails::NotTls { preview } => {
            head("bytes that are not a TLS record");
            timeline.detail(1, preview);
        }
        EventDetails::Fin => head(match event.direction {
            Direction::Sent => "FIN: the client will send nothing more on TCP",
            Direction::Received => "FIN: the server will send nothing more on TCP",
        }),
        EventDetails::Reset => head("RST: TCP ends at once in both directions"),
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
        Protection::Opaque { .. } => format!("{outside}, not decrypted"),
    }
}

/// The five bytes of the header (RFC 8446 section 5.1).
fn header_bytes(record: &Record) -> Option<String> {
    let content_type = match record.content_type.as_str() {
        "change_cipher_spec" => 0x14,
        "alert" => 0x15,
        "handshake" => 0x16,
        "application_data" => 0x17,
        _ => return None,
    };
    let version = u16::from_str_radix(record.version.strip_prefix("0x")?, 16).ok()?;
    let ([major, minor], [high, low]) = (version.to_be_bytes(), u16::try_from(record.length).ok()?.to_be_bytes());
    Some(format!("{content_type:02x} {major:02x} {minor:02x} {high:02x} {low:02x}"))
}

/// How the length of an encrypted body comes about: `13 + 1 (type) + 16 (tag) = 30 bytes`.
fn sum_of_bytes(record: &Record, content: u64, padding: u64, is_1_3: bool) -> Option<String> {
    let added = record.length.checked_sub(content + padding + TAG)?;
    let parts: Vec<String> = [(padding, "padding"), (added, if is_1_3 { "type" } else { "nonce" }), (TAG, "tag")]
        .into_iter()
        .filter(|(bytes, _)| *bytes > 0)
        .map(|(bytes, name)| format!(" + {bytes} ({name})"))
        .collect();
    Some(format!("{content}{} = {}", parts.concat(), pluralize(record.length, "byte")))
}

fn record_contents(record: &Record, direction: Direction, session: Session<'_>, timeline: &mut Timeline) {
    if let Some(header) = header_bytes(record) {
        timeline.detail(0, &format!("header {header}"));
    }
    match &record.protection {
        Protection::Decrypted { secret, sequence, content_bytes, padding_bytes, .. } => {
            let secret = if secret == "CLIENT_RANDOM" { "the master secret" } else { secret };
            let suite = session.suite.unwrap_or("the suite");
            timeline.detail(0, &format!("protected by {suite} with {secret}, sequence number {sequence}"));
            if let Some(sum) = sum_of_bytes(record, *content_bytes, *padding_bytes, session.is_1_3) {
                timeline.detail(0, &sum);
            }
        }
        Protection::Opaque { because } => timeline.detail(0, &format!("content unknown: {because}")),
        Protection::Plaintext => {}
    }
    for content in &record.contents {
        match content {
            Content::Handshake(message) => messages::message(message, direction, session.is_1_3, timeline),
            Content::HandshakeFragment { available_bytes, total_bytes } => {
                let all = total_bytes.map_or_else(String::new, |all| format!(" of {}", count(all)));
                timeline.detail(
                    0,
                    &format!("start of a message ({}{all} bytes) that ends in a later record", count(*available_bytes)),
                );
            }
            Content::ChangeCipherSpec { dummy: true } => timeline.titled(
                "ChangeCipherSpec",
                "has no meaning in TLS 1.3: sent so that middleboxes see a resumed TLS 1.2 session",
            ),
            Content::ChangeCipherSpec { dummy: false } => {
                timeline.titled("ChangeCipherSpec", "everything that this end sends from here on is encrypted");
            }
            Content::Alert { level, description } => {
                timeline.titled(&format!("alert {description} ({level})"), messages::alert_meaning(description));
            }
            Content::Application(content) => application::application(content, timeline),
            Content::Unreadable { because } => timeline.detail(0, &format!("unreadable: {because}")),
        }
    }
}

/// A row per phase, and the sum.
fn totals(trace: &TraceResult, timeline: &mut Timeline) {
    let tls = trace.verify.is_some();
    let mut header = vec!["", "time", "round\ntrips", "bytes →", "bytes ←"];
    if tls {
        header.extend(["records →", "records ←", "TLS cost"]);
    }
    let mut table = Table::new(header);
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
        table.row(row(total.phase.name(), figures));
    }
    table.row(row("all", sum));
    timeline.layout.table(&table);
}
