//! Every frame that RFC 6455 forbids, sent over wss to the real server: it answers with the right close code, ends the
//! connection in order, counts the violation, and goes on serving others.

mod common;

use common::{BINARY, CLOSE, PING, PONG, Server, TEXT, WebSocket, frame, header, on_every_engine};

/// A frame of another kind than those of `common`: FIN clear.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;

/// Sends `wrong` behind a good message and expects a Close with `code` whose reason has `word`.
fn assert_violation(engine: &str, wrong: &[u8], code: u16, word: &str) {
    let server = Server::start(engine, &["--max-message-size", "64KiB"]);
    let mut peer = server.websocket();
    peer.assert_echo(BINARY, b"good");
    peer.send(wrong);
    let reason = peer.assert_closed(code);
    assert!(reason.contains(word), "the reason {reason:?} does not say `{word}`");
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
        assert_violation(engine, &frame(0x80 | opcode, b"x"), 1002, &format!("opcode {opcode} is reserved"));
    }
}

fn a_continuation_of_nothing_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(ENDS, b"x"), 1002, "without a message");
}

fn a_new_message_inside_a_fragmented_one_is_closed_with_1002(engine: &str) {
    let frames = [frame(TEXT_BEGINS, b"one"), frame(TEXT, b"two")].concat();
    assert_violation(engine, &frames, 1002, "inside a fragmented");
}

fn a_length_not_in_its_shortest_form_is_closed_with_1002(engine: &str) {
    let sixteen_bits = [BINARY, 0x80 | 126, 0, 125, 0, 0, 0, 0];
    assert_violation(engine, &sixteen_bits, 1002, "shortest form");
    let sixty_four_bits = [BINARY, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    assert_violation(engine, &sixty_four_bits, 1002, "shortest form");
}

fn a_length_with_its_top_bit_set_is_closed_with_1002(engine: &str) {
    let header = [BINARY, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    assert_violation(engine, &header, 1002, "top bit");
}

fn text_that_is_not_utf_8_is_closed_with_1007(engine: &str) {
    // A byte that is never UTF-8, an overlong slash, a surrogate, beyond U+10FFFF, and a character cut off.
    for wrong in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok \xe2\x82"] {
        assert_violation(engine, &frame(TEXT, wrong), 1007, "UTF-8");
    }
}

fn text_that_is_not_utf_8_over_fragments_is_closed_with_1007(engine: &str) {
    let wrong_in_the_second = [frame(TEXT_BEGINS, b"ok \xe2"), frame(CONTINUES, b"\x28"), frame(ENDS, b"\xac")];
    assert_violation(engine, &wrong_in_the_second.concat(), 1007, "UTF-8");
    let cut_off_at_the_end = [frame(TEXT_BEGINS, b"ok \xe2"), frame(ENDS, b"\x82")];
    assert_violation(engine, &cut_off_at_the_end.concat(), 1007, "UTF-8");
}

fn a_close_of_one_byte_is_closed_with_1002(engine: &str) {
    assert_violation(engine, &frame(CLOSE, &[3]), 1002, "one byte");
}

fn a_close_code_that_may_not_be_sent_is_closed_with_1002(engine: &str) {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        assert_violation(engine, &frame(CLOSE, &code.to_be_bytes()), 1002, &format!("close code {code}"));
    }
}

fn a_close_reason_that_is_not_utf_8_is_closed_with_1007(engine: &str) {
    assert_violation(engine, &frame(CLOSE, b"\x03\xe8\xff"), 1007, "UTF-8");
}

fn a_header_that_claims_too_much_is_closed_with_1009_before_any_payload(engine: &str) {
    assert_violation(engine, &header(BINARY, (64 << 10) + 1), 1009, "limit of 65536 bytes");
    assert_violation(engine, &header(BINARY, i64::MAX as u64), 1009, "limit of 65536 bytes");
}

fn fragments_that_are_too_large_together_are_closed_with_1009(engine: &str) {
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

/// 50 headers that claim the maximum, none of which is followed by what it claims: the memory that the process has
/// asked for (VmData) must not rise either, since what is reserved and not touched does not show in what is resident.
fn headers_that_claim_the_maximum_reserve_no_memory(engine: &str) {
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
    // The last of them is a message after all, so the header was taken and nothing was lost.
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
    a_continuation_of_nothing_is_closed_with_1002,
    a_new_message_inside_a_fragmented_one_is_closed_with_1002,
    a_length_not_in_its_shortest_form_is_closed_with_1002,
    a_length_with_its_top_bit_set_is_closed_with_1002,
    text_that_is_not_utf_8_is_closed_with_1007,
    text_that_is_not_utf_8_over_fragments_is_closed_with_1007,
    a_close_of_one_byte_is_closed_with_1002,
    a_close_code_that_may_not_be_sent_is_closed_with_1002,
    a_close_reason_that_is_not_utf_8_is_closed_with_1007,
    a_header_that_claims_too_much_is_closed_with_1009_before_any_payload,
    fragments_that_are_too_large_together_are_closed_with_1009,
    frames_after_a_violation_are_not_answered,
    headers_that_claim_the_maximum_reserve_no_memory,
}
