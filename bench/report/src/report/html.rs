//! A report as one HTML file: no network, no font, no library; what it shows is there without its script too, which adds zoom,
//! readings under the cursor, tables and downloads.
//!
//! The content security policy names style and script by their hashes and allows nothing else, so that even a hole in the
//! escaping could execute nothing. Nothing here depends on the time or the place: the same report gives the same bytes.

mod axis;
mod charts;
mod instruments;
mod opening;
mod tables;
mod text;
mod timeline;

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::model::{Answer, Bars, Report, Section, Weight};
use text::{Coded, Escaped, base64, table_json};

/// Appends to a string, which can't fail.
macro_rules! put {
    ($page:expr, $($argument:tt)*) => {{
        let _ = write!($page, $($argument)*);
    }};
}
use put;

/// The whole file.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    put!(
        page,
        "<body><a class=\"skip\" href=\"#answers\">To the answers</a><header><p class=\"kind\">lmbench report</p><h1>{}</h1><p class=\"sub\">{}</p>",
        Escaped(&report.title),
        Escaped(&report.subtitle)
    );
    opening::head(&mut page, &report.head);
    let parts = parts(report);
    page.push_str("</header><main>\n");
    if let Some(picture) = &report.picture {
        opening::picture(&mut page, report, picture);
    }
    navigation(&mut page, &parts);
    answers(&mut page, &report.answers);
    for part in &parts {
        put!(page, "<section id=\"{}\"><h2>{}</h2>\n", part.id, part.name);
        (part.draw)(&mut page, report);
        page.push_str("</section>\n");
    }
    page.push_str("</main>\n");
    put!(
        page,
        "<script type=\"application/json\" id=\"repeats\">{}</script>\n",
        table_json(&report.repeats)
    );
    put!(page, "<script>{SCRIPT}</script></body></html>\n");
    page
}

fn head(page: &mut String, report: &Report) {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text)));
    put!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:,\"><title>{} – lmbench report</title><style>{STYLE}</style></head>\n",
        hash(STYLE),
        hash(SCRIPT),
        Escaped(&report.title)
    );
}

/// A section that has something to show.
struct Shown {
    id: &'static str,
    name: &'static str,
    draw: Draw,
}

/// Appends a section's inside to the page.
type Draw = fn(&mut String, &Report);

fn parts(report: &Report) -> Vec<Shown> {
    let all: [(Section, &'static str, bool, Draw); 12] = [
        (
            Section::Troubles,
            "What went wrong",
            !report.troubles.is_empty(),
            troubles,
        ),
        (
            Section::Matrix,
            "The matrix",
            report.overview.is_some() || !report.cells.is_empty(),
            matrix,
        ),
        (
            Section::Comparison,
            "Comparison",
            !report.comparisons.is_empty(),
            comparisons,
        ),
        (
            Section::Distributions,
            "Distributions",
            !report.distributions.is_empty(),
            distributions,
        ),
        (
            Section::Blackout,
            "What the blackout was made of",
            report.blackout.is_some(),
            blackout,
        ),
        (
            Section::Processor,
            "CPU time per GiB sent",
            report.processor.is_some(),
            processor,
        ),
        (
            Section::Timelines,
            "From beginning to end",
            !report.timelines.is_empty(),
            timelines,
        ),
        (
            Section::Advice,
            "What to set",
            !report.advice.is_empty(),
            advice,
        ),
        (
            Section::Runs,
            "What it ran on, and what was asked",
            !report.runs.is_empty(),
            runs,
        ),
        (
            Section::Instruments,
            "What the instruments cost and tell",
            !report.instruments.is_empty(),
            instruments,
        ),
        (Section::Data, "All repeats", true, repeats),
        (
            Section::Definitions,
            "What the metrics mean",
            !report.definitions.is_empty(),
            definitions,
        ),
    ];
    let shown = all.into_iter().filter(|(_, _, has, _)| *has);
    shown
        .map(|(section, name, _, draw)| Shown {
            id: section.id(),
            name,
            draw,
        })
        .collect()
}

impl Section {
    fn id(self) -> &'static str {
        match self {
            Section::Matrix => "matrix",
            Section::Comparison => "comparison",
            Section::Distributions => "distributions",
            Section::Blackout => "blackout",
            Section::Processor => "processor",
            Section::Timelines => "timelines",
            Section::Advice => "settings",
            Section::Troubles => "troubles",
            Section::Runs => "runs",
            Section::Instruments => "instruments",
            Section::Data => "data",
            Section::Definitions => "definitions",
        }
    }
}

fn navigation(page: &mut String, parts: &[Shown]) {
    page.push_str("<nav aria-label=\"Parts\"><ul>");
    for part in parts {
        put!(page, "<li><a href=\"#{}\">{}</a></li>", part.id, part.name);
    }
    page.push_str("</ul></nav>");
}

