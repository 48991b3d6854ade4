//! Handshake messages and alerts in the timeline: content and purpose.

use super::timeline::Timeline;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::count;
use wss_model::trace_result::handshake::{
    Certificate, ClientHello, Extension, HandshakeMessage, KeyShare, MessageDetails, ServerHello,
};
use wss_model::trace_result::{Content, Direction, Event, EventDetails};

/// Whether TLS 1.3 was negotiated: it changes the meaning of some messages.
pub(super) fn is_1_3(events: &[Event]) -> bool {
    let records = events.iter().filter_map(|event| match &event.details {
        EventDetails::Record(record) => Some(record),
        _ => None,
    });
    records.flat_map(|record| &record.contents).any(|content| match content {
        Content::Handshake(message) => match &message.details {
            MessageDetails::ServerHello(hello) => hello.version == "TLSv1.3",
            MessageDetails::HelloRetryRequest { .. } => true,
            _ => false,
        },
        _ => false,
    })
}

/// A message with its content below it.
pub(super) fn message(message: &HandshakeMessage, direction: Direction, is_1_3: bool, timeline: &mut Timeline) {
    let name = format!("{}, {}", message.name, pluralize(message.bytes, "byte"));
    timeline.titled(&name, purpose(&message.details, direction, is_1_3));
    match &message.details {
        MessageDetails::ClientHello(hello) => client_hello(hello, timeline),
        MessageDetails::ServerHello(hello) => server_hello(hello, timeline),
        MessageDetails::HelloRetryRequest { version, suite, group, cookie_bytes, extensions } => {
            timeline.fact("version", version);
            timeline.fact("suite", suite);
            timeline
                .fact("requests", &group.as_ref().map_or_else(String::new, |group| format!("a key share of {group}")));
            timeline.fact("cookie", &cookie_bytes.map_or_else(String::new, |bytes| pluralize(bytes, "byte")));
            listed(extensions, timeline);
        }
        MessageDetails::EncryptedExtensions { alpn, early_data, extensions } => {
            timeline.fact("ALPN", alpn.as_deref().unwrap_or_default());
            timeline.fact("early data", if *early_data { "accepted" } else { "" });
            if extensions.is_empty() {
                timeline.fact("extensions", "none");
            }
            listed(extensions, timeline);
        }
        MessageDetails::Certificate { chain } => {
            if chain.is_empty() {
                timeline.detail(1, "no certificate");
            }
            for (index, shown) in chain.iter().enumerate() {
                certificate(index, shown, timeline);
            }
        }
        MessageDetails::CertificateRequest { signature_schemes, authorities } => {
            timeline.fact("signatures", &signature_schemes.join(", "));
            timeline.fact("issued by", &authorities.join("; "));
        }
        MessageDetails::CertificateVerify { scheme, signature_bytes } => {
            timeline.fact("signature", &format!("{scheme}, {}", pluralize(*signature_bytes, "byte")));
        }
        MessageDetails::CertificateStatus { response_bytes } => {
            timeline.fact("OCSP", &format!("{} of response", pluralize(*response_bytes, "byte")));
        }
        MessageDetails::ServerKeyExchange { group, public_key_bytes, scheme, signature_bytes } => {
            timeline.fact("public key", &format!("{group}, {}", pluralize(*public_key_bytes, "byte")));
            timeline.fact("signature", &format!("{scheme}, {}", pluralize(*signature_bytes, "byte")));
        }
        MessageDetails::ClientKeyExchange { public_key_bytes } => {
            timeline.fact("public key", &pluralize(*public_key_bytes, "byte"));
        }
        MessageDetails::Finished { verify_data_bytes } => timeline.fact("MAC", &pluralize(*verify_data_bytes, "byte")),
        MessageDetails::NewSessionTicket { lifetime_s, ticket_bytes, max_early_data_bytes } => {
            timeline.fact("ticket", &pluralize(*ticket_bytes, "byte"));
            timeline.fact("valid for", &format!("{} s", count(*lifetime_s)));
            let early = |bytes| format!("up to {} when it is used", pluralize(bytes, "byte"));
            timeline.fact("early data", &max_early_data_bytes.map_or_else(String::new, early));
        }
        MessageDetails::KeyUpdate { requested } => {
            timeline.fact("request", if *requested { "the other end must update its keys too" } else { "" });
        }
        MessageDetails::Unreadable { because } => timeline.detail(1, &format!("unreadable: {because}")),
        MessageDetails::ServerHelloDone
        | MessageDetails::EndOfEarlyData
        | MessageDetails::HelloRequest
        | MessageDetails::Other => {}
    }
}

