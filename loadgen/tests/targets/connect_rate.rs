//! A server that limits the rate of connections: no part of a run exceeds `--connect-rate`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite;

use crate::common::peer::{self, Authority};
use crate::common::{assert_no_errors, run};

/// Connections that the servers accept within a second.
const LIMIT: usize = 5;
const RATE: [&str; 2] = ["--connect-rate", "4/s"];

/// When connections arrived.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    /// Whether a connection that arrives now is within the limit.
    fn admit(&self) -> bool {
        let (mut all, now) = (self.0.lock().unwrap(), Instant::now());
        let recent = all.iter().filter(|then| now - **then < Duration::from_secs(1)).count();
        all.push(now);
        recent < LIMIT
    }

    /// Those so far, as times since the first.
    fn since_first(&self) -> Vec<Duration> {
        let all = self.0.lock().unwrap();
        all.iter().map(|at| *at - all[0]).collect()
    }
}

/// `ws://`: answers beyond the limit with a status.
fn refusing(arrivals: &Arrivals) -> SocketAddr {
    let arrivals = arrivals.clone();
    peer::tcp(move |mut stream| {
        if !arrivals.admit() {
            peer::read_head(&mut stream);
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        peer::echo(&mut socket);
    })
}

/// `wss://`: resets connections beyond the limit.
fn resetting(arrivals: &Arrivals, authority: &Authority) -> SocketAddr {
    let arrivals = arrivals.clone();
    authority
        .serve_resumable(move |stream| if arrivals.admit() { peer::wss_echo(stream) } else { peer::reset(stream.sock) })
}

/// Runs it until no connection was late: a machine that stops for 250 ms makes up for it afterwards, as an open loop does.
fn assert_keeps_the_rate(connections: usize, start: impl Fn(&Arrivals) -> Vec<String>) {
    let mut attempts = 0;
    loop {
        let arrivals = Arrivals::default();
        let arguments = start(&arrivals);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(RATE).collect();
        let ended = run(&arguments);
        let times = arrivals.since_first();
        // In a window of a second, as the server counts.
        let kept = times.windows(LIMIT + 1).all(|window| window[LIMIT] - window[0] >= Duration::from_secs(1));
        attempts += 1;
        if kept {
            assert_no_errors(&ended.result());
            assert_eq!(times.len(), connections, "{times:?}");
            return;
        }
        assert!(attempts < 3, "{times:?}\n{ended}");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn handshakes_and_their_warm_up_keep_the_rate() {
    // 0, 250, 500 and 750 ms of the warm-up, and as many of the measurement.
    assert_keeps_the_rate(8, |arrivals| {
        let url = format!("ws://{}/", refusing(arrivals));
        words(&format!("{url} --mode handshake --warmup 1s --duration 1s --threads 2"))
    });
}

#[test]
fn connections_and_their_warm_up_keep_the_rate() {
    // Each is opened in the warm-up, in two halves, and again.
    assert_keeps_the_rate(6, |arrivals| {
        let url = format!("ws://{}/", refusing(arrivals));
        words(&format!("{url} --connections 3 --rate 50/s --warmup 100ms --duration 300ms --threads 2"))
    });
}

#[test]
fn the_connection_that_chooses_an_address_keeps_the_rate() {
    assert_keeps_the_rate(1 + 4, |arrivals| {
        let port = refusing(arrivals).port();
        let resolve = format!("--resolve server.test:{port}:127.0.0.1,127.0.0.2");
        words(&format!("ws://server.test:{port}/ {resolve} --mode handshake --warmup 0s --duration 1s"))
    });
}

#[test]
fn handshakes_that_make_sessions_keep_the_rate() {
    let authority = Authority::new("127.0.0.1");
    // As many sessions as may be under way before --handshake-timeout, and one per thread.
    assert_keeps_the_rate(4 + 1 + 4, |arrivals| {
        let target = format!("wss://{}/ --ca {}", resetting(arrivals, &authority), authority.ca_argument());
        let load = "--mode handshake --warmup 0s --duration 1s --resume 100% --handshake-timeout 1s --threads 1";
        words(&format!("{target} {load}"))
    });
}
