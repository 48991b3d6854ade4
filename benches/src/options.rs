//! The handshakes that the benches do: every option of TLS by itself changed from a reference, by name.

use std::iter::once;

use clap::{Args, FromArgMatches};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateChoice, CertificateKind, Group, ProviderKind, ResumeBy, Suite, TlsVersion};
use wss_wire::tls::{Provider, Role};

/// The suite of the reference of each version: what a run negotiates that asks for none.
const REFERENCE: [(TlsVersion, Suite); 2] =
    [(TlsVersion::V1_3, Suite::Aes256Gcm), (TlsVersion::V1_2, Suite::EcdsaAes256Gcm)];

/// A handshake of a bench.
#[derive(Debug, Clone)]
pub struct Named {
    /// `full` or `resumed-…`, and what differs from the reference.
    pub name: String,
    /// How both ends are made.
    pub options: TlsOptions,
}

/// Options as they are written on the command line.
///
/// # Errors
/// clap's, if they are none.
pub fn parse(text: &str) -> Result<TlsOptions, clap::Error> {
    let command = TlsOptions::augment_args(clap::Command::new("options").no_binary_name(true));
    TlsOptions::from_arg_matches(&command.try_get_matches_from(text.split_whitespace())?)
}

/// The reference: TLS 1.3, AES-256-GCM, X25519, ECDSA P-256, aws-lc-rs, full; or the same with TLS 1.2.
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

/// Suite × group × certificate × provider × resumption × version: all that the build's providers can do of it. With
/// `everything` false only what differs from its version's reference in one of these at most.
pub fn handshakes(everything: bool) -> Vec<Named> {
    let mut found = Vec::new();
    for (version, reference) in REFERENCE {
        for &suite in Suite::ALL.iter().filter(|suite| suite.version() == version) {
            for &group in Group::ALL {
                for &certificate in CertificateKind::ALL {
                    for &provider in ProviderKind::ALL {
                        for by in once(None).chain(ResumeBy::ALL.iter().copied().map(Some)) {
                            let differs = Differs { version, suite, group, certificate, provider, by };
                            if everything || differs.from(reference) <= 1 {
                                found.extend(differs.named());
                            }
                        }
                    }
                }
            }
        }
    }
    found
}

/// One combination.
#[derive(Clone, Copy)]
struct Differs {
    version: TlsVersion,
    suite: Suite,
    group: Group,
    certificate: CertificateKind,
    provider: ProviderKind,
    by: Option<ResumeBy>,
}

impl Differs {
    /// In how much it differs from the reference. With TLS 1.2 the suite names the kind of the certificate's key, so
    /// that one with RSA is no further away for it.
    fn from(self, reference: Suite) -> usize {
        let cipher = cipher(self.suite) != cipher(reference);
        let ways = [
            cipher,
            self.group != Group::X25519,
            self.certificate != CertificateKind::EcdsaP256,
            self.provider != ProviderKind::AwsLcRs,
            self.by.is_some(),
        ];
        ways.into_iter().filter(|differs| *differs).count()
    }

    /// With its name, if it can be.
    fn named(self) -> Option<Named> {
        let options = TlsOptions {
            suite: Some(self.suite),
            group: Some(self.group),
            cert: Some(CertificateChoice::Kind(self.certificate)),
            provider: Some(self.provider),
            resume: self.by.map(|_| "100%".parse()).transpose().ok()?,
            resume_by: self.by,
            ..reference(self.version)
        };
        options.check().ok()?;
        for side in [Role::Server, Role::Client] {
            Provider::new(&options, side).ok()?;
        }
        let mut name = self.by.map_or_else(|| "full".to_owned(), |by| format!("resumed-{by}"));
        let mut differs = |differs: bool, how: String| {
            if differs {
                name = format!("{name}-{how}");
            }
        };
        differs(self.version == TlsVersion::V1_2, "tls-1.2".to_owned());
        differs(cipher(self.suite) != "aes-256-gcm", cipher(self.suite).to_owned());
        differs(self.group != Group::X25519, self.group.name().to_lowercase());
        differs(self.certificate != CertificateKind::EcdsaP256, self.certificate.to_string());
        differs(self.provider != ProviderKind::AwsLcRs, self.provider.to_string());
        Some(Named { name, options })
    }
}

/// The cipher of a suite.
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
    fn each_handshake_has_a_name_of_its_own_and_the_short_list_is_part_of_the_long_one() {
        let [short, long] = [false, true].map(|everything| {
            let all: Vec<String> = handshakes(everything).into_iter().map(|named| named.name).collect();
            let set: HashSet<String> = all.iter().cloned().collect();
            assert_eq!(set.len(), all.len(), "a name stands for two");
            set
        });
        assert!(short.is_subset(&long) && short.len() < long.len());
        for name in ["full", "full-tls-1.2", "full-x25519mlkem768", "resumed-ticket", "full-tls-1.2-rsa-2048"] {
            assert!(short.contains(name), "{name}");
        }
    }
}
