//! Where one end's time for a handshake went, as means of its totals.

use std::time::Duration;

use wss_model::config::tls::CostSplit;
use wss_model::run_result::HandshakeCost;
use wss_model::server_stats::{CryptoTime, HandshakeTotals};
use wss_model::{Layer, RunConfig};

use super::cpu_accounting::Cpu;

/// Least CPU time whose part in the kernel is reported: the kernel samples it once per tick, and with a hundred ticks a
/// share is accurate to about 5%.
const MIN_CPU_TO_SPLIT: Duration = Duration::from_secs(1);

/// Splits the cost of handshakes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostSplitter {
    split: CostSplit,
    /// Cost of one timed call, in nanoseconds.
    timer_ns: f64,
}

impl CostSplitter {
    /// As `--cost-split` requests. Without TLS nothing is split: the parts would be zeros that nobody measured.
    pub(super) fn new(config: &RunConfig, layer: Layer, timer_ns: f64) -> Self {
        Self { split: if layer.has_tls() { config.tls.cost_split() } else { CostSplit::Off }, timer_ns }
    }

    /// Means over the completed handshakes of one end; `None` if there are none. `cpu`: what the end used in the phase.
    #[allow(clippy::cast_precision_loss)] // sums stay far below 2^52
    pub(super) fn cost(self, totals: &HandshakeTotals, cpu: Option<Cpu>) -> Option<HandshakeCost> {
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
        let timed = |ns: u64| (self.split != CostSplit::Off).then(|| mean(ns));
        let timed_in_all = |ns: u64| (self.split == CostSplit::All).then(|| mean(ns));
        let busy_ns = mean(totals.busy_ns);
        let socket = mean(socket_ns);
        let per_handshake = |time: Duration| time.as_nanos() as f64 / totals.count as f64;
        let system = cpu.filter(|cpu| cpu.total >= MIN_CPU_TO_SPLIT).map(|cpu| per_handshake(cpu.system));
        let cpu = cpu.map(|cpu| per_handshake(cpu.total));
        Some(HandshakeCost {
            busy_ns,
            key_exchange_start_ns: timed(key_exchange_start_ns),
            key_exchange_complete_ns: timed(key_exchange_complete_ns),
            sign_ns: timed(sign_ns),
            verify_ns: timed(verify_ns),
            aead_ns: timed_in_all(aead_ns),
            hash_ns: timed_in_all(hash_ns),
            socket_ns: timed(socket_ns),
            rest_ns: busy_ns - mean(totals.crypto.primitives_ns()) - socket,
            timer_overhead_ns: mean(calls) * self.timer_ns,
            cpu_ns: cpu,
            system_ns: system,
            unexplained_ns: cpu.zip(system).map(|(cpu, system)| cpu - (busy_ns - socket) - system),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_total() {
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
        let cpu = Cpu { total: Duration::from_secs(1), system: Duration::from_millis(600) };
        let splitter = CostSplitter { split: CostSplit::All, timer_ns: 50.0 };
        let cost = splitter.cost(&totals, Some(cpu)).unwrap();
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
        let short = Cpu { total: Duration::from_millis(900), system: Duration::ZERO };
        let short = splitter.cost(&totals, Some(short)).unwrap();
        assert_eq!((short.system_ns, short.unexplained_ns), (None, None), "too few ticks");
    }

    #[test]
    fn time_that_was_not_measured_is_part_of_the_rest() {
        let totals = HandshakeTotals { count: 2, busy_ns: 10, crypto: CryptoTime::default(), ticket_bytes: 0 };
        let splitter = CostSplitter { split: CostSplit::Off, timer_ns: 50.0 };
        let cost = splitter.cost(&totals, None).unwrap();
        assert_eq!((cost.sign_ns, cost.socket_ns, cost.rest_ns, cost.cpu_ns), (None, None, 5.0, None));
    }
}
