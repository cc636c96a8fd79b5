//! `lmbench doctor`.

use super::{Exit, Failed, print, print_json};
use crate::cli::Format;
use crate::doctor;

pub(super) fn main(format: Format) -> Result<Exit, Failed> {
    let findings = doctor::examine();
    match format {
        Format::Human => print(|output| output.write_all(doctor::text(&findings).as_bytes()))?,
        Format::Json => print_json(&findings)?,
    };
    Ok(if doctor::ready(&findings) {
        Exit::Success
    } else {
        Exit::Environment
    })
}
