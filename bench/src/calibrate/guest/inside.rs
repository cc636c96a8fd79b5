//! What the guest's own code tells: heartbeats, reports, and the latency of its operations.

use std::time::Duration;

use lmbench_guest::latency::{bucket, upper_ns};
use lmbench_guest::wire::{FromGuest, ToGuest};
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::hypervisor::Heartbeat;

use super::{Subject, skipped};
use crate::calibrate::timing::{Stopwatch, set, thread_cpu_ns, us};
use crate::error::chain;
use crate::record::{Instrument, Resolution, ResolutionFrom, ResolutionUnit};
use crate::run::REPORT_INTERVAL;
use crate::statistics::median;

pub(super) fn all() -> [Instrument; 3] {
    [heartbeat(), report(), operation_latency()]
}

fn heartbeat() -> Instrument {
    let tells = &["guest_pause_ms", "settle_pause_ms", "blackout_heartbeat_ms"];
    Instrument::new(
        "heartbeat",
        "heartbeats of the guest over virtio-serial",
        tells,
    )
}

fn report() -> Instrument {
    let tells = &[
        "brownout_ms",
        "workload_slowdown",
        "workload_lost_ms",
        "guest_dirty_rate_bps",
    ];
    Instrument::new(
        "guest-report",
        "reports of the guest's workload over virtio-serial",
        tells,
    )
}

fn operation_latency() -> Instrument {
    let tells = &[
        "op_latency_us_p50",
        "op_latency_us_p99",
        "op_latency_us_max",
        "postcopy_stall_us_p99",
    ];
    Instrument::new(
        "op-latency",
        "time of each operation of the workload, on the guest's clock",
        tells,
    )
}

/// CPU time in this process and in QEMU, us.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Both {
    own_us: f64,
    qemu_us: f64,
}

/// What a while of listening has heard and cost.
#[derive(Debug)]
struct Heard {
    beats: Vec<Heartbeat>,
    /// When each report was made, by the guest's clock, and when it came.
    reports: Vec<(u64, u64)>,
    cost: Both,
    /// For how long was listened, us.
    wall_us: f64,
}

/// Has the guest do nothing but tell that it lives.
pub(super) async fn instruments(subject: &Subject<'_>) -> Vec<Instrument> {
    match listen(subject).await {
        Ok(instruments) => instruments.into(),
        Err(why) => all()
            .map(|instrument| skipped(instrument, why.clone()))
            .into(),
    }
}

async fn listen(subject: &Subject<'_>) -> Result<[Instrument; 3], String> {
    let quiet = hear(subject).await.cost;
    let line = line(subject).await?;
    let overhead_ns = start(subject).await?;
    // The first moments, in which TCG translates, are none to measure in.
    tokio::time::sleep(LISTENING / 4).await;
    subject.ports.take();
    let heard = hear(subject).await;
    let interval = subject.settings.guest.heartbeat;
    Ok([
        of_heartbeats(&heard, quiet, line, interval),
        of_reports(&heard, line),
        operation_latency()
            .costs("operation", 0.0, Some(us(overhead_ns)))
            .tells_apart(bucket_width())
            .note("bookkeeping around an operation, calibrated inside the guest; a bucket of the histogram is that wide"),
    ])
}

fn of_heartbeats(heard: &Heard, quiet: Both, line: Both, interval: Duration) -> Instrument {
    let (beats, reports) = (heard.beats.len(), heard.reports.len());
    if beats == 0 {
        return skipped(heartbeat(), "no heartbeat was heard");
    }
    let each = |all: fn(&Both) -> f64| {
        let used = all(&heard.cost) - all(&quiet);
        per_beat(used, beats, reports, all(&line))
    };
    let late = lateness_us(heard.beats.iter().map(|beat| (beat.guest_ns, beat.at_ns)));
    let gaps = heard
        .beats
        .windows(2)
        .map(|pair| pair[1].at_ns.saturating_sub(pair[0].at_ns));
    let longest_ms = us(gaps.max().unwrap_or(0)) / 1e3;
    let mut heartbeat = heartbeat()
        .costs(
            "heartbeat",
            each(|both| both.own_us),
            Some(each(|both| both.qemu_us)),
        )
        .every(interval)
        .tells_apart(set(interval))
        .takes(late)
        .note(format!(
            "the guest was idle otherwise, so that each one wakes it; the longest gap of {beats} was {longest_ms:.1} ms; late is against the quickest"
        ));
    if let Some(cost) = &mut heartbeat.cost {
        // A guest that can't keep the interval does not take the CPU time that it would if it could.
        cost.cpu_share = Some(cost.cpu_us * beats as f64 / heard.wall_us);
    }
    heartbeat
}

fn of_reports(heard: &Heard, line: Both) -> Instrument {
    if heard.reports.is_empty() {
        return skipped(report(), "no report was heard");
    }
    report()
        .costs("report", line.own_us, Some(line.qemu_us))
        .every(REPORT_INTERVAL)
        .tells_apart(set(REPORT_INTERVAL))
        .takes(lateness_us(heard.reports.iter().copied()))
        .note("the cost is that of a question and its answer over the same port, which is more")
}

