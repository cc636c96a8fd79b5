//! The downtime that QEMU expects, once it has computed one.
//!
//! QEMU answers with an `expected-downtime` from the first moment on. Until it has computed one, that is the downtime limit of the moment in
//! which `migrate` came (`migration.c`: `migrate_init` and `migration_update_counters`): it computes every 100 ms, and only while the
//! last dirty sync of a second or more found dirty pages. Nothing here asks QEMU.

use crate::hypervisor::Reading;

/// What is known of one migration's figure.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// No answer was seen yet.
    #[default]
    Unseen,
    /// It has always been this value, ms, which may be the limit.
    Limit(u64),
    /// QEMU has computed one.
    Computed,
}

impl Expected {
    /// Takes the figure out of an answer in which it is not measured.
    pub(super) fn strip(&mut self, reading: &mut Reading) {
        let Some(shown) = reading.stats.expected_downtime else {
            return;
        };
        let shown = u64::try_from(shown.as_millis()).unwrap_or(u64::MAX);
        let ram = reading.stats.ram.as_ref();
        let dirties = ram.and_then(|ram| ram.dirty_pages_rate).unwrap_or(0) > 0;
        *self = match *self {
            Expected::Unseen if dirties => Expected::Computed,
            Expected::Limit(limit) if dirties && shown != limit => Expected::Computed,
            Expected::Unseen => Expected::Limit(shown),
            known => known,
        };
        if *self == Expected::Computed && dirties {
            return;
        }
        reading.stats.expected_downtime = None;
        if let Some(raw) = reading.raw.as_object_mut() {
            raw.remove("expected-downtime");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `expected-downtime` and `dirty-pages-rate` of successive answers, and what is left of the former.
    fn left(answers: &[(u64, u64)]) -> Vec<Option<u64>> {
        let mut expected = Expected::default();
        let left = answers.iter().map(|(downtime, rate)| {
            let mut reading = Reading::from(json!({
                "status": "active", "expected-downtime": downtime, "ram": {"dirty-pages-rate": rate}
            }));
            expected.strip(&mut reading);
            let kept = reading.raw["expected-downtime"].as_u64();
            let parsed = reading
                .stats
                .expected_downtime
                .map(|time| time.as_millis() as u64);
            assert_eq!(kept, parsed);
            kept
        });
        left.collect()
    }

    #[test]
    fn the_limit_is_no_measurement() {
        // The first pass; a dirty sync that QEMU has not computed from yet; then what it computed; then a guest that dirties nothing.
        let answers = [
            (4000, 0),
            (4000, 0),
            (4000, 9),
            (731, 9),
            (4000, 8),
            (4000, 0),
        ];
        assert_eq!(
            left(&answers),
            [None, None, None, Some(731), Some(4000), None]
        );
    }

    #[test]
    fn a_migration_looked_at_late_has_computed_one() {
        assert_eq!(left(&[(731, 9)]), [Some(731)]);
    }
}
