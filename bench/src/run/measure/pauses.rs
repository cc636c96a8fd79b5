//! How long the guest stood still, seen from outside: the gaps between its heartbeats.

use super::Values;
use super::time_line::TimeLine;
use crate::scenario::Cell;

pub(super) fn measure(values: &mut Values, line: &TimeLine<'_>, cell: &Cell) {
    let interval_ms = cell.setup.guest.heartbeat.as_secs_f64() * 1e3;
    if interval_ms == 0.0 || line.beats.is_empty() {
        return;
    }
    values.put("heartbeat_interval_ms", interval_ms);
    values.put("guest_pause_ms", longest_gap(line));
}

/// The longest gap that touches the migration. Neighbours by sequence number, so that a heartbeat that was lost widens
/// no gap that it was not sent in.
fn longest_gap(line: &TimeLine<'_>) -> Option<f64> {
    let touches = |from: f64, to: f64| to >= 0.0 && from <= line.end_ms;
    let gaps = line.beats.windows(2).filter(|pair| {
        pair[1].sequence == pair[0].sequence + 1 && touches(pair[0].at_ms, pair[1].at_ms)
    });
    gaps.map(|pair| pair[1].at_ms - pair[0].at_ms)
        .max_by(f64::total_cmp)
}
