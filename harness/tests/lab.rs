//! Live tests of the lab: real namespaces, real links, real traffic of bounded size. They need no agent, `cat` holds the namespaces.
//!
//! `LMBENCH_SKIP_LIVE=1` skips them, loudly. Run by an ordinary user, each repeats itself inside a user namespace.

#[path = "lab/support.rs"]
mod support;

use std::time::Duration;

use lmbench_harness::background::BackgroundReport;
use lmbench_harness::lab::{InterfaceBytes, Lab, LabError, LabOptions, interface_bytes};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkSpec, Network, NetworkSpec};
use lmbench_testing::Need;
use support::{Holder, inside, lab_in, live, namespace_of, network, open_lab, transfer, until};

const MIB: u64 = 1 << 20;

#[test]
fn hosts_reach_each_other_on_both_networks_and_nothing_is_left() {
    live(
        "hosts_reach_each_other_on_both_networks_and_nothing_is_left",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let lab = open_lab(base.path());
            let pids = Role::BOTH.map(|role| lab.agent_pid(role));
            for network in [Network::Management, Network::Migration] {
                for address in [
                    lab.address(Role::Destination, network),
                    lab.address_v6(Role::Destination, network),
                ] {
                    transfer(pids, address, MIB);
                }
                // Two transfers went over this link, and their acknowledgements came back: less would mean another namespace's counters.
                let counted: InterfaceBytes = inside(pids[0], move || {
                    interface_bytes(lmbench_harness::lab::interface(network)).unwrap()
                });
                assert!(
                    counted.sent > 2 * MIB && counted.sent < 3 * MIB && counted.received > 0,
                    "{counted:?}"
                );
            }
            let path = lab.path().to_owned();
            lab.close().unwrap();
            assert!(!path.exists());
            assert!(
                pids.iter().all(|pid| namespace_of(*pid).is_none()),
                "the agents are gone and with them the namespaces"
            );
        },
    );
}

#[test]
fn two_labs_live_side_by_side() {
    live("two_labs_live_side_by_side", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let (first, second) = (open_lab(base.path()), open_lab(base.path()));
        assert_ne!(first.id(), second.id());
        let pids = Role::BOTH.map(|role| first.agent_pid(role));
        let others = Role::BOTH.map(|role| second.agent_pid(role));
        transfer(
            others,
            second.address(Role::Destination, Network::Migration),
            MIB,
        );
        // The same address names another host in each lab: the first lab's counters must not have seen the second's traffic.
        let counted = inside(pids[0], || interface_bytes("mig0").unwrap());
        assert!(counted.sent < MIB / 2, "{counted:?}");
        second.close().unwrap();
        transfer(
            pids,
            first.address(Role::Destination, Network::Migration),
            MIB,
        );
        first.close().unwrap();
    });
}

#[test]
fn rates_are_reached_within_five_percent() {
    live("rates_are_reached_within_five_percent", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let mut lab = open_lab(base.path());
        let pids = Role::BOTH.map(|role| lab.agent_pid(role));
        lab.configure(&network(LinkSpec::default())).unwrap();
        // What this machine can carry without a limit, to each host. Nobody is to be blamed for a limit that it hardly reaches.
        let without_limit = [
            (Role::Destination, pids),
            (Role::Source, [pids[1], pids[0]]),
        ]
        .map(|(role, pids)| {
            let address = lab.address(role, Network::Migration);
            (role, address, pids, transfer(pids, address, 600 * MIB))
        });
        // About a second each: long against the bucket, which lets its burst of a millisecond through at once.
        for (rate_bps, bytes) in [
            (100_000_000, 12 * MIB),
            (1_000_000_000, 120 * MIB),
            (10_000_000_000, 1200 * MIB),
        ] {
            lab.configure(&network(LinkSpec {
                rate_bps: Some(rate_bps),
                ..LinkSpec::default()
            }))
            .unwrap();
            for (role, address, pids, most_bps) in without_limit {
                let mut attempts: Vec<(f64, f64)> = Vec::new();
                while attempts.len() < 4 && !attempts.iter().any(|(share, _)| *share > 0.95) {
                    let (rate, waited) =
                        support::with_cpu_pressure(|| transfer(pids, address, bytes));
                    attempts.push((rate * FRAME_PER_PAYLOAD / rate_bps as f64, waited));
                }
                println!(
                    "{rate_bps} bit/s to the {role}: (share reached, share of time waited for a CPU) {attempts:?}; \
                     {most_bps} bit/s without a limit"
                );
                assert!(
                    attempts.iter().all(|(share, _)| *share < 1.05),
                    "{rate_bps}: {attempts:?}"
                );
                if attempts.iter().any(|(share, _)| *share > 0.95) {
                    continue;
                }
                // Where others have the processors, the ends and not the link are too slow, and where the whole machine stands still, at
                // any rate: the share of the time in which somebody wanted a CPU need not be reached.
                let least = |waited: f64| (0.95 * (1.0 - waited)).max(0.2);
                let reached = attempts
                    .iter()
                    .any(|(share, waited)| *share > least(*waited));
                assert!(
                    reached || rate_bps as f64 > most_bps / 4.0,
                    "{rate_bps}: {attempts:?}, {most_bps} without a limit"
                );
                lmbench_testing::not_proven(&format!("{rate_bps} bit/s within 5 %"));
            }
        }
        lab.close().unwrap();
    });
}

