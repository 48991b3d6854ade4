//! The strict reader alone: which bytes it passes on, and when.

use std::io::ErrorKind;
use std::pin::pin;
use std::task::Waker;

use super::super::after_handshake;
use super::super::header::{Header, rotate};
use super::super::strict::StrictReader;
use super::*;

/// Polls once into a destination of `room` bytes. `None`: the stream is pending.
fn poll_once(reader: &mut StrictReader<Script>, room: usize) -> Option<Vec<u8>> {
    let mut space = vec![0; room];
    let mut buf = ReadBuf::new(&mut space);
    match Pin::new(reader).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
        Poll::Ready(result) => {
            result.unwrap();
            Some(buf.filled().to_vec())
        }
        Poll::Pending => {
            assert!(buf.filled().is_empty(), "bytes were returned with Pending");
            None
        }
    }
}

#[test]
fn holds_back_a_header_without_payload() {
    let limit = 64 << 20;
    for role in [Role::Server, Role::Client] {
        for size in [1, 3, 14] {
            let bytes = head(0x82, limit as u64, key_for(role));
            let actions = bytes.chunks(size).map(|piece| ReadAction::Give(piece.to_vec())).chain([ReadAction::Stall]);
            let mut reader = StrictReader::new(Script::new(actions), role, limit);
            for room in [8192, 1, 1 << 20] {
                assert_eq!(poll_once(&mut reader, room), None);
            }
        }
    }
}

#[test]
fn passes_a_large_frame_on_as_fragments() {
    let payload: Vec<u8> = (0..20_000_u32).map(|byte| byte as u8).collect();
    let bytes = frame(0x82, &payload, Some(KEY));
    let (first, rest) = bytes.split_at(8 + 5);
    let (second, third) = rest.split_at(1);
    let actions = [first, second, third].map(|piece| ReadAction::Give(piece.to_vec()));
    let mut reader = StrictReader::new(Script::new(actions), Role::Server, 1 << 20);

    let output = [(); 3].map(|()| poll_once(&mut reader, 32_768).unwrap());
    let headers = output.each_ref().map(|bytes| {
        let short = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        (bytes[0], bytes[1], short, <[u8; 4]>::try_from(&bytes[4..8]).unwrap())
    });
    assert_eq!(headers[0], (0x02, 0x80 | 126, 5, KEY));
    assert_eq!(headers[1], (0x00, 0x80 | 126, 1, rotate(KEY, 5)));
    assert_eq!(headers[2], (0x80, 0x80 | 126, 20_000 - 6, rotate(KEY, 6)));
    assert_eq!(output.map(|bytes| bytes[8..].to_vec()).concat(), bytes[8..], "the payload is not touched");
}

#[test]
fn passes_a_frame_up_to_one_record_unchanged() {
    for length in [0, 125, 126, 16 * 1024] {
        let bytes = frame(0x82, &vec![7; length], Some(KEY));
        let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Server, 1 << 20);
        assert_eq!(poll_once(&mut reader, 32_768).unwrap(), bytes);
    }
}

#[test]
fn limits_the_bytes_per_read() {
    let bytes = frame(0x82, &vec![7; 300_000], None);
    let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Client, 1 << 20);
    let mut total = 0;
    while total < 300_000 {
        let output = poll_once(&mut reader, 1 << 20).unwrap();
        assert!(output.len() <= usize::from(u16::MAX));
        total += output.len() - if total == 0 { 10 } else { 4 };
    }
    assert_eq!(total, 300_000);
}

#[test]
fn rotates_a_mask_by_the_offset() {
    let key = [1, 2, 3, 4];
    assert_eq!(rotate(key, 0), key);
    assert_eq!(rotate(key, 1), [2, 3, 4, 1]);
    assert_eq!(rotate(key, 6), [3, 4, 1, 2]);
    assert_eq!(rotate(key, u64::from(u32::MAX)), [4, 1, 2, 3]);
}

