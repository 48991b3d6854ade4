//! Rings that are too small for what happens: buffers, completions, submissions; and signals.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::forms::ALL;
use super::{BOUND, alone, driver, guarded, in_both_forms, let_go, listener, on_ring, on_ring_in, pattern};
use crate::engine::uring::{Features, UringStream, buffers, ring};
use crate::engine::{Engine, Uring, within};

type E = Uring;

/// Bytes that tell one stream from another.
fn own(number: usize, length: usize) -> Vec<u8> {
    pattern(length + number)[number..].to_vec()
}

async fn pairs(socket: &TcpListener, count: usize) -> Vec<(UringStream, TcpStream)> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        let stream = E::connect(socket.local_addr().unwrap()).await.unwrap();
        pairs.push((stream, socket.accept().unwrap().0));
    }
    pairs
}

/// More connections than there are buffers, at first and at most, and each has something to be received at once. How
/// many are in use in the end.
fn buffers_run_out(form: Features, first: u16, most: u16) -> u64 {
    const STREAMS: usize = 100;
    let main = || async move {
        let (pairs, mut peers): (Vec<_>, Vec<_>) = pairs(&listener(), STREAMS).await.into_iter().unzip();
        let reading = (0..).zip(pairs).map(|(number, mut stream)| {
            E::spawn(async move {
                let mut all = vec![0; 3 * 5000];
                stream.read_exact(&mut all).await.unwrap();
                assert!(all == own(number, 15_000), "stream {number} got other bytes");
                // The rest is not read: its buffer must come back anyway.
                stream
            })
        });
        let reading: Vec<_> = reading.collect();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        // In one go, while this thread is not in the ring.
        for part in 0..3 {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.write_all(&own(number, 15_000)[part * 5000..][..5000]).unwrap();
            }
            tokio::task::yield_now().await;
        }
        let mut streams = Vec::new();
        for reading in reading {
            streams.push(within::<E, _>(BOUND, reading).await.unwrap().unwrap());
        }
        for peer in &mut peers {
            peer.write_all(b"and nobody reads it").unwrap();
        }
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        driver::with(|driver| (driver.totals(), driver.buffers_out()))
    };
    let (totals, out) = guarded(move || {
        Features::set_override(Some(form));
        buffers::set_counts(first, most);
        E::run(main).unwrap()
    });
    assert_eq!(out, 0, "buffers are lost");
    assert!(totals.no_buffers > 0 && totals.buffers_low_water == 0, "there were buffers enough: {totals:?}");
    totals.buffers
}

#[test]
fn streams_lose_nothing_when_buffers_run_out() {
    alone!(streams_lose_nothing_when_buffers_run_out, || {
        for form in [ALL, Features { defer_taskrun: false, ..ALL }] {
            assert_eq!(buffers_run_out(form, 4, 4), 4);
            let grown = buffers_run_out(form, 2, 512);
            assert!(grown > 2 && grown <= 256, "{grown} buffers are in use");
        }
    });
}

fn what_is_written_between_two_turns_is_one_send(form: Features) {
    on_ring_in(form, || async {
        let (mut stream, mut peer) = pairs(&listener(), 1).await.pop().unwrap();
        let submitted = || driver::with(|driver| driver.totals().submissions);
        // The bell is armed by the first wait.
        E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
        for round in 1..=3 {
            let before = submitted();
            for piece in [&b"a"[..], b"bc", b"def"] {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
            assert_eq!(submitted() - before, 1, "round {round}");
            let mut all = [0; 6];
            peer.set_read_timeout(Some(BOUND)).unwrap();
            std::io::Read::read_exact(&mut peer, &mut all).unwrap();
            assert_eq!(&all, b"abcdef");
        }
    });
}

fn many_bytes_are_sent_from_where_they_are_unless_others_go_before_them(form: Features) {
    on_ring_in(form, || async {
        let (mut stream, mut peer) = pairs(&listener(), 1).await.pop().unwrap();
        let direct = || driver::with(|driver| driver.totals().direct_sends);
        let many = pattern(20_000);
        stream.write_all(&many).await.unwrap();
        assert_eq!(direct(), 1);
        stream.write_all(b"first").await.unwrap();
        stream.write_all(&many).await.unwrap();
        assert_eq!(direct(), 1);
        E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
        stream.write_all(&many).await.unwrap();
        assert_eq!(direct(), 2);
        let mut all = vec![0; 3 * many.len() + 5];
        peer.set_read_timeout(Some(BOUND)).unwrap();
        std::io::Read::read_exact(&mut peer, &mut all).unwrap();
        assert!(all == [&many[..], b"first", &many, &many].concat());
    });
}

in_both_forms! {
    what_is_written_between_two_turns_is_one_send
    many_bytes_are_sent_from_where_they_are_unless_others_go_before_them
}

/// Tasks that send to each other more than sockets hold, over a ring of this size; how often completions did not fit.
fn echoes_on_a_small_ring(form: Features, submissions: u32, completions: u32) -> u64 {
    const STREAMS: usize = 60;
    const LENGTH: usize = 300_000;
    guarded(move || {
        Features::set_override(Some(form));
        ring::set_sizes(submissions, completions);
        let main = async || {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            sockopt::set_socket_send_buffer_size(&socket, 8 << 10).unwrap();
            let mut listening = E::listen(socket).unwrap();
            E::spawn(async move {
                loop {
                    let stream = E::accept(&mut listening).await.unwrap();
                    E::spawn(async move {
                        let (mut reader, mut writer) = tokio::io::split(stream);
                        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                        writer.shutdown().await.unwrap();
                    });
                }
            });
            let clients = (0..STREAMS).map(|number| {
                E::spawn(async move {
                    let stream = E::connect(address).await.unwrap();
                    // So that sends find no room.
                    sockopt::set_socket_send_buffer_size(&stream, 8 << 10).unwrap();
                    let (mut reader, mut writer) = tokio::io::split(stream);
                    let sent = own(number, LENGTH);
                    let its = sent.clone();
                    let writing = E::spawn(async move {
                        writer.write_all(&its).await.unwrap();
                        writer.shutdown().await.unwrap();
                    });
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).await.unwrap();
                    assert!(all == sent, "stream {number} got {} bytes", all.len());
                    writing.await.unwrap();
                })
            });
            let clients: Vec<_> = clients.collect();
            for client in clients {
                within::<E, _>(2 * BOUND, client).await.unwrap().unwrap();
            }
            let_go(1).await;
            driver::with(|driver| {
                assert_eq!(driver.buffers_out(), 0);
                driver.totals()
            })
        };
        let totals = E::run(main).unwrap();
        if form.inline_send {
            assert!(totals.partial_sends > 0, "sockets had room for all");
        }
        totals.overflows
    })
}

