//! Invalid certificates, keys and other files are rejected with one sentence, before any connection.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, RsaKeySize,
    date_time_ymd,
};
use tempfile::TempDir;

use super::tls_bad_input::assert_error;
use crate::common::{self, BOUND, Ended, peer, start_in};

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
