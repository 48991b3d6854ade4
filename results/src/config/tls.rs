//! What TLS can be asked for: one set of options for both ends, and what the client trusts.
//!
//! Here stands what follows from TLS itself: which suite belongs to which version, which certificate goes with which
//! suite. What a provider of cryptography has, the `wire` crate knows.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::choices::named_choice;
use crate::units::Percent;

named_choice! {
    /// A version of TLS.
    TlsVersion {
        /// RFC 5246.
        V1_2 = "1.2",
        /// RFC 8446.
        V1_3 = "1.3",
    }
}

named_choice! {
    /// A cipher suite, by the name that rustls has for it; IANA's, OpenSSL's and a short one are understood too.
    Suite {
        /// 0x1301, IANA: TLS_AES_128_GCM_SHA256.
        Aes128Gcm = "TLS13_AES_128_GCM_SHA256" | "TLS_AES_128_GCM_SHA256" | "aes-128-gcm" | "aes128",
        /// 0x1302, IANA: TLS_AES_256_GCM_SHA384.
        Aes256Gcm = "TLS13_AES_256_GCM_SHA384" | "TLS_AES_256_GCM_SHA384" | "aes-256-gcm" | "aes256",
        /// 0x1303, IANA: TLS_CHACHA20_POLY1305_SHA256.
        ChaCha20 = "TLS13_CHACHA20_POLY1305_SHA256" | "TLS_CHACHA20_POLY1305_SHA256" | "chacha20-poly1305" | "chacha20",
        /// 0xc02b, TLS 1.2 alone.
        EcdsaAes128Gcm = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" | "ECDHE-ECDSA-AES128-GCM-SHA256" | "ecdsa-aes128",
        /// 0xc02c, TLS 1.2 alone.
        EcdsaAes256Gcm = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" | "ECDHE-ECDSA-AES256-GCM-SHA384" | "ecdsa-aes256",
        /// 0xcca9, TLS 1.2 alone.
        EcdsaChaCha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-ECDSA-CHACHA20-POLY1305" | "ecdsa-chacha20",
        /// 0xc02f, TLS 1.2 alone.
        RsaAes128Gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" | "ECDHE-RSA-AES128-GCM-SHA256" | "rsa-aes128",
        /// 0xc030, TLS 1.2 alone.
        RsaAes256Gcm = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" | "ECDHE-RSA-AES256-GCM-SHA384" | "rsa-aes256",
        /// 0xcca8, TLS 1.2 alone.
        RsaChaCha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-RSA-CHACHA20-POLY1305" | "rsa-chacha20",
    }
}

impl Suite {
    /// The one version that has it.
    pub const fn version(self) -> TlsVersion {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20 => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        }
    }

    /// Whether a server with this key can use it: TLS 1.2 names the kind of the key in the suite.
    pub const fn goes_with(self, certificate: CertificateKind) -> bool {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20 => true,
            Self::EcdsaAes128Gcm | Self::EcdsaAes256Gcm | Self::EcdsaChaCha20 => {
                !certificate.is_rsa() && !certificate.is_post_quantum()
            }
            Self::RsaAes128Gcm | Self::RsaAes256Gcm | Self::RsaChaCha20 => certificate.is_rsa(),
        }
    }
}

named_choice! {
    /// A group for the key exchange ("supported group" of RFC 8446).
    Group {
        /// RFC 7748.
        X25519 = "X25519",
        /// NIST P-256.
        Secp256r1 = "secp256r1" | "P-256" | "prime256v1",
        /// NIST P-384.
        Secp384r1 = "secp384r1" | "P-384",
        /// X25519 and ML-KEM-768 together: post-quantum, TLS 1.3 alone.
        X25519MlKem768 = "X25519MLKEM768",
        /// P-256 and ML-KEM-768 together: post-quantum, TLS 1.3 alone.
        Secp256r1MlKem768 = "secp256r1MLKEM768",
        /// ML-KEM-768 by itself: post-quantum, TLS 1.3 alone.
        MlKem768 = "MLKEM768",
        /// ML-KEM-1024 by itself: post-quantum, TLS 1.3 alone.
        MlKem1024 = "MLKEM1024",
    }
}

