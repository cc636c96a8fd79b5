//! What cells and metrics are called in a report: short, and different from each other.

use indexmap::{IndexMap, IndexSet};
use lmbench_record::metric::{self, Direction, Unit};
use lmbench_record::record::{CellRecord, Record};
use serde_json::Value;

use super::model::Quantity;
use crate::terminal::cell::{self, parameter};
use crate::terminal::text::clean_short;

/// An axis of the matrix with the values that its cells have, both in the record's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// The axes along which a run's cells differ.
pub(super) fn axes(record: &Record) -> Vec<Axis> {
    let mut values: IndexMap<&str, IndexSet<String>> = IndexMap::new();
    for cell in &record.cells {
        for (key, value) in &cell.parameters {
            values.entry(key).or_default().insert(raw(value));
        }
    }
    let varied = values.into_iter().filter(|(_, values)| values.len() > 1);
    varied
        .map(|(key, values)| Axis {
            key: key.to_owned(),
            values: values.into_iter().collect(),
        })
        .collect()
}

/// What the matrix sets alike in all cells of a run, as a scenario's settings are: paths and values.
pub(super) fn fixed(record: &Record) -> impl Iterator<Item = (String, String)> {
    let first = record.cells.first();
    let parameters = first.into_iter().flat_map(|cell| &cell.parameters);
    let is_alike = |key: &str, value: &Value| {
        let mut cells = record.cells.iter();
        cells.all(|cell| cell.parameters.get(key) == Some(value))
    };
    parameters
        .filter(move |(key, value)| is_alike(key, value))
        .map(|(key, value)| (key.clone(), raw(value)))
}

/// A cell's value on an axis.
pub(super) fn value(cell: &CellRecord, key: &str) -> Option<String> {
    cell.parameters.get(key).map(raw)
}

fn raw(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What tells a cell from the others of its run: its values on the axes that vary.
pub(super) fn cell(record: &Record, cell: &CellRecord, axes: &[Axis]) -> String {
    let keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
    let parts: Vec<String> = keys
        .iter()
        .filter_map(|key| Some(parameter(key, cell.parameters.get(*key)?, &keys)))
        .collect();
    if parts.is_empty() {
        // All parameters are the same, or there is one cell only.
        let all = cell.parameters.iter();
        let all: Vec<String> = all.map(|(key, value)| parameter(key, value, &[])).collect();
        return match all.as_slice() {
            [] => clean_short(&record.scenario.name, LONGEST),
            _ => clean_short(&all.join(" · "), LONGEST),
        };
    }
    clean_short(&parts.join(" · "), LONGEST)
}

/// What every cell of a run is called, each otherwise than the others: also by what only some of them have.
pub(super) fn cells(record: &Record) -> Vec<String> {
    let varied = cell::varied(&record.cells);
    let axes = axes(record);
    let name = |one: &CellRecord| {
        if varied.is_empty() {
            return cell(record, one, &axes);
        }
        let whole = cell::lines(one, &varied).join(" · ");
        if whole.chars().count() <= LONGEST {
            return whole;
        }
        // Of a long name the values stay, which tell it from the others.
        let values = varied.iter().filter_map(|key| value(one, key));
        clean_short(&values.collect::<Vec<_>>().join(" · "), LONGEST_VALUES)
    };
    record.cells.iter().map(name).collect()
}

/// An axis in words.
pub(super) fn axis(key: &str) -> String {
    cell::axis(key, &[])
}

/// A metric as the report calls it.
pub(super) fn quantity(id: &str) -> Quantity {
    let known = metric::metric(id).map(|metric| (metric.unit, metric.direction));
    let (unit, direction) = match id {
        CPU_ALL => (Unit::SecondPerGib, Direction::LowerIsBetter),
        _ => known.unwrap_or((Unit::Count, Direction::Informational)),
    };
    Quantity {
        id: clean_short(id, LONGEST),
        name: name(id),
        unit,
        direction,
    }
}

/// A metric's name in words: by hand where the id would not read well, else the id without its unit.
pub(super) fn name(id: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == id) {
        return (*name).to_owned();
    }
    let units = [
        "_s_per_gib",
        "_per_gib",
        "_ms",
        "_us",
        "_bps",
        "_bytes",
        "_percent",
    ];
    let stem = units
        .iter()
        .find_map(|unit| id.strip_suffix(unit))
        .unwrap_or(id);
    clean_short(&stem.replace('_', " "), LONGEST)
}

