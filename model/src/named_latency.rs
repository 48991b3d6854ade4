//! All latencies of a result with their paths in the JSON.
//!
//! The structs are destructured without `..`, so that a new field does not compile until it is handled here.

use crate::latency::Latency;
use crate::run_result::{EchoResult, HandshakeResult, KernelClock, PhaseClocks, RunResult, Warmup};

/// The latencies of the measured phases, with paths such as `handshake.connect`.
pub fn measured(result: &RunResult) -> Vec<(String, &Latency)> {
    let mut named = of_handshake("handshake", &result.handshake);
    named.extend(result.echo.iter().flat_map(|echo| of_echo("echo", echo)));
    named
}

/// The latencies of the measured phases and of the warm-up.
pub fn all(result: &RunResult) -> Vec<(String, &Latency)> {
    let Warmup { handshake, echo, errors: _ } = &result.warmup;
    let mut named = measured(result);
    named.extend(handshake.iter().flat_map(|handshake| of_handshake("warmup.handshake", handshake)));
    named.extend(echo.iter().flat_map(|echo| of_echo("warmup.echo", echo)));
    named
}

fn of_handshake<'a>(path: &str, handshake: &'a HandshakeResult) -> Vec<(String, &'a Latency)> {
    let HandshakeResult {
        connect,
        tls,
        upgrade,
        first_echo,
        ready,
        lateness,
        client_busy,
        server_busy,
        planned: _,
        started: _,
        completed: _,
        failed: _,
        rate_per_s: _,
        bytes_sent_mean: _,
        bytes_received_mean: _,
        client_cpu_ns: _,
        server_cpu_ns: _,
        client_cost: _,
        server_cost: _,
        flights: _,
        kernel_clock,
        disturbance: _,
        server_activity: _,
        skipped_messages: _,
        rings: _,
    } = handshake;
    let mut named = vec![
        (format!("{path}.connect"), connect),
        (format!("{path}.tls"), tls),
        (format!("{path}.upgrade"), upgrade),
        (format!("{path}.first_echo"), first_echo),
        (format!("{path}.ready"), ready),
        (format!("{path}.lateness"), lateness),
        (format!("{path}.client_busy"), client_busy),
    ];
    named.extend(kernel_clock.iter().flat_map(|clock| of_kernel_clock(path, clock)));
    named.extend(server_busy.iter().map(|busy| (format!("{path}.server_busy"), busy)));
    named
}

fn of_kernel_clock<'a>(path: &str, clock: &'a KernelClock) -> Vec<(String, &'a Latency)> {
    let of_phase = |(name, clocks): (&str, &'a PhaseClocks)| {
        let PhaseClocks { tool, wire, generator, generator_share: _ } = clocks;
        let path = format!("{path}.kernel_clock.{name}");
        [(format!("{path}.tool"), tool), (format!("{path}.wire"), wire), (format!("{path}.generator"), generator)]
    };
    clock.phases().flat_map(of_phase).collect()
}

fn of_echo<'a>(path: &str, echo: &'a EchoResult) -> Vec<(String, &'a Latency)> {
    let EchoResult {
        response,
        service,
        lateness,
        breakdown,
        kernel_clock,
        planned: _,
        sent: _,
        received: _,
        failed: _,
        rate_per_s: _,
        in_flight_waits: _,
        client_cpu_ns: _,
        server_cpu_ns: _,
        bytes_per_s: _,
        client_aead_ns: _,
        server_aead_ns: _,
        disturbance: _,
        server_activity: _,
        rings: _,
    } = echo;
    let mut named = vec![
        (format!("{path}.response"), response),
        (format!("{path}.service"), service),
        (format!("{path}.lateness"), lateness),
    ];
    let without_generator = breakdown.iter().map(|breakdown| &breakdown.without_generator);
    named.extend(kernel_clock.iter().flat_map(|clock| of_kernel_clock(path, clock)));
    named.extend(without_generator.map(|latency| (format!("{path}.breakdown.without_generator"), latency)));
    named
}
