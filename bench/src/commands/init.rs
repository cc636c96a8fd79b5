//! `lmbench init [FILE]`.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Exit, Failed, print, say};
use crate::cli::InitArguments;
use crate::scenario;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &InitArguments) -> Result<Exit, Failed> {
    let file = arguments.file.as_path();
    if file == Path::new("-") {
        return print(|output| output.write_all(scenario::starter("").as_bytes()));
    }
    let shown = clean(&file.to_string_lossy());
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    File::create_new(file)
        .and_then(|mut file| file.write_all(scenario::starter(&name).as_bytes()))
        .map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AlreadyExists => "it is left as it is: name another file",
                _ => "name a file in a folder that exists and is yours",
            };
            Failed::new(Exit::Usage, format!("can't make {shown}: {error}")).hint(hint)
        })?;
    say(&format!(
        "made {shown}; `lmbench run {shown} --dry-run` tells what it would do"
    ));
    Ok(Exit::Success)
}
