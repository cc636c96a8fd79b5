//! What flows while nothing happens: the stream, the guest's work, its writes, its faults.

use std::time::Duration;

use super::{Arrival, Migration, Pace, Stage, Step};
use crate::counters::{Headers, When};
use crate::dirty::DUST_PAGES;
use crate::status::{Side, Status};
use crate::stream::Rates;
use crate::time::{PAGE_BYTES, later};

impl Migration {
    /// Everything until `at`, at the rates of now.
    pub(super) fn flow(&mut self, at: Duration) {
        let time = at.saturating_sub(self.now);
        let seconds = time.as_secs_f64();
        if seconds > 0.0 {
            let pace = self.pace();
            self.pace = Some(pace);
            let before = self.stream.backlog();
            let accepted = self.send(seconds);
            self.deliver(accepted + before - self.stream.backlog());
            self.work(time, pace.speed * seconds, pace.wait_s);
        }
        self.now = self.now.max(at);
    }

    /// How fast the guest gets on, from 0 (it stands still) to 1.
    pub fn speed(&self) -> f64 {
        self.pace().speed
    }

    /// What it is, from when something happened to when the next thing does.
    fn pace(&self) -> Pace {
        self.pace.unwrap_or_else(|| Pace {
            speed: self.speed_now(),
            wait_s: self.fault_wait_s(),
        })
    }

    fn speed_now(&self) -> f64 {
        let vcpus = f64::from(self.machine.vcpus.max(1));
        match self.guest.runs_on {
            None => 0.0,
            Some(Side::Source) => {
                let share = 1.0 - f64::from(self.throttle.percentage()) / 100.0;
                let tracked = self.status == Status::Active;
                let faults = if tracked {
                    self.memory.first_writes_per_s()
                } else {
                    0.0
                };
                share / (1.0 + faults * self.machine.write_fault.as_secs_f64() / vcpus)
            }
            Some(Side::Destination) if self.warming() => 0.0,
            Some(Side::Destination) => {
                let faults = if self.postcopy && self.memory.dirty() > DUST_PAGES {
                    self.memory.faults_per_s()
                } else {
                    0.0
                };
                if faults > 0.0 {
                    1.0 / (1.0 + faults * self.fault_wait_s() / vcpus)
                } else {
                    1.0
                }
            }
        }
    }

    /// Whether the guest came to the destination so lately that it does not get on yet.
    pub(super) fn warming(&self) -> bool {
        self.guest.runs_on == Some(Side::Destination) && self.warm_until > self.now
    }

    /// Whether a guest runs that may have to wait for pages.
    pub(super) fn fetching(&self) -> bool {
        self.postcopy
            && self.guest.runs_on == Some(Side::Destination)
            && self.memory.dirty() > DUST_PAGES
            && !matches!(self.stage, Stage::Lost | Stage::Ended)
    }

    /// Bytes per second into the buffers and out of them, for what is in the bitmap now.
    pub(super) fn rates(&self) -> Rates {
        let connected = !matches!(
            self.stage,
            Stage::Lost | Stage::Timed(Step::Reconnecting | Step::Agreeing)
        );
        let path = if self.link_up && connected {
            let alone = self.guest.runs_on.is_none();
            let rate = if alone {
                self.path.rate_alone()
            } else {
                self.path.rate()
            };
            rate * self.luck
        } else {
            0.0
        };
        let batch = self.memory.batch(1.0, self.compressed());
        if batch.pages() <= 0.0 {
            return Rates {
                source: self.path.source_rate(),
                path,
            };
        }
        let bytes = self.headers().wire_bytes(batch) / batch.pages();
        let compress_s = self.settings.compression_s_per_gib.unwrap_or(0.0)
            * if self.compressed() { PAGE_BYTES } else { 0.0 }
            / GIB
            / f64::from(self.path.channels.max(1));
        let scan_s = batch.zero / batch.pages() * PAGE_BYTES / GIB * ZERO_SCAN_S_PER_GIB;
        Rates {
            source: bytes / (bytes / self.path.source_rate() + scan_s + compress_s),
            path,
        }
    }

    /// The bytes of the pages of one class that are sent next.
    pub(super) fn next_bytes(&self) -> f64 {
        let batch = self
            .memory
            .batch(self.memory.next_pages(), self.compressed());
        self.headers().wire_bytes(batch)
    }

    /// When `bytes` are off QEMU's hands.
    pub(super) fn sent_at(&self, bytes: f64) -> Option<Duration> {
        later(self.now, self.stream.offer_s(self.rates(), bytes.max(0.0)))
    }

