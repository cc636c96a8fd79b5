//! Instruments that read the kernel's counts of other processes: CPU time, context switches, system calls.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lmbench_harness::agent::{METER_INTERVAL, METER_LOOK_AROUND};
use lmbench_harness::cpu::{self, CpuTime};
use lmbench_harness::sockets::Owner;
use lmbench_harness::switches;
use lmbench_harness::syscalls::Counter;

use super::skipped;
use super::timing::{Timed, single, smallest_step, steps, time, usual_step};
use crate::record::{Instrument, Resolution, ResolutionFrom, ResolutionUnit};
use crate::run::CPU_INTERVAL;

/// All that are read of a QEMU and of carriers. `process` is what the cost is measured on: it depends on the number of threads.
pub(super) fn instruments(process: u32) -> Vec<Instrument> {
    let threads = cpu::of_threads(process).len();
    let steps = Steps::of_busy_process().unwrap_or_default();
    let whole = time(1, || {
        cpu::of_process(process);
    });
    let of_threads = time(1, || {
        cpu::of_threads(process);
    });
    let reading = |instrument: Instrument, timed: Timed, resolution: Option<Resolution>| {
        instrument
            .costs("reading", timed.cpu_us, None)
            .every(CPU_INTERVAL)
            .tells_apart(resolution)
            .takes(timed.wall_us)
    };
    let total = Instrument::new(
        "cpu-process",
        "CPU time of a process: its clock and /proc/PID/stat",
        &[
            "cpu_qemu_source_s_per_gib",
            "cpu_carrier_source_s_per_gib",
            "agent_cpu_share",
        ],
    );
    let split = Instrument::new(
        "cpu-split",
        "its parts in user mode and in the kernel, in the same reading",
        &[
            "cpu_qemu_user_source_s_per_gib",
            "cpu_qemu_system_source_s_per_gib",
        ],
    );
    let by_thread = Instrument::new(
        "cpu-threads",
        "CPU time of each thread: /proc/PID/task/TID/schedstat",
        &[
            "cpu_qemu_without_vcpus_source_s_per_gib",
            "cpu_migration_qemu_source_s_per_gib",
        ],
    );
    vec![
        reading(total, whole, steps.total).note("the step is that of a process that runs all the time, which is as of its last scheduler tick; one that sleeps is exact"),
        reading(split, whole, steps.split).note("the cost is that of the same reading, not of another"),
        reading(by_thread, of_threads, steps.thread).note(format!(
            "cost of a process with {threads} threads; the step as for the whole process"
        )),
        context_switches(process, threads),
    ]
}

fn context_switches(process: u32, threads: usize) -> Instrument {
    let mut ledger = switches::Ledger::begin(process, Vec::new());
    let timed = time(1, || ledger.read());
    let tells = &[
        "voluntary_switches_qemu_source_per_gib",
        "involuntary_switches_qemu_source_per_gib",
    ];
    Instrument::new(
        "context-switches",
        "context switches of each thread: /proc/PID/task/TID/status",
        tells,
    )
    .costs("reading", timed.cpu_us, None)
    .every(METER_INTERVAL * METER_LOOK_AROUND as u32)
    .tells_apart(fewest_switches())
    .takes(timed.wall_us)
    .note(format!("cost of a process with {threads} threads"))
}

/// The least by which the count of this process rises when it sleeps.
fn fewest_switches() -> Option<Resolution> {
    let mut ledger = switches::Ledger::begin(std::process::id(), Vec::new());
    let counts = (0..SLEEPS).filter_map(|_| {
        sleep(Duration::from_millis(1));
        ledger.read();
        ledger.of(Owner::Qemu).map(|counted| counted.voluntary)
    });
    let fewest = steps(counts.collect::<Vec<u64>>()).into_iter().min()?;
    Some(Resolution {
        value: fewest as f64,
        unit: ResolutionUnit::Count,
        from: ResolutionFrom::Measured,
    })
}

/// Off unless a scenario asks for it, since it lengthens every call of the host.
pub(super) fn system_calls() -> Instrument {
    let tells = &[
        "syscalls_qemu_source_per_gib",
        "syscalls_carrier_source_per_gib",
    ];
    let instrument = Instrument::new(
        "system-calls",
        "system calls, counted by the kernel's trace point; off unless asked for",
        tells,
    );
    let call = || {
        std::hint::black_box(rustix::process::getppid());
    };
    let without = time(CALLS, call);
    let counter = match Counter::begin(&[std::process::id()]) {
        Ok(counter) => counter,
        Err(reason) => return skipped(instrument, reason),
    };
    let with = time(CALLS, call);
    let before = counter.read();
    call();
    let step = counter
        .read()
        .zip(before)
        .map(|(after, before)| after - before);
    if step.is_none_or(|step| step == 0) {
        return skipped(instrument, "the trace point counted nothing");
    }
    let longer_us = with.cpu_us - without.cpu_us;
    if longer_us <= 0.0 {
        return skipped(instrument, "this machine is too busy to tell what it costs");
    }
    instrument
        .costs("call counted", longer_us, None)
        .tells_apart(single(ResolutionUnit::Count))
        .takes(longer_us)
}

/// Steps of the CPU time of a process with one thread that never sleeps.
#[derive(Debug, Default)]
struct Steps {
    total: Option<Resolution>,
    split: Option<Resolution>,
    thread: Option<Resolution>,
}

impl Steps {
    /// `None` if there is no such process.
    fn of_busy_process() -> Option<Steps> {
        let busy = Busy::start()?;
        let (mut totals, mut splits, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        let deadline = Instant::now() + STEPS_WITHIN;
        while Instant::now() < deadline && steps(splits.iter().copied()).len() < STEPS {
            let CpuTime {
                total_ns,
                user_ns,
                system_ns,
            } = cpu::of_process(busy.0.id())?;
            totals.push(total_ns);
            splits.push(user_ns + system_ns);
            threads.extend(
                cpu::of_threads(busy.0.id())
                    .first()
                    .map(|thread| thread.cpu_ns),
            );
        }
        Some(Steps {
            total: usual_step(&steps(totals)),
            // One that was preempted shows a part of a tick.
            thread: usual_step(&steps(threads)),
            split: smallest_step(&steps(splits)),
        })
    }
}

/// A child that does nothing but take CPU time, until it is dropped.
struct Busy(Child);

impl Busy {
    fn start() -> Option<Busy> {
        let mut shell = Command::new("/bin/sh");
        // It ends by itself: should this process be killed, nobody else would end it.
        shell.args(["-c", "i=0; while [ $i -lt 5000000 ]; do i=$((i+1)); done"]);
        shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        shell.spawn().ok().map(Busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Changes of the coarsest count that are enough.
const STEPS: usize = 6;
/// Far longer than those take at 100 ticks a second, even where others want the CPU too.
const STEPS_WITHIN: Duration = Duration::from_secs(5);
const CALLS: u32 = 200;
const SLEEPS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_this_process_cost_and_step() {
        for instrument in instruments(std::process::id()) {
            let cost = instrument.cost.as_ref().map(|cost| cost.cpu_us);
            assert!(cost.is_some_and(|us| us > 0.0), "{instrument:?}");
            let step = instrument.resolution.as_ref().map(|it| it.value);
            assert!(step.is_some_and(|step| step > 0.0), "{instrument:?}");
        }
    }

    #[test]
    fn system_calls_cost_or_the_reason_is_said() {
        let instrument = system_calls();
        assert!(
            instrument.cost.is_some() != instrument.skipped.is_some(),
            "{instrument:?}"
        );
    }
}
