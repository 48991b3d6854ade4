//! Errors before a run: options, units, and the checks of this machine.

use wss_model::config::conflicts::RULES;
use wss_model::config::tls::{CertificateKind, ProviderKind, Suite, TlsVersion};
use wss_model::config::{ConfigError, CpuList};
use wss_model::text::phrases::alternatives;
use wss_model::{HumanDuration, Percent, Rate, Size};
use wssbench::{PreflightError, RequestError, RouteError};

use crate::{Entry, printed};

pub(crate) fn options() -> Vec<Entry> {
    let others = [
        ConfigError::out_of_range("connections", 0, "at least 1"),
        "first".parse::<CpuList>().unwrap_err(),
        ConfigError::TlsVersion {
            first: "--tls 1.2".to_owned(),
            first_version: TlsVersion::V1_2,
            second: "--group X25519MLKEM768".to_owned(),
            second_version: TlsVersion::V1_3,
            cure: "remove one of them".to_owned(),
        },
        ConfigError::SuiteAndCertificate {
            suite: Suite::RsaAes128Gcm,
            kind: CertificateKind::EcdsaP256,
            usable: alternatives(&["rsa-2048", "rsa-3072", "rsa-4096"]),
        },
        ConfigError::ProviderUnavailable {
            provider: ProviderKind::Ring,
            reason: "the provider ring is not part of this build; build with the cargo feature ring".to_owned(),
        },
        ConfigError::ProviderUnsupported {
            provider: ProviderKind::Ring,
            what: "the group X25519MLKEM768".to_owned(),
            supported: "X25519, secp256r1, secp384r1".to_owned(),
            option: "--server-provider",
        },
    ];
    let rules = RULES.iter().map(|rule| {
        let cure = rule.cure.replace("{option}", "the option");
        let cure = cure[..1].to_uppercase() + &cure[1..] + ".";
        Entry::new(rule.code, rule.example(), rule.reason, &cure)
    });
    let others = others.iter().map(|error| {
        let (cause, cure) = explain(error);
        Entry::new(error.code(), error, cause, cure)
    });
    rules.chain(others).collect()
}

fn explain(error: &ConfigError) -> (&'static str, &'static str) {
    match error {
        ConfigError::Conflict { .. } => ("A rule above is broken.", "See the rule."),
        ConfigError::OutOfRange { .. } => ("No run could work with the value.", "Give a value in the range."),
        ConfigError::InvalidValue { .. } => ("The value is not written in the expected format.", "Follow the example."),
        ConfigError::TlsVersion { .. } => ("Each option exists in one version of TLS only.", "Remove one of them."),
        ConfigError::SuiteAndCertificate { .. } => {
            ("A TLS 1.2 suite names the kind of key.", "Use one of the listed kinds, or another suite.")
        }
        ConfigError::ProviderUnavailable { .. } => {
            ("The build or the CPU lacks something.", "Build with the feature, or use another provider.")
        }
        ConfigError::ProviderUnsupported { .. } => {
            ("Providers differ in suites, groups and signatures.", "Use a listed alternative, or another provider.")
        }
    }
}

pub(crate) fn units() -> Vec<Entry> {
    let cause = "The value is not written in the expected format.";
    let never = "A rate of 0 sends nothing.";
    let cure = "Follow the example.";
    vec![
        Entry::new("duration", "soon".parse::<HumanDuration>().unwrap_err(), cause, cure),
        Entry::new("size", "big".parse::<Size>().unwrap_err(), cause, cure),
        Entry::new("rate", "often".parse::<Rate>().unwrap_err(), cause, cure),
        Entry::new("rate_zero", "0".parse::<Rate>().unwrap_err(), never, "Give a rate above 0, or max."),
        Entry::new(
            "percent",
            "101%".parse::<Percent>().unwrap_err(),
            "It is not a percentage, or it is above 100%.",
            cure,
        ),
    ]
}

pub(crate) fn preflight() -> Vec<Entry> {
    let path = || "results/runs/result.json".into();
    let errors = [
        PreflightError::OpenFiles { connections: 50_000, files: 50_064, limit: 20_000, possible: 19_936 },
        PreflightError::Ports { connections: 50_000, ports: 28_232 },
        PreflightError::TimeWait { rate: 1000.0, ports: 28_232, highest: 470.0 },
        PreflightError::Memory { connections: 1000, size: Size(1 << 30), needed: 5_120_128, available: 8000 },
        PreflightError::TooLong { option: "duration", time: HumanDuration::from_secs(63_115_200) },
        PreflightError::RateTooHigh { option: "rate", rate: 20e6 },
        PreflightError::RateTooLow { option: "rate", stream: "connection", verb: "send" },
        PreflightError::Cpu { cpu: 7, allowed: "0-1".to_owned() },
        PreflightError::Spin { threads: 3, cpus: "4-5".to_owned() },
        PreflightError::ServerPid { pid: 4321, cause: "process 4321 has ended".to_owned() },
        PreflightError::OutputIsDirectory { path: path() },
        PreflightError::OutputIsSpecial { path: path() },
        PreflightError::OutputIsInput { path: path() },
    ];
    let entry = |error: &PreflightError| {
        let (cause, cure) = explain_preflight(error);
        Entry::new(error.code(), error, cause, cure)
    };
    errors.iter().map(entry).collect()
}

