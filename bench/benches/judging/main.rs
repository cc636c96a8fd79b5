//! How often `compare` and `gate` are wrong about the same thing, and what they find: on the repeats of real runs, resampled.
//!
//! `cargo bench -p lmbench --bench judging -- RUN… [--repeats 16] [--comparisons 200]`
//!
//! RUN is a record or a run's folder. From the completed repeats of each of its cells two arms are drawn at random, again and again: without
//! putting back where there are enough for both, else with. The arms are the same thing, so every difference that is called one is a false
//! alarm; the bar is 1 %. Then one arm's `total_time_ms` is made 5, 10 and 20 % longer (and its throughput less), which shall be found;
//! the bar is a power of 0.8 at 10 % with 16 repeats in each arm.
//!
//! | column | what is counted |
//! |---|---|
//! | `compare` | comparisons of all metrics in which any was called worse or better |
//! | `turns` | the same, of arms that took turns in one run and are compared in pairs |
//! | `--metric` | comparisons of `total_time_ms` alone |
//! | `gate` | gates by its standard rules that regressed or improved |
//!
//! Drawing with putting back repeats values, so the arms scatter a little less than measured anew, all alike.
//!
//! `-- --series FILE [--repeats 8]` asks the same of series over months on which nothing was changed, see [`series`]; `-- --simulated` asks it of
//! made-up values, of which there are enough for tenths of a percent, see [`simulated`], and of whole reports, see [`reports`].

mod reports;
mod series;
mod simulated;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use lmbench::compare::{Choice, Comparison, Options, Side, Verdict, compare};
use lmbench::gate::{self, Ask, Baseline, Rules};
use lmbench::record::{CellRecord, Outcome, Record, Repeat};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// See the head of this program.
#[derive(Debug, Parser)]
struct Arguments {
    /// Records of runs, or their folders.
    runs: Vec<PathBuf>,
    /// Repeats in each arm.
    #[arg(long, default_value_t = 16)]
    repeats: usize,
    /// Comparisons of each cell at each slowdown.
    #[arg(long, default_value_t = 200)]
    comparisons: usize,
    /// A series with nothing changed: CSV with the columns metric, vm, started (`2023-05-29 00:22:50`) and value.
    #[arg(long)]
    series: Option<PathBuf>,
    /// Ask it of made-up values, with this many rounds each.
    #[arg(long, num_args = 0..=1, default_missing_value = "10000")]
    simulated: Option<usize>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(rounds) = arguments.simulated {
        simulated::main(rounds);
        return Ok(());
    }
    if let Some(file) = &arguments.series {
        return series::main(file, arguments.repeats);
    }
    if arguments.runs.is_empty() {
        println!("no runs were named: see the head of this program");
        return Ok(());
    }
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut all = [Found::default(); SLOWDOWNS.len()];
    println!(
        "{:>9} {:>8} {:>8} {:>8} {:>8}  cell",
        "slowdown", "compare", "turns", "--metric", "gate"
    );
    for path in &arguments.runs {
        let file = if path.is_dir() {
            path.join("record.json")
        } else {
            path.clone()
        };
        let record = Record::read_whole(&file)?;
        for cell in &record.cells {
            if cell.completed().count() < FEWEST {
                continue;
            }
            for (slowdown, all) in SLOWDOWNS.iter().zip(&mut all) {
                let mut found = Found::default();
                for _ in 0..arguments.comparisons {
                    let arms = draw(cell, arguments.repeats, &mut random);
                    found.judge(&record, cell, arms, *slowdown)?;
                }
                println!(
                    "{:>8.0}% {}  {} of {}",
                    (slowdown - 1.0) * 100.0,
                    found.line(),
                    cell.id,
                    record.run_id
                );
                all.add(&found);
            }
        }
    }
    for (slowdown, found) in SLOWDOWNS.iter().zip(&all) {
        println!(
            "{:>8.0}% {}  all, of {}",
            (slowdown - 1.0) * 100.0,
            found.line(),
            found.asked
        );
    }
    Ok(())
}

/// How often something was called a difference.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    asked: usize,
    compare: usize,
    turns: usize,
    metric: usize,
    gate: usize,
}

