//! A scenario's migration settings in QMP's words.

mod knobs;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::policy::{self, Deadline, Needs, Setting, Subject};
use crate::role::Role;
use crate::spec::{MigrationSpec, PolicySpec};

/// What is set on one QEMU before a migration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `migrate-set-capabilities`.
    pub capabilities: Vec<(String, bool)>,
    /// `migrate-set-parameters`.
    pub parameters: Map<String, Value>,
}

/// The settings of one side. `is_capability` tells, from the running QEMU's schema, what a name under `[migration.qmp]` is.
pub fn settings(
    migration: &MigrationSpec,
    policy: &PolicySpec,
    subject: Subject,
    role: Role,
    is_capability: impl Fn(&str) -> bool,
) -> Settings {
    let mut settings = Settings::default();
    settings.capability("events", true);
    // Without it the source says "completed" once its last byte is in some buffer, and a destination that can't load the
    // state has lost the guest. libvirt sets it for every migration that is not tunnelled.
    settings.capability("return-path", true);
    let multifd = migration.multifd_channels > 1;
    settings.capability("multifd", multifd);
    if multifd {
        settings.parameter("multifd-channels", migration.multifd_channels.into());
    }
    let deadline = Deadline::new(migration.timeout, migration.timeout_action);
    let needs = policy::from_spec(policy, subject)
        .needs()
        .and(deadline.needs());
    settings.capability("postcopy-preempt", migration.preempt || needs.preempt);
    settings.needed_capabilities(&needs);
    settings.knobs(&migration.knobs, role);
    match role {
        Role::Source => {
            settings.source_parameters(migration);
            let throttle = needs.throttle.map(Setting::Throttle);
            for setting in throttle.iter().chain(&needs.settings) {
                settings.parameters.extend(parameters(setting));
            }
        }
        // Only the destination's QEMU keeps the time, and only this capability makes it.
        Role::Destination if settings.has("postcopy-ram") => {
            settings.capability("postcopy-blocktime", true);
        }
        Role::Destination => {}
    }
    for (name, value) in &migration.qmp {
        match value {
            Value::Bool(on) if is_capability(name) => settings.capability(name, *on),
            value => settings.parameter(name, value.clone()),
        }
    }
    settings
}

impl Settings {
    fn capability(&mut self, name: &str, on: bool) {
        self.capabilities.retain(|(other, _)| other != name);
        self.capabilities.push((name.to_owned(), on));
    }

