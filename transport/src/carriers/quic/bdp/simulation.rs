//! A link with a drop-tail queue and random loss, and senders on it that pace as quinn does. Its clock is its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use quinn::congestion::Controller as _;

use super::Bdp;

pub(super) struct Link {
    /// Bytes per second.
    pub(super) rate: f64,
    pub(super) rtt: Duration,
    pub(super) loss: f64,
    /// How long the queue is when it is full.
    pub(super) queue: Duration,
    /// For how long the processors of both ends do something else in every [`TURN`].
    pub(super) away: Duration,
}

/// What one sender got.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    /// The most gaps that the receiver had at a time.
    pub(super) gaps: usize,
    pub(super) window_min: u64,
}

pub(super) struct Simulation {
    pub(super) link: Link,
    pub(super) senders: Vec<Sender>,
    /// The longest wait in the queue since it was last taken.
    pub(super) queue_max: Duration,
    begin: Instant,
    now: u64,
    idle_at: u64,
    random: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Send(usize),
    Admitted(usize, u64, u64),
    AckTimer(usize),
    Ack(usize, Vec<u64>),
    Timeout(usize),
}

pub(super) struct Sender {
    pub(super) bdp: Bdp,
    pub(super) seen: Seen,
    /// Packet number to when it was sent and what it carries.
    flying: BTreeMap<u64, (u64, u64)>,
    next_packet: u64,
    next_segment: u64,
    again: BTreeSet<u64>,
    srtt: f64,
    tokens: f64,
    tokens_at: u64,
    sleeping_until: u64,
    last_ack: u64,
    unacked: Vec<u64>,
    ack_timer: bool,
    received: BTreeSet<u64>,
    complete: u64,
    gaps: usize,
}

impl Simulation {
    pub(super) fn new(link: Link, senders: usize) -> Self {
        let mut simulation = Self {
            link,
            senders: Vec::new(),
            queue_max: Duration::ZERO,
            begin: Instant::now(),
            now: 0,
            idle_at: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            events: BinaryHeap::new(),
            order: 0,
        };
        for _ in 0..senders {
            simulation.join();
        }
        simulation
    }

    /// One more sender, from now on.
    pub(super) fn join(&mut self) {
        let sender = Sender {
            tokens_at: self.now,
            last_ack: self.now,
            ..Sender::new()
        };
        self.senders.push(sender);
        let index = self.senders.len() - 1;
        self.at(self.now, Event::Send(index));
        self.at(self.now, Event::Timeout(index));
    }

    /// Goes on for so long and says what every sender got meanwhile.
    pub(super) fn run(&mut self, span: Duration) -> Vec<Seen> {
        let end = self.now + nanos(span);
        for sender in &mut self.senders {
            sender.seen = Seen {
                window_min: u64::MAX,
                gaps: sender.gaps,
                ..Seen::default()
            };
        }
        self.queue_max = Duration::ZERO;
        while let Some(Reverse((at, _, _))) = self.events.peek()
            && *at <= end
        {
            let Reverse((at, _, event)) = self.events.pop().unwrap();
            self.now = at;
            self.happen(event);
        }
        self.now = end;
        self.senders
            .iter()
            .map(|sender| sender.seen.clone())
            .collect()
    }

    fn at(&mut self, at: u64, event: Event) {
        let at = match event {
            Event::Admitted(..) | Event::AckTimer(_) => self.attended(at, TURN),
            Event::Send(_) | Event::Ack(..) | Event::Timeout(_) => {
                self.attended(at, TURN + TURN / 5)
            }
        };
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// When a processor comes to it that is away at the beginning of each turn.
    fn attended(&self, at: u64, turn: Duration) -> u64 {
        let since = at % nanos(turn);
        at + nanos(self.link.away).saturating_sub(since)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Send(sender) => {
                if self.senders[sender].sleeping_until <= self.now {
                    self.send(sender);
                }
            }
            Event::Admitted(sender, packet, segment) => self.arrive(sender, packet, segment),
            Event::AckTimer(sender) => {
                self.senders[sender].ack_timer = false;
                self.acknowledge(sender);
            }
            Event::Ack(sender, packets) => self.acked(sender, &packets),
            Event::Timeout(sender) => self.timeout(sender),
        }
    }

    fn send(&mut self, index: usize) {
        let now = self.instant(self.now);
        let mut is_any = false;
        loop {
            let sender = &mut self.senders[index];
            let window = sender.bdp.window();
            sender.seen.window_min = sender.seen.window_min.min(window);
            if sender.in_flight() + MTU >= window {
                break;
            }
            if let Some(wait) = sender.pace(self.now, window) {
                sender.sleeping_until = self.now + wait;
                self.at(self.now + wait, Event::Send(index));
                break;
            }
            is_any = true;
            let segment = sender.again.pop_first().unwrap_or_else(|| {
                sender.next_segment += 1;
                sender.next_segment - 1
            });
            let packet = sender.next_packet;
            sender.next_packet += 1;
            sender.flying.insert(packet, (self.now, segment));
            self.forward(index, packet, segment);
        }
        if is_any {
            self.senders[index].bdp.round.sent(now);
        }
    }

    fn forward(&mut self, index: usize, packet: u64, segment: u64) {
        let wait = self.idle_at.saturating_sub(self.now);
        let is_dropped = wait > nanos(self.link.queue) || self.chance() < self.link.loss;
        if is_dropped {
            self.senders[index].seen.dropped += 1;
            return;
        }
        self.queue_max = self.queue_max.max(Duration::from_nanos(wait));
        self.idle_at = self.now + wait + (MTU as f64 / self.link.rate * 1e9) as u64;
        let arrival = self.idle_at + nanos(self.link.rtt) / 2;
        self.at(arrival, Event::Admitted(index, packet, segment));
    }

