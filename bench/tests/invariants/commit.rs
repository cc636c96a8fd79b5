//! The commit that `--version` names: of git where the sources are git's, `unknown` elsewhere, and never that of another repository.

use std::fs;
use std::path::Path;
use std::process::Command;

// What cargo runs has a `main` that a test has no use for.
#[allow(dead_code, unreachable_pub)]
#[path = "../../build.rs"]
mod build;

/// A folder with a source and something else; `None` where there is no git.
fn repository() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["bench/src", "bench/src/snapshots", "docs"] {
        fs::create_dir_all(folder.path().join(name)).expect("ours");
        fs::write(folder.path().join(name).join("file"), "one").expect("ours");
    }
    fs::write(folder.path().join("Cargo.toml"), "").expect("ours");
    let told = git(folder.path(), &["init", "-q"])
        .and_then(|_| git(folder.path(), &["add", "."]))
        .and_then(|_| {
            git(
                folder.path(),
                &[
                    "-c",
                    "user.name=a",
                    "-c",
                    "user.email=a",
                    "commit",
                    "-q",
                    "-m",
                    "one",
                ],
            )
        });
    told.map(|_| folder)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command.current_dir(folder).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn the_commit_is_that_of_these_sources() {
    let none = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(build::commit(none.path()), "unknown");
    let Some(repository) = repository() else {
        lmbench_testing::skip("no git");
        return;
    };
    let folder = repository.path();
    let head = git(folder, &["rev-parse", "--short=12", "HEAD"]).expect("there is a commit");
    assert_eq!(build::commit(folder), head);
    // What is no source of the program changes nothing that it does.
    for name in ["docs/file", "bench/src/snapshots/file"] {
        fs::write(folder.join(name), "two").expect("ours");
    }
    assert_eq!(build::commit(folder), head);
    // A tarball that was unpacked below somebody's repository.
    let inside = folder.join("docs");
    assert_eq!(build::commit(&inside), "unknown");
    fs::write(folder.join("bench/src/file"), "two").expect("ours");
    assert_eq!(build::commit(folder), format!("{head} with changes"));
}

#[test]
fn the_program_says_what_it_is_built_of() {
    let output = Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .arg("--version")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let commit =
        said.trim_end()
            .strip_prefix(concat!("lmbench ", env!("CARGO_PKG_VERSION"), " (commit "));
    let commit = commit.unwrap_or_else(|| panic!("{said}"));
    let is_commit = commit
        .get(..12)
        .is_some_and(|commit| commit.chars().all(|digit| digit.is_ascii_hexdigit()));
    assert!(is_commit || commit.starts_with("unknown"), "{said}");
}
