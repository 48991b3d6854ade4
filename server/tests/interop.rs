//! The server against other clients: tokio-tungstenite for WebSocket, OpenSSL's s_client and Python's ssl for TLS, and
//! sockets for the layers without TLS.

mod common;

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use common::{BINARY, PATIENCE, Server, TEXT, WebSocket, client_config, on_every_engine, read_to_end};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message};

type Tungstenite = WebSocketStream<TlsStream<TcpStream>>;

/// Runs a client for at most [`PATIENCE`].
fn run(client: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, client).await.expect("the client ends in time") });
}

/// Opens a WebSocket with tungstenite, which checks the response itself.
async fn open(server: &Server, subprotocol: Option<&'static str>) -> Result<(Tungstenite, Response), Error> {
    let tcp = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = TlsConnector::from(Arc::clone(&client_config(server.ca_pem()))).connect(name, tcp).await?;
    let mut request = server.ready.url.replace("127.0.0.1", "localhost").into_client_request()?;
    if let Some(offered) = subprotocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(offered));
    }
    tokio_tungstenite::client_async(request, tls).await
}

fn echoes_the_messages_of_tungstenite(engine: &str) {
    let server = Server::start(engine, &[]);
    run(async {
        let (mut peer, _) = open(&server, None).await.expect("opening");
        let large: Vec<u8> = (0..200_000_u32).map(|index| u8::try_from(index % 251).expect("below 251")).collect();
        for message in
            [Message::text("Grüße, 世界"), Message::binary(large), Message::text(""), Message::binary(vec![0; 126])]
        {
            peer.send(message.clone()).await.expect("sending");
            assert_eq!(peer.next().await.expect("an answer").expect("an answer"), message);
        }
        peer.send(Message::Ping("are you there?".into())).await.expect("sending");
        assert_eq!(peer.next().await.expect("an answer").expect("an answer"), Message::Pong("are you there?".into()));
    });
    assert_eq!(server.stats().messages_echoed, 4);
}

fn echoes_the_fragments_of_tungstenite_as_one_message(engine: &str) {
    let server = Server::start(engine, &[]);
    run(async {
        let (mut peer, _) = open(&server, None).await.expect("opening");
        for (text, kind, last) in
            [("Hello", Data::Text, false), (", ", Data::Continue, false), ("World!", Data::Continue, true)]
        {
            let fragment = Frame::message(text, OpCode::Data(kind), last);
            peer.send(Message::Frame(fragment)).await.expect("sending");
        }
        assert_eq!(peer.next().await.expect("an answer").expect("an answer"), Message::text("Hello, World!"));
    });
}

fn closes_cleanly_with_tungstenite(engine: &str) {
    let server = Server::start(engine, &[]);
    run(async {
        let (mut peer, _) = open(&server, None).await.expect("opening");
        let close = CloseFrame { code: CloseCode::from(3999), reason: "done".into() };
        peer.close(Some(close.clone())).await.expect("closing");
        assert_eq!(peer.next().await.expect("an answer").expect("an answer"), Message::Close(Some(close)));
        assert!(peer.next().await.is_none(), "nothing comes after the Close frame");
    });
    server.await_count("echo", "completed", 1);
    server.assert_echoes();
}

fn agrees_on_a_subprotocol_with_tungstenite(engine: &str) {
    let server = Server::start(engine, &["--subprotocol", "chat"]);
    run(async {
        let (_, answer) = open(&server, Some("superchat, chat")).await.expect("opening");
        assert_eq!(answer.headers().get("Sec-WebSocket-Protocol"), Some(&HeaderValue::from_static("chat")));
        // tungstenite fails if the server selects none.
        let refused = open(&server, Some("superchat")).await.expect_err("no subprotocol in common");
        assert!(refused.to_string().to_lowercase().contains("subprotocol"), "{refused}");
    });
}

/// Starts a program that must be installed.
fn start(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test requires {program}, which cannot be started: {error}; install it"))
}

