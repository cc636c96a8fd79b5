//! What was read of the connections of a repeat's processes, from the moment the ledger was begun.
//!
//! Looking for new connections costs the kernel a walk over its table of all connections (about 0.2 ms for each family on a host with
//! 24 GiB) and is done only when a process holds a socket that is not known yet; a known connection is asked for by name, about 10 µs.

use std::collections::BTreeMap;
use std::io;

use super::kernel::Kernel;
use super::message::{FAMILY_V4, FAMILY_V6, Found, SocketId};
use super::owners;
use super::{Connection, ConnectionState, FlowPoint, Owner, TcpCounters};
use crate::clock::monotonic_ns;

/// The connections of a QEMU and of carriers.
#[derive(Debug)]
pub struct Ledger {
    kernel: Kernel,
    qemu: u32,
    carriers: Vec<u32>,
    /// By cookie: ports are used again, cookies are not.
    entries: BTreeMap<u64, Entry>,
    /// Sockets that are no connections, or not yet, by inode.
    others: BTreeMap<u32, Unconnected>,
}

#[derive(Debug)]
struct Entry {
    id: SocketId,
    owner: Owner,
    inode: u32,
    /// When the ledger was begun; zeros for a connection that came later.
    before: TcpCounters,
    last: TcpCounters,
    state: ConnectionState,
}

impl Entry {
    /// Takes a newer reading. A socket that is closed by a reset forgets what it has moved before the kernel tells of its end (Linux,
    /// `tcp_disconnect`): then the reading before is the last one.
    fn take(&mut self, counters: TcpCounters, state: ConnectionState) {
        let forgot = counters.sent_bytes < self.last.sent_bytes
            || counters.received_bytes < self.last.received_bytes;
        if forgot {
            self.state = ConnectionState::Lost;
        } else {
            (self.last, self.state) = (counters, state);
        }
    }
}

/// A socket that was no connection when it was last looked for.
#[derive(Debug, Clone, Copy)]
struct Unconnected {
    looks: u32,
    at_ns: u64,
}

impl Unconnected {
    /// After ever longer pauses: what is not connected for long is something else, most likely, and looking is not free.
    fn is_due(self, now_ns: u64) -> bool {
        let pause = LOOK_AGAIN_NS << self.looks.min(LOOKS_MAX);
        now_ns.saturating_sub(self.at_ns) >= pause
    }
}