    fn arrive(&mut self, index: usize, packet: u64, segment: u64) {
        let sender = &mut self.senders[index];
        sender.seen.delivered += MTU;
        sender.take_in(segment);
        sender.unacked.push(packet);
        if sender.unacked.len() >= ACK_EVERY {
            self.acknowledge(index);
        } else if !sender.ack_timer {
            sender.ack_timer = true;
            self.at(self.now + nanos(ACK_DELAY), Event::AckTimer(index));
        }
    }

    fn acknowledge(&mut self, index: usize) {
        let packets = std::mem::take(&mut self.senders[index].unacked);
        if !packets.is_empty() {
            let at = self.now + nanos(self.link.rtt) / 2;
            self.at(at, Event::Ack(index, packets));
        }
    }

    fn acked(&mut self, index: usize, packets: &[u64]) {
        let now = self.instant(self.now);
        let begin = self.begin;
        let sender = &mut self.senders[index];
        sender.last_ack = self.now;
        for packet in packets {
            if let Some((sent, _)) = sender.flying.remove(packet) {
                let instant = begin + Duration::from_nanos(sent);
                sender.bdp.acked(now, instant, MTU, false);
                sender.see_rtt((self.now - sent) as f64);
            }
        }
        let in_flight = sender.in_flight();
        sender.bdp.acked_all(now, in_flight, false);
        let largest = packets.last().copied().unwrap_or_default();
        let lost: Vec<u64> = sender
            .flying
            .range(..largest.saturating_sub(2))
            .map(|(packet, _)| *packet)
            .collect();
        sender.lose(&lost);
        if !lost.is_empty() {
            sender.bdp.lost(now, false, lost.len() as u64 * MTU);
        }
        self.at(self.now, Event::Send(index));
    }

    /// Everything in flight is lost if nothing came back for so long.
    fn timeout(&mut self, index: usize) {
        let now = self.instant(self.now);
        let sender = &mut self.senders[index];
        let patience = (sender.srtt * 3.0) as u64 + nanos(Duration::from_millis(100));
        if self.now - sender.last_ack > patience {
            let lost: Vec<u64> = sender.flying.keys().copied().collect();
            sender.lose(&lost);
            sender.bdp.lost(now, true, lost.len() as u64 * MTU);
            sender.last_ack = self.now;
            self.at(self.now, Event::Send(index));
        }
        self.at(self.now + patience / 2, Event::Timeout(index));
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.begin + Duration::from_nanos(nanos)
    }

    /// xorshift64*, uniform in 0..1.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Sender {
    fn new() -> Self {
        Self {
            bdp: Bdp::new(MTU * 10, MTU as u16),
            seen: Seen::default(),
            flying: BTreeMap::new(),
            next_packet: 0,
            next_segment: 0,
            again: BTreeSet::new(),
            srtt: 0.0,
            tokens: MTU as f64 * 10.0,
            tokens_at: 0,
            sleeping_until: 0,
            last_ack: 0,
            unacked: Vec::new(),
            ack_timer: false,
            received: BTreeSet::new(),
            complete: 0,
            gaps: 0,
        }
    }

    fn in_flight(&self) -> u64 {
        self.flying.len() as u64 * MTU
    }

    fn see_rtt(&mut self, rtt: f64) {
        self.srtt = if self.srtt == 0.0 {
            rtt
        } else {
            self.srtt * 0.875 + rtt * 0.125
        };
    }

    /// `quinn_proto::connection::pacing`: how long to wait for the next datagram, in nanoseconds.
    fn pace(&mut self, now: u64, window: u64) -> Option<u64> {
        let (mtu, window) = (MTU as f64, window as f64);
        let srtt = if self.srtt == 0.0 { 1e8 } else { self.srtt };
        let capacity = (window * 2e6 / srtt).clamp(10.0 * mtu, 256.0 * mtu);
        let earned = window * 1.25 * (now - self.tokens_at) as f64 / srtt;
        self.tokens = (self.tokens + earned).min(capacity);
        self.tokens_at = now;
        if self.tokens >= mtu {
            self.tokens -= mtu;
            return None;
        }
        Some(((capacity - self.tokens) * srtt / window * 0.8) as u64 + 1)
    }

    fn lose(&mut self, packets: &[u64]) {
        for packet in packets {
            if let Some((_, segment)) = self.flying.remove(packet) {
                self.again.insert(segment);
            }
        }
    }

    fn take_in(&mut self, segment: u64) {
        if segment < self.complete || !self.received.insert(segment) {
            return;
        }
        let after = self.received.contains(&(segment + 1));
        let before = segment > self.complete && self.received.contains(&(segment - 1));
        self.gaps = self.gaps + 1 - usize::from(after) - usize::from(before);
        if segment == self.complete {
            while self.received.remove(&self.complete) {
                self.complete += 1;
            }
            self.gaps -= 1;
        }
        self.seen.gaps = self.seen.gaps.max(self.gaps);
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

pub(super) const MTU: u64 = 1452;
/// The carrier's default.
const ACK_EVERY: usize = 20;
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Of the receiver's processor. The sender's are a fifth longer, so that their times away meet in every way.
pub(super) const TURN: Duration = Duration::from_millis(30);
