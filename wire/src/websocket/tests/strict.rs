//! The strict reader by itself: what it shows of a frame, and when.

use std::io::ErrorKind;
use std::task::Waker;

use super::super::header::{Header, rotate};
use super::super::strict::StrictReader;
use super::*;

/// One poll into a destination of `room` bytes: what was shown, or `None` if the stream is not ready.
fn poll_once(reader: &mut StrictReader<Script>, room: usize) -> Option<Vec<u8>> {
    let mut space = vec![0; room];
    let mut buf = ReadBuf::new(&mut space);
    match Pin::new(reader).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
        Poll::Ready(result) => {
            result.unwrap();
            Some(buf.filled().to_vec())
        }
        Poll::Pending => {
            assert!(buf.filled().is_empty(), "bytes were shown with Pending");
            None
        }
    }
}

#[test]
fn a_header_alone_shows_nothing_and_so_reserves_nothing() {
    let limit = 64 << 20;
    for role in [Role::Server, Role::Client] {
        for size in [1, 3, 14] {
            let bytes = head(0x82, limit as u64, key_for(role));
            let acts = bytes.chunks(size).map(|piece| Act::Give(piece.to_vec())).chain([Act::Stall]);
            let mut reader = StrictReader::new(Script::new(acts), role, limit);
            for room in [8192, 1, 1 << 20] {
                assert_eq!(poll_once(&mut reader, room), None);
            }
        }
    }
}

#[test]
fn a_large_frame_is_shown_as_long_as_what_came() {
    let payload: Vec<u8> = (0..20_000_u32).map(|byte| byte as u8).collect();
    let bytes = frame(0x82, &payload, Some(KEY));
    let (first, rest) = bytes.split_at(8 + 5);
    let (second, third) = rest.split_at(1);
    let acts = [first, second, third].map(|piece| Act::Give(piece.to_vec()));
    let mut reader = StrictReader::new(Script::new(acts), Role::Server, 1 << 20);

    let shown = [(); 3].map(|()| poll_once(&mut reader, 32_768).unwrap());
    let headers = shown.each_ref().map(|bytes| {
        let short = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        (bytes[0], bytes[1], short, <[u8; 4]>::try_from(&bytes[4..8]).unwrap())
    });
    assert_eq!(headers[0], (0x02, 0x80 | 126, 5, KEY));
    assert_eq!(headers[1], (0x00, 0x80 | 126, 1, rotate(KEY, 5)));
    assert_eq!(headers[2], (0x80, 0x80 | 126, 20_000 - 6, rotate(KEY, 6)));
    assert_eq!(shown.map(|bytes| bytes[8..].to_vec()).concat(), bytes[8..], "the payload is not touched");
}

#[test]
fn a_frame_up_to_one_record_passes_untouched() {
    for length in [0, 125, 126, 16 * 1024] {
        let bytes = frame(0x82, &vec![7; length], Some(KEY));
        let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Server, 1 << 20);
        assert_eq!(poll_once(&mut reader, 32_768).unwrap(), bytes);
    }
}

#[test]
fn one_read_takes_no_more_than_its_limit() {
    let bytes = frame(0x82, &vec![7; 300_000], None);
    let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Client, 1 << 20);
    let mut total = 0;
    while total < 300_000 {
        let shown = poll_once(&mut reader, 1 << 20).unwrap();
        assert!(shown.len() <= usize::from(u16::MAX));
        total += shown.len() - if total == 0 { 10 } else { 4 };
    }
    assert_eq!(total, 300_000);
}

#[test]
fn a_mask_is_rotated_by_the_offset() {
    let key = [1, 2, 3, 4];
    assert_eq!(rotate(key, 0), key);
    assert_eq!(rotate(key, 1), [2, 3, 4, 1]);
    assert_eq!(rotate(key, 6), [3, 4, 1, 2]);
    assert_eq!(rotate(key, u64::from(u32::MAX)), [4, 1, 2, 3]);
}

#[test]
fn a_header_is_whole_with_its_last_byte_only() {
    for length in [0, 125, 126, 65_535, 65_536, i64::MAX as u64] {
        let bytes = head(0x82, length, Some(KEY));
        for end in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..end], Role::Server), Ok(None), "{length}");
        }
        let header = Header::parse(&bytes, Role::Server).unwrap().unwrap();
        assert_eq!((header.length, header.size, header.mask), (length, bytes.len(), Some(KEY)));
    }
}

#[tokio::test]
async fn the_end_passes_as_the_end_wherever_it_comes() {
    let bytes = frame(0x82, &[7; 20_000], Some(KEY));
    for cut in [0, 1, 2, 7, 8, 9, 10_000, 20_007] {
        let mut reader = StrictReader::new(Script::pieces(&bytes[..cut], 4_000), Role::Server, 1 << 20);
        let (_, error) = read_all(&mut reader, &[8192]).await;
        assert!(error.is_none(), "cut at {cut}: {error:?}");
        assert!(read_once(&mut reader, 10).await.unwrap().is_empty(), "the end is not the end");
    }
}

#[tokio::test]
async fn an_error_of_the_stream_passes_and_shows_nothing() {
    for cut in [1, 8, 9_000] {
        let bytes = frame(0x82, &[7; 20_000], Some(KEY));
        let acts = [Act::Give(bytes[..cut].to_vec()), Act::Fail(ErrorKind::ConnectionReset)];
        let mut reader = StrictReader::new(Script::new(acts), Role::Server, 1 << 20);
        let (_, error) = read_all(&mut reader, &[32_768]).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn what_follows_a_close_frame_is_ignored_to_the_end() {
    let close = frame(0x88, b"\x03\xe8", Some(KEY));
    let bytes = [&close[..], &[0xff; 5_000]].concat();
    for size in [1, 9, 100_000] {
        for rooms in [&[1][..], &[8192], &[100_000]] {
            let mut reader = StrictReader::new(Script::pieces(&bytes, size), Role::Server, 1 << 20);
            let (shown, error) = read_all(&mut reader, rooms).await;
            assert!(error.is_none(), "{error:?}");
            assert_eq!(shown, close);
        }
    }
}

#[test]
fn an_endless_flood_after_a_close_frame_gives_others_their_turn() {
    let close = frame(0x88, b"", Some(KEY));
    let flood = std::iter::repeat_n(Act::Give(vec![0; 8192]), 1_000);
    let mut reader = StrictReader::new(Script::new([Act::Give(close)].into_iter().chain(flood)), Role::Server, 10);
    assert!(poll_once(&mut reader, 8192).is_some());
    assert_eq!(poll_once(&mut reader, 8192), None);
}

#[tokio::test]
async fn a_destination_without_room_is_left_alone() {
    let bytes = frame(0x82, b"x", Some(KEY));
    let mut reader = StrictReader::new(Script::pieces(&bytes, usize::MAX), Role::Server, 10);
    assert!(read_once(&mut reader, 0).await.unwrap().is_empty());
    assert_eq!(read_once(&mut reader, 100).await.unwrap(), bytes);
}
