//! Which load generator a connection belongs to: per run, what its connections did on this worker.
//!
//! A generator that reads the statistics of a server names its run in the upgrade request. So it can tell that the statistics
//! are those of the server that it loads, and what others do there.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wss_wire::upgrade::RunNonce;

/// Runs that a worker remembers. A further one replaces the oldest, whose connections count on, unseen.
const MAX_RUNS: usize = 16;

/// What the connections of a run did on one worker.
#[derive(Debug, Default)]
pub(crate) struct RunCounts {
    handshakes: Cell<u64>,
    messages: Cell<u64>,
}

impl RunCounts {
    /// Counts an echoed message.
    pub(crate) fn echoed(&self) {
        self.messages.set(self.messages.get() + 1);
    }
}

/// The runs of one worker.
#[derive(Debug, Default)]
pub(crate) struct Owners(RefCell<VecDeque<(RunNonce, Rc<RunCounts>)>>);

impl Owners {
    /// Counts a completed handshake of a run; returns the counts for the messages of its connection.
    pub(crate) fn handshake(&self, run: RunNonce) -> Rc<RunCounts> {
        let mut runs = self.0.borrow_mut();
        let known = runs.iter().find(|(known, _)| *known == run).map(|(_, counts)| Rc::clone(counts));
        let counts = known.unwrap_or_else(|| {
            if runs.len() == MAX_RUNS {
                runs.pop_front();
            }
            let counts = Rc::<RunCounts>::default();
            runs.push_back((run, Rc::clone(&counts)));
            counts
        });
        counts.handshakes.set(counts.handshakes.get() + 1);
        counts
    }

    /// Handshakes and messages of each run.
    pub(crate) fn snapshot(&self) -> BTreeMap<RunNonce, (u64, u64)> {
        let runs = self.0.borrow();
        runs.iter().map(|(run, counts)| (*run, (counts.handshakes.get(), counts.messages.get()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_run_and_forgets_the_oldest() {
        let owners = Owners::default();
        let run = |number: u64| RunNonce::parse(format!("{number:016x}").as_bytes()).unwrap();
        let first = owners.handshake(run(0));
        owners.handshake(run(0)).echoed();
        first.echoed();
        assert_eq!(owners.snapshot(), BTreeMap::from([(run(0), (2, 2))]));
        for number in 1..=16 {
            owners.handshake(run(number));
        }
        // Its connections may still send.
        first.echoed();
        let runs = owners.snapshot();
        assert!(runs.len() == 16 && !runs.contains_key(&run(0)) && runs[&run(16)] == (1, 0), "{runs:?}");
    }
}
