//! A record's scenario: its keys, and its quantities with their units.

use std::time::Duration;

use lmbench_model::PAGE_BYTES;
use serde_json::Value;
use toml::{Table, Value as Toml};

pub(super) fn get<'a>(table: &'a Toml, key: &str) -> Option<&'a Toml> {
    key.split('.').try_fold(table, |at, part| at.get(part))
}

/// Sets one axis of the matrix. A choice (carrier, policy) stands where its settings' table is, so that it gets a
/// name of its own there.
pub(super) fn set(table: &mut Toml, key: &str, value: &Value) {
    let value: Toml = match value {
        Value::String(text) => text.clone().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_f64().unwrap_or(0.0).into(), Toml::from),
        _ => return,
    };
    let mut at = table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let Toml::Table(inner) = at else { return };
        if parts.peek().is_none() {
            match inner.get_mut(part) {
                Some(Toml::Table(settings)) => settings.insert("chosen".to_owned(), value),
                _ => inner.insert(part.to_owned(), value),
            };
            return;
        }
        at = inner
            .entry(part)
            .or_insert_with(|| Toml::Table(Table::new()));
    }
}

/// Text of a value; of a table what was chosen.
pub(super) fn plain(value: &Toml) -> String {
    match value {
        Toml::String(text) => text.clone(),
        Toml::Table(table) => table
            .get("chosen")
            .map_or_else(|| table.keys().next().cloned().unwrap_or_default(), plain),
        other => other.to_string(),
    }
}

/// A number and its unit.
fn quantity(text: &str) -> (f64, String) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    (
        text[..end].parse().unwrap_or(0.0),
        text[end..].trim().to_owned(),
    )
}

pub(super) fn bytes(text: &str) -> f64 {
    let (number, unit) = quantity(text);
    number
        * match unit.as_str() {
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "pages" => PAGE_BYTES,
            _ => 1.0,
        }
}

/// Bits per second, of bits or bytes.
pub(super) fn bits(text: &str) -> f64 {
    let (number, unit) = quantity(text);
    match unit.trim_end_matches("/s") {
        "kbit" => number * 1e3,
        "Mbit" => number * 1e6,
        "Gbit" => number * 1e9,
        unit => bytes(&format!("{number} {unit}")) * 8.0,
    }
}

pub(super) fn duration(text: &str) -> Duration {
    let (number, unit) = quantity(text);
    Duration::from_secs_f64(
        number
            * match unit.as_str() {
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "min" => 60.0,
                _ => 1.0,
            },
    )
}

/// A share from 0 to 1, of per cent or not.
pub(super) fn share(text: &str) -> f64 {
    let (number, unit) = quantity(text);
    if unit == "%" { number / 100.0 } else { number }
}
