//! Timers as accurate as the kernel's: one queue of deadlines per thread, and one alarm for the earliest.
//!
//! tokio's own timers round to 1 ms; at 20,000 messages per second that is 20 messages late. The alarm is a timerfd in
//! the reactor of the epoll and tokio-uring engines ([`timerfd_task`]), or the wait of the ring itself
//! ([`use_engine_wait`]): the uring engine waits until [`next_deadline`] and then calls [`fire`].
//!
//! A message may need a timer, so the queue is a heap over reusable slots: a timer allocates nothing.

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

/// What wakes the thread at the earliest deadline.
enum Alarm {
    /// No engine runs.
    None,
    /// The engine passes the deadline to its own wait.
    EngineWait,
    Timerfd(Timerfd),
}

/// A timerfd and the deadline that it is armed for.
struct Timerfd {
    timer: Rc<AsyncFd<OwnedFd>>,
    armed_for: Option<Instant>,
}

impl Timerfd {
    /// Arms the timerfd for `deadline`, unless it already expires by then.
    fn arm(&mut self, deadline: Instant) {
        if self.armed_for.is_some_and(|armed| armed <= deadline) {
            return;
        }
        // Zero would disarm the timerfd.
        let wait = deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)
            .expect("a timerfd accepts any valid time");
        self.armed_for = Some(deadline);
    }
}

/// The task that wakes sleepers. An engine spawns it first, from within its reactor.
///
/// # Errors
/// If the timerfd cannot be created.
pub(super) fn timerfd_task() -> io::Result<impl Future<Output = ()>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // SAFETY: the AsyncFd takes over the OwnedFd, so the descriptor names the same open file and is closed by nothing
    // else while it is registered.
    #[allow(unsafe_code)]
    let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
    let timer = Rc::new(timer.map_err(io::Error::from)?);
    let alarm = Alarm::Timerfd(Timerfd { timer: Rc::clone(&timer), armed_for: None });
    TIMERS.with_borrow_mut(|timers| timers.alarm = alarm);
    Ok(async move {
        // Reused: every paced message is a timer that fires.
        let mut due = Vec::new();
        while let Ok(mut ready) = timer.readable().await {
            // Not read: the next settime clears the count, and readiness is edge-triggered.
            ready.clear_ready();
            fire(Instant::now(), &mut due);
            due.drain(..).for_each(Waker::wake);
        }
    })
}

/// The engine of this thread waits until [`next_deadline`] itself and then calls [`fire`].
pub(super) fn use_engine_wait() {
    TIMERS.with_borrow_mut(|timers| timers.alarm = Alarm::EngineWait);
}

/// Removes all timers of this thread, after the engine has ended.
pub(super) fn clear() {
    let old = TIMERS.with_borrow_mut(|timers| {
        (std::mem::replace(&mut timers.alarm, Alarm::None), std::mem::replace(&mut timers.queue, Queue::new()))
    });
    // Dropped outside the borrow: dropping a waker may drop a task that holds a `Sleep`.
    drop(old);
}

/// The earliest deadline.
pub(super) fn next_deadline() -> Option<Instant> {
    TIMERS.with_borrow(|timers| timers.queue.first())
}

/// Moves the wakers whose deadline has passed by `now` to `due`, for the caller to wake, and rearms the timerfd.
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
#[must_use = "futures do nothing unless polled"]
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
                Alarm::None => panic!("Sleep polled outside Engine::run"),
                Alarm::EngineWait => {}
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
            // try_with: a task may be dropped during thread exit. The waker is dropped outside the borrow.
            let waker = TIMERS.try_with(|timers| timers.borrow_mut().queue.remove(key));
            drop(waker);
        }
    }
}
