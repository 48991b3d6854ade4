//! `--pin-sha256`: the hash of the public key that a server must have (RFC 7469 section 2.4, curl's `--pinnedpubkey`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::{CertificateError, Error, OtherError};
use sha2::{Digest, Sha256};

/// The SHA-256 of a SubjectPublicKeyInfo in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// The server has another key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server's public key has the SHA-256 {0}, which no --pin-sha256 names; check that it is the right server, or \
     give this value"
)]
pub struct PinMismatch(String);

impl Pin {
    /// The pin of a key: a SubjectPublicKeyInfo in DER.
    pub fn of_key(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    pub(super) fn mismatch(&self) -> Error {
        let problem = PinMismatch(self.to_string());
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(problem))))
    }
}

impl FromStr for Pin {
    type Err = anyhow::Error;

    /// Reads base64, with or without the `sha256//` of curl.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let hash = BASE64.decode(text.trim_start_matches("sha256//")).ok().and_then(|hash| hash.try_into().ok());
        hash.map(Self).ok_or_else(|| {
            anyhow::anyhow!("invalid --pin-sha256 `{text}`; give the SHA-256 of the server's public key in base64")
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}
