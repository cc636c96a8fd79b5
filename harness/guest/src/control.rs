//! The control port: one JSON document per line, each answered; what is not understood is answered with a reason.

use std::sync::Arc;
use std::thread::{Builder, sleep};
use std::time::Duration;

use lmbench_guest::clock::monotonic_ns;
use lmbench_guest::readings::Reporter;
use lmbench_guest::spec::WorkloadSpec;
use lmbench_guest::wire::{FromGuest, ToGuest, to_line};
use lmbench_guest::workload::Workload;

use crate::heartbeat::sleep_until;
use crate::port::Port;
use crate::{heartbeat, machine, realtime};

/// Does what the host says, for ever.
pub(crate) fn serve(port: &Arc<Port>, heartbeat: Port) -> ! {
    let mut session = Session {
        port: Arc::clone(port),
        heartbeat: Some(heartbeat),
        workload: None,
    };
    send(port, &machine::hello());
    let mut lines = Lines::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match port.receive(&mut buffer) {
            Ok(Some(count)) => {
                for line in lines.push(&buffer[..count]) {
                    let answer = line.and_then(|line| session.answer(&line));
                    if let Some(answer) =
                        answer.unwrap_or_else(|reason| Some(FromGuest::Failed { reason }))
                    {
                        send(port, &answer);
                    }
                }
            }
            // Half a line of a host that has gone is of no use to the next one.
            Ok(None) => lines = Lines::default(),
            Err(error) => {
                eprintln!("lmbench-guest: reading the control port failed: {error}");
                sleep(RETRY);
            }
        }
    }
}

/// What lasts from message to message.
struct Session {
    port: Arc<Port>,
    heartbeat: Option<Port>,
    workload: Option<Workload>,
}

impl Session {
    /// Executes one message; the answer to send, if there is one.
    fn answer(&mut self, line: &[u8]) -> Result<Option<FromGuest>, String> {
        let message = serde_json::from_slice(line)
            .map_err(|error| format!("a message is not understood: {error}"))?;
        match message {
            ToGuest::Hello => Ok(Some(machine::hello())),
            ToGuest::Start {
                workload,
                heartbeat_interval_ns,
                report_interval_ns,
            } => {
                self.start(
                    &workload,
                    Duration::from_nanos(heartbeat_interval_ns),
                    Duration::from_nanos(report_interval_ns),
                )?;
                Ok(None)
            }
            ToGuest::Verify => Ok(Some(FromGuest::Verified(self.workload()?.verify()))),
            ToGuest::Continue if self.workload()?.resume() => Ok(None),
            ToGuest::Continue => Err("the workload is not stopped".into()),
        }
    }

    fn workload(&mut self) -> Result<&mut Workload, String> {
        self.workload
            .as_mut()
            .ok_or_else(|| "no workload has been started".into())
    }

    fn start(
        &mut self,
        spec: &WorkloadSpec,
        heartbeat_interval: Duration,
        report_interval: Duration,
    ) -> Result<(), String> {
        if self.workload.is_some() {
            return Err("a workload has been started already; a guest runs one in its life".into());
        }
        if report_interval.is_zero() {
            return Err("a report interval of 0".into());
        }
        let workload = Workload::start(spec, machine::memory_available_bytes())
            .map_err(|error| error.to_string())?;
        let workload = self.workload.insert(workload);
        let ready = FromGuest::Ready {
            pages: workload.pages,
            fill_ns: workload.fill_ns,
            overhead_ns_per_operation: workload.overhead_ns_per_operation,
        };
        send(&self.port, &ready);
        let (port, reporter) = (Arc::clone(&self.port), workload.reporter());
        spawn("reports", move || report(&port, reporter, report_interval))?;
        if !heartbeat_interval.is_zero()
            && let Some(port) = self.heartbeat.take()
        {
            spawn("heartbeat", move || {
                heartbeat::run(&port, heartbeat_interval)
            })?;
        }
        workload.resume();
        Ok(())
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = Builder::new()
        .name(name.into())
        .stack_size(STACK_BYTES)
        .spawn(body);
    thread
        .map(drop)
        .map_err(|error| format!("starting the {name} thread failed: {error}"))
}

fn report(port: &Port, mut reporter: Reporter, interval: Duration) -> ! {
    if let Err(error) = realtime::schedule(realtime::REPORTS) {
        eprintln!("lmbench-guest: the reports have no real-time priority: {error}");
    }
    let interval_ns = interval.as_nanos() as u64;
    let mut due_ns = monotonic_ns();
    loop {
        // After a stall the schedule starts anew: a report states its interval.
        due_ns = sleep_until((due_ns + interval_ns).max(monotonic_ns()));
        send(port, &FromGuest::Report(reporter.report(monotonic_ns())));
    }
}

fn send(port: &Port, message: &FromGuest) {
    if let Err(error) = port.send(&to_line(message)) {
        eprintln!("lmbench-guest: a message was not sent: {error}");
    }
}

/// Cuts what comes into lines.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines completed by `bytes`. A line that never ends is dropped, with a complaint.
    fn push(&mut self, bytes: &[u8]) -> Vec<Result<Vec<u8>, String>> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                if !line.trim_ascii().is_empty() {
                    lines.push(Ok(line));
                }
            } else if self.rest.len() > LINE_IN_BYTES_MAX {
                self.rest.clear();
                lines.push(Err(format!(
                    "a message is longer than {LINE_IN_BYTES_MAX} bytes"
                )));
            }
        }
        lines
    }
}

const READ_BYTES: usize = 64 << 10;
const LINE_IN_BYTES_MAX: usize = 1 << 20;
const STACK_BYTES: usize = 256 << 10;
const RETRY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    // However the bytes are cut, the lines are the same; empty ones are none.
    #[test]
    fn lines_come_whole() {
        for size in 1..8 {
            let mut lines = Lines::default();
            let found: Vec<Vec<u8>> = b"one\n\ntwo\nthree"
                .chunks(size)
                .flat_map(|chunk| lines.push(chunk))
                .map(Result::unwrap)
                .collect();
            assert_eq!(found, [b"one\n".to_vec(), b"two\n".to_vec()]);
            assert_eq!(lines.rest, b"three");
        }
    }

    #[test]
    fn endless_lines_are_dropped() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'x'; LINE_IN_BYTES_MAX + 1])[0].is_err());
        assert_eq!(lines.push(b"next\n"), [Ok(b"next\n".to_vec())]);
    }
}
