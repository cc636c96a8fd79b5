//! Room for a batch of records, borrowed while bytes flow: a direction that is idle holds none.

use std::sync::{Mutex, PoisonError};

use super::record::{BODY_MAX, HEADER_LEN, PAYLOAD_MAX, TRAILER_LEN};

/// A buffer of [`LEN`] bytes, or none.
#[derive(Default)]
pub(super) struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    /// The bytes, of which nothing is known if there were none so far.
    pub(super) fn hold(&mut self) -> &mut [u8] {
        self.0
            .get_or_insert_with(|| take_spare().unwrap_or_else(|| vec![0; LEN].into_boxed_slice()))
    }

    /// The bytes, if there are any.
    pub(super) fn held(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Leaves them to whoever comes next.
    pub(super) fn release(&mut self) {
        let Some(buffer) = self.0.take() else { return };
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

/// The one that was used last, which is the most likely to be in the processor's cache.
fn take_spare() -> Option<Box<[u8]>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Shared by all connections: freeing and allocating for each batch would fault every page in again.
static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());
/// 4.3 MiB.
const SPARE_MAX: usize = 16;
/// Records per batch: 256 KiB of payload fill one system call well and stay in the processor's second cache.
pub(super) const SLOTS: usize = 16;
pub(super) const SLOT_LEN: usize = HEADER_LEN + PAYLOAD_MAX + TRAILER_LEN;
/// A batch of full records and the beginning of another one.
const LEN: usize = SLOTS * SLOT_LEN + HEADER_LEN + BODY_MAX;
