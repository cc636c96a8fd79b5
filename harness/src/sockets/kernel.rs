//! The two netlink sockets: one for questions, one on which the kernel tells the last counts of every TCP socket that ends.
//!
//! Every call returns at once: the kernel has the answer ready when the question's `send` returns.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, send,
    socket_with, sockopt,
};

use super::message::{Found, Part, SocketId, dump_request, one_request, parts};

/// The kernel's end of both sockets, in the network namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Kernel {
    questions: OwnedFd,
    /// `None` where the kernel tells nobody.
    endings: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl Kernel {
    /// An error where the kernel has no `sock_diag` for TCP (`CONFIG_INET_DIAG`).
    pub(super) fn open() -> io::Result<Self> {
        let questions = netlink(0)?;
        Ok(Kernel {
            questions,
            endings: netlink(GROUPS).ok(),
            buffer: vec![0; DATAGRAM_BYTES_MAX],
        })
    }

    /// Every TCP connection of the namespace, of one address family; none of a family that it lacks.
    pub(super) fn all(&mut self, family: u8) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        send(&self.questions, &dump_request(family), SendFlags::empty())?;
        loop {
            for part in receive(&self.questions, &mut self.buffer)? {
                match part {
                    Part::Found(found) => all.push(found),
                    Part::Done | Part::Error(ENOENT) => return Ok(all),
                    Part::Error(0) => {}
                    Part::Error(error) => return Err(io::Error::from_raw_os_error(error)),
                }
            }
        }
    }

    /// One connection; `None` once it is gone.
    pub(super) fn one(&mut self, id: SocketId) -> io::Result<Option<Found>> {
        send(&self.questions, &one_request(id), SendFlags::empty())?;
        let found = receive(&self.questions, &mut self.buffer)?
            .into_iter()
            .find_map(|part| match part {
                Part::Found(found) if found.id.cookie() == id.cookie() => Some(found),
                _ => None,
            });
        Ok(found)
    }

    /// The connections that ended since the last call.
    pub(super) fn ended(&mut self) -> Vec<Found> {
        let mut ended = Vec::new();
        let Some(endings) = &self.endings else {
            return ended;
        };
        for _ in 0..ENDINGS_MAX {
            match receive(endings, &mut self.buffer) {
                Ok(parts) => ended.extend(parts.into_iter().filter_map(|part| match part {
                    Part::Found(found) => Some(found),
                    Part::Done | Part::Error(_) => None,
                })),
                // More ended than fits its buffer: those are lost, the next ones are not.
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => {}
                Err(_) => break,
            }
        }
        ended
    }
}

fn netlink(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        flags,
        Some(SOCK_DIAG),
    )?;
    // Best effort: a smaller one only loses last counts sooner.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES);
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// One datagram. Any process may send to a netlink socket; only the kernel's word counts.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Vec<Part>> {
    let (_, length, from) = recvfrom(socket, &mut *buffer, RecvFlags::empty())?;
    let kernel = from
        .and_then(|from| SocketAddrNetlink::try_from(from).ok())
        .is_some_and(|from| from.pid() == 0);
    let datagram = buffer.get(..length).filter(|_| kernel);
    Ok(datagram.map(parts).unwrap_or_default())
}

/// `SKNLGRP_INET_TCP_DESTROY` and `SKNLGRP_INET6_TCP_DESTROY`, as bits.
const GROUPS: u32 = 1 | 1 << 2;
/// The kernel fills at most 32 KiB with parts of a dump.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// A host on which more end between two readings has other worries.
const ENDINGS_MAX: usize = 10_000;
const ENOENT: i32 = 2;
const ENOBUFS: i32 = 105;
