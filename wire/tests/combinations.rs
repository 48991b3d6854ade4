//! Every suite × certificate × group × provider that can be combined: one real handshake over a socket and one echo,
//! full, resumed and, with TLS 1.3, with early data. Both ends have to label it as it was asked for.
//!
//! What can be combined is not written down here a second time: a combination that [`TlsOptions::check`] or the
//! provider refuses has to be refused by it, and the numbers at the end say how many were not.

// A test that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use fastwebsockets::{OpCode, Role as End};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateChoice, CertificateKind, Group, ProviderKind, ResumeBy, Suite};
use wss_model::run_result::Negotiated;
use wss_wire::tls::{
    Asked, CertificateKinds, ClientConfigs, Identity, Label, Provider, Role, ServerExtras, Side, Trust,
    certificate_kind, client_config, server_config,
};
use wss_wire::upgrade::{self, ClientUpgrade, Prefixed, ServerUpgrade};
use wss_wire::websocket::{self, Message, Shared};

const LOCALHOST: &str = "localhost";
const GREETING: &[u8] = b"the same bytes come back";

/// One identity of each kind: RSA keys take their time.
fn identities() -> HashMap<CertificateKind, (Identity, Trust)> {
    let identity = |&kind: &CertificateKind| {
        let identity = Identity::generate(Role::Server, &[LOCALHOST.to_owned()], kind, 2).unwrap();
        let pem = identity.ca_pem.clone().unwrap();
        let trust = Trust::Only(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()]);
        (kind, (identity, trust))
    };
    CertificateKind::ALL.iter().map(identity).collect()
}

fn request() -> ClientUpgrade {
    ClientUpgrade { host: LOCALHOST.into(), path: "/".into(), subprotocol: None, key: [7; 16], max_head_size: 4096 }
}

/// What the client does: TLS (with the request as early data if `early`), upgrade, one echo. Gives the label.
async fn connect(
    address: std::net::SocketAddr,
    configs: &ClientConfigs,
    asked: &Asked,
    resume: bool,
    early: bool,
) -> Negotiated {
    use std::io::Write as _;
    let config = match &configs.resuming {
        Some((config, _)) if resume => config,
        _ => &configs.full,
    };
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from(LOCALHOST).unwrap();
    let text = upgrade::compose(&request()).unwrap();
    let connecting = TlsConnector::from(Arc::clone(config)).connect_with(name, tcp, |connection| {
        if early {
            connection.early_data().expect("a session to send early data with").write_all(text.as_bytes()).unwrap();
        }
    });
    let mut stream = connecting.await.unwrap();
    let connection = stream.get_ref().1;
    let certificate = CertificateKinds::default().of(connection.peer_certificates());
    let label = Label::of(connection, certificate, connection.is_early_data_accepted());
    asked.check(&label, connection.alpn_protocol(), resume).unwrap();
    let upgraded = if early {
        upgrade::read_answer(&mut stream, &request()).await.unwrap()
    } else {
        upgrade::connect(&mut stream, &request()).await.unwrap()
    };
    let mut stream = Shared::new(Prefixed::new(stream, upgraded.leftover));
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), End::Client, 1 << 16);
    writer.send(OpCode::Binary, GREETING.to_vec().into()).await.unwrap();
    match reader.next().await.unwrap() {
        Message::Binary(echo) => assert_eq!(&echo[..], GREETING),
        other => panic!("{other:?} instead of the echo"),
    }
    stream.shutdown().await.unwrap();
    label.negotiated()
}

/// What the server does with one connection; gives its label.
async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor, certificate: Arc<str>) -> Negotiated {
    use std::io::Read as _;
    let (tcp, _) = listener.accept().await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut stream = acceptor.accept(tcp).await.unwrap();
    let mut early = Vec::new();
    let taken = stream.get_mut().1.early_data().is_some_and(|mut data| data.read_to_end(&mut early).is_ok());
    let label = Label::of(stream.get_ref().1, certificate, taken).negotiated();
    let mut stream = Prefixed::new(stream, early);
    let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await.unwrap();
    stream.unread(accepted.leftover);
    let mut stream = Shared::new(stream);
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), End::Server, 1 << 16);
    if let Message::Binary(payload) = reader.next().await.unwrap() {
        writer.send(OpCode::Binary, payload).await.unwrap();
    }
    let _ = stream.shutdown().await;
    label
}

