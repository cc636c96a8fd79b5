//! Links between pages, and to files of the repository.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::{pages, read, root, split};

/// README is what a visitor reads first.
const README_BYTES_MAX: usize = 10_000;

/// What the book is made of. A file elsewhere in the repository is named there, and not linked.
const BOOK: &str = "docs/src";

/// What stands in `](…)` of a page's prose, behind `[…]`.
fn links(text: &str) -> Vec<String> {
    let prose = split(text).0.join("\n");
    let behind = prose.split("](").skip(1);
    behind
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The names by which GitHub and mdBook know a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = split(text)
        .0
        .into_iter()
        .filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// What is wrong with the links of a page.
fn broken(page: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for link in links(text) {
        if link.contains("://") {
            continue;
        }
        let (file, name) = link.split_once('#').unwrap_or((&link, ""));
        let target = if file.is_empty() {
            PathBuf::from(page)
        } else {
            normal(
                &Path::new(page)
                    .parent()
                    .expect("a page lies in a folder")
                    .join(file),
            )
        };
        let path = root().join(&target);
        if page.starts_with(BOOK) && !target.starts_with(BOOK) {
            broken.push(format!(
                "{page}: {link} leads out of the book, where nothing is"
            ));
        } else if !path.exists() {
            broken.push(format!("{page}: {link} leads nowhere"));
        } else if !name.is_empty()
            && !anchors(&read(target.to_str().expect("UTF-8"))).contains(name)
        {
            broken.push(format!("{page}: {link}: there is no such heading"));
        }
    }
    broken
}

#[test]
fn every_link_leads_somewhere() {
    // What is checked can be wrong.
    let text =
        "[a](nowhere.md) [b](README.md#no-such) [c](README.md#test)\n```\n[d](code.md)\n```\n";
    let found = broken("x.md", text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(broken("docs/src/x.md", "[a](../../README.md)").len(), 1);
    assert_eq!(
        anchor("`[network.migration]`, `[network.management]`"),
        "networkmigration-networkmanagement"
    );

    let broken: Vec<String> = pages()
        .iter()
        .flat_map(|page| broken(page, &read(page)))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_summary_has_every_page_once() {
    let mut listed: Vec<String> = links(&read("docs/src/SUMMARY.md"))
        .iter()
        .map(|link| format!("docs/src/{link}"))
        .collect();
    listed.sort();
    let mut there = pages();
    there.retain(|page| page.starts_with("docs/src/") && !page.ends_with("/SUMMARY.md"));
    assert_eq!(listed, there);
}

#[test]
fn the_readme_is_short() {
    let length = read("README.md").len();
    assert!(
        length <= README_BYTES_MAX,
        "README.md has {length} bytes: move a part of it to docs/"
    );
}

/// A picture is in every clone.
#[test]
fn pictures_are_small() {
    let folder = root().join("docs/src/images");
    let pictures = std::fs::read_dir(&folder).map(|entries| entries.flatten().collect::<Vec<_>>());
    for picture in pictures.unwrap_or_default() {
        let length = picture.metadata().expect("a file").len();
        assert!(
            length <= 200_000,
            "{} has {length} bytes",
            picture.path().display()
        );
    }
}

/// Every file and folder of the sources, from the top of the repository.
fn sources() -> Vec<String> {
    let mut open: Vec<PathBuf> = [
        "transport",
        "harness",
        "bench",
        "docs",
        "scenarios",
        "results/published",
    ]
    .map(PathBuf::from)
    .into();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        found.push(folder.to_string_lossy().into_owned());
        let entries = std::fs::read_dir(root().join(&folder)).expect("a folder of the sources");
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                open.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// What a page names between backticks and is a file of ours by its form, or a folder: `run/wiring.rs`, `harness/src/policy/`.
fn named(text: &str) -> Vec<&str> {
    let prose = split(text).0;
    let spans = prose
        .into_iter()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_file = |span: &&str| {
        let plain = span
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-".contains(c));
        let by_end = [".rs", "/", ".txt", ".sh"]
            .iter()
            .any(|end| span.ends_with(end));
        plain && by_end
    };
    spans.filter(is_file).collect()
}

/// The page that newcomers read names files of today's code: each is there, at the end of some path if not from the top.
#[test]
fn files_that_the_architecture_names_are_there() {
    assert_eq!(
        named("`a/b.rs` and `x/` but `c.rs::d` not, nor `results/`d"),
        ["a/b.rs", "x/", "results/"]
    );
    let sources = sources();
    let mut gone = Vec::new();
    for page in ["docs/src/architecture.md", "CONTRIBUTING.md"] {
        let text = read(page);
        let names = named(&text);
        assert!(!names.is_empty(), "{page} names no file");
        for name in names {
            let tail = format!("/{}", name.trim_end_matches('/'));
            let is_there =
                root().join(name).exists() || sources.iter().any(|path| path.ends_with(&tail));
            if !is_there {
                gone.push(format!("{page}: `{name}`"));
            }
        }
    }
    assert!(gone.is_empty(), "gone or moved:\n{}", gone.join("\n"));
}
