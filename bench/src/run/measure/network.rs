//! What the stream was to the network: bytes with their headers, first byte, stalls, round trips, what was sent again, and channels.
//!
//! TCP is read from the kernels of both hosts, whoever holds the connections. A carrier over UDP tells in its last words what it
//! counted itself, over its whole session.

use lmbench_harness::agent::protocol::Metering;
use lmbench_harness::role::Role;
use lmbench_harness::sockets::{Connection, Owner};
use serde_json::Value;

use super::time_line::TimeLine;
use super::{Measured, Sides, Values, number};
use crate::statistics::median;

pub(super) fn measure(values: &mut Values, measured: &Measured, line: &TimeLine<'_>) {
    values.put("time_to_first_byte_ms", first_byte_ms(measured, line));
    let source = measured.readings.source.metering.as_ref();
    let connections = source.map_or(&[][..], |metering| &metering.connections);
    if connections.is_empty() {
        let packets = last_words(line, Role::Source);
        values.put(
            "retransmits",
            packets.and_then(|words| number(words, "/packets_lost")),
        );
        values.put(
            "rtt_us_last",
            packets.and_then(|words| number(words, "/rtt_us")),
        );
    } else {
        let sum: u64 = connections
            .iter()
            .map(|connection| connection.counters.retransmits)
            .sum();
        values.put("retransmits", sum as f64);
        let busiest = connections
            .iter()
            .max_by_key(|connection| connection.counters.acked_bytes);
        values.put(
            "rtt_us_last",
            busiest.map(|connection| f64::from(connection.counters.rtt_us)),
        );
        let least = connections
            .iter()
            .filter(|connection| connection.counters.acked_bytes > 0)
            .filter_map(|connection| connection.counters.rtt_us_min)
            .min();
        values.put("rtt_us_min", least.map(f64::from));
        values.put("rtt_us_p50", round_trip(source, line));
    }
    stalls(values, measured, line);
    let bytes = channels(connections, line);
    let extreme = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    values.put("channel_bytes_min", extreme(bytes.iter().min().copied()));
    values.put("channel_bytes_max", extreme(bytes.iter().max().copied()));
}

/// What both hosts sent, with the headers of every packet; `None` where nobody counted packets.
pub(super) fn exact_wire_bytes(measured: &Measured, line: &TimeLine<'_>) -> Option<f64> {
    let of = |metering: &Option<Metering>| {
        let connections = metering.as_ref().map(|metering| &metering.connections);
        connections
            .filter(|connections| !connections.is_empty())
            .map(|connections| connections.iter().map(sent_with_headers).sum::<f64>())
    };
    let Sides {
        source,
        destination,
    } = &measured.readings;
    match (of(&source.metering), of(&destination.metering)) {
        (Some(source), Some(destination)) => Some(source + destination),
        // Half of it is no answer.
        (Some(_), None) | (None, Some(_)) => None,
        (None, None) => {
            let sides = Role::BOTH.map(|role| {
                let words = last_words(line, role)?;
                let headers = ETHERNET_BYTES + ip_bytes(peer_is_v6(line)) + UDP_BYTES;
                let datagrams = number(words, "/datagrams_sent")?;
                Some(number(words, "/udp_bytes_sent")? + datagrams * headers)
            });
            Some(sides[0]? + sides[1]?)
        }
    }
}

fn sent_with_headers(connection: &Connection) -> f64 {
    let counters = connection.counters;
    let stamps = if counters.timestamps {
        TIMESTAMP_BYTES
    } else {
        0.0
    };
    let headers = ETHERNET_BYTES + ip_bytes(connection.remote.is_ipv6()) + TCP_BYTES + stamps;
    counters.sent_bytes as f64 + counters.segments_sent as f64 * headers
}

/// From the sink that relays channel 0, which waits for its first byte; else from what the destination's connections had received.
fn first_byte_ms(measured: &Measured, line: &TimeLine<'_>) -> Option<f64> {
    let opened = line
        .events
        .iter()
        .find(|event| said(event, Role::Destination, "channel-open") && event.data["number"] == 0);
    let metering = measured.readings.destination.metering.as_ref();
    let received = || {
        let flow = &metering?.flow;
        let point = flow.iter().find(|point| point.flow.received_bytes > 0)?;
        Some(line.of_destination(point.flow.at_ns))
    };
    let at_ms = opened.map(|event| event.at_ms).or_else(received)?;
    // The stream may be faster than QEMU's answer to `migrate`.
    Some(at_ms.max(0.0))
}

