//! `wssbench trace` against our own server and OpenSSL's; the module `hostile` has peers that break the protocol.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "trace/hostile.rs"]
mod hostile;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use common::{Ended, wssbench};
use wss_model::trace_result::application::Application;
use wss_model::trace_result::handshake::MessageDetails;
use wss_model::trace_result::{Content, Direction, EventDetails, Protection, TracePhase, TraceResult};

/// The output of `wssbench trace --json` with these arguments, checked against its schema.
fn traced(arguments: &[&str]) -> (TraceResult, Ended) {
    let ended = wssbench(&[&["trace", "--json"], arguments].concat());
    let value: serde_json::Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("no trace: {error}\n{ended}"));
    let validator = jsonschema::validator_for(&wss_model::schema::of::<TraceResult>()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let trace: TraceResult = serde_json::from_value(value).unwrap();
    assert_eq!(ended.code(), Some(if trace.failure.is_none() { 0 } else { 1 }), "{ended}");
    (trace, ended)
}

/// A trace without a failure.
fn whole(arguments: &[&str]) -> TraceResult {
    let (trace, ended) = traced(arguments);
    assert_eq!(trace.failure, None, "{ended}");
    trace
}

/// A failed trace: the phase, the message, and the events before it.
fn failed(arguments: &[&str]) -> (TracePhase, String, TraceResult) {
    let (trace, ended) = traced(arguments);
    let failure = trace.failure.clone().unwrap_or_else(|| panic!("it did not fail\n{ended}"));
    assert_eq!(failure.message.lines().count(), 1, "{}", failure.message);
    (failure.phase, failure.message, trace)
}

/// The contents of all records, in order. All must have been decrypted.
fn contents(trace: &TraceResult) -> Vec<(Direction, &Content)> {
    let mut contents = Vec::new();
    for event in &trace.events {
        let EventDetails::Record(record) = &event.details else { continue };
        assert!(!matches!(record.protection, Protection::Opaque { .. }), "{record:?}");
        contents.extend(record.contents.iter().map(|content| (event.direction, content)));
    }
    contents
}

/// What was sent and received, as `>ClientHello <ServerHello …`.
fn flow(trace: &TraceResult) -> String {
    let name = |(direction, content): (Direction, &Content)| {
        let arrow = if direction == Direction::Sent { '>' } else { '<' };
        let name = match content {
            Content::Handshake(message) => message.name.clone(),
            Content::ChangeCipherSpec { dummy } => if *dummy { "dummy" } else { "ccs" }.to_owned(),
            Content::Alert { description, .. } => description.clone(),
            Content::Application(application) => application_name(application),
            other => format!("{other:?}"),
        };
        format!("{arrow}{name}")
    };
    contents(trace).into_iter().map(name).collect::<Vec<_>>().join(" ")
}

fn application_name(application: &Application) -> String {
    match application {
        Application::UpgradeRequest(_) => "request".to_owned(),
        Application::UpgradeResponse { .. } => "response".to_owned(),
        Application::Frame(frame) => frame.opcode.clone(),
        Application::Bytes { .. } => "bytes".to_owned(),
        other => format!("{other:?}"),
    }
}

/// `text` with single blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const WEBSOCKET: &str = ">request <response >text <text >ping <pong >close <close >close_notify <close_notify";

#[test]
fn our_own_server_over_tls_1_3_from_syn_to_fin() {
    let trace = whole(&[]);
    let handshake = ">ClientHello <ServerHello >dummy <dummy <EncryptedExtensions <Certificate <CertificateVerify \
                     <Finished >Finished";
    assert_eq!(flow(&trace), words(&format!("{handshake} {WEBSOCKET}")));
    assert!(matches!(trace.events[0].details, EventDetails::Syn { .. }) && trace.events[0].at_ns == 0);
    assert!(matches!(trace.events[1].details, EventDetails::SynAck { .. }));
    assert_eq!(trace.events.iter().filter(|event| matches!(event.details, EventDetails::Fin)).count(), 2);
    assert!(trace.events.windows(2).all(|pair| pair[0].at_ns <= pair[1].at_ns));
    let round_trips: Vec<u64> = trace.phases.iter().map(|total| total.round_trips).collect();
    assert_eq!(round_trips[..5], [1, 1, 1, 1, 1]);
    let negotiated = trace.negotiated.unwrap();
    assert_eq!((negotiated.version.as_str(), negotiated.kind.as_str()), ("TLSv1.3", "full"));
}

