//! Timers exact to the kernel's: one heap of deadlines a thread, one timerfd armed for the earliest of them.
//!
//! tokio's own timers round to 1 ms, which at 20,000 messages a second would be twenty messages late. A timerfd
//! has no slack. The timerfd is read through the reactor that both engines of today have below them; an engine
//! without a reactor drives [`fire`] by its own wait and arms itself in [`Alarm`]'s place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
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

thread_local! {
    static TIMERS: RefCell<Timers> = const { RefCell::new(Timers { queue: BTreeMap::new(), next_id: 0, alarm: None }) };
}

struct Timers {
    /// By deadline; the number tells equal deadlines apart.
    queue: BTreeMap<(Instant, u64), Rc<Sleeper>>,
    next_id: u64,
    alarm: Option<Alarm>,
}

/// What the queue and the [`Sleep`] share, so that a sleeper that is polled for another reason looks nothing up.
#[derive(Debug)]
struct Sleeper {
    due: Cell<bool>,
    waker: RefCell<Waker>,
}

/// The timerfd, and what it is armed for.
struct Alarm {
    timer: Rc<AsyncFd<OwnedFd>>,
    armed_for: Option<Instant>,
}

impl Alarm {
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
    TIMERS.with_borrow_mut(|timers| timers.alarm = Some(Alarm { timer: Rc::clone(&timer), armed_for: None }));
    Ok(async move {
        while let Ok(mut ready) = timer.readable().await {
            // Not read: the next settime clears its count, and readiness is by edge.
            ready.clear_ready();
            fire();
        }
    })
}

/// Forgets all timers of this thread: the engine has ended.
pub(super) fn clear() {
    let old = TIMERS.with_borrow_mut(|timers| (timers.alarm.take(), std::mem::take(&mut timers.queue)));
    // Wakers are dropped outside the borrow, since dropping one may drop a task that sleeps.
    drop(old);
}

/// Wakes all whose deadline has passed and arms for the next.
fn fire() {
    let now = Instant::now();
    let due = TIMERS.with_borrow_mut(|timers| {
        let later = timers.queue.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut timers.queue, later);
        let next = timers.queue.first_key_value().map(|(&(deadline, _), _)| deadline);
        if let Some(alarm) = &mut timers.alarm {
            alarm.armed_for = None;
            if let Some(deadline) = next {
                alarm.arm(deadline);
            }
        }
        due
    });
    for sleeper in due.into_values() {
        sleeper.due.set(true);
        sleeper.waker.borrow().wake_by_ref();
    }
}

/// Sleeps until a deadline: see [`Engine::sleep_until`](super::Engine::sleep_until).
#[derive(Debug)]
#[must_use = "a future sleeps only while it is awaited"]
pub struct Sleep {
    deadline: Instant,
    registered: Option<(u64, Rc<Sleeper>)>,
}

impl Sleep {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, registered: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((_, sleeper)) = &self.registered {
            if sleeper.due.get() {
                self.registered = None;
                return Poll::Ready(());
            }
            let mut waker = sleeper.waker.borrow_mut();
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        let deadline = self.deadline;
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        let sleeper = Rc::new(Sleeper { due: Cell::new(false), waker: RefCell::new(cx.waker().clone()) });
        self.registered = Some(TIMERS.with_borrow_mut(|timers| {
            let id = timers.next_id;
            timers.next_id += 1;
            timers.queue.insert((deadline, id), Rc::clone(&sleeper));
            timers.alarm.as_mut().expect("sleeping within Engine::run").arm(deadline);
            (id, sleeper)
        }));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((id, sleeper)) = self.registered.take()
            && !sleeper.due.get()
        {
            // try_with: a task may be dropped while its thread ends.
            let sleeper = TIMERS.try_with(|timers| timers.borrow_mut().queue.remove(&(self.deadline, id)));
            drop(sleeper);
        }
    }
}
