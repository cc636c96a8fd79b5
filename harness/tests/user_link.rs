//! Live tests of the user-space link: real namespaces, real packets, and what a link promises of them.
//!
//! `LMBENCH_SKIP_LIVE=1` skips them, loudly. Run by an ordinary user, each repeats itself inside a user namespace.

#[path = "user_link/cut.rs"]
mod cut;
#[path = "user_link/losses.rs"]
mod losses;
#[path = "user_link/probes.rs"]
mod probes;
#[expect(dead_code, reason = "shared with the other tests of the lab")]
#[path = "lab/support.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use lmbench_harness::lab::{Lab, LabOptions, interface_bytes};
use lmbench_harness::link::DirectionReport;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkMethod, LinkSpec, Network};
use lmbench_testing::Need;
use probes::{Flow, Pace, percentile};
use support::{Holder, inside, live, network, transfer, until};

fn link_lab(base: &Path, link: &LinkSpec) -> Lab {
    let link = LinkSpec {
        method: LinkMethod::UserSpace,
        ..link.clone()
    };
    lab_with(base, link)
}

fn lab_with(base: &Path, link: LinkSpec) -> Lab {
    let options = LabOptions {
        base: Some(base.to_owned()),
        link: support::link_program(),
        seed: 7,
        ..LabOptions::default()
    };
    Lab::create_with(&["cat".into()], &network(link), &options)
        .expect("the test needs namespaces and TAP devices, and they work here")
}

#[test]
fn a_killed_owner_leaves_no_link_and_an_ordinary_user_has_one_too() {
    live(
        "a_killed_owner_leaves_no_link_and_an_ordinary_user_has_one_too",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut holder = Holder::start_with(base.path(), "deaf", LinkMethod::UserSpace, false);
            assert_eq!(holder.agents.len(), 3);
            holder.kill();
            until("the link to end by itself", || {
                support::namespace_of(holder.agents[2]).is_none()
            });
            // The next start ends the agents, who noticed nothing.
            link_lab(base.path(), &LinkSpec::default()).close().unwrap();
            assert!(!holder.lab.exists());
            if lmbench_testing::available(&[Need::Root, Need::UserTap]) {
                let base = support::directory_of_nobody();
                let mut holder =
                    Holder::start_with(base.path(), "cat", LinkMethod::UserSpace, true);
                assert_eq!(holder.agents.len(), 3);
                holder.finish();
                assert!(
                    holder
                        .agents
                        .iter()
                        .all(|pid| support::namespace_of(*pid).is_none())
                );
            }
        },
    );
}

/// Not a test: what [`Holder`] starts.
#[test]
#[ignore = "the process that other tests kill"]
fn holder() {
    support::hold();
}

/// Not a test: the process behind a link.
#[test]
#[ignore = "the process that other tests start"]
fn link_process() {
    if std::env::var_os(lmbench_harness::lab::LAB_VARIABLE).is_none() {
        return;
    }
    // The test harness has begun a line.
    println!();
    let input = std::io::BufReader::new(std::io::stdin());
    lmbench_harness::link::serve(input, std::io::stdout()).unwrap();
    // Its threads still run, and the harness has nothing to add.
    #[expect(clippy::disallowed_methods)]
    std::process::exit(0);
}

fn pids(lab: &Lab) -> [u32; 2] {
    Role::BOTH.map(|role| lab.agent_pid(role))
}

fn toward(lab: &mut Lab, role: Role) -> DirectionReport {
    lab.link_reports().unwrap()[&Network::Migration].toward[&role].clone()
}

