//! `--mode subscribe`: messages that a server pushes, its own or those of wssbench.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::{Message, WebSocket};
use wss_model::run_result::{MeasuredPhase, SubscribeResult};
use wss_model::{ReasonCode, RunResult};
use wss_wire::publication::{MonotonicClock, Publication};

use crate::common::{self, ENGINES, Ended, errors, left_out, peer, run, samples};
use crate::daemon::Daemon;
use crate::servers::python;

const CONNECTIONS: u64 = 4;

fn subscribe(extra: &[&str]) -> Ended {
    let load = ["--mode", "subscribe", "--connections", "4", "--connect-rate", "max", "--warmup", "0s"];
    run(&[&load[..], &["--duration", "500ms", "--close-timeout", "1s"], extra].concat())
}

fn ws(server: SocketAddr) -> String {
    format!("ws://{server}/")
}

fn assert_received(ended: &Ended) -> (RunResult, SubscribeResult) {
    let result = ended.result();
    common::assert_no_errors(&result);
    assert!(result.echo.is_none());
    let pushed = result.subscribe.clone().unwrap();
    assert!(pushed.received > 0 && pushed.connections == CONNECTIONS && pushed.silent_connections == 0, "{pushed:?}");
    assert_eq!(samples(&pushed.arrival_gap), pushed.received - CONNECTIONS);
    (result, pushed)
}

/// A server that passes each connection to `push` once its first message has come, and then closes as it should.
fn pushing(push: impl Fn(&mut WebSocket<TcpStream>) + Send + Sync + 'static) -> String {
    ws(peer::websocket(move |mut socket| {
        if matches!(socket.read(), Ok(message) if !message.is_close()) {
            push(&mut socket);
        }
        while socket.read().is_ok() {}
    }))
}

/// Pushes until the client closes; `message` gets the number of each message.
fn push_all(socket: &mut WebSocket<TcpStream>, pause: Duration, message: impl Fn(u64) -> Message) {
    for number in 0.. {
        if socket.send(message(number)).is_err() {
            return;
        }
        thread::sleep(pause);
        socket.get_ref().set_nonblocking(true).unwrap();
        let closed = matches!(socket.read(), Ok(message) if message.is_close());
        socket.get_ref().set_nonblocking(false).unwrap();
        if closed {
            return;
        }
    }
}

const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn the_embedded_server_publishes_at_the_rate() {
    for engine in ENGINES {
        let options =
            ["--rate", "400/s", "--duration", "1s", "--warmup", "300ms", "--size", "100B", "--engine", engine];
        let (result, pushed) = assert_received(&subscribe(&options));
        // Those that a busy machine delays beyond the end of the phase do not count.
        assert!((300..=440).contains(&pushed.received), "{engine}: {pushed:?}");
        assert_eq!(pushed.received_bytes, 100 * pushed.received);
        let published = pushed.published.unwrap();
        assert!((published.requested_per_s - 400.0).abs() < 0.01, "{published:?}");
        assert_eq!(published.messages, pushed.received);
        let (lost, duplicated, reordered) = (published.lost, published.duplicated, published.reordered);
        assert_eq!((lost, duplicated, reordered, published.foreign_clock), (0, 0, 0, 0));
        for latency in [&published.response, &published.service, &published.publisher_lateness] {
            assert_eq!(samples(latency), pushed.received);
        }
        assert!(published.service.p50 <= published.response.p50);
        assert_eq!(published.breakdown.is_some(), engine != "tokio-uring");
        if let Some(breakdown) = &published.breakdown {
            assert_eq!(samples(&breakdown.without_generator), pushed.received);
            let mean = published.response.mean.unwrap();
            assert!((breakdown.response_ns() - mean).abs() <= mean * 0.02, "{breakdown:?} {mean}");
        }
        assert!(pushed.client_cpu_ns.unwrap() > 0.0 && pushed.server_cpu_ns.unwrap() > 0.0);
        assert!(result.warmup.subscribe.unwrap().received > 0 && result.warmup.errors.is_empty());
        assert!(result.series.iter().any(|point| point.phase == MeasuredPhase::Subscribe && point.completed > 0));
    }
}

