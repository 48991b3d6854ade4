//! Peers that never read, never stop, or are too many. The server's memory, descriptors and waits stay within their limits,
//! and a new echo works afterwards.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{
    BINARY, CLOSE, PATIENCE, PING, PONG, Server, Tls, WebSocket, frame, on_every_engine, read_to_end, wait_for,
};
use wss_model::server_stats::{PhaseOutcome, ServerPhase, ServerStats};

const MIB: u64 = 1 << 20;

/// Writes `bytes` repeatedly without reading, until the server accepts no more and `enough` returns true, or `limit` bytes
/// are written. Returns the number of bytes passed to TLS.
fn flood(peer: &mut WebSocket<Tls>, bytes: &[u8], limit: usize, mut enough: impl FnMut() -> bool) -> usize {
    let start = Instant::now();
    peer.stream.sock.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut sent = 0;
    while sent < limit {
        match peer.stream.write(&bytes[sent % bytes.len()..]) {
            Ok(written @ 1..) => sent += written,
            // The server accepts nothing, temporarily or permanently.
            _ if enough() => break,
            _ => assert!(
                start.elapsed() < PATIENCE,
                "the server accepts no more after {sent} bytes and does not end the connection"
            ),
        }
    }
    sent
}

/// Reads `length` bytes while sending the pending data of TLS. Doing both in turn would deadlock, because the server reads
/// nothing before its replies are read.
fn read_while_sending(peer: &mut WebSocket<Tls>, length: usize) -> Vec<u8> {
    let stream = &mut peer.stream;
    stream.sock.set_nonblocking(true).expect("a socket of our own");
    let mut received = Vec::new();
    let start = Instant::now();
    while received.len() < length {
        assert!(start.elapsed() < PATIENCE, "received {} of {length} bytes", received.len());
        let moved = [stream.conn.write_tls(&mut stream.sock), stream.conn.read_tls(&mut stream.sock)];
        stream.conn.process_new_packets().expect("records in order");
        let mut piece = [0; 64 << 10];
        while let Ok(count @ 1..) = stream.conn.reader().read(&mut piece) {
            received.extend(&piece[..count]);
        }
        if moved.iter().all(|moved| !matches!(moved, Ok(1..))) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    stream.sock.set_nonblocking(false).expect("a socket of our own");
    received
}

fn ends_a_peer_that_never_reads_without_growing(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "2s", "--drain-timeout", "1s"]);
    server.assert_echoes();
    let before = server.stats().rss_bytes_peak;
    let mut peer = server.websocket();
    let message = frame(BINARY, &vec![1; 1 << 20]);
    let sent = flood(&mut peer, &message, 100 << 20, || server.count("echo", "peer_does_not_read") == 1);
    assert!(sent < 100 << 20, "the server read 100 MiB although the peer reads no echoes");
    let grown = server.stats().rss_bytes_peak - before;
    assert!(grown < 24 * MIB, "a peer that does not read made the server grow by {grown} bytes");
    server.await_all_closed();
    server.assert_echoes();
}

/// Peers that send small messages and read no echo: per connection, the data that the server has received and not handled,
/// what its TLS and WebSocket layers hold, and a message on its way out.
fn a_peer_that_does_not_read_costs_at_most_256_kib(engine: &str) {
    const PEERS: u64 = 5;
    let server = Server::start(engine, &["--threads", "1"]);
    server.assert_echoes();
    let message = frame(BINARY, &[1; 4096]);
    let mut peers = Vec::new();
    // A slope: buffers that the thread keeps for all connections are not a part of it.
    let [first, second] = [1, 2].map(|times| {
        while peers.len() < (times * PEERS) as usize {
            let mut peer = server.websocket();
            // Until the server has taken nothing for 300 ms.
            flood(&mut peer, &message, 100 << 20, || true);
            peers.push(peer);
        }
        let stats = server.stats();
        assert_eq!(stats.connections_open, times * PEERS);
        stats.rss_anon_bytes
    });
    let each = second.saturating_sub(first) / PEERS;
    assert!(each <= 256 << 10, "{each} bytes per connection");
    drop(peers);
    server.await_all_closed();
    server.assert_echoes();
}

fn answers_a_ping_flood_in_order_without_growing(engine: &str) {
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
    assert!(sent < 128 << 20, "the server read 128 MiB of pings although the peer reads no pongs");
    let grown = server.stats().rss_bytes.saturating_sub(before);
    assert!(grown < 8 * MIB, "a flood of pings made the server grow by {grown} bytes");
    server.assert_echoes();
    // All pongs arrive, in order.
    let size = pings.len() / 1000;
    let whole = sent / size;
    let pongs = read_while_sending(&mut peer, whole * 127);
    for (pong, number) in pongs.chunks(127).zip((0..1000_u32).cycle()) {
        assert_eq!(pong[..2], [PONG, 125]);
        assert_eq!(pong[2..6], number.to_be_bytes());
    }
    server.assert_echoes();
}

