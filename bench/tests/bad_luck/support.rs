//! Runs the binary in a folder of its own and reads what it said.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lmbench_testing::{Need, Turn};
use tempfile::TempDir;

/// A scenario that is right; tests spoil it.
pub(crate) const SOUND: &str = r#"name = "luck"

[guest]
memory = "192 MiB"
accelerator = "tcg"

[workload.idle]

[run]
repeats = 2
"#;

/// An empty folder to be hurried in.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

/// What the binary said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place {
            directory: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        path
    }

    /// The binary with arguments, not yet started.
    pub(crate) fn command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lmbench"));
        command.args(arguments).current_dir(self.path());
        // Of the developer's own settings none may decide what the test sees.
        for name in ["LMBENCH_TOKEN", "LMBENCH_LOG", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        self.said(self.command(arguments))
    }

    /// Runs a prepared command to its end.
    pub(crate) fn said(&self, mut command: Command) -> Said {
        self.read(&command.output().expect("the binary starts"))
    }

    /// Reads output, with this folder's name taken out.
    pub(crate) fn read(&self, output: &Output) -> Said {
        let place = self.path().to_string_lossy().into_owned();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&place, "[PLACE]");
        Said {
            code: output.status.code().expect("no signal ended it"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Said {
    /// An error with this exit code, in the form that all errors have. Returns its text.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "an error leaves stdout empty");
        let text = self.stderr;
        assert!(text.contains("error: "), "{text}");
        assert!(text.contains("hint: "), "an error says what to do: {text}");
        for noise in [
            "error: error:",
            "\u{1b}",
            "panicked",
            " WARN ",
            "qemu-system-x86_64: warning",
        ] {
            assert!(!text.contains(noise), "{noise:?} in {text}");
        }
        text
    }
}

/// A live test's turn; `None` if it is to be skipped.
pub(crate) fn live() -> Option<Turn> {
    lmbench_testing::live(&[Need::Namespaces])
}

/// The version of the QEMU at hand changes; snapshots must not.
pub(crate) fn without_versions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("QEMU ") {
        out += before;
        let end = after
            .find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
            .unwrap_or(after.len());
        out += if end == 0 { "QEMU " } else { "QEMU [VERSION]" };
        rest = &after[end..];
    }
    out + rest
}
