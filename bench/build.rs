//! Hands the program the commit that it is built of.
//!
//! The commit is looked up when a source changed, so that it costs no build of its own: what `--version` names has the same sources. A
//! release is also built anew after a commit, so that it names the commit that was made of changes. `LMBENCH_COMMIT` says it instead, for
//! packagers whose sources come without git.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is built of.
const SOURCES: [&str; 22] = [
    "Cargo.lock",
    "Cargo.toml",
    "bench/Cargo.toml",
    "bench/build.rs",
    "bench/record/Cargo.toml",
    "bench/record/src",
    "bench/report/Cargo.toml",
    "bench/report/src",
    "bench/scenario/Cargo.toml",
    "bench/scenario/build.rs",
    "bench/scenario/src",
    "bench/src",
    "harness/Cargo.toml",
    "harness/build.rs",
    "harness/guest/Cargo.toml",
    "harness/guest/src",
    "harness/os/Cargo.toml",
    "harness/os/src",
    "harness/src",
    "scenarios",
    "transport/Cargo.toml",
    "transport/src",
];
/// Belongs to tests, and is rewritten by them.
const NO_SOURCE: &str = "snapshots";

fn main() -> io::Result<()> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package
        .parent()
        .ok_or_else(|| io::Error::other("the package is not inside the workspace"))?;
    for source in SOURCES {
        for file in files(&workspace.join(source))? {
            watch(&file);
        }
    }
    println!("cargo::rerun-if-env-changed=LMBENCH_COMMIT");
    let commit = match env::var("LMBENCH_COMMIT") {
        Ok(said) => said,
        Err(_) => commit(workspace),
    };
    println!("cargo::rustc-env=LMBENCH_COMMIT={commit}");
    if variable("PROFILE")? == "release" {
        // Both change with every commit; one of them is not everywhere.
        let of_git =
            ["HEAD", "logs/HEAD"].map(|name| git(workspace, &["rev-parse", "--git-path", name]));
        let there = of_git
            .into_iter()
            .flatten()
            .map(|name| workspace.join(name));
        there
            .filter(|path| path.exists())
            .for_each(|path| watch(&path));
    }
    // A scenario more changes no file that was there.
    watch(&workspace.join("scenarios"));
    Ok(())
}

/// The commit of these sources, and whether they were changed since; `unknown` where this is no working tree of git's.
pub fn commit(workspace: &Path) -> String {
    let known = || {
        // Of a repository that these sources merely lie in, the commit tells nothing.
        let top = fs::canonicalize(git(workspace, &["rev-parse", "--show-toplevel"])?).ok()?;
        if top != fs::canonicalize(workspace).ok()? {
            return None;
        }
        let commit = git(workspace, &["rev-parse", "--short=12", "HEAD"])?;
        let status = ["--no-optional-locks", "status", "--porcelain", "--"];
        let aside = format!(":(exclude,glob)**/{NO_SOURCE}/**");
        let changed = git(workspace, &[&status[..], &SOURCES, &[&aside]].concat())?;
        Some(if changed.is_empty() {
            commit
        } else {
            commit + " with changes"
        })
    };
    known().unwrap_or_else(|| "unknown".to_owned())
}

/// What git says; `None` where there is no git, or it has nothing to say.
fn git(workspace: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(workspace)
        .args(arguments)
        // Set where git itself started the build, and maybe for another working tree.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim_end().to_owned())
}

/// The file, or all below the folder; none where there is neither.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(path.exists().then(|| path.to_owned()).into_iter().collect());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != NO_SOURCE) {
            found.extend(files(&path)?);
        }
    }
    Ok(found)
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("cargo did not set {name}")))
}
