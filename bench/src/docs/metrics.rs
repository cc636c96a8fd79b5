//! The registry of metrics as a page.

use std::fmt::Write as _;

use super::cell;
use crate::metric::{ALL, Direction, Metric, MetricHost, Topic};

pub(super) fn text() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         What each id in a record's `metrics` and `summary` means. A value that could not be had is missing, never 0. Ids are added, never renamed. \
         [What the figures mean](../guide/figures.md) tells how finely each tells. Details are in every record; tables show them with `--all`.\n\n",
    );
    let mut topics: Vec<Topic> = ALL.iter().map(|metric| metric.topic).collect();
    topics.dedup();
    for topic in topics {
        let of = |detail| {
            let these = ALL
                .iter()
                .filter(move |metric| metric.topic == topic && metric.detail == detail);
            these.collect::<Vec<_>>()
        };
        let name = topic.name();
        let _ = write!(page, "## {}{}\n\n", name[..1].to_uppercase(), &name[1..]);
        table(&mut page, &of(false));
        let details = of(true);
        if !details.is_empty() {
            let _ = write!(page, "### Details: {name}\n\n");
            table(&mut page, &details);
        }
    }
    page
}

fn table(page: &mut String, metrics: &[&Metric]) {
    page.push_str("| metric | unit | better | seen on | definition |\n|---|---|---|---|---|\n");
    for metric in metrics {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            metric.id,
            metric.unit.name(),
            better(metric.direction),
            seen_on(metric.host),
            cell(metric.definition),
        );
    }
    page.push('\n');
}

fn better(direction: Direction) -> &'static str {
    match direction {
        Direction::LowerIsBetter => "lower",
        Direction::HigherIsBetter => "higher",
        Direction::Informational => "-",
    }
}

fn seen_on(host: MetricHost) -> &'static str {
    match host {
        MetricHost::Source => "source",
        MetricHost::Destination => "destination",
        MetricHost::Both => "both",
        MetricHost::Guest => "guest",
    }
}
