//! Gives the process that connected to our unix socket a larger send buffer.
//!
//! On a unix socket the sender's `SO_SNDBUF` alone bounds what is in flight, and QEMU leaves it at the kernel's 208 KiB. That is less than
//! two of QEMU's writes, so QEMU and the relay wake each other for every 50 to 100 KiB. Nobody can set the option from the accepting
//! end, but `pidfd_getfd(2)` gives a second handle of the sender's own socket to whoever may trace it: root, or the same user where Yama
//! allows it. Where that is refused, everything works as before, with more wake-ups.
//!
//! It touches no descriptor but sockets whose peer is our own path, and closes its handle at once.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::{SocketAddrUnix, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::net::UnixStream;

/// Enlarges the send buffer of every connection that the process at the other end of `accepted` has to `path`; returns how many it found.
pub(super) fn enlarge(accepted: &UnixStream, path: &Path, bytes: usize) -> usize {
    let peer = accepted
        .peer_cred()
        .ok()
        .and_then(|credentials| credentials.pid());
    // 0 stands for a process outside our pid namespace.
    let Some(pid) = peer.and_then(Pid::from_raw) else {
        return 0;
    };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return 0;
    };
    let mut enlarged = 0;
    for number in sockets(pid) {
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        if connects_to(&socket, path)
            && sockopt::set_socket_send_buffer_size(&socket, bytes).is_ok()
        {
            enlarged += 1;
        }
    }
    enlarged
}

/// Numbers of the descriptors that are sockets.
fn sockets(pid: Pid) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid())) else {
        return Vec::new();
    };
    entries
        .flatten()
        .take(DESCRIPTORS_MAX)
        .filter(|entry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("socket:["))
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn connects_to(socket: &OwnedFd, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(Some(peer)) = rustix::net::getpeername(socket) else {
        return false;
    };
    SocketAddrUnix::try_from(peer)
        .is_ok_and(|peer| peer.path_bytes() == Some(path.as_os_str().as_bytes()))
}

/// A QEMU has some dozens.
const DESCRIPTORS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    // This process is its own peer here, which it may always look into.
    #[tokio::test]
    async fn only_the_connection_to_our_path_grows() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["ours", "other"].map(|name| folder.path().join(name));
        let listeners = paths
            .each_ref()
            .map(|path| UnixListener::bind(path).unwrap());
        let ours = UnixStream::connect(&paths[0]).await.unwrap();
        let other = UnixStream::connect(&paths[1]).await.unwrap();
        let (accepted, _) = listeners[0].accept().await.unwrap();
        let size = |stream: &UnixStream| sockopt::socket_send_buffer_size(stream).unwrap();
        let before = size(&other);
        assert_eq!(enlarge(&accepted, &paths[0], before), 1);
        // The kernel doubles what it is asked for.
        assert_eq!(size(&ours), 2 * before);
        assert_eq!((size(&other), size(&accepted)), (before, before));
    }
}