#[test]
fn parses_a_header_only_when_it_is_complete() {
    for length in [0, 125, 126, 65_535, 65_536, i64::MAX as u64] {
        let bytes = head(0x82, length, Some(KEY));
        for end in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..end], Role::Server, false), Ok(None), "{length}");
        }
        let header = Header::parse(&bytes, Role::Server, false).unwrap().unwrap();
        assert_eq!((header.length, header.size, header.mask), (length, bytes.len(), Some(KEY)));
    }
}

#[tokio::test]
async fn returns_the_end_wherever_it_occurs() {
    let bytes = frame(0x82, &[7; 20_000], Some(KEY));
    for cut in [0, 1, 2, 7, 8, 9, 10_000, 20_007] {
        let mut reader = StrictReader::new(Script::pieces(&bytes[..cut], 4_000), Role::Server, 1 << 20);
        let (_, error) = read_all(&mut reader, &[8192]).await;
        assert!(error.is_none(), "cut at {cut}: {error:?}");
        assert!(read_once(&mut reader, 10).await.unwrap().is_empty(), "the end is not the end");
    }
}

#[tokio::test]
async fn returns_an_error_of_the_stream() {
    for cut in [1, 8, 9_000] {
        let bytes = frame(0x82, &[7; 20_000], Some(KEY));
        let actions = [ReadAction::Give(bytes[..cut].to_vec()), ReadAction::Fail(ErrorKind::ConnectionReset)];
        let mut reader = StrictReader::new(Script::new(actions), Role::Server, 1 << 20);
        let (_, error) = read_all(&mut reader, &[32_768]).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn ignores_bytes_after_a_close_frame() {
    let close = frame(0x88, b"\x03\xe8", Some(KEY));
    let bytes = [&close[..], &[0xff; 5_000]].concat();
    for size in [1, 9, 100_000] {
        for rooms in [&[1][..], &[8192], &[100_000]] {
            let mut reader = StrictReader::new(Script::pieces(&bytes, size), Role::Server, 1 << 20);
            let (output, error) = read_all(&mut reader, rooms).await;
            assert!(error.is_none(), "{error:?}");
            assert_eq!(output, close);
        }
    }
}

#[test]
fn yields_during_a_flood_after_a_close_frame() {
    let close = frame(0x88, b"", Some(KEY));
    let flood = std::iter::repeat_n(ReadAction::Give(vec![0; 8192]), 1_000);
    let mut reader =
        StrictReader::new(Script::new([ReadAction::Give(close)].into_iter().chain(flood)), Role::Server, 10);
    assert!(poll_once(&mut reader, 8192).is_some());
    assert_eq!(poll_once(&mut reader, 8192), None);
}

#[tokio::test]
async fn ignores_a_destination_without_room() {
    let bytes = frame(0x82, b"x", Some(KEY));
    let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Server, 10);
    assert!(read_once(&mut reader, 0).await.unwrap().is_empty());
    assert_eq!(read_once(&mut reader, 100).await.unwrap(), bytes);
}

/// A peer that never pauses gets one turn after another, and others get theirs in between.
#[test]
fn a_flood_of_small_frames_yields() {
    let pong = [0x8a, 0x80, 0, 0, 0, 0];
    let fragment = [0x00, 0x81, 0, 0, 0, 0, b'a'];
    let fragmented = [&[0x02, 0x80, 0, 0, 0, 0][..], &fragment.repeat(20_000), &[0x80, 0x80, 0, 0, 0, 0]].concat();
    for (flood, messages) in [(pong.repeat(20_000), 20_000), (fragmented, 1)] {
        let size = flood.len();
        let stream = Script::new([ReadAction::Give(flood)]);
        let (mut reader, _) = after_handshake(stream, tokio::io::sink(), Role::Server, 1 << 20);
        let received = std::cell::Cell::new(0);
        let mut reading = pin!(async {
            while let Ok(message) = reader.next().await {
                received.set(received.get() + 1);
                drop(message);
            }
        });
        let mut context = Context::from_waker(Waker::noop());
        let mut turns = 0;
        while reading.as_mut().poll(&mut context).is_pending() {
            turns += 1;
        }
        // The first turn takes a whole read, the others at most 200 frames each.
        assert!(turns >= 20_000 / 200, "{turns} turns for {size} bytes");
        assert_eq!(received.get(), messages);
    }
}
