//! Buffers for packets, kept for the next ones. Three sizes, because most frames that are not 64 KiB are acknowledgements.

/// Buffers that are free now. The last one freed is the next one used: it is still in the cache.
#[derive(Debug)]
pub(super) struct Buffers {
    free: [Vec<Vec<u8>>; SIZES.len()],
}

/// A packet in a buffer that may be longer.
#[derive(Debug)]
pub(super) struct Stored {
    buffer: Vec<u8>,
    len: usize,
}

impl Stored {
    /// The first `len` bytes of a buffer.
    pub(super) fn new(buffer: Vec<u8>, len: usize) -> Stored {
        let len = len.min(buffer.len());
        Stored { buffer, len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The memory it takes, which is more than its bytes.
    pub(super) fn footprint(&self) -> usize {
        self.buffer.len()
    }
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers {
            free: [const { Vec::new() }; SIZES.len()],
        }
    }

    /// A buffer of at least `bytes`, which must not be more than [`LARGEST`].
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        let class = SIZES
            .iter()
            .position(|size| *size >= bytes)
            .unwrap_or(SIZES.len() - 1);
        self.free[class]
            .pop()
            .unwrap_or_else(|| vec![0; SIZES[class]])
    }

    /// Keeps a buffer for later.
    pub(super) fn give(&mut self, buffer: Vec<u8>) {
        if let Some(class) = SIZES.iter().position(|size| *size == buffer.len()) {
            self.free[class].push(buffer);
        }
    }

    /// As [`Buffers::give`], of a packet that has been delivered.
    pub(super) fn give_back(&mut self, stored: Stored) {
        self.give(stored.buffer);
    }

    /// The packet in the smallest buffer that holds it; the large one it was read into is free again.
    pub(super) fn settle(&mut self, buffer: Vec<u8>, len: usize) -> Stored {
        if len > SIZES[SIZES.len() - 2] {
            return Stored::new(buffer, len);
        }
        let mut smaller = self.take(len);
        smaller[..len].copy_from_slice(&buffer[..len]);
        self.give(buffer);
        Stored::new(smaller, len)
    }
}

/// A full GSO packet of 64 KiB with its headers.
pub(super) const LARGEST: usize = 68 * 1024;
/// Acknowledgements and ordinary frames, jumbo frames, GSO packets.
const SIZES: [usize; 3] = [2 * 1024, 10 * 1024, LARGEST];
