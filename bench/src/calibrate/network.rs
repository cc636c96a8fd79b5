//! Instruments of connections and packets, on connections of this host with itself.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use lmbench_harness::agent::METER_INTERVAL;
use lmbench_harness::background::{self, BackgroundError, BackgroundReport};
use lmbench_harness::cpu;
use lmbench_harness::sockets::Ledger;
use lmbench_harness::tenant::probe::Prober;

use super::skipped;
use super::timing::{set, thread_cpu_ns, time, us};
use crate::record::Instrument;
use crate::run::PROBE_INTERVAL;
use crate::statistics::median;

/// What the kernel counts for a connection.
pub(super) fn tcp_info() -> Instrument {
    let tells = &["wire_bytes", "retransmits", "rtt_us_p50", "stall_ms"];
    let instrument = Instrument::new(
        "tcp-info",
        "counts of a TCP connection: sock_diag with TCP_INFO",
        tells,
    );
    match metered() {
        Ok((timed, byte)) => {
            let counted = if byte {
                "a single byte is counted"
            } else {
                "a single byte was not counted"
            };
            instrument
                .costs("connection", timed.cpu_us, None)
                .every(METER_INTERVAL)
                .tells_apart(set(METER_INTERVAL))
                .takes(timed.wall_us)
                .note(format!("between readings nothing is seen; {counted}"))
        }
        Err(error) => skipped(
            instrument,
            format!("the kernel does not tell of TCP connections: {error}"),
        ),
    }
}

/// The time of a reading of one connection, and whether one byte more shows in the next.
fn metered() -> io::Result<(super::timing::Timed, bool)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut dialled = TcpStream::connect(listener.local_addr()?)?;
    let (mut accepted, _) = listener.accept()?;
    let mut ledger = Ledger::begin(std::process::id(), Vec::new())?;
    // Both ends are ours, and whatever other connections this process has.
    let connections = ledger.connections().len().max(1) as f64;
    let before = ledger.read().received_bytes;
    dialled.write_all(b"x")?;
    accepted.read_exact(&mut [0])?;
    let byte = ledger.read().received_bytes == before + 1;
    let mut timed = time(1, || {
        ledger.read();
    });
    timed.cpu_us /= connections;
    timed.wall_us /= connections;
    Ok((timed, byte))
}

/// The client on the tenant network; here this host's kernel answers it and not a guest's.
pub(super) fn tenant_probe() -> Instrument {
    let tells = &[
        "network_blackout_ms",
        "network_pause_settle_ms",
        "blackout_answer_ms",
    ];
    let instrument = Instrument::new(
        "tenant-probe",
        "ICMP echoes of the guest on the tenant network",
        tells,
    );
    let prober = match Prober::start(Ipv4Addr::LOCALHOST, PROBE_INTERVAL) {
        Ok(prober) => prober,
        Err(error) => {
            return skipped(
                instrument,
                format!("raw sockets are refused: {error}; root may open them"),
            );
        }
    };
    sleep(PROBING);
    // Its thread sleeps between two questions, so its time is exact.
    let threads = cpu::of_threads(std::process::id());
    let thread = threads.iter().find(|thread| thread.name == PROBER_THREAD);
    let cpu_ns = thread.map(|thread| thread.cpu_ns);
    let asked = prober.finish().probes;
    let answers: Vec<f64> = asked
        .iter()
        .filter_map(|probe| Some(us(probe.answered_ns?.saturating_sub(probe.sent_ns))))
        .collect();
    let (Some(cpu_ns), Some(answer_us)) = (cpu_ns, median(&answers)) else {
        return skipped(
            instrument,
            "this host does not answer its own echo requests",
        );
    };
    instrument
        .costs("question", us(cpu_ns) / asked.len() as f64, None)
        .every(PROBE_INTERVAL)
        .tells_apart(set(PROBE_INTERVAL))
        .takes(answer_us)
        .note("asked of this host itself, whose answer is in the cost")
}

/// The round trips beside other traffic, if a scenario has any.
pub(super) async fn background_probe() -> Instrument {
    let tells = &["management_rtt_us_p50", "management_rtt_us_p99"];
    let instrument = Instrument::new(
        "background-probe",
        "round trips beside other traffic, between two tasks of lmbench",
        tells,
    );
    match probed().await {
        Ok((report, cpu_us)) if report.samples() > 0 => instrument
            .costs("round trip", cpu_us / report.samples() as f64, None)
            .every(background::PROBE_INTERVAL)
            .tells_apart(set(background::PROBE_INTERVAL))
            .takes(report.probe_p50_us().map(|us| us as f64))
            .note(
                "both ends in one process, with the least traffic beside it, which is in the cost",
            ),
        Ok(_) => skipped(instrument, "no probe was answered"),
        Err(error) => skipped(instrument, crate::error::chain(&error)),
    }
}

async fn probed() -> Result<(BackgroundReport, f64), BackgroundError> {
    let receiver = background::Receiver::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let began_ns = thread_cpu_ns();
    let sender = background::Sender::start(receiver.local_addr(), LEAST_TRAFFIC_BPS).await?;
    tokio::time::sleep(PROBING).await;
    let report = sender.stop().await;
    let cpu_us = us(thread_cpu_ns().saturating_sub(began_ns));
    receiver.stop().await;
    Ok((report, cpu_us))
}

/// Name of the thread that asks.
const PROBER_THREAD: &str = "tenant";
/// A hundred questions on the tenant network.
const PROBING: Duration = Duration::from_millis(500);
const LEAST_TRAFFIC_BPS: u64 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_oneself_is_read_to_a_byte() {
        let instrument = tcp_info();
        if instrument.skipped.is_none() {
            let cost = instrument.cost.as_ref().map(|cost| cost.cpu_us);
            assert!(cost.is_some_and(|us| us > 0.0), "{instrument:?}");
        }
    }
}
