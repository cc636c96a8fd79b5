//! A TLS connection after its handshake, as a stream; and its two directions for the relay, which moves bytes without copies.

use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::buffer::{Buffer, SLOT_LEN, SLOTS};
use super::record::{
    CLOSE_LEN, Content, HEADER_LEN, KEY_UPDATE_LEN, Opener, PAYLOAD_MAX, Sealer, TRAILER_LEN,
    record_len,
};

/// A connection with another end that was authenticated.
pub(crate) struct TlsStream {
    pub(crate) socket: TcpStream,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    details: String,
}

/// What this end sends: a batch of records at a time, made in place.
pub(crate) struct Outgoing {
    sealer: Sealer,
    /// Room for a key update and then [`SLOTS`] records, each with gaps for its header and trailer. Held while something is sealed
    /// and not written.
    buffer: Buffer,
    /// Sealed and not written so far.
    sealed: Range<usize>,
    is_closed: bool,
}

/// What the peer sends: as many records at a time as have arrived, opened in place.
pub(crate) struct Incoming {
    opener: Opener,
    /// Held while something is in it that was not taken.
    buffer: Buffer,
    /// Arrived and not opened so far.
    raw: Range<usize>,
    /// Payloads that were opened and not taken so far: those of `next_plain` and after, in order.
    plain: Vec<Range<usize>>,
    next_plain: usize,
    is_closed: bool,
}

impl TlsStream {
    pub(super) fn new(
        socket: TcpStream,
        (sealer, opener): (Sealer, Opener),
        details: String,
    ) -> Self {
        Self {
            socket,
            outgoing: Outgoing::new(sealer),
            incoming: Incoming::new(opener),
            details,
        }
    }

    /// What was negotiated.
    pub(crate) fn details(&self) -> &str {
        &self.details
    }

    /// Waits until there is something to read; `false` means that the peer has ended its direction.
    pub(crate) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.incoming.has_plain() {
                return Poll::Ready(Ok(true));
            }
            if self.incoming.is_closed {
                return Poll::Ready(Ok(false));
            }
            let mut room = ReadBuf::new(self.incoming.room());
            let read = Pin::new(&mut self.socket).poll_read(context, &mut room);
            let arrived = room.filled().len();
            if read.is_pending() {
                self.incoming.wait();
            }
            ready!(read)?;
            self.incoming.arrived(arrived)?;
        }
    }

    /// Writes what was sealed.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.sealed().is_empty() {
            let socket = Pin::new(&mut self.socket);
            let written = ready!(socket.poll_write(context, self.outgoing.sealed()))?;
            self.outgoing.written(written)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Outgoing {
    fn new(sealer: Sealer) -> Self {
        Self {
            sealer,
            buffer: Buffer::default(),
            sealed: 0..0,
            is_closed: false,
        }
    }

    /// The places of the next payloads, to be filled in order. Only while nothing is sealed and not written.
    pub(crate) fn payloads(&mut self) -> [IoSliceMut<'_>; SLOTS] {
        let mut slots = self.buffer.hold()[KEY_UPDATE_LEN..].chunks_exact_mut(SLOT_LEN);
        std::array::from_fn(|_| {
            let slot = slots.next().expect("the buffer holds all slots");
            IoSliceMut::new(&mut slot[HEADER_LEN..][..PAYLOAD_MAX])
        })
    }

    /// Seals the payloads that were filled, `len` bytes in all.
    pub(crate) fn seal(&mut self, len: usize) -> io::Result<()> {
        let start = self.begin()?;
        let mut end = KEY_UPDATE_LEN;
        for slot in 0..len.div_ceil(PAYLOAD_MAX) {
            let payload_len = (len - slot * PAYLOAD_MAX).min(PAYLOAD_MAX);
            let record_len = HEADER_LEN + payload_len + TRAILER_LEN;
            self.sealer
                .seal_data(&mut self.buffer.hold()[end..][..record_len])?;
            end += record_len;
        }
        self.sealed = start..end;
        Ok(())
    }

    /// Seals the end of this direction. Only while nothing is sealed and not written.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let start = self.begin()?;
        let record = self.buffer.hold()[KEY_UPDATE_LEN..].first_chunk_mut::<CLOSE_LEN>();
        self.sealer
            .seal_close(record.expect("the buffer holds at least a record"))?;
        self.sealed = start..KEY_UPDATE_LEN + CLOSE_LEN;
        self.is_closed = true;
        Ok(())
    }

    /// Renews the key if that is due, and says where the batch begins.
    fn begin(&mut self) -> io::Result<usize> {
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.sealer.is_due() {
            return Ok(KEY_UPDATE_LEN);
        }
        let record = self.buffer.hold().first_chunk_mut::<KEY_UPDATE_LEN>();
        self.sealer
            .renew(record.expect("the buffer holds at least a record"))?;
        Ok(0)
    }

    /// What has to be written.
    pub(crate) fn sealed(&self) -> &[u8] {
        self.buffer.held().get(self.sealed.clone()).unwrap_or(&[])
    }

    /// Takes note that this many bytes were written.
    pub(crate) fn written(&mut self, len: usize) -> io::Result<()> {
        if len == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sealed.start += len;
        self.wait();
        Ok(())
    }

    /// To be called before a wait for more to send: nothing is held then, unless it has to be written.
    pub(crate) fn wait(&mut self) {
        if self.sealed.is_empty() {
            self.buffer.release();
        }
    }

    /// How many bytes this direction holds.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.buffer.held().len()
    }

    #[cfg(test)]
    pub(super) fn renew_after(&mut self, records: u64) {
        self.sealer.renew_after(records);
    }

    /// Copies data into the next payloads and seals them; returns how much there was room for.
    fn fill(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut filled = 0;
        for (mut slot, chunk) in self.payloads().into_iter().zip(data.chunks(PAYLOAD_MAX)) {
            slot[..chunk.len()].copy_from_slice(chunk);
            filled += chunk.len();
        }
        if filled > 0 {
            self.seal(filled)?;
        }
        Ok(filled)
    }
}

