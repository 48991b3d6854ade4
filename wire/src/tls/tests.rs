//! Certificates, configurations and labels, without sockets.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use wss_model::{TlsOptions, TlsVersion};

use wss_model::config::tls::{CertificateKind, Verify};

use super::{
    CertificateKinds, HandshakeLabel, Identity, LabelCounts, Role, ServerExtras, Trust, certificate_kind,
    client_config, server_config,
};

fn anyone() -> Trust {
    Trust::anyone(true)
}

fn identity() -> Identity {
    generate(CertificateKind::EcdsaP256, 1)
}

fn generate(kind: CertificateKind, chain: u8) -> Identity {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    Identity::generate(Role::Server, &names, kind, chain).unwrap()
}

fn trusting(identity: &Identity) -> Trust {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let pem = identity.ca_pem.clone().unwrap();
    Trust::only(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()])
}

/// A handshake in memory. Returns both ends, or the error of the one that failed.
fn handshake(
    server: &TlsOptions,
    client: &TlsOptions,
    identity: &Identity,
    trust: &Trust,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let server = server_config(server, identity, &ServerExtras::default()).unwrap();
    let client = client_config(client, trust, None).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok((client, server))
}

#[test]
fn both_ends_label_a_full_handshake_equally() {
    let identity = identity();
    for (version, name) in [(TlsVersion::V1_2, "TLSv1.2"), (TlsVersion::V1_3, "TLSv1.3")] {
        let options = TlsOptions { tls_version: Some(version), ..TlsOptions::default() };
        let (client, server) =
            handshake(&options, &TlsOptions::default(), &identity, &trusting(&identity), "localhost").unwrap();
        let kind: Arc<str> = certificate_kind(&identity.chain[0]).into();
        assert_eq!(&*kind, "ecdsa-p256");
        let label = HandshakeLabel::of(&client, CertificateKinds::default().of(client.peer_certificates()), false);
        assert_eq!(label, HandshakeLabel::of(&server, kind, false));
        assert!(!label.is_resumed());
        assert_eq!(label.negotiated().version, name);
    }
}

#[test]
fn resumes_nothing_by_default() {
    let identity = identity();
    let client = Arc::new(client_config(&TlsOptions::default(), &trusting(&identity), None).unwrap());
    let server = Arc::new(server_config(&TlsOptions::default(), &identity, &ServerExtras::default()).unwrap());
    assert_eq!(server.send_tls13_tickets, 0);
    assert!(!server.session_storage.can_cache());
    // The client stores nothing, even if the server sends tickets: two handshakes with one configuration.
    for _ in 0..2 {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&client), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let mut generous = (*server).clone();
        generous.send_tls13_tickets = 2;
        let mut server = ServerConnection::new(Arc::new(generous)).unwrap();
        server.read_tls(&mut hello.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        assert_eq!(server.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn rejects_an_unknown_ca_and_a_wrong_name_unless_anyone_is_trusted() {
    let (one, other) = (identity(), identity());
    let options = TlsOptions::default();
    let unknown_ca = handshake(&options, &options, &one, &trusting(&other), "localhost").unwrap_err();
    assert!(matches!(unknown_ca, rustls::Error::InvalidCertificate(_)), "{unknown_ca}");
    let misnamed = handshake(&options, &options, &one, &trusting(&one), "example.org").unwrap_err();
    assert!(misnamed.to_string().contains("not valid for name"), "{misnamed}");
    assert!(handshake(&options, &options, &one, &anyone(), "example.org").is_ok());
    assert_eq!((anyone().verify(), trusting(&one).verify()), (Verify::NoChain, Verify::Full));
}

#[test]
fn fails_without_a_common_version() {
    let identity = identity();
    let only = |version| TlsOptions { tls_version: Some(version), ..TlsOptions::default() };
    let failed =
        handshake(&only(TlsVersion::V1_2), &only(TlsVersion::V1_3), &identity, &trusting(&identity), "localhost");
    assert!(failed.is_err());
}

#[test]
fn counts_equal_labels_together_most_frequent_first() {
    let identity = identity();
    let label = |version| {
        let options = TlsOptions { tls_version: Some(version), ..TlsOptions::default() };
        let (client, _) = handshake(&options, &options, &identity, &anyone(), "localhost").unwrap();
        HandshakeLabel::of(&client, "ecdsa-p256".into(), false)
    };
    let mut counts = LabelCounts::default();
    counts.add(label(TlsVersion::V1_2));
    for _ in 0..2 {
        counts.add(label(TlsVersion::V1_3));
    }
    let mut twice = counts.clone();
    twice.merge(&counts);
    let counted: Vec<_> = twice.describe().into_iter().map(|entry| (entry.negotiated.version, entry.count)).collect();
    assert_eq!(counted, [("TLSv1.3".to_owned(), 4), ("TLSv1.2".to_owned(), 2)]);
}

#[test]
fn names_a_file_without_certificate_or_key() {
    let folder = std::env::temp_dir().join(format!("wss-wire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (empty, missing) = (folder.join("empty.pem"), folder.join("missing.pem"));
    std::fs::write(&empty, "nothing\n").unwrap();
    for path in [&empty, &missing] {
        let error = format!("{:#}", Identity::read(path, path).unwrap_err());
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
