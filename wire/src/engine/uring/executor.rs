//! The executor: tokio's current-thread runtime, with the ring in the place where tokio would park.
//!
//! Tasks, wakers, join handles and channels are tokio's; only I/O and timers are ours. This relies on the following in
//! tokio (1.54.1; 1.52.4 or newer). `tests/tokio_reliance.rs` has a test for each, so that an incompatible update fails
//! there:
//!
//! 1. `on_thread_park` is called whenever no task can run, on the runtime's thread and in its context: waking a task in
//!    the hook queues it without a lock. [`park`] runs a ring iteration there.
//! 2. After the hook tokio waits on a condition variable unless something can run, and nobody else would signal it.
//!    Waking a finished task makes nothing runnable; waking a live one does. So if an iteration wakes no live task, the
//!    hook wakes the root. ([`Root`] knows whether its future was woken too.)
//! 3. A task that wakes itself or another one runs without the hook: two tasks that wake each other would starve the
//!    ring. So every task and the root are wrapped and count their polls; after [`MAX_POLLS`] polls the next one runs a
//!    ring iteration that does not wait.
//! 4. A wake from another thread queues the task and signals the condition variable, on which nobody waits. So tasks are
//!    polled with a [`ForwardingWaker`], which also unparks the ring if it waits. That covers only the root and tasks from
//!    [`spawn`]: a lint of the workspace forbids tokio's own spawn functions.
//! 5. The root is always polled with the same waker, which may be kept and woken by the hook.
//! 6. `LocalRuntime` drops its tasks when it is dropped, on this thread.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinHandle;

use super::driver::{self, Iteration};
use super::wakeup::Unparker;

/// Maximum number of task polls between two ring iterations.
const MAX_POLLS: u32 = 128;
/// Average time per poll above which writes do not wait for all runnable tasks. Twenty echoes are done at once, but twenty
/// handshakes would make their peers wait for all of them, until both ends wait for each other at times.
const SLOW: Duration = Duration::from_micros(5);
/// For how many iterations polls count as slow after a slow batch: a handshake has slow polls and fast ones.
const SLOW_ITERATIONS: u32 = 256;
/// How long a write waits for other tasks while polls are slow.
const SLICE: Duration = Duration::from_micros(50);
/// Minimum number of polls for the average: with fewer, nothing waits for long.
const MIN_BATCH: u32 = 4;

thread_local! {
    static POLLS_SINCE_ITERATION: Cell<u32> = const { Cell::new(0) };
    /// When the latest ring iteration ended.
    static LAST_ITERATION: Cell<Option<Instant>> = const { Cell::new(None) };
    /// For this many more iterations polls count as slow.
    static SLOW_FOR: Cell<u32> = const { Cell::new(0) };
    /// The root's waker: see 2.
    static ROOT: Cell<Option<Waker>> = const { Cell::new(None) };
    /// The root or a live task was woken on this thread since the hook was called: see 2.
    static WOKEN_IN_PARK: Cell<bool> = const { Cell::new(false) };
    /// Distinguishes this thread's wakers from those of other threads.
    static UNPARKER: Cell<*const Unparker> = const { Cell::new(std::ptr::null()) };
}

/// Forwards wakes to a waker of tokio's, and unparks the ring if they come from another thread.
struct ForwardingWaker {
    inner: Waker,
    unparker: Arc<Unparker>,
    /// The task is not finished. Written by its thread only.
    alive: AtomicBool,
}

impl ForwardingWaker {
    fn new(inner: &Waker) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), unparker: driver::unparker(), alive: AtomicBool::new(true) })
    }
}

impl Wake for ForwardingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inner.wake_by_ref();
        if UNPARKER.try_with(Cell::get).ok() != Some(Arc::as_ptr(&self.unparker)) {
            self.unparker.unpark();
        } else if self.alive.load(Ordering::Relaxed) {
            WOKEN_IN_PARK.set(true);
        }
    }
}

/// Caches the [`ForwardingWaker`] for the waker of tokio's that a task is polled with, which is always the same.
#[derive(Default)]
struct WakerCache(Option<(Arc<ForwardingWaker>, Waker)>);

impl WakerCache {
    fn get(&mut self, inner: &Waker) -> &Waker {
        if !self.0.as_ref().is_some_and(|(forwarding, _)| forwarding.inner.will_wake(inner)) {
            let forwarding = ForwardingWaker::new(inner);
            self.0 = Some((Arc::clone(&forwarding), Waker::from(forwarding)));
        }
        &self.0.as_ref().expect("just set").1
    }
}

