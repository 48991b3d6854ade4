//! A limit on the unfinished messages of all connections together: [`BufferBudget`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An unfinished message up to this size is never refused, so that peers with large messages cannot shut out all others.
const ALWAYS_ALLOWED: usize = 64 * 1024;

/// The bytes of unfinished messages that all connections may hold together, but for 64 KiB of each.
#[derive(Debug)]
pub struct BufferBudget {
    limit: usize,
    held: AtomicUsize,
}

impl BufferBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0) })
    }
}

/// What one connection holds of a budget. It is given back when dropped.
#[derive(Debug)]
pub(super) struct BudgetShare {
    budget: Arc<BufferBudget>,
    held: usize,
}

impl BudgetShare {
    pub(super) fn new(budget: &Arc<BufferBudget>) -> Self {
        Self { budget: Arc::clone(budget), held: 0 }
    }

    /// Holds `bytes` from now on. Returns the limit, and holds nothing, if the budget does not allow it.
    ///
    /// Without an unfinished message before and after, as with almost all messages, this touches nothing that other threads
    /// use.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), usize> {
        if bytes > self.held {
            let more = bytes - self.held;
            // The order of threads does not matter: each addition counts before the total is compared.
            let total = self.budget.held.fetch_add(more, Ordering::Relaxed) + more;
            self.held = bytes;
            if total > self.budget.limit && bytes > ALWAYS_ALLOWED {
                self.release(0);
                return Err(self.budget.limit);
            }
        } else if bytes < self.held {
            self.release(bytes);
        }
        Ok(())
    }

    fn release(&mut self, left: usize) {
        self.budget.held.fetch_sub(self.held - left, Ordering::Relaxed);
        self.held = left;
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.release(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_always_allowed_and_everything_is_given_back() {
        let budget = BufferBudget::new(3 * ALWAYS_ALLOWED);
        let [mut one, mut two, mut three] = [0; 3].map(|_| BudgetShare::new(&budget));
        assert_eq!(one.hold(2 * ALWAYS_ALLOWED), Ok(()));
        assert_eq!(two.hold(ALWAYS_ALLOWED), Ok(()));
        assert_eq!(two.hold(ALWAYS_ALLOWED + 1), Err(3 * ALWAYS_ALLOWED));
        // What was refused is not held.
        assert_eq!(budget.held.load(Ordering::Relaxed), 2 * ALWAYS_ALLOWED);
        assert_eq!(three.hold(ALWAYS_ALLOWED), Ok(()));
        assert_eq!(two.hold(ALWAYS_ALLOWED), Ok(()));
        assert_eq!(one.hold(0), Ok(()));
        assert_eq!(two.hold(2 * ALWAYS_ALLOWED), Ok(()));
        drop((one, two, three));
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
