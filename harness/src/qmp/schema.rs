//! What this QEMU understands, as `query-qmp-schema` tells it. Asked instead of guessed from a version number.

mod setting;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

pub use setting::{Setting, SettingProblem};

/// The commands, events and migration settings of one QEMU.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Commands and events with their kind; types have numbers for names and are only walked through.
    entries: BTreeMap<String, Kind>,
    capabilities: Vec<String>,
    parameters: IndexMap<String, ParameterType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Command,
    Event,
}

/// What a migration parameter may be set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    Str,
    /// One of these names.
    Enum(Vec<String>),
    /// Something with parts, which is left to QEMU to check.
    Other,
}

impl Schema {
    /// Reads the reply; `None` if it is no list of types. A QEMU without migration has no settings.
    pub fn from_reply(reply: &Value) -> Option<Schema> {
        let types: BTreeMap<&str, &Value> = reply
            .as_array()?
            .iter()
            .filter_map(|entry| Some((entry["name"].as_str()?, entry)))
            .collect();
        let entries = types
            .iter()
            .filter_map(|(name, entry)| Some(((*name).to_owned(), kind(entry)?)))
            .collect();
        let parameters = arguments(&types, "migrate-set-parameters")
            .map(|member| (text(&member["name"]), text(&member["type"])));
        Some(Schema {
            entries,
            capabilities: capabilities(&types).unwrap_or_default(),
            parameters: parameters
                .map(|(name, type_name)| (name, parameter_type(&types, &type_name)))
                .collect(),
        })
    }

    /// Whether there is such a command.
    pub fn has_command(&self, name: &str) -> bool {
        self.entries.get(name) == Some(&Kind::Command)
    }

    /// Whether there is such an event.
    pub fn has_event(&self, name: &str) -> bool {
        self.entries.get(name) == Some(&Kind::Event)
    }

    /// The migration capabilities it knows. QEMU may still refuse one that its host cannot do.
    pub fn migration_capabilities(&self) -> Vec<String> {
        self.capabilities.clone()
    }

    /// The migration parameters it knows.
    pub fn migration_parameters(&self) -> Vec<String> {
        self.parameters.keys().cloned().collect()
    }

    /// What a migration parameter may be set to; `None` if there is none of this name.
    pub fn migration_parameter(&self, name: &str) -> Option<ParameterType> {
        self.parameters.get(name).cloned()
    }
}

fn kind(entry: &Value) -> Option<Kind> {
    match entry["meta-type"].as_str()? {
        "command" => Some(Kind::Command),
        "event" => Some(Kind::Event),
        _ => None,
    }
}

type Types<'a> = BTreeMap<&'a str, &'a Value>;

/// The members of a command's argument object.
fn arguments<'a>(types: &Types<'a>, command: &str) -> impl Iterator<Item = &'a Value> {
    let object = types
        .get(command)
        .and_then(|command| types.get(command["arg-type"].as_str()?));
    object
        .and_then(|object| object["members"].as_array())
        .into_iter()
        .flatten()
}

/// The way from the command to the enum: its argument, a list, of objects, with a member `capability`.
fn capabilities(types: &Types<'_>) -> Option<Vec<String>> {
    let list = arguments(types, "migrate-set-capabilities")
        .find(|member| member["name"] == "capabilities")?;
    let element = types.get(types.get(list["type"].as_str()?)?["element-type"].as_str()?)?;
    let capability = element["members"]
        .as_array()?
        .iter()
        .find(|member| member["name"] == "capability")?;
    Some(enum_names(types.get(capability["type"].as_str()?)?))
}

