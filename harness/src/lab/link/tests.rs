//! Unit tests of the commands that settings become.

use super::*;

fn link() -> LinkSpec {
    LinkSpec::default()
}

#[test]
fn a_plain_link_is_reset_and_not_shaped() {
    assert_eq!(
        shaping_commands("mig0", &link()),
        ["qdisc replace dev mig0 root noqueue"]
    );
    assert_eq!(
        interface_commands("mig0", &link()),
        ["link set dev mig0 mtu 1500 gso_max_segs 65535 up"]
    );
}

#[test]
fn a_rate_becomes_tbf_with_a_millisecond_of_burst_and_ten_of_queue() {
    let commands = shaping_commands(
        "mig0",
        &LinkSpec {
            rate_bps: Some(10_000_000_000),
            ..link()
        },
    );
    assert_eq!(
        commands[1],
        "qdisc replace dev mig0 root handle 1: tbf rate 10000000000bit burst 1250000 limit 12500000"
    );
    let commands = shaping_commands(
        "mig0",
        &LinkSpec {
            rate_bps: Some(100_000_000),
            ..link()
        },
    );
    assert_eq!(
        commands[1],
        "qdisc replace dev mig0 root handle 1: tbf rate 100000000bit burst 131072 limit 262144"
    );
}

#[test]
fn delay_is_split_over_both_directions_and_tbf_follows_netem() {
    let spec = LinkSpec {
        rate_bps: Some(1_000_000_000),
        rtt: Some(Duration::from_millis(20)),
        jitter: Some(Duration::from_micros(500)),
        loss: Some(0.001),
        ..link()
    };
    let commands = shaping_commands("mig0", &spec);
    assert_eq!(
        commands[1],
        "qdisc replace dev mig0 root handle 1: netem limit 2000 delay 10000.000us 500.000us distribution normal loss 0.100000%"
    );
    assert_eq!(
        commands[2],
        "qdisc replace dev mig0 parent 1:1 handle 10: tbf rate 1000000000bit burst 131072 limit 1250000"
    );
    assert!(
        interface_commands("mig0", &spec)[0].contains("gso_max_segs 1 "),
        "a lossy link must lose frames, not GSO packets"
    );
}

#[test]
fn overtaking_is_netem_s_too_and_needs_a_delay() {
    let spec = LinkSpec {
        rtt: Some(Duration::from_millis(2)),
        reorder: Some(0.02),
        ..link()
    };
    assert!(shaping_commands("mig0", &spec)[1].ends_with("delay 1000.000us reorder 2.000000%"));
    let error = check(Network::Migration, &LinkSpec { rtt: None, ..spec });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("network.migration.reorder")
    );
}

#[test]
fn a_packet_takes_a_slow_link_s_tap_a_quarter_of_a_millisecond_at_most() {
    let segments = |rate_bps| {
        let spec = LinkSpec { rate_bps, ..link() };
        let command = tap_commands("mig0", &spec).remove(0);
        let (_, rest) = command.split_once("gso_max_segs ").unwrap();
        rest.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(segments(None), 65_535);
    assert_eq!(segments(Some(1_000_000_000)), 20);
    assert_eq!(segments(Some(10_000_000)), 1);
}

#[test]
fn zeroes_need_no_netem_and_the_first_key_that_does_is_named() {
    let zeroes = LinkSpec {
        rtt: Some(Duration::ZERO),
        jitter: Some(Duration::ZERO),
        loss: Some(0.0),
        ..link()
    };
    assert_eq!(netem_key(Network::Migration, &zeroes), None);
    let lossy = LinkSpec {
        loss: Some(0.01),
        ..zeroes
    };
    assert_eq!(
        netem_key(Network::Management, &lossy).as_deref(),
        Some("network.management.loss")
    );
}

#[test]
fn impossible_settings_name_their_key() {
    let cases = [
        (
            LinkSpec {
                mtu: Some(1000),
                ..link()
            },
            "network.migration.mtu",
        ),
        (
            LinkSpec {
                rate_bps: Some(0),
                ..link()
            },
            "network.migration.rate",
        ),
        (
            LinkSpec {
                loss: Some(1.0),
                ..link()
            },
            "network.migration.loss",
        ),
        (
            LinkSpec {
                loss: Some(f64::NAN),
                ..link()
            },
            "network.migration.loss",
        ),
    ];
    for (spec, key) in cases {
        let error = check(Network::Migration, &spec).unwrap_err().to_string();
        assert!(error.starts_with(key), "{error}");
    }
    assert!(
        check(
            Network::Migration,
            &LinkSpec {
                mtu: Some(9000),
                ..link()
            }
        )
        .is_ok()
    );
}
