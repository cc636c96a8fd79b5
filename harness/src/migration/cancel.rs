//! When a cancel must not reach the hypervisor, whoever wants it.

use crate::hypervisor::MigrationStatus;

/// Why a migration of this status must not be cancelled; `None` if it may.
///
/// While QEMU sends the device state its monitor answers nobody, so that a cancel is done when all has been sent: QEMU 10.0.2 then lets the
/// guest run again on the source, and on the destination too, which knows nothing of the cancel (seen 26 ms apart). In post-copy QEMU 10.0
/// refuses it by itself; it would give up the only way of the memory that the destination still lacks.
pub(super) fn refusal(status: &MigrationStatus) -> Option<&'static str> {
    match status {
        MigrationStatus::Device => {
            Some("the device state is on its way, and the guest would run on both hosts")
        }
        status if status.is_post_copy() => {
            Some("the guest runs on the destination, and a part of its memory is here only")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_destination_can_not_run_yet_is_taken_back() {
        for (status, may) in [
            ("setup", true),
            ("active", true),
            ("pre-switchover", true),
            ("cancelling", true),
            ("device", false),
            ("postcopy-active", false),
            ("postcopy-paused", false),
            ("postcopy-recover", false),
        ] {
            assert_eq!(refusal(&status.into()).is_none(), may, "{status}");
        }
    }
}
