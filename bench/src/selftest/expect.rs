//! What must be true after a migration, and whether it is. Pure.

use lmbench_harness::hypervisor::{EventKind, MigrationStatus};
use serde::Serialize;

use crate::record::{Event, Integrity, Outcome, Repeat};

/// What must come of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The guest runs on the destination only, with all of its memory.
    Arrives,
    /// The migration does not complete; the guest goes on on the source only, with all of its memory.
    Stays,
    /// As `Stays`, and reported as cancelled.
    Cancelled,
    /// As `Stays`, and the guest was never filled, so that there is no memory to prove.
    Untouched,
    /// One of both, and never something between.
    Either,
    /// Who died had the only whole guest: then nothing runs, or in post-copy the part that had arrived, and the record says that it failed and
    /// why.
    LostIsTold,
    /// As `Either`; or QEMU, which can not see the difference, moves the guest to where it can not run, and the record says that it failed.
    HarmIsTold,
    /// Whatever a fault at a random moment leads to, as long as no guest is lost that could be saved, doubled or corrupted.
    Anything,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Ok,
    /// What is wrong.
    NotOk(String),
    /// What was to break did not, or too late: nothing was tried.
    Missed(String),
}

impl Expect {
    /// In words, for lists.
    pub fn words(self) -> &'static str {
        match self {
            Expect::Arrives => "the guest arrives intact",
            Expect::Stays => "the guest stays intact",
            Expect::Cancelled => "it is cancelled and the guest stays intact",
            Expect::Untouched => "it is refused and the guest stays",
            Expect::Either => "the guest runs intact on exactly one host",
            Expect::LostIsTold => "the guest is lost, and the record says so",
            Expect::HarmIsTold => {
                "the guest runs intact on exactly one host, or the record says that it does not"
            }
            Expect::Anything => "no guest that could be saved is lost, doubled or corrupted",
        }
    }
}

/// Judges what a migration left behind. `breaks` says that something was to break, which must really have happened.
pub fn judge(expect: Expect, breaks: bool, repeat: &Repeat) -> Verdict {
    let words = |problem| {
        let reason = repeat.reason.as_deref().unwrap_or("no reason");
        match repeat.outcome {
            Outcome::Completed => problem,
            outcome => format!("{problem} ({}: {reason})", outcome.name()),
        }
    };
    // What must never be is no better for a moment that was missed.
    if let Some(problem) = harm(expect, repeat) {
        return Verdict::NotOk(words(problem));
    }
    let faults = Faults::of(&repeat.events);
    if breaks && let Some(missed) = faults.missed(expect) {
        let missed = words(missed.to_owned());
        // Who broke nothing and lost the guest all the same has no second chance.
        let harmless = faults.late || home(repeat).is_none();
        return if harmless {
            Verdict::Missed(missed)
        } else {
            Verdict::NotOk(missed)
        };
    }
    match problem(expect, &faults, repeat) {
        None => Verdict::Ok,
        Some(problem) => Verdict::NotOk(words(problem)),
    }
}

fn harm(expect: Expect, repeat: &Repeat) -> Option<String> {
    let integrity = repeat.integrity.as_ref();
    let running = integrity.map(|integrity| integrity.running_on.as_str());
    if running == Some("both") {
        return Some("two copies of the guest run".to_owned());
    }
    let admitted = expect == Expect::HarmIsTold && repeat.outcome == Outcome::Failed;
    if integrity.and_then(|integrity| integrity.memory_intact) == Some(false) && !admitted {
        return Some("the guest's memory is not what the workload wrote".to_owned());
    }
    None
}

fn problem(expect: Expect, faults: &Faults, repeat: &Repeat) -> Option<String> {
    let integrity = repeat.integrity.as_ref();
    let running = integrity.map(|integrity| integrity.running_on.as_str());
    match expect {
        Expect::Arrives => {
            outcome(repeat, &[Outcome::Completed]).or_else(|| whole(integrity, "destination"))
        }
        Expect::Stays => outcome(repeat, &STAYED).or_else(|| whole(integrity, "source")),
        Expect::Cancelled => {
            outcome(repeat, &[Outcome::Cancelled]).or_else(|| whole(integrity, "source"))
        }
        Expect::Untouched => outcome(repeat, &STAYED).or_else(|| untouched(repeat, running)),
        Expect::LostIsTold => lost(repeat, running, faults),
        Expect::HarmIsTold if repeat.outcome == Outcome::Failed => told(repeat),
        Expect::Anything if faults.may_lose() && repeat.outcome == Outcome::Failed => {
            home(repeat).and_then(|problem| lost(repeat, running, faults).map(|_| problem))
        }
        Expect::Either | Expect::HarmIsTold | Expect::Anything => home(repeat),
    }
}

const STAYED: [Outcome; 3] = [Outcome::Failed, Outcome::Cancelled, Outcome::DidNotConverge];

fn outcome(repeat: &Repeat, wanted: &[Outcome]) -> Option<String> {
    (!wanted.contains(&repeat.outcome)).then(|| {
        let words: Vec<&str> = wanted.iter().map(|outcome| outcome.name()).collect();
        format!(
            "it is {}, and should be {}",
            repeat.outcome.name(),
            words.join(" or ")
        )
    })
}

/// On the host that the outcome promises.
fn home(repeat: &Repeat) -> Option<String> {
    let promised = if repeat.outcome == Outcome::Completed {
        "destination"
    } else {
        "source"
    };
    let integrity = repeat.integrity.as_ref();
    // A migration that failed after all had been sent has no promised host; the guest must be whole where it is.
    let running = integrity.map(|integrity| integrity.running_on.as_str());
    match (repeat.outcome, running) {
        (Outcome::Failed, Some("destination")) => whole(integrity, "destination"),
        _ => whole(integrity, promised),
    }
}

