//! Live tests of the tenant network and of the client on it: real bridges, real packets, and a stand-in for the guest.
//!
//! `LMBENCH_SKIP_LIVE=1` skips them, loudly. Run by an ordinary user, each repeats itself inside a user namespace.

#[expect(dead_code, reason = "shared with the other tests of the lab")]
#[path = "lab/support.rs"]
mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use lmbench_harness::tenant::probe::{Heard, Probe, Prober};
use lmbench_harness::tenant::{BRIDGE, GUEST, GUEST_HARDWARE, hardware_text};
use lmbench_testing::Need;
use support::{inside, live, open_lab, run_in, transfer, until};

/// A client on the source that asks every 2 ms.
fn client(lab: &Lab) -> Prober {
    inside(lab.agent_pid(Role::Source), || {
        Prober::start(GUEST, Duration::from_millis(2)).unwrap()
    })
}

/// The other host's bridge takes the guest's addresses: its kernel answers as a guest's would. It announces
/// nothing, which real guests and QEMU do.
fn arrive(lab: &Lab) {
    let hardware = hardware_text(GUEST_HARDWARE);
    let script = format!(
        "ip address add {GUEST}/24 dev {BRIDGE} && ip link set dev {BRIDGE} address {hardware}"
    );
    run_in(lab.agent_pid(Role::Destination), &["sh", "-c", &script]);
}

/// Some bytes from the source to an address on the other host.
fn talk(lab: &Lab, to: Ipv4Addr) {
    let pids = Role::BOTH.map(|role| lab.agent_pid(role));
    transfer(pids, to.into(), 1 << 16);
}

fn answered(heard: &Heard) -> impl Iterator<Item = (&Probe, u64)> {
    let probes = heard.probes.iter();
    probes.filter_map(|probe| Some((probe, probe.answered_ns?)))
}

#[test]
fn a_client_hears_the_guest_arrive_on_the_other_host() {
    live(
        "a_client_hears_the_guest_arrive_on_the_other_host",
        &NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = open_lab(base.path());
            lab.tenant().unwrap();
            // Nobody has the address: every question stays open.
            let prober = client(&lab);
            until("ten questions", || prober.heard().probes.len() >= 10);
            let heard = prober.finish();
            assert_eq!(answered(&heard).count(), 0);
            assert_eq!(heard.announcements, []);
            let prober = client(&lab);
            arrive(&lab);
            until("three answers", || answered(&prober.heard()).count() >= 3);
            let heard = prober.finish();
            assert!(answered(&heard).all(|(probe, at_ns)| at_ns > probe.sent_ns));
            assert!(heard.probes.is_sorted_by_key(|probe| probe.sent_ns));
            lab.close().unwrap();
        },
    );
}

// A second guest must not be looked for where the first one went.
#[test]
fn it_is_made_once_and_forgets() {
    live("it_is_made_once_and_forgets", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let mut lab = open_lab(base.path());
        lab.tenant().unwrap();
        arrive(&lab);
        talk(&lab, GUEST);
        let learned = |lab: &Lab| {
            let known = run_in(lab.agent_pid(Role::Source), &["bridge", "fdb", "show"]);
            known.contains(&hardware_text(GUEST_HARDWARE))
        };
        assert!(learned(&lab));
        lab.tenant().unwrap();
        assert!(!learned(&lab));
        lab.close().unwrap();
    });
}

#[test]
fn frames_of_others_are_no_announcements() {
    live("frames_of_others_are_no_announcements", &NEEDS, || {
        let base = tempfile::tempdir().unwrap();
        let mut lab = open_lab(base.path());
        lab.tenant().unwrap();
        let prober = client(&lab);
        let other = Ipv4Addr::new(198, 18, 2, 7);
        let address = format!("{other}/24");
        let add = ["ip", "address", "add", &address, "dev", BRIDGE];
        run_in(lab.agent_pid(Role::Destination), &add);
        // Both sides ask for each other's hardware address first.
        talk(&lab, other);
        assert_eq!(prober.finish().announcements, []);
        lab.close().unwrap();
    });
}

const NEEDS: [Need; 2] = [Need::Namespaces, Need::Tap];
