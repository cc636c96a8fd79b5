//! Cells that somebody chooses: by `--cell`, as RUN:CELL, or in `[gate.cells]`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde_json::Value;

use crate::nearest::nearest;

/// The axes' values of a cell, as a scenario or record has them.
pub type Parameters = IndexMap<String, Value>;

/// Some cells: those that have all of these parameters, or the one of this id; without any text, all cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    text: String,
}

/// Why a choice means no cell. Texts of records are as they stand there, so whoever prints this cleans it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// It names something that is no axis.
    #[error("no axis `{key}` in {whose}\nhint: {hint}")]
    UnknownAxis {
        /// What was given.
        key: String,
        /// A scenario or run.
        whose: String,
        /// The axes that exist.
        hint: String,
    },
    /// It names a value that the axis does not have.
    #[error("no value `{value}` on axis `{key}`\nhint: {hint}")]
    UnknownValue {
        /// The axis.
        key: String,
        /// What was given.
        value: String,
        /// The values that exist.
        hint: String,
    },
    /// Together the choices leave no cell.
    #[error(
        "no cell is {chosen}\nhint: each value exists, but not together; the cells are {cells}"
    )]
    NothingLeft {
        /// What was given.
        chosen: String,
        /// What there is.
        cells: String,
    },
}

impl Selector {
    /// Whether a cell is meant: by its id, or by some of its parameters.
    pub fn takes(&self, id: &str, parameters: &Parameters) -> bool {
        let text = squeeze(&self.text);
        if text.is_empty() || text == squeeze(id) {
            return true;
        }
        let has = |(key, value): &(String, String)| {
            let own = parameters.get(key);
            own.is_some_and(|own| plain(own) == *value)
        };
        self.pairs().is_some_and(|pairs| pairs.iter().all(has))
    }

    /// The parameters that it names.
    pub fn keys(&self) -> BTreeSet<String> {
        let pairs = self.pairs().unwrap_or_default();
        pairs.into_iter().map(|(key, _)| key).collect()
    }

    /// What each parameter must be. `None` if the text is no list of them.
    fn pairs(&self) -> Option<Vec<(String, String)>> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in squeeze(&self.text).split(',') {
            match (part.split_once('='), pairs.last_mut()) {
                (Some((key, value)), _) => pairs.push((key.to_owned(), value.to_owned())),
                // The comma stands in a value.
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part);
                }
                (None, None) => return None,
            }
        }
        Some(pairs)
    }
}

