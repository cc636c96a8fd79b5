//! Which of the scenario's conditions this migration did not get, from what was measured of it.

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_harness::agent::protocol::TimedSample;
use lmbench_harness::hypervisor::{MigrationStats, MigrationStatus};
use lmbench_harness::policy::{self, Setting, Subject};
use lmbench_harness::spec::{CutSpec, FaultDeed, LinkSpec, Moment, Network, Status};
use serde_json::json;

use super::time_line::TimeLine;
use super::workload::Shortfall;
use crate::metric::Unit;
use crate::record::{Deviation, Event};
use crate::scenario::Cell;

/// All that was asked and did not come.
pub(super) fn deviations(
    line: &TimeLine<'_>,
    cell: &Cell,
    metrics: &BTreeMap<String, f64>,
) -> Vec<Deviation> {
    let mut found: Vec<Deviation> = network(cell).into_iter().collect();
    found.extend(workload(cell, metrics));
    found.extend(bandwidth(line, cell));
    let links = &cell.setup.network;
    for (network, link) in [
        (Network::Migration, &links.migration),
        (Network::Management, &links.management),
    ] {
        found.extend(link.cut.and_then(|cut| missing_cut(line, network, cut)));
    }
    found.extend(faults(line, cell));
    found
}

fn deviation(setting: &str, asked: impl Into<String>, got: impl Into<String>) -> Deviation {
    Deviation {
        setting: setting.to_owned(),
        asked: asked.into(),
        got: got.into(),
        ranked: false,
    }
}

/// A workload that fell short before the migration did so by the host's doing.
fn workload(cell: &Cell, metrics: &BTreeMap<String, f64>) -> Option<Deviation> {
    let workload = cell.setup.workload.as_ref()?;
    let short = Shortfall::of(metrics, &workload.pattern)?;
    let speed = |bps| Unit::BytePerSecond.format(bps);
    let setting = format!("workload.{}.rate", short.pattern);
    let got = format!("{} before the migration", speed(short.reached_bps));
    Some(Deviation {
        ranked: true,
        ..deviation(&setting, speed(short.asked_bps), got)
    })
}

/// A carrier may have a network of its own; one without any limit beside one that has some is another experiment.
fn network(cell: &Cell) -> Option<Deviation> {
    let links = &cell.setup.network;
    let of = |network| match network {
        Network::Migration => &links.migration,
        Network::Management => &links.management,
    };
    if !is_limited(of(links.inbound)) {
        return None;
    }
    let way = match cell.setup.carrier.network(links.inbound) {
        Some(network) if is_limited(of(network)) => return None,
        Some(network) => format!("the {} network, which has no limits", network.name()),
        None => "no network at all".to_owned(),
    };
    let setting = format!("network.{}", links.inbound.name());
    Some(deviation(&setting, "the stream on this link", way))
}

/// Whether it is anything but as good as this machine can make it.
fn is_limited(link: &LinkSpec) -> bool {
    link.rate_bps.is_some()
        || link.rtt.or(link.jitter).is_some()
        || link.loss.or(link.reorder).is_some()
        || link.cut.is_some()
}

/// QEMU does not hold multifd's channels to `max-bandwidth`. What is set besides the scenario's key is not known here.
fn bandwidth(line: &TimeLine<'_>, cell: &Cell) -> Option<Deviation> {
    const NAME: &str = "max-bandwidth";
    let setup = &cell.setup;
    let asked = setup.migration.max_bandwidth? as f64;
    // What is migrated does not matter to this.
    let needs = policy::from_spec(&setup.policy, Subject { memory_bytes: 0 }).needs();
    let is_bandwidth = |setting: &Setting| matches!(setting, Setting::MaxBandwidth { .. });
    let is_set = |event: &Event| {
        let set = |deed: &str| event.data[deed]["set"].get(NAME).is_some();
        set("action") || set("order")
    };
    if needs.settings.iter().any(is_bandwidth)
        || setup.migration.qmp.contains_key(NAME)
        || line.events.iter().any(is_set)
    {
        return None;
    }
    let sent = pre_copy_speed(line).filter(|sent| *sent > asked * TOLERATED)?;
    let speed = |bps| Unit::BytePerSecond.format(bps);
    Some(deviation(
        "migration.max-bandwidth",
        speed(asked),
        speed(sent),
    ))
}

