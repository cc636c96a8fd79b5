//! How long a list takes over many runs, with the index, without it, and while it is made.
//!
//! `cargo bench -p lmbench --bench index [-- --runs 10000 --keep DIRECTORY]`
//!
//! Makes runs of three cells and three repeats with the metrics and events that a real one has (some 120 kB each), below a
//! temporary folder or, to try the program itself on them, below `--keep`. Then, in milliseconds:
//!
//! | line | what is timed |
//! |---|---|
//! | `rebuild` | the first list: every record is read and `index.sqlite` made |
//! | `list` | the list after that, best of five: every folder is looked at, no record is read |
//! | `one changed` | the list after one record was replaced |
//! | `history` | a metric of all runs, best of five |
//! | `text` | the list as a person reads it |
//!
//! With fewer than 1000 runs, as in `cargo test --benches`, it tells nothing and only shows that it works.

mod synthetic;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use lmbench::store::{Filter, INDEX_FILE, Store};
use lmbench::terminal::list_text;

/// See the head of this program.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of runs.
    #[arg(long)]
    runs: Option<usize>,
    /// Make the runs there, and keep them.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Make them and end.
    #[arg(long, requires = "keep")]
    only_make: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runs = arguments
        .runs
        .unwrap_or(if arguments.bench { 10_000 } else { 20 });
    let temporary = tempfile::tempdir()?;
    let out = arguments.keep.as_deref().unwrap_or(temporary.path());
    let bytes = synthetic::make(out, runs)?;
    println!("{runs} runs, {} kB each", bytes / runs.max(1) as u64 / 1000);
    if arguments.only_make {
        return Ok(());
    }
    measure(out, runs)
}

fn measure(out: &Path, runs: usize) -> Result<(), Box<dyn Error>> {
    // What was written within the last two seconds is not relied upon; a user's runs are older.
    sleep(Duration::from_millis(2500));
    let store = Store::open(out);
    let list = || store.list(&Filter::default());
    tell("rebuild", &mut || list().map(|listed| listed.len()), 1)?;
    let size = out.join(INDEX_FILE).metadata()?.len();
    println!("{:<12} {:>9} kB", "index", size / 1000);
    tell("list", &mut || list().map(|listed| listed.len()), 5)?;
    synthetic::replace_one(out)?;
    tell("one changed", &mut || list().map(|listed| listed.len()), 1)?;
    let catalogue = store.catalogue()?;
    let found = tell(
        "history",
        &mut || catalogue.history("blackout_ms").map(|points| points.len()),
        5,
    )?;
    assert_eq!(
        found,
        runs * synthetic::CELLS,
        "every cell of every run has the metric"
    );
    let listed = list()?;
    assert_eq!(listed.len(), runs);
    let text = || Ok(list_text(&listed, 0, &std::collections::BTreeMap::new()).len());
    tell("text", &mut &text, 1)?;
    Ok(())
}

/// The best time of several goes.
fn tell(
    what: &str,
    go: &mut dyn FnMut() -> Result<usize, lmbench::store::StoreError>,
    times: u32,
) -> Result<usize, Box<dyn Error>> {
    let mut best = Duration::MAX;
    let mut found = 0;
    for _ in 0..times {
        let begun = Instant::now();
        found = go()?;
        best = best.min(begun.elapsed());
    }
    println!("{what:<12} {:>9.1} ms", best.as_secs_f64() * 1e3);
    Ok(found)
}
