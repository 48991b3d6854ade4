//! A phase of messages on one thread: the share that each of its connections has in the plan.

use super::context::Context;
use super::plan::{EchoOrder, EchoPlan, Order};
use super::schedule::Schedule;

/// Orders every connection to exchange its share of the messages, and waits until all are done.
pub(crate) async fn run(context: &Context, plan: &EchoPlan) {
    context.order_all(|number| Order::Echo(echo_order(context, plan, number))).await;
}

/// The share of this thread's connection `number`.
fn echo_order(context: &Context, plan: &EchoPlan, number: usize) -> EchoOrder {
    // Streams of different threads alternate, so that their planned instants interleave.
    let stream = (number * context.threads + context.number).min(plan.connections.saturating_sub(1));
    let schedule = plan
        .rate
        .map(|rate| Schedule::new(plan.clock.clone(), rate, stream, plan.connections, plan.arrivals, context.seed));
    EchoOrder {
        schedule,
        clock: plan.clock.clone(),
        end: plan.end,
        grace_end: plan.clock.grace_end(plan.end, context.limits.overdue_timeout.0),
        in_flight: plan.in_flight,
    }
}
