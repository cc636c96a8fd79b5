//! The key table: every key of a scenario, its kind, its default and what it is good for, in one place.
//!
//! The reader checks files against it, the matrix finds its axes in it, and the JSON schema is made from it. To add a key: a line in
//! `keys/…`, and its use in `build/…`; a test checks that nothing asks for a key that is not here.

mod carrier;
mod fault;
mod guest;
mod migration;
mod network;
mod policy;
mod top;
mod workload;

pub(crate) use top::SCENARIO;
pub(crate) use workload::{PATTERNS, SHARED};

/// A table of the format.
#[derive(Debug)]
pub(crate) struct Table {
    /// What it is about.
    pub(crate) about: &'static str,
    /// Its keys, in the order in which one would write them.
    pub(crate) keys: &'static [Key],
}

/// A key of the format.
#[derive(Debug)]
pub(crate) struct Key {
    /// In kebab-case.
    pub(crate) name: &'static str,
    /// What may stand behind it.
    pub(crate) kind: Kind,
    /// What holds without it, in the words of a scenario or as a phrase; `None` where there is no such thing.
    pub(crate) default: Option<&'static str>,
    /// What it changes and what that costs.
    pub(crate) about: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds.
    Count { min: u64, max: u64 },
    /// A number with or without decimal point, within bounds.
    Number { min: f64, max: f64 },
    /// `"8 GiB"`.
    Size,
    /// `"1 Gbit/s"`.
    Rate,
    /// `"300 ms"`.
    Time,
    /// `"10 %"`.
    Share,
    /// `"200 MiB"`, `"2 s"`, `"pass 2"`, `"switchover"`, `"post-copy"`: a moment of a migration.
    Moment,
    /// `5`, or `"until ci95 < 5 %, at most 20"`: how often a cell is measured.
    Repeats { max: u32 },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A table with keys of its own.
    Table(&'static Table),
    /// The name of one of the tables, or the tables themselves with their settings; `planned` names exist elsewhere and not yet here.
    Selection {
        options: &'static Table,
        planned: &'static [&'static str],
    },
    /// A list of tables.
    Phases(&'static Table),
    /// Any names with scalar values.
    Names,
    /// Paths of settings with lists of values.
    Axes,
    /// Metric ids and outcomes with rules as text, and tables of them for some cells.
    Limits,
    /// Known, and not in this version.
    Planned(&'static str),
}

impl Table {
    /// The key of that name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Names for "did you mean".
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let usable = |key: &&Key| !matches!(key.kind, Kind::Planned(_));
        self.keys.iter().filter(usable).map(|key| key.name)
    }
}

impl Kind {
    /// Whether one value stands behind it, so that it can be an axis.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(
            self,
            Kind::Table(_)
                | Kind::Phases(_)
                | Kind::Names
                | Kind::Axes
                | Kind::Limits
                | Kind::Planned(_)
        )
    }
}

/// The top-level tables whose settings can be axes. The rest describes the run as a whole.
const AXIS_TABLES: [&str; 7] = [
    "guest",
    "workload",
    "network",
    "migration",
    "carrier",
    "policy",
    "fault",
];

/// The path under which any name is allowed.
pub(crate) const QMP: &str = "migration.qmp.";

/// The kind of the setting at a path, if it can be an axis.
pub(crate) fn axis_kind(path: &str) -> Option<Kind> {
    if let Some(name) = path.strip_prefix(QMP) {
        return (!name.is_empty() && !name.contains('.')).then_some(Kind::Names);
    }
    let first = path.split('.').next()?;
    let kind = kind_at(path)?;
    (AXIS_TABLES.contains(&first) && kind.is_scalar()).then_some(kind)
}

/// The kind at a path.
pub(crate) fn kind_at(path: &str) -> Option<Kind> {
    key_at(path).map(|key| key.kind)
}

/// The key at a path.
pub(crate) fn key_at(path: &str) -> Option<&'static Key> {
    let mut table = &SCENARIO;
    let mut segments = path.split('.').peekable();
    loop {
        let key = table.key(segments.next()?)?;
        if segments.peek().is_none() {
            return Some(key);
        }
        match key.kind {
            Kind::Table(inner) | Kind::Selection { options: inner, .. } => table = inner,
            _ => return None,
        }
    }
}

/// Paths of everything that can be an axis.
pub(crate) fn axis_paths() -> Vec<String> {
    let mut paths = Vec::new();
    for key in SCENARIO
        .keys
        .iter()
        .filter(|key| AXIS_TABLES.contains(&key.name))
    {
        collect_paths(key, key.name.to_owned(), &mut paths);
    }
    paths
}

fn collect_paths(key: &Key, path: String, paths: &mut Vec<String>) {
    if let Kind::Table(table) | Kind::Selection { options: table, .. } = key.kind {
        for inner in table.keys {
            collect_paths(inner, format!("{path}.{}", inner.name), paths);
        }
    }
    if key.kind.is_scalar() {
        paths.push(path);
    }
}
