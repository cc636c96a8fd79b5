//! Hands the package the scenarios of `scenarios/`, which the program has in itself.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package
        .ancestors()
        .nth(2)
        .ok_or_else(|| io::Error::other("the package is not inside the workspace"))?;
    let folder = workspace.join("scenarios");
    for path in files(&folder)?.iter().chain([&folder]) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    fs::write(
        Path::new(&variable("OUT_DIR")?).join("scenarios.rs"),
        scenarios(&folder)?,
    )
}

/// The scenarios below `folder` as an expression of Rust, by name.
fn scenarios(folder: &Path) -> io::Result<String> {
    let mut named = Vec::new();
    for file in files(folder)? {
        let name = file
            .strip_prefix(folder)
            .map_err(io::Error::other)?
            .with_extension("");
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            named.push((name.components().count(), name, file));
        }
    }
    // Those of a set stand behind the others.
    named.sort();
    let mut text = String::from("&[\n");
    for (_, name, file) in named {
        let (name, file) = (name.to_string_lossy(), file.to_string_lossy());
        let _ = writeln!(
            text,
            "Builtin {{ name: {name:?}, text: include_str!({file:?}) }},"
        );
    }
    Ok(text + "]\n")
}

/// All files below the folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("cargo did not set {name}")))
}
