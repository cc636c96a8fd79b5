//! The local ends: the socket that the source half listens on, and the one that the sink half connects to.
//!
//! Whoever can make a socket at a path that QEMU was expected at would get the guest's memory, or send another one, so the kernel is
//! asked who is there (`SO_PEERCRED`): a process of another user gets and gives no byte unless that user was named.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use super::error::{CarryError, PATH_LEN_MAX};

/// A unix socket that only this user may connect to. Dropping it removes the path.
pub(crate) struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    peer_uid: Option<u32>,
}

/// The path that QEMU knows. Dropping it removes the path, so that QEMU cannot open any channel.
pub(crate) enum Entry {
    /// This process listens there.
    Listening(LocalListener),
    /// It leads to a socket where somebody else listens, which is elsewhere so that it can still be told from others when this path has
    /// gone.
    Link {
        /// Removes it.
        _link: Link,
    },
}

/// Removes the path when it is dropped.
pub(crate) struct Link(PathBuf);

impl Entry {
    /// The next connection, if this process is to take it: as [`LocalListener::accept`].
    pub(crate) async fn accept(&self) -> Result<io::Result<UnixStream>, CarryError> {
        match self {
            Self::Listening(listener) => listener.accept().await,
            Self::Link { .. } => std::future::pending().await,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl LocalListener {
    /// `peer_uid` is a user besides this process's own who may connect.
    pub(crate) fn bind(path: &Path, peer_uid: Option<u32>) -> Result<Self, CarryError> {
        check_length(path)?;
        let listener = bind_private(path, peer_uid).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => CarryError::PathTaken {
                path: path.to_owned(),
            },
            _ => CarryError::Listen {
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            peer_uid,
        })
    }

    /// Gives the path to another socket.
    pub(crate) fn link_to(self, socket: &Path) -> Result<Entry, CarryError> {
        let path = self.path.clone();
        drop(self);
        match std::os::unix::fs::symlink(socket, &path) {
            Ok(()) => Ok(Entry::Link { _link: Link(path) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(CarryError::PathTaken { path })
            }
            Err(source) => Err(CarryError::Listen { path, source }),
        }
    }

    /// The next connection; the inner error says whose it was that was turned away.
    pub(crate) async fn accept(&self) -> Result<io::Result<UnixStream>, CarryError> {
        let accepted = self.listener.accept().await;
        accepted
            .map(|(stream, _)| check_peer(&stream, self.peer_uid).map(|()| stream))
            .map_err(|source| CarryError::Accept {
                place: self.path.display().to_string(),
                source,
            })
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        // Somebody may have removed it already, and a leftover is reported by the next bind.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The kernel's limit for a path with its terminating zero is 108 bytes.
pub(crate) fn check_length(path: &Path) -> Result<(), CarryError> {
    let fits = path.as_os_str().as_bytes().len() <= PATH_LEN_MAX;
    if fits {
        Ok(())
    } else {
        Err(CarryError::PathTooLong {
            path: path.to_owned(),
        })
    }
}

/// Connects, and goes on trying while nobody listens there yet: QEMU may come later than the stream. Somebody else's socket is an
/// error at once; `peer_uid` is a user besides this process's own whose socket it may be.
pub(crate) async fn connect(
    path: &Path,
    deadline: Duration,
    peer_uid: Option<u32>,
) -> io::Result<UnixStream> {
    let end = Instant::now() + deadline;
    loop {
        let error = match UnixStream::connect(path).await {
            Ok(stream) => {
                check_peer(&stream, peer_uid)?;
                sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_LEN)?;
                return Ok(stream);
            }
            Err(error) => error,
        };
        // A full backlog answers with WouldBlock.
        let may_come = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
        );
        if !may_come {
            return Err(error);
        }
        if Instant::now() + RETRY_PAUSE > end {
            let text = format!(
                "nobody listened on {} within {deadline:?}, last answer: {error}",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// An error unless the process at the other end belonged to this user, or the one named, when it connected or began to listen.
fn check_peer(stream: &UnixStream, peer_uid: Option<u32>) -> io::Result<()> {
    let theirs = sockopt::socket_peercred(stream)?.uid.as_raw();
    let ours = rustix::process::geteuid().as_raw();
    if theirs == ours || Some(theirs) == peer_uid {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "the process at the local socket belongs to user {theirs}, this one to user {ours}: no byte went to it or came from it\nhint: use a socket in a folder that only you can write to, such as one of mode 700; if that is the user of your QEMU, name it with --peer-user"
        ),
    ))
}

/// The mode is set on the socket before it gets its path, so that at no moment anybody else can connect.
fn bind_private(path: &Path, peer_uid: Option<u32>) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    if let Some(uid) = peer_uid.filter(|uid| *uid != rustix::process::geteuid().as_raw()) {
        std::os::unix::fs::lchown(path, Some(uid), None).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Asked for, the kernel may give less. Against its default of 208 KiB the sink's relay takes a quarter less CPU per GiB (0.174 s to
/// 0.131 s, three interleaved runs, spliced), because QEMU and the relay wait for each other less often; 4 MiB is no better.
const SEND_BUFFER_LEN: usize = 1024 * 1024;
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Channels that QEMU may open before this process gets to accept them.
const BACKLOG: i32 = 128;
