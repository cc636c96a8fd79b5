//! Second pass, its view of the file: settings by name, typed, with their places, and no error twice.
//!
//! What the first pass has reported reads here as a value that nobody knows: checks that need it stay silent.

use std::collections::BTreeSet;

use lmbench_harness::spec::Moment;

use crate::scenario::keys::{Kind, Table as Keys};
use crate::scenario::problem::{Problem, Problems, table_name};
use crate::scenario::tree::{Entry, Span, Table};
use crate::scenario::units::{Rate, Repeats, Share, Size, Time};
use crate::scenario::value::{self, Scalar};

/// A table of the file beside its keys.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    table: Option<&'a Table>,
    keys: &'static Keys,
    path: String,
    span: Option<Span>,
    meant: &'a BTreeSet<String>,
}

/// A setting: its value unless it is missing or was reported, and its place if it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: Option<T>,
    pub(crate) span: Option<Span>,
    missing: bool,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(table: &'a Table, keys: &'static Keys, meant: &'a BTreeSet<String>) -> Self {
        Self {
            table: Some(table),
            keys,
            path: String::new(),
            span: None,
            meant,
        }
    }

    /// A table inside; an absent one reads as empty.
    pub(crate) fn section(&self, name: &str) -> Section<'a> {
        let entry = self.entry(name);
        let Some(Kind::Table(keys) | Kind::Selection { options: keys, .. }) =
            self.keys.key(name).map(|key| key.kind)
        else {
            panic!("the key table has no table {}{name}", self.path);
        };
        self.inner(
            entry.and_then(|entry| entry.node.table()),
            keys,
            name,
            entry.map(|entry| entry.key_span.clone()),
        )
    }

    /// A table that is not behind a key of its own, such as an element of a list.
    pub(crate) fn inner(
        &self,
        table: Option<&'a Table>,
        keys: &'static Keys,
        name: &str,
        span: Option<Span>,
    ) -> Section<'a> {
        Section {
            table,
            keys,
            path: format!("{}{name}.", self.path),
            span: span.or_else(|| self.span.clone()),
            meant: self.meant,
        }
    }

    /// The line of a key.
    pub(crate) fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.table?.entry(name)
    }

    /// All lines.
    pub(crate) fn entries(&self) -> &'a [Entry] {
        self.table.map_or(&[], |table| &table.entries)
    }

    /// The lines of a table inside whose names are free.
    pub(crate) fn section_names(&self, name: &str) -> &'a [Entry] {
        self.entry(name)
            .and_then(|entry| entry.node.table())
            .map_or(&[], |table| &table.entries)
    }

    /// Whether a problem about this table or something in it was reported, so that what it lacks says nothing.
    pub(crate) fn is_reported(&self) -> bool {
        let not_a_table = self.table.is_none() && self.span.is_some();
        not_a_table || self.meant.iter().any(|path| path.starts_with(self.path()))
    }

    /// Where the table begins, or the file.
    pub(crate) fn span(&self) -> Span {
        self.span.clone().unwrap_or(0..0)
    }

    /// Its path without the dot at the end.
    pub(crate) fn path(&self) -> &str {
        self.path.trim_end_matches('.')
    }

    /// The setting of a name.
    pub(crate) fn get<T: FromScalar>(&self, name: &str) -> Setting<T> {
        let key = self
            .keys
            .key(name)
            .unwrap_or_else(|| panic!("the key table has no {}{name}", self.path));
        let Some(entry) = self.entry(name) else {
            let path = format!("{}{name}", self.path);
            return Setting {
                value: None,
                span: None,
                missing: !self.meant.contains(&path),
            };
        };
        let scalar = value::read(&key.kind, name, &entry.node).ok();
        Setting {
            value: scalar.and_then(T::from_scalar),
            span: Some(entry.node.span.clone()),
            missing: false,
        }
    }

    /// The setting of a name that has no default.
    pub(crate) fn required<T: FromScalar>(
        &self,
        name: &str,
        example: &str,
        problems: &mut Problems,
    ) -> Setting<T> {
        let setting = self.get(name);
        if setting.missing {
            let problem = if self.path.is_empty() {
                Problem::at(&self.span(), format!("`{name}` is missing"))
                    .hint(format!("write {name} = {example} at the top"))
            } else {
                let table = table_name(self.path());
                Problem::at(&self.span(), format!("`{name}` is missing in {table}"))
                    .hint(format!("write for example {name} = {example}"))
            };
            problems.push(problem);
        }
        setting
    }
}

impl<T> Setting<T> {
    /// With a default.
    pub(crate) fn or(mut self, default: T) -> Self {
        if self.missing {
            self.value = Some(default);
        }
        self
    }

    /// Whether it stands in the file (or was meant to).
    pub(crate) fn is_missing(&self) -> bool {
        self.missing
    }

    /// Its place, or the place of the table it would stand in.
    pub(crate) fn place(&self, section: &Section<'_>) -> Span {
        self.span.clone().unwrap_or_else(|| section.span())
    }
}

/// What a [`Scalar`] can be read as.
pub(crate) trait FromScalar: Sized {
    fn from_scalar(scalar: Scalar) -> Option<Self>;
}

macro_rules! from_scalar {
    ($($variant:ident => $type:ty),*) => {
        $(impl FromScalar for $type {
            fn from_scalar(scalar: Scalar) -> Option<Self> {
                match scalar {
                    Scalar::$variant(value) => Some(value),
                    _ => None,
                }
            }
        })*
    };
}

from_scalar!(Text => String, Flag => bool, Count => u64, Number => f64, Size => Size, Rate => Rate, Time => Time, Share => Share, Moment => Moment, Repeats => Repeats);

impl FromScalar for u32 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        u64::from_scalar(scalar).and_then(|count| u32::try_from(count).ok())
    }
}
