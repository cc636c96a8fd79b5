//! The file as a tree in which everything knows its place.
//!
//! An owned mirror of toml's spanned values, in the order of the file (toml sorts), so that matrix values can be moved into it together
//! with their places. Knows TOML, knows nothing of scenarios.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of the text.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// What TOML can say.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with a decimal point.
    Float(f64),
    /// A boolean.
    Flag(bool),
    /// A date, or an integer beyond 64 bits: nothing in a scenario is one, so only its text is kept.
    Other(String),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// Keys and values in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// One for each key.
    pub entries: Vec<Entry>,
}

/// One line of a table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, without quotes.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What the value is, with its article, for "expected …, found …".
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a decimal point",
            Value::Flag(_) => "a boolean",
            Value::Other(_) => "a date or an oversized number",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The table, if it is one.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Node {
    fn flatten(&self, path: String, into: &mut BTreeMap<String, String>) {
        let text = match &self.value {
            Value::Table(table) if !table.entries.is_empty() => {
                return table.flatten(&format!("{path}."), into);
            }
            Value::List(list) if !list.is_empty() => {
                for (index, node) in list.iter().enumerate() {
                    node.flatten(format!("{path}.{index}"), into);
                }
                return;
            }
            Value::Table(_) | Value::List(_) => String::new(),
            Value::Text(text) | Value::Other(text) => text.clone(),
            Value::Integer(integer) => integer.to_string(),
            Value::Float(float) => float.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        into.insert(path, text);
    }
}

impl Table {
    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes an entry out.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// The entry at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Entry> {
        let (last, tables) = path.split_last()?;
        let mut table = self;
        for key in tables {
            table = table.entry(key)?.node.table()?;
        }
        table.entry(last)
    }

    /// Where a dotted path stands: as a key with a value, as a table, or as an axis of the matrix.
    pub fn find(&self, path: &str) -> Option<Span> {
        let axis = || {
            let matrix = self.entry("matrix")?.node.table()?;
            matrix.find_below(path)
        };
        axis().or_else(|| self.find_below(path))
    }

    /// Keys may themselves be dotted paths in quotes.
    fn find_below(&self, path: &str) -> Option<Span> {
        self.entries.iter().find_map(|entry| {
            if entry.key == path {
                return Some(entry.key_span.clone());
            }
            let rest = path.strip_prefix(&entry.key)?.strip_prefix('.')?;
            entry.node.table()?.find_below(rest)
        })
    }

    /// Every value by its path, as text; elements of lists count from 0.
    pub fn flatten(&self, prefix: &str, into: &mut BTreeMap<String, String>) {
        for entry in &self.entries {
            entry.node.flatten(format!("{prefix}{}", entry.key), into);
        }
    }

    /// Puts a value at a path, making the tables on the way; `key_span` is the place of what it makes.
    /// Returns whether it could: a value in the way that is not a table stays.
    pub fn set(&mut self, path: &[&str], key_span: &Span, node: Node) -> bool {
        let Some((key, rest)) = path.split_first() else {
            return false;
        };
        let index = self.entries.iter().position(|entry| entry.key == *key);
        let index = index.unwrap_or_else(|| {
            self.entries.push(Entry {
                key: (*key).to_owned(),
                key_span: key_span.clone(),
                node: Node {
                    value: Value::Table(Table::default()),
                    span: key_span.clone(),
                },
            });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        if rest.is_empty() {
            entry.key_span = key_span.clone();
            entry.node = node;
            return true;
        }
        match &mut entry.node.value {
            Value::Table(table) => table.set(rest, key_span, node),
            _ => false,
        }
    }
}

/// A syntax error: message and place.
pub type SyntaxError = (String, Span);

/// Reads TOML; all syntax errors at once.
pub fn parse(text: &str) -> Result<Table, Vec<SyntaxError>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut values = root.get_ref().iter();
    if let Some(span) = values.find_map(|(_, value)| too_deep(value, DEPTH_MAX)) {
        dismantle(root.into_inner());
        return Err(vec![(format!("nested more than {DEPTH_MAX} deep"), span)]);
    }
    if errors.is_empty() {
        return Ok(table(root.get_ref()));
    }
    let mut errors: Vec<SyntaxError> = errors
        .iter()
        .map(|error| {
            let message = error.message().trim_end_matches(", expected nothing");
            (message.to_owned(), error.span().unwrap_or(0..0))
        })
        .collect();
    errors.sort_by_key(|(_, span)| span.start);
    // The first error of a line is the cause of the others in it.
    errors.dedup_by(|later, earlier| {
        let between = text.as_bytes().get(earlier.1.start..later.1.start);
        between.is_some_and(|bytes| !bytes.contains(&b'\n'))
    });
    Err(errors)
}

/// The place of a value with so many others around it. Dotted keys in inline tables nest thousands of times within a few kilobytes,
/// and whoever walks the tree does so by recursion.
fn too_deep(value: &Spanned<DeValue<'_>>, left: usize) -> Option<Span> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if left == 0 => Some(value.span()),
        DeValue::Table(table) => table
            .iter()
            .find_map(|(_, value)| too_deep(value, left - 1)),
        DeValue::Array(list) => list.iter().find_map(|value| too_deep(value, left - 1)),
        _ => None,
    }
}

/// Drops it level by level: a destructor that calls itself for each would take more stack than a thread has.
fn dismantle(root: DeTable<'_>) {
    let mut left = vec![DeValue::Table(root)];
    while let Some(value) = left.pop() {
        match value {
            DeValue::Table(table) => {
                left.extend(table.into_iter().map(|(_, value)| value.into_inner()));
            }
            DeValue::Array(list) => left.extend(list.into_iter().map(Spanned::into_inner)),
            _ => {}
        }
    }
}

fn table(source: &DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = source
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn node(source: &Spanned<DeValue<'_>>) -> Node {
    let value = match source.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::Other(integer.to_string()), Value::Integer),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or_else(|_| Value::Other(float.to_string()), Value::Float),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(list) => Value::List(list.iter().map(node).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Node {
        value,
        span: source.span(),
    }
}

/// Scenarios nest four deep.
const DEPTH_MAX: usize = 16;