fn explain_preflight(error: &PreflightError) -> (&'static str, &'static str) {
    match error {
        PreflightError::OpenFiles { .. } => {
            ("Every connection is an open file.", "Raise the hard limit, or open fewer connections.")
        }
        PreflightError::Ports { .. } => (
            "Connections to the same address need different ports.",
            "Widen the range, open fewer connections, or divide them among addresses.",
        ),
        PreflightError::TimeWait { .. } => (
            "A port stays reserved for 60 s after its connection is closed.",
            "Lower the rate, or let the server close.",
        ),
        PreflightError::Memory { .. } => (
            "The memory that the connections and messages are estimated to need exceeds MemAvailable.",
            "Open fewer connections, or send smaller messages.",
        ),
        PreflightError::TooLong { .. } => ("The clock could overflow.", "Give at most a year."),
        PreflightError::RateTooHigh { .. } => ("No machine reaches the rate.", "Lower it, or use a closed loop."),
        PreflightError::RateTooLow { .. } => ("The first event would be too late.", "Raise the rate."),
        PreflightError::Cpu { .. } => {
            ("The CPU does not exist, or is excluded by taskset or cgroup.", "Choose from the allowed CPUs.")
        }
        PreflightError::Spin { .. } => (
            "A thread that spins uses its whole CPU.",
            "Reserve CPUs for the generator (--client-cpus), or let it sleep.",
        ),
        PreflightError::ServerPid { .. } => (
            "The process has ended, belongs to another user, or is the generator itself.",
            "Give the ID of the server's process.",
        ),
        PreflightError::OutputIsDirectory { .. } => ("A result is a file.", "Name a file."),
        PreflightError::OutputIsSpecial { .. } => {
            ("The path is a device, pipe or socket, which the result would replace.", "Name another file.")
        }
        PreflightError::OutputIsInput { .. } => ("The input would be lost.", "Name another file."),
    }
}

pub(crate) fn requests() -> Vec<Entry> {
    let errors = [
        RequestError::Invalid { option: "--header".to_owned(), text: "X-Na me".to_owned() },
        RequestError::Own { name: "Upgrade".to_owned(), cure: "remove it" },
        RequestError::OfConnection { name: "Keep-Alive".to_owned() },
        RequestError::Redacted { name: "Authorization".to_owned(), option: "--header" },
        RequestError::File {
            path: "secrets/token.txt".into(),
            cause: std::io::Error::from_raw_os_error(2),
            option: "--bearer-file",
        },
    ];
    let entry = |error: RequestError| {
        let (code, cause, cure) = match &error {
            RequestError::Invalid { .. } => (
                "header_invalid",
                "It has no colon, or a character that HTTP does not allow there (RFC 9110 section 5).",
                "Write 'Name: value'.",
            ),
            RequestError::Own { .. } => (
                "header_own",
                "A second field of this name would be ambiguous.",
                "Use the option that the text names, or remove the field.",
            ),
            RequestError::OfConnection { .. } => (
                "header_of_connection",
                "The field describes a connection of HTTP/1.1 (RFC 9113 section 8.2.2).",
                "Remove the field, or remove --http 2.",
            ),
            RequestError::Redacted { .. } => (
                "header_redacted",
                "Results do not contain the values of header fields and cookies.",
                "Give the value again.",
            ),
            RequestError::File { .. } => {
                ("header_file", "The file does not exist, or is not text.", "Correct the path.")
            }
        };
        Entry::new(code, printed(error), cause, cure)
    };
    errors.into_iter().map(entry).collect()
}

pub(crate) fn routes() -> Vec<Entry> {
    let host = || "example.org".to_owned();
    let errors = [
        RouteError::NoSuchFamily { host: host(), family: "IPv6", option: "-6" },
        RouteError::Unreachable {
            host: host(),
            attempts: "[::1]:443: Connection refused (os error 111), 127.0.0.1:443: Connection refused (os error 111)"
                .to_owned(),
        },
        RouteError::Credentials { path: "secrets/proxy.txt".into(), reason: "it has no colon".to_owned() },
    ];
    let entry = |error: RouteError| {
        let (code, cause, cure) = match &error {
            RouteError::NoSuchFamily { .. } => {
                ("no_such_family", "The name has addresses of the other family only.", "Remove the option.")
            }
            RouteError::Unreachable { .. } => (
                "unreachable",
                "None of the addresses of the name accepts a connection.",
                "Start the server, or correct the URL.",
            ),
            RouteError::Credentials { .. } => (
                "proxy_credentials",
                "The file of --proxy-auth-file is not one line USER:PASSWORD.",
                "Correct the file.",
            ),
            RouteError::Target(_) => ("target", "See the other errors of targets.", "See the other errors of targets."),
        };
        Entry::new(code, printed(error), cause, cure)
    };
    errors.into_iter().map(entry).collect()
}
