//! The commands that users copy, from the pages and from the examples of CI: every `lmbench …` in them must be one that exists.

use std::fs;

use clap::Parser as _;
use lmbench::cli::Cli;

use crate::{pages, read, root, split};

/// The commands of lmbench in a text: at the beginning of a line, behind the dash of a list, behind a variable or cargo.
fn commands(text: &str) -> Vec<Vec<String>> {
    let line = |line: &str| {
        let line = line
            .trim()
            .trim_start_matches("- ")
            .trim_start_matches("run: ")
            .trim_start_matches("LMBENCH_TOKEN=… ")
            .trim_start_matches("harness/setup.sh && ")
            .replace("cargo run --release -- ", "lmbench ");
        // `lmbench man run | …` is one, a line of usage with `[OPTIONS]` is none.
        (line.starts_with("lmbench ") && !line.contains("[OPTIONS]") && !line.contains(" <"))
            .then(|| words(&line))
    };
    text.lines().filter_map(line).collect()
}

/// Words as a shell makes them: quotes keep spaces, `$NAME` stays as it is, what follows `>`, `#` or `|` is not the command's.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (None, ' ') => words.extend(word.take()),
            (None, '>' | '#' | '|') if word.is_none() => break,
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "a quote is open in {line}");
    words.extend(word);
    words
}

fn check(name: &str, text: &str, at_least: usize) {
    let commands = commands(text);
    assert!(commands.len() >= at_least, "{name} has only {commands:?}");
    for command in commands {
        if let Err(error) = Cli::try_parse_from(&command) {
            panic!("{name}: {command:?}\n{error}");
        }
    }
}

#[test]
fn words_are_the_shell_s() {
    let line = "lmbench gate run.json --tolerance 'a=+10 %' --markdown \"$X\" > out # why";
    let wanted = [
        "lmbench",
        "gate",
        "run.json",
        "--tolerance",
        "a=+10 %",
        "--markdown",
        "$X",
    ];
    assert_eq!(words(line), wanted);
    assert_eq!(
        commands("  - lmbench doctor\n  run: lmbench man\n# lmbench x\n").len(),
        2
    );
    // What is checked can be wrong.
    assert!(Cli::try_parse_from(words("lmbench gate r --no-such-flag")).is_err());
    assert!(Cli::try_parse_from(words("lmbench gate r --tolerance 'downtime=+1 %'")).is_err());
}

#[test]
fn examples_use_only_what_exists() {
    let folder = root().join(".github/examples");
    let mut found = 0;
    for entry in fs::read_dir(&folder)
        .expect("the folder is there")
        .flatten()
    {
        let path = entry.path();
        let text = fs::read_to_string(&path).expect("a text");
        check(&path.display().to_string(), &text, 4);
        // They are for repositories that are not lmbench's: what they name of it lies in its own folder there, and is here.
        for ours in ["harness/setup.sh", "bench"] {
            assert!(
                text.contains(&format!("lmbench/{ours}")) && root().join(ours).exists(),
                "{ours}"
            );
        }
        assert!(text.contains("cargo install --locked --path lmbench/bench"));
        assert!(text.contains("SCENARIO: ci\n") && root().join("scenarios/ci.toml").exists());
        // A fork's pull request must not run what it brings on somebody's machine.
        let guards = [
            "github.event.pull_request.head.repo.full_name == github.repository",
            "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID",
        ];
        assert!(
            text.contains("those of forks are left out")
                && guards.iter().any(|guard| text.contains(guard)),
            "{}",
            path.display()
        );
        assert!(!text.contains('\t'), "{} has a tab", path.display());
        found += 1;
    }
    assert!(found >= 2, "only {found} examples in {}", folder.display());
}

/// Every command in a block of code of a page; a line that the shell continues is not asked for.
#[test]
fn every_page_s_commands_exist() {
    let mut found = 0;
    for page in pages() {
        let text = read(&page);
        let code = split(&text).1.join("\n");
        let here = commands(&code);
        found += here.len();
        check(&page, &code, 0);
        if page == "docs/src/guide/ci.md" {
            assert!(here.len() >= 3, "{page} has only {here:?}");
        }
    }
    assert!(found > 60, "only {found} commands in all pages");
}
