//! Looks: when the generator looked for an echo, and when what it wrote went to the kernel.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Engine, Epoll, Uring, idle, look};
use super::{BOUND, listener};

/// A message's echo is read after a look that found it, and what was written was handed to the kernel in between.
fn looks_bracket_a_message<E: Engine>() {
    look::observe();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut data = [0; 4];
        while stream.read_exact(&mut data).is_ok() {
            std::thread::sleep(Duration::from_millis(2));
            stream.write_all(&data).unwrap();
        }
    });
    E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        for _ in 0..20 {
            let (number, sent) = (look::latest_number(), Instant::now());
            stream.write_all(b"ping").await.unwrap();
            stream.flush().await.unwrap();
            let mut echo = [0; 4];
            stream.read_exact(&mut echo).await.unwrap();
            let read = Instant::now();
            let look = look::of_latest_read(read).expect("looks are recorded");
            assert!(look.ended > sent + Duration::from_millis(1) && look.ended <= read, "{look:?}");
            assert!(read - (look.ended - look.unseen) < BOUND, "{look:?}");
            if E::KIND == wss_model::EngineKind::Uring {
                let submitted = look::submitted_after(number).expect("a small write waits for the iteration");
                assert!(submitted >= sent && submitted <= look.ended, "{look:?}");
                assert!(!look::wrote_directly());
            }
        }
        drop(stream);
    })
    .unwrap();
    peer.join().unwrap();
}

#[test]
fn looks_bracket_a_message_with_each_engine_that_records_them() {
    looks_bracket_a_message::<Epoll>();
    looks_bracket_a_message::<Uring>();
    idle::set_policy(wss_model::config::IdlePolicy::Spin);
    let (before, start) = (idle::spun_by_thread(), Instant::now());
    looks_bracket_a_message::<Uring>();
    let spun = idle::spun_by_thread() - before;
    assert!(spun > Duration::ZERO && spun <= start.elapsed(), "{spun:?}");
}