impl From<&str> for Selector {
    fn from(text: &str) -> Self {
        Selector {
            text: text.to_owned(),
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('=') || text == WITHOUT_AXES {
            Ok(Selector::from(text))
        } else {
            Err(format!(
                "`{text}` is not KEY=VALUE; write for example carrier=tcp"
            ))
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Whether a cell is among the chosen ones; without any choice all are. Choices that name a parameter in common are alternatives, and all
/// others must hold too.
pub fn taken(chosen: &[Selector], id: &str, parameters: &Parameters) -> bool {
    let mut groups: Vec<(BTreeSet<String>, bool)> = Vec::new();
    for selector in chosen {
        let mut keys = selector.keys();
        let mut takes = selector.takes(id, parameters);
        groups.retain(|(others, taken)| {
            let is_apart = others.is_disjoint(&keys);
            if !is_apart {
                takes |= *taken;
                keys.extend(others.iter().cloned());
            }
            is_apart
        });
        groups.push((keys, takes));
    }
    groups.iter().all(|(_, taken)| *taken)
}

/// What is wrong with choices that mean none of these cells of a scenario or run.
pub fn check<'a>(
    chosen: &[Selector],
    whose: &str,
    cells: impl Iterator<Item = (&'a str, &'a Parameters)> + Clone,
) -> Result<(), CellError> {
    let is_id = |text: &str| cells.clone().any(|(id, _)| squeeze(id) == squeeze(text));
    for selector in chosen.iter().filter(|one| !is_id(&one.text)) {
        let no_pair = || vec![(selector.text.clone(), String::new())];
        for (key, value) in selector.pairs().unwrap_or_else(no_pair) {
            let all = cells.clone().map(|(_, parameters)| parameters);
            let values = distinct(all.clone().filter_map(|own| own.get(&key)).map(plain));
            if values.is_empty() {
                let axes = distinct(all.flat_map(|own| own.keys().cloned()));
                let hint = if axes.is_empty() {
                    format!("{whose} has no axes, hence nothing to choose from")
                } else {
                    hint(&key, "axes", &axes)
                };
                let whose = whose.to_owned();
                return Err(CellError::UnknownAxis { key, whose, hint });
            }
            if !values.contains(&value) {
                let hint = hint(&value, "values", &values);
                return Err(CellError::UnknownValue { key, value, hint });
            }
        }
    }
    if chosen.is_empty() || cells.clone().any(|(id, own)| taken(chosen, id, own)) {
        return Ok(());
    }
    let texts: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    Err(CellError::NothingLeft {
        chosen: texts.join(" and "),
        cells: listed(&cells.map(|(id, _)| id).collect::<Vec<_>>()),
    })
}

/// A parameter's value without quotes and spaces, as it stands in a cell's id.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.split_whitespace().collect(),
        other => other.to_string(),
    }
}

fn hint(name: &str, what: &str, names: &[String]) -> String {
    let near = nearest(name, names.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    format!("{near}its {what} are {}", names.join(", "))
}

/// Some ids in one line; a hostile or a very wide record has too many for a message.
pub(crate) fn listed(ids: &[&str]) -> String {
    if ids.is_empty() {
        return "none".to_owned();
    }
    let some: Vec<&str> = ids.iter().take(LISTED_MAX).copied().collect();
    let more = match ids.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    some.join("; ") + &more
}

/// Each once, in the order of their first appearance.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The id of the only cell of a scenario without axes.
const WITHOUT_AXES: &str = "base";
const LISTED_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(carrier: &str, channels: u32) -> Parameters {
        IndexMap::from([
            ("carrier".to_owned(), json!(carrier)),
            ("migration.multifd-channels".to_owned(), json!(channels)),
            ("carrier.tls.cipher".to_owned(), json!("a, b")),
        ])
    }

    #[test]
    fn cells_are_chosen_by_parameters_or_id() {
        let parameters = parameters("tls", 4);
        let takes = |text: &str| Selector::from(text).takes("the,id=x", &parameters);
        for text in [
            "",
            "carrier=tls",
            "migration.multifd-channels=4, carrier=tls",
            "carrier.tls.cipher=a,b,carrier=tls",
            "carrier.tls.cipher=a, b",
            "the,id=x",
        ] {
            assert!(takes(text), "{text}");
        }
        for text in [
            "carrier=tcp",
            "carrier",
            "=",
            ",",
            "carrier=tls,policy=static",
        ] {
            assert!(!takes(text), "{text}");
        }
        assert!("carrier".parse::<Selector>().is_err());
        assert!("base".parse::<Selector>().is_ok());
    }

    #[test]
    fn choices_on_one_axis_are_alternatives_and_others_must_hold_too() {
        for (chosen, expected) in [
            (&[][..], "tcp1 tcp4 tls1 tls4"),
            (&["carrier=tcp"], "tcp1 tcp4"),
            (&["carrier=tcp", "carrier=tls"], "tcp1 tcp4 tls1 tls4"),
            (&["carrier=tcp", "migration.multifd-channels=4"], "tcp4"),
            (
                &[
                    "carrier=tcp,migration.multifd-channels=4",
                    "carrier=tls,migration.multifd-channels=1",
                ],
                "tcp4 tls1",
            ),
            // The last has an axis in common with either, so all three are alternatives.
            (
                &[
                    "carrier=tcp",
                    "migration.multifd-channels=4",
                    "carrier=tls,migration.multifd-channels=1",
                ],
                "tcp1 tcp4 tls1 tls4",
            ),
        ] {
            let selectors: Vec<Selector> =
                chosen.iter().map(|text| Selector::from(*text)).collect();
            let cells = ["tcp", "tls"].map(|carrier| [1, 4].map(|channels| (carrier, channels)));
            let kept = cells.as_flattened().iter().filter(|(carrier, channels)| {
                taken(&selectors, "id", &parameters(carrier, *channels))
            });
            let kept: Vec<String> = kept
                .map(|(carrier, channels)| format!("{carrier}{channels}"))
                .collect();
            assert_eq!(kept.join(" "), expected, "{chosen:?}");
        }
    }

    #[test]
    fn what_means_no_cell_is_told_with_what_there_is() {
        let (one, other) = (parameters("tcp", 1), parameters("tls", 4));
        let wrong = |chosen: &[&str]| {
            let selectors: Vec<Selector> =
                chosen.iter().map(|text| Selector::from(*text)).collect();
            let cells = [("one", &one), ("other", &other)].into_iter();
            check(&selectors, "run x", cells).map_err(|error| error.to_string())
        };
        assert_eq!(wrong(&[]), Ok(()));
        assert_eq!(wrong(&["one"]), Ok(()));
        assert_eq!(wrong(&["carrier = tls"]), Ok(()));
        let error = wrong(&["carier=tcp"]).unwrap_err();
        assert!(
            error.contains("no axis `carier` in run x\nhint: did you mean `carrier`?"),
            "{error}"
        );
        let error = wrong(&["carrier=tpc"]).unwrap_err();
        assert!(error.contains("its values are tcp, tls"), "{error}");
        let error = wrong(&["carrier=tcp,migration.multifd-channels=4"]).unwrap_err();
        assert!(error.contains("the cells are one; other"), "{error}");
        let error = wrong(&["third"]).unwrap_err();
        assert!(error.contains("no axis `third`"), "{error}");
    }
}
