//! What carriers count by themselves, and the capture of a stream.

use std::io;

use lmbench_transport::capture::{Direction, Entry, Totals, What, Writer};
use lmbench_transport::relay::Counters;
use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

use super::skipped;
use super::timing::{single, time};
use crate::record::{Instrument, ResolutionUnit};

/// The carriers' count of bytes and of the moments in which they were moved.
pub(super) fn relay_count() -> Instrument {
    let counters = Counters::default();
    let timed = time(1000, || counters.count_sent(1));
    let before = counters.sent_bytes();
    counters.count_sent(1);
    let counted = counters.sent_bytes() - before == 1;
    let tells = &[
        "wire_bytes",
        "channel_bytes_max",
        "blackout_send_ms",
        "blackout_drain_ms",
    ];
    Instrument::new(
        "carrier-count",
        "bytes that a carrier moved, and when it last did",
        tells,
    )
    .costs("chunk", timed.cpu_us, None)
    .tells_apart(counted.then(|| single(ResolutionUnit::Bytes)))
    .takes(timed.wall_us)
    .note("a chunk has up to 256 KiB; the stream sets the pace")
}

/// Writing a stream down, where somebody wants that: what it takes without the disk.
pub(super) fn capture() -> Instrument {
    let instrument = Instrument::new(
        "capture",
        "every byte of the stream, written down by `lmbench capture`; off unless asked for",
        &[],
    );
    match captured() {
        Ok((timed, whole)) => instrument
            .costs("MiB", timed.0, None)
            .tells_apart(whole.then(|| single(ResolutionUnit::Bytes)))
            .takes(timed.1)
            .note("memory of which half is random and half is zero, compressed and thrown away"),
        Err(error) => skipped(instrument, error.to_string()),
    }
}

/// CPU time and time of a MiB, and whether every byte was written down.
fn captured() -> io::Result<((f64, f64), bool)> {
    let mut chunk = vec![0; CHUNK_BYTES];
    Pcg64Mcg::new(1).fill_bytes(&mut chunk[..CHUNK_BYTES / 2]);
    let mut writer = Writer::new(io::sink())?;
    let mut failed = None;
    let mut at_ns = 0;
    let mut write = |what| {
        at_ns += 1;
        let entry = Entry {
            at_ns,
            channel: 0,
            what,
        };
        if let Err(error) = writer.write(&entry) {
            failed = Some(error);
        }
    };
    write(What::Open);
    let mut chunks = 0;
    let timed = time(CHUNKS_PER_MIB, || {
        chunks += 1;
        write(What::Bytes {
            direction: Direction::ToDestination,
            bytes: &chunk,
        });
    });
    let Totals {
        to_destination_bytes,
        ..
    } = writer.totals();
    if let Some(error) = failed {
        return Err(error);
    }
    let mib = f64::from(CHUNKS_PER_MIB);
    let whole = to_destination_bytes == chunks * CHUNK_BYTES as u64;
    Ok(((timed.cpu_us * mib, timed.wall_us * mib), whole))
}

/// As much as a relay reads at once.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_PER_MIB: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cost_something_and_lose_no_byte() {
        for instrument in [relay_count(), capture()] {
            assert!(instrument.skipped.is_none(), "{instrument:?}");
            assert!(
                instrument
                    .cost
                    .as_ref()
                    .is_some_and(|cost| cost.cpu_us > 0.0)
            );
            assert_eq!(instrument.resolution.map(|it| it.value), Some(1.0));
        }
    }
}
