//! Certificate chains and keys: generated at start (a CA, intermediate CAs, a leaf), or read from PEM files. Generated
//! keys stay in memory.

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

use super::labels::certificate_kind;

/// An end of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The end that accepts; its certificate is verified by clients.
    Server,
    /// The end that connects; its certificate is verified with `--mtls` only.
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
    /// PEM of the CA for the peer to trust; `None` if the certificate was read from a file.
    pub ca_pem: Option<String>,
    /// The files it was read from, for error messages.
    file: Option<String>,
}

fn key(kind: CertificateKind) -> anyhow::Result<KeyPair> {
    let key = match kind {
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
    key.with_context(|| format!("cannot generate a key of the kind {kind}"))
}

/// The parameters of a CA; `path_length` is the number of CAs allowed below it (RFC 5280 section 4.2.1.9).
fn ca(name: &str, path_length: u8) -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, name);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.use_authority_key_identifier_extension = true;
    ca
}

impl Identity {
    /// Generates a CA, `chain - 1` intermediate CAs, and a leaf for these names and addresses, all with the same kind of
    /// key. The CA itself is not part of the chain that is sent.
    ///
    /// # Errors
    /// If a name cannot be part of a certificate.
    pub fn generate(role: Role, names: &[String], kind: CertificateKind, chain: u8) -> anyhow::Result<Self> {
        let intermediates = chain.saturating_sub(1);
        let root_key = key(kind)?;
        let root = ca("wssbench CA", intermediates);
        let root_certificate = root.self_signed(&root_key).context("cannot sign the CA")?;
        let mut issuer = Issuer::new(root, root_key);
        // Root first; the chain on the wire has the leaf first.
        let mut sent: Vec<Certificate> = Vec::new();
        for number in 1..=intermediates {
            let next_key = key(kind)?;
            let next = ca(&format!("wssbench intermediate CA {number}"), intermediates - number);
            sent.push(next.signed_by(&next_key, &issuer).context("cannot sign an intermediate CA")?);
            issuer = Issuer::new(next, next_key);
        }
        let leaf_key = key(kind)?;
        let mut leaf = CertificateParams::new(names)
            .with_context(|| format!("cannot create a certificate for the names {names:?}; check --name"))?;
        leaf.distinguished_name.push(DnType::CommonName, format!("wssbench {}", role.noun()));
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        // Required by RFC 5280 section 4.2.1.1; Python's ssl rejects a certificate without it from 3.13 on.
        leaf.use_authority_key_identifier_extension = true;
        sent.push(leaf.signed_by(&leaf_key, &issuer).context("cannot sign the certificate")?);
        Ok(Self {
            chain: sent.iter().rev().map(|certificate| certificate.der().clone()).collect(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            ca_pem: Some(root_certificate.pem()),
            file: None,
        })
    }

    /// Reads a chain and a key from PEM files.
    ///
    /// # Errors
    /// If a file cannot be read or does not contain what it should, or a certificate is not valid today.
    pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let chain = read_certificates(certificate)?;
        check_dates(&chain, certificate)?;
        let file = format!("{} with {}", certificate.display(), key.display());
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => anyhow!(
                "cannot read a private key from {}: it contains no unencrypted private key; give a PEM file with one",
                key.display()
            ),
            error => anyhow!("cannot read a private key from {}: {error}; give a PEM file with --key", key.display()),
        })?;
        Ok(Self { chain, key, ca_pem: None, file: Some(file) })
    }

    /// Rejects a TLS 1.2 suite for another kind of key, which no client could negotiate.
    pub(super) fn check_suite(&self, suite: Suite) -> anyhow::Result<()> {
        let leaf = self.chain.first().context("the certificate chain is empty")?;
        let kind = certificate_kind(leaf);
        let fits = match suite {
            Suite::Aes128Gcm | Suite::Aes256Gcm | Suite::ChaCha20 => true,
            Suite::RsaAes128Gcm | Suite::RsaAes256Gcm | Suite::RsaChaCha20 => kind.starts_with("rsa"),
            Suite::EcdsaAes128Gcm | Suite::EcdsaAes256Gcm | Suite::EcdsaChaCha20 => {
                kind.starts_with("ecdsa") || kind == "ed25519"
            }
        };
        let what = self.file.as_deref().unwrap_or("the generated certificate");
        ensure!(
            fits,
            "--suite {suite} cannot be used with {what} (key type {kind}); choose another suite or certificate"
        );
        Ok(())
    }

    /// Describes why rustls rejects the identity.
    pub(super) fn rejected(&self, error: &rustls::Error) -> anyhow::Error {
        let what = self.file.as_deref().unwrap_or("the generated certificate");
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let order =
                    if self.chain.len() > 1 { ", and that the leaf is the first certificate of its file" } else { "" };
                anyhow!(
                    "the private key does not belong to the certificate ({what}); use the key of this certificate{order}"
                )
            }
            other => anyhow!("cannot use {what}: {other}; give another one with --cert and --key"),
        }
    }
}

/// Reads the certificates of a PEM file, at least one.
///
/// # Errors
/// If the file cannot be read or contains none.
pub fn read_certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let context = || format!("cannot read certificates from {}; give a PEM file", path.display());
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).with_context(context)?.collect::<Result<_, _>>().with_context(context)?;
    ensure!(
        !certificates.is_empty(),
        "{} contains no certificate; give a PEM file with -----BEGIN CERTIFICATE-----",
        path.display()
    );
    for certificate in &certificates {
        X509Certificate::from_der(certificate)
            .map_err(|error| anyhow!("{} contains an invalid certificate: {error}; replace it", path.display()))?;
    }
    Ok(certificates)
}

/// Rejects certificates that are expired or not valid yet.
fn check_dates(chain: &[CertificateDer<'_>], path: &Path) -> anyhow::Result<()> {
    for certificate in chain {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { continue };
        let validity = parsed.validity();
        let now = x509_parser::time::ASN1Time::now();
        ensure!(
            now <= validity.not_after,
            "the certificate {} in {} expired on {}; renew it",
            parsed.subject(),
            path.display(),
            validity.not_after
        );
        ensure!(
            now >= validity.not_before,
            "the certificate {} in {} is not valid before {}; check the clock, or give another certificate",
            parsed.subject(),
            path.display(),
            validity.not_before
        );
    }
    Ok(())
}
