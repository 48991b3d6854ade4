//! Cryptography providers, each in its own file behind its own cargo feature. To add one: add its file, its name in
//! `ProviderKind` and its arm in [`Provider::load`].
//!
//! A provider is restricted to the suite, group and kind of certificate of the options, or rejected if it lacks them.

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
use wss_model::text::phrases::alternatives;

use super::certificates::Role;

/// What the file of a provider defines.
struct Parts {
    /// The provider's default suites and groups, in its order.
    crypto: CryptoProvider,
    /// All groups that the provider supports.
    groups: &'static [&'static dyn SupportedKxGroup],
    ticketer: fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>,
}

/// The option that selects the provider of one end alone.
const fn option(role: Role) -> &'static str {
    match role {
        Role::Server => "--server-provider",
        Role::Client => "--client-provider",
    }
}

/// A provider, restricted to the suites and groups that the options allow.
pub struct Provider {
    /// The cryptography.
    pub crypto: CryptoProvider,
    /// Creates the encryption of the server's session tickets.
    pub ticketer: fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>,
}

impl Provider {
    /// The provider that the options name, restricted to what they allow.
    ///
    /// # Errors
    /// If it is not part of this build, cannot run on this CPU, or does not support an option; the text lists what it
    /// supports.
    pub fn new(options: &TlsOptions, role: Role) -> Result<Self, ConfigError> {
        let kind = options.provider();
        let Parts { mut crypto, groups, ticketer } =
            Self::load(kind).map_err(|reason| ConfigError::ProviderUnavailable { provider: kind, reason })?;
        let unsupported = |what: String, supported: Vec<String>| ConfigError::ProviderUnsupported {
            provider: kind,
            what,
            supported: alternatives(&supported),
            option: option(role),
        };
        if let Some(suite) = options.suite {
            let named = |supported: &rustls::SupportedCipherSuite| format!("{:?}", supported.suite());
            let all: Vec<String> = crypto.cipher_suites.iter().map(named).collect();
            crypto.cipher_suites.retain(|supported| named(supported) == suite.name());
            if crypto.cipher_suites.is_empty() {
                return Err(unsupported(format!("the suite {suite}"), all));
            }
        }
        // With a single version the suites of the other one could not be negotiated and would only lengthen the hello.
        if let Some(version) = options.version() {
            crypto.cipher_suites.retain(|supported| supported.tls13().is_some() == (version == TlsVersion::V1_3));
        }
        let find = |group: Group| {
            let found = groups.iter().copied().find(|supported| format!("{:?}", supported.name()) == group.name());
            let all = || groups.iter().map(|supported| format!("{:?}", supported.name())).collect();
            found.ok_or_else(|| unsupported(format!("the group {group}"), all()))
        };
        if options.force_retry {
            // The server accepts a single group, and the client sends a key share of another.
            let accepted = options.group.unwrap_or(Group::X25519);
            let offered = if accepted == Group::Secp256r1 { Group::X25519 } else { Group::Secp256r1 };
            crypto.kx_groups = match role {
                Role::Server => vec![find(accepted)?],
                Role::Client => vec![find(offered)?, find(accepted)?],
            };
        } else if let Some(group) = options.group {
            crypto.kx_groups = vec![find(group)?];
        }
        if let Some(certificate) = options.certificate_kind() {
            let schemes = crypto.signature_verification_algorithms.supported_schemes();
            if !schemes.contains(&scheme(certificate)) {
                let kinds = CertificateKind::ALL.iter().filter(|kind| schemes.contains(&scheme(**kind)));
                let all = kinds.map(|kind| kind.name().to_owned()).collect();
                return Err(unsupported(format!("signatures with the certificate {certificate}"), all));
            }
            // A TLS 1.2 suite lists its signature schemes; not every provider includes Ed25519.
            let accepts = |supported: &rustls::SupportedCipherSuite, kind: CertificateKind| match supported {
                rustls::SupportedCipherSuite::Tls12(suite) => suite.sign.contains(&scheme(kind)),
                rustls::SupportedCipherSuite::Tls13(_) => true,
            };
            let accepted_by_any = |kind| crypto.cipher_suites.iter().any(|supported| accepts(supported, kind));
            if !accepted_by_any(certificate) {
                let kinds = CertificateKind::ALL.iter().filter(|kind| accepted_by_any(**kind));
                let all = kinds.map(|kind| kind.name().to_owned()).collect();
                return Err(unsupported(format!("the certificate {certificate} with TLS 1.2"), all));
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
            _ => Err(format!("the provider {kind} is not part of this build; build with the cargo feature {kind}")),
        }
    }
}

/// The scheme of a TLS 1.3 signature by this kind of key. A provider that verifies a scheme also signs with it.
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
