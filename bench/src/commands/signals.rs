//! The signals that end a command in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Failed};

/// Ctrl-C, and what a terminal that closes, a service manager or a CI runner sends to end a job.
pub(super) struct Signals([Option<Signal>; 3]);

impl Signals {
    /// From now on these signals end nothing by themselves.
    pub(super) fn catch() -> Result<Self, Failed> {
        let catch = |kind: SignalKind| {
            signal(kind).map_err(|error| {
                Failed::new(Exit::Internal, format!("can't catch signals: {error}"))
            })
        };
        // `nohup lmbench run …` is meant to outlive its terminal.
        let hang_up = (!is_ignored(SignalKind::hangup()))
            .then(|| catch(SignalKind::hangup()))
            .transpose()?;
        Ok(Signals([
            Some(catch(SignalKind::interrupt())?),
            Some(catch(SignalKind::terminate())?),
            hang_up,
        ]))
    }

    /// The next of them.
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            () = heard(interrupt) => {}
            () = heard(terminate) => {}
            () = heard(hang_up) => {}
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started this program wants it to ignore a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
