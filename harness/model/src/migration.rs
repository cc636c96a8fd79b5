//! One migration in virtual time: QEMU's loop (`migration_thread`, `migration/migration.c` of 10.0) over a guest's
//! memory and a path.
//!
//! A fluid between events: bytes, pages and writes flow at rates that hold until the next thing happens, so that a
//! minute takes some thousand steps. Nothing happens but in [`Migration::advance`] and the commands; both take
//! effect at exactly [`Migration::now`].

mod command;
mod flow;
mod postcopy;
mod precopy;
mod switchover;

use std::time::Duration;

use crate::counters::Counters;
use crate::dirty::{DUST_PAGES, DirtyLog};
use crate::guest::{Guest, Machine};
use crate::memory::Memory;
use crate::path::Path;
use crate::random::Random;
use crate::settings::Settings;
use crate::status::{Event, EventKind, RamStats, Side, Stats, Status};
use crate::stream::{Stream, Window};
use crate::throttle::Throttle;
use crate::time::{PAGE_BYTES, earliest, later, length};
pub use command::Refused;

/// A guest on its way, or not yet.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is told from outside, or once for all"
)]
pub struct Migration {
    machine: Machine,
    path: Path,
    settings: Settings,
    memory: DirtyLog,
    random: Random,
    /// What chance makes of the path's rate in this window.
    luck: f64,
    link_up: bool,
    now: Duration,
    status: Status,
    stage: Stage,
    stage_since: Duration,
    stage_until: Duration,
    arrival: Arrival,
    stream: Stream,
    window: Window,
    throttle: Throttle,
    /// Next tick of auto-converge's own sync and the passes at the last one.
    sync_timer: Option<(Duration, u64)>,
    counters: Counters,
    started: Duration,
    setup_time: Duration,
    expected_downtime: Duration,
    stopped: Option<Duration>,
    downtime: Option<Duration>,
    ended: Option<Duration>,
    postcopy_wanted: bool,
    /// Whether the switch-over is, or was, to post-copy.
    postcopy: bool,
    warm_until: Duration,
    /// When waits for pages are looked at again.
    fetch_at: Duration,
    /// How the guest gets on until something happens; none if that has to be worked out.
    pace: Option<Pace>,
    /// Whose the guest is: it is there that it runs unless something stops it.
    home: Side,
    /// Whether an operator stopped it.
    held: bool,
    guest: Guest,
    events: Vec<Event>,
}

/// What the migration thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Something that takes a known time, until `stage_until`.
    Timed(Step),
    /// `ram_save_iterate`, at the longest until `stage_until`.
    Sending,
    /// `migration_maybe_pause`.
    Pausing,
    /// `ram_save_complete` of a stopped guest.
    Completing,
    /// All is sent and not yet there.
    Draining,
    /// `ram_save_complete` of post-copy.
    Flushing,
    /// `postcopy_pause`.
    Lost,
    Ended,
}

/// What takes a known time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Setup,
    /// `migration_rate_limit`.
    Sleeping,
    /// Post-copy's second connection is made.
    Connecting,
    /// Device state of the stopped guest is saved.
    Saving,
    /// The destination loads and starts.
    Loading,
    /// Post-copy's package of device state is made.
    Packing,
    /// The destination's word is on its way back.
    Closing,
    Reconnecting,
    /// Both sides compare what is missing.
    Agreeing,
}

/// How the guest gets on.
#[derive(Debug, Clone, Copy)]
struct Pace {
    speed: f64,
    /// How long a page takes that it asks for.
    wait_s: f64,
}

/// Post-copy's guest on its way to the destination.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arrival {
    None,
    /// Bytes until its device state is there.
    Flying(f64),
    Loading(Duration),
    Done,
}

impl Migration {
    /// A guest that runs on the source. The seed decides where in its cycles it is when virtual time begins, and
    /// the path's noise.
    pub fn new(
        machine: Machine,
        memory: Memory,
        path: Path,
        settings: Settings,
        seed: u64,
    ) -> Self {
        let mut random = Random::new(seed);
        let offset_s = random.unit() * memory.period_s();
        Self {
            machine,
            memory: DirtyLog::new(memory, offset_s),
            random,
            luck: 1.0,
            link_up: true,
            now: Duration::ZERO,
            status: Status::None,
            stage: Stage::Idle,
            stage_since: Duration::ZERO,
            stage_until: Duration::ZERO,
            arrival: Arrival::None,
            stream: Stream::new(path.buffer_bytes),
            window: Window::default(),
            throttle: Throttle::default(),
            sync_timer: None,
            counters: Counters::default(),
            started: Duration::ZERO,
            setup_time: Duration::ZERO,
            expected_downtime: settings.downtime_limit,
            stopped: None,
            downtime: None,
            ended: None,
            postcopy_wanted: false,
            postcopy: false,
            warm_until: Duration::ZERO,
            fetch_at: Duration::ZERO,
            pace: None,
            home: Side::Source,
            held: false,
            guest: Guest::new(),
            events: Vec::new(),
            path,
            settings,
        }
    }

    /// Virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Where the migration stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whose the guest is, whether it runs or not: the destination's from its arrival on.
    pub fn home(&self) -> Side {
        self.home
    }

    /// Whether an operator stopped the guest.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the guest is lost: its connection broke on the way to post-copy, before it ran on the destination.
    pub fn is_lost(&self) -> bool {
        self.status == Status::PostcopyPaused && self.arrival != Arrival::Done
    }

