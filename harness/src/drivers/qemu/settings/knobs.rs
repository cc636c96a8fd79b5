//! [`Knobs`] in QMP's words.

use std::time::Duration;

use serde_json::Value;

use super::{Settings, parameters};
use crate::policy::Setting;
use crate::role::Role;
use crate::spec::Knobs;

impl Settings {
    /// Adds what the knobs ask for on one side. What is left alone is not named, so that a QEMU without it does not mind.
    pub(super) fn knobs(&mut self, knobs: &Knobs, role: Role) {
        let source = role == Role::Source;
        // A few act on the source alone; QEMU may refuse them on a destination that could not do them itself.
        for (name, on) in [
            ("xbzrle", knobs.xbzrle),
            ("switchover-ack", knobs.switchover_ack),
            (
                "pause-before-switchover",
                knobs.pause_before_switchover && source,
            ),
            ("release-ram", knobs.release_ram && source),
            ("zero-copy-send", knobs.zero_copy_send && source),
            ("dirty-limit", knobs.dirty_limit && source),
        ] {
            if on {
                self.capability(name, true);
            }
        }
        if knobs.no_return_path {
            self.capability("return-path", false);
        }
        for (name, value) in [
            (
                "multifd-compression",
                text(knobs.multifd_compression.as_ref()),
            ),
            ("multifd-zlib-level", number(knobs.multifd_zlib_level)),
            ("multifd-zstd-level", number(knobs.multifd_zstd_level)),
            ("multifd-qatzip-level", number(knobs.multifd_qatzip_level)),
            (
                "zero-page-detection",
                text(knobs.zero_page_detection.as_ref()),
            ),
            ("xbzrle-cache-size", number(knobs.xbzrle_cache_size)),
            ("announce-initial", milliseconds(knobs.announce_initial)),
            ("announce-max", milliseconds(knobs.announce_max)),
            ("announce-rounds", number(knobs.announce_rounds)),
            ("announce-step", milliseconds(knobs.announce_step)),
        ] {
            self.optional(name, value);
        }
        if source {
            self.optional("vcpu-dirty-limit", number(knobs.vcpu_dirty_limit));
            self.optional(
                "x-vcpu-dirty-limit-period",
                milliseconds(knobs.vcpu_dirty_limit_period),
            );
            if let Some(bytes_per_second) = knobs.avail_switchover_bandwidth {
                self.parameters
                    .extend(parameters(&Setting::AvailSwitchoverBandwidth {
                        bytes_per_second: Some(bytes_per_second),
                    }));
            }
        }
    }

    fn optional(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.parameter(name, value);
        }
    }
}

fn text(value: Option<&String>) -> Option<Value> {
    value.map(|text| text.as_str().into())
}

fn number(value: Option<impl Into<Value>>) -> Option<Value> {
    value.map(Into::into)
}

fn milliseconds(value: Option<Duration>) -> Option<Value> {
    value.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(knobs: &Knobs, role: Role) -> Settings {
        let mut settings = Settings::default();
        settings.knobs(knobs, role);
        settings
    }

    #[test]
    fn knobs_that_nobody_turned_are_not_named() {
        for role in Role::BOTH {
            assert_eq!(made(&Knobs::default(), role), Settings::default());
        }
    }

    #[test]
    fn each_side_gets_what_acts_on_it() {
        let knobs = Knobs {
            switchover_ack: true,
            pause_before_switchover: true,
            release_ram: true,
            zero_copy_send: true,
            xbzrle: true,
            dirty_limit: true,
            vcpu_dirty_limit: Some(10),
            avail_switchover_bandwidth: Some(7),
            multifd_compression: Some("zstd".into()),
            announce_step: Some(Duration::from_millis(100)),
            ..Knobs::default()
        };
        let names = |settings: &Settings| {
            let names = settings.capabilities.iter().map(|(name, _)| name.clone());
            names.collect::<Vec<_>>().join(" ")
        };
        let source = made(&knobs, Role::Source);
        assert_eq!(
            names(&source),
            "xbzrle switchover-ack pause-before-switchover release-ram zero-copy-send dirty-limit"
        );
        assert_eq!(source.parameters["vcpu-dirty-limit"], 10);
        assert_eq!(source.parameters["avail-switchover-bandwidth"], 7);
        let destination = made(&knobs, Role::Destination);
        assert_eq!(names(&destination), "xbzrle switchover-ack");
        assert!(!destination.parameters.contains_key("vcpu-dirty-limit"));
        for side in [source, destination] {
            assert_eq!(side.parameters["multifd-compression"], "zstd");
            assert_eq!(side.parameters["announce-step"], 100);
        }
    }

    // Before a QEMU is asked, lmbench turns the return path on; only who wants it off gets it off.
    #[test]
    fn the_return_path_goes_only_when_taken_away() {
        let knobs = Knobs {
            no_return_path: true,
            ..Knobs::default()
        };
        let mut settings = Settings::default();
        settings.capability("return-path", true);
        settings.knobs(&knobs, Role::Source);
        assert_eq!(settings.capabilities, [("return-path".to_owned(), false)]);
    }
}
