//! Every valid combination of suite, certificate, group and provider: a handshake over a socket and one echo, full,
//! resumed and, with TLS 1.3, with early data. The labels of both ends must match the options.
//!
//! [`TlsOptions::check`] and the provider decide which combinations are valid; the tests assert how many there are.

// A test fails by panicking.
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
    CertificateKinds, ClientConfigs, HandshakeLabel, Identity, Provider, RequestedTls, Role, ServerExtras, Trust,
    certificate_kind, client_config, server_config,
};
use wss_wire::upgrade::{self, ClientUpgrade, PrefixedStream, ServerUpgrade};
use wss_wire::websocket::{self, Message, SharedStream};

const LOCALHOST: &str = "localhost";
const GREETING: &[u8] = b"the same bytes come back";

/// One identity per kind, generated once because RSA keys take long.
fn identities() -> HashMap<CertificateKind, (Identity, Trust)> {
    let identity = |&kind: &CertificateKind| {
        let identity = Identity::generate(Role::Server, &[LOCALHOST.to_owned()], kind, 2).unwrap();
        let pem = identity.ca_pem.clone().unwrap();
        let trust = Trust::only(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()]);
        (kind, (identity, trust))
    };
    CertificateKind::ALL.iter().map(identity).collect()
}

fn request() -> ClientUpgrade {
    ClientUpgrade {
        host: LOCALHOST.into(),
        path: "/".into(),
        subprotocol: None,
        deflate: None,
        fields: "".into(),
        run: None,
        key: [7; 16],
        max_head_size: 4096,
    }
}

/// The client: TLS (with the request as early data if `early`), upgrade, one echo. Returns the label.
async fn connect(
    address: std::net::SocketAddr,
    configs: &ClientConfigs,
    requested: &RequestedTls,
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
    let label = HandshakeLabel::of(connection, certificate, connection.is_early_data_accepted());
    requested.check(&label, connection.alpn_protocol(), resume).unwrap();
    let upgraded = if early {
        upgrade::read_response(&mut stream, &request()).await.unwrap()
    } else {
        upgrade::connect(&mut stream, &request()).await.unwrap()
    };
    let mut stream = SharedStream::new(PrefixedStream::new(stream, upgraded.leftover));
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), End::Client, 1 << 16);
    writer.send(OpCode::Binary, GREETING.to_vec().into()).await.unwrap();
    match reader.next().await.unwrap() {
        Message::Binary(echo) => assert_eq!(&echo[..], GREETING),
        other => panic!("{other:?} instead of the echo"),
    }
    stream.shutdown().await.unwrap();
    label.negotiated()
}

/// The server, for one connection. Returns the label.
async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor, certificate: Arc<str>) -> Negotiated {
    use std::io::Read as _;
    let (tcp, _) = listener.accept().await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut stream = acceptor.accept(tcp).await.unwrap();
    let mut early = Vec::new();
    let accepted_early_data =
        stream.get_mut().1.early_data().is_some_and(|mut data| data.read_to_end(&mut early).is_ok());
    let label = HandshakeLabel::of(stream.get_ref().1, certificate, accepted_early_data).negotiated();
    let mut stream = PrefixedStream::new(stream, early);
    let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await.unwrap();
    stream.unread(accepted.leftover);
    let mut stream = SharedStream::new(stream);
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), End::Server, 1 << 16);
    if let Message::Binary(payload) = reader.next().await.unwrap() {
        writer.send(OpCode::Binary, payload).await.unwrap();
    }
    let _ = stream.shutdown().await;
    label
}

/// Both ends of a full handshake, then of a resumed one, with early data if the options say so.
async fn both_kinds(options: &TlsOptions, providers: [ProviderKind; 2], identity: &Identity, trust: &Trust) {
    let [server, client] = providers.map(|provider| TlsOptions { provider: Some(provider), ..options.clone() });
    let extras = ServerExtras { sessions: 16, ..ServerExtras::default() };
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&server, identity, &extras).unwrap()));
    let configs = ClientConfigs::new(&client_config(&client, trust, None).unwrap(), &client, 16);
    let requested = RequestedTls::new(&client);
    let certificate: Arc<str> = certificate_kind(&identity.chain[0]).into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for resume in [false, true] {
        let early = resume && options.early_data;
        let (ours, theirs) = tokio::join!(
            connect(address, &configs, &requested, resume, early),
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

/// The ways to resume with the version of a suite; the last one of TLS 1.3 is with early data.
fn resumptions(suite: Suite) -> Vec<(ResumeBy, bool)> {
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
                let supports = |role| Provider::new(&options, role).is_ok();
                if options.check().is_ok() && supports(Role::Server) && supports(Role::Client) {
                    all.push(options);
                }
            }
        }
    }
    all
}

async fn run_all(pairs: impl Iterator<Item = (TlsOptions, [ProviderKind; 2])>) -> usize {
    let identities = Rc::new(identities());
    let mut count = 0;
    for (options, providers) in pairs {
        let (identity, trust) = &identities[&options.certificate_kind().unwrap()];
        for (by, early_data) in resumptions(options.suite.unwrap()) {
            let options = TlsOptions {
                resume: Some("100%".parse().unwrap()),
                resume_by: Some(by),
                early_data,
                ..options.clone()
            };
            both_kinds(&options, providers, identity, trust).await;
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn both_ends_label_every_combination_of_one_provider() {
    let counts: Vec<usize> = ProviderKind::ALL.iter().map(|&provider| combinations(provider).len()).collect();
    // aws-lc-rs: 3 suites of TLS 1.3 × 9 certificates × 7 groups, and 6 of TLS 1.2 × 3 × 3. The others lack ML-DSA and
    // some groups; Graviola's suites of TLS 1.2 do not include Ed25519.
    assert_eq!(counts, [3 * 9 * 7 + 54, 3 * 6 * 3 + 54, 3 * 6 * 4 + 54 - 9]);
    let all = ProviderKind::ALL
        .iter()
        .flat_map(|&provider| combinations(provider).into_iter().map(move |options| (options, [provider, provider])));
    assert_eq!(run_all(all).await, 2 * counts.iter().sum::<usize>());
}

#[tokio::test]
async fn both_ends_label_every_combination_of_two_providers() {
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
    assert_eq!(run_all(pairs.clone().into_iter()).await, 2 * pairs.len());
}