/// Bytes per second between the first and the last reading of the pre-copy; `None` if they lie too near.
fn pre_copy_speed(line: &TimeLine<'_>) -> Option<f64> {
    let sent = |(at_ms, _, stats): (f64, &TimedSample, &MigrationStats)| {
        let bytes = stats.ram.as_ref()?.transferred?;
        let active = stats.status == MigrationStatus::Active;
        active.then_some((at_ms, bytes as f64))
    };
    let mut readings = line.stats().filter_map(sent);
    let (from_ms, before) = readings.next()?;
    let (to_ms, after) = readings.next_back()?;
    let seconds = (to_ms - from_ms) / 1e3;
    (seconds >= SHORTEST.as_secs_f64()).then(|| (after - before) / seconds)
}

fn missing_cut(line: &TimeLine<'_>, network: Network, cut: CutSpec) -> Option<Deviation> {
    let named = json!(network);
    let came = |event: &Event| event.name == "link-cut" && event.data["network"] == named;
    let setting = format!("network.{}.cut-at", network.name());
    let moment = moment(cut.at);
    (!line.events.iter().any(came))
        .then(|| deviation(&setting, moment, "no cut: its moment never came"))
}

fn faults(line: &TimeLine<'_>, cell: &Cell) -> Vec<Deviation> {
    let Some(first) = &cell.setup.fault else {
        return Vec::new();
    };
    let done = line.events.iter().filter(|event| event.name == "fault");
    let mut done = done.map(|event| event.data.get("refused"));
    let mut found = Vec::new();
    for fault in first.chain() {
        let got = match done.next() {
            Some(None) => continue,
            Some(Some(refused)) => format!("none: {}", refused.as_str().unwrap_or("refused")),
            None => "none: its moment never came".to_owned(),
        };
        let deed = match fault.deed {
            FaultDeed::Kill(victim) => format!("{} killed", victim.name()),
            FaultDeed::Freeze(victim) => format!("{} frozen", victim.name()),
            FaultDeed::Cut(network) => format!("the {} network cut", network.name()),
            FaultDeed::Cancel => "a cancel".to_owned(),
        };
        let asked = format!("{deed} at {}", moment(fault.at));
        found.push(deviation("fault", asked, got));
    }
    found
}

fn moment(at: Moment) -> String {
    match at {
        Moment::Before => "the beginning".to_owned(),
        Moment::Bytes(bytes) => Unit::Byte.format(bytes as f64),
        Moment::After(time) => Unit::Second.format(time.as_secs_f64()),
        Moment::Pass(pass) => format!("pass {pass}"),
        Moment::Switchover => "switchover".to_owned(),
        Moment::PostCopy => "post-copy".to_owned(),
        Moment::Left(bytes) => format!("{} left", Unit::Byte.format(bytes as f64)),
        Moment::Status(status) => {
            let named = Status::NAMES.iter().find(|(_, known)| *known == status);
            named.map_or("a status", |(name, _)| *name).to_owned()
        }
    }
}