#[test]
fn nothing_is_lost_when_completions_do_not_fit() {
    let overflows = echoes_on_a_small_ring(ALL, 8, 16);
    assert!(overflows > 0, "they did fit");
    assert!(echoes_on_a_small_ring(Features { defer_taskrun: false, ..ALL }, 8, 16) > 0, "they did fit");
    assert!(echoes_on_a_small_ring(Features::LEAST, 8, 16) > 0, "they did fit");
}

#[test]
fn nothing_is_lost_when_submissions_do_not_fit() {
    echoes_on_a_small_ring(ALL, 2, 4096);
    echoes_on_a_small_ring(Features::LEAST, 2, 4096);
}

#[test]
fn more_submissions_in_a_turn_than_the_queue_holds_are_all_made() {
    const STREAMS: usize = 1500;
    alone!(more_submissions_in_a_turn_than_the_queue_holds_are_all_made, || {
        on_ring(|| async {
            let mut pairs = pairs(&listener(), STREAMS).await;
            let before = driver::with(|driver| driver.totals());
            for (number, (stream, _)) in pairs.iter_mut().enumerate() {
                stream.write_all(&number.to_ne_bytes()).await.unwrap();
            }
            tokio::task::yield_now().await;
            E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
            let made = driver::with(|driver| driver.totals()).since(&before);
            assert!(made.submissions >= STREAMS as u64 && made.enters < 20, "{made:?}");
            for (number, (_, peer)) in pairs.iter_mut().enumerate() {
                let mut eight = [0; 8];
                peer.set_read_timeout(Some(BOUND)).unwrap();
                std::io::Read::read_exact(peer, &mut eight).unwrap();
                assert_eq!(eight, number.to_ne_bytes());
            }
            // And as many receives in one turn, and as many cancellings.
            let reading: Vec<_> = pairs
                .into_iter()
                .map(|(mut stream, peer)| (E::spawn(async move { stream.read_u8().await.unwrap() }), peer))
                .collect();
            tokio::task::yield_now().await;
            for (at, (reading, mut peer)) in reading.into_iter().enumerate() {
                if at % 2 == 0 {
                    peer.write_all(&[at as u8]).unwrap();
                    assert_eq!(within::<E, _>(BOUND, reading).await.unwrap().unwrap(), at as u8);
                } else {
                    reading.abort();
                }
            }
            let_go(0).await;
        });
    });
}

#[test]
#[allow(unsafe_code)]
fn signals_that_come_while_the_ring_waits_lose_nothing() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: a handler that does nothing, for a signal that nobody else here uses; all other fields may be zero. No
    // SA_RESTART: calls are to end with EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
    }
    for form in [ALL, Features::LEAST] {
        let done = Arc::new(AtomicBool::new(false));
        let (its, (tell, told)) = (Arc::clone(&done), std::sync::mpsc::channel());
        let signalling = thread::spawn(move || {
            let ring_thread: libc::pthread_t = told.recv().unwrap();
            let mut signals = 0;
            while !its.load(Ordering::SeqCst) {
                // SAFETY: the thread is there until it has said that it is done and been answered.
                unsafe { libc::pthread_kill(ring_thread, libc::SIGUSR2) };
                signals += 1;
                thread::sleep(Duration::from_micros(50));
            }
            signals
        });
        let signals = on_ring_in(form, move || async move {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let mut listening = E::listen(socket).unwrap();
            let mut stream = E::connect(address).await.unwrap();
            let mut accepted = E::accept(&mut listening).await.unwrap();
            // SAFETY: it has no conditions.
            tell.send(unsafe { libc::pthread_self() }).unwrap();
            let sent = pattern(2 << 20);
            let its = sent.clone();
            let writing = E::spawn(async move { stream.write_all(&its).await.map(|()| stream) });
            let mut all = vec![0; sent.len()];
            within::<E, _>(BOUND, accepted.read_exact(&mut all)).await.unwrap().unwrap();
            assert!(all == sent);
            let mut stream = writing.await.unwrap().unwrap();
            for round in 0..100u8 {
                // The ring waits for a timer, and for a message.
                let deadline = Instant::now() + Duration::from_micros(300);
                E::sleep_until(deadline).await;
                assert!(Instant::now() >= deadline);
                stream.write_all(&[round]).await.unwrap();
                assert_eq!(within::<E, _>(BOUND, accepted.read_u8()).await.unwrap().unwrap(), round);
            }
            done.store(true, Ordering::SeqCst);
            signalling.join().unwrap()
        });
        assert!(signals > 50, "{signals} signals came");
    }
}