/// Median of the readings while the stream flowed.
fn round_trip(source: Option<&Metering>, line: &TimeLine<'_>) -> Option<f64> {
    let flow = source?.flow.iter().map(|point| point.flow);
    let during = flow.filter(|flow| (0.0..=line.end_ms).contains(&line.of_source(flow.at_ns)));
    let rtts: Vec<f64> = during
        .filter_map(|flow| flow.rtt_us.map(f64::from))
        .collect();
    median(&rtts)
}

/// From the acknowledged bytes of the source's connections; without any from QEMU's own counter.
fn stalls(values: &mut Values, measured: &Measured, line: &TimeLine<'_>) {
    let metering = measured.readings.source.metering.as_ref();
    let by_kernel: Vec<(f64, u64)> = metering
        .filter(|metering| !metering.connections.is_empty())
        .map_or(&[][..], |metering| &metering.flow)
        .iter()
        .map(|point| (line.of_source(point.flow.at_ns), point.flow.acked_bytes))
        .collect();
    let by_qemu = || {
        let known = line
            .stats()
            .filter_map(|(at_ms, _, stats)| Some((at_ms, stats.ram.as_ref()?.transferred?)));
        known.collect()
    };
    let readings = if by_kernel.is_empty() {
        by_qemu()
    } else {
        by_kernel
    };
    if readings.len() < 2 {
        return;
    }
    let (count, sum_ms) = still(&readings, line.end_ms);
    values.put("stalls", f64::from(count));
    values.put("stall_ms", sum_ms);
}

/// Times in which no reading showed more than the one before, from the first byte until `end_ms`: how many of at least
/// [`STALL_MS`], and their sum.
fn still(readings: &[(f64, u64)], end_ms: f64) -> (u32, f64) {
    let (mut count, mut sum_ms) = (0, 0.0);
    let mut since: Option<(f64, u64)> = None;
    let mut add = |from_ms: f64, to_ms: f64| {
        if to_ms - from_ms >= STALL_MS {
            count += 1;
            sum_ms += to_ms - from_ms;
        }
    };
    let mut last_ms = 0.0;
    let begun = readings
        .iter()
        .filter(|(at_ms, bytes)| *bytes > 0 && *at_ms >= 0.0 && *at_ms <= end_ms);
    for (at_ms, bytes) in begun {
        match since {
            Some((from_ms, before)) if *bytes != before => {
                add(from_ms, last_ms);
                since = Some((*at_ms, *bytes));
            }
            Some(_) => {}
            None => since = Some((*at_ms, *bytes)),
        }
        last_ms = *at_ms;
    }
    if let Some((from_ms, _)) = since {
        add(from_ms, last_ms);
    }
    (count, sum_ms)
}

/// Bytes from source to destination of each channel: QEMU's own connections, or what the carrier says of its channels.
fn channels(connections: &[Connection], line: &TimeLine<'_>) -> Vec<u64> {
    let own: Vec<u64> = connections
        .iter()
        .filter(|connection| connection.owner == Owner::Qemu)
        .map(|connection| connection.counters.acked_bytes)
        .collect();
    if !own.is_empty() {
        return own;
    }
    let closed = line.events.iter().filter(|event| {
        said(event, Role::Source, "channel-closed") && !event.data["number"].is_null()
    });
    closed
        .filter_map(|event| event.data["sent_bytes"].as_u64())
        .collect()
}

/// What a carrier over UDP counted.
fn last_words<'a>(line: &'a TimeLine<'_>, role: Role) -> Option<&'a Value> {
    let finished = line
        .events
        .iter()
        .rfind(|event| said(event, role, "finished"));
    finished?.data.get("statistics")
}

fn peer_is_v6(line: &TimeLine<'_>) -> bool {
    let ready = line
        .events
        .iter()
        .find(|event| said(event, Role::Source, "ready"));
    let peer = ready.and_then(|event| event.data["peer"].as_str());
    peer.is_some_and(|peer| peer.starts_with('['))
}

fn said(event: &crate::record::Event, role: Role, what: &str) -> bool {
    event.name == "carrier" && event.host == role.name() && event.data["event"] == what
}

fn ip_bytes(v6: bool) -> f64 {
    if v6 { 40.0 } else { 20.0 }
}

const ETHERNET_BYTES: f64 = 14.0;
const TCP_BYTES: f64 = 20.0;
const TIMESTAMP_BYTES: f64 = 12.0;
const UDP_BYTES: f64 = 8.0;
/// A stream that stands still for less is busy with something.
const STALL_MS: f64 = 100.0;

#[cfg(test)]
mod tests;
