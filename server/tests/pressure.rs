//! Peers that want too much: that never read, never stop, or are too many. The server's memory, descriptors and time
//! stay within their limits, and a fresh echo works afterwards.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{
    BINARY, CLOSE, PATIENCE, PING, PONG, Server, Tls, WebSocket, frame, on_every_engine, read_to_end, wait_for,
};
use wss_model::server_stats::{PhaseOutcome, ServerPhase, ServerStats};

const MIB: u64 = 1 << 20;

/// Writes `bytes` again and again and reads nothing, until the server takes no more and it is `enough`; gives how many
/// bytes were handed to TLS.
fn flood(peer: &mut WebSocket<Tls>, bytes: &[u8], most: usize, mut enough: impl FnMut() -> bool) -> usize {
    let start = Instant::now();
    peer.stream.sock.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut sent = 0;
    while sent < most {
        match peer.stream.write(&bytes[sent % bytes.len()..]) {
            Ok(written @ 1..) => sent += written,
            // It takes nothing, for now or for ever.
            _ if enough() => break,
            _ => assert!(start.elapsed() < PATIENCE, "the server takes no more after {sent} bytes, and that is all"),
        }
    }
    sent
}

/// Reads `length` bytes while what TLS still has for sending goes out: one after the other would wait for ever, as the
/// server reads nothing before its answers are taken.
fn take(peer: &mut WebSocket<Tls>, length: usize) -> Vec<u8> {
    let stream = &mut peer.stream;
    stream.sock.set_nonblocking(true).expect("a socket of our own");
    let mut taken = Vec::new();
    let start = Instant::now();
    while taken.len() < length {
        assert!(start.elapsed() < PATIENCE, "{} of {length} bytes came", taken.len());
        let moved = [stream.conn.write_tls(&mut stream.sock), stream.conn.read_tls(&mut stream.sock)];
        stream.conn.process_new_packets().expect("records in order");
        let mut piece = [0; 64 << 10];
        while let Ok(count @ 1..) = stream.conn.reader().read(&mut piece) {
            taken.extend(&piece[..count]);
        }
        if moved.iter().all(|moved| !matches!(moved, Ok(1..))) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    stream.sock.set_nonblocking(false).expect("a socket of our own");
    taken
}

fn a_peer_that_never_reads_is_ended_and_costs_no_memory(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "2s", "--drain-timeout", "1s"]);
    server.assert_echoes();
    let before = server.stats().rss_bytes_peak;
    let mut peer = server.websocket();
    let message = frame(BINARY, &vec![1; 1 << 20]);
    let sent = flood(&mut peer, &message, 100 << 20, || server.count("echo", "peer_does_not_read") == 1);
    assert!(sent < 100 << 20, "the server read 100 MiB of which nobody took the echoes");
    let grown = server.stats().rss_bytes_peak - before;
    assert!(grown < 24 * MIB, "a peer that does not read made the server grow by {grown} bytes");
    server.await_all_closed();
    server.assert_echoes();
}

fn a_ping_flood_is_answered_in_order_and_costs_no_memory(engine: &str) {
    let server = Server::start(engine, &[]);
    server.assert_echoes();
    let before = server.stats().rss_bytes;
    let mut peer = server.websocket();
    let (mut pings, mut payload) = (Vec::new(), [b'p'; 125]);
    for number in 0..1000_u32 {
        payload[..4].copy_from_slice(&number.to_be_bytes());
        pings.extend(frame(PING, &payload));
    }
    let sent = flood(&mut peer, &pings, 128 << 20, || true);
    assert!(sent < 128 << 20, "the server read 128 MiB of pings of which nobody took the pongs");
    let grown = server.stats().rss_bytes.saturating_sub(before);
    assert!(grown < 8 * MIB, "a flood of pings made the server grow by {grown} bytes");
    server.assert_echoes();
    // Now the pongs are read: none is missing, and each is in its place.
    let size = pings.len() / 1000;
    let whole = sent / size;
    let pongs = take(&mut peer, whole * 127);
    for (pong, number) in pongs.chunks(127).zip((0..1000_u32).cycle()) {
        assert_eq!(pong[..2], [PONG, 125]);
        assert_eq!(pong[2..6], number.to_be_bytes());
    }
    server.assert_echoes();
}

fn empty_fragments_without_end_are_idleness(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "2s"]);
    let mut peer = server.websocket();
    peer.send(&frame(0x01, b""));
    let fragments = frame(0x00, b"").repeat(1000);
    // Ends by the Close frame, after which the server reads a little more and then not at all.
    let start = Instant::now();
    while peer.stream.write_all(&fragments).is_ok() {
        assert!(start.elapsed() < PATIENCE, "empty fragments keep a connection open for ever");
        if server.count("echo", "idle_timeout") == 1 {
            break;
        }
    }
    assert_eq!(peer.read().close(), (1001, "idle".to_owned()));
    server.await_count("echo", "idle_timeout", 1);
    drop(peer);
    server.await_all_closed();
    server.assert_echoes();
}

