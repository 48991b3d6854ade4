//! Coordinated omission, for real: a server that stalls all its connections at a time. Response times have to be those
//! that the schedule and the stalls give, though the generator itself is held up by them.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::TcpStream;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use common::peer;
use tokio_tungstenite::tungstenite::WebSocket;
use wss_model::Latency;

const CONNECTIONS: usize = 4;
/// Messages a second over all connections: one each 4 ms on each, so that what a stall leaves is soon worked off.
const RATE: usize = 1_000;
const SECONDS: usize = 5;
const STALL_EVERY: Duration = Duration::from_secs(1);
/// Where in each second a stall begins: in its middle, so that no stall is cut by the start or the end of the run.
const STALL_FROM: Duration = Duration::from_millis(400);
const STALL: Duration = Duration::from_millis(200);

/// What the server saw of one connection, each in order: when a message came and when its echo went.
type Seen = Vec<(Instant, Instant)>;

/// The end of the stall in which `at` falls, if it falls in one.
fn stall_end(epoch: Instant, at: Instant) -> Option<Instant> {
    let into = at.saturating_duration_since(epoch);
    let second = STALL_EVERY * u32::try_from(into.as_secs()).unwrap();
    let stalled = into >= second + STALL_FROM && into < second + STALL_FROM + STALL;
    stalled.then(|| epoch + second + STALL_FROM + STALL)
}

/// Echoes, but in a stall answers nothing. The first message of all sets the clock of the stalls: it is due at the
/// start of the schedule.
fn echo_with_stalls(mut socket: WebSocket<TcpStream>, epoch: &OnceLock<Instant>, log: &Mutex<Vec<Seen>>) {
    let mut seen = Seen::new();
    while let Ok(message) = socket.read() {
        if !message.is_binary() {
            break;
        }
        let came = Instant::now();
        let epoch = *epoch.get_or_init(|| came);
        if let Some(end) = stall_end(epoch, came) {
            thread::sleep(end.saturating_duration_since(Instant::now()));
        }
        let went = Instant::now();
        if socket.send(message).is_err() {
            return;
        }
        seen.push((came, went));
    }
    log.lock().unwrap().push(seen);
    while socket.read().is_ok() {}
}

/// The response times that the schedule and the stalls give, in nanoseconds, sorted. Each connection has one message in
/// flight: one that is due earlier waits until the echo before it has come, and its own takes `service`, or until the
/// stall's end.
fn expected(service: Duration) -> Vec<u64> {
    let epoch = Instant::now();
    let mut responses = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut free = epoch;
        for message in (connection..RATE * SECONDS).step_by(CONNECTIONS) {
            let planned = epoch + Duration::from_secs_f64(message as f64 / RATE as f64);
            let sent = planned.max(free);
            free = stall_end(epoch, sent).unwrap_or(sent) + service;
            responses.push(u64::try_from((free - planned).as_nanos()).unwrap());
        }
    }
    responses.sort_unstable();
    responses
}

/// How long one echo takes while a backlog is worked off, one message after the other: the median time from one message
/// to the next, of the first twenty after each stall.
fn service_time(log: &[Seen]) -> Duration {
    let mut gaps = Vec::new();
    for seen in log {
        for (number, (came, went)) in seen.iter().enumerate() {
            if *went - *came > STALL / 2 {
                let backlog = &seen[number + 1..(number + 21).min(seen.len())];
                gaps.extend(backlog.windows(2).map(|pair| pair[1].0 - pair[0].0));
            }
        }
    }
    gaps.sort_unstable();
    gaps[gaps.len() / 2]
}

fn quantile(sorted: &[u64], quantile: f64) -> f64 {
    sorted[((sorted.len() as f64 * quantile).ceil() as usize - 1).min(sorted.len() - 1)] as f64
}

fn measured(latency: &Latency, quantile: f64) -> f64 {
    latency.samples().unwrap().value_at(quantile) as f64
}

#[test]
fn response_times_hold_the_stalls_of_the_server_as_the_schedule_has_them_and_service_times_do_not() {
    let (epoch, log) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let address = {
        let (epoch, log) = (Arc::clone(&epoch), Arc::clone(&log));
        peer::websocket(move |socket| echo_with_stalls(socket, &epoch, &log))
    };
    let (url, connections, rate) = (format!("ws://{address}/"), CONNECTIONS.to_string(), format!("{RATE}/s"));
    let load = ["--connections", &connections, "--rate", &rate, "--in-flight", "1", "--connect-rate", "max"];
    let duration = format!("{SECONDS}s");
    let result =
        common::run(&[&[url.as_str()], &load[..], &["--warmup", "0s", "--duration", &duration]].concat()).result();
    common::assert_adds_up(&result);
    assert!(result.errors.is_empty(), "{:?}", result.errors);
    let echo = result.echo.unwrap();
    assert_eq!((echo.planned, echo.received), ((RATE * SECONDS) as u64, (RATE * SECONDS) as u64));

    let log = log.lock().unwrap();
    assert_eq!(log.len(), CONNECTIONS);
    let service = service_time(&log);
    let expected = expected(service);
    let stalled = expected.iter().filter(|&&ns| ns > 5_000_000).count() as f64 / expected.len() as f64;
    assert!((0.18..0.26).contains(&stalled), "the share of messages that meet a stall or its backlog is {stalled}");
    for share in [0.90, 0.95, 0.99] {
        let (wanted, got) = (quantile(&expected, share), measured(&echo.response, share));
        assert!(
            (got / wanted - 1.0).abs() < 0.05,
            "p{}: {:.1} ms measured, {:.1} ms by the schedule, with {service:?} a message",
            share * 100.0,
            got / 1e6,
            wanted / 1e6
        );
    }
    // Without the stalls the median is what an echo takes: they are no part of it.
    assert!(measured(&echo.response, 0.5) < 10e6, "the median is {} ns", measured(&echo.response, 0.5));

    // A stall holds up one message a connection: 20 of 5,000, which a percentile of service times does not show. A
    // generator that measured these alone would have told of a server that is always quick.
    assert!(measured(&echo.service, 0.90) < 10e6, "service p90 {} ns", measured(&echo.service, 0.90));
    let held_up = (1..=echo.received)
        .filter(|rank| measured(&echo.service, *rank as f64 / echo.received as f64) > STALL.as_nanos() as f64 / 4.0);
    assert!(held_up.count() <= 2 * SECONDS * CONNECTIONS, "one message a stall and connection");
    // What waited did so for the server: the generator was not late by it.
    assert!(measured(&echo.lateness, 0.99) < 50e6, "lateness p99 {} ns", measured(&echo.lateness, 0.99));
    let backlog = SECONDS * (RATE as f64 * STALL.as_secs_f64()) as usize - SECONDS * CONNECTIONS;
    assert!(echo.in_flight_waits as usize >= backlog * 9 / 10, "{} of {backlog} waited", echo.in_flight_waits);
}
