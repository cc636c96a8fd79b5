//! `lmbench init [FILE]`.

use std::io::{self, Write as _};
use std::path::Path;

use lmbench_harness::files::{ANYBODY, Folder};

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
    Folder::of(file)
        .and_then(|(folder, name)| folder.new_file(name, ANYBODY))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    /// Only root can play another user.
    #[test]
    fn no_link_of_another_user_leads_to_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| folder.path().join(name));
        std::fs::create_dir(&ours).unwrap();
        symlink(&ours, &theirs).unwrap();
        if lchown(&theirs, Some(1), None).is_err() {
            return;
        }
        let file = theirs.join("my.toml");
        assert!(main(&InitArguments { file }).is_err());
        assert_eq!(std::fs::read_dir(&ours).unwrap().count(), 0);
    }
}
