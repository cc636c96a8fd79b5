//! What the benches of the package `bench` time and nobody else may use: reading what QEMU sends, without a connection.

use super::line::LineBuffer;
use super::message::Message;

/// Cuts received bytes into lines and reads each; how many of them are messages.
pub fn messages(received: &[u8]) -> usize {
    let mut buffer = LineBuffer::new(received.len());
    let mut messages = 0;
    for read in received.chunks(READ_LEN) {
        buffer.spare().extend_from_slice(read);
        while let Ok(Some(line)) = buffer.next_line() {
            messages += usize::from(Message::parse(&line, 0).is_ok());
        }
    }
    messages
}

/// About what one read from a socket gives.
const READ_LEN: usize = 16 * 1024;
