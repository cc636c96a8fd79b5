//! The controller on a simulated link. Loss and order are seeded, so every bound holds or does not.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use quinn::congestion::Controller as _;

use super::simulation::{Link, MTU, Seen, Simulation, TURN};
use super::{Bdp, MIN_PIPE_DATAGRAMS};

#[test]
fn random_loss_costs_little_more_than_what_is_lost() {
    for (loss, bound) in [(0.0, 0.97), (0.001, 0.95), (0.01, 0.93)] {
        for rtt in [1, 5, 20, 80] {
            let mut simulation = Simulation::new(link(100, rtt, loss), 1);
            simulation.run(3 * SECOND);
            let span = 7 * SECOND;
            let seen = simulation.run(span).remove(0);
            let used = seen.delivered as f64 / (simulation.link.rate * span.as_secs_f64());
            assert!(used >= bound, "{loss} at {rtt} ms: {used:.3}");
            // The queue took next to nothing on top.
            let lost = (seen.dropped * MTU) as f64 / seen.delivered as f64;
            assert!(lost < loss * 1.5 + 0.002, "{loss} at {rtt} ms: {lost:.4}");
        }
    }
}

/// From the first datagram on, as a migration of a second would see it.
#[test]
fn starts_fast() {
    for (mbit, rtt, loss, bound) in [
        (1000, 20, 0.001, 0.80),
        (1000, 5, 0.0, 0.93),
        (100, 20, 0.01, 0.80),
    ] {
        let mut simulation = Simulation::new(link(mbit, rtt, loss), 1);
        let used = utilisation(&mut simulation, SECOND);
        assert!(used >= bound, "{mbit} Mbit/s, {rtt} ms, {loss}: {used:.3}");
    }
}

/// More than chance, and nothing to be gained by yielding: it must not spiral down.
#[test]
fn heavy_random_loss_does_not_end_it() {
    let mut simulation = Simulation::new(link(100, 20, 0.05), 1);
    simulation.run(3 * SECOND);
    let early = utilisation(&mut simulation, 3 * SECOND);
    simulation.run(10 * SECOND);
    let late = utilisation(&mut simulation, 3 * SECOND);
    assert!(
        late > 0.2 && late > early * 0.5,
        "{early:.3}, then {late:.3}"
    );
}

/// However long the queue is, little of it is used: 4 ms that stand, 2 ms of a burst, and what the estimates are off.
#[test]
fn the_queue_stays_short() {
    for rtt in [1, 5, 20, 80] {
        for loss in [0.0, 0.001] {
            let queue = Duration::from_millis(200);
            let mut simulation = Simulation::new(
                Link {
                    queue,
                    ..link(100, rtt, loss)
                },
                1,
            );
            simulation.run(4 * SECOND);
            simulation.run(8 * SECOND);
            let longest = simulation.queue_max;
            assert!(
                longest < Duration::from_millis(9),
                "{rtt} ms, {loss}: {longest:?}"
            );
        }
    }
}

#[test]
fn a_rate_that_changes_is_followed() {
    for rtt in [5, 20, 80] {
        let mut simulation = Simulation::new(link(100, rtt, 0.001), 1);
        simulation.run(4 * SECOND);
        simulation.link.rate /= 5.0;
        simulation.run(3 * SECOND);
        let used = utilisation(&mut simulation, 3 * SECOND);
        let longest = simulation.queue_max;
        assert!(used > 0.9, "slower at {rtt} ms: {used:.3}");
        assert!(longest < Duration::from_millis(10), "{rtt} ms: {longest:?}");
        simulation.link.rate *= 5.0;
        simulation.run(4 * SECOND);
        let used = utilisation(&mut simulation, 3 * SECOND);
        assert!(used > 0.9, "faster again at {rtt} ms: {used:.3}");
    }
}

#[test]
fn a_way_that_becomes_longer_is_followed() {
    let mut simulation = Simulation::new(link(100, 10, 0.0), 1);
    simulation.run(3 * SECOND);
    simulation.link.rtt = Duration::from_millis(40);
    simulation.run(12 * SECOND);
    let used = utilisation(&mut simulation, 3 * SECOND);
    assert!(used > 0.9, "{used:.3}");
}

#[test]
fn an_outage_is_survived() {
    let mut simulation = Simulation::new(link(100, 20, 0.0), 1);
    simulation.run(2 * SECOND);
    simulation.link.loss = 1.0;
    let seen = simulation.run(3 * SECOND);
    assert!(seen[0].window_min >= MTU * MIN_PIPE_DATAGRAMS, "{seen:?}");
    simulation.link.loss = 0.0;
    simulation.run(2 * SECOND);
    let used = utilisation(&mut simulation, 2 * SECOND);
    assert!(used > 0.9, "{used:.3}");
}

/// Round trips that are long because nobody attended to them are no queue: a smaller window makes none of them shorter, and would
/// end as a window of a few datagrams.
#[test]
fn busy_processors_do_not_end_it() {
    for (mbit, rtt) in [(100, 1), (100, 20), (1000, 1), (1000, 20)] {
        let mut simulation = Simulation::new(link(mbit, rtt, 0.0), 1);
        simulation.link.queue = Duration::from_millis(100);
        simulation.link.away = TURN / 3 * 2;
        simulation.run(SECOND);
        let busy = utilisation(&mut simulation, 2 * SECOND);
        assert!(busy > 0.8, "{mbit} Mbit/s, {rtt} ms: {busy:.3}");
        // With time again, the queue is as short as ever.
        simulation.link.away = Duration::ZERO;
        simulation.run(SECOND);
        let used = utilisation(&mut simulation, SECOND);
        let longest = simulation.queue_max;
        assert!(used > 0.97, "{mbit} Mbit/s, {rtt} ms: {used:.3}");
        assert!(
            longest < Duration::from_millis(9),
            "{mbit} Mbit/s, {rtt} ms: {longest:?}"
        );
    }
}