fn answers(page: &mut String, answers: &[Answer]) {
    page.push_str("<section id=\"answers\"><h2>What it comes down to</h2><ul class=\"answers\">\n");
    for answer in answers {
        let (class, word) = match answer.weight {
            Weight::Alarm => ("alarm", "Lost"),
            Weight::Warning => ("warning", "Trouble"),
            Weight::Finding => ("finding", "Found"),
            Weight::Note => ("note", "Note"),
        };
        put!(
            page,
            "<li class=\"{class}\"><span class=\"tag\">{word}</span><div>{} <a class=\"see\" href=\"#{}\">figures</a>",
            Coded(&answer.text),
            answer.see.id()
        );
        if !answer.points.is_empty() {
            page.push_str("<ul>");
            for point in &answer.points {
                put!(page, "<li>{}</li>", Coded(point));
            }
            page.push_str("</ul>");
        }
        page.push_str("</div></li>\n");
    }
    if answers.is_empty() {
        page.push_str("<li class=\"note\"><span class=\"tag\">Note</span><span>Nothing was measured yet.</span></li>");
    }
    page.push_str("</ul></section>\n");
}

fn troubles(page: &mut String, report: &Report) {
    page.push_str("<ul class=\"troubles\">");
    for line in &report.troubles {
        put!(page, "<li>{}</li>\n", Escaped(line));
    }
    page.push_str("</ul>");
}

fn matrix(page: &mut String, report: &Report) {
    if let Some(overview) = &report.overview {
        tables::overview(page, report, overview);
    } else {
        page.push_str("<ul>");
        for cell in &report.cells {
            put!(
                page,
                "<li>{}: {}</li>",
                Escaped(&cell.full),
                Escaped(&cell.outcomes)
            );
        }
        page.push_str("</ul>");
    }
    if !report.grids.is_empty() {
        page.push_str("<h3>Metric by metric</h3><div class=\"grids\">\n");
        for grid in &report.grids {
            tables::grid(page, grid);
        }
        page.push_str("</div>");
    }
}

fn comparisons(page: &mut String, report: &Report) {
    page.push_str("<p class=\"how\">A difference counts as real if <code>lmbench compare</code> calls it one and it stands out of all that is asked.</p>");
    for (number, comparison) in report.comparisons.iter().enumerate() {
        tables::comparison(page, number + 1, comparison);
    }
}

fn distributions(page: &mut String, report: &Report) {
    page.push_str("<p class=\"how\">A point is a completed migration; ringed ones lie far from the others (modified z-score above 3.5) and are counted all the same. The line is the median, the band its 95 % bootstrap interval, which takes 6 values or more. Where a cell has more than 40 values their shape is drawn.</p>\n");
    for distribution in &report.distributions {
        charts::distribution(page, report, distribution);
    }
}

fn blackout(page: &mut String, report: &Report) {
    page.push_str("<p class=\"how\">STOP on the source to RESUME on the destination, of each cell's median migration: the parts of one migration add up.</p>");
    stacked(page, report, "blackout-data", report.blackout.as_ref());
}

fn processor(page: &mut String, report: &Report) {
    page.push_str(
        "<p class=\"how\">Medians, by side. Threads that execute the guest are not in it.</p>",
    );
    stacked(page, report, "processor-data", report.processor.as_ref());
}

fn stacked(page: &mut String, report: &Report, id: &str, bars: Option<&Bars>) {
    if let Some(bars) = bars {
        charts::bars(page, report, id, bars);
        put!(
            page,
            "<script type=\"application/json\" id=\"{id}\">{}</script>\n",
            table_json(&charts::bars_data(report, bars))
        );
    }
}

fn timelines(page: &mut String, report: &Report) {
    page.push_str("<p class=\"how\">Values under the cursor stand behind the curves' names. Drag over a chart to zoom in, double-click to see all again. With the keyboard: ← and → move the cursor, + and − zoom, 0 shows all.</p>\n");
    for (number, timeline) in report.timelines.iter().enumerate() {
        timeline::timeline(page, report, number, timeline);
    }
}

fn advice(page: &mut String, report: &Report) {
    page.push_str("<ul class=\"advice\">");
    for advice in &report.advice {
        page.push_str("<li>");
        if let Some(setting) = &advice.setting {
            put!(page, "<pre>{}</pre>", Escaped(setting));
        }
        put!(page, "{}</li>\n", Escaped(&advice.why));
    }
    page.push_str("</ul>");
}

fn runs(page: &mut String, report: &Report) {
    for run in &report.runs {
        tables::run(page, run);
    }
}

fn instruments(page: &mut String, report: &Report) {
    instruments::instruments(page, &report.instruments);
}

fn definitions(page: &mut String, report: &Report) {
    tables::definitions(page, &report.definitions);
}

/// Every repeat on request, and what is left out.
fn repeats(page: &mut String, report: &Report) {
    page.push_str("<figure class=\"rows\" data-data=\"repeats\"><p class=\"how\">Every repeat with its values, as they stand in the record.</p></figure>");
    for note in &report.notes {
        put!(page, "<p class=\"how\">{}</p>", Escaped(note));
    }
    page.push_str("<noscript><p class=\"how\">Tables, downloads and zoom need the script of this page.</p></noscript>\n");
}

const STYLE: &str = include_str!("assets/report.css");
const SCRIPT: &str = include_str!("assets/report.js");

#[cfg(test)]
mod tests;