#[test]
fn a_publisher_of_another_process_is_measured_without_its_rate() {
    let server = format!("{} serve --layer ws --publish 50/s --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_wssbench"));
    let (result, pushed) = assert_received(&subscribe(&["--server", &server, "--message", "go"]));
    let published = pushed.published.unwrap();
    assert!((published.requested_per_s - 200.0).abs() < 0.01, "{published:?}");
    assert_eq!(result.config.target_url(), None);
    // It waits for the message.
    let silent = subscribe(&["--server", &server, "--push-timeout", "200ms"]).result();
    assert_eq!(errors(&silent), [("echo", "timeout", CONNECTIONS)]);
    let server = format!("{server} --publish-at-once");
    assert_received(&subscribe(&["--server", &server]));
}

#[test]
fn gaps_are_measured_of_any_server() {
    let url = pushing(|socket| push_all(socket, PAUSE, |number| Message::text(format!("tick {number}"))));
    for engine in ENGINES {
        let options = [url.as_str(), "--message", "go", "--text", "--expect", "contains:tick", "--engine", engine];
        let (_, pushed) = assert_received(&subscribe(&options));
        assert!(pushed.published.is_none());
        // The server pauses for that long at least.
        assert!(pushed.arrival_gap.p50.unwrap() >= 4_000_000, "{engine}: {:?}", pushed.arrival_gap);
    }
    // A greeting and an acknowledgement are not messages of the stream.
    let greeting = [url.as_str(), "--message", "go", "--skip-messages", "3", "--expect", "contains:tick"];
    let (_, pushed) = assert_received(&subscribe(&greeting));
    assert_eq!(pushed.skipped_messages, 3 * CONNECTIONS);
    let until = [url.as_str(), "--message", "go", "--skip-messages", "until:tick 9"];
    assert_eq!(assert_received(&subscribe(&until)).1.skipped_messages, 10 * CONNECTIONS);
}

#[test]
fn a_server_that_pushes_on_its_own_needs_no_message() {
    let url = ws(peer::websocket(|mut socket| {
        push_all(&mut socket, PAUSE, |_| Message::binary(vec![7; 10]));
        while socket.read().is_ok() {}
    }));
    let (_, pushed) = assert_received(&subscribe(&[&url, "--expect", "length:10", "--warmup", "200ms"]));
    assert_eq!(pushed.received_bytes, 10 * pushed.received);
}

#[test]
fn a_silent_server_is_an_error() {
    let url = pushing(|_| ());
    let result = subscribe(&[&url, "--message", "go", "--push-timeout", "200ms"]).result();
    assert_eq!(errors(&result), [("echo", "timeout", CONNECTIONS)]);
    assert!(result.errors[0].example.contains("no message arrived within 200ms (--push-timeout)"));
    let codes: Vec<ReasonCode> = result.invalid_because.iter().map(|reason| reason.code).collect();
    assert!(codes.contains(&ReasonCode::NothingCompleted) && codes.contains(&ReasonCode::Errors), "{codes:?}");
    assert_eq!(result.subscribe.unwrap().silent_connections, CONNECTIONS);
    // It falls silent after a while.
    let url = pushing(|socket| (0..10).for_each(|_| drop(socket.send(Message::text("tick")))));
    let result = subscribe(&[&url, "--message", "go", "--push-timeout", "200ms"]).result();
    assert_eq!(errors(&result), [("echo", "timeout", CONNECTIONS)]);
    assert_eq!(result.subscribe.unwrap().received, 10 * CONNECTIONS);
}

/// A publication of this machine.
fn publication(clock: &MonotonicClock, number: u64) -> Publication {
    let now = clock.nanoseconds(Instant::now());
    Publication { clock: clock.name(), number, planned_ns: now, sent_ns: now, interval_ns: 5_000_000 }
}

fn header(publication: Publication) -> Message {
    Message::binary(publication.header().to_vec())
}

