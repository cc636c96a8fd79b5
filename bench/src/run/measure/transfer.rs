//! What was sent: QEMU's counters, the network's, and what follows from them.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::hypervisor::{MigrationStats, MigrationStatus, RamStats};
use lmbench_harness::lab::InterfaceBytes;
use lmbench_harness::migration::Ending;
use lmbench_harness::policy;
use lmbench_harness::spec::{Network, PolicySpec};

use super::time_line::{TimeLine, kind};
use super::{Measured, Values, milliseconds, network, post_copy};
use crate::convergence;
use crate::scenario::Cell;

/// Values of the transfer; returns the RAM bytes, which CPU time is divided by.
pub(super) fn measure(
    values: &mut Values,
    measured: &Measured,
    line: &TimeLine<'_>,
    cell: &Cell,
) -> Option<f64> {
    let wire_bytes = network::exact_wire_bytes(measured, line);
    values.put(
        "wire_bytes",
        wire_bytes.or_else(|| interface_bytes(measured, cell)),
    );
    values.put("throttle_max_percent", throttle(line, &cell.setup.policy));
    values.put("dirty_rate_bps", dirty_rate(line));
    values.put("downtime_limit_ms", downtime_limit(line, cell));
    if measured.ended.ending != Ending::Completed {
        values.put("remaining_bytes_min", least_left(line));
    }
    // A cancelled migration's final answer has no counters, and QEMU 9.2.4 may leave them out of a completed one's
    // (qemu-project/qemu#3151): then the last answer before it stands.
    let (at_ms, stats, ram) = line
        .stats()
        .rev()
        .find_map(|(at_ms, _, stats)| Some((at_ms, stats, stats.ram.as_ref()?)))?;
    let ram_bytes = float(ram.transferred);
    let setup_ms = stats.setup_time.map(milliseconds);
    values.put("setup_time_ms", setup_ms);
    values.put("ram_bytes", ram_bytes);
    values.put("iterations", float(ram.dirty_sync_count));
    // QEMU does not add what multifd sent to the counters of the phases.
    let all_counted = ram.multifd_bytes.is_none_or(|bytes| bytes == 0);
    for (metric, bytes) in [
        ("precopy_bytes", ram.precopy_bytes),
        ("downtime_bytes", ram.downtime_bytes),
        ("postcopy_bytes", ram.postcopy_bytes),
    ] {
        values.put(metric, float(bytes).filter(|_| all_counted));
    }
    if in_post_copy(line) {
        values.put("postcopy_requests", float(ram.postcopy_requests));
        post_copy::measure(values, measured);
    }
    let until_ms = match measured.ended.ending {
        Ending::Completed => line.end_ms,
        // What the counters say is as old as the answer that holds them.
        Ending::TimedOut | Ending::Cancelled | Ending::Failed => at_ms,
    };
    let active_s = (until_ms - setup_ms.unwrap_or(0.0)) / 1e3;
    if active_s > 0.0 {
        let bps = |bytes: f64| bytes * 8.0 / active_s;
        let plain = !is_compressed(stats, cell);
        values.put("throughput_bps", ram_bytes.filter(|_| plain).map(bps));
        values.put("guest_throughput_bps", guest_bytes(stats).map(bps));
    }
    let amplification = ram_bytes
        .zip(ram_in_use(line))
        .map(|(sent, used)| sent / used);
    values.put("transfer_amplification", amplification);
    ram_bytes
}

/// Pages that were sent and are not zero: what arrives of the guest, also where fewer bytes were sent for it. QEMU counts those that xbzrle
/// encoded apart from `normal`; multifd's compression counts in `normal`.
fn guest_bytes(stats: &MigrationStats) -> Option<f64> {
    let ram = stats.ram.as_ref()?;
    let encoded = stats.xbzrle.and_then(|cache| cache.pages);
    let pages = float(ram.normal)? + float(encoded).unwrap_or(0.0);
    Some(pages * float(ram.page_size)?)
}

/// The cache's counters are there whenever the capability `xbzrle` is on, whoever set it.
fn is_compressed(stats: &MigrationStats, cell: &Cell) -> bool {
    let method = cell.setup.migration.knobs.multifd_compression.as_deref();
    method.is_some_and(|method| method != "none") || stats.xbzrle.is_some()
}

