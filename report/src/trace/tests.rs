//! Timelines of constructed connections.

use insta::assert_snapshot;

use super::timeline;
use crate::style::Style;
use wss_model::run_result::{Negotiated, Tool};
use wss_model::store::Stored as _;
use wss_model::trace_result::application::{AcceptDerivation, Application, Frame, HttpHead};
use wss_model::trace_result::handshake::{
    Certificate, ClientHello, Extension, HandshakeMessage, KeyShare, MessageDetails, ServerHello,
};
use wss_model::trace_result::{
    Content, Direction, Event, EventDetails, PhaseTotal, Protection, Record, TraceFailure, TracePhase, TraceResult,
    TraceTarget,
};

fn record(content_type: &str, length: u64, protection: Protection, contents: Vec<Content>) -> EventDetails {
    let version = "0x0303".to_owned();
    EventDetails::Record(Record { content_type: content_type.to_owned(), version, length, protection, contents })
}

fn opened(secret: &str, content_type: &str, content_bytes: u64) -> Protection {
    let (secret, content_type) = (secret.to_owned(), content_type.to_owned());
    Protection::Decrypted { secret, sequence: 0, content_type, content_bytes, padding_bytes: 0 }
}

fn message(name: &str, bytes: u64, details: MessageDetails) -> Content {
    Content::Handshake(HandshakeMessage { name: name.to_owned(), number: 0, bytes, details })
}

fn event(at_ns: u64, phase: TracePhase, direction: Direction, cost_ns: Option<u64>, what: EventDetails) -> Event {
    Event { at_ns, phase, direction, cost_ns, details: what }
}

fn trace(url: &str, events: Vec<Event>) -> TraceResult {
    let tls = url.starts_with("wss") || url.starts_with("tls");
    TraceResult {
        schema: TraceResult::SCHEMA.to_owned(),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        tool: Tool::default(),
        target: TraceTarget {
            url: url.to_owned(),
            address: "192.0.2.1:443".to_owned(),
            server_name: tls.then(|| "example.org".to_owned()),
            embedded: false,
        },
        verify: tls.then(|| "full".to_owned()),
        negotiated: None,
        events,
        phases: vec![PhaseTotal {
            phase: TracePhase::Connect,
            time_ns: 20_000_000,
            cost_ns: 0,
            round_trips: 1,
            sent_bytes: 0,
            received_bytes: 0,
            sent_records: 0,
            received_records: 0,
        }],
        failure: None,
        notes: Vec::new(),
    }
}

/// A handshake of TLS 1.3 as far as the certificate.
fn secure() -> TraceResult {
    use Direction::{Received, Sent};
    let share = KeyShare { group: "X25519".to_owned(), bytes: 32 };
    let hello = ClientHello {
        legacy_version: "TLSv1.2".to_owned(),
        random: "00ff".to_owned(),
        session_id_bytes: 32,
        versions: vec!["TLSv1.3".to_owned()],
        suites: vec!["TLS_AES_128_GCM_SHA256".to_owned()],
        groups: vec!["X25519".to_owned()],
        key_shares: vec![share.clone()],
        signature_schemes: vec!["ed25519".to_owned()],
        server_name: Some("example.org".to_owned()),
        extensions: vec![Extension { name: "key_share".to_owned(), number: 51, bytes: 38 }],
        ..ClientHello::default()
    };
    let chosen = ServerHello {
        version: "TLSv1.3".to_owned(),
        suite: "TLS_AES_128_GCM_SHA256".to_owned(),
        key_share: Some(share),
        ..ServerHello::default()
    };
    let leaf = Certificate {
        subject: "CN=example.org".to_owned(),
        issuer: "CN=A CA".to_owned(),
        key: "ed25519".to_owned(),
        signature_algorithm: "ed25519".to_owned(),
        not_before: "2026-01-01T00:00:00Z".to_owned(),
        not_after: "2027-01-01T00:00:00Z".to_owned(),
        names: vec!["example.org".to_owned()],
        der_bytes: 300,
        ..Certificate::default()
    };
    let dummy =
        || record("change_cipher_spec", 1, Protection::Plaintext, vec![Content::ChangeCipherSpec { dummy: true }]);
    let events = vec![
        event(0, TracePhase::Connect, Sent, None, EventDetails::Syn { to: "192.0.2.1:443".to_owned() }),
        event(
            20_000_000,
            TracePhase::Connect,
            Received,
            None,
            EventDetails::SynAck { local: "192.0.2.2:50000".to_owned() },
        ),
        event(
            20_100_000,
            TracePhase::Tls,
            Sent,
            Some(61_000),
            record(
                "handshake",
                200,
                Protection::Plaintext,
                vec![message("ClientHello", 196, MessageDetails::ClientHello(Box::new(hello)))],
            ),
        ),
        event(
            41_000_000,
            TracePhase::Tls,
            Received,
            Some(90_000),
            record(
                "handshake",
                122,
                Protection::Plaintext,
                vec![message("ServerHello", 118, MessageDetails::ServerHello(Box::new(chosen)))],
            ),
        ),
        event(41_100_000, TracePhase::Tls, Sent, None, dummy()),
        event(41_110_000, TracePhase::Tls, Received, Some(500), dummy()),
        event(
            41_200_000,
            TracePhase::Tls,
            Received,
            Some(200_000),
            record(
                "application_data",
                400,
                opened("SERVER_HANDSHAKE_TRAFFIC_SECRET", "handshake", 383),
                vec![
                    message("Certificate", 310, MessageDetails::Certificate { chain: vec![leaf] }),
                    Content::HandshakeFragment { available_bytes: 69, total_bytes: Some(80) },
                ],
            ),
        ),
    ];
    let negotiated = Negotiated {
        version: "TLSv1.3".to_owned(),
        suite: "TLS13_AES_128_GCM_SHA256".to_owned(),
        group: "X25519".to_owned(),
        certificate: "ed25519".to_owned(),
        kind: "full".to_owned(),
    };
    TraceResult { negotiated: Some(negotiated), ..trace("wss://example.org/", events) }
}

