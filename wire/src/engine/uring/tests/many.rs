//! Many connections in succession: nothing grows.

use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{alone, driver, listener, on_ring, open_files, wait_for_entries};
use crate::engine::{Engine, Uring};

type E = Uring;

const CONNECTIONS: usize = 100_000;
/// Concurrent connections.
const AT_A_TIME: usize = 50;

#[test]
fn hundred_thousand_connections_leave_nothing_behind() {
    alone!(hundred_thousand_connections_leave_nothing_behind, || {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        on_ring(move || async move {
            let mut listening = E::listen(socket).unwrap();
            let before = open_files().len();
            for round in 0..CONNECTIONS / AT_A_TIME {
                let opening: Vec<_> = (0..AT_A_TIME).map(|_| E::spawn(E::connect(address))).collect();
                let mut ends = Vec::new();
                for opening in opening {
                    ends.push(opening.await.unwrap().unwrap());
                    ends.push(E::accept(&mut listening).await.unwrap());
                }
                for end in &mut ends {
                    // Closing resets the connection, so that no port stays in TIME_WAIT.
                    sockopt::set_socket_linger(&*end, Some(Duration::ZERO)).unwrap();
                    end.write_all(b"ping").await.unwrap();
                }
                for end in &mut ends {
                    let mut four = [0; 4];
                    end.read_exact(&mut four).await.unwrap();
                    assert_eq!(&four, b"ping");
                }
                // Some with a receive in flight.
                if round % 3 == 0 {
                    for end in &mut ends {
                        let mut byte = [0];
                        tokio::select! {
                            biased;
                            read = end.read(&mut byte) => panic!("unexpected data: {read:?}"),
                            () = std::future::ready(()) => {}
                        }
                    }
                    tokio::task::yield_now().await;
                }
                drop(ends);
                if round % 100 == 99 {
                    // The listener remains.
                    wait_for_entries(1).await;
                    assert_eq!(open_files().len(), before);
                    // One round, the previous round if the kernel has not completed it yet, and the listener.
                    let slots = driver::with(|driver| driver.slots());
                    assert!(slots <= 2 * 2 * AT_A_TIME + 1, "{slots} slots");
                }
            }
            driver::with(|driver| assert_eq!(driver.buffers_out(), 0, "buffers were lost"));
        });
    });
}
