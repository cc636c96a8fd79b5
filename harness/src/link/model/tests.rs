//! Unit tests of the model, under a clock of their own.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn link() -> LinkSpec {
    LinkSpec::default()
}

fn model(link: &LinkSpec) -> Model {
    Model::new(Shape::of(link), 7)
}

/// When one frame of `bytes` arrives.
fn admit(model: &mut Model, now_ns: u64, bytes: u32) -> Option<u64> {
    let mut runs = Vec::new();
    model.admit(now_ns, Packet::single(bytes), &mut runs);
    runs.first().map(|run| run.arrives_ns)
}

#[test]
fn a_plain_link_delivers_at_once_and_a_delay_is_half_the_round_trip() {
    let mut plain = model(&link());
    assert_eq!(admit(&mut plain, 5 * MS, 1514), Some(5 * MS));
    let mut slow = model(&LinkSpec {
        rtt: Some(Duration::from_millis(20)),
        ..link()
    });
    assert_eq!(admit(&mut slow, 5 * MS, 1514), Some(15 * MS));
}

#[test]
fn a_busy_link_sends_at_its_rate_to_the_nanosecond() {
    let mut model = model(&LinkSpec {
        rate_bps: Some(1_000_000_007),
        ..link()
    });
    let start = 1_000 * MS;
    let (mut now, mut last) = (start, start);
    for _ in 0..100_000 {
        last = admit(&mut model, now, 1514).unwrap();
        // The sender keeps the queue half full.
        now = now.max(last.saturating_sub(5 * MS));
    }
    let expected = 100_000.0 * 1514.0 * 8.0 / 1.000_000_007;
    // The link was idle before, so a millisecond came for free.
    assert!(((last - start + MS) as f64 - expected).abs() < 2.0);
}

#[test]
fn a_full_queue_drops_from_the_tail_frame_by_frame() {
    let mut model = model(&LinkSpec {
        rate_bps: Some(1_000_000_000),
        ..link()
    });
    let packet = Packet {
        header: 66,
        payload: 44 * 1448,
        segment: 1448,
    };
    let mut runs = Vec::new();
    let mut arrived = 0;
    for _ in 0..100 {
        model.admit(1_000 * MS, packet, &mut runs);
        arrived += runs.iter().map(|run| run.frames.len() as u64).sum::<u64>();
    }
    // The queue of 10 ms, and the millisecond that an idle link makes up for.
    let counts = model.counts();
    assert_eq!(arrived, (1_250_000 + 125_000) / 1514);
    assert_eq!(counts.frames, 4400);
    assert_eq!(counts.queue_dropped, 4400 - arrived);
    assert!(counts.queue_bytes_max <= 1_250_000);
    // After the time of the whole queue there is room for it again.
    assert!(admit(&mut model, 1_011 * MS, 1514).is_some());
}

#[test]
fn losses_come_at_the_asked_rate_and_again_with_the_seed() {
    let lossy = LinkSpec {
        loss: Some(0.001),
        ..link()
    };
    let packet = Packet {
        header: 66,
        payload: 44 * 1448,
        segment: 1448,
    };
    let pattern = |seed: u64, jitter: bool| {
        let jitter = jitter.then_some(Duration::from_micros(1));
        let link = LinkSpec {
            jitter,
            ..lossy.clone()
        };
        let mut model = Model::new(Shape::of(&link), seed);
        let mut runs = Vec::new();
        let mut arrived = Vec::new();
        for number in 0..25_000 {
            model.admit(number, packet, &mut runs);
            arrived.extend(runs.iter().map(|run| (number, run.frames.clone())));
        }
        (model.counts().lost, arrived)
    };
    let (lost, arrived) = pattern(7, false);
    // 1100 of 1.1 million expected; 33 is one deviation of the binomial distribution: five of them.
    assert!((935..=1265).contains(&lost), "{lost}");
    // What is drawn for something else does not change what is lost.
    assert_eq!(pattern(7, true), (lost, arrived.clone()));
    assert_ne!(pattern(8, false).1, arrived);
    // A lost frame splits its packet and takes nothing else along.
    let frames: usize = arrived.iter().map(|(_, frames)| frames.len()).sum();
    assert_eq!(frames as u64, 1_100_000 - lost);
}

