//! What a person reads who wrote a scenario wrong: one snapshot per file in `scenario_errors/`.

use std::path::{Path, PathBuf};

use lmbench::scenario;

fn bad_scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario_errors");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder stands beside this test")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_bad_scenario_is_refused_with_place_and_hint() {
    let files = bad_scenarios();
    assert!(
        files.len() >= 20,
        "found only {} bad scenarios",
        files.len()
    );
    for file in files {
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let error = scenario::parse(Path::new(&format!("{name}.toml")), &text).expect_err(&name);
        let rendered = error.to_string();
        // Each problem must say what to do next, not only what is wrong.
        let hints = rendered.matches("hint: ").count();
        assert_eq!(
            hints,
            error.problem_count(),
            "{name}: a problem without a hint in\n{rendered}"
        );
        assert!(
            !rendered.contains('\u{1b}'),
            "{name}: the plain form has no escape sequences"
        );
        insta::assert_snapshot!(name, rendered);
    }
}

#[test]
fn the_styled_form_has_colours() {
    let error = scenario::parse(Path::new("x.toml"), "nmae = 'x'").expect_err("no name");
    assert!(error.render(true).contains('\u{1b}'));
}

#[test]
fn a_missing_file_is_named_with_the_reason() {
    let error =
        scenario::load(Path::new("/nowhere/at-all.toml")).expect_err("there is no such file");
    insta::assert_snapshot!("missing_file", error.to_string());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let error = scenario::parse_bytes(Path::new("latin1.toml"), b"name = \"caf\xe9\"\n")
        .expect_err("not UTF-8");
    insta::assert_snapshot!("not_utf8", error.to_string());
}

// As text of a record it did not pass the limit of a file.
#[test]
fn a_text_that_is_too_long_is_refused_unread() {
    let text = "\"\n".repeat(1 << 20);
    let error = scenario::parse(Path::new("long.toml"), &text).expect_err("too long");
    assert!(error.to_string().contains("larger than 256 KiB"), "{error}");
    let error = scenario::rules(Path::new("long.toml"), &text).expect_err("too long");
    assert!(error.to_string().contains("larger than 256 KiB"), "{error}");
}
