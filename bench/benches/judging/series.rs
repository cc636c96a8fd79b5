//! How often a run looks changed beside a baseline of several, in real series on which nothing was changed.
//!
//! A run is so many consecutive values. A baseline is of five such runs that begin a day apart; the run in question begins 1 or 30 days after the
//! last of them. Every half a day of each series begins one trial, unless a gap of the series is in it.
//!
//! | column | what is counted |
//! |---|---|
//! | `one run` | differences by the rule from the last of the baseline's runs alone |
//! | `five` | differences by the rule from all five, with what they differ by among themselves in mind |
//! | `gate` | of these, those wholly beyond 10 % |
//! | `open` | those five that can't tell whether it is 10 % worse |
//! | `found` | as `five`, of the same run made 10 % slower |

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use lmbench::judge::{Difference, RULE};
use lmbench::statistics::{Effect, Levels, Pairing};

type Series = Vec<(f64, f64)>;

pub(crate) fn main(file: &Path, repeats: usize) -> Result<(), Box<dyn Error>> {
    let all = read(file)?;
    println!(
        "{:>5} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}  series",
        "days", "trials", "one run", "five", "gate", "open", "found"
    );
    for gap in GAPS {
        let mut sum = [0; 6];
        for (name, series) in &all {
            let counted = trials(series, repeats, gap);
            line(gap, counted, name);
            for (sum, one) in sum.iter_mut().zip(counted) {
                *sum += one;
            }
        }
        line(gap, sum, "all");
    }
    Ok(())
}

fn line(gap: f64, [trials, counted @ ..]: [usize; 6], name: &str) {
    let shares =
        counted.map(|count| format!("{:7.2}%", count as f64 * 100.0 / trials.max(1) as f64));
    println!("{gap:>5} {trials:>7} {}  {name}", shares.join(" "));
}

fn trials(series: &Series, repeats: usize, gap: f64) -> [usize; 6] {
    let mut counted = [0; 6];
    let (Some((first, _)), Some((last, _))) = (series.first(), series.last()) else {
        return counted;
    };
    let mut start = *first;
    while start < *last {
        let runs: Option<Vec<Vec<f64>>> = (0..RUNS)
            .map(|run| values(series, start + f64::from(run), repeats))
            .collect();
        let day = start + f64::from(RUNS - 1) + gap;
        if let (Some(runs), Some(candidate)) = (runs, values(series, day, repeats)) {
            let found = trial(&runs, start, &candidate, day);
            counted[0] += 1;
            for (count, found) in counted[1..].iter_mut().zip(found) {
                *count += usize::from(found);
            }
        }
        start += STEP;
    }
    counted
}

fn trial(runs: &[Vec<f64>], start: f64, candidate: &[f64], day: f64) -> [bool; 5] {
    let mut levels = Levels::default();
    for (run, at) in runs.iter().zip(0..) {
        levels.add(run, Some(start + f64::from(at)));
    }
    let five = |factor: f64| {
        let candidate: Vec<f64> = candidate.iter().map(|value| value * factor).collect();
        let effect = RULE.effect(&runs.concat(), &candidate, Pairing::Independent, 1)?;
        Some(effect.with(levels.apart(Some(day), false)?))
    };
    let alone = runs
        .last()
        .and_then(|run| RULE.effect(run, candidate, Pairing::Independent, 1));
    let (same, slower) = (five(1.0), five(1.1));
    let beyond =
        |effect: &Effect| effect.interval.low > TOLERANCE || effect.interval.high < 1.0 / TOLERANCE;
    [
        is_called(alone),
        is_called(same),
        is_called(same.filter(beyond)),
        same.is_some_and(|effect| effect.interval.high > TOLERANCE),
        is_called(slower),
    ]
}

fn is_called(effect: Option<Effect>) -> bool {
    effect.is_some_and(|effect| {
        matches!(
            RULE.decide(&effect, effect.p),
            Difference::Lower | Difference::Higher
        )
    })
}

/// The run that begins on a day; none where the series has a gap.
fn values(series: &Series, from: f64, count: usize) -> Option<Vec<f64>> {
    let first = series.partition_point(|(day, _)| *day < from);
    let run = series.get(first..first + count)?;
    let (begin, end) = (run.first()?.0, run.last()?.0);
    (begin - from < LATE && end - begin < LONGEST)
        .then(|| run.iter().map(|(_, value)| *value).collect())
}

fn read(file: &Path) -> Result<BTreeMap<String, Series>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(file)?;
    let head = reader.headers()?.clone();
    let column = |name: &str| {
        head.iter()
            .position(|column| column == name)
            .ok_or(format!("no column {name}"))
    };
    let [metric, vm, started, value] = [
        column("metric")?,
        column("vm")?,
        column("started")?,
        column("value")?,
    ];
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for row in reader.records() {
        let row = row?;
        let moment: jiff::civil::DateTime = row[started].parse()?;
        let day = moment
            .to_zoned(jiff::tz::TimeZone::UTC)?
            .timestamp()
            .as_second() as f64
            / 86_400.0;
        let name = format!("{} {}", &row[metric], &row[vm]);
        all.entry(name)
            .or_default()
            .push((day, row[value].parse()?));
    }
    for series in all.values_mut() {
        series.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Ok(all)
}

const GAPS: [f64; 2] = [1.0, 30.0];
const RUNS: i32 = 5;
const TOLERANCE: f64 = 1.1;
/// In days, as all here.
const STEP: f64 = 0.5;
const LATE: f64 = 0.5;
const LONGEST: f64 = 1.5;