#[test]
fn both_ip_versions_cross_at_every_mtu_with_sound_checksums() {
    live(
        "both_ip_versions_cross_at_every_mtu_with_sound_checksums",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = link_lab(base.path(), &LinkSpec::default());
            let pids = pids(&lab);
            // Forgets what the first host's kernel said by itself while the second device was not up yet and refused it.
            toward(&mut lab, Role::Destination);
            for mtu in [1500, 4000, 9000] {
                // Enough loss that GSO packets are cut in many places.
                lab.configure(&network(LinkSpec {
                    method: LinkMethod::UserSpace,
                    mtu: Some(mtu),
                    loss: Some(0.002),
                    ..LinkSpec::default()
                }))
                .unwrap();
                let before = inside(pids[1], || interface_bytes("mig0").unwrap());
                for address in [
                    lab.address(Role::Destination, Network::Migration),
                    lab.address_v6(Role::Destination, Network::Migration),
                ] {
                    transfer(pids, address, 8 << 20);
                    assert!(
                        probes::largest_datagram(pids, address) == mtu as usize,
                        "{mtu} {address}"
                    );
                }
                let after = inside(pids[1], || interface_bytes("mig0").unwrap());
                let counted = after.received - before.received;
                assert!(
                    ((16 << 20)..(18 << 20)).contains(&counted),
                    "{counted} bytes at an MTU of {mtu}"
                );
            }
            let report = toward(&mut lab, Role::Destination);
            assert!(report.lost_frames > 10, "{report:?}");
            assert!(
                report.frames > 2 * report.packets,
                "GSO packets cross whole: {report:?}"
            );
            assert_eq!(report.refused_packets, 0);
            assert_eq!(probes::counted(pids[1], "InCsumErrors"), 0);
            lab.close().unwrap();
        },
    );
}

#[test]
fn delay_is_within_a_tenth_idle_and_under_load() {
    live(
        "delay_is_within_a_tenth_idle_and_under_load",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = link_lab(base.path(), &LinkSpec::default());
            let pids = pids(&lab);
            let address = lab.address(Role::Destination, Network::Migration);
            for (rtt, load_bps) in [(5, 0), (20, 0), (80, 0), (5, 60_000_000), (20, 60_000_000)] {
                lab.configure(&network(LinkSpec {
                    method: LinkMethod::UserSpace,
                    rate_bps: Some(100_000_000),
                    rtt: Some(Duration::from_millis(rtt)),
                    ..LinkSpec::default()
                }))
                .unwrap();
                let asked = Duration::from_millis(rtt);
                let within = asked.mul_f64(1.1);
                // Others may have the CPUs for a moment; then the ends are late and not the link.
                let mut attempts: Vec<(Duration, f64)> = Vec::new();
                while attempts.len() < 10 && !attempts.iter().any(|(p99, _)| *p99 <= within) {
                    let (trips, waited) = support::with_cpu_pressure(|| {
                        let load = (load_bps > 0)
                            .then(|| Flow::start(pids, address, Pace::of(load_bps, 1200), 400));
                        let trips = probes::round_trips(pids, address, 200);
                        drop(load);
                        trips
                    });
                    // A lost probe is a late one: queues overflow where the ends or the link stood still.
                    let mut trips = trips.unwrap_or_else(|| vec![Duration::MAX]);
                    assert!(
                        trips.iter().all(|trip| *trip >= asked),
                        "{rtt} ms: {trips:?}"
                    );
                    attempts.push((percentile(&mut trips, 0.99), waited));
                }
                println!(
                    "{rtt} ms, {load_bps} bit/s beside: (p99, share of time waited for a CPU) {attempts:?}"
                );
                if !attempts.iter().any(|(p99, _)| *p99 <= within) {
                    // Of 200 trips the third longest counts: where a tenth of the time is waited, some trip always is too.
                    let busy = attempts.iter().any(|(_, waited)| *waited > 0.1);
                    assert!(busy, "{rtt} ms: {attempts:?} {:?}", lab.link_reports());
                    lmbench_testing::not_proven(&format!(
                        "a round trip of {rtt} ms within a tenth"
                    ));
                }
            }
            lab.close().unwrap();
        },
    );
}

