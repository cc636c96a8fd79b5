//! Connections and flows that were made up, and what carriers say.

use lmbench_harness::role::Role::{Destination, Source};
use lmbench_harness::sockets::{ConnectionState, TcpCounters};
use serde_json::json;

use super::super::synthetic::{Story, usage};
use super::*;

fn connection(owner: Owner, remote: &str, counters: TcpCounters) -> Connection {
    Connection {
        owner,
        local: "10.0.0.1:40000".parse().unwrap(),
        remote: remote.parse().unwrap(),
        counters,
        state: ConnectionState::Ended,
    }
}

/// 1000 bytes sent in 3 segments, one of them twice.
fn sender() -> TcpCounters {
    TcpCounters {
        sent_bytes: 1000,
        acked_bytes: 900,
        received_bytes: 0,
        retransmits: 1,
        segments_sent: 3,
        segments_received: 2,
        rtt_us: 400,
        rtt_us_min: Some(90),
        timestamps: true,
    }
}

fn receiver() -> TcpCounters {
    TcpCounters {
        segments_sent: 2,
        received_bytes: 900,
        timestamps: true,
        ..TcpCounters::default()
    }
}

fn native() -> Story {
    Story::new(1000.0)
        .connection(Source, connection(Owner::Qemu, "10.0.0.2:1", sender()))
        .connection(
            Destination,
            connection(Owner::Qemu, "10.0.0.1:2", receiver()),
        )
}

// 1000 bytes and five segments of 66 bytes of headers: Ethernet 14, IPv4 20, TCP 20, time stamps 12.
#[test]
fn every_segment_has_its_headers() {
    let mut story = native();
    assert_eq!(story.value("wire_bytes"), Some(1000.0 + 5.0 * 66.0));
    // The interface says less, and is not asked where the connections are known.
    story.measured.usage_after.source = usage(0.0, 0.0, 600);
    assert_eq!(story.value("wire_bytes"), Some(1330.0));
    let mut long = story.measured.readings.source.metering.take().unwrap();
    long.connections[0].remote = "[fd00::2]:1".parse().unwrap();
    story.measured.readings.source.metering = Some(long);
    assert_eq!(story.value("wire_bytes"), Some(1330.0 + 3.0 * 20.0));
    // What only one host knows is half: then the interface's counters stand, 600 bytes in each direction.
    story.measured.readings.destination.metering = None;
    assert_eq!(story.value("wire_bytes"), Some(1200.0));
}

#[test]
fn retransmits_and_round_trips_are_the_sources() {
    let idle = TcpCounters {
        rtt_us_min: Some(1),
        ..TcpCounters::default()
    };
    let story = native()
        .connection(Source, connection(Owner::Carrier, "10.0.0.2:9", idle))
        .flow(Source, -5.0, 0, Some(9_000))
        .flow(Source, 100.0, 100, Some(100))
        .flow(Source, 150.0, 200, None)
        .flow(Source, 200.0, 300, Some(300))
        .flow(Source, 300.0, 400, Some(500))
        .flow(Source, 1100.0, 900, Some(9_000));
    assert_eq!(story.value("retransmits"), Some(1.0));
    // A connection that never had an acknowledgement of payload has no round trip of the stream.
    assert_eq!(story.value("rtt_us_min"), Some(90.0));
    assert_eq!(story.value("rtt_us_p50"), Some(300.0));
    assert_eq!(story.value("rtt_us_last"), Some(400.0));
}

// Each datagram has 42 bytes of headers, in both directions.
#[test]
fn a_carrier_over_udp_counts_itself() {
    let statistics = |sent: u64| json!({ "rtt_us": 321, "packets_lost": 7, "datagrams_sent": sent, "udp_bytes_sent": sent * 1000 });
    let finished = |sent| json!({ "event": "finished", "statistics": statistics(sent) });
    let story = Story::new(1000.0)
        .event(
            Source,
            -9.0,
            "carrier",
            json!({ "event": "ready", "peer": "10.0.0.2:7" }),
        )
        .event(Source, 1001.0, "carrier", finished(10))
        .event(Destination, 1001.0, "carrier", finished(2));
    assert_eq!(story.value("wire_bytes"), Some(12.0 * 1042.0));
    assert_eq!(story.value("retransmits"), Some(7.0));
    assert_eq!(story.value("rtt_us_last"), Some(321.0));
    assert_eq!(story.value("rtt_us_min"), None);
}

