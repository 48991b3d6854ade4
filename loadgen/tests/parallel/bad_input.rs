//! Invalid input is rejected before anything is measured, with one sentence that says what to do.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use common::peer;
use common::{Ended, start_in, wssbench};

/// No phase was started and no result was printed.
fn assert_nothing_measured(ended: &Ended) {
    assert_eq!(ended.stdout, "", "{ended}");
    assert!(!ended.stderr.contains("begins"), "{ended}");
}

/// Rejected by wssbench: exit code 1 and one sentence that contains all of `says`.
fn assert_rejected(arguments: &[&str], says: &[&str]) {
    let ended = wssbench(&[&["run"], arguments].concat());
    let sentence = ended.refusal();
    assert_nothing_measured(&ended);
    for text in says {
        assert!(sentence.contains(text), "`{text}` is not in: {sentence}");
    }
}

/// Rejected by the parser of the command line: exit code 1 as well.
fn assert_rejected_by_parser(arguments: &[&str], says: &[&str]) {
    let ended = wssbench(arguments);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert_nothing_measured(&ended);
    for text in says {
        assert!(ended.stderr.contains(text), "`{text}` is not in: {ended}");
    }
}

#[test]
fn rejects_urls_that_name_no_target() {
    assert_rejected(&["127.0.0.1:8443"], &["`127.0.0.1:8443` is not a URL", "give one such as wss://127.0.0.1:8443/"]);
    assert_rejected(&["https://127.0.0.1:8443/"], &["the scheme of `https://", "use wss://, ws://, tls:// or tcp://"]);
    assert_rejected(&["ws://127.0.0.1:0/"], &["has port 0"]);
    assert_rejected(&["tls://127.0.0.1"], &["has no port"]);
    assert_rejected(&["wss://127.0.0.1:70000/"], &["is not a URL", "port"]);
    // RFC 6761 keeps .invalid for names that never resolve.
    assert_rejected(
        &["wss://no-such-host.invalid/"],
        &["no-such-host.invalid", "does not resolve", "check it, or give an address"],
    );
}

#[test]
fn rejects_numbers_without_effect() {
    assert_rejected_by_parser(&["run", "--rate", "0"], &["--rate", "would never send anything"]);
    assert_rejected_by_parser(&["run", "--rate=-3"], &["--rate", "a rate of -3 would never send anything"]);
    assert_rejected_by_parser(&["run", "--connect-rate", "often"], &["--connect-rate", "500/s, 20k/s or max"]);
    assert_rejected(&["--size", "0"], &["--size is 0"]);
    assert_rejected(&["--connections", "0"], &["--connections is 0; give at least 1"]);
    assert_rejected(&["--in-flight", "0"], &["--in-flight is 0; give at least 1"]);
    assert_rejected(&["--threads", "0"], &["--threads is 0; give at least 1"]);
    assert_rejected(&["--duration", "0s"], &["--duration is 0"]);
    assert_rejected(&["--echo-timeout", "0s"], &["--echo-timeout is 0"]);
    assert_rejected(&["--deflate", "--deflate-window-bits", "8"], &["--deflate-window-bits is 8", "from 9 to 15"]);
    assert_rejected(&["--deflate", "--deflate-level", "0"], &["--deflate-level is 0", "from 1 to 9"]);
    assert_rejected(&["--deflate-level", "1"], &["--deflate-level has no effect without --deflate", "add --deflate"]);
}

#[test]
fn rejects_numbers_beyond_clock_and_memory() {
    assert_rejected(&["--rate", "1e-300"], &["--rate is too low: each connection would send less than once a year"]);
    assert_rejected(&["--rate", "1e300"], &["--rate is", "at most 10M/s"]);
    assert_rejected(
        &["--connect-rate", "1e-300"],
        &["--connect-rate is too low: each thread would connect less than once a year"],
    );
    assert_rejected(&["--duration", "500000000000y"], &["--duration is", "give at most 1year"]);
    assert_rejected(&["--handshake-timeout", "500000000000y"], &["--handshake-timeout is", "give at most 1year"]);
    assert_rejected(&["--size", "1TiB", "--connections", "10"], &["MiB of memory", "MiB are available"]);
}

#[test]
fn rejects_more_connections_than_open_files() {
    assert_rejected(
        &["--connections", "100000000"],
        &["100000000 connections require 100000064 open files, but the hard limit is", "open at most", "ulimit -Hn"],
    );
}

#[test]
fn rejects_unknown_options_and_verbs() {
    assert_rejected_by_parser(&["run", "--speed", "3"], &["unexpected argument '--speed'", "Usage: wssbench run"]);
    assert_rejected_by_parser(&["serv"], &["unknown verb `serv`; did you mean `serve`?"]);
    // Without a verb the first argument is the URL of `run`.
    assert_rejected_by_parser(&["measure"], &["`measure` is not a URL"]);
    assert_rejected_by_parser(&["run", "--engine", "kqueue"], &["kqueue", "[possible values: "]);
    assert_rejected(&["--insecure", "--ca", "x.pem"], &["--insecure cannot be combined with --ca or --verify"]);
}

