//! Coordinated omission: a server stalls all its connections at once. Response times must be those that follow from the
//! schedule and the stalls, although the generator has to wait for the server.

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
/// Messages per second across all connections: one per 4 ms and connection, so that the backlog of a stall drains soon.
const RATE: usize = 1_000;
const SECONDS: usize = 5;
const STALL_EVERY: Duration = Duration::from_secs(1);
/// Start of the stall in each second: in the middle, so that the run neither starts nor ends in a stall.
const STALL_FROM: Duration = Duration::from_millis(400);
const STALL: Duration = Duration::from_millis(200);

/// What the server saw of one connection, in order: when each message arrived and when its echo was sent.
type Log = Vec<(Instant, Instant)>;

/// The end of the stall that `at` falls into, if any.
fn stall_end(epoch: Instant, at: Instant) -> Option<Instant> {
    let into = at.saturating_duration_since(epoch);
    let second = STALL_EVERY * u32::try_from(into.as_secs()).unwrap();
    let stalled = into >= second + STALL_FROM && into < second + STALL_FROM + STALL;
    stalled.then(|| epoch + second + STALL_FROM + STALL)
}

/// Echoes, except during a stall. The clock of the stalls starts with the very first message, which is due at the start
/// of the schedule.
fn echo_with_stalls(mut socket: WebSocket<TcpStream>, epoch: &OnceLock<Instant>, log: &Mutex<Vec<Log>>) {
    let mut seen = Log::new();
    while let Ok(message) = socket.read() {
        if !message.is_binary() {
            break;
        }
        let arrived = Instant::now();
        let epoch = *epoch.get_or_init(|| arrived);
        if let Some(end) = stall_end(epoch, arrived) {
            thread::sleep(end.saturating_duration_since(Instant::now()));
        }
        let echoed = Instant::now();
        if socket.send(message).is_err() {
            return;
        }
        seen.push((arrived, echoed));
    }
    log.lock().unwrap().push(seen);
    while socket.read().is_ok() {}
}

/// The response times that follow from the schedule and the stalls, in nanoseconds, sorted. Each connection has one
/// message in flight, and further ones wait. An echo takes `service`, during a stall from its end on.
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

/// How long one echo takes while a backlog drains: the median time between two messages, over the first twenty after
/// each stall.
fn service_time(log: &[Log]) -> Duration {
    let mut gaps = Vec::new();
    for seen in log {
        for (number, (arrived, echoed)) in seen.iter().enumerate() {
            if *echoed - *arrived > STALL / 2 {
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
fn response_times_include_server_stalls_and_service_times_do_not() {
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
    assert!((0.18..0.26).contains(&stalled), "{stalled} of the messages met a stall or its backlog");
    for share in [0.90, 0.95, 0.99] {
        let (expected, measured) = (quantile(&expected, share), measured(&echo.response, share));
        assert!(
            (measured / expected - 1.0).abs() < 0.05,
            "p{}: {:.1} ms measured, {:.1} ms by the schedule, with {service:?} per message",
            share * 100.0,
            measured / 1e6,
            expected / 1e6
        );
    }
    // Most messages meet no stall, so the median is the time of an echo.
    assert!(measured(&echo.response, 0.5) < 10e6, "the median is {} ns", measured(&echo.response, 0.5));

    // A stall delays one message per connection: 20 of 5,000, which no percentile of the service time shows. A generator
    // that measured only service times would report a server that is always fast.
    assert!(measured(&echo.service, 0.90) < 10e6, "service p90 {} ns", measured(&echo.service, 0.90));
    let delayed = (1..=echo.received)
        .filter(|rank| measured(&echo.service, *rank as f64 / echo.received as f64) > STALL.as_nanos() as f64 / 4.0);
    assert!(delayed.count() <= 2 * SECONDS * CONNECTIONS, "one message per stall and connection");
    // Waiting for the server is not lateness of the generator.
    assert!(measured(&echo.lateness, 0.99) < 50e6, "lateness p99 {} ns", measured(&echo.lateness, 0.99));
    let backlog = SECONDS * (RATE as f64 * STALL.as_secs_f64()) as usize - SECONDS * CONNECTIONS;
    assert!(echo.in_flight_waits as usize >= backlog * 9 / 10, "{} of {backlog} waited", echo.in_flight_waits);
}
