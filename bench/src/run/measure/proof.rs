//! Whether the guest that runs now is the one that ran before, whole and only once.

use lmbench_guest::wire::Verified;
use lmbench_harness::role::Role;

use super::Measured;
use super::time_line::TimeLine;

/// What is wrong with the guest, in the reader's words; `None` if nothing is, or if it has no code of ours that could tell.
pub(super) fn problem(measured: &Measured, line: &TimeLine<'_>) -> Option<String> {
    let filled = measured.filled.as_ref()?;
    let Some(verified) = &measured.verified else {
        return Some("the guest's memory could not be compared".to_owned());
    };
    if !verified.intact() {
        return Some(format!(
            "{} of {} pages are not what the workload wrote{}",
            verified.pages_wrong,
            verified.pages_checked,
            if verified.checksum_matches {
                ""
            } else {
                ", and their checksum is wrong"
            }
        ));
    }
    if verified.pages_checked != filled.pages {
        return Some(format!(
            "only {} of {} pages could be compared",
            verified.pages_checked, filled.pages
        ));
    }
    one_guest(line).or_else(|| counters_grow(line, verified))
}

/// Two running copies count on from the same number: then both hosts hear one number, or the source goes on to numbers
/// beyond the destination's first.
fn one_guest(line: &TimeLine<'_>) -> Option<String> {
    let beats: Vec<(u64, Role)> = line
        .beats
        .iter()
        .map(|beat| (beat.sequence, beat.role))
        .collect();
    let reports: Vec<(u64, Role)> = line
        .reports
        .iter()
        .map(|timed| (timed.report.sequence, timed.role))
        .collect();
    [("heartbeat", beats), ("report", reports)]
        .into_iter()
        .find_map(|(what, heard)| {
            let broken = heard.windows(2).find_map(|pair| {
                let ((before, from), (after, to)) = (pair[0], pair[1]);
                if before == after {
                    Some(format!("{what} {after} was heard twice"))
                } else if from == Role::Destination && to == Role::Source {
                    Some(format!(
                        "{what} {after} came from the source after {before} from the destination"
                    ))
                } else {
                    None
                }
            })?;
            Some(format!("two copies of the guest ran: {broken}"))
        })
}

/// A guest that was set back to an older state would compare its memory with what it remembers of that time, and find it right.
fn counters_grow(line: &TimeLine<'_>, verified: &Verified) -> Option<String> {
    let mut told = line.reports.iter().map(|timed| timed.report);
    let mut last = told.next()?;
    for next in told {
        let back = next.operations_total < last.operations_total || next.guest_ns < last.guest_ns;
        if back {
            return Some(format!(
                "the guest went back: report {} says {} operations at {} ns of its clock, report {} had said {} at {} ns",
                next.sequence,
                next.operations_total,
                next.guest_ns,
                last.sequence,
                last.operations_total,
                last.guest_ns
            ));
        }
        last = next;
    }
    (verified.operations_total < last.operations_total).then(|| {
        format!(
            "the guest went back: {} operations at the end, its report {} had said {}",
            verified.operations_total, last.sequence, last.operations_total
        )
    })
}

#[cfg(test)]
mod tests;
