//! What policies would have decided on a recorded run, as tables.

use super::table::{table, wrapped};
use super::text::{clean, counted};
use crate::replay::{LIMITS, Replay, Replayed, Row, in_words};

/// A line for each policy over all migrations, one table per migration, and the limits of all of it.
pub fn replay_text(run_id: &str, replays: &[Replay]) -> String {
    let policies = replays.first().map_or(0, |replay| replay.policies.len());
    let mut text = String::new();
    for policy in 0..policies {
        let of_all: Vec<&Replayed> = replays
            .iter()
            .filter_map(|replay| replay.policies.get(policy))
            .collect();
        text += &wrapped(&in_short(&of_all), 2);
    }
    text.push('\n');
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

/// What one policy would have done, in each of the migrations that it was shown.
fn in_short(all: &[&Replayed]) -> String {
    let Some(one) = all.first() else {
        return String::new();
    };
    let begin = if one.begins_with.is_empty() {
        String::new()
    } else {
        format!("begins with {}, then ", one.begins_with.join(", "))
    };
    let decided: Vec<&[Row]> = all
        .iter()
        .map(|replayed| replayed.decisions.as_slice())
        .filter(|rows| !rows.is_empty())
        .collect();
    let firsts: Vec<&Row> = decided.iter().filter_map(|rows| rows.first()).collect();
    let lasts = decided.iter().filter(|rows| rows.len() > 1);
    let lasts: Vec<&Row> = lasts.filter_map(|rows| rows.last()).collect();
    let mut text = format!("{}: {begin}", clean(&one.policy));
    if decided.is_empty() {
        text += "nothing";
    } else if lasts.is_empty() {
        text += &when(&firsts);
    } else {
        text += &format!("{}, in the end {}", when(&firsts), when(&lasts));
    }
    if !decided.is_empty() && all.len() > 1 {
        text += &format!(", in {} of {} migrations", decided.len(), all.len());
    }
    text
}

/// What was decided, and from when to when.
fn when(rows: &[&Row]) -> String {
    let mut what: Vec<String> = rows.iter().map(|row| in_words(&row.action)).collect();
    what.sort();
    what.dedup();
    let others = what.len().saturating_sub(ACTIONS_SHOWN);
    what.truncate(ACTIONS_SHOWN);
    let mut what = what.join(" or ");
    if others > 0 {
        what += &format!(" or {}", counted(others, "other"));
    }
    let times = rows.iter().map(|row| row.at_ms / 1e3);
    let (from, to) = times.fold((f64::INFINITY, 0.0_f64), |(from, to), at| {
        (from.min(at), to.max(at))
    });
    let star = if rows.iter().any(|row| row.hypothetical) {
        "*"
    } else {
        ""
    };
    if format!("{from:.2}") == format!("{to:.2}") {
        format!("{what} at {to:.2} s{star}")
    } else {
        format!("{what} at {from:.2} to {to:.2} s{star}")
    }
}

/// Different ones in a line for people.
const ACTIONS_SHOWN: usize = 2;

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
