//! Names of TLS numbers in IANA's registries. tls-parser and rustls know most of them; this module adds the others, and
//! corrects names that differ from the registry.

use rustls::{NamedGroup, ProtocolVersion};
use tls_parser::{TlsAlertDescription, TlsCipherSuite};

/// A version: `TLSv1.3`.
pub(super) fn version(number: u16) -> String {
    match ProtocolVersion::from(number) {
        ProtocolVersion::SSLv2 => "SSLv2".to_owned(),
        ProtocolVersion::SSLv3 => "SSLv3".to_owned(),
        ProtocolVersion::TLSv1_0 => "TLSv1.0".to_owned(),
        ProtocolVersion::TLSv1_1 => "TLSv1.1".to_owned(),
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        _ => unknown_or_grease(number),
    }
}

/// A cipher suite: `TLS_AES_128_GCM_SHA256`.
pub(super) fn suite(number: u16) -> String {
    TlsCipherSuite::from_id(number).map_or_else(|| unknown_or_grease(number), |suite| suite.name.to_owned())
}

/// A group as in options and results: `X25519`, which is `x25519` in the registry.
pub(super) fn group(number: u16) -> String {
    match NamedGroup::from(number) {
        NamedGroup::Unknown(_) => match number {
            0x11ed => "secp384r1MLKEM1024".to_owned(),
            _ => unknown_or_grease(number),
        },
        known => format!("{known:?}"),
    }
}

/// A signature scheme: `ecdsa_secp256r1_sha256`.
pub(super) fn signature_scheme(number: u16) -> String {
    let name = match number {
        0x0904 => "mldsa44",
        0x0905 => "mldsa65",
        0x0906 => "mldsa87",
        // Pairs of hash and signature in TLS 1.2 that have no name in TLS 1.3 (RFC 5246 section 7.4.1.4.1).
        0x0301 => "rsa_pkcs1_sha224",
        0x0303 => "ecdsa_sha224",
        0x0202 => "dsa_sha1",
        0x0302 => "dsa_sha224",
        0x0402 => "dsa_sha256",
        0x0502 => "dsa_sha384",
        0x0602 => "dsa_sha512",
        _ => {
            let name = tls_parser::SignatureScheme(number).to_string();
            return if name.starts_with("SignatureScheme") { unknown_or_grease(number) } else { name };
        }
    };
    name.to_owned()
}

/// An extension: `supported_groups`.
pub(super) fn extension(number: u16) -> String {
    let name = match number {
        0 => "server_name",
        1 => "max_fragment_length",
        5 => "status_request",
        10 => "supported_groups",
        11 => "ec_point_formats",
        13 => "signature_algorithms",
        14 => "use_srtp",
        15 => "heartbeat",
        16 => "application_layer_protocol_negotiation",
        18 => "signed_certificate_timestamp",
        19 => "client_certificate_type",
        20 => "server_certificate_type",
        21 => "padding",
        22 => "encrypt_then_mac",
        23 => "extended_master_secret",
        27 => "compress_certificate",
        28 => "record_size_limit",
        35 => "session_ticket",
        41 => "pre_shared_key",
        42 => "early_data",
        43 => "supported_versions",
        44 => "cookie",
        45 => "psk_key_exchange_modes",
        47 => "certificate_authorities",
        48 => "oid_filters",
        49 => "post_handshake_auth",
        50 => "signature_algorithms_cert",
        51 => "key_share",
        0x3374 => "next_protocol_negotiation",
        0xfe0d => "encrypted_client_hello",
        0xff01 => "renegotiation_info",
        _ => return unknown_or_grease(number),
    };
    name.to_owned()
}

/// A handshake message: `ClientHello`.
pub(super) fn handshake(number: u8) -> String {
    let name = match number {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        5 => "EndOfEarlyData",
        8 => "EncryptedExtensions",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        22 => "CertificateStatus",
        24 => "KeyUpdate",
        25 => "CompressedCertificate",
        _ => return format!("unknown message type {number}"),
    };
    name.to_owned()
}

/// A record's content type: `handshake`.
pub(super) fn content_type(number: u8) -> String {
    match number {
        20 => "change_cipher_spec".to_owned(),
        21 => "alert".to_owned(),
        22 => "handshake".to_owned(),
        23 => "application_data".to_owned(),
        24 => "heartbeat".to_owned(),
        _ => format!("unknown ({number})"),
    }
}

/// An alert's level and description: `fatal`, `bad_certificate`.
pub(super) fn alert(level: u8, description: u8) -> (String, String) {
    let level = match level {
        1 => "warning".to_owned(),
        2 => "fatal".to_owned(),
        _ => format!("level {level}"),
    };
    let known = TlsAlertDescription(description).to_string();
    let name = match description {
        // tls-parser's names are those of the registry in another case, except for these.
        113 => "bad_certificate_status_response".to_owned(),
        114 => "bad_certificate_hash_value".to_owned(),
        115 => "unknown_psk_identity".to_owned(),
        116 => "certificate_required".to_owned(),
        41 => "no_certificate_RESERVED".to_owned(),
        48 => "unknown_ca".to_owned(),
        90 => "user_canceled".to_owned(),
        111 => "certificate_unobtainable".to_owned(),
        120 => "no_application_protocol".to_owned(),
        121 => "ech_required".to_owned(),
        _ if known.starts_with("TlsAlertDescription") => format!("unknown ({description})"),
        _ => snake_case(&known),
    };
    (level, name)
}

/// `HandshakeFailure` as `handshake_failure`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A number without a name. GREASE numbers (RFC 8701) have no meaning: they are sent so that peers tolerate unknown ones.
fn unknown_or_grease(number: u16) -> String {
    let [high, low] = number.to_be_bytes();
    let grease = high == low && low & 0x0f == 0x0a;
    if grease { format!("GREASE (0x{number:04x})") } else { format!("unknown (0x{number:04x})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_registries() {
        assert_eq!(version(0x0304), "TLSv1.3");
        assert_eq!(suite(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!([group(29), group(0x11ec), group(23)], ["X25519", "X25519MLKEM768", "secp256r1"]);
        assert_eq!(signature_scheme(0x0403), "ecdsa_secp256r1_sha256");
        assert_eq!(alert(2, 40), ("fatal".to_owned(), "handshake_failure".to_owned()));
        assert_eq!(alert(1, 0).1, "close_notify");
        assert_eq!(alert(2, 20).1, "bad_record_mac");
    }

    #[test]
    fn a_number_without_a_name_is_printed_as_a_number() {
        assert_eq!(suite(0x4a4a), "GREASE (0x4a4a)");
        assert_eq!(group(0x7777), "unknown (0x7777)");
        assert_eq!(signature_scheme(0x7777), "unknown (0x7777)");
        assert_eq!(alert(2, 250).1, "unknown (250)");
    }
}
