//! The matrix in colours: every cell by the metrics that decide, and each of these metrics over two axes.
//!
//! A colour is a place between the best and the worst median of a run, on a logarithmic scale where the values allow one. There is none where
//! the best and the worst are not really different, nor a star for what is not really better than all others: see [`Standing`].

use lmbench_record::metric::Direction;
use lmbench_record::record::Record;

use super::Source;
use super::compare::Standing;
use super::label::{self, Axis, quantity};
use super::model::{Grid, Overview, Quantity, Shade};
use super::values::{HEADLINES, Shown, summary_of};
use crate::terminal::text::clean_short;

/// Cells by metrics, [`CELLS`] at most; `None` without any value. Each run has its own colours: what ran elsewhere or asked something else is
/// no better for it.
pub(super) fn overview(sources: &[Source], standings: &[Vec<Standing>]) -> Option<Overview> {
    let mut columns = Vec::new();
    let mut rows: Vec<Vec<Option<Shade>>> = Vec::new();
    for (place, id) in HEADLINES.iter().enumerate() {
        let quantity = quantity(id);
        let mut column = Vec::new();
        for (source, standings) in sources.iter().zip(standings) {
            let cells = source.record.cells.iter().take(CELLS - column.len());
            let summaries = cells.map(|cell| summary_of(cell, id)).collect();
            let standing = standings.get(place).copied().unwrap_or_default();
            column.extend(shades(&quantity, summaries, standing));
        }
        rows.resize(column.len(), Vec::new());
        if column.iter().all(Option::is_none) {
            continue;
        }
        for (row, shade) in rows.iter_mut().zip(column) {
            row.push(shade);
        }
        columns.push(quantity);
    }
    (!columns.is_empty()).then_some(Overview { columns, rows })
}

/// One for each metric, if the matrix has two axes or more: the last axis across, the others down.
pub(super) fn grids(record: &Record, standings: &[Standing], run: Option<char>) -> Vec<Grid> {
    let axes = label::axes(record);
    if record.cells.len() > CELLS {
        return Vec::new();
    }
    let Some((across, down)) = axes.split_last().filter(|(_, down)| !down.is_empty()) else {
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for cell in &record.cells {
        let name = down
            .iter()
            .filter_map(|axis| label::value(cell, &axis.key))
            .collect::<Vec<_>>()
            .join(" · ");
        let row = names.iter().position(|known| *known == name);
        let row = row.unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let column = label::value(cell, &across.key);
        let column = column.and_then(|value| across.values.iter().position(|v| *v == value));
        places.push(column.map(|column| (row, column)));
    }
    if names.len() * across.values.len() > CELLS * 2 {
        // Few cells of a great matrix: nearly all of it would be empty.
        return Vec::new();
    }
    HEADLINES
        .iter()
        .enumerate()
        .filter_map(|(place, id)| {
            let axes = [down, std::slice::from_ref(across)];
            let standing = standings.get(place).copied().unwrap_or_default();
            let grid = grid(record, (id, standing), axes, &names, &places)?;
            Some(Grid { run, ..grid })
        })
        .collect()
}

fn grid(
    record: &Record,
    (id, standing): (&str, Standing),
    [down, across]: [&[Axis]; 2],
    names: &[String],
    places: &[Option<(usize, usize)>],
) -> Option<Grid> {
    let summaries: Vec<_> = record
        .cells
        .iter()
        .map(|cell| summary_of(cell, id))
        .collect();
    if summaries.iter().flatten().count() < 2 {
        return None;
    }
    let quantity = quantity(id);
    let mut values = vec![vec![None; across[0].values.len()]; names.len()];
    for (shade, place) in shades(&quantity, summaries, standing)
        .into_iter()
        .zip(places)
    {
        if let Some((row, column)) = place {
            values[*row][*column] = shade;
        }
    }
    let axis_names = |axes: &[Axis]| {
        let names = axes.iter().map(|axis| label::axis(&axis.key));
        names.collect::<Vec<_>>().join(" · ")
    };
    let short = |names: &[String]| names.iter().map(|name| clean_short(name, 60)).collect();
    Some(Grid {
        run: None,
        quantity,
        axes: [axis_names(down), axis_names(across)],
        rows: short(names),
        columns: short(&across[0].values),
        values,
    })
}

/// The medians with their colours.
fn shades(
    quantity: &Quantity,
    summaries: Vec<Option<Shown>>,
    standing: Standing,
) -> Vec<Option<Shade>> {
    let ranked = summaries.iter().flatten().filter(|shown| shown.ranked);
    let medians: Vec<f64> = ranked.map(|shown| shown.summary.median).collect();
    let scale = Scale::of(&medians, quantity.direction).filter(|_| standing.differs);
    let shade = |cell: usize, shown: Shown| {
        let Shown {
            summary,
            unfinished,
            ranked,
        } = shown;
        let mut more = format!("{} repeats", summary.n);
        if summary.n > 1 {
            more = format!(
                "{more}, {} to {}",
                quantity.unit.format(summary.min),
                quantity.unit.format(summary.max)
            );
        }
        if summary.n == 1 {
            "1 repeat".clone_into(&mut more);
        }
        if unfinished {
            more += ", not completed";
        }
        let scale = scale.as_ref().filter(|_| ranked);
        Shade {
            value: summary.median,
            more,
            level: scale.map(|scale| scale.level(summary.median)),
            best: standing.best == Some(cell) && ranked,
            unfinished,
        }
    };
    summaries
        .into_iter()
        .enumerate()
        .map(|(cell, summary)| Some(shade(cell, summary?)))
        .collect()
}

/// From the best to the worst.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    direction: Direction,
}

