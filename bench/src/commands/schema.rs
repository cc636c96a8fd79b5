//! `lmbench schema scenario|record`.

use super::{Exit, Failed, print_json};
use crate::cli::SchemaOf;

pub(super) fn main(of: SchemaOf) -> Result<Exit, Failed> {
    print_json(&match of {
        SchemaOf::Scenario => crate::scenario::schema(),
        SchemaOf::Record => crate::record::schema(),
    })
}
