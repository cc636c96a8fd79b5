//! Writes entries. Every block goes out at once and whole, so that what a crash leaves behind is readable up to there.

use std::io::{self, Write};

use super::block::{
    BODY_LEN_MAX, BROKEN, BYTES, END, HEADER_LEN, Header, LZ4, MAGIC, OPEN, PLAIN, PREFACE_LEN,
    TRAILER, TRAILER_LEN,
};
use super::entry::{CHANNELS_MAX, Direction, Entry, Totals, VERSION, What};

/// A capture that is being written. Whoever drops it without [`Writer::finish`] leaves a capture that was cut off.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    totals: Totals,
    last_ns: u64,
    /// Header and stored body of the current block.
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a capture.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut preface = [0; PREFACE_LEN];
        preface[..8].copy_from_slice(&MAGIC);
        preface[8..].copy_from_slice(&VERSION.to_le_bytes());
        out.write_all(&preface)?;
        Ok(Self {
            out,
            totals: Totals {
                file_bytes: PREFACE_LEN as u64,
                ..Totals::default()
            },
            last_ns: 0,
            block: Vec::new(),
        })
    }

    /// What was written so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Adds an entry. A time before that of the last one is taken for the same time. More bytes than one block holds become several.
    pub fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let (channel, at_ns) = (entry.channel, entry.at_ns);
        match entry.what {
            What::Open => {
                if self.totals.channels as usize >= CHANNELS_MAX {
                    let text = format!("a capture holds at most {CHANNELS_MAX} channels");
                    return Err(io::Error::other(text));
                }
                self.block((OPEN, Direction::ToDestination), channel, at_ns, &[])?;
                self.totals.channels += 1;
            }
            What::Bytes { direction, bytes } => {
                for bytes in bytes.chunks(BODY_LEN_MAX) {
                    self.block((BYTES, direction), channel, at_ns, bytes)?;
                    *match direction {
                        Direction::ToDestination => &mut self.totals.to_destination_bytes,
                        Direction::ToSource => &mut self.totals.to_source_bytes,
                    } += bytes.len() as u64;
                }
            }
            What::End { direction, broken } => {
                let kind = if broken { BROKEN } else { END };
                self.block((kind, direction), channel, at_ns, &[])?;
            }
        }
        Ok(())
    }

    /// Ends the capture with its totals, which makes it whole.
    pub fn finish(mut self) -> io::Result<(W, Totals)> {
        let mut body = [0; TRAILER_LEN];
        body[..4].copy_from_slice(&self.totals.channels.to_le_bytes());
        body[4..12].copy_from_slice(&self.totals.to_destination_bytes.to_le_bytes());
        body[12..20].copy_from_slice(&self.totals.to_source_bytes.to_le_bytes());
        body[20..].copy_from_slice(&self.totals.entries.to_le_bytes());
        let entries = self.totals.entries;
        self.block((TRAILER, Direction::ToDestination), 0, 0, &body)?;
        self.out.flush()?;
        self.totals.entries = entries;
        Ok((self.out, self.totals))
    }

    fn block(
        &mut self,
        (kind, direction): (u8, Direction),
        channel: u32,
        at_ns: u64,
        body: &[u8],
    ) -> io::Result<()> {
        self.last_ns = self.last_ns.max(at_ns);
        let room = lz4_flex::block::get_maximum_output_size(body.len());
        self.block.resize(HEADER_LEN + room, 0);
        let (head, stored) = self.block.split_at_mut(HEADER_LEN);
        // The output has the room that the library asks for, so it does not fail; if it did, the body goes as it is.
        let compressed = lz4_flex::block::compress_into(body, stored).unwrap_or(usize::MAX);
        let (encoding, stored_len) = if compressed < body.len() {
            (LZ4, compressed)
        } else {
            stored[..body.len()].copy_from_slice(body);
            (PLAIN, body.len())
        };
        let header = Header {
            kind,
            direction: direction as u8,
            encoding,
            channel,
            at_ns: self.last_ns,
            len: body.len() as u32,
            stored_len: stored_len as u32,
        };
        head.copy_from_slice(&header.to_bytes(&stored[..stored_len]));
        let block = &self.block[..HEADER_LEN + stored_len];
        self.out.write_all(block)?;
        self.totals.entries += 1;
        self.totals.file_bytes += block.len() as u64;
        Ok(())
    }
}
