//! What TLS cannot do, and files that are not what they should be: one sentence, before any connection.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{BOUND, Ended, peer, start_in, wssbench};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, RsaKeySize,
    date_time_ymd,
};
use tempfile::TempDir;

/// That it was refused before anything was begun, in one sentence that has all of `says`.
fn assert_refused(ended: &Ended, says: &[&str]) {
    let sentence = ended.refusal();
    assert!(!ended.stderr.contains("begins") && !sentence.contains("no connection succeeded"), "{ended}");
    for part in says {
        assert!(sentence.contains(part), "`{part}` is not in: {sentence}");
    }
}

fn refused(arguments: &str, says: &[&str]) {
    let arguments: Vec<&str> = std::iter::once("run").chain(arguments.split_whitespace()).collect();
    assert_refused(&wssbench(&arguments), says);
}

/// Refused by the parser of the command line.
fn refused_by_the_parser(arguments: &str, says: &[&str]) {
    for verb in ["run", "serve"] {
        let arguments: Vec<&str> = std::iter::once(verb).chain(arguments.split_whitespace()).collect();
        let ended = wssbench(&arguments);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended}");
        for part in says {
            assert!(ended.stderr.contains(part), "`{part}` is not in: {ended}");
        }
    }
}

#[test]
fn an_unknown_name_with_all_that_are_known_and_the_nearest() {
    let similar = |name: &str| format!("a similar value exists: '{name}'");
    refused_by_the_parser("--suite aes129", &["'aes129' for '--suite", "TLS_ECDHE_RSA_WITH", &similar("aes128")]);
    refused_by_the_parser("--suite TLS_AES_128_GCM_SHA265", &["TLS13_AES_128", &similar("TLS_AES_128_GCM_SHA256")]);
    refused_by_the_parser("--group X25518", &["secp256r1MLKEM768", "MLKEM1024", &similar("X25519")]);
    refused_by_the_parser("--group p256", &[&similar("P-256")]);
    refused_by_the_parser("--cert ecdsa-p265", &["ml-dsa-87", "`ecdsa-p256` is the nearest", "no such file"]);
    refused_by_the_parser("--provider rang", &["aws-lc-rs, ring, graviola", &similar("ring")]);
    refused_by_the_parser("--resume-by tikket", &["ticket, stateful, session-id", &similar("ticket")]);
    refused_by_the_parser("--tls 1.1", &["1.2, 1.3"]);
    refused_by_the_parser("--cost-split some", &["off, handshake, all"]);
    refused_by_the_parser("--resume 101%", &["`101%` is not a share from 0% to 100%"]);
    refused_by_the_parser("--resume often", &["`often` is not a share from 0% to 100%"]);
    refused_by_the_parser("--chain 4", &["4 is not in 1..=3"]);
    refused_by_the_parser("--tickets 17", &["17 is not in 0..=16"]);
    refused_by_the_parser("--key x.pem", &["required arguments were not provided", "--cert"]);
    let verify = wssbench(&["run", "--verify", "nothing"]);
    assert!(verify.code() == Some(1) && verify.stderr.contains("full, no-chain, none"), "{verify}");
    let halves = wssbench(&["run", "--client-cert", "x.pem"]);
    assert!(halves.code() == Some(1) && halves.stderr.contains("--client-key"), "{halves}");
}

