//! An X.509 certificate, told: whom it is for, who signed it, its key, how long it is valid.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use wss_model::trace_result::handshake::Certificate;
use wss_wire::tls::certificate_kind;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Names that are shown of a certificate.
const NAMES_MOST: usize = 32;
/// 9999-12-31T23:59:59Z: X.509 and RFC 3339 end there.
const LAST_SECOND: u64 = 253_402_300_799;

/// Takes a certificate apart.
pub(super) fn certificate(der: &[u8]) -> Certificate {
    let mut told = Certificate { der_bytes: der.len() as u64, ..Certificate::default() };
    let parsed = match X509Certificate::from_der(der) {
        Ok((_, parsed)) => parsed,
        Err(error) => {
            told.unreadable = Some(format!("it is no X.509 certificate: {error}"));
            return told;
        }
    };
    told.subject = parsed.subject().to_string();
    told.issuer = parsed.issuer().to_string();
    told.key = certificate_kind(&CertificateDer::from(der));
    let algorithm = &parsed.signature_algorithm.algorithm;
    told.signature_algorithm = oid2sn(algorithm, oid_registry()).map_or_else(|_| algorithm.to_string(), str::to_owned);
    told.not_before = instant(parsed.validity().not_before);
    told.not_after = instant(parsed.validity().not_after);
    told.is_ca = parsed.is_ca();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            told.names.extend(names.general_names.iter().take(NAMES_MOST).map(name));
        }
    }
    told.names.truncate(NAMES_MOST);
    told
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
