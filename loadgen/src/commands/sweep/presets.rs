//! Predefined sweeps for common questions.

use clap::ValueEnum;
use wss_analysis::workload::Workload;
use wss_model::config::tls::{CertificateKind, Group, Suite};
use wss_model::{EngineKind, HumanDuration, Layer, ProviderKind, TlsVersion};

use crate::child::workloads;

/// A predefined sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// What does TLS cost? The layers, and the main choices within TLS, in five minutes
    Tour,
    /// Every cipher suite: handshake and bulk
    Suites,
    /// Every key exchange group: handshake
    Groups,
    /// Every kind of certificate: handshake
    Certs,
    /// Every cryptography provider, with the same suite, group and certificate
    Providers,
    /// Every I/O engine of the server: handshakes, small messages on 64 and on 512 connections, 16 KiB messages, 20,000
    /// messages per second
    Engines,
    /// TCP, TLS, WebSocket, and WebSocket over TLS
    Layers,
}

/// The contents of a preset.
pub(super) struct Definition {
    /// Options of `run`, the reference first.
    pub(super) configurations: Vec<Vec<String>>,
    pub(super) workloads: Vec<Workload>,
    /// Options that override those of a workload.
    pub(super) overrides: Vec<(Workload, Vec<String>)>,
    pub(super) trial: HumanDuration,
    pub(super) blocks: usize,
}

/// Default number of blocks: enough that one trial more or less does not matter, with intervals of 95.8%.
pub(super) const BLOCKS: usize = 12;

impl Preset {
    /// The name on the command line and in the result.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tour => "tour",
            Self::Suites => "suites",
            Self::Groups => "groups",
            Self::Certs => "certs",
            Self::Providers => "providers",
            Self::Engines => "engines",
            Self::Layers => "layers",
        }
    }

    /// Its contents.
    pub(super) fn definition(self) -> Definition {
        use Workload::{Bulk, Crowd, Echo, Handshake, Paced};
        let (configurations, workloads, blocks) = match self {
            Self::Tour => (tour(), vec![Handshake, Echo, Bulk], 8),
            Self::Suites => (suites(), vec![Handshake, Bulk], BLOCKS),
            Self::Groups => (each("group", Group::ALL, Group::name), vec![Handshake], BLOCKS),
            Self::Certs => (each("cert", CertificateKind::ALL, CertificateKind::name), vec![Handshake], BLOCKS),
            Self::Providers => (providers(), vec![Handshake, Echo, Bulk], BLOCKS),
            Self::Engines => (engines(), vec![Handshake, Echo, Crowd, Bulk, Paced], BLOCKS),
            Self::Layers => (layers(), vec![Handshake, Echo, Bulk], BLOCKS),
        };
        let (overrides, trial) = match self {
            // One second per workload.
            Self::Engines => (loads_of_engines(), HumanDuration::from_secs(5)),
            _ => (Vec::new(), workloads::TRIAL),
        };
        Definition { configurations, workloads, overrides, trial, blocks }
    }
}

