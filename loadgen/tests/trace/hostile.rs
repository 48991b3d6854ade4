//! Peers that refuse, stay silent or break the protocol: each ends in one sentence, with the timeline up to there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::WebSocket;
use wss_model::trace_result::{Content, Direction, EventDetails, TracePhase};

use super::common::peer::{self, Authority};
use super::common::{self, wssbench};
use super::{contents, failed};

#[test]
fn an_untrusted_certificate_is_answered_with_an_alert() {
    let authority = Authority::new("localhost");
    let stranger = Authority::new("localhost");
    let address = authority.serve(peer::stay_silent);
    let url = format!("wss://localhost:{}/", address.port());
    let (phase, sentence, trace) = failed(&[&url, "--ca", &stranger.ca_argument()]);
    assert_eq!(phase, TracePhase::Tls);
    assert!(sentence.contains("a CA of the same name"), "{sentence}");
    let last = contents(&trace).pop().unwrap();
    assert!(matches!(last, (Direction::Sent, Content::Alert { level, .. }) if level == "fatal"), "{last:?}");
}

#[test]
fn a_refused_connection() {
    let (phase, sentence, trace) = failed(&[&format!("wss://{}/", peer::nobody()), "--insecure"]);
    assert_eq!((phase, trace.events.len()), (TracePhase::Connect, 2));
    assert!(sentence.contains("refused the connection"), "{sentence}");
    let ended = wssbench(&["trace", &format!("ws://{}/", peer::nobody())]);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.stdout.contains("FAILED in the phase TCP connect: "), "{ended}");
}

/// What a hostile peer does with a connection, the phase that fails, and a part of the message.
type Case = (fn(TcpStream), TracePhase, &'static str);

#[test]
fn a_peer_that_breaks_tls() {
    let say = |bytes: &'static [u8]| {
        move |mut stream: TcpStream| {
            let _ = stream.write_all(bytes);
            peer::stay_silent(stream);
        }
    };
    let cases: [Case; 4] = [
        (|stream| peer::end(&stream), TracePhase::Tls, "closed the connection in the middle"),
        (
            |stream| {
                let mut start = [0; 5];
                let _ = (&stream).read(&mut start);
                peer::reset(stream)
            },
            TracePhase::Tls,
            "the connection failed",
        ),
        (
            |mut stream| {
                let _ = stream.write_all(b"\x16\x03\x03\x40\x00half");
                peer::end(&stream)
            },
            TracePhase::Tls,
            "in the middle",
        ),
        (
            |mut stream| {
                while stream.write_all(b"\x17\x03\x03\x00\x01x").is_ok() {}
            },
            TracePhase::Tls,
            "",
        ),
    ];
    for (handle, phase, says) in cases {
        let url = format!("wss://{}/", peer::tcp(handle));
        let (failed_in, sentence, _) = failed(&[&url, "--insecure"]);
        assert_eq!(failed_in, phase, "{sentence}");
        assert!(sentence.contains(says), "{sentence}");
    }
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x16\x03\x03\xff\xff", b"SSH-2.0-OpenSSH_9.2\r\n"] {
        let url = format!("wss://{}/", peer::tcp(say(bytes)));
        let (phase, sentence, trace) = failed(&[&url, "--insecure"]);
        assert_eq!(phase, TracePhase::Tls);
        assert!(sentence.contains("does not speak TLS"), "{sentence}");
        assert!(trace.events.iter().any(|event| matches!(event.details, EventDetails::NotTls { .. })));
    }
}

/// The same on a WebSocket, where the echo fails.
type FrameCase = (fn(WebSocket<TcpStream>), &'static str);

#[test]
fn a_peer_that_breaks_websocket() {
    let cases: [FrameCase; 5] = [
        (
            // Closing with unread data would reset the connection.
            |mut socket| drop(socket.read()),
            "closed the connection",
        ),
        (
            |mut socket| {
                let _ = socket.get_mut().write_all(&peer::frame(1, b"x", true));
                peer::stay_silent(socket.get_mut())
            },
            "masked",
        ),
        (
            |mut socket| {
                let _ = socket.get_mut().write_all(&[0x83, 0]);
                peer::stay_silent(socket.get_mut())
            },
            "reserved",
        ),
        (
            |mut socket| {
                let _ = socket.get_mut().write_all(&peer::frame(8, b"\x03\xe9bye", false));
                peer::stay_silent(socket.get_mut())
            },
            "1001",
        ),
        (
            |mut socket| {
                while socket.get_mut().write_all(&peer::frame(1, &[b'x'; 100], false)).is_ok() {}
            },
            "more than a trace accepts",
        ),
    ];
    for (handle, says) in cases {
        let url = format!("ws://{}/", peer::websocket(handle));
        let (failed_in, sentence, _) = failed(&[&url]);
        assert_eq!(failed_in, TracePhase::Echo, "{sentence}");
        assert!(sentence.contains(says), "{sentence}");
    }
}

#[test]
fn a_silent_peer_is_given_up_after_the_timeout() {
    let silent = peer::tcp(peer::stay_silent);
    for (layer, more, phase) in [("wss", &["--insecure"][..], TracePhase::Tls), ("ws", &[], TracePhase::Upgrade)] {
        let start = Instant::now();
        let (failed_in, sentence, _) =
            failed(&[&[&format!("{layer}://{silent}/"), "--timeout", "300ms"][..], more].concat());
        assert_eq!(failed_in, phase);
        assert!(sentence.contains("within 300ms (--timeout)"), "{sentence}");
        assert!(start.elapsed() < common::BOUND);
    }
    // A drip of bytes does not extend the deadline.
    let drip = peer::tcp(|mut stream| {
        while stream.write_all(b"\x16").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let (_, sentence, _) = failed(&[&format!("ws://{drip}/"), "--timeout", "300ms"]);
    assert!(!sentence.is_empty());
}
