//! One direction of a relay through a buffer in this process.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::carrier::channel::pass_on_end;
use crate::carrier::counters::Moved;

/// Moves bytes until the source ends, then passes the end on.
pub(super) async fn direction(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Moved,
) -> io::Result<()> {
    // Zeroed memory is not resident before it is used, so a direction that stays silent costs nothing.
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let filled = from.read(&mut buffer).await?;
        if filled == 0 {
            moved.end();
            return pass_on_end(to.shutdown().await);
        }
        moved.taken();
        to.write_all(&buffer[..filled]).await?;
        // User-space carriers may hold bytes back until they are told to send; on sockets this does nothing.
        to.flush().await?;
        moved.given(filled);
    }
}

/// Between 128 KiB and 1 MiB the size made no difference beyond the noise; the larger ones tended to cost more
/// CPU, as they leave the cache, and carriers with records or packets want more than 128 KiB at once.
const BUFFER_LEN: usize = 256 * 1024;
