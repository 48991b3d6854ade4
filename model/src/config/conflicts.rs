//! Which options exclude or require one another: [`RULES`], one table for the command line and for TOML, for `run` and
//! for `serve`.
//!
//! A rule relates facts. A [`Fact`] is an option that was given, or something that its value implies. Rules that need
//! the values themselves (the version of TLS, the suite and the key) are in [`super::tls`].

use std::collections::BTreeSet;

use clap::{Args, Command, FromArgMatches};
use serde::Serialize;

use super::tls::{CertificateChoice, ResumeBy, TlsOptions, TlsVersion, Verify};
use super::{ConfigError, Layer, RunConfig, defaults, fields};

/// Something that holds of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The option with this id was given: its value differs from the default.
    Given(&'static str),
    /// The server is not the embedded one: there is a URL or `--server COMMAND`.
    NamedServer,
    /// There is a URL, as an argument or as `--at`.
    Url,
    /// wssbench does not start the server: there is a URL alone.
    RemoteServer,
    /// `--alpn h2` on a layer with WebSocket.
    AlpnHttp2,
    /// `--cert FILE`.
    CertificateFile,
    /// `--verify no-chain` or `--verify none`.
    PartialVerification,
    /// `--resume` above 0%.
    Resumption,
    /// Sessions are resumed by state that the server keeps.
    StatefulResumption,
    /// `--tickets 0` where TLS 1.3 can be negotiated.
    NoTickets,
    /// `--tickets` above 0.
    Tickets,
    /// The options require TLS 1.2.
    Tls12,
    /// The layer is ws or tcp.
    NoTls,
    /// The layer is tls or tcp.
    NoWebSocket,
    /// The layer is tcp.
    PlainTcp,
    /// The options are those of a server.
    Serving,
}

use Fact::{
    AlpnHttp2, CertificateFile, Given, NamedServer, NoTickets, NoTls, NoWebSocket, PartialVerification, PlainTcp,
    RemoteServer, Resumption, Serving, StatefulResumption, Tickets, Tls12, Url,
};

/// The facts that a rule is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// Any of these.
    Any(&'static [Fact]),
    /// Any given option under these headings of the help, but for those with the ids in `except`.
    Under {
        /// The headings.
        headings: &'static [&'static str],
        /// The ids of the exceptions.
        except: &'static [&'static str],
    },
}

