//! How long the guest's clients on the tenant network heard nothing: the gaps between its answers.

use super::time_line::{TimeLine, Window};
use super::{Measured, Values};

pub(super) fn measure(values: &mut Values, measured: &Measured, line: &TimeLine<'_>) {
    let arrivals = arrivals(measured, line);
    let migration = line.migration();
    // Silence that has not ended has no length.
    let heard_again = arrivals.last().is_some_and(|last| *last > migration.to_ms);
    if heard_again {
        let touches =
            |gap: &Window| gap.to_ms >= migration.from_ms && gap.from_ms <= migration.to_ms;
        values.put("network_blackout_ms", longest(&arrivals, touches));
    }
    let before = |gap: &Window| gap.to_ms < migration.from_ms;
    values.put("network_pause_settle_ms", longest(&arrivals, before));
}

/// When answers came, in that order.
pub(super) fn arrivals(measured: &Measured, line: &TimeLine<'_>) -> Vec<f64> {
    let probes = measured.readings.source.tenant.iter();
    let answered = probes
        .flat_map(|heard| &heard.probes)
        .filter_map(|probe| probe.answered_ns);
    let mut arrivals: Vec<f64> = answered.map(|at_ns| line.of_source(at_ns)).collect();
    // A question may be answered after a later one.
    arrivals.sort_by(f64::total_cmp);
    arrivals
}

fn longest(arrivals: &[f64], counts: impl Fn(&Window) -> bool) -> Option<f64> {
    let gaps = arrivals.windows(2).map(|pair| Window {
        from_ms: pair[0],
        to_ms: pair[1],
    });
    gaps.filter(counts)
        .map(Window::length_ms)
        .max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Story;

    fn values(answers: &[f64]) -> (Option<f64>, Option<f64>) {
        let story = Story::new(1000.0).blackout(900.0, 1020.0).answers(answers);
        let value = |metric| story.value(metric);
        (
            value("network_blackout_ms"),
            value("network_pause_settle_ms"),
        )
    }

    #[test]
    fn the_longest_gap_around_the_migration_counts() {
        // 7 ms before it, 135 ms around the blackout, 200 ms after it.
        let answers = [-20.0, -13.0, -8.0, 2.0, 895.0, 1030.0, 1230.0];
        // From 2 to 895 ms nobody answered either.
        assert_eq!(values(&answers), (Some(893.0), Some(7.0)));
        let busy: Vec<f64> = (-10..=180)
            .map(|number| f64::from(number) * 5.0)
            .chain([1031.0, 1036.0])
            .collect();
        assert_eq!(values(&busy), (Some(131.0), Some(5.0)));
    }

    #[test]
    fn silence_that_has_not_ended_has_no_length() {
        assert_eq!(values(&[-20.0, -13.0, 895.0]), (None, Some(7.0)));
        assert_eq!(values(&[]), (None, None));
        assert_eq!(values(&[1500.0]), (None, None));
    }

    // Answers are stamped in the order in which they come, whatever they answer.
    #[test]
    fn late_answers_are_put_in_order() {
        assert_eq!(values(&[-20.0, 1030.0, 1025.0, -15.0]).0, Some(1040.0));
    }
}
