//! A client on the tenant network: asks the guest for an echo at a fixed interval and stamps questions and answers.
//!
//! It also sees the announcements by which the segment learns that the guest has moved: QEMU's RARP, and the gratuitous ARP of a guest
//! whose network card supports it. A thread of its own, so that nothing the agent does makes an answer late; between two
//! questions it sleeps. Needs `CAP_NET_RAW` in the network namespace, which an agent in the lab has.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::GUEST_HARDWARE;
use crate::clock::monotonic_ns;

/// A question, and when it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When it was asked, ns on this host's clock.
    pub sent_ns: u64,
    /// When the answer came; `None` if none has.
    pub answered_ns: Option<u64>,
}

/// A frame by which the segment learns where the guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// When it was seen, ns on this host's clock.
    pub at_ns: u64,
    /// Who sent it.
    pub kind: AnnouncementKind,
}

/// Who announces the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnouncementKind {
    /// QEMU.
    Rarp,
    /// The guest's kernel.
    Arp,
}

/// What the client has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// In the order in which they were asked.
    pub probes: Vec<Probe>,
    /// In the order in which they came.
    pub announcements: Vec<Announcement>,
}

/// Asks by itself until it is finished or dropped.
#[derive(Debug)]
pub struct Prober {
    heard: Arc<Mutex<Heard>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Asks `guest` every `every` from now on. An error where raw sockets are refused.
    pub fn start(guest: Ipv4Addr, every: Duration) -> io::Result<Self> {
        let sockets = Sockets::open()?;
        let (heard, stop) = (Arc::default(), Arc::default());
        let mut client = Client {
            guest,
            every_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1),
            sockets,
            heard: Arc::clone(&heard),
        };
        let stopped: Arc<AtomicBool> = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("tenant".into())
            .spawn(move || client.run(&stopped))?;
        Ok(Prober {
            heard,
            stop,
            thread: Some(thread),
        })
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// Ends it, within one interval.
    pub fn finish(mut self) -> Heard {
        self.end();
        std::mem::take(&mut lock(&self.heard))
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so, and what it heard is still there.
            let _ = thread.join();
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.end();
    }
}

struct Client {
    guest: Ipv4Addr,
    every_ns: u64,
    sockets: Sockets,
    heard: Arc<Mutex<Heard>>,
}

/// None of them blocks.
struct Sockets {
    echo: Socket,
    rarp: Socket,
    arp: Socket,
}

impl Sockets {
    fn open() -> io::Result<Self> {
        let open = |domain, kind, protocol: i32| {
            let socket = Socket::new(domain, kind, Some(Protocol::from(protocol)))?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        // An unbound packet socket of one protocol hears it once per frame: on the bridge, and not on its ports.
        let frames = |ethertype: u16| {
            let protocol = i32::from(ethertype.to_be());
            open(Domain::PACKET, Type::DGRAM, protocol)
        };
        Ok(Sockets {
            echo: open(Domain::IPV4, Type::RAW, ICMP)?,
            rarp: frames(ETHERTYPE_RARP)?,
            arp: frames(ETHERTYPE_ARP)?,
        })
    }
}

impl Client {
    fn run(&mut self, stop: &AtomicBool) {
        let to = SockAddr::from(SocketAddrV4::new(self.guest, 0));
        let mut due_ns = monotonic_ns();
        while !stop.load(Ordering::Relaxed) {
            let now_ns = monotonic_ns();
            if now_ns >= due_ns {
                self.ask(&to);
                // Questions that a busy machine was late for are left out, not asked in a burst.
                let late = (now_ns - due_ns) / self.every_ns;
                due_ns += (late + 1) * self.every_ns;
            }
            self.wait(due_ns.saturating_sub(monotonic_ns()));
            self.listen();
        }
    }

    fn ask(&mut self, to: &SockAddr) {
        let sent_ns = monotonic_ns();
        let mut heard = lock(&self.heard);
        let request = echo_request(heard.probes.len() as u64);
        heard.probes.push(Probe {
            sent_ns,
            answered_ns: None,
        });
        // A question that can't be sent is one that is not answered.
        let _ = self.sockets.echo.send_to(&request, to);
    }

    fn wait(&self, at_most_ns: u64) {
        let Sockets { echo, rarp, arp } = &self.sockets;
        let mut sockets = [echo, rarp, arp].map(|socket| PollFd::new(socket, PollFlags::IN));
        let limit = Timespec {
            tv_sec: (at_most_ns / 1_000_000_000).cast_signed(),
            tv_nsec: (at_most_ns % 1_000_000_000).cast_signed(),
        };
        // A signal ends it early, which does no harm.
        let _ = poll(&mut sockets, Some(&limit));
    }

