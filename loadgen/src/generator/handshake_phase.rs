//! A phase of handshakes on one thread: when each is due, how many at a time, what becomes of the connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;
use wss_wire::engine::Engine;

use super::close::close;
use super::connection::exchange;
use super::handshake::{Due, open};
use super::plan::{Afterwards, HandshakePlan, Pace, Until};
use super::schedule::Schedule;
use super::worker::Context;

/// Handshakes under way on this thread.
#[derive(Default)]
struct UnderWay {
    count: Cell<usize>,
    ended: Notify,
}

impl UnderWay {
    async fn fewer_than(&self, most: usize) {
        while self.count.get() >= most {
            self.ended.notified().await;
        }
    }
}

/// Does this thread's share of the handshakes of a plan, and waits for all of them.
pub(crate) async fn open_planned<E: Engine>(context: &Rc<Context>, plan: HandshakePlan) {
    let under_way = Rc::new(UnderWay::default());
    match plan.spec.pace {
        Pace::Rate { rate, arrivals } => {
            let mut schedule =
                Schedule::new(plan.clock.clone(), rate, context.number, context.threads, arrivals, context.seed);
            let mut done = 0;
            while more(context, &plan, done, schedule.peek()) {
                let planned = schedule.peek();
                tokio::select! {
                    biased;
                    () = E::sleep_until(planned) => {}
                    () = context.stopping() => break,
                }
                schedule.advance();
                done += 1;
                // A limit of the generator: what it costs shows as lateness.
                under_way.fewer_than(context.limits.max_connecting).await;
                let now = Instant::now();
                until::<E>(context, now, plan.clock.next_allowed_late(now)).await;
                begin::<E>(context, &plan, &under_way, planned);
            }
        }
        Pace::Closed { concurrency } => {
            E::sleep_until(plan.clock.start()).await;
            let most = share(concurrency, context).max(1);
            let mut done = 0;
            loop {
                under_way.fewer_than(most).await;
                let now = Instant::now();
                until::<E>(context, now, plan.clock.next_allowed(now)).await;
                let now = Instant::now();
                if context.stopped() || hopeless(context, most) || !more(context, &plan, done, now) {
                    break;
                }
                done += 1;
                begin::<E>(context, &plan, &under_way, now);
            }
        }
    }
    under_way.fewer_than(1).await;
}

/// Waits until a turn of its own begins, if it is not `now`.
async fn until<E: Engine>(context: &Context, now: Instant, open: Instant) {
    if open > now {
        tokio::select! {
            biased;
            () = E::sleep_until(open) => {}
            () = context.stopping() => {}
        }
    }
}

/// Whether as many as go at a time have failed and none has succeeded: with a server that does not answer, each
/// further one would cost its whole timeout.
fn hopeless(context: &Context, concurrency: usize) -> bool {
    let handshakes = context.handshakes.borrow();
    handshakes.completed == 0 && handshakes.failures.count() >= concurrency as u64
}

/// This thread's share of a number over all threads.
pub(super) fn share(total: usize, context: &Context) -> usize {
    total / context.threads + usize::from(context.number < total % context.threads)
}

fn more(context: &Context, plan: &HandshakePlan, done: usize, next: Instant) -> bool {
    match plan.spec.until {
        Until::Count(count) => done < share(count, context),
        Until::Elapsed(time) => next < plan.clock.end(time),
    }
}

/// Starts a handshake in a task of its own.
fn begin<E: Engine>(context: &Rc<Context>, plan: &HandshakePlan, under_way: &Rc<UnderWay>, planned: Instant) {
    context.handshakes.borrow_mut().planned += 1;
    under_way.count.set(under_way.count.get() + 1);
    let (context, under_way) = (Rc::clone(context), Rc::clone(under_way));
    let (afterwards, first_echo) = (plan.spec.afterwards, plan.first_echo);
    let resume = plan.spec.may_resume && context.resumes_next();
    let closed_loop = matches!(plan.spec.pace, Pace::Closed { .. });
    E::spawn(async move {
        let now = Instant::now();
        {
            let mut handshakes = context.handshakes.borrow_mut();
            handshakes.started += 1;
            handshakes.last.begun = Some(now);
        }
        // A closed loop plans nothing: it is never late.
        let planned = if closed_loop { now } else { planned };
        match open::<E>(&context, Due { planned, first_echo, resume }).await {
            Err(failure) => context.fail_handshake(failure),
            Ok((channel, mut timing)) => {
                if closed_loop {
                    timing.lateness = std::time::Duration::ZERO;
                }
                context.complete_handshake(Instant::now(), timing);
                match afterwards {
                    Afterwards::Keep => {
                        let orders = context.connection_opened();
                        E::spawn(exchange::<E>(channel, Rc::clone(&context), orders));
                    }
                    Afterwards::Close { server_closes } => close::<E>(&context, channel, server_closes).await,
                }
            }
        }
        under_way.count.set(under_way.count.get() - 1);
        under_way.ended.notify_one();
    });
}