impl Drop for WakerCache {
    /// The task is finished or will never be.
    fn drop(&mut self) {
        if let Some((forwarding, _)) = &self.0 {
            forwarding.alive.store(false, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// A task: see 3 and 4.
    struct Task<F> {
        #[pin]
        future: F,
        waker: WakerCache,
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        count_poll();
        let this = self.project();
        this.future.poll(&mut Context::from_waker(this.waker.get(cx.waker())))
    }
}

/// Counts a poll. Runs a ring iteration after too many of them, or if operations have waited for too long to be submitted.
fn count_poll() {
    let polls = POLLS_SINCE_ITERATION.get() + 1;
    POLLS_SINCE_ITERATION.set(polls);
    let overdue = || since_iteration() > SLICE && driver::with(|driver| driver.has_ready());
    if polls > MAX_POLLS || (SLOW_FOR.get() > 0 && overdue()) {
        run_iteration(Iteration::Poll);
    }
}

/// A task yields because its peer never pauses: its turns are long, so the next ring iteration comes after few of them.
pub(crate) fn count_yield() {
    POLLS_SINCE_ITERATION.set(POLLS_SINCE_ITERATION.get() + MAX_POLLS / 8);
}

/// The time since the latest ring iteration.
fn since_iteration() -> Duration {
    LAST_ITERATION.get().map_or(Duration::ZERO, |last| last.elapsed())
}

fn run_iteration(iteration: Iteration) {
    let polls = POLLS_SINCE_ITERATION.replace(0);
    // The clock is read once per batch, and not at all if every message is a wake-up of its own.
    let slow = polls >= MIN_BATCH && since_iteration() > SLOW * polls;
    SLOW_FOR.set(if slow { SLOW_ITERATIONS } else { SLOW_FOR.get().saturating_sub(1) });
    LAST_ITERATION.set(Some(driver::run_iteration(iteration)));
}

/// The end of the latest ring iteration: everything between two iterations happens at one instant.
pub(super) fn now() -> Instant {
    LAST_ITERATION.get().unwrap_or_else(Instant::now)
}

/// The park hook: nothing can run until an operation completes.
fn park() {
    // Without a root the runtime is being dropped.
    let Some(root) = ROOT.take() else { return };
    WOKEN_IN_PARK.set(false);
    run_iteration(Iteration::Wait);
    if !WOKEN_IN_PARK.get() {
        root.wake_by_ref();
    }
    ROOT.set(Some(root));
}

/// Spawns a task on this thread.
#[allow(clippy::disallowed_methods)] // the only place: see 4
pub(super) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    tokio::task::spawn_local(Task { future, waker: WakerCache::default() })
}

/// A runtime without tokio's drivers that parks in the ring.
///
/// # Errors
/// If tokio cannot create it.
pub(super) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().on_thread_park(park).build_local(LocalOptions::default())
}

/// Sets the unparker that identifies this thread's wakers.
pub(super) fn set_unparker(unparker: Option<&Arc<Unparker>>) {
    UNPARKER.set(unparker.map_or(std::ptr::null(), Arc::as_ptr));
}

/// Distinguishes a wake of the root future from a wake that only keeps the runtime from parking: see 2.
struct RootWaker {
    woken: AtomicBool,
    forwarding: Arc<ForwardingWaker>,
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.forwarding.wake_by_ref();
    }
}

pin_project! {
    /// The root of the runtime: polls its future only if that future was woken.
    struct Root<F> {
        #[pin]
        future: F,
        waker: Option<(Arc<RootWaker>, Waker)>,
    }
}

impl<F: Future> Future for Root<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        count_poll();
        let this = self.project();
        let (root, waker) = this.waker.get_or_insert_with(|| {
            // The same at every poll: see 5.
            ROOT.set(Some(cx.waker().clone()));
            let forwarding = ForwardingWaker::new(cx.waker());
            let root = Arc::new(RootWaker { woken: AtomicBool::new(true), forwarding });
            (Arc::clone(&root), Waker::from(root))
        });
        if !root.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        this.future.poll(&mut Context::from_waker(waker))
    }
}

/// Runs `future` and the tasks that it spawns until `future` completes.
pub(super) fn block_on<F: Future>(runtime: &LocalRuntime, future: F) -> F::Output {
    /// Also when the future panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ROOT.take();
            LAST_ITERATION.take();
        }
    }
    let _reset = Reset;
    runtime.block_on(Root { future, waker: None })
}
