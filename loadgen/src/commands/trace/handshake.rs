//! Decodes handshake messages.
//!
//! tls-parser decodes the hellos, their extensions and the messages of TLS 1.2. What it leaves as bytes or knows only from
//! old drafts (key shares, pre-shared keys, and the messages that TLS 1.3 changed) is decoded here, with the nom combinators
//! that it re-exports.

mod hello;

use tls_parser::nom::IResult;
use tls_parser::nom::bytes::complete::take;
use tls_parser::nom::combinator::{complete, map};
use tls_parser::nom::multi::{length_data, many0};
use tls_parser::nom::number::complete::{be_u8, be_u16, be_u24, be_u32};
use tls_parser::nom::sequence::pair;
use tls_parser::{TlsExtension, TlsMessage, TlsMessageHandshake};
use wss_model::trace_result::handshake::{HandshakeMessage, MessageDetails};
use x509_parser::prelude::{FromDer, X509Name};

use super::certificate::certificate;
use super::names;
use super::secrets::Facts;

/// The most certificates and authorities that are listed of one message.
const MAX_CHAIN: usize = 10;
/// The most elements that are listed of any other list.
pub(super) const MAX_LIST: usize = 64;

/// Decodes a complete message with its header, and stores in `facts` what later messages need from the hellos.
pub(super) fn message(bytes: &[u8], facts: &mut Facts) -> HandshakeMessage {
    let number = bytes.first().copied().unwrap_or(0);
    let body = bytes.get(4..).unwrap_or(&[]);
    let is_1_3 = facts.is_1_3 == Some(true);
    let details = match number {
        1 => hello::client(body, facts),
        2 => hello::server(body, facts),
        4 if is_1_3 => read(body, ticket_1_3),
        8 => read(body, hello::encrypted_extensions),
        11 if is_1_3 => read(body, certificate_1_3),
        13 if is_1_3 => read(body, certificate_request_1_3),
        15 => read(body, certificate_verify),
        5 => Some(MessageDetails::EndOfEarlyData),
        24 => read(body, map(be_u8, |requested| MessageDetails::KeyUpdate { requested: requested == 1 })),
        20 => Some(MessageDetails::Finished { verify_data_bytes: body.len() as u64 }),
        _ => of_library(bytes, is_1_3),
    };
    let broken = || MessageDetails::Unreadable { because: "its lengths are inconsistent".to_owned() };
    HandshakeMessage {
        name: match &details {
            Some(MessageDetails::HelloRetryRequest { .. }) => "HelloRetryRequest".to_owned(),
            _ => names::handshake(number),
        },
        number,
        bytes: body.len() as u64,
        details: details.unwrap_or_else(broken),
    }
}

/// Decodes a body with a parser.
fn read<'a>(
    body: &'a [u8],
    parse: impl FnOnce(&'a [u8]) -> IResult<&'a [u8], MessageDetails>,
) -> Option<MessageDetails> {
    parse(body).ok().map(|(_, details)| details)
}

/// Decodes a message that tls-parser knows.
fn of_library(bytes: &[u8], is_1_3: bool) -> Option<MessageDetails> {
    let known = [0, 4, 11, 12, 13, 14, 16, 22];
    if is_1_3 || !bytes.first().is_some_and(|number| known.contains(number)) {
        return Some(MessageDetails::Other);
    }
    let Ok((_, TlsMessage::Handshake(message))) = tls_parser::parse_tls_message_handshake(bytes) else { return None };
    Some(match message {
        TlsMessageHandshake::HelloRequest => MessageDetails::HelloRequest,
        TlsMessageHandshake::Certificate(contents) => MessageDetails::Certificate {
            chain: contents.cert_chain.iter().take(MAX_CHAIN).map(|entry| certificate(entry.data)).collect(),
        },
        TlsMessageHandshake::CertificateRequest(contents) => MessageDetails::CertificateRequest {
            signature_schemes: schemes(contents.sig_hash_algs.unwrap_or_default()),
            authorities: contents.unparsed_ca.iter().take(MAX_CHAIN).map(|name| distinguished_name(name)).collect(),
        },
        TlsMessageHandshake::ServerKeyExchange(contents) => server_key_exchange(contents.parameters)?,
        TlsMessageHandshake::ServerDone(_) => MessageDetails::ServerHelloDone,
        TlsMessageHandshake::ClientKeyExchange(_) => {
            // The library does not decode it, since its form depends on the suite; rustls uses ECDHE only.
            let (_, point) = length_data::<_, _, tls_parser::nom::error::Error<_>, _>(be_u8)(bytes.get(4..)?).ok()?;
            MessageDetails::ClientKeyExchange { public_key_bytes: point.len() as u64 }
        }
        TlsMessageHandshake::CertificateStatus(contents) => {
            MessageDetails::CertificateStatus { response_bytes: contents.blob.len() as u64 }
        }
        TlsMessageHandshake::NewSessionTicket(contents) => MessageDetails::NewSessionTicket {
            lifetime_s: u64::from(contents.ticket_lifetime_hint),
            // The library includes the ticket's two length bytes (RFC 5077 section 3.3).
            ticket_bytes: contents.ticket.len().saturating_sub(2) as u64,
            max_early_data_bytes: None,
        },
        _ => MessageDetails::Other,
    })
}