#[test]
fn lost_duplicated_and_reordered_messages_are_errors_of_their_own() {
    let url = pushing(|socket| {
        let clock = MonotonicClock::new().unwrap();
        // 2 and 3 are left out, 3 comes late, 5 comes twice.
        for number in [0, 1, 4, 3, 5, 5, 6] {
            let _ = socket.send(header(publication(&clock, number)));
        }
        for number in 7..1000 {
            thread::sleep(PAUSE);
            if socket.send(header(publication(&clock, number))).is_err() {
                break;
            }
        }
    });
    let result = subscribe(&[&url, "--message", "go"]).result();
    let pushed = result.subscribe.clone().unwrap();
    let published = pushed.published.unwrap();
    let counts = (published.lost, published.duplicated, published.reordered);
    assert_eq!(counts, (CONNECTIONS, CONNECTIONS, CONNECTIONS), "{:?}", result.errors);
    let mut found = errors(&result);
    found.sort_unstable();
    let each = |kind| ("echo", kind, CONNECTIONS);
    assert_eq!(found, [each("duplicated"), each("lost"), each("reordered")]);
    assert!(!result.valid);
}

#[test]
fn times_of_another_machine_are_no_latency() {
    let url = pushing(|socket| {
        let clock = MonotonicClock::new().unwrap();
        push_all(socket, PAUSE, |number| {
            let mut message = publication(&clock, number).header().to_vec();
            message[8] ^= 1;
            Message::binary(message)
        });
    });
    let (result, pushed) = assert_received(&subscribe(&[&url, "--message", "go"]));
    let published = pushed.published.unwrap();
    assert_eq!((published.foreign_clock, published.messages), (pushed.received, pushed.received));
    assert_eq!((samples(&published.response), published.breakdown.is_none()), (0, true));
    assert!(result.notes.iter().any(|note| note.contains("have no latency")), "{:?}", result.notes);
}

#[test]
fn headers_that_lie_are_refused() {
    type Lie = fn(&mut Publication);
    let lies: [(Lie, &str); 4] = [
        (|lie| (lie.planned_ns, lie.sent_ns) = (u64::MAX, u64::MAX), "was sent after it was read"),
        (|lie| lie.sent_ns = lie.planned_ns - 1, "contradicts itself"),
        (|lie| lie.interval_ns = 0, "contradicts itself"),
        (|lie| lie.number = u64::MAX, "skips 18446744073709551615 others"),
    ];
    for (lie, part) in lies {
        let url = pushing(move |socket| {
            let mut message = publication(&MonotonicClock::new().unwrap(), 0);
            lie(&mut message);
            let _ = socket.send(header(message));
        });
        let result = subscribe(&[&url, "--message", "go"]).result();
        assert_eq!(errors(&result), [("echo", "mismatch", CONNECTIONS)], "{part}");
        assert!(result.errors[0].example.contains(part), "{:?}", result.errors);
    }
    let url = pushing(|socket| {
        let _ = socket.send(header(publication(&MonotonicClock::new().unwrap(), 0)));
        let _ = socket.send(Message::text("tick"));
    });
    let result = subscribe(&[&url, "--message", "go"]).result();
    assert!(result.errors[0].example.contains("without the header"), "{:?}", result.errors);
}