/// How the subject of a rule relates to other facts.
#[derive(Debug, Clone, Copy)]
pub enum Relation {
    /// None of these may hold.
    Excludes(&'static [Fact]),
    /// At least one of these must hold.
    Requires(&'static [Fact]),
}

/// A rule, and the sentence for those who break it.
#[derive(Debug)]
pub struct Rule {
    /// The name of the rule in `docs/ERRORS.md`; it stays when the wording changes.
    pub code: &'static str,
    /// What the rule is about.
    pub subject: Subject,
    /// What it excludes or requires.
    pub relation: Relation,
    /// The rule applies only if all of these hold.
    pub when: &'static [Fact],
    /// What is wrong: `{option}` stands for the option, `{layer}` for the layer, `{verify}` for the verification.
    pub problem: &'static str,
    /// What to do about it.
    pub cure: &'static str,
    /// Why the rule exists.
    pub reason: &'static str,
}

const REMOVE_ONE: &str = "remove one of them";

/// All rules. The first that is broken is reported.
pub const RULES: &[Rule] = &[
    Rule {
        code: "requires_tls",
        subject: Subject::Under { headings: &["TLS", "Trust"], except: &["cost_split"] },
        relation: Relation::Excludes(&[NoTls]),
        when: &[],
        problem: "{option} requires TLS, but the layer is {layer}",
        cure: "remove it, or use wss or tls",
        reason: "The layers ws and tcp have no TLS, so the option would have no effect.",
    },
    Rule {
        code: "url_twice",
        subject: Subject::Any(&[Given("at")]),
        relation: Relation::Excludes(&[Given("url")]),
        when: &[],
        problem: "--at cannot be combined with a URL",
        cure: REMOVE_ONE,
        reason: "Both name the URL of the server.",
    },
    Rule {
        code: "layer_with_url",
        subject: Subject::Any(&[Given("layer")]),
        relation: Relation::Excludes(&[Url]),
        when: &[],
        problem: "--layer cannot be combined with a URL, whose scheme names the layer",
        cure: "remove --layer",
        reason: "The scheme of the URL (wss, ws, tls or tcp) decides.",
    },
    Rule {
        code: "cert_file_with_named_server",
        subject: Subject::Any(&[CertificateFile]),
        relation: Relation::Excludes(&[NamedServer]),
        when: &[],
        problem: "--cert FILE applies only to the embedded server and cannot be used with a URL or --server",
        cure: "give the kind of certificate to expect, such as ecdsa-p256",
        reason: "With another server, --cert names the kind of certificate that it must present.",
    },
    Rule {
        code: "embedded_server_only",
        subject: Subject::Any(&[
            Given("server_engine"),
            Given("server_provider"),
            Given("server_threads"),
            Given("key"),
            Given("chain"),
            Given("burn_cpu"),
        ]),
        relation: Relation::Excludes(&[NamedServer]),
        when: &[],
        problem: "{option} applies only to the embedded server and cannot be used with a URL or --server",
        cure: REMOVE_ONE,
        reason: "Another server is configured by its own means.",
    },
    Rule {
        code: "server_cpus_with_url",
        subject: Subject::Any(&[Given("server_cpus")]),
        relation: Relation::Excludes(&[RemoteServer]),
        when: &[],
        problem: "--server-cpus applies only to a server that wssbench starts and cannot be used with a URL alone",
        cure: "remove it, or add --server COMMAND",
        reason: "The CPUs of a running server cannot be changed.",
    },
    Rule {
        code: "server_stats_of_embedded_server",
        subject: Subject::Any(&[Given("server_stats")]),
        relation: Relation::Requires(&[NamedServer]),
        when: &[],
        problem: "--server-stats requires a URL or --server COMMAND",
        cure: "add one of them, or remove it",
        reason: "The admin endpoint of the embedded server is known.",
    },
    Rule {
        code: "requires_websocket",
        subject: Subject::Any(&[Given("subprotocol"), Given("early_data")]),
        relation: Relation::Excludes(&[NoWebSocket]),
        when: &[],
        problem: "{option} requires WebSocket, but the layer is {layer}",
        cure: "remove it, or use wss or ws",
        reason: "A subprotocol is negotiated in the HTTP upgrade, and early data carries the upgrade request.",
    },
    Rule {
        code: "requires_close_signal",
        subject: Subject::Any(&[Given("server_closes")]),
        relation: Relation::Excludes(&[PlainTcp]),
        when: &[],
        problem: "{option} requires a Close frame or close_notify, but the layer is tcp",
        cure: "remove it, or use wss, ws or tls",
        reason: "Plain TCP has no message that asks the peer to close first.",
    },
    Rule {
        code: "alpn_http2",
        subject: Subject::Any(&[AlpnHttp2]),
        relation: Relation::Requires(&[NoWebSocket]),
        when: &[],
        problem: "--alpn h2 negotiates HTTP/2, but the WebSocket upgrade of RFC 6455 is HTTP/1.1",
        cure: "use --alpn http/1.1, or remove it",
        reason: "WebSocket over HTTP/2 (RFC 8441) is not supported.",
    },
    Rule {
        code: "insecure_with_trust",
        subject: Subject::Any(&[Given("insecure")]),
        relation: Relation::Excludes(&[Given("ca"), Given("verify")]),
        when: &[],
        problem: "--insecure cannot be combined with --ca or --verify",
        cure: REMOVE_ONE,
        reason: "--insecure means --verify no-chain, which uses no CA.",
    },
    Rule {
        code: "unused_ca",
        subject: Subject::Any(&[Given("ca")]),
        relation: Relation::Excludes(&[PartialVerification]),
        when: &[],
        problem: "--ca has no effect with --verify {verify}",
        cure: REMOVE_ONE,
        reason: "Only --verify full checks the certificate chain.",
    },
    Rule {
        code: "client_cert_without_key",
        subject: Subject::Any(&[Given("client_cert")]),
        relation: Relation::Requires(&[Given("client_key")]),
        when: &[],
        problem: "--client-cert requires its private key",
        cure: "add --client-key FILE",
        reason: "The client signs its handshake with the key.",
    },
    Rule {
        code: "client_key_without_cert",
        subject: Subject::Any(&[Given("client_key")]),
        relation: Relation::Requires(&[Given("client_cert")]),
        when: &[],
        problem: "--client-key requires its certificate",
        cure: "add --client-cert FILE",
        reason: "A key without a certificate cannot authenticate the client.",
    },
    Rule {
        code: "client_cert_with_embedded_server",
        subject: Subject::Any(&[Given("client_cert")]),
        relation: Relation::Requires(&[NamedServer]),
        when: &[],
        problem: "--client-cert cannot be used with the embedded server",
        cure: "use --mtls alone, or add a URL or --server COMMAND",
        reason: "The embedded server trusts only the client certificate that wssbench generates at start.",
    },
    Rule {
        code: "mtls_without_client_cert",
        subject: Subject::Any(&[Given("mtls")]),
        relation: Relation::Requires(&[Given("client_cert")]),
        when: &[NamedServer],
        problem: "--mtls with a URL or --server requires a client certificate",
        cure: "add --client-cert FILE and --client-key FILE",
        reason: "A generated certificate would not be trusted by the server.",
    },
    Rule {
        code: "mtls_without_client_ca",
        subject: Subject::Any(&[Given("mtls")]),
        relation: Relation::Requires(&[Given("client_ca")]),
        when: &[Serving],
        problem: "--mtls requires the CA that signs client certificates",
        cure: "add --client-ca FILE",
        reason: "Without it the server could accept no client.",
    },
    Rule {
        code: "client_ca_without_mtls",
        subject: Subject::Any(&[Given("client_ca")]),
        relation: Relation::Requires(&[Given("mtls")]),
        when: &[],
        problem: "--client-ca has no effect without --mtls",
        cure: "add --mtls, or remove it",
        reason: "Without --mtls the server requests no client certificate.",
    },
    Rule {
        code: "cert_without_key",
        subject: Subject::Any(&[CertificateFile]),
        relation: Relation::Requires(&[Given("key")]),
        when: &[],
        problem: "--cert FILE requires its private key",
        cure: "add --key FILE",
        reason: "The server signs its handshakes with the key.",
    },
    Rule {
        code: "key_without_cert",
        subject: Subject::Any(&[Given("key")]),
        relation: Relation::Requires(&[CertificateFile]),
        when: &[],
        problem: "--key requires --cert FILE",
        cure: "add it, or remove --key",
        reason: "A generated certificate has a key of its own.",
    },
    Rule {
        code: "generated_certificate_only",
        subject: Subject::Any(&[Given("chain"), Given("ca_out"), Given("names")]),
        relation: Relation::Excludes(&[CertificateFile]),
        when: &[],
        problem: "{option} applies only to a generated certificate and cannot be used with --cert FILE",
        cure: REMOVE_ONE,
        reason: "A file determines the chain, the CA and the names.",
    },
    Rule {
        code: "ca_with_generated_certificate",
        subject: Subject::Any(&[Given("ca")]),
        relation: Relation::Requires(&[NamedServer, CertificateFile]),
        when: &[],
        problem: "--ca cannot verify the embedded server, whose certificate is generated with its own CA",
        cure: "remove it, or add --cert FILE",
        reason: "The client trusts the generated CA without any option.",
    },
    Rule {
        code: "resume_by_without_resume",
        subject: Subject::Any(&[Given("resume_by")]),
        relation: Relation::Requires(&[Given("resume")]),
        when: &[],
        problem: "{option} has no effect without --resume",
        cure: "add --resume 100%, or remove it",
        reason: "Without --resume every handshake is full.",
    },
    Rule {
        code: "early_data_stateless",
        subject: Subject::Any(&[Given("early_data")]),
        relation: Relation::Requires(&[StatefulResumption]),
        when: &[],
        problem: "--early-data requires --resume-by stateful",
        cure: "change --resume-by, or remove it",
        reason: "A server that keeps no sessions cannot detect replayed early data.",
    },
    Rule {
        code: "early_data_without_resume",
        subject: Subject::Any(&[Given("early_data")]),
        relation: Relation::Requires(&[Resumption]),
        when: &[],
        problem: "--early-data requires resumed handshakes",
        cure: "add --resume 100%",
        reason: "Only a resumed TLS 1.3 handshake can carry early data.",
    },
    Rule {
        code: "force_retry_with_resume",
        subject: Subject::Any(&[Given("force_retry")]),
        relation: Relation::Excludes(&[Resumption]),
        when: &[],
        problem: "--force-retry cannot be combined with --resume",
        cure: REMOVE_ONE,
        reason: "rustls does not report whether a resumed handshake was retried.",
    },
    Rule {
        code: "resume_without_tickets",
        subject: Subject::Any(&[NoTickets]),
        relation: Relation::Excludes(&[Resumption]),
        when: &[],
        problem: "--tickets 0 leaves no ticket to resume a TLS 1.3 session with",
        cure: "give at least 1",
        reason: "TLS 1.3 resumes sessions by ticket only.",
    },
    Rule {
        code: "tickets_of_tls_1_3",
        subject: Subject::Any(&[Tickets]),
        relation: Relation::Excludes(&[Tls12]),
        when: &[],
        problem: "--tickets applies to TLS 1.3, but the other options require TLS 1.2",
        cure: "remove it",
        reason: "A TLS 1.2 server that resumes by ticket sends exactly one.",
    },
];

impl Rule {
    fn sentence(&self, option: &str, layer: Option<Layer>, verify: Verify) -> String {
        let layer = layer.map_or("unknown", Layer::name);
        let problem = self.problem.replace("{option}", option).replace("{layer}", layer);
        format!("{}; {}", problem.replace("{verify}", verify.name()), self.cure)
    }

    /// The sentence for the first option of the rule, on the layer ws.
    pub fn example(&self) -> String {
        let option = match self.subject {
            Subject::Any([Given(id), ..]) => format!("--{}", id.replace('_', "-")),
            Subject::Any(_) | Subject::Under { .. } => "--suite".to_owned(),
        };
        let layer = if matches!(self.relation, Relation::Excludes([NoWebSocket])) { Layer::Tls } else { Layer::Ws };
        self.sentence(&option, Some(layer), Verify::None)
    }

    /// The option that breaks the rule, if the rule is broken.
    fn broken_by(&self, facts: &Facts) -> Option<String> {
        let broken = match self.relation {
            Relation::Excludes(others) => others.iter().any(|fact| facts.hold(*fact)),
            Relation::Requires(others) => !others.iter().any(|fact| facts.hold(*fact)),
        };
        if !broken || !self.when.iter().all(|fact| facts.hold(*fact)) {
            return None;
        }
        match self.subject {
            Subject::Any(subjects) => subjects.iter().find(|fact| facts.hold(**fact)).map(|fact| facts.name(*fact)),
            Subject::Under { headings, except } => {
                let under = |given: &&GivenOption| given.heading.as_deref().is_some_and(|it| headings.contains(&it));
                let mut given = facts.given.iter().filter(under);
                given.find(|given| !except.contains(&given.id.as_str())).map(|given| given.name.clone())
            }
        }
    }
}

/// An option whose value is not the default.
#[derive(Debug, Clone)]
struct GivenOption {
    /// As in the source: `tls_version`.
    id: String,
    /// As the user writes it: `--tls`.
    name: String,
    /// The heading above it in the help.
    heading: Option<String>,
}

/// What holds of a configuration.
#[derive(Debug, Clone)]
pub struct Facts {
    given: Vec<GivenOption>,
    implied: BTreeSet<Fact>,
    layer: Option<Layer>,
    verify: Verify,
}

impl Facts {
    /// The facts about the options of a run.
    pub fn of_run(config: &RunConfig) -> Self {
        let mut facts = Self::new(config);
        facts.add_tls(&config.tls);
        facts.add_layer(config.layer());
        facts.verify = config.trust.verify();
        facts.add(NamedServer, !config.is_embedded());
        facts.add(Url, config.target_url().is_some());
        facts.add(RemoteServer, !config.starts_server());
        facts.add(PartialVerification, facts.verify != Verify::Full);
        let websocket = config.layer().is_some_and(Layer::has_websocket);
        facts.add(AlpnHttp2, websocket && config.tls.alpn.iter().any(|name| name == "h2"));
        facts
    }

    /// The facts about the options of a server: any set of options that has these.
    pub fn of_server<T: Args + FromArgMatches + Serialize>(options: &T, tls: &TlsOptions, layer: Layer) -> Self {
        let mut facts = Self::new(options);
        facts.add_tls(tls);
        facts.add_layer(Some(layer));
        facts.add(Serving, true);
        facts
    }

    /// The facts about the options of TLS alone.
    pub(super) fn of_tls(tls: &TlsOptions) -> Self {
        let mut facts = Self::new(tls);
        facts.add_tls(tls);
        facts
    }

    fn new<T: Args + FromArgMatches + Serialize>(options: &T) -> Self {
        Self { given: given(options), implied: BTreeSet::new(), layer: None, verify: Verify::Full }
    }

    fn add_tls(&mut self, tls: &TlsOptions) {
        let tls_1_2 = tls.version() == Some(TlsVersion::V1_2);
        self.add(CertificateFile, matches!(tls.cert, Some(CertificateChoice::File(_))));
        self.add(Resumption, tls.resumes());
        self.add(StatefulResumption, tls.resume_by() == ResumeBy::Stateful);
        self.add(NoTickets, tls.tickets == Some(0) && !tls_1_2);
        self.add(Tickets, tls.tickets.is_some_and(|tickets| tickets > 0));
        self.add(Tls12, tls_1_2);
    }

    fn add_layer(&mut self, layer: Option<Layer>) {
        self.layer = layer;
        self.add(NoTls, layer.is_some_and(|layer| !layer.has_tls()));
        self.add(NoWebSocket, layer.is_some_and(|layer| !layer.has_websocket()));
        self.add(PlainTcp, layer == Some(Layer::Tcp));
    }

    fn add(&mut self, fact: Fact, holds: bool) {
        if holds {
            self.implied.insert(fact);
        }
    }

    fn hold(&self, fact: Fact) -> bool {
        match fact {
            Given(id) => self.given.iter().any(|given| given.id == id),
            implied => self.implied.contains(&implied),
        }
    }

    /// What the user wrote for a fact; the sentences about implied facts name them.
    fn name(&self, fact: Fact) -> String {
        let Given(id) = fact else { return String::new() };
        self.given.iter().find(|given| given.id == id).map_or_else(String::new, |given| given.name.clone())
    }
}

/// Checks all rules.
///
/// # Errors
/// The first rule that is broken.
pub fn check(facts: &Facts) -> Result<(), ConfigError> {
    for rule in RULES {
        if let Some(option) = rule.broken_by(facts) {
            return Err(ConfigError::Conflict { code: rule.code, text: rule.sentence(&option, facts.layer, facts.verify) });
        }
    }
    Ok(())
}

/// The options whose values differ from their defaults, in the order of the help.
fn given<T: Args + FromArgMatches + Serialize>(options: &T) -> Vec<GivenOption> {
    let values = |options: &T| fields(&serde_json::to_value(options).unwrap_or_default());
    let (usual, chosen) = (values(&defaults()), values(options));
    let command = T::augment_args(Command::new("options"));
    let differs = |id: &str| chosen.get(id) != usual.get(id);
    let given = command.get_arguments().filter(|argument| differs(argument.get_id().as_str()));
    given
        .map(|argument| GivenOption {
            id: argument.get_id().to_string(),
            name: argument.get_long().map_or_else(|| "the URL".to_owned(), |long| format!("--{long}")),
            heading: argument.get_help_heading().map(str::to_owned),
        })
        .collect()
}

#[cfg(test)]
mod tests;
