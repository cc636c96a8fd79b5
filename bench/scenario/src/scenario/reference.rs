//! The keys of scenario files as a page of the documentation; made from the key table, hence never behind the reader.

use std::fmt::Write as _;

use super::keys::{Key, Kind, SCENARIO, Table};
use super::units::{RATE, SHARE, SIZE, TIME};

/// The page, in Markdown, from its first heading on.
pub fn reference() -> String {
    let mut page = String::from(
        "# Scenario keys\n\n\
         Every key of a scenario file: what it takes, what holds without it, what it changes and what that costs. An unknown key is an error. \
         `lmbench schema scenario` has the same as a JSON schema, for editors.\n\n",
    );
    page.push_str(&quantities());
    section(&mut page, &[String::new()], &SCENARIO, None);
    page
}

/// What stands behind keys that take no number, with all units.
fn quantities() -> String {
    let mut text = String::from(
        "## Quantities\n\nA quantity is a text with a number and a unit; a bare number is refused. `KiB` is 1024 and `kB` is 1000.\n\n\
         | takes | for example | units |\n|---|---|---|\n",
    );
    for (name, quantity) in [
        ("size", &SIZE),
        ("rate", &RATE),
        ("time", &TIME),
        ("share", &SHARE),
    ] {
        let units: Vec<String> = quantity.units.iter().map(|(unit, _)| code(unit)).collect();
        let _ = writeln!(
            text,
            "| {name} | `\"{}\"` | {} |",
            quantity.example,
            units.join(", ")
        );
    }
    text.push_str(
        "| moment | `\"200 MiB\"`, `\"2 s\"`, `\"pass 2\"`, `\"switchover\"`, `\"post-copy\"`, `\"2 MiB left\"` | a size or a time since `migrate`, or a word |\n\
         | repeats | `8`, `\"until ci95 < 5 %, at most 20\"` | |\n\n",
    );
    text
}

/// A table of the format, and those in it. `paths` are the places where it may stand, `around` the table that it stands in.
fn section(page: &mut String, paths: &[String], table: &Table, around: Option<(&str, &Table)>) {
    let names: Vec<String> = paths
        .iter()
        .map(|path| code(&format!("[{path}]")))
        .collect();
    if paths[0].is_empty() {
        page.push_str("## Top level\n\n");
    } else {
        let level = "#".repeat(2 + paths[0].matches('.').count().min(2));
        let _ = write!(page, "{level} {}\n\n", names.join(", "));
    }
    let _ = write!(page, "{}\n\n", plain(table.about));
    let again = |key: &&Key| {
        around.is_some_and(|(_, outer)| {
            outer
                .key(key.name)
                .is_some_and(|same| same.about == key.about)
        })
    };
    let usable = || {
        table
            .keys
            .iter()
            .filter(|key| !matches!(key.kind, Kind::Planned(_)))
    };
    let own: Vec<&Key> = usable().filter(|key| !again(key)).collect();
    if !own.is_empty() {
        page.push_str("| key | takes | default | |\n|---|---|---|---|\n");
        for key in &own {
            row(page, &paths[0], key);
        }
        page.push('\n');
    }
    let shared: Vec<String> = usable().filter(again).map(|key| code(key.name)).collect();
    if let (false, Some((outer, _))) = (shared.is_empty(), around) {
        let _ = write!(
            page,
            "As in {}: {}.\n\n",
            code(&format!("[{outer}]")),
            shared.join(", ")
        );
    }
    below(page, &paths[0], table, &own);
}

/// The tables that stand in one. What two keys share, such as the hosts of `[guest.pinning]`, is told once.
fn below(page: &mut String, path: &str, table: &Table, keys: &[&Key]) {
    let mut told: Vec<&Table> = Vec::new();
    for key in keys {
        let Some(one) = inner(key) else { continue };
        if told.iter().any(|other| std::ptr::eq(*other, one)) {
            continue;
        }
        told.push(one);
        let same = keys
            .iter()
            .filter(|other| inner(other).is_some_and(|table| std::ptr::eq(table, one)));
        let paths: Vec<String> = same.map(|key| join(path, key.name)).collect();
        section(page, &paths, one, Some((path, table)));
    }
}

/// The table behind a key.
fn inner(key: &Key) -> Option<&'static Table> {
    match key.kind {
        Kind::Table(table) | Kind::Selection { options: table, .. } => Some(table),
        _ => None,
    }
}

fn row(page: &mut String, path: &str, key: &Key) {
    let default = key
        .default
        .filter(|default| !default.is_empty())
        .unwrap_or("-");
    // A table says it itself.
    let about = match key.kind {
        Kind::Table(table) if table.about == key.about => String::new(),
        _ => cell(key.about),
    };
    let _ = writeln!(
        page,
        "| {} | {} | {} | {about} |",
        code(key.name),
        takes(path, key),
        cell(default)
    );
}

/// What may stand behind a key.
fn takes(path: &str, key: &Key) -> String {
    let path = join(path, key.name);
    match key.kind {
        Kind::Text | Kind::Planned(_) => "text".to_owned(),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::Count { min, max } if max >= i64::MAX as u64 => format!("whole number from {min} on"),
        Kind::Count { min, max } => format!("whole number, {min} to {max}"),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Size => "size".to_owned(),
        Kind::Rate => "rate".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Share => "share".to_owned(),
        Kind::Moment => "moment".to_owned(),
        Kind::Repeats { .. } => "repeats".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| code(&format!("\"{word}\"")))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Table(_) => format!("the table `[{path}]`"),
        Kind::Selection { .. } => format!("a name, or a table `[{path}.NAME]`"),
        Kind::Phases(phase) => format!(
            "tables `[[{path}]]`, each with {} and one pattern with the keys of its own",
            keys_of(phase)
        ),
        Kind::Names => "names with values".to_owned(),
        Kind::Axes => {
            "paths of settings, such as `\"network.migration.rtt\"`, with lists of values"
                .to_owned()
        }
        Kind::Limits => "metrics and outcomes with rules".to_owned(),
    }
}

/// The keys of a phase that are no patterns.
fn keys_of(phase: &Table) -> String {
    let plain = phase
        .keys
        .iter()
        .filter(|key| !matches!(key.kind, Kind::Table(_)));
    let named = plain.map(|key| format!("{} ({})", code(key.name), takes("", key)));
    named.collect::<Vec<_>>().join(", ")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

/// A text whose stars and angle brackets are no markup; what stands between backticks stays as it is.
fn plain(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            part.to_owned()
        } else {
            part.replace('*', "\\*").replace('<', "&lt;")
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_table_once_and_what_it_takes() {
        let page = reference();
        for line in [
            "### `[network.migration]`, `[network.management]`",
            "#### `[guest.pinning.source]`, `[guest.pinning.destination]`",
            "| `rate` | rate | unbounded | ",
            "| `path` | `\"splice\"`, `\"fd\"` | splice | ",
            "As in `[workload]`: `memory`, ",
            "| share | `\"10 %\"` | ",
        ] {
            assert!(page.lines().any(|found| found.starts_with(line)), "{line}");
        }
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        let mut sorted = headings.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), headings.len(), "{headings:?}");
        assert!(!page.contains("| `domain` |"), "a planned key is told");
    }

    #[test]
    fn texts_are_no_markup() {
        assert_eq!(cell("a*b <= `x*y|z` | c"), "a\\*b &lt;= `x*y\\|z` \\| c");
    }
}
