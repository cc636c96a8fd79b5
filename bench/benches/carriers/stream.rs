//! The bytes of a transfer and how they are cut into writes.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use lmbench_transport::capture::{Direction, Reader, What};
use rand_core::{Rng as _, SeedableRng as _};

/// What is sent: the pieces one after the other, from the first again, until `len` bytes are sent.
pub(crate) struct Stream {
    bytes: Vec<u8>,
    /// Where each piece ends.
    ends: Vec<usize>,
    len: u64,
}

impl Stream {
    /// Random bytes, the same ones every time.
    pub(crate) fn synthetic(len: u64) -> Self {
        let mut bytes = vec![0; MEMORY_LEN.min(len as usize)];
        rand_pcg::Pcg64Mcg::seed_from_u64(1).fill_bytes(&mut bytes);
        let ends = (1..=bytes.len().div_ceil(WRITE_LEN))
            .map(|piece| (piece * WRITE_LEN).min(bytes.len()))
            .collect();
        Self { bytes, ends, len }
    }

    /// What a captured guest said to its destination, over all channels in the order of the file, cut as it was read.
    pub(crate) fn replayed(path: &Path) -> Result<Self, String> {
        let place = |error: String| format!("can't replay {}: {error}", path.display());
        let file = File::open(path).map_err(|error| place(error.to_string()))?;
        let reader = Reader::new(BufReader::with_capacity(1 << 20, file));
        let mut reader = reader.map_err(|error| place(error.to_string()))?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        while let Some(entry) = reader
            .next_entry()
            .map_err(|error| place(error.to_string()))?
        {
            let What::Bytes {
                direction: Direction::ToDestination,
                bytes: piece,
            } = entry.what
            else {
                continue;
            };
            if bytes.len() + piece.len() > REPLAYED_MAX {
                eprintln!("only the first GiB of {} is replayed", path.display());
                break;
            }
            bytes.extend_from_slice(piece);
            ends.push(bytes.len());
        }
        if bytes.is_empty() {
            return Err(place("it holds no stream".to_owned()));
        }
        let len = bytes.len() as u64;
        Ok(Self { bytes, ends, len })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut left = self.len;
        let mut start = 0;
        for end in self.ends.iter().cycle() {
            if *end <= start {
                start = 0;
            }
            let piece = &self.bytes[start..*end];
            let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            to.write_all(piece)?;
            left -= piece.len() as u64;
            start = *end;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// More than any cache of a core holds, as a guest's memory is.
const MEMORY_LEN: usize = 64 << 20;
/// What a capture may take of this machine's memory.
const REPLAYED_MAX: usize = 1 << 30;
const WRITE_LEN: usize = 128 << 10;
