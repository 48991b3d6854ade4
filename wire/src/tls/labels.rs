//! Labels: what one handshake was, read from the finished connection. Each end makes its own.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};
use wss_results::run_result::{Negotiated, NegotiatedCount};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// What one handshake was. Cheap to make and to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    version: Option<ProtocolVersion>,
    suite: Option<CipherSuite>,
    group: Option<NamedGroup>,
    kind: Option<HandshakeKind>,
    certificate: Arc<str>,
}

impl Label {
    /// Reads a connection whose handshake is done. `certificate` is the kind of the server's.
    pub fn of(connection: &CommonState, certificate: Arc<str>) -> Self {
        Self {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: connection.negotiated_key_exchange_group().map(|group| group.name()),
            kind: connection.handshake_kind(),
            certificate,
        }
    }

    /// Whether the handshake was a full one, which is all that is asked for as yet.
    pub fn is_full(&self) -> bool {
        matches!(self.kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest))
    }

    /// The label in words.
    pub fn negotiated(&self) -> Negotiated {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        Negotiated {
            version: match self.version {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
                other => or_unknown(other.map(|version| format!("{version:?}"))),
            },
            suite: or_unknown(self.suite.map(|suite| format!("{suite:?}"))),
            group: or_unknown(self.group.map(|group| format!("{group:?}"))),
            certificate: self.certificate.to_string(),
            kind: match self.kind {
                Some(HandshakeKind::Full) => "full".to_owned(),
                Some(HandshakeKind::FullWithHelloRetryRequest) => "full-after-retry".to_owned(),
                Some(HandshakeKind::Resumed) => "resumed".to_owned(),
                other => or_unknown(other.map(|kind| format!("{kind:?}"))),
            },
        }
    }
}

/// How many handshakes had which label.
#[derive(Debug, Clone, Default)]
pub struct LabelCounts(Vec<(Label, u64)>);

impl LabelCounts {
    /// Counts one.
    pub fn add(&mut self, label: Label) {
        self.add_many(label, 1);
    }

    fn add_many(&mut self, label: Label, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == label) {
            Some((_, known)) => *known += count,
            None => self.0.push((label, count)),
        }
    }

    /// Adds another thread's counts.
    pub fn merge(&mut self, other: &Self) {
        for (label, count) in &other.0 {
            self.add_many(label.clone(), *count);
        }
    }

    /// In words, the most frequent first.
    pub fn in_words(&self) -> Vec<NegotiatedCount> {
        let mut counts: Vec<_> = self
            .0
            .iter()
            .map(|(label, count)| NegotiatedCount { negotiated: label.negotiated(), count: *count })
            .collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.negotiated.cmp(&b.negotiated)));
        counts
    }
}

/// Names the kinds of certificates, and remembers the last: a server shows the same one each time, and taking it
/// apart costs microseconds.
#[derive(Debug, Default)]
pub struct CertificateKinds {
    last: Option<(Vec<u8>, Arc<str>)>,
}

impl CertificateKinds {
    /// The kind of the first of a peer's certificates.
    pub fn of(&mut self, chain: Option<&[CertificateDer<'_>]>) -> Arc<str> {
        let Some(leaf) = chain.and_then(<[_]>::first) else {
            return "none".into();
        };
        match &self.last {
            Some((der, kind)) if der.as_slice() == leaf.as_ref() => Arc::clone(kind),
            _ => {
                let kind: Arc<str> = certificate_kind(leaf).into();
                self.last = Some((leaf.to_vec(), Arc::clone(&kind)));
                kind
            }
        }
    }
}

/// The kind of a certificate: its key's algorithm and size, such as `ecdsa-p256`, `rsa-2048`, `ed25519`. An
/// algorithm that is not known here is told by its object identifier.
pub fn certificate_kind(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return "unreadable".to_owned();
    };
    let key = parsed.public_key();
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        return match curve {
            Some(curve) if curve == OID_EC_P256 => "ecdsa-p256".to_owned(),
            Some(curve) if curve == OID_NIST_EC_P384 => "ecdsa-p384".to_owned(),
            Some(curve) if curve == OID_NIST_EC_P521 => "ecdsa-p521".to_owned(),
            Some(curve) => format!("ecdsa-{curve}"),
            None => "ecdsa".to_owned(),
        };
    }
    if *algorithm == OID_SIG_ED25519 {
        return "ed25519".to_owned();
    }
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("rsa-{}", rsa.key_size()),
        _ => algorithm.to_string(),
    }
}