impl Group {
    /// Whether a quantum computer does not break it; TLS 1.2 has no such group.
    pub const fn is_post_quantum(self) -> bool {
        !matches!(self, Self::X25519 | Self::Secp256r1 | Self::Secp384r1)
    }
}

named_choice! {
    /// The key of a certificate.
    CertificateKind {
        /// ECDSA over NIST P-256.
        EcdsaP256 = "ecdsa-p256",
        /// ECDSA over NIST P-384.
        EcdsaP384 = "ecdsa-p384",
        /// EdDSA over Curve25519 (RFC 8032).
        Ed25519 = "ed25519",
        /// RSA with 2,048 bits.
        Rsa2048 = "rsa-2048",
        /// RSA with 3,072 bits.
        Rsa3072 = "rsa-3072",
        /// RSA with 4,096 bits.
        Rsa4096 = "rsa-4096",
        /// ML-DSA-44 (FIPS 204): post-quantum, TLS 1.3 alone.
        MlDsa44 = "ml-dsa-44",
        /// ML-DSA-65.
        MlDsa65 = "ml-dsa-65",
        /// ML-DSA-87.
        MlDsa87 = "ml-dsa-87",
    }
}

impl CertificateKind {
    /// Whether its key is an RSA key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether a quantum computer does not break it; TLS 1.2 has no such signature.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }
}

named_choice! {
    /// Whose cryptography.
    ProviderKind {
        /// AWS-LC through aws-lc-rs.
        AwsLcRs = "aws-lc-rs" | "aws-lc",
        /// ring.
        Ring = "ring",
        /// Graviola, which needs AVX2, ADX and more of the CPU.
        Graviola = "graviola",
    }
}

named_choice! {
    /// How a session goes on.
    ResumeBy {
        /// The session travels in an encrypted ticket and the server keeps nothing (RFC 5077; with TLS 1.3 RFC 8446 section 4.6.1).
        Ticket = "ticket",
        /// TLS 1.3: the server keeps the session, the ticket is its number.
        Stateful = "stateful",
        /// TLS 1.2: the server keeps the session by its identifier (RFC 5246 section 7.4.1.2).
        SessionId = "session-id",
    }
}

named_choice! {
    /// How much of the peer's certificate the client verifies.
    Verify {
        /// The chain up to a trusted CA, the name, and the handshake's signature.
        Full = "full",
        /// The handshake's signature alone: skips the chain and the name.
        NoChain = "no-chain",
        /// Nothing: skips the chain, the name and the handshake's signature.
        None = "none",
    }
}

impl Verify {
    /// What goes unchecked, in words; `None` if nothing does.
    pub const fn skips(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::NoChain => Some("the certificate's chain and name went unchecked"),
            Self::None => Some("the certificate's chain and name and the handshake's signature went unchecked"),
        }
    }
}

named_choice! {
    /// Which cryptography is timed, to tell where the busy time went.
    CostSplit {
        /// None of it: the provider is used as it is.
        Off = "off",
        /// Key exchange, signing, verifying.
        Handshake = "handshake",
        /// Those, the records' AEAD, hashes and key derivation.
        All = "all",
    }
}

/// The certificate of the server: a kind that is made at start, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum CertificateChoice {
    /// A CA, what is between, and a leaf, all of this kind.
    Kind(CertificateKind),
    /// PEM, leaf first.
    File(PathBuf),
}

impl FromStr for CertificateChoice {
    type Err = ConfigError;

    /// A name of a kind is one; what has a dot or a slash, or is there, is a file.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Ok(kind) = CertificateKind::from_str(text, true) {
            return Ok(Self::Kind(kind));
        }
        let path = PathBuf::from(text);
        if text.contains(['/', '.']) || path.exists() {
            return Ok(Self::File(path));
        }
        let names: Vec<&str> = CertificateKind::ALL.iter().map(|kind| kind.name()).collect();
        let nearest = nearest(text, &names).map_or_else(String::new, |name| format!("; `{name}` is the nearest"));
        Err(ConfigError(format!(
            "`{text}` is no kind of certificate ({}){nearest}, and there is no such file",
            names.join(", ")
        )))
    }
}