#[test]
fn our_own_server_over_tls_1_2() {
    let trace = whole(&["--tls", "1.2"]);
    let handshake = ">ClientHello <ServerHello <Certificate <ServerKeyExchange <ServerHelloDone >ClientKeyExchange \
                     >ccs >Finished <ccs <Finished";
    assert_eq!(flow(&trace), words(&format!("{handshake} {WEBSOCKET}")));
    assert_eq!(trace.phases[1].round_trips, 2);
}

#[test]
fn the_accept_value_matches_and_only_client_frames_are_masked() {
    let trace = whole(&["--message", "grüße"]);
    let mut masked = 0;
    for (direction, content) in contents(&trace) {
        match content {
            Content::Application(Application::UpgradeResponse { accept, .. }) => {
                let accept = accept.as_ref().unwrap();
                assert_eq!(accept.received.as_ref(), Some(&accept.expected));
                assert_eq!(wss_wire::upgrade::accept_key(&accept.key), accept.expected);
            }
            Content::Application(Application::Frame(frame)) => {
                assert_eq!(frame.masking_key.is_some(), direction == Direction::Sent, "{frame:?}");
                masked += u64::from(frame.masking_key.is_some());
                if frame.opcode == "text" {
                    assert_eq!((frame.preview.as_str(), frame.payload_bytes), ("\"grüße\"", 7));
                }
                assert_eq!(frame.close_code, (frame.opcode == "close").then_some(1000));
            }
            _ => {}
        }
    }
    assert_eq!(masked, 3);
}

#[test]
fn every_layer_has_its_own_flow() {
    let tls = whole(&["--layer", "tls"]);
    assert!(flow(&tls).ends_with(">Finished >bytes <bytes >close_notify <close_notify"), "{}", flow(&tls));
    for (layer, says) in [("ws", "request response text text ping pong close close"), ("tcp", "bytes bytes")] {
        let trace = whole(&["--layer", layer]);
        let segments = trace.events.iter().filter_map(|event| match &event.details {
            EventDetails::Segment { contents, .. } => Some(contents),
            _ => None,
        });
        let names: Vec<String> = segments.flatten().map(application_name).collect();
        assert_eq!(names.join(" "), says);
        assert_eq!((trace.verify, trace.negotiated), (None, None));
    }
}

#[test]
fn resumption_early_data_retry_and_mutual_tls() {
    let resumed = whole(&["--resume", "100%", "--early-data"]);
    let flow_of_it = flow(&resumed);
    assert!(flow_of_it.starts_with(">ClientHello >dummy >request <ServerHello"), "{flow_of_it}");
    assert!(flow_of_it.contains(">EndOfEarlyData") && !flow_of_it.contains("Certificate"), "{flow_of_it}");
    assert_eq!(resumed.negotiated.unwrap().kind, "early-data");
    let retried = flow(&whole(&["--force-retry"]));
    assert!(retried.starts_with(">ClientHello <HelloRetryRequest >dummy >ClientHello"), "{retried}");
    for version in ["1.2", "1.3"] {
        let mutual = flow(&whole(&["--mtls", "--tls", version]));
        assert!(mutual.contains("<CertificateRequest") && mutual.contains(">CertificateVerify"), "{mutual}");
    }
}

#[test]
fn every_suite_and_provider_is_decrypted() {
    for arguments in [
        &["--suite", "aes128", "--provider", "aws-lc-rs"][..],
        &["--suite", "chacha20", "--provider", "ring"],
        &["--suite", "ecdsa-aes128", "--provider", "ring"],
        &["--suite", "ecdsa-chacha20", "--provider", "aws-lc-rs"],
        &["--suite", "rsa-aes256", "--cert", "rsa-2048"],
    ] {
        assert!(flow(&whole(arguments)).ends_with(WEBSOCKET), "{arguments:?}");
    }
}

