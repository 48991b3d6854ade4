//! Impossible TLS options are rejected with one sentence, before any connection.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use common::{BOUND, Ended, peer, start_in, wssbench};

/// Rejected before anything was started, with one sentence that contains all of `says`.
pub(super) fn assert_error(ended: &Ended, says: &[&str]) {
    let sentence = ended.refusal();
    assert!(!ended.stderr.contains("begins") && !sentence.contains("no connection succeeded"), "{ended}");
    for text in says {
        assert!(sentence.contains(text), "`{text}` is not in: {sentence}");
    }
}

fn assert_rejected(arguments: &str, says: &[&str]) {
    let arguments: Vec<&str> = std::iter::once("run").chain(arguments.split_whitespace()).collect();
    assert_error(&wssbench(&arguments), says);
}

/// Rejected by the parser of the command line.
fn assert_rejected_by_parser(arguments: &str, says: &[&str]) {
    for verb in ["run", "serve"] {
        let arguments: Vec<&str> = std::iter::once(verb).chain(arguments.split_whitespace()).collect();
        let ended = wssbench(&arguments);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended}");
        for text in says {
            assert!(ended.stderr.contains(text), "`{text}` is not in: {ended}");
        }
    }
}

#[test]
fn unknown_names_list_known_names_and_a_suggestion() {
    let similar = |name: &str| format!("a similar value exists: '{name}'");
    assert_rejected_by_parser("--suite aes129", &["'aes129' for '--suite", "TLS_ECDHE_RSA_WITH", &similar("aes128")]);
    assert_rejected_by_parser("--suite TLS_AES_128_GCM_SHA265", &["TLS13_AES_128", &similar("TLS_AES_128_GCM_SHA256")]);
    assert_rejected_by_parser("--group X25518", &["secp256r1MLKEM768", "MLKEM1024", &similar("X25519")]);
    assert_rejected_by_parser("--group p257", &[&similar("P256")]);
    assert_rejected_by_parser(
        "--cert ecdsa-p265",
        &["ml-dsa-87", "did you mean ecdsa-p256?", "expected a file or one of"],
    );
    assert_rejected_by_parser("--provider rang", &["aws-lc-rs, ring, graviola", &similar("ring")]);
    assert_rejected_by_parser("--resume-by tikket", &["ticket, stateful, session-id", &similar("ticket")]);
    assert_rejected_by_parser("--tls 1.1", &["1.2, 1.3"]);
    assert_rejected_by_parser("--cost-split some", &["off, handshake, all"]);
    assert_rejected_by_parser("--resume 101%", &["invalid percentage `101%`; expected 0% to 100%"]);
    assert_rejected_by_parser("--resume often", &["invalid percentage `often`; expected 0% to 100%"]);
    assert_rejected_by_parser("--chain 4", &["4 is not in 1..=3"]);
    assert_rejected_by_parser("--tickets 17", &["17 is not in 0..=16"]);
    let verify = wssbench(&["run", "--verify", "nothing"]);
    assert!(verify.code() == Some(1) && verify.stderr.contains("full, no-chain, none"), "{verify}");
}

#[test]
fn rejects_options_of_the_other_tls_version() {
    assert_rejected(
        "--tls 1.2 --suite aes128",
        &["requires TLS 1.3, which --tls 1.2 excludes", "use --suite TLS_ECDHE_ECDSA"],
    );
    assert_rejected(
        "--tls 1.3 --suite rsa-aes128",
        &["requires TLS 1.2, which --tls 1.3 excludes", "TLS13_CHACHA20_POLY1305_SHA256"],
    );
    assert_rejected(
        "--suite ecdsa-aes128 --group MLKEM768",
        &["--suite TLS_ECDHE_ECDSA", "--group MLKEM768 requires TLS 1.3"],
    );
    assert_rejected("--suite rsa-aes128 --cert ml-dsa-65", &["--cert ml-dsa-65 requires TLS 1.3, which"]);
    assert_rejected("--tls 1.2 --cert ml-dsa-44", &["--cert ml-dsa-44 requires TLS 1.3"]);
    assert_rejected("--suite rsa-aes128", &["cannot be used with the certificate ecdsa-p256", "rsa-2048, rsa-3072"]);
    assert_rejected("--suite ecdsa-aes128 --cert rsa-4096", &["the certificate rsa-4096", "use --cert ecdsa-p256"]);
    assert_rejected("--resume 10% --tls 1.2 --resume-by stateful", &["--resume-by stateful requires TLS 1.3"]);
    assert_rejected("--resume 10% --tls 1.3 --resume-by session-id", &["--resume-by session-id requires TLS 1.2"]);
    assert_rejected(
        "--resume 10% --resume-by session-id --tickets 2",
        &["--tickets applies to TLS 1.3, but the other options require TLS 1.2"],
    );
    assert_rejected("--resume 10% --resume-by session-id --early-data", &["--early-data requires TLS 1.3"]);
    assert_rejected("--tls 1.2 --force-retry", &["--force-retry requires TLS 1.3"]);
}