#[test]
fn what_the_version_of_tls_has_not() {
    refused("--tls 1.2 --suite aes128", &["--tls 1.2 is TLS 1.2", "would work --suite TLS_ECDHE_ECDSA"]);
    refused("--tls 1.3 --suite rsa-aes128", &["is TLS 1.2: leave one out", "TLS13_CHACHA20_POLY1305_SHA256"]);
    refused("--suite ecdsa-aes128 --group MLKEM768", &["--suite TLS_ECDHE_ECDSA", "--group MLKEM768 is TLS 1.3"]);
    refused("--suite rsa-aes128 --cert ml-dsa-65", &["is TLS 1.2 and --cert ml-dsa-65 is TLS 1.3"]);
    refused("--tls 1.2 --cert ml-dsa-44", &["--cert ml-dsa-44 is TLS 1.3"]);
    refused("--suite rsa-aes128", &["does not go with a certificate of the kind ecdsa-p256", "rsa-2048, rsa-3072"]);
    refused("--suite ecdsa-aes128 --cert rsa-4096", &["of the kind rsa-4096", "give --cert ecdsa-p256"]);
    refused("--resume 10% --tls 1.2 --resume-by stateful", &["--resume-by stateful is TLS 1.3"]);
    refused("--resume 10% --tls 1.3 --resume-by session-id", &["--resume-by session-id is TLS 1.2"]);
    refused("--resume 10% --resume-by session-id --tickets 2", &["--tickets 2 is TLS 1.3's"]);
    refused("--resume 10% --resume-by session-id --early-data", &["--early-data is TLS 1.3"]);
    refused("--tls 1.2 --force-retry", &["--force-retry is TLS 1.3"]);
}

#[test]
fn what_resumption_and_early_data_need() {
    refused("--early-data", &["give --resume 100%"]);
    refused("--alpn h2", &["--alpn h2 names HTTP/2", "is HTTP/1.1"]);
    refused("--verify none --ca ca.pem", &["--verify none looks at no CA"]);
    refused("--early-data --resume 0%", &["give --resume 100%"]);
    refused("--early-data --resume 50% --resume-by ticket", &["needs --resume-by stateful"]);
    refused("--early-data --resume 50% --layer tls", &["HTTP upgrade request, and tls:// has none"]);
    let tls = format!("tls://{}", peer::nobody());
    refused(&format!("{tls} --early-data --resume 50%"), &["HTTP upgrade request, and tls:// has none"]);
    refused("--resume-by stateful", &["--resume-by stateful is of resumed handshakes: give --resume 100%"]);
    refused("--resume 5% --tickets 0", &["--tickets 0 leaves nothing to resume"]);
    refused("--resume 5% --force-retry", &["--force-retry goes with full handshakes"]);
}

#[test]
fn what_a_provider_has_not_on_either_side() {
    let signatures = "does not support signatures with the certificate ml-dsa-44; choose one of ecdsa-p256";
    refused("--provider ring --cert ml-dsa-44", &["the provider ring", signatures]);
    refused("--server-provider graviola --cert ml-dsa-44", &["graviola", signatures, "--server-provider"]);
    refused("--client-provider ring --cert ml-dsa-44", &["ring", signatures, "--client-provider"]);
    let group = "does not support the group secp256r1MLKEM768; choose one of";
    refused("--client-provider graviola --group secp256r1MLKEM768", &["graviola", group, "X25519MLKEM768"]);
    refused("--server-provider ring --group secp256r1MLKEM768", &["ring", group, "secp384r1"]);
    refused(
        "--provider ring --group X25519MLKEM768 --force-retry",
        &["ring does not support the group X25519MLKEM768"],
    );
}

#[test]
fn what_asks_something_of_tls_where_there_is_none() {
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
            let sentence = format!("{name} is TLS's, and {layer}:// has no TLS: leave it out");
            refused(&format!("{stack} {option}"), &[&sentence]);
        }
    }
    for option in [&["--suite", "aes128"][..], &["--ca-out", "ca.pem"], &["--name", "example.org"]] {
        let ended = wssbench(&[&["serve", "--layer", "ws"], option].concat());
        assert_refused(&ended, &[option[0], "is TLS's, and ws:// has no TLS"]);
    }
}

