//! The violation and close code of every malformed frame, however the stream splits it.

use super::super::{Message, Reader, Violation, WebSocketError, after_handshake, parse_close};
use super::*;

const LIMIT: usize = 1000;

/// A reader of `stream` with this role.
fn reader(stream: Script, role: Role) -> Reader<Script> {
    after_handshake(stream, tokio::io::sink(), role, LIMIT).0
}

/// Reads a valid message followed by `wrong`: the message is returned, then the violation, repeatedly.
async fn assert_violation(name: &str, role: Role, wrong: &[u8], violation: Violation, code: u16) {
    let mut bytes = frame(0x82, b"good", key_for(role));
    bytes.extend(wrong);
    for size in 1..=bytes.len() {
        let mut reader = reader(Script::pieces(&bytes, size), role);
        match reader.next().await {
            Ok(Message::Binary(payload)) => assert_eq!(payload, b"good", "{name}"),
            other => panic!("{name}, pieces of {size}: {other:?} instead of the message before it"),
        }
        for _ in 0..2 {
            let error = reader.next().await.expect_err(name);
            assert_eq!(error.close_code(), Some(code), "{name}, pieces of {size}");
            assert!(
                matches!(error, WebSocketError::Violation(found) if found == violation),
                "{name}, pieces of {size}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn reports_each_malformed_frame_as_its_violation() {
    use Role::{Client, Server};
    let key = key_for(Server);
    let join = |frames: &[Vec<u8>]| frames.concat();
    let cases = [
        ("unmasked from a client", Server, frame(0x82, b"x", None), Violation::Unmasked),
        ("empty and unmasked", Server, frame(0x82, b"", None), Violation::Unmasked),
        ("masked from a server", Client, frame(0x82, b"x", key), Violation::Masked),
        ("RSV1", Server, frame(0xc2, b"x", key), Violation::ReservedBits),
        ("RSV2", Client, frame(0xa2, b"x", None), Violation::ReservedBits),
        ("RSV3", Server, frame(0x92, b"x", key), Violation::ReservedBits),
        ("opcode 3", Server, frame(0x83, b"x", key), Violation::ReservedOpcode(3)),
        ("opcode 7", Client, frame(0x87, b"x", None), Violation::ReservedOpcode(7)),
        ("opcode 11", Server, frame(0x8b, b"x", key), Violation::ReservedOpcode(11)),
        ("opcode 15", Client, frame(0x8f, b"x", None), Violation::ReservedOpcode(15)),
        ("ping of 126 bytes", Server, frame(0x89, &[0; 126], key), Violation::ControlTooLong),
        ("pong of 126 bytes", Client, frame(0x8a, &[0; 126], None), Violation::ControlTooLong),
        ("close of 126 bytes", Server, frame(0x88, &[3; 126], key), Violation::ControlTooLong),
        ("ping without FIN", Server, frame(0x09, b"", key), Violation::ControlFragmented),
        ("pong without FIN", Client, frame(0x0a, b"", None), Violation::ControlFragmented),
        ("close without FIN", Server, frame(0x08, b"", key), Violation::ControlFragmented),
        ("continuation of nothing", Server, frame(0x80, b"x", key), Violation::NothingToContinue),
        ("continuation without FIN of nothing", Client, frame(0x00, b"x", None), Violation::NothingToContinue),
        (
            "continuation of a finished message",
            Server,
            join(&[frame(0x01, b"a", key), frame(0x80, b"b", key), frame(0x80, b"c", key)]),
            Violation::NothingToContinue,
        ),
        (
            "text inside a message",
            Server,
            join(&[frame(0x01, b"a", key), frame(0x81, b"b", key)]),
            Violation::MessageInterrupted,
        ),
        (
            "fragment of another message inside a message",
            Client,
            join(&[frame(0x02, b"a", None), frame(0x01, b"b", None)]),
            Violation::MessageInterrupted,
        ),
        ("16-bit length of 125", Client, vec![0x82, 126, 0, 125], Violation::LengthNotMinimal),
        (
            "64-bit length of 65,535",
            Client,
            [&[0x82, 127][..], &65_535_u64.to_be_bytes()].concat(),
            Violation::LengthNotMinimal,
        ),
        (
            "64-bit length of 5",
            Server,
            [&[0x82, 0xff][..], &5_u64.to_be_bytes(), &KEY].concat(),
            Violation::LengthNotMinimal,
        ),
        (
            "64-bit length with the top bit",
            Server,
            [&[0x82, 0xff][..], &[0xff; 8], &KEY].concat(),
            Violation::LengthTopBit,
        ),
    ];
    for (name, role, bytes, violation) in cases {
        // This case has a complete message before the malformed frame.
        if name == "continuation of a finished message" {
            let mut reader = reader(Script::pieces(&bytes, 3), role);
            assert!(matches!(reader.next().await, Ok(Message::Text(text)) if text == b"ab"));
            assert!(matches!(reader.next().await, Err(WebSocketError::Violation(found)) if found == violation));
            continue;
        }
        assert_violation(name, role, &bytes, violation, 1002).await;
    }
}

#[tokio::test]
async fn reports_a_message_over_the_limit_from_the_header() {
    let too_large = Violation::MessageTooLarge { limit: LIMIT };
    let key = key_for(Role::Server);
    for (name, wrong) in [
        ("a frame over the limit", head(0x82, LIMIT as u64 + 1, key)),
        ("the largest length", head(0x82, i64::MAX as u64, key)),
        ("fragments together", [frame(0x02, &[0; 600], key), head(0x80, 401, key)].concat()),
        ("a fragment of the largest length", [frame(0x02, &[0; 600], key), head(0x00, i64::MAX as u64, key)].concat()),
    ] {
        assert_violation(name, Role::Server, &wrong, too_large, 1009).await;
    }
    let whole = [frame(0x02, &[0; 600], key), frame(0x89, &[0; 125], key), frame(0x80, &[0; 400], key)].concat();
    let mut reader = reader(Script::pieces(&whole, 7), Role::Server);
    assert!(matches!(reader.next().await, Ok(Message::Ping(payload)) if payload.len() == 125));
    assert!(matches!(reader.next().await, Ok(Message::Binary(payload)) if payload.len() == LIMIT));
}

#[tokio::test]
async fn reports_invalid_utf_8_in_one_frame_and_in_fragments() {
    let key = key_for(Role::Server);
    let euro = "€".as_bytes();
    for (name, wrong) in [
        ("a byte that never occurs in UTF-8", frame(0x81, b"a\xffb", key)),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80", key)),
        ("cut off in one frame", frame(0x81, &euro[..2], key)),
        ("wrong in the second fragment", [frame(0x01, &euro[..1], key), frame(0x80, b"a", key)].concat()),
        ("cut off in the last fragment", [frame(0x01, b"a", key), frame(0x80, &euro[..2], key)].concat()),
        ("cut off before an empty last fragment", [frame(0x01, &euro[..1], key), frame(0x80, b"", key)].concat()),
        (
            "cut off after three of four bytes, one a fragment",
            [frame(0x01, b"\xf0", key), frame(0x00, b"\x9f", key), frame(0x80, b"\x98", key)].concat(),
        ),
    ] {
        // fastwebsockets reports its errors only once, so `assert_violation` does not apply.
        for size in 1..=wrong.len() {
            let error = reader(Script::pieces(&wrong, size), Role::Server).next().await.expect_err(name);
            assert_eq!(error.close_code(), Some(1007), "{name}, pieces of {size}: {error:?}");
        }
    }
    let right = [frame(0x01, &euro[..1], key), frame(0x00, &euro[1..2], key), frame(0x80, &euro[2..], key)].concat();
    let message = reader(Script::pieces(&right, 1), Role::Server).next().await;
    assert!(matches!(message, Ok(Message::Text(text)) if text == b"\xe2\x82\xac"));
}

#[tokio::test]
async fn reports_a_large_text_with_a_truncated_end() {
    for length in [16 * 1024 + 1, 40_000, 70_000] {
        let mut text = vec![b'a'; length - 2];
        text.extend(&"€".as_bytes()[..2]);
        for size in [1, 1000, 16_384, 100_000] {
            let bytes = frame(0x81, &text, key_for(Role::Server));
            let (mut reader, _) =
                after_handshake(Script::pieces(&bytes, size), tokio::io::sink(), Role::Server, 1 << 20);
            let error = reader.next().await.expect_err("a cut-off text passed");
            assert_eq!(error.close_code(), Some(1007), "{length} bytes in pieces of {size}: {error:?}");
        }
    }
}

#[tokio::test]
async fn reports_an_invalid_close_with_its_code() {
    let key = key_for(Role::Server);
    for (payload, violation) in [
        (&b"\x03"[..], Violation::CloseTooShort),
        (b"\x03\xed", Violation::CloseCode(1005)),
        (b"\x03\xe8\xff", Violation::InvalidUtf8),
    ] {
        let mut reader = reader(Script::pieces(&frame(0x88, payload, key), 2), Role::Server);
        let error = reader.next().await.expect_err("a bad Close passed");
        assert!(matches!(error, WebSocketError::Violation(found) if found == violation), "{error:?}");
    }
}

#[test]
fn accepts_exactly_the_close_codes_that_may_be_sent() {
    assert_eq!(parse_close(b""), Ok(None));
    assert_eq!(parse_close(b"\x03"), Err(Violation::CloseTooShort));
    assert_eq!(parse_close(b"\x03\xe8bye"), Ok(Some((1000, "bye"))));
    assert_eq!(parse_close(b"\x03\xe8\xc3"), Err(Violation::InvalidUtf8));
    let allowed: Vec<u16> = (0..=u16::MAX).filter(|code| parse_close(&code.to_be_bytes()).is_ok()).collect();
    let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
    assert_eq!(allowed, expected);
}
