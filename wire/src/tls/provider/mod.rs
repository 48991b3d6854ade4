//! Providers of cryptography: one file each, behind a cargo feature each. To add one: its file, its name in
//! `ProviderKind`, its arm in [`Provider::load`].
//!
//! Here an option meets what a provider has: one suite, one group, one kind of certificate.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(feature = "graviola")]
mod graviola;
#[cfg(feature = "ring")]
mod ring;

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::ProducesTickets;
use wss_model::config::tls::{CertificateKind, Group, ProviderKind};
use wss_model::config::{ConfigError, TlsOptions, TlsVersion};

/// What a provider's file says.
struct Parts {
    /// Suites and groups as the provider has them by default, in its order.
    crypto: CryptoProvider,
    /// Every group that it has.
    groups: &'static [&'static dyn SupportedKxGroup],
    ticketer: fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>,
}

/// Which end of the connection it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Accepts.
    Server,
    /// Connects.
    Client,
}

impl Side {
    const fn option(self) -> &'static str {
        match self {
            Self::Server => "--server-provider",
            Self::Client => "--client-provider",
        }
    }
}

/// A provider with the suites and groups that the options leave.
pub struct Provider {
    /// The cryptography.
    pub crypto: CryptoProvider,
    /// Makes what encrypts the server's tickets.
    pub ticketer: fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>,
}

impl Provider {
    /// The provider that the options name, with what they leave of it.
    ///
    /// # Errors
    /// If it is not part of this build, cannot run on this CPU, or has not what is asked for: with what it has.
    pub fn new(options: &TlsOptions, side: Side) -> Result<Self, ConfigError> {
        let kind = options.provider();
        let Parts { mut crypto, groups, ticketer } = Self::load(kind).map_err(ConfigError)?;
        let lacks = |what: String, has: Vec<String>| {
            ConfigError(format!(
                "the provider {kind} has no {what}; it has {} (--provider, {} take another)",
                has.join(", "),
                side.option()
            ))
        };
        if let Some(suite) = options.suite {
            let named = |supported: &rustls::SupportedCipherSuite| format!("{:?}", supported.suite());
            let all: Vec<String> = crypto.cipher_suites.iter().map(named).collect();
            crypto.cipher_suites.retain(|supported| named(supported) == suite.name());
            if crypto.cipher_suites.is_empty() {
                return Err(lacks(format!("suite {suite}"), all));
            }
        }
        // One version alone means its suites alone: the others could not be chosen, and would only be sent.
        if let Some(version) = options.version() {
            crypto.cipher_suites.retain(|supported| supported.tls13().is_some() == (version == TlsVersion::V1_3));
        }
        let find = |group: Group| {
            let found = groups.iter().copied().find(|supported| format!("{:?}", supported.name()) == group.name());
            let all = || groups.iter().map(|supported| format!("{:?}", supported.name())).collect();
            found.ok_or_else(|| lacks(format!("group {group}"), all()))
        };
        if options.force_retry {
            // The server takes one group alone, and the client guesses another.
            let taken = options.group.unwrap_or(Group::X25519);
            let guessed = if taken == Group::Secp256r1 { Group::X25519 } else { Group::Secp256r1 };
            crypto.kx_groups = match side {
                Side::Server => vec![find(taken)?],
                Side::Client => vec![find(guessed)?, find(taken)?],
            };
        } else if let Some(group) = options.group {
            crypto.kx_groups = vec![find(group)?];
        }
        if let Some(certificate) = options.certificate_kind() {
            let schemes = crypto.signature_verification_algorithms.supported_schemes();
            if !schemes.contains(&scheme(certificate)) {
                let kinds = CertificateKind::ALL.iter().filter(|kind| schemes.contains(&scheme(**kind)));
                let all = kinds.map(|kind| kind.name().to_owned()).collect();
                return Err(lacks(format!("signatures for the certificate {certificate}"), all));
            }
            // A suite of TLS 1.2 names the signatures that it takes, and not every provider has Ed25519 among them.
            let takes = |supported: &rustls::SupportedCipherSuite, kind: CertificateKind| match supported {
                rustls::SupportedCipherSuite::Tls12(suite) => suite.sign.contains(&scheme(kind)),
                rustls::SupportedCipherSuite::Tls13(_) => true,
            };
            let taken_by_any = |kind| crypto.cipher_suites.iter().any(|supported| takes(supported, kind));
            if !taken_by_any(certificate) {
                let kinds = CertificateKind::ALL.iter().filter(|kind| taken_by_any(**kind));
                let all = kinds.map(|kind| kind.name().to_owned()).collect();
                return Err(lacks(format!("suite of TLS 1.2 that goes with the certificate {certificate}"), all));
            }
        }
        Ok(Self { crypto, ticketer })
    }

    fn load(kind: ProviderKind) -> Result<Parts, String> {
        match kind {
            #[cfg(feature = "aws-lc-rs")]
            ProviderKind::AwsLcRs => Ok(aws_lc_rs::parts()),
            #[cfg(feature = "ring")]
            ProviderKind::Ring => Ok(ring::parts()),
            #[cfg(feature = "graviola")]
            ProviderKind::Graviola => graviola::parts(),
            #[allow(unreachable_patterns)] // with all features
            _ => Err(format!("the provider {kind} is not part of this build: build with the cargo feature {kind}")),
        }
    }
}

/// The scheme of a TLS 1.3 signature with such a key; a provider that verifies it signs it too.
const fn scheme(certificate: CertificateKind) -> SignatureScheme {
    match certificate {
        CertificateKind::EcdsaP256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        CertificateKind::EcdsaP384 => SignatureScheme::ECDSA_NISTP384_SHA384,
        CertificateKind::Ed25519 => SignatureScheme::ED25519,
        CertificateKind::Rsa2048 | CertificateKind::Rsa3072 | CertificateKind::Rsa4096 => {
            SignatureScheme::RSA_PSS_SHA256
        }
        CertificateKind::MlDsa44 => SignatureScheme::ML_DSA_44,
        CertificateKind::MlDsa65 => SignatureScheme::ML_DSA_65,
        CertificateKind::MlDsa87 => SignatureScheme::ML_DSA_87,
    }
}
