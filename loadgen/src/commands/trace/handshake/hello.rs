//! Decodes the hellos and their extensions: what a client offers and what the server chose.

use tls_parser::nom::IResult;
use tls_parser::nom::combinator::complete;
use tls_parser::nom::multi::{length_data, many0};
use tls_parser::nom::number::complete::{be_u16, be_u32};
use tls_parser::nom::sequence::pair;
use tls_parser::{
    TlsExtension, parse_tls_extension, parse_tls_extension_unknown, parse_tls_handshake_client_hello,
    parse_tls_handshake_server_hello,
};
use wss_model::trace_result::handshake::{ClientHello, Extension, KeyShare, MessageDetails, ServerHello};

use super::super::names;
use super::super::secrets::Facts;
use super::{MAX_LIST, schemes};

/// SHA-256 of "HelloRetryRequest": a ServerHello with this random is one (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A ClientHello.
pub(super) fn client(body: &[u8], facts: &mut Facts) -> Option<MessageDetails> {
    let (_, contents) = parse_tls_handshake_client_hello(body).ok()?;
    facts.client_random = contents.random.to_vec();
    let extension_bytes = contents.ext.unwrap_or(&[]);
    let mut hello = ClientHello {
        legacy_version: names::version(contents.version.0),
        random: hex(contents.random),
        session_id_bytes: contents.session_id.map_or(0, <[u8]>::len) as u64,
        suites: contents.ciphers.iter().take(MAX_LIST).map(|suite| names::suite(suite.0)).collect(),
        extensions: listed(extension_bytes),
        ..ClientHello::default()
    };
    for extension in extensions(extension_bytes) {
        match extension.parsed {
            Some(TlsExtension::SupportedVersions(versions)) => {
                hello.versions = versions.iter().take(MAX_LIST).map(|version| names::version(version.0)).collect();
            }
            Some(TlsExtension::EllipticCurves(groups)) => {
                hello.groups = groups.iter().take(MAX_LIST).map(|group| names::group(group.0)).collect();
            }
            Some(TlsExtension::SignatureAlgorithms(numbers)) => hello.signature_schemes = schemes(numbers),
            Some(TlsExtension::SNI(names)) => {
                hello.server_name = names.first().map(|(_, name)| name.escape_ascii().to_string());
            }
            Some(TlsExtension::ALPN(protocols)) => hello.alpn = protocol_names(&protocols),
            Some(TlsExtension::SessionTicket(ticket)) => hello.session_ticket_bytes = Some(ticket.len() as u64),
            Some(TlsExtension::PskExchangeModes(modes)) => {
                hello.psk_modes = modes.iter().take(MAX_LIST).map(|mode| psk_mode(*mode)).collect();
            }
            Some(TlsExtension::EarlyData(_)) => hello.early_data = true,
            Some(TlsExtension::KeyShare(shares)) => {
                hello.key_shares = length_data(be_u16)(shares).and_then(|(_, shares)| key_shares(shares)).ok()?.1;
            }
            Some(TlsExtension::PreSharedKey(offer)) => hello.psk_identities_bytes = psk_identities(offer).ok()?.1,
            _ => {}
        }
    }
    if hello.versions.is_empty() {
        // Before TLS 1.3 the legacy field had the highest version, which implied the lower ones.
        hello.versions = vec![hello.legacy_version.clone()];
    }
    Some(MessageDetails::ClientHello(Box::new(hello)))
}

