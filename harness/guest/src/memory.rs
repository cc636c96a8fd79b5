//! The workload's memory: one anonymous mapping, handed out as plain words.
//!
//! It is never unmapped: the guest lives as long as its workload.
#![expect(
    unsafe_code,
    reason = "mapping memory is the one thing here that the standard library can't do"
)]

use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Maps `bytes` of zero pages, page-aligned, for good. Touches none of them.
pub fn map(bytes: usize) -> io::Result<&'static mut [u64]> {
    // SAFETY: a new private mapping at an address of the kernel's choice aliases nothing. It is page-aligned, zero-filled
    // (any bits are a valid u64), `bytes` long and never unmapped, so the slice is valid and exclusive for `'static`.
    unsafe {
        let start = mmap_anonymous(
            null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        )?;
        Ok(std::slice::from_raw_parts_mut(
            start.cast(),
            bytes / size_of::<u64>(),
        ))
    }
}
