//! One direction of a link: reads frames from one device, keeps them as long as the model says, writes them to the other.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::buffers::{Buffers, LARGEST, Stored};
use super::delay_line::DelayLine;
use super::lateness::Lateness;
use super::model::{Model, Run, Shape};
use super::protocol::DirectionReport;
use super::realtime;
use super::segment::{cut_out, packet_of};
use crate::clock::monotonic_ns;

/// What the thread of a direction shares with whoever commands it.
#[derive(Debug, Clone)]
pub(super) struct Direction {
    state: Arc<Mutex<State>>,
    realtime: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    model: Model,
    lateness: Lateness,
    memory_dropped: u64,
    refused: u64,
}

impl Direction {
    pub(super) fn new(shape: Shape, seed: u64) -> Direction {
        let state = State {
            model: Model::new(shape, seed),
            lateness: Lateness::new(),
            memory_dropped: 0,
            refused: 0,
        };
        Direction {
            state: Arc::new(Mutex::new(state)),
            realtime: Arc::default(),
        }
    }

    /// Tells the model something; it holds for what enters from now on.
    pub(super) fn command(&self, command: impl FnOnce(&mut Model)) {
        command(&mut self.lock().model);
    }

    pub(super) fn is_realtime(&self) -> bool {
        self.realtime.load(Ordering::Relaxed)
    }

    /// What it has counted; from zero again if so asked.
    pub(super) fn report(&self, restart: bool) -> DirectionReport {
        let mut state = self.lock();
        let report = state.report();
        if restart {
            state.model.forget_counts();
            state.lateness = Lateness::new();
            (state.memory_dropped, state.refused) = (0, 0);
        }
        report
    }

    /// Moves frames until a device is gone; says what the kernel said then.
    pub(super) fn run(&self, from: &OwnedFd, to: &OwnedFd) -> Errno {
        self.realtime.store(realtime::enter(), Ordering::Relaxed);
        let mut mover = Mover {
            from,
            to,
            buffers: Buffers::new(),
            line: DelayLine::new(),
            on_the_way: 0,
            runs: Vec::new(),
        };
        loop {
            if let Err(error) = mover.turn(self) {
                return error;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn report(&self) -> DirectionReport {
        let counts = self.model.counts();
        DirectionReport {
            packets: counts.packets,
            frames: counts.frames,
            bytes: counts.bytes,
            lost_frames: counts.lost,
            queue_dropped_frames: counts.queue_dropped,
            cut_frames: counts.cut,
            cut_at_ns: counts.cut_at_ns,
            early_frames: counts.early,
            device_dropped_packets: 0,
            memory_dropped_packets: self.memory_dropped,
            refused_packets: self.refused,
            queue_bytes_max: counts.queue_bytes_max,
            late_us_p50: self.lateness.quantile_us(0.5),
            late_us_p99: self.lateness.quantile_us(0.99),
            late_us_max: self.lateness.max_us(),
        }
    }
}

struct Mover<'a> {
    from: &'a OwnedFd,
    to: &'a OwnedFd,
    buffers: Buffers,
    line: DelayLine<Stored>,
    /// Memory of what the line holds.
    on_the_way: usize,
    runs: Vec<Run>,
}

impl Mover<'_> {
    /// Delivers what is due, takes what has come, and waits if there was nothing.
    fn turn(&mut self, direction: &Direction) -> Result<(), Errno> {
        let moved = {
            let mut state = direction.lock();
            self.deliver(&mut state)?;
            self.take(&mut state)?
        };
        if moved { Ok(()) } else { self.wait() }
    }

    fn deliver(&mut self, state: &mut State) -> Result<(), Errno> {
        for _ in 0..BATCH {
            let now_ns = monotonic_ns();
            let Some((due_ns, packet)) = self.line.pop(now_ns + GRAIN_NS) else {
                break;
            };
            match rustix::io::write(self.to, packet.bytes()) {
                Ok(_) => state.lateness.record(now_ns.saturating_sub(due_ns)),
                Err(Errno::BADFD) => return Err(Errno::BADFD),
                // A device that is down, or has no memory, loses what it gets, as a real one does.
                Err(_) => state.refused += 1,
            }
            self.on_the_way -= packet.footprint();
            self.buffers.give_back(packet);
        }
        Ok(())
    }

    /// Whether there was anything.
    fn take(&mut self, state: &mut State) -> Result<bool, Errno> {
        let mut any = false;
        for _ in 0..BATCH {
            let mut buffer = self.buffers.take(LARGEST);
            match rustix::io::read(self.from, &mut buffer[..]) {
                Ok(len) => self.admit(state, buffer, len),
                Err(Errno::INTR) => self.buffers.give(buffer),
                Err(error) => {
                    self.buffers.give(buffer);
                    return if error == Errno::AGAIN {
                        Ok(any)
                    } else {
                        Err(error)
                    };
                }
            }
            any = true;
        }
        Ok(any)
    }

    fn admit(&mut self, state: &mut State, buffer: Vec<u8>, len: usize) {
        let packet = packet_of(&buffer[..len]);
        let mut runs = std::mem::take(&mut self.runs);
        state.model.admit(monotonic_ns(), packet, &mut runs);
        if self.on_the_way > MEMORY_MAX {
            state.memory_dropped += 1;
            runs.clear();
        }
        if let [run] = &runs[..]
            && run.frames == (0..packet.frames())
        {
            let stored = self.buffers.settle(buffer, len);
            self.hold(run, stored);
        } else {
            for run in &runs {
                let mut part = self.buffers.take(LARGEST);
                let part_len = cut_out(&buffer[..len], packet, run.frames.clone(), &mut part);
                let stored = self.buffers.settle(part, part_len);
                self.hold(run, stored);
            }
            self.buffers.give(buffer);
        }
        self.runs = runs;
    }

    fn hold(&mut self, run: &Run, stored: Stored) {
        self.on_the_way += stored.footprint();
        self.line.push(run.arrives_ns, run.early, stored);
    }

    fn wait(&self) -> Result<(), Errno> {
        let timeout = match self.line.next_ns() {
            None => None,
            Some(next_ns) => {
                let left_ns = next_ns.saturating_sub(monotonic_ns());
                if left_ns <= GRAIN_NS {
                    return Ok(());
                }
                Some(Timespec {
                    tv_sec: (left_ns / 1_000_000_000).cast_signed(),
                    tv_nsec: (left_ns % 1_000_000_000).cast_signed(),
                })
            }
        };
        let mut devices = [PollFd::new(self.from, PollFlags::IN)];
        match poll(&mut devices, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let gone = PollFlags::ERR | PollFlags::NVAL | PollFlags::HUP;
        if devices[0].revents().intersects(gone) {
            return Err(Errno::BADFD);
        }
        Ok(())
    }
}

/// Packets in a row before the other side of the work gets its turn: some 30 us.
const BATCH: usize = 16;
/// What is due within this time is delivered now: less than it takes to sleep and to wake.
const GRAIN_NS: u64 = 5_000;
/// Memory for what is on the way: a second of 4 Gbit/s. TCP's own windows end far below.
const MEMORY_MAX: usize = 512 << 20;
