//! `sock_diag(7)` messages: the requests as bytes, and a reader of answers that trusts no length in them.
//!
//! Offsets are those of `linux/netlink.h`, `linux/inet_diag.h` and `linux/tcp.h`, which never change: fields are only added at the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::TcpCounters;

/// Names one socket to the kernel: `struct inet_diag_sockid` with its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketId {
    pub(super) family: u8,
    bytes: [u8; ID_BYTES],
}

/// What the kernel says of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: SocketId,
    /// 0 once no process holds it.
    pub(super) inode: u32,
    /// Absent for what is left of a closed connection.
    pub(super) counters: Option<TcpCounters>,
}

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Found(Found),
    /// The end of a dump.
    Done,
    /// The kernel's refusal, as a positive error number; 0 is an acknowledgement.
    Error(i32),
}

impl SocketId {
    /// Unique since the host's boot.
    pub(super) fn cookie(self) -> u64 {
        u64::from(u32_at(&self.bytes, 40).unwrap_or(0))
            | u64::from(u32_at(&self.bytes, 44).unwrap_or(0)) << 32
    }

    pub(super) fn local(self) -> SocketAddr {
        self.address(0, 4)
    }

    pub(super) fn remote(self) -> SocketAddr {
        self.address(2, 20)
    }

    fn address(self, port: usize, address: usize) -> SocketAddr {
        let bytes = self.bytes;
        let port = u16::from_be_bytes([bytes[port], bytes[port + 1]]);
        let mut words = [0; 16];
        words.copy_from_slice(&bytes[address..address + 16]);
        let address = if self.family == FAMILY_V6 {
            // A socket for both families names its IPv4 peer so.
            Ipv6Addr::from(words).to_canonical()
        } else {
            IpAddr::V4(Ipv4Addr::new(words[0], words[1], words[2], words[3]))
        };
        SocketAddr::new(address, port)
    }
}

/// Asks for all TCP sockets of a family that are or were connected.
pub(super) fn dump_request(family: u8) -> Vec<u8> {
    request(family, FLAG_REQUEST | FLAG_DUMP, STATES, &[0; ID_BYTES])
}

/// Asks for one socket.
pub(super) fn one_request(id: SocketId) -> Vec<u8> {
    request(id.family, FLAG_REQUEST, u32::MAX, &id.bytes)
}

fn request(family: u8, flags: u16, states: u32, id: &[u8; ID_BYTES]) -> Vec<u8> {
    let length = (HEADER_BYTES + 8 + ID_BYTES) as u32;
    let mut message = Vec::with_capacity(length as usize);
    message.extend(length.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence number and port of the asker: one question at a time needs neither.
    message.extend([0; 8]);
    message.extend([family, PROTOCOL_TCP, 1 << (ATTRIBUTE_INFO - 1), 0]);
    message.extend(states.to_ne_bytes());
    message.extend(id);
    message
}

/// The parts of a datagram from the kernel. What is cut off or of another kind is passed over.
pub(super) fn parts(mut datagram: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((kind, body, rest)) = next_message(datagram) {
        datagram = rest;
        match kind {
            KIND_DONE => parts.push(Part::Done),
            KIND_ERROR => {
                let error = u32_at(body, 0).map_or(0, u32::cast_signed);
                parts.push(Part::Error(error.saturating_neg()));
            }
            SOCK_DIAG_BY_FAMILY => parts.extend(found(body).map(Part::Found)),
            _ => {}
        }
    }
    parts
}

fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let kind = u16_at(bytes, 4)?;
    let body = bytes.get(HEADER_BYTES..length)?;
    let rest = bytes.get(aligned(length)..).unwrap_or_default();
    Some((kind, body, rest))
}

fn found(body: &[u8]) -> Option<Found> {
    let family = *body.first()?;
    let id = body.get(4..4 + ID_BYTES)?.try_into().ok()?;
    let inode = u32_at(body, 68)?;
    let mut counters = None;
    let mut attributes = body.get(MESSAGE_BYTES..).unwrap_or_default();
    while let Some((kind, value, rest)) = next_attribute(attributes) {
        attributes = rest;
        if kind == ATTRIBUTE_INFO {
            counters = tcp_info(value);
        }
    }
    (family == FAMILY_V4 || family == FAMILY_V6).then_some(Found {
        id: SocketId { family, bytes: id },
        inode,
        counters,
    })
}

fn next_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u16_at(bytes, 0)? as usize;
    let kind = u16_at(bytes, 2)?;
    let value = bytes.get(4..length)?;
    let rest = bytes.get(aligned(length)..).unwrap_or_default();
    Some((kind, value, rest))
}

/// `None` for a kernel before 4.19, which does not count the bytes that it sent.
fn tcp_info(info: &[u8]) -> Option<TcpCounters> {
    let four = |at| u32_at(info, at);
    Some(TcpCounters {
        timestamps: info.get(5)? & OPTION_TIMESTAMPS != 0,
        rtt_us: four(68)?,
        retransmits: u64::from(four(100)?),
        acked_bytes: u64_at(info, 120)?,
        received_bytes: u64_at(info, 128)?,
        segments_sent: u64::from(four(136)?),
        segments_received: u64::from(four(140)?),
        // The kernel's "not known yet" is its greatest number.
        rtt_us_min: four(148).filter(|least| *least != u32::MAX),
        sent_bytes: u64_at(info, 200)?,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// A length of 0 would go round in circles, but the readers above refuse one below a header's.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

pub(super) const FAMILY_V4: u8 = 2;
pub(super) const FAMILY_V6: u8 = 10;
const ID_BYTES: usize = 48;
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg`.
const MESSAGE_BYTES: usize = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const KIND_ERROR: u16 = 2;
const KIND_DONE: u16 = 3;
const FLAG_REQUEST: u16 = 1;
const FLAG_DUMP: u16 = 0x300;
const PROTOCOL_TCP: u8 = 6;
const ATTRIBUTE_INFO: u16 = 2;
const OPTION_TIMESTAMPS: u8 = 1;
/// All but listening (10), half-open (3, 12), timed-wait (6) and closed (7) ones.
const STATES: u32 = 0xfff & !(1 << 10 | 1 << 3 | 1 << 6 | 1 << 7);

#[cfg(test)]
mod tests;
