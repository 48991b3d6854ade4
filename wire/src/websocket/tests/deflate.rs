//! permessage-deflate: both ends against each other, the examples of RFC 7692, and what a peer must not send.

use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWrite, duplex};

use super::super::{
    Deflate, DeflateCounts, Message, MessageBytes, OpCode, Payload, Reader, SharedStream, Violation, WebSocketError,
    Writer, after_handshake,
};
use super::*;
use crate::upgrade::DeflateParameters;

const LIMIT: usize = 100_000;

fn deflate(window_bits: u8, no_context_takeover: bool, level: u8) -> Deflate {
    let parameters = DeflateParameters {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: window_bits,
        client_max_window_bits: window_bits,
    };
    Deflate { parameters, level, counts: Some(Rc::new(DeflateCounts::default())) }
}

fn default_deflate() -> Deflate {
    deflate(15, false, 6)
}

/// One end of a stream.
fn end<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    role: Role,
    deflate: &Deflate,
) -> (Reader<SharedStream<S>>, Writer<SharedStream<S>>) {
    let stream = SharedStream::new(stream);
    let (mut reader, mut writer) = after_handshake(stream.clone(), stream.clone(), role, LIMIT);
    reader.decompress(role, deflate, LIMIT);
    writer.compress(stream, role, deflate);
    (reader, writer)
}

/// A reader of these bytes in pieces of `size`.
fn reader(bytes: &[u8], size: usize, role: Role) -> Reader<Script> {
    let (mut reader, _) = after_handshake(Script::pieces(bytes, size), tokio::io::sink(), role, LIMIT);
    reader.decompress(role, &default_deflate(), LIMIT);
    reader
}

fn of(message: Message) -> (OpCode, Vec<u8>) {
    match message {
        Message::Text(payload) => (OpCode::Text, payload.to_vec()),
        Message::Binary(payload) => (OpCode::Binary, payload.to_vec()),
        Message::Ping(payload) => (OpCode::Ping, payload.to_vec()),
        other => panic!("{other:?}"),
    }
}

