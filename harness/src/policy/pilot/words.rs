//! The reasons that stand in the record, with the numbers behind them.

use super::route::{Outlook, Passes, Route};

pub(super) fn tuned(
    goal: f64,
    switch: f64,
    in_flight: f64,
    bandwidth: f64,
    limit_ms: u64,
) -> String {
    format!(
        "of a blackout of {:.0} ms, {:.0} ms go to the switch-over and {:.0} ms to {} in buffers: {limit_ms} ms are left for memory at {}/s",
        goal * 1e3,
        switch * 1e3,
        in_flight / bandwidth * 1e3,
        bytes(in_flight),
        bytes(bandwidth)
    )
}

pub(super) fn pulled(
    outlook: &Outlook,
    passes: &Passes,
    dirtied: f64,
    goal: f64,
    best: &Route,
) -> String {
    format!(
        "{}; {}; {} is expected to end it at {:.1} s with a blackout of {:.0} ms (goal {:.0} ms) and {:.0} % of the guest's work lost",
        state(outlook, dirtied),
        ahead(outlook, passes),
        best.lever,
        best.total,
        best.blackout * 1e3,
        goal * 1e3,
        best.slowdown * 1e2
    )
}

pub(super) fn helpless(outlook: &Outlook, least: f64, goal: f64) -> String {
    format!(
        "{} left at {}/s, and no pass is expected to leave less than {} where {} fit: nothing that is permitted ends it within {:.0} ms, so it waits for the guest to calm down",
        bytes(outlook.remaining),
        bytes(outlook.bandwidth),
        bytes(least),
        bytes(outlook.room),
        goal * 1e3
    )
}

pub(super) fn blind(outlook: &Outlook, end: f64, limit: f64) -> String {
    format!(
        "{} left at {}/s: the first pass alone ends at {end:.1} s, and all must end by {limit:.1} s",
        bytes(outlook.remaining),
        bytes(outlook.bandwidth)
    )
}

pub(super) fn held(trickle: u64) -> String {
    format!(
        "the destination's devices fetch their pages before the guest runs: until then the rest of memory gets {}/s",
        bytes(trickle as f64)
    )
}

pub(super) fn let_go(held: f64, bandwidth: u64) -> String {
    format!(
        "the guest has had {:.0} ms to start: the rest of memory gets {}/s, a little less than the link carries, so that pages that the guest waits for find no queue",
        held * 1e3,
        bytes(bandwidth as f64)
    )
}

pub(super) fn eased(in_flight: f64, bandwidth: f64, rate: f64) -> String {
    format!(
        "the pass ends soon, and {} in buffers would add {:.0} ms to the blackout: at {}/s instead of {}/s they run empty",
        bytes(in_flight),
        in_flight / bandwidth * 1e3,
        bytes(rate),
        bytes(bandwidth)
    )
}

pub(super) fn lifted(left: f64, bandwidth: f64) -> String {
    format!(
        "another pass begins with {} left: all of the {}/s again",
        bytes(left),
        bytes(bandwidth)
    )
}

pub(super) fn stopped() -> String {
    "the guest stops and waits for all of it: at full speed again".to_owned()
}

fn state(outlook: &Outlook, dirtied: f64) -> String {
    format!(
        "{} left at {}/s, {} dirtied in the next second",
        bytes(outlook.remaining),
        bytes(outlook.bandwidth),
        bytes(dirtied)
    )
}

fn ahead(outlook: &Outlook, passes: &Passes) -> String {
    match passes.fits_in {
        Some(seconds) => format!(
            "plain passes reach {} in {seconds:.1} s",
            bytes(outlook.room)
        ),
        None => format!(
            "plain passes never leave less than {} where {} fit",
            bytes(passes.least),
            bytes(outlook.room)
        ),
    }
}

fn bytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}