impl Found {
    fn judge(
        &mut self,
        record: &Record,
        cell: &CellRecord,
        [base, mut candidate]: [Vec<Repeat>; 2],
        slowdown: f64,
    ) -> Result<(), Box<dyn Error>> {
        for repeat in &mut candidate {
            for (id, factor) in [
                ("total_time_ms", slowdown),
                ("throughput_bps", 1.0 / slowdown),
            ] {
                if let Some(value) = repeat.metrics.get_mut(id) {
                    *value *= factor;
                }
            }
        }
        let of = |name: &str, repeats: Vec<Repeat>| Record {
            run_id: name.to_owned(),
            cells: vec![CellRecord {
                repeats,
                ..cell.clone()
            }],
            complete: true,
            ..record.clone()
        };
        let turns = in_turns(record, cell, &base, &candidate);
        let (base, candidate) = (of("base", base), of("candidate", candidate));
        let whole = Choice::all();
        let side = |record| Side {
            record,
            choice: &whole,
        };
        let only = ["total_time_ms".to_owned()];
        let alone = Options {
            metrics: &only,
            noise: &[],
        };
        let sides = ["side=base", "side=candidate"].map(Choice::cells);
        let [left, right] = [0, 1].map(|index: usize| Side {
            record: &turns,
            choice: &sides[index],
        });
        let every = Options::default();
        self.asked += 1;
        self.compare += usize::from(called(&compare(side(&base), side(&candidate), &every)?));
        self.metric += usize::from(called(&compare(side(&base), side(&candidate), &alone)?));
        self.turns += usize::from(called(&compare(left, right, &every)?));
        let baseline = Baseline::of(&base, &[])?;
        let report = gate::judge(&Ask {
            record: &candidate,
            rules: &Rules::default(),
            baseline: Some(&baseline),
            only: &[],
        });
        let verdict = report.verdict();
        self.gate += usize::from(matches!(
            verdict,
            gate::Verdict::Regressed | gate::Verdict::Improved
        ));
        Ok(())
    }

    fn add(&mut self, other: &Found) {
        self.asked += other.asked;
        self.compare += other.compare;
        self.turns += other.turns;
        self.metric += other.metric;
        self.gate += other.gate;
    }

    /// Shares in percent.
    fn line(&self) -> String {
        let share = |count: usize| format!("{:7.2}%", count as f64 * 100.0 / self.asked as f64);
        [self.compare, self.turns, self.metric, self.gate]
            .map(share)
            .join(" ")
    }
}

/// Both arms as cells of one run, repeat by repeat.
fn in_turns(record: &Record, cell: &CellRecord, base: &[Repeat], candidate: &[Repeat]) -> Record {
    let arm = |name: &str, repeats: &[Repeat], later: f64| {
        let mut arm = cell.clone();
        arm.id = format!("side={name}");
        arm.parameters.insert("side".to_owned(), name.into());
        arm.repeats = repeats.to_vec();
        for repeat in &mut arm.repeats {
            repeat.started_ms = f64::from(repeat.repeat) * 1000.0 + later;
        }
        arm
    };
    Record {
        cells: vec![arm("base", base, 0.0), arm("candidate", candidate, 500.0)],
        ..record.clone()
    }
}

fn called(comparison: &Comparison) -> bool {
    let mut metrics = comparison.cells.iter().flat_map(|cell| &cell.metrics);
    metrics.any(|metric| matches!(metric.verdict, Some(Verdict::Worse | Verdict::Better)))
}

/// Two arms of a cell's completed repeats, numbered anew.
fn draw(cell: &CellRecord, repeats: usize, random: &mut Pcg64Mcg) -> [Vec<Repeat>; 2] {
    let mut pool: Vec<&Repeat> = cell
        .repeats
        .iter()
        .filter(|repeat| repeat.outcome == Outcome::Completed)
        .collect();
    let put_back = pool.len() < repeats * 2;
    let mut arm = || -> Vec<Repeat> {
        (1..)
            .take(repeats)
            .map(|number| {
                let at = (random.next_u64() % pool.len() as u64) as usize;
                let drawn = if put_back {
                    pool[at]
                } else {
                    pool.swap_remove(at)
                };
                Repeat {
                    repeat: number,
                    ..drawn.clone()
                }
            })
            .collect()
    };
    [arm(), arm()]
}

/// One, and what shall be found.
const SLOWDOWNS: [f64; 4] = [1.0, 1.05, 1.1, 1.2];
/// Of fewer repeats there is nothing to draw.
const FEWEST: usize = 6;
const SEED: u64 = 1;
