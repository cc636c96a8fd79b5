//! What the instruments cost and tell, as tables.

use std::fmt::Write as _;

use super::put;
use super::text::{Coded, Escaped};
use crate::report::model::{InstrumentRow, Instruments, NOT_CALIBRATED};
use crate::terminal::calibration::{COLUMNS, LEGEND};

/// One table for each calibration.
pub(super) fn instruments(page: &mut String, all: &[Instruments]) {
    if all.iter().any(|one| one.origin.is_some()) {
        put!(page, "<p class=\"how\">{}</p>", Coded(LEGEND));
    }
    for (number, one) in (1..).zip(all) {
        if !one.runs.is_empty() {
            put!(page, "<h3>{}</h3>", Escaped(&one.runs));
        }
        let Some(origin) = &one.origin else {
            put!(page, "<p class=\"how\">{}</p>\n", Coded(NOT_CALIBRATED));
            continue;
        };
        put!(page, "<p class=\"how\">{}</p>", Escaped(origin));
        put!(
            page,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Instruments\"><table class=\"dl instruments\" data-name=\"instruments-{number}\"><thead><tr><th scope=\"col\">instrument</th>"
        );
        for column in COLUMNS {
            put!(page, "<th scope=\"col\" class=\"words\">{column}</th>");
        }
        page.push_str("<th scope=\"col\" class=\"words\">what it reads</th></tr></thead><tbody>\n");
        one.rows.iter().for_each(|shown| row(page, shown));
        page.push_str("</tbody></table></div>\n");
    }
}

fn row(page: &mut String, row: &InstrumentRow) {
    put!(
        page,
        "<tr><th scope=\"row\" title=\"{}\"><code>{}</code></th>",
        Escaped(&row.tells.join(", ")),
        Escaped(&row.name)
    );
    for cell in &row.cells {
        put!(page, "<td class=\"n\">{}</td>", Escaped(cell));
    }
    put!(page, "<td class=\"words\">{}", Coded(&row.reads));
    for note in row.note.iter().chain(&row.limits) {
        put!(page, "; {}", Coded(note));
    }
    page.push_str("</td></tr>\n");
}