    fn listen(&mut self) {
        let mut frame = [0; FRAME_BYTES];
        let mut heard = lock(&self.heard);
        while let Ok(length) = (&self.sockets.echo).read(&mut frame) {
            let at_ns = monotonic_ns();
            let number = echo_reply(&frame[..length], self.guest);
            let probe = number.and_then(|number| {
                heard
                    .probes
                    .get_mut(usize::try_from(number).unwrap_or(usize::MAX))
            });
            if let Some(probe) = probe {
                probe.answered_ns.get_or_insert(at_ns);
            }
        }
        for (socket, kind) in [
            (&self.sockets.rarp, AnnouncementKind::Rarp),
            (&self.sockets.arp, AnnouncementKind::Arp),
        ] {
            let mut socket = socket;
            while let Ok(length) = socket.read(&mut frame) {
                if announces(&frame[..length], kind)
                    && heard.announcements.len() < ANNOUNCEMENTS_MAX
                {
                    let at_ns = monotonic_ns();
                    heard.announcements.push(Announcement { at_ns, kind });
                }
            }
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An ICMP echo request whose payload is its number.
fn echo_request(number: u64) -> [u8; ECHO_BYTES] {
    let mut request = [0; ECHO_BYTES];
    request[0] = ECHO_REQUEST;
    request[4..6].copy_from_slice(&IDENTIFIER.to_be_bytes());
    request[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    request[8..].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&request);
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    request
}

/// The number in the guest's answer to one of our requests; `packet` begins with its IP header.
fn echo_reply(packet: &[u8], guest: Ipv4Addr) -> Option<u64> {
    let header_bytes = usize::from(packet.first()? & 0x0f) * 4;
    let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let reply = packet.get(header_bytes..)?;
    let ours = Ipv4Addr::from(from) == guest
        && *reply.first()? == ECHO_REPLY
        && *reply.get(4..6)? == IDENTIFIER.to_be_bytes();
    let number: [u8; 8] = reply.get(8..ECHO_BYTES)?.try_into().ok()?;
    ours.then(|| u64::from_be_bytes(number))
}

/// Whether an ARP or RARP packet tells the guest's place: RARP always does, ARP when it asks for its own address.
fn announces(packet: &[u8], kind: AnnouncementKind) -> bool {
    let of_guest = packet.get(8..14) == Some(&GUEST_HARDWARE);
    let of_itself = packet.len() >= 28 && packet[14..18] == packet[24..28];
    of_guest && (kind == AnnouncementKind::Rarp || of_itself)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const ICMP: i32 = 1;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_RARP: u16 = 0x8035;
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_BYTES: usize = 16;
/// Nobody else asks in the lab's namespaces.
const IDENTIFIER: u16 = 0x6c6d;
const FRAME_BYTES: usize = 2048;
/// A migration makes a dozen.
const ANNOUNCEMENTS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: Ipv4Addr = crate::tenant::GUEST;

    fn reply_to(number: u64, from: Ipv4Addr) -> Vec<u8> {
        let mut packet = vec![0x45; 1];
        packet.resize(20, 0);
        packet[12..16].copy_from_slice(&from.octets());
        packet.extend(echo_request(number));
        packet[20] = ECHO_REPLY;
        packet
    }

    // A packet with its own checksum sums up to nothing.
    #[test]
    fn requests_have_a_checksum() {
        for number in [0, 1, 0xffff, 0x1_0000, u64::MAX] {
            assert_eq!(checksum(&echo_request(number)), 0);
        }
        assert_eq!(checksum(&[1]), !0x0100);
    }

    #[test]
    fn only_the_guests_answers_to_us_count() {
        assert_eq!(echo_reply(&reply_to(70_000, GUEST), GUEST), Some(70_000));
        assert_eq!(echo_reply(&reply_to(7, [1, 2, 3, 4].into()), GUEST), None);
        let mut request = reply_to(7, GUEST);
        request[20] = ECHO_REQUEST;
        assert_eq!(echo_reply(&request, GUEST), None);
        let mut anothers = reply_to(7, GUEST);
        anothers[24] ^= 1;
        assert_eq!(echo_reply(&anothers, GUEST), None);
        let whole = reply_to(7, GUEST);
        for length in 0..whole.len() {
            assert_eq!(echo_reply(&whole[..length], GUEST), None, "{length}");
        }
    }

    fn arp(hardware: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0; 8];
        packet.extend(hardware);
        packet.extend(sender);
        packet.extend([0; 6]);
        packet.extend(target);
        packet
    }

    #[test]
    fn announcements_are_of_the_guest_and_about_itself() {
        let (guest, other) = (GUEST.octets(), [198, 18, 2, 1]);
        let of_itself = arp(GUEST_HARDWARE, guest, guest);
        assert!(announces(&of_itself, AnnouncementKind::Arp));
        // QEMU's RARP knows no addresses.
        let rarp = arp(GUEST_HARDWARE, [0; 4], [0; 4]);
        assert!(announces(&rarp, AnnouncementKind::Rarp));
        let question = arp(GUEST_HARDWARE, guest, other);
        assert!(!announces(&question, AnnouncementKind::Arp));
        assert!(!announces(
            &arp([2; 6], other, other),
            AnnouncementKind::Arp
        ));
        assert!(!announces(&of_itself[..13], AnnouncementKind::Rarp));
        assert!(!announces(&of_itself[..27], AnnouncementKind::Arp));
    }
}
