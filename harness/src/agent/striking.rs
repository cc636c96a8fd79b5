//! The agent's part in a fault: it kills and freezes what it has started itself, and nothing else.
//!
//! A process that was killed is noticed like any that dies; nothing here knows what for it was done.

use rustix::process::{Pid, Signal, kill_process_group};

use super::failures::refused;
use super::protocol::Failure;
use super::serve::Agent;
use crate::spec::{Blow, Part};

impl Agent {
    /// Strikes the process groups of a part.
    pub(super) async fn strike(&self, part: Part, blow: Blow) -> Result<Vec<u32>, Failure> {
        // Held meanwhile: carriers are reaped only by whoever holds it, so that no id is another's by now.
        let repeat = self.repeat.lock().await;
        let pids = match part {
            Part::Carrier => repeat.carrier_pids(),
            Part::Qemu => repeat
                .guests()
                .filter(|guest| guest.lives())
                .filter_map(|guest| guest.process())
                .collect(),
        };
        let lived: Vec<u32> = pids.into_iter().filter(|pid| strike(*pid, blow)).collect();
        if lived.is_empty() {
            return Err(refused(match part {
                Part::Carrier => "no carrier runs on this host",
                Part::Qemu => "no QEMU runs on this host",
            }));
        }
        Ok(lived)
    }
}

/// Whether it lived. A zombie takes signals too, and they do nothing.
fn strike(pid: u32, blow: Blow) -> bool {
    let signal = match blow {
        Blow::Kill => Signal::KILL,
        Blow::Freeze => Signal::STOP,
        Blow::Thaw => Signal::CONT,
    };
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| kill_process_group(group, signal).is_ok())
}
