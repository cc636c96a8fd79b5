//! Proxmox VE (qemu-server, `PVE/QemuMigrate.pm`), virsh (libvirt, `docs/manpages/virsh.rst`), and an operator's force-complete.

use super::*;
use crate::spec::{ForceCompleteSpec, ProxmoxRule, ProxmoxSpec, VirshTimeoutSpec};

fn sent(mib: u64, remaining_mib: f64) -> Progress {
    Progress {
        transferred_bytes: mib << 20,
        ..active(2, remaining_mib)
    }
}

fn proxmox() -> PolicySpec {
    PolicySpec::Proxmox(ProxmoxSpec::default())
}

// counter += 1 when more remains than before; above 5 it starts anew and the limit doubles: at the 6th, 12th, 18th rise. Little was
// sent per look all the time, so the loop keeps to its second.
#[test]
fn proxmox_doubles_at_every_sixth_rise() {
    let mut rows = Vec::new();
    let mut limits = ["limit 200", "limit 400", "limit 800", "limit 1600"].iter();
    for rise in 1..=24_u64 {
        let at = 2.0 * rise as f64;
        rows.push((at - 1.0, sent(20 * rise, 500.0), ""));
        let words = if rise % 6 == 0 {
            *limits.next().unwrap()
        } else {
            ""
        };
        rows.push((at, sent(20 * rise + 10, 600.0), words));
    }
    check(&proxmox(), gib(8), &rows);
}

// 900 000 ms, 1 800 000 ms: since 9.1 the next is QEMU's maximum and the last, before that there is none.
#[test]
fn proxmox_has_a_ceiling_since_9_1() {
    let limits_of = |rule| {
        let spec = PolicySpec::Proxmox(ProxmoxSpec {
            rule,
            migrate_downtime_ms: 900_000,
            ..ProxmoxSpec::default()
        });
        let mut policy = from_spec(&spec, gib(8));
        let said: Vec<String> = (1..=48_u64)
            .map(|look| {
                let remaining = if look % 2 == 0 { 600.0 } else { 500.0 };
                let progress = sent(10 * look, remaining);
                words(&policy.on_progress(seconds(look as f64), &progress))
            })
            .filter(|words| !words.is_empty())
            .collect();
        said.join(", ")
    };
    assert_eq!(
        limits_of(ProxmoxRule::Capped),
        "limit 1800000, limit 2000000"
    );
    assert_eq!(
        limits_of(ProxmoxRule::Endless),
        "limit 1800000, limit 3600000, limit 7200000, limit 14400000"
    );
}

// A look at which no byte has moved counts nothing and remembers nothing; nothing remaining counts like a rise.
#[test]
fn proxmox_counts_only_while_bytes_move() {
    check(
        &proxmox(),
        gib(8),
        &[
            (1.0, sent(1, 100.0), ""),
            (2.0, sent(1, 500.0), ""),
            (3.0, sent(1, 900.0), ""),
            (4.0, sent(2, 0.0), ""),
            (5.0, sent(3, 0.0), ""),
            (6.0, sent(4, 0.0), ""),
            (7.0, sent(5, 0.0), ""),
            (8.0, sent(6, 0.0), ""),
            (9.0, sent(7, 0.0), "limit 200"),
        ],
    );
}

// Once less remains than the bytes sent per look so far, it looks ten times a second, for good.
#[test]
fn proxmox_hurries_near_the_end() {
    let mut rows = vec![(1.0, sent(1000, 5000.0), ""), (2.0, sent(2000, 400.0), "")];
    // Readings every 100 ms, of which each second one is a rise: six rises within 1.2 s.
    for step in 1..=12_u64 {
        let remaining = if step % 2 == 0 { 300.0 } else { 200.0 };
        let words = if step == 12 { "limit 200" } else { "" };
        rows.push((2.0 + 0.1 * step as f64, sent(2000 + step, remaining), words));
    }
    check(&proxmox(), gib(8), &rows);
}

// 0.1 s at first; xbzrle's cache is a tenth of the memory, up to a power of two: 819.2 MiB become 1 GiB.
#[test]
fn proxmox_begins_with_both_capabilities() {
    let needs = from_spec(&proxmox(), gib(8)).needs();
    let cache = Setting::XbzrleCache { bytes: 1 << 30 };
    assert_eq!(needs.settings, [limit(100), cache]);
    assert_eq!(
        (needs.throttle, needs.xbzrle),
        (Some(Throttle::DEFAULT), true)
    );
}

#[test]
fn what_acts_once_after_a_time_strictly() {
    let timeout = VirshTimeoutSpec {
        timeout: Duration::from_secs(9),
        time_scale: 1.0,
    };
    let force = |permit_post_copy| {
        PolicySpec::ForceComplete(ForceCompleteSpec {
            after: Duration::from_secs(9),
            permit_post_copy,
            time_scale: 1.0,
        })
    };
    for (spec, words, post_copy) in [
        (PolicySpec::VirshTimeoutSuspend(timeout), "pause", false),
        (PolicySpec::VirshTimeoutPostcopy(timeout), "post-copy", true),
        (force(true), "post-copy", true),
        (force(false), "pause", false),
    ] {
        check(
            &spec,
            gib(1),
            &[
                (8.9, active(1, 9.0), ""),
                (9.0, active(2, 9.0), ""),
                (9.1, active(2, 9.0), words),
                (9.2, active(2, 9.0), ""),
                (99.0, active(7, 9.0), ""),
            ],
        );
        assert_eq!(from_spec(&spec, gib(1)).needs().post_copy, post_copy);
    }
}
