//! Whether `ssh` still has connections from its local socket, by the kernel's own list: one that has gone from it was closed by
//! `ssh`, which it does only after the far end has taken everything and closed too.

use std::path::Path;
use std::time::Duration;

/// Waits until nobody is connected to the socket at the path any more.
pub(super) async fn all_closed(path: &Path) {
    while is_connected(path) {
        tokio::time::sleep(POLL).await;
    }
}

pub(super) fn is_connected(path: &Path) -> bool {
    // Unreadable means that /proc is missing; then there is nothing to wait by.
    std::fs::read(LIST).is_ok_and(|list| lists_connection(&String::from_utf8_lossy(&list), path))
}

/// `Num RefCount Protocol Flags Type St Inode Path`: accepted connections, and those that wait to be, bear the listener's path.
fn lists_connection(list: &str, path: &Path) -> bool {
    let path = path.to_string_lossy();
    list.lines()
        .filter(|line| line.ends_with(&*path))
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .any(|fields| fields.get(3) != Some(&LISTENING) && fields.last() == Some(&&*path))
}

/// The namespace's sockets; `ssh` runs in ours.
const LIST: &str = "/proc/self/net/unix";
/// `__SO_ACCEPTCON` among the flags.
const LISTENING: &str = "00010000";
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    /// One that waits in the backlog counts: its bytes are on their way.
    #[tokio::test]
    async fn connections_count_from_the_backlog_to_their_end_and_the_listener_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(!is_connected(&path));
        let stream = UnixStream::connect(&path).await.unwrap();
        assert!(is_connected(&path));
        let (accepted, _) = listener.accept().await.unwrap();
        drop(stream);
        assert!(is_connected(&path));
        drop(accepted);
        assert!(!is_connected(&path));
        all_closed(&path).await;
    }
}
