//! Every frame that RFC 6455 forbids, sent over wss: the server replies with the right close code, ends the connection
//! cleanly, counts the violation, and continues to serve others.

mod common;

use common::{BINARY, CLOSE, PING, PONG, Server, TEXT, WebSocket, frame, header, on_every_engine};

/// First bytes of fragments: FIN is clear except for the last.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;

/// Sends `wrong` after a valid message, and expects a Close frame with `code` and a reason that contains `word`.
fn assert_violation(engine: &str, wrong: &[u8], code: u16, word: &str) {
    let server = Server::start(engine, &["--max-message-size", "64KiB"]);
    let mut peer = server.websocket();
    peer.assert_echo(BINARY, b"good");
    peer.send(wrong);
    let reason = peer.assert_closed(code);
    assert!(reason.contains(word), "the reason {reason:?} does not contain `{word}`");
    server.await_count("echo", &format!("violation_{code}"), 1);
    server.assert_echoes();
}

fn an_unmasked_frame_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &[BINARY, 1, b'x'], 1002, "without a mask");
}

fn a_ping_of_126_bytes_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(PING, &[7; 126]), 1002, "longer than 125");
}

fn a_pong_of_126_bytes_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(PONG, &[7; 126]), 1002, "longer than 125");
}

fn a_close_of_126_bytes_is_closed_with_1002(engine: &str) {
    let payload = [&1000_u16.to_be_bytes()[..], &[b'x'; 124]].concat();
    assert_violation(engine, &frame(CLOSE, &payload), 1002, "longer than 125");
}

fn a_fragmented_ping_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(PING & 0x0f, b"x"), 1002, "fragmented");
}

fn each_reserved_bit_is_closed_with_1002(engine: &str) {
    for bit in [0x40, 0x20, 0x10] {
        assert_violation(engine, &frame(BINARY | bit, b"x"), 1002, "reserved bit");
    }
}

fn a_reserved_opcode_is_closed_with_1002(engine: &str) {
    for opcode in [3, 7, 11, 15] {
        assert_violation(engine, &frame(0x80 | opcode, b"x"), 1002, &format!("reserved opcode {opcode}"));
    }
}

fn a_continuation_outside_a_message_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(ENDS, b"x"), 1002, "outside a fragmented message");
}

fn a_new_message_inside_a_fragmented_one_is_closed_with_1002(engine: &str) {
    let frames = [frame(TEXT_BEGINS, b"one"), frame(TEXT, b"two")].concat();
    assert_violation(engine, &frames, 1002, "inside a fragmented");
}

fn a_length_not_in_shortest_form_is_closed_with_1002(engine: &str) {
    let sixteen_bits = [BINARY, 0x80 | 126, 0, 125, 0, 0, 0, 0];
    assert_violation(engine, &sixteen_bits, 1002, "shortest form");
    let sixty_four_bits = [BINARY, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    assert_violation(engine, &sixty_four_bits, 1002, "shortest form");
}

fn a_64_bit_length_with_its_top_bit_set_is_closed_with_1002(engine: &str) {
    let header = [BINARY, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    assert_violation(engine, &header, 1002, "most significant bit");
}

fn invalid_utf_8_is_closed_with_1007(engine: &str) {
    // A byte that never occurs in UTF-8, an overlong slash, a surrogate, a code point beyond U+10FFFF, a truncated one.
    for wrong in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok \xe2\x82"] {
        assert_violation(engine, &frame(TEXT, wrong), 1007, "UTF-8");
    }
}

fn invalid_utf_8_across_fragments_is_closed_with_1007(engine: &str) {
    let wrong_in_the_second = [frame(TEXT_BEGINS, b"ok \xe2"), frame(CONTINUES, b"\x28"), frame(ENDS, b"\xac")];
    assert_violation(engine, &wrong_in_the_second.concat(), 1007, "UTF-8");
    let cut_off_at_the_end = [frame(TEXT_BEGINS, b"ok \xe2"), frame(ENDS, b"\x82")];
    assert_violation(engine, &cut_off_at_the_end.concat(), 1007, "UTF-8");
}

fn a_close_of_one_byte_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(CLOSE, &[3]), 1002, "one byte");
}

