//! Why a configuration is refused: [`ConfigError`].

use super::tls::{CertificateKind, ProviderKind, Suite, TlsVersion};

/// Why a configuration cannot be run: one sentence that says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Options exclude or require one another: a rule of [`RULES`](super::conflicts::RULES).
    #[error("{text}")]
    Conflict {
        /// The code of the rule.
        code: &'static str,
        /// The sentence of the rule, for the options that broke it.
        text: String,
    },
    /// A number, size or duration is outside its range.
    #[error("--{option} is {value}; give {range}")]
    OutOfRange {
        /// The option, without dashes.
        option: &'static str,
        /// Its value.
        value: String,
        /// The values that are possible.
        range: String,
    },
    /// A text cannot be read as the value that it stands for.
    #[error("invalid {what} `{value}`; expected {expected}")]
    InvalidValue {
        /// The kind of value.
        what: &'static str,
        /// The text.
        value: String,
        /// What it should look like, with an example.
        expected: String,
    },
    /// Two options require different versions of TLS.
    #[error("{second} requires TLS {second_version}, which {first} excludes; {cure}")]
    TlsVersion {
        /// The first option, with its value.
        first: String,
        /// The version that it requires.
        first_version: TlsVersion,
        /// Another option, with its value.
        second: String,
        /// The version that the other requires.
        second_version: TlsVersion,
        /// What to do.
        cure: String,
    },
    /// A TLS 1.2 suite does not match the key of the certificate.
    #[error("--suite {suite} cannot be used with the certificate {kind}; use --cert {usable}")]
    SuiteAndCertificate {
        /// The suite.
        suite: Suite,
        /// The kind of certificate.
        kind: CertificateKind,
        /// The kinds that the suite can be used with.
        usable: String,
    },
    /// A provider is not part of this build, or does not run on this CPU.
    #[error("{reason}")]
    ProviderUnavailable {
        /// The provider.
        provider: ProviderKind,
        /// The sentence: what is missing, and what to do.
        reason: String,
    },
    /// A provider does not support what the options name.
    #[error(
        "the provider {provider} does not support {what}; use {supported}, or choose another provider with --provider or {option}"
    )]
    ProviderUnsupported {
        /// The provider.
        provider: ProviderKind,
        /// The suite, group or signature.
        what: String,
        /// The alternatives that it supports.
        supported: String,
        /// The option that selects another provider.
        option: &'static str,
    },
}

impl ConfigError {
    /// The name of the error in `docs/ERRORS.md`; it stays when the wording changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { code, .. } => code,
            Self::OutOfRange { .. } => "out_of_range",
            Self::InvalidValue { .. } => "invalid_value",
            Self::TlsVersion { .. } => "tls_version",
            Self::SuiteAndCertificate { .. } => "suite_and_certificate",
            Self::ProviderUnavailable { .. } => "provider_unavailable",
            Self::ProviderUnsupported { .. } => "provider_unsupported",
        }
    }

    /// [`Self::OutOfRange`] unless `value` is at least 1.
    ///
    /// # Errors
    /// If it is 0.
    pub fn at_least_1(option: &'static str, value: usize) -> Result<(), Self> {
        if value > 0 { Ok(()) } else { Err(Self::out_of_range(option, value, "at least 1")) }
    }

    /// [`Self::OutOfRange`].
    pub fn out_of_range(option: &'static str, value: impl ToString, range: &str) -> Self {
        Self::OutOfRange { option, value: value.to_string(), range: range.to_owned() }
    }

    /// [`Self::InvalidValue`].
    pub fn invalid(what: &'static str, value: &str, expected: impl Into<String>) -> Self {
        Self::InvalidValue { what, value: value.to_owned(), expected: expected.into() }
    }
}
