//! `lmbench compare A B`.

use std::path::Path;

use super::chosen::read;
use super::{Exit, Failed, print, print_json};
use crate::cli::{CompareArguments, Format, RunArguments};
use crate::compare::{Choice, Options, Side, compare, interleaved, variant};
use crate::metric::{ALL, metric};
use crate::record::Record;
use crate::run::any_failed;
use crate::scenario::{self, nearest};
use crate::store::Store;
use crate::terminal::compare_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &CompareArguments) -> Result<Exit, Failed> {
    check_metrics(&arguments.metric)?;
    let store = Store::open(&arguments.out);
    if arguments.interleave {
        return interleave(&store, arguments);
    }
    let (base, base_choice) = side(&store, &arguments.base)?;
    let (candidate, candidate_choice) = side(&store, &arguments.candidate)?;
    let base = Side {
        record: &base,
        choice: &base_choice,
    };
    let candidate = Side {
        record: &candidate,
        choice: &candidate_choice,
    };
    tell(&store, arguments, base, candidate)
}

/// Runs two scenarios in turns and compares what they measured.
fn interleave(store: &Store, arguments: &CompareArguments) -> Result<Exit, Failed> {
    let load =
        |path: &str| scenario::load(Path::new(path)).map_err(|error| Failed::from_scenario(&error));
    let (base, candidate) = (load(&arguments.base)?, load(&arguments.candidate)?);
    let both = interleaved(base, candidate);
    let command = format!(
        "compare --interleave {} {}",
        clean(&arguments.base),
        clean(&arguments.candidate)
    );
    let run = RunArguments {
        scenario: arguments.base.clone().into(),
        out: arguments.out.clone(),
        only: arguments.only.clone(),
        repeats: arguments.repeats,
        seed: arguments.seed,
        format: arguments.format,
        dry_run: arguments.dry_run,
        resume: arguments.resume.clone(),
        watch: false,
    };
    let Some(record) = super::run::perform(&both, &run, &command)? else {
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

fn tell(
    store: &Store,
    arguments: &CompareArguments,
    base: Side<'_>,
    candidate: Side<'_>,
) -> Result<Exit, Failed> {
    let noise = arguments
        .noise_floor
        .as_deref()
        .map(|run| read(store, run))
        .transpose()?;
    let options = Options {
        metrics: &arguments.metric,
        noise: noise.as_ref(),
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
fn side(store: &Store, text: &str) -> Result<(Record, Choice), Failed> {
    if store.find(text).is_err() {
        let mut parts = text
            .match_indices(':')
            .map(|(at, _)| (&text[..at], &text[at + 1..]))
            .filter(|(run, _)| !run.is_empty());
        let first = parts.clone().next();
        let found = parts.find(|(run, _)| store.find(run).is_ok());
        if let Some((run, cell)) = found.or(first) {
            return Ok((read(store, run)?, Choice::cells(cell)));
        }
    }
    Ok((read(store, text)?, Choice::all()))
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
