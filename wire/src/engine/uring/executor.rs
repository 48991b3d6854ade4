//! The executor: tokio's current-thread runtime, with the ring in the place where tokio would wait.
//!
//! Tasks, wakers, join handles and channels are tokio's; only I/O and timers are ours. What this relies on in tokio
//! (1.54.1; 1.52.4 or newer) has a test each in `tests/tokio_reliance.rs`, so that an update that breaks it fails
//! there:
//!
//! 1. `on_thread_park` is called whenever no task can run, on the runtime's thread, in its context: waking a task in it
//!    queues the task without a lock. [`park`] enters the ring there.
//! 2. After the hook tokio waits on a condition variable unless something can run, for ever, as nobody else would wake
//!    it. A waker of a finished task makes nothing run; one of a task that lives does, at once or since earlier. So
//!    after a turn that woke no task that lives the root is woken. ([`Root`] looks whether it was meant.)
//! 3. A task that wakes itself or another is run without the hook: two that wake each other would starve the ring. So
//!    every task and the root are wrapped, and count their polls; after [`POLLS`] without a turn the next one makes one
//!    without waiting.
//! 4. A wake from another thread queues the task and signals the condition variable, which nobody waits on. So what a
//!    task is polled with is a waker of our own ([`Nudging`]) that also writes the eventfd on which the ring waits, if
//!    it does. That holds for tasks by [`spawn`] and for the root alone: a lint of the workspace forbids the raw ones.
//! 5. The root is polled with one waker always, which may be kept and woken by the hook.
//! 6. `LocalRuntime` drops its tasks where it is dropped, on this thread.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinHandle;

use super::driver;

/// Polls of tasks between two turns of the ring.
pub(super) const POLLS: u32 = 128;
/// From how long a poll on average takes on, between two turns of the ring, what tasks write does not wait for all
/// others that can run: twenty echoes are done at once, and twenty handshakes would keep their peers waiting for all of
/// them, so that at times both ends would wait for each other.
const SLOW: Duration = Duration::from_micros(5);
/// For how many turns that is so after it was seen: a handshake has slow polls and fast ones.
const SLOW_TURNS: u32 = 256;
/// How long it waits then.
const SLICE: Duration = Duration::from_micros(50);
/// From how many polls on they are looked at: of fewer nobody waits for long.
const BATCH: u32 = 4;

thread_local! {
    static POLLS_SINCE_TURN: Cell<u32> = const { Cell::new(0) };
    /// When the ring was turned over last.
    static LAST_TURN: Cell<Option<Instant>> = const { Cell::new(None) };
    /// For so many turns more polls are taken to be slow.
    static SLOW_FOR: Cell<u32> = const { Cell::new(0) };
    /// The root's waker: see 2.
    static ROOT: Cell<Option<Waker>> = const { Cell::new(None) };
    /// The root, or a task that lives, was woken on this thread since the hook was called: see 2.
    static WOKEN: Cell<bool> = const { Cell::new(false) };
    /// Tells this thread's wakers from others'.
    static BELL: Cell<*const Unparker> = const { Cell::new(std::ptr::null()) };
}

/// Rings where a thread waits in its ring for something to complete.
#[derive(Debug)]
pub(super) struct Unparker {
    eventfd: OwnedFd,
    /// The ring waits, or is about to.
    waiting: AtomicBool,
    /// Somebody rang since the ring last looked.
    rung: AtomicBool,
}

impl Unparker {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Self { eventfd, waiting: AtomicBool::new(false), rung: AtomicBool::new(false) }))
    }

    /// What the ring has to read.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.eventfd
    }

    /// Called by the thread itself before it waits; false if it must not, since somebody rang.
    ///
    /// Whoever rings says so first and then looks whether somebody waits; here it is the other way round. So one of
    /// the two sees the other (both are sequentially consistent).
    pub(super) fn may_wait(&self) -> bool {
        self.waiting.store(true, Ordering::SeqCst);
        let rung = self.rung.swap(false, Ordering::SeqCst);
        if rung {
            self.waiting.store(false, Ordering::SeqCst);
        }
        !rung
    }

    /// Called by the thread itself after it has waited.
    pub(super) fn waits_no_more(&self) {
        self.waiting.store(false, Ordering::SeqCst);
        // Swapped and not stored, so as to see all that happened before whoever rang last did.
        self.rung.swap(false, Ordering::SeqCst);
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        if self.waiting.swap(false, Ordering::SeqCst) {
            // It fails only if the count is at its end, and then the ring has something to read anyway.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
    }
}

/// A waker of tokio's that reaches the ring as well.
struct Nudging {
    inner: Waker,
    bell: Arc<Unparker>,
    /// What it wakes is not finished. Written by its thread alone.
    lives: AtomicBool,
}

impl Nudging {
    fn new(inner: &Waker) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), bell: driver::bell(), lives: AtomicBool::new(true) })
    }
}

