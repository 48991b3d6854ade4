//! The TLS options: one set for both ends, and what the client trusts.
//!
//! The checks here follow from TLS itself: which suite belongs to which version, which certificate goes with which
//! suite. What a provider supports is checked in the `wire` crate.

mod certificate;
mod names;
mod parser;

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::certificate::{CertificateChoice, CertificateChoiceParser};
pub use self::names::{CertificateKind, CostSplit, Group, ProviderKind, ResumeBy, Suite, TlsVersion, Verify};
use self::parser::NamesParser;
pub use self::parser::most_similar;
use super::ConfigError;
use crate::text::phrases::alternatives;
use crate::units::Percent;

/// The long help of `--suite`.
const SUITE_HELP: &str = "Allow only this cipher suite [default: those of the provider, in its order]\n\nTLS 1.3: aes128, \
     aes256, chacha20. TLS 1.2: ecdsa-aes128, ecdsa-aes256, ecdsa-chacha20, rsa-aes128, rsa-aes256, rsa-chacha20. The names \
     of IANA, OpenSSL and rustls work too.";

/// TLS of both ends; the server has the same options.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Allow only this TLS version [default: the version that the other options require, else 1.3 and 1.2]
    #[arg(
        id = "tls_version",
        long = "tls",
        value_name = "VERSION",
        help = "Allow only this TLS version",
        long_help = "Allow only this TLS version [default: the version that the other options require, else 1.3 and 1.2]"
    )]
    pub tls_version: Option<TlsVersion>,

    /// Allow only this cipher suite; IANA and OpenSSL names and short forms such as aes128, chacha20 and
    /// ecdsa-aes128 work too [default: those of the provider, in its order]
    #[arg(
        long,
        value_parser = NamesParser::<Suite>::new(),
        value_name = "SUITE",
        hide_possible_values = true,
        help = "Allow only this cipher suite, such as aes128 or rsa-aes128",
        long_help = SUITE_HELP
    )]
    pub suite: Option<Suite>,

    /// Allow only this key exchange group [default: those of the provider, in its order]
    #[arg(long, value_parser = NamesParser::<Group>::new(), value_name = "GROUP")]
    pub group: Option<Group>,

    /// Server certificate: a key type, for which a certificate is generated (with another server: the key type to
    /// expect), or a PEM file with the leaf first
    /// [default: ecdsa-p256]
    #[arg(long, ignore_case = true, value_name = "KIND|FILE")]
    pub cert: Option<CertificateChoice>,

    /// Private key of --cert FILE (PEM)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Number of certificates that the server sends, 1 to 3: the leaf and intermediates [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub chain: Option<u8>,

    /// Require a client certificate (mutual TLS)
    #[arg(long)]
    pub mtls: bool,

    /// Protocol to negotiate by ALPN, such as http/1.1; repeatable
    #[arg(long, value_name = "NAME")]
    pub alpn: Vec<String>,

    /// Write the secrets of every session to this file (SSLKEYLOGFILE, read by Wireshark); they decrypt all traffic
    #[arg(long, value_name = "FILE")]
    pub key_log: Option<PathBuf>,

    /// Cryptography provider [default: aws-lc-rs]
    #[arg(long, value_enum, value_name = "NAME")]
    pub provider: Option<ProviderKind>,

    /// Share of handshakes that resume a session [default: 0%, and the server sends no tickets]
    #[arg(long, value_name = "PERCENT")]
    pub resume: Option<Percent>,

    /// How sessions are resumed: ticket or stateful with TLS 1.3, ticket or session-id with TLS 1.2
    /// [default: ticket; with --early-data, stateful]
    #[arg(long, value_enum, value_name = "METHOD")]
    pub resume_by: Option<ResumeBy>,

    /// Tickets that a TLS 1.3 server sends per handshake, 0 to 16 [default: 1 with --resume, else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=16))]
    pub tickets: Option<u8>,

    /// Use early data (0-RTT) for the upgrade request in every resumed handshake; the server responds only once the handshake completes, so
    /// a replayed request never gets a response
    #[arg(long)]
    pub early_data: bool,

    /// Force a HelloRetryRequest: the client first sends a key share for a group that the server does not accept
    #[arg(long)]
    pub force_retry: bool,

    /// Cryptography to time separately [default: handshake]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub cost_split: Option<CostSplit>,
}

/// What the client trusts, and how it authenticates itself.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Trust")]
pub struct TrustOptions {
    /// Trust only these certificates (PEM): CAs, or the server's own [default: the system store, or the CA of the embedded server]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// What the client verifies: full (chain, name and handshake signature), no-chain (handshake signature only) or none
    /// [default: full]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub verify: Option<Verify>,

    /// Accept every certificate: short for --verify no-chain
    #[arg(long)]
    pub insecure: bool,

    /// SHA-256 of the public key that the server must have, in base64; repeatable
    #[arg(long, value_name = "HASH")]
    pub pin_sha256: Vec<String>,

    /// Server name to send (SNI) and to expect in the certificate [default: the host of the URL]
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,

    /// Client certificate (PEM, leaf first); implies --mtls [default with --mtls and the embedded server: generated]
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,

    /// Private key of --client-cert (PEM)
    #[arg(long, value_name = "FILE")]
    pub client_key: Option<PathBuf>,
}