/// A ServerHello, or a HelloRetryRequest, which has the same form.
pub(super) fn server(body: &[u8], facts: &mut Facts) -> Option<MessageDetails> {
    let (_, contents) = parse_tls_handshake_server_hello(body).ok()?;
    let extension_bytes = contents.ext.unwrap_or(&[]);
    let mut version = contents.version.0;
    let (mut group, mut cookie_bytes) = (None, None);
    let mut hello = ServerHello {
        legacy_version: names::version(version),
        random: hex(contents.random),
        session_id_bytes: contents.session_id.map_or(0, <[u8]>::len) as u64,
        suite: names::suite(contents.cipher.0),
        extensions: listed(extension_bytes),
        ..ServerHello::default()
    };
    for extension in extensions(extension_bytes) {
        match extension.parsed {
            Some(TlsExtension::SupportedVersions(versions)) => {
                version = versions.first().map_or(version, |version| version.0);
            }
            Some(TlsExtension::ALPN(protocols)) => hello.alpn = protocol_names(&protocols).into_iter().next(),
            // In a HelloRetryRequest it is a group without a key (RFC 8446 section 4.2.8).
            Some(TlsExtension::KeyShare(&[high, low])) => group = Some(names::group(u16::from_be_bytes([high, low]))),
            Some(TlsExtension::KeyShare(share)) => hello.key_share = key_shares(share).ok()?.1.into_iter().next(),
            Some(TlsExtension::PreSharedKey(&[high, low])) => hello.psk = Some(u16::from_be_bytes([high, low])),
            Some(TlsExtension::Cookie(cookie)) => cookie_bytes = Some(cookie.len().saturating_sub(2) as u64),
            _ => {}
        }
    }
    hello.version = names::version(version);
    facts.is_1_3 = Some(version == 0x0304);
    facts.suite = Some(contents.cipher.0);
    if contents.random == RETRY {
        let ServerHello { version, suite, extensions, .. } = hello;
        return Some(MessageDetails::HelloRetryRequest { version, suite, group, cookie_bytes, extensions });
    }
    facts.server_random = contents.random.to_vec();
    Some(MessageDetails::ServerHello(Box::new(hello)))
}

/// EncryptedExtensions (RFC 8446 section 4.3.1), which the library does not decode.
pub(super) fn encrypted_extensions(i: &[u8]) -> IResult<&[u8], MessageDetails> {
    let (i, bytes) = length_data(be_u16)(i)?;
    let (mut alpn, mut early_data) = (None, false);
    for extension in extensions(bytes) {
        match extension.parsed {
            Some(TlsExtension::ALPN(protocols)) => alpn = protocol_names(&protocols).into_iter().next(),
            Some(TlsExtension::EarlyData(_)) => early_data = true,
            _ => {}
        }
    }
    Ok((i, MessageDetails::EncryptedExtensions { alpn, early_data, extensions: listed(bytes) }))
}

/// One extension of a list.
pub(super) struct RawExtension<'a> {
    pub(super) number: u16,
    pub(super) data: &'a [u8],
    /// The extension as the library decodes it.
    pub(super) parsed: Option<TlsExtension<'a>>,
}

/// The extensions of a list, up to the first with an invalid length. They are split before they are parsed, so one with
/// invalid content does not hide the others.
pub(super) fn extensions(mut bytes: &[u8]) -> impl Iterator<Item = RawExtension<'_>> {
    std::iter::from_fn(move || {
        let whole = bytes;
        let (rest, TlsExtension::Unknown(number, data)) = parse_tls_extension_unknown(whole).ok()? else { return None };
        bytes = rest;
        let parsed = parse_tls_extension(&whole[..whole.len() - rest.len()]).ok().map(|(_, parsed)| parsed);
        Some(RawExtension { number: number.0, data, parsed })
    })
}

/// The extensions of a list by name.
fn listed(bytes: &[u8]) -> Vec<Extension> {
    extensions(bytes)
        .take(MAX_LIST)
        .map(|RawExtension { number, data, .. }| Extension {
            name: names::extension(number),
            number,
            bytes: data.len() as u64,
        })
        .collect()
}

/// The entries of a key_share (RFC 8446 section 4.2.8), which the library leaves as bytes.
fn key_shares(i: &[u8]) -> IResult<&[u8], Vec<KeyShare>> {
    let (i, shares) = many0(complete(pair(be_u16, length_data(be_u16))))(i)?;
    let share = |(group, key): (u16, &[u8])| KeyShare { group: names::group(group), bytes: key.len() as u64 };
    Ok((i, shares.into_iter().take(MAX_LIST).map(share).collect()))
}

/// The lengths of the tickets in a pre_shared_key (RFC 8446 section 4.2.11), which the library leaves as bytes.
fn psk_identities(i: &[u8]) -> IResult<&[u8], Vec<u64>> {
    let (i, identities) = length_data(be_u16)(i)?;
    let (_, identities) = many0(complete(pair(length_data(be_u16), be_u32)))(identities)?;
    Ok((i, identities.iter().take(MAX_LIST).map(|(identity, _): &(&[u8], u32)| identity.len() as u64).collect()))
}

fn psk_mode(mode: u8) -> String {
    match mode {
        0 => "psk_ke".to_owned(),
        1 => "psk_dhe_ke".to_owned(),
        _ => format!("unknown ({mode})"),
    }
}

fn protocol_names(protocols: &[&[u8]]) -> Vec<String> {
    protocols.iter().take(MAX_LIST).map(|name| name.escape_ascii().to_string()).collect()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
