//! The registry of metrics: what each id in a record means, in which unit, and which way is better.
//!
//! It measures nothing and holds no values. Ids are a contract with everybody who reads records: they are added, never renamed.

pub mod unit;

pub use unit::Unit;

/// What a number in a record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The key in `metrics` and `summary`.
    pub id: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// Unit of the values.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// Where it is observed.
    pub host: MetricHost,
    /// What is counted or timed, from when to when.
    pub definition: &'static str,
    /// Whether only who looks for it wants to see it; it stands in every record, and in long tables when all is asked for.
    pub detail: bool,
}

/// What a metric is about: the parts of a long table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// How long the migration took, and its steps.
    Time,
    /// What the guest noticed.
    Guest,
    /// What was sent.
    Transfer,
    /// What it cost the hosts.
    Processor,
    /// What other traffic noticed.
    Neighbour,
    /// What measuring itself cost.
    Instrument,
}

impl Topic {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Time => "time",
            Topic::Guest => "guest",
            Topic::Transfer => "transfer",
            Topic::Processor => "processor",
            Topic::Neighbour => "other traffic",
            Topic::Instrument => "measuring itself",
        }
    }
}

/// Which way of a change is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smaller values are better.
    LowerIsBetter,
    /// Greater values are better.
    HigherIsBetter,
    /// It explains other metrics; neither way is better.
    Informational,
}

/// Where a metric is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricHost {
    /// The source.
    Source,
    /// The destination.
    Destination,
    /// It takes both hosts to tell.
    Both,
    /// Inside the guest, or on its outputs.
    Guest,
}

/// The metric of an id; `None` for an id that a newer or another program wrote.
pub fn metric(id: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.id == id)
}

/// A value of the metric `id` as a person reads it; a number without a unit when the id is unknown.
pub fn format_value(id: &str, value: f64) -> String {
    metric(id)
        .map_or(Unit::Count, |metric| metric.unit)
        .format(value)
}

impl Metric {
    /// The least difference that can be seen at `value`, in the metric's unit: a step of the clock, the time between two looks, the width of a
    /// bucket. 0 where it is far below anything that matters.
    pub fn resolution(&self, value: f64) -> f64 {
        match self.id {
            // QEMU's clock of whole milliseconds, and agents that look as often.
            "downtime_ms"
            | "setup_time_ms"
            | "time_to_first_byte_ms"
            | "blackout_vcpu_ms"
            | "postcopy_blocktime_ms"
            | "postcopy_vcpu_blocktime_ms_max"
            | "throttle_max_percent" => 1.0,
            // Heartbeats, and questions to the tenant.
            "guest_pause_ms"
            | "network_blackout_ms"
            | "blackout_heartbeat_ms"
            | "blackout_answer_ms" => 5.0,
            // Two readings of the connections.
            "stall_ms" => 50.0,
            id if id.contains("op_latency_us") || id.starts_with("postcopy_stall_us") => {
                value.abs() * LATENCY_BUCKET
            }
            id if id.starts_with("postcopy_fault_us") => value.abs(),
            _ => 0.0,
        }
    }
}

/// The guest's buckets are this much wider each than the one before.
const LATENCY_BUCKET: f64 = 0.032;

const fn row(
    id: &'static str,
    topic: Topic,
    unit: Unit,
    direction: Direction,
    host: MetricHost,
    definition: &'static str,
) -> Metric {
    Metric {
        id,
        topic,
        unit,
        direction,
        host,
        definition,
        detail: false,
    }
}

const fn detail(metric: Metric) -> Metric {
    Metric {
        detail: true,
        ..metric
    }
}

use Direction::{HigherIsBetter as Higher, Informational as Neutral, LowerIsBetter as Lower};
use MetricHost::{Both, Destination, Guest, Source};

