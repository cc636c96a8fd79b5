//! What to set, as far as a run tells: of each axis the value that the rule calls better than all others, or the values that a guest gets
//! across with, best within its downtime limit, where others leave it behind. It recommends nothing that is not told from noise.

use std::collections::HashMap;
use std::time::Duration;

use lmbench_record::conditions;
use lmbench_record::judge::{Completions, RULE};
use lmbench_record::metric::Unit;
use lmbench_record::record::{CellRecord, Outcome, Record, Repeat};
use serde_json::Value;

use super::Source;
use super::label::{self, Axis};
use super::model::{Advice, Comparison};
use crate::terminal::text::clean_short;

/// For each axis that tells something, in the order of the axes; of several runs for each.
pub(super) fn advice(sources: &[Source], comparisons: &[Comparison]) -> Vec<Advice> {
    let mut advice = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let run = (sources.len() > 1).then(|| super::letter(index));
        let of_run = comparisons
            .iter()
            .filter(|comparison| comparison.run == run);
        let of_run: Vec<&Comparison> = of_run.collect();
        for axis in label::axes(&source.record).into_iter().filter(is_setting) {
            let comparison = of_run.iter().find(|known| known.axis == axis.key);
            let mut found = best(&source.record, &axis, comparison.copied());
            let across = within_limits(&source.record, &axis, &source.limits)
                .or_else(|| getting_across(&source.record, &axis, found.is_empty()));
            found.extend(across);
            for one in &mut found {
                if let Some(letter) = run {
                    one.why = format!("Run {letter}: {}", one.why);
                }
            }
            advice.extend(found);
        }
    }
    advice
}

/// Links, guests and faults are what an operator has, not what there is to set.
fn is_setting(axis: &Axis) -> bool {
    let first = axis.key.split('.').next();
    matches!(first, Some("carrier" | "policy" | "migration"))
}

/// Whom the rule calls best, with all that it is best at.
fn best(record: &Record, axis: &Axis, comparison: Option<&Comparison>) -> Vec<Advice> {
    let mut winners: Vec<(&String, Vec<&str>)> = Vec::new();
    for best in comparison.iter().flat_map(|comparison| &comparison.best) {
        if let [only] = best.winners.as_slice() {
            match winners.iter_mut().find(|(known, _)| *known == only) {
                Some((_, at)) => at.push(&best.quantity.name),
                None => winners.push((only, vec![&best.quantity.name])),
            }
        }
    }
    let said = winners.into_iter().map(|(winner, at)| Advice {
        setting: setting(record, axis, winner),
        why: format!(
            "{winner} is really better than every other {} at {}",
            label::axis(&axis.key),
            list(&at)
        ),
    });
    said.collect()
}

/// The value with which alone every migration completed and kept the blackout within the downtime limit.
fn within_limits(
    record: &Record,
    axis: &Axis,
    limits: &HashMap<String, Duration>,
) -> Option<Advice> {
    let is_good = |cell: &CellRecord, repeat: &Repeat| {
        let limit = limits.get(&cell.id)?.as_secs_f64() * 1e3;
        let blackout = repeat.metrics.get("blackout_ms")?;
        Some(*blackout <= limit)
    };
    let across = across(record, axis, is_good)?;
    let only = across.only?;
    let mut distinct: Vec<&Duration> = limits.values().collect();
    distinct.sort();
    distinct.dedup();
    let limit = match distinct.as_slice() {
        [one] => format!(" of {}", Unit::Second.format(one.as_secs_f64())),
        _ => String::new(),
    };
    Some(Advice {
        setting: setting(record, axis, &only),
        why: format!(
            "every migration completed within the downtime limit{limit} with {}",
            across.said
        ),
    })
}

/// The values with which every migration completed, where others do so less often, and not by chance.
fn getting_across(record: &Record, axis: &Axis, alone: bool) -> Option<Advice> {
    let across = across(record, axis, |_, _| Some(true))?;
    let mut why = format!("every migration completed with {}", across.said);
    if across.only.is_none() && alone {
        why += "; the rest is not told from noise, --repeats 8 may tell it";
    }
    let only = across.only.filter(|_| alone);
    Some(Advice {
        setting: only.and_then(|only| setting(record, axis, &only)),
        why,
    })
}

