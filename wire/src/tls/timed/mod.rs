//! Where the time goes: a `CryptoProvider` whose primitives read the clock, and the sums of each thread.
//!
//! Every timed call costs two readings of the clock and an addition ([`cost_of_timing`]). `--cost-split off` leaves
//! the provider as it is.

mod handshake;
mod record;

use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use rustls::crypto::CryptoProvider;
use wss_model::config::tls::CostSplit;
use wss_model::server_stats::CryptoTime;

/// What a timed call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Making a key share.
    KeyExchangeStart,
    /// From the peer's key share to the secret.
    KeyExchangeComplete,
    /// Signing.
    Sign,
    /// Verifying a signature.
    Verify,
    /// Encrypting or decrypting a record.
    Aead,
    /// Hashes, HMAC, key derivation.
    Hash,
    /// Reading or writing the socket.
    Socket,
}

const NOTHING: CryptoTime = CryptoTime {
    key_exchange_start_ns: 0,
    key_exchange_complete_ns: 0,
    sign_ns: 0,
    verify_ns: 0,
    aead_ns: 0,
    hash_ns: 0,
    socket_ns: 0,
    calls: 0,
};

thread_local! {
    static SPENT: Cell<CryptoTime> = const { Cell::new(NOTHING) };
    /// All parts together: what of a call was counted by calls inside it.
    static TOTAL_NS: Cell<u64> = const { Cell::new(0) };
}

/// What this thread has spent since its start.
pub fn spent() -> CryptoTime {
    SPENT.get()
}

/// Does `work` and counts its time as `part`, less what calls inside it have counted already.
pub fn timed<T>(part: Primitive, work: impl FnOnce() -> T) -> T {
    let counted_before = TOTAL_NS.get();
    let start = Instant::now();
    let done = work();
    let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let inside = TOTAL_NS.get() - counted_before;
    let own = elapsed.saturating_sub(inside);
    TOTAL_NS.set(counted_before + inside + own);
    let mut spent = SPENT.get();
    let sum = match part {
        Primitive::KeyExchangeStart => &mut spent.key_exchange_start_ns,
        Primitive::KeyExchangeComplete => &mut spent.key_exchange_complete_ns,
        Primitive::Sign => &mut spent.sign_ns,
        Primitive::Verify => &mut spent.verify_ns,
        Primitive::Aead => &mut spent.aead_ns,
        Primitive::Hash => &mut spent.hash_ns,
        Primitive::Socket => &mut spent.socket_ns,
    };
    *sum += own;
    spent.calls += 1;
    SPENT.set(spent);
    done
}

/// What one timed call adds to what it times, nanoseconds: the median of many, measured now on this CPU.
pub fn cost_of_timing() -> f64 {
    const CALLS: u32 = 1_000;
    let before = (SPENT.get(), TOTAL_NS.get());
    let mut costs: Vec<f64> = (0..21)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                timed(Primitive::Hash, || black_box(()));
            }
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    SPENT.set(before.0);
    TOTAL_NS.set(before.1);
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// The provider with its primitives timed. What is made here lives as long as the program: rustls wants it static,
/// and a program makes one or two.
pub(super) fn provider(mut crypto: CryptoProvider, split: CostSplit) -> CryptoProvider {
    if split == CostSplit::Off {
        return crypto;
    }
    handshake::wrap(&mut crypto);
    if split == CostSplit::All {
        record::wrap(&mut crypto);
    }
    crypto
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_inside_has_counted_is_not_counted_twice() {
        let wait = |ms| std::thread::sleep(std::time::Duration::from_millis(ms));
        let before = spent();
        let start = Instant::now();
        timed(Primitive::Hash, || {
            wait(1);
            timed(Primitive::KeyExchangeComplete, || wait(5));
        });
        let elapsed = start.elapsed().as_nanos() as u64;
        let spent = spent().since(&before);
        assert!(spent.key_exchange_complete_ns >= 5_000_000);
        assert!(spent.hash_ns >= 1_000_000);
        assert!(spent.primitives_ns() <= elapsed, "{spent:?}");
        assert_eq!(spent.calls, 2);
    }

    #[test]
    fn measuring_the_cost_of_timing_leaves_no_trace() {
        let before = spent();
        assert!(cost_of_timing() > 0.0);
        assert_eq!(spent(), before);
    }
}
