//! What a capture consists of.

use std::io;

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
