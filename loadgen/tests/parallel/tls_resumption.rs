//! Session resumption: the requested share resumes, by every mechanism and at any concurrency. A handshake that should
//! have resumed and did not is an error.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use common::openssl::Pki;
use common::tls::{attempt_at, handshakes, handshakes_at, label, sound, words};
use common::{assert_adds_up, errors, run};
use wss_model::RunResult;

/// Each mechanism, with its name in the result and its label.
const MECHANISMS: [(&[&str], &str, &str); 5] = [
    (&[], "ticket", "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 resumed"),
    (&["--resume-by", "stateful"], "stateful", "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 resumed"),
    (
        &["--resume-by", "ticket", "--tls", "1.2"],
        "ticket",
        "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 none ecdsa-p256 resumed",
    ),
    (
        &["--resume-by", "session-id"],
        "session-id",
        "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 none ecdsa-p256 resumed",
    ),
    (&["--early-data"], "stateful", "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 early-data"),
];

fn assert_all_resumed(result: &RunResult, by: &str, expected: &str) {
    assert_eq!(words(label(result)), expected);
    let resumption = result.resumption.as_ref().unwrap();
    assert_eq!(
        (resumption.mechanism.name(), resumption.requested_percent, resumption.achieved_percent),
        (by, 100.0, 100.0)
    );
    assert_eq!(resumption.early_data_percent, if expected.ends_with("early-data") { 100.0 } else { 0.0 });
}

#[test]
fn all_handshakes_resume_at_any_concurrency() {
    for (arguments, by, expected) in MECHANISMS {
        for concurrency in ["1", "16", "64"] {
            let result = handshakes_at(concurrency, &[arguments, &["--resume", "100%"]].concat());
            assert_all_resumed(&result, by, expected);
        }
    }
}

#[test]
fn all_handshakes_resume_with_other_options() {
    for arguments in [
        &["--tickets", "2"][..],
        &["--tickets", "4", "--threads", "3"],
        &["--tickets", "4", "--resume-by", "stateful", "--engine", "epoll"],
        &["--layer", "tls", "--no-first-echo"],
        &["--server-closes"],
    ] {
        let result = handshakes_at("16", &[arguments, &["--resume", "100%"]].concat());
        assert_eq!(label(&result).kind, "resumed");
        assert_eq!(result.resumption.unwrap().achieved_percent, 100.0);
    }
}

#[test]
fn a_hundred_connections_resume_in_both_loops() {
    let echo = ["--connections", "100", "--duration", "200ms", "--warmup", "50ms", "--rate", "max", "--resume", "100%"];
    for (arguments, by, expected) in MECHANISMS {
        let result = sound(&run(&[&echo[..], arguments, &["--connect-rate", "max"]].concat()));
        assert_all_resumed(&result, by, expected);
        assert_eq!(result.handshake.completed, 100);
    }
    let result = sound(&run(&[&echo[..], &["--connect-rate", "500/s"]].concat()));
    assert_eq!((label(&result).kind.as_str(), result.handshake.completed), ("resumed", 100));
}

/// The number of handshakes that resumed a session.
fn resumed(result: &RunResult) -> u64 {
    let kinds = result.negotiated.iter().filter(|entry| entry.negotiated.kind == "resumed");
    kinds.map(|entry| entry.count).sum()
}

#[test]
#[allow(clippy::cast_precision_loss)] // a few thousand
fn mix_is_exact_to_one_handshake_per_thread() {
    for (share, threads) in [("30%", "1"), ("30%", "2"), ("50%", "1"), ("99%", "1"), ("0.5%", "1")] {
        for more in [&[][..], &["--tls", "1.2"], &["--resume-by", "stateful"]] {
            let result = handshakes(&[&["--resume", share, "--threads", threads], more].concat());
            let requested = share.trim_end_matches('%').parse::<f64>().unwrap();
            let resumption = result.resumption.clone().unwrap();
            let (all, resumed) = (result.handshake.completed as f64, resumed(&result) as f64);
            assert!(
                (resumed - all * requested / 100.0).abs() <= threads.parse().unwrap(),
                "{resumed} of {all}: {share}"
            );
            assert_eq!(resumption.requested_percent, requested);
            assert!((resumption.achieved_percent - 100.0 * resumed / all).abs() < 1e-9);
        }
    }
    let nothing = handshakes(&["--resume", "0%"]);
    assert_eq!((nothing.resumption, nothing.handshake.flights.unwrap().ticket_bytes), (None, Some(0.0)));
}