#[test]
fn the_first_byte_is_the_sinks_or_the_first_that_was_received() {
    let story = native()
        .flow(Destination, 4.0, 0, None)
        .flow(Destination, 9.0, 10, None)
        .flow(Destination, 34.0, 20, None);
    assert_eq!(story.value("time_to_first_byte_ms"), Some(9.0));
    let open = |number| json!({ "event": "channel-open", "number": number });
    let relayed = story.event(Destination, 5.0, "carrier", open(1)).event(
        Destination,
        6.5,
        "carrier",
        open(0),
    );
    assert_eq!(relayed.value("time_to_first_byte_ms"), Some(6.5));
    let early = Story::new(9.0).event(Destination, -0.2, "carrier", open(0));
    assert_eq!(early.value("time_to_first_byte_ms"), Some(0.0));
    assert_eq!(Story::new(9.0).value("time_to_first_byte_ms"), None);
}

// Nothing before the first byte and nothing after the end is a stall; the two in between last 125 and 100 ms, one of 75 ms is none.
#[test]
fn a_stall_is_a_time_between_readings_that_show_no_more() {
    let readings = [
        (0.0, 0),
        (500.0, 10),
        (525.0, 10),
        (625.0, 10),
        (650.0, 20),
        (725.0, 20),
        (750.0, 30),
        (850.0, 30),
        (1000.0, 30),
    ];
    assert_eq!(still(&readings, 900.0), (2, 225.0));
    assert_eq!(still(&readings[..1], 900.0), (0, 0.0));
}

#[test]
fn stalls_are_the_connections_or_qemus() {
    let ram = |bytes: u64| json!({ "transferred": bytes });
    let story = || {
        Story::new(1000.0)
            .ram(90.0, "interval", "active", ram(5))
            .ram(180.0, "interval", "active", ram(9))
            .ram(360.0, "interval", "active", ram(9))
            .ram(450.0, "interval", "active", ram(11))
    };
    assert_eq!(story().value("stall_ms"), Some(180.0));
    let metered = story()
        .connection(Source, connection(Owner::Qemu, "10.0.0.2:1", sender()))
        .flow(Source, 100.0, 1, None)
        .flow(Source, 125.0, 2, None);
    assert_eq!(metered.value("stalls"), Some(0.0));
    assert_eq!(metered.value("stall_ms"), Some(0.0));
}

#[test]
fn channels_are_qemus_connections_or_the_carriers_channels() {
    let less = TcpCounters {
        acked_bytes: 5,
        ..sender()
    };
    let story = native()
        .connection(Source, connection(Owner::Qemu, "10.0.0.2:1", less))
        .connection(
            Source,
            connection(Owner::Carrier, "10.0.0.2:3", TcpCounters::default()),
        );
    assert_eq!(story.value("channel_bytes_min"), Some(5.0));
    assert_eq!(story.value("channel_bytes_max"), Some(900.0));
    let closed = |number, bytes: u64| json!({ "event": "channel-closed", "number": number, "sent_bytes": bytes });
    let relayed = Story::new(1000.0)
        .connection(Source, connection(Owner::Carrier, "10.0.0.2:1", sender()))
        .event(Source, 999.0, "carrier", closed(Some(0), 70))
        .event(Source, 999.0, "carrier", closed(Some(1), 30))
        .event(Source, 999.0, "carrier", closed(None, 1));
    assert_eq!(relayed.value("channel_bytes_min"), Some(30.0));
    assert_eq!(relayed.value("channel_bytes_max"), Some(70.0));
}

#[test]
fn what_nobody_metered_is_absent() {
    let story = Story::new(1000.0);
    for absent in [
        "retransmits",
        "rtt_us_min",
        "rtt_us_p50",
        "rtt_us_last",
        "stalls",
        "stall_ms",
        "channel_bytes_min",
    ] {
        assert_eq!(story.value(absent), None, "{absent}");
    }
}