fn a_silent_websocket_is_closed_with_1001(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "1s"]);
    let mut peer = server.websocket();
    peer.assert_echo(BINARY, b"the last word");
    assert_eq!(peer.read().close(), (1001, "idle".to_owned()));
    peer.stream.conn.send_close_notify();
    peer.stream.flush().expect("sending close_notify");
    server.await_count("close", "completed", 1);
    server.await_count("echo", "idle_timeout", 1);
    server.assert_echoes();
}

fn a_peer_that_does_not_end_after_its_close_is_cut_off(engine: &str) {
    let server = Server::start(engine, &["--drain-timeout", "1s"]);
    let mut silent = server.websocket();
    silent.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(silent.read().close().0, 1000);
    // Neither close_notify nor FIN comes from here.
    server.await_count("close", "timeout", 1);

    let mut loud = server.websocket();
    loud.send(&frame(0x83, b"wrong"));
    assert_eq!(loud.read().close().0, 1002);
    let noise = vec![0; 64 << 10];
    let start = Instant::now();
    while loud.stream.write_all(&noise).is_ok() {
        assert!(start.elapsed() < PATIENCE, "what comes after a Close frame is read for ever");
    }
    server.await_count("close", "peer_does_not_end", 1);
    server.await_all_closed();
    server.assert_echoes();
}

fn one_connection_over_the_limit_is_closed_at_once(engine: &str) {
    let server = Server::start(engine, &["--max-connections", "5"]);
    let mut five: Vec<_> = (0..5).map(|_| server.websocket()).collect();
    for number in 1..=3 {
        let (bytes, _) = read_to_end(&mut server.tcp());
        assert!(bytes.is_empty(), "{bytes:?}");
        server.await_count("accept", "over_limit", number);
    }
    assert_eq!(server.stats().connections_open, 5);
    for peer in &mut five {
        peer.assert_echo(BINARY, b"not in the way of the five");
    }
    five.pop().expect("five of them").close();
    wait_for("room for one", || (server.stats().connections_open == 4).then_some(()));
    server.assert_echoes();
}

/// With 40 descriptors in all, the accepts of some of 60 connections fail with EMFILE.
fn running_out_of_descriptors_is_survived(engine: &str) {
    let server = Server::start_with_files(engine, 40, &["--handshake-timeout", "60s"]);
    let start = Instant::now();
    assert_eq!(server.ready.file_limit, Some(40));
    server.assert_echoes();
    let mut many: Vec<_> = (0..60).map(|_| server.tcp()).collect();
    wait_for("a full table of descriptors", || (server.open_files() >= 40).then_some(()));
    std::thread::sleep(Duration::from_secs(1)); // time for errors to come as often as they do
    many.truncate(10);
    // Until all that waited are accepted, and those that have gone are closed, any answer may be 503, for the counters
    // need a descriptor too: one that was given does not mean that the next is.
    let accepted = |stats: &ServerStats| {
        stats.outcomes.iter().any(|known| {
            known.phase == ServerPhase::Accept && known.outcome == PhaseOutcome::Completed && known.count == 61
        })
    };
    let stats = wait_for("counters of 61", || server.try_stats().filter(accepted));
    let errors: u64 = stats
        .outcomes
        .iter()
        .filter(|known| known.phase == ServerPhase::Accept && known.outcome == PhaseOutcome::NoDescriptors)
        .map(|known| known.count)
        .sum();
    assert!(errors > 0, "nothing ran out: {:?}", stats.outcomes);
    // It rests 20 ms after each; without that there would be a hundred thousand a second.
    let most = 60 * (1 + start.elapsed().as_secs());
    assert!(errors < most, "{errors} errors in {:?}: accepting does not rest", start.elapsed());
    server.assert_echoes();
    drop(many);
    server.await_all_closed();
    server.assert_echoes();
}

/// Connections come and go; what they cost in memory does not add up.
fn a_thousand_connections_one_after_the_other_leave_no_memory_behind(engine: &str) {
    let server = Server::start(engine, &[]);
    for _ in 0..200 {
        server.assert_echoes();
    }
    let before = server.stats().rss_bytes;
    for _ in 0..800 {
        server.assert_echoes();
    }
    let stats = server.stats();
    let grown = stats.rss_bytes.saturating_sub(before);
    assert!(grown < 2 * MIB, "800 connections left {grown} bytes behind");
    assert_eq!(stats.messages_echoed, 1000);
}

on_every_engine! {
    a_peer_that_never_reads_is_ended_and_costs_no_memory,
    a_ping_flood_is_answered_in_order_and_costs_no_memory,
    empty_fragments_without_end_are_idleness,
    a_silent_websocket_is_closed_with_1001,
    a_peer_that_does_not_end_after_its_close_is_cut_off,
    one_connection_over_the_limit_is_closed_at_once,
    running_out_of_descriptors_is_survived,
    a_thousand_connections_one_after_the_other_leave_no_memory_behind,
}
