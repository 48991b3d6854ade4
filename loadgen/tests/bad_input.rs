//! What no run could be is refused before anything is measured, in one sentence that says what to change.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use common::peer;
use common::{Ended, start_in, wssbench};

/// That nothing was begun: no phase, no result.
fn assert_nothing_measured(ended: &Ended) {
    assert_eq!(ended.stdout, "", "{ended}");
    assert!(!ended.stderr.contains("begins"), "{ended}");
}

/// Refused by wssbench itself: exit code 1 and a sentence that has all of `says`.
fn refused(arguments: &[&str], says: &[&str]) {
    let ended = wssbench(&[&["run"], arguments].concat());
    let sentence = ended.refusal();
    assert_nothing_measured(&ended);
    for part in says {
        assert!(sentence.contains(part), "`{part}` is not in: {sentence}");
    }
}

/// Refused by the parser of the command line: exit code 1 as well, with the option and what is wrong with it.
fn refused_by_the_parser(arguments: &[&str], says: &[&str]) {
    let ended = wssbench(arguments);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert_nothing_measured(&ended);
    for part in says {
        assert!(ended.stderr.contains(part), "`{part}` is not in: {ended}");
    }
}

#[test]
fn a_url_that_names_no_target() {
    refused(&["127.0.0.1:8443"], &["`127.0.0.1:8443` is not a URL", "give one such as wss://127.0.0.1:8443/"]);
    refused(&["https://127.0.0.1:8443/"], &["the scheme of `https://", "use wss://, ws://, tls:// or tcp://"]);
    refused(&["ws://127.0.0.1:0/"], &["has port 0"]);
    refused(&["tls://127.0.0.1"], &["has no port"]);
    refused(&["wss://127.0.0.1:70000/"], &["is not a URL", "port"]);
    // RFC 6761 keeps .invalid for names that never resolve.
    refused(
        &["wss://no-such-host.invalid/"],
        &["no-such-host.invalid", "does not resolve", "check it, or give an address"],
    );
}

#[test]
fn a_number_that_would_do_nothing() {
    refused_by_the_parser(&["run", "--rate", "0"], &["--rate", "would never send anything"]);
    refused_by_the_parser(&["run", "--rate=-3"], &["--rate", "a rate of -3 would never send anything"]);
    refused_by_the_parser(&["run", "--connect-rate", "often"], &["--connect-rate", "500/s, 20k/s or max"]);
    refused(&["--size", "0"], &["--size is 0"]);
    refused(&["--connections", "0"], &["--connections is 0: give at least 1"]);
    refused(&["--in-flight", "0"], &["--in-flight is 0: give at least 1"]);
    refused(&["--threads", "0"], &["--threads is 0: give at least 1"]);
    refused(&["--duration", "0s"], &["--duration is 0"]);
    refused(&["--echo-timeout", "0s"], &["--echo-timeout is 0"]);
}

#[test]
fn a_number_that_no_clock_and_no_memory_holds() {
    refused(&["--rate", "1e-300"], &["--rate is", "give more"]);
    refused(&["--rate", "1e300"], &["--rate is", "at most 10M/s"]);
    refused(&["--connect-rate", "1e-300"], &["--connect-rate is", "give more"]);
    refused(&["--duration", "500000000000y"], &["--duration is", "give at most 1year"]);
    refused(&["--handshake-timeout", "500000000000y"], &["--handshake-timeout is", "give at most 1year"]);
    refused(&["--size", "1TiB", "--connections", "10"], &["MiB of memory", "MiB are available"]);
}

#[test]
fn more_connections_than_open_files_with_the_figure() {
    refused(
        &["--connections", "100000000"],
        &["100000000 connections need 100000064 open files and the hard limit is", "open at most", "ulimit -Hn"],
    );
}

#[test]
fn a_flag_or_a_verb_that_does_not_exist() {
    refused_by_the_parser(&["run", "--speed", "3"], &["unexpected argument '--speed'", "Usage: wssbench run"]);
    // Without a verb it is `run`, whose first argument is a URL.
    refused_by_the_parser(&["measure"], &["`measure` is not a URL such as wss://"]);
    refused_by_the_parser(&["run", "--engine", "kqueue"], &["kqueue", "[possible values: "]);
    refused_by_the_parser(&["run", "--insecure", "--ca", "x.pem"], &["'--insecure' cannot be used with '--ca <FILE>'"]);
}

