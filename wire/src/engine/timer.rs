//! Timers exact to the kernel's: one queue of deadlines a thread, and one thing that goes off at the earliest of them.
//!
//! tokio's own timers round to 1 ms, which at 20,000 messages a second would be twenty messages late. What goes off is
//! a timerfd, read through the reactor that the epoll and the tokio-uring engine have below them ([`driver`]), or the
//! wait of the ring itself ([`on_own_wait`]): an engine that waits by itself asks [`next`] how long and then calls
//! [`fire`].
//!
//! A message may cost a timer, so the queue is a heap over slots that are used again: nothing is allocated for one.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use self::queue::Queue;

mod queue;

thread_local! {
    static TIMERS: RefCell<Timers> = const { RefCell::new(Timers { queue: Queue::new(), alarm: Alarm::None }) };
}

struct Timers {
    queue: Queue,
    alarm: Alarm,
}

/// What goes off at the earliest deadline.
enum Alarm {
    /// No engine runs.
    None,
    /// The engine waits until then by itself.
    OwnWait,
    Timerfd(Timerfd),
}

/// The timerfd, and what it is armed for.
struct Timerfd {
    timer: Rc<AsyncFd<OwnedFd>>,
    armed_for: Option<Instant>,
}

impl Timerfd {
    /// Arms the timerfd for `deadline` unless it goes off no later anyway.
    fn arm(&mut self, deadline: Instant) {
        if self.armed_for.is_some_and(|armed| armed <= deadline) {
            return;
        }
        // A timerfd armed with zero is switched off, hence at least 1 ns.
        let wait = deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)
            .expect("a timerfd of our own takes any valid time");
        self.armed_for = Some(deadline);
    }
}

/// The task that wakes sleepers; an engine spawns it first of all, from within its reactor.
///
/// # Errors
/// If no timerfd can be made.
pub(super) fn driver() -> io::Result<impl Future<Output = ()>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // SAFETY: the descriptor is an OwnedFd that the AsyncFd takes over: it names the same open file, and nobody else
    // closes it, for as long as it is registered.
    #[allow(unsafe_code)]
    let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
    let timer = Rc::new(timer.map_err(io::Error::from)?);
    let alarm = Alarm::Timerfd(Timerfd { timer: Rc::clone(&timer), armed_for: None });
    TIMERS.with_borrow_mut(|timers| timers.alarm = alarm);
    Ok(async move {
        // Kept: a paced message is a timer that goes off.
        let mut due = Vec::new();
        while let Ok(mut ready) = timer.readable().await {
            // Not read: the next settime clears its count, and readiness is by edge.
            ready.clear_ready();
            fire(Instant::now(), &mut due);
            due.drain(..).for_each(Waker::wake);
        }
    })
}

/// The engine of this thread waits by itself, until what [`next`] says, and then calls [`fire`].
pub(super) fn on_own_wait() {
    TIMERS.with_borrow_mut(|timers| timers.alarm = Alarm::OwnWait);
}

/// Forgets all timers of this thread: the engine has ended.
pub(super) fn clear() {
    let old = TIMERS.with_borrow_mut(|timers| {
        (std::mem::replace(&mut timers.alarm, Alarm::None), std::mem::replace(&mut timers.queue, Queue::new()))
    });
    // Wakers are dropped outside the borrow, since dropping one may drop a task that sleeps.
    drop(old);
}

/// The earliest deadline.
pub(super) fn next() -> Option<Instant> {
    TIMERS.with_borrow(|timers| timers.queue.first())
}

/// Takes the wakers of all whose deadline has passed by `now`, for the caller to wake, and arms for the next.
pub(super) fn fire(now: Instant, due: &mut Vec<Waker>) {
    TIMERS.with_borrow_mut(|timers| {
        while let Some(waker) = timers.queue.take_due(now) {
            due.push(waker);
        }
        if let Alarm::Timerfd(timerfd) = &mut timers.alarm {
            timerfd.armed_for = None;
            if let Some(deadline) = timers.queue.first() {
                timerfd.arm(deadline);
            }
        }
    });
}

/// Sleeps until a deadline: see [`Engine::sleep_until`](super::Engine::sleep_until).
#[derive(Debug)]
#[must_use = "a future sleeps only while it is awaited"]
pub struct Sleep {
    deadline: Instant,
    registered: Option<queue::Key>,
}

impl Sleep {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, registered: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        if let Some(key) = self.registered {
            let slept = TIMERS.with_borrow_mut(|timers| timers.queue.poll(key, cx.waker()));
            if slept.is_ready() {
                self.registered = None;
            }
            return slept;
        }
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        self.registered = Some(TIMERS.with_borrow_mut(|timers| {
            match &mut timers.alarm {
                Alarm::None => panic!("sleeping is for within Engine::run"),
                Alarm::OwnWait => {}
                Alarm::Timerfd(timerfd) => timerfd.arm(deadline),
            }
            timers.queue.insert(deadline, cx.waker().clone())
        }));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.registered {
            // try_with: a task may be dropped while its thread ends. The waker is dropped outside the borrow.
            let waker = TIMERS.try_with(|timers| timers.borrow_mut().queue.remove(key));
            drop(waker);
        }
    }
}
