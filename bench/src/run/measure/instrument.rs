//! What lmbench's own sampling costs and how close it is.

use lmbench_harness::agent::protocol::Usage;

use super::time_line::TimeLine;
use super::{Measured, Values};
use crate::statistics::median;

pub(super) fn measure(values: &mut Values, measured: &Measured, line: &TimeLine<'_>) {
    values.put("agent_cpu_share", agent_share(measured));
    let median_us = |nanoseconds: Vec<f64>| Some(median(&nanoseconds)? / 1e3);
    let answers = line
        .answers()
        .map(|(_, sample)| sample.cost.answer_ns as f64);
    values.put("sample_answer_us_p50", median_us(answers.collect()));
    let reads = line.answers().map(|(_, sample)| sample.cost.read_ns as f64);
    values.put("sample_read_us_p50", median_us(reads.collect()));
    let metering = measured.readings.source.metering.as_ref();
    let metered = metering.map_or(&[][..], |metering| &metering.flow);
    let metered = metered.iter().map(|point| point.read_ns as f64);
    values.put("meter_read_us_p50", median_us(metered.collect()));
    if line.answers().count() < 2 {
        // Without metering there is only the one after the end.
        return;
    }
    // From `migrate` to the first, from each to the next; the last one is taken after the end.
    let times: Vec<f64> = std::iter::once(0.0)
        .chain(line.answers().map(|(at_ms, _)| at_ms))
        .collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    values.put("sample_gap_ms_max", gaps.max_by(f64::total_cmp));
}

/// CPU time of both agents over the time in which it was used.
fn agent_share(measured: &Measured) -> Option<f64> {
    let (before, after) = (&measured.usage_before, &measured.usage_after);
    let used = |before: &Usage, after: &Usage| {
        let elapsed_ns = after.at_ns.checked_sub(before.at_ns)?;
        let used_ns = after.agent?.since(before.agent?).total_ns;
        (elapsed_ns > 0).then(|| used_ns as f64 / elapsed_ns as f64)
    };
    let source = used(&before.source, &after.source)?;
    Some(source + used(&before.destination, &after.destination)?)
}

#[cfg(test)]
mod tests {
    use lmbench_harness::role::Role;

    use super::super::synthetic::{Story, cpu};

    // 20 ms and 10 ms of CPU in a second.
    #[test]
    fn agents_have_a_share_of_a_cpu() {
        let mut story = Story::new(1000.0);
        for (usage, at_ns, used) in [
            (&mut story.measured.usage_before.source, 500, 1.0),
            (&mut story.measured.usage_after.source, 1_000_000_500, 1.02),
            (&mut story.measured.usage_before.destination, 7, 1.0),
            (
                &mut story.measured.usage_after.destination,
                1_000_000_007,
                1.01,
            ),
        ] {
            (usage.at_ns, usage.agent) = (at_ns, Some(cpu(used)));
        }
        let share = story.value("agent_cpu_share").unwrap();
        assert!((share - 0.03).abs() < 1e-9, "{share}");
        assert_eq!(Story::new(1000.0).value("agent_cpu_share"), None);
    }

    #[test]
    fn the_time_to_read_connections_is_a_median() {
        let story = Story::new(1000.0).flow(Role::Source, 1.0, 1, None);
        assert_eq!(story.value("meter_read_us_p50"), Some(20.0));
    }
}
