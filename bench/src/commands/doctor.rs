//! `lmbench doctor`.

use std::path::Path;

use super::{Exit, Failed, print, print_json};
use crate::cli::Format;
use crate::doctor;

pub(super) fn main(format: Format, out: &Path) -> Result<Exit, Failed> {
    let findings = doctor::examine_for(out);
    match format {
        Format::Human => print(|output| output.write_all(doctor::text(&findings).as_bytes()))?,
        Format::Json => print_json(&doctor::json(&findings))?,
    };
    Ok(if doctor::ready(&findings) {
        Exit::Success
    } else {
        Exit::Environment
    })
}
