//! `lmbench compare A B`.

use std::path::{Path, PathBuf};

use super::chosen::{figures, figures_of, find, keep_cells};
use super::{Exit, Failed, print, print_json};
use crate::cli::{CompareArguments, Format, RunArguments};
use crate::compare::{Choice, Options, Side, compare};
use crate::doctor::program::{Kind, examine};
use crate::interleave::{interleaved, of_programs, variant};
use crate::metric::{ALL, metric};
use crate::programs::Programs;
use crate::record::Record;
use crate::run::any_failed;
use crate::scenario::{self, Scenario, nearest};
use crate::store::{FoundRun, Store};
use crate::terminal::compare_text;
use crate::terminal::text::{clean, counted};

pub(super) fn main(arguments: &CompareArguments) -> Result<Exit, Failed> {
    check_metrics(&arguments.metric)?;
    let store = Store::open(&arguments.out);
    if arguments.interleave {
        return interleave(&store, arguments);
    }
    let (base_run, base_choice) = side(&store, &arguments.base)?;
    // clap asks for one unless --qemu or --binary, which take --interleave, stand in for it.
    let candidate = arguments.candidate.as_deref().unwrap_or_default();
    let (candidate_run, candidate_choice) = side(&store, candidate)?;
    let chosen = |run: &FoundRun| {
        let mut record = figures_of(run)?;
        keep_cells(&mut record, &arguments.cells.cell)?;
        Ok(record)
    };
    let base_record = chosen(&base_run)?;
    // Two cells of one run are in one record.
    let other_record = (candidate_run != base_run)
        .then(|| chosen(&candidate_run))
        .transpose()?;
    let base = Side {
        record: &base_record,
        choice: &base_choice,
    };
    let candidate = Side {
        record: other_record.as_ref().unwrap_or(&base_record),
        choice: &candidate_choice,
    };
    tell(&store, arguments, base, candidate)
}

/// Runs two scenarios, or one with two programs, in turns and compares what was measured.
fn interleave(store: &Store, arguments: &CompareArguments) -> Result<Exit, Failed> {
    let (both, command) = turns(arguments)?;
    let run = RunArguments {
        scenario: arguments.base.clone().into(),
        out: arguments.out.clone(),
        cells: arguments.cells.clone(),
        repeats: arguments.repeats,
        seed: arguments.seed,
        format: arguments.format,
        dry_run: arguments.dry_run,
        resume: arguments.resume.clone(),
        baseline: None,
        qemu: None,
        watch: false,
    };
    let Some((record, _)) = super::run::perform(&both, &run, &command)? else {
        return Ok(Exit::Success);
    };
    let (base, candidate) = (variant("base"), variant("candidate"));
    let side = |choice| Side {
        record: &record,
        choice,
    };
    let told = tell(store, arguments, side(&base), side(&candidate))?;
    Ok(if any_failed(&record) {
        Exit::MigrationFailed
    } else {
        told
    })
}

/// What takes turns, and the command that goes on with it.
fn turns(arguments: &CompareArguments) -> Result<(Scenario, String), Failed> {
    let load =
        |path: &str| scenario::load(Path::new(path)).map_err(|error| Failed::from_scenario(&error));
    let base = load(&arguments.base)?;
    let command = format!("compare --interleave {}", clean(&arguments.base));
    if let Some(candidate) = &arguments.candidate {
        let both = interleaved(base, load(candidate)?);
        return Ok((both, format!("{command} {}", clean(candidate))));
    }
    let (option, kind, names) = if arguments.qemu.is_empty() {
        ("--binary", Kind::Lmbench, &arguments.binary)
    } else {
        ("--qemu", Kind::Qemu, &arguments.qemu)
    };
    let [old, new] = names.as_slice() else {
        let message = format!(
            "{option} was given {}\nhint: give it twice: {option} OLD {option} NEW",
            counted(names.len(), "time")
        );
        return Err(Failed::new(Exit::Usage, message));
    };
    let examine = |name: &PathBuf| {
        let program =
            examine(name, kind).map_err(|error| Failed::from_error(Exit::Usage, &error))?;
        Ok(match kind {
            Kind::Lmbench => Programs {
                lmbench: Some(program),
                qemu: None,
            },
            Kind::Qemu => Programs {
                lmbench: None,
                qemu: Some(program),
            },
        })
    };
    let both = of_programs(base, &examine(old)?, &examine(new)?);
    let again = |name: &PathBuf| format!(" {option} {}", clean(&name.to_string_lossy()));
    Ok((both, command + &again(old) + &again(new)))
}

fn tell(
    store: &Store,
    arguments: &CompareArguments,
    base: Side<'_>,
    candidate: Side<'_>,
) -> Result<Exit, Failed> {
    let noise = arguments
        .noise_floor
        .iter()
        .map(|run| figures(store, run))
        .collect::<Result<Vec<Record>, Failed>>()?;
    let options = Options {
        metrics: &arguments.metric,
        noise: &noise,
    };
    let comparison = compare(base, candidate, &options).map_err(|error| {
        // Ids of cells come from a file; the line breaks are ours.
        let lines: Vec<String> = error.to_string().split("\nhint: ").map(clean).collect();
        Failed::new(Exit::Usage, lines.join("\nhint: "))
    })?;
    match arguments.format {
        Format::Human => {
            let text = compare_text(&comparison, arguments.all);
            print(|output| output.write_all(text.as_bytes()))
        }
        Format::Json => print_json(&comparison),
    }
}

/// RUN or RUN:CELL. Paths may hold colons too, so whatever is a run as a whole is one, then the shortest part before a colon that is.
fn side(store: &Store, text: &str) -> Result<(FoundRun, Choice), Failed> {
    if store.find(text).is_err() {
        let mut parts = text
            .match_indices(':')
            .map(|(at, _)| (&text[..at], &text[at + 1..]))
            .filter(|(run, _)| !run.is_empty());
        let first = parts.clone().next();
        let found = parts.find(|(run, _)| store.find(run).is_ok());
        if let Some((run, cell)) = found.or(first) {
            return Ok((find(store, run)?, Choice::cells(cell)));
        }
    }
    Ok((find(store, text)?, Choice::all()))
}

fn check_metrics(ids: &[String]) -> Result<(), Failed> {
    let Some(unknown) = ids.iter().find(|id| metric(id).is_none()) else {
        return Ok(());
    };
    let near = nearest(unknown, ALL.iter().map(|metric| metric.id));
    let hint = near.map_or_else(
        || "`lmbench show RUN --all` lists those that a run has".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("there is no metric {:?}", clean(unknown));
    Err(Failed::new(Exit::Usage, message).hint(hint))
}
