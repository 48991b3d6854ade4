//! Splits the cost of TLS: wraps a `CryptoProvider` so that its primitives are timed, and sums the times per thread.
//!
//! Every timed call costs two clock readings and an addition ([`cost_of_timing`]). `--cost-split off` uses the provider
//! unchanged.

mod handshake;
mod record;

use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use rustls::crypto::CryptoProvider;
use wss_model::config::tls::CostSplit;
use wss_model::server_stats::CryptoTime;

/// The purpose of a timed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Generating a key share.
    KeyExchangeStart,
    /// Deriving the shared secret from the peer's key share.
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
    /// The sum over all primitives, to subtract nested calls from the call around them.
    static TOTAL_NS: Cell<u64> = const { Cell::new(0) };
}

/// The time that this thread has spent in timed calls since its start.
pub fn spent() -> CryptoTime {
    SPENT.get()
}

/// Calls `work` and adds its time to `primitive`, without the time of nested timed calls.
pub fn timed<T>(primitive: Primitive, work: impl FnOnce() -> T) -> T {
    let total_before = TOTAL_NS.get();
    let start = Instant::now();
    let output = work();
    let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let nested = TOTAL_NS.get() - total_before;
    let own = elapsed.saturating_sub(nested);
    TOTAL_NS.set(total_before + nested + own);
    let mut spent = SPENT.get();
    let sum = match primitive {
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
    output
}

/// The overhead of one timed call in nanoseconds: the median of many, measured on this CPU by this call.
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

/// The provider with timed primitives. The wrappers are leaked, because rustls requires `'static`; a program creates one or
/// two of them.
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
    fn nested_calls_are_not_counted_twice() {
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
    fn measuring_the_overhead_does_not_change_the_sums() {
        let before = spent();
        assert!(cost_of_timing() > 0.0);
        assert_eq!(spent(), before);
    }
}