impl TrustOptions {
    /// What the client verifies.
    pub fn verify(&self) -> Verify {
        if self.insecure { Verify::NoChain } else { self.verify.unwrap_or(Verify::Full) }
    }
}

impl TlsOptions {
    /// The provider.
    pub fn provider(&self) -> ProviderKind {
        self.provider.unwrap_or(ProviderKind::AwsLcRs)
    }

    /// The requested kind of certificate; `None` if there is none, or if a file determines it.
    pub fn certificate_kind(&self) -> Option<CertificateKind> {
        match &self.cert {
            Some(CertificateChoice::Kind(kind)) => Some(*kind),
            _ => None,
        }
    }

    /// Share of handshakes that resume a session, 0 to 1.
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

    /// Tickets per TLS 1.3 handshake.
    pub fn tickets(&self) -> u8 {
        self.tickets.unwrap_or(u8::from(self.resumes()))
    }

    /// Cryptography to time.
    pub fn cost_split(&self) -> CostSplit {
        self.cost_split.unwrap_or(CostSplit::Handshake)
    }

    /// The same options as arguments, without `--key-log`, which belongs to one end.
    pub fn arguments(&self) -> Vec<String> {
        super::arguments(&Self { key_log: None, ..self.clone() })
    }

    /// Each given option that exists in one version only, with that version.
    fn version_requirements(&self) -> Vec<(String, TlsVersion)> {
        let mut requirements = Vec::new();
        if let Some(version) = self.tls_version {
            requirements.push((format!("--tls {version}"), version));
        }
        if let Some(suite) = self.suite {
            requirements.push((format!("--suite {suite}"), suite.version()));
        }
        if let Some(group) = self.group.filter(|group| group.is_post_quantum()) {
            requirements.push((format!("--group {group}"), TlsVersion::V1_3));
        }
        if let Some(kind) = self.certificate_kind().filter(|kind| kind.is_post_quantum()) {
            requirements.push((format!("--cert {kind}"), TlsVersion::V1_3));
        }
        match self.resume_by {
            Some(by @ ResumeBy::Stateful) => requirements.push((format!("--resume-by {by}"), TlsVersion::V1_3)),
            Some(by @ ResumeBy::SessionId) => requirements.push((format!("--resume-by {by}"), TlsVersion::V1_2)),
            Some(ResumeBy::Ticket) | None => {}
        }
        for (option, given) in [("--early-data", self.early_data), ("--force-retry", self.force_retry)] {
            if given {
                requirements.push((option.to_owned(), TlsVersion::V1_3));
            }
        }
        requirements
    }

    /// The version that the options require, or `None` for either.
    pub fn version(&self) -> Option<TlsVersion> {
        self.version_requirements().first().map(|(_, version)| *version)
    }

    /// That the options agree on a version.
    pub(super) fn check_versions(&self) -> Result<(), ConfigError> {
        let requirements = self.version_requirements();
        let Some((first, first_version)) = requirements.first() else { return Ok(()) };
        let Some((second, second_version)) = requirements.iter().find(|(_, version)| version != first_version) else {
            return Ok(());
        };
        let cure = match (self.suite, self.tls_version) {
            (Some(_), Some(version)) => {
                let suites = Suite::ALL.iter().filter(|suite| suite.version() == version).map(|suite| suite.name());
                format!("remove one of them, or use --suite {}", suites.collect::<Vec<_>>().join(", "))
            }
            _ => "remove one of them".to_owned(),
        };
        Err(ConfigError::TlsVersion {
            first: first.clone(),
            first_version: *first_version,
            second: second.clone(),
            second_version: *second_version,
            cure,
        })
    }

    /// Checks values, for a server whose certificate is generated.
    pub(super) fn check_as_server(&self) -> Result<(), ConfigError> {
        let default = self.cert.is_none().then_some(CertificateKind::EcdsaP256);
        self.check_values(self.certificate_kind().or(default))
    }

    /// Checks values, for a client of a server with any certificate.
    pub(super) fn check_as_client(&self) -> Result<(), ConfigError> {
        self.check_values(self.certificate_kind())
    }

    fn check_values(&self, certificate: Option<CertificateKind>) -> Result<(), ConfigError> {
        if let (Some(suite), Some(kind)) = (self.suite, certificate)
            && !suite.goes_with(kind)
        {
            let usable = CertificateKind::ALL.iter().filter(|kind| suite.goes_with(**kind)).map(|kind| kind.name());
            let usable = alternatives(&usable.collect::<Vec<_>>());
            return Err(ConfigError::SuiteAndCertificate { suite, kind, usable });
        }
        // clap has checked these on the command line, but not in a file.
        if let Some(chain) = self.chain.filter(|chain| !(1..=3).contains(chain)) {
            return Err(ConfigError::out_of_range("chain", chain, "1 to 3"));
        }
        if let Some(tickets @ 17..) = self.tickets {
            return Err(ConfigError::out_of_range("tickets", tickets, "at most 16"));
        }
        if let Some(name) = self.alpn.iter().find(|name| name.is_empty() || name.len() > 255) {
            return Err(ConfigError::invalid("--alpn", name, "a protocol name of 1 to 255 bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
