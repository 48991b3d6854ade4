//! Valid messages over wss: the server echoes them unchanged, however the peer fragments them.

mod common;

use std::io::Write;
use std::time::Duration;

use common::{BINARY, CLOSE, Frame, PING, PONG, Server, TEXT, WebSocket, frame, on_every_engine, request};

/// Bytes with a period that no record or buffer has, so that lost or repeated pieces are detected.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).expect("below 251")).collect()
}

fn echoes_text_binary_and_empty_messages(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_echo(TEXT, "Grüße, 世界 🦀".as_bytes());
    peer.assert_echo(BINARY, b"\x00\xff\xfe");
    peer.assert_echo(TEXT, b"");
    peer.assert_echo(BINARY, b"");
    peer.close();
    let stats = server.stats();
    assert_eq!(stats.messages_echoed, 4);
    assert_eq!(stats.bytes_echoed, "Grüße, 世界 🦀".len() as u64 + 3);
}

fn echoes_each_form_of_the_length(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    for length in [1, 125, 126, 127, 16 << 10, 65_535, 65_536, 1 << 20] {
        peer.assert_echo(BINARY, &payload(length));
        peer.assert_echo(TEXT, &vec![b'x'; length]);
    }
    peer.close();
}

fn echoes_large_messages(engine: &str) {
    // Around the limits of records and of the engines' receive and send buffers.
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let edges = [16_384, 16_896, 65_536, 131_072].into_iter().flat_map(|edge| [edge - 9, edge - 1, edge, edge + 1]);
    for length in edges.chain([2 << 10, 4 << 20, 16 << 20]) {
        peer.assert_echo(BINARY, &payload(length));
    }
    peer.close();
}

fn reassembles_tls_records_cut_anywhere(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    // A frame in two records, cut inside the headers of both, and around the header of the frame.
    let message = payload(20_000);
    let second = 5 + 16_384 + 17;
    let end = second + 5 + (8 + message.len() - 16_384) + 17;
    for cut in (1..24).chain(second - 18..second + 10).chain(end - 18..end) {
        peer.stream.conn.writer().write_all(&frame(BINARY, &message)).expect("room for it");
        let mut records = Vec::new();
        while peer.stream.conn.wants_write() {
            peer.stream.conn.write_tls(&mut records).expect("memory");
        }
        assert_eq!(records.len(), end, "the records differ from what this test expects");
        peer.stream.sock.write_all(&records[..cut]).expect("sending");
        // Time for the server to read the first piece; without it, this cut is not tested.
        std::thread::sleep(Duration::from_millis(1));
        peer.stream.sock.write_all(&records[cut..]).expect("sending");
        assert!(peer.read().payload == message, "cut at {cut}, it came back changed");
    }
    peer.close();
}

fn echoes_a_message_of_the_maximum_size(engine: &str) {
    let server = Server::start(engine, &["--max-message-size", "100000B"]);
    let mut peer = server.websocket();
    peer.assert_echo(BINARY, &payload(100_000));
    peer.send(&frame(BINARY, &payload(100_001)));
    peer.assert_closed(1009);
    server.assert_echoes();
}

fn answers_a_ping_between_fragments_first(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let euro = "€".as_bytes();
    // The character is split, which is valid: only the complete message has to be UTF-8.
    peer.send(&[frame(0x01, &euro[..1]), frame(PING, b"between"), frame(0x00, b""), frame(0x80, &euro[1..])].concat());
    assert_eq!(peer.read(), Frame { first: PONG, payload: b"between".to_vec() });
    assert_eq!(peer.read(), Frame { first: TEXT, payload: euro.to_vec() });
    peer.close();
}

fn echoes_many_fragments_as_one_message(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let whole = payload(300_000);
    for (number, piece) in whole.chunks(999).enumerate() {
        peer.send(&frame(if number == 0 { 0x02 } else { 0x00 }, piece));
    }
    peer.send(&frame(0x80, b""));
    let echo = peer.read();
    assert_eq!(echo.first, BINARY);
    assert!(echo.payload == whole, "{} bytes came back", echo.payload.len());
    peer.close();
}

fn answers_pings_but_not_pongs(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_pong(&[b'p'; 125]);
    peer.assert_pong(b"");
    peer.send(&frame(PONG, b"unasked"));
    peer.assert_echo(TEXT, b"and nothing before it");
    peer.close();
}

fn answers_a_close_with_the_same_code(engine: &str) {
    let server = Server::start(engine, &[]);
    for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 4999] {
        let mut peer = server.websocket();
        peer.send(&frame(CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat()));
        assert_eq!(peer.assert_closed(code), "bye");
    }
    let mut peer = server.websocket();
    peer.send(&frame(CLOSE, b""));
    assert_eq!(peer.read(), Frame { first: CLOSE, payload: Vec::new() });
    drop(peer);
    server.await_count("echo", "completed", 8);
    server.assert_echoes();
}

fn accepts_a_request_and_frames_in_one_segment(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = WebSocket { stream: server.tls() };
    let large = payload(5_000);
    peer.send(&[request("").into_bytes(), frame(TEXT, b"eager"), frame(BINARY, &large)].concat());
    peer.read_head();
    assert_eq!(peer.read(), Frame { first: TEXT, payload: b"eager".to_vec() });
    assert_eq!(peer.read(), Frame { first: BINARY, payload: large });
    peer.close();
}

fn reassembles_records_of_one_byte(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = WebSocket { stream: server.tls() };
    let all = [request("").into_bytes(), frame(TEXT, b"drop by drop"), frame(BINARY, &payload(300))].concat();
    for byte in all {
        // rustls creates one record per write.
        peer.stream.write_all(&[byte]).expect("sending a byte");
    }
    peer.read_head();
    assert_eq!(peer.read(), Frame { first: TEXT, payload: b"drop by drop".to_vec() });
    assert_eq!(peer.read(), Frame { first: BINARY, payload: payload(300) });
    peer.close();
}

fn echoes_pipelined_messages_in_order(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let all: Vec<u8> = (0..500_u32).flat_map(|number| frame(BINARY, &number.to_be_bytes())).collect();
    peer.send(&all);
    for number in 0..500_u32 {
        assert_eq!(peer.read(), Frame { first: BINARY, payload: number.to_be_bytes().to_vec() });
    }
    peer.close();
    assert_eq!(server.stats().messages_echoed, 500);
}

on_every_engine! {
    echoes_text_binary_and_empty_messages,
    echoes_each_form_of_the_length,
    echoes_large_messages,
    reassembles_tls_records_cut_anywhere,
    echoes_a_message_of_the_maximum_size,
    answers_a_ping_between_fragments_first,
    echoes_many_fragments_as_one_message,
    answers_pings_but_not_pongs,
    answers_a_close_with_the_same_code,
    accepts_a_request_and_frames_in_one_segment,
    reassembles_records_of_one_byte,
    echoes_pipelined_messages_in_order,
}
