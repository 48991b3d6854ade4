//! What a run is asked to do: [`RunConfig`], at once the command line, the TOML file and the `config` of a result.
//!
//! Each option is defined here and nowhere else. Defaults are clap's; the TOML form takes the same ones, so that
//! an empty file and an empty command line mean the same run.

mod arguments;
mod choices;
mod time_slice;
pub mod tls;

use clap::{Args, FromArgMatches, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::arguments::{arguments, arguments_of_fields, fields};
pub use self::choices::{Arrivals, CpuList, EngineKind, Layer, Mode};
pub use self::time_slice::{TimeSlice, time_slice_length};
pub use self::tls::{ProviderKind, TlsOptions, TlsVersion, TrustOptions};
use crate::units::{HumanDuration, Rate, Size};

/// Why a configuration cannot be run: one sentence that says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// How long the generator waits, each from start to end of what it names.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// TCP connect, TLS, upgrade and first echo together
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub handshake_timeout: HumanDuration,

    /// One message, from its sending to its echo
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub echo_timeout: HumanDuration,

    /// Closing one connection
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub close_timeout: HumanDuration,

    /// How long messages that are overdue may still be sent after the end
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub overdue_timeout: HumanDuration,

    /// Connections being opened at a time, in an open loop
    #[arg(long, value_name = "N", default_value_t = 8192)]
    pub max_connecting: usize,

    /// Bytes of a response head
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub max_head_size: Size,
}

/// One run: the command line of `wssbench run`, a TOML file, and the `config` of a result.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// wss://host:port/path, ws://, tls:// or tcp:// [default: an embedded server]
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// Command of the server to measure, e.g. "target/release/baseline-server": started for the run without a shell, and
    /// ended after it [default: the embedded server]
    #[arg(long, value_name = "COMMAND")]
    pub server: Option<String>,

    /// URL where --server COMMAND listens, if it prints none; without --server the same as the positional URL
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub at: Option<String>,

    /// What is measured
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    pub mode: Mode,

    /// The stack of the server that is started here [default: wss, or the scheme of the URL that it prints]
    #[arg(long, value_enum, conflicts_with_all = ["url", "at"])]
    pub layer: Option<Layer>,

    /// Connections to open (--mode echo)
    #[arg(short, long, value_name = "N", default_value_t = 1000)]
    pub connections: usize,

    /// Connections opened a second, planned; `max` opens the next when one is done
    #[arg(long, value_name = "RATE", default_value = "250/s")]
    pub connect_rate: Rate,

    /// Connections being opened at a time with --connect-rate max
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub connect_concurrency: usize,

    /// Messages a second over all connections, planned; `max` sends the next when an echo is back
    #[arg(short, long, value_name = "RATE", default_value = "10k/s")]
    pub rate: Rate,

    /// Messages in flight on one connection; a planned one that finds them all taken waits
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub in_flight: usize,

    /// How planned instants are spread
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    pub arrivals: Arrivals,

    /// How long to measure
    #[arg(short, long, value_name = "TIME", default_value = "10s")]
    pub duration: HumanDuration,

    /// How long to warm up before it: measured apart
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub warmup: HumanDuration,

    /// Bytes a message
    #[arg(short, long, value_name = "SIZE", default_value = "64B")]
    pub size: Size,

    /// Leave the echo after the upgrade out (--mode handshake)
    #[arg(long)]
    pub no_first_echo: bool,

    /// Let the server close first, so that TIME_WAIT falls on its side (--mode handshake)
    #[arg(long)]
    pub server_closes: bool,

    /// Subprotocol to ask for (Sec-WebSocket-Protocol)
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Option<String>,

    /// CPU time that the embedded server wastes on every handshake: a regression of known size, to see whether a
    /// comparison finds it
    #[arg(long, value_name = "TIME", hide = true)]
    pub burn_cpu: Option<HumanDuration>,

    /// Which of the runs this is that take turns, and how long a turn is, as in 2/4:20ms: what ab --interleave starts. It
    /// says `ready` and waits to be told when the first turn begins
    #[arg(long, value_name = "SLICE", hide = true)]
    pub time_slice: Option<TimeSlice>,

    /// Seed of arrivals and payloads
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Who drives the sockets, on both ends
    #[arg(long, value_enum, default_value_t = EngineKind::Uring)]
    pub engine: EngineKind,

    /// Engine of the embedded server, if not --engine
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub server_engine: Option<EngineKind>,

    /// Engine of the generator, if not --engine
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub client_engine: Option<EngineKind>,

    /// Provider of the embedded server, if not --provider
    #[arg(long, value_enum, value_name = "NAME")]
    pub server_provider: Option<ProviderKind>,

    /// Provider of the generator, if not --provider
    #[arg(long, value_enum, value_name = "NAME")]
    pub client_provider: Option<ProviderKind>,

    /// Threads of the generator [default: half of the CPUs]
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,

    /// Threads of the embedded server [default: one a CPU of its own]
    #[arg(long, value_name = "N")]
    pub server_threads: Option<usize>,

    /// CPUs of the generator, such as 1-3,5 [default: those that the server has not]
    #[arg(long, value_name = "LIST")]
    pub client_cpus: Option<CpuList>,

    /// CPUs of the embedded server [default: the first half]
    #[arg(long, value_name = "LIST")]
    pub server_cpus: Option<CpuList>,

    /// Admin endpoint of a wss-server elsewhere, for its CPU and its counts: http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    pub server_stats: Option<String>,

    /// TLS of both ends
    #[command(flatten)]
    pub tls: TlsOptions,

    /// What the client trusts
    #[command(flatten)]
    pub trust: TrustOptions,

    /// How long it waits and how much it takes
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// The value of a set of options of which none is given: what clap says are the defaults.
fn defaults<T: Args + FromArgMatches>() -> T {
    let matches = T::augment_args(clap::Command::new("defaults")).get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every option without a default is optional")
}