    pub(super) fn headers(&self) -> Headers {
        if self.settings.multifd {
            Headers::MULTIFD
        } else {
            Headers::PLAIN
        }
    }

    pub(super) fn compressed(&self) -> bool {
        self.settings.multifd && self.settings.compression_s_per_gib.is_some()
    }

    /// The stream for `seconds`; the bytes that it took.
    fn send(&mut self, seconds: f64) -> f64 {
        let rates = self.rates();
        let sending = matches!(
            self.stage,
            Stage::Sending | Stage::Completing | Stage::Flushing
        );
        let (pages, bytes) = (self.memory.next_pages(), self.next_bytes());
        if !sending || bytes <= 0.0 {
            self.stream.drain(rates.path, seconds);
            return 0.0;
        }
        let accepted = self.stream.offer(rates, seconds).min(bytes);
        let pages = pages * accepted / bytes;
        let batch = self.memory.batch(pages, self.compressed());
        self.memory.take(pages);
        let bytes = self.headers().wire_bytes(batch);
        self.counters.stream_bytes += bytes;
        self.counters.sent(batch, bytes, self.when());
        accepted
    }

    fn when(&self) -> When {
        match self.guest.runs_on {
            Some(Side::Source) => When::Precopy,
            _ if self.postcopy => When::Postcopy,
            _ => When::Downtime,
        }
    }

    /// Bytes reach the destination, and with them perhaps the guest.
    fn deliver(&mut self, bytes: f64) {
        if let Arrival::Flying(left) = &mut self.arrival {
            *left -= bytes;
        }
    }

    /// The guest's work.
    fn work(&mut self, time: Duration, work_s: f64, wait_s: f64) {
        if self.guest.runs_on.is_none() {
            self.guest.stopped += time;
            return;
        }
        self.guest.running += time;
        self.guest.work_s += work_s;
        let fetching = self.fetching();
        if fetching && work_s > 0.0 {
            self.fetch(work_s, wait_s);
        }
        self.memory.write(time.as_secs_f64(), work_s);
    }

    /// The pages that the guest asked for meanwhile.
    fn fetch(&mut self, work_s: f64, wait_s: f64) {
        let batch = self.memory.fetch(work_s);
        let bytes = Headers::PLAIN.wire_bytes(batch);
        self.counters.sent(batch, bytes, When::Postcopy);
        self.counters.requests += batch.pages();
        if !self.settings.postcopy_preempt {
            self.counters.stream_bytes += bytes;
        }
        if wait_s.is_finite() {
            self.guest.waits.add(batch.pages(), wait_s);
        }
    }

    /// How long a page takes that post-copy's guest asks for now.
    ///
    /// On the stream itself it waits behind what QEMU has written already, and while the limit lets QEMU sleep for
    /// as long as that sleeps (a vCPU that was served when the burst began is back before the sleep does):
    /// `qemu_savevm_state_iterate` sends nothing above the limit. On a connection of its own it waits behind the
    /// link's queue only.
    pub(super) fn fault_wait_s(&self) -> f64 {
        let rates = self.rates();
        if rates.path <= 0.0 {
            return f64::INFINITY;
        }
        let rtt_s = self.path.rtt.as_secs_f64() + FAULT_HANDLING_S;
        let ahead = match self.stage {
            _ if self.settings.postcopy_preempt => self.stream.backlog().min(self.path.queue_bytes),
            Stage::Timed(Step::Sleeping) => {
                let sleep = self.stage_until.saturating_sub(self.stage_since);
                return rtt_s + sleep.as_secs_f64();
            }
            // Those who ask while QEMU writes wait ever longer, up to what it may write yet.
            _ => {
                let written = self
                    .window_left()
                    .min(self.memory.dirty() * PAGE_BYTES)
                    .max(0.0);
                (self.stream.backlog() + written).min(self.path.buffer_bytes)
            }
        };
        rtt_s + (ahead + PAGE_BYTES) / rates.path
    }
}

const GIB: f64 = (1_u64 << 30) as f64;
/// 0.4 µs a page: 212 000 zero pages in 78 ms, `duplicate` in the samples of run 20261201-134438-metering-fc10.
const ZERO_SCAN_S_PER_GIB: f64 = 0.105;
/// userfaultfd, request, lookup, placement: 0.1 ms was the least mean wait seen with preempt (part3.md).
const FAULT_HANDLING_S: f64 = 60e-6;