/// The purpose of a message in one clause.
fn purpose(details: &MessageDetails, direction: Direction, is_1_3: bool) -> &'static str {
    let client = direction == Direction::Sent;
    match details {
        MessageDetails::ClientHello(hello) if hello.key_shares.is_empty() => "what the client offers",
        MessageDetails::ClientHello(_) => "what it offers, with its share of the key exchange",
        MessageDetails::ServerHello(_) if is_1_3 => {
            "what it chose, with its share of the key exchange; everything after it is encrypted"
        }
        MessageDetails::ServerHello(_) => "what the server chose",
        MessageDetails::HelloRetryRequest { .. } => {
            "a ServerHello with a special random: the client must send a new ClientHello, which costs a round trip"
        }
        MessageDetails::EncryptedExtensions { .. } => "answers to the ClientHello that must be encrypted",
        MessageDetails::Certificate { .. } if client => "who the client is, leaf first",
        MessageDetails::Certificate { .. } => "who the server is, leaf first",
        MessageDetails::CertificateRequest { .. } => "the client must present a certificate too (mutual TLS)",
        MessageDetails::CertificateVerify { .. } => {
            "a signature over all messages so far: the sender has the private key of the certificate"
        }
        MessageDetails::CertificateStatus { .. } => "proof that the certificate was not revoked (OCSP stapling)",
        MessageDetails::ServerKeyExchange { .. } => {
            "the server's share of the key exchange, signed with the private key of the certificate"
        }
        MessageDetails::ServerHelloDone => "the server is done; the client is next",
        MessageDetails::ClientKeyExchange { .. } => {
            "the client's share of the key exchange: both ends can now derive the keys"
        }
        MessageDetails::Finished { .. } => "a MAC over all messages so far: proof that none was changed on the path",
        MessageDetails::NewSessionTicket { .. } => "lets a later connection resume without certificate and signature",
        MessageDetails::KeyUpdate { .. } => "this end encrypts with new keys from here on",
        MessageDetails::EndOfEarlyData => "everything after it is encrypted with the keys of this handshake",
        MessageDetails::HelloRequest => "the server requests a new handshake",
        MessageDetails::Other => "not decoded",
        MessageDetails::Unreadable { .. } => "",
    }
}

fn client_hello(hello: &ClientHello, timeline: &mut Timeline) {
    timeline.fact("versions", &hello.versions.join(", "));
    timeline.fact("suites", &hello.suites.join(", "));
    timeline.fact("groups", &hello.groups.join(", "));
    let shares: Vec<String> = hello.key_shares.iter().map(share).collect();
    timeline.fact("key shares", &shares.join("; "));
    timeline.fact("signatures", &hello.signature_schemes.join(", "));
    timeline.fact("server name", hello.server_name.as_deref().unwrap_or("none (SNI is for names, not for addresses)"));
    timeline.fact("ALPN", if hello.alpn.is_empty() { "none" } else { "" });
    timeline.fact("ALPN", &hello.alpn.join(", "));
    match hello.session_ticket_bytes {
        Some(0) => timeline.fact("ticket", "none; accepts one (TLS 1.2)"),
        Some(bytes) => timeline.fact("ticket", &format!("{}, to resume with (TLS 1.2)", pluralize(bytes, "byte"))),
        None => {}
    }
    timeline.fact("resumption", &resumption(hello));
    timeline.fact("PSK modes", &hello.psk_modes.join(", "));
    timeline.fact("early data", if hello.early_data { "follows at once, before the server answers" } else { "none" });
    session_id(hello.session_id_bytes, hello.versions.iter().any(|version| version == "TLSv1.3"), timeline);
    timeline.fact("random", &hello.random);
    listed(&hello.extensions, timeline);
}

