//! A carrier's settings without a scenario: `lmbench carry … --set KEY=VALUE` takes what `[carrier.NAME]` takes.

use std::path::Path;

use super::{ScenarioError, parse};
use crate::carrier::CarrierSpec;

/// The carrier of that name with settings written as `key=value`. Errors show the settings as lines of a table.
pub fn carrier(name: &str, settings: &[String]) -> Result<CarrierSpec, ScenarioError> {
    let lines: String = settings.iter().map(|setting| line(setting)).collect();
    let text = format!("name = \"carry\"\n[carrier.{name}]\n{lines}{REST}");
    let scenario = parse(Path::new("--set"), &text)?;
    let [cell] = &scenario.cells[..] else {
        unreachable!("a scenario without a matrix has one cell");
    };
    Ok(cell.setup.carrier.clone())
}

/// Texts may go without quotes, which a shell takes away. A setting keeps to its line, so that it can't bring others.
fn line(setting: &str) -> String {
    let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
    let (key, value) = (key.trim(), value.trim());
    let plain = value.parse::<i64>().is_ok() || value == "true" || value == "false";
    let value = if plain {
        value.to_owned()
    } else {
        toml::Value::from(value).to_string()
    };
    let key: String = key.split_whitespace().collect();
    format!("{key} = {value}\n")
}

/// What a scenario must have.
const REST: &str = "[workload.idle]\nmemory = \"64 MiB\"\n[run]\nrepeats = 1\n";

#[cfg(test)]
mod tests {
    use lmbench_transport::identity::Cipher;

    use super::*;

    #[test]
    fn settings_are_those_of_a_scenario() {
        let set = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
            carrier("tls", &settings)
        };
        let cipher = Cipher::Aes256Gcm;
        assert_eq!(
            set(&["cipher=aes256-gcm"]).unwrap(),
            CarrierSpec::Tls { cipher }
        );
        assert!(set(&[]).is_ok());
        for wrong in [
            "cipher=rot13",
            "cypher=aes128-gcm",
            "cipher",
            "",
            "cipher=\"\n[x]\n",
        ] {
            let error = set(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("--set"), "{error}");
        }
    }
}