/// Runs a program to its end. Returns whether it succeeded, its standard output and its standard error. A line that
/// contains `until` ends its standard input.
fn finish(mut child: Child, input: &str, until: &str) -> (bool, String, String) {
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("writing to its standard input");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut stderr = child.stderr.take().expect("piped");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    let (mut output, mut stdin) = (String::new(), Some(stdin));
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                if line.contains(until) {
                    stdin = None;
                }
                output.push_str(&line);
                output.push('\n');
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                break;
            }
        }
    }
    drop(stdin);
    let status = child.wait().expect("a child of our own");
    (status.success(), output, errors.join().expect("reading text"))
}

fn s_client(server: &Server, ca: &Path, more: &[&str], input: &str, until: &str) -> (bool, String, String) {
    let address = server.address().to_string();
    let ca = ca.to_str().expect("a path in UTF-8");
    let mut arguments = vec!["s_client", "-connect", &address, "-CAfile", ca];
    arguments.extend(["-verify_return_error", "-x509_strict", "-verify_hostname", "localhost"]);
    arguments.extend(["-servername", "localhost"]);
    arguments.extend(more);
    finish(start("openssl", &arguments), input, until)
}

/// A server with its CA in a file of a temporary folder.
fn with_ca_file(engine: &str, options: &[&str]) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let server = Server::start(engine, &[options, &["--ca-out", ca.to_str().expect("a path in UTF-8")]].concat());
    assert_eq!(std::fs::read_to_string(&ca).expect("the CA's file"), server.ca_pem());
    (server, folder)
}

fn openssl_verifies_the_server_and_gets_an_echo(engine: &str) {
    let (server, folder) = with_ca_file(engine, &["--layer", "tls"]);
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (success, stdout, errors) =
            s_client(&server, &folder.path().join("ca.pem"), &[option], "Hello, World!\n", "Hello, World!");
        assert!(success, "{stdout}\n{errors}");
        assert!(stdout.lines().any(|line| line == "Hello, World!"), "{stdout}\n{errors}");
        assert!(stdout.contains("Verification: OK"), "{stdout}\n{errors}");
        assert!(stdout.contains(&format!("New, {version}, Cipher is")), "{stdout}\n{errors}");
    }
    server.await_count("echo", "completed", 2);
    let mut versions: Vec<_> = server.stats().negotiated.into_iter().map(|entry| entry.negotiated.version).collect();
    versions.sort();
    assert_eq!(versions, ["TLSv1.2", "TLSv1.3"]);
}

fn openssl_rejects_the_server_with_another_ca(engine: &str) {
    let (server, _folder) = with_ca_file(engine, &["--layer", "tls"]);
    let (_other, other_folder) = with_ca_file(engine, &["--layer", "tls"]);
    let (success, stdout, errors) =
        s_client(&server, &other_folder.path().join("ca.pem"), &[], "Hello, World!\n", "Hello, World!");
    assert!(!success, "a CA with the same name and another key must not verify: {stdout}\n{errors}");
    server.await_count("tls", "alert", 1);
}

fn rejects_a_disabled_version_of_openssl(engine: &str) {
    let (server, folder) = with_ca_file(engine, &["--layer", "tls", "--tls", "1.3"]);
    let (success, stdout, errors) =
        s_client(&server, &folder.path().join("ca.pem"), &["-tls1_2"], "Hello, World!\n", "Hello, World!");
    assert!(!success, "{stdout}\n{errors}");
    server.await_count("tls", "protocol", 1);
}

fn openssl_is_refused_a_renegotiation_at_once(engine: &str) {
    for layer in ["tls", "wss"] {
        let (server, folder) = with_ca_file(engine, &["--layer", layer]);
        // `R` renegotiates; `-msg` prints the alert that answers it.
        let (_, stdout, errors) =
            s_client(&server, &folder.path().join("ca.pem"), &["-tls1_2", "-msg"], "R\n", "no_renegotiation");
        assert!(stdout.contains("warning no_renegotiation"), "{layer}: {stdout}\n{errors}");
    }
}

