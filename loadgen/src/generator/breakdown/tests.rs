//! Checks [`Timeline`] against a simulation that attributes every microsecond on its own.

use proptest::prelude::*;

use super::*;

const US: Duration = Duration::from_micros(1);
const NS_PER_US: u64 = 1000;

/// A connection, in microseconds. Both ends may stall; the server echoes one message after another.
#[derive(Debug, Clone)]
struct Scenario {
    in_flight: usize,
    /// Per message: the time since the plan of the one before, the work of the server, and the delay of its submission.
    messages: Vec<(u64, u64, u64)>,
    /// Start and length.
    generator_stalls: Vec<(u64, u64)>,
    server_stalls: Vec<(u64, u64)>,
}

/// What happened to a message.
#[derive(Debug, Clone, Default)]
struct Fate {
    planned: u64,
    possible: u64,
    sent: u64,
    submitted: u64,
    kernel: u64,
    read: u64,
    /// The last instant before `read` at which the generator looked.
    looked: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Parts {
    server: u64,
    connection: u64,
    generator: u64,
}

fn stalled(stalls: &[(u64, u64)], at: u64) -> bool {
    stalls.iter().any(|&(start, length)| (start..start + length).contains(&at))
}

/// Advances both ends in steps of one microsecond.
fn simulate(scenario: &Scenario) -> Vec<Fate> {
    let count = scenario.messages.len();
    let mut fates = vec![Fate::default(); count];
    let mut plan = 0;
    for (fate, message) in fates.iter_mut().zip(&scenario.messages) {
        plan += message.0;
        fate.planned = plan;
    }
    let (mut sent, mut echoed, mut read) = (0, 0, 0);
    let mut work_left: Option<u64> = None;
    let (mut looked, mut submitted) = (0, 0);
    let mut now = 0;
    while read < count {
        assert!(now < 1_000_000, "the simulation does not end");
        // The server works during the microsecond before `now`.
        if now > 0 && echoed < sent && !stalled(&scenario.server_stalls, now - 1) && fates[echoed].submitted < now {
            let left = work_left.get_or_insert(scenario.messages[echoed].1);
            *left -= 1;
            if *left == 0 {
                work_left = None;
                fates[echoed].kernel = now;
                echoed += 1;
            }
        }
        if !stalled(&scenario.generator_stalls, now) {
            while read < echoed {
                (fates[read].read, fates[read].looked) = (now, looked);
                read += 1;
            }
            while sent < count && fates[sent].planned <= now && sent - read < scenario.in_flight {
                let freed = sent.checked_sub(scenario.in_flight).map_or(0, |blocker| fates[blocker].read);
                let fate = &mut fates[sent];
                fate.possible = freed.max(fate.planned);
                fate.sent = now;
                submitted = submitted.max(now + scenario.messages[sent].2);
                fate.submitted = submitted;
                sent += 1;
            }
            looked = now;
        }
        now += 1;
    }
    fates
}

/// Attributes every microsecond of a response time, straight from the definition.
fn true_parts(fates: &[Fate], number: usize) -> Parts {
    let mut parts = Parts::default();
    let fate = &fates[number];
    for at in fate.planned..fate.read {
        let earlier_held = fates[..number].iter().any(|other| {
            // When a message was submitted is known once its echo was read.
            let until = if other.read <= fate.sent { other.submitted } else { other.sent };
            (other.possible..until).contains(&at) || (other.kernel..other.read).contains(&at)
        });
        let part = if at >= fate.kernel {
            &mut parts.generator
        } else if at >= fate.submitted {
            &mut parts.server
        } else if at >= fate.possible || earlier_held {
            &mut parts.generator
        } else {
            &mut parts.connection
        };
        *part += 1;
    }
    parts
}

/// Runs the timeline over the events of a simulation, in their order.
fn breakdowns(scenario: &Scenario, fates: &[Fate], kernel_clock: bool) -> Vec<Breakdown> {
    let origin = Instant::now();
    let at = |us: u64| origin + Duration::from_micros(us);
    let mut timeline = Timeline::default();
    timeline.begin(scenario.in_flight);
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        // At one instant the generator reads first.
        events.push((fate.read, false, number));
        events.push((fate.sent, true, number));
    }
    events.sort_unstable();
    let mut sent: Vec<Option<SentMessage>> = vec![None; fates.len()];
    let mut found = vec![Breakdown::default(); fates.len()];
    for (_, sends, number) in events {
        let fate = &fates[number];
        if sends {
            let freed = timeline.freed();
            let possible = freed.map_or(at(fate.planned), |freed| freed.max(at(fate.planned)));
            assert_eq!(possible, at(fate.possible), "message {number}");
            sent[number] = Some(timeline.send_planned(at(fate.planned), possible, at(fate.sent), 0));
        } else {
            let arrival = Arrival {
                submitted: Some(at(fate.submitted)),
                kernel: kernel_clock.then(|| at(fate.kernel)),
                look: Some(Look { number: 1, ended: at(fate.read), unseen: US * (fate.read - fate.looked) as u32 }),
                read: at(fate.read),
            };
            found[number] = of_reply(&sent[number].expect("sent before it is read"), &arrival, Some(&mut timeline));
        }
    }
    found
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let stalls = || prop::collection::vec((0u64..2500, 1u64..600), 0..4);
    let messages = prop::collection::vec((0u64..60, 1u64..40, 0u64..4), 1..60);
    (prop::sample::select(vec![1usize, 2, 4, 8]), messages, stalls(), stalls()).prop_map(
        |(in_flight, messages, generator_stalls, server_stalls)| Scenario {
            in_flight,
            messages,
            generator_stalls,
            server_stalls,
        },
    )
}

