//! What a terminal shows of comparisons whose differences are known.

use lmbench_record::compare::example::{all, hostile, migrations, of_programs, record};
use lmbench_record::compare::{Choice, Options, Side, compare};
use lmbench_record::record::Repeat;

use super::*;

#[test]
fn what_survivors_are_better_at_is_theirs() {
    let base = record("base", &["tcp"], 16, migrations(1, 1.0));
    let mut candidate = record("candidate", &["tcp"], 16, migrations(2, 0.5));
    for repeat in 1..=8 {
        candidate.push(0, Repeat::unfinished(repeat, 0.0, Outcome::Failed, "cut"));
    }
    let comparison = compare(all(&base), all(&candidate), &Options::default()).unwrap();
    let text = compare_text(&comparison, false).replace("\n    ", " ");
    let said = ", of those that completed: 16 of 16, then 8 of 16";
    assert!(text.contains(said), "{text}");
}

#[test]
fn programs_that_took_turns_are_named() {
    let run = of_programs();
    let sides = ["base", "candidate"].map(|name| Choice::cells(format!("variant={name}")));
    let [base, candidate] = [0, 1].map(|index: usize| Side {
        record: &run,
        choice: &sides[index],
    });
    let comparison = compare(base, candidate, &Options::default()).unwrap();
    let text = compare_text(&comparison, false);
    assert!(text.contains("QEMU 10.1.0"), "{text}");
}

#[test]
fn hostile_numbers_are_not_shown() {
    let candidate = hostile();
    let base = record("base", &["tcp"], 12, migrations(1, 1.0));
    for (one, other) in [
        (&base, &candidate),
        (&candidate, &base),
        (&candidate, &candidate),
    ] {
        let comparison = compare(all(one), all(other), &Options::default()).unwrap();
        let text = compare_text(&comparison, true);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
