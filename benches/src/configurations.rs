//! The TLS configurations of the benches, by name: a reference, and variations of it.

use std::iter::once;

use clap::{Args, FromArgMatches};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateChoice, CertificateKind, Group, ProviderKind, ResumeBy, Suite, TlsVersion};
use wss_wire::tls::{Provider, Role};

/// The suite of each version's reference: what a run negotiates by default.
const REFERENCE: [(TlsVersion, Suite); 2] =
    [(TlsVersion::V1_3, Suite::Aes256Gcm), (TlsVersion::V1_2, Suite::EcdsaAes256Gcm)];

/// A configuration of both ends.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `full` or `resumed-…`, followed by each difference from the reference.
    pub name: String,
    /// The options of both ends.
    pub options: TlsOptions,
}

/// Parses options as they are written on the command line.
///
/// # Errors
/// clap's.
pub fn parse(text: &str) -> Result<TlsOptions, clap::Error> {
    let command = TlsOptions::augment_args(clap::Command::new("options").no_binary_name(true));
    TlsOptions::from_arg_matches(&command.try_get_matches_from(text.split_whitespace())?)
}

/// The reference: AES-256-GCM, X25519, ECDSA P-256, aws-lc-rs, full handshakes.
pub fn reference(version: TlsVersion) -> TlsOptions {
    TlsOptions {
        tls_version: Some(version),
        suite: REFERENCE.iter().find(|(of, _)| *of == version).map(|(_, suite)| *suite),
        group: Some(Group::X25519),
        cert: Some(CertificateChoice::Kind(CertificateKind::EcdsaP256)),
        provider: Some(ProviderKind::AwsLcRs),
        ..TlsOptions::default()
    }
}

/// Suite × group × certificate × provider × resumption × version, as far as the providers of this build support it.
/// Without `everything`, only configurations that differ from their version's reference in at most one of these.
pub fn configurations(everything: bool) -> Vec<Configuration> {
    let mut found = Vec::new();
    for (version, reference) in REFERENCE {
        for &suite in Suite::ALL.iter().filter(|suite| suite.version() == version) {
            for &group in Group::ALL {
                for &certificate in CertificateKind::ALL {
                    for &provider in ProviderKind::ALL {
                        for resume_by in once(None).chain(ResumeBy::ALL.iter().copied().map(Some)) {
                            let combination = Combination { version, suite, group, certificate, provider, resume_by };
                            if everything || combination.differences(reference) <= 1 {
                                found.extend(combination.configuration());
                            }
                        }
                    }
                }
            }
        }
    }
    found
}

#[derive(Clone, Copy)]
struct Combination {
    version: TlsVersion,
    suite: Suite,
    group: Group,
    certificate: CertificateKind,
    provider: ProviderKind,
    resume_by: Option<ResumeBy>,
}

impl Combination {
    /// The number of differences from the reference. A TLS 1.2 suite also names the kind of key, which counts once.
    fn differences(self, reference: Suite) -> usize {
        let differences = [
            cipher(self.suite) != cipher(reference),
            self.group != Group::X25519,
            self.certificate != CertificateKind::EcdsaP256,
            self.provider != ProviderKind::AwsLcRs,
            self.resume_by.is_some(),
        ];
        differences.into_iter().filter(|differs| *differs).count()
    }

    /// Its options and name, if the options can be combined.
    fn configuration(self) -> Option<Configuration> {
        let options = TlsOptions {
            suite: Some(self.suite),
            group: Some(self.group),
            cert: Some(CertificateChoice::Kind(self.certificate)),
            provider: Some(self.provider),
            resume: self.resume_by.map(|_| "100%".parse()).transpose().ok()?,
            resume_by: self.resume_by,
            ..reference(self.version)
        };
        options.check().ok()?;
        for role in [Role::Server, Role::Client] {
            Provider::new(&options, role).ok()?;
        }
        let mut name = self.resume_by.map_or_else(|| "full".to_owned(), |by| format!("resumed-{by}"));
        let mut append = |differs: bool, value: String| {
            if differs {
                name = format!("{name}-{value}");
            }
        };
        append(self.version == TlsVersion::V1_2, "tls-1.2".to_owned());
        append(cipher(self.suite) != "aes-256-gcm", cipher(self.suite).to_owned());
        append(self.group != Group::X25519, self.group.name().to_lowercase());
        append(self.certificate != CertificateKind::EcdsaP256, self.certificate.to_string());
        append(self.provider != ProviderKind::AwsLcRs, self.provider.to_string());
        Some(Configuration { name, options })
    }
}

/// The name of a suite's cipher.
pub const fn cipher(suite: Suite) -> &'static str {
    match suite {
        Suite::Aes128Gcm | Suite::EcdsaAes128Gcm | Suite::RsaAes128Gcm => "aes-128-gcm",
        Suite::Aes256Gcm | Suite::EcdsaAes256Gcm | Suite::RsaAes256Gcm => "aes-256-gcm",
        Suite::ChaCha20 | Suite::EcdsaChaCha20 | Suite::RsaChaCha20 => "chacha20-poly1305",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_the_short_list_is_a_subset() {
        let [short, long] = [false, true].map(|everything| {
            let all: Vec<String> =
                configurations(everything).into_iter().map(|configuration| configuration.name).collect();
            let set: HashSet<String> = all.iter().cloned().collect();
            assert_eq!(set.len(), all.len(), "two configurations have the same name");
            set
        });
        assert!(short.is_subset(&long) && short.len() < long.len());
        for name in ["full", "full-tls-1.2", "full-x25519mlkem768", "resumed-ticket", "full-tls-1.2-rsa-2048"] {
            assert!(short.contains(name), "{name}");
        }
    }
}
