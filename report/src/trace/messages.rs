//! Handshake messages and alerts: what each says, and what it is for.

use super::timeline::Timeline;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::count;
use wss_model::trace_result::handshake::{
    Certificate, ClientHello, Extension, HandshakeMessage, KeyShare, MessageDetails, ServerHello,
};
use wss_model::trace_result::{Content, Direction, Event, EventDetails};

/// Whether TLS 1.3 was chosen: some messages mean something else then.
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

/// A message, with what it says below it.
pub(super) fn message(message: &HandshakeMessage, direction: Direction, is_1_3: bool, ladder: &mut Timeline) {
    let name = format!("{}, {}", message.name, pluralize(message.bytes, "byte"));
    ladder.titled(&name, is_for(&message.details, direction, is_1_3));
    match &message.details {
        MessageDetails::ClientHello(hello) => client_hello(hello, ladder),
        MessageDetails::ServerHello(hello) => server_hello(hello, ladder),
        MessageDetails::HelloRetryRequest { version, suite, group, cookie_bytes, extensions } => {
            ladder.fact("version", version);
            ladder.fact("suite", suite);
            ladder
                .fact("asks for", &group.as_ref().map_or_else(String::new, |group| format!("a key share of {group}")));
            ladder.fact("cookie", &cookie_bytes.map_or_else(String::new, |bytes| pluralize(bytes, "byte")));
            listed(extensions, ladder);
        }
        MessageDetails::EncryptedExtensions { alpn, early_data, extensions } => {
            ladder.fact("ALPN", alpn.as_deref().unwrap_or_default());
            ladder.fact("early data", if *early_data { "accepted" } else { "" });
            if extensions.is_empty() {
                ladder.fact("extensions", "none: there is nothing to add");
            }
            listed(extensions, ladder);
        }
        MessageDetails::Certificate { chain } => {
            if chain.is_empty() {
                ladder.detail(1, "no certificate");
            }
            for (index, shown) in chain.iter().enumerate() {
                certificate(index, shown, ladder);
            }
        }
        MessageDetails::CertificateRequest { signature_schemes, authorities } => {
            ladder.fact("signatures", &signature_schemes.join(", "));
            ladder.fact("issued by", &authorities.join("; "));
        }
        MessageDetails::CertificateVerify { scheme, signature_bytes } => {
            ladder.fact("signature", &format!("{scheme}, {}", pluralize(*signature_bytes, "byte")));
        }
        MessageDetails::CertificateStatus { response_bytes } => {
            ladder.fact("OCSP", &format!("{} of response", pluralize(*response_bytes, "byte")));
        }
        MessageDetails::ServerKeyExchange { group, public_key_bytes, scheme, signature_bytes } => {
            ladder.fact("public key", &format!("{group}, {}", pluralize(*public_key_bytes, "byte")));
            ladder.fact("signature", &format!("{scheme}, {}", pluralize(*signature_bytes, "byte")));
        }
        MessageDetails::ClientKeyExchange { public_key_bytes } => {
            ladder.fact("public key", &pluralize(*public_key_bytes, "byte"));
        }
        MessageDetails::Finished { verify_data_bytes } => ladder.fact("MAC", &pluralize(*verify_data_bytes, "byte")),
        MessageDetails::NewSessionTicket { lifetime_s, ticket_bytes, max_early_data_bytes } => {
            ladder.fact("ticket", &pluralize(*ticket_bytes, "byte"));
            ladder.fact("valid for", &format!("{} s", count(*lifetime_s)));
            let early = |bytes| format!("up to {} when it is used", pluralize(bytes, "byte"));
            ladder.fact("early data", &max_early_data_bytes.map_or_else(String::new, early));
        }
        MessageDetails::KeyUpdate { requested } => {
            ladder.fact("and you?", if *requested { "the other end shall change its keys as well" } else { "" });
        }
        MessageDetails::Unreadable { because } => ladder.detail(1, &format!("cannot be read: {because}")),
        MessageDetails::ServerHelloDone
        | MessageDetails::EndOfEarlyData
        | MessageDetails::HelloRequest
        | MessageDetails::Other => {}
    }
}

