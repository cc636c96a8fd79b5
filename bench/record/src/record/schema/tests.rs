//! Records against the schema that the program prints.
//!
//! The `jsonschema` crate would add some thirty packages to the tests; this checks the keywords that schemars uses here, and
//! refuses a schema with any other, so that it can not silently check less.

use serde_json::{Map, Value, json};

use super::*;
use crate::record::example;

#[test]
fn the_fixture_and_fresh_records_fit_the_printed_schema() {
    let schema = schema();
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/format-1.json")).unwrap();
    check(&schema, &schema, &fixture, "fixture");
    let real: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/quick/record.json")).unwrap();
    check(&schema, &schema, &real, "a real run");
    let mut calibrated = example::jvm();
    calibrated.calibration = Some(example::calibration());
    for record in [
        calibrated,
        example::empty("fresh", 2, 3),
        example::jvm(),
        example::troubled(),
        example::wide(),
    ] {
        check(
            &schema,
            &schema,
            &serde_json::from_str(&record.to_json()).unwrap(),
            "record",
        );
    }
}

#[test]
fn the_checker_refuses_what_does_not_fit() {
    let schema = schema();
    let valid: Value = serde_json::from_str(&example::jvm().to_json()).unwrap();
    let wrong: [(&str, Value); 4] = [
        ("/seed", json!("one")),
        ("/cells/0/repeats/0/outcome", json!("lost")),
        ("/format", json!(-1)),
        ("/scenario", json!({})),
    ];
    for (pointer, value) in wrong {
        let mut record = valid.clone();
        *record.pointer_mut(pointer).unwrap() = value;
        assert!(
            std::panic::catch_unwind(|| check(&schema, &schema, &record, "record")).is_err(),
            "{pointer} passed"
        );
    }
}

#[test]
fn the_schema_is_the_one_reviewed() {
    insta::assert_json_snapshot!(schema());
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) {
    let Some(schema) = schema.as_object() else {
        assert_eq!(schema, &json!(true), "schema at {at}");
        return;
    };
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "format" | "default" | "$defs" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(pointer).unwrap(), value, at);
            }
            "type" => assert!(has_type(rule, value), "{at} is not {rule}: {value}"),
            "const" => assert_eq!(rule, value, "{at}"),
            "enum" => assert!(
                rule.as_array().unwrap().contains(value),
                "{at} is none of {rule}: {value}"
            ),
            "anyOf" | "oneOf" => assert!(
                any_fits(root, rule, value, at),
                "{at} fits no alternative: {value}"
            ),
            "minimum" => assert!(
                value
                    .as_f64()
                    .is_none_or(|number| number >= rule.as_f64().unwrap()),
                "{at} < {rule}"
            ),
            "maximum" => assert!(
                value
                    .as_f64()
                    .is_none_or(|number| number <= rule.as_f64().unwrap()),
                "{at} > {rule}"
            ),
            "minItems" => assert!(
                value
                    .as_array()
                    .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
                "{at}"
            ),
            "maxItems" => assert!(
                value
                    .as_array()
                    .is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
                "{at}"
            ),
            "required" => {
                let object = value.as_object().unwrap();
                assert!(
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| object.contains_key(key.as_str().unwrap())),
                    "{at} lacks one of {rule}"
                );
            }
            "properties" => for_properties(root, rule, value, at),
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, item) in value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)))
                {
                    check(root, rule, item, &format!("{at}/{key}"));
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(root, rule, item, &format!("{at}[]"));
                }
            }
            "prefixItems" => {
                for (item, rule) in value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .zip(rule.as_array().unwrap())
                {
                    check(root, rule, item, at);
                }
            }
            other => panic!("this checker does not know the keyword {other}"),
        }
    }
}

fn for_properties(root: &Value, rules: &Value, value: &Value, at: &str) {
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    for (key, rule) in rules.as_object().unwrap() {
        if let Some(item) = object.get(key) {
            check(root, rule, item, &format!("{at}/{key}"));
        }
    }
}

fn any_fits(root: &Value, rules: &Value, value: &Value, at: &str) -> bool {
    rules
        .as_array()
        .unwrap()
        .iter()
        .any(|rule| std::panic::catch_unwind(|| check(root, rule, value, at)).is_ok())
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let named = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("unknown type {other}"),
    };
    rule.as_array().map_or_else(
        || named(rule.as_str().unwrap()),
        |names| names.iter().any(|name| named(name.as_str().unwrap())),
    )
}
