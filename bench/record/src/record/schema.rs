//! The JSON schema of the record, for editors and for other people's readers. Derived from the types, never written by hand.

use serde_json::Value;

use super::{FORMAT, Record};

/// The schema that `lmbench schema record` prints.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Record);
    schema.insert(
        "title".to_owned(),
        format!("record of an lmbench run, format {FORMAT}").into(),
    );
    schema.to_value()
}

#[cfg(test)]
mod tests;
