//! From points to series and levels.

use indexmap::IndexMap;

use super::{CellHistory, Change, Difference, Level, Machine, Series, Slope, Verdict};
use crate::metric::Direction;
use crate::record::summary;
use crate::statistics::{ChangePoint, change_points, drift, median};
use crate::store::HistoryPoint;

/// Cells, each with a series for every kind of machine, in the order of their first points.
pub(super) fn cells(points: Vec<HistoryPoint>, direction: Direction) -> Vec<CellHistory> {
    type Machines = IndexMap<Machine, Vec<HistoryPoint>>;
    type Cell = (Option<String>, String);
    let mut without: IndexMap<Cell, Vec<HistoryPoint>> = IndexMap::new();
    let mut cells: IndexMap<Cell, Machines> = IndexMap::new();
    for point in points {
        let cell = (point.scenario.clone(), point.cell.clone());
        if point.n == 0 {
            without.entry(cell).or_default().push(point);
            continue;
        }
        let machine = Machine {
            accelerator: point.accelerator.clone(),
            cpu: point.cpu.clone(),
            cores: point.cores,
            qemu: point.qemu.clone(),
        };
        let machines = cells.entry(cell).or_default();
        machines.entry(machine).or_default().push(point);
    }
    let cell = |((scenario, cell), machines): (Cell, Machines)| {
        let without = without.swap_remove(&(scenario.clone(), cell.clone()));
        let mut series: Vec<Series> = Vec::new();
        for (machine, points) in machines {
            let before = series.last().map(|series| &series.machine);
            series.push(Series {
                machine_changed: before.map_or(Vec::new(), |before| before.differences(&machine)),
                levels: levels(&points, direction),
                machine,
                points,
            });
        }
        CellHistory {
            scenario,
            cell,
            series,
            without: without.unwrap_or_default(),
        }
    };
    cells.into_iter().map(cell).collect()
}

impl Machine {
    fn differences(&self, other: &Machine) -> Vec<Difference> {
        let cores = |machine: &Machine| machine.cores.map(|cores| cores.to_string());
        different([
            (
                "accelerator",
                self.accelerator.clone(),
                other.accelerator.clone(),
            ),
            ("CPU", self.cpu.clone(), other.cpu.clone()),
            ("online CPUs", cores(self), cores(other)),
            ("QEMU", self.qemu.clone(), other.qemu.clone()),
        ])
    }
}

/// What differs between two runs of a series. The kind of machine does not, or it were no series.
fn differences(before: &HistoryPoint, after: &HistoryPoint) -> Vec<Difference> {
    // As `show` writes it: enough to tell two texts apart.
    let text = |point: &HistoryPoint| {
        let sha256 = point.scenario_sha256.as_ref()?;
        Some(format!(
            "sha256 {}",
            sha256.chars().take(12).collect::<String>()
        ))
    };
    different([
        ("lmbench", before.lmbench.clone(), after.lmbench.clone()),
        ("kernel", before.kernel.clone(), after.kernel.clone()),
        ("source", before.source.clone(), after.source.clone()),
        (
            "destination",
            before.destination.clone(),
            after.destination.clone(),
        ),
        ("the scenario's text", text(before), text(after)),
    ])
}

fn different<const N: usize>(
    of: [(&'static str, Option<String>, Option<String>); N],
) -> Vec<Difference> {
    let named = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    of.into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(what, from, to)| Difference {
            what,
            from: named(from),
            to: named(to),
        })
        .collect()
}

fn levels(points: &[HistoryPoint], direction: Direction) -> Vec<Level> {
    let values: Vec<f64> = points.iter().map(|point| point.median).collect();
    let found = worth_telling(&values, change_points(&values, SEED));
    let mut firsts = vec![0];
    firsts.extend(found.iter().map(|change| change.index));
    let mut levels: Vec<Level> = Vec::new();
    for (position, &first) in firsts.iter().enumerate() {
        let end = firsts.get(position + 1).copied().unwrap_or(values.len());
        let Some(of) = summary(values[first..end].to_vec()) else {
            continue;
        };
        let cause: Option<&ChangePoint> =
            position.checked_sub(1).and_then(|index| found.get(index));
        let change = levels.last().zip(cause).map(|(before, cause)| Change {
            p: cause.p,
            ratio: Some(of.median / before.median).filter(|ratio| ratio.is_finite()),
            verdict: verdict(before.median, of.median, direction),
            differences: differences(&points[first - 1], &points[first]),
        });
        levels.push(Level {
            first,
            run_id: points[first].run_id.clone(),
            runs: end - first,
            median: of.median,
            min: of.min,
            max: of.max,
            change,
            drift: slope(&values[first..end], direction),
        });
    }
    levels
}

/// How a level drifts, if that is enough to matter.
fn slope(values: &[f64], direction: Direction) -> Option<Slope> {
    let drift = drift(values)?;
    let size = ((drift.to - drift.from) / drift.from).abs();
    (size.is_finite() && size >= CHANGE_MIN).then(|| Slope {
        from: drift.from,
        to: drift.to,
        p: drift.p,
        verdict: verdict(drift.from, drift.to, direction),
    })
}

/// The changes without those that are too small to matter, which join their levels.
fn worth_telling(values: &[f64], mut found: Vec<ChangePoint>) -> Vec<ChangePoint> {
    loop {
        let ends = found.iter().map(|change| change.index);
        let ends = ends.chain([values.len()]);
        let mut start = 0;
        let levels: Vec<Option<f64>> = ends
            .map(|end| median(&values[std::mem::replace(&mut start, end)..end]))
            .collect();
        let size = |two: &[Option<f64>]| match two {
            [Some(before), Some(after)] => ((after - before) / before).abs(),
            _ => f64::INFINITY,
        };
        let smallest = levels.windows(2).map(size).enumerate();
        match smallest.min_by(|(_, a), (_, b)| a.total_cmp(b)) {
            Some((at, size)) if size < CHANGE_MIN => found.remove(at),
            _ => return found,
        };
    }
}

fn verdict(before: f64, after: f64, direction: Direction) -> Verdict {
    match direction {
        Direction::Informational => Verdict::Different,
        Direction::LowerIsBetter if after < before => Verdict::Better,
        Direction::HigherIsBetter if after > before => Verdict::Better,
        Direction::LowerIsBetter | Direction::HigherIsBetter => Verdict::Worse,
    }
}

/// Of the level before. The repeatability of a benchmark on one machine; nobody acts on less.
const CHANGE_MIN: f64 = 0.01;
/// Any: the same history gives the same answer.
const SEED: u64 = 1;
