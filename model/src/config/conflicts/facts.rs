//! What holds of a configuration: the options that are given, and what their values imply.

use std::collections::BTreeSet;

use clap::{Args, Command, FromArgMatches};
use serde::Serialize;

use super::super::tls::{CertificateChoice, ResumeBy, TlsOptions, TlsVersion, Verify};
use super::super::{Expect, Layer, Mode, RunConfig, defaults, fields};
use Fact::{
    AlpnHttp2, ById, CertificateFile, ExpectsEcho, Given, NamedServer, NoTickets, NoTls, NoWebSocket,
    PartialVerification, PlainTcp, ProxyResolves, RemoteServer, Replies, Resumption, Serving, StatefulResumption,
    Subscribes, Tickets, Tls12, Url,
};

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
    /// `--proxy` with a proxy that resolves the name of the server.
    ProxyResolves,
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
    /// `--mode subscribe`.
    Subscribes,
    /// Any other mode: the server replies to messages.
    Replies,
    /// `--expect echo`.
    ExpectsEcho,
    /// `--correlate json:PATH`.
    ById,
}

/// An option whose value is not the default.
#[derive(Debug, Clone)]
pub(super) struct GivenOption {
    /// As in the source: `tls_version`.
    pub(super) id: String,
    /// As the user writes it: `--tls`.
    pub(super) name: String,
    /// The heading above it in the help.
    pub(super) heading: Option<String>,
}

/// What holds of a configuration.
#[derive(Debug, Clone)]
pub struct Facts {
    pub(super) given: Vec<GivenOption>,
    implied: BTreeSet<Fact>,
    pub(super) layer: Option<Layer>,
    pub(super) verify: Verify,
}

impl Facts {
    /// The facts about the options of a run.
    pub fn of_run(config: &RunConfig) -> Self {
        let mut facts = Self::new(config);
        facts.add_tls(&config.tls);
        facts.add_layer(config.layer());
        // A redirection may lead from ws:// to wss://; the check is repeated with the URL where it ends.
        if config.request.follow > 0 {
            facts.implied.remove(&NoTls);
        }
        facts.verify = config.trust.verify();
        facts.add(NamedServer, !config.is_embedded());
        facts.add(Url, config.target_url().is_some());
        facts.add(RemoteServer, !config.starts_server());
        facts.add(ProxyResolves, config.route.proxy.as_ref().is_some_and(|proxy| proxy.kind.resolves_names()));
        facts.add(PartialVerification, facts.verify != Verify::Full);
        facts.add(Subscribes, config.mode == Mode::Subscribe);
        facts.add(Replies, config.mode != Mode::Subscribe);
        facts.add(ExpectsEcho, config.messages.expect == Some(Expect::Echo));
        facts.add(ById, config.messages.id_pointer().is_some());
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
    pub(in crate::config) fn of_tls(tls: &TlsOptions) -> Self {
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

    pub(super) fn hold(&self, fact: Fact) -> bool {
        match fact {
            Given(id) => self.given.iter().any(|given| given.id == id),
            implied => self.implied.contains(&implied),
        }
    }

    /// What the user wrote for a fact; the sentences about implied facts name them.
    pub(super) fn name(&self, fact: Fact) -> String {
        let Given(id) = fact else { return String::new() };
        self.given.iter().find(|given| given.id == id).map_or_else(String::new, |given| given.name.clone())
    }
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
