use clap::ValueEnum;

use super::*;

fn refusal(change: impl FnOnce(&mut TlsOptions)) -> String {
    let mut options = TlsOptions::default();
    change(&mut options);
    options.check().unwrap_err().0
}

#[test]
fn nothing_asked_for_is_nothing_refused() {
    assert_eq!(TlsOptions::default().check(), Ok(()));
    assert_eq!(TlsOptions::default().version(), None);
}

#[test]
fn a_suite_of_the_other_version_is_refused_with_those_that_would_work() {
    let sentence = refusal(|options| {
        options.tls_version = Some(TlsVersion::V1_3);
        options.suite = Some(Suite::RsaAes128Gcm);
    });
    assert!(
        sentence.contains("TLS13_CHACHA20_POLY1305_SHA256") && !sentence.contains("AES_256_GCM_SHA256"),
        "{sentence}"
    );
}

#[test]
fn a_suite_that_names_another_kind_of_key_is_refused_with_the_kinds_that_would_work() {
    let sentence = refusal(|options| {
        options.suite = Some(Suite::RsaAes128Gcm);
        options.cert = Some(CertificateChoice::Kind(CertificateKind::Ed25519));
    });
    assert!(sentence.ends_with("give --cert rsa-2048, rsa-3072, rsa-4096"), "{sentence}");
    // The kind that is made by default is one like any other.
    assert!(refusal(|options| options.suite = Some(Suite::RsaAes128Gcm)).contains("ecdsa-p256"));
}

#[test]
fn what_only_tls_1_3_has_is_refused_with_1_2() {
    let changes: [fn(&mut TlsOptions); 6] = [
        |options| options.group = Some(Group::X25519MlKem768),
        |options| options.cert = Some(CertificateChoice::Kind(CertificateKind::MlDsa44)),
        |options| options.resume_by = Some(ResumeBy::Stateful),
        |options| options.force_retry = true,
        |options| options.early_data = true,
        |options| options.tickets = Some(2),
    ];
    for change in changes {
        let sentence = refusal(|options| {
            options.tls_version = Some(TlsVersion::V1_2);
            change(options);
        });
        assert!(sentence.contains("--tls 1.2 is TLS 1.2 and --") || sentence.contains("is TLS 1.3's"), "{sentence}");
    }
}

#[test]
fn early_data_needs_a_session_that_the_server_keeps() {
    let early = |options: &mut TlsOptions| {
        options.early_data = true;
        options.resume = Some("100%".parse().unwrap());
    };
    let mut options = TlsOptions::default();
    early(&mut options);
    assert_eq!((options.check(), options.resume_by()), (Ok(()), ResumeBy::Stateful));
    assert!(
        refusal(|options| {
            early(options);
            options.resume_by = Some(ResumeBy::Ticket);
        })
        .contains("needs --resume-by stateful")
    );
    assert!(refusal(|options| options.early_data = true).contains("give --resume 100%"));
}

#[test]
fn what_would_be_asked_for_in_vain_is_refused() {
    assert!(refusal(|options| options.resume_by = Some(ResumeBy::Stateful)).contains("give --resume 100%"));
    assert!(refusal(|options| options.key = Some("key.pem".into())).contains("--cert FILE, which is not given"));
    // From a file of options: the parser of the command line has a range.
    assert!(refusal(|options| options.chain = Some(4)).contains("give 1 to 3"));
    assert!(refusal(|options| options.tickets = Some(17)).contains("at most 16"));
}

#[test]
fn the_certificate_of_somebody_elses_server_is_of_any_kind() {
    let options = TlsOptions { suite: Some(Suite::RsaAes128Gcm), ..TlsOptions::default() };
    assert!(options.check().is_err(), "the one that is made at start is ecdsa-p256");
    assert_eq!(options.check_client(), Ok(()));
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_of_all_that_are_understood() {
    for (option, text, nearest) in [
        ("--suite", "aes129", "aes128"),
        ("--suite", "TLS_AES_129_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("--suite", "ecdhe-rsa-aes128-gcm-sha384", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("--group", "p256", "P-256"),
        ("--group", "X25519MLKEM786", "X25519MLKEM768"),
    ] {
        let command = TlsOptions::augment_args(clap::Command::new("run"));
        let error = command.try_get_matches_from(["run", option, text]).unwrap_err().to_string();
        assert!(error.contains(&format!("a similar value exists: '{nearest}'")), "{error}");
        assert!(error.contains("[possible values: TLS13_") || error.contains("[possible values: X25519,"), "{error}");
    }
}

#[test]
fn an_unknown_kind_of_certificate_is_told_with_the_list_and_the_nearest() {
    let sentence = "ecdsa-p265".parse::<CertificateChoice>().unwrap_err().0;
    assert!(sentence.contains("ml-dsa-87") && sentence.contains("`ecdsa-p256` is the nearest"), "{sentence}");
    assert_eq!("RSA-2048".parse(), Ok(CertificateChoice::Kind(CertificateKind::Rsa2048)));
    assert_eq!("chain.pem".parse(), Ok(CertificateChoice::File("chain.pem".into())));
}

#[test]
fn the_arguments_of_options_read_back_as_the_same_options() {
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
fn no_two_suites_understand_the_same_name() {
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