/// Nobody looks for a guest that was never told to go.
fn untouched(repeat: &Repeat, running: Option<&str>) -> Option<String> {
    let left = repeat.events.iter().any(|event| event.name == "migrate");
    if running.is_none() && !left {
        return None;
    }
    on(running, "source")
}

fn whole(integrity: Option<&Integrity>, host: &str) -> Option<String> {
    let running = integrity.map(|integrity| integrity.running_on.as_str());
    on(running, host).or_else(|| {
        let integrity = integrity?;
        let proven = integrity.memory_intact == Some(true) && integrity.pages_checked > 0;
        (!proven).then(|| "nobody has compared the guest's memory".to_owned())
    })
}

fn on(running: Option<&str>, host: &str) -> Option<String> {
    match running {
        Some(running) if running == host => None,
        Some(running) => Some(format!(
            "the guest runs on: {running}, and should on the {host}"
        )),
        None => Some("nobody knows where the guest runs".to_owned()),
    }
}

fn told(repeat: &Repeat) -> Option<String> {
    let told = repeat
        .reason
        .as_deref()
        .is_some_and(|reason| !reason.is_empty());
    (!told).then(|| "the guest is lost, and no reason is told".to_owned())
}

fn lost(repeat: &Repeat, running: Option<&str>, faults: &Faults) -> Option<String> {
    let compared = repeat.integrity.as_ref();
    let compared = compared.and_then(|integrity| integrity.memory_intact);
    outcome(repeat, &[Outcome::Failed])
        .or_else(|| told(repeat))
        .or_else(|| match running {
            None | Some("none") => None,
            // It stands still at the first page that it lacks, and is nobody's but the operator's to end.
            Some("destination") if faults.post_copy && compared.is_none() => None,
            Some(host) => Some(format!("a guest without its memory runs on the {host}")),
        })
}

/// What broke, as the record tells it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that the record tells, in any combination"
)]
#[derive(Default)]
struct Faults {
    /// While the migration went on.
    happened: bool,
    /// After it had completed: whoever was to break something came too late for that.
    late: bool,
    /// When it was the only one that had the guest.
    arrived_killed: bool,
    source_killed: bool,
    destination_killed: bool,
    carrier_killed: bool,
    /// Before the guest ran at the destination.
    carrier_killed_early: bool,
    /// QEMU on the source gave a post-copy up, which it does when it has sent all memory.
    post_copy_failed: bool,
    post_copy: bool,
}

impl Faults {
    fn of(events: &[Event]) -> Faults {
        let mut faults = Faults::default();
        let mut ran_there = false;
        let over_ms = events.iter().find(|event| completes(event));
        let over_ms = over_ms.map_or(f64::INFINITY, |event| event.at_ms);
        for event in events {
            // A cancel that is refused was tried all the same; a process that was gone before could not be killed.
            let tried = event.data.get("refused").is_none() || event.data.get("cancel").is_some();
            let done = event.name == "fault" && tried;
            let late = event.at_ms > over_ms;
            faults.happened |= done && !late;
            faults.late |= done && late;
            let killed = event.data.get("kill").and_then(serde_json::Value::as_str);
            faults.source_killed |= done && killed == Some("source-qemu");
            faults.destination_killed |= done && killed == Some("destination-qemu");
            faults.arrived_killed |= done && late && killed == Some("destination-qemu");
            let carrier = killed.is_some_and(|killed| killed.ends_with("-carrier"));
            faults.carrier_killed |= done && carrier;
            faults.carrier_killed_early |= done && carrier && !ran_there;
            ran_there |= event.name == "RESUME" && event.host == "destination";
            faults.post_copy |= came_to(event, MigrationStatus::PostcopyActive);
            let gave_up = event.host == "source" && came_to(event, MigrationStatus::Failed);
            faults.post_copy_failed |= faults.post_copy && gave_up;
        }
        faults
    }

    /// Why nothing was tried.
    fn missed(&self, expect: Expect) -> Option<&'static str> {
        // A cancel that comes too late is one of the ends that `Either` knows.
        let tried = self.happened || (self.late && expect == Expect::Either);
        if tried || expect == Expect::Anything {
            None
        } else if self.late {
            Some("what was to break broke when the migration was over, so nothing was tried")
        } else {
            Some("what was to break did not break, so nothing was tried")
        }
    }

    /// Whether the guest, or part of its memory, was where the killed process was and nowhere else. QEMU 10.0 says post-copy before the
    /// destination has its device state; a stream that breaks then ends the destination, and the source may not run its guest again. And when it has
    /// sent all memory it takes no new connection any more: what a killed carrier still had is lost.
    fn may_lose(&self) -> bool {
        let destination_lost = self.destination_killed || self.carrier_killed_early;
        let rest_lost = self.carrier_killed && self.post_copy_failed;
        self.source_killed
            || self.arrived_killed
            || (self.post_copy && (destination_lost || rest_lost))
    }
}

/// The source has heard that the destination has everything.
fn completes(event: &Event) -> bool {
    event.host == "source" && came_to(event, MigrationStatus::Completed)
}

/// Whether the event tells that the migration came to this status.
fn came_to(event: &Event, status: MigrationStatus) -> bool {
    EventKind::named(&event.name, &event.data) == EventKind::Migration(status)
}

#[cfg(test)]
mod tests;
