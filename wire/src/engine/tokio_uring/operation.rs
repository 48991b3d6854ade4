//! Operations of our own on tokio-uring's ring, counted while they are in flight.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;

use io_uring_0_6::cqueue;
use io_uring_0_6::squeue::Entry;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

thread_local! {
    static IN_FLIGHT: Cell<usize> = const { Cell::new(0) };
}

/// The number of operations of this thread that have not completed.
pub(super) fn in_flight() -> usize {
    IN_FLIGHT.get()
}

/// The data of an operation, counted until the operation has completed and the data is dropped.
pub(super) struct Counted<D>(pub(super) D);

impl<D> Counted<D> {
    fn new(data: D) -> Self {
        IN_FLIGHT.set(IN_FLIGHT.get() + 1);
        Self(data)
    }
}

impl<D> Drop for Counted<D> {
    fn drop(&mut self) {
        // try_with: the driver may be dropped during thread exit.
        let _ = IN_FLIGHT.try_with(|count| count.set(count.get() - 1));
    }
}

/// Returns the result together with the data.
pub(super) struct WithData<D>(PhantomData<D>);

impl<D> OneshotOutputTransform for WithData<D> {
    type Output = (io::Result<usize>, Counted<D>);
    type StoredData = Counted<D>;

    fn transform_oneshot_output(self, data: Counted<D>, completion: cqueue::Entry) -> Self::Output {
        let result =
            usize::try_from(completion.result()).map_err(|_| io::Error::from_raw_os_error(-completion.result()));
        (result, data)
    }
}

pub(super) type InFlight<D> = InFlightOneshot<Counted<D>, WithData<D>>;

/// Submits an operation. Everything that `entry` points to must belong to `data`, behind a pointer that does not move
/// with it: the driver keeps `data` until the operation has completed, even if the future is dropped.
pub(super) fn submit<D>(data: D, entry: Entry) -> InFlight<D> {
    UnsubmittedOneshot::new(Counted::new(data), WithData(PhantomData), entry).submit()
}
