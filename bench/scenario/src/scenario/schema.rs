//! The JSON schema of scenario files, for editors; made from the key table, hence never behind the reader.

use lmbench_record::metric::ALL;
use lmbench_record::record::Outcome;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::scenario::keys::{Kind, QMP, SCENARIO, Table, axis_kind, axis_paths};
use crate::scenario::units::{Rate, Share, Size, Time};

/// JSON schema (2020-12) of a scenario file.
pub fn schema() -> Value {
    let mut schema = table(&SCENARIO);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("lmbench scenario");
    schema["required"] = json!(["name"]);
    schema
}

fn table(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        if matches!(key.kind, Kind::Planned(_)) {
            continue;
        }
        let mut schema = kind(&key.kind);
        let about = match key.default {
            Some(default) if !default.is_empty() => format!("{}\n\nDefault: {default}.", key.about),
            _ => key.about.to_owned(),
        };
        schema["description"] = json!(about);
        properties.insert(key.name.to_owned(), schema);
    }
    json!({ "type": "object", "description": table.about, "properties": properties, "additionalProperties": false })
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Planned(_) => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Size => unit::<Size>(),
        Kind::Rate => unit::<Rate>(),
        Kind::Time => unit::<Time>(),
        Kind::Share => unit::<Share>(),
        Kind::Moment => {
            json!({ "type": "string", "examples": ["200 MiB", "2 s", "pass 2", "switchover", "post-copy"] })
        }
        Kind::Repeats { max } => {
            let count = json!({ "type": "integer", "minimum": 1, "maximum": max });
            let until = json!({ "type": "string", "pattern": "^until ([a-z0-9_]+ +)?ci95 *< *[0-9]+(\\.[0-9]+)? *%, *at most *[0-9]+$" });
            json!({ "anyOf": [count, until], "examples": [8, "until ci95 < 5 %, at most 20"] })
        }
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Table(keys) => table(keys),
        Kind::Selection { options, .. } => json!({ "anyOf": [names(options), table(options)] }),
        Kind::Phases(keys) => json!({ "type": "array", "minItems": 1, "items": table(keys) }),
        Kind::Names => json!({ "type": "object", "additionalProperties": scalar() }),
        Kind::Limits => gate(),
        Kind::Axes => axes(),
    }
}

fn axes() -> Value {
    let mut properties = Map::new();
    for path in axis_paths() {
        let values = match axis_kind(&path) {
            Some(Kind::Selection { options, .. }) => names(options),
            Some(other) => kind(&other),
            None => continue,
        };
        properties.insert(path, list(&values));
    }
    let qmp = format!("^{}", QMP.replace('.', "\\."));
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { qmp: list(&scalar()) },
        // Axes may also be written without quotes, as nested tables.
        "additionalProperties": { "type": "object" },
    })
}

fn gate() -> Value {
    let metrics = ALL.iter().map(|metric| metric.id);
    let names: Vec<&str> = metrics.chain(Outcome::ALL.map(Outcome::name)).collect();
    let rules = json!({ "type": "string" });
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), rules.clone()))
        .collect();
    let cells = json!({
        "type": "object",
        "propertyNames": { "enum": names },
        "additionalProperties": rules,
    });
    let mut gate =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    gate["properties"]["cells"] = json!({ "type": "object", "additionalProperties": cells });
    gate
}

fn list(values: &Value) -> Value {
    json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": values })
}

fn names(options: &Table) -> Value {
    json!({ "type": "string", "enum": options.names().collect::<Vec<_>>() })
}

fn scalar() -> Value {
    json!({ "type": ["boolean", "number", "string"] })
}

fn unit<T: JsonSchema>() -> Value {
    T::json_schema(&mut SchemaGenerator::default()).to_value()
}