    /// The guest's own view.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// When the next thing happens by itself, not before [`now`](Self::now); none if nothing will without a command.
    pub fn next_event(&self) -> Option<Duration> {
        let at = earliest(self.stage_ends(), self.arrival_ends());
        let at = earliest(at, self.sync_timer.map(|(at, _)| at));
        let at = earliest(at, self.warming().then_some(self.warm_until));
        let at = earliest(at, self.fetching().then_some(self.fetch_at));
        at.map(|at| at.max(self.now))
    }

    /// Lets virtual time pass until `to`, and tells what happened. In how many steps makes no difference but rounding.
    pub fn advance(&mut self, to: Duration) -> Vec<Event> {
        while let Some(at) = self.next_event().filter(|at| *at <= to) {
            self.flow(at);
            self.happen();
        }
        if to > self.now {
            self.flow(to);
        }
        std::mem::take(&mut self.events)
    }

    /// Lets virtual time pass until the migration is over, pauses or waits for a command, at the longest until `limit`.
    pub fn run(&mut self, limit: Duration) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.events);
        while !self.status.is_final() && self.now < limit {
            let Some(at) = self.next_event() else { break };
            events.extend(self.advance(at.min(limit)));
        }
        events
    }

    /// What `query-migrate` tells.
    pub fn stats(&self) -> Stats {
        let end = self.ended.unwrap_or(self.now);
        let total_time = if self.status == Status::None {
            Duration::ZERO
        } else {
            end.saturating_sub(self.started)
        };
        let transfer_s = total_time.saturating_sub(self.setup_time).as_secs_f64();
        let mean = self.status == Status::Completed && transfer_s > 0.0;
        let bandwidth = if mean {
            self.counters.bytes / transfer_s
        } else {
            self.window.bandwidth
        };
        Stats {
            status: self.status,
            total_time,
            downtime: self.downtime,
            expected_downtime: self.expected_downtime,
            setup_time: self.setup_time,
            cpu_throttle_percentage: Some(self.throttle.percentage())
                .filter(|percent| *percent > 0),
            postcopy_blocktime: length(
                self.guest.waits.total_s / f64::from(self.machine.vcpus.max(1)),
            ),
            ram: RamStats {
                remaining: (self.memory.dirty() * PAGE_BYTES).round() as u64,
                total: (self.memory.pages() * PAGE_BYTES).round() as u64,
                mbps: bandwidth * 8.0 / 1e6,
                pages_per_second: self.window.pages_per_s.round() as u64,
                ..self.counters.ram(self.settings.multifd)
            },
        }
    }

    /// Bytes sent in each pass, from each dirty sync to the next.
    pub fn pass_bytes(&self) -> &[f64] {
        &self.counters.passes
    }

    fn tell(&mut self, side: Side, kind: EventKind) {
        self.events.push(Event {
            at: self.now,
            side,
            kind,
        });
    }

    /// The source's status, as its event tells.
    fn become_status(&mut self, status: Status) {
        self.status = status;
        self.pace = None;
        self.tell(Side::Source, EventKind::Migration(status));
    }

    fn enter(&mut self, stage: Stage, length: Duration) {
        self.stage = stage;
        self.pace = None;
        (self.stage_since, self.stage_until) = (self.now, self.now + length);
    }

    fn stage_ends(&self) -> Option<Duration> {
        match self.stage {
            Stage::Idle | Stage::Pausing | Stage::Lost | Stage::Ended => None,
            Stage::Timed(_) => Some(self.stage_until),
            Stage::Sending => {
                let sent = self.sent_at(self.window_left().min(self.next_bytes()));
                earliest(sent, (!self.blocked()).then_some(self.stage_until))
            }
            Stage::Completing | Stage::Flushing => self.sent_at(self.next_bytes()),
            Stage::Draining => later(self.now, self.stream.backlog() / self.rates().path),
        }
    }

    /// Whether the thread waits in `write` and does not look at the clock.
    fn blocked(&self) -> bool {
        self.rates().path <= 0.0
    }

    /// Everything that is due now.
    fn happen(&mut self) {
        self.pace = None;
        self.fetch_at = self.now + FETCH_STEP;
        if self.sync_timer.is_some_and(|(at, _)| at <= self.now) {
            self.sync_by_timer();
        }
        self.arrive();
        let empty = self.memory.dirty() <= DUST_PAGES;
        let in_time = self.stage_until > self.now;
        match self.stage {
            Stage::Idle | Stage::Pausing | Stage::Lost | Stage::Ended => {}
            Stage::Timed(_) if in_time => {}
            Stage::Timed(step) => self.end_step(step),
            Stage::Sending => {
                if empty || self.window_left() <= 1.0 || !(in_time || self.blocked()) {
                    self.end_iteration();
                }
            }
            Stage::Completing | Stage::Flushing if !empty => {}
            Stage::Completing => self.enter(Stage::Timed(Step::Saving), length(switchover::SAVE_S)),
            Stage::Flushing => self.stage = Stage::Draining,
            Stage::Draining if self.stream.backlog() > 1.0 => {}
            Stage::Draining => self.drained(),
        }
    }

    fn end_step(&mut self, step: Step) {
        match step {
            Step::Setup => self.set_up(),
            Step::Sleeping => self.wake(),
            Step::Connecting => self.stop_guest(),
            Step::Saving => self.drain(),
            Step::Loading => self.resume_there(),
            Step::Packing => self.packed(),
            Step::Closing => self.complete(),
            Step::Reconnecting => self.agree(),
            Step::Agreeing => self.go_on(),
        }
    }
}

/// Waits for pages change quickly: in post-copy the flow is looked at this often.
const FETCH_STEP: Duration = Duration::from_millis(2);
