//! A run beside itself.

use super::*;

/// Whatever a run was like, and however few its repeats, it is no worse than itself.
#[test]
fn a_run_passes_beside_itself() {
    let wild = [60.0, 140.0, 100.0, 70.0, 130.0, 101.0, 90.0, 115.0];
    for values in [&wild[..], &wild[..2], &wild[..1], &STEADY, &[0.0, 7.0]] {
        let mut record = run(values);
        let report = judged(&record, Some(&record), &[]);
        assert_eq!(report.verdict(), Verdict::Pass, "{values:?} {report:#?}");
        if values.len() < 3 {
            continue;
        }
        // Some migrations that did not complete are none that got worse.
        for (index, outcome) in [(1, Outcome::DidNotConverge), (2, Outcome::Failed)] {
            let number = record.cells[0].repeats[index].repeat;
            record.cells[0].repeats[index] = Repeat::unfinished(number, 0.0, outcome, "so it was");
        }
        let report = judged(&record, Some(&record), &[]);
        assert_eq!(report.verdict(), Verdict::Pass, "{values:?} {report:#?}");
    }
}
