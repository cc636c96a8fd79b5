//! A link's losses: as many as were asked for, the same ones again, and what a sender makes of them.

use std::time::Duration;

use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkMethod, LinkSpec, Network};

use crate::probes::{self, Flow, Pace};
use crate::support::{self, live, network};
use crate::{link_lab, pids, toward};

#[test]
fn losses_are_those_that_were_asked_for_and_come_again_with_the_seed() {
    live(
        "losses::losses_are_those_that_were_asked_for_and_come_again_with_the_seed",
        &super::NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let lossy = LinkSpec {
                loss: Some(0.01),
                ..LinkSpec::default()
            };
            let attempt = || {
                let mut lab = link_lab(base.path(), &lossy);
                let address = lab.address(Role::Destination, Network::Migration);
                let flow = Flow::start(pids(&lab), address, Pace::of(16_000_000, 200), 20_000);
                let missing = flow.missing();
                let report = toward(&mut lab, Role::Destination);
                // Queues overflow where the link or the receiver is kept from a CPU; the hosts' own frames are a few beside the flow's.
                let unread = probes::counted(lab.agent_pid(Role::Destination), "RcvbufErrors");
                let overflowed = report.device_dropped_packets + unread;
                let lost = (report.lost_frames + overflowed) as usize;
                assert!(
                    (missing.len()..missing.len() + 5).contains(&lost),
                    "{} {unread} {report:?}",
                    missing.len()
                );
                lab.close().unwrap();
                (missing, overflowed)
            };
            // The losses alone tell whether they come again.
            let (mut whole, mut attempts) = (Vec::new(), Vec::new());
            while whole.len() < 2 && attempts.len() < 10 {
                let ((missing, overflowed), waited) = support::with_cpu_pressure(attempt);
                attempts.push((overflowed, waited));
                whole.extend((overflowed == 0).then_some(missing));
            }
            println!("(packets that overflowed, share of time waited for a CPU) {attempts:?}");
            let [first, second] = &whole[..] else {
                let busy = attempts.iter().any(|(_, waited)| *waited > 0.25);
                assert!(busy, "{attempts:?}");
                return lmbench_testing::not_proven("losses come again with the seed");
            };
            // 200 expected, 14 is one deviation: five of them.
            assert!((130..=270).contains(&first.len()), "{}", first.len());
            // The hosts' kernels send a frame now and then (multicast reports), which moves the losses but few of the gaps
            // between them: the longest sequence that both have. Two seeds have a tenth or two in common.
            let gaps = |lost: &[u32]| {
                lost.windows(2)
                    .map(|pair| pair[1] - pair[0])
                    .collect::<Vec<_>>()
            };
            let (first, second) = (gaps(first), gaps(second));
            let best = longest_common(&first, &second);
            println!("{best} of {} gaps came again", first.len());
            assert!(best > first.len() * 8 / 10, "{first:?}\n{second:?}");
        },
    );
}

/// Length of the longest subsequence that both have.
fn longest_common(first: &[u32], second: &[u32]) -> usize {
    let mut common = vec![0; second.len() + 1];
    for one in first {
        let mut before = 0;
        for (at, other) in second.iter().enumerate() {
            let longest = if one == other {
                before + 1
            } else {
                common[at].max(common[at + 1])
            };
            before = std::mem::replace(&mut common[at + 1], longest);
        }
    }
    common[second.len()]
}

#[test]
fn losses_meet_the_congestion_control_of_the_sender() {
    live(
        "losses::losses_meet_the_congestion_control_of_the_sender",
        &super::NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let link = |loss| LinkSpec {
                method: LinkMethod::UserSpace,
                rtt: Some(Duration::from_millis(4)),
                loss: Some(loss),
                ..LinkSpec::default()
            };
            let mut lab = link_lab(base.path(), &link(0.0));
            let pids = pids(&lab);
            let address = lab.address(Role::Destination, Network::Migration);
            // The best of three, since others may have the CPUs for a moment.
            let clean = [(); 3].map(|()| probes::reno(pids, address, 2 << 20));
            let clean = clean.into_iter().fold(0.0, f64::max);
            lab.configure(&network(link(0.02))).unwrap();
            let lossy = probes::reno(pids, address, 2 << 20);
            println!("{clean:.0} and {lossy:.0} bit/s");
            // MSS / RTT x sqrt(3 / 2p) is 25 Mbit/s (Mathis and others 1997); without loss 2 MiB take some ten round trips.
            assert!(lossy < 75e6 && clean > 2.0 * lossy);
            lab.close().unwrap();
        },
    );
}
