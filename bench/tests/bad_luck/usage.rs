//! Wrong words on the command line.

use super::support::{Place, SOUND};

const AXES: &str = "\n[matrix]\ncarrier = [\"native-tcp\", \"tcp\"]\n";

/// clap's own errors: exit code 2, nothing on stdout.
#[test]
fn wrong_flags_are_usage_errors() {
    let place = Place::new();
    for arguments in [
        &["run"][..],
        &["run", "a.toml", "b.toml"],
        &["bogus"],
        &["run", "a.toml", "--format", "xml"],
        &["run", "a.toml", "--repeats", "-1"],
        &["run", "a.toml", "--resume", "x", "--seed", "1"],
        &["run", "a.toml", "--resume", "x", "--repeats", "1"],
        &["run", "a.toml", "--only", "carrier"],
        &["doctor", "--no-such"],
        &["carry"],
        &["schema", "nothing"],
    ] {
        let said = place.run(arguments);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {}",
            said.stderr
        );
    }
}

#[test]
fn what_the_plan_cannot_do() {
    let place = Place::new();
    place.file("plain.toml", SOUND);
    place.file("axes.toml", format!("{SOUND}{AXES}"));
    let cases = [
        &["axes.toml", "--only", "carier=tcp"][..],
        &["axes.toml", "--only", "carrier=tpc"],
        &["plain.toml", "--only", "carrier=tcp"],
        &["plain.toml", "--repeats", "0"],
        &["plain.toml", "--repeats", "4000000000"],
    ];
    let texts = cases.map(|arguments| {
        place
            .run(
                ["run", "--dry-run"]
                    .into_iter()
                    .chain(arguments.iter().copied()),
            )
            .refused(2)
    });
    insta::assert_snapshot!(texts.join("----\n"));
}
