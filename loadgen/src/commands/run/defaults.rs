//! Fills in the options that depend on the machine: engines, threads and CPUs.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use clap::ValueEnum as _;
use wss_model::config::{CpuList, IdlePolicy, KeepAwake, KernelClockSample};
use wss_model::{EngineKind, Layer, Mode, RunConfig};
use wss_wire::engine::{Engine, choose};
use wss_wire::{machine, with_engine};

use crate::setup::preflight::PreflightError;

/// Environment variable with the default of `--idle`. For test suites, in which many runs share the CPUs.
const DEFAULT_IDLE: &str = "WSSBENCH_IDLE";

/// Fills in every default; returns notes for the reader of the result.
///
/// # Errors
/// If a CPU is not available to this process.
pub(super) fn fill_in(config: &mut RunConfig) -> anyhow::Result<Vec<String>> {
    let allowed = machine::allowed_cpus().context("cannot read the CPUs that are available to this process")?;
    let no_uring = choose_engines(config);
    // A client certificate is given to be requested.
    config.tls.mtls |= config.trust.client_cert.is_some();
    if config.is_embedded() {
        config.layer.get_or_insert(Layer::Wss);
    }
    if config.starts_server() {
        divide_cpus(config, &allowed);
    }
    let is_pinned = config.client_cpus.is_some();
    let client = config.client_cpus.get_or_insert_with(|| CpuList(allowed.clone())).0.clone();
    let server = config.server_cpus.as_ref().map(|cpus| cpus.0.clone()).unwrap_or_default();
    if let Some(cpu) = client.iter().chain(&server).find(|cpu| !allowed.contains(cpu)) {
        bail!(PreflightError::Cpu { cpu: *cpu, allowed: CpuList(allowed).to_string() });
    }
    if config.is_embedded() {
        config.server_threads.get_or_insert(server.len());
    }
    let threads = if config.starts_server() { client.len() } else { allowed.len().div_ceil(2) };
    config.threads.get_or_insert(threads);
    choose_idle(config, is_pinned, &client, &server)?;
    let clock = choose_kernel_clock(config);
    let mut notes = notes(config, &client, &server);
    notes.extend(clock);
    notes.extend(no_uring);
    Ok(notes)
}

/// Divides the CPUs between server and generator: half each, or to one end what the other leaves.
fn divide_cpus(config: &mut RunConfig, allowed: &BTreeSet<usize>) {
    let free = |used: &CpuList| {
        let free: BTreeSet<usize> = allowed.difference(&used.0).copied().collect();
        CpuList(if free.is_empty() { allowed.clone() } else { free })
    };
    let half = (allowed.len() / 2).max(1);
    let server = config.server_cpus.get_or_insert_with(|| match &config.client_cpus {
        None => CpuList(allowed.iter().copied().take(half).collect()),
        Some(client) => free(client),
    });
    let client = free(server);
    config.client_cpus.get_or_insert(client);
}

/// Lets the generator spin if each of its threads has a CPU on which nothing of this run competes with it.
///
/// A server that the run does not start may use any CPU of this machine, so the user decides for it. With `--interleave`
/// the other runs of the block use the same CPUs.
fn choose_idle(
    config: &mut RunConfig,
    is_pinned: bool,
    client: &BTreeSet<usize>,
    server: &BTreeSet<usize>,
) -> anyhow::Result<()> {
    let threads = config.threads.unwrap_or(1);
    let can_spin = threads <= client.len() && client.is_disjoint(server) && config.time_slice.is_none();
    let spins = can_spin && (config.starts_server() || is_pinned);
    if config.idle.is_none() {
        config.idle = default_of_environment()?;
    }
    let idle = *config.idle.get_or_insert(if spins { IdlePolicy::Spin } else { IdlePolicy::Sleep });
    if idle == IdlePolicy::Spin && !can_spin {
        bail!(PreflightError::Spin { threads, cpus: CpuList(client.clone()).to_string() });
    }
    Ok(())
}

