//! Random valid frames, split at random places, are read as the messages they were made from.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::strict::StrictReader;
use super::super::{Message, WebSocketError, after_handshake};
use super::*;

const LIMIT: usize = 100_000;

/// A message or a control frame: its opcode and its payload.
type Unit = (u8, Vec<u8>);

/// A message, the places to split it into fragments, and the control frames between these.
#[derive(Debug, Clone)]
struct Plan {
    text: bool,
    length: usize,
    cuts: Vec<prop::sample::Index>,
    controls: Vec<Option<(bool, usize)>>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let edges = prop::sample::select(vec![0, 1, 125, 126, 127, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 70_000]);
    let length = prop_oneof![edges, 0..300_usize, 0..70_000_usize];
    let cuts = prop_oneof![2 => Just(Vec::new()), 1 => vec(any::<prop::sample::Index>(), 1..5)];
    let controls = vec(prop::option::of((any::<bool>(), 0..=125_usize)), 6);
    (any::<bool>(), length, cuts, controls).prop_map(|(text, length, cuts, controls)| Plan {
        text,
        length,
        cuts,
        controls,
    })
}

/// Characters of one to four bytes, so that a split can fall into each kind.
fn text(length: usize) -> Vec<u8> {
    let mut text: Vec<u8> = "aé€😀".bytes().cycle().take(length).collect();
    while std::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text.resize(length, b'.');
    text
}

/// The frames of the plans, and the units expected from them.
fn build(plans: &[Plan], role: Role) -> (Vec<u8>, Vec<Unit>) {
    let mut bytes = Vec::new();
    let mut units = Vec::new();
    let mut key = key_for(role);
    for plan in plans {
        let opcode = if plan.text { 1 } else { 2 };
        let payload =
            if plan.text { text(plan.length) } else { (0..plan.length).map(|byte| (byte * 7) as u8).collect() };
        let mut cuts: Vec<usize> = plan.cuts.iter().map(|cut| cut.index(plan.length + 1)).collect();
        cuts.sort_unstable();
        cuts.push(plan.length);
        let mut from = 0;
        for (number, &to) in cuts.iter().enumerate() {
            if let Some((ping, length)) = plan.controls[number] {
                let control = if ping { 9 } else { 10 };
                bytes.extend(frame(0x80 | control, &vec![b'c'; length], key));
                units.push((control, vec![b'c'; length]));
            }
            let fin = if number + 1 == cuts.len() { 0x80 } else { 0 };
            bytes.extend(frame(fin | if number == 0 { opcode } else { 0 }, &payload[from..to], key));
            key = key.map(|key| key.map(|byte| byte.wrapping_mul(5).wrapping_add(1)));
            from = to;
        }
        units.push((opcode, payload));
    }
    (bytes, units)
}

/// The bytes in pieces of these sizes in turn; some are preceded by `Pending`.
fn script(bytes: &[u8], sizes: &[usize]) -> Script {
    let mut actions = VecDeque::new();
    let mut rest = bytes;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        if size % 3 == 0 {
            actions.push_back(ReadAction::Wait);
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        actions.push_back(ReadAction::Give(piece.to_vec()));
        rest = after;
    }
    Script(actions)
}

/// Parses frames without checking them, independently of the code under test.
fn collect(mut bytes: &[u8], role: Role) -> Vec<Unit> {
    fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    }
    let mut units = Vec::new();
    let mut open: Option<Unit> = None;
    while !bytes.is_empty() {
        let two = take(&mut bytes, 2);
        let (first, second) = (two[0], two[1]);
        let wide = match second & 0x7f {
            126 => take(&mut bytes, 2),
            127 => take(&mut bytes, 8),
            _ => std::slice::from_ref(&two[1]),
        };
        let length = match wide {
            [_] => usize::from(second & 0x7f),
            wide => wide.iter().fold(0, |sum, &byte| sum * 256 + usize::from(byte)),
        };
        assert_eq!(second & 0x80 != 0, role == Role::Server, "the mask bit is not that of the role");
        let key = if role == Role::Server { take(&mut bytes, 4) } else { &[0; 4] };
        let payload = take(&mut bytes, length).iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        match first & 0x0f {
            opcode @ (9 | 10) => units.push((opcode, payload.collect())),
            0 => open.as_mut().expect("a continuation frame outside a message").1.extend(payload),
            opcode => assert!(open.replace((opcode, payload.collect())).is_none(), "a message was interrupted"),
        }
        if first & 0x88 == 0x80 {
            units.extend(open.take());
        }
    }
    assert!(open.is_none(), "a message was not finished");
    units
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Sizes of pieces or destinations: tiny, usual, and beyond every limit.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let tiny = vec(1..40_usize, 1..6);
    let mixed = vec(prop_oneof![1..40_usize, 1..9_000_usize, 16_000..17_000_usize, Just(200_000)], 1..12);
    prop_oneof![1 => tiny, 4 => mixed]
}

/// The role of a case, which is a `bool` because `Role` of fastwebsockets does not implement `Debug`.
fn role(server: bool) -> Role {
    if server { Role::Server } else { Role::Client }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strict_reader_preserves_messages(
        plans in vec(plan(), 1..6),
        pieces in sizes(),
        rooms in sizes(),
        server in any::<bool>(),
    ) {
        let (bytes, units) = build(&plans, role(server));
        let mut reader = StrictReader::new(script(&bytes, &pieces), role(server), LIMIT);
        let (output, error) = block_on(read_all(&mut reader, &rooms));
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert!(collect(&output, role(server)) == units, "the messages differ");
    }

    #[test]
    fn reader_returns_each_message(
        plans in vec(plan(), 1..6),
        pieces in sizes(),
        server in any::<bool>(),
    ) {
        let (bytes, units) = build(&plans, role(server));
        let (mut reader, _) = after_handshake(script(&bytes, &pieces), tokio::io::sink(), role(server), LIMIT);
        for (opcode, expected) in units {
            let (found, payload) = match block_on(reader.next()) {
                Ok(Message::Text(payload)) => (1, payload),
                Ok(Message::Binary(payload)) => (2, payload),
                Ok(Message::Ping(payload)) => (9, payload),
                Ok(Message::Pong(payload)) => (10, payload),
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert_eq!(found, opcode);
            prop_assert!(payload == &expected[..], "the payload of {} bytes differs", expected.len());
        }
        prop_assert!(matches!(block_on(reader.next()), Err(WebSocketError::Eof)));
    }

    #[test]
    fn garbage_never_panics_or_hangs(
        bytes in vec(any::<u8>(), 0..2_000),
        pieces in sizes(),
        rooms in sizes(),
        server in any::<bool>(),
    ) {
        let mut reader = StrictReader::new(script(&bytes, &pieces), role(server), LIMIT);
        let (output, _) = block_on(read_all(&mut reader, &rooms));
        prop_assert!(output.len() <= bytes.len() * 9);
    }
}
