//! `[network]`.

use lmbench_harness::role::Role;
use lmbench_harness::spec::{CutSpec, LinkMethod, LinkSpec, Moment, Network, NetworkSpec};

use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{Section, Setting};
use crate::scenario::units::{Rate, Share, Size, Time};

/// Reads `[network]`.
pub(super) fn network(section: &Section<'_>, problems: &mut Problems) -> NetworkSpec {
    let (migration, management) = (section.section("migration"), section.section("management"));
    let backgrounds = [&management, &migration].map(|link| link.get::<Rate>("background"));
    if backgrounds
        .iter()
        .all(|background| background.value.is_some())
    {
        problems.push(
            Problem::at(
                &backgrounds[1].place(&migration),
                "both networks have `background`",
            )
            .label("a run makes other traffic on one network only")
            .hint("leave `background` out on one of them"),
        );
    }
    NetworkSpec {
        inbound: match section.get::<String>("inbound").value.as_deref() {
            Some("management") => Network::Management,
            _ => Network::Migration,
        },
        migration: link(&migration, problems),
        management: link(&management, problems),
        tcp_buffer_bytes: section.get::<Size>("tcp-buffer").value.map(Size::bytes),
        tcp_congestion_control: section.get("tcp-congestion-control").value,
    }
}

fn link(section: &Section<'_>, problems: &mut Problems) -> LinkSpec {
    let rate = section.get::<Rate>("rate");
    let background = section.get::<Rate>("background");
    let rtt = section.get::<Time>("rtt");
    let jitter = section.get::<Time>("jitter");
    let loss = section.get::<Share>("loss");
    check_rate(
        section,
        &rate,
        "rate",
        "leave the key out for a link as fast as the machine",
        problems,
    );
    check_background(section, &rate, &background, problems);
    let reorder = section.get::<Share>("reorder");
    check_delay(section, &rtt, &jitter, problems);
    check_reorder(section, &rtt, &reorder, problems);
    if loss.value.is_some_and(|loss| loss.fraction() >= 1.0) {
        problems.push(
            Problem::at(
                &loss.place(section),
                format!("`{}.loss` loses every packet", section.path()),
            )
            .label("nothing ever arrives")
            .hint("write a share below \"100 %\"; real links lose \"0.01 %\" to \"1 %\""),
        );
    }
    LinkSpec {
        rate_bps: rate.value.and_then(Rate::bits_per_second),
        rtt: rtt.value.map(Time::duration),
        jitter: jitter.value.map(Time::duration),
        loss: loss.value.map(Share::fraction),
        reorder: reorder.value.map(Share::fraction),
        mtu: section.get("mtu").value,
        background_bps: background.value.and_then(Rate::bits_per_second),
        method: match section.get::<String>("method").value.as_deref() {
            Some("kernel") => LinkMethod::Kernel,
            Some("user-space") => LinkMethod::UserSpace,
            _ => LinkMethod::Auto,
        },
        cut: cut(section, problems),
    }
}

fn cut(section: &Section<'_>, problems: &mut Problems) -> Option<CutSpec> {
    let at = section.get::<Moment>("cut-at");
    let toward = section.get::<String>("cut-toward");
    let down = section.get::<Time>("down-for");
    let orphans = [
        (!toward.is_missing(), toward.place(section), "cut-toward"),
        (!down.is_missing(), down.place(section), "down-for"),
    ];
    for (given, place, name) in orphans {
        if given && at.is_missing() {
            problems.push(
                Problem::at(
                    &place,
                    format!("`{}.{name}` needs `cut-at`", section.path()),
                )
                .label("nothing says when the link is cut")
                .hint("add for example cut-at = \"2 s\""),
            );
        }
    }
    Some(CutSpec {
        at: at.value?,
        toward: match toward.value.as_deref() {
            Some("source") => Some(Role::Source),
            Some("destination") => Some(Role::Destination),
            _ => None,
        },
        down: down.value.map(Time::duration),
    })
}

/// Reports a rate of zero.
pub(super) fn check_rate(
    section: &Section<'_>,
    rate: &Setting<Rate>,
    name: &str,
    hint: &str,
    problems: &mut Problems,
) {
    if rate.value.and_then(Rate::bits_per_second) == Some(0) {
        problems.push(
            Problem::at(
                &rate.place(section),
                format!("`{}.{name}` is zero", section.path()),
            )
            .label("nothing ever moves")
            .hint(hint),
        );
    }
}

fn check_background(
    section: &Section<'_>,
    rate: &Setting<Rate>,
    background: &Setting<Rate>,
    problems: &mut Problems,
) {
    let Some(traffic) = background.value else {
        return;
    };
    let place = background.place(section);
    let Some(bits) = traffic.bits_per_second() else {
        problems.push(
            Problem::at(
                &place,
                format!("`{}.background` has no rate", section.path()),
            )
            .label("unbounded traffic leaves nothing for the migration")
            .hint("write a rate such as \"300 Mbit/s\", or leave the key out"),
        );
        return;
    };
    if let Some(limit) = rate.value.and_then(Rate::bits_per_second)
        && bits >= limit
    {
        problems.push(
            Problem::at(
                &place,
                format!("`{}.background` fills the link", section.path()),
            )
            .label(format!("{traffic} of other traffic"))
            .also(rate.span.as_ref(), "on a link of this rate")
            .hint("leave room for the migration: lower the background or raise the rate"),
        );
    }
}

fn check_delay(
    section: &Section<'_>,
    rtt: &Setting<Time>,
    jitter: &Setting<Time>,
    problems: &mut Problems,
) {
    let Some(deviation) = jitter.value.filter(|jitter| jitter.nanos() > 0) else {
        return;
    };
    let place = jitter.place(section);
    if rtt.is_missing() {
        problems.push(
            Problem::at(&place, format!("`{}.jitter` needs `rtt`", section.path()))
                .label("varies a delay that is not there")
                .hint("add rtt, at least twice the jitter"),
        );
    } else if let Some(delay) = rtt.value
        && deviation.nanos() > delay.nanos() / 2
    {
        problems.push(
            Problem::at(
                &place,
                format!(
                    "`{}.jitter` is more than the delay it varies",
                    section.path()
                ),
            )
            .label(format!(
                "{deviation} around {} one way",
                Time::from_nanos(delay.nanos() / 2)
            ))
            .also(rtt.span.as_ref(), "half of it in each direction")
            .hint("delays cannot be negative: write a jitter of at most half the rtt"),
        );
    }
}

fn check_reorder(
    section: &Section<'_>,
    rtt: &Setting<Time>,
    reorder: &Setting<Share>,
    problems: &mut Problems,
) {
    let Some(share) = reorder.value.filter(|share| share.fraction() > 0.0) else {
        return;
    };
    let place = reorder.place(section);
    if share.fraction() >= 1.0 {
        problems.push(
            Problem::at(
                &place,
                format!("`{}.reorder` reorders every packet", section.path()),
            )
            .label("nobody is left to overtake")
            .hint("write a share below \"100 %\""),
        );
    } else if rtt.value.is_none_or(|rtt| rtt.nanos() == 0) {
        problems.push(
            Problem::at(&place, format!("`{}.reorder` needs `rtt`", section.path()))
                .label("nothing is on the way that could be overtaken")
                .hint("add rtt; a packet that overtakes is not delayed by it"),
        );
    }
}
