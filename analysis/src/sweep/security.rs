//! How strong what was negotiated is: [`security`], by which a sweep's table is grouped, so that like is compared with
//! like.
//!
//! The rule: the level of a handshake is that of the weakest among its key exchange, its cipher and its certificate,
//! each taken down to 112, 128, 192 or 256 bits. Classical algorithms by NIST SP 800-57 part 1, table 2; RSA with 4,096
//! bits (about 152) counts as 128. ML-KEM and ML-DSA by the category that FIPS 203 and 204 claim: 2 (as hard as a
//! collision of SHA-256) counts as 128, 3 as 192, 5 as 256. A hybrid group is as strong as the stronger of its two.
//! Post-quantum is said of the key exchange, since that is what someone who records the traffic today would break
//! later; a signature has to hold only while the handshake lasts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wss_model::run_result::Negotiated;

/// The strength of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Security {
    /// Level of the weakest of its algorithms: 112, 128, 192 or 256.
    pub bits: u16,
    /// Whether its key exchange withstands a quantum computer.
    pub post_quantum: bool,
}

/// The strength of what was negotiated; `None` if an algorithm has a name that is not known here. What a resumed
/// handshake has not (TLS 1.2: a key exchange) weakens nothing.
pub fn security(negotiated: &Negotiated) -> Option<Security> {
    let Negotiated { suite, group, certificate, .. } = negotiated;
    let level =
        |name: &str, of: fn(&str) -> Option<u16>| if matches!(name, "" | "none") { Some(256) } else { of(name) };
    let bits = cipher(suite)?.min(level(group, key_exchange)?).min(level(certificate, signature)?);
    Some(Security { bits, post_quantum: group.to_ascii_uppercase().contains("MLKEM") })
}

fn cipher(suite: &str) -> Option<u16> {
    match suite {
        _ if suite.contains("AES_128") => Some(128),
        _ if suite.contains("AES_256") || suite.contains("CHACHA20") => Some(256),
        _ => None,
    }
}

fn key_exchange(group: &str) -> Option<u16> {
    let group = group.to_ascii_uppercase();
    match group.as_str() {
        _ if group.ends_with("MLKEM1024") => Some(256),
        _ if group.ends_with("MLKEM768") => Some(192),
        _ if group.ends_with("MLKEM512") => Some(128),
        "X25519" | "SECP256R1" => Some(128),
        "SECP384R1" | "X448" => Some(192),
        "SECP521R1" => Some(256),
        _ => None,
    }
}

fn signature(certificate: &str) -> Option<u16> {
    match certificate {
        "rsa-2048" => Some(112),
        "ecdsa-p256" | "ed25519" | "rsa-3072" | "rsa-4096" | "ml-dsa-44" => Some(128),
        "ecdsa-p384" | "ml-dsa-65" => Some(192),
        "ecdsa-p521" | "ml-dsa-87" => Some(256),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::config::tls::{CertificateKind, Group, Suite};

    fn of(suite: &str, group: &str, certificate: &str) -> Option<(u16, bool)> {
        let text = |text: &str| text.to_owned();
        let negotiated = Negotiated {
            version: text("TLSv1.3"),
            suite: text(suite),
            group: text(group),
            certificate: text(certificate),
            kind: text("full"),
        };
        security(&negotiated).map(|security| (security.bits, security.post_quantum))
    }

    #[test]
    fn the_weakest_algorithm_sets_the_level() {
        assert_eq!(of("TLS13_AES_256_GCM_SHA384", "X25519", "ecdsa-p384"), Some((128, false)));
        assert_eq!(of("TLS13_AES_128_GCM_SHA256", "secp384r1", "ecdsa-p384"), Some((128, false)));
        assert_eq!(of("TLS13_AES_256_GCM_SHA384", "secp384r1", "ecdsa-p384"), Some((192, false)));
        assert_eq!(of("TLS13_CHACHA20_POLY1305_SHA256", "X25519MLKEM768", "rsa-2048"), Some((112, true)));
        assert_eq!(of("TLS13_CHACHA20_POLY1305_SHA256", "MLKEM1024", "ml-dsa-87"), Some((256, true)));
        assert_eq!(of("TLS13_AES_256_GCM_SHA384", "X25519MLKEM768", "ml-dsa-65"), Some((192, true)));
    }

    #[test]
    fn a_resumed_handshake_of_tls_1_2_has_no_key_exchange_to_weaken_it() {
        assert_eq!(of("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "rsa-3072"), Some((128, false)));
    }

    #[test]
    fn an_algorithm_without_a_known_level_has_none() {
        assert_eq!(of("TLS_NULL", "X25519", "ed25519"), None);
        assert_eq!(of("TLS13_AES_128_GCM_SHA256", "brainpool", "ed25519"), None);
        assert_eq!(of("TLS13_AES_128_GCM_SHA256", "X25519", "other"), None);
    }

    #[test]
    fn every_algorithm_that_can_be_asked_for_has_a_level() {
        for suite in Suite::ALL {
            assert!(cipher(suite.name()).is_some(), "{suite}");
        }
        for group in Group::ALL {
            assert!(key_exchange(group.name()).is_some(), "{group}");
            assert_eq!(of("TLS13_AES_128_GCM_SHA256", group.name(), "ed25519").unwrap().1, group.is_post_quantum());
        }
        for certificate in CertificateKind::ALL {
            assert!(signature(certificate.name()).is_some(), "{certificate}");
        }
    }
}
