//! Certificates as people make them, each with the sentence that names its problem, served by `openssl s_server`.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};
use tempfile::TempDir;
use wss_model::RunResult;

use crate::common::openssl::{self, Server};
use crate::common::{Ended, run};

/// A folder with `ca.pem` and the certificate of a server.
struct Made {
    folder: TempDir,
}

/// The parameters of a server certificate for 127.0.0.1, which a test changes.
fn server_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
    parameters.distinguished_name = name("server");
    parameters
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn ca_parameters(common: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name = name(common);
    parameters
}

impl Made {
    /// Issues a certificate with these parameters by `Root`, or by an intermediate CA that is not sent.
    fn new(parameters: CertificateParams, with_intermediate: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, root_key) = (ca_parameters("Root"), KeyPair::generate().unwrap());
        let root_certificate = root.self_signed(&root_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = if with_intermediate {
            let (middle, middle_key) = (ca_parameters("Intermediate"), KeyPair::generate().unwrap());
            parameters.signed_by(&key, &Issuer::new(middle, middle_key)).unwrap()
        } else {
            parameters.signed_by(&key, &Issuer::new(root, root_key)).unwrap()
        };
        let made = Self { folder };
        std::fs::write(made.path("ca.pem"), root_certificate.pem()).unwrap();
        std::fs::write(made.path("server.pem"), certificate.pem()).unwrap();
        std::fs::write(made.path("server.key"), key.serialize_pem()).unwrap();
        made
    }

    /// With `openssl` commands that write `server.pem` and `server.key`.
    fn by_openssl(commands: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for command in commands {
            openssl::openssl(folder.path(), command);
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn serve(&self, arguments: &[&str]) -> Server {
        openssl::serve_in(self.folder.path(), arguments)
    }
}

/// A few handshakes, one at a time, since `openssl s_server` accepts no more.
fn handshakes(url: &str, options: &[&str]) -> Ended {
    let load = ["--mode", "handshake", "--connect-rate", "max", "--connect-concurrency", "1", "--no-first-echo"];
    run(&[&[url], &load[..], &["--threads", "1", "--warmup", "0s", "--duration", "300ms"], options].concat())
}

/// Asserts that all handshakes completed.
fn assert_trusted(ended: &Ended) -> RunResult {
    let result = ended.result();
    assert!(result.errors.is_empty() && result.handshake.completed > 0, "{ended}");
    result
}

/// Asserts that none did, and that the error contains these parts.
fn assert_not_trusted(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended}");
    for part in parts {
        assert!(ended.stderr.contains(part), "`{part}` is not in: {}", ended.stderr);
    }
}

fn uses_named_certificate(result: &RunResult) -> bool {
    result.notes.iter().any(|note| note.contains("is itself in --ca"))
}

#[test]
fn each_problem_has_its_own_sentence_and_insecure_accepts_all() {
    let mut expired = server_parameters();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut future = server_parameters();
    (future.not_before, future.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let mut client = server_parameters();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut ca = server_parameters();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (parameters, with_intermediate, parts) in [
        (expired, false, &["expired on Jan  1 00:00:00 2021", "renew it"][..]),
        (future, false, &["is not valid before Jan  1 00:00:00 2090", "check the clock"]),
        (client, false, &["is not for servers", "serverAuth"]),
        (ca, false, &["is a CA certificate", "CA:FALSE"]),
        (server_parameters(), true, &["ends at the issuer CN=Intermediate", "intermediate certificates"]),
    ] {
        let made = Made::new(parameters, with_intermediate);
        let server = made.serve(&[]);
        assert_not_trusted(&handshakes(&server.url, &["--ca", &made.file("ca.pem")]), parts);
        assert_trusted(&handshakes(&server.url, &["--insecure"]));
        // Trusted itself, it needs no CA; but an end date holds for every certificate.
        let result = handshakes(&server.url, &["--ca", &made.file("server.pem")]);
        if parts[0].contains("expired") || parts[0].contains("not valid before") {
            assert_not_trusted(&result, &parts[..1]);
        } else {
            let result = assert_trusted(&result);
            assert!(uses_named_certificate(&result), "{:?}", result.notes);
        }
    }
}

#[test]
fn an_unknown_ca_is_named() {
    let (made, other) = (Made::new(server_parameters(), false), Made::new(server_parameters(), false));
    let server = made.serve(&["-cert_chain", "ca.pem"]);
    let result = handshakes(&server.url, &["--ca", &other.file("server.pem")]);
    assert_not_trusted(&result, &["CN=Root", "is not trusted", "--ca FILE"]);
}

#[test]
fn a_self_signed_certificate_is_trusted_by_naming_it() {
    for (options, host) in [
        ("-subj /CN=localhost -addext subjectAltName=DNS:localhost", "localhost"),
        // Without any name but the common one.
        ("-subj /CN=localhost", "localhost"),
    ] {
        let made = Made::by_openssl(&[&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout server.key -out server.pem -days 2 {options}"
        )]);
        let server = made.serve(&[]);
        let url = server.url.replace("127.0.0.1", host);
        let result = handshakes(&url, &["--ca", &made.file("server.pem")]);
        let result = assert_trusted(&result);
        assert!(uses_named_certificate(&result), "{:?}", result.notes);
        // The name is verified all the same.
        let other = handshakes(&server.url, &["--ca", &made.file("server.pem")]);
        assert_not_trusted(&other, &["--server-name"]);
        let another = Made::new(server_parameters(), false);
        let unknown = handshakes(&url, &["--ca", &another.file("ca.pem")]);
        assert_not_trusted(&unknown, &["is self-signed", "--ca FILE"]);
    }
}

#[test]
fn version_1_is_accepted_insecurely_and_named() {
    let made = Made::by_openssl(&[
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Root",
        "req -new -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem",
    ]);
    for version in ["1.2", "1.3"] {
        let server = made.serve(&[]);
        let url = server.url.replace("127.0.0.1", "localhost");
        let result = handshakes(&url, &["--insecure", "--tls", version]);
        let result = assert_trusted(&result);
        assert_eq!(result.negotiated[0].negotiated.certificate, "rsa-2048 (X.509 v1)");
        let result = handshakes(&url, &["--ca", &made.file("ca.pem"), "--tls", version]);
        assert_not_trusted(&result, &["X.509 version 1", "--ca FILE"]);
        assert_trusted(&handshakes(&url, &["--ca", &made.file("server.pem"), "--tls", version]));
    }
}

#[test]
fn a_pinned_key_is_required_beside_the_chain() {
    let made = Made::new(server_parameters(), false);
    let server = made.serve(&[]);
    let ca = made.file("ca.pem");
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let result = handshakes(&server.url, &["--ca", &ca, "--pin-sha256", wrong]);
    assert_not_trusted(&result, &["public key has the SHA-256"]);
    let right = result.stderr.split("SHA-256 ").nth(1).unwrap().split(',').next().unwrap();
    assert_eq!(right, pin_of(&made.path("server.pem")));
    assert_trusted(&handshakes(&server.url, &["--ca", &ca, "--pin-sha256", wrong, "--pin-sha256", right]));
    assert_trusted(&handshakes(&server.url, &["--insecure", "--pin-sha256", &format!("sha256//{right}")]));
    let ended = run(&[&server.url, "--insecure", "--pin-sha256", "no"]);
    assert!(ended.stderr.contains("invalid --pin-sha256 `no`"), "{}", ended.stderr);
}

/// The pin by `openssl`, as the manual of curl makes it.
fn pin_of(certificate: &Path) -> String {
    let command = format!(
        "openssl x509 -in {} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | \
         openssl base64",
        certificate.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