fn a_forbidden_close_code_is_closed_with_1002(engine: &str) {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        assert_violation(engine, &frame(CLOSE, &code.to_be_bytes()), 1002, &format!("close code {code}"));
    }
}

fn a_close_reason_with_invalid_utf_8_is_closed_with_1007(engine: &str) {
    assert_violation(engine, &frame(CLOSE, b"\x03\xe8\xff"), 1007, "UTF-8");
}

fn a_length_over_the_limit_is_closed_with_1009_at_once(engine: &str) {
    assert_violation(engine, &header(BINARY, (64 << 10) + 1), 1009, "limit of 65536 bytes");
    assert_violation(engine, &header(BINARY, i64::MAX as u64), 1009, "limit of 65536 bytes");
}

fn fragments_over_the_limit_are_closed_with_1009(engine: &str) {
    let fits = frame(BINARY_BEGINS, &vec![1; 60 << 10]);
    let does_not = header(ENDS, (4 << 10) + 1);
    assert_violation(engine, &[fits, does_not].concat(), 1009, "limit of 65536 bytes");
}

fn frames_after_a_violation_are_not_answered(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peer = server.websocket();
    peer.send(&[frame(0x83, b"x"), frame(TEXT, b"late"), frame(PING, b"late")].concat());
    // assert_closed fails if anything follows the Close frame.
    peer.assert_closed(1002);
    assert_eq!(server.stats().messages_echoed, 0);
    server.assert_echoes();
}

/// 50 headers that announce the maximum, without the payload. VmData must not grow either, because allocated memory that is
/// not touched is not resident.
fn headers_with_the_maximum_length_allocate_no_memory(engine: &str) {
    const MIB: u64 = 1 << 20;
    let server = Server::start(engine, &["--max-message-size", "16MiB"]);
    let mut peers: Vec<_> = (0..50).map(|_| server.websocket()).collect();
    peers.iter_mut().for_each(|peer| peer.assert_echo(BINARY, b"warm"));
    let (resident, reserved) = (server.stats().rss_bytes, server.memory_kib("VmData"));
    for peer in &mut peers {
        let claim = [frame(PING, b"before"), header(BINARY, 16 * MIB), vec![9; 1000]].concat();
        peer.send(&claim);
    }
    for peer in &mut peers {
        assert_eq!(peer.read().first, PONG, "the segment with the header was read");
    }
    server.assert_echoes();
    let grown = server.stats().rss_bytes.saturating_sub(resident);
    assert!(grown < 6 * MIB, "50 headers made the server grow by {grown} bytes");
    let grown = server.memory_kib("VmData").saturating_sub(reserved);
    assert!(grown < 64 * 1024, "50 headers made the server reserve {grown} KiB");
    // The last message is completed, which shows that its header was processed.
    let mut last: WebSocket<_> = peers.pop().expect("50 of them");
    last.send(&vec![9; 16 * 1024 * 1024 - 1000]);
    assert_eq!(last.read().payload.len(), 16 << 20);
}

on_every_engine! {
    an_unmasked_frame_is_closed_with_1002,
    a_ping_of_126_bytes_is_closed_with_1002,
    a_pong_of_126_bytes_is_closed_with_1002,
    a_close_of_126_bytes_is_closed_with_1002,
    a_fragmented_ping_is_closed_with_1002,
    each_reserved_bit_is_closed_with_1002,
    a_reserved_opcode_is_closed_with_1002,
    a_continuation_outside_a_message_is_closed_with_1002,
    a_new_message_inside_a_fragmented_one_is_closed_with_1002,
    a_length_not_in_shortest_form_is_closed_with_1002,
    a_64_bit_length_with_its_top_bit_set_is_closed_with_1002,
    invalid_utf_8_is_closed_with_1007,
    invalid_utf_8_across_fragments_is_closed_with_1007,
    a_close_of_one_byte_is_closed_with_1002,
    a_forbidden_close_code_is_closed_with_1002,
    a_close_reason_with_invalid_utf_8_is_closed_with_1007,
    a_length_over_the_limit_is_closed_with_1009_at_once,
    fragments_over_the_limit_are_closed_with_1009,
    frames_after_a_violation_are_not_answered,
    headers_with_the_maximum_length_allocate_no_memory,
}