#[test]
fn an_overtaking_frame_is_not_delayed_and_delays_nobody() {
    let mut model = model(&LinkSpec {
        rtt: Some(Duration::from_millis(20)),
        reorder: Some(0.1),
        ..link()
    });
    let mut runs = Vec::new();
    for number in 0..10_000_u64 {
        let now = number * 1000;
        model.admit(now, Packet::single(100), &mut runs);
        let run = &runs[0];
        assert_eq!(run.arrives_ns, if run.early { now } else { now + 10 * MS });
    }
    let early = model.counts().early;
    assert!((850..=1150).contains(&early), "{early}");
}

#[test]
fn a_cut_takes_effect_at_its_byte_and_a_flap_ends() {
    let mut model = model(&link());
    model.cut(3000, None);
    let arrived: Vec<bool> = [1500, 1500, 100, 1]
        .map(|bytes| admit(&mut model, MS, bytes).is_some())
        .into();
    assert_eq!(arrived, [true, true, false, false]);
    model.restore();
    model.cut(100, Some(4 * MS));
    assert_eq!(admit(&mut model, 2 * MS, 100), Some(2 * MS));
    assert_eq!(admit(&mut model, 3 * MS, 1), None);
    assert_eq!(admit(&mut model, 6 * MS, 100), None);
    assert_eq!(admit(&mut model, 7 * MS, 100), Some(7 * MS));
    assert_eq!(model.counts().cut, 4);
    assert_eq!(model.counts().cut_at_ns, Some(3 * MS));
}

#[test]
fn jitter_has_the_asked_deviation() {
    let mut model = model(&LinkSpec {
        rtt: Some(Duration::from_millis(40)),
        jitter: Some(Duration::from_millis(2)),
        ..link()
    });
    // So far apart that no frame waits for another.
    let delays: Vec<f64> = (1..=5_000_u64)
        .map(|number| {
            let now = number * 100 * MS;
            (admit(&mut model, now, 100).unwrap() - now) as f64 / MS as f64
        })
        .collect();
    let mean = delays.iter().sum::<f64>() / 5_000.0;
    let variance = delays
        .iter()
        .map(|delay| (delay - mean).powi(2))
        .sum::<f64>()
        / 5_000.0;
    assert!((mean - 20.0).abs() < 0.15, "{mean}");
    assert!((variance.sqrt() - 2.0).abs() < 0.15, "{variance}");
}

proptest! {
    #[test]
    fn order_holds_time_does_not_run_back_and_every_frame_is_accounted_for(
        rate in prop_oneof![Just(None), (1_000_000_u64..20_000_000_000).prop_map(Some)],
        rtt_us in 0_u64..100_000,
        jitter_us in 0_u64..1_000,
        loss in 0.0..0.3_f64,
        reorder in 0.0..0.3_f64,
        packets in proptest::collection::vec((0_u64..2 * MS, 0_u32..65_000, 500_u32..9_000), 1..200),
    ) {
        let link = LinkSpec {
            rate_bps: rate,
            rtt: Some(Duration::from_micros(rtt_us)),
            jitter: Some(Duration::from_micros(jitter_us)),
            loss: Some(loss),
            reorder: Some(reorder),
            ..link()
        };
        let mut model = model(&link);
        let (mut now, mut last, mut last_early) = (0, 0, 0);
        let (mut runs, mut arrived) = (Vec::new(), 0);
        for (pause, payload, segment) in packets {
            now += pause;
            let packet = Packet { header: 66, payload, segment };
            model.admit(now, packet, &mut runs);
            let mut next = 0;
            for run in &runs {
                prop_assert!(run.frames.start >= next && run.frames.end > run.frames.start);
                next = run.frames.end;
                prop_assert!(run.arrives_ns >= now);
                let last = if run.early { &mut last_early } else { &mut last };
                prop_assert!(run.arrives_ns >= *last);
                *last = run.arrives_ns;
                arrived += run.frames.len() as u64;
            }
            prop_assert!(next <= packet.frames());
        }
        let counts = model.counts();
        prop_assert_eq!(counts.frames, arrived + counts.lost + counts.queue_dropped + counts.cut);
    }
}
