//! What a link's settings mean in `ip` and `tc` commands: pure text, nothing is run here.
//!
//! **Rate.** TBF on the egress of each end, so each direction has the whole rate. The rate counts Ethernet frames without preamble and
//! checksum: at an MTU of 1500 a TCP stream gets 1448/1514 = 95.6 % of it as payload (a real wire gives 94.1 %).
//!
//! **Burst.** tc-tbf(8): "the minimum buffer size can be calculated by dividing the rate by HZ". With high-resolution timers TBF no longer
//! waits for a tick, but a softirq on a busy machine is late by up to about a millisecond, and what the bucket cannot hold in that time is
//! lost to the link. So one millisecond's worth, and never less than 128 KiB: a GSO packet counts up to about 68 KiB with the headers of
//! its segments, and one that does not fit into the bucket is cut up in software (measured at 10 Gbit/s with 64 KiB: 8.4 Gbit/s, a whole
//! core; from 128 KiB on: the full rate at a seventh of the CPU). What is lost beyond that is lost on purpose: an end that gets no CPU
//! leaves a real link idle, too, and a deep bucket would then let the migration run faster than its link.
//!
//! **Queue.** What may wait in front of the link: 10 ms at the rate, at least 256 KiB (four GSO packets; 20 ms at 100 Mbit/s). That is a
//! shallow switch buffer; a full one drops from the tail.
//!
//! **Delay, jitter, loss.** netem on both ends: half the round trip each way; jitter (normally distributed) and loss in each direction.
//! netem comes first and TBF is its child, so the queue in bytes is TBF's. A lost packet must be one frame and not a GSO packet of 44, so
//! TCP's segmentation offload is off on lossy links (`gso_max_segs 1`), which costs CPU.
//!
//! All this is for links that the kernel makes. `crate::link` says how lmbench's own does the same; it has the same queue.

use std::fmt::Write as _;
use std::time::Duration;

use super::error::LabError;
use crate::spec::{LinkSpec, Moment, Network};