#[test]
fn rejects_incomplete_resumption_options() {
    assert_rejected("--early-data", &["add --resume 100%"]);
    assert_rejected("--alpn h2", &["--alpn h2 negotiates HTTP/2", "is HTTP/1.1"]);
    assert_rejected("--verify none --ca ca.pem", &["--ca has no effect with --verify none; remove one of them"]);
    assert_rejected("--early-data --resume 0%", &["add --resume 100%"]);
    assert_rejected("--early-data --resume 50% --resume-by ticket", &["requires --resume-by stateful"]);
    assert_rejected(
        "--early-data --resume 50% --layer tls",
        &["--early-data requires WebSocket, but the layer is tls"],
    );
    let tls = format!("tls://{}", peer::nobody());
    assert_rejected(
        &format!("{tls} --early-data --resume 50%"),
        &["--early-data requires WebSocket, but the layer is tls"],
    );
    for verb in ["run", "serve"] {
        assert_error(&wssbench(&[verb, "--key", "x.pem"]), &["--key requires --cert FILE"]);
    }
    assert_rejected("--client-cert x.pem", &["--client-cert requires its private key; add --client-key FILE"]);
    assert_rejected("--resume-by stateful", &["--resume-by has no effect without --resume; add --resume 100%"]);
    assert_rejected("--resume 5% --tickets 0", &["--tickets 0 leaves no ticket to resume"]);
    assert_rejected("--resume 5% --force-retry", &["--force-retry cannot be combined with --resume"]);
}

#[test]
fn rejects_what_a_provider_does_not_support() {
    let signatures = "does not support signatures with the certificate ml-dsa-44; use ecdsa-p256";
    assert_rejected("--provider ring --cert ml-dsa-44", &["the provider ring", signatures]);
    assert_rejected("--server-provider graviola --cert ml-dsa-44", &["graviola", signatures, "--server-provider"]);
    assert_rejected("--client-provider ring --cert ml-dsa-44", &["ring", signatures, "--client-provider"]);
    let group = "does not support the group secp256r1MLKEM768; use";
    assert_rejected("--client-provider graviola --group secp256r1MLKEM768", &["graviola", group, "X25519MLKEM768"]);
    assert_rejected("--server-provider ring --group secp256r1MLKEM768", &["ring", group, "secp384r1"]);
    assert_rejected(
        "--provider ring --group X25519MLKEM768 --force-retry",
        &["ring does not support the group X25519MLKEM768"],
    );
}

#[test]
fn rejects_tls_options_on_layers_without_tls() {
    let (ws, tcp) = (format!("ws://{}/", peer::nobody()), format!("tcp://{}", peer::nobody()));
    for stack in ["--layer ws", "--layer tcp", &ws, &tcp] {
        let layer = if stack.contains("ws") { "ws" } else { "tcp" };
        for option in [
            "--tls 1.2",
            "--suite aes128",
            "--cert rsa-2048",
            "--mtls",
            "--alpn x",
            "--key-log k.log",
            "--resume 1%",
            "--provider ring",
            "--client-provider ring",
            "--insecure",
            "--ca missing.pem",
            "--server-name example.org",
        ] {
            let name = option.split(' ').next().unwrap();
            let sentence = format!("{name} requires TLS, but the layer is {layer}; remove {name}");
            assert_rejected(&format!("{stack} {option}"), &[&sentence]);
        }
    }
    for option in [&["--suite", "aes128"][..], &["--ca-out", "ca.pem"], &["--name", "example.org"]] {
        let ended = wssbench(&[&["serve", "--layer", "ws"], option].concat());
        assert_error(&ended, &[option[0], "requires TLS, but the layer is ws"]);
    }
}

#[test]
fn rejects_options_of_the_other_end() {
    let url = format!("wss://{}/", peer::nobody());
    assert_rejected(
        &format!("{url} --cert here/cert.pem"),
        &["--cert FILE applies only to the embedded server", "give the kind of certificate to expect"],
    );
    assert_rejected(&format!("{url} --chain 2"), &["--chain applies only to the embedded server"]);
    assert_rejected(
        &format!("{url} --server-provider ring"),
        &["--server-provider applies only to the embedded server"],
    );
    assert_rejected(&format!("{url} --mtls"), &["add --client-cert FILE and --client-key FILE"]);
    assert_rejected(
        "--mtls --client-cert a.pem --client-key b.pem",
        &["--client-cert cannot be used with the embedded server"],
    );
    assert_rejected(
        "--client-cert a.pem --client-key b.pem",
        &["--client-cert cannot be used with the embedded server"],
    );
    assert_rejected("--ca a.pem", &["--ca has no effect on the embedded server", "remove --ca, or add --cert FILE"]);
    assert_error(
        &wssbench(&["serve", "--mtls"]),
        &["--mtls requires the CA that signs client certificates; add --client-ca FILE"],
    );
}

#[test]
fn checks_config_files_like_the_command_line() {
    for (text, says) in [
        ("key = \"k.pem\"", "--key requires --cert FILE"),
        ("chain = 4", "--chain is 4; give 1 to 3"),
        ("tickets = 20", "--tickets is 20; give at most 16"),
        ("alpn = [\"\"]", "invalid --alpn ``; expected a protocol name"),
        ("tls_version = \"1.2\"\nearly_data = true\nresume = \"50%\"", "--early-data requires TLS 1.3"),
        ("[trust]\nclient_cert = \"c.pem\"", "--client-cert requires its private key"),
        ("[trust]\ninsecure = true\nverify = \"full\"", "--insecure cannot be combined with --ca or --verify"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.toml"), format!("[tls]\n{text}\n")).unwrap();
        assert_error(&start_in(folder, &["run", "--config", "run.toml"]).end_within(BOUND), &[says]);
    }
}
