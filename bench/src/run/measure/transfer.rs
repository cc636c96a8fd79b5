//! What was sent: QEMU's counters, the network's, and what follows from them.

use lmbench_harness::agent::protocol::{TimedSample, Usage};
use lmbench_harness::lab::InterfaceBytes;
use lmbench_harness::migration::Ending;
use lmbench_harness::policy;
use lmbench_harness::spec::{Network, PolicySpec};
use serde_json::Value;

use super::time_line::TimeLine;
use super::{Measured, Values, network, number, post_copy};
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
    let (at_ms, sample) = line
        .answers()
        .rfind(|(_, sample)| sample.migration.get("ram").is_some())?;
    let answer = &sample.migration;
    let ram_bytes = number(answer, "/ram/transferred");
    let setup_ms = number(answer, "/setup-time");
    values.put("setup_time_ms", setup_ms);
    values.put("ram_bytes", ram_bytes);
    values.put("iterations", number(answer, "/ram/dirty-sync-count"));
    for (metric, pointer) in [
        ("precopy_bytes", "/ram/precopy-bytes"),
        ("downtime_bytes", "/ram/downtime-bytes"),
        ("postcopy_bytes", "/ram/postcopy-bytes"),
    ] {
        // QEMU does not add what multifd sent to the counters of the phases.
        let all_counted = number(answer, "/ram/multifd-bytes").is_none_or(|bytes| bytes == 0.0);
        values.put(metric, number(answer, pointer).filter(|_| all_counted));
    }
    if in_post_copy(line) {
        values.put(
            "postcopy_requests",
            number(answer, "/ram/postcopy-requests"),
        );
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
        let plain = !is_compressed(answer, cell);
        values.put("throughput_bps", ram_bytes.filter(|_| plain).map(bps));
        values.put("guest_throughput_bps", guest_bytes(answer).map(bps));
    }
    let amplification = ram_bytes
        .zip(ram_in_use(line))
        .map(|(sent, used)| sent / used);
    values.put("transfer_amplification", amplification);
    ram_bytes
}

/// Pages that were sent and are not zero: what arrives of the guest, also where fewer bytes were sent for it. QEMU counts those that xbzrle
/// encoded apart from `normal`; multifd's compression counts in `normal`.
fn guest_bytes(answer: &Value) -> Option<f64> {
    let encoded = number(answer, "/xbzrle-cache/pages").unwrap_or(0.0);
    let pages = number(answer, "/ram/normal")? + encoded;
    Some(pages * number(answer, "/ram/page-size")?)
}

/// QEMU answers with `xbzrle-cache` whenever the capability is on, whoever set it.
fn is_compressed(answer: &Value, cell: &Cell) -> bool {
    let method = cell.setup.migration.knobs.multifd_compression.as_deref();
    method.is_some_and(|method| method != "none") || answer.get("xbzrle-cache").is_some()
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
    line.answers().find_map(|(_, sample)| {
        let counter = |name: &str| number(&sample.migration, &format!("/ram/{name}"));
        let (total, page) = (counter("total")?, counter("page-size")?);
        let (sent, zero) = (counter("normal")? * page, counter("duplicate")? * page);
        let looked_at_all = sent + zero >= total;
        (looked_at_all && total > zero).then_some(total - zero)
    })
}

/// QEMU names the throttle only while it acts; under a policy that may throttle, never naming it means 0.
fn throttle(line: &TimeLine<'_>, spec: &PolicySpec) -> Option<f64> {
    let seen = line
        .answers()
        .filter_map(|(_, sample)| number(&sample.migration, "/cpu-throttle-percentage"));
    // What is migrated does not matter to this.
    let subject = policy::Subject { memory_bytes: 0 };
    let may_throttle = policy::from_spec(spec, subject).needs().throttle.is_some();
    seen.max_by(f64::total_cmp).or(may_throttle.then_some(0.0))
}

/// Median of what QEMU measured. It does so at a dirty sync, if the last time was more than a second ago; an answer that
/// repeats the one before is the same measurement, and 0 within the first second is none.
fn dirty_rate(line: &TimeLine<'_>) -> Option<f64> {
    let rate = |sample: &TimedSample| {
        let pages = number(&sample.migration, "/ram/dirty-pages-rate")?;
        Some(pages * number(&sample.migration, "/ram/page-size")?)
    };
    let passes = line
        .answers()
        .filter(|(_, sample)| sample.trigger == "pass");
    let known = passes
        .filter(|(_, sample)| sample.migration["status"] != "completed")
        .filter_map(|(at_ms, sample)| Some((at_ms, rate(sample)?)))
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
    let left = |sample: &TimedSample| number(&sample.migration, "/ram/remaining");
    let passes = line.answers().filter(|(_, sample)| {
        let pass = number(&sample.migration, "/ram/dirty-sync-count");
        sample.trigger == "pass" && pass.is_some_and(|pass| pass > 1.0)
    });
    let least = passes.filter_map(|(_, sample)| left(sample));
    least
        .min_by(f64::total_cmp)
        .or_else(|| line.answers().rev().find_map(|(_, sample)| left(sample)))
}

fn in_post_copy(line: &TimeLine<'_>) -> bool {
    let is = |data: &Value| {
        let status = data["status"].as_str();
        status.is_some_and(|status| status.starts_with("postcopy"))
    };
    line.answers().any(|(_, sample)| is(&sample.migration))
        || line
            .events
            .iter()
            .any(|event| event.name == "MIGRATION" && is(&event.data))
}

/// Names of the events that tell a decision.
const DECIDERS: [&str; 3] = ["policy", "timeout", "operator"];
/// QEMU's shortest time between two measurements of the dirty rate.
const DIRTY_RATE_PERIOD_MS: f64 = 1000.0;

#[cfg(test)]
mod tests;