#[test]
fn what_is_of_the_other_end() {
    let url = format!("wss://{}/", peer::nobody());
    refused(&format!("{url} --cert here/cert.pem"), &["is for the embedded server: with a URL --cert takes the kind"]);
    refused(&format!("{url} --chain 2"), &["--chain is for the embedded server"]);
    refused(&format!("{url} --server-provider ring"), &["--server-provider is for the embedded server"]);
    refused(&format!("{url} --mtls"), &["needs --client-cert FILE and --client-key FILE"]);
    refused("--mtls --client-cert a.pem --client-key b.pem", &["--client-cert is for a server of your own"]);
    refused("--client-cert a.pem --client-key b.pem", &["--client-cert is for a server of your own"]);
    refused("--ca a.pem", &["did not sign the embedded server's certificate", "leave it out, or give --cert FILE"]);
    assert_refused(&wssbench(&["serve", "--mtls"]), &["--mtls needs --client-ca FILE"]);
}

#[test]
fn a_file_of_options_is_checked_like_the_command_line() {
    for (text, says) in [
        ("key = \"k.pem\"", "--key goes with --cert FILE, which is not given"),
        ("chain = 4", "--chain is 4: give 1 to 3"),
        ("tickets = 20", "--tickets is 20: give at most 16"),
        ("alpn = [\"\"]", "is no protocol's name"),
        ("tls_version = \"1.2\"\nearly_data = true\nresume = \"50%\"", "--early-data is TLS 1.3"),
        ("[trust]\nclient_cert = \"c.pem\"", "--client-cert and --client-key go together"),
        ("[trust]\ninsecure = true\nverify = \"full\"", "--insecure trusts everyone"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.toml"), format!("[tls]\n{text}\n")).unwrap();
        assert_refused(&start_in(folder, &["run", "--config", "run.toml"]).end_within(BOUND), &[says]);
    }
}

/// Files of certificates and keys, made for one test.
struct Files {
    folder: TempDir,
    ca: Issuer<'static, KeyPair>,
}

impl Files {
    /// With two authorities: `ca.pem`, and `stranger.pem`, which signs nothing.
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

    /// A certificate of the CA in `name.pem`, and its key in `name.key`.
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

    /// Refused by `run`.
    fn refuse(self, arguments: &str, says: &[&str]) -> Self {
        let (files, ended) = self.run(&format!("run {arguments}"));
        assert_refused(&ended, says);
        files
    }

    /// Refused by `run` and by `serve`, which takes the same but for the client's options.
    fn refuse_both(self, server: &str, says: &[&str]) -> Self {
        let (files, ended) = self.refuse(&format!("{server} --ca ca.pem"), says).run(&format!("serve {server}"));
        assert_refused(&ended, says);
        files
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Valid today.
const VALID: (i32, i32) = (2020, 2096);

#[test]
fn a_certificate_that_is_none_or_not_of_today_or_of_another_key() {
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
        .refuse_both("--cert expired.pem --key expired.key", &["expired.pem expired on Jan  1", "2021"])
        .refuse_both("--cert future.pem --key future.key", &["future.pem is not valid before Jan  1", "2095"])
        .refuse_both(
            "--cert good.pem --key expired.key",
            &["does not belong to the certificate", "good.pem with expired.key"],
        )
        .refuse_both(
            "--cert turned.pem --key good.key",
            &["does not belong to the certificate", "that the leaf is the first"],
        )
        .refuse_both("--cert good.pem", &["needs its private key: give --key FILE"])
        .refuse_both("--cert ecdsa-p256 --key good.key", &["made at start with a key of its own"])
        .refuse_both("--cert good.pem --key good.key --chain 2", &["--chain is for certificates that are made"])
        .refuse_both("--cert good.pem --key good.key --suite rsa-aes128", &["does not fit", "ecdsa-p256"]);
    let mut files = files
        .refuse_both("--cert missing.pem --key good.key", &["missing.pem", "No such file"])
        .refuse_both("--cert folder.pem --key good.key", &["folder.pem", "Is a directory"])
        .refuse_both("--cert good.key --key good.key", &["good.key contains no certificate"])
        .refuse_both("--cert garbage.pem --key good.key", &["garbage.pem contains no certificate"])
        .refuse_both("--cert cut.pem --key good.key", &["cut.pem contains an invalid certificate"])
        .refuse_both("--cert good.pem --key missing.key", &["missing.key", "No such file"])
        .refuse_both(
            "--cert good.pem --key good.pem",
            &["cannot read a private key from good.pem: it contains no -----BEGIN"],
        )
        .refuse_both(
            "--cert good.pem --key garbage.pem",
            &["cannot read a private key from garbage.pem: it contains no -----BEGIN"],
        );
    // A file that its owner may not read either, unless the owner is root.
    let owner = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap();
    if owner != 0 {
        let path = files.folder.path().join("good.key");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        files = files.refuse_both("--cert good.pem --key good.key", &["good.key", "Permission denied"]);
    }
    drop(files);
}

#[test]
fn a_certificate_that_the_client_of_the_run_would_not_take() {
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
        .refuse("--cert good.pem --key good.key --ca stranger.pem", &["trying a handshake", "UnknownIssuer", "--ca"])
        .refuse(
            "--cert name.pem --key name.key --ca ca.pem",
            &["not valid for the name", "example.org", "--server-name"],
        )
        .refuse("--cert client.pem --key client.key --ca ca.pem", &["certificate cannot be verified"])
        .refuse("--cert good.pem --key good.key --ca good.key", &["good.key contains no certificate"])
        .refuse("--cert rsa.pem --key rsa.key --ca ca.pem --suite ecdsa-aes128", &["does not fit", "rsa-2048"])
        .refuse("--cert p521.pem --key p521.key --ca ca.pem --client-provider ring", &["trying a handshake", "p521"])
        .refuse(
            "--cert p521.pem --key p521.key --ca ca.pem --server-provider ring",
            &["cannot use p521.pem with p521.key"],
        );
    // And those that it does take run.
    let mut files = files;
    for (arguments, kind) in [
        ("--cert good.pem --key good.key --ca ca.pem --mtls", "ecdsa-p256"),
        ("--cert name.pem --key name.key --ca ca.pem --server-name example.org", "ecdsa-p256"),
        ("--cert rsa.pem --key rsa.key --ca ca.pem --suite rsa-aes128", "rsa-2048"),
        ("--cert p521.pem --key p521.key --insecure", "ecdsa-p521"),
    ] {
        let brief = "--json --mode handshake --warmup 0s --duration 100ms --connect-rate max --connect-concurrency 4";
        let (after, ended) = files.run(&format!("run {brief} {arguments}"));
        let result = common::tls::sound(&ended);
        assert_eq!(common::tls::label(&result).certificate, kind, "{arguments}");
        files = after;
    }
}

#[test]
fn a_client_s_certificate_or_authority_or_key_log_that_cannot_be() {
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
        .refuse(&with("--client-cert expired.pem --client-key expired.key"), &["expired.pem expired on"])
        .refuse(&with("--client-cert client.pem --client-key expired.key"), &["does not belong to the certificate"])
        .refuse(
            &with("--client-cert client.pem --client-key client.pem"),
            &["cannot read a private key from client.pem: it contains no -----BEGIN"],
        )
        .refuse(&with("--client-cert missing.pem --client-key client.key"), &["missing.pem", "No such file"])
        .refuse(&format!("{url} --ca client.key"), &["client.key contains no certificate"])
        .refuse(&format!("{url} --ca missing.pem"), &["missing.pem", "No such file"])
        .refuse(&format!("{url} --server-name -"), &["`-` is no name that a certificate can have"])
        .refuse(&format!("{url} --key-log no/such/keys.log"), &["no/such/keys.log for the key log", "No such file"])
        .refuse("--server-name -", &["`-` is no name that a certificate can have"])
        .refuse("--key-log no/such/keys.log", &["no/such/keys.log for the key log", "No such file"])
        .refuse("--key-log .", &["for the key log", "Is a directory"]);
    let (files, ended) = files.run("serve --mtls --client-ca client.key");
    assert_refused(&ended, &["client.key contains no certificate"]);
    let (_, ended) = files.run("serve --key-log no/such/keys.log");
    assert_refused(&ended, &["no/such/keys.log for the key log"]);
}