/// What both directions of the migration's network carried, unless other traffic used it too.
fn interface_bytes(measured: &Measured, cell: &Cell) -> Option<f64> {
    let setup = &cell.setup.network;
    let network = cell.setup.carrier.network(setup.inbound)?;
    let (link, of): (_, fn(&Usage) -> Option<InterfaceBytes>) = match network {
        Network::Migration => (&setup.migration, |usage| usage.migration_network),
        Network::Management => (&setup.management, |usage| usage.management_network),
    };
    if link.background_bps.is_some() {
        return None;
    }
    let before = of(&measured.usage_before.source)?;
    let after = of(&measured.usage_after.source)?;
    let moved = |after: u64, before: u64| after.checked_sub(before).map(|bytes| bytes as f64);
    Some(moved(after.sent, before.sent)? + moved(after.received, before.received)?)
}

/// Guest RAM without its zero pages, which cost QEMU nine bytes each: known once every page was looked at.
fn ram_in_use(line: &TimeLine<'_>) -> Option<f64> {
    line.stats().find_map(|(_, _, stats)| {
        let ram = stats.ram.as_ref()?;
        let (total, page) = (float(ram.total)?, float(ram.page_size)?);
        let (sent, zero) = (float(ram.normal)? * page, float(ram.duplicate)? * page);
        let looked_at_all = sent + zero >= total;
        (looked_at_all && total > zero).then_some(total - zero)
    })
}

/// QEMU names the throttle only while it acts; under a policy that may throttle, never naming it means 0.
fn throttle(line: &TimeLine<'_>, spec: &PolicySpec) -> Option<f64> {
    let seen = line
        .stats()
        .filter_map(|(_, _, stats)| float(stats.cpu_throttle_percentage));
    // What is migrated does not matter to this.
    let subject = policy::Subject { memory_bytes: 0 };
    let may_throttle = policy::from_spec(spec, subject).needs().throttle.is_some();
    seen.max_by(f64::total_cmp).or(may_throttle.then_some(0.0))
}

/// Median of what QEMU measured. It does so at a dirty sync, if the last time was more than a second ago; an answer that
/// repeats the one before is the same measurement, and 0 within the first second is none.
fn dirty_rate(line: &TimeLine<'_>) -> Option<f64> {
    let rate = |ram: &RamStats| Some(float(ram.dirty_pages_rate)? * float(ram.page_size)?);
    let passes = line
        .stats()
        .filter(|(_, sample, _)| sample.trigger == "pass");
    let known = passes
        .filter(|(_, _, stats)| stats.status != MigrationStatus::Completed)
        .filter_map(|(at_ms, _, stats)| Some((at_ms, rate(stats.ram.as_ref()?)?)))
        .filter(|(at_ms, rate)| *rate > 0.0 || *at_ms > DIRTY_RATE_PERIOD_MS);
    let mut rates: Vec<f64> = known.map(|(_, rate)| rate).collect();
    rates.dedup();
    crate::statistics::median(&rates)
}

/// What was set last, or the one of the begin.
fn downtime_limit(line: &TimeLine<'_>, cell: &Cell) -> f64 {
    let decisions = line.events.iter();
    let decisions = decisions.filter(|event| DECIDERS.contains(&event.name.as_str()));
    let set = decisions
        .rev()
        .find_map(|event| convergence::limit_set(&event.data));
    set.unwrap_or_else(|| cell.setup.first_downtime_limit_ms())
}

/// The least that was left after a dirty sync, which is what has to fit into the downtime limit; the first finds all memory dirty. Of a
/// migration that got no further, what was left of the first pass.
fn least_left(line: &TimeLine<'_>) -> Option<f64> {
    let left = |stats: &MigrationStats| float(stats.ram.as_ref()?.remaining);
    let passes = line.stats().filter(|(_, sample, stats)| {
        let pass = stats.ram.as_ref().and_then(|ram| ram.dirty_sync_count);
        sample.trigger == "pass" && pass.is_some_and(|pass| pass > 1)
    });
    let least = passes.filter_map(|(_, _, stats)| left(stats));
    least
        .min_by(f64::total_cmp)
        .or_else(|| line.stats().rev().find_map(|(_, _, stats)| left(stats)))
}

fn in_post_copy(line: &TimeLine<'_>) -> bool {
    let mut events = line.events.iter();
    line.stats()
        .any(|(_, _, stats)| stats.status.is_post_copy())
        || events.any(|event| {
            let kind = kind(event);
            kind.migration_status()
                .is_some_and(MigrationStatus::is_post_copy)
        })
}

fn float(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

/// Names of the events that tell a decision.
const DECIDERS: [&str; 3] = ["policy", "timeout", "operator"];
/// QEMU's shortest time between two measurements of the dirty rate.
const DIRTY_RATE_PERIOD_MS: f64 = 1000.0;

#[cfg(test)]
mod tests;
