//! What every file keeps to, by its name and its text alone.

use std::fs;
use std::path::Path;

use crate::root;

const LINES_MAX: usize = 500;

/// Packages that see only what was measured: they must work on a machine without guests. Whom they may depend on says `packages.rs`; this is
/// what the standard library and single crates have beside that.
const RIGHT_OF_THE_RECORD: &[&str] = &["bench/record/src/", "bench/report/src/"];
const GUESTS_AND_SOCKETS: &[&str] = &[
    "lmbench_harness",
    "lmbench_transport",
    "lmbench_guest",
    "std::net",
    "tokio::net",
    "rustix::net",
    "socket2",
    "UnixStream",
    "UnixListener",
];

/// In two pieces each, so that this file does not break its own rule.
const PRIVATE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];
const MIRRORS: &[&str] = &[
    concat!("deb", ".debian.org"),
    concat!("security", ".debian.org"),
    concat!("snapshot", ".debian.org"),
    concat!("archive", ".ubuntu.com"),
    concat!("ports", ".ubuntu.com"),
    concat!("deb ", "http"),
    concat!("URIs: ", "http"),
    concat!("//mir", "ror"),
    concat!("//prox", "y"),
    concat!("artifac", "tory"),
    concat!("sparse", "+http"),
];

/// Every text file of the repository as `path/from/root` and text; what git ignores is left out.
fn files() -> Vec<(String, String)> {
    let root = root();
    let mut open = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(&root)
                .expect("it was found below the root")
                .to_string_lossy()
                .into_owned();
            let of_a_run = name.starts_with("results/")
                && ![
                    "results/README.md",
                    "results/baselines",
                    "results/published",
                ]
                .iter()
                .any(|kept| name.starts_with(kept));
            let of_a_fuzzer = ["corpus", "artifacts", "coverage", "Cargo.lock", "target"]
                .iter()
                .any(|left| name == format!("bench/fuzz/{left}"));
            if name == ".git" || name == "target" || of_a_run || of_a_fuzzer {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push((name, text));
            }
        }
    }
    files.sort();
    files
}

fn broken_file_rules(name: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let rust = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs");
    if rust && !text.starts_with("//!") {
        broken.push(format!("{name}: does not open with `//!`"));
    }
    let lines = text.lines().count();
    if rust && lines > LINES_MAX {
        broken.push(format!("{name}: {lines} lines, more than {LINES_MAX}"));
    }
    if name.ends_with("/mod.rs") {
        broken.push(format!(
            "{name}: name it after its folder, beside the folder"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        // A path of a machine starts with the slash; `harness/…` does not.
        let starts_path = |path: &str| {
            line.match_indices(path).any(|(at, _)| {
                !line[..at]
                    .ends_with(|before: char| before.is_alphanumeric() || "._-}~*".contains(before))
            })
        };
        if PRIVATE_PATHS.iter().any(|path| starts_path(path)) {
            broken.push(format!("{name}:{number}: names a path of one machine"));
        }
        if MIRRORS.iter().any(|mirror| line.contains(mirror)) {
            broken.push(format!("{name}:{number}: names a package mirror"));
        }
        if is_right_of_the_record(name)
            && !line.trim_start().starts_with("//")
            && GUESTS_AND_SOCKETS.iter().any(|what| line.contains(what))
        {
            broken.push(format!("{name}:{number}: touches guests or sockets"));
        }
    }
    broken
}

fn is_right_of_the_record(name: &str) -> bool {
    let mut packages = RIGHT_OF_THE_RECORD.iter();
    packages.any(|package| name.starts_with(package))
}

#[test]
fn files_keep_the_rules() {
    let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
    let path = PRIVATE_PATHS[0];
    for (name, text, rule) in [
        ("bench/src/a.rs", "fn a() {}", "does not open"),
        ("bench/src/a.rs", long.as_str(), "501 lines"),
        ("bench/src/a/mod.rs", "//! A.", "after its folder"),
        ("README.md", &format!("see {path}main"), ":1: names a path"),
        ("README.md", &format!("\n{path}main"), ":2: names a path"),
        (
            "Cargo.toml",
            &format!("index = \"{}s://x\"", MIRRORS[MIRRORS.len() - 1]),
            "package mirror",
        ),
        (
            "bench/record/src/store/file.rs",
            "//! Store.\nuse lmbench_harness::lab;",
            ":2: touches",
        ),
        (
            "bench/report/src/metric.rs",
            "//! Metric.\nuse std::net::TcpStream;",
            ":2: touches",
        ),
    ] {
        let broken = broken_file_rules(name, text);
        assert!(
            matches!(&broken[..], [only] if only.contains(rule)),
            "{name}: expected {rule:?}, got {broken:?}"
        );
    }
    for (name, text) in [
        ("bench/src/run.rs", "//! May.\nuse lmbench_harness::lab;"),
        (
            "bench/record/src/record.rs",
            "//! May.\n// lmbench_harness is not for this module.\n",
        ),
        ("README.md", &format!("target/harness{path}x")),
    ] {
        assert_eq!(broken_file_rules(name, text), Vec::<String>::new());
    }

    let files = files();
    for package in RIGHT_OF_THE_RECORD {
        assert!(
            files.iter().any(|(name, _)| name.starts_with(package)),
            "{package} is gone: mend RIGHT_OF_THE_RECORD"
        );
    }
    let broken: Vec<_> = files
        .iter()
        .flat_map(|(name, text)| broken_file_rules(name, text))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
