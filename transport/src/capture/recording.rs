//! A whole capture in memory: for each channel the bytes of both directions in one piece each, and what came when.
//!
//! It is all there before the first channel opens, so neither the disk nor the decompression is any part of what is measured.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::entry::{Direction, Entry, ReadError, Totals, What};
use super::reader::Reader;

/// A capture that was read to its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Recording {
    channels: Vec<Track>,
    totals: Totals,
    whole: bool,
}

/// One channel.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) opened_ns: u64,
    /// For each channel that opened before, the bytes that it had sent to the destination by then.
    pub(crate) after: Vec<u64>,
    pub(crate) to_destination: Line,
    pub(crate) to_source: Line,
}

/// One direction of a channel.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<Mark>,
    /// When it ended; `None` where the capture ends before.
    pub(crate) ended_ns: Option<u64>,
}

/// Where bytes begin that were read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: usize,
    pub(crate) at_ns: u64,
    /// How many bytes of the other direction had come by then.
    pub(crate) behind: usize,
}

/// A capture cannot be had in memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no sound capture.
    #[error("cannot use {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// There is not enough memory.
    #[error("{} holds more than {limit_bytes} bytes, which is half of the memory that is free here", path.display())]
    TooLarge {
        /// Its path.
        path: PathBuf,
        /// How much would have been taken.
        limit_bytes: u64,
    },
    /// There is nothing in it.
    #[error("{} has no channels", path.display())]
    Empty {
        /// Its path.
        path: PathBuf,
    },
}

impl Recording {
    /// Loads a file, which may be cut off ([`Recording::is_whole`]) but not damaged and not empty. Takes at most half of the
    /// memory that is free.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let file = File::open(path).map_err(|source| LoadError::Open {
            path: path.to_owned(),
            source,
        })?;
        let limit_bytes = available_bytes().map_or(u64::MAX, |bytes| bytes / 2);
        let read = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let recording = Self::read(BufReader::with_capacity(READ_LEN, file), limit_bytes);
        let recording = recording.map_err(read)?.ok_or(LoadError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        })?;
        if recording.channels.is_empty() {
            return Err(LoadError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(recording)
    }

    /// Reads a capture from anywhere; `None` if it holds more than that many bytes.
    pub fn read(from: impl Read, limit_bytes: u64) -> Result<Option<Self>, ReadError> {
        let mut reader = Reader::new(from)?;
        let mut channels = Vec::new();
        let mut taken = 0;
        while let Some(entry) = reader.next_entry()? {
            taken += match entry.what {
                What::Bytes { bytes, .. } => (bytes.len() + size_of::<Mark>()) as u64,
                What::Open | What::End { .. } => 0,
            };
            if taken > limit_bytes {
                return Ok(None);
            }
            add(&mut channels, &entry);
        }
        Ok(Some(Self {
            channels,
            totals: reader.totals(),
            whole: reader.is_whole(),
        }))
    }

    /// Whether the capture was ended in order. One that was cut off is played as far as it goes.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Sums over all channels.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn channels(&self) -> &[Track] {
        &self.channels
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recording")
            .field("totals", &self.totals)
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

impl Track {
    fn line(&mut self, direction: Direction) -> (&mut Line, &Line) {
        match direction {
            Direction::ToDestination => (&mut self.to_destination, &self.to_source),
            Direction::ToSource => (&mut self.to_source, &self.to_destination),
        }
    }
}

/// The reader has checked that the entry may stand here.
fn add(channels: &mut Vec<Track>, entry: &Entry<'_>) {
    let at_ns = entry.at_ns;
    match entry.what {
        What::Open => {
            let sent = |track: &Track| track.to_destination.bytes.len() as u64;
            let after = channels.iter().map(sent).collect();
            channels.push(Track {
                opened_ns: at_ns,
                after,
                ..Track::default()
            });
        }
        What::Bytes { direction, bytes } => {
            let (line, other) = channels[entry.channel as usize].line(direction);
            line.marks.push(Mark {
                offset: line.bytes.len(),
                at_ns,
                behind: other.bytes.len(),
            });
            line.bytes.extend_from_slice(bytes);
        }
        What::End { direction, .. } => {
            let (line, _) = channels[entry.channel as usize].line(direction);
            line.ended_ns = Some(at_ns);
        }
    }
}

/// What the kernel could give without swapping.
fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

const READ_LEN: usize = 256 * 1024;