impl Default for RunConfig {
    fn default() -> Self {
        defaults()
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        defaults()
    }
}

impl RunConfig {
    /// TLS as the generator is to speak it.
    pub fn client_tls(&self) -> TlsOptions {
        TlsOptions { provider: self.client_provider.or(self.tls.provider), ..self.tls.clone() }
    }

    /// TLS as the embedded server is to speak it.
    pub fn server_tls(&self) -> TlsOptions {
        TlsOptions { provider: self.server_provider.or(self.tls.provider), ..self.tls.clone() }
    }

    /// Refuses what no run could do.
    ///
    /// # Errors
    /// The first thing that cannot be, with what to do about it.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: &str| Err(ConfigError(sentence.to_owned()));
        for (option, value) in [
            ("connections", self.connections),
            ("connect-concurrency", self.connect_concurrency),
            ("in-flight", self.in_flight),
            ("max-connecting", self.limits.max_connecting),
            ("threads", self.threads.unwrap_or(1)),
            ("server-threads", self.server_threads.unwrap_or(1)),
        ] {
            if value == 0 {
                return refuse(&format!("--{option} is 0: give at least 1"));
            }
        }
        for (option, value) in [
            ("duration", self.duration),
            ("handshake-timeout", self.limits.handshake_timeout),
            ("echo-timeout", self.limits.echo_timeout),
            ("close-timeout", self.limits.close_timeout),
        ] {
            if value.0.is_zero() {
                return refuse(&format!("--{option} is 0: give a length of time such as 10s"));
            }
        }
        if self.size.0 == 0 {
            return refuse("--size is 0: an empty message carries nothing to compare with its echo; give at least 1B");
        }
        if self.limits.max_head_size.0 == 0 {
            return refuse("--max-head-size is 0: no response fits; give a size such as 16KiB");
        }
        if self.is_embedded() && self.server_stats.is_some() {
            return refuse("--server-stats requires a URL or --server COMMAND; the embedded server has its own");
        }
        if !self.is_embedded() {
            let elsewhere = self.server.is_none();
            for (option, given) in [
                ("layer", self.layer.is_some() && self.target_url().is_some()),
                ("server-engine", self.server_engine.is_some()),
                ("server-provider", self.server_provider.is_some()),
                ("key", self.tls.key.is_some()),
                ("chain", self.tls.chain.is_some()),
                ("server-threads", self.server_threads.is_some()),
                ("burn-cpu", self.burn_cpu.is_some()),
                ("server-cpus", self.server_cpus.is_some() && elsewhere),
            ] {
                if given {
                    return refuse(&format!("--{option} is for the embedded server: leave it or the URL out"));
                }
            }
        }
        self.check_tls()
    }

    /// The URL of the server, given as the positional argument or as `--at`.
    pub fn target_url(&self) -> Option<&str> {
        self.url.as_deref().or(self.at.as_deref())
    }

    /// Whether the run starts the embedded server: it names neither a URL nor a command.
    pub fn is_embedded(&self) -> bool {
        self.target_url().is_none() && self.server.is_none()
    }

    /// Whether the run starts its server, the embedded one or `--server COMMAND`.
    pub fn starts_server(&self) -> bool {
        self.is_embedded() || self.server.is_some()
    }

    /// The stack: the scheme of the URL if there is one. `None` if that scheme names no stack.
    pub fn layer(&self) -> Option<Layer> {
        match self.target_url() {
            None => Some(self.layer.unwrap_or(Layer::Wss)),
            Some(url) => Layer::from_str(url.split_once("://")?.0, true).ok(),
        }
    }

    /// Refuses what would be asked of TLS in vain, or of the wrong end.
    fn check_tls(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: String| Err(ConfigError(sentence));
        let trust = &self.trust;
        if let Some(layer) = self.layer().filter(|layer| !layer.has_tls()) {
            let provider = [("--server-provider", self.server_provider), ("--client-provider", self.client_provider)];
            let provider = provider.into_iter().find(|(_, given)| given.is_some()).map(|(option, _)| option);
            let option = self.tls.first_given().or(trust.first_given().or(provider).map(str::to_owned));
            if let Some(option) = option {
                return refuse(format!("{option} is TLS's, and {layer}:// has no TLS: leave it out"));
            }
        }
        if self.layer().is_some_and(Layer::has_websocket) && self.tls.alpn.iter().any(|name| name == "h2") {
            return refuse(
                "--alpn h2 names HTTP/2, and the upgrade of RFC 6455 that would follow is HTTP/1.1: leave it out"
                    .to_owned(),
            );
        }
        if trust.ca.is_some() && trust.verify() != tls::Verify::Full {
            return refuse(format!("--verify {} looks at no CA: leave it or --ca out", trust.verify()));
        }
        if trust.client_cert.is_some() != trust.client_key.is_some() {
            return refuse("--client-cert and --client-key go together: give both".to_owned());
        }
        if trust.insecure && (trust.ca.is_some() || trust.verify.is_some()) {
            return refuse("--insecure trusts everyone: leave it, or --ca and --verify, out".to_owned());
        }
        if self.is_embedded() {
            if trust.client_cert.is_some() {
                return refuse(
                    "--client-cert is for a server of your own: the embedded one knows its CA only if it is made here"
                        .to_owned(),
                );
            }
            self.tls.check()?;
            let made = !matches!(self.tls.cert, Some(tls::CertificateChoice::File(_)));
            if let Some(ca) = trust.ca.as_ref().filter(|_| made) {
                return refuse(format!(
                    "--ca {} did not sign the embedded server's certificate, which is made at start with a CA of its own: \
                     leave it out, or give --cert FILE",
                    ca.display()
                ));
            }
            return Ok(());
        }
        if let Some(tls::CertificateChoice::File(path)) = &self.tls.cert {
            return refuse(format!(
                "--cert {} is for the embedded server: with a URL --cert takes the kind that its certificate has to be of",
                path.display()
            ));
        }
        if self.tls.mtls && trust.client_cert.is_none() {
            return refuse(
                "--mtls with a server of your own needs --client-cert FILE and --client-key FILE".to_owned(),
            );
        }
        self.tls.check_client()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_empty_file_means_the_same_run_as_an_empty_command_line() {
        assert_eq!(toml::from_str::<RunConfig>("").unwrap(), RunConfig::default());
    }

    #[test]
    fn a_configuration_survives_toml_and_json() {
        let config = RunConfig {
            url: Some("wss://127.0.0.1:1/".to_owned()),
            connect_rate: Rate::Max,
            client_cpus: Some("0,2-3".parse().unwrap()),
            tls: TlsOptions { tls_version: Some(TlsVersion::V1_2), ..TlsOptions::default() },
            ..RunConfig::default()
        };
        assert_eq!(toml::from_str::<RunConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert_eq!(serde_json::from_str::<RunConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_in_every_table() {
        for text in ["speed = 1", "[tls]\nspeed = 1", "[limits]\nspeed = 1", "[trust]\nspeed = 1"] {
            let error = toml::from_str::<RunConfig>(text).unwrap_err().to_string();
            assert!(error.contains("speed"), "{error}");
        }
    }

    #[test]
    fn what_no_run_could_do_is_refused_with_what_to_do() {
        let refused = |change: fn(&mut RunConfig)| {
            let mut config = RunConfig::default();
            change(&mut config);
            config.check().unwrap_err().0
        };
        assert!(refused(|c| c.connections = 0).contains("--connections is 0"));
        assert!(refused(|c| c.size = Size(0)).contains("--size is 0"));
        assert!(refused(|c| c.duration = HumanDuration::from_secs(0)).contains("--duration is 0"));
        assert!(
            refused(|c| {
                c.url = Some("ws://127.0.0.1:1/".to_owned());
                c.server_threads = Some(2);
            })
            .contains("--server-threads is for the embedded server")
        );
        assert_eq!(RunConfig::default().check(), Ok(()));
    }

    #[test]
    fn what_asks_something_of_tls_is_refused_where_there_is_none() {
        let changes: [fn(&mut RunConfig); 6] = [
            |config| config.tls.suite = Some(tls::Suite::Aes128Gcm),
            |config| config.tls.mtls = true,
            |config| config.tls.key_log = Some("keys".into()),
            |config| config.trust.insecure = true,
            |config| config.trust.ca = Some("ca.pem".into()),
            |config| config.client_provider = Some(ProviderKind::Ring),
        ];
        for change in changes {
            for layer in [Layer::Ws, Layer::Tcp] {
                let mut config = RunConfig { layer: Some(layer), ..RunConfig::default() };
                change(&mut config);
                let sentence = config.check().unwrap_err().0;
                assert!(
                    sentence.ends_with(&format!("is TLS's, and {layer}:// has no TLS: leave it out")),
                    "{sentence}"
                );
                (config.layer, config.url) = (None, Some(format!("{layer}://127.0.0.1:1")));
                assert!(config.check().is_err(), "{layer}");
            }
        }
        // Which asks nothing of it.
        let mut config = RunConfig { layer: Some(Layer::Ws), ..RunConfig::default() };
        config.tls.cost_split = Some(tls::CostSplit::All);
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn a_list_of_cpus_reads_ranges_and_refuses_what_is_none() {
        assert_eq!("0,2-4".parse::<CpuList>().unwrap().0, BTreeSet::from([0, 2, 3, 4]));
        for text in ["", "a", "3-1", "0-5000", "1,,2"] {
            assert!(text.parse::<CpuList>().is_err(), "{text:?} was taken");
        }
    }
}