fn endless_empty_fragments_count_as_idle(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "2s"]);
    let mut peer = server.websocket();
    peer.send(&frame(0x01, b""));
    let fragments = frame(0x00, b"").repeat(1000);
    // Ends after the Close frame, when the server stops reading.
    let start = Instant::now();
    while peer.stream.write_all(&fragments).is_ok() {
        assert!(start.elapsed() < PATIENCE, "empty fragments keep the connection open");
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

fn control_frames_do_not_keep_an_unfinished_message(engine: &str) {
    let server = Server::start(engine, &["--idle-timeout", "2s"]);
    let mut peer = server.websocket();
    peer.send(&frame(0x01, b"a beginning"));
    let start = Instant::now();
    while server.count("echo", "idle_timeout") == 0 {
        assert!(start.elapsed() < PATIENCE, "control frames keep an unfinished message");
        // The write fails once the server has closed the connection.
        let _ = peer.stream.write_all(&[frame(PONG, b""), frame(PING, b"")].concat());
        std::thread::sleep(Duration::from_millis(100));
    }
    server.await_count("echo", "idle_timeout", 1);
    drop(peer);
    // Without a message they do keep the connection.
    let mut peer = server.websocket();
    for _ in 0..30 {
        peer.send(&frame(PONG, b""));
        std::thread::sleep(Duration::from_millis(100));
    }
    peer.assert_echo(BINARY, b"still open");
}

/// Sends the first fragment of a message, and waits until the server has read it.
fn begin_message(peer: &mut WebSocket<Tls>, size: usize) {
    peer.send(&frame(0x02, &vec![b'm'; size]));
    peer.assert_pong(b"read");
}

fn limits_all_unfinished_messages_together(engine: &str) {
    let server = Server::start(engine, &["--max-buffered", "1MiB"]);
    let mut holders = [server.websocket(), server.websocket()];
    for holder in &mut holders {
        begin_message(holder, 400 << 10);
    }
    // 1,024 KiB minus twice 400 KiB is less than this one needs.
    let mut refused = server.websocket();
    refused.send(&frame(0x02, &vec![b'm'; 400 << 10]));
    let (code, reason) = refused.read().close();
    assert!(code == 1013 && reason.contains("1048576 bytes"), "{code} {reason}");
    server.await_count("echo", "over_budget", 1);
    drop(refused);
    // Small messages pass, and so does what was begun in time.
    let mut small = server.websocket();
    begin_message(&mut small, 60 << 10);
    small.send(&frame(0x80, b""));
    assert_eq!(small.read().payload.len(), 60 << 10);
    let [mut one, _two] = holders;
    one.send(&frame(0x80, b"."));
    assert_eq!(one.read().payload.len(), (400 << 10) + 1);
    // Its room is free again.
    let mut next = server.websocket();
    begin_message(&mut next, 400 << 10);
    next.send(&frame(0x80, b""));
    assert_eq!(next.read().payload.len(), 400 << 10);
}

fn closes_an_idle_websocket_with_1001(engine: &str) {
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

fn cuts_off_a_peer_that_does_not_end_after_the_close(engine: &str) {
    let server = Server::start(engine, &["--drain-timeout", "1s"]);
    let mut silent = server.websocket();
    silent.send(&frame(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(silent.read().close().0, 1000);
    // The peer sends neither close_notify nor FIN.
    server.await_count("close", "timeout", 1);

    let mut loud = server.websocket();
    loud.send(&frame(0x83, b"wrong"));
    assert_eq!(loud.read().close().0, 1002);
    let noise = vec![0; 64 << 10];
    let start = Instant::now();
    while loud.stream.write_all(&noise).is_ok() {
        assert!(start.elapsed() < PATIENCE, "the server reads for ever after a Close frame");
    }
    server.await_count("close", "peer_does_not_end", 1);
    server.await_all_closed();
    server.assert_echoes();
}

fn closes_a_connection_over_the_limit_at_once(engine: &str) {
    let server = Server::start(engine, &["--max-connections", "5"]);
    let mut five: Vec<_> = (0..5).map(|_| server.websocket()).collect();
    for number in 1..=3 {
        let (bytes, _) = read_to_end(&mut server.tcp());
        assert!(bytes.is_empty(), "{bytes:?}");
        server.await_count("accept", "over_limit", number);
    }
    assert_eq!(server.stats().connections_open, 5);
    for peer in &mut five {
        peer.assert_echo(BINARY, b"unaffected");
    }
    five.pop().expect("five of them").close();
    wait_for("room for a connection", || (server.stats().connections_open == 4).then_some(()));
    server.assert_echoes();
}

/// With 40 descriptors, some of 60 accepts fail with EMFILE.
fn survives_running_out_of_descriptors(engine: &str) {
    let server = Server::start_with_files(engine, 40, &["--handshake-timeout", "60s"]);
    let start = Instant::now();
    assert_eq!(server.ready.file_limit, Some(40));
    server.assert_echoes();
    let mut many: Vec<_> = (0..60).map(|_| server.tcp()).collect();
    wait_for("a full table of descriptors", || (server.open_files() >= 40).then_some(()));
    std::thread::sleep(Duration::from_secs(1)); // time for repeated errors
    many.truncate(10);
    // Any response may be 503 until the waiting connections are accepted and the dropped ones closed, because reading the
    // counters needs a descriptor too.
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
    // The server pauses for 20 ms after each error; otherwise there would be 100,000 per second.
    let limit = 60 * (1 + start.elapsed().as_secs());
    assert!(errors < limit, "{errors} errors in {:?}: there is no pause after an error", start.elapsed());
    server.assert_echoes();
    drop(many);
    server.await_all_closed();
    server.assert_echoes();
}

fn a_thousand_connections_leak_no_memory(engine: &str) {
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
    assert!(grown < 2 * MIB, "800 connections leaked {grown} bytes");
    assert_eq!(stats.messages_echoed, 1000);
}

on_every_engine! {
    ends_a_peer_that_never_reads_without_growing,
    a_peer_that_does_not_read_costs_at_most_256_kib,
    answers_a_ping_flood_in_order_without_growing,
    endless_empty_fragments_count_as_idle,
    control_frames_do_not_keep_an_unfinished_message,
    limits_all_unfinished_messages_together,
    closes_an_idle_websocket_with_1001,
    cuts_off_a_peer_that_does_not_end_after_the_close,
    closes_a_connection_over_the_limit_at_once,
    survives_running_out_of_descriptors,
    a_thousand_connections_leak_no_memory,
}