fn parameter_type(types: &Types<'_>, name: &str) -> ParameterType {
    let Some(entry) = types.get(name) else {
        return ParameterType::Other;
    };
    match (entry["meta-type"].as_str(), entry["json-type"].as_str()) {
        (Some("builtin"), Some("boolean")) => ParameterType::Bool,
        (Some("builtin"), Some("int")) => ParameterType::Int,
        (Some("builtin"), Some("string")) => ParameterType::Str,
        (Some("enum"), _) => ParameterType::Enum(enum_names(entry)),
        // The TLS parameters are text or null.
        (Some("alternate"), _) if members(entry).any(|member| member["type"] == "str") => {
            ParameterType::Str
        }
        _ => ParameterType::Other,
    }
}

/// `members` since QEMU 6.2, `values` (deprecated) before.
fn enum_names(entry: &Value) -> Vec<String> {
    let values = entry["values"].as_array().into_iter().flatten();
    let named = members(entry).map(|member| &member["name"]);
    if entry["members"].is_array() {
        named.map(text).collect()
    } else {
        values.map(text).collect()
    }
}

fn members(entry: &Value) -> impl Iterator<Item = &Value> {
    entry["members"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The shape of QEMU 10.0's reply, cut down to one of each kind.
    pub(super) fn sample() -> Schema {
        let reply = json!([
            {"name": "migrate-set-capabilities", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
            {"name": "1", "meta-type": "object", "members": [{"name": "capabilities", "type": "[2]"}]},
            {"name": "[2]", "meta-type": "array", "element-type": "2"},
            {"name": "2", "meta-type": "object",
             "members": [{"name": "capability", "type": "3"}, {"name": "state", "type": "bool"}]},
            {"name": "3", "meta-type": "enum", "members": [{"name": "multifd"}, {"name": "auto-converge"}]},
            {"name": "migrate-set-parameters", "meta-type": "command", "arg-type": "4", "ret-type": "0"},
            {"name": "4", "meta-type": "object", "members": [
                {"name": "max-bandwidth", "type": "int"}, {"name": "direct-io", "type": "bool"},
                {"name": "tls-creds", "type": "5"}, {"name": "multifd-compression", "type": "6"},
                {"name": "block-bitmap-mapping", "type": "[7]"}]},
            {"name": "5", "meta-type": "alternate", "members": [{"type": "str"}, {"type": "null"}]},
            {"name": "6", "meta-type": "enum", "values": ["none", "zlib", "zstd"]},
            {"name": "int", "meta-type": "builtin", "json-type": "int"},
            {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
            {"name": "STOP", "meta-type": "event", "arg-type": "0"},
        ]);
        Schema::from_reply(&reply).unwrap()
    }

    #[test]
    fn tells_commands_from_events_and_types() {
        let schema = sample();
        assert!(schema.has_command("migrate-set-parameters") && !schema.has_command("STOP"));
        assert!(
            schema.has_event("STOP")
                && !schema.has_event("migrate-set-parameters")
                && !schema.has_event("int")
        );
    }

    #[test]
    fn finds_every_kind_of_setting() {
        let schema = sample();
        assert_eq!(
            schema.migration_capabilities(),
            ["multifd", "auto-converge"]
        );
        assert_eq!(
            schema.migration_parameter("max-bandwidth"),
            Some(ParameterType::Int)
        );
        assert_eq!(
            schema.migration_parameter("direct-io"),
            Some(ParameterType::Bool)
        );
        assert_eq!(
            schema.migration_parameter("tls-creds"),
            Some(ParameterType::Str)
        );
        let names = ["none", "zlib", "zstd"].map(str::to_owned).to_vec();
        assert_eq!(
            schema.migration_parameter("multifd-compression"),
            Some(ParameterType::Enum(names))
        );
        assert_eq!(
            schema.migration_parameter("block-bitmap-mapping"),
            Some(ParameterType::Other)
        );
        assert_eq!(schema.migration_parameter("multifd"), None);
    }

    #[test]
    fn a_qemu_without_migration_has_no_settings() {
        assert_eq!(
            Schema::from_reply(&json!([]))
                .unwrap()
                .migration_capabilities(),
            [""; 0]
        );
        assert!(Schema::from_reply(&json!({})).is_none());
    }
}
