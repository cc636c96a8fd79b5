//! How long the guest stood still, seen from outside: the gaps between its heartbeats.

use super::Values;
use super::time_line::{Beat, TimeLine, Window};
use crate::scenario::Cell;

pub(super) fn measure(values: &mut Values, line: &TimeLine<'_>, cell: &Cell) {
    let interval_ms = cell.setup.guest.heartbeat.as_secs_f64() * 1e3;
    if interval_ms == 0.0 || line.beats.is_empty() {
        return;
    }
    values.put("heartbeat_interval_ms", interval_ms);
    let migration = line.migration();
    let longest = |among: &dyn Fn(Window) -> bool| {
        let gaps = line
            .beats
            .windows(2)
            .filter_map(|pair| gap(pair[0], pair[1], interval_ms));
        let gaps = gaps.filter(|(window, _)| among(*window));
        gaps.map(|(_, ms)| ms).max_by(f64::total_cmp)
    };
    let touches = |gap: Window| gap.to_ms >= migration.from_ms && gap.from_ms <= migration.to_ms;
    values.put("guest_pause_ms", longest(&touches));
    values.put(
        "settle_pause_ms",
        longest(&|gap| gap.to_ms < migration.from_ms),
    );
}

/// From one heartbeat to the next that was heard, and how long the guest was silent in between: heartbeats that were lost
/// on the way were sent while it ran, an interval apart.
fn gap(before: Beat, after: Beat, interval_ms: f64) -> Option<(Window, f64)> {
    let window = Window {
        from_ms: before.at_ms,
        to_ms: after.at_ms,
    };
    let lost = after.sequence.checked_sub(before.sequence + 1)?;
    let silent_ms = window.length_ms() - lost as f64 * interval_ms;
    (silent_ms >= 0.0).then_some((window, silent_ms))
}

#[cfg(test)]
mod tests {
    use lmbench_harness::role::Role;

    use super::*;

    fn beat(sequence: u64, at_ms: f64) -> Beat {
        Beat {
            sequence,
            at_ms,
            role: Role::Source,
        }
    }

    // 300 ms between the arrivals of heartbeats 7 and 10: the two lost ones took an interval each, 280 ms remain.
    #[test]
    fn lost_heartbeats_neither_hide_a_pause_nor_make_one() {
        let silent = |from, to| gap(from, to, 10.0).map(|(_, ms)| ms);
        assert_eq!(silent(beat(7, 0.0), beat(8, 300.0)), Some(300.0));
        assert_eq!(silent(beat(7, 0.0), beat(10, 300.0)), Some(280.0));
        assert_eq!(silent(beat(7, 0.0), beat(10, 30.0)), Some(10.0));
        // Two copies of one heartbeat are no gap; that they exist is the proof's business.
        assert_eq!(silent(beat(7, 0.0), beat(7, 300.0)), None);
    }
}