impl Scale {
    /// `None` where all values are about the same, or there is one only.
    fn of(values: &[f64], direction: Direction) -> Option<Scale> {
        let low = values.iter().copied().min_by(f64::total_cmp)?;
        let high = values.iter().copied().max_by(f64::total_cmp)?;
        let apart = (high - low).abs() > LEAST_APART * low.abs().max(high.abs());
        (values.len() > 1 && apart).then_some(Scale {
            low,
            high,
            logarithmic: low > 0.0 && high / low > 4.0,
            direction,
        })
    }

    fn level(&self, value: f64) -> u8 {
        let place = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let place = match self.direction {
            Direction::HigherIsBetter => 1.0 - place,
            Direction::LowerIsBetter | Direction::Informational => place,
        };
        (place.clamp(0.0, 1.0) * 8.0).round() as u8
    }
}

/// More rows than this nobody reads.
pub(super) const CELLS: usize = 500;
/// Medians nearer to each other than this share are not coloured.
const LEAST_APART: f64 = 0.03;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn the_best_is_at_one_end_and_the_worst_at_the_other() {
        let cases = [
            (Direction::LowerIsBetter, [0, 8]),
            (Direction::HigherIsBetter, [8, 0]),
            (Direction::Informational, [0, 8]),
        ];
        for (direction, levels) in cases {
            let scale = Scale::of(&[10.0, 100.0], direction).unwrap();
            assert_eq!([10.0, 100.0].map(|value| scale.level(value)), levels);
        }
        // The middle of a factor of 100 is a factor of 10.
        let wide = Scale::of(&[1.0, 100.0], Direction::LowerIsBetter).unwrap();
        assert_eq!(wide.level(10.0), 4);
    }

    #[test]
    fn what_is_about_the_same_has_no_colour() {
        assert!(Scale::of(&[100.0, 101.0], Direction::LowerIsBetter).is_none());
        assert!(Scale::of(&[5.0], Direction::LowerIsBetter).is_none());
        assert!(Scale::of(&[0.0, 0.0], Direction::LowerIsBetter).is_none());
    }

    #[test]
    fn two_axes_make_a_grid_for_each_metric() {
        let mut record = example::wide();
        record.cells.truncate(15);
        let grids = grids(&record, &[], None);
        assert_eq!(grids[0].rows.len() * grids[0].columns.len(), 15);
        assert_eq!(grids[0].axes, ["carrier", "policy"]);
        assert!(grids[0].values.iter().flatten().all(Option::is_some));
        assert!(
            super::grids(&example::jvm(), &[], None).is_empty(),
            "one axis only"
        );
    }
}
