//! Live tests of links that the kernel makes with netem: what was asked for is what packets meet.
//!
//! `harness/vm.sh` has a kernel with netem where this machine's has none.

#[expect(dead_code, reason = "shared with the tests of the user-space link")]
#[path = "user_link/probes.rs"]
mod probes;
#[expect(dead_code, reason = "shared with the other tests of the lab")]
#[path = "lab/support.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkMethod, LinkSpec, Network};
use lmbench_testing::Need;
use probes::{Flow, Pace};
use support::{lab_in, live, network, run_in, transfer};

/// Slow enough for a machine that is emulated.
const PACE: (u64, usize) = (1_000_000, 200);

fn kernel_lab(base: &Path, link: &LinkSpec) -> Lab {
    let link = LinkSpec {
        method: LinkMethod::Kernel,
        ..link.clone()
    };
    let lab = lab_in(base, &network(link)).expect("the test needs netem, and it is here");
    assert_eq!(lab.method(Network::Migration), Some(LinkMethod::Kernel));
    lab
}

fn flow(lab: &Lab, count: u32) -> Flow {
    let pids = Role::BOTH.map(|role| lab.agent_pid(role));
    let address = lab.address(Role::Destination, Network::Migration);
    Flow::start(pids, address, Pace::of(PACE.0, PACE.1), count)
}

/// What netem in front of the source's interface has dropped.
fn dropped(lab: &Lab) -> usize {
    let text = run_in(
        lab.agent_pid(Role::Source),
        &["tc", "-s", "qdisc", "show", "dev", "mig0"],
    );
    let netem = text.split("qdisc ").find(|part| part.starts_with("netem"));
    let count = netem.and_then(|netem| netem.split_once("dropped ")?.1.split(',').next());
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("netem is not on mig0:\n{text}"))
}

#[test]
fn no_packet_is_there_before_its_delay() {
    live(
        "no_packet_is_there_before_its_delay",
        &[Need::Namespaces, Need::Netem],
        || {
            let base = tempfile::tempdir().unwrap();
            for rtt in [5, 40].map(Duration::from_millis) {
                let lab = kernel_lab(
                    base.path(),
                    &LinkSpec {
                        rtt: Some(rtt),
                        rate_bps: Some(100_000_000),
                        ..LinkSpec::default()
                    },
                );
                let pids = Role::BOTH.map(|role| lab.agent_pid(role));
                let address = lab.address(Role::Destination, Network::Migration);
                let trips = probes::round_trips(pids, address, 50).expect("nothing is lost");
                println!("{rtt:?}: {trips:?}");
                assert!(trips.iter().all(|trip| *trip >= rtt), "{trips:?}");
                lab.close().unwrap();
            }
        },
    );
}

#[test]
fn losses_are_netem_s_and_as_many_as_were_asked_for() {
    live(
        "losses_are_netem_s_and_as_many_as_were_asked_for",
        &[Need::Namespaces, Need::Netem],
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = kernel_lab(base.path(), &LinkSpec::default());
            // While the hosts do not know each other's hardware addresses, one lost question costs a second of packets.
            let pids = Role::BOTH.map(|role| lab.agent_pid(role));
            transfer(pids, lab.address(Role::Destination, Network::Migration), 1);
            lab.configure(&network(LinkSpec {
                method: LinkMethod::Kernel,
                loss: Some(0.05),
                ..LinkSpec::default()
            }))
            .unwrap();
            let before = dropped(&lab);
            let missing = flow(&lab, 4_000).missing().len();
            let unread = probes::counted(lab.agent_pid(Role::Destination), "RcvbufErrors") as usize;
            let lost = dropped(&lab) - before + unread;
            // The hosts' own frames are a few beside the flow's.
            assert!((missing..missing + 5).contains(&lost), "{missing} {lost}");
            // 200 expected, 14 is one deviation: five of them.
            assert!((130..=270).contains(&(missing - unread)), "{missing}");
            lab.close().unwrap();
        },
    );
}

#[test]
fn early_packets_overtake_where_reordering_is_asked_for() {
    live(
        "early_packets_overtake_where_reordering_is_asked_for",
        &[Need::Namespaces, Need::Netem],
        || {
            let base = tempfile::tempdir().unwrap();
            for reorder in [None, Some(0.1)] {
                let lab = kernel_lab(
                    base.path(),
                    &LinkSpec {
                        rtt: Some(Duration::from_millis(20)),
                        reorder,
                        ..LinkSpec::default()
                    },
                );
                let overtaken = flow(&lab, 600).overtaken();
                println!("{reorder:?}: {overtaken}");
                // 60 expected to be early, each before six others. Without reordering two CPUs that receive may exchange a few.
                assert_eq!(overtaken > 30, reorder.is_some(), "{overtaken}");
                lab.close().unwrap();
            }
        },
    );
}