#[test]
fn frames_keep_their_order_unless_reordering_is_asked_for() {
    live(
        "frames_keep_their_order_unless_reordering_is_asked_for",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let jittery = LinkSpec {
                method: LinkMethod::UserSpace,
                rtt: Some(Duration::from_millis(10)),
                jitter: Some(Duration::from_millis(2)),
                ..LinkSpec::default()
            };
            let mut lab = link_lab(base.path(), &jittery);
            let address = lab.address(Role::Destination, Network::Migration);
            let flow =
                |lab: &Lab| Flow::start(pids(lab), address, Pace::of(16_000_000, 200), 5_000);
            assert_eq!(flow(&lab).overtaken(), 0);
            lab.configure(&network(LinkSpec {
                reorder: Some(0.02),
                ..jittery
            }))
            .unwrap();
            // 100 expected, 10 is one deviation. What the device drops while the link has no CPU overtakes nothing: then once more.
            for attempt in 1.. {
                toward(&mut lab, Role::Destination);
                let overtaken = flow(&lab).overtaken() as u64;
                let report = toward(&mut lab, Role::Destination);
                let whole = report.device_dropped_packets == 0;
                if whole || attempt == 5 {
                    assert!(report.early_frames > 50, "{report:?}");
                    let seen = overtaken >= report.early_frames / 2;
                    assert!(seen || !whole, "{overtaken} {report:?}");
                    break;
                }
            }
            lab.close().unwrap();
        },
    );
}

#[test]
fn automatic_takes_the_kernel_where_it_can_and_changes_over() {
    live(
        "automatic_takes_the_kernel_where_it_can_and_changes_over",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = lab_with(base.path(), LinkSpec::default());
            assert_eq!(lab.method(Network::Migration), Some(LinkMethod::Kernel));
            assert_eq!(lab.link_pid(Network::Migration), None);
            let slow = network(LinkSpec {
                rtt: Some(Duration::from_millis(4)),
                ..LinkSpec::default()
            });
            lab.configure(&slow).unwrap();
            let pids = pids(&lab);
            let address = lab.address(Role::Destination, Network::Migration);
            let trips = probes::round_trips(pids, address, 5).unwrap();
            assert!(
                trips.iter().all(|trip| *trip >= Duration::from_millis(4)),
                "{trips:?}"
            );
            let other = lab.address(Role::Destination, Network::Management);
            assert!(
                probes::round_trips(pids, other, 50)
                    .unwrap()
                    .iter()
                    .any(|trip| *trip < Duration::from_millis(4))
            );
            if let Some(process) = lab.link_pid(Network::Migration) {
                // A link whose process was killed is made anew.
                support::kill(process);
                until("the devices to go with the process", || {
                    inside(pids[0], || interface_bytes("mig0").is_err())
                });
                until("another link to be there", || {
                    lab.configure(&slow).unwrap();
                    lab.link_pid(Network::Migration) != Some(process)
                });
                transfer(pids, address, 1 << 20);
            }
            lab.configure(&network(LinkSpec::default())).unwrap();
            assert_eq!(lab.method(Network::Migration), Some(LinkMethod::Kernel));
            transfer(pids, address, 1 << 20);
            lab.close().unwrap();
        },
    );
}

#[test]
fn the_process_ends_with_its_lab_and_with_its_hosts() {
    live(
        "the_process_ends_with_its_lab_and_with_its_hosts",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let lab = link_lab(base.path(), &LinkSpec::default());
            let process = lab.link_pid(Network::Migration).unwrap();
            lab.close().unwrap();
            assert_eq!(support::namespace_of(process), None);
            let mut lab = link_lab(base.path(), &LinkSpec::default());
            let process = lab.link_pid(Network::Migration).unwrap();
            let agent = lab.take_agent(Role::Source).unwrap();
            support::kill(agent.pid);
            // The namespace goes with its agent although the link's device is open, and the link goes with the device.
            until("the link to end", || {
                support::namespace_of(process).is_none()
            });
            drop(agent);
            lab.close().unwrap();
            assert_eq!(
                support::labs_in(base.path()),
                Vec::<std::path::PathBuf>::new()
            );
        },
    );
}

