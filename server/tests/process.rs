//! The server as a process: it starts or reports why not, ends cleanly within its time limit, and leaves its port to the
//! next one.

mod common;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{BINARY, CLOSE, Server, TEXT, WebSocket, frame, on_every_engine, read_to_end, refused, tls_over};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use wss_server::Event;
use wss_server::event::{DrainReason, FailureCode};

/// PEM of a CA, of a certificate that it signed for `localhost`, and of its key.
fn identity() -> (String, String, String) {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = leaf.signed_by(&key, &issuer).expect("a certificate").pem();
    (ca_pem, certificate, key.serialize_pem())
}

fn closes_fifty_busy_connections_with_1001_on_sigterm(engine: &str) {
    let mut server = Server::start(engine, &[]);
    let peers: Vec<_> = (0..50).map(|_| server.websocket()).collect();
    let echoes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for mut peer in peers {
            let echoes = &echoes;
            scope.spawn(move || {
                loop {
                    // May fail if the server has closed the connection; the Close frame is read below.
                    let _ = peer.stream.write_all(&frame(BINARY, b"load"));
                    let answer = peer.read();
                    if answer.first == CLOSE {
                        assert_eq!(answer.close(), (1001, "going away".to_owned()));
                        let _ = peer.stream.write_all(&frame(CLOSE, &1001_u16.to_be_bytes()));
                        read_to_end(&mut peer.stream).1.expect("a clean end");
                        return;
                    }
                    assert_eq!(answer.payload, b"load");
                    echoes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        common::wait_for("the load", || (echoes.load(Ordering::Relaxed) > 500).then_some(()));
        server.signal(Signal::TERM);
    });
    let (status, stderr) = server.ended();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

/// There is always a message to read, so the server must not wait for a pause to drain.
fn closes_a_peer_that_never_pauses_with_1001_on_sigterm(engine: &str) {
    let mut server = Server::start(engine, &["--layer", "ws"]);
    let mut peer = WebSocket::open(server.tcp());
    let mut sending = peer.stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || {
        let frames = frame(BINARY, b"and on").repeat(1000);
        while sending.write_all(&frames).is_ok() {}
    });
    for _ in 0..1000 {
        assert_eq!(peer.read().payload, b"and on");
    }
    server.signal(Signal::TERM);
    let close = loop {
        let answer = peer.read();
        if answer.first == CLOSE {
            break answer.close();
        }
    };
    assert_eq!(close, (1001, "going away".to_owned()));
    drop(peer);
    let (status, stderr) = server.ended();
    assert_eq!(status.code(), Some(0), "{stderr}");
    sender.join().expect("the sender ends when the connection does");
}

fn silent_peers_do_not_delay_the_exit(engine: &str) {
    let mut server = Server::start(engine, &["--drain-timeout", "1s"]);
    let mut silent = server.websocket();
    silent.assert_echo(BINARY, b"before");
    let half_open = server.tcp();
    let no_request = server.tls();
    server.signal(Signal::INT);
    // `ended` fails after PATIENCE, which exceeds the drain timeout.
    let (status, stderr) = server.ended();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(silent.read().close().0, 1001);
    drop((half_open, no_request));
}

fn a_second_signal_stops_at_once(engine: &str) {
    let mut server = Server::start(engine, &["--drain-timeout", "60s"]);
    let mut silent = server.websocket();
    server.signal(Signal::TERM);
    assert_eq!(silent.read().close().0, 1001, "the first signal drains");
    server.signal(Signal::TERM);
    let (status, stderr) = server.ended();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("while draining"), "{stderr}");
}

fn drains_when_standard_input_ends(engine: &str) {
    let mut server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, b"before");
    server.end_stdin();
    assert_eq!(peer.assert_closed(1001), "going away");
    assert!(matches!(server.next_event(), Event::Draining { reason: DrainReason::StdinClosed }));
    let (status, stderr) = server.ended();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

fn exits_on_sigterm_without_connections(engine: &str) {
    let mut server = Server::start(engine, &[]);
    let address = server.address();
    server.signal(Signal::TERM);
    assert!(matches!(server.next_event(), Event::Draining { reason: DrainReason::Signal }));
    let (status, stderr) = server.ended();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    std::net::TcpListener::bind(address).expect("the port is free again");
}

fn the_port_of_a_killed_server_is_free_at_once(engine: &str) {
    let mut server = Server::start(engine, &[]);
    let address = server.address().to_string();
    for _ in 0..5 {
        let mut peers: Vec<_> = (0..10).map(|_| server.websocket()).collect();
        peers.iter_mut().for_each(|peer| peer.assert_echo(BINARY, b"before"));
        server.signal(Signal::KILL);
        assert_eq!(server.ended().0.code(), None, "it was killed");
        // Immediately, while connections of the killed server are still in TIME_WAIT.
        server = Server::start(engine, &["--listen", &address]);
        server.assert_echoes();
        drop(peers);
    }
}

fn rejects_a_port_in_use(engine: &str) {
    let server = Server::start(engine, &[]);
    let address = server.address().to_string();
    refused(engine, &["--listen", &address]).assert_failure(FailureCode::Listen, &[&address, "--listen"]);
    server.assert_echoes();
    let admin = server.ready.admin.trim_start_matches("http://");
    refused(engine, &["--admin", admin]).assert_failure(FailureCode::Admin, &[admin, "--admin"]);
}

fn rejects_invalid_options(engine: &str) {
    let invalid = FailureCode::InvalidOptions;
    for (options, code, word) in [
        (["--max-connections", "0"], invalid, "--max-connections"),
        (["--max-message-size", "0B"], invalid, "--max-message-size"),
        (["--max-buffered", "0B"], invalid, "--max-buffered"),
        (["--max-head-size", "0B"], invalid, "--max-head-size"),
        (["--handshake-timeout", "0s"], invalid, "--handshake-timeout"),
        (["--path", "echo"], invalid, "--path"),
        (["--listen", "192.0.2.1:0"], FailureCode::Listen, "192.0.2.1"),
    ] {
        refused(engine, &options).assert_failure(code, &[word]);
    }
}

fn uses_the_certificate_and_key_from_files(engine: &str) {
    let files = tempfile::tempdir().expect("a folder");
    let path = |name: &str| files.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (ca, certificate, key) = identity();
    std::fs::write(path("certificate.pem"), certificate).expect("writing");
    std::fs::write(path("key.pem"), key).expect("writing");
    let server = Server::start(engine, &["--cert", &path("certificate.pem"), "--key", &path("key.pem")]);
    assert_eq!(server.ready.ca_pem, None, "no CA was generated");
    let mut peer = WebSocket::open(tls_over(server.tcp(), &ca));
    peer.assert_echo(TEXT, b"with the certificate of the files");
    peer.close();
}

fn rejects_unusable_certificates_and_keys(engine: &str) {
    let files = tempfile::tempdir().expect("a folder");
    let path = |name: &str| files.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let ((_, certificate, key), (_, _, other_key)) = (identity(), identity());
    for (name, text) in [("cert", certificate), ("key", key), ("other", other_key), ("text", "no PEM".to_owned())] {
        std::fs::write(path(name), text).expect("writing");
    }
    let (certificate, key) = (path("cert"), path("key"));
    for (wrong_certificate, wrong_key, words) in [
        (&path("missing"), &key, ["missing", "cannot read certificates"]),
        (&certificate, &path("missing"), ["missing", "cannot read a private key"]),
        (&path("text"), &key, ["text", "contains no certificate"]),
        (&key, &key, ["key", "contains no certificate"]),
        (&certificate, &path("text"), ["text", "cannot read a private key"]),
        (&certificate, &certificate, ["cert", "cannot read a private key"]),
        (&certificate, &path("other"), ["certificate", "key"]),
    ] {
        refused(engine, &["--cert", wrong_certificate, "--key", wrong_key])
            .assert_failure(FailureCode::Certificate, &words);
    }
}

fn the_ready_event_has_the_options(engine: &str) {
    let server = Server::start(engine, &["--path", "/echo", "--max-connections", "7", "--idle-timeout", "90s"]);
    let ready = &server.ready;
    assert!(ready.workers == 1 && ready.engine.to_string() == engine, "{ready:?}");
    assert_eq!(ready.url, format!("wss://{}/echo", server.address()));
    assert_ne!(server.address().port(), 0);
    assert_eq!(ready.pid, server.stats().pid);
    assert_eq!(ready.limits["max_connections"], 7);
    assert_eq!(
        ready.limits.as_object().map(serde_json::Map::len),
        Some(8),
        "the event has every limit: {}",
        ready.limits
    );
}

on_every_engine! {
    closes_fifty_busy_connections_with_1001_on_sigterm,
    closes_a_peer_that_never_pauses_with_1001_on_sigterm,
    silent_peers_do_not_delay_the_exit,
    a_second_signal_stops_at_once,
    drains_when_standard_input_ends,
    exits_on_sigterm_without_connections,
    the_port_of_a_killed_server_is_free_at_once,
    rejects_a_port_in_use,
    rejects_invalid_options,
    uses_the_certificate_and_key_from_files,
    rejects_unusable_certificates_and_keys,
    the_ready_event_has_the_options,
}
