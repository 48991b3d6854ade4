//! Who an end is: a CA, what is between, and a leaf, made at start; or PEM files that the user named. Keys stay in
//! memory.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use wss_model::config::tls::{CertificateKind, Suite};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To be verified by clients.
    Server,
    /// To be verified by a server (`--mtls`).
    Client,
}

impl Role {
    const fn noun(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// A certificate chain and its key.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
    /// PEM of the CA that signed it, if it was made here: what the peer has to trust.
    pub ca_pem: Option<String>,
    /// Where it was read, for sentences about it.
    file: Option<String>,
}

fn key(kind: CertificateKind) -> anyhow::Result<KeyPair> {
    let made = match kind {
        CertificateKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        CertificateKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        CertificateKind::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        CertificateKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        CertificateKind::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
        CertificateKind::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
        CertificateKind::MlDsa44 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44),
        CertificateKind::MlDsa65 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_65),
        CertificateKind::MlDsa87 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_87),
    };
    made.with_context(|| format!("making a key of the kind {kind}"))
}

/// The parameters of a CA with this name that may have so many CAs below it.
fn ca(name: &str, below: u8) -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, name);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.use_authority_key_identifier_extension = true;
    ca
}

impl Identity {
    /// A CA, `chain - 1` CAs between, and a leaf for these names and addresses, all of one kind. The CA itself is not
    /// sent.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate.
    pub fn generate(role: Role, names: &[String], kind: CertificateKind, chain: u8) -> anyhow::Result<Self> {
        let between = chain.saturating_sub(1);
        let root_key = key(kind)?;
        let root = ca("wssbench CA", between);
        let root_certificate = root.self_signed(&root_key).context("signing the CA")?;
        let mut issuer = Issuer::new(root, root_key);
        // Root first here, leaf first on the wire.
        let mut sent: Vec<Certificate> = Vec::new();
        for number in 1..=between {
            let next_key = key(kind)?;
            let next = ca(&format!("wssbench intermediate CA {number}"), between - number);
            sent.push(next.signed_by(&next_key, &issuer).context("signing an intermediate CA")?);
            issuer = Issuer::new(next, next_key);
        }
        let leaf_key = key(kind)?;
        let mut leaf = CertificateParams::new(names).with_context(|| format!("naming the certificate {names:?}"))?;
        leaf.distinguished_name.push(DnType::CommonName, format!("wssbench {}", role.noun()));
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        // RFC 5280 section 4.2.1.1 demands it; Python's ssl refuses a certificate without it from 3.13 on.
        leaf.use_authority_key_identifier_extension = true;
        sent.push(leaf.signed_by(&leaf_key, &issuer).context("signing the certificate")?);
        Ok(Self {
            chain: sent.iter().rev().map(|certificate| certificate.der().clone()).collect(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            ca_pem: Some(root_certificate.pem()),
            file: None,
        })
    }

    /// A chain and a key from PEM files.
    ///
    /// # Errors
    /// If one cannot be read or holds no such thing, or a certificate is not valid today.
    pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let chain = read_certificates(certificate)?;
        check_dates(&chain, certificate)?;
        let file = format!("{} with {}", certificate.display(), key.display());
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => anyhow!(
                "reading a private key in PEM from {}: it holds none that can be read (-----BEGIN PRIVATE KEY-----), and \
                 an encrypted one has to be decrypted before",
                key.display()
            ),
            error => anyhow!("reading a private key in PEM from {}: {error}", key.display()),
        })?;
        Ok(Self { chain, key, ca_pem: None, file: Some(file) })
    }

    /// Refuses a suite of TLS 1.2 that names another kind of key: no client could agree on it.
    pub(super) fn check_suite(&self, suite: Suite) -> anyhow::Result<()> {
        let leaf = self.chain.first().context("a chain has at least a leaf")?;
        let kind = super::certificate_kind(leaf);
        let fits = match suite {
            Suite::Aes128Gcm | Suite::Aes256Gcm | Suite::ChaCha20 => true,
            Suite::RsaAes128Gcm | Suite::RsaAes256Gcm | Suite::RsaChaCha20 => kind.starts_with("rsa"),
            Suite::EcdsaAes128Gcm | Suite::EcdsaAes256Gcm | Suite::EcdsaChaCha20 => {
                kind.starts_with("ecdsa") || kind == "ed25519"
            }
        };
        let what = self.file.as_deref().unwrap_or("the certificate made at start");
        ensure!(fits, "--suite {suite} does not go with {what}, which is of the kind {kind}");
        Ok(())
    }

    /// Why rustls does not take it, in a sentence.
    pub(super) fn refused(&self, error: &rustls::Error) -> anyhow::Error {
        let what = self.file.as_deref().unwrap_or("the certificate made at start");
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let leaf = if self.chain.len() > 1 { ", or the leaf is not the first of its file" } else { "" };
                anyhow!("the private key does not fit the certificate: {what} are of two different keys{leaf}")
            }
            other => anyhow!("{what} cannot be used: {other}"),
        }
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
    for certificate in &certificates {
        X509Certificate::from_der(certificate)
            .map_err(|error| anyhow!("{} holds what is no certificate: {error}", path.display()))?;
    }
    Ok(certificates)
}

/// Refuses certificates that no peer would accept today.
fn check_dates(chain: &[CertificateDer<'_>], path: &Path) -> anyhow::Result<()> {
    for certificate in chain {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { continue };
        let validity = parsed.validity();
        let now = x509_parser::time::ASN1Time::now();
        ensure!(
            now <= validity.not_after,
            "the certificate {} in {} expired on {}",
            parsed.subject(),
            path.display(),
            validity.not_after
        );
        ensure!(
            now >= validity.not_before,
            "the certificate {} in {} is not valid before {}",
            parsed.subject(),
            path.display(),
            validity.not_before
        );
    }
    Ok(())
}
