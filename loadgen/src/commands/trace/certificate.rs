//! Describes an X.509 certificate: subject, issuer, key, validity, names.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use wss_model::trace_result::handshake::Certificate;
use wss_wire::tls::certificate_kind;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, ParsedExtension, X509Certificate};

/// The most names that are listed.
const MAX_NAMES: usize = 32;
/// 9999-12-31T23:59:59Z: X.509 and RFC 3339 end there.
const LAST_SECOND: u64 = 253_402_300_799;

/// Describes a certificate in DER.
pub(super) fn certificate(der: &[u8]) -> Certificate {
    let mut described = Certificate { der_bytes: der.len() as u64, ..Certificate::default() };
    let parsed = match X509Certificate::from_der(der) {
        Ok((_, parsed)) => parsed,
        Err(error) => {
            described.unreadable = Some(format!("not an X.509 certificate: {error}"));
            return described;
        }
    };
    described.subject = parsed.subject().to_string();
    described.issuer = parsed.issuer().to_string();
    described.key = certificate_kind(&CertificateDer::from(der));
    let algorithm = &parsed.signature_algorithm.algorithm;
    described.signature_algorithm =
        oid2sn(algorithm, oid_registry()).map_or_else(|_| algorithm.to_string(), str::to_owned);
    described.not_before = instant(parsed.validity().not_before);
    described.not_after = instant(parsed.validity().not_after);
    described.is_ca = parsed.is_ca();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            described.names.extend(names.general_names.iter().take(MAX_NAMES).map(name));
        }
    }
    described.names.truncate(MAX_NAMES);
    described
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(address), _) => std::net::Ipv4Addr::from(address).to_string(),
            (_, Ok(address)) => std::net::Ipv6Addr::from(address).to_string(),
            _ => format!("an address of {} bytes", bytes.len()),
        },
        GeneralName::DirectoryName(name) => name.to_string(),
        _ => "a name of another kind".to_owned(),
    }
}

fn instant(time: ASN1Time) -> String {
    match u64::try_from(time.timestamp()) {
        Ok(seconds) if seconds <= LAST_SECOND => {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
        }
        _ => time.to_string(),
    }
}