#[test]
fn a_file_of_options_that_is_missing_or_wrong_with_its_line() {
    refused(&["--config", "missing.toml"], &["reading missing.toml: No such file or directory"]);
    for (text, says) in [
        ("connections = 7\nspeed = 3\n", ["line 2", "unknown field `speed`"]),
        ("connections = 7\n\n[limits]\nechoes = \"1s\"\n", ["line 4", "unknown field `echoes`"]),
        ("rate = \"max\"\nduration = \"soon\"\n", ["line 2", "`soon` is not a length of time"]),
        ("connections = seven\n", ["line 1", "reading the options of run.toml"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.toml"), text).unwrap();
        let ended = start_in(folder, &["run", "--config", "run.toml"]).end_within(common::BOUND);
        assert_eq!(ended.code(), Some(1), "{ended}");
        assert_nothing_measured(&ended);
        for part in says {
            assert!(ended.stderr.contains(part), "`{part}` is not in: {ended}");
        }
    }
}

#[test]
fn options_that_contradict_each_other() {
    refused(&["--server-closes", "--layer", "tcp", "--mode", "handshake"], &["--server-closes", "tcp:// has neither"]);
    refused(&["--subprotocol", "chat", "--layer", "tls"], &["--subprotocol is WebSocket's", "tls:// has no WebSocket"]);
    let url = format!("ws://{}/", peer::nobody());
    refused(&[&url, "--server-engine", "epoll"], &["--server-engine is for the embedded server"]);
    refused_by_the_parser(&["run", &url, "--layer", "ws"], &["cannot be used with"]);
    refused_by_the_parser(
        &["run", "--server-stats", "http://127.0.0.1:1"],
        &["required arguments were not provided", "<URL>"],
    );
}

#[test]
fn an_admin_endpoint_that_is_none() {
    let echo = peer::websocket(|mut socket| peer::echo(&mut socket));
    let url = format!("ws://{echo}/");
    let nobody = format!("http://{}", peer::nobody());
    refused(&[&url, "--server-stats", &nobody], &["asking the server's admin endpoint", "/stats", "refused"]);
    let another = peer::tcp(|mut stream| {
        peer::read_head(&mut stream);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    let another = format!("http://{another}");
    refused(&[&url, "--server-stats", &another], &["asking the server's admin endpoint", "missing field"]);
}

#[test]
fn a_cpu_that_this_process_may_not_use() {
    refused(&["--client-cpus", "999"], &["CPU 999 is none of those that this process may use"]);
    refused(&["--server-cpus", "0,999"], &["CPU 999 is none of those that this process may use"]);
    refused_by_the_parser(&["run", "--client-cpus", "first"], &["is not a list of CPUs such as 0 or 1-3,5"]);
}

#[test]
fn a_place_for_the_result_that_cannot_be_written_is_told_before_the_run() {
    refused(
        &["--out", "/proc/no/such/place.json"],
        &["/proc/no/such/place.json cannot be written; --out takes another"],
    );
    refused(&["--out", "."], &[". is a folder; --out takes the name of a file"]);
    // A socket, which stands for all that is no file: a device would be lost if it were not refused.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    refused(&["--out", socket.to_str().unwrap()], &["is a device or a pipe, and the result would take its place"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("results"), "a file where the folder should be").unwrap();
    let ended = start_in(folder, &["run"]).end_within(common::BOUND);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert_nothing_measured(&ended);
    assert!(ended.stderr.contains("cannot be written; --out takes another place"), "{ended}");
}

#[test]
fn a_file_of_certificates_that_holds_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let url = format!("wss://{}/", peer::nobody());
    let arguments = ["run", &url, "--ca", "ca.pem"];
    let sentence = start_in(folder, &arguments).end_within(common::BOUND).refusal();
    assert!(sentence.contains("ca.pem contains no certificate; give a PEM file"), "{sentence}");
    refused(&[&url, "--ca", "missing.pem"], &["cannot read certificates from missing.pem"]);
}
