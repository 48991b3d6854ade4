//! Who the server is: a CA and a leaf made at start, or PEM files that the user named. Keys stay in memory.

use std::path::Path;

use anyhow::{Context, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate chain and its key.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
    /// PEM of the CA that signed it, if it was made here: what a client has to trust.
    pub ca_pem: Option<String>,
}

impl Identity {
    /// A CA and a leaf for these names and addresses, both ECDSA P-256.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate.
    pub fn generate(names: &[String]) -> anyhow::Result<Self> {
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making the CA's key")?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "wssbench CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key).context("signing the CA")?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making the server's key")?;
        let mut leaf = CertificateParams::new(names).with_context(|| format!("naming the certificate {names:?}"))?;
        leaf.distinguished_name.push(DnType::CommonName, "wssbench server");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // RFC 5280 section 4.2.1.1 demands it; Python's ssl refuses a certificate without it from 3.13 on.
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer).context("signing the server's certificate")?;
        Ok(Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            ca_pem: Some(ca_certificate.pem()),
        })
    }

    /// A chain and a key from PEM files.
    ///
    /// # Errors
    /// If one cannot be read or holds no such thing.
    pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let chain = read_certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("reading a private key in PEM from {}", key.display()))?;
        Ok(Self { chain, key, ca_pem: None })
    }
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// If it cannot be read or holds none.
pub fn read_certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let reading = || format!("reading certificates in PEM from {}", path.display());
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).with_context(reading)?.collect::<Result<_, _>>().with_context(reading)?;
    ensure!(!certificates.is_empty(), "{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display());
    Ok(certificates)
}