/// Every metric, in the order of tables and reports.
#[rustfmt::skip]
pub const ALL: &[Metric] = &[
    row("total_time_ms", Topic::Time, Unit::Millisecond, Lower, Source, "`migrate` accepted to source reports completed"),
    row("setup_time_ms", Topic::Time, Unit::Millisecond, Lower, Source, "QEMU's setup time"),
    row("handshake_ms", Topic::Time, Unit::Millisecond, Lower, Both, "carrier dial to first usable channel"),
    row("time_to_first_byte_ms", Topic::Time, Unit::Millisecond, Lower, Both, "`migrate` accepted to the first byte at the destination: a carrier's sink tells it within about 1 ms, which for QEMU's own sockets (also handed-over ones) is read every 5 ms and includes their TLS handshake; 0 if it came before the answer to `migrate`; absent over native-unix"),
    row("downtime_ms", Topic::Time, Unit::Millisecond, Lower, Source, "downtime as QEMU reports it"),
    row("blackout_ms", Topic::Time, Unit::Millisecond, Lower, Both, "STOP on the source to RESUME on the destination, on one clock"),
    detail(row("blackout_stop_ms", Topic::Time, Unit::Millisecond, Lower, Source, "part of `blackout_ms`: STOP to the migration's status `device`, with what is flushed in between")),
    detail(row("blackout_sync_ms", Topic::Time, Unit::Millisecond, Lower, Source, "part of `blackout_ms`: status `device` to the end of the last look for dirty memory")),
    detail(row("blackout_transfer_ms", Topic::Time, Unit::Millisecond, Lower, Both, "part of `blackout_ms`: the last look for dirty memory to RESUME on the destination; the sum of the parts below, known also where they can't be told apart")),
    detail(row("blackout_ram_ms", Topic::Time, Unit::Millisecond, Lower, Source, "part of `blackout_ms`: the last pass over dirty memory, by QEMU's trace; none in post-copy")),
    detail(row("blackout_state_ms", Topic::Time, Unit::Millisecond, Lower, Source, "part of `blackout_ms`: saving the devices, by QEMU's trace")),
    detail(row("blackout_send_ms", Topic::Time, Unit::Millisecond, Lower, Source, "part of `blackout_ms`: that to the last byte that the source's QEMU gave the carrier; in post-copy to status `postcopy-active`")),
    detail(row("blackout_drain_ms", Topic::Time, Unit::Millisecond, Lower, Both, "part of `blackout_ms`: what was still on the way, from that byte to the last that the carrier gave the destination's QEMU; lmbench's own relaying carriers before post-copy only")),
    detail(row("blackout_load_ms", Topic::Time, Unit::Millisecond, Lower, Destination, "part of `blackout_ms`: that byte to the state loaded, by QEMU's trace; in post-copy from status `postcopy-active`")),
    detail(row("blackout_start_ms", Topic::Time, Unit::Millisecond, Lower, Destination, "part of `blackout_ms`: state loaded, by QEMU's trace, to RESUME")),
    detail(row("blackout_vcpu_ms", Topic::Time, Unit::Millisecond, Lower, Destination, "RESUME on the destination to a vCPU's first turn on a CPU, seen at most the time later that the agent needs to hear of RESUME")),
    detail(row("blackout_heartbeat_ms", Topic::Time, Unit::Millisecond, Lower, Destination, "RESUME on the destination to the guest's first heartbeat there")),
    detail(row("blackout_announce_ms", Topic::Time, Unit::Millisecond, Neutral, Both, "RESUME on the destination to the first frame (QEMU's RARP, the guest's ARP) that tells the tenant network of the move, as seen on the source; negative if it came before")),
    detail(row("blackout_answer_ms", Topic::Time, Unit::Millisecond, Lower, Both, "RESUME on the destination to the first packet that the guest answered on the tenant network")),
    row("iterations", Topic::Time, Unit::Count, Neutral, Source, "dirty syncs; the last ones belong to the switch-over"),
    row("downtime_limit_ms", Topic::Time, Unit::Millisecond, Neutral, Source, "the downtime limit at the end: the scenario's, or what policy or operator set last"),
    row("remaining_bytes_min", Topic::Time, Unit::Byte, Neutral, Source, "of a migration that did not complete: the least RAM that was left after a dirty sync, which is what has to fit into the downtime limit; of one that never ended its first pass, what was left of it"),
    row("throttle_max_percent", Topic::Time, Unit::Percent, Lower, Source, "highest auto-converge throttle"),
    row("guest_pause_ms", Topic::Guest, Unit::Millisecond, Lower, Guest, "longest gap between the guest's heartbeats around migration, seen from outside"),
    row("settle_pause_ms", Topic::Guest, Unit::Millisecond, Neutral, Guest, "the same before migration: the noise of `guest_pause_ms`"),
    row("heartbeat_interval_ms", Topic::Guest, Unit::Millisecond, Neutral, Guest, "time between heartbeats: the resolution of `guest_pause_ms`"),
    row("network_blackout_ms", Topic::Guest, Unit::Millisecond, Lower, Guest, "longest gap in the guest's answers on the tenant network around migration, to a client on the source's bridge that asks every 5 ms"),
    row("network_pause_settle_ms", Topic::Guest, Unit::Millisecond, Neutral, Guest, "the same before migration: the noise of `network_blackout_ms`"),
    row("brownout_ms", Topic::Guest, Unit::Millisecond, Lower, Guest, "time of the migration outside the blackout below 90 % of the workload's rate before it"),
    row("settle_brownout_share", Topic::Guest, Unit::Share, Neutral, Guest, "share of the time before migration below 90 % of its own rate: the noise of `brownout_ms`"),
    row("workload_slowdown", Topic::Guest, Unit::Share, Lower, Guest, "workload operations lost during migration over operations expected"),
    row("workload_lost_ms", Topic::Guest, Unit::Millisecond, Lower, Guest, "`workload_slowdown` of the migration's time: work lost, as the time that it takes without a migration; compares migrations of different lengths"),
    row("settle_rate_bps", Topic::Guest, Unit::BytePerSecond, Neutral, Guest, "pages the workload wrote per second before migration, times their size"),
    row("op_latency_us_p50", Topic::Guest, Unit::Microsecond, Lower, Guest, "median latency of guest operations during migration, on the guest's clock"),
    row("op_latency_us_p99", Topic::Guest, Unit::Microsecond, Lower, Guest, "99th percentile of the latency of guest operations during migration, on the guest's clock"),
    row("op_latency_us_max", Topic::Guest, Unit::Microsecond, Lower, Guest, "longest guest operation during migration, on the guest's clock"),
    row("postcopy_op_latency_us_p50", Topic::Guest, Unit::Microsecond, Lower, Guest, "median latency of guest operations in post-copy: from RESUME on the destination to the migration's end, reports that straddle either counted whole"),
    row("postcopy_op_latency_us_p99", Topic::Guest, Unit::Microsecond, Lower, Guest, "99th percentile of the latency of guest operations in post-copy"),
    row("postcopy_op_latency_us_max", Topic::Guest, Unit::Microsecond, Lower, Guest, "longest guest operation in post-copy"),
    row("postcopy_stall_us_p50", Topic::Guest, Unit::Microsecond, Lower, Guest, "median wait for a page in post-copy, seen by the guest: of as many of the slowest operations as pages were requested"),
    row("postcopy_stall_us_p99", Topic::Guest, Unit::Microsecond, Lower, Guest, "99th percentile of the waits for pages in post-copy"),
    row("dirty_rate_bps", Topic::Guest, Unit::BytePerSecond, Neutral, Source, "rate at which the guest dirties memory, by QEMU: median of its measurements"),
    row("guest_dirty_rate_bps", Topic::Guest, Unit::BytePerSecond, Neutral, Guest, "different pages that the guest wrote per report and second during migration, times their size"),
    row("postcopy_requests", Topic::Guest, Unit::Count, Neutral, Destination, "pages the destination asked for"),
    row("postcopy_blocktime_ms", Topic::Guest, Unit::Millisecond, Lower, Destination, "time vCPUs waited for pages in post-copy; needs the capability `postcopy-blocktime`"),
    detail(row("postcopy_vcpu_blocktime_ms_max", Topic::Guest, Unit::Millisecond, Lower, Destination, "time that the vCPU which waited longest waited for pages in post-copy; all vCPUs' times stand in the event `post-copy`")),
    row("postcopy_fault_us_p50", Topic::Guest, Unit::Microsecond, Lower, Destination, "median latency of a post-copy page fault, by QEMU 10.1 or newer, whose buckets are powers of two: evenly spread within one"),
    row("postcopy_fault_us_p99", Topic::Guest, Unit::Microsecond, Lower, Destination, "99th percentile of the same"),
    row("throughput_bps", Topic::Transfer, Unit::BitPerSecond, Higher, Source, "`ram_bytes` × 8 over the time after setup; absent where the stream is compressed (multifd-compression, xbzrle), whose bytes are no measure of speed"),
    row("guest_throughput_bps", Topic::Transfer, Unit::BitPerSecond, Higher, Source, "the guest's memory that was sent, in pages that are not zero (`normal`, and those that xbzrle encoded), however few bytes they became, × 8 over the time after setup"),
    row("wire_bytes", Topic::Transfer, Unit::Byte, Lower, Both, "bytes that both hosts sent for the migration, lost ones included. TCP, by the kernels: payload, and for each segment Ethernet 14, IP 20 or 40, TCP 20, time stamps 12, without selective acknowledgements, SYN options, preamble and checksum. quic, by its own count over the whole session: payload of UDP, and for each datagram Ethernet 14, IP 20 or 40, UDP 8. Else what the interface moved, where no other traffic uses it, headers of offloaded segments once"),
    row("ram_bytes", Topic::Transfer, Unit::Byte, Lower, Source, "RAM bytes transferred, by QEMU's counter"),
    row("precopy_bytes", Topic::Transfer, Unit::Byte, Neutral, Source, "bytes sent while the guest ran on the source, without multifd"),
    row("downtime_bytes", Topic::Transfer, Unit::Byte, Neutral, Source, "bytes sent while the guest was stopped, without multifd"),
    row("postcopy_bytes", Topic::Transfer, Unit::Byte, Neutral, Source, "bytes sent after the switch to post-copy"),
    row("transfer_amplification", Topic::Transfer, Unit::Ratio, Lower, Source, "`ram_bytes` over guest RAM that is not zero"),
    row("stalls", Topic::Transfer, Unit::Count, Lower, Source, "times of 100 ms or more in which no reading showed more bytes than the one before, from the first byte to the end, the blackout included. Bytes acknowledged on TCP, read every 25 ms; else QEMU's counter, every 90 ms. Seen for certain when longer by two readings"),
    row("stall_ms", Topic::Transfer, Unit::Millisecond, Lower, Source, "sum of these times, each up to two readings too short"),
    row("retransmits", Topic::Transfer, Unit::Count, Lower, Source, "TCP segments that the source sent again, those in vain included; for quic packets that it counted as lost. TCP inside or below another carrier is that carrier's"),
    row("rtt_us_p50", Topic::Transfer, Unit::Microsecond, Lower, Source, "median of the kernel's smoothed round-trip time while the stream flows, queues on the way included: every 25 ms of the connection that moved most since the reading before; TCP only"),
    detail(row("rtt_us_min", Topic::Transfer, Unit::Microsecond, Lower, Source, "smallest round-trip time of any connection that carried payload, by the kernel, whose window is 5 min and may reach back before `migrate`; TCP only")),
    detail(row("rtt_us_last", Topic::Transfer, Unit::Microsecond, Lower, Source, "smoothed round-trip time at the end: of the TCP connection that sent most, or the longest of any of quic's connections")),
    detail(row("channel_bytes_min", Topic::Transfer, Unit::Byte, Neutral, Source, "fewest bytes that a channel carried to the destination: a connection of QEMU's own (TLS records included), or a channel that a carrier relayed; each stands in the events; absent over ssh, which does not tell its channels apart")),
    detail(row("channel_bytes_max", Topic::Transfer, Unit::Byte, Neutral, Source, "most bytes, likewise")),
    row("cpu_migration_s", Topic::Processor, Unit::Second, Lower, Both, "CPU time that one migration added on both hosts: the sum of the four `cpu_migration_…_s_per_gib` times `ram_bytes`"),
    row("cpu_migration_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Both, "the same per GiB of `ram_bytes`: who sends less may cost less although this is more"),
    row("cpu_migration_qemu_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time of those threads of QEMU on the source that began with `migrate`, per GiB of `ram_bytes`; without what the vCPUs and the main loop do for the guest, and for whoever asks how it goes"),
    row("cpu_migration_qemu_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time of QEMU on the destination without vCPUs, beyond its rate before `migrate` and, from RESUME on, beyond the rate on the source before `migrate`, per GiB of `ram_bytes`"),
    row("cpu_migration_carrier_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time of the carrier on the source beyond its rate before `migrate`, per GiB of `ram_bytes`"),
    row("cpu_migration_carrier_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time of the carrier on the destination beyond its rate before `migrate`, per GiB of `ram_bytes`"),
    row("cpu_qemu_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time of QEMU on the source, the guest's own work included, per GiB of `ram_bytes`: grows with the migration's length"),
    row("cpu_qemu_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time of QEMU on the destination, the guest's own work included, per GiB of `ram_bytes`"),
    row("cpu_qemu_without_vcpus_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "the same without the threads that execute the guest"),
    row("cpu_qemu_without_vcpus_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "the same without the threads that execute the guest"),
    row("cpu_carrier_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time of the carrier on the source per GiB of `ram_bytes`"),
    row("cpu_carrier_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time of the carrier on the destination per GiB of `ram_bytes`"),
    row("cpu_agent_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Neutral, Source, "CPU time of lmbench's agent on the source per GiB of `ram_bytes`"),
    row("cpu_agent_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Neutral, Destination, "CPU time of lmbench's agent on the destination per GiB of `ram_bytes`"),
    detail(row("cpu_qemu_user_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time in user mode of QEMU, its vCPUs included, on the source per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_qemu_system_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time in the kernel of QEMU, its vCPUs included, on the source per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_carrier_user_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time in user mode of the carrier with its descendants on the source per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_carrier_system_source_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Source, "CPU time in the kernel of the carrier with its descendants on the source per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_qemu_user_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time in user mode of QEMU, its vCPUs included, on the destination per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_qemu_system_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time in the kernel of QEMU, its vCPUs included, on the destination per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_carrier_user_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time in user mode of the carrier with its descendants on the destination per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("cpu_carrier_system_destination_s_per_gib", Topic::Processor, Unit::SecondPerGib, Lower, Destination, "CPU time in the kernel of the carrier with its descendants on the destination per GiB of `ram_bytes`, to a clock tick (10 ms)")),
    detail(row("voluntary_switches_qemu_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "times that a thread of QEMU, its vCPUs included, on the source left the CPU to wait, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("involuntary_switches_qemu_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "times that a thread of QEMU, its vCPUs included, on the source was taken off the CPU for others, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("voluntary_switches_carrier_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "times that a thread of the carrier with its descendants on the source left the CPU to wait, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("involuntary_switches_carrier_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "times that a thread of the carrier with its descendants on the source was taken off the CPU for others, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("voluntary_switches_qemu_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "times that a thread of QEMU, its vCPUs included, on the destination left the CPU to wait, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("involuntary_switches_qemu_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "times that a thread of QEMU, its vCPUs included, on the destination was taken off the CPU for others, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("voluntary_switches_carrier_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "times that a thread of the carrier with its descendants on the destination left the CPU to wait, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("involuntary_switches_carrier_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "times that a thread of the carrier with its descendants on the destination was taken off the CPU for others, per GiB of `ram_bytes`; threads that ended count up to the last reading, at most 100 ms before")),
    detail(row("syscalls_qemu_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "system calls of QEMU, its vCPUs included, on the source per GiB of `ram_bytes`; with `migration.count-syscalls`, where the kernel lets")),
    detail(row("syscalls_carrier_source_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Source, "system calls of the carrier with its descendants on the source per GiB of `ram_bytes`; with `migration.count-syscalls`, where the kernel lets")),
    detail(row("syscalls_qemu_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "system calls of QEMU, its vCPUs included, on the destination per GiB of `ram_bytes`; with `migration.count-syscalls`, where the kernel lets")),
    detail(row("syscalls_carrier_destination_per_gib", Topic::Processor, Unit::CountPerGib, Lower, Destination, "system calls of the carrier with its descendants on the destination per GiB of `ram_bytes`; with `migration.count-syscalls`, where the kernel lets")),
    row("background_settle_bps", Topic::Neighbour, Unit::BitPerSecond, Neutral, Both, "speed of other traffic on its network before migration"),
    row("management_rtt_settle_us_p50", Topic::Neighbour, Unit::Microsecond, Neutral, Both, "median round-trip time beside that traffic before migration"),
    row("management_rtt_settle_us_p99", Topic::Neighbour, Unit::Microsecond, Neutral, Both, "99th percentile of the round-trip time beside that traffic before migration"),
    row("background_achieved_bps", Topic::Neighbour, Unit::BitPerSecond, Higher, Both, "speed of other traffic on its network during migration"),
    row("management_rtt_us_p50", Topic::Neighbour, Unit::Microsecond, Lower, Both, "median round-trip time beside that traffic during migration"),
    row("management_rtt_us_p99", Topic::Neighbour, Unit::Microsecond, Lower, Both, "99th percentile of the round-trip time beside that traffic during migration"),
    row("sample_answer_us_p50", Topic::Instrument, Unit::Microsecond, Neutral, Source, "median time that QEMU takes to answer a sample's question"),
    row("sample_read_us_p50", Topic::Instrument, Unit::Microsecond, Neutral, Source, "median time to read CPU times for a sample"),
    detail(row("meter_read_us_p50", Topic::Instrument, Unit::Microsecond, Neutral, Source, "median time to ask the kernel for the connections' counts")),
    row("agent_cpu_share", Topic::Instrument, Unit::Share, Neutral, Both, "CPU time of both agents over the time from before `migrate` until the guest runs: 100 % is one CPU"),
    row("sample_gap_ms_max", Topic::Instrument, Unit::Millisecond, Neutral, Source, "longest time between QEMU's answers; it gives none while it holds its lock"),
    detail(row("decision_cost_us_max", Topic::Instrument, Unit::Microsecond, Lower, Source, "longest time that the policy thought about one reading")),
    detail(row("decision_reaction_ms_max", Topic::Instrument, Unit::Millisecond, Lower, Source, "longest time from what the policy reacted to (QEMU's stamp of a pass, or asking for a reading) to its action being handed to QEMU; of several actions at once the last waits for the answers to the others")),
    row("overhead_s", Topic::Instrument, Unit::Second, Neutral, Both, "time of the repeat beyond boot, filling, settling and migration"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_name_their_unit() {
        for (index, metric) in ALL.iter().enumerate() {
            assert!(
                ALL[index + 1..].iter().all(|other| other.id != metric.id),
                "{} stands twice",
                metric.id
            );
            let word = match metric.unit {
                Unit::Millisecond => "_ms",
                Unit::Microsecond => "_us",
                Unit::Second => "_s",
                Unit::Byte => "_bytes",
                Unit::BitPerSecond | Unit::BytePerSecond => "_bps",
                Unit::SecondPerGib => "_s_per_gib",
                Unit::CountPerGib => "_per_gib",
                Unit::Percent => "_percent",
                Unit::Ratio | Unit::Share | Unit::Count => "",
            };
            assert!(
                metric.id.contains(word),
                "{} does not name its unit {word}",
                metric.id
            );
        }
    }

    // A topic that came up twice would have two headings.
    #[test]
    fn the_metrics_of_a_topic_stand_together() {
        let mut topics: Vec<Topic> = ALL.iter().map(|metric| metric.topic).collect();
        topics.dedup();
        assert_eq!(topics.len(), 6);
    }

    #[test]
    fn an_unknown_id_is_a_plain_number() {
        assert!(metric("nonsense").is_none());
        assert_eq!(format_value("nonsense", 3.0), "3");
        assert_eq!(format_value("downtime_ms", 842.4), "842 ms");
    }
}