#[test]
fn hostile_servers_end_the_run_in_time() {
    // As fast as it can, in messages small and large, until long after the run.
    for size in [1, 100_000] {
        let url = pushing(move |socket| push_all(socket, Duration::ZERO, |_| Message::binary(vec![1; size])));
        let result = subscribe(&[&url, "--message", "go"]).result();
        assert!(result.subscribe.as_ref().unwrap().received > 100, "{size}: {:?}", result.errors);
        assert!(errors(&result).iter().all(|error| error.0 == "close"), "{:?}", result.errors);
    }
    for (bytes, kind, part) in [(2 << 20, "unexpected", "larger than 1048576 bytes"), (9, "mismatch", "has 9 bytes")] {
        let url = pushing(move |socket| drop(socket.send(Message::binary(vec![1; bytes]))));
        let result = subscribe(&[&url, "--message", "go", "--expect", "length:10"]).result();
        assert_eq!(errors(&result), [("echo", kind, CONNECTIONS)]);
        assert!(result.errors[0].example.contains(part), "{:?}", result.errors);
    }
    let url = pushing(|socket| peer::end(socket.get_ref()));
    assert_eq!(errors(&subscribe(&[&url, "--message", "go"]).result()), [("echo", "closed", CONNECTIONS)]);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let url = format!("ws://{}/", peer::nobody());
    for (options, part) in [
        (&["--rate", "max"][..], "--rate is max; give a rate such as 10k/s with --mode subscribe"),
        (&["--size", "63B"], "--size is 63B; give 64B to 16MiB with --mode subscribe"),
        (&["--rate", "1/s", "--connections", "20"], "--push-timeout is 10s; give longer than the interval"),
        (&["--layer", "tls"], "--mode subscribe requires WebSocket, but the layer is tls"),
        (&["--in-flight", "2"], "--in-flight has no effect with --mode subscribe"),
        (&["--arrivals", "poisson"], "--arrivals has no effect with --mode subscribe"),
        (&["--correlate", "json:id", "--message", "{id}"], "--correlate has no effect with --mode subscribe"),
        (&["--expect", "echo"], "--expect echo cannot be used with --mode subscribe"),
        (&["--time-slice", "1/2:20ms"], "--mode subscribe cannot run in time slices"),
        (&[url.as_str(), "--rate", "1k/s"], "--rate has no effect with --mode subscribe and a URL or --server"),
        (&[url.as_str(), "--size", "1KiB"], "--size has no effect with --mode subscribe and a URL or --server"),
        (&["--push-timeout", "0s"], "--push-timeout is 0s"),
    ] {
        let ended = run(&[&["--mode", "subscribe"], options].concat());
        assert_eq!(ended.status.code(), Some(1), "{ended}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn a_result_is_shown_exported_and_compared() {
    let ended = subscribe(&["--rate", "400/s", "--size", "64B", "--out", "run.json"]);
    let folder = ended.folder.path().join("run.json").display().to_string();
    let shown = common::wssbench(&["show", &folder]);
    for part in
        ["published at 400/s (open loop)", "received on 4 connections", "publisher late", "gap", "CPU per message"]
    {
        assert!(shown.stdout.contains(part), "`{part}` is not in {shown}");
    }
    for format in ["hlog", "hgrm", "openmetrics", "bmf"] {
        let exported = common::wssbench(&["export", "--format", format, &folder]);
        let name = match format {
            "hgrm" => "Percentile",
            "bmf" => "subscribe-arrival-gap-p50-ns",
            _ => "subscribe.arrival_gap",
        };
        assert!(exported.stdout.contains(name), "{format}: {exported}");
    }
    let compared = common::wssbench(&["compare", "--json", &folder, &folder]);
    assert!(compared.stdout.contains("subscribe_server_cpu_message_us"), "{compared}");
}

/// Pushes a message per millisecond to everyone who has sent one. Usage: PORT.
const PYTHON: &str = r"
import asyncio, sys
from websockets.asyncio.server import serve

async def push(socket):
    await socket.recv()
    while True:
        await socket.send('tick')
        await asyncio.sleep(0.001)

async def main():
    async with serve(push, '127.0.0.1', int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
";

#[test]
fn a_publisher_of_python_is_measured() {
    let Some(python) = python() else { return left_out("the Python package websockets is not installed") };
    let address = peer::nobody();
    let mut command = Command::new(python);
    command.arg("-c").arg(PYTHON).arg(address.port().to_string());
    let _daemon = Daemon::start(command, &[address]);
    let options = ["--message", "go", "--text", "--expect", "contains:tick", "--warmup", "200ms"];
    let (_, pushed) = assert_received(&subscribe(&[&[ws(address).as_str()], &options[..]].concat()));
    assert!(pushed.received > 30);
}
