//! Connections in memory, captured and decrypted; and captures of random bytes.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NoKeyLog, ServerConnection};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, TlsVersion};
use wss_model::trace_result::application::Application;
use wss_model::trace_result::handshake::MessageDetails;
use wss_model::trace_result::{Content, Direction, Event, EventDetails, Protection, TracePhase};
use wss_wire::tls::{Identity, Role, ServerExtras, Trust, client_config, server_config};

use super::super::capture::{Captured, Raw};
use super::super::secrets::Secrets;
use super::{KeyMaterial, observe};

/// Two ends and the events between them.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
    keys: KeyMaterial,
    capture: Vec<Captured>,
}

impl Pair {
    fn new(version: TlsVersion) -> Self {
        let options = TlsOptions { tls_version: Some(version), ..TlsOptions::default() };
        let identity =
            Identity::generate(Role::Server, &["localhost".to_owned()], CertificateKind::EcdsaP256, 1).unwrap();
        let server = server_config(&options, &identity, &ServerExtras::default()).unwrap();
        let trust = Trust::anyone(true);
        let mut client: ClientConfig = client_config(&options, &trust, None).unwrap();
        let secrets = Arc::new(Secrets::beside(Arc::new(NoKeyLog {})));
        client.key_log = Arc::<Secrets>::clone(&secrets);
        let keys = KeyMaterial { secrets, suites: client.crypto_provider().cipher_suites.clone() };
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            client: ClientConnection::new(Arc::new(client), name).unwrap(),
            server: ServerConnection::new(Arc::new(server)).unwrap(),
            keys,
            capture: Vec::new(),
        }
    }

    /// Exchanges records until neither end has any.
    fn carry(&mut self) {
        while self.client.wants_write() || self.server.wants_write() {
            let mut sent = Vec::new();
            self.client.write_tls(&mut sent).unwrap();
            self.capture(Direction::Sent, &sent);
            self.server.read_tls(&mut sent.as_slice()).unwrap();
            self.server.process_new_packets().unwrap();
            let mut received = Vec::new();
            self.server.write_tls(&mut received).unwrap();
            self.capture(Direction::Received, &received);
            self.client.read_tls(&mut received.as_slice()).unwrap();
            self.client.process_new_packets().unwrap();
        }
    }

    fn capture(&mut self, direction: Direction, mut bytes: &[u8]) {
        while let Some((header, rest)) = bytes.split_first_chunk::<5>() {
            let (body, rest) = rest.split_at(usize::from(u16::from_be_bytes([header[3], header[4]])));
            self.capture.push(captured(direction, Raw::Record(*header, body.to_vec())));
            bytes = rest;
        }
    }
}

fn captured(direction: Direction, raw: Raw) -> Captured {
    Captured { at_ns: 0, phase: TracePhase::Tls, direction, cost_ns: None, raw }
}

/// The contents of all records, with the secret that decrypted each.
fn contents(events: &[Event]) -> Vec<(Option<&str>, &Content)> {
    let records = events.iter().filter_map(|event| match &event.details {
        EventDetails::Record(record) => Some(record),
        _ => None,
    });
    records
        .flat_map(|record| {
            let secret = match &record.protection {
                Protection::Decrypted { secret, .. } => Some(secret.as_str()),
                Protection::Plaintext => None,
                Protection::Opaque { because } => panic!("not decrypted: {because}"),
            };
            record.contents.iter().map(move |content| (secret, content))
        })
        .collect()
}

