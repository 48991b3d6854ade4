//! Which certificates a client trusts, and how much of them it verifies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use wss_model::config::tls::Verify;

use super::pin::Pin;
use super::verifier::ServerVerifier;

/// Which servers a client trusts. Clones share what they found.
#[derive(Debug, Clone)]
pub struct Trust {
    anchors: Anchors,
    pins: Vec<Pin>,
    named_used: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
enum Anchors {
    System,
    Only(Vec<CertificateDer<'static>>),
    Anyone { signatures: bool },
}

impl Trust {
    /// Trusts servers with a CA in the certificate store of the system.
    pub fn system() -> Self {
        Self::new(Anchors::System)
    }

    /// Trusts servers with one of these CAs, and those that have one of these certificates themselves.
    pub fn only(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self::new(Anchors::Only(certificates))
    }

    /// Trusts all servers: neither the chain nor the name is verified, and the signature of the handshake only with
    /// `signatures`.
    pub fn anyone(signatures: bool) -> Self {
        Self::new(Anchors::Anyone { signatures })
    }

    fn new(anchors: Anchors) -> Self {
        Self { anchors, pins: Vec::new(), named_used: Arc::default() }
    }

    /// Also requires that the server has one of these public keys, unless there are none.
    #[must_use]
    pub fn with_pins(self, pins: Vec<Pin>) -> Self {
        Self { pins, ..self }
    }

    /// How much is verified.
    pub const fn verify(&self) -> Verify {
        match self.anchors {
            Anchors::System | Anchors::Only(_) => Verify::Full,
            Anchors::Anyone { signatures: true } => Verify::NoChain,
            Anchors::Anyone { signatures: false } => Verify::None,
        }
    }

    /// Whether a server was trusted because its certificate is one of those given, byte for byte.
    pub fn has_used_named_certificate(&self) -> bool {
        self.named_used.load(Ordering::Relaxed)
    }

    /// The verifier for rustls.
    ///
    /// # Errors
    /// If no trusted certificate can be read.
    pub(super) fn verifier(&self, crypto: &Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
        let mut roots = RootCertStore::empty();
        let mut named = Vec::new();
        match &self.anchors {
            Anchors::Anyone { .. } => {}
            Anchors::Only(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone()).context("cannot use a certificate of --ca as a CA")?;
                }
                named.clone_from(certificates);
            }
            Anchors::System => {
                let (used, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                anyhow::ensure!(
                    used > 0,
                    "the system has no store of trusted certificates; give --ca FILE, or --insecure to skip verification"
                );
            }
        }
        let chain = if roots.is_empty() {
            None
        } else {
            Some(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(crypto)).build()?)
        };
        Ok(Arc::new(ServerVerifier {
            chain,
            named,
            named_used: Arc::clone(&self.named_used),
            pins: self.pins.clone(),
            crypto: Arc::clone(crypto),
            signatures: !matches!(self.anchors, Anchors::Anyone { signatures: false }),
        }))
    }
}