/// Both ends of a full handshake, and of a resumed one or one with early data.
async fn both_kinds(options: &TlsOptions, sides: [ProviderKind; 2], identity: &Identity, trust: &Trust) {
    let [server, client] = sides.map(|provider| TlsOptions { provider: Some(provider), ..options.clone() });
    let extras = ServerExtras { sessions: 16, ..ServerExtras::default() };
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&server, identity, &extras).unwrap()));
    let configs = ClientConfigs::new(&client_config(&client, trust, None).unwrap(), &client, 16);
    let asked = Asked::new(&client);
    let certificate: Arc<str> = certificate_kind(&identity.chain[0]).into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for resume in [false, true] {
        let early = resume && options.early_data;
        let (ours, theirs) = tokio::join!(
            connect(address, &configs, &asked, resume, early),
            accept(&listener, &acceptor, Arc::clone(&certificate))
        );
        assert_eq!(ours, theirs, "{server:?} and {client:?}");
        let kind = if early { "early-data" } else { ["full", "resumed"][usize::from(resume)] };
        assert_eq!(ours.kind, kind, "{server:?} and {client:?}");
        assert_eq!(ours.suite, options.suite.unwrap().name());
        assert_eq!(ours.certificate, options.certificate_kind().unwrap().name());
        let group = if resume && ours.version == "TLSv1.2" { "none" } else { options.group.unwrap().name() };
        assert_eq!(ours.group, group);
    }
}

/// The ways to resume that a suite's version has; the last of TLS 1.3 is early data.
fn ways(suite: Suite) -> Vec<(ResumeBy, bool)> {
    match suite.version() {
        wss_model::TlsVersion::V1_2 => vec![(ResumeBy::Ticket, false), (ResumeBy::SessionId, false)],
        wss_model::TlsVersion::V1_3 => vec![(ResumeBy::Ticket, false), (ResumeBy::Stateful, true)],
    }
}

fn combinations(provider: ProviderKind) -> Vec<TlsOptions> {
    let mut all = Vec::new();
    for &suite in Suite::ALL {
        for &certificate in CertificateKind::ALL {
            for &group in Group::ALL {
                let options = TlsOptions {
                    suite: Some(suite),
                    cert: Some(CertificateChoice::Kind(certificate)),
                    group: Some(group),
                    provider: Some(provider),
                    ..TlsOptions::default()
                };
                let has = |side| Provider::new(&options, side).is_ok();
                if options.check().is_ok() && has(Side::Server) && has(Side::Client) {
                    all.push(options);
                }
            }
        }
    }
    all
}

async fn drive(pairs: impl Iterator<Item = (TlsOptions, [ProviderKind; 2])>) -> usize {
    let identities = Rc::new(identities());
    let mut driven = 0;
    for (options, sides) in pairs {
        let (identity, trust) = &identities[&options.certificate_kind().unwrap()];
        for (by, early_data) in ways(options.suite.unwrap()) {
            let options = TlsOptions {
                resume: Some("100%".parse().unwrap()),
                resume_by: Some(by),
                early_data,
                ..options.clone()
            };
            both_kinds(&options, sides, identity, trust).await;
            driven += 1;
        }
    }
    driven
}

/// Every combination with the same provider on both ends.
#[tokio::test]
async fn every_combination_of_a_provider_with_itself_is_what_was_asked_for_on_both_ends() {
    let counts: Vec<usize> = ProviderKind::ALL.iter().map(|&provider| combinations(provider).len()).collect();
    // aws-lc-rs: 3 suites of 1.3 × 9 certificates × 7 groups, 6 of 1.2 × 3 × 3. The others lack ML-DSA, and groups;
    // Graviola's suites of 1.2 do not take Ed25519.
    assert_eq!(counts, [3 * 9 * 7 + 54, 3 * 6 * 3 + 54, 3 * 6 * 4 + 54 - 9]);
    let all = ProviderKind::ALL
        .iter()
        .flat_map(|&provider| combinations(provider).into_iter().map(move |options| (options, [provider, provider])));
    assert_eq!(drive(all).await, 2 * counts.iter().sum::<usize>());
}

/// Every combination that two different providers both have.
#[tokio::test]
async fn every_combination_of_two_providers_is_what_was_asked_for_on_both_ends() {
    let mut pairs = Vec::new();
    for &server in ProviderKind::ALL {
        for &client in ProviderKind::ALL.iter().filter(|&&client| client != server) {
            let of_client = combinations(client);
            let both = combinations(server)
                .into_iter()
                .filter(|options| of_client.contains(&TlsOptions { provider: Some(client), ..options.clone() }));
            pairs.extend(both.map(|options| (options, [server, client])));
        }
    }
    let (aws_ring, aws_graviola, ring_graviola) = (3 * 6 * 3 + 54, 3 * 6 * 4 + 54 - 9, 3 * 6 * 3 + 54 - 9);
    assert_eq!(pairs.len(), 2 * (aws_ring + aws_graviola + ring_graviola));
    assert_eq!(drive(pairs.clone().into_iter()).await, 2 * pairs.len());
}