/// QEMU checks its limit ten times a second, and lifts it for the last bytes.
const TOLERATED: f64 = 1.25;
/// Of a shorter pre-copy the last bytes are too great a part.
const SHORTEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use lmbench_harness::role::Role;

    use super::super::synthetic::Story;
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "it is made where it is told")]
    fn found(story: Story) -> Vec<String> {
        let (repeat, _) = story.finish();
        repeat.deviations.iter().map(Deviation::words).collect()
    }

    /// So many MiB in the second between the readings.
    fn sending(mib: u64, settings: &str) -> Story {
        let sent = |mib: u64| json!({ "transferred": mib << 20, "page-size": 4096 });
        Story::new(2000.0)
            .with(settings)
            .ram(500.0, "interval", "active", sent(7))
            .ram(1500.0, "interval", "active", sent(7 + mib))
            .ram(2000.0, "final", "completed", sent(900))
    }

    // Seen with QEMU 10.0.2 and 8 multifd channels: 40 MiB/s asked, 80 sent.
    #[test]
    fn a_stream_beyond_its_limit_is_told() {
        let limited = "[migration]\nmax-bandwidth = \"40 MiB/s\"";
        assert_eq!(
            found(sending(80, limited)),
            ["migration.max-bandwidth: asked 40 MiB/s, got 80 MiB/s"]
        );
        assert!(
            found(sending(45, limited)).is_empty(),
            "within the tolerance"
        );
        assert!(found(sending(80, "")).is_empty(), "no limit");
        let set = json!({ "action": { "set": { "max-bandwidth": { "bytes_per_second": 1 } } } });
        let by_policy = sending(80, limited).event(Role::Source, 100.0, "policy", set);
        assert!(found(by_policy).is_empty(), "the policy's limit counts");
    }

    // 1 MiB/s are asked; ten pages of 4 KiB in each tenth of a second are 400 KiB/s.
    #[test]
    fn a_workload_that_fell_short_is_told_and_ranked() {
        let deviations = |pages| Story::new(100.0).settled(pages).finish().0.deviations;
        assert!(deviations(100).is_empty());
        let found = deviations(10);
        assert_eq!(found.len(), 1);
        assert!(found[0].ranked);
        assert_eq!(
            found[0].words(),
            "workload.uniform.rate: asked 1 MiB/s, got 400 KiB/s before the migration"
        );
    }

    #[test]
    fn a_stream_that_escaped_the_link_is_told() {
        let on = |carrier: &str, management: &str| {
            found(Story::new(9.0).with(&format!(
                "[network.migration]\nrate = \"200 Mbit/s\"\n[network.management]\n{management}\n[matrix]\ncarrier = [\"{carrier}\"]\n"
            )))
        };
        assert_eq!(
            on("ssh", ""),
            [
                "network.migration: asked the stream on this link, got the management network, which has no limits"
            ]
        );
        assert_eq!(
            on("native-unix", ""),
            ["network.migration: asked the stream on this link, got no network at all"]
        );
        assert!(on("tcp", "").is_empty());
        // The tunnel on a management network of its own is a question like any other.
        assert!(on("ssh", "rate = \"1 Gbit/s\"").is_empty());
    }

    #[test]
    fn what_did_not_break_is_told() {
        let story = || {
            Story::new(9.0).with(
                "[network.migration]\ncut-at = \"3 s\"\n[fault]\nat = \"pass 5\"\nkill = \"source-qemu\"\n",
            )
        };
        assert_eq!(
            found(story()),
            [
                "network.migration.cut-at: asked 3 s, got no cut: its moment never came",
                "fault: asked source-qemu killed at pass 5, got none: its moment never came"
            ]
        );
        let came = story()
            .event(
                Role::Source,
                3.0,
                "link-cut",
                json!({ "network": "migration" }),
            )
            .event(Role::Source, 5.0, "fault", json!({ "kill": "source-qemu" }));
        assert!(found(came).is_empty());
        let refused = json!({ "kill": "source-qemu", "refused": "it is gone" });
        let refused = story()
            .event(
                Role::Source,
                3.0,
                "link-cut",
                json!({ "network": "migration" }),
            )
            .event(Role::Source, 5.0, "fault", refused);
        assert_eq!(
            found(refused),
            ["fault: asked source-qemu killed at pass 5, got none: it is gone"]
        );
    }
}
