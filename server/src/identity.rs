//! The server's certificate and key, and the TLS configuration made from them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio_rustls::TlsAcceptor;
use wss_model::config::tls::{CertificateChoice, CertificateKind, CostSplit};
use wss_wire::tls::{Identity, Role, ServerExtras, certificate_kind, read_certificates, server_config};

use crate::context::ServerTls;
use crate::options::ServeOptions;

/// The certificate and key from the files of `--cert` and `--key`, or generated; `None` if the layer has no TLS.
///
/// # Errors
/// If a file cannot be read, or a name cannot be part of a certificate.
pub(crate) fn identity(options: &ServeOptions) -> anyhow::Result<Option<Identity>> {
    if !options.layer.has_tls() {
        return Ok(None);
    }
    if let (Some(CertificateChoice::File(certificate)), Some(key)) = (&options.tls.cert, &options.tls.key) {
        return Identity::read(certificate, key).map(Some);
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let address = Some(options.listen.ip()).filter(|address| !address.is_unspecified());
    for name in address.map(|address| address.to_string()).into_iter().chain(options.names.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let kind = options.tls.certificate_kind().unwrap_or(CertificateKind::EcdsaP256);
    Identity::generate(Role::Server, &names, kind, options.tls.chain.unwrap_or(1)).map(Some)
}

/// The TLS settings of a server with this identity.
///
/// # Errors
/// If the file of `--client-ca` cannot be read, or the options and the identity do not fit together.
pub(crate) fn server_tls(options: &ServeOptions, identity: &Identity) -> anyhow::Result<ServerTls> {
    let client_ca = options.client_ca.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
    let extras = ServerExtras { client_ca, sessions: options.limits.max_sessions };
    Ok(ServerTls {
        acceptor: TlsAcceptor::from(Arc::new(server_config(&options.tls, identity, &extras)?)),
        certificate: certificate_kind(&identity.chain[0]).into(),
        timed: options.tls.cost_split() != CostSplit::Off,
    })
}

/// Writes the generated CA for clients to trust.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_ca(path: &Path, pem: &str) -> anyhow::Result<()> {
    std::fs::write(path, pem)
        .with_context(|| format!("cannot write the CA to {}; choose another file with --ca-out", path.display()))
}