impl Wake for Nudging {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inner.wake_by_ref();
        if BELL.try_with(Cell::get).ok() != Some(Arc::as_ptr(&self.bell)) {
            self.bell.ring();
        } else if self.lives.load(Ordering::Relaxed) {
            WOKEN.set(true);
        }
    }
}

/// Makes and remembers the [`Nudging`] waker for the one of tokio's that a task is polled with, always the same.
#[derive(Default)]
struct Wakers(Option<(Arc<Nudging>, Waker)>);

impl Wakers {
    fn of(&mut self, inner: &Waker) -> &Waker {
        if !self.0.as_ref().is_some_and(|(nudging, _)| nudging.inner.will_wake(inner)) {
            let nudging = Nudging::new(inner);
            self.0 = Some((Arc::clone(&nudging), Waker::from(nudging)));
        }
        &self.0.as_ref().expect("just made").1
    }
}

impl Drop for Wakers {
    /// The task is finished, or never will be.
    fn drop(&mut self) {
        if let Some((nudging, _)) = &self.0 {
            nudging.lives.store(false, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// A task: see 3 and 4.
    struct Task<F> {
        #[pin]
        future: F,
        wakers: Wakers,
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        count_poll();
        let this = self.project();
        this.future.poll(&mut Context::from_waker(this.wakers.of(cx.waker())))
    }
}

/// Counts a poll, and turns the ring over if there were many since it was, or if what was written has waited for long.
fn count_poll() {
    let polls = POLLS_SINCE_TURN.get() + 1;
    POLLS_SINCE_TURN.set(polls);
    let waited = || since_turn() > SLICE && driver::with(|driver| driver.is_wanted());
    if polls > POLLS || (SLOW_FOR.get() > 0 && waited()) {
        turn(false);
    }
}

/// How long tasks have run since the ring was turned over.
fn since_turn() -> Duration {
    LAST_TURN.get().map_or(Duration::ZERO, |last| last.elapsed())
}

fn turn(wait: bool) {
    let polls = POLLS_SINCE_TURN.replace(0);
    // The clock is read once a batch: where a message is a wake-up, not at all.
    let slow = polls >= BATCH && since_turn() > SLOW * polls;
    SLOW_FOR.set(if slow { SLOW_TURNS } else { SLOW_FOR.get().saturating_sub(1) });
    LAST_TURN.set(Some(driver::turn(wait)));
}

/// The instant of the last turn of the ring: what runs between two turns runs at one instant.
pub(super) fn now() -> Instant {
    LAST_TURN.get().unwrap_or_else(Instant::now)
}

/// The hook: nothing can run until something completes.
fn park() {
    // The hook of a runtime whose root is done: it is being dropped.
    let Some(root) = ROOT.take() else { return };
    WOKEN.set(false);
    turn(true);
    if !WOKEN.get() {
        root.wake_by_ref();
    }
    ROOT.set(Some(root));
}

/// Runs a task on this thread.
#[allow(clippy::disallowed_methods)] // the one place: see 4
pub(super) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    tokio::task::spawn_local(Task { future, wakers: Wakers::default() })
}

/// A runtime without drivers whose place to wait is the ring.
pub(super) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().on_thread_park(park).build_local(LocalOptions::default())
}

/// This thread's wakers are those with this bell.
pub(super) fn set_bell(bell: Option<&Arc<Unparker>>) {
    BELL.set(bell.map_or(std::ptr::null(), Arc::as_ptr));
}

/// Tells whether the root was meant when it was woken: see 2.
struct Meant {
    meant: AtomicBool,
    nudging: Arc<Nudging>,
}

impl Wake for Meant {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.meant.store(true, Ordering::SeqCst);
        self.nudging.wake_by_ref();
    }
}

pin_project! {
    /// The root of the runtime: polls its future only if that was woken itself.
    struct Root<F> {
        #[pin]
        future: F,
        meant: Option<(Arc<Meant>, Waker)>,
    }
}

impl<F: Future> Future for Root<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        count_poll();
        let this = self.project();
        let (meant, waker) = this.meant.get_or_insert_with(|| {
            // The same at each poll: see 5.
            ROOT.set(Some(cx.waker().clone()));
            let meant = Arc::new(Meant { meant: AtomicBool::new(true), nudging: Nudging::new(cx.waker()) });
            (Arc::clone(&meant), Waker::from(meant))
        });
        if !meant.meant.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        this.future.poll(&mut Context::from_waker(waker))
    }
}

/// Runs `future` and what it spawns until it is done.
pub(super) fn block_on<F: Future>(runtime: &LocalRuntime, future: F) -> F::Output {
    /// Also if the future panics.
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            ROOT.take();
            LAST_TURN.take();
        }
    }
    let _forget = Forget;
    runtime.block_on(Root { future, meant: None })
}