#[test]
fn background_traffic_shows_what_a_bulk_transfer_does_to_it() {
    live(
        "background_traffic_shows_what_a_bulk_transfer_does_to_it",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut spec = network(LinkSpec::default());
            spec.management.rate_bps = Some(100_000_000);
            let lab = lab_in(base.path(), &spec).unwrap();
            let pids = Role::BOTH.map(|role| lab.agent_pid(role));
            let address = lab.address(Role::Destination, Network::Management);
            let mut best: Option<BackgroundReport> = None;
            for _ in 0..5 {
                let alone = support::background(pids, address, 60_000_000, 0);
                println!("alone {alone:?}");
                assert_eq!(alone.ended_early, None);
                assert_eq!(alone.received_bytes, alone.sent_bytes);
                // Never above the rate but by the burst of 20 ms; a busy machine may make it slower, but not each time.
                assert!(alone.achieved_bps < 62e6);
                best = best
                    .filter(|best| best.achieved_bps > alone.achieved_bps)
                    .or(Some(alone));
                if best.as_ref().is_some_and(|best| best.achieved_bps > 45e6) {
                    break;
                }
            }
            let alone = best.unwrap();
            assert!(alone.achieved_bps > 45e6);
            // 12 MiB at 100 Mbit/s fill the link for a second, the whole time of the measurement.
            let harmed = support::background(pids, address, 60_000_000, 12 * MIB);
            println!("beside a bulk transfer {harmed:?}");
            // Two streams cannot both have what they want of this link, so the harm shows in the rate or in the round trips.
            let slower = harmed.achieved_bps < 0.97 * alone.achieved_bps;
            let later = harmed.probe_p50_us() > alone.probe_p50_us().map(|alone| 2 * alone);
            assert!(slower || later);
            lab.close().unwrap();
        },
    );
}

#[test]
fn configuring_is_idempotent_and_changes_what_differs() {
    live(
        "configuring_is_idempotent_and_changes_what_differs",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let shaped = network(LinkSpec {
                rate_bps: Some(1_000_000_000),
                mtu: Some(9000),
                ..LinkSpec::default()
            });
            let mut lab = lab_in(base.path(), &shaped).unwrap();
            let pids = Role::BOTH.map(|role| lab.agent_pid(role));
            let before = lab.commands().len();
            lab.configure(&shaped).unwrap();
            assert_eq!(lab.commands().len(), before);
            for pid in pids {
                let text = support::run_in(pid, &["ip", "link", "show", "mig0"]);
                assert!(
                    text.contains("mtu 9000") && text.contains("qdisc tbf"),
                    "{text}"
                );
            }
            lab.configure(&network(LinkSpec::default())).unwrap();
            assert!(lab.commands().len() > before);
            for pid in pids {
                let text = support::run_in(pid, &["ip", "link", "show", "mig0"]);
                assert!(
                    text.contains("mtu 1500") && text.contains("qdisc noqueue"),
                    "{text}"
                );
            }
            lab.close().unwrap();
        },
    );
}

