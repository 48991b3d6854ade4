//! What a well-behaved peer may send, over wss to the real server: it comes back byte by byte, however it was cut.

mod common;

use std::io::Write;
use std::time::Duration;

use common::{BINARY, CLOSE, Frame, PING, PONG, Server, TEXT, WebSocket, frame, on_every_engine, request};

/// Bytes that repeat with a period no record or buffer has, so that a lost or doubled piece shows.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).expect("below 251")).collect()
}

fn text_binary_and_empty_messages_come_back(engine: &str) {
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

fn each_form_of_the_length_comes_back(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    for length in [1, 125, 126, 127, 16 << 10, 65_535, 65_536, 1 << 20] {
        peer.assert_echo(BINARY, &payload(length));
        peer.assert_echo(TEXT, &vec![b'x'; length]);
    }
    peer.close();
}

fn large_messages_come_back(engine: &str) {
    // The edges of records, of what the engines receive at once and of what they keep for sending.
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let edges = [16_384, 16_896, 65_536, 131_072].into_iter().flat_map(|edge| [edge - 9, edge - 1, edge, edge + 1]);
    for length in edges.chain([2 << 10, 4 << 20, 16 << 20]) {
        peer.assert_echo(BINARY, &payload(length));
    }
    peer.close();
}

fn bytes_of_tls_cut_anywhere_are_put_together(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    // A frame that takes two records; cut within the headers of both, and in what stands around the frame's header.
    let message = payload(20_000);
    let second = 5 + 16_384 + 17;
    let end = second + 5 + (8 + message.len() - 16_384) + 17;
    for cut in (1..24).chain(second - 18..second + 10).chain(end - 18..end) {
        peer.stream.conn.writer().write_all(&frame(BINARY, &message)).expect("room for it");
        let mut records = Vec::new();
        while peer.stream.conn.wants_write() {
            peer.stream.conn.write_tls(&mut records).expect("memory");
        }
        assert_eq!(records.len(), end, "the records are others than this test thinks");
        peer.stream.sock.write_all(&records[..cut]).expect("sending");
        // So that the server reads what there is; if it does not, this cut is one test less.
        std::thread::sleep(Duration::from_millis(1));
        peer.stream.sock.write_all(&records[cut..]).expect("sending");
        assert!(peer.read().payload == message, "cut at {cut}, it came back changed");
    }
    peer.close();
}

fn a_message_of_the_maximum_size_comes_back(engine: &str) {
    let server = Server::start(engine, &["--max-message-size", "100000B"]);
    let mut peer = server.websocket();
    peer.assert_echo(BINARY, &payload(100_000));
    peer.send(&frame(BINARY, &payload(100_001)));
    peer.assert_closed(1009);
    server.assert_echoes();
}

fn a_ping_between_two_fragments_is_answered_first(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    let euro = "€".as_bytes();
    // The character is cut in two, which is allowed: only the whole message has to be UTF-8.
    peer.send(&[frame(0x01, &euro[..1]), frame(PING, b"between"), frame(0x00, b""), frame(0x80, &euro[1..])].concat());
    assert_eq!(peer.read(), Frame { first: PONG, payload: b"between".to_vec() });
    assert_eq!(peer.read(), Frame { first: TEXT, payload: euro.to_vec() });
    peer.close();
}

fn a_message_in_many_fragments_comes_back_whole(engine: &str) {
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

fn a_ping_of_125_bytes_is_answered_and_a_pong_is_not(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.assert_pong(&[b'p'; 125]);
    peer.assert_pong(b"");
    peer.send(&frame(PONG, b"unasked"));
    peer.assert_echo(TEXT, b"and nothing before it");
    peer.close();
}

fn a_close_is_answered_with_its_own_code(engine: &str) {
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

fn a_request_and_frames_in_one_segment_are_taken_apart(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = WebSocket { stream: server.tls() };
    let large = payload(5_000);
    peer.send(&[request("").into_bytes(), frame(TEXT, b"eager"), frame(BINARY, &large)].concat());
    peer.read_head();
    assert_eq!(peer.read(), Frame { first: TEXT, payload: b"eager".to_vec() });
    assert_eq!(peer.read(), Frame { first: BINARY, payload: large });
    peer.close();
}

fn records_of_one_byte_are_put_together(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = WebSocket { stream: server.tls() };
    let all = [request("").into_bytes(), frame(TEXT, b"drop by drop"), frame(BINARY, &payload(300))].concat();
    for byte in all {
        // rustls makes a record of each write.
        peer.stream.write_all(&[byte]).expect("sending a byte");
    }
    peer.read_head();
    assert_eq!(peer.read(), Frame { first: TEXT, payload: b"drop by drop".to_vec() });
    assert_eq!(peer.read(), Frame { first: BINARY, payload: payload(300) });
    peer.close();
}

fn messages_sent_at_once_come_back_in_order(engine: &str) {
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
    text_binary_and_empty_messages_come_back,
    each_form_of_the_length_comes_back,
    large_messages_come_back,
    bytes_of_tls_cut_anywhere_are_put_together,
    a_message_of_the_maximum_size_comes_back,
    a_ping_between_two_fragments_is_answered_first,
    a_message_in_many_fragments_comes_back_whole,
    a_ping_of_125_bytes_is_answered_and_a_pong_is_not,
    a_close_is_answered_with_its_own_code,
    a_request_and_frames_in_one_segment_are_taken_apart,
    records_of_one_byte_are_put_together,
    messages_sent_at_once_come_back_in_order,
}
