//! Receives a connected socket from a carrier process: one message on a unix socket, the descriptor as `SCM_RIGHTS`.

use std::io::{IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixListener;

/// Binds `path`; [`receive`] then waits for the descriptor.
pub fn bind(path: &Path) -> Result<UnixListener> {
    UnixListener::bind(path)
}

/// Accepts one connection and takes the descriptor from its first message.
pub async fn receive(listener: UnixListener) -> Result<OwnedFd> {
    let (stream, _) = listener.accept().await?;
    stream
        .async_io(Interest::READABLE, || {
            let mut text = [0; MESSAGE_BYTES_MAX];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            recvmsg(
                &stream,
                &mut [IoSliceMut::new(&mut text)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            let mut descriptors = ancillary.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            let descriptor = descriptors
                .next()
                .and_then(|mut descriptors| descriptors.next());
            descriptor.ok_or_else(|| {
                std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "the carrier's message held no descriptor",
                )
            })
        })
        .await
}

/// The text beside the descriptor names the channel; it is short.
const MESSAGE_BYTES_MAX: usize = 4096;
