//! What a hypervisor tells by itself, and what lmbench adds to it.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::status::MigrationStatus;
use crate::clock::monotonic_ns;

/// Something that happened to a guest.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestEvent {
    /// Nanoseconds on this host's clock, as near to the happening as the hypervisor lets us see.
    pub at_ns: u64,
    /// What.
    pub kind: EventKind,
    /// What comes with it, as it stands in the record.
    pub data: Value,
}

/// What happened. A record names it by [`EventKind::name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The vCPUs stopped.
    Stop,
    /// The vCPUs run.
    Resume,
    /// The migration came to this status.
    Migration(MigrationStatus),
    /// A pass over memory begins; the first is 1.
    MigrationPass(u64),
    /// The guest has shut down.
    Shutdown,
    /// Another event of the hypervisor's, by its name there.
    Other(String),
    /// An event of lmbench's own, by its name.
    Own(String),
}

impl GuestEvent {
    /// An event of the hypervisor's at this moment, with the data that its kind has.
    pub fn new(at_ns: u64, kind: EventKind) -> Self {
        let data = match &kind {
            EventKind::Migration(status) => json!({ "status": status }),
            EventKind::MigrationPass(pass) => json!({ "pass": pass }),
            EventKind::Stop
            | EventKind::Resume
            | EventKind::Shutdown
            | EventKind::Other(_)
            | EventKind::Own(_) => Value::Null,
        };
        GuestEvent { at_ns, kind, data }
    }

    /// An event by its name in records, which are QEMU's for what a hypervisor tells.
    pub fn named(at_ns: u64, name: &str, data: Value) -> Self {
        let kind = EventKind::named(name, &data);
        GuestEvent { at_ns, kind, data }
    }

    /// An event of lmbench's own, now.
    pub fn own(name: &str, data: Value) -> Self {
        GuestEvent {
            at_ns: monotonic_ns(),
            kind: EventKind::Own(name.to_owned()),
            data,
        }
    }

    /// Its name in records.
    pub fn name(&self) -> &str {
        self.kind.name()
    }

    /// The status that the migration came to, if that is what it tells.
    pub fn migration_status(&self) -> Option<&MigrationStatus> {
        self.kind.migration_status()
    }
}

impl EventKind {
    /// What a name in a record stands for, with the data beside it.
    pub fn named(name: &str, data: &Value) -> EventKind {
        let known = match name {
            "STOP" => Some(EventKind::Stop),
            "RESUME" => Some(EventKind::Resume),
            "SHUTDOWN" => Some(EventKind::Shutdown),
            "MIGRATION" => data["status"]
                .as_str()
                .map(|status| EventKind::Migration(status.into())),
            "MIGRATION_PASS" => data["pass"].as_u64().map(EventKind::MigrationPass),
            _ => None,
        };
        known.unwrap_or_else(|| {
            let name = name.to_owned();
            // Hypervisors shout.
            if name.contains(|letter: char| letter.is_ascii_uppercase()) {
                EventKind::Other(name)
            } else {
                EventKind::Own(name)
            }
        })
    }

    /// Its name in records.
    pub fn name(&self) -> &str {
        match self {
            EventKind::Stop => "STOP",
            EventKind::Resume => "RESUME",
            EventKind::Migration(_) => "MIGRATION",
            EventKind::MigrationPass(_) => "MIGRATION_PASS",
            EventKind::Shutdown => "SHUTDOWN",
            EventKind::Other(name) | EventKind::Own(name) => name,
        }
    }

    /// The status that the migration came to, if that is what it tells.
    pub fn migration_status(&self) -> Option<&MigrationStatus> {
        match self {
            EventKind::Migration(status) => Some(status),
            _ => None,
        }
    }
}

/// The events of one guest from the moment of subscription, in order.
#[async_trait]
pub trait GuestEvents: Send {
    /// The next one; `None` once the hypervisor is gone.
    async fn next(&mut self) -> Option<GuestEvent>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_keeps_its_name_and_its_data() {
        for (name, data) in [
            ("STOP", Value::Null),
            ("RESUME", Value::Null),
            (
                "SHUTDOWN",
                json!({ "guest": false, "reason": "host-qmp-quit" }),
            ),
            ("MIGRATION", json!({ "status": "device" })),
            ("MIGRATION", json!({ "status": "warp", "new": 1 })),
            ("MIGRATION", Value::Null),
            ("MIGRATION_PASS", json!({ "pass": 3 })),
            ("NIC_RX_FILTER_CHANGED", json!({ "path": "/x" })),
            ("no-progress", json!({ "still_s": 5.0 })),
        ] {
            let event = GuestEvent::named(7, name, data.clone());
            assert_eq!((event.name(), &event.data), (name, &data));
            let is_own = matches!(event.kind, EventKind::Own(_));
            assert_eq!(is_own, name == "no-progress", "{name}");
        }
    }

    #[test]
    fn a_driver_need_not_write_the_data() {
        let device = GuestEvent::new(1, EventKind::Migration(MigrationStatus::Device));
        let same = GuestEvent::named(1, "MIGRATION", json!({ "status": "device" }));
        assert_eq!(device, same);
        assert_eq!(device.migration_status(), Some(&MigrationStatus::Device));
        let pass = GuestEvent::new(1, EventKind::MigrationPass(2));
        assert_eq!(
            pass,
            GuestEvent::named(1, "MIGRATION_PASS", json!({ "pass": 2 }))
        );
    }
}
