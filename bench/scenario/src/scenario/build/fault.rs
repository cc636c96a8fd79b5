//! `[fault]` and what follows it.

use lmbench_harness::spec::{FaultDeed, FaultSpec, Moment, Network, Part, Victim};

use crate::carrier::CarrierSpec;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::tree::Span;
use crate::scenario::units::Time;

/// Reads `[fault]`; `None` without it.
pub(super) fn fault(
    section: &Section<'_>,
    carrier: &CarrierSpec,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    if section.entries().is_empty() {
        return None;
    }
    let then = section.section("then");
    let next = (!then.entries().is_empty())
        .then(|| one(&then, carrier, problems))
        .flatten();
    let mut fault = one(section, carrier, problems)?;
    fault.then = next.map(Box::new);
    Some(fault)
}

fn one(section: &Section<'_>, carrier: &CarrierSpec, problems: &mut Problems) -> Option<FaultSpec> {
    let at = section.required::<Moment>("at", "\"2 s\"", problems);
    if let Some(Moment::Bytes(_)) = at.value {
        problems.push(
            Problem::at(
                &at.place(section),
                format!("`{}.at` can't be a number of bytes", section.path()),
            )
            .label("only links count bytes")
            .hint("cut the link itself: cut-at in [network.migration]; or write a time such as \"2 s\""),
        );
    }
    let (deed, place) = deed(section, problems)?;
    check_carrier(section, deed, &place, carrier, problems);
    let lasts = section.get::<Time>("for");
    if lasts.value.is_some() && matches!(deed, FaultDeed::Kill(_) | FaultDeed::Cancel) {
        problems.push(
            Problem::at(
                &lasts.place(section),
                format!("`{}.for` has nothing to mend", section.path()),
            )
            .label("how long it lasts")
            .also(Some(&place), "this is for good")
            .hint("remove `for`; freeze and cut are what can be mended"),
        );
    }
    Some(FaultSpec {
        at: at.value?,
        delay: section
            .get::<Time>("delay")
            .value
            .map(Time::duration)
            .unwrap_or_default(),
        deed,
        lasts: lasts.value.map(Time::duration),
        then: None,
    })
}

/// The only deed, and where it stands.
fn deed(section: &Section<'_>, problems: &mut Problems) -> Option<(FaultDeed, Span)> {
    let victim = |name: &str, deed: fn(Victim) -> FaultDeed| {
        let word = section.get::<String>(name);
        let known = word.value.as_deref().and_then(Victim::named).map(deed);
        (word.place(section), !word.is_missing(), known)
    };
    let cut = section.get::<String>("cut");
    let network = match cut.value.as_deref() {
        Some("migration") => Some(FaultDeed::Cut(Network::Migration)),
        Some("management") => Some(FaultDeed::Cut(Network::Management)),
        _ => None,
    };
    let cancel = section.get::<bool>("cancel");
    let given: Vec<(Span, Option<FaultDeed>)> = [
        victim("kill", FaultDeed::Kill),
        victim("freeze", FaultDeed::Freeze),
        (cut.place(section), !cut.is_missing(), network),
        (
            cancel.place(section),
            cancel.value == Some(true),
            Some(FaultDeed::Cancel),
        ),
    ]
    .into_iter()
    .filter_map(|(place, given, deed)| given.then_some((place, deed)))
    .collect();
    match given.as_slice() {
        [(place, deed)] => return deed.map(|deed| (deed, place.clone())),
        [] if section.is_reported() => {}
        [] => problems.push(
            Problem::at(
                &section.span(),
                format!("`{}` says when, and not what", section.path()),
            )
            .label("nothing happens")
            .hint(
                "add one of kill, freeze, cut and cancel, for example kill = \"destination-qemu\"",
            ),
        ),
        [(first, _), (second, _), ..] => problems.push(
            Problem::at(
                second,
                format!("`{}` is more than one fault", section.path()),
            )
            .label("this one")
            .also(Some(first), "and this one")
            .hint("keep one of them here, and put the other under [fault.then]"),
        ),
    }
    None
}

fn check_carrier(
    section: &Section<'_>,
    deed: FaultDeed,
    place: &Span,
    carrier: &CarrierSpec,
    problems: &mut Problems,
) {
    let (FaultDeed::Kill(victim) | FaultDeed::Freeze(victim)) = deed else {
        return;
    };
    if victim.part == Part::Carrier && carrier.scheme().is_none() {
        problems.push(
            Problem::at(
                place,
                format!("`{}` needs a carrier of lmbench's", section.path()),
            )
            .label(format!(
                "with carrier \"{}\" QEMU itself is the carrier",
                carrier.name()
            ))
            .hint("use tcp, tls, quic or ssh, or choose source-qemu or destination-qemu"),
        );
    }
}