fn openssl_opens_a_websocket(engine: &str) {
    let (server, folder) = with_ca_file(engine, &[]);
    let request = common::request("");
    let (_, stdout, errors) = s_client(&server, &folder.path().join("ca.pem"), &[], &request, "Sec-WebSocket-Accept");
    assert!(stdout.contains("HTTP/1.1 101 Switching Protocols"), "{stdout}\n{errors}");
    assert!(stdout.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{stdout}\n{errors}");
}

const PYTHON_CLIENT: &str = r#"
import socket, ssl, sys
host, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
for name in ("localhost", "127.0.0.1"):
    with socket.create_connection((host, port), timeout=20) as tcp:
        with context.wrap_socket(tcp, server_hostname=name) as tls:
            tls.sendall(b"Hello, World!")
            answer = b""
            while len(answer) < 13:
                piece = tls.recv(100)
                assert piece, "the server ended"
                answer += piece
            print(name, tls.version(), answer.decode())
            tls.unwrap()  # an end without close_notify would raise
"#;

fn python_verifies_the_server_and_gets_an_echo(engine: &str) {
    let (server, folder) = with_ca_file(engine, &["--layer", "tls"]);
    let (address, ca) = (server.address(), folder.path().join("ca.pem"));
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let child = start("python3", &["-c", PYTHON_CLIENT, &host, &port, ca.to_str().expect("a path in UTF-8")]);
    let (success, stdout, errors) = finish(child, "", "(no line ends the input)");
    assert!(success, "{stdout}\n{errors}");
    assert_eq!(stdout, "localhost TLSv1.3 Hello, World!\n127.0.0.1 TLSv1.3 Hello, World!\n");
    server.await_count("echo", "completed", 2);
}

fn echoes_the_bytes_of_a_plain_socket(engine: &str) {
    let server = Server::start(engine, &["--layer", "tcp"]);
    assert!(server.ready.url.starts_with("tcp://") && server.ready.ca_pem.is_none(), "{:?}", server.ready);
    let mut stream = server.tcp();
    let all = vec![7; 1 << 20];
    let mut back = vec![0; all.len()];
    std::thread::scope(|scope| {
        let mut sending = stream.try_clone().expect("a second handle");
        let sent = &all;
        scope.spawn(move || sending.write_all(sent).expect("sending"));
        stream.read_exact(&mut back).expect("the bytes back");
    });
    assert!(back == all);
    stream.shutdown(std::net::Shutdown::Write).expect("ending");
    let (rest, ended) = read_to_end(&mut stream);
    assert!(rest.is_empty() && ended.is_ok(), "{rest:?} {ended:?}");
    server.await_count("echo", "completed", 1);
    server.await_count("close", "completed", 1);
}

fn echoes_messages_without_tls(engine: &str) {
    let server = Server::start(engine, &["--layer", "ws"]);
    assert!(server.ready.url.starts_with("ws://") && server.ready.ca_pem.is_none(), "{:?}", server.ready);
    let mut peer = WebSocket::open(server.tcp());
    peer.assert_echo(TEXT, b"in the open");
    peer.assert_echo(BINARY, &vec![3; 100_000]);
    peer.close();
    server.await_count("echo", "completed", 1);
    assert!(server.stats().negotiated.is_empty(), "there is no TLS to count");
}

on_every_engine! {
    echoes_the_messages_of_tungstenite,
    echoes_the_fragments_of_tungstenite_as_one_message,
    closes_cleanly_with_tungstenite,
    agrees_on_a_subprotocol_with_tungstenite,
    openssl_verifies_the_server_and_gets_an_echo,
    openssl_rejects_the_server_with_another_ca,
    rejects_a_disabled_version_of_openssl,
    openssl_is_refused_a_renegotiation_at_once,
    openssl_opens_a_websocket,
    python_verifies_the_server_and_gets_an_echo,
    echoes_the_bytes_of_a_plain_socket,
    echoes_messages_without_tls,
}
