//! What `results/published` says can be looked up: each table names how often it was measured, the run, and how it is measured again.

use std::fs;
use std::path::Path;

use crate::root;

/// What is wrong with a page: `run_is_kept` tells of a run's id whether its record lies beside, `measured_again` of a name whether the script knows it.
///
/// Behind every table stands a line `Run: …` with the ids of runs in backticks, or with `none kept`; with `n = N`; and with the script's name for
/// it as `again NAME`.
fn broken(
    page: &str,
    run_is_kept: impl Fn(&str) -> bool,
    measured_again: impl Fn(&str) -> bool,
) -> Vec<String> {
    let lines: Vec<&str> = page.lines().collect();
    let mut broken = Vec::new();
    let mut table = Vec::new();
    for (index, line) in lines.iter().chain([&""]).enumerate() {
        if line.starts_with('|') {
            table.push(*line);
            continue;
        }
        if table.is_empty() {
            continue;
        }
        let rows = std::mem::take(&mut table);
        let below = lines[index.min(lines.len())..].iter();
        let said = below.copied().find(|line| !line.trim().is_empty());
        let mut tell =
            |what: String| broken.push(format!("table above line {}: {what}", index + 1));
        let Some(said) = said.filter(|line| line.starts_with("Run: ")) else {
            tell("no line `Run: …` follows".into());
            continue;
        };
        let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
        let (again, runs): (Vec<&str>, Vec<&str>) =
            quoted.iter().partition(|word| word.starts_with("again "));
        for run in &runs {
            if !run_is_kept(run) {
                tell(format!("{run} does not lie beside"));
            }
        }
        if runs.is_empty() && !said.contains("none kept") {
            tell("neither a run nor `none kept`".into());
        }
        let names: Vec<&str> = again.iter().map(|word| &word["again ".len()..]).collect();
        if names.is_empty() || names.iter().any(|name| !measured_again(name)) {
            tell("no `again NAME` that the script knows".into());
        }
        if !said.contains("n = ") {
            tell("does not say n".into());
        }
        let once = said.contains("n = 1 ") || said.contains("n = 1;");
        let met = |row: &&str| row.split('|').any(|cell| cell.trim().starts_with("met"));
        if once && rows.iter().any(met) {
            tell("calls something met that was seen once".into());
        }
    }
    broken
}

#[test]
fn every_published_table_names_its_run() {
    let judged = |page: &str| broken(page, |run| run == "r-1", |name| name == "wan");
    let table = "| a | b |\n|---|---|\n| 1 | met |\n";
    for (below, expected) in [
        ("\nRun: `r-1`; n = 8; `again wan`\n", None),
        ("Run: none kept; n = 8; `again wan`\n", None),
        ("", Some("no line `Run: …`")),
        ("\ntext\n", Some("no line `Run: …`")),
        ("Run: `r-2`; n = 8; `again wan`\n", Some("r-2 does not lie")),
        ("Run: n = 8; `again wan`\n", Some("neither a run")),
        ("Run: `r-1`; n = 8; `again lan`\n", Some("no `again NAME`")),
        ("Run: `r-1`; n = 8\n", Some("no `again NAME`")),
        ("Run: `r-1`; `again wan`\n", Some("does not say n")),
        ("Run: `r-1`; n = 1; `again wan`\n", Some("seen once")),
    ] {
        let found = judged(&format!("{table}{below}"));
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{below}"),
            Some(what) => assert!(
                matches!(&found[..], [only] if only.contains(what)),
                "{below}: expected {what:?}, got {found:?}"
            ),
        }
    }

    let folder = root().join("results/published");
    let script = fs::read_to_string(folder.join("again")).expect("the script lies beside");
    let mut broken_pages = Vec::new();
    let mut pages = 0;
    for entry in fs::read_dir(&folder).expect("results/published exists") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        pages += 1;
        let page = fs::read_to_string(&path).expect("a readable page");
        let kept = |run: &str| is_kept(&folder, run);
        let known = |name: &str| script.contains(&format!("\n    {name})"));
        let found = broken(&page, kept, known).into_iter();
        broken_pages.extend(found.map(|what| format!("{}: {what}", path.display())));
    }
    assert!(pages >= 4, "only {pages} pages in {}", folder.display());
    assert!(broken_pages.is_empty(), "{}", broken_pages.join("\n"));
}

/// Whether the record of a run of that id lies in its folder, or the raw figures of what was no run of lmbench's in a file.
fn is_kept(folder: &Path, run: &str) -> bool {
    let path = folder.join(run);
    if path.is_file() {
        return true;
    }
    let record = fs::read_to_string(path.join("record.json"));
    record.is_ok_and(|record| {
        let record: Result<serde_json::Value, _> = serde_json::from_str(&record);
        record.is_ok_and(|record| record["run_id"] == run)
    })
}
