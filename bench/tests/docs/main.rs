//! What the documentation says holds: its commands exist, its links lead somewhere, and the pages that code writes are the ones in git.

mod commands;
mod links;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().expect("the workspace").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every page for people, by its path from the top of the repository.
fn pages() -> Vec<String> {
    let mut pages = vec![
        "README.md".to_owned(),
        "CONTRIBUTING.md".to_owned(),
        "CHANGELOG.md".to_owned(),
        "results/README.md".to_owned(),
    ];
    let mut open = vec![PathBuf::from("docs/src")];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(root().join(&folder)).expect("a folder of the book");
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.to_str().expect("a name in UTF-8").to_owned());
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 15, "only {pages:?}");
    pages
}

/// The lines of a page that are prose, and those inside its blocks of code.
fn split(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut prose, mut code) = (Vec::new(), Vec::new());
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            code.push(line);
        } else {
            prose.push(line);
        }
    }
    assert!(!is_code, "a block of code has no end");
    (prose, code)
}