#[test]
fn max_connecting_may_be_below_connect_concurrency() {
    let open = ["--mode", "handshake", "--connect-rate", "100/s", "--warmup", "0s", "--duration", "300ms"];
    let result = sound(&run(&[&open[..], &["--max-connecting", "10", "--resume", "50%"]].concat()));
    assert_eq!((result.handshake.completed, resumed(&result)), (30, 15));
}

/// Handshakes with OpenSSL's server, which accepts one connection at a time.
fn against(pki: &Pki, url: &str, arguments: &[&str]) -> common::Ended {
    attempt_at("1", &[&[url, "--ca", &pki.file("ca.pem"), "--no-first-echo"], arguments].concat())
}

#[test]
fn openssl_sessions_resume_by_every_mechanism() {
    let pki = Pki::new();
    for (server, arguments) in [
        (&["-tls1_3"][..], &[][..]),
        // OpenSSL sends two tickets by default.
        (&["-tls1_3"], &["--tickets", "2"]),
        (&["-tls1_3", "-no_ticket"], &["--resume-by", "stateful"]),
        (&["-tls1_2"], &["--tls", "1.2"]),
        (&["-tls1_2", "-no_ticket"], &["--resume-by", "session-id"]),
    ] {
        let server_arguments = server;
        let server = pki.serve(server);
        let result = sound(&against(&pki, &server.url, &[arguments, &["--resume", "100%"]].concat()));
        assert_eq!((label(&result).kind.as_str(), &result.server_negotiated), ("resumed", &None), "{arguments:?}");
        let resumption = result.resumption.unwrap();
        assert_eq!(resumption.achieved_percent, 100.0);
        // Neither what was requested nor what the server keeps: what a client can observe.
        let observed = if server_arguments[0] == "-tls1_3" { "psk" } else { "tls12-session" };
        assert_eq!(resumption.mechanism.name(), observed, "{arguments:?}");
        // Without --resume nothing resumes, although the server offers it.
        let result = sound(&against(&pki, &server.url, &[]));
        assert_eq!((label(&result).kind.as_str(), &result.resumption), ("full", &None), "{arguments:?}");
    }
}

#[test]
fn server_that_does_not_resume_is_an_error() {
    let pki = Pki::new();
    for (server, arguments) in [
        (&["-tls1_3", "-num_tickets", "0"][..], &["--tls", "1.3"][..]),
        (&["-tls1_2", "-no_ticket", "-no_cache"], &["--tls", "1.2"]),
        (&["-tls1_2", "-no_ticket", "-no_cache"], &["--resume-by", "session-id"]),
    ] {
        let server = pki.serve(server);
        let all = against(&pki, &server.url, &[arguments, &["--resume", "100%"]].concat()).refusal();
        assert!(
            all.ends_with("the handshake was full instead of resumed; check the session cache of the server"),
            "{all}"
        );

        let half = against(&pki, &server.url, &[arguments, &["--resume", "50%"]].concat()).result();
        assert_adds_up(&half);
        let failed = half.handshake.failed;
        assert!(!half.valid && failed > 0 && half.handshake.completed > 0, "{:?}", half.handshake);
        assert_eq!(errors(&half), [("tls", "not_resumed", failed)]);
        assert!(half.invalid_because[0].text.contains("tls not_resumed"), "{:?}", half.invalid_because);
        assert_eq!(label(&half).kind, "full");
        let resumption = half.resumption.unwrap();
        assert_eq!((resumption.achieved_percent, resumption.mechanism.name()), (0.0, "none"));
    }
}