/// With which values of an axis a guest gets across.
struct Across {
    /// If there is only one, and every other does so less often.
    only: Option<String>,
    /// `a and b (5 of 5), not with c (0 of 5)`.
    said: String,
}

/// The values at which all that ended is good, if that is rarer at others. What completed is good if `is_good` says so; of what it can't
/// say anything of, nothing is.
fn across(
    record: &Record,
    axis: &Axis,
    is_good: impl Fn(&CellRecord, &Repeat) -> Option<bool>,
) -> Option<Across> {
    let endings: Vec<(String, [usize; 2])> = axis
        .values
        .iter()
        .map(|value| {
            (
                clean_short(value, 60),
                endings(record, axis, value, &is_good),
            )
        })
        .filter(|(_, [good, bad])| good + bad > 0)
        .collect();
    let (always, others): (Vec<_>, Vec<_>) = endings.iter().partition(|(_, [_, bad])| *bad == 0);
    let [(_, base), ..] = always.as_slice() else {
        return None;
    };
    let is_rarer = |(_, ending): &&&(String, [usize; 2])| {
        RULE.completions(*base, *ending).0 == Completions::Rarer
    };
    let rarer: Vec<String> = others
        .iter()
        .filter(is_rarer)
        .map(|(name, [good, bad])| format!("{name} ({good} of {})", good + bad))
        .collect();
    if rarer.is_empty() {
        return None;
    }
    let names: Vec<&str> = always.iter().map(|(name, _)| name.as_str()).collect();
    let less: Vec<&str> = rarer.iter().map(String::as_str).collect();
    Some(Across {
        only: match always.as_slice() {
            [only] if rarer.len() == others.len() => Some(only.0.clone()),
            _ => None,
        },
        said: format!(
            "{} ({} of {}), not with {}",
            list(&names),
            base[0],
            base[0],
            list(&less)
        ),
    })
}

/// How many migrations at a value were good, and how many that were tried were not.
fn endings(
    record: &Record,
    axis: &Axis,
    value: &str,
    is_good: impl Fn(&CellRecord, &Repeat) -> Option<bool>,
) -> [usize; 2] {
    let is_at = |cell: &&CellRecord| label::value(cell, &axis.key).as_deref() == Some(value);
    let cells = record.cells.iter().filter(is_at);
    let cells = cells.filter(|cell| conditions::as_asked(cell));
    let mut endings = [0, 0];
    for cell in cells {
        for repeat in &cell.repeats {
            let is_good = match repeat.outcome {
                Outcome::Completed => is_good(cell, repeat).unwrap_or(false),
                Outcome::DidNotConverge | Outcome::Failed => false,
                Outcome::Cancelled | Outcome::Skipped => continue,
            };
            endings[usize::from(!is_good)] += 1;
        }
    }
    endings
}

/// The line of a scenario; `None` if the value can't be said in one.
fn setting(record: &Record, axis: &Axis, shown: &str) -> Option<String> {
    let is_it = |value: &&Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        clean_short(&text, 60) == shown
    };
    let mut values = record
        .cells
        .iter()
        .filter_map(|cell| cell.parameters.get(&axis.key));
    let value = toml::Value::try_from(values.find(is_it)?).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let line = format!("{} = {value}", axis.key);
    (axis.key.chars().all(plain) && !line.contains('\n') && line.len() <= LONGEST)
        .then(|| clean_short(&line, LONGEST))
}