#[test]
fn connections_share() {
    for rtt in [1, 20] {
        let mut simulation = Simulation::new(link(100, rtt, 0.001), 1);
        simulation.run(3 * SECOND);
        for _ in 0..3 {
            simulation.join();
        }
        simulation.run(5 * SECOND);
        let span = 10 * SECOND;
        let seen = simulation.run(span);
        let total: u64 = seen.iter().map(|seen| seen.delivered).sum();
        let used = total as f64 / (simulation.link.rate * span.as_secs_f64());
        assert!(used > 0.9, "{rtt} ms: {used:.3}");
        for one in &seen {
            let share = one.delivered as f64 / total as f64;
            assert!(
                (0.1..0.5).contains(&share),
                "{rtt} ms: {share:.3} of {seen:?}"
            );
        }
    }
}

/// quinn breaks a stream off that has more than 1024 gaps.
#[test]
fn gaps_stay_far_below_the_limit() {
    for (rtt, loss) in [(20, 0.001), (80, 0.0), (80, 0.01)] {
        let mut simulation = Simulation::new(link(1000, rtt, loss), 1);
        // The whole start, and the moment when it finds the end of the queue.
        let seen = simulation.run(SECOND * if rtt > 20 { 2 } else { 1 });
        assert!(seen[0].gaps < GAPS, "{rtt} ms, {loss}: {}", seen[0].gaps);
    }
    // Of a link that halves, every second datagram is lost for a round trip.
    let mut simulation = Simulation::new(link(1000, 20, 0.001), 1);
    simulation.run(SECOND / 2);
    simulation.link.rate /= 2.0;
    let seen = simulation.run(SECOND / 2);
    assert!(seen[0].gaps < GAPS, "{}", seen[0].gaps);
}

#[test]
fn an_application_that_sends_little_grows_no_window() {
    let mut bdp = Bdp::new(MTU * 10, MTU as u16);
    let begin = Instant::now();
    for step in 0..1000 {
        let sent = begin + Duration::from_millis(step * 20);
        bdp.round.sent(sent);
        let now = sent + Duration::from_millis(10);
        bdp.acked(now, sent, MTU, true);
        bdp.acked_all(now, 0, true);
    }
    assert!(bdp.window() <= MTU * 10, "{}", bdp.window());
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Sent,
    Acked {
        sent_before: u64,
        bytes: u64,
        app_limited: bool,
    },
    Lost {
        bytes: u64,
        is_persistent: bool,
    },
    Mtu(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..=u64::from(u32::MAX)).prop_map(Step::Wait),
        Just(Step::Sent),
        (0..=1u64 << 40, any::<u64>(), any::<bool>()).prop_map(
            |(sent_before, bytes, app_limited)| Step::Acked {
                sent_before,
                bytes,
                app_limited
            }
        ),
        (any::<u64>(), prop::bool::weighted(0.1)).prop_map(|(bytes, is_persistent)| Step::Lost {
            bytes,
            is_persistent
        }),
        any::<u16>().prop_map(Step::Mtu),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever it is told, in whatever order: it does not panic, and leaves enough to go on with.
    #[test]
    fn any_history_leaves_a_window(initial in any::<u64>(), mtu in any::<u16>(), steps in steps()) {
        let mut bdp = Bdp::new(initial, mtu);
        let begin = Instant::now() + Duration::from_hours(1);
        let mut now = begin;
        for step in steps {
            match step {
                Step::Wait(nanos) => now += Duration::from_nanos(nanos),
                Step::Sent => bdp.on_sent(now, 1200, 1),
                Step::Acked { sent_before, bytes, app_limited } => {
                    let sent = now.checked_sub(Duration::from_nanos(sent_before)).unwrap_or(now);
                    bdp.acked(now, sent, bytes, app_limited);
                    bdp.acked_all(now, bytes, app_limited);
                }
                Step::Lost { bytes, is_persistent } => {
                    bdp.on_congestion_event(now, begin, is_persistent, bytes);
                }
                Step::Mtu(mtu) => bdp.on_mtu_update(mtu),
            }
            prop_assert!(bdp.window() >= bdp.mtu * MIN_PIPE_DATAGRAMS);
        }
    }
}

fn link(mbit: u32, rtt_ms: u64, loss: f64) -> Link {
    Link {
        rate: f64::from(mbit) * 1e6 / 8.0,
        rtt: Duration::from_millis(rtt_ms),
        loss,
        queue: Duration::from_millis(10),
        away: Duration::ZERO,
    }
}

/// The share of the link's rate that arrived from now on.
fn utilisation(simulation: &mut Simulation, span: Duration) -> f64 {
    let seen = simulation.run(span);
    let delivered: u64 = seen.iter().map(|Seen { delivered, .. }| delivered).sum();
    delivered as f64 / (simulation.link.rate * span.as_secs_f64())
}

const SECOND: Duration = Duration::from_secs(1);
const GAPS: usize = 900;
