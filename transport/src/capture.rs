//! Captures: a real migration stream in a file, so that carriers can be measured on it without guests.
//!
//! | part | what it does |
//! |---|---|
//! | [`Tee`] | stands between QEMU and whoever it migrates to, and writes down what passes |
//! | [`Writer`], [`Reader`] | the format, one entry after the other, in bounded memory |
//! | [`Recording`] | a whole capture in memory, ready to be played ([`crate::carry::Local::Replay`]) or compared with |
//!
//! To measure a carrier in one process: [`Recording::load`], a [`Sink`](crate::carry::Sink) with
//! [`Local::Discard`](crate::carry::Local::Discard), a [`Source`](crate::carry::Source) with `Local::Replay`, both run at once; both
//! end by themselves, and [`Event::Replayed`](crate::carry::Event::Replayed) tells the bytes and the time. A capture that is made up is
//! written with [`Writer`] into a `Vec<u8>` and read with [`Recording::read`].
//!
//! A capture holds the guest's memory: whoever can read the file can read what the guest kept secret. Nothing here knows what the
//! bytes mean.
//!
//! # Format, version 1
//! All numbers are little-endian. The file begins with the eight bytes `89 4C 4D 42 43 41 50 0A` (`\x89LMBCAP\n`) and the version as
//! a `u32`. Then block follows block, each with 28 bytes of header:
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | `u8` | kind: 1 open, 2 bytes, 3 end, 4 broken, 5 trailer |
//! | 1 | `u8` | direction: 0 towards the destination, 1 towards the source; 0 where it means nothing |
//! | 2 | `u8` | how the body is stored: 0 as it is, 1 as an LZ4 block |
//! | 3 | `u8` | 0 |
//! | 4 | `u32` | channel, 0 for the first one that opened, and so on; 0 in the trailer |
//! | 8 | `u64` | nanoseconds since the first channel opened; never less than in the block before |
//! | 16 | `u32` | length of the body's content, at most 1 MiB |
//! | 20 | `u32` | length of the body as stored: the same, or less if it is an LZ4 block |
//! | 24 | `u32` | CRC-32 (IEEE) of the header's first 24 bytes and the stored body |
//!
//! *Open* begins a channel, *bytes* is what was read at once (at least one byte), *end* is the half-close of a direction, *broken* ends a
//! direction whose stream broke off. After an end nothing follows in that direction. The *trailer* is the last block; its body holds the
//! number of channels (`u32`), the bytes towards the destination, those towards the source, and the blocks before it (`u64` each).
//! A file without trailer was cut off: a full disk, a killed process. What stands before the cut is as good as ever.
//! Blocks stand in the order in which their bytes were read, and bytes are written down before they are passed on: what one QEMU
//! said because of something stands behind it.

mod block;
mod reader;
mod recorder;
mod recording;
mod tee;
mod writer;

use std::io;

pub use reader::Reader;
pub use recording::{LoadError, Recording};
pub use tee::{Tee, TeeError, TeeEvent, TeeListener, TeeOptions};
pub use writer::Writer;

pub(crate) use recording::{Line, Track};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the source says: pages and state.
    ToDestination,
    /// What the destination answers: the return path.
    ToSource,
}

/// Something that happened on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// It opened. Channels are numbered in this order.
    Open,
    /// Bytes were read.
    Bytes {
        /// Which way they went.
        direction: Direction,
        /// They.
        bytes: &'a [u8],
    },
    /// A direction has ended.
    End {
        /// Which.
        direction: Direction,
        /// Whether its stream broke off instead of ending in order.
        broken: bool,
    },
}

/// One entry of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Nanoseconds since the capture began.
    pub at_ns: u64,
    /// The channel.
    pub channel: u32,
    /// What happened.
    pub what: What<'a>,
}

/// Sums over a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Channels that opened.
    pub channels: u32,
    /// Bytes towards the destination.
    pub to_destination_bytes: u64,
    /// Bytes towards the source.
    pub to_source_bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of the file, compressed, with headers.
    pub file_bytes: u64,
}

/// A file that is no sound capture. Offsets are those of the block in the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It begins with something else.
    #[error("not a capture of lmbench")]
    NotACapture,
    /// It is of another time.
    #[error("capture of version {found}, this lmbench reads version {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// It was changed after it was written.
    #[error("capture is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the block begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the capture")]
    Io(#[from] io::Error),
}

/// The version that is written and read.
pub const VERSION: u32 = 1;
/// Channels of a capture: four times as many as QEMU can open, and few enough to have threads of their own.
pub const CHANNELS_MAX: usize = 1024;