#[test]
fn the_timeline_fits_on_80_columns_and_has_every_part() {
    for version in ["1.2", "1.3"] {
        let ended = wssbench(&["trace", "--tls", version]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for part in ["ClientHello", "Sec-WebSocket-Accept", "masking key", "close_notify", "FIN: the server", "all  "] {
            assert!(ended.stdout.contains(part), "{part} is not in it\n{ended}");
        }
    }
}

/// A program that is killed at the end of the test.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `openssl s_server` with a chain of two certificates; returns its address and its CA file.
fn openssl(folder: &std::path::Path, arguments: &[&str]) -> (Other, SocketAddr, String) {
    let make = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    make(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Root -addext basicConstraints=critical,CA:TRUE"
    ));
    for (name, issuer, extensions) in [
        ("middle", "ca", "basicConstraints=critical,CA:TRUE"),
        ("leaf", "middle", "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1"),
    ] {
        std::fs::write(folder.join("extensions"), extensions).unwrap();
        make(&format!("req {} -keyout {name}.key -out {name}.csr -subj /CN={name}", key.trim_end_matches(" -days 2")));
        make(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial 7 -days 2 -extfile extensions \
             -out {name}.pem"
        ));
    }
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "leaf.pem", "-key", "leaf.key"])
        .args(["-cert_chain", "middle.pem"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It prints `ACCEPT 127.0.0.1:port` at once, unless it is told to be quiet.
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let accept = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    // Reads the rest, so that the pipe never fills up.
    std::thread::spawn(move || lines.for_each(drop));
    (Other(server), accept.parse().unwrap(), folder.join("ca.pem").display().to_string())
}

#[test]
fn an_openssl_server_with_a_chain_and_tickets() {
    let folder = tempfile::tempdir().unwrap();
    for (version, has) in
        [("-tls1_3", ">close_notify <NewSessionTicket"), ("-tls1_2", "<ServerKeyExchange <ServerHelloDone")]
    {
        let (_server, address, ca) = openssl(folder.path(), &[version]);
        let url = format!("tls://localhost:{}", address.port());
        let trace = whole(&[&url, "--ca", &ca, "--no-echo"]);
        let told = flow(&trace);
        assert!(told.contains(has) || told.contains("<NewSessionTicket"), "{told}");
        let chain = contents(&trace).into_iter().find_map(|(_, content)| match content {
            Content::Handshake(message) => match &message.details {
                MessageDetails::Certificate { chain } => Some(chain.clone()),
                _ => None,
            },
            _ => None,
        });
        let chain = chain.unwrap();
        let shown: Vec<_> = chain.iter().map(|one| (&*one.subject, &*one.issuer, &*one.key, one.is_ca)).collect();
        assert_eq!(
            shown,
            [("CN=leaf", "CN=middle", "ecdsa-p256", false), ("CN=middle", "CN=Root", "ecdsa-p256", true)]
        );
        assert_eq!(chain[0].names, ["localhost", "127.0.0.1"]);
    }
}

#[test]
fn a_web_server_that_does_not_speak_websocket() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address, ca) = openssl(folder.path(), &["-www"]);
    let (phase, sentence, trace) = failed(&[&format!("wss://localhost:{}/", address.port()), "--ca", &ca]);
    assert_eq!(phase, TracePhase::Upgrade);
    assert!(sentence.contains("responded with 200") && sentence.contains("instead of 101"), "{sentence}");
    assert!(flow(&trace).contains(">request <NewSessionTicket"), "{}", flow(&trace));
}

#[test]
fn impossible_options_are_refused() {
    for (arguments, says) in [
        (&["trace", "--timeout", "0s"][..], "--timeout is 0"),
        (&["trace", "--message", ""], "--message is empty"),
        (&["trace", "--layer", "tcp", "--subprotocol", "chat"], "the layer is tcp"),
        (&["trace", "https://127.0.0.1/"], "use wss://, ws://, tls:// or tcp://"),
        (&["trace", "wss://127.0.0.1:1/", "--ca", "missing.pem"], "missing.pem"),
    ] {
        let sentence = wssbench(arguments).refusal();
        assert!(sentence.contains(says), "{sentence}");
    }
}