/// Listens for a while.
async fn hear(subject: &Subject<'_>) -> Heard {
    let began_ns = monotonic_ns();
    let (own_ns, qemu_ns) = (thread_cpu_ns(), subject.qemu_ns());
    tokio::time::sleep(LISTENING).await;
    let (own_end_ns, qemu_end_ns) = (thread_cpu_ns(), subject.qemu_ns());
    let wall_us = us(monotonic_ns().saturating_sub(began_ns));
    let (beats, reports) = subject.ports.take();
    let cost = Both {
        own_us: us(own_end_ns.saturating_sub(own_ns)),
        qemu_us: us(qemu_end_ns.saturating_sub(qemu_ns)),
    };
    let reports = reports
        .iter()
        .map(|report| (report.report.guest_ns, report.at_ns));
    Heard {
        beats,
        reports: reports.collect(),
        cost,
        wall_us,
    }
}

/// What a question and its answer cost.
async fn line(subject: &Subject<'_>) -> Result<Both, String> {
    let mut stopwatch = Stopwatch::start();
    let qemu_ns = subject.qemu_ns();
    for _ in 0..LINES {
        let greeting = subject.ports.greet(ANSWER_WITHIN).await;
        greeting.map_err(|error| chain(&error))?;
        stopwatch.lap();
    }
    let in_qemu = us(subject.qemu_ns().saturating_sub(qemu_ns)) / f64::from(LINES);
    let timed = stopwatch.stop().ok_or("nothing was asked")?;
    Ok(Both {
        own_us: timed.cpu_us,
        qemu_us: in_qemu,
    })
}

/// Starts heartbeats and reports; returns what the guest says of its bookkeeping, ns per operation.
async fn start(subject: &Subject<'_>) -> Result<u64, String> {
    let start = ToGuest::Start {
        workload: subject.settings.workload.clone(),
        heartbeat_interval_ns: subject.settings.guest.heartbeat.as_nanos() as u64,
        report_interval_ns: REPORT_INTERVAL.as_nanos() as u64,
    };
    let ready = |answer| match answer {
        FromGuest::Ready {
            overhead_ns_per_operation,
            ..
        } => Some(overhead_ns_per_operation),
        _ => None,
    };
    let awaited = "that its memory is filled";
    let ready = subject
        .ports
        .ask(&start, awaited, READY_WITHIN, ready)
        .await;
    ready.map_err(|error| chain(&error))
}

/// What a heartbeat cost if heartbeats and reports cost this much together: what reports leave at `line_us` each. That is more than
/// they cost, so it may leave nothing: then heartbeats are taken to cost as much as reports.
fn per_beat(used_us: f64, beats: usize, reports: usize, line_us: f64) -> f64 {
    let used_us = used_us.max(0.0);
    let rest = (used_us - reports as f64 * line_us) / beats as f64;
    if rest > 0.0 {
        rest
    } else {
        used_us / (beats + reports) as f64
    }
}

/// Median of how much later than the quickest things came, from pairs of when they were sent and came, on two clocks.
fn lateness_us(pairs: impl Iterator<Item = (u64, u64)>) -> Option<f64> {
    let distances: Vec<i128> = pairs
        .map(|(sent_ns, came_ns)| i128::from(came_ns) - i128::from(sent_ns))
        .collect();
    let quickest = distances.iter().min()?;
    let late: Vec<f64> = distances
        .iter()
        .map(|distance| (distance - quickest) as f64 / 1e3)
        .collect();
    median(&late)
}

/// Of the histogram's buckets, as a share of the value.
fn bucket_width() -> Resolution {
    let last = bucket(A_MILLISECOND);
    let (below, top) = (upper_ns(last - 1), upper_ns(last));
    Resolution {
        value: (top - below) as f64 / (below + 1) as f64,
        unit: ResolutionUnit::Share,
        from: ResolutionFrom::Setting,
    }
}

/// For whose rate lasts: two hundred heartbeats and ten reports.
const LISTENING: Duration = Duration::from_secs(1);
const LINES: u32 = 40;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A power of two, where buckets are widest for their value.
const A_MILLISECOND: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_costs_what_reports_do_not() {
        let cases = [
            // 200 beats and 10 reports at 100 us each: 5 ms are left.
            ((6_000.0, 200, 10, 100.0), 25.0),
            // Lines that would have cost more than everything: an equal share.
            ((2_100.0, 200, 10, 1_000.0), 10.0),
            ((-5.0, 200, 10, 0.0), 0.0),
            ((400.0, 200, 0, 100.0), 2.0),
        ];
        for ((used, beats, reports, line), expected) in cases {
            let each = per_beat(used, beats, reports, line);
            assert!((each - expected).abs() < 1e-9, "{each} {expected}");
        }
    }

    // Sent at 0, 10, 20 ms of a clock that is 5 s behind: the second came 2 ms, the third 1 ms later than the first took.
    #[test]
    fn lateness_needs_no_common_clock() {
        let ms = 1_000_000_u64;
        let came = [5_000 * ms, 5_012 * ms, 5_021 * ms];
        let pairs = [0, 10 * ms, 20 * ms].into_iter().zip(came);
        assert_eq!(lateness_us(pairs), Some(1_000.0));
        let backwards = [(5_000 * ms, 0), (5_010 * ms, 10 * ms)].into_iter();
        assert_eq!(lateness_us(backwards), Some(0.0));
        assert_eq!(lateness_us(std::iter::empty()), None);
    }

    #[test]
    fn buckets_are_as_wide_as_the_guest_says() {
        let width = bucket_width().value;
        assert!((0.03..0.032).contains(&width), "{width}");
    }
}