impl Ledger {
    /// Begins to count: what connections have moved up to now is not counted. An error where the kernel can't be asked, or where it does
    /// not let the caller see QEMU's descriptors (`PermissionDenied`).
    pub fn begin(qemu: u32, carriers: Vec<u32>) -> io::Result<Self> {
        owners::readable(qemu)?;
        let mut ledger = Ledger {
            kernel: Kernel::open()?,
            qemu,
            carriers,
            entries: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        ledger.find_new()?;
        // What is unconnected long before the migration stays so, most likely, or is closed.
        for other in ledger.others.values_mut() {
            other.looks = LOOKS_MAX;
        }
        for entry in ledger.entries.values_mut() {
            entry.before = entry.last;
        }
        Ok(ledger)
    }

    /// Counts another carrier's connections from now on.
    pub fn adopt(&mut self, carrier: u32) {
        self.carriers.push(carrier);
    }

    /// Looks for connections that are new since the last time.
    pub fn find_new(&mut self) -> io::Result<()> {
        let held = owners::inodes(self.qemu, &self.carriers);
        let at_ns = monotonic_ns();
        let mut unknown: Vec<(u32, Owner)> = held
            .into_iter()
            .filter(|(inode, _)| !self.knows(*inode, at_ns))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for family in FAMILIES {
            let all = self.kernel.all(family)?;
            unknown.retain(|(inode, owner)| {
                let found = all.iter().find(|found| found.inode == *inode);
                found.map(|found| self.enter(found, *owner)).is_none()
            });
            if unknown.is_empty() {
                break;
            }
        }
        for (inode, _) in unknown {
            let looks = self.others.get(&inode).map_or(0, |other| other.looks + 1);
            self.others.insert(inode, Unconnected { looks, at_ns });
        }
        Ok(())
    }

    fn knows(&self, inode: u32, now_ns: u64) -> bool {
        let other = self.others.get(&inode);
        self.entries.values().any(|entry| entry.inode == inode)
            || other.is_some_and(|other| !other.is_due(now_ns))
    }

    fn enter(&mut self, found: &Found, owner: Owner) {
        let entry = Entry {
            id: found.id,
            owner,
            inode: found.inode,
            before: TcpCounters::default(),
            last: found.counters.unwrap_or_default(),
            state: ConnectionState::Open,
        };
        self.entries.entry(found.id.cookie()).or_insert(entry);
    }

    /// Reads every known connection and returns the sums.
    pub fn read(&mut self) -> FlowPoint {
        let mut moved_most = (0, None);
        for entry in self.entries.values_mut() {
            if entry.state == ConnectionState::Ended {
                continue;
            }
            let before = entry.last;
            match self.kernel.one(entry.id) {
                Ok(Some(Found {
                    counters: Some(counters),
                    ..
                })) => {
                    entry.take(counters, ConnectionState::Open);
                }
                // What is left of it has no counts; its last ones come with its end.
                Ok(_) => entry.state = ConnectionState::Lost,
                Err(_) => {}
            }
            let since = entry.last.since(before);
            let moved = since.acked_bytes + since.received_bytes;
            if moved > moved_most.0 {
                moved_most = (moved, Some(entry.last.rtt_us));
            }
        }
        for found in self.kernel.ended() {
            let entry = self.entries.get_mut(&found.id.cookie());
            if let (Some(entry), Some(counters)) = (entry, found.counters) {
                entry.take(counters, ConnectionState::Ended);
            }
        }
        let mut point = FlowPoint {
            at_ns: monotonic_ns(),
            rtt_us: moved_most.1,
            ..FlowPoint::default()
        };
        for entry in self.entries.values() {
            let since = entry.last.since(entry.before);
            point.acked_bytes += since.acked_bytes;
            point.received_bytes += since.received_bytes;
            point.retransmits += since.retransmits;
        }
        point
    }

    /// Every connection with what it has moved since the ledger was begun, as of the last reading.
    pub fn connections(&self) -> Vec<Connection> {
        let entries = self.entries.values();
        entries
            .map(|entry| Connection {
                owner: entry.owner,
                local: entry.id.local(),
                remote: entry.id.remote(),
                counters: entry.last.since(entry.before),
                state: entry.state,
            })
            .collect()
    }
}

/// Most hosts migrate over the first.
const FAMILIES: [u8; 2] = [FAMILY_V4, FAMILY_V6];
/// A socket may be seen a moment before it is connected. It is looked for again after this pause, which doubles each time, up to this
/// many times: to 1.3 s.
const LOOK_AGAIN_NS: u64 = 5_000_000;
const LOOKS_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (dialled, listener.accept().unwrap().0)
    }

    #[test]
    fn looks_again_ever_later() {
        let other = |looks| Unconnected {
            looks,
            at_ns: 1_000,
        };
        let after = |ms: u64| 1_000 + ms * 1_000_000;
        for (looks, pause_ms) in [(0, 5), (1, 10), (8, 1280), (9, 1280), (u32::MAX, 1280)] {
            assert!(!other(looks).is_due(after(pause_ms) - 1));
            assert!(other(looks).is_due(after(pause_ms)));
        }
    }

    // As QEMU's would be on a busy machine, between socket() and connect().
    #[test]
    fn a_socket_that_connects_late_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ledger = Ledger::begin(std::process::id(), Vec::new()).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        for _ in 0..10 {
            ledger.find_new().unwrap();
        }
        socket
            .connect(&listener.local_addr().unwrap().into())
            .unwrap();
        let local = socket.local_addr().unwrap().as_socket();
        let begin = Instant::now();
        let is_known = |ledger: &Ledger| {
            ledger
                .connections()
                .iter()
                .any(|one| Some(one.local) == local)
        };
        while !is_known(&ledger) {
            assert!(begin.elapsed() < Duration::from_secs(30));
            ledger.find_new().unwrap();
        }
    }

    fn of(ledger: &Ledger, stream: &TcpStream) -> Connection {
        let local = stream.local_addr().unwrap();
        let connections = ledger.connections();
        let found = connections.iter().find(|known| known.local == local);
        found.unwrap_or_else(|| panic!("{connections:?}")).clone()
    }

    // 3 bytes before the ledger was begun, 5 after: only these are the ledger's. The same process holds connections of other tests.
    #[test]
    fn only_what_moved_since_the_beginning_counts() {
        let (mut dialled, mut accepted) = pair();
        dialled.write_all(b"old").unwrap();
        accepted.read_exact(&mut [0; 3]).unwrap();
        let mut ledger = Ledger::begin(std::process::id(), Vec::new()).unwrap();
        dialled.write_all(b"hello").unwrap();
        accepted.read_exact(&mut [0; 5]).unwrap();
        let (mut later, mut other) = pair();
        later.write_all(b"1234567").unwrap();
        other.read_exact(&mut [0; 7]).unwrap();
        ledger.find_new().unwrap();
        ledger.read();
        assert_eq!(of(&ledger, &accepted).counters.received_bytes, 5);
        assert_eq!(of(&ledger, &dialled).counters.sent_bytes, 5);
        assert_eq!(of(&ledger, &other).counters.received_bytes, 7);
        assert_eq!(of(&ledger, &dialled).state, ConnectionState::Open);
        assert_eq!(of(&ledger, &dialled).owner, Owner::Qemu);
    }

    // All of it is written and closed between two readings: only the kernel's last word can hold it.
    #[test]
    fn a_connection_that_ends_leaves_its_last_counts() {
        let (mut dialled, mut accepted) = pair();
        let local = dialled.local_addr().unwrap();
        let mut ledger = Ledger::begin(std::process::id(), Vec::new()).unwrap();
        dialled.write_all(&[7; 1000]).unwrap();
        accepted.read_exact(&mut [0; 1000]).unwrap();
        drop((dialled, accepted));
        let deadline = monotonic_ns() + 5_000_000_000;
        let ended = loop {
            ledger.read();
            let connections = ledger.connections();
            let known = connections.iter().find(|known| known.local == local);
            let known = known.unwrap().clone();
            // The kernel tells it from a work queue, a moment later.
            if known.state == ConnectionState::Ended || monotonic_ns() > deadline {
                break known;
            }
            std::thread::yield_now();
        };
        assert_eq!(ended.state, ConnectionState::Ended);
        assert_eq!(ended.counters.sent_bytes, 1000);
        assert!(ended.counters.segments_sent >= 1);
    }

    // As a carrier closes a channel that failed: the kernel then tells of the end with zeros, or of none at all.
    #[test]
    fn a_connection_that_ends_by_a_reset_keeps_what_was_read() {
        let (mut dialled, mut accepted) = pair();
        let local = dialled.local_addr().unwrap();
        let mut ledger = Ledger::begin(std::process::id(), Vec::new()).unwrap();
        dialled.write_all(&[7; 1000]).unwrap();
        accepted.read_exact(&mut [0; 1000]).unwrap();
        ledger.read();
        let socket = socket2::SockRef::from(&dialled);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        drop(dialled);
        let closed = |ledger: &Ledger| {
            let connections = ledger.connections();
            let known = connections.into_iter().find(|known| known.local == local);
            known.filter(|known| known.state != ConnectionState::Open)
        };
        let deadline = monotonic_ns() + 5_000_000_000;
        let closed = loop {
            ledger.read();
            if let Some(closed) = closed(&ledger) {
                break closed;
            }
            assert!(monotonic_ns() < deadline);
        };
        assert_eq!(closed.counters.sent_bytes, 1000);
        let cookie = ledger
            .entries
            .iter()
            .find(|(_, entry)| entry.id.local() == local)
            .map(|(cookie, _)| *cookie)
            .unwrap();
        let entry = ledger.entries.get_mut(&cookie).unwrap();
        entry.take(TcpCounters::default(), ConnectionState::Ended);
        assert_eq!(
            (entry.last.sent_bytes, entry.state),
            (1000, ConnectionState::Lost)
        );
    }

    #[test]
    fn connections_of_others_are_not_counted() {
        let (_dialled, _accepted) = pair();
        let mut ledger = Ledger::begin(u32::MAX, Vec::new()).unwrap();
        ledger.find_new().unwrap();
        assert_eq!(ledger.connections(), []);
        assert_eq!(ledger.read().acked_bytes, 0);
    }
}