    fn needed_capabilities(&mut self, needs: &Needs) {
        for (name, needed) in [
            ("postcopy-ram", needs.post_copy),
            ("auto-converge", needs.throttle.is_some()),
            ("xbzrle", needs.xbzrle),
        ] {
            if needed {
                self.capability(name, true);
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.capabilities.contains(&(name.to_owned(), true))
    }

    fn parameter(&mut self, name: &str, value: Value) {
        self.parameters.insert(name.to_owned(), value);
    }

    fn source_parameters(&mut self, migration: &MigrationSpec) {
        let ms = u64::try_from(migration.downtime_limit.as_millis()).unwrap_or(u64::MAX);
        for setting in [
            Setting::DowntimeLimit { ms },
            Setting::MaxBandwidth {
                bytes_per_second: migration.max_bandwidth,
            },
            Setting::MaxPostcopyBandwidth {
                bytes_per_second: migration.max_postcopy_bandwidth,
            },
        ] {
            self.parameters.extend(parameters(&setting));
        }
    }
}

/// A setting in QMP's words, for `migrate-set-parameters`.
pub(super) fn parameters(setting: &Setting) -> Map<String, Value> {
    let pairs: Vec<(&str, Value)> = match *setting {
        Setting::DowntimeLimit { ms } => vec![("downtime-limit", ms.into())],
        Setting::MaxBandwidth { bytes_per_second } => vec![(
            "max-bandwidth",
            bytes_per_second.unwrap_or(UNLIMITED).into(),
        )],
        // 0 is QEMU's own word for unlimited here, and for its own estimate below.
        Setting::MaxPostcopyBandwidth { bytes_per_second } => vec![(
            "max-postcopy-bandwidth",
            bytes_per_second.unwrap_or(0).into(),
        )],
        Setting::AvailSwitchoverBandwidth { bytes_per_second } => vec![(
            "avail-switchover-bandwidth",
            bytes_per_second.unwrap_or(0).into(),
        )],
        Setting::XbzrleCache { bytes } => vec![("xbzrle-cache-size", bytes.into())],
        Setting::Throttle(throttle) => vec![
            ("cpu-throttle-initial", throttle.initial.into()),
            ("cpu-throttle-increment", throttle.increment.into()),
            ("max-cpu-throttle", throttle.max.into()),
        ],
        Setting::ThrottleTrigger { percent } => {
            vec![("throttle-trigger-threshold", percent.into())]
        }
        Setting::ThrottleTailSlow { on } => vec![("cpu-throttle-tailslow", on.into())],
    };
    let named = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    named.collect()
}

/// 1 TiB/s: beyond every link, and far from where QEMU's arithmetic on it (times a downtime in ms) would overflow.
const UNLIMITED: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::TimeoutAction;

    const SUBJECT: Subject = Subject {
        memory_bytes: 1 << 30,
    };

    fn migration() -> MigrationSpec {
        MigrationSpec {
            downtime_limit: Duration::from_millis(300),
            max_bandwidth: None,
            max_postcopy_bandwidth: None,
            multifd_channels: 1,
            preempt: false,
            timeout: Duration::from_secs(20),
            timeout_action: TimeoutAction::Cancel,
            recovery: crate::spec::RecoverySpec::default(),
            settle: Duration::from_secs(1),
            metering: true,
            count_syscalls: false,
            knobs: Box::default(),
            qmp: indexmap::IndexMap::new(),
        }
    }

    #[test]
    fn bandwidth_is_unlimited_unless_said() {
        let made = settings(
            &migration(),
            &PolicySpec::Static,
            SUBJECT,
            Role::Source,
            |_| false,
        );
        assert_eq!(made.parameters["max-bandwidth"], 1u64 << 40);
        let made = settings(
            &MigrationSpec {
                max_bandwidth: Some(7),
                ..migration()
            },
            &PolicySpec::Static,
            SUBJECT,
            Role::Source,
            |_| false,
        );
        assert_eq!(made.parameters["max-bandwidth"], 7);
    }

    #[test]
    fn free_settings_win_and_go_where_the_schema_says() {
        let qmp = [
            ("xbzrle".to_owned(), Value::Bool(true)),
            ("direct-io".to_owned(), Value::Bool(true)),
            ("downtime-limit".to_owned(), 9.into()),
        ];
        let spec = MigrationSpec {
            qmp: qmp.into_iter().collect(),
            ..migration()
        };
        let made = settings(&spec, &PolicySpec::Static, SUBJECT, Role::Source, |name| {
            name == "xbzrle"
        });
        assert!(made.capabilities.contains(&("xbzrle".into(), true)));
        assert_eq!(made.parameters["direct-io"], true);
        assert_eq!(made.parameters["downtime-limit"], 9);
    }

    #[test]
    fn both_sides_agree_on_capabilities_but_for_the_blocktime() {
        let policy = PolicySpec::PostCopy {
            after_passes: Some(1),
            after: None,
        };
        let spec = MigrationSpec {
            multifd_channels: 4,
            ..migration()
        };
        let source = settings(&spec, &policy, SUBJECT, Role::Source, |_| false);
        let destination = settings(&spec, &policy, SUBJECT, Role::Destination, |_| false);
        let (blocktime, shared) = destination.capabilities.split_last().unwrap();
        assert_eq!(source.capabilities, shared);
        assert_eq!(blocktime.0, "postcopy-blocktime");
        assert!(source.capabilities.contains(&("postcopy-ram".into(), true)));
        assert_eq!(destination.parameters["multifd-channels"], 4);
    }
}
