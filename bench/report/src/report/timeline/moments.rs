//! Which events a time line shows, and what it calls them.

use lmbench_record::record::Event;
use serde_json::Value;

use crate::report::model::{Moment, MomentKind, Range};
use crate::terminal::text::{clean_short, plain};

/// The moments within the range in the order of time, and how many found no place.
pub(super) fn moments(events: &[Event], range: Range) -> (Vec<Moment>, usize) {
    let within = |event: &&Event| (range.low..=range.high).contains(&event.at_ms);
    let mut moments: Vec<Moment> = events.iter().filter(within).filter_map(moment).collect();
    moments.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    // One reason for several settings is said once.
    moments.dedup_by(|a, b| a.text == b.text && (a.at_ms - b.at_ms).abs() < 5.0);
    let all = moments.len();
    if all > MOST {
        // A pass is seen in its curve too.
        moments.retain(|moment| moment.kind != MomentKind::Pass);
        moments.truncate(MOST);
    }
    let left_out = all - moments.len();
    (moments, left_out)
}

fn moment(event: &Event) -> Option<Moment> {
    let host = clean_short(&event.host, 12);
    let (kind, text) = match event.name.as_str() {
        "STOP" => (MomentKind::Status, format!("STOP on the {host}")),
        "RESUME" => (MomentKind::Status, format!("RESUME on the {host}")),
        "MIGRATION" => {
            let status = short(&event.data["status"], 40);
            (MomentKind::Status, format!("{status} ({host})"))
        }
        "MIGRATION_PASS" => {
            let pass = short(&event.data["pass"], 12);
            (MomentKind::Pass, format!("pass {pass}"))
        }
        "policy" | "operator" | "timeout" => {
            let reason = &event.data["reason"];
            let said = if reason.is_null() {
                &event.data
            } else {
                reason
            };
            let name = clean_short(&event.name, 12);
            (
                MomentKind::Decision,
                format!("{name}: {}", short(said, 400)),
            )
        }
        "fault"
        | "thaw"
        | "link-cut"
        | "link-restored"
        | "paused-on-both"
        | "running-on-both"
        | "monitor-unresponsive"
        | "post-copy-paused"
        | "not-resumed"
        | "no-progress" => {
            let name = clean_short(&event.name, 40);
            let more = details(&event.data);
            (MomentKind::Fault, format!("{name}{more} ({host})"))
        }
        _ => return None,
    };
    Some(Moment {
        at_ms: event.at_ms,
        kind,
        text,
    })
}

/// `, network migration`; nothing of what is null.
fn details(data: &Value) -> String {
    let said = match data {
        Value::Null => return String::new(),
        Value::Object(map) => {
            let known = map.iter().filter(|(_, value)| !value.is_null());
            let words =
                known.map(|(key, value)| format!("{} {}", clean_short(key, 40), short(value, 120)));
            words.collect::<Vec<_>>().join(", ")
        }
        data => short(data, 160),
    };
    if said.is_empty() {
        said
    } else {
        clean_short(&format!(": {said}"), 300)
    }
}

fn short(value: &Value, longest: usize) -> String {
    clean_short(&plain(value), longest)
}

/// More ticks than this are no picture any more.
const MOST: usize = 150;
