//! The TLS options on the embedded server: every handshake is as requested, on both ends.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use common::tls::{handshakes, label, words};
use wss_model::run_result::HandshakeCost;

/// Asserts the label that each set of options negotiates.
fn assert_labels(cases: &[(&[&str], &str)]) {
    for (arguments, expected) in cases {
        let result = handshakes(arguments);
        assert_eq!(words(label(&result)), *expected, "{arguments:?}");
        assert_eq!(result.resumption, None);
    }
}

#[test]
fn versions_and_suites_by_any_name() {
    assert_labels(&[
        (&["--tls", "1.3"], "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 full"),
        (&["--tls", "1.2"], "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 X25519 ecdsa-p256 full"),
        (&["--suite", "TLS13_AES_128_GCM_SHA256"], "TLSv1.3 TLS13_AES_128_GCM_SHA256 X25519 ecdsa-p256 full"),
        (&["--suite", "TLS_AES_128_GCM_SHA256"], "TLSv1.3 TLS13_AES_128_GCM_SHA256 X25519 ecdsa-p256 full"),
        (&["--suite", "tls_aes_256_gcm_sha384"], "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 full"),
        (&["--suite", "ChaCha20"], "TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256 X25519 ecdsa-p256 full"),
        (
            &["--suite", "ECDHE-ECDSA-AES128-GCM-SHA256"],
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 X25519 ecdsa-p256 full",
        ),
        (
            &["--suite", "ecdsa-aes256", "--cert", "ed25519"],
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 X25519 ed25519 full",
        ),
        (
            &["--suite", "ECDSA-CHACHA20", "--group", "p-384"],
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 secp384r1 ecdsa-p256 full",
        ),
        (
            &["--suite", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--cert", "rsa-2048"],
            "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 X25519 rsa-2048 full",
        ),
        (
            &["--suite", "rsa-aes256", "--cert", "RSA-2048"],
            "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 X25519 rsa-2048 full",
        ),
        (
            &["--suite", "ecdhe-rsa-chacha20-poly1305", "--cert", "rsa-3072"],
            "TLSv1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 X25519 rsa-3072 full",
        ),
    ]);
}

#[test]
fn groups_with_and_without_retry() {
    for (requested, group) in [
        ("X25519", "X25519"),
        ("P-256", "secp256r1"),
        ("secp384r1", "secp384r1"),
        ("x25519mlkem768", "X25519MLKEM768"),
        ("secp256r1MLKEM768", "secp256r1MLKEM768"),
        ("MLKEM768", "MLKEM768"),
        ("MLKEM1024", "MLKEM1024"),
    ] {
        let result = handshakes(&["--group", requested]);
        let full = format!("TLSv1.3 TLS13_AES_256_GCM_SHA384 {group} ecdsa-p256 full");
        assert_eq!(words(label(&result)), full);
        assert_eq!(result.handshake.flights.unwrap().tls_round_trips, 1.0);

        let result = handshakes(&["--group", requested, "--force-retry"]);
        assert_eq!(words(label(&result)), format!("{full}-after-retry"));
        assert_eq!(result.handshake.flights.unwrap().tls_round_trips, 2.0);
    }
}

#[test]
fn certificate_kinds_and_chain_lengths() {
    let kinds = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"];
    for kind in kinds.into_iter().chain(["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]) {
        let result = handshakes(&["--cert", kind]);
        assert_eq!(words(label(&result)), format!("TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 {kind} full"));
    }
    let bytes: Vec<f64> = ["1", "2", "3"]
        .map(|chain| handshakes(&["--chain", chain]).handshake.flights.unwrap().tls_bytes_received)
        .to_vec();
    // A certificate of this kind has about 400 bytes.
    assert!(bytes.windows(2).all(|pair| pair[1] - pair[0] > 300.0), "{bytes:?}");
}

#[test]
fn providers_on_each_end() {
    let providers = ["aws-lc-rs", "ring", "graviola"];
    for server in providers {
        for client in providers {
            let ends = ["--server-provider", server, "--client-provider", client];
            let tls13 = [&ends[..], &["--suite", "aes128", "--group", "secp256r1"]].concat();
            let result = handshakes(&tls13);
            assert_eq!(words(label(&result)), "TLSv1.3 TLS13_AES_128_GCM_SHA256 secp256r1 ecdsa-p256 full");
            let tls12 = [&ends[..], &["--suite", "ecdsa-chacha20", "--group", "X25519", "--mtls"]].concat();
            let result = handshakes(&tls12);
            assert_eq!(
                words(label(&result)),
                "TLSv1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 X25519 ecdsa-p256 full"
            );
        }
    }
    for provider in providers {
        let result = handshakes(&["--provider", provider, "--resume", "100%"]);
        assert_eq!(label(&result).kind, "resumed", "{provider}");
    }
}

#[test]
fn client_certificate_alpn_and_server_name() {
    let plain = handshakes(&["--tls", "1.3"]).handshake.flights.unwrap();
    for version in ["1.2", "1.3"] {
        let result = handshakes(&["--tls", version, "--mtls", "--cert", "ed25519", "--cost-split", "handshake"]);
        assert_eq!((label(&result).kind.as_str(), label(&result).certificate.as_str()), ("full", "ed25519"));
        let (client, server) = (result.handshake.client_cost.unwrap(), result.handshake.server_cost.unwrap());
        assert!(client.sign_ns.unwrap() > 0.0 && server.verify_ns.unwrap() > 0.0, "{client:?} {server:?}");
    }
    let mutual = handshakes(&["--tls", "1.3", "--mtls"]).handshake.flights.unwrap();
    assert!(mutual.tls_bytes_sent > plain.tls_bytes_sent + 300.0, "no client certificate in {mutual:?}");
    let resumed = handshakes(&["--mtls", "--resume", "100%"]);
    assert_eq!(label(&resumed).kind, "resumed");

    let result = handshakes(&["--alpn", "http/1.1", "--alpn", "other"]);
    let flights = result.handshake.flights.as_ref().unwrap();
    assert!(flights.tls_bytes_sent >= plain.tls_bytes_sent + 15.0, "no protocol names in {flights:?}");
    assert_eq!(result.config.tls.alpn, ["http/1.1", "other"]);

    let result = handshakes(&["--server-name", "wss.example.org"]);
    assert_eq!((result.verify.as_deref(), result.verify_skips), (Some("full"), None));
}

#[test]
fn flights_match_the_protocol() {
    // Arguments, records sent and received, round trips of TLS, whether there are tickets. With TLS 1.3 the client
    // receives ServerHello, ChangeCipherSpec and one record with everything else.
    for (arguments, sent, received, round_trips, tickets) in [
        (&["--tls", "1.3"][..], 3.0, 3.0, 1.0, false),
        (&["--tls", "1.3", "--tickets", "1"], 3.0, 3.0, 1.0, true),
        (&["--tls", "1.3", "--resume", "100%"], 3.0, 3.0, 1.0, true),
        (&["--tls", "1.2"], 4.0, 3.0, 2.0, false),
        (&["--tls", "1.2", "--resume", "100%"], 3.0, 4.0, 1.0, true),
        (&["--tls", "1.2", "--resume", "100%", "--resume-by", "session-id"], 3.0, 3.0, 1.0, false),
    ] {
        let result = handshakes(arguments);
        let flights = result.handshake.flights.unwrap();
        let counted = (flights.tls_records_sent, flights.tls_records_received, flights.tls_round_trips);
        assert_eq!(counted, (sent, received, round_trips), "{arguments:?}");
        assert_eq!(flights.round_trips, round_trips + 1.0, "one more for the upgrade");
        assert_eq!(flights.ticket_bytes.unwrap() > 0.0, tickets, "{arguments:?}: {flights:?}");
        assert!(flights.tls_bytes_sent > 150.0 && flights.tls_bytes_received > 100.0, "{flights:?}");
        assert!(result.handshake.bytes_sent_mean.unwrap() > flights.tls_bytes_sent, "the upgrade adds bytes");
    }
}

fn parts(cost: &HandshakeCost) -> [Option<f64>; 7] {
    let handshake = [cost.key_exchange_start_ns, cost.key_exchange_complete_ns, cost.sign_ns, cost.verify_ns];
    let [start, complete, sign, verify] = handshake;
    [start, complete, sign, verify, cost.socket_ns, cost.aead_ns, cost.hash_ns]
}

/// Asserts that the parts and the rest add up to the total, and that exactly the timed parts are present.
fn assert_split(cost: &HandshakeCost, timed: usize) {
    let parts = parts(cost);
    assert!(parts[..timed].iter().all(Option::is_some) && parts[timed..].iter().all(Option::is_none), "{cost:?}");
    let sum: f64 = parts.into_iter().flatten().sum::<f64>() + cost.rest_ns;
    assert!((sum - cost.busy_ns).abs() <= 0.05 * cost.busy_ns, "the sum is {sum}: {cost:?}");
    assert!(parts.into_iter().flatten().chain([cost.timer_overhead_ns]).all(|part| part >= 0.0), "{cost:?}");
    assert!(cost.rest_ns >= 0.0 && cost.busy_ns > 0.0 && cost.cpu_ns.unwrap() > 0.0, "{cost:?}");
    assert_eq!(cost.timer_overhead_ns > 0.0, timed > 0, "{cost:?}");
}

#[test]
fn cost_split_has_the_requested_parts() {
    for (split, timed) in [("off", 0), ("handshake", 5), ("all", 7)] {
        for more in [&[][..], &["--tls", "1.2"], &["--resume", "100%"], &["--provider", "ring", "--engine", "epoll"]] {
            let result = handshakes(&[&["--cost-split", split], more].concat());
            let (client, server) = (result.handshake.client_cost.unwrap(), result.handshake.server_cost.unwrap());
            assert_split(&client, timed);
            assert_split(&server, timed);
            if timed == 0 {
                continue;
            }
            let full = label_is_full(&result.negotiated[0].negotiated.kind);
            assert!(client.key_exchange_start_ns.unwrap() > 0.0 && server.key_exchange_complete_ns.unwrap() > 0.0);
            assert_eq!((client.sign_ns, server.verify_ns), (Some(0.0), Some(0.0)), "without --mtls");
            assert_eq!((server.sign_ns.unwrap() > 0.0, client.verify_ns.unwrap() > 0.0), (full, full), "{more:?}");
            assert!(client.socket_ns.unwrap() > 0.0 && server.socket_ns.unwrap() > 0.0);
            if split == "all" {
                assert!([&client, &server].iter().all(|end| end.aead_ns.unwrap() > 0.0 && end.hash_ns.unwrap() > 0.0));
            }
        }
    }
}

fn label_is_full(kind: &str) -> bool {
    match kind {
        "full" => true,
        "resumed" => false,
        other => panic!("{other}"),
    }
}

#[test]
fn skipped_verification_is_reported_and_free() {
    let verify = |arguments: &[&str]| {
        let result = handshakes(arguments);
        let cost = result.handshake.client_cost.unwrap();
        (result.verify.unwrap(), result.verify_skips, cost.verify_ns.unwrap())
    };
    let (full, skips, all) = verify(&["--verify", "full"]);
    assert!((full.as_str(), skips) == ("full", None) && all > 0.0);
    for arguments in [&["--verify", "no-chain"][..], &["--insecure"]] {
        let (kind, skips, signature) = verify(arguments);
        assert_eq!((kind.as_str(), signature > 0.0), ("no-chain", true));
        assert!(skips.unwrap().contains("certificate chain and name were not verified"));
    }
    let (kind, skips, nothing) = verify(&["--verify", "none"]);
    assert_eq!((kind.as_str(), nothing), ("none", 0.0));
    assert!(skips.unwrap().contains("handshake signature were not verified"));
}
