//! The thread that writes a capture: compressing and writing are no business of the thread that carries the stream.
//!
//! The queue to it is bounded, so a disk that is slower than the stream slows the stream down. A write that fails ends the
//! writing and nothing else: from then on whatever should be written is dropped.

use std::fs::File;
use std::io;
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::entry::{Direction, Entry, Totals, What};
use super::writer::Writer;

/// An entry on its way into the file.
pub(crate) struct Item {
    pub(crate) at_ns: u64,
    pub(crate) channel: u32,
    pub(crate) what: Happened,
}

/// See [`What`].
pub(crate) enum Happened {
    Open,
    Bytes { direction: Direction, bytes: Bytes },
    End { direction: Direction, broken: bool },
}

/// The way to the thread. When the last clone of the queue has gone, the capture is finished.
pub(crate) struct Recorder {
    pub(crate) queue: mpsc::Sender<Item>,
    /// Resolves to why the capture is not written any more, as soon as that happens.
    pub(crate) broke: oneshot::Receiver<io::Error>,
    thread: JoinHandle<Written>,
}

/// What is in the file.
pub(crate) struct Written {
    pub(crate) totals: Totals,
    pub(crate) whole: bool,
}

impl Recorder {
    pub(crate) fn start(writer: Writer<File>) -> io::Result<Self> {
        let (queue, items) = mpsc::channel(QUEUE_LEN);
        let (break_sender, broke) = oneshot::channel();
        let thread = Builder::new()
            .name("capture".to_owned())
            .spawn(move || run(writer, items, break_sender))?;
        Ok(Self {
            queue,
            broke,
            thread,
        })
    }

    /// Waits until everything is written. Every other clone of the queue must have gone.
    pub(crate) async fn finish(self) -> (Option<io::Error>, Option<Written>) {
        drop(self.queue);
        let thread = self.thread;
        let written = tokio::task::spawn_blocking(move || thread.join().ok()).await;
        let mut broke = self.broke;
        (broke.try_recv().ok(), written.ok().flatten())
    }
}

fn run(
    mut writer: Writer<File>,
    mut items: mpsc::Receiver<Item>,
    broke: oneshot::Sender<io::Error>,
) -> Written {
    let mut totals = writer.totals();
    let result = loop {
        let Some(item) = items.blocking_recv() else {
            break end(writer, &mut totals);
        };
        if let Err(error) = writer.write(&item.entry()) {
            break Err(error);
        }
        totals = writer.totals();
    };
    // From here on every send fails at once.
    drop(items);
    let whole = result.is_ok();
    if let Err(error) = result {
        // Nobody hears it if the tee was dropped.
        let _ = broke.send(error);
    }
    Written { totals, whole }
}

fn end(writer: Writer<File>, totals: &mut Totals) -> io::Result<()> {
    let (file, all) = writer.finish()?;
    match file.sync_all() {
        // A pipe or a device keeps nothing.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
        _ => {}
    }
    *totals = all;
    Ok(())
}

impl Item {
    fn entry(&self) -> Entry<'_> {
        let what = match &self.what {
            Happened::Open => What::Open,
            Happened::Bytes { direction, bytes } => What::Bytes {
                direction: *direction,
                bytes,
            },
            Happened::End { direction, broken } => What::End {
                direction: *direction,
                broken: *broken,
            },
        };
        Entry {
            at_ns: self.at_ns,
            channel: self.channel,
            what,
        }
    }
}

/// Entries that may wait for the disk. One holds at most 256 KiB, so at most 64 MiB wait.
const QUEUE_LEN: usize = 256;
