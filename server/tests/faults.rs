//! Peers that fail in every phase of a connection: the server ends each connection within its deadline, sends the alert or
//! close code if there is one, and counts it by its kind. A new echo works afterwards, and no descriptor leaks.

mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use common::{
    BINARY, PATIENCE, Server, TEXT, client_config, frame, header, on_every_engine, read_to_end, request, wait_for,
};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

/// The content type of a TLS alert.
const ALERT: u8 = 21;
/// A plaintext close_notify, as a client sends it before it has keys.
const CLOSE_NOTIFY: [u8; 7] = [ALERT, 3, 3, 0, 2, 1, 0];
const SHORT: [&str; 2] = ["--handshake-timeout", "1s"];

/// The bytes of a ClientHello.
fn client_hello(server: &Server) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(client_config(server.ca_pem()), name).expect("a client");
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).expect("writing to memory");
    assert!(hello.len() > 200, "a ClientHello has more than {} bytes", hello.len());
    hello
}

/// Waits for the end of a connection, by FIN or reset. Returns the bytes received before.
fn assert_ends(stream: &mut TcpStream) -> Vec<u8> {
    let (bytes, ended) = read_to_end(stream);
    if let Err(error) = ended {
        assert!(is_end(&error), "the connection was not ended: {error}");
    }
    bytes
}

/// Whether an error means that the peer is gone, not that a wait timed out.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof
    )
}

/// Sends the bytes slowly, one by one, until the connection ends; fails if all of them are sent.
fn drip(tcp: &TcpStream, mut stream: impl Read + Write, bytes: &[u8]) {
    tcp.set_read_timeout(Some(Duration::from_millis(25))).expect("a timeout");
    for byte in bytes {
        if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
            return;
        }
        match stream.read(&mut [0; 100]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => {
                assert!(is_end(&error), "{error}");
                return;
            }
        }
    }
    panic!("{} bytes were accepted one by one, so each extends the deadline", bytes.len());
}

fn ends_a_silent_connection(engine: &str) {
    let server = Server::start(engine, &SHORT);
    assert!(assert_ends(&mut server.tcp()).is_empty());
    server.await_count("tls", "timeout", 1);
    server.assert_echoes();
}

fn ends_a_connection_with_half_a_client_hello(engine: &str) {
    let server = Server::start(engine, &SHORT);
    let hello = client_hello(&server);
    let mut stream = server.tcp();
    stream.write_all(&hello[..hello.len() / 2]).expect("sending");
    assert!(assert_ends(&mut stream).is_empty());
    server.await_count("tls", "timeout", 1);
    server.assert_echoes();
}

fn a_dripping_client_hello_does_not_extend_the_deadline(engine: &str) {
    let server = Server::start(engine, &SHORT);
    let hello = client_hello(&server);
    let stream = server.tcp();
    drip(&stream, &stream, &hello[..hello.len() - 1]);
    server.await_count("tls", "timeout", 1);
    server.assert_echoes();
}

fn ends_a_connection_without_a_request(engine: &str) {
    let server = Server::start(engine, &SHORT);
    let mut stream = server.tls();
    let (bytes, _) = read_to_end(&mut stream);
    assert!(bytes.is_empty());
    server.await_count("upgrade", "timeout", 1);
    server.assert_echoes();
}

fn a_dripping_request_does_not_extend_the_deadline(engine: &str) {
    let server = Server::start(engine, &SHORT);
    let mut stream = server.tls();
    let tcp = stream.sock.try_clone().expect("a second handle");
    let long = request(&format!("X-Long: {}\r\n", "x".repeat(300)));
    drip(&tcp, &mut stream, &long.as_bytes()[..long.len() - 1]);
    server.await_count("upgrade", "timeout", 1);
    server.assert_echoes();
}

fn counts_an_end_before_tls_as_truncated(engine: &str) {
    let server = Server::start(engine, &[]);
    drop(server.tcp());
    server.await_count("tls", "truncated", 1);
    let mut stream = server.tcp();
    stream.write_all(&client_hello(&server)[..50]).expect("sending");
    stream.shutdown(Shutdown::Write).expect("ending");
    assert_ends(&mut stream);
    server.await_count("tls", "truncated", 2);
    server.assert_echoes();
}

fn counts_an_end_without_close_notify_as_truncated(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut in_the_request = server.tls();
    in_the_request.write_all(b"GET / HTTP/1.1\r\n").expect("sending");
    in_the_request.sock.shutdown(Shutdown::Write).expect("ending TCP alone");
    server.await_count("upgrade", "truncated", 1);

    let mut between_messages = server.websocket();
    between_messages.assert_echo(TEXT, b"before");
    between_messages.stream.sock.shutdown(Shutdown::Write).expect("ending TCP alone");
    server.await_count("echo", "truncated", 1);

    let mut within_a_frame = server.websocket();
    within_a_frame.send(&header(BINARY, 1000));
    within_a_frame.stream.sock.shutdown(Shutdown::Write).expect("ending TCP alone");
    server.await_count("echo", "truncated", 2);
    server.assert_echoes();
}

fn counts_an_end_without_close_frame_as_closed(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, b"before");
    peer.stream.conn.send_close_notify();
    peer.stream.flush().expect("sending close_notify");
    let (bytes, ended) = read_to_end(&mut peer.stream);
    assert!(bytes.is_empty(), "no Close frame is due: {bytes:?}");
    ended.expect("the server answers with close_notify");
    server.await_count("echo", "closed", 1);
    server.assert_echoes();
}

