//! The expensive primitives, of which a handshake needs only a few: key exchange, signing, verifying.

use std::fmt::{self, Debug};
use std::sync::Arc;

use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, CryptoProvider, KeyProvider, SharedSecret, SupportedKxGroup,
    WebPkiSupportedAlgorithms,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, NamedGroup, ProtocolVersion, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion};

use super::{Primitive, timed};

/// Wraps all of them.
pub(super) fn wrap(crypto: &mut CryptoProvider) {
    for group in &mut crypto.kx_groups {
        *group = Box::leak(Box::new(TimedGroup(*group)));
    }
    crypto.key_provider = Box::leak(Box::new(TimedKeys(crypto.key_provider)));
    let WebPkiSupportedAlgorithms { all, mapping } = crypto.signature_verification_algorithms;
    let mapping: Vec<_> = mapping.iter().map(|(scheme, algorithms)| (*scheme, verifiers(algorithms))).collect();
    crypto.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: verifiers(all), mapping: Box::leak(mapping.into_boxed_slice()) };
}

type Verifiers = &'static [&'static dyn SignatureVerificationAlgorithm];

fn verifiers(algorithms: Verifiers) -> Verifiers {
    let wrapped: Vec<_> = algorithms
        .iter()
        .map(|algorithm| {
            let wrapped: &'static dyn SignatureVerificationAlgorithm = Box::leak(Box::new(TimedVerifier(*algorithm)));
            wrapped
        })
        .collect();
    Box::leak(wrapped.into_boxed_slice())
}

#[derive(Debug)]
struct TimedGroup(&'static dyn SupportedKxGroup);

impl SupportedKxGroup for TimedGroup {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let started = timed(Primitive::KeyExchangeStart, || self.0.start())?;
        Ok(Box::new(TimedExchange(started)))
    }

    fn start_and_complete(&self, peer_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        timed(Primitive::KeyExchangeComplete, || self.0.start_and_complete(peer_share))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.0.ffdhe_group()
    }

    fn name(&self) -> NamedGroup {
        self.0.name()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        self.0.usable_for_version(version)
    }
}

struct TimedExchange(Box<dyn ActiveKeyExchange>);

impl ActiveKeyExchange for TimedExchange {
    fn complete(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        timed(Primitive::KeyExchangeComplete, || self.0.complete(peer_share))
    }

    fn complete_for_tls_version(
        self: Box<Self>,
        peer_share: &[u8],
        version: &SupportedProtocolVersion,
    ) -> Result<SharedSecret, Error> {
        timed(Primitive::KeyExchangeComplete, || self.0.complete_for_tls_version(peer_share, version))
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        self.0.hybrid_component()
    }

    fn complete_hybrid_component(self: Box<Self>, peer_share: &[u8]) -> Result<SharedSecret, Error> {
        timed(Primitive::KeyExchangeComplete, || self.0.complete_hybrid_component(peer_share))
    }

    fn pub_key(&self) -> &[u8] {
        self.0.pub_key()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.0.ffdhe_group()
    }

    fn group(&self) -> NamedGroup {
        self.0.group()
    }
}

#[derive(Debug)]
struct TimedKeys(&'static dyn KeyProvider);

impl KeyProvider for TimedKeys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(TimedKey(self.0.load_private_key(key)?)))
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

#[derive(Debug)]
struct TimedKey(Arc<dyn SigningKey>);

impl SigningKey for TimedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(TimedSigner(self.0.choose_scheme(offered)?)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct TimedSigner(Box<dyn Signer>);

impl Signer for TimedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        timed(Primitive::Sign, || self.0.sign(message))
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

struct TimedVerifier(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for TimedVerifier {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        timed(Primitive::Verify, || self.0.verify_signature(public_key, message, signature))
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

impl Debug for TimedVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
