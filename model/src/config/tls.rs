//! What TLS can be asked for: one set of options for both ends, and what the client trusts.
//!
//! Here stands what follows from TLS itself: which suite belongs to which version, which certificate goes with which
//! suite. What a provider of cryptography has, the `wire` crate knows.

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
use super::ConfigError;
use crate::units::Percent;

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
    #[arg(long, value_parser = NamesParser::<Suite>::new(), value_name = "SUITE")]
    pub suite: Option<Suite>,

    /// The only group to offer for the key exchange [default: the provider's, in its order]
    #[arg(long, value_parser = NamesParser::<Group>::new(), value_name = "GROUP")]
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

    /// The client's own certificate, PEM, leaf first: with it --mtls is understood [default: with --mtls one that is made
    /// at start, for an embedded server]
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,

    /// Private key of --client-cert, PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

impl TrustOptions {
    /// The first option that is given, by its name.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--ca", self.ca.is_some()),
            ("--verify", self.verify.is_some()),
            ("--insecure", self.insecure),
            ("--server-name", self.server_name.is_some()),
            ("--client-cert", self.client_cert.is_some()),
            ("--client-key", self.client_key.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }

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

    /// The same options as arguments, without `--key-log`, which belongs to one end.
    pub fn arguments(&self) -> Vec<String> {
        super::arguments(&Self { key_log: None, ..self.clone() })
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

    /// The first option that asks something of TLS, by its name. `--cost-split` asks nothing of it, and tells nothing
    /// where there is none.
    pub fn first_given(&self) -> Option<String> {
        let named = |argument: &String| argument.split('=').next().map(str::to_owned);
        let arguments = self.arguments();
        let mut asking = arguments.iter().filter(|argument| !argument.starts_with("--cost-split"));
        asking.next().and_then(named).or_else(|| self.key_log.is_some().then(|| "--key-log".to_owned()))
    }

    /// Refuses what TLS itself does not have, of a server that has these options.
    ///
    /// # Errors
    /// The first combination that cannot be, with what would work.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_with(self.certificate_kind().or(self.default_kind()))
    }

    /// The same for a client alone: a server of somebody else's has whatever certificate it has.
    ///
    /// # Errors
    /// The first combination that cannot be, with what would work.
    pub fn check_client(&self) -> Result<(), ConfigError> {
        self.check_with(self.certificate_kind())
    }

    fn check_with(&self, certificate: Option<CertificateKind>) -> Result<(), ConfigError> {
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
        if let (Some(suite), Some(kind)) = (self.suite, certificate)
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
            None if self.key.is_some() => return refuse("--key goes with --cert FILE, which is not given".to_owned()),
            _ => {}
        }
        self.check_resumption()?;
        // The command line has taken care of these; a file of options has not.
        if let Some(chain) = self.chain.filter(|chain| !(1..=3).contains(chain)) {
            return refuse(format!("--chain is {chain}: give 1 to 3"));
        }
        if let Some(name) = self.alpn.iter().find(|name| name.is_empty() || name.len() > 255) {
            return refuse(format!("--alpn `{name}` is no protocol's name: it has 1 to 255 bytes"));
        }
        Ok(())
    }

    fn check_resumption(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: String| Err(ConfigError(sentence));
        if let (Some(by), None) = (self.resume_by, self.resume) {
            return refuse(format!("--resume-by {by} is of resumed handshakes: give --resume 100% as well"));
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
        if let (Some(tickets @ 1..), Some(TlsVersion::V1_2)) = (self.tickets, self.version()) {
            return refuse(format!(
                "--tickets {tickets} is TLS 1.3's: with TLS 1.2 a server that resumes by ticket sends one; leave it out"
            ));
        }
        if let Some(tickets @ 17..) = self.tickets {
            return refuse(format!("--tickets is {tickets}: give at most 16"));
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
