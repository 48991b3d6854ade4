use clap::ValueEnum;

use super::*;

fn rejection(change: impl FnOnce(&mut TlsOptions)) -> String {
    let mut options = TlsOptions::default();
    change(&mut options);
    options.check().unwrap_err().to_string()
}

#[test]
fn accepts_the_defaults() {
    assert_eq!(TlsOptions::default().check(), Ok(()));
    assert_eq!(TlsOptions::default().version(), None);
}

#[test]
fn rejects_a_suite_of_the_other_version_and_lists_alternatives() {
    let error = rejection(|options| {
        options.tls_version = Some(TlsVersion::V1_3);
        options.suite = Some(Suite::RsaAes128Gcm);
    });
    assert!(error.contains("TLS13_CHACHA20_POLY1305_SHA256") && !error.contains("AES_256_GCM_SHA256"), "{error}");
}

#[test]
fn rejects_a_suite_for_another_key_and_lists_kinds() {
    let error = rejection(|options| {
        options.suite = Some(Suite::RsaAes128Gcm);
        options.cert = Some(CertificateChoice::Kind(CertificateKind::Ed25519));
    });
    assert!(error.ends_with("use --cert rsa-2048, rsa-3072 or rsa-4096"), "{error}");
    // The default certificate counts too.
    assert!(rejection(|options| options.suite = Some(Suite::RsaAes128Gcm)).contains("ecdsa-p256"));
}

#[test]
fn rejects_tls_1_3_options_with_tls_1_2() {
    let changes: [fn(&mut TlsOptions); 6] = [
        |options| options.group = Some(Group::X25519MlKem768),
        |options| options.cert = Some(CertificateChoice::Kind(CertificateKind::MlDsa44)),
        |options| options.resume_by = Some(ResumeBy::Stateful),
        |options| options.force_retry = true,
        |options| options.early_data = true,
        |options| options.tickets = Some(2),
    ];
    for change in changes {
        let error = rejection(|options| {
            options.tls_version = Some(TlsVersion::V1_2);
            change(options);
        });
        assert!(
            error.contains("requires TLS 1.3, which --tls 1.2 excludes")
                || error.contains("--tickets applies to TLS 1.3"),
            "{error}"
        );
    }
}

#[test]
fn early_data_requires_stateful_resumption() {
    let early = |options: &mut TlsOptions| {
        options.early_data = true;
        options.resume = Some("100%".parse().unwrap());
    };
    let mut options = TlsOptions::default();
    early(&mut options);
    assert_eq!((options.check(), options.resume_by()), (Ok(()), ResumeBy::Stateful));
    assert!(
        rejection(|options| {
            early(options);
            options.resume_by = Some(ResumeBy::Ticket);
        })
        .contains("requires --resume-by stateful")
    );
    assert!(rejection(|options| options.early_data = true).contains("add --resume 100%"));
}

#[test]
fn rejects_options_without_effect() {
    assert!(rejection(|options| options.resume_by = Some(ResumeBy::Stateful)).contains("add --resume 100%"));
    assert!(rejection(|options| options.key = Some("key.pem".into())).contains("--key requires --cert FILE"));
    // From a file: the command line is checked by clap.
    assert!(rejection(|options| options.chain = Some(4)).contains("give 1 to 3"));
    assert!(rejection(|options| options.tickets = Some(17)).contains("at most 16"));
}

#[test]
fn accepts_any_certificate_of_another_server() {
    let options = TlsOptions { suite: Some(Suite::RsaAes128Gcm), ..TlsOptions::default() };
    assert!(options.check().is_err(), "the generated certificate is ecdsa-p256");
    assert_eq!(options.check_as_client(), Ok(()));
}

#[test]
fn suggests_the_most_similar_name_or_alias() {
    for (option, text, nearest) in [
        ("--suite", "aes129", "aes128"),
        ("--suite", "TLS_AES_129_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("--suite", "ecdhe-rsa-aes128-gcm-sha384", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("--group", "p257", "P256"),
        ("--group", "X25519MLKEM786", "X25519MLKEM768"),
    ] {
        let command = TlsOptions::augment_args(clap::Command::new("run"));
        let error = command.try_get_matches_from(["run", option, text]).unwrap_err().to_string();
        assert!(error.contains(&format!("a similar value exists: '{nearest}'")), "{error}");
        assert!(error.contains("[possible values: TLS13_") || error.contains("[possible values: X25519,"), "{error}");
    }
}

#[test]
fn unknown_certificate_lists_kinds_and_a_suggestion() {
    let error = "ecdsa-p265".parse::<CertificateChoice>().unwrap_err().to_string();
    assert!(error.contains("ml-dsa-87") && error.contains("did you mean ecdsa-p256?"), "{error}");
    assert_eq!("RSA-2048".parse(), Ok(CertificateChoice::Kind(CertificateKind::Rsa2048)));
    assert_eq!("chain.pem".parse(), Ok(CertificateChoice::File("chain.pem".into())));
}

#[test]
fn arguments_parse_back_to_the_same_options() {
    use clap::FromArgMatches;
    let options = TlsOptions {
        tls_version: Some(TlsVersion::V1_3),
        suite: Some(Suite::ChaCha20),
        group: Some(Group::Secp256r1MlKem768),
        cert: Some(CertificateChoice::File("a/chain.pem".into())),
        key: Some("a/key.pem".into()),
        chain: Some(2),
        mtls: true,
        alpn: vec!["http/1.1".to_owned(), "x".to_owned()],
        key_log: None,
        provider: Some(ProviderKind::Ring),
        resume: Some("12.5%".parse().unwrap()),
        resume_by: Some(ResumeBy::Stateful),
        tickets: Some(3),
        early_data: true,
        force_retry: true,
        cost_split: Some(CostSplit::All),
    };
    let command = TlsOptions::augment_args(clap::Command::new("serve"));
    let matches = command.get_matches_from(std::iter::once("serve".to_owned()).chain(options.arguments()));
    assert_eq!(TlsOptions::from_arg_matches(&matches).unwrap(), options);
}

#[test]
fn suite_names_are_unique() {
    let mut names: Vec<String> = Suite::ALL
        .iter()
        .flat_map(|suite| {
            suite
                .to_possible_value()
                .map(|value| value.get_name_and_aliases().map(str::to_lowercase).collect::<Vec<_>>())
        })
        .flatten()
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}
