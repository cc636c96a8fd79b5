//! Reads entries and trusts nothing: lengths are bounded before memory is taken, checksums and the order of entries are checked.

use std::io::{self, Read};

use super::block::{
    BODY_LEN_MAX, BROKEN, BYTES, END, HEADER_LEN, Header, LZ4, MAGIC, OPEN, PLAIN, PREFACE_LEN,
    TRAILER, TRAILER_LEN, is_sound, u32_at, u64_at,
};
use super::entry::{CHANNELS_MAX, Direction, Entry, ReadError, Totals, VERSION, What};

/// A capture that is being read. Needs memory for one block, at most 2 MiB.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    /// Of the bytes read so far.
    totals: Totals,
    last_ns: u64,
    /// For each channel, which directions have ended.
    ended: Vec<[bool; 2]>,
    state: State,
    stored: Vec<u8>,
    content: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Whole,
    CutOff,
}

impl<R: Read> Reader<R> {
    /// Reads what every capture begins with. Give it a buffered `from`: it reads headers of 28 bytes.
    pub fn new(mut from: R) -> Result<Self, ReadError> {
        let mut preface = [0; PREFACE_LEN];
        if fill(&mut from, &mut preface)? < PREFACE_LEN || preface[..8] != MAGIC {
            return Err(ReadError::NotACapture);
        }
        let found = u32_at(&preface, 8);
        if found != VERSION {
            return Err(ReadError::Version { found });
        }
        Ok(Self {
            from,
            totals: Totals {
                file_bytes: PREFACE_LEN as u64,
                ..Totals::default()
            },
            last_ns: 0,
            ended: Vec::new(),
            state: State::Reading,
            stored: Vec::new(),
            content: Vec::new(),
        })
    }

    /// The next entry; `None` at the end, of which [`Reader::is_whole`] tells whether it is the right one.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ReadError> {
        if self.state != State::Reading {
            return Ok(None);
        }
        let Some(header) = self.block()? else {
            self.state = State::CutOff;
            return Ok(None);
        };
        self.decode(&header)?;
        if header.kind == TRAILER {
            self.check_trailer()?;
            self.totals.file_bytes += HEADER_LEN as u64 + u64::from(header.stored_len);
            self.state = State::Whole;
            return Ok(None);
        }
        let direction = self.place(&header)?;
        self.totals.entries += 1;
        self.totals.file_bytes += HEADER_LEN as u64 + u64::from(header.stored_len);
        self.last_ns = header.at_ns;
        let what = match header.kind {
            OPEN => What::Open,
            BYTES => {
                *match direction {
                    Direction::ToDestination => &mut self.totals.to_destination_bytes,
                    Direction::ToSource => &mut self.totals.to_source_bytes,
                } += u64::from(header.len);
                let bytes = &self.content;
                What::Bytes { direction, bytes }
            }
            _ => What::End {
                direction,
                broken: header.kind == BROKEN,
            },
        };
        Ok(Some(Entry {
            at_ns: header.at_ns,
            channel: header.channel,
            what,
        }))
    }

    /// Whether the capture was read up to its trailer. Otherwise it is being read, or it was cut off.
    pub fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Of what was read so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// A sound block, its body in `stored`; `None` where the file ends.
    fn block(&mut self) -> Result<Option<Header>, ReadError> {
        let mut bytes = [0; HEADER_LEN];
        if fill(&mut self.from, &mut bytes)? < HEADER_LEN {
            return Ok(None);
        }
        let header = Header::from_bytes(&bytes);
        let (len, stored_len) = (header.len as usize, header.stored_len as usize);
        let fits = match header.encoding {
            PLAIN => stored_len == len,
            LZ4 => stored_len < len,
            _ => return Err(self.damaged("unknown encoding")),
        };
        if !fits || len > BODY_LEN_MAX {
            return Err(self.damaged("impossible length"));
        }
        self.stored.resize(stored_len, 0);
        if fill(&mut self.from, &mut self.stored)? < stored_len {
            return Ok(None);
        }
        if !is_sound(&bytes, &self.stored) {
            return Err(self.damaged("wrong checksum"));
        }
        Ok(Some(header))
    }

    /// From `stored` to `content`.
    fn decode(&mut self, header: &Header) -> Result<(), ReadError> {
        if header.encoding == PLAIN {
            std::mem::swap(&mut self.stored, &mut self.content);
            return Ok(());
        }
        self.content.resize(header.len as usize, 0);
        match lz4_flex::block::decompress_into(&self.stored, &mut self.content) {
            Ok(len) if len == self.content.len() => Ok(()),
            _ => Err(self.damaged("content cannot be decompressed")),
        }
    }

    /// Whether the block may stand here. Tells its direction.
    fn place(&mut self, header: &Header) -> Result<Direction, ReadError> {
        let direction = match header.direction {
            0 => Direction::ToDestination,
            1 => Direction::ToSource,
            _ => return Err(self.damaged("unknown direction")),
        };
        if header.at_ns < self.last_ns {
            return Err(self.damaged("time goes back"));
        }
        let number = header.channel as usize;
        if header.kind == OPEN {
            if number != self.ended.len() {
                return Err(self.damaged("channels open out of order"));
            }
            if number >= CHANNELS_MAX {
                return Err(self.damaged("too many channels"));
            }
            if header.len > 0 {
                return Err(self.damaged("an opening with bytes"));
            }
            self.ended.push([false; 2]);
            self.totals.channels += 1;
            return Ok(direction);
        }
        let side = usize::from(header.direction);
        match self.ended.get(number).map(|ended| ended[side]) {
            None => return Err(self.damaged("a channel that never opened")),
            Some(true) => return Err(self.damaged("a direction goes on after its end")),
            Some(false) => {}
        }
        match header.kind {
            BYTES if header.len > 0 => {}
            END | BROKEN if header.len == 0 => self.ended[number][side] = true,
            BYTES | END | BROKEN => return Err(self.damaged("impossible length")),
            _ => return Err(self.damaged("unknown kind of block")),
        }
        Ok(direction)
    }

    fn check_trailer(&mut self) -> Result<(), ReadError> {
        let body = &self.content;
        let agrees = body.len() == TRAILER_LEN
            && u32_at(body, 0) == self.totals.channels
            && u64_at(body, 4) == self.totals.to_destination_bytes
            && u64_at(body, 12) == self.totals.to_source_bytes
            && u64_at(body, 20) == self.totals.entries;
        if !agrees {
            return Err(self.damaged("the totals are of another capture"));
        }
        if fill(&mut self.from, &mut [0])? > 0 {
            return Err(self.damaged("something follows the end"));
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> ReadError {
        ReadError::Damaged {
            offset: self.totals.file_bytes,
            what,
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
