//! TLS with servers that are not embedded, and the key log.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::openssl::Pki;
use common::tls::{attempt_at, label, sound, words};
use common::{Ended, errors};

/// A `wssbench serve` process with its ready line. It ends with the test.
struct ServeProcess {
    child: Child,
    ready: wss_server::Ready,
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, arguments: &[&str]) -> ServeProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wssbench"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "1"]).args(arguments).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
    let Ok(ready) = serde_json::from_str::<wss_server::Ready>(&line) else {
        let _ = child.kill();
        panic!("{read:?}: {line}");
    };
    ServeProcess { child, ready }
}

/// A run against a server with its own CA, which also reads the server's admin endpoint.
fn with_serve(server: &[&str], client: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem").display().to_string();
    let process = serve(folder.path(), &[&["--ca-out", &ca], server].concat());
    let load = [process.ready.url.as_str(), "--ca", &ca, "--server-stats", &process.ready.admin];
    attempt_at("4", &[&load[..], client].concat())
}

#[test]
fn serve_takes_the_same_tls_options_as_run() {
    let tls13 = "TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256 secp384r1 rsa-2048";
    let suite = ["--suite", "chacha20", "--group", "secp384r1", "--cert", "rsa-2048", "--chain", "2"];
    for (server, client, kind) in [
        (&[][..], &["--suite", "chacha20"][..], "full"),
        (&["--provider", "ring"], &["--cert", "rsa-2048", "--provider", "graviola"], "full"),
        (&["--force-retry"], &["--force-retry"], "full-after-retry"),
        (&["--resume", "100%"], &["--resume", "100%"], "resumed"),
        (&["--resume", "100%", "--early-data"], &["--resume", "100%", "--early-data"], "early-data"),
    ] {
        let client = [&["--group", "secp384r1"], client].concat();
        let result = sound(&with_serve(&[&suite, server].concat(), &client));
        let expected = format!("{tls13} {kind}");
        assert_eq!(words(label(&result)), expected, "{client:?}");
        assert!(!result.target.embedded && result.server_negotiated.is_some());
    }
    let rsa = ["--suite", "ECDHE-RSA-AES128-GCM-SHA256"];
    let result = sound(&with_serve(&[&rsa[..], &["--cert", "rsa-2048"]].concat(), &rsa));
    assert_eq!(words(label(&result)), "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 X25519 rsa-2048 full");
}

#[test]
fn mismatch_with_the_server_is_an_error() {
    for (server, client, part) in [
        (&["--suite", "aes128"][..], &["--suite", "aes256"][..], "none of the offered suites, groups or signatures"),
        (&["--group", "X25519"], &["--group", "secp256r1"], "none of the offered suites, groups or signatures"),
        (&["--tls", "1.2"], &["--tls", "1.3"], "does not support the offered version of TLS; check --tls"),
        (&["--alpn", "one"], &["--alpn", "another"], "supports none of the protocols of --alpn"),
        (&[], &["--alpn", "one"], "selected none of the protocols of --alpn"),
        (&[], &["--cert", "rsa-2048"], "kind of certificate was ecdsa-p256, but the options request rsa-2048"),
        (&[], &["--force-retry"], "handshake was full, but the options request full-after-retry"),
        (
            &["--resume", "100%"],
            &["--resume", "100%", "--early-data"],
            "resumed the session but rejected the early data",
        ),
        (&[], &["--resume", "100%", "--early-data"], "was full instead of resumed"),
    ] {
        let error = with_serve(server, client).refusal();
        assert!(error.contains(part), "{error}");
        assert!(error.starts_with("wssbench: no connection succeeded: "), "{error}");
    }
    // Half of the handshakes are as requested and count as samples; the others are errors.
    let half = with_serve(&["--resume", "100%"], &["--resume", "50%", "--early-data"]).result();
    assert_eq!(errors(&half), [("tls", "early_data_refused", half.handshake.failed)]);
    assert!(!half.valid && label(&half).kind == "full" && half.handshake.failed > 0, "{:?}", half.invalid_because);
}

