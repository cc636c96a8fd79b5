//! `lmbench man [COMMAND]`.

use std::io;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff};
use lmbench_harness::files::Folder;

use super::{Exit, Failed, print};
use crate::cli::{Cli, ManArguments, VERSION, examples};
use crate::output;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &ManArguments) -> Result<Exit, Failed> {
    let pages = pages();
    if let Some(folder) = &arguments.into {
        let written = Folder::make(folder).and_then(|_| write(folder, &pages));
        return written.map(|()| Exit::Success).map_err(|error| {
            let message = format!(
                "can't write the pages to {}: {error}",
                clean(&folder.to_string_lossy())
            );
            Failed::new(Exit::Environment, message).hint("name a folder of yours")
        });
    }
    let path = arguments.command.join(" ");
    let Some(page) = pages.iter().find(|page| page.path == path) else {
        let names: Vec<&str> = pages
            .iter()
            .map(|page| page.path.as_str())
            .filter(|path| !path.is_empty())
            .collect();
        let message = format!("there is no command {:?}", clean(&path));
        return Err(
            Failed::new(Exit::Usage, message).hint(format!("there are {}", names.join(", ")))
        );
    };
    print(|output| page.render(output))
}

/// The page of a command.
struct Page {
    /// Without `lmbench`.
    path: String,
    command: clap::Command,
}

/// Of all commands that people call.
fn pages() -> Vec<Page> {
    fn add(command: &clap::Command, path: &str, pages: &mut Vec<Page>) {
        for below in command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
        {
            add(below, &examples::below(path, below.get_name()), pages);
        }
        let (path, command) = (path.to_owned(), command.clone());
        pages.push(Page { path, command });
    }
    let mut root = <Cli as clap::CommandFactory>::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, "", &mut pages);
    pages
}

impl Page {
    /// As `man` finds it.
    fn file(&self) -> String {
        format!("{}.1", self.name())
    }

    fn name(&self) -> String {
        format!("lmbench {}", self.path)
            .trim_end()
            .replace(' ', "-")
    }

    /// What clap knows of the command, and its examples, whose lines stay as they are.
    fn render(&self, output: &mut dyn io::Write) -> io::Result<()> {
        let man = Man::new(self.command.clone());
        man.title(self.name())
            .source(format!("lmbench {VERSION}"))
            .render(output)?;
        let mut examples = Roff::new();
        examples.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples::of(&self.path).lines() {
            examples.text([Inline::Roman(line.to_owned())]);
        }
        examples.control("fi", []);
        examples.to_writer(output)
    }
}

fn write(folder: &Path, pages: &[Page]) -> io::Result<()> {
    for page in pages {
        let mut text = Vec::new();
        page.render(&mut text)?;
        output::write(&folder.join(page.file()), &String::from_utf8_lossy(&text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_own_name_and_examples() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("man1");
        let arguments = ManArguments {
            command: Vec::new(),
            into: Some(into.clone()),
        };
        main(&arguments).unwrap();
        let read = |name: &str| fs::read_to_string(into.join(name)).unwrap();
        let sink = read("lmbench-carry-sink.1");
        assert!(sink.contains(".TH lmbench-carry-sink 1"), "{sink}");
        assert!(
            sink.contains(".SH EXAMPLES\n.nf\n  lmbench carry sink"),
            "{sink}"
        );
        assert!(read("lmbench.1").contains("lmbench\\-carry(1)"));
        assert_eq!(fs::read_dir(&into).unwrap().count(), pages().len());
        assert!(!into.join("lmbench-help.1").exists() && !into.join("lmbench-link.1").exists());
        // Only root can play another user, whose link is not followed.
        let theirs = folder.path().join("theirs");
        std::os::unix::fs::symlink(folder.path(), &theirs).unwrap();
        if std::os::unix::fs::lchown(&theirs, Some(1), None).is_ok() {
            let arguments = ManArguments {
                command: Vec::new(),
                into: Some(theirs.join("man2")),
            };
            assert!(main(&arguments).is_err() && !folder.path().join("man2").exists());
        }
        let wrong = ManArguments {
            command: vec!["carry".to_owned(), "sank".to_owned()],
            into: None,
        };
        let failed = main(&wrong).unwrap_err();
        assert_eq!(failed.exit, Exit::Usage);
        assert!(failed.text.contains("carry sink"), "{}", failed.text);
    }
}
