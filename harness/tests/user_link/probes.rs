//! Small packets that show what a link does to them: round trips, numbered flows, the largest datagram.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};

use crate::support::inside;

/// Times of `count` datagrams there and back, one every millisecond; `None` if one of them was lost.
pub(crate) fn round_trips(pids: [u32; 2], address: IpAddr, count: usize) -> Option<Vec<Duration>> {
    let echo = socket(pids[1], address);
    let target = echo.local_addr().unwrap();
    let echoing = std::thread::spawn(move || {
        let mut datagram = [0; 8];
        while let Ok((_, from)) = echo.recv_from(&mut datagram) {
            echo.send_to(&datagram, from).unwrap();
        }
    });
    let sender = socket(pids[0], unspecified(address));
    sender.connect(target).unwrap();
    let receiver = sender.try_clone().unwrap();
    let started = Instant::now();
    let sending = std::thread::spawn(move || {
        for number in 0..count {
            wait_until(started + Duration::from_millis(number as u64));
            let stamp = started.elapsed().as_nanos() as u64;
            sender.send(&stamp.to_le_bytes()).unwrap();
        }
    });
    let mut datagram = [0; 8];
    let trips = (0..count)
        .map(|_| {
            receiver.recv(&mut datagram).ok()?;
            let sent = Duration::from_nanos(u64::from_le_bytes(datagram));
            Some(started.elapsed().saturating_sub(sent))
        })
        .collect();
    sending.join().unwrap();
    // The echo ends by itself when nothing comes any more.
    drop(echoing);
    trips
}

pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

/// How fast a flow is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    bytes: usize,
    every: Duration,
}

impl Pace {
    pub(crate) fn of(rate_bps: u64, bytes: usize) -> Pace {
        Pace {
            bytes,
            every: Duration::from_nanos(bytes as u64 * 8_000_000_000 / rate_bps),
        }
    }
}

/// Numbered datagrams.
pub(crate) struct Flow {
    count: u32,
    arriving: JoinHandle<Vec<u32>>,
}

impl Flow {
    pub(crate) fn start(pids: [u32; 2], address: IpAddr, pace: Pace, count: u32) -> Flow {
        let receiver = socket(pids[1], address);
        receiver.set_read_timeout(Some(QUIET)).unwrap();
        let target = receiver.local_addr().unwrap();
        let sender = socket(pids[0], unspecified(address));
        sender.connect(target).unwrap();
        let all_sent = Arc::new(AtomicBool::new(false));
        let sent = Arc::clone(&all_sent);
        let arriving = std::thread::spawn(move || {
            let mut numbers = Vec::new();
            let mut datagram = vec![0; 2000];
            let mut in_vain = 0;
            // The sender's last datagrams may be lost, so the end is silence: after the last one, and longer than a machine stalls.
            while numbers.len() < count as usize && in_vain < READS_IN_VAIN {
                if let Ok(len) = receiver.recv(&mut datagram) {
                    assert_eq!(len, pace.bytes);
                    numbers.push(u32::from_le_bytes(datagram[..4].try_into().unwrap()));
                    in_vain = 0;
                } else if all_sent.load(Ordering::Relaxed) {
                    in_vain += 1;
                }
            }
            numbers
        });
        std::thread::spawn(move || {
            let mut datagram = vec![0; pace.bytes];
            let mut due = Instant::now();
            for number in 0..count {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // After a stall nothing is caught up with: the burst would overflow the device's queue.
                let late = Instant::now().checked_sub(LATE).unwrap_or(due);
                due = (due + pace.every).max(late);
                datagram[..4].copy_from_slice(&number.to_le_bytes());
                // A cut link is not the sender's to know.
                let _ = sender.send(&datagram);
            }
            sent.store(true, Ordering::Relaxed);
        });
        Flow { count, arriving }
    }

    /// The numbers that did not arrive.
    pub(crate) fn missing(self) -> Vec<u32> {
        let arrived: std::collections::HashSet<u32> =
            self.arriving.join().unwrap().into_iter().collect();
        (0..self.count)
            .filter(|number| !arrived.contains(number))
            .collect()
    }

    /// How many arrived after a later one.
    pub(crate) fn overtaken(self) -> usize {
        let mut latest = 0;
        let mut overtaken = 0;
        for number in self.arriving.join().unwrap() {
            overtaken += usize::from(number < latest);
            latest = latest.max(number);
        }
        overtaken
    }
}

