//! What policies would have decided on a recorded run, as tables.

use super::table::{table, wrapped};
use super::text::{clean, counted};
use crate::replay::{LIMITS, Replay, Replayed, in_words};

/// One table per migration, and the limits of all of it.
pub fn replay_text(run_id: &str, replays: &[Replay]) -> String {
    let mut text = String::new();
    for replay in replays {
        text += &wrapped(&head(run_id, replay), 2);
        text.push('\n');
        let header = ["policy", "at", "pass", "decision", "because"];
        text += &table(&header, &[0, 3, 4], &[3, 4], rows(replay));
        text.push('\n');
    }
    text += "* hypothetical\n";
    for limit in LIMITS {
        text += &wrapped(&format!("- {limit}"), 2);
    }
    text
}

fn head(run_id: &str, replay: &Replay) -> String {
    let under = replay
        .recorded_policy
        .as_ref()
        .map_or(String::new(), |policy| format!(" under {}", clean(policy)));
    let mut head = format!(
        "{} {} repeat {}: {} after {} of {:.1} s{under}, at most {:.0} ms apart",
        clean(run_id),
        clean(&replay.cell),
        replay.repeat,
        clean(&replay.outcome),
        counted(replay.readings, "reading"),
        replay.until_ms / 1e3,
        replay.gap_max_ms,
    );
    if let Some(lever) = replay.recorded_lever_ms {
        head += &format!(
            "; changed at {:.1} s: later readings are of a migration with that change",
            lever / 1e3
        );
    }
    head
}

fn rows(replay: &Replay) -> Vec<Vec<String>> {
    replay.policies.iter().flat_map(of_policy).collect()
}

fn of_policy(replayed: &Replayed) -> Vec<Vec<String>> {
    let star = |hypothetical: bool| if hypothetical { "*" } else { "" };
    let mut rows = Vec::new();
    if !replayed.begins_with.is_empty() {
        rows.push(vec![
            String::new(),
            "begin".to_owned(),
            String::new(),
            replayed.begins_with.join(", "),
            String::new(),
        ]);
    }
    for row in &replayed.decisions {
        rows.push(vec![
            String::new(),
            format!("{:.2} s{}", row.at_ms / 1e3, star(row.hypothetical)),
            row.pass.to_string(),
            in_words(&row.action),
            clean(&row.reason),
        ]);
    }
    if replayed.decisions.is_empty() {
        rows.push(vec![
            String::new(),
            format!("-{}", star(replayed.begins_otherwise)),
            String::new(),
            "nothing".to_owned(),
            "until the end of the recording".to_owned(),
        ]);
    }
    // The name stands once.
    if let Some(name) = rows.first_mut().and_then(|row| row.first_mut()) {
        *name = clean(&replayed.policy);
    }
    rows
}