#[test]
fn more_than_two_and_a_half_gigabits_cross() {
    live("more_than_two_and_a_half_gigabits_cross", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        // A receive window of at most rmem_max (4 MiB here) would be the limit at long round trips.
        let mut lab = link_lab(
            base.path(),
            &LinkSpec {
                rtt: Some(Duration::from_millis(2)),
                ..LinkSpec::default()
            },
        );
        let pids = pids(&lab);
        let address = lab.address(Role::Destination, Network::Migration);
        let mut attempts = Vec::new();
        while attempts.len() < 4 && !attempts.iter().any(|(rate, _)| *rate > 2.5e9) {
            attempts.push(support::with_cpu_pressure(|| {
                let started = std::time::Instant::now();
                let other = std::thread::spawn(move || transfer(pids, address, 128 << 20));
                transfer(pids, address, 128 << 20);
                other.join().unwrap();
                (256_u64 << 23) as f64 / started.elapsed().as_secs_f64()
            }));
        }
        let report = lab.link_reports().unwrap();
        println!("(bit/s, share of time waited for a CPU) {attempts:?}\n{report:?}");
        let reached = attempts
            .iter()
            .any(|(rate, waited)| *rate > 2.5e9 * (1.0 - waited).max(0.2));
        assert!(reached, "{attempts:?}");
        if !attempts.iter().any(|(rate, _)| *rate > 2.5e9) {
            lmbench_testing::not_proven("more than 2.5 Gbit/s");
        }
        lab.close().unwrap();
    });
}

/// Not a test: `cargo test --release -p lmbench-harness --test user_link figures -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures and promises none"]
fn figures() {
    live("figures", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let mut lab = link_lab(base.path(), &LinkSpec::default());
        let pids = pids(&lab);
        let address = lab.address(Role::Destination, Network::Migration);
        println!(
            "rtt ms  loss %   mtu  streams  Gbit/s  link's CPU s/GiB  late p99 us  frames/packet"
        );
        for (rtt, loss, mtu, streams) in [
            (0, 0.0, 1500, 1),
            (0, 0.0, 1500, 4),
            (0, 0.0, 9000, 4),
            (2, 0.0, 1500, 4),
            (20, 0.0, 1500, 1),
            (20, 0.0, 1500, 4),
            (80, 0.0, 1500, 4),
            (2, 0.0001, 1500, 4),
            (2, 0.001, 1500, 4),
            (2, 0.01, 1500, 4),
            (20, 0.001, 1500, 4),
        ] {
            lab.configure(&network(LinkSpec {
                method: LinkMethod::UserSpace,
                rtt: Some(Duration::from_millis(rtt)),
                loss: Some(loss),
                mtu: Some(mtu),
                ..LinkSpec::default()
            }))
            .unwrap();
            lab.link_reports().unwrap();
            let each = (512 << 20) / streams;
            let started = std::time::Instant::now();
            let transfers: Vec<_> = (0..streams)
                .map(|_| std::thread::spawn(move || transfer(pids, address, each)))
                .collect();
            for transfer in transfers {
                transfer.join().unwrap();
            }
            let rate = (512_u64 << 23) as f64 / started.elapsed().as_secs_f64() / 1e9;
            let report = lab
                .link_reports()
                .unwrap()
                .remove(&Network::Migration)
                .unwrap();
            let toward = &report.toward[&Role::Destination];
            let cpu = report.cpu_s * 2.0;
            let frames = toward.frames as f64 / toward.packets as f64;
            let loss = loss * 100.0;
            println!(
                "{rtt:6}  {loss:6.3}  {mtu:4}  {streams:7}  {rate:6.2}  {cpu:16.2}  {:11.0}  {frames:13.1}",
                toward.late_us_p99
            );
        }
        lab.close().unwrap();
    });
}

const NEEDS: [Need; 2] = [Need::Namespaces, Need::Tap];
