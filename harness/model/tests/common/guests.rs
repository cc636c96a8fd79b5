//! Guests and paths of the tests.
#![allow(dead_code, reason = "each test uses its part")]

use std::time::Duration;

use lmbench_model::{
    Access, Carrier, Class, Event, EventKind, Machine, Memory, Migration, Path, Settings, Side,
    Status,
};

pub(crate) const LONG: Duration = Duration::from_mins(10);

/// A guest of plain pages that are written at random at this rate, and nothing else.
pub(crate) fn memory(pages: f64, writes_per_s: f64) -> Memory {
    Memory {
        classes: vec![Class {
            pages,
            zero: 0.0,
            compressible: 0.0,
            access: vec![Access {
                random_writes_per_s: writes_per_s,
                ..Access::default()
            }],
        }],
        phases: Vec::new(),
    }
}

/// A link of this many bytes of stream per second that holds nothing and takes no time.
pub(crate) fn path(bytes_per_s: f64) -> Path {
    Path {
        link_bps: Some(bytes_per_s * 8.0 * 1514.0 / 1448.0),
        rtt: Duration::ZERO,
        buffer_bytes: 1.0,
        ..Path::new(Carrier::NATIVE_TCP)
    }
}

pub(crate) fn unlimited() -> Settings {
    Settings {
        max_bandwidth: 0,
        ..Settings::default()
    }
}

/// A guest whose work costs nothing but what the test asks for.
pub(crate) fn machine() -> Machine {
    Machine {
        vcpus: 1,
        write_fault: Duration::ZERO,
        warm_up: Duration::ZERO,
    }
}

pub(crate) fn started(memory: Memory, path: Path, settings: Settings) -> Migration {
    let mut migration = Migration::new(machine(), memory, path, settings, 1);
    migration.start().unwrap();
    migration
}

pub(crate) fn names(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let side = match event.side {
                Side::Source => "",
                Side::Destination => "> ",
            };
            match event.kind {
                EventKind::Migration(status) => format!("{side}{}", status.as_str()),
                EventKind::Pass(pass) => format!("{side}PASS {pass}"),
                EventKind::Stop => format!("{side}STOP"),
                EventKind::Resume => format!("{side}RESUME"),
            }
        })
        .collect()
}

/// Time between the guest's last instruction on the source and its first on the destination.
pub(crate) fn blackout(events: &[Event]) -> Option<Duration> {
    let stop = events.iter().find(|event| event.kind == EventKind::Stop)?;
    let resume = events
        .iter()
        .find(|event| event.kind == EventKind::Resume)?;
    resume.at.checked_sub(stop.at)
}

pub(crate) fn completed(migration: &Migration) -> bool {
    migration.status() == Status::Completed
}
