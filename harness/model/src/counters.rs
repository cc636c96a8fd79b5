//! What was sent and what was found dirty: QEMU's `mig_stats` and the part of `RAMState` that looks at periods.

use std::time::Duration;

use crate::dirty::Batch;
use crate::status::RamStats;
use crate::time::PAGE_BYTES;

/// When bytes were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Precopy,
    Downtime,
    Postcopy,
}

/// Bytes per page on the wire beside its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers {
    pub normal: f64,
    pub zero: f64,
}

impl Headers {
    /// `save_page_header`: 8 bytes, and for a page of zeros the byte after it.
    pub(crate) const PLAIN: Self = Self {
        normal: 8.0,
        zero: 9.0,
    };
    /// A multifd packet: 64 bytes, the block's name in 256, and 8 bytes for each of the 128 pages that it is about,
    /// zero ones among them (`MultiFDPacket_t`, `MULTIFD_PACKET_SIZE` 512 KiB).
    pub(crate) const MULTIFD: Self = Self {
        normal: 8.0 + 320.0 / 128.0,
        zero: 8.0 + 320.0 / 128.0,
    };

    pub(crate) fn wire_bytes(self, batch: Batch) -> f64 {
        batch.content_bytes + batch.normal * self.normal + batch.zero * self.zero
    }
}

/// All counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub bytes: f64,
    /// Those that the rate limit and the bandwidth estimate see.
    pub stream_bytes: f64,
    pub normal: f64,
    pub zero: f64,
    pub requests: f64,
    precopy: f64,
    downtime: f64,
    postcopy: f64,
    /// Bytes sent since each dirty sync.
    pub passes: Vec<f64>,
    /// Time of the last look at a period (`time_last_bitmap_sync`).
    looked: Option<Duration>,
    period_pages: f64,
    period_bytes: f64,
    pub dirty_pages_per_s: f64,
    pub dirty_bytes_last_sync: f64,
}

impl Counters {
    pub(crate) fn pages(&self) -> f64 {
        self.normal + self.zero
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.passes.len() as u64
    }

    pub(crate) fn sent(&mut self, batch: Batch, bytes: f64, when: When) {
        self.bytes += bytes;
        self.normal += batch.normal;
        self.zero += batch.zero;
        *match when {
            When::Precopy => &mut self.precopy,
            When::Downtime => &mut self.downtime,
            When::Postcopy => &mut self.postcopy,
        } += bytes;
        if let Some(pass) = self.passes.last_mut() {
            *pass += bytes;
        }
    }

    /// A dirty sync found `new` pages (`migration_bitmap_sync`); where more than a second is over, the bytes that
    /// were dirtied and sent meanwhile.
    pub(crate) fn synced(&mut self, now: Duration, new: f64, dirty: f64) -> Option<(f64, f64)> {
        self.passes.push(0.0);
        self.period_pages += new;
        self.dirty_bytes_last_sync = dirty * PAGE_BYTES;
        let since = *self.looked.get_or_insert(now);
        let period = now.saturating_sub(since);
        if period <= LOOK_AFTER {
            return None;
        }
        let seen = (
            self.period_pages * PAGE_BYTES,
            self.stream_bytes - self.period_bytes,
        );
        self.dirty_pages_per_s = self.period_pages / period.as_secs_f64();
        self.looked = Some(now);
        self.period_pages = 0.0;
        self.period_bytes = self.stream_bytes;
        Some(seen)
    }

    pub(crate) fn ram(&self, multifd: bool) -> RamStats {
        let whole = |value: f64| value.round() as u64;
        RamStats {
            transferred: whole(self.bytes),
            duplicate: whole(self.zero),
            normal: whole(self.normal),
            normal_bytes: whole(self.normal) * PAGE_BYTES as u64,
            dirty_pages_rate: whole(self.dirty_pages_per_s),
            dirty_sync_count: self.syncs(),
            page_size: PAGE_BYTES as u64,
            multifd_bytes: if multifd { whole(self.bytes) } else { 0 },
            precopy_bytes: whole(self.precopy),
            downtime_bytes: whole(self.downtime),
            postcopy_bytes: whole(self.postcopy),
            postcopy_requests: whole(self.requests),
            ..RamStats::default()
        }
    }
}

/// "more than 1 second", `migration_bitmap_sync`.
const LOOK_AFTER: Duration = Duration::from_secs(1);
