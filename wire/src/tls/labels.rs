//! Labels: what one handshake was, read from the finished connection. Each end makes its own.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};
use wss_model::ErrorKind;
use wss_model::config::tls::CertificateKind;
use wss_model::run_result::{Negotiated, NegotiatedCount};
use wss_model::{TlsOptions, TlsVersion};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// How a handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Full,
    FullAfterRetry,
    Resumed,
    EarlyData,
    Unknown,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::FullAfterRetry => "full-after-retry",
            Self::Resumed => "resumed",
            Self::EarlyData => "early-data",
            Self::Unknown => "unknown",
        }
    }
}

/// What one handshake was. Cheap to make and to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    version: Option<ProtocolVersion>,
    suite: Option<CipherSuite>,
    group: Option<NamedGroup>,
    kind: Kind,
    certificate: Arc<str>,
}

impl Label {
    /// Reads a connection whose handshake is done. `certificate` is the kind of the server's, `early_data` whether the
    /// server took any.
    pub fn of(connection: &CommonState, certificate: Arc<str>, early_data: bool) -> Self {
        Self {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: connection.negotiated_key_exchange_group().map(|group| group.name()),
            kind: match connection.handshake_kind() {
                Some(HandshakeKind::Full) => Kind::Full,
                Some(HandshakeKind::FullWithHelloRetryRequest) => Kind::FullAfterRetry,
                Some(HandshakeKind::Resumed) if early_data => Kind::EarlyData,
                Some(HandshakeKind::Resumed) => Kind::Resumed,
                _ => Kind::Unknown,
            },
            certificate,
        }
    }

    /// Whether a session was resumed.
    pub fn is_resumed(&self) -> bool {
        matches!(self.kind, Kind::Resumed | Kind::EarlyData)
    }

    /// Whether the server took early data.
    pub fn has_early_data(&self) -> bool {
        self.kind == Kind::EarlyData
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
            group: match self.group {
                // A resumed session of TLS 1.2 exchanges no keys.
                None if self.is_resumed() => "none".to_owned(),
                other => or_unknown(other.map(|group| format!("{group:?}"))),
            },
            certificate: self.certificate.to_string(),
            kind: self.kind.name().to_owned(),
        }
    }
}

/// What the handshakes of a run have to be.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    version: Option<ProtocolVersion>,
    suite: Option<&'static str>,
    group: Option<&'static str>,
    certificate: Option<CertificateKind>,
    alpn: Vec<Vec<u8>>,
    retry: bool,
    early_data: bool,
    /// The last label that was found to be as asked, full and resumed: the same comes again and again.
    known: [std::cell::RefCell<Option<Label>>; 2],
}

impl Asked {
    /// What the options ask for.
    pub fn new(options: &TlsOptions) -> Self {
        Self {
            version: options.version().map(|version| match version {
                TlsVersion::V1_2 => ProtocolVersion::TLSv1_2,
                TlsVersion::V1_3 => ProtocolVersion::TLSv1_3,
            }),
            suite: options.suite.map(|suite| suite.name()),
            group: options.group.map(|group| group.name()),
            certificate: options.certificate_kind(),
            alpn: super::alpn(options),
            retry: options.force_retry,
            early_data: options.early_data,
            known: Default::default(),
        }
    }

    /// Whether a handshake was what was asked for; `resumed` is whether this one was to resume a session.
    ///
    /// # Errors
    /// The kind of the failure and a sentence.
    pub fn check(&self, label: &Label, alpn: Option<&[u8]>, resumed: bool) -> Result<(), (ErrorKind, String)> {
        if !self.alpn.is_empty() && !alpn.is_some_and(|alpn| self.alpn.iter().any(|asked| asked == alpn)) {
            return Err((ErrorKind::NotAsRequested, "the server agreed on none of the protocols of --alpn".to_owned()));
        }
        let known = &self.known[usize::from(resumed)];
        if known.borrow().as_ref() == Some(label) {
            return Ok(());
        }
        let kind = match (resumed, self.early_data, self.retry) {
            (true, true, _) => Kind::EarlyData,
            (true, false, _) => Kind::Resumed,
            (false, _, true) => Kind::FullAfterRetry,
            (false, _, false) => Kind::Full,
        };
        let got = label.negotiated();
        let failed = |what: &str, got: &str, asked: &str| {
            Err((ErrorKind::NotAsRequested, format!("the {what} was {got}, where {asked} was asked for")))
        };
        // A server may ask for another key share of its own accord: that handshake is full, and labelled.
        let kind_fits = label.kind == kind || (kind == Kind::Full && label.kind == Kind::FullAfterRetry);
        match (kind, label.kind) {
            _ if kind_fits => {}
            (Kind::EarlyData, Kind::Resumed) => {
                return Err((
                    ErrorKind::EarlyDataRefused,
                    "the session was resumed and its early data refused".to_owned(),
                ));
            }
            (Kind::EarlyData | Kind::Resumed, _) => {
                let sentence = format!("the handshake was {}, where a resumed one was asked for", got.kind);
                return Err((ErrorKind::NotResumed, sentence));
            }
            _ => return failed("handshake", &got.kind, kind.name()),
        }
        if let Some(version) = self.version.filter(|version| Some(*version) != label.version) {
            return failed("version", &got.version, &format!("{version:?}"));
        }
        if let Some(suite) = self.suite.filter(|suite| **suite != got.suite) {
            return failed("suite", &got.suite, suite);
        }
        if let Some(group) = self.group.filter(|group| **group != got.group && label.group.is_some()) {
            return failed("group", &got.group, group);
        }
        if let Some(kind) = self.certificate.filter(|kind| *kind.name() != *got.certificate) {
            return failed("kind of certificate", &got.certificate, kind.name());
        }
        *known.borrow_mut() = Some(label.clone());
        Ok(())
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
    pub fn describe(&self) -> Vec<NegotiatedCount> {
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
    // NIST's arcs of FIPS 204, which the registry of names does not have yet.
    if let Some(level) = algorithm.to_id_string().strip_prefix("2.16.840.1.101.3.4.3.") {
        match level {
            "17" => return "ml-dsa-44".to_owned(),
            "18" => return "ml-dsa-65".to_owned(),
            "19" => return "ml-dsa-87".to_owned(),
            _ => {}
        }
    }
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("rsa-{}", rsa.key_size()),
        _ => algorithm.to_string(),
    }
}