#[test]
fn tcp_may_keep_what_the_network_says_and_then_again_what_the_machine_does() {
    live(
        "tcp_may_keep_what_the_network_says_and_then_again_what_the_machine_does",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let usual = network(LinkSpec::default());
            let mut lab = lab_in(base.path(), &usual).unwrap();
            let limits = |lab: &Lab, role| {
                inside(lab.agent_pid(role), || {
                    ["tcp_wmem", "tcp_rmem", "tcp_congestion_control"].map(|key| {
                        let path = format!("/proc/sys/net/ipv4/{key}");
                        std::fs::read_to_string(path).unwrap().trim().to_owned()
                    })
                })
            };
            let before = limits(&lab, Role::Source);
            // Every kernel has it.
            let tuned = NetworkSpec {
                tcp_buffer_bytes: Some(24 << 20),
                tcp_congestion_control: Some("reno".to_owned()),
                ..usual.clone()
            };
            lab.configure(&tuned).unwrap();
            for role in Role::BOTH {
                let [sent, received, control] = limits(&lab, role);
                assert!(
                    [sent, received]
                        .iter()
                        .all(|limit| limit.ends_with("\t25165824"))
                );
                assert_eq!(control, "reno");
            }
            lab.configure(&usual).unwrap();
            assert_eq!(limits(&lab, Role::Source), before);
            lab.close().unwrap();
        },
    );
}

#[test]
fn delay_is_there_or_refused_by_its_key() {
    live("delay_is_there_or_refused_by_its_key", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let slow = network(LinkSpec {
            rtt: Some(Duration::from_millis(20)),
            ..LinkSpec::default()
        });
        match lab_in(base.path(), &slow) {
            Ok(lab) => {
                let pids = Role::BOTH.map(|role| lab.agent_pid(role));
                let address = lab.address(Role::Destination, Network::Migration);
                let started = std::time::Instant::now();
                transfer(pids, address, 1);
                // A handshake alone takes one round trip.
                assert!(started.elapsed() >= Duration::from_millis(20));
                lab.close().unwrap();
            }
            Err(LabError::Unsupported { key, .. }) => {
                assert_eq!(key, "network.migration.rtt");
                assert_eq!(
                    support::labs_in(base.path()),
                    Vec::<std::path::PathBuf>::new(),
                    "a lab that failed leaves nothing"
                );
            }
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn an_agent_that_does_not_start_is_named_and_leaves_nothing() {
    live(
        "an_agent_that_does_not_start_is_named_and_leaves_nothing",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let options = LabOptions {
                base: Some(base.path().to_owned()),
                ..Default::default()
            };
            let error =
                Lab::create_with(&["false".into()], &network(LinkSpec::default()), &options)
                    .unwrap_err();
            assert!(matches!(error, LabError::AgentEnded { .. }), "{error}");
            assert_eq!(
                support::labs_in(base.path()),
                Vec::<std::path::PathBuf>::new()
            );
        },
    );
}

/// The kernel gives the number of a namespace that is gone to the next one: here to a host of the second lab.
#[test]
fn a_dead_host_s_namespace_number_accuses_nobody() {
    live(
        "a_dead_host_s_namespace_number_accuses_nobody",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut first = open_lab(base.path());
            let pids = Role::BOTH.map(|role| first.take_agent(role).unwrap());
            let numbers = [0, 1].map(|agent| namespace_of(pids[agent].pid));
            for agent in &pids {
                support::kill(agent.pid);
            }
            let limit = std::time::Duration::from_secs(5);
            for role in Role::BOTH {
                assert!(first.agent_end(role, limit).is_some());
            }
            // Other tests beside this one may take the numbers first, so it is tried a few times; then there is nothing to see.
            let mut others = Vec::new();
            for _ in 0..8 {
                let lab = open_lab(base.path());
                let same =
                    Role::BOTH.map(|role| numbers.contains(&namespace_of(lab.agent_pid(role))));
                others.push(lab);
                if same.contains(&true) {
                    break;
                }
            }
            first.close().unwrap();
            for lab in others {
                lab.close().unwrap();
            }
        },
    );
}

#[test]
fn what_an_agent_leaves_behind_is_ended_and_reported() {
    live(
        "what_an_agent_leaves_behind_is_ended_and_reported",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let options = LabOptions {
                base: Some(base.path().to_owned()),
                ..LabOptions::default()
            };
            // The child is announced on standard output, so that it is known to exist before the agent goes.
            let agent = ["sh", "-c", "sleep 120 <&- >&- 2>&- & echo $!; exec cat"].map(Into::into);
            let mut lab =
                Lab::create_with(&agent, &network(LinkSpec::default()), &options).unwrap();
            let children = Role::BOTH.map(|role| {
                support::first_line(lab.take_agent(role).unwrap().stdout)
                    .parse()
                    .unwrap()
            });
            let error = lab.close().unwrap_err();
            assert!(
                matches!(&error, LabError::LeftBehind { processes } if processes.len() == 2),
                "{error}"
            );
            until("the children to be gone", || {
                children.iter().all(|pid| namespace_of(*pid).is_none())
            });
            assert_eq!(
                support::labs_in(base.path()),
                Vec::<std::path::PathBuf>::new()
            );
        },
    );
}