/// Whether the client asks to resume a session, and with what.
fn resumption(hello: &ClientHello) -> String {
    let offers_1_3 = hello.versions.iter().any(|version| version == "TLSv1.3");
    if !hello.psk_identities_bytes.is_empty() {
        let sizes: Vec<String> = hello.psk_identities_bytes.iter().map(|bytes| pluralize(*bytes, "byte")).collect();
        format!("requested, with a ticket of {}", sizes.join(" and one of "))
    } else if hello.session_ticket_bytes.is_some_and(|bytes| bytes > 0) {
        "requested, with the ticket".to_owned()
    } else if hello.session_id_bytes > 0 && !offers_1_3 {
        "requested, by the session ID".to_owned()
    } else {
        "not requested: a full handshake".to_owned()
    }
}

fn server_hello(hello: &ServerHello, timeline: &mut Timeline) {
    timeline.fact("version", &hello.version);
    timeline.fact("suite", &hello.suite);
    timeline.fact("key share", &hello.key_share.as_ref().map_or_else(String::new, share));
    let resumed = |index| format!("ticket {index} of the client was accepted: resumed");
    timeline.fact("resumption", &hello.psk.map_or_else(String::new, resumed));
    timeline.fact("ALPN", hello.alpn.as_deref().unwrap_or_default());
    session_id(hello.session_id_bytes, hello.version == "TLSv1.3", timeline);
    timeline.fact("random", &hello.random);
    listed(&hello.extensions, timeline);
}

fn session_id(bytes: u64, is_1_3: bool, timeline: &mut Timeline) {
    let unused = if is_1_3 { ", unused: it makes the message look like TLS 1.2" } else { "" };
    let text = if bytes == 0 { "none".to_owned() } else { format!("{}{unused}", pluralize(bytes, "byte")) };
    timeline.fact("session ID", &text);
}

fn share(share: &KeyShare) -> String {
    format!("{}, {}", share.group, pluralize(share.bytes, "byte"))
}

/// All extensions by name, in their order.
fn listed(extensions: &[Extension], timeline: &mut Timeline) {
    let names: Vec<&str> = extensions.iter().map(|extension| extension.name.as_str()).collect();
    timeline.fact("extensions", &names.join(", "));
}

fn certificate(index: usize, certificate: &Certificate, timeline: &mut Timeline) {
    let Certificate { subject, issuer, key, signature_algorithm, not_before, not_after, .. } = certificate;
    let bytes = pluralize(certificate.der_bytes, "byte");
    if let Some(because) = &certificate.unreadable {
        timeline.detail(1, &format!("{}. {bytes} of DER: {because}", index + 1));
        return;
    }
    let authority = if certificate.is_ca { ", a CA" } else { "" };
    timeline.detail(1, &format!("{}. {subject}{authority}, {bytes} of DER", index + 1));
    let own = if issuer == subject { "itself" } else { issuer };
    timeline.fact_at(2, "issued by", own);
    timeline.fact_at(2, "key", &format!("{key}; the certificate is signed with {signature_algorithm}"));
    timeline.fact_at(2, "valid", &format!("{not_before} to {not_after}"));
    timeline.fact_at(2, "for", &certificate.names.join(", "));
}

/// The meaning of an alert in one clause.
pub(super) fn alert_meaning(description: &str) -> &'static str {
    match description {
        "close_notify" => "the sender is done; without it the end could be a truncation attack",
        "unknown_ca" => "the sender does not trust the issuer of the certificate",
        "bad_certificate" | "certificate_unknown" => "the sender does not accept the certificate",
        "certificate_expired" => "the certificate has expired",
        "certificate_required" => "the server requires a client certificate and got none",
        "handshake_failure" => "the ends have no parameters in common",
        "protocol_version" => "the ends have no TLS version in common",
        "no_application_protocol" => "the ends have no protocol in common (ALPN)",
        "unrecognized_name" => "the server has no certificate for this name (SNI)",
        "decode_error" => "a message could not be decoded",
        "illegal_parameter" => "a message has a value that is not allowed",
        "unexpected_message" => "a message came out of order",
        _ => "",
    }
}
