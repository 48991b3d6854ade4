//! The cheap primitives that every record and handshake message needs: AEAD, hashes, key derivation. Each takes a fraction
//! of a microsecond, so that the clock readings are a large part of the result. Enabled by `--cost-split all`.

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter,
    OutboundOpaqueMessage, OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::tls12::Prf;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, hmac};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, Error, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

use super::{Primitive, timed};

/// Wraps all of them, in every suite.
pub(super) fn wrap(crypto: &mut CryptoProvider) {
    for suite in &mut crypto.cipher_suites {
        *suite = match *suite {
            SupportedCipherSuite::Tls13(inner) => SupportedCipherSuite::Tls13(leak(Tls13CipherSuite {
                common: common(&inner.common),
                hkdf_provider: leak(TimedHkdf(inner.hkdf_provider)),
                aead_alg: leak(TimedAead13(inner.aead_alg)),
                quic: None,
            })),
            SupportedCipherSuite::Tls12(inner) => SupportedCipherSuite::Tls12(leak(Tls12CipherSuite {
                common: common(&inner.common),
                prf_provider: leak(TimedPrf(inner.prf_provider)),
                kx: inner.kx,
                sign: inner.sign,
                aead_alg: leak(TimedAead12(inner.aead_alg)),
            })),
        };
    }
}

fn common(inner: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: inner.suite,
        hash_provider: leak(TimedHash(inner.hash_provider)),
        confidentiality_limit: inner.confidentiality_limit,
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

struct TimedAead13(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for TimedAead13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(TimedEncrypter(timed(Primitive::Aead, || self.0.encrypter(key, iv))))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(TimedDecrypter(timed(Primitive::Aead, || self.0.decrypter(key, iv))))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(&self, key: AeadKey, iv: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct TimedAead12(&'static dyn Tls12AeadAlgorithm);

impl Tls12AeadAlgorithm for TimedAead12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(TimedEncrypter(timed(Primitive::Aead, || self.0.encrypter(key, iv, extra))))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(TimedDecrypter(timed(Primitive::Aead, || self.0.decrypter(key, iv))))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct TimedEncrypter(Box<dyn MessageEncrypter>);

impl MessageEncrypter for TimedEncrypter {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        timed(Primitive::Aead, || self.0.encrypt(message, seq))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.encrypted_payload_len(payload_len)
    }
}

struct TimedDecrypter(Box<dyn MessageDecrypter>);

impl MessageDecrypter for TimedDecrypter {
    fn decrypt<'a>(&mut self, message: InboundOpaqueMessage<'a>, seq: u64) -> Result<InboundPlainMessage<'a>, Error> {
        timed(Primitive::Aead, || self.0.decrypt(message, seq))
    }
}

struct TimedHash(&'static dyn Hash);

impl Hash for TimedHash {
    fn start(&self) -> Box<dyn Context> {
        Box::new(TimedContext(timed(Primitive::Hash, || self.0.start())))
    }

    fn hash(&self, data: &[u8]) -> Output {
        timed(Primitive::Hash, || self.0.hash(data))
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct TimedContext(Box<dyn Context>);

impl Context for TimedContext {
    fn fork_finish(&self) -> Output {
        timed(Primitive::Hash, || self.0.fork_finish())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(timed(Primitive::Hash, || self.0.fork())))
    }

    fn finish(self: Box<Self>) -> Output {
        timed(Primitive::Hash, || self.0.finish())
    }

    fn update(&mut self, data: &[u8]) {
        timed(Primitive::Hash, || self.0.update(data));
    }
}

struct TimedHkdf(&'static dyn Hkdf);

impl Hkdf for TimedHkdf {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        Box::new(TimedExpander(timed(Primitive::Hash, || self.0.extract_from_zero_ikm(salt))))
    }

    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        Box::new(TimedExpander(timed(Primitive::Hash, || self.0.extract_from_secret(salt, secret))))
    }

    fn extract_from_kx_shared_secret(
        &self,
        salt: Option<&[u8]>,
        kx: Box<dyn ActiveKeyExchange>,
        peer_share: &[u8],
    ) -> Result<Box<dyn HkdfExpander>, Error> {
        // The nested key exchange is timed separately.
        let expander = timed(Primitive::Hash, || self.0.extract_from_kx_shared_secret(salt, kx, peer_share))?;
        Ok(Box::new(TimedExpander(expander)))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        Box::new(TimedExpander(timed(Primitive::Hash, || self.0.expander_for_okm(okm))))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> hmac::Tag {
        timed(Primitive::Hash, || self.0.hmac_sign(key, message))
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct TimedExpander(Box<dyn HkdfExpander>);

impl HkdfExpander for TimedExpander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        timed(Primitive::Hash, || self.0.expand_slice(info, output))
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        timed(Primitive::Hash, || self.0.expand_block(info))
    }

    fn hash_len(&self) -> usize {
        self.0.hash_len()
    }
}

struct TimedPrf(&'static dyn Prf);

impl Prf for TimedPrf {
    fn for_key_exchange(
        &self,
        output: &mut [u8; 48],
        kx: Box<dyn ActiveKeyExchange>,
        peer_share: &[u8],
        label: &[u8],
        seed: &[u8],
    ) -> Result<(), Error> {
        // The nested key exchange is timed separately.
        timed(Primitive::Hash, || self.0.for_key_exchange(output, kx, peer_share, label, seed))
    }

    fn for_secret(&self, output: &mut [u8], secret: &[u8], label: &[u8], seed: &[u8]) {
        timed(Primitive::Hash, || self.0.for_secret(output, secret, label, seed));
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}
