//! What instruments cost and tell, as a table: the doctor's, and the cells of the report's.

use lmbench_record::metric::Unit;
use lmbench_record::record::{Calibration, Instrument, Resolution, ResolutionFrom, ResolutionUnit};

use super::text::clean_short;
use super::{table, wrapped};

/// The columns beside the instrument's name.
pub(crate) const COLUMNS: [&str; 6] = [
    "CPU time",
    "in QEMU",
    "every",
    "of a CPU",
    "resolution",
    "takes",
];

/// What the columns mean, in a sentence.
pub(crate) const LEGEND: &str = "CPU time is that of all who take part in a reading, `in QEMU` the part of it there, the guest's included. Resolution is the smallest difference that was seen, or (set) follows from a setting. `takes` is the median time of a reading, or how late it comes.";

/// The cells of one instrument below [`COLUMNS`]; `-` for what it has not.
pub(crate) fn cells(instrument: &Instrument) -> [String; 6] {
    let cost = instrument.cost.as_ref();
    let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        shown(cost.map(|cost| {
            let per = clean_short(&cost.per, 20);
            format!("{}/{per}", time(cost.cpu_us))
        })),
        shown(cost.and_then(|cost| cost.qemu_us).map(time)),
        shown(
            cost.and_then(|cost| cost.interval_ms)
                .map(|ms| time(ms * 1e3)),
        ),
        shown(
            cost.and_then(|cost| cost.cpu_share)
                .map(|share| Unit::Share.format(share)),
        ),
        shown(instrument.resolution.as_ref().map(resolution)),
        shown(instrument.latency_us.map(time)),
    ]
}

/// Why it was not measured.
pub(crate) fn skipped(instrument: &Instrument) -> Option<String> {
    let why = instrument.skipped.as_ref()?;
    Some(format!("not measured: {}", clean_short(why, LONGEST)))
}

/// What else is to know.
pub(crate) fn note(instrument: &Instrument) -> Option<String> {
    Some(clean_short(instrument.note.as_ref()?, LONGEST))
}

/// Where and when it was measured.
pub(crate) fn origin(calibration: &Calibration) -> String {
    let machine = &calibration.machine;
    let short = |text: &str| clean_short(text, 120);
    let qemu = machine
        .qemu
        .as_deref()
        .map(|qemu| format!("QEMU {}, ", short(qemu)));
    let accelerator = machine.accelerator.as_deref();
    let accelerator = accelerator.map(|name| format!("{}, ", short(name)));
    format!(
        "Measured {} on {} ({} CPUs), {}{}kernel {}, by lmbench {}.",
        short(&calibration.measured),
        short(&machine.cpu),
        machine.cores,
        qemu.unwrap_or_default(),
        accelerator.unwrap_or_default(),
        short(&machine.kernel),
        short(&machine.lmbench),
    )
}

/// A name that fits a column.
pub(crate) fn name(instrument: &Instrument) -> String {
    clean_short(&instrument.id, 40)
}

/// What `lmbench doctor --calibrate` prints.
pub fn calibration_text(calibration: &Calibration) -> String {
    let rows = calibration.instruments.iter().map(|instrument| {
        std::iter::once(name(instrument))
            .chain(cells(instrument))
            .collect()
    });
    let header: Vec<&str> = std::iter::once("instrument").chain(COLUMNS).collect();
    let mut text = table(&header, &[0], &[], rows.collect());
    text.push('\n');
    for instrument in &calibration.instruments {
        let reads = clean_short(&instrument.reads, LONGEST);
        let more = [note(instrument), skipped(instrument)]
            .into_iter()
            .flatten();
        let more: String = more.map(|text| format!("; {text}")).collect();
        text += &wrapped(&format!("{}: {reads}{more}", name(instrument)), 4);
    }
    text.push('\n');
    text += &wrapped(LEGEND, 0);
    text += &wrapped(&origin(calibration), 0);
    text
}

fn resolution(resolution: &Resolution) -> String {
    let value = resolution.value;
    let value = match resolution.unit {
        ResolutionUnit::Us => time(value),
        ResolutionUnit::Bytes => Unit::Byte.format(value),
        ResolutionUnit::Count => Unit::Count.format(value),
        ResolutionUnit::Share => Unit::Share.format(value),
    };
    match resolution.from {
        ResolutionFrom::Measured => value,
        ResolutionFrom::Setting => format!("{value} (set)"),
    }
}

/// Below a microsecond in nanoseconds.
fn time(us: f64) -> String {
    let ns = us * 1e3;
    if (0.5..999.5).contains(&ns) {
        format!("{ns:.0} ns")
    } else {
        Unit::Microsecond.format(us)
    }
}

const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn a_calibration_is_a_table_with_its_notes_below() {
        insta::assert_snapshot!(calibration_text(&example::calibration()));
    }

    #[test]
    fn times_are_read_in_the_unit_that_fits() {
        let cases = [
            (0.0, "0 µs"),
            (0.001, "1 ns"),
            (0.0237, "24 ns"),
            (0.9994, "999 ns"),
            (1.0, "1 µs"),
            (412.0, "412 µs"),
            (90_000.0, "90 ms"),
        ];
        for (us, expected) in cases {
            assert_eq!(time(us), expected);
        }
    }

    #[test]
    fn nothing_from_a_record_controls_a_terminal() {
        let mut calibration = example::calibration();
        let evil = "\u{1b}[31m|<b>".repeat(1000);
        calibration.measured.clone_from(&evil);
        calibration.machine.cpu.clone_from(&evil);
        calibration.machine.qemu = Some(evil.clone());
        for instrument in &mut calibration.instruments {
            instrument.id.clone_from(&evil);
            instrument.reads.clone_from(&evil);
            instrument.skipped = Some(evil.clone());
            instrument.latency_us = Some(f64::MAX);
            if let Some(cost) = &mut instrument.cost {
                cost.per.clone_from(&evil);
                cost.cpu_us = f64::NAN;
            }
        }
        let text = calibration_text(&calibration);
        assert!(!text.contains('\u{1b}') && text.len() < 10_000, "{text}");
    }
}