proptest! {
    #[test]
    fn with_a_kernel_clock_the_parts_are_exact(scenario in scenarios()) {
        let fates = simulate(&scenario);
        for (number, found) in breakdowns(&scenario, &fates, true).into_iter().enumerate() {
            let truth = true_parts(&fates, number);
            let expected = Breakdown {
                server: truth.server * NS_PER_US,
                connection: truth.connection * NS_PER_US,
                generator: truth.generator * NS_PER_US,
                unknown: 0,
            };
            prop_assert_eq!(found, expected, "message {} of {:?}", number, fates[number]);
        }
    }

    #[test]
    fn without_one_they_bound_the_truth_and_sum_to_the_response_time(scenario in scenarios()) {
        let fates = simulate(&scenario);
        for (number, found) in breakdowns(&scenario, &fates, false).into_iter().enumerate() {
            let (fate, truth) = (&fates[number], true_parts(&fates, number));
            prop_assert_eq!(found.total(), (fate.read - fate.planned) * NS_PER_US);
            let generator = truth.generator * NS_PER_US;
            prop_assert!(found.generator <= generator && generator <= found.generator + found.unknown, "{:?} {:?}", found, truth);
            prop_assert!(found.server <= truth.server * NS_PER_US, "{:?} {:?}", found, truth);
            prop_assert!(found.connection <= truth.connection * NS_PER_US, "{:?} {:?}", found, truth);
        }
    }

    #[test]
    fn a_server_that_stalls_never_makes_the_generator_late(mut scenario in scenarios()) {
        scenario.generator_stalls.clear();
        scenario.messages.iter_mut().for_each(|message| message.2 = 0);
        let fates = simulate(&scenario);
        for found in breakdowns(&scenario, &fates, true) {
            prop_assert_eq!(found.own(), Duration::ZERO);
        }
    }
}

#[test]
fn a_stall_of_the_generator_is_blamed_for_all_messages_that_it_delayed() {
    // A message every 10 µs; the server takes 1 µs; the generator stalls from 100 to 200 µs.
    let scenario = Scenario {
        in_flight: 1,
        messages: vec![(10, 1, 0); 30],
        generator_stalls: vec![(100, 100)],
        server_stalls: vec![],
    };
    let fates = simulate(&scenario);
    let found = breakdowns(&scenario, &fates, true);
    let late: Vec<_> = found.iter().filter(|found| found.generator >= 10 * NS_PER_US).collect();
    assert_eq!(late.len(), 10);
    // The backlog that remains after the stall waits for its own connection, a microsecond per message.
    assert!(found.iter().all(|found| found.connection <= 12 * NS_PER_US), "{found:?}");
}

#[test]
fn any_reply_frees_a_place_whichever_message_it_belongs_to() {
    let origin = Instant::now();
    let at = |us: u32| origin + US * us;
    let mut timeline = Timeline::default();
    timeline.begin(2);
    let first = timeline.send_planned(at(0), at(0), at(0), AT_ONCE);
    let second = timeline.send_planned(at(1), at(1), at(1), AT_ONCE);
    assert_eq!(timeline.freed(), None);
    let reply = |us| Arrival { submitted: None, kernel: Some(at(us)), look: None, read: at(us) };
    let of_second = of_reply(&second, &reply(50), Some(&mut timeline));
    assert_eq!((of_second.server, of_second.total()), (49 * NS_PER_US, 49 * NS_PER_US));
    assert_eq!(timeline.freed(), Some(at(50)));
    // The third was due at 10 and had to wait for the second one, not for the first.
    let third = timeline.send_planned(at(10), at(50), at(50), AT_ONCE);
    let of_third = of_reply(&third, &reply(70), Some(&mut timeline));
    assert_eq!((of_third.connection, of_third.server), (40 * NS_PER_US, 20 * NS_PER_US));
    let of_first = of_reply(&first, &reply(80), Some(&mut timeline));
    assert_eq!((of_first.server, of_first.total()), (80 * NS_PER_US, 80 * NS_PER_US));
    assert_eq!(timeline.freed(), Some(at(70)));
}

#[test]
fn the_delay_of_a_publisher_is_time_of_the_server() {
    let origin = Instant::now();
    let at = |us: u32| origin + US * us;
    let message = SentMessage::published(at(0), at(30));
    // Found by a look at 100 that had not looked since 60, and read at 110.
    let look = Look { number: 1, ended: at(100), unseen: US * 40 };
    let arrival = Arrival { submitted: None, kernel: None, look: Some(look), read: at(110) };
    let found = of_reply(&message, &arrival, None);
    assert_eq!((found.server, found.unknown, found.generator), (60 * NS_PER_US, 40 * NS_PER_US, 10 * NS_PER_US));
    assert_eq!(found.total(), 110 * NS_PER_US);
    // It cannot have arrived before it was sent.
    let look = Look { unseen: US * 90, ..look };
    let found = of_reply(&message, &Arrival { look: Some(look), ..arrival }, None);
    assert_eq!((found.server, found.unknown), (30 * NS_PER_US, 70 * NS_PER_US));
}

#[test]
fn intervals_merge_in_any_order() {
    let origin = Instant::now();
    let at = |us: u64| origin + Duration::from_micros(us);
    let mut intervals = Intervals::default();
    for (from, to) in [(10, 20), (30, 40), (15, 32), (50, 60), (45, 47), (5, 5), (60, 61)] {
        intervals.add(at(from), at(to));
    }
    assert_eq!(intervals.0, [(at(10), at(40)), (at(45), at(47)), (at(50), at(61))]);
    assert_eq!(intervals.overlap(at(0), at(100)), US * 43);
    assert_eq!(intervals.overlap(at(38), at(46)), US * 3);
    intervals.forget_before(at(46));
    assert_eq!(intervals.overlap(at(0), at(100)), US * 13);
}
