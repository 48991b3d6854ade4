//! A phase of handshakes on one thread: when each starts, how many at a time, what happens to the connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;
use wss_wire::engine::Engine;

use super::close::close;
use super::connection;
use super::context::Context;
use super::handshake::{self, Attempt};
use super::plan::{Afterwards, HandshakePlan, Pace, RunPhase, Until};
use super::schedule::Schedule;
use super::subscription;

/// Failures after which an open loop before the measurement gives up if nothing has succeeded.
const HOPELESS: usize = 64;

/// The handshakes under way on this thread.
#[derive(Default)]
struct HandshakesUnderWay {
    count: Cell<usize>,
    ended: Notify,
}

impl HandshakesUnderWay {
    async fn wait_for_fewer_than(&self, limit: usize) {
        while self.count.get() >= limit {
            self.ended.notified().await;
        }
    }
}

/// Performs this thread's share of the handshakes, and waits for all of them.
pub(crate) async fn run<E: Engine>(context: &Rc<Context>, plan: HandshakePlan) {
    let under_way = Rc::new(HandshakesUnderWay::default());
    match plan.spec.pace {
        Pace::Rate { rate, arrivals } => {
            let schedule =
                Schedule::new(plan.clock.clone(), rate, context.number, context.threads, arrivals, context.seed);
            open_loop::<E>(context, &plan, &under_way, schedule).await;
        }
        Pace::Closed { concurrency } => {
            let concurrency = context.share(concurrency).max(1);
            closed_loop::<E>(context, &plan, &under_way, concurrency).await;
        }
    }
    under_way.wait_for_fewer_than(1).await;
}

async fn open_loop<E: Engine>(
    context: &Rc<Context>,
    plan: &HandshakePlan,
    under_way: &Rc<HandshakesUnderWay>,
    mut schedule: Schedule,
) {
    let mut started = 0;
    while continues(context, plan, started, schedule.peek()) {
        let prepares = matches!(plan.spec.phase, RunPhase::Sessions | RunPhase::WarmUp);
        if prepares && is_hopeless(context, HOPELESS) {
            return;
        }
        let planned = schedule.peek();
        tokio::select! {
            biased;
            () = E::sleep_until(planned) => {}
            () = context.wait_for_stop() => return,
        }
        schedule.advance();
        started += 1;
        // A limit of the generator: waiting for it shows as lateness.
        under_way.wait_for_fewer_than(context.limits.max_connecting).await;
        let now = Instant::now();
        wait_until::<E>(context, now, plan.clock.next_allowed_late(now)).await;
        spawn_handshake::<E>(context, plan, under_way, Some(planned));
    }
    if let Until::Elapsed(time) = plan.spec.until {
        // The phase lasts as long as requested, however rare its handshakes are.
        wait_until::<E>(context, Instant::now(), plan.clock.end(time)).await;
    }
}

async fn closed_loop<E: Engine>(
    context: &Rc<Context>,
    plan: &HandshakePlan,
    under_way: &Rc<HandshakesUnderWay>,
    concurrency: usize,
) {
    E::sleep_until(plan.clock.start()).await;
    let mut started = 0;
    loop {
        under_way.wait_for_fewer_than(concurrency).await;
        let now = Instant::now();
        wait_until::<E>(context, now, plan.clock.next_allowed(now)).await;
        let now = Instant::now();
        if context.stopped() || is_hopeless(context, concurrency) || !continues(context, plan, started, now) {
            break;
        }
        started += 1;
        spawn_handshake::<E>(context, plan, under_way, None);
    }
}

/// Waits until `instant`, such as the start of this run's next slice, unless it has passed by `now`.
async fn wait_until<E: Engine>(context: &Context, now: Instant, instant: Instant) {
    if instant > now {
        tokio::select! {
            biased;
            () = E::sleep_until(instant) => {}
            () = context.wait_for_stop() => {}
        }
    }
}

/// Whether none has succeeded and this many have failed: with a server that does not answer, each further one would cost
/// its whole timeout.
fn is_hopeless(context: &Context, failures: usize) -> bool {
    let handshakes = context.handshakes.borrow();
    handshakes.completed == 0 && handshakes.failures.count() >= failures as u64
}

/// Whether a handshake at `next` is still part of the phase.
fn continues(context: &Context, plan: &HandshakePlan, started: usize, next: Instant) -> bool {
    match plan.spec.until {
        Until::Count(count) => started < context.share(count),
        Until::Elapsed(time) => next < plan.clock.end(time),
    }
}

/// Starts a handshake in a task of its own.
fn spawn_handshake<E: Engine>(
    context: &Rc<Context>,
    plan: &HandshakePlan,
    under_way: &Rc<HandshakesUnderWay>,
    planned: Option<Instant>,
) {
    context.handshakes.borrow_mut().planned += 1;
    under_way.count.set(under_way.count.get() + 1);
    let (context, under_way) = (Rc::clone(context), Rc::clone(under_way));
    let afterwards = plan.spec.afterwards;
    let resume = plan.spec.may_resume && context.next_resumes();
    let attempt = Attempt { planned, first_echo: plan.first_echo, resume };
    E::spawn(async move {
        context.handshake_started(Instant::now());
        match handshake::perform::<E>(&context, attempt).await {
            Err(failure) => context.handshake_failed(failure),
            Ok((channel, sample)) => {
                context.handshake_completed(Instant::now(), sample);
                match afterwards {
                    Afterwards::Keep => {
                        let orders = context.add_connection();
                        let context = Rc::clone(&context);
                        if context.subscribes {
                            E::spawn(subscription::run::<E>(channel, context, orders));
                        } else {
                            E::spawn(connection::run::<E>(channel, context, orders));
                        }
                    }
                    Afterwards::Close { server_closes } => close::<E>(&context, channel, server_closes).await,
                }
            }
        }
        under_way.count.set(under_way.count.get() - 1);
        under_way.ended.notify_one();
    });
}
