//! Scenario files that are none. What is wrong inside of one is in `scenario_errors.rs`.

use super::support::{Place, SOUND};

#[test]
fn files_that_are_no_scenario() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("folder")).expect("the folder is ours");
    place.file("empty.toml", "");
    place.file("latin1.toml", b"name = \"caf\xe9\"\n");
    place.file("large.toml", vec![b'x'; (256 << 10) + 1]);
    let texts: Vec<String> = [
        "missing.toml",
        "folder",
        "empty.toml",
        "latin1.toml",
        "large.toml",
        "/dev/zero",
    ]
    .into_iter()
    .map(|name| place.run(["run", name]).refused(2))
    .collect();
    insta::assert_snapshot!(texts.join("\n----\n"));
}

/// One problem is shown as an error of its own, several with their number; both point at line and column.
#[test]
fn problems_are_printed_once_with_their_place() {
    let place = Place::new();
    place.file("one.toml", SOUND.replace("repeats = 2", "repeats = 0"));
    place.file(
        "two.toml",
        SOUND.replace("repeats = 2", "repeat = 0\n[matrix]"),
    );
    let texts = ["one.toml", "two.toml"].map(|name| place.run(["run", name]).refused(2));
    insta::assert_snapshot!(texts.join("\n----\n"));
}

/// The length limit bounds the time: a file of the greatest length with an error on every line. The parser's time is
/// quadratic, a second in a debug build here; a minute would mean that the limit does not hold.
#[test]
fn the_worst_file_is_refused_in_time() {
    let place = Place::new();
    place.file("junk.toml", "\"\n".repeat(128 << 10));
    let started = std::time::Instant::now();
    let text = place.run(["run", "junk.toml"]).refused(2);
    assert!(
        text.ends_with("problems in junk.toml\n"),
        "{}",
        &text[text.len() - 200..]
    );
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
