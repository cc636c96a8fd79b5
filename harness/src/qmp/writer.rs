//! The task that writes commands, each whole, in the order they were sent.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg, shutdown,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::connection::lock;
use super::pending::Owed;

/// A command on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) line: Vec<u8>,
    pub(super) descriptor: Option<OwnedFd>,
}

/// Writes until no handle is left or the socket fails.
///
/// A task of its own, so that dropping a command's future cannot leave half a line behind.
pub(super) async fn write_until_end(
    half: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    owed: Arc<Mutex<Owed>>,
) {
    while let Some(outgoing) = queue.recv().await {
        if let Err(error) = write(half.as_ref(), &outgoing).await {
            lock(&owed).writing_failed(error);
            // Ends the reader too, after what QEMU has already sent. An error means that the socket is down anyway.
            let _ = shutdown(half.as_ref(), Shutdown::Both);
            return;
        }
    }
}

async fn write(stream: &UnixStream, outgoing: &Outgoing) -> io::Result<()> {
    let mut descriptor = outgoing.descriptor.as_ref();
    let mut rest = outgoing.line.as_slice();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_io(Interest::WRITABLE, || send(stream, rest, descriptor)) {
            // The descriptor went with the first byte; sent again it would count as one for the next command.
            Ok(written) => (rest, descriptor) = (&rest[written..], None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send(stream: &UnixStream, bytes: &[u8], descriptor: Option<&OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let rights = descriptor.map(|descriptor| [descriptor.as_fd()]);
    if let Some(rights) = &rights {
        assert!(
            control.push(SendAncillaryMessage::ScmRights(rights)),
            "the space holds one descriptor"
        );
    }
    Ok(sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}
