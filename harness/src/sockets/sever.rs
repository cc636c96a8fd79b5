//! Breaks the TCP connections of a process from outside: for one that waits in a dead connection and hears nobody.

use std::io;

use rustix::fs::readlink;
use rustix::net::{AddressFamily, Shutdown, getpeername, shutdown};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Shuts both directions of every TCP connection that a process holds, as if its peer had reset it; its other sockets stay. Returns how
/// many there were. Needs what `ptrace` of it needs: the same user, or `CAP_SYS_PTRACE`.
pub fn sever(pid: u32) -> io::Result<usize> {
    let process = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut severed = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let is_socket = readlink(entry.path(), Vec::new())
            .is_ok_and(|target| target.as_bytes().starts_with(b"socket:"));
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else {
            continue;
        };
        // One that was closed meanwhile needs nothing.
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        // A socket that listens has no peer, a Unix socket one of another family.
        let is_tcp = getpeername(&socket).is_ok_and(|peer| {
            peer.is_some_and(|peer| {
                matches!(
                    peer.address_family(),
                    AddressFamily::INET | AddressFamily::INET6
                )
            })
        });
        if is_tcp && shutdown(&socket, Shutdown::Both).is_ok() {
            severed += 1;
        }
    }
    Ok(severed)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tcp_is_broken_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        let (mut monitor, its_end) = UnixStream::pair().unwrap();
        let mut child = Command::new("cat")
            .stdin(Stdio::from(OwnedFd::from(its_end.try_clone().unwrap())))
            .stdout(Stdio::from(OwnedFd::from(its_end)))
            .stderr(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        assert_eq!(sever(child.id()).unwrap(), 1);
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 0, "the end is seen here");
        monitor.write_all(b"x").unwrap();
        let mut answer = [0];
        monitor.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"x", "the monitor's socket lives");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn nobody_has_no_connections() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(sever(child.id()).is_err());
        assert!(sever(0).is_err());
    }
}
