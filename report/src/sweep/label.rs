//! Short labels that distinguish configurations: the options that not all of them share, with TLS options replaced by
//! what was negotiated.

use std::collections::BTreeSet;

use wss_analysis::sweep::SweepResult;
use wss_model::run_result::Negotiated;
use wss_model::text::phrases::one_line;

/// The label of the configuration with a number.
pub(crate) fn label(sweep: &SweepResult, number: usize) -> String {
    let Some(configuration) = sweep.configuration(number) else { return format!("configuration {number}") };
    let negotiated = sweep.analysis.summary(number).map_or(&[][..], |summary| &summary.negotiated);
    let all: Vec<&[String]> = sweep.configurations.iter().map(|one| one.options.as_slice()).collect();
    let label = of_options(&configuration.options, &all, negotiated, several_versions(sweep));
    let again = if configuration.repeat_of.is_some() { " (again)" } else { "" };
    one_line(&format!("{label}{again}"))
}

/// The label of a configuration among `all`, before anything was negotiated.
pub fn label_as_requested(options: &[String], all: &[&[String]]) -> String {
    one_line(&of_options(options, all, &[], false))
}

fn of_options(options: &[String], all: &[&[String]], negotiated: &[Negotiated], several_versions: bool) -> String {
    let own = options.iter().filter(|option| !all.iter().all(|other| other.contains(option)));
    let parts: Vec<String> = own.map(|option| describe(option, negotiated, several_versions)).collect();
    match (parts.is_empty(), options.is_empty()) {
        (false, _) => parts.join(" "),
        // All configurations have the same options.
        (true, false) => options.join(" "),
        (true, true) => "defaults".to_owned(),
    }
}

fn several_versions(sweep: &SweepResult) -> bool {
    let summaries = &sweep.analysis.summaries;
    let versions = summaries.iter().flat_map(|summary| &summary.negotiated).map(|negotiated| &negotiated.version);
    versions.collect::<BTreeSet<_>>().len() > 1
}

fn describe(option: &str, negotiated: &[Negotiated], several_versions: bool) -> String {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let seen = |of: fn(&Negotiated) -> String| {
        let seen: BTreeSet<String> = negotiated.iter().map(of).filter(|name| !name.is_empty()).collect();
        (!seen.is_empty()).then(|| seen.into_iter().collect::<Vec<_>>().join("/"))
    };
    let known = match name {
        "--tls" => seen(|negotiated| version(&negotiated.version)).or_else(|| Some(value.to_owned())),
        "--suite" if several_versions => {
            seen(|negotiated| format!("{} {}", version(&negotiated.version), suite(&negotiated.suite)))
        }
        "--suite" => seen(|negotiated| suite(&negotiated.suite)),
        "--group" => seen(|negotiated| negotiated.group.clone()),
        "--cert" => seen(|negotiated| negotiated.certificate.clone()),
        _ => None,
    };
    match (known, name.strip_prefix("--")) {
        (Some(known), _) => known,
        (None, Some("suite")) => suite(value),
        // The values of these options need no name.
        (None, Some("layer" | "engine" | "provider" | "group" | "cert")) => value.to_owned(),
        (None, Some(name)) => format!("{name} {value}").trim_end().to_owned(),
        // A URL.
        (None, None) => option.to_owned(),
    }
}

/// `TLSv1.3` → `1.3`.
fn version(version: &str) -> String {
    version.trim_start_matches("TLSv").to_owned()
}

/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` → `AES-128-GCM`: the label has version and certificate already.
fn suite(suite: &str) -> String {
    let cipher = suite.split_once("_WITH_").map_or_else(|| suite.trim_start_matches("TLS13_"), |(_, cipher)| cipher);
    let cipher = cipher.trim_end_matches("_SHA256").trim_end_matches("_SHA384");
    cipher.replace("CHACHA20_POLY1305", "ChaCha20").replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::config::tls::Suite;

    #[test]
    fn shortens_a_suite_to_its_cipher() {
        let short: BTreeSet<String> = Suite::ALL.iter().map(|name| suite(name.name())).collect();
        assert_eq!(short.into_iter().collect::<Vec<_>>(), ["AES-128-GCM", "AES-256-GCM", "ChaCha20"]);
    }

    #[test]
    fn prefers_what_was_negotiated() {
        let negotiated = Negotiated {
            version: "TLSv1.2".to_owned(),
            suite: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned(),
            group: "secp256r1".to_owned(),
            certificate: "ecdsa-p384".to_owned(),
            kind: "full".to_owned(),
        };
        let described = |option| describe(option, std::slice::from_ref(&negotiated), true);
        assert_eq!(described("--suite=TLS13_AES_128_GCM_SHA256"), "1.2 AES-256-GCM");
        assert_eq!(described("--cert=some/file.pem"), "ecdsa-p384");
        assert_eq!(described("--tls=1.3"), "1.2");
        assert_eq!(describe("--cert=rsa-2048", &[], false), "rsa-2048");
        assert_eq!((described("--size=16KiB"), described("--mtls")), ("size 16KiB".to_owned(), "mtls".to_owned()));
        assert_eq!(described("wss://host:1/"), "wss://host:1/");
    }
}
