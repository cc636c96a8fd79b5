//! Passes a channel's descriptor to another process, which then owns the connection: no relay, no copy.
//!
//! # Wire format, version 1
//! The receiver listens on a unix stream socket. For each channel one connection is made to it, one message is sent, and the
//! connection is closed:
//! - one line of JSON, ending in a newline and shorter than 256 bytes: `{"handover":1,"channel":0,"role":"sink"}`.
//!   `role` is the side that the sender runs on: `sink` (the destination of the migration) or `source`;
//! - in the same message, as `SCM_RIGHTS`, exactly one descriptor: a connected, non-blocking TCP socket from which not a byte
//!   of the stream was read. The sender closes its own copy, so the receiver's close is the connection's end.
//!
//! One `recvmsg` with room for 256 bytes and one descriptor (with `MSG_CMSG_CLOEXEC`) receives it, because a unix stream never
//! merges two messages that carry descriptors. Receivers ignore JSON keys that they do not know.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// The line that comes with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Version of the format.
    pub handover: u32,
    /// The channel's number.
    pub channel: u32,
    /// Which side the sender runs on.
    pub role: Role,
}

/// A side of the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Where the stream comes from.
    Source,
    /// Where the stream goes.
    Sink,
}

/// Gives a connection away to the receiver at the other end of a fresh unix socket.
pub async fn send(
    receiver: &UnixStream,
    role: Role,
    channel: u32,
    stream: TcpStream,
) -> io::Result<()> {
    let line = serde_json::to_string(&Line {
        handover: VERSION,
        channel,
        role,
    })
    .map_err(io::Error::other)?
        + "\n";
    let sent = receiver
        .async_io(Interest::WRITABLE, || {
            Ok(send_message(receiver, line.as_bytes(), &stream)?)
        })
        .await?;
    // A fresh unix socket takes a line of this length whole.
    if sent == line.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

fn send_message(
    receiver: &UnixStream,
    line: &[u8],
    stream: &TcpStream,
) -> rustix::io::Result<usize> {
    let descriptors = [stream.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(
        control.push(SendAncillaryMessage::ScmRights(&descriptors)),
        "the space is made for one descriptor"
    );
    sendmsg(
        receiver,
        &[IoSlice::new(line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
}

const VERSION: u32 = 1;