impl Incoming {
    fn new(opener: Opener) -> Self {
        Self {
            opener,
            buffer: Buffer::default(),
            raw: 0..0,
            plain: Vec::with_capacity(PAYLOADS_EXPECTED),
            next_plain: 0,
            is_closed: false,
        }
    }

    /// Where to put what arrives next. Only while nothing is opened and not taken.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let buffer = self.buffer.hold();
        // What is left here is less than one record.
        buffer.copy_within(self.raw.clone(), 0);
        self.raw = 0..self.raw.len();
        &mut buffer[self.raw.end..]
    }

    /// To be called before a wait for more to arrive: nothing is held then, unless a part of a record has arrived already.
    pub(crate) fn wait(&mut self) {
        if self.raw.is_empty() && !self.has_plain() {
            self.buffer.release();
            self.plain.clear();
            self.plain.shrink_to(PAYLOADS_EXPECTED);
            self.next_plain = 0;
        }
    }

    /// How many bytes this direction holds.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.buffer.held().len()
    }

    /// Takes note that this many bytes arrived, and opens every record that is whole.
    pub(crate) fn arrived(&mut self, len: usize) -> io::Result<()> {
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the peer's stream was cut: its connection ended without a notice",
            ));
        }
        self.raw.end += len;
        self.plain.clear();
        self.next_plain = 0;
        let buffer = self.buffer.hold();
        while !self.is_closed
            && let Some(len) = record_len(&buffer[self.raw.clone()])?
            && len <= self.raw.len()
        {
            let start = self.raw.start;
            match self.opener.open(&mut buffer[start..start + len])? {
                Content::Data(data_len) => {
                    let payload = start + HEADER_LEN;
                    self.plain.push(payload..payload + data_len);
                }
                Content::Close => self.is_closed = true,
                Content::Nothing => {}
            }
            self.raw.start += len;
        }
        Ok(())
    }

    /// Whether something was opened and not taken.
    pub(crate) fn has_plain(&self) -> bool {
        self.next_plain < self.plain.len()
    }

    /// Whether the peer has ended its direction.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The next payloads, as many as fit.
    pub(crate) fn payloads<'slices, 'buffer>(
        &'buffer self,
        slices: &'slices mut [IoSlice<'buffer>],
    ) -> &'slices [IoSlice<'buffer>] {
        let mut count = 0;
        for (slice, range) in slices.iter_mut().zip(&self.plain[self.next_plain..]) {
            *slice = IoSlice::new(&self.buffer.held()[range.clone()]);
            count += 1;
        }
        &slices[..count]
    }

    /// Takes note that this many bytes of the payloads were taken.
    pub(crate) fn taken(&mut self, mut len: usize) -> io::Result<()> {
        if len == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while len > 0 {
            let range = &mut self.plain[self.next_plain];
            let step = len.min(range.len());
            range.start += step;
            len -= step;
            if range.start == range.end {
                self.next_plain += 1;
            }
        }
        self.wait();
        Ok(())
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !ready!(self.poll_readable(context))? || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let range = self.incoming.plain[self.incoming.next_plain].clone();
        let len = range.len().min(buffer.remaining());
        buffer.put_slice(&self.incoming.buffer.held()[range][..len]);
        Poll::Ready(self.incoming.taken(len))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        let filled = self.outgoing.fill(data)?;
        match self.poll_drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What could not be written yet goes before whatever comes next.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(filled)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        self.outgoing.close()?;
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// A batch of full records has at most two more than [`SLOTS`]; a peer that sends small ones makes the list grow.
const PAYLOADS_EXPECTED: usize = 64;
