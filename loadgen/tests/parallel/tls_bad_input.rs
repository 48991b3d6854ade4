//! Impossible TLS options and invalid certificate files are rejected with one sentence, before any connection.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::path::Path;

use common::{BOUND, Ended, peer, start_in, wssbench};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, RsaKeySize,
    date_time_ymd,
};
use tempfile::TempDir;

/// Rejected before anything was started, with one sentence that contains all of `says`.
fn assert_error(ended: &Ended, says: &[&str]) {
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

/// Certificate and key files for one test.
struct Files {
    folder: TempDir,
    ca: Issuer<'static, KeyPair>,
}

impl Files {
    /// Two CAs: `ca.pem`, and `stranger.pem`, which signs nothing.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut ca = CertificateParams::default();
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            ca.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            write(folder.path(), name, &ca.self_signed(&key).unwrap().pem());
            Issuer::new(ca, key)
        };
        authority("stranger.pem");
        let ca = authority("ca.pem");
        Self { folder, ca }
    }

    /// Writes a certificate signed by the CA to `name.pem`, and its key to `name.key`.
    fn certificate(&self, name: &str, key: &KeyPair, host: &str, years: (i32, i32), role: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        params.extended_key_usages = vec![role];
        write(self.folder.path(), &format!("{name}.pem"), &params.signed_by(key, &self.ca).unwrap().pem());
        write(self.folder.path(), &format!("{name}.key"), &key.serialize_pem());
    }

    fn server(&self, name: &str, host: &str, years: (i32, i32)) {
        let key = KeyPair::generate().unwrap();
        self.certificate(name, &key, host, years, ExtendedKeyUsagePurpose::ServerAuth);
    }

    fn run(self, arguments: &str) -> (Self, Ended) {
        let Self { folder, ca } = self;
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut ended = start_in(folder, &arguments).end_within(BOUND);
        let folder = std::mem::replace(&mut ended.folder, tempfile::tempdir().unwrap());
        (Self { folder, ca }, ended)
    }

    /// Asserts that `run` rejects the arguments.
    fn reject(self, arguments: &str, says: &[&str]) -> Self {
        let (files, ended) = self.run(&format!("run {arguments}"));
        assert_error(&ended, says);
        files
    }

    /// Asserts that `run` and `serve` reject the server's arguments.
    fn reject_both(self, server: &str, says: &[&str]) -> Self {
        let (files, ended) = self.reject(&format!("{server} --ca ca.pem"), says).run(&format!("serve {server}"));
        assert_error(&ended, says);
        files
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Valid today.
const VALID: (i32, i32) = (2020, 2096);

#[test]
fn rejects_invalid_expired_and_mismatched_certificates() {
    let files = Files::new();
    files.server("good", "127.0.0.1", VALID);
    files.server("expired", "127.0.0.1", (2020, 2021));
    files.server("future", "127.0.0.1", (2095, 2096));
    let folder = files.folder.path();
    write(folder, "garbage.pem", "no certificate and no key");
    write(folder, "cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    write(folder, "turned.pem", &(text("ca.pem") + &text("good.pem")));
    std::fs::create_dir(folder.join("folder.pem")).unwrap();

    let files = files
        .reject_both("--cert expired.pem --key expired.key", &["expired.pem expired on Jan  1", "2021"])
        .reject_both("--cert future.pem --key future.key", &["future.pem is not valid before Jan  1", "2095"])
        .reject_both(
            "--cert good.pem --key expired.key",
            &["does not belong to the certificate", "good.pem with expired.key"],
        )
        .reject_both(
            "--cert turned.pem --key good.key",
            &["does not belong to the certificate", "that the leaf is the first"],
        )
        .reject_both("--cert good.pem", &["--cert FILE requires its private key; add --key FILE"])
        .reject_both("--cert ecdsa-p256 --key good.key", &["--key requires --cert FILE"])
        .reject_both("--cert good.pem --key good.key --chain 2", &["--chain applies only to a generated certificate"])
        .reject_both("--cert good.pem --key good.key --suite rsa-aes128", &["cannot be used with", "ecdsa-p256"]);
    let mut files = files
        .reject_both("--cert missing.pem --key good.key", &["missing.pem", "No such file"])
        .reject_both("--cert folder.pem --key good.key", &["folder.pem", "Is a directory"])
        .reject_both("--cert good.key --key good.key", &["good.key contains no certificate"])
        .reject_both("--cert garbage.pem --key good.key", &["garbage.pem contains no certificate"])
        .reject_both("--cert cut.pem --key good.key", &["cut.pem contains an invalid certificate"])
        .reject_both("--cert good.pem --key missing.key", &["missing.key", "No such file"])
        .reject_both(
            "--cert good.pem --key good.pem",
            &["cannot read a private key from good.pem: it contains no unencrypted private key; give a PEM file with one"],
        )
        .reject_both(
            "--cert good.pem --key garbage.pem",
            &["cannot read a private key from garbage.pem: it contains no unencrypted private key; give a PEM file with one"],
        );
    // Only root can read a file without permissions.
    let owner = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap();
    if owner != 0 {
        let path = files.folder.path().join("good.key");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        files = files.reject_both("--cert good.pem --key good.key", &["good.key", "Permission denied"]);
    }
    drop(files);
}

#[test]
fn rejects_certificates_that_the_client_would_reject() {
    let files = Files::new();
    files.server("good", "127.0.0.1", VALID);
    files.server("name", "example.org", VALID);
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    files.certificate("rsa", &rsa, "127.0.0.1", VALID, ExtendedKeyUsagePurpose::ServerAuth);
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    files.certificate("p521", &p521, "127.0.0.1", VALID, ExtendedKeyUsagePurpose::ServerAuth);
    let client = KeyPair::generate().unwrap();
    files.certificate("client", &client, "127.0.0.1", VALID, ExtendedKeyUsagePurpose::ClientAuth);
    let files = files
        .reject(
            "--cert good.pem --key good.key --ca stranger.pem",
            &["a handshake with the certificate", "neither trusted nor sent", "--ca"],
        )
        .reject("--cert name.pem --key name.key --ca ca.pem", &["not valid for name", "example.org", "--server-name"])
        .reject("--cert client.pem --key client.key --ca ca.pem", &["is not for servers"])
        .reject("--cert good.pem --key good.key --ca good.key", &["good.key contains no certificate"])
        .reject("--cert rsa.pem --key rsa.key --ca ca.pem --suite ecdsa-aes128", &["cannot be used with", "rsa-2048"])
        .reject(
            "--cert p521.pem --key p521.key --ca ca.pem --client-provider ring",
            &["a handshake with the certificate", "p521"],
        )
        .reject(
            "--cert p521.pem --key p521.key --ca ca.pem --server-provider ring",
            &["cannot use p521.pem with p521.key"],
        );
    // Certificates that the client accepts are used.
    let mut files = files;
    for (arguments, kind) in [
        ("--cert good.pem --key good.key --ca ca.pem --mtls", "ecdsa-p256"),
        ("--cert name.pem --key name.key --ca ca.pem --server-name example.org", "ecdsa-p256"),
        ("--cert rsa.pem --key rsa.key --ca ca.pem --suite rsa-aes128", "rsa-2048"),
        ("--cert p521.pem --key p521.key --insecure", "ecdsa-p521"),
    ] {
        let brief = "--json --warmup 0s --duration 100ms --connect-rate max --connections 4";
        let (after, ended) = files.run(&format!("run {brief} {arguments}"));
        let result = common::tls::sound(&ended);
        assert_eq!(common::tls::label(&result).certificate, kind, "{arguments}");
        files = after;
    }
}

#[test]
fn rejects_invalid_client_certificates_and_key_logs() {
    let files = Files::new();
    let client = |name: &str, years: (i32, i32)| {
        let key = KeyPair::generate().unwrap();
        files.certificate(name, &key, "client", years, ExtendedKeyUsagePurpose::ClientAuth);
    };
    client("client", VALID);
    client("expired", (2020, 2021));
    let url = format!("wss://{}/", peer::nobody());
    let with = |options: &str| format!("{url} --mtls {options}");
    let files = files
        .reject(&with("--client-cert expired.pem --client-key expired.key"), &["expired.pem expired on"])
        .reject(&with("--client-cert client.pem --client-key expired.key"), &["does not belong to the certificate"])
        .reject(
            &with("--client-cert client.pem --client-key client.pem"),
            &["cannot read a private key from client.pem: it contains no unencrypted private key; give a PEM file with one"],
        )
        .reject(&with("--client-cert missing.pem --client-key client.key"), &["missing.pem", "No such file"])
        .reject(&format!("{url} --ca client.key"), &["client.key contains no certificate"])
        .reject(&format!("{url} --ca missing.pem"), &["missing.pem", "No such file"])
        .reject(&format!("{url} --server-name -"), &["invalid server name `-`"])
        .reject(&format!("{url} --key-log no/such/keys.log"), &["no/such/keys.log for the key log", "No such file"])
        .reject("--server-name -", &["invalid server name `-`"])
        .reject("--key-log no/such/keys.log", &["no/such/keys.log for the key log", "No such file"])
        .reject("--key-log .", &["for the key log", "Is a directory"]);
    let (files, ended) = files.run("serve --mtls --client-ca client.key");
    assert_error(&ended, &["client.key contains no certificate"]);
    let (_, ended) = files.run("serve --key-log no/such/keys.log");
    assert_error(&ended, &["no/such/keys.log for the key log"]);
}