/// What a message is for, in one clause.
fn is_for(details: &MessageDetails, direction: Direction, is_1_3: bool) -> &'static str {
    let client = direction == Direction::Sent;
    match details {
        MessageDetails::ClientHello(hello) if hello.key_shares.is_empty() => "what the client offers",
        MessageDetails::ClientHello(_) => "what it offers, with its half of the key exchange",
        MessageDetails::ServerHello(_) if is_1_3 => {
            "what it chose, with its half of the key exchange; what follows is encrypted"
        }
        MessageDetails::ServerHello(_) => "what the server chose",
        MessageDetails::HelloRetryRequest { .. } => {
            "a ServerHello with a random that says so: the client shall ask again, which costs a round trip"
        }
        MessageDetails::EncryptedExtensions { .. } => "answers to the ClientHello for which there had to be keys first",
        MessageDetails::Certificate { .. } if client => "who the client is, leaf first",
        MessageDetails::Certificate { .. } => "who the server is, leaf first",
        MessageDetails::CertificateRequest { .. } => "the client shall show a certificate too (mutual TLS)",
        MessageDetails::CertificateVerify { .. } => {
            "a signature over all messages so far: its maker has the key of the certificate"
        }
        MessageDetails::CertificateStatus { .. } => "proof that the certificate was not revoked (OCSP stapling)",
        MessageDetails::ServerKeyExchange { .. } => {
            "the server's half of the key exchange, signed with the key of the certificate"
        }
        MessageDetails::ServerHelloDone => "it is the client's turn",
        MessageDetails::ClientKeyExchange { .. } => "the client's half of the key exchange: now both can make the keys",
        MessageDetails::Finished { .. } => "a MAC over all messages so far: nobody changed one on the way",
        MessageDetails::NewSessionTicket { .. } => {
            "with it a later connection can resume, without certificate and signature"
        }
        MessageDetails::KeyUpdate { .. } => "what this end sends next is under new keys",
        MessageDetails::EndOfEarlyData => "what follows is under the keys of this handshake",
        MessageDetails::HelloRequest => "the server wants a new handshake",
        MessageDetails::Other => "not taken apart here",
        MessageDetails::Unreadable { .. } => "",
    }
}

fn client_hello(hello: &ClientHello, ladder: &mut Timeline) {
    ladder.fact("versions", &hello.versions.join(", "));
    ladder.fact("suites", &hello.suites.join(", "));
    ladder.fact("groups", &hello.groups.join(", "));
    let shares: Vec<String> = hello.key_shares.iter().map(share).collect();
    ladder.fact("key shares", &shares.join("; "));
    ladder.fact("signatures", &hello.signature_schemes.join(", "));
    ladder.fact("server name", hello.server_name.as_deref().unwrap_or("none (SNI is for names, not for addresses)"));
    ladder.fact("ALPN", if hello.alpn.is_empty() { "none" } else { "" });
    ladder.fact("ALPN", &hello.alpn.join(", "));
    match hello.session_ticket_bytes {
        Some(0) => ladder.fact("ticket", "none to resume with; would take one (TLS 1.2)"),
        Some(bytes) => ladder.fact("ticket", &format!("{} to resume with (TLS 1.2)", pluralize(bytes, "byte"))),
        None => {}
    }
    ladder.fact("resumption", &resumption(hello));
    ladder.fact("PSK modes", &hello.psk_modes.join(", "));
    ladder.fact("early data", if hello.early_data { "follows at once, before any answer" } else { "none" });
    session_id(hello.session_id_bytes, hello.versions.iter().any(|version| version == "TLSv1.3"), ladder);
    ladder.fact("random", &hello.random);
    listed(&hello.extensions, ladder);
}

