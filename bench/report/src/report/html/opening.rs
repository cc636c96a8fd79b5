//! The first screen: the question, what was measured on what, what the runs are called, and the picture.

use std::fmt::Write as _;

use super::axis::Axis;
use super::charts::{left_out, ticks};
use super::put;
use super::text::{Escaped, table_json};
use crate::report::model::{Data, Datum, Head, Mark, Picture, PictureRow, Quantity, Report};

pub(super) fn head(page: &mut String, head: &Head) {
    if !head.question.is_empty() {
        put!(
            page,
            "<p class=\"question\">{}</p>",
            Escaped(&head.question)
        );
    }
    page.push_str("<dl class=\"top\">");
    for run in &head.runs {
        let letter = run
            .letter
            .map_or(String::new(), |letter| format!(" {letter}"));
        put!(
            page,
            "<div><dt>run{letter}</dt><dd><code>{}</code>{}</dd></div>",
            Escaped(&run.run_id),
            if run.letter.is_some() {
                format!(", scenario {}", Escaped(&run.scenario))
            } else {
                String::new()
            }
        );
    }
    for (name, value) in &head.facts {
        put!(
            page,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            Escaped(name),
            Escaped(value)
        );
    }
    page.push_str("</dl>\n");
}

/// A bar from zero for each cell and metric.
pub(super) fn picture(page: &mut String, report: &Report, picture: &Picture) {
    let axes: Vec<Axis> = (0..picture.quantities.len())
        .map(|index| {
            let marks = picture.rows.iter().filter_map(|row| row.marks[index]);
            let greatest = marks.map(|mark| mark.high).fold(0.0, f64::max);
            Axis::narrow(greatest, picture.quantities[index].unit)
        })
        .collect();
    put!(
        page,
        "<figure class=\"rows picture of{}\" id=\"picture\" data-data=\"picture-data\"><div class=\"row names\" aria-hidden=\"true\"><span></span>",
        axes.len()
    );
    for (quantity, axis) in picture.quantities.iter().zip(&axes) {
        put!(page, "<span><b>{}</b>", Escaped(&quantity.name));
        page.push_str("<span class=\"measure\">");
        ticks(page, axis, "ticks");
        page.push_str("<span></span></span></span>");
    }
    page.push_str("</div>\n");
    for row in &picture.rows {
        bars(page, report, picture, row, &axes);
    }
    left_out(page, picture.left_out);
    page.push_str("<figcaption class=\"how\">Medians of completed repeats; a line goes from the smallest to the largest.</figcaption></figure>\n");
    put!(
        page,
        "<script type=\"application/json\" id=\"picture-data\">{}</script>\n",
        table_json(&data(report, picture))
    );
}

/// The picture as a table.
fn data(report: &Report, picture: &Picture) -> Data {
    let mut columns = vec!["cell".to_owned(), "outcomes".to_owned()];
    for quantity in &picture.quantities {
        for what in ["median", "smallest", "largest"] {
            columns.push(format!("{} {what} ({})", quantity.id, quantity.unit.name()));
        }
    }
    let row = |row: &PictureRow| {
        let cell = &report.cells[row.cell];
        let mut data = vec![
            Datum::Text(cell.full.clone()),
            Datum::Text(cell.outcomes.clone()),
        ];
        for mark in &row.marks {
            let values = mark.map(|mark| [mark.median, mark.low, mark.high]);
            for index in 0..3 {
                data.push(values.map_or(Datum::Absent, |values| Datum::Number(values[index])));
            }
        }
        data
    };
    Data {
        rows: picture.rows.iter().map(row).collect(),
        columns,
    }
}

fn bars(page: &mut String, report: &Report, picture: &Picture, row: &PictureRow, axes: &[Axis]) {
    let cell = &report.cells[row.cell];
    put!(
        page,
        "<div class=\"row\"><span class=\"name\" title=\"{}\">{}</span>",
        Escaped(&cell.full),
        Escaped(&cell.label)
    );
    if let Some(words) = &row.without {
        put!(page, "<span class=\"without\">{}</span>", Escaped(words));
    } else {
        for ((quantity, axis), mark) in picture.quantities.iter().zip(axes).zip(&row.marks) {
            bar(page, &cell.label, quantity, axis, mark.as_ref());
        }
    }
    page.push_str("</div>\n");
}

fn bar(page: &mut String, label: &str, quantity: &Quantity, axis: &Axis, mark: Option<&Mark>) {
    let Some(mark) = mark else {
        page.push_str("<span class=\"measure\"><span></span><span class=\"value\">–</span></span>");
        return;
    };
    let value = quantity.unit.format(mark.median);
    let place = |value: f64| axis.place(value) * 100.0;
    put!(
        page,
        "<span class=\"measure\"><span class=\"metric\">{0}</span><svg class=\"bar\" width=\"100%\" height=\"18\" role=\"img\" aria-label=\"{1}, {0}: {2}, {3}\"><rect class=\"p0\" x=\"0\" y=\"3\" width=\"{4:.2}%\" height=\"12\"/>",
        Escaped(&quantity.name),
        Escaped(label),
        Escaped(&value),
        Escaped(&quantity.unit.format_range(mark.low, mark.high)),
        place(mark.median)
    );
    if mark.high > mark.low {
        put!(
            page,
            "<line class=\"whisker\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"9\" y2=\"9\"/>",
            place(mark.low),
            place(mark.high)
        );
    }
    put!(
        page,
        "</svg><span class=\"value\">{}</span></span>",
        Escaped(&value)
    );
}