async fn violation(bytes: &[u8], size: usize, role: Role) -> Violation {
    let mut reader = reader(bytes, size, role);
    loop {
        match reader.next().await {
            Ok(_) => {}
            Err(WebSocketError::Violation(violation)) => return violation,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The examples of RFC 7692 section 7.2.3: each payload stands for "Hello".
const HELLO: [&[u8]; 4] = [
    &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    // Without compression.
    &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
    // With a final block.
    &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
    // Two blocks.
    &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
];

#[tokio::test]
async fn reads_the_examples_of_rfc_7692_however_they_are_cut() {
    for role in [Role::Client, Role::Server] {
        let key = key_for(role);
        let mut bytes: Vec<u8> = HELLO.iter().flat_map(|payload| frame(0xc1, payload, key)).collect();
        // In two frames, with a ping between them, which is not compressed.
        bytes.extend(
            [frame(0x41, &HELLO[0][..3], key), frame(0x89, b"?", key), frame(0x80, &HELLO[0][3..], key)].concat(),
        );
        // Not compressed, and empty.
        bytes.extend([frame(0x81, b"Hello", key), frame(0xc2, &[0], key), frame(0xc2, &[], key)].concat());
        for size in 1..bytes.len() {
            let mut reader = reader(&bytes, size, role);
            for _ in 0..HELLO.len() {
                assert_eq!(of(reader.next().await.unwrap()), (OpCode::Text, b"Hello".to_vec()), "pieces of {size}");
            }
            assert_eq!(of(reader.next().await.unwrap()), (OpCode::Ping, b"?".to_vec()));
            for expected in
                [(OpCode::Text, &b"Hello"[..]), (OpCode::Text, b"Hello"), (OpCode::Binary, b""), (OpCode::Binary, b"")]
            {
                assert_eq!(of(reader.next().await.unwrap()), (expected.0, expected.1.to_vec()), "pieces of {size}");
            }
            assert!(matches!(reader.next().await, Err(WebSocketError::Eof)));
        }
    }
}

#[tokio::test]
async fn keeps_the_window_from_message_to_message_only_with_context_takeover() {
    for (no_takeover, second) in [(false, &[0xf2, 0x00, 0x11, 0x00, 0x00][..]), (true, HELLO[0])] {
        let (near, mut far) = duplex(1024);
        let (_, mut writer) = end(near, Role::Server, &deflate(15, no_takeover, 6));
        for expected in [HELLO[0], second, &[0]] {
            let message = if expected == [0] { &b""[..] } else { b"Hello" };
            writer.send(OpCode::Text, Payload::Borrowed(message)).await.unwrap();
            let mut sent = vec![0; 2 + expected.len()];
            far.read_exact(&mut sent).await.unwrap();
            assert_eq!(sent, frame(0xc1, expected, None));
        }
    }
}

#[tokio::test]
async fn control_frames_are_sent_as_they_are() {
    let (near, mut far) = duplex(1024);
    let (_, mut writer) = end(near, Role::Server, &default_deflate());
    writer.send_pong(Payload::Borrowed(b"Hello")).await.unwrap();
    writer.send_close(1000, "bye").await.unwrap();
    assert!(matches!(writer.send(OpCode::Text, Payload::Borrowed(b"late")).await, Err(WebSocketError::Closed)));
    let mut sent = vec![0; 14];
    far.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, [frame(0x8a, b"Hello", None), frame(0x88, b"\x03\xe8bye", None)].concat());
}

#[tokio::test]
async fn reports_each_violation_with_its_code() {
    let key = key_for(Role::Server);
    let hello = HELLO[0];
    let bomb = {
        let (near, mut far) = duplex(1 << 20);
        let (_, mut writer) = end(near, Role::Client, &default_deflate());
        writer.send(OpCode::Binary, Payload::Borrowed(&vec![0; LIMIT + 1])).await.unwrap();
        drop(writer);
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await.unwrap();
        assert!(sent.len() < 1000);
        sent
    };
    let cases = [
        ("compressed ping", frame(0xc9, b"", key), Violation::ReservedBits, 1002),
        (
            "RSV1 in a continuation",
            [frame(0x41, &hello[..3], key), frame(0xc0, &hello[3..], key)].concat(),
            Violation::ReservedBits,
            1002,
        ),
        ("RSV2", frame(0xe1, hello, key), Violation::ReservedBits, 1002),
        ("not DEFLATE", frame(0xc2, &[0xff; 10], key), Violation::InvalidDeflate, 1007),
        ("final blocks", frame(0xc2, &[0x03, 0x00].repeat(20), key), Violation::InvalidDeflate, 1007),
        (
            "text that is not UTF-8",
            frame(0xc1, &[0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00], key),
            Violation::InvalidUtf8,
            1007,
        ),
        ("bomb", bomb, Violation::MessageTooLarge { limit: LIMIT }, 1009),
    ];
    for (name, bytes, expected, code) in cases {
        for size in [1, 2, 3, bytes.len()] {
            let found = violation(&bytes, size, Role::Server).await;
            assert_eq!((found, found.close_code()), (expected, code), "{name}, pieces of {size}");
        }
    }
}

#[derive(Debug, Clone)]
struct Sent {
    text: bool,
    payload: Vec<u8>,
}

/// Messages from incompressible to repetitive, from empty to larger than any window.
fn message() -> impl Strategy<Value = Sent> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..600),
        (vec(any::<u8>(), 1..20), 1_usize..4_000).prop_map(|(part, times)| part.repeat(times)),
    ];
    (any::<bool>(), bytes).prop_map(|(text, payload)| match text {
        true => Sent { text, payload: payload.iter().map(|byte| b' ' + byte % 90).collect() },
        false => Sent { text, payload },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn messages_arrive_as_they_were_sent(
        messages in vec(message(), 1..8),
        window_bits in 9..=15_u8,
        level in 1..=9_u8,
        no_takeover in any::<bool>(),
        from_client in any::<bool>(),
        pieces in vec(1..5_000_usize, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let deflate = deflate(window_bits, no_takeover, level);
            let (sender, receiver) = if from_client { (Role::Client, Role::Server) } else { (Role::Server, Role::Client) };
            let (near, mut far) = duplex(2 << 20);
            let (_, mut writer) = end(near, sender, &deflate);
            for Sent { text, payload } in &messages {
                let opcode = if *text { OpCode::Text } else { OpCode::Binary };
                writer.send(opcode, Payload::Borrowed(payload)).await.unwrap();
            }
            drop(writer);
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.unwrap();
            let mut rest = &bytes[..];
            let script = Script::new(pieces.iter().cycle().map_while(|&size| {
                let (piece, later) = rest.split_at(size.min(rest.len()));
                rest = later;
                (!piece.is_empty()).then(|| ReadAction::Give(piece.to_vec()))
            }));
            let (mut reader, _) = after_handshake(script, tokio::io::sink(), receiver, LIMIT);
            reader.decompress(receiver, &deflate, LIMIT);
            for Sent { text, payload } in &messages {
                let opcode = if *text { OpCode::Text } else { OpCode::Binary };
                assert_eq!(of(reader.next().await.unwrap()), (opcode, payload.clone()));
            }
            assert!(matches!(reader.next().await, Err(WebSocketError::Eof)));
            let counts = deflate.counts.unwrap();
            let plain: usize = messages.iter().map(|message| message.payload.len()).sum();
            let MessageBytes { messages: count, plain: plain_bytes, .. } = counts.sent.get();
            assert_eq!((count, plain_bytes), (messages.len() as u64, plain as u64));
            assert_eq!(counts.sent, counts.received);
        });
    }
}
