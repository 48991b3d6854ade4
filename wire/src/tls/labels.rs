//! Labels: the negotiated parameters of a handshake, read from the connection. Each end creates its own.

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
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The kind of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelKind {
    Full,
    FullAfterRetry,
    Resumed,
    EarlyData,
    Unknown,
}

impl LabelKind {
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

/// The negotiated parameters of a handshake. Cheap to create and to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct HandshakeLabel {
    version: Option<ProtocolVersion>,
    suite: Option<CipherSuite>,
    group: Option<NamedGroup>,
    kind: LabelKind,
    certificate: Arc<str>,
}

impl HandshakeLabel {
    /// Reads a connection whose handshake is complete. `certificate` is the kind of the server's certificate, `early_data`
    /// whether the server accepted early data.
    pub fn of(connection: &CommonState, certificate: Arc<str>, early_data: bool) -> Self {
        Self {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: connection.negotiated_key_exchange_group().map(|group| group.name()),
            kind: match connection.handshake_kind() {
                Some(HandshakeKind::Full) => LabelKind::Full,
                Some(HandshakeKind::FullWithHelloRetryRequest) => LabelKind::FullAfterRetry,
                Some(HandshakeKind::Resumed) if early_data => LabelKind::EarlyData,
                Some(HandshakeKind::Resumed) => LabelKind::Resumed,
                _ => LabelKind::Unknown,
            },
            certificate,
        }
    }

    /// Whether a session was resumed.
    pub fn is_resumed(&self) -> bool {
        matches!(self.kind, LabelKind::Resumed | LabelKind::EarlyData)
    }

    /// Whether the server accepted early data.
    pub fn has_early_data(&self) -> bool {
        self.kind == LabelKind::EarlyData
    }

    /// The label as text, for results.
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
                // A resumed session of TLS 1.2 has no key exchange.
                None if self.is_resumed() => "none".to_owned(),
                other => or_unknown(other.map(|group| format!("{group:?}"))),
            },
            certificate: self.certificate.to_string(),
            kind: self.kind.name().to_owned(),
        }
    }
}

/// What the options require of the handshakes of a run.
#[derive(Debug, Clone, Default)]
pub struct RequestedTls {
    version: Option<ProtocolVersion>,
    suite: Option<&'static str>,
    group: Option<&'static str>,
    certificate: Option<CertificateKind>,
    alpn: Vec<Vec<u8>>,
    retry: bool,
    early_data: bool,
    /// The last labels that passed the check, full and resumed: most handshakes have the same.
    checked: [std::cell::RefCell<Option<HandshakeLabel>>; 2],
}

impl RequestedTls {
    /// The requirements of the options.
    pub fn new(options: &TlsOptions) -> Self {
        Self {
            version: options.version().map(|version| match version {
                TlsVersion::V1_2 => ProtocolVersion::TLSv1_2,
                TlsVersion::V1_3 => ProtocolVersion::TLSv1_3,
            }),
            suite: options.suite.map(|suite| suite.name()),
            group: options.group.map(|group| group.name()),
            certificate: options.certificate_kind(),
            alpn: alpn(options),
            retry: options.force_retry,
            early_data: options.early_data,
            checked: Default::default(),
        }
    }

    /// Checks a handshake against the options; `resumed` says whether it was to resume a session.
    ///
    /// # Errors
    /// The kind of the failure and one sentence.
    pub fn check(&self, label: &HandshakeLabel, alpn: Option<&[u8]>, resumed: bool) -> Result<(), (ErrorKind, String)> {
        if !self.alpn.is_empty() && !alpn.is_some_and(|alpn| self.alpn.iter().any(|requested| requested == alpn)) {
            let text = "the server selected none of the protocols of --alpn; change or remove --alpn";
            return Err((ErrorKind::NotAsRequested, text.to_owned()));
        }
        let checked = &self.checked[usize::from(resumed)];
        if checked.borrow().as_ref() == Some(label) {
            return Ok(());
        }
        let kind = match (resumed, self.early_data, self.retry) {
            (true, true, _) => LabelKind::EarlyData,
            (true, false, _) => LabelKind::Resumed,
            (false, _, true) => LabelKind::FullAfterRetry,
            (false, _, false) => LabelKind::Full,
        };
        let got = label.negotiated();
        let failed = |what: &str, got: &str, requested: &str| {
            let text = format!("the {what} was {got}, but the options request {requested}; check those of the server");
            Err((ErrorKind::NotAsRequested, text))
        };
        // A server may request another key share unprompted; such a handshake is full too, and labelled.
        let kind_fits = label.kind == kind || (kind == LabelKind::Full && label.kind == LabelKind::FullAfterRetry);
        match (kind, label.kind) {
            _ if kind_fits => {}
            (LabelKind::EarlyData, LabelKind::Resumed) => {
                return Err((
                    ErrorKind::EarlyDataRefused,
                    "the server resumed the session but rejected the early data; check its limit of early data"
                        .to_owned(),
                ));
            }
            (LabelKind::EarlyData | LabelKind::Resumed, _) => {
                let text =
                    format!("the handshake was {} instead of resumed; check the session cache of the server", got.kind);
                return Err((ErrorKind::NotResumed, text));
            }
            _ => return failed("kind of handshake", &got.kind, kind.name()),
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
        let got_kind = got.certificate.split(' ').next().unwrap_or_default();
        if let Some(kind) = self.certificate.filter(|kind| kind.name() != got_kind) {
            return failed("kind of certificate", &got.certificate, kind.name());
        }
        *checked.borrow_mut() = Some(label.clone());
        Ok(())
    }
}

/// The protocol names of `--alpn`, as rustls takes them.
pub(super) fn alpn(options: &TlsOptions) -> Vec<Vec<u8>> {
    options.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

/// Number of handshakes per label.
#[derive(Debug, Clone, Default)]
pub struct LabelCounts(Vec<(HandshakeLabel, u64)>);

impl LabelCounts {
    /// Counts one.
    pub fn add(&mut self, label: HandshakeLabel) {
        self.add_many(label, 1);
    }

    fn add_many(&mut self, label: HandshakeLabel, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == label) {
            Some((_, known)) => *known += count,
            None => self.0.push((label, count)),
        }
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: &Self) {
        for (label, count) in &other.0 {
            self.add_many(label.clone(), *count);
        }
    }

    /// The counts for results, most frequent first.
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

/// Determines the kinds of certificates. It caches the last one: a server sends the same certificate every time, and
/// parsing it takes microseconds.
#[derive(Debug, Default)]
pub struct CertificateKinds {
    last: Option<(Vec<u8>, Arc<str>)>,
}

impl CertificateKinds {
    /// The kind of the leaf of a peer's chain; `none` without one.
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

/// The kind of a certificate: the algorithm and size of its key, such as `ecdsa-p256`, `rsa-2048` or `ed25519`, and its
/// version if that is not 3, as in `rsa-2048 (X.509 v1)`. An unknown algorithm is named by its object identifier.
pub fn certificate_kind(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return "unreadable".to_owned();
    };
    let version = parsed.version();
    let kind = key_kind(parsed.public_key());
    if version == X509Version::V3 { kind } else { format!("{kind} (X.509 v{})", version.0 + 1) }
}

fn key_kind(key: &SubjectPublicKeyInfo<'_>) -> String {
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
    // Object identifiers of FIPS 204, which x509-parser does not name yet.
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
