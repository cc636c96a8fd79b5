//! What a guest without code of lmbench's shows of itself: whether it lived at all, and whether it lives where it is now.

use lmbench_harness::agent::protocol::Usage;
use lmbench_harness::hypervisor::Console;
use lmbench_harness::role::Role;
use serde_json::json;

use super::Measured;
use super::processors::vcpus_s;
use super::time_line::TimeLine;
use crate::metric::Unit;
use crate::record::Event;

/// All signs, none if nothing shows that the guest ran; `None` of a guest whose memory proves it.
pub(super) fn signs(measured: &Measured) -> Option<Vec<String>> {
    let consoles = measured.consoles.as_ref()?;
    let mut signs = Vec::new();
    let probes = measured.readings.source.tenant.iter();
    let probes = probes.flat_map(|heard| &heard.probes);
    let answered = probes.filter(|probe| probe.answered_ns.is_some()).count();
    if answered > 0 {
        signs.push(format!("{answered} answers on the tenant network"));
    }
    for (role, console) in [
        (Role::Source, &consoles.source),
        (Role::Destination, &consoles.destination),
    ] {
        if console.bytes > 0 {
            let bytes = Unit::Byte.format(console.bytes as f64);
            signs.push(format!("{bytes} on its console on the {role}"));
        }
    }
    let (settling, before) = (&measured.usage_settling, &measured.usage_before);
    let worked = [
        (Role::Source, &settling.source, &before.source),
        (
            Role::Destination,
            &before.destination,
            &measured.usage_after.destination,
        ),
    ];
    for (role, from, to) in worked {
        // What a guest takes to wake up at all is no sign, however short the time was.
        let span_s = (to.at_ns.saturating_sub(from.at_ns) as f64 / 1e9).max(1.0);
        let used = vcpus_s(from, to).filter(|used| *used > span_s * idle_share(to));
        signs.extend(used.map(|used| {
            let used = Unit::Second.format(used);
            format!("{used} of its vCPUs on the {role}")
        }));
    }
    Some(signs)
}

/// That the guest is dead, by its own words.
pub(super) fn problem(measured: &Measured) -> Option<String> {
    let consoles = measured.consoles.as_ref()?;
    let moved = consoles.destination.death();
    let line = moved.or_else(|| consoles.source.death())?;
    Some(format!("the guest is dead, its console says: {line}"))
}

/// What both consoles end with, after all else.
pub(super) fn events(measured: &Measured, line: &TimeLine<'_>) -> Vec<Event> {
    let at_ms = line.events.last().map_or(0.0, |last| last.at_ms);
    let event = |(role, console): (Role, &Console)| Event {
        at_ms,
        host: role.name().to_owned(),
        name: "console".to_owned(),
        data: json!(console),
    };
    let consoles = measured.consoles.iter().flat_map(|consoles| {
        [
            (Role::Source, &consoles.source),
            (Role::Destination, &consoles.destination),
        ]
    });
    consoles.map(event).collect()
}

/// A guest that does nothing at all still hears its clock tick: more than a thousandth of the time. So does firmware that found nothing to
/// boot, whose ticks take four thousandths where they are translated.
fn idle_share(usage: &Usage) -> f64 {
    let mut threads = usage.threads.iter();
    if threads.any(|thread| thread.name.ends_with("/TCG")) {
        0.01
    } else {
        0.001
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sides;
    use super::super::synthetic::{Story, usage};
    use super::*;
    use crate::record::Outcome;

    fn console(tail: &str) -> Console {
        Console {
            bytes: tail.len() as u64,
            tail: tail.to_owned(),
        }
    }

    fn own_guest(source: &str, destination: &str) -> Story {
        let mut story = Story::new(100.0);
        story.measured.consoles = Some(Sides {
            source: console(source),
            destination: console(destination),
        });
        story
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is made where it is told")]
    fn signs_of(story: Story) -> Option<Vec<String>> {
        story.finish().0.integrity?.signs_of_life
    }

    #[test]
    fn what_a_guest_shows_is_told() {
        assert_eq!(signs_of(Story::new(100.0)), None, "lmbench's own guest");
        assert_eq!(signs_of(own_guest("", "")), Some(Vec::new()));
        assert_eq!(
            signs_of(own_guest("login: ", "").answers(&[-5.0, 7.0])),
            Some(vec![
                "2 answers on the tenant network".to_owned(),
                "7 B on its console on the source".to_owned()
            ])
        );
    }

    // Measured: SeaBIOS beside an empty disk used 3.6 ms of each second under TCG.
    #[test]
    fn firmware_that_waits_is_no_guest() {
        for (accelerator, ms, used_s, is_sign) in [
            ("TCG", 3000, 0.0108, false),
            ("TCG", 21, 0.001, false),
            ("TCG", 3000, 0.1, true),
            ("KVM", 3000, 0.0108, true),
            ("KVM", 3000, 0.001, false),
        ] {
            let mut story = own_guest("", "");
            let settled = &mut story.measured.usage_before.source;
            *settled = usage(used_s, used_s, 0);
            settled.at_ns = ms * 1_000_000;
            for thread in &mut settled.threads {
                thread.name = thread.name.replace("TCG", accelerator);
            }
            let signs = signs_of(story).unwrap();
            assert_eq!(!signs.is_empty(), is_sign, "{accelerator}: {signs:?}");
        }
    }

    #[test]
    fn the_migration_of_a_dead_guest_has_failed_and_its_console_is_kept() {
        let panic = "Kernel panic - not syncing: hung";
        for story in [own_guest("", panic), own_guest(panic, "")] {
            let (repeat, _) = story.finish();
            assert_eq!(repeat.outcome, Outcome::Failed);
            assert!(repeat.reason.unwrap().ends_with(panic));
        }
        let (repeat, _) = own_guest("login: ", "").finish();
        assert_eq!(repeat.outcome, Outcome::Completed);
        let kept = repeat.events.iter().filter(|event| event.name == "console");
        assert_eq!(kept.count(), 2);
    }
}
