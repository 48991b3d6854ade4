//! Servers that break HTTP/2, or leave out a step of it.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use wss_model::run_result::Ending;
use wss_model::{ErrorKind, RunResult};

use crate::common::{BOUND, peer, run, wssbench};
use crate::http2_peer::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, EXTENDED_CONNECT, GOAWAY, HEADERS, Http2, OK, PING, RST_STREAM,
    SETTINGS, field, serve,
};

/// The error of a run in which no connection succeeds.
fn refusal(server: SocketAddr) -> String {
    let url = format!("ws://{server}/");
    let load = ["--connections", "2", "--connect-rate", "max", "--duration", "200ms", "--warmup", "0s"];
    let limits = ["--http", "2", "--handshake-timeout", "2s"];
    let ended = wssbench(&[&["run", url.as_str()], &load[..], &limits].concat());
    let text = ended.refusal();
    assert!(text.contains("no connection succeeded") && ended.took < BOUND, "{ended}");
    text
}

#[test]
fn each_way_to_refuse_has_its_own_error() {
    let code = |code: u8| [0, 0, 0, code];
    let cases: [(SocketAddr, &str); 12] = [
        (serve(&[], |_| Ok(())), "do not enable the extended CONNECT protocol of RFC 8441"),
        (serve(&[0, 8, 0, 0, 0, 0], |_| Ok(())), "do not enable the extended CONNECT protocol of RFC 8441"),
        (
            serve(&EXTENDED_CONNECT, move |mut http2| http2.send(RST_STREAM, 0, 1, &code(7))),
            "reset the HTTP/2 stream (RST_STREAM with REFUSED_STREAM); lower --connect-rate",
        ),
        (
            serve(&EXTENDED_CONNECT, move |mut http2| http2.send(RST_STREAM, 0, 1, &code(13))),
            "(RST_STREAM with HTTP_1_1_REQUIRED); remove --http 2",
        ),
        (
            serve(&EXTENDED_CONNECT, move |mut http2| http2.send(GOAWAY, 0, 0, &[code(0), code(11)].concat())),
            "ended the HTTP/2 connection (GOAWAY with ENHANCE_YOUR_CALM)",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                http2.send(HEADERS, END_HEADERS, 1, &field(8, "403"))?;
                http2.send(DATA, END_STREAM, 1, b"Origin required.")
            }),
            "responded with 403 instead of 200 (\"Origin required.\"); check what the server requires",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                let location = [field(8, "302"), field(46, "wss://other.test/ws")].concat();
                http2.send(HEADERS, END_HEADERS | END_STREAM, 1, &location)
            }),
            "302 instead of 200 (Location: wss://other.test/ws); give that URL, or add --follow 1",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                http2.send(DATA, 0, 1, b"early")?;
                http2.send(HEADERS, END_HEADERS, 1, &OK)
            }),
            "violated RFC 9113 (HTTP/2)",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| http2.send(HEADERS, END_HEADERS, 1, &[0xff; 9])),
            "violated RFC 9113 (HTTP/2)",
        ),
        (
            peer::tcp(|mut stream| {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                peer::stay_silent(stream);
            }),
            "does not speak HTTP/2 on this port; it starts with \"HTTP/1.1 400 Bad Request",
        ),
        (serve(&EXTENDED_CONNECT, |_| Ok(())), "closed the connection before its upgrade response was complete"),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                peer::stay_silent(&mut http2.0);
                Ok(())
            }),
            "the handshake timed out in phase upgrade",
        ),
    ];
    for (server, part) in cases {
        let text = refusal(server);
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn floods_end_within_the_limits() {
    let fields = |count: usize| field(60, &"x".repeat(100)).repeat(count);
    let cases: [(SocketAddr, &str); 4] = [
        (
            serve(&EXTENDED_CONNECT, move |mut http2| {
                http2.send(HEADERS, 0, 1, &OK)?;
                for _ in 0..20 {
                    http2.send(CONTINUATION, 0, 1, &fields(100))?;
                }
                http2.send(CONTINUATION, END_HEADERS, 1, &[])
            }),
            "--max-head-size",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                http2.send(HEADERS, 0, 1, &OK)?;
                loop {
                    http2.send(CONTINUATION, 0, 1, &[])?;
                }
            }),
            "",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                http2.send(HEADERS, END_HEADERS, 1, &field(8, "500"))?;
                loop {
                    http2.send(DATA, 0, 1, &[b'x'; 1000])?;
                }
            }),
            "500 instead of 200 (\"xxxx",
        ),
        (
            serve(&EXTENDED_CONNECT, |mut http2| {
                let pings = [0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(4096);
                let mut reader = Http2(http2.0.try_clone()?);
                std::thread::spawn(move || peer::stay_silent(&mut reader.0));
                loop {
                    http2.0.write_all(&pings)?;
                }
            }),
            "the handshake timed out in phase upgrade",
        ),
    ];
    for (server, part) in cases {
        let text = refusal(server);
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// A run of `--mode handshake` on one connection at a time.
fn handshakes(server: SocketAddr) -> RunResult {
    let url = format!("ws://{server}/");
    let load = ["--mode", "handshake", "--connect-rate", "20/s", "--duration", "200ms", "--warmup", "0s"];
    let limits = ["--http", "2", "--close-timeout", "300ms"];
    run(&[&[url.as_str()], &load[..], &limits].concat()).result()
}

#[test]
fn each_way_to_end_is_counted() {
    /// Ends the writing side, and TCP when the generator has.
    fn end(http2: &mut Http2) -> io::Result<()> {
        http2.0.shutdown(Shutdown::Write)?;
        peer::stay_silent(&mut http2.0);
        Ok(())
    }
    let cases: [(SocketAddr, Ending); 7] = [
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, END_STREAM, 1, frame)?;
                    end(http2)
                })
            }),
            Ending::Clean,
        ),
        (
            // As a server that keeps the connection for further streams.
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, END_STREAM, 1, frame)?;
                    peer::stay_silent(&mut http2.0);
                    Ok(())
                })
            }),
            Ending::Clean,
        ),
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, 0, 1, frame)?;
                    end(http2)
                })
            }),
            Ending::NoEndStream,
        ),
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, 0, 1, frame)?;
                    peer::stay_silent(&mut http2.0);
                    Ok(())
                })
            }),
            Ending::NoEndStream,
        ),
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, 0, 1, frame)?;
                    http2.send(RST_STREAM, 0, 1, &[0, 0, 0, 8])?;
                    peer::stay_silent(&mut http2.0);
                    Ok(())
                })
            }),
            Ending::StreamReset,
        ),
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, frame| {
                    http2.send(DATA, END_STREAM, 1, frame)?;
                    peer::stay_silent(&mut http2.0);
                    std::thread::sleep(Duration::from_secs(1));
                    Ok(())
                })
            }),
            Ending::TcpKeptOpen,
        ),
        (
            serve(&EXTENDED_CONNECT, |http2| {
                http2.echo(|http2, _| {
                    http2.send(DATA, END_STREAM, 1, &[])?;
                    peer::stay_silent(&mut http2.0);
                    Ok(())
                })
            }),
            Ending::NoCloseFrame,
        ),
    ];
    for (server, expected) in cases {
        let result = handshakes(server);
        assert_eq!(result.errors, [], "{expected}");
        let endings: Vec<_> = result.endings.iter().map(|count| (count.ending, count.count)).collect();
        assert_eq!(endings, [(expected, result.handshake.completed)]);
        assert!(result.handshake.completed > 0);
    }
}

#[test]
fn a_server_that_gives_up_is_counted_by_kind() {
    let first_message = |kind: u8, payload: &'static [u8]| {
        serve(&EXTENDED_CONNECT, move |mut http2| {
            http2.send(HEADERS, END_HEADERS, 1, &OK)?;
            while http2.receive()?.0 != DATA {}
            http2.send(kind, 0, if kind == RST_STREAM { 1 } else { 0 }, payload)?;
            peer::stay_silent(&mut http2.0);
            Ok(())
        })
    };
    for (server, kind) in [
        (first_message(RST_STREAM, &[0, 0, 0, 2]), ErrorKind::StreamReset),
        (first_message(GOAWAY, &[0, 0, 0, 0, 0, 0, 0, 1]), ErrorKind::GoAway),
        (first_message(SETTINGS, &[1]), ErrorKind::Http2Violation),
    ] {
        let url = format!("ws://{server}/");
        let load = ["--connections", "2", "--rate", "20/s", "--duration", "300ms", "--warmup", "0s", "--http", "2"];
        let result = run(&[&[url.as_str()], &load[..]].concat()).result();
        assert!(!result.valid && result.errors.iter().any(|error| error.kind == kind), "{kind}: {:?}", result.errors);
    }
}