/// Refuses what no link can have.
pub(super) fn check(network: Network, link: &LinkSpec) -> Result<(), LabError> {
    let refuse = |setting: &str, why: String| {
        Err(LabError::Setting {
            key: key(network, setting),
            why,
        })
    };
    match link {
        LinkSpec { mtu: Some(mtu), .. } if !(MTU_MIN..=MTU_MAX).contains(mtu) => refuse(
            "mtu",
            format!("{mtu} is not between {MTU_MIN} (the least that IPv6 allows) and {MTU_MAX}"),
        ),
        LinkSpec {
            rate_bps: Some(rate),
            ..
        } if *rate < RATE_MIN_BPS => refuse(
            "rate",
            format!(
                "{rate} bit/s is less than {RATE_MIN_BPS} bit/s; leave the key out for a link as fast as the machine"
            ),
        ),
        LinkSpec {
            loss: Some(loss), ..
        } if !(0.0..1.0).contains(loss) => {
            refuse("loss", format!("{loss} is not a share from 0 to below 1"))
        }
        LinkSpec {
            reorder: Some(reorder),
            ..
        } if !(0.0..1.0).contains(reorder) => refuse(
            "reorder",
            format!("{reorder} is not a share from 0 to below 1"),
        ),
        LinkSpec {
            reorder: Some(reorder),
            ..
        } if *reorder > 0.0 && delay(link).is_zero() => refuse(
            "reorder",
            "without rtt there is nothing on the way to overtake".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The first setting that needs netem, by the scenario's key.
pub(super) fn netem_key(network: Network, link: &LinkSpec) -> Option<String> {
    let needed = [
        ("rtt", !delay(link).is_zero()),
        ("jitter", !jitter(link).is_zero()),
        ("loss", loss(link) > 0.0),
        ("reorder", link.reorder.unwrap_or(0.0) > 0.0),
    ];
    needed
        .into_iter()
        .find_map(|(setting, needed)| needed.then(|| key(network, setting)))
}

/// Whether it fails at a byte.
pub(super) fn counts_bytes(link: &LinkSpec) -> bool {
    link.cut
        .is_some_and(|cut| matches!(cut.at, Moment::Bytes(_)))
}

/// The `tc` command that has an interface drop all that it sends. (`blackhole` is part of every kernel that shapes at all.)
pub(super) fn cut_command(interface: &str) -> String {
    format!("qdisc replace dev {interface} root blackhole")
}

/// The `ip` commands for what belongs to the interface.
pub(super) fn interface_commands(interface: &str, link: &LinkSpec) -> Vec<String> {
    let mtu = link.mtu.unwrap_or(MTU_DEFAULT);
    let segments = if loss(link) > 0.0 || link.reorder.unwrap_or(0.0) > 0.0 {
        1
    } else {
        GSO_SEGMENTS_MAX
    };
    vec![format!(
        "link set dev {interface} mtu {mtu} gso_max_segs {segments} up"
    )]
}

/// The `ip` commands for the device of a user-space link.
///
/// A GSO packet arrives as a whole when its last frame does, so on a slow link it may take at most a quarter of a millisecond to send. The
/// device's own queue is only where packets wait for the process, and must never be what drops.
pub(super) fn tap_commands(interface: &str, link: &LinkSpec) -> Vec<String> {
    let mtu = link.mtu.unwrap_or(MTU_DEFAULT);
    let in_time = |rate_bps: u64| rate_bps / 8 / 4_000 / u64::from(mtu);
    let segments = link
        .rate_bps
        .map_or(u64::from(GSO_SEGMENTS_MAX), |rate_bps| {
            in_time(rate_bps).clamp(1, GSO_SEGMENTS_MAX.into())
        });
    vec![format!(
        "link set dev {interface} mtu {mtu} gso_max_segs {segments} txqueuelen {TAP_QUEUE_PACKETS} up"
    )]
}

/// The `tc` commands that shape what an interface sends, whatever shaped it before.
pub(super) fn shaping_commands(interface: &str, link: &LinkSpec) -> Vec<String> {
    // Going from one discipline to another under the same handle is refused, so every change goes through none.
    let mut commands = vec![format!("qdisc replace dev {interface} root noqueue")];
    let mut parent = "root handle 1:";
    if netem_key(Network::Migration, link).is_some() {
        commands.push(format!(
            "qdisc replace dev {interface} {parent} netem {}",
            netem(link)
        ));
        parent = "parent 1:1 handle 10:";
    }
    if let Some(rate_bps) = link.rate_bps {
        let (burst, limit) = (burst_bytes(rate_bps), limit_bytes(rate_bps));
        commands.push(format!("qdisc replace dev {interface} {parent} tbf rate {rate_bps}bit burst {burst} limit {limit}"));
    }
    commands
}

/// A scenario's key for one of a network's settings.
pub(super) fn key(network: Network, setting: &str) -> String {
    format!("network.{}.{setting}", network.name())
}

fn netem(link: &LinkSpec) -> String {
    let mut text = format!("limit {}", netem_limit_packets(link));
    // netem takes jitter only after a delay, be it 0. (Writing to a String cannot fail.)
    if !delay(link).is_zero() || !jitter(link).is_zero() {
        let _ = write!(text, " delay {}", microseconds(delay(link)));
    }
    if !jitter(link).is_zero() {
        let _ = write!(text, " {} distribution normal", microseconds(jitter(link)));
    }
    if loss(link) > 0.0 {
        let _ = write!(text, " loss {:.6}%", loss(link) * 100.0);
    }
    if let Some(reorder) = link.reorder.filter(|reorder| *reorder > 0.0) {
        let _ = write!(text, " reorder {:.6}%", reorder * 100.0);
    }
    text
}

/// tc's own unit of time, with decimals.
fn microseconds(time: Duration) -> String {
    format!("{:.3}us", time.as_secs_f64() * 1e6)
}

/// netem's queue holds what is on the way, and must never be what drops: twice what the link can have in flight.
fn netem_limit_packets(link: &LinkSpec) -> u64 {
    let rate_bps = link.rate_bps.unwrap_or(UNSHAPED_BPS) as f64;
    let seconds = (delay(link) + 4 * jitter(link)).as_secs_f64();
    let packets = 2.0 * rate_bps * seconds / 8.0 / f64::from(link.mtu.unwrap_or(MTU_DEFAULT));
    (packets as u64).clamp(1_000, 10_000_000)
}

fn burst_bytes(rate_bps: u64) -> u64 {
    (rate_bps / 8 / 1_000).max(BURST_MIN_BYTES)
}

/// What may wait in front of a link of this rate.
pub(crate) fn limit_bytes(rate_bps: u64) -> u64 {
    (rate_bps / 8 / 100).max(QUEUE_MIN_BYTES)
}

fn delay(link: &LinkSpec) -> Duration {
    link.rtt.unwrap_or_default() / 2
}

fn jitter(link: &LinkSpec) -> Duration {
    link.jitter.unwrap_or_default()
}

fn loss(link: &LinkSpec) -> f64 {
    link.loss.unwrap_or(0.0)
}

const MTU_DEFAULT: u32 = 1500;
const MTU_MIN: u32 = 1280;
const MTU_MAX: u32 = 65_535;
const TAP_QUEUE_PACKETS: u32 = 10_000;
const RATE_MIN_BPS: u64 = 8_000;
const BURST_MIN_BYTES: u64 = 128 * 1024;
const QUEUE_MIN_BYTES: u64 = 256 * 1024;
/// What the kernel gives a new interface.
const GSO_SEGMENTS_MAX: u32 = 65_535;
/// More than any veth here carries.
const UNSHAPED_BPS: u64 = 100_000_000_000;

#[cfg(test)]
mod tests;
