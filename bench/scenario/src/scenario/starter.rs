//! A scenario to begin with: what a first one needs is set, and the common keys stand beside it with their defaults and what they cost, from
//! the key table.

use crate::scenario::keys::{Key, Kind, key_at};

/// A line of the file. Paths are those of the key table.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// A table begins.
    Table(&'static str),
    /// A setting, and its value in TOML.
    Set(&'static str, &'static str),
    /// A setting left at its default.
    Default(&'static str),
    /// A setting without a default, left out; and a value in TOML.
    Left(&'static str, &'static str),
    /// An axis: the setting, and its values.
    Axis(&'static str, &'static str),
}

use Line::{Axis, Default, Left, Set, Table};

const LINES: &[Line] = &[
    Table("guest"),
    Set("guest.memory", "\"512 MiB\""),
    Default("guest.vcpus"),
    Default("guest.accelerator"),
    Table("workload"),
    Table("workload.hot-set"),
    Set("workload.hot-set.memory", "\"256 MiB\""),
    Set("workload.hot-set.hot", "\"32 MiB\""),
    Set("workload.hot-set.rate", "\"60 MiB/s\""),
    Default("workload.hot-set.hot-share"),
    Default("workload.hot-set.zero"),
    Default("workload.hot-set.compressible"),
    Table("network"),
    Default("network.inbound"),
    Table("network.migration"),
    Set("network.migration.rate", "\"1 Gbit/s\""),
    Left("network.migration.rtt", "\"10 ms\""),
    Left("network.migration.loss", "\"0.1 %\""),
    Left("network.migration.cut-at", "\"switchover\""),
    Table("migration"),
    Set("migration.timeout", "\"30 s\""),
    Default("migration.timeout-action"),
    Default("migration.downtime-limit"),
    Default("migration.max-bandwidth"),
    Default("migration.multifd-channels"),
    Default("migration.settle"),
    Table("matrix"),
    Axis("carrier", "[\"native-tcp\", \"tls\"]"),
    Axis("policy", "[\"static\", \"auto-converge\"]"),
    Table("run"),
    Set("run.repeats", "3"),
    Default("run.order"),
    Default("run.seed"),
    Table("gate"),
    Left("gate.blackout_ms", "\"+20 %, <= 300 ms\""),
];

/// The text of a scenario of that name.
pub fn starter(name: &str) -> String {
    let head = comment(
        "A scenario to begin with. A line that begins with # and a key is left at its default: take the # away and change it. \
         `lmbench schema scenario` has all keys, `lmbench scenarios` has scenarios to look at, and `lmbench run FILE --dry-run` says what this \
         one would do.",
    );
    let name = allowed(name);
    let lines: Vec<String> = LINES.iter().map(written).collect();
    format!(
        "{head}name = \"{name}\"\nabout = \"Which question does it answer?\"\n{}",
        lines.concat()
    )
}

fn written(line: &Line) -> String {
    match *line {
        Table(path) => format!("\n{}[{path}]\n", about(path)),
        Set(path, value) => format!("{}{} = {value}\n", about(path), last(path)),
        Default(path) => format!("{}#{} = {}\n", about(path), last(path), default(path)),
        Left(path, value) => format!("{}#{} = {value}\n", about(path), last(path)),
        Axis(path, values) => format!("{}{path} = {values}\n", about(path)),
    }
}

/// What the key table says of the path, and what it takes where that is one of some words.
fn about(path: &str) -> String {
    let Some(key) = key_at(path) else {
        return String::new();
    };
    let words = match key.kind {
        Kind::Choice(words) => words.join(", "),
        Kind::Selection { options, .. } => options.names().collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let about = if words.is_empty() {
        key.about.to_owned()
    } else {
        format!("{} One of {words}.", key.about)
    };
    comment(&about)
}

/// The default as it stands in a file.
fn default(path: &str) -> String {
    let Some(Key {
        kind,
        default: Some(default),
        ..
    }) = key_at(path)
    else {
        return "\"\"".to_owned();
    };
    match kind {
        Kind::Flag | Kind::Count { .. } | Kind::Number { .. } | Kind::Repeats { .. } => {
            (*default).to_owned()
        }
        _ => format!("\"{default}\""),
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// What a scenario may be called that comes closest.
fn allowed(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    let name = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    if name.is_empty() {
        "scenario".to_owned()
    } else {
        name
    }
}

/// Lines that begin with `# `, wrapped at words.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line += word;
    }
    lines + &line + "\n"
}

const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;

    fn read(text: &str) -> crate::scenario::Scenario {
        parse(Path::new("starter.toml"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn it_is_a_scenario_with_every_key_taken_in_or_left_out() {
        let text = starter("My first_one!");
        let plain = read(&text);
        assert_eq!(
            (plain.name.as_str(), plain.cells.len()),
            ("my-first-one", 4)
        );
        // What is said to be a default is one: set, it changes nothing.
        let is_default = |line: &str| {
            LINES.iter().any(|one| matches!(one, Default(path) if line == format!("#{} = {}", last(path), default(path))))
        };
        let uncommented = |taken: &dyn Fn(&str) -> bool| {
            let lines = text
                .lines()
                .map(|line| if taken(line) { &line[1..] } else { line });
            lines.collect::<Vec<_>>().join("\n")
        };
        let with_defaults = read(&uncommented(&is_default));
        assert_ne!(with_defaults.text, plain.text);
        assert_eq!(
            (with_defaults.cells, with_defaults.run),
            (plain.cells.clone(), plain.run)
        );
        let is_left = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        let with_all = read(&uncommented(&is_left));
        assert_ne!(with_all.cells, plain.cells);
        assert_ne!(with_all.gate, plain.gate);
    }

    #[test]
    fn every_line_is_of_the_key_table() {
        for line in LINES {
            let (Table(path) | Set(path, _) | Default(path) | Left(path, _) | Axis(path, _)) =
                *line;
            if path.starts_with("gate.") {
                continue;
            }
            let key = key_at(path).unwrap_or_else(|| panic!("there is no {path}"));
            assert!(!key.about.is_empty(), "{path}");
            assert!(
                !matches!(line, Default(_)) || key.default.is_some(),
                "{path} has no default"
            );
        }
        for line in starter("x").lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn a_file_gives_a_name_that_is_allowed() {
        for (file, name) in [
            ("my", "my"),
            ("../A b", "a-b"),
            ("", "scenario"),
            ("ü", "scenario"),
        ] {
            assert_eq!(allowed(file), name, "{file}");
        }
    }
}