const NAMES: &[(&str, &str)] = &[
    ("total_time_ms", "total time"),
    ("blackout_ms", "blackout"),
    ("downtime_ms", "downtime (QEMU)"),
    ("guest_pause_ms", "guest pause"),
    ("network_blackout_ms", "network blackout"),
    ("brownout_ms", "brownout"),
    ("workload_slowdown", "workload slowdown"),
    ("op_latency_us_p99", "guest operation latency, p99"),
    ("op_latency_us_max", "guest operation latency, longest"),
    ("throughput_bps", "throughput"),
    ("guest_throughput_bps", "guest memory per second"),
    ("wire_bytes", "bytes on the wire"),
    ("ram_bytes", "RAM sent"),
    ("iterations", "passes over memory"),
    ("cpu_carrier_source_s_per_gib", "carrier CPU, source"),
    (
        "cpu_carrier_destination_s_per_gib",
        "carrier CPU, destination",
    ),
    (
        "cpu_qemu_without_vcpus_source_s_per_gib",
        "QEMU CPU without vCPUs, source",
    ),
    (
        "cpu_qemu_without_vcpus_destination_s_per_gib",
        "QEMU CPU without vCPUs, destination",
    ),
    ("cpu_migration_s", "CPU of one migration"),
    ("cpu_migration_s_per_gib", "CPU of migrating, per GiB"),
    (
        "cpu_migration_qemu_source_s_per_gib",
        "CPU of migrating in QEMU, source",
    ),
    (
        "cpu_migration_qemu_destination_s_per_gib",
        "CPU of migrating in QEMU, destination",
    ),
    (
        "cpu_migration_carrier_source_s_per_gib",
        "CPU of migrating in the carrier, source",
    ),
    (
        "cpu_migration_carrier_destination_s_per_gib",
        "CPU of migrating in the carrier, destination",
    ),
    (CPU_ALL, "CPU per GiB"),
];
/// Not in the record: of records without `cpu_migration_s_per_gib`, the sum of the four parts of the processor's chart.
pub(super) const CPU_ALL: &str = "cpu_both_sides_s_per_gib";
const LONGEST: usize = 120;
const LONGEST_VALUES: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn cells_are_called_by_what_varies() {
        let record = example::jvm();
        let axes = axes(&record);
        assert_eq!(axes.len(), 1, "all three cells have one policy");
        let labels: Vec<String> = record
            .cells
            .iter()
            .map(|cell| super::cell(&record, cell, &axes))
            .collect();
        assert_eq!(labels, ["native-tcp", "tcp", "ssh"]);
    }

    #[test]
    fn no_two_cells_are_called_the_same() {
        let wide = example::wide();
        let mut long = example::wide();
        for (index, cell) in long.cells.iter_mut().enumerate() {
            for axis in 0..6 {
                let value = format!("{}{index}", "v".repeat(30));
                let key = format!("migration.a-long-name-{axis}");
                cell.parameters.insert(key, value.into());
            }
        }
        for record in [wide, long] {
            let names = cells(&record);
            let different: IndexSet<&String> = names.iter().collect();
            assert_eq!(different.len(), record.cells.len(), "{names:#?}");
        }
    }

    #[test]
    fn metrics_read_as_words() {
        assert_eq!(name("settle_pause_ms"), "settle pause");
        assert_eq!(name("blackout_ms"), "blackout");
    }
}
