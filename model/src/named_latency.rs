//! All latencies of a result with their paths in the JSON.
//!
//! The structs are destructured without `..`, so that a new field does not compile until it is handled here.

use crate::latency::Latency;
use crate::run_result::{
    EchoResult, HandshakeResult, KernelClock, PhaseClocks, PublishedResult, RunResult, SubscribeResult, Warmup,
};

/// The latencies of the measured phases, with paths such as `handshake.connect`.
pub fn measured(result: &RunResult) -> Vec<(String, &Latency)> {
    let mut named = of_handshake("handshake", &result.handshake);
    named.extend(result.echo.iter().flat_map(|echo| of_echo("echo", echo)));
    named.extend(result.subscribe.iter().flat_map(|pushed| of_subscription("subscribe", pushed)));
    named
}

/// The latencies of the measured phases and of the warm-up.
pub fn all(result: &RunResult) -> Vec<(String, &Latency)> {
    let Warmup { handshake, echo, subscribe, errors: _ } = &result.warmup;
    let mut named = measured(result);
    named.extend(handshake.iter().flat_map(|handshake| of_handshake("warmup.handshake", handshake)));
    named.extend(echo.iter().flat_map(|echo| of_echo("warmup.echo", echo)));
    named.extend(subscribe.iter().flat_map(|pushed| of_subscription("warmup.subscribe", pushed)));
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
        unsolicited_messages: _,
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
        unsolicited_messages: _,
        repeated_replies: _,
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

fn of_subscription<'a>(path: &str, pushed: &'a SubscribeResult) -> Vec<(String, &'a Latency)> {
    let SubscribeResult {
        arrival_gap,
        published,
        connections: _,
        silent_connections: _,
        received: _,
        skipped_messages: _,
        received_bytes: _,
        rate_per_s: _,
        bytes_per_s: _,
        client_cpu_ns: _,
        server_cpu_ns: _,
        client_aead_ns: _,
        server_aead_ns: _,
        disturbance: _,
        rings: _,
    } = pushed;
    let mut named = vec![(format!("{path}.arrival_gap"), arrival_gap)];
    named.extend(published.iter().flat_map(|published| of_published(&format!("{path}.published"), published)));
    named
}

fn of_published<'a>(path: &str, published: &'a PublishedResult) -> Vec<(String, &'a Latency)> {
    let PublishedResult {
        response,
        service,
        publisher_lateness,
        breakdown,
        requested_per_s: _,
        messages: _,
        lost: _,
        duplicated: _,
        reordered: _,
        foreign_clock: _,
    } = published;
    let mut named = vec![
        (format!("{path}.response"), response),
        (format!("{path}.service"), service),
        (format!("{path}.publisher_lateness"), publisher_lateness),
    ];
    let without_generator = breakdown.iter().map(|breakdown| &breakdown.without_generator);
    named.extend(without_generator.map(|latency| (format!("{path}.breakdown.without_generator"), latency)));
    named
}
