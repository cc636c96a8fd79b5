//! What lmbench's own instruments cost, and how finely they tell: measured on this machine, for `lmbench doctor --calibrate`.
//!
//! One function for each instrument, all of which use the code that runs use. `processes` are instruments that read other processes' counts,
//! `network` those of connections and packets, `carrier` the carriers' own, `guest` those that need a guest, which is booted once;
//! `timing` times them and judges their steps. To add an instrument: a function, and its call in one of these modules.
//!
//! What is measured is measured; an interval is a setting, and is taken from the constant that runs take it from. An instrument that
//! can't be used here says why. Nothing here knows the file or the report.

mod carrier;
mod clock;
mod guest;
mod network;
mod processes;
mod settings;
mod timing;

use std::time::Instant;

use jiff::Timestamp;
use lmbench_harness::host::HostInfo;

use crate::record::{CalibratedMachine, Calibration, Instrument};

/// Measures every instrument, one after the other: they would be in each other's way. Must be called on a thread that lives as long as
/// the guest shall, within a runtime of one thread, whose CPU time is taken for lmbench's.
pub async fn calibrate() -> Calibration {
    let (started, began) = (Timestamp::now(), Instant::now());
    let mut instruments = vec![clock::host()];
    let guest::Guest {
        qemu,
        accelerator,
        instruments: of_guest,
    } = guest::instruments().await;
    instruments.extend(of_guest);
    instruments.extend([
        network::tcp_info(),
        network::tenant_probe(),
        network::background_probe().await,
        carrier::relay_count(),
        carrier::capture(),
        processes::system_calls(),
    ]);
    let host = HostInfo::examine();
    Calibration {
        measured: format!("{started:.3}"),
        took_s: began.elapsed().as_secs_f64(),
        machine: CalibratedMachine {
            lmbench: host.lmbench,
            qemu,
            accelerator,
            kernel: host.kernel,
            cpu: host.cpu,
            cores: host.cores,
        },
        instruments,
    }
}

/// One that can't be measured here.
fn skipped(instrument: Instrument, why: impl Into<String>) -> Instrument {
    Instrument {
        skipped: Some(why.into()),
        ..instrument
    }
}
