//! Publishing (`--publish`): numbered messages with times, at a rate, from the subscription until the end.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{BINARY, CLOSE, Frame, PATIENCE, PING, PONG, Server, TEXT, WebSocket, frame, on_every_engine, refused};
use rustix::process::Signal;
use wss_model::server_stats::PublishStats;
use wss_server::event::FailureCode;
use wss_wire::publication::{HEADER_SIZE, MonotonicClock, Publication};

const MIB: u64 = 1 << 20;

/// Reads the next published message.
fn next<S: Read + Write>(peer: &mut WebSocket<S>, size: usize) -> Publication {
    let Frame { first, payload } = peer.read();
    assert_eq!((first, payload.len()), (BINARY, size));
    Publication::read(&payload).expect("a header")
}

/// Sends a Close frame, reads what was published before it, and asserts that the reply is the last frame.
fn close<S: Read + Write>(mut peer: WebSocket<S>) {
    peer.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
    let reply = loop {
        let frame = peer.read();
        if frame.first != BINARY {
            break frame;
        }
    };
    assert_eq!(reply.close(), (1000, String::new()));
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).expect("the stream ends cleanly");
    assert_eq!(rest, b"");
}

fn published(server: &Server) -> PublishStats {
    server.stats().published.expect("a server that publishes")
}

fn publishes_numbered_messages_at_the_rate_until_close(engine: &str) {
    let server = Server::start(engine, &["--publish", "200/s", "--publish-size", "100B"]);
    let clock = MonotonicClock::new().expect("a clock");
    let mut peer = server.websocket();
    let subscribed = clock.nanoseconds(Instant::now());
    peer.send(&frame(TEXT, b"go"));
    let messages: Vec<Publication> = (0..100).map(|_| next(&mut peer, 100)).collect();
    let read = clock.nanoseconds(Instant::now());
    for (number, message) in (0..).zip(&messages) {
        assert_eq!((message.number, message.interval_ns, message.clock), (number, 5_000_000, clock.name()));
        assert!(message.planned_ns <= message.sent_ns, "never before its instant: {message:?}");
        assert!(message.planned_ns + 1000 >= subscribed && message.sent_ns <= read + 1000, "{message:?}");
    }
    for pair in messages.windows(2) {
        // The plan does not depend on when messages are sent.
        assert!((pair[1].planned_ns - pair[0].planned_ns).abs_diff(5_000_000) < 1000, "{pair:?}");
    }
    close(peer);
    server.await_count("echo", "completed", 1);
    let stats = published(&server);
    assert!(stats.messages >= 100 && stats.bytes == 100 * stats.messages && stats.discarded == 0, "{stats:?}");
    assert_eq!(stats.lateness.decode().expect("a histogram").count(), stats.messages);
    // It stopped: nothing is published to nobody.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(published(&server).messages, stats.messages);
    assert_eq!(server.stats().messages_echoed, 0);
}

fn answers_pings_and_discards_further_messages(engine: &str) {
    let server = Server::start(engine, &["--publish", "1/s"]);
    let mut peer = server.websocket();
    peer.assert_pong(b"before");
    peer.send(&[frame(BINARY, b"go"), frame(BINARY, b"again"), frame(PING, b"after")].concat());
    let mut published = 0;
    loop {
        match peer.read() {
            Frame { first: PONG, payload } => {
                assert_eq!(payload, b"after");
                break;
            }
            Frame { first, .. } => assert_eq!(first, BINARY),
        }
        published += 1;
    }
    assert!(published <= 2, "one per second");
    close(peer);
    server.await_count("echo", "completed", 1);
    assert_eq!(self::published(&server).discarded, 1);
}

fn waits_for_a_subscription_only_as_long_as_it_is_told(engine: &str) {
    let server = Server::start(engine, &["--publish", "100/s", "--idle-timeout", "300ms"]);
    let peer = server.websocket();
    assert_eq!(peer.assert_closed(1001), "no subscription");
    server.await_count("echo", "idle_timeout", 1);
    assert_eq!(published(&server).messages, 0);
    // A subscriber has nothing more to say.
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    for number in 0..100 {
        assert_eq!(next(&mut peer, HEADER_SIZE).number, number);
    }
    close(peer);
}

fn publishes_at_once_if_told_so(engine: &str) {
    let server = Server::start(engine, &["--publish", "100/s", "--publish-at-once", "--layer", "ws"]);
    let mut peer = WebSocket::open(server.tcp());
    assert_eq!([0, 1, 2].map(|_| next(&mut peer, HEADER_SIZE).number), [0, 1, 2]);
    peer.send(&frame(TEXT, b"ignored"));
    close(peer);
    server.await_count("echo", "completed", 1);
    assert_eq!(published(&server).discarded, 1);
}