/// The name that is most like `text`, if one is like it at all.
fn nearest<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&text.to_lowercase(), name);
    names.iter().copied().filter(|name| likeness(name) > 0.7).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

impl fmt::Display for CertificateChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl TryFrom<String> for CertificateChoice {
    type Error = ConfigError;
    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<CertificateChoice> for String {
    fn from(choice: CertificateChoice) -> Self {
        choice.to_string()
    }
}

/// Lets the command line list the kinds, although a file is possible too.
#[derive(Debug, Clone)]
pub struct CertificateChoiceParser;

impl TypedValueParser for CertificateChoiceParser {
    type Value = CertificateChoice;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let from_text: fn(&str) -> Result<CertificateChoice, ConfigError> = CertificateChoice::from_str;
        from_text.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(CertificateKind::ALL.iter().map(|kind| PossibleValue::new(kind.name()))))
    }
}

impl ValueParserFactory for CertificateChoice {
    type Parser = CertificateChoiceParser;
    fn value_parser() -> Self::Parser {
        CertificateChoiceParser
    }
}

/// TLS as both ends speak it: the server flattens the same options.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// The only TLS version to offer [default: the one that the other options need; else 1.3 and 1.2, of which 1.3 is
    /// chosen]
    #[arg(id = "tls_version", long = "tls", value_name = "VERSION")]
    pub tls_version: Option<TlsVersion>,

    /// The only cipher suite to offer; IANA's and OpenSSL's names and short forms such as aes128, chacha20 or
    /// ecdsa-aes128 are understood too [default: the provider's, in its order]
    #[arg(long, value_enum, ignore_case = true, value_name = "SUITE")]
    pub suite: Option<Suite>,

    /// The only group to offer for the key exchange [default: the provider's, in its order]
    #[arg(long, value_enum, ignore_case = true, value_name = "GROUP")]
    pub group: Option<Group>,

    /// Kind of the server's certificate, made at start with all of its chain; or its PEM file, leaf first
    /// [default: ecdsa-p256]
    #[arg(long, ignore_case = true, value_name = "KIND|FILE")]
    pub cert: Option<CertificateChoice>,

    /// Private key of --cert FILE, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Certificates that the server sends, 1 to 3: the leaf and those between it and the CA [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub chain: Option<u8>,

    /// The server demands a certificate of the client; an embedded one gets one that is made at start
    #[arg(long)]
    pub mtls: bool,

    /// A protocol to negotiate (ALPN), such as http/1.1; may be given several times
    #[arg(long, value_name = "NAME")]
    pub alpn: Vec<String>,

    /// Write the secrets of every session to this file (SSLKEYLOGFILE, as Wireshark reads it): who has it can read all
    #[arg(long, value_name = "FILE")]
    pub key_log: Option<PathBuf>,

    /// Whose cryptography [default: aws-lc-rs]
    #[arg(long, value_enum, value_name = "NAME")]
    pub provider: Option<ProviderKind>,

    /// Share of the handshakes that resume a session [default: 0%, and the server sends no tickets]
    #[arg(long, value_name = "PERCENT")]
    pub resume: Option<Percent>,

    /// How sessions are resumed: with TLS 1.3 ticket or stateful, with 1.2 ticket or session-id
    /// [default: ticket; stateful with --early-data]
    #[arg(long, value_enum, value_name = "WAY")]
    pub resume_by: Option<ResumeBy>,

    /// Tickets that a TLS 1.3 server sends after each handshake [default: 1 with --resume, else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=16))]
    pub tickets: Option<u8>,

    /// Send the HTTP upgrade request with the first flight (0-RTT) of every resumed handshake; the server answers when
    /// the handshake is done, as a replayed one never is
    #[arg(long)]
    pub early_data: bool,

    /// Make the server ask for another key share (HelloRetryRequest): the client first sends one for a group that the
    /// server does not take
    #[arg(long)]
    pub force_retry: bool,

    /// Cryptography whose time is told apart in the result [default: handshake]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub cost_split: Option<CostSplit>,
}