#[test]
fn options_work_with_openssl_s_server() {
    let pki = Pki::new();
    let against = |server: &[&str], client: &[&str]| {
        let server = pki.serve(server);
        attempt_at("1", &[&[&server.url, "--ca", &pki.file("ca.pem"), "--no-first-echo"], client].concat())
    };
    let aes = "TLSv1.3 TLS13_AES_128_GCM_SHA256 secp384r1 ecdsa-p256";
    let server = ["-ciphersuites", "TLS_AES_128_GCM_SHA256", "-groups", "P-384", "-alpn", "one"];
    let result = sound(&against(&server, &["--suite", "aes128", "--group", "P-384", "--alpn", "one"]));
    assert_eq!(words(label(&result)), format!("{aes} full"));
    // A retry that the server requests on its own is not an error.
    let result = sound(&against(&server, &[]));
    assert_eq!(words(label(&result)), format!("{aes} full-after-retry"));
    for (client, part) in [
        (&["--suite", "aes256"][..], "none of the offered suites, groups or signatures"),
        (&["--group", "X25519"], "none of the offered suites, groups or signatures"),
        (&["--alpn", "two"], "supports none of the protocols of --alpn"),
        (&["--suite", "rsa-aes128"], "sent the alert"),
        (&["--cert", "ed25519"], "kind of certificate was ecdsa-p256, but the options request ed25519"),
    ] {
        let error = against(&server, client).refusal();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn client_certificate_is_sent_on_request() {
    let pki = Pki::new();
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| pki.file(name));
    let client = ["--client-cert", &certificate, "--client-key", &key];
    for version in ["1.2", "1.3"] {
        let server = ["--mtls", "--client-ca", &ca, "--tls", version];
        let ended = with_serve(&server, &[&client[..], &["--tls", version]].concat());
        let result = sound(&ended);
        assert_eq!(label(&result).kind, "full");
        assert!(result.config.tls.mtls, "--client-cert implies --mtls");
        assert!(result.handshake.client_cost.unwrap().sign_ns.unwrap() > 0.0);
        assert!(result.handshake.server_cost.unwrap().verify_ns.unwrap() > 0.0);

        let error = with_serve(&server, &["--tls", version]).refusal();
        assert!(error.contains("alert") && !error.contains("HandshakeFailure"), "{error}");
        let stranger = Pki::new();
        let [certificate, key] = ["client.pem", "client.key"].map(|name| stranger.file(name));
        let error =
            with_serve(&server, &["--client-cert", &certificate, "--client-key", &key, "--tls", version]).refusal();
        assert!(error.contains("sent the alert"), "{error}");

        let error = with_serve(&["--tls", version], &client).refusal();
        assert!(error.contains("did not request the client certificate"), "{error}");
    }
    let server = pki.serve(&["-Verify", "1", "-CAfile", &ca, "-verify_return_error"]);
    let mutual = [&[server.url.as_str(), "--ca", &ca, "--no-first-echo", "--mtls"], &client[..]].concat();
    assert_eq!(label(&sound(&attempt_at("1", &mutual))).kind, "full");
}

/// The lines of a key log: label, client random, secret.
fn secrets(path: &Path) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(path).unwrap();
    let hex = |text: &str| text.len().is_multiple_of(2) && text.chars().all(|digit| digit.is_ascii_hexdigit());
    let parse = |line: &str| {
        let parts: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parts: [String; 3] = parts.try_into().unwrap_or_else(|_| panic!("{line}"));
        assert!(parts[1].len() == 64 && parts[2].len() >= 64 && parts[1..].iter().all(|part| hex(part)), "{line}");
        parts
    };
    text.lines().map(parse).collect()
}

#[test]
fn key_log_has_the_secrets_of_every_session() {
    for (version, labels) in [
        (
            "1.3",
            &[
                "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                "CLIENT_TRAFFIC_SECRET_0",
                "EXPORTER_SECRET",
                "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                "SERVER_TRAFFIC_SECRET_0",
            ][..],
        ),
        ("1.2", &["CLIENT_RANDOM"]),
    ] {
        let ended = attempt_at("4", &["--tls", version, "--key-log", "keys.log"]);
        let result = sound(&ended);
        let path = ended.folder.path().join("keys.log");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let secrets = secrets(&path);
        let kinds: BTreeSet<&str> = secrets.iter().map(|secret| secret[0].as_str()).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), labels);
        for label in labels {
            let sessions: BTreeSet<&str> =
                secrets.iter().filter(|secret| secret[0] == *label).map(|secret| secret[1].as_str()).collect();
            assert_eq!(sessions.len() as u64, result.handshake.completed, "{label}, each with its own client random");
        }
    }
    let ended = attempt_at("4", &["--resume", "100%", "--early-data", "--key-log", "keys.log"]);
    let early = sound(&ended).handshake.completed;
    let secrets = secrets(&ended.folder.path().join("keys.log"));
    let early_secrets = secrets.iter().filter(|secret| secret[0] == "CLIENT_EARLY_TRAFFIC_SECRET").count();
    assert_eq!(early_secrets as u64, early);
    assert!(
        !ended.folder.path().join("results").read_dir().unwrap().any(|entry| entry.unwrap().path().ends_with("log"))
    );
    // Without --key-log there is no such file.
    let ended = attempt_at("4", &[]);
    let left: Vec<_> = ended.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["results"]);
}