fn a_subscriber_that_does_not_read_does_not_make_it_grow(engine: &str) {
    let options = ["--publish", "10k/s", "--publish-size", "64KiB", "--idle-timeout", "2s", "--drain-timeout", "1s"];
    let server = Server::start(engine, &options);
    let mut first = server.websocket();
    first.send(&frame(TEXT, b"go"));
    next(&mut first, 64 << 10);
    close(first);
    let before = server.stats().rss_bytes_peak;
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    server.await_count("echo", "peer_does_not_read", 1);
    let grown = server.stats().rss_bytes_peak - before;
    assert!(grown < 24 * MIB, "it grew by {grown} bytes");
    // Two seconds at that rate, of which the buffers of the kernel took a part.
    let unsent = published(&server).unsent;
    assert!(unsent > 10_000, "{unsent} messages were due");
    server.await_all_closed();
}

fn a_late_subscriber_gets_every_message(engine: &str) {
    let server = Server::start(engine, &["--publish", "1k/s", "--publish-size", "64KiB"]);
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    // More than the buffers of both kernels take.
    std::thread::sleep(Duration::from_millis(1500));
    for number in 0..1500 {
        assert_eq!(next(&mut peer, 64 << 10).number, number);
    }
    close(peer);
}

fn a_flood_of_a_subscriber_starves_nobody(engine: &str) {
    let server = Server::start(engine, &["--publish", "100/s"]);
    let mut flooding = server.websocket();
    flooding.stream.sock.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let flood: Vec<u8> = frame(BINARY, b"more").repeat(1000);
    let thread = std::thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            let _ = flooding.stream.write(&flood);
        }
    });
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    for number in 0..50 {
        assert_eq!(next(&mut peer, HEADER_SIZE).number, number);
    }
    close(peer);
    thread.join().expect("the flood ends");
    server.await_all_closed();
}

fn a_server_that_stops_says_so(engine: &str) {
    let mut server = Server::start(engine, &["--publish", "100/s"]);
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    next(&mut peer, HEADER_SIZE);
    server.signal(Signal::TERM);
    let closing = loop {
        let frame = peer.read();
        if frame.first != BINARY {
            break frame;
        }
    };
    assert_eq!(closing.close(), (1001, "going away".to_owned()));
    peer.send(&frame(CLOSE, &1001_u16.to_be_bytes()));
    let start = Instant::now();
    let (status, stderr) = server.ended();
    assert!(status.success() && start.elapsed() < PATIENCE, "{status}: {stderr}");
}

on_every_engine! {
    publishes_numbered_messages_at_the_rate_until_close,
    answers_pings_and_discards_further_messages,
    waits_for_a_subscription_only_as_long_as_it_is_told,
    publishes_at_once_if_told_so,
    a_subscriber_that_does_not_read_does_not_make_it_grow,
    a_late_subscriber_gets_every_message,
    a_flood_of_a_subscriber_starves_nobody,
    a_server_that_stops_says_so,
}

#[test]
fn refuses_what_it_cannot_publish() {
    for (options, words) in [
        (&["--publish", "max"][..], &["--publish is max", "per connection"][..]),
        (&["--publish", "20M/s"], &["--publish is 20000000/s"]),
        (&["--publish", "1/s", "--publish-size", "63B"], &["--publish-size is 63B", "header of 64 bytes"]),
        (&["--publish", "1/s", "--layer", "tls"], &["--publish requires WebSocket, but the layer is tls"]),
        (&["--publish-at-once"], &["--publish-at-once has no effect without --publish"]),
        (&["--publish-size", "1KiB"], &["--publish-size has no effect without --publish"]),
    ] {
        refused("epoll", options).assert_failure(FailureCode::InvalidOptions, words);
    }
}

#[test]
fn metrics_have_what_was_published() {
    let server = Server::start("epoll", &["--publish", "100/s"]);
    let mut peer = server.websocket();
    peer.send(&frame(TEXT, b"go"));
    next(&mut peer, HEADER_SIZE);
    let (_, text) = server.get("/metrics");
    for name in
        ["wssbench_messages_published_total", "wssbench_published_bytes_total", "wssbench_messages_unsent_total"]
    {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let echo = Server::start("epoll", &[]);
    assert!(!echo.get("/metrics").1.contains("published") && echo.stats().published.is_none());
}