/// What the client trusts, and who it is.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Trust")]
pub struct TrustOptions {
    /// Trust only the certificates in this PEM file [default: the system's store; the embedded server's own CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// What the client verifies: full (chain, name, the handshake's signature), no-chain (skips chain and name) or
    /// none (skips the signature as well) [default: full]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub verify: Option<Verify>,

    /// Accept every certificate: the same as --verify no-chain
    #[arg(long, conflicts_with_all = ["ca", "verify"])]
    pub insecure: bool,

    /// The name to ask for (SNI) and to find in the certificate [default: the URL's host]
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,

    /// The client's own certificate for --mtls, PEM [default: one that is made at start, for an embedded server]
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,

    /// Private key of --client-cert, PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

impl TrustOptions {
    /// What is verified.
    pub fn verify(&self) -> Verify {
        if self.insecure { Verify::NoChain } else { self.verify.unwrap_or(Verify::Full) }
    }
}

impl TlsOptions {
    /// The provider.
    pub fn provider(&self) -> ProviderKind {
        self.provider.unwrap_or(ProviderKind::AwsLcRs)
    }

    /// The kind of certificate that is asked for; a file's own is not known here.
    pub fn certificate_kind(&self) -> Option<CertificateKind> {
        match &self.cert {
            Some(CertificateChoice::Kind(kind)) => Some(*kind),
            _ => None,
        }
    }

    /// Share of the handshakes that resume a session, 0 to 1.
    pub fn resume_share(&self) -> f64 {
        self.resume.map_or(0.0, Percent::share)
    }

    /// Whether any handshake resumes a session.
    pub fn resumes(&self) -> bool {
        self.resume_share() > 0.0
    }

    /// How sessions are resumed, if they are.
    pub fn resume_by(&self) -> ResumeBy {
        self.resume_by.unwrap_or(if self.early_data { ResumeBy::Stateful } else { ResumeBy::Ticket })
    }

    /// Tickets after each TLS 1.3 handshake.
    pub fn tickets(&self) -> u8 {
        self.tickets.unwrap_or(u8::from(self.resumes()))
    }

    /// Cryptography that is timed.
    pub fn cost_split(&self) -> CostSplit {
        self.cost_split.unwrap_or(CostSplit::Handshake)
    }