/// Whether the client wants to resume a session, and with what.
fn resumption(hello: &ClientHello) -> String {
    let offers_1_3 = hello.versions.iter().any(|version| version == "TLSv1.3");
    if !hello.psk_identities_bytes.is_empty() {
        let sizes: Vec<String> = hello.psk_identities_bytes.iter().map(|bytes| pluralize(*bytes, "byte")).collect();
        format!("asked for, with a ticket of {}", sizes.join(" and one of "))
    } else if hello.session_ticket_bytes.is_some_and(|bytes| bytes > 0) {
        "asked for, with the ticket".to_owned()
    } else if hello.session_id_bytes > 0 && !offers_1_3 {
        "asked for, by the session ID".to_owned()
    } else {
        "not asked for: a full handshake".to_owned()
    }
}

fn server_hello(hello: &ServerHello, ladder: &mut Timeline) {
    ladder.fact("version", &hello.version);
    ladder.fact("suite", &hello.suite);
    ladder.fact("key share", &hello.key_share.as_ref().map_or_else(String::new, share));
    let resumed = |index| format!("the client's ticket no. {index} was accepted: resumed");
    ladder.fact("resumption", &hello.psk.map_or_else(String::new, resumed));
    ladder.fact("ALPN", hello.alpn.as_deref().unwrap_or_default());
    session_id(hello.session_id_bytes, hello.version == "TLSv1.3", ladder);
    ladder.fact("random", &hello.random);
    listed(&hello.extensions, ladder);
}

fn session_id(bytes: u64, is_1_3: bool, ladder: &mut Timeline) {
    let without_use = if is_1_3 { " without a use, so that it looks like TLS 1.2" } else { "" };
    let told = if bytes == 0 { "none".to_owned() } else { format!("{}{without_use}", pluralize(bytes, "byte")) };
    ladder.fact("session ID", &told);
}

fn share(share: &KeyShare) -> String {
    format!("{}, {}", share.group, pluralize(share.bytes, "byte"))
}

/// All extensions by name, in their order.
fn listed(extensions: &[Extension], ladder: &mut Timeline) {
    let names: Vec<&str> = extensions.iter().map(|extension| extension.name.as_str()).collect();
    ladder.fact("extensions", &names.join(", "));
}

fn certificate(index: usize, certificate: &Certificate, ladder: &mut Timeline) {
    let Certificate { subject, issuer, key, signature_algorithm, not_before, not_after, .. } = certificate;
    let bytes = pluralize(certificate.der_bytes, "byte");
    if let Some(because) = &certificate.unreadable {
        ladder.detail(1, &format!("{}. {bytes} of DER: {because}", index + 1));
        return;
    }
    let authority = if certificate.is_ca { ", a CA's" } else { "" };
    ladder.detail(1, &format!("{}. {subject}{authority}, {bytes} of DER", index + 1));
    let own = if issuer == subject { "itself" } else { issuer };
    ladder.fact_at(2, "issued by", own);
    ladder.fact_at(2, "key", &format!("{key}; the certificate is signed with {signature_algorithm}"));
    ladder.fact_at(2, "valid", &format!("{not_before} to {not_after}"));
    ladder.fact_at(2, "for", &certificate.names.join(", "));
}

/// What an alert is for, in one clause.
pub(super) fn alert_is_for(description: &str) -> &'static str {
    match description {
        "close_notify" => "the sender says nothing more; without it, an end could be an attacker's cut",
        "unknown_ca" => "the sender does not know who issued the certificate",
        "bad_certificate" | "certificate_unknown" => "the sender does not accept the certificate",
        "certificate_expired" => "the certificate is no longer valid",
        "certificate_required" => "the server wants a certificate of the client and got none",
        "handshake_failure" => "the two have nothing in common",
        "protocol_version" => "the two have no version in common",
        "no_application_protocol" => "the two have no protocol in common (ALPN)",
        "unrecognized_name" => "the server has no certificate for this name (SNI)",
        "decode_error" => "a message could not be read",
        "illegal_parameter" => "a message says what it must not say",
        "unexpected_message" => "this message has no place here",
        _ => "",
    }
}
