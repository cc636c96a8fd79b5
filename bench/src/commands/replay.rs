//! `lmbench replay RUN --policy NAME`.

use std::collections::BTreeMap;

use lmbench_harness::spec::PolicySpec;
use serde::Serialize;

use super::{Exit, Failed, chosen, print, print_json};
use crate::cli::{Format, ReplayArguments};
use crate::record::Record;
use crate::replay::{LIMITS, Reading, Replay, reading, recorded};
use crate::scenario::{self, nearest};
use crate::store::{FoundRun, Store, read_samples};
use crate::terminal::replay_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &ReplayArguments) -> Result<Exit, Failed> {
    // What is wrong with the command line is told before a large file is read.
    let specs = specs(&names(&arguments.policy)?, &arguments.set)?;
    let found = chosen::find(&Store::open(&arguments.out), &arguments.run)?;
    let mut record = chosen::whole_of(&found)?;
    chosen::keep_cells(&mut record, &arguments.cells.cell)?;
    check_repeat(&record, arguments.repeat)?;
    let readings = readings(&found, &record, arguments.repeat)?;
    let replays = replays(&record, &readings, &specs);
    if replays.is_empty() {
        return Err(no_readings(&record));
    }
    match arguments.format {
        Format::Human => {
            print(|output| output.write_all(replay_text(&record.run_id, &replays).as_bytes()))
        }
        Format::Json => print_json(&Document {
            run_id: &record.run_id,
            limits: LIMITS,
            replays: &replays,
        }),
    }
}

/// What programs get.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run_id: &'a str,
    limits: [&'static str; 3],
    replays: &'a [Replay],
}

/// Each once, in the order in which they were asked for.
fn names(asked: &[String]) -> Result<Vec<&'static str>, Failed> {
    let known = scenario::policy_names();
    let mut names: Vec<&'static str> = Vec::new();
    for name in asked.iter().map(|name| name.trim()) {
        let chosen = match known.iter().find(|known| **known == name) {
            Some(one) => vec![*one],
            None if name == "all" => known.clone(),
            None => return Err(unknown_policy(name, &known)),
        };
        for name in chosen {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn unknown_policy(name: &str, known: &[&'static str]) -> Failed {
    let begins = known.iter().filter(|known| {
        known
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('-'))
    });
    let family: Vec<&str> = begins.copied().collect();
    let meant = match family.as_slice() {
        [] => nearest(name, known.iter().copied()).map(str::to_owned),
        several => Some(several.join("` or `")),
    };
    let meant = meant.map_or(String::new(), |meant| format!("did you mean `{meant}`? "));
    Failed::new(Exit::Usage, format!("there is no policy {:?}", clean(name)))
        .hint(format!("{meant}`all`, or some of {}", known.join(", ")))
}

/// The policies with their settings.
fn specs(names: &[&'static str], set: &[String]) -> Result<Vec<PolicySpec>, Failed> {
    let mut settings: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for setting in set {
        let (path, value) = setting
            .split_once('=')
            .ok_or_else(|| wrong_setting(setting))?;
        let (name, key) = path.split_once('.').ok_or_else(|| wrong_setting(setting))?;
        let takers: Vec<&&str> = names
            .iter()
            .filter(|policy| **policy == name || name == "all" && scenario::policy_has(policy, key))
            .collect();
        if takers.is_empty() {
            let why = if name == "all" {
                "none of the chosen policies has this setting"
            } else {
                "no such policy was chosen with --policy"
            };
            return Err(
                Failed::new(Exit::Usage, format!("--set {}: {why}", clean(setting))).hint(format!(
                    "chosen are {}; `lmbench schema scenario` lists the settings of each",
                    names.join(", ")
                )),
            );
        }
        for policy in takers {
            let line = format!("{key}={value}");
            settings.entry(policy).or_default().push(line);
        }
    }
    let spec = |name: &&str| {
        let settings = settings.get(name).map_or(&[][..], Vec::as_slice);
        scenario::policy(name, settings).map_err(|error| Failed::from_scenario(&error))
    };
    names.iter().map(spec).collect()
}

fn wrong_setting(setting: &str) -> Failed {
    Failed::new(
        Exit::Usage,
        format!("--set {}: not of the form NAME.KEY=VALUE", clean(setting)),
    )
    .hint("write for example --set nova.time-scale=0.01")
}

fn check_repeat(record: &Record, repeat: Option<u32>) -> Result<(), Failed> {
    let Some(number) = repeat else {
        return Ok(());
    };
    let mut repeats = record.cells.iter().flat_map(|cell| &cell.repeats);
    if repeats.any(|repeat| repeat.repeat == number) {
        return Ok(());
    }
    Err(
        Failed::new(Exit::Usage, format!("the run has no repeat {number}"))
            .hint("`lmbench show` tells how many there are; the first is 1"),
    )
}

/// By cell and repeat; of the cells of this record.
fn readings(
    found: &FoundRun,
    record: &Record,
    repeat: Option<u32>,
) -> Result<BTreeMap<(String, u32), Vec<Reading>>, Failed> {
    let broken = |error| {
        Failed::from_error(Exit::Usage, &error)
            .hint("replay another run; `lmbench export RUN --samples` leaves such lines out")
    };
    let mut readings: BTreeMap<(String, u32), Vec<Reading>> = BTreeMap::new();
    for sample in read_samples(&found.samples()).map_err(broken)? {
        let sample = sample.map_err(broken)?;
        let is_wanted = record.cell_index(&sample.cell).is_some()
            && repeat.is_none_or(|repeat| repeat == sample.repeat);
        if !is_wanted {
            continue;
        }
        if let Some(reading) = reading(&sample) {
            let of = (sample.cell, sample.repeat);
            readings.entry(of).or_default().push(reading);
        }
    }
    for readings in readings.values_mut() {
        readings.sort_by_key(|(at, _)| *at);
    }
    Ok(readings)
}

fn replays(
    record: &Record,
    readings: &BTreeMap<(String, u32), Vec<Reading>>,
    specs: &[PolicySpec],
) -> Vec<Replay> {
    let mut replays = Vec::new();
    for cell in &record.cells {
        for repeat in &cell.repeats {
            let of = (cell.id.clone(), repeat.repeat);
            let Some(readings) = readings.get(&of).filter(|readings| !readings.is_empty()) else {
                continue;
            };
            let recorded = recorded(record, &cell.id, readings);
            replays.push(Replay::new(cell, repeat, readings, specs, &recorded));
        }
    }
    replays
}

fn no_readings(record: &Record) -> Failed {
    Failed::new(
        Exit::Usage,
        format!(
            "the run {} has no samples of QEMU's progress in what was asked for",
            clean(&record.run_id)
        ),
    )
    .hint("it was measured with migration.metering = false, or ended before its first migration, or its samples.jsonl is missing: replay a run that has them")
}
