//! Captures: a real migration stream in a file, so that carriers can be measured on it without guests.
//!
//! | part | what it does |
//! |---|---|
//! | [`crate::tee`] | stands between QEMU and whoever it migrates to, and writes down what passes |
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
mod entry;
mod reader;
pub(crate) mod recorder;
mod recording;
mod writer;

pub use entry::{CHANNELS_MAX, Direction, Entry, ReadError, Totals, VERSION, What};
pub use reader::Reader;
pub use recording::{LoadError, Recording};
pub use writer::Writer;

pub(crate) use recording::{Line, Track};