#[test]
fn every_handshake_message_is_decrypted_and_named() {
    for (version, names) in [
        (
            TlsVersion::V1_3,
            "ClientHello ServerHello ccs EncryptedExtensions Certificate CertificateVerify Finished ccs Finished",
        ),
        (
            TlsVersion::V1_2,
            "ClientHello ServerHello Certificate ServerKeyExchange ServerHelloDone ClientKeyExchange ccs Finished ccs \
             Finished",
        ),
    ] {
        let mut pair = Pair::new(version);
        pair.carry();
        let events = observe(pair.capture, Some(&pair.keys), false, None);
        let messages: Vec<&str> = contents(&events)
            .into_iter()
            .map(|(_, content)| match content {
                Content::Handshake(message) => message.name.as_str(),
                Content::ChangeCipherSpec { .. } => "ccs",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(messages.join(" "), names.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

#[test]
fn key_updates_are_followed_in_both_directions() {
    use std::io::Write;
    let mut pair = Pair::new(TlsVersion::V1_3);
    pair.carry();
    for _ in 0..3 {
        // Requests that the client update its keys too, which it does with its next record.
        pair.server.refresh_traffic_keys().unwrap();
        pair.server.writer().write_all(b"from the server").unwrap();
        pair.carry();
        pair.client.writer().write_all(b"from the client").unwrap();
        pair.carry();
    }
    let events = observe(pair.capture, Some(&pair.keys), false, None);
    let found = contents(&events);
    let updates = found.iter().filter(|(_, content)| {
        matches!(content, Content::Handshake(message) if matches!(message.details, MessageDetails::KeyUpdate { .. }))
    });
    assert_eq!(updates.count(), 6);
    let data = found.iter().filter_map(|(secret, content)| match content {
        Content::Application(Application::Bytes { bytes: 15, .. }) => secret.and_then(|secret| secret.split_once('_')),
        _ => None,
    });
    let generations: Vec<_> =
        (1..=3).flat_map(|number| ["SERVER", "CLIENT"].map(|end| (end, format!("TRAFFIC_SECRET_{number}")))).collect();
    let data: Vec<_> = data.map(|(end, rest)| (end, rest.to_owned())).collect();
    assert_eq!(data, generations);
}

#[test]
fn a_modified_record_stays_opaque() {
    let mut pair = Pair::new(TlsVersion::V1_3);
    pair.carry();
    if let Some(Captured { raw: Raw::Record(_, body), .. }) = pair.capture.last_mut() {
        body[0] ^= 1;
    }
    let events = observe(pair.capture, Some(&pair.keys), false, None);
    let Some(EventDetails::Record(last)) = events.last().map(|event| &event.details) else { panic!("{events:?}") };
    assert!(matches!(&last.protection, Protection::Opaque { because } if because.contains("tag")), "{last:?}");
}

#[test]
fn a_fragmented_message_is_reported_where_it_ends() {
    let mut pair = Pair::new(TlsVersion::V1_2);
    pair.carry();
    let Raw::Record(header, body) = pair.capture.remove(0).raw else { panic!("the ClientHello") };
    let pieces = body.chunks(3).map(|piece| {
        let [high, low] = u16::try_from(piece.len()).unwrap().to_be_bytes();
        captured(Direction::Sent, Raw::Record([header[0], header[1], header[2], high, low], piece.to_vec()))
    });
    let events = observe(pieces.collect(), Some(&pair.keys), false, None);
    let found = contents(&events);
    let (last, before) = found.split_last().unwrap();
    assert!(matches!(last.1, Content::Handshake(message) if message.name == "ClientHello"));
    assert!(before.iter().all(|(_, content)| matches!(content, Content::HandshakeFragment { .. })));
    assert!(matches!(before[0].1, Content::HandshakeFragment { available_bytes: 3, total_bytes: None }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn hostile_bytes_never_panic(
        records in prop::collection::vec((any::<bool>(), 19u8..26, prop::collection::vec(any::<u8>(), 0..200)), 0..12),
        websocket in any::<bool>(),
    ) {
        let capture = records.into_iter().map(|(sent, content_type, body)| {
            let direction = if sent { Direction::Sent } else { Direction::Received };
            let [high, low] = (body.len() as u16).to_be_bytes();
            captured(direction, Raw::Record([content_type, 3, 3, high, low], body))
        });
        observe(capture.collect(), Some(&Pair::new(TlsVersion::V1_3).keys), websocket, None);
    }

    #[test]
    fn a_modified_handshake_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..20),
        old in any::<bool>(),
    ) {
        let mut pair = Pair::new(if old { TlsVersion::V1_2 } else { TlsVersion::V1_3 });
        pair.carry();
        for (record, byte, value) in changes {
            let index = record.index(pair.capture.len());
            if let Raw::Record(_, body) = &mut pair.capture[index].raw && !body.is_empty() {
                let index = byte.index(body.len());
                body[index] = value;
            }
        }
        observe(pair.capture, Some(&pair.keys), true, None);
    }
}
