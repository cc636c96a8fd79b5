//! What the benches and the fuzzers of the package `bench` use and nobody else may: reading what QEMU sends, without a connection.

use serde_json::Value;

use super::event::Event;
use super::line::LineBuffer;
use super::message::Message;

/// Cuts received bytes into lines and reads each; how many of them are messages.
pub fn messages(received: &[u8]) -> usize {
    let mut messages = 0;
    each(received, |_| messages += 1);
    messages
}

/// The events among received bytes, and the answers to commands.
pub fn received(received: &[u8]) -> (Vec<Event>, Vec<Value>) {
    let (mut events, mut answers) = (Vec::new(), Vec::new());
    each(received, |message| match message {
        Message::Event(event) => events.push(event),
        Message::Reply { outcome, .. } => answers.extend(outcome.ok()),
        Message::Greeting(_) => {}
    });
    (events, answers)
}

fn each(received: &[u8], mut take: impl FnMut(Message)) {
    let mut buffer = LineBuffer::new(received.len());
    for read in received.chunks(READ_LEN) {
        buffer.spare().extend_from_slice(read);
        while let Ok(Some(line)) = buffer.next_line() {
            if let Ok(message) = Message::parse(&line, 0) {
                take(message);
            }
        }
    }
}

/// About what one read from a socket gives.
const READ_LEN: usize = 16 * 1024;