/// Chooses the engines that are not named. Returns a note if they could not be io_uring.
fn choose_engines(config: &mut RunConfig) -> Option<String> {
    if config.client_engine.is_some() && (config.server_engine.is_some() || !config.is_embedded()) {
        return None;
    }
    let (engine, no_uring) = choose(config.engine);
    config.client_engine.get_or_insert(engine);
    if config.is_embedded() {
        config.server_engine.get_or_insert(engine);
    }
    no_uring.map(|_| {
        "the engine is epoll, because this system does not allow io_uring (wssbench engines gives the reason)"
            .to_owned()
    })
}

/// Turns the kernel's clock off if the engine does not have one, or if it would assign times to the wrong messages. Returns a
/// note if the user requested it.
fn choose_kernel_clock(config: &mut RunConfig) -> Option<String> {
    if may_be_out_of_order(config) {
        return match config.kernel_clock.replace(KernelClockSample::Off) {
            None | Some(KernelClockSample::Off) => None,
            Some(requested) => Some(format!(
                "no kernel clock (--kernel-clock {requested}): it requires replies in the order of the messages, and nothing \
                 between them"
            )),
        };
    }
    let engine = config.client_engine.unwrap_or(EngineKind::Epoll);
    let is_supported = with_engine!(engine, E => <E as Engine>::HAS_KERNEL_TIMES);
    if is_supported {
        // Runs in time slices are for CPU time, which the kernel's clock would increase.
        let default = if config.time_slice.is_some() { KernelClockSample::Off } else { KernelClockSample::Sixteenth };
        config.kernel_clock.get_or_insert(default);
        return None;
    }
    match config.kernel_clock.replace(KernelClockSample::Off) {
        None | Some(KernelClockSample::Off) => None,
        Some(requested) => {
            Some(format!("no kernel clock (--kernel-clock {requested}): the engine {engine} cannot read its times"))
        }
    }
}

/// Whether what is received may be something else than the reply to the oldest message.
fn may_be_out_of_order(config: &RunConfig) -> bool {
    let messages = &config.messages;
    let ignores = messages.ignore_unsolicited || messages.ignore_repeated;
    config.mode != Mode::Subscribe && messages.id_pointer().is_some() && (config.in_flight > 1 || ignores)
}

/// The policy that the environment sets for all runs which do not choose one.
fn default_of_environment() -> anyhow::Result<Option<IdlePolicy>> {
    let Some(value) = std::env::var_os(DEFAULT_IDLE) else { return Ok(None) };
    let policy = value.to_str().and_then(|value| IdlePolicy::from_str(value, false).ok());
    let names = IdlePolicy::ALL.iter().map(|policy| policy.name()).collect::<Vec<_>>().join(" or ");
    policy.map(Some).with_context(|| format!("{DEFAULT_IDLE} is {}; set it to {names}", value.display()))
}

fn notes(config: &RunConfig, client: &BTreeSet<usize>, server: &BTreeSet<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    if !client.is_disjoint(server) {
        notes.push("server and generator share CPUs: each slows the other, and latencies include both".to_owned());
    }
    if config.idle == Some(IdlePolicy::Sleep) && config.time_slice.is_none() {
        notes.push(
            "the generator sleeps while idle (--idle): the wake-up of its CPU, 20 to 100 µs, is part of latencies"
                .to_owned(),
        );
    }
    if config.keep_awake == Some(KeepAwake::Server) {
        notes.push("the CPUs of the server were kept awake (--keep-awake): latencies exclude their wake-up".to_owned());
    }
    if config.mode == Mode::Handshake && config.no_first_echo && config.layer == Some(Layer::Tcp) {
        notes.push("a handshake over tcp:// without a first echo is only connect and close".to_owned());
    }
    if config.messages.id_pointer().is_none()
        && config.messages.message.as_ref().is_some_and(|message| message.contains("{id}"))
    {
        notes.push("{id} in --message is sent as it is, because --correlate is not given".to_owned());
    }
    if let Some(proxy) = &config.route.proxy {
        notes.push(format!(
            "connect includes opening the tunnel, and all other times include the way through {proxy} (--proxy)"
        ));
    }
    if let Some(time) = config.burn_cpu {
        notes.push(format!("the server burns {time} of CPU time per handshake (--burn-cpu)"));
    }
    notes
}