/// The parameters of an ECDHE key exchange and their signature (RFC 8422 section 5.4).
fn server_key_exchange(parameters: &[u8]) -> Option<MessageDetails> {
    let (rest, ecdh) = tls_parser::parse_ecdh_params(parameters).ok()?;
    let group = match ecdh.curve_params.params_content {
        tls_parser::ECParametersContent::NamedGroup(group) => names::group(group.0),
        tls_parser::ECParametersContent::ExplicitPrime(_) => "an explicit curve".to_owned(),
    };
    let (_, (scheme, signature)) = signature(rest).ok()?;
    Some(MessageDetails::ServerKeyExchange {
        group,
        public_key_bytes: ecdh.public.point.len() as u64,
        scheme,
        signature_bytes: signature.len() as u64,
    })
}

/// A scheme and a signature by it (RFC 8446 section 4.4.3, RFC 5246 section 4.7).
fn signature(i: &[u8]) -> IResult<&[u8], (String, &[u8])> {
    pair(map(be_u16, names::signature_scheme), length_data(be_u16))(i)
}

fn certificate_verify(i: &[u8]) -> IResult<&[u8], MessageDetails> {
    map(signature, |(scheme, signature)| MessageDetails::CertificateVerify {
        scheme,
        signature_bytes: signature.len() as u64,
    })(i)
}

/// RFC 8446 section 4.4.2: a context, then certificates, each with its extensions.
fn certificate_1_3(i: &[u8]) -> IResult<&[u8], MessageDetails> {
    let (i, _context) = length_data(be_u8)(i)?;
    let (i, list) = length_data(be_u24)(i)?;
    let (_, entries) = many0(complete(pair(length_data(be_u24), length_data(be_u16))))(list)?;
    let chain = entries.iter().take(MAX_CHAIN).map(|(der, _): &(&[u8], &[u8])| certificate(der)).collect();
    Ok((i, MessageDetails::Certificate { chain }))
}

/// RFC 8446 section 4.3.2: a context, then extensions.
fn certificate_request_1_3(i: &[u8]) -> IResult<&[u8], MessageDetails> {
    let (i, _context) = length_data(be_u8)(i)?;
    let (i, extensions) = length_data(be_u16)(i)?;
    let (mut signature_schemes, mut authorities) = (Vec::new(), Vec::new());
    for extension in hello::extensions(extensions) {
        match extension.parsed {
            Some(TlsExtension::SignatureAlgorithms(numbers)) => signature_schemes = schemes(numbers),
            // certificate_authorities (RFC 8446 section 4.2.4), which the library leaves as bytes.
            _ if extension.number == 47 => {
                let (_, names) = length_data(be_u16)(extension.data)?;
                let (_, names) = many0(complete(length_data(be_u16)))(names)?;
                authorities = names.into_iter().take(MAX_CHAIN).map(distinguished_name).collect();
            }
            _ => {}
        }
    }
    Ok((i, MessageDetails::CertificateRequest { signature_schemes, authorities }))
}

/// RFC 8446 section 4.6.1.
fn ticket_1_3(i: &[u8]) -> IResult<&[u8], MessageDetails> {
    let (i, lifetime) = be_u32(i)?;
    let (i, _age_add) = take(4usize)(i)?;
    let (i, _nonce) = length_data(be_u8)(i)?;
    let (i, ticket) = length_data(be_u16)(i)?;
    let (i, extensions) = length_data(be_u16)(i)?;
    let max_early_data_bytes = hello::extensions(extensions).find_map(|extension| match extension.parsed {
        Some(TlsExtension::EarlyData(Some(most))) => Some(u64::from(most)),
        _ => None,
    });
    let ticket_bytes = ticket.len() as u64;
    Ok((i, MessageDetails::NewSessionTicket { lifetime_s: u64::from(lifetime), ticket_bytes, max_early_data_bytes }))
}

/// The names of signature schemes.
fn schemes(numbers: Vec<u16>) -> Vec<String> {
    numbers.into_iter().take(MAX_LIST).map(names::signature_scheme).collect()
}

fn distinguished_name(der: &[u8]) -> String {
    X509Name::from_der(der).map_or_else(|_| "unreadable".to_owned(), |(_, name)| name.to_string())
}
