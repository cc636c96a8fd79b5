//! One block's header, as bytes and as fields. Whether a block makes sense where it stands is the reader's business.

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) direction: u8,
    pub(super) encoding: u8,
    pub(super) channel: u32,
    pub(super) at_ns: u64,
    pub(super) len: u32,
    pub(super) stored_len: u32,
}

impl Header {
    /// With the checksum over it and the stored body.
    pub(super) fn to_bytes(self, stored: &[u8]) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..3].copy_from_slice(&[self.kind, self.direction, self.encoding]);
        bytes[4..8].copy_from_slice(&self.channel.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at_ns.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.stored_len.to_le_bytes());
        let checksum = checksum(&bytes[..CHECKED_LEN], stored);
        bytes[CHECKED_LEN..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The fields as they stand there, unchecked.
    pub(super) fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        Self {
            kind: bytes[0],
            direction: bytes[1],
            encoding: bytes[2],
            channel: u32_at(bytes, 4),
            at_ns: u64_at(bytes, 8),
            len: u32_at(bytes, 16),
            stored_len: u32_at(bytes, 20),
        }
    }
}

/// Whether the checksum in the header is that of the block.
pub(super) fn is_sound(header: &[u8; HEADER_LEN], stored: &[u8]) -> bool {
    u32_at(header, CHECKED_LEN) == checksum(&header[..CHECKED_LEN], stored)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn checksum(header: &[u8], stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(stored);
    hasher.finalize()
}

pub(super) const MAGIC: [u8; 8] = *b"\x89LMBCAP\n";
/// Magic and version.
pub(super) const PREFACE_LEN: usize = 12;
pub(super) const HEADER_LEN: usize = 28;
const CHECKED_LEN: usize = 24;
/// What a reader has to hold of one block.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
pub(super) const TRAILER_LEN: usize = 28;

pub(super) const OPEN: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const END: u8 = 3;
pub(super) const BROKEN: u8 = 4;
pub(super) const TRAILER: u8 = 5;

pub(super) const PLAIN: u8 = 0;
pub(super) const LZ4: u8 = 1;