/// An upgrade and a frame without TLS.
fn plain() -> TraceResult {
    use Direction::{Received, Sent};
    let lines = |lines: &[&str]| HttpHead { lines: lines.iter().map(|line| (*line).to_owned()).collect(), bytes: 99 };
    let accept = AcceptDerivation {
        key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        guid: "258EAFA5-E914-47DA-95CA-C5AB0DC85B11".to_owned(),
        sha1: "b37a4f2cc0624f1690f64606cf385945b2bec4ea".to_owned(),
        expected: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
        received: Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()),
    };
    let frame = Frame {
        opcode: "text".to_owned(),
        fin: true,
        reserved_bits: 0,
        masking_key: Some("37fa213d".to_owned()),
        header_bytes: 6,
        header: "818537fa213d".to_owned(),
        payload_bytes: 5,
        on_the_wire: "7f9f4d5158".to_owned(),
        preview: "\"Hello\"".to_owned(),
        close_code: None,
    };
    let segment = |contents| EventDetails::Segment { bytes: 99, contents: vec![contents] };
    let head = lines(&["HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    trace(
        "ws://example.org/",
        vec![
            event(
                1_000,
                TracePhase::Upgrade,
                Sent,
                None,
                segment(Application::UpgradeRequest(lines(&["GET / HTTP/1.1", "Host: example.org"]))),
            ),
            event(
                2_000,
                TracePhase::Upgrade,
                Received,
                None,
                segment(Application::UpgradeResponse { head, accept: Some(accept) }),
            ),
            event(3_000, TracePhase::Echo, Sent, None, segment(Application::Frame(frame))),
        ],
    )
}