fn a_close_notify_after_the_client_hello_ends_the_handshake(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut stream = server.tcp();
    stream.write_all(&[client_hello(&server), CLOSE_NOTIFY.to_vec()].concat()).expect("sending");
    assert_ends(&mut stream);
    server.await_all_closed();
    assert_eq!(server.count("tls", "completed"), 0);
    assert_eq!(server.count("tls", "timeout"), 0, "detected at once, not by the deadline");
    server.assert_echoes();
}

fn ignores_data_after_close_notify(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, b"before");
    peer.stream.conn.send_close_notify();
    peer.stream.flush().expect("sending close_notify");
    // A record that cannot be decrypted, and a second alert in plaintext.
    let late = [&[23, 3, 3, 0, 32][..], &[0x5a; 32], &CLOSE_NOTIFY].concat();
    peer.stream.sock.write_all(&late).expect("sending behind it");
    let _ = read_to_end(&mut peer.stream);
    server.await_all_closed();
    assert_eq!(server.count("echo", "idle_timeout"), 0);
    server.assert_echoes();
}

fn counts_a_reset_inside_a_frame(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, b"before");
    peer.send(&[header(BINARY, 100_000), vec![1; 5000]].concat());
    rustix::net::sockopt::set_socket_linger(&peer.stream.sock, Some(Duration::ZERO)).expect("no lingering");
    drop(peer);
    server.await_count("echo", "reset", 1);
    server.await_all_closed();
    server.assert_echoes();
}

fn counts_a_reset_inside_the_handshake(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut stream = server.tcp();
    stream.write_all(&client_hello(&server)[..100]).expect("sending");
    wait_for("the connection", || (server.stats().connections_open == 1).then_some(()));
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("no lingering");
    drop(stream);
    server.await_count("tls", "reset", 1);
    server.await_all_closed();
    server.assert_echoes();
}

/// Sends bytes below the TLS of an open WebSocket. Returns the error of the client's TLS.
fn error_after_record(server: &Server, record: &[u8]) -> String {
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, b"before");
    peer.stream.sock.write_all(record).expect("sending");
    let (bytes, ended) = read_to_end(&mut peer.stream);
    assert!(bytes.is_empty(), "{bytes:?}");
    ended.expect_err("an invalid record ends the connection with an alert").to_string()
}

fn answers_a_tampered_record_with_an_alert(engine: &str) {
    let server = Server::start(engine, &[]);
    let record = [&[23, 3, 3, 0, 64][..], &[0x5a; 64]].concat();
    let said = error_after_record(&server, &record);
    assert!(said.contains("BadRecordMac") || said.contains("DecryptError"), "{said}");
    server.await_count("echo", "protocol", 1);
    server.assert_echoes();
}

fn answers_an_overlong_record_with_an_alert(engine: &str) {
    let server = Server::start(engine, &[]);
    // The limit is 2^14 + 256 bytes (RFC 8446 section 5.2); the header alone announces more.
    let said = error_after_record(&server, &[23, 3, 3, 0x48, 0x01]);
    assert!(said.contains("RecordOverflow") || said.contains("DecodeError"), "{said}");
    server.await_count("echo", "not_tls", 1);
    server.assert_echoes();
}

fn answers_garbage_with_an_alert(engine: &str) {
    let server = Server::start(engine, &[]);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0xff; 300], &[0; 300], b"SSH-2.0-OpenSSH\r\n"]
    {
        let before = server.count("tls", "not_tls");
        let mut stream = server.tcp();
        stream.write_all(garbage).expect("sending");
        let answer = assert_ends(&mut stream);
        assert_eq!(answer.first(), Some(&ALERT), "an alert, not {answer:?}");
        server.await_count("tls", "not_tls", before + 1);
    }
    server.assert_echoes();
}

fn a_hundred_faults_leak_no_descriptor(engine: &str) {
    let server = Server::start(engine, &[]);
    server.assert_echoes();
    server.await_all_closed();
    let before = server.open_files();
    for number in 0..100 {
        let mut peer = server.websocket();
        match number % 4 {
            0 => peer.send(&header(BINARY, 1000)),
            1 => peer.stream.sock.write_all(&[0xff; 100]).expect("sending"),
            2 => peer.send(&frame(0x83, b"wrong")),
            _ => rustix::net::sockopt::set_socket_linger(&peer.stream.sock, Some(Duration::ZERO)).expect("lingering"),
        }
    }
    server.await_all_closed();
    wait_for("the closing of the descriptors", || (server.open_files() <= before).then_some(()));
    server.assert_echoes();
}

fn silent_admin_clients_do_not_block_others(engine: &str) {
    let server = Server::start(engine, &[]);
    let address = server.ready.admin.trim_start_matches("http://").parse().expect("an address");
    let _silent: Vec<_> =
        (0..20).map(|_| TcpStream::connect_timeout(&address, PATIENCE).expect("connecting")).collect();
    server.assert_echoes();
    assert_eq!(server.stats().messages_echoed, 1);
}

on_every_engine! {
    ends_a_silent_connection,
    ends_a_connection_with_half_a_client_hello,
    a_dripping_client_hello_does_not_extend_the_deadline,
    ends_a_connection_without_a_request,
    a_dripping_request_does_not_extend_the_deadline,
    counts_an_end_before_tls_as_truncated,
    counts_an_end_without_close_notify_as_truncated,
    counts_an_end_without_close_frame_as_closed,
    a_close_notify_after_the_client_hello_ends_the_handshake,
    ignores_data_after_close_notify,
    counts_a_reset_inside_a_frame,
    counts_a_reset_inside_the_handshake,
    answers_a_tampered_record_with_an_alert,
    answers_an_overlong_record_with_an_alert,
    answers_garbage_with_an_alert,
    a_hundred_faults_leak_no_descriptor,
    silent_admin_clients_do_not_block_others,
}