#[test]
fn rejects_missing_and_invalid_config_files_by_line() {
    assert_rejected(&["--config", "missing.toml"], &["cannot read missing.toml: No such file or directory"]);
    for (text, says) in [
        ("connections = 7\nspeed = 3\n", ["line 2", "unknown field `speed`"]),
        ("connections = 7\n\n[limits]\nechoes = \"1s\"\n", ["line 4", "unknown field `echoes`"]),
        ("rate = \"max\"\nduration = \"soon\"\n", ["line 2", "invalid duration `soon`"]),
        ("connections = seven\n", ["line 1", "invalid options in run.toml"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.toml"), text).unwrap();
        let ended = start_in(folder, &["run", "--config", "run.toml"]).end_within(common::BOUND);
        assert_eq!(ended.code(), Some(1), "{ended}");
        assert_nothing_measured(&ended);
        for text in says {
            assert!(ended.stderr.contains(text), "`{text}` is not in: {ended}");
        }
    }
}

#[test]
fn rejects_options_that_exclude_each_other() {
    assert_rejected(
        &["--server-closes", "--layer", "tcp", "--mode", "handshake"],
        &["--server-closes requires a Close frame or close_notify, but the layer is tcp"],
    );
    assert_rejected(
        &["--subprotocol", "chat", "--layer", "tls"],
        &["--subprotocol requires WebSocket, but the layer is tls"],
    );
    let url = format!("ws://{}/", peer::nobody());
    assert_rejected(&[&url, "--server-engine", "epoll"], &["--server-engine applies only to the embedded server"]);
    assert_rejected(&[&url, "--layer", "ws"], &["--layer cannot be combined with a URL"]);
    assert_rejected(&["--server-stats", "http://127.0.0.1:1"], &["--server-stats requires a URL or --server COMMAND"]);
    assert_rejected(&[&url, "--at", &url], &["--at cannot be combined with a URL; remove one of them"]);
}

#[test]
fn rejects_what_does_not_go_with_http_2_or_redirections() {
    let url = format!("wss://{}/", peer::nobody());
    let plain = url.replace("wss", "ws");
    assert_rejected(&["--http", "2"], &["--http requires a URL"]);
    assert_rejected(&["--follow", "1"], &["--follow requires a URL"]);
    assert_rejected(&["--http", "2", "--layer", "tls"], &["--http requires WebSocket, but the layer is tls"]);
    assert_rejected(&[&url, "--http", "2", "--alpn", "h3"], &["--alpn cannot be combined with --http 2"]);
    assert_rejected(&[&url, "--alpn", "h2"], &["use --http 2 instead of --alpn h2"]);
    let early = ["--early-data", "--resume", "100%"];
    assert_rejected(
        &[&[url.as_str(), "--http", "2"], &early[..]].concat(),
        &["--early-data cannot be combined with --http 2"],
    );
    assert_rejected(
        &[&url, "--http", "2", "--header", "TE: trailers"],
        &["is not sent with HTTP/2; remove the field, or use HTTP/1.1"],
    );
    // Only where the redirections end is it known whether there is TLS.
    assert_rejected(&[&plain, "--suite", "aes128"], &["--suite requires TLS, but the layer is ws"]);
    assert_rejected(&[&plain, "--suite", "aes128", "--follow", "1"], &["--suite requires TLS, but the layer is ws"]);
    assert_rejected_by_parser(&["run", &url, "--http", "3"], &["3", "[possible values: 1.1, 2]"]);
    for options in [["--http", "2"], ["--follow", "1"]] {
        let ended = wssbench(&[&["trace", url.as_str()], &options[..]].concat());
        assert!(ended.refusal().contains("supports neither --http 2 nor --follow"), "{ended}");
    }
}

#[test]
fn rejects_urls_that_are_not_admin_endpoints() {
    let echo = peer::websocket(|mut socket| peer::echo(&mut socket));
    let url = format!("ws://{echo}/");
    let nobody = format!("http://{}", peer::nobody());
    assert_rejected(
        &[&url, "--server-stats", &nobody],
        &["cannot read the server's admin endpoint", "/stats", "refused"],
    );
    let another = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    let another = format!("http://{another}");
    assert_rejected(&[&url, "--server-stats", &another], &["cannot read the server's admin endpoint", "missing field"]);
}

#[test]
fn rejects_cpus_that_are_not_available() {
    assert_rejected(&["--client-cpus", "999"], &["CPU 999 is not available to this process (allowed: "]);
    assert_rejected(&["--server-cpus", "0,999"], &["CPU 999 is not available to this process (allowed: "]);
    assert_rejected_by_parser(
        &["run", "--client-cpus", "first"],
        &["invalid CPU list `first`; expected numbers and ranges such as 0 or 1-3,5"],
    );
}

#[test]
fn rejects_output_files_that_cannot_be_written() {
    assert_rejected(
        &["--out", "/proc/no/such/place.json"],
        &["cannot write /proc/no/such/place.json; choose another --out"],
    );
    assert_rejected(&["--out", "."], &[". is a directory; give a file name with --out"]);
    // A socket stands for everything that is not a regular file: a device would be replaced.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_rejected(&["--out", socket.to_str().unwrap()], &["refusing to replace", "is not a regular file"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("results"), "a file in place of the directory").unwrap();
    let ended = start_in(folder, &["run"]).end_within(common::BOUND);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert_nothing_measured(&ended);
    assert!(ended.stderr.contains("cannot write results/runs/"), "{ended}");
}

#[test]
fn rejects_ca_files_without_certificates() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let url = format!("wss://{}/", peer::nobody());
    let arguments = ["run", &url, "--ca", "ca.pem"];
    let sentence = start_in(folder, &arguments).end_within(common::BOUND).refusal();
    assert!(sentence.contains("ca.pem contains no certificate; give a PEM file"), "{sentence}");
    assert_rejected(&[&url, "--ca", "missing.pem"], &["cannot read certificates from missing.pem"]);
}