fn each<T: Copy>(option: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Vec<Vec<String>> {
    all.iter().map(|one| vec![set(option, name(*one))]).collect()
}

fn set(option: &str, value: &str) -> String {
    format!("--{option}={value}")
}

/// From plain WebSocket, the reference, to the choices that people ask about.
fn tour() -> Vec<Vec<String>> {
    let layer = |layer: Layer| set("layer", layer.name());
    let wss = |option: String| vec![layer(Layer::Wss), option];
    vec![
        vec![layer(Layer::Ws)],
        vec![layer(Layer::Tcp)],
        vec![layer(Layer::Tls)],
        vec![layer(Layer::Wss)],
        wss(set("tls", TlsVersion::V1_2.name())),
        wss(set("suite", Suite::ChaCha20.name())),
        wss(set("group", Group::X25519MlKem768.name())),
        wss(set("cert", CertificateKind::Rsa2048.name())),
        wss(set("resume", "100%")),
    ]
}

fn suites() -> Vec<Vec<String>> {
    let certificate = |suite: Suite| match suite.goes_with(CertificateKind::EcdsaP256) {
        true => CertificateKind::EcdsaP256,
        false => CertificateKind::Rsa2048,
    };
    let with_it = |suite: &Suite| vec![set("suite", suite.name()), set("cert", certificate(*suite).name())];
    Suite::ALL.iter().map(with_it).collect()
}

/// With everything else equal: the preferences of a provider are a different question.
fn providers() -> Vec<Vec<String>> {
    let same = [
        set("suite", Suite::Aes128Gcm.name()),
        set("group", Group::X25519.name()),
        set("cert", CertificateKind::EcdsaP256.name()),
    ];
    each("provider", ProviderKind::ALL, ProviderKind::name)
        .into_iter()
        .map(|provider| provider.into_iter().chain(same.clone()).collect())
        .collect()
}

/// Engines of the server only. The generator stays the same, because its engine decides in which batches messages arrive,
/// and thereby what they cost the server: paced, a generator on a ring costs the same server 13% more than one on epoll.
fn engines() -> Vec<Vec<String>> {
    each("server-engine", EngineKind::ALL, EngineKind::name)
}

/// Loads under which engines differ. The number of connections and the pace decide how many completions an engine handles
/// per wake-up; with few connections or large messages, TLS dominates.
fn loads_of_engines() -> Vec<(Workload, Vec<String>)> {
    let of = |workload, options: &[(&str, &str)]| {
        (workload, options.iter().map(|(option, value)| set(option, value)).collect())
    };
    vec![
        of(Workload::Echo, &[("connections", "64")]),
        of(Workload::Bulk, &[("connections", "16"), ("size", "16KiB")]),
        of(Workload::Paced, &[("rate", "20k/s")]),
    ]
}

fn layers() -> Vec<Vec<String>> {
    let order = [Layer::Tcp, Layer::Tls, Layer::Ws, Layer::Wss];
    each("layer", &order, Layer::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::run_options::parse;

    #[test]
    fn run_accepts_every_configuration_of_every_preset() {
        for preset in Preset::value_variants() {
            let definition = preset.definition();
            assert!(definition.configurations.len() > 1 && !definition.workloads.is_empty());
            assert_eq!(preset.to_possible_value().unwrap().get_name(), preset.name());
            for options in &definition.configurations {
                for workload in
                    workloads::workloads(&definition.workloads, definition.trial, None, &definition.overrides)
                {
                    let config = parse(&workloads::arguments(&workload, options)).unwrap();
                    assert_eq!(config.check(), Ok(()), "{preset:?} {options:?}");
                }
            }
        }
    }

    #[test]
    fn engines_are_compared_under_their_own_loads() {
        let Definition { configurations, workloads, overrides, trial, .. } = Preset::Engines.definition();
        assert_eq!(
            configurations.concat(),
            ["--server-engine=uring", "--server-engine=tokio-uring", "--server-engine=epoll"]
        );
        let workloads = workloads::workloads(&workloads, trial, None, &overrides);
        let configs =
            workloads.iter().map(|workload| parse(&workloads::arguments(workload, &configurations[0])).unwrap());
        let loads: Vec<_> = configs
            .map(|config| (config.mode.name(), config.connections, config.size.to_string(), config.rate.to_string()))
            .skip(1)
            .collect();
        let load = |connections, size: &str, rate: &str| ("echo", connections, size.to_owned(), rate.to_owned());
        let small = [load(64, "64B", "max"), load(512, "64B", "max")];
        assert_eq!(loads, [&small[..], &[load(16, "16KiB", "max"), load(64, "64B", "20000/s")]].concat());
        assert_eq!(workloads[0].kind, Workload::Handshake);
    }

    #[test]
    fn suites_cover_both_versions_and_both_kinds_of_key() {
        let of = |certificate: &str| {
            let suites = suites();
            suites.iter().filter(|options| options.iter().any(|option| option.ends_with(certificate))).count()
        };
        assert_eq!((of("=ecdsa-p256"), of("=rsa-2048")), (6, 3));
    }
}