/// Bits per second of a TCP connection that halves its window at every loss, as the receiver saw it.
pub(crate) fn reno(pids: [u32; 2], address: IpAddr, bytes: usize) -> f64 {
    let listener = inside(pids[1], move || TcpListener::bind((address, 0)).unwrap());
    let target = listener.local_addr().unwrap();
    let mut sender = inside(pids[0], move || TcpStream::connect(target).unwrap());
    sockopt::set_tcp_congestion(&sender, "reno").unwrap();
    sender.set_write_timeout(Some(LIMIT)).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let started = Instant::now();
    let writing = std::thread::spawn(move || sender.write_all(&vec![0x5a; bytes]).unwrap());
    let count = receiver.read_to_end(&mut Vec::new()).unwrap();
    writing.join().unwrap();
    assert_eq!(count, bytes);
    bytes as f64 * 8.0 / started.elapsed().as_secs_f64()
}

/// Bytes of the largest IP packet that crosses unfragmented: what the socket is told, checked by sending one.
pub(crate) fn largest_datagram(pids: [u32; 2], address: IpAddr) -> usize {
    let headers = if address.is_ipv4() { 28 } else { 48 };
    let receiver = socket(pids[1], address);
    let sender = socket(pids[0], unspecified(address));
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    // Never fragments, and answers a datagram above the MTU of the interface with EMSGSIZE.
    if address.is_ipv4() {
        sockopt::set_ip_mtu_discover(&sender, Ipv4PathMtuDiscovery::PROBE).unwrap();
    } else {
        sockopt::set_ipv6_mtu_discover(&sender, Ipv6PathMtuDiscovery::PROBE).unwrap();
    }
    let sent = (1000..10_000)
        .rev()
        .find(|bytes| sender.send(&vec![0; bytes - headers]).is_ok())
        .unwrap();
    // Lossy links lose it now and then.
    receiver.set_read_timeout(Some(QUIET)).unwrap();
    let mut datagram = vec![0; 10_000];
    for _ in 0..20 {
        if let Ok(len) = receiver.recv(&mut datagram) {
            assert_eq!(len + headers, sent);
            return sent;
        }
        sender.send(&vec![0; sent - headers]).unwrap();
    }
    panic!("datagrams of {sent} bytes never arrive")
}

/// What the host at `pid` counted under a name like `InCsumErrors`, of any protocol.
pub(crate) fn counted(pid: u32, counter: &'static str) -> u64 {
    inside(pid, move || {
        let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap()
            + &std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
        let mut errors = 0;
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let names = pair[0].split_ascii_whitespace();
            let values = pair[1].split_ascii_whitespace();
            for (name, value) in names.zip(values) {
                if name == counter {
                    errors += value.parse::<u64>().unwrap_or(0);
                    if value != "0" {
                        // With the protocol, for whoever wonders at the sum.
                        println!("{}\n{}", pair[0], pair[1]);
                    }
                }
            }
        }
        let single = lines
            .iter()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .filter(|(name, _)| name.ends_with(counter));
        errors
            + single
                .map(|(_, value)| value.trim().parse::<u64>().unwrap_or(0))
                .sum::<u64>()
    })
}

fn socket(pid: u32, address: IpAddr) -> UdpSocket {
    let socket = inside(pid, move || {
        UdpSocket::bind(SocketAddr::new(address, 0)).unwrap()
    });
    sockopt::set_socket_recv_buffer_size(&socket, 4 << 20).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Sleeps are late by some 60 us, so the last stretch is spent looking at the clock.
fn wait_until(at: Instant) {
    loop {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if left > Duration::from_micros(200) {
            std::thread::sleep(
                left.checked_sub(Duration::from_micros(150))
                    .unwrap_or_default(),
            );
        } else {
            std::hint::spin_loop();
        }
    }
}

const LIMIT: Duration = Duration::from_secs(5);
/// Sleeps are late by some 60 us, and by more on a busy machine; what is later is a stall.
const LATE: Duration = Duration::from_millis(1);
/// Nothing takes so long on these links, unless the machine stalls.
const QUIET: Duration = Duration::from_millis(150);
/// Three seconds of silence, of which a stall of the whole machine counts as one read.
const READS_IN_VAIN: u32 = 20;
