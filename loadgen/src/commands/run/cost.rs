//! Where one end's time for a handshake went, from its sums.

use std::time::Duration;

use wss_model::config::tls::CostSplit;
use wss_model::run_result::HandshakeCost;
use wss_model::server_stats::{CryptoTime, HandshakeTotals};

/// CPU time below which its part in the kernel is not told: the kernel takes a sample a tick, and of a hundred ticks
/// a share is known to some 5%.
const LEAST_CPU_TO_SPLIT: Duration = Duration::from_secs(1);

/// Means over the completed handshakes; `cpu` is the end's CPU time in the phase with its part in the kernel, and
/// `timing_ns` what one timed call costs. `None` if none was completed.
#[allow(clippy::cast_precision_loss)] // sums stay far below 2^52
pub(super) fn cost(
    totals: &HandshakeTotals,
    cpu: Option<(Duration, Duration)>,
    split: CostSplit,
    timing_ns: f64,
) -> Option<HandshakeCost> {
    if totals.count == 0 {
        return None;
    }
    let mean = |ns: u64| ns as f64 / totals.count as f64;
    let CryptoTime {
        key_exchange_start_ns,
        key_exchange_complete_ns,
        sign_ns,
        verify_ns,
        aead_ns,
        hash_ns,
        socket_ns,
        calls,
    } = totals.crypto;
    let timed = |ns: u64| (split != CostSplit::Off).then(|| mean(ns));
    let timed_of_all = |ns: u64| (split == CostSplit::All).then(|| mean(ns));
    let busy_ns = mean(totals.busy_ns);
    let socket = mean(socket_ns);
    let each = |time: Duration| time.as_nanos() as f64 / totals.count as f64;
    let system = cpu.filter(|(all, _)| *all >= LEAST_CPU_TO_SPLIT).map(|(_, system)| each(system));
    let cpu = cpu.map(|(all, _)| each(all));
    Some(HandshakeCost {
        busy_ns,
        key_exchange_start_ns: timed(key_exchange_start_ns),
        key_exchange_complete_ns: timed(key_exchange_complete_ns),
        sign_ns: timed(sign_ns),
        verify_ns: timed(verify_ns),
        aead_ns: timed_of_all(aead_ns),
        hash_ns: timed_of_all(hash_ns),
        socket_ns: timed(socket_ns),
        rest_ns: busy_ns - mean(totals.crypto.primitives_ns()) - socket,
        timer_overhead_ns: mean(calls) * timing_ns,
        cpu_ns: cpu,
        system_ns: system,
        unexplained_ns: cpu.zip(system).map(|(all, system)| all - (busy_ns - socket) - system),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let crypto = CryptoTime {
            key_exchange_start_ns: 30_000,
            key_exchange_complete_ns: 50_000,
            sign_ns: 20_000,
            verify_ns: 0,
            aead_ns: 5_000,
            hash_ns: 15_000,
            socket_ns: 40_000,
            calls: 100,
        };
        let totals = HandshakeTotals { count: 10, busy_ns: 300_000, crypto, ticket_bytes: 0 };
        let cpu = (Duration::from_secs(1), Duration::from_millis(600));
        let cost = cost(&totals, Some(cpu), CostSplit::All, 50.0).unwrap();
        let parts = [
            cost.key_exchange_start_ns,
            cost.key_exchange_complete_ns,
            cost.sign_ns,
            cost.verify_ns,
            cost.aead_ns,
            cost.hash_ns,
            cost.socket_ns,
            Some(cost.rest_ns),
        ];
        assert_eq!(parts.into_iter().flatten().sum::<f64>(), cost.busy_ns);
        assert_eq!(cost.cpu_ns, Some(30_000.0 - 4_000.0 + 60_000_000.0 + cost.unexplained_ns.unwrap()));
        assert_eq!(cost.timer_overhead_ns, 500.0);
        let short =
            super::cost(&totals, Some((Duration::from_millis(900), Duration::ZERO)), CostSplit::All, 0.0).unwrap();
        assert_eq!((short.system_ns, short.unexplained_ns), (None, None), "too few ticks to tell");
    }

    #[test]
    fn what_was_not_timed_is_absent_and_part_of_the_rest() {
        let totals = HandshakeTotals { count: 2, busy_ns: 10, crypto: CryptoTime::default(), ticket_bytes: 0 };
        let cost = cost(&totals, None, CostSplit::Off, 50.0).unwrap();
        assert_eq!((cost.sign_ns, cost.socket_ns, cost.rest_ns, cost.cpu_ns), (None, None, 5.0, None));
    }
}