#[test]
fn a_handshake_is_a_list_of_steps() {
    assert_snapshot!(timeline(&secure(), Style { width: 100, ..Style::default() }), @r#"
    wss://example.org/ at 192.0.2.1:443
    negotiated: TLSv1.3, TLS13_AES_128_GCM_SHA256, X25519, ed25519 certificate, full

    → sent by the client, ← sent by the server. First column: time since the SYN, when the kernel took
    the data from the client or when the client had read its last byte.
    Second column: the time that the client's TLS took to make or process it, measured once; an answer
    made while processing a record is included in that record's time.
    A record is described by its header: in TLS 1.3 the version there is constant, and everything
    encrypted is called application_data. "Inside" describes the content after decryption with the
    session's own secrets, named as in SSLKEYLOGFILE.
    Nothing is encrypted with the key of the certificate, unlike in the RSA key transport that older
    texts describe (RFC 5246 section 7.4.7.1): that key only signs. Both ends compute the keys of the
    records from the two shares of the key exchange.

    ── TCP connect: a reliable, ordered stream of bytes ────────────────────────────────────────────────
      0.000 ms            →  SYN to 192.0.2.1:443
     20.000 ms            ←  SYN/ACK to 192.0.2.2:50000: connected after one round trip

    ── TLS: proof of who the server is, and keys that only both ends know ──────────────────────────────
     20.100 ms   61.0 µs  →  handshake record, 0x0303, 200 bytes, not encrypted
                             header 16 03 03 00 c8
                             ClientHello, 196 bytes: what it offers, with its share of the key exchange
                               versions      TLSv1.3
                               suites        TLS_AES_128_GCM_SHA256
                               groups        X25519
                               key shares    X25519, 32 bytes
                               signatures    ed25519
                               server name   example.org
                               ALPN          none
                               resumption    not requested: a full handshake
                               early data    none
                               session ID    32 bytes, unused: it makes the message look like TLS 1.2
                               random        00ff
                               extensions    key_share
     41.000 ms   90.0 µs  ←  handshake record, 0x0303, 122 bytes, not encrypted
                             header 16 03 03 00 7a
                             ServerHello, 118 bytes: what it chose, with its share of the key exchange;
                                 everything after it is encrypted
                               version       TLSv1.3
                               suite         TLS_AES_128_GCM_SHA256
                               key share     X25519, 32 bytes
                               session ID    none
     41.100 ms            →  change_cipher_spec record, 0x0303, 1 byte, not encrypted
                             header 14 03 03 00 01
                             ChangeCipherSpec: has no meaning in TLS 1.3: sent so that middleboxes see a
                                 resumed TLS 1.2 session
     41.110 ms    500 ns  ←  change_cipher_spec record, 0x0303, 1 byte, not encrypted
                             header 14 03 03 00 01
                             ChangeCipherSpec
     41.200 ms    200 µs  ←  application_data record, 0x0303, 400 bytes; inside: handshake, 383 bytes
                             header 17 03 03 01 90
                             protected by TLS13_AES_128_GCM_SHA256 with SERVER_HANDSHAKE_TRAFFIC_SECRET,
                                 sequence number 0
                             383 + 1 (type) + 16 (tag) = 400 bytes
                             Certificate, 310 bytes: who the server is, leaf first
                               1. CN=example.org, 300 bytes of DER
                                 issued by     CN=A CA
                                 key           ed25519; the certificate is signed with ed25519
                                 valid         2026-01-01T00:00:00Z to 2027-01-01T00:00:00Z
                                 for           example.org
                             start of a message (69 of 80 bytes) that ends in a later record

    ── totals ──────────────────────────────────────────────────────────────────────────────────────────
                     time   round   bytes →   bytes ←   records →   records ←   TLS cost
                            trips
    ────────────────────────────────────────────────────────────────────────────────────
    TCP connect   20.0 ms       1         0         0           0           0
    all           20.0 ms       1         0         0           0           0
    "#);
}

#[test]
fn an_upgrade_and_a_masked_frame_are_explained() {
    assert_snapshot!(timeline(&plain(), Style { width: 100, ..Style::default() }), @r#"
    ws://example.org/ at 192.0.2.1:443

    → sent by the client, ← sent by the server. First column: time since the SYN, when the kernel took
    the data from the client or when the client had read its last byte.

    ── upgrade: from HTTP to WebSocket ─────────────────────────────────────────────────────────────────
      0.001 ms            →  99 bytes on TCP, readable by anyone on the path
                             HTTP request, 99 bytes: asks to turn this connection into a WebSocket
                               GET / HTTP/1.1
                               Host: example.org
      0.002 ms            ←  99 bytes on TCP, readable by anyone on the path
                             HTTP response, 99 bytes: accepted: WebSocket frames follow
                               HTTP/1.1 101 Switching Protocols
                               Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
                             The accept value proves that the server understood the request: it is
                                 derived from the key and a constant.
                               key           dGhlIHNhbXBsZSBub25jZQ==
                               + constant    258EAFA5-E914-47DA-95CA-C5AB0DC85B11
                               SHA-1         b37a4f2cc0624f1690f64606cf385945b2bec4ea
                               in base64     s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, as received

    ── echo: one message and its echo ──────────────────────────────────────────────────────────────────
      0.003 ms            →  99 bytes on TCP, readable by anyone on the path
                             WebSocket text frame, FIN 1, MASK 1, 6 bytes of header and 5 of payload
                               header        81 (FIN, opcode text), 85 (MASK, length 5)
                               masking key   37fa213d, new for each frame; clients mask their frames so
                                             that no proxy on the path mistakes them for HTTP
                               sent as       7f9f4d5158
                               payload       "Hello"

    ── totals ──────────────────────────────────────────────────────────────────────────────────────────
                     time   round   bytes →   bytes ←
                            trips
    ─────────────────────────────────────────────────
    TCP connect   20.0 ms       1         0         0
    all           20.0 ms       1         0         0
    "#);
}

#[test]
fn a_failure_is_the_last_step() {
    let mut failed = secure();
    failed.events.truncate(3);
    failed.failure = Some(TraceFailure { phase: TracePhase::Tls, message: "the server sent nothing".to_owned() });
    let text = timeline(&failed, Style::default());
    assert!(text.contains("\nFAILED in the phase TLS: the server sent nothing.\n"), "{text}");
}

#[test]
fn no_line_is_too_wide_or_moves_the_cursor() {
    let mut hostile = secure();
    if let EventDetails::Record(record) = &mut hostile.events[6].details {
        let subject = format!("CN=\u{1b}[2J{}", "x".repeat(500));
        let names = vec!["\u{7}".repeat(40), "a name of many words ".repeat(40)];
        let certificate = Certificate { subject, names, ..Certificate::default() };
        record.contents = vec![message("Certificate", 1, MessageDetails::Certificate { chain: vec![certificate] })];
    }
    for (trace, width) in [(&hostile, 80), (&hostile, 100), (&hostile, 120), (&plain(), 80)] {
        for line in timeline(trace, Style { width, ..Style::default() }).lines() {
            assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn a_trace_matches_its_schema_and_reads_back() {
    let validator = jsonschema::validator_for(&wss_model::schema::of::<TraceResult>()).unwrap();
    for trace in [secure(), plain()] {
        let value = serde_json::to_value(&trace).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(serde_json::from_value::<TraceResult>(value).unwrap(), trace);
    }
}

#[test]
fn the_committed_schema_is_up_to_date() {
    wss_model::schema::assert_committed("wssbench.trace-2.json", &wss_model::schema::of::<TraceResult>());
}