#[test]
fn a_killed_agent_takes_its_links_with_it() {
    live("a_killed_agent_takes_its_links_with_it", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let mut lab = open_lab(base.path());
        let pids = Role::BOTH.map(|role| lab.take_agent(role).unwrap());
        support::kill(pids[0].pid);
        // The kernel removes the source's namespace with its last process, and a veth goes with its peer.
        until("mig0 to vanish from the destination", || {
            inside(pids[1].pid, || interface_bytes("mig0").is_err())
        });
        assert!(lab.agent_status(Role::Source).is_some());
        drop(pids);
        lab.close().unwrap();
    });
}

#[test]
fn a_killed_owner_leaves_nothing_that_the_next_start_does_not_remove() {
    live(
        "a_killed_owner_leaves_nothing_that_the_next_start_does_not_remove",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            for agent in ["cat", "deaf"] {
                let mut holder = Holder::start(base.path(), agent, false);
                let living = open_lab(base.path());
                assert!(
                    holder.lab.exists(),
                    "a lab whose owner lives is not touched"
                );
                living.close().unwrap();
                holder.kill();
                if agent == "cat" {
                    until("the agents to end by themselves", || {
                        holder.agents.iter().all(|pid| namespace_of(*pid).is_none())
                    });
                }
                assert!(holder.lab.exists());
                let next = open_lab(base.path());
                assert!(!holder.lab.exists());
                assert!(
                    holder.agents.iter().all(|pid| namespace_of(*pid).is_none()),
                    "{agent}: recorded agents are ended"
                );
                next.close().unwrap();
            }
        },
    );
}

#[test]
fn an_ordinary_user_has_labs_too_and_they_are_reaped() {
    live(
        "an_ordinary_user_has_labs_too_and_they_are_reaped",
        &NEEDS,
        || {
            // Otherwise this whole run is already that of an ordinary user.
            if !lmbench_testing::available(&[Need::Root, Need::UserNamespaces]) {
                return;
            }
            let base = support::directory_of_nobody();
            let mut first = Holder::start(base.path(), "deaf", true);
            first.kill();
            // The second user namespace has no rights over the first's processes but those of the same user, which must suffice.
            let mut second = Holder::start(base.path(), "cat", true);
            assert!(!first.lab.exists());
            assert!(first.agents.iter().all(|pid| namespace_of(*pid).is_none()));
            second.finish();
            assert_eq!(
                support::labs_in(base.path()),
                Vec::<std::path::PathBuf>::new()
            );
        },
    );
}

/// Not a test: what [`Holder`] starts.
#[test]
#[ignore = "the process that other tests kill"]
fn holder() {
    support::hold();
}

/// At an MTU of 1500: 1448 bytes of payload in a frame of 1514.
const FRAME_PER_PAYLOAD: f64 = 1514.0 / 1448.0;

const NEEDS: [Need; 1] = [Need::Namespaces];