/// `a, b and c`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::compare::comparisons;
    use lmbench_record::record::example;

    /// The cells of a record as values of one axis, with the outcomes of their repeats.
    fn record(outcomes: &[(Value, Outcome)], repeats: u32, slower: f64) -> Record {
        let mut record = example::jvm();
        let template = record.cells[0].clone();
        let mut factor = 1.0;
        let cell = |(value, outcome): &(Value, Outcome)| {
            let mut cell = template.clone();
            cell.parameters = [("policy".to_owned(), value.clone())].into_iter().collect();
            let good = &template.repeats[0];
            cell.repeats = (1..=repeats)
                .map(|number| {
                    let mut repeat = if *outcome == Outcome::Completed {
                        good.clone()
                    } else {
                        Repeat::unfinished(number, 0.0, *outcome, "so it was")
                    };
                    repeat.repeat = number;
                    for metric in repeat.metrics.values_mut() {
                        *metric *= factor * (1.0 + f64::from(number * 7 % 5) / 500.0);
                    }
                    repeat
                })
                .collect();
            factor *= slower;
            cell
        };
        record.cells = outcomes.iter().map(cell).collect();
        record
    }

    fn of(record: Record) -> Vec<(Option<String>, String)> {
        of_source(Source::without_samples(record))
    }

    fn of_source(source: Source) -> Vec<(Option<String>, String)> {
        let sources = [source];
        let advice = advice(&sources, &comparisons(&sources));
        advice
            .into_iter()
            .map(|one| (one.setting, one.why))
            .collect()
    }

    #[test]
    fn what_gets_across_is_named_and_what_noise_hides_is_not_recommended() {
        let outcomes = [
            (json!("static"), Outcome::DidNotConverge),
            (json!("post-copy"), Outcome::Completed),
            (json!("pilot"), Outcome::Completed),
        ];
        let why = "every migration completed with post-copy and pilot (5 of 5), not with static (0 of 5); \
                   the rest is not told from noise, --repeats 8 may tell it";
        assert_eq!(of(record(&outcomes, 5, 2.0)), [(None, why.to_owned())]);
        let why = "every migration completed with post-copy (5 of 5), not with static (0 of 5)";
        assert_eq!(
            of(record(&outcomes[..2], 5, 2.0)),
            [(Some("policy = \"post-copy\"".to_owned()), why.to_owned())]
        );
        assert_eq!(of(record(&outcomes, 1, 2.0)), [], "one coin each");
    }

    #[test]
    fn who_alone_keeps_the_limit_is_what_to_set() {
        let outcomes = [
            (json!("static"), Outcome::DidNotConverge),
            (json!("pilot"), Outcome::Completed),
            (json!("post-copy"), Outcome::Completed),
        ];
        let with = |limit: Duration| {
            let mut record = record(&outcomes, 5, 20.0);
            for cell in &mut record.cells {
                let policy = cell.parameters["policy"].as_str().unwrap();
                cell.id = format!("policy={policy}");
            }
            let pilot = &record.cells[1].repeats;
            let blackouts = pilot.iter().map(|repeat| repeat.metrics["blackout_ms"]);
            assert!(blackouts.fold(0.0, f64::max) < 10_000.0);
            let ids = record.cells.iter().map(|cell| cell.id.clone());
            let limits: HashMap<_, _> = ids.map(|id| (id, limit)).collect();
            of_source(Source::without_samples(record).with_limits(|_| limits))
        };
        let (setting, why) = &with(Duration::from_secs(10))[0];
        assert_eq!(setting.as_deref(), Some("policy = \"pilot\""));
        assert_eq!(
            why,
            "every migration completed within the downtime limit of 10 s with pilot (5 of 5), not with static (0 of 5) and post-copy (0 of 5)"
        );
        // Where both keep it, or neither, it tells nothing.
        for limit in [1, 3_600_000].map(Duration::from_millis) {
            let found = with(limit);
            assert!(
                found.iter().all(|(_, why)| !why.contains("limit")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn the_best_by_the_rule_is_what_to_set() {
        let outcomes = [
            (json!("post-copy"), Outcome::Completed),
            (json!("pilot"), Outcome::Completed),
        ];
        let clear = of(record(&outcomes, 10, 2.0));
        let (setting, why) = &clear[0];
        assert_eq!(setting.as_deref(), Some("policy = \"post-copy\""));
        assert!(
            why.starts_with("post-copy is really better than every other policy at total time")
        );
        assert_eq!(of(record(&outcomes, 10, 1.0)), []);
    }
}
