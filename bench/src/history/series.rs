//! From points to series and levels.

use indexmap::IndexMap;

use super::{CellHistory, Change, Difference, Level, Machine, Series, Verdict};
use crate::metric::Direction;
use crate::record::summary;
use crate::statistics::{ChangePoint, change_points};
use crate::store::HistoryPoint;

/// Cells, each with a series for every kind of machine, in the order of their first points.
pub(super) fn cells(points: Vec<HistoryPoint>, direction: Direction) -> Vec<CellHistory> {
    type Machines = IndexMap<[Option<String>; 3], Vec<HistoryPoint>>;
    let mut cells: IndexMap<(Option<String>, String), Machines> = IndexMap::new();
    for point in points {
        let cell = (point.scenario.clone(), point.cell.clone());
        let machine = [
            point.accelerator.clone(),
            point.cpu.clone(),
            point.qemu.clone(),
        ];
        let machines = cells.entry(cell).or_default();
        machines.entry(machine).or_default().push(point);
    }
    let cell = |((scenario, cell), machines): ((Option<String>, String), Machines)| {
        let mut series: Vec<Series> = Vec::new();
        for ([accelerator, cpu, qemu], points) in machines {
            let machine = Machine {
                accelerator,
                cpu,
                qemu,
            };
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
        }
    };
    cells.into_iter().map(cell).collect()
}

impl Machine {
    fn differences(&self, other: &Machine) -> Vec<Difference> {
        let of = [
            ("accelerator", &self.accelerator, &other.accelerator),
            ("CPU", &self.cpu, &other.cpu),
            ("QEMU", &self.qemu, &other.qemu),
        ];
        different(of.map(|(what, from, to)| (what, from.clone(), to.clone())))
    }
}

/// What differs between two runs of a series. The kind of machine does not, or it were no series.
fn differences(before: &HistoryPoint, after: &HistoryPoint) -> Vec<Difference> {
    let cores = |point: &HistoryPoint| point.cores.map(|cores| cores.to_string());
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
        ("online CPUs", cores(before), cores(after)),
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
    let found = change_points(&values, SEED);
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
        });
    }
    levels
}

fn verdict(before: f64, after: f64, direction: Direction) -> Verdict {
    match direction {
        Direction::Informational => Verdict::Different,
        Direction::LowerIsBetter if after < before => Verdict::Better,
        Direction::HigherIsBetter if after > before => Verdict::Better,
        Direction::LowerIsBetter | Direction::HigherIsBetter => Verdict::Worse,
    }
}

/// Any: the same history gives the same answer.
const SEED: u64 = 1;