    /// The command line that means the same, without `--key-log`, which is one end's.
    pub fn arguments(&self) -> Vec<String> {
        // Taken apart without `..`, so that an option that is added does not compile until it stands here.
        let Self {
            tls_version,
            suite,
            group,
            cert,
            key,
            chain,
            mtls,
            alpn,
            key_log: _,
            provider,
            resume,
            resume_by,
            tickets,
            early_data,
            force_retry,
            cost_split,
        } = self;
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                arguments.push(format!("--{name}={value}"));
            }
        };
        option("tls", tls_version.map(|version| version.to_string()));
        option("suite", suite.map(|suite| suite.to_string()));
        option("group", group.map(|group| group.to_string()));
        option("cert", cert.as_ref().map(ToString::to_string));
        option("key", key.as_ref().map(|key| key.display().to_string()));
        option("chain", chain.map(|chain| chain.to_string()));
        for name in alpn {
            option("alpn", Some(name.clone()));
        }
        option("provider", provider.map(|provider| provider.to_string()));
        option("resume", resume.map(|resume| resume.to_string()));
        option("resume-by", resume_by.map(|by| by.to_string()));
        option("tickets", tickets.map(|tickets| tickets.to_string()));
        option("cost-split", cost_split.map(|split| split.to_string()));
        for (name, given) in [("mtls", *mtls), ("early-data", *early_data), ("force-retry", *force_retry)] {
            if given {
                arguments.push(format!("--{name}"));
            }
        }
        arguments
    }

    /// Each option that only one version has, with that version.
    fn needs(&self) -> Vec<(String, TlsVersion)> {
        let mut needs = Vec::new();
        if let Some(version) = self.tls_version {
            needs.push((format!("--tls {version}"), version));
        }
        if let Some(suite) = self.suite {
            needs.push((format!("--suite {suite}"), suite.version()));
        }
        if let Some(group) = self.group.filter(|group| group.is_post_quantum()) {
            needs.push((format!("--group {group}"), TlsVersion::V1_3));
        }
        if let Some(kind) = self.certificate_kind().filter(|kind| kind.is_post_quantum()) {
            needs.push((format!("--cert {kind}"), TlsVersion::V1_3));
        }
        match self.resume_by {
            Some(by @ ResumeBy::Stateful) => needs.push((format!("--resume-by {by}"), TlsVersion::V1_3)),
            Some(by @ ResumeBy::SessionId) => needs.push((format!("--resume-by {by}"), TlsVersion::V1_2)),
            Some(ResumeBy::Ticket) | None => {}
        }
        for (option, given) in [("--early-data", self.early_data), ("--force-retry", self.force_retry)] {
            if given {
                needs.push((option.to_owned(), TlsVersion::V1_3));
            }
        }
        needs
    }

    /// The one version that the options leave, or `None` for either.
    pub fn version(&self) -> Option<TlsVersion> {
        self.needs().first().map(|(_, version)| *version)
    }

    /// Refuses what TLS itself does not have.
    ///
    /// # Errors
    /// The first combination that cannot be, with what would work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: String| Err(ConfigError(sentence));
        let needs = self.needs();
        if let Some(((first, version), (second, other))) =
            needs.first().and_then(|first| Some((first, needs.iter().find(|need| need.1 != first.1)?)))
        {
            let suites: Vec<&str> =
                Suite::ALL.iter().filter(|suite| suite.version() == *version).map(|suite| suite.name()).collect();
            let would_work = match (self.suite, self.tls_version) {
                (Some(_), Some(_)) => format!("; with TLS {version} would work --suite {}", suites.join(", ")),
                _ => String::new(),
            };
            return refuse(format!("{first} is TLS {version} and {second} is TLS {other}: leave one out{would_work}"));
        }
        if let (Some(suite), Some(kind)) = (self.suite, self.certificate_kind().or(self.default_kind()))
            && !suite.goes_with(kind)
        {
            let kinds: Vec<&str> =
                CertificateKind::ALL.iter().filter(|kind| suite.goes_with(**kind)).map(|kind| kind.name()).collect();
            return refuse(format!(
                "--suite {suite} does not go with a certificate of the kind {kind}: give --cert {}",
                kinds.join(", ")
            ));
        }
        match &self.cert {
            Some(CertificateChoice::File(path)) if self.key.is_none() => {
                return refuse(format!("--cert {} needs its private key: give --key FILE", path.display()));
            }
            Some(CertificateChoice::File(_)) if self.chain.is_some() => {
                return refuse("--chain is for certificates that are made at start: a file has its own".to_owned());
            }
            Some(CertificateChoice::Kind(kind)) if self.key.is_some() => {
                return refuse(format!(
                    "--key goes with --cert FILE, and {kind} is made at start with a key of its own"
                ));
            }
            _ => {}
        }
        if self.early_data && self.resume_by() != ResumeBy::Stateful {
            return refuse(
                "--early-data needs --resume-by stateful: a server that keeps nothing cannot tell a replay".to_owned(),
            );
        }
        if self.early_data && !self.resumes() {
            return refuse("--early-data is of resumed handshakes: give --resume 100% as well".to_owned());
        }
        if self.force_retry && self.resumes() {
            return refuse(
                "--force-retry goes with full handshakes: rustls does not tell of a resumed one whether it was retried"
                    .to_owned(),
            );
        }
        if self.resumes() && self.tickets == Some(0) && self.version() != Some(TlsVersion::V1_2) {
            return refuse("--tickets 0 leaves nothing to resume a TLS 1.3 session with: give at least 1".to_owned());
        }
        if let Some(name) = self.alpn.iter().find(|name| name.is_empty() || name.len() > 255) {
            return refuse(format!("--alpn `{name}` is no protocol's name: it has 1 to 255 bytes"));
        }
        Ok(())
    }

    /// The kind that is made if none is asked for.
    fn default_kind(&self) -> Option<CertificateKind> {
        self.cert.is_none().then_some(CertificateKind::EcdsaP256)
    }
}

#[cfg(test)]
mod tests;
