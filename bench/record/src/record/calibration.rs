//! What measuring itself costs and how finely it tells, as `lmbench doctor --calibrate` found out on one machine.
//!
//! A record carries the calibration of the machine that it was measured on, if there was one. Only the shape stands here, and whether it
//! fits; the measuring is the program's, the file in the store.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;
use crate::text::clean_short;

/// What the instruments cost and tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// When it was measured, RFC 3339.
    pub measured: String,
    /// How long that took, s.
    pub took_s: f64,
    /// Where it was measured: elsewhere it says nothing.
    pub machine: CalibratedMachine,
    /// One by one.
    pub instruments: Vec<Instrument>,
}

/// What instruments' cost depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedMachine {
    /// Version of this program.
    pub lmbench: String,
    /// Version of QEMU; absent if none could be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu: Option<String>,
    /// What executed the guest, `tcg` or `kvm`; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// Kernel.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// Online CPUs.
    pub cores: u32,
}

/// Something that lmbench reads, or lets others tell it, during a migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instrument {
    /// Its name: `heartbeat`.
    pub id: String,
    /// What it reads.
    pub reads: String,
    /// Ids of the metrics that rest on it.
    #[serde(default)]
    pub tells: Vec<String>,
    /// What it costs; absent if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The smallest difference that it tells; absent if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// How long a reading takes, or how late it comes, median, us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<f64>,
    /// What else is to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// CPU time that an instrument takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// What it is counted for: `reading`, `operation`.
    pub per: String,
    /// CPU time of all who take part, us for each of those.
    pub cpu_us: f64,
    /// The part of it in QEMU, the guest's included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_us: Option<f64>,
    /// Time between two of those, ms, as a run sets it; absent if it is the stream or the guest that sets the pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<f64>,
    /// Share of one CPU at that interval: 0.01 is 1 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
}

/// The smallest difference that an instrument tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resolution {
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: ResolutionUnit,
    /// Where the number comes from.
    pub from: ResolutionFrom,
}

/// Unit of a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResolutionUnit {
    /// Microseconds.
    Us,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// A part of the value: 0.03 is 3 %.
    Share,
}

/// Where a resolution is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResolutionFrom {
    /// The smallest step that was seen.
    Measured,
    /// A setting of lmbench: an interval, or the width of a bucket.
    Setting,
}

impl Instrument {
    /// One of which nothing is known yet.
    pub fn new(id: &str, reads: &str, tells: &[&str]) -> Self {
        Instrument {
            id: id.to_owned(),
            reads: reads.to_owned(),
            tells: tells.iter().map(|&id| id.to_owned()).collect(),
            cost: None,
            resolution: None,
            latency_us: None,
            note: None,
            skipped: None,
        }
    }

    /// What it costs for each `per`, in this process and in QEMU.
    #[must_use]
    pub fn costs(mut self, per: &str, own_us: f64, qemu_us: Option<f64>) -> Self {
        self.cost = Some(Cost {
            per: per.to_owned(),
            cpu_us: own_us + qemu_us.unwrap_or(0.0),
            qemu_us,
            interval_ms: None,
            cpu_share: None,
        });
        self
    }

    /// How often a run has it read.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        let interval_us = interval.as_secs_f64() * 1e6;
        if let Some(cost) = self.cost.as_mut().filter(|_| interval_us > 0.0) {
            cost.interval_ms = Some(interval_us / 1e3);
            cost.cpu_share = Some(cost.cpu_us / interval_us);
        }
        self
    }

    /// What it tells apart.
    #[must_use]
    pub fn tells_apart(self, resolution: impl Into<Option<Resolution>>) -> Self {
        Instrument {
            resolution: resolution.into(),
            ..self
        }
    }

    /// How long a reading takes, or how late it comes.
    #[must_use]
    pub fn takes(self, us: impl Into<Option<f64>>) -> Self {
        Instrument {
            latency_us: us.into(),
            ..self
        }
    }

    /// What else there is to say.
    #[must_use]
    pub fn note(self, text: impl Into<String>) -> Self {
        Instrument {
            note: Some(text.into()),
            ..self
        }
    }

    /// The time that it tells apart, ms, if it is time.
    pub fn resolution_ms(&self) -> Option<f64> {
        let resolution = self.resolution.as_ref()?;
        (resolution.unit == ResolutionUnit::Us).then_some(resolution.value / 1e3)
    }
}

impl Calibration {
    /// Why it says nothing about an environment: the first thing that is different there.
    pub fn misfit(&self, environment: &Environment) -> Option<String> {
        let machine = &self.machine;
        let cores = [machine.cores, environment.cores].map(|cores| cores.to_string());
        // Without a QEMU, or without a guest, nothing in it depends on that.
        let qemu = machine.qemu.as_ref().unwrap_or(&environment.qemu);
        let accelerator = machine.accelerator.as_ref();
        let accelerator = accelerator.unwrap_or(&environment.accelerator);
        let pairs = [
            ("lmbench", &machine.lmbench, &environment.lmbench),
            ("QEMU", qemu, &environment.qemu),
            ("the accelerator", accelerator, &environment.accelerator),
            ("the kernel", &machine.kernel, &environment.kernel),
            ("the CPU", &machine.cpu, &environment.cpu),
            ("the number of CPUs", &cores[0], &cores[1]),
        ];
        let different = pairs.iter().find(|(_, there, here)| there != here);
        different.map(|(what, there, here)| {
            let [there, here] = [there, here].map(|text| clean_short(text, LONGEST));
            format!("{what} was {there} then and is {here} now")
        })
    }

    /// What no calibration of ours says: a cost below nothing, a number that is none.
    pub(crate) fn contradiction(&self) -> Option<String> {
        if self.instruments.len() > INSTRUMENTS_MAX {
            let number = self.instruments.len();
            return Some(format!("{number} instruments are more than there are"));
        }
        let sane = |value: &f64| value.is_finite() && *value >= 0.0;
        self.instruments.iter().find_map(|instrument| {
            let cost = instrument.cost.iter();
            let cost = cost.flat_map(|cost| {
                [
                    Some(cost.cpu_us),
                    cost.qemu_us,
                    cost.interval_ms,
                    cost.cpu_share,
                ]
            });
            let others = [
                instrument.latency_us,
                instrument.resolution.as_ref().map(|it| it.value),
            ];
            let mut values = cost.chain(others).flatten();
            let wrong = values.find(|value| !sane(value))?;
            Some(format!("{:?} has the value {wrong}", instrument.id))
        })
    }
}

/// Far more than there are.
const INSTRUMENTS_MAX: usize = 200;
const LONGEST: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, example};

    type Change = fn(&mut CalibratedMachine);

    #[test]
    fn a_share_is_the_cost_at_the_interval() {
        let instrument = || Instrument::new("x", "y", &[]);
        let costs = |interval| {
            let costing = instrument()
                .costs("reading", 100.0, Some(50.0))
                .every(interval);
            costing.cost.unwrap()
        };
        let cost = costs(Duration::from_millis(15));
        assert_eq!((cost.cpu_us, cost.qemu_us), (150.0, Some(50.0)));
        assert_eq!((cost.interval_ms, cost.cpu_share), (Some(15.0), Some(0.01)));
        assert_eq!(costs(Duration::ZERO).cpu_share, None);
        assert_eq!(instrument().every(Duration::from_secs(1)).cost, None);
    }

    #[test]
    fn it_fits_the_machine_that_it_was_measured_on() {
        let environment = example::jvm().environment;
        let fitting = example::calibration();
        assert_eq!(fitting.misfit(&environment), None);
        let changes: [(&str, Change); 6] = [
            ("lmbench", |machine| machine.lmbench = "9".to_owned()),
            ("QEMU", |machine| machine.qemu = Some("9.2.0".to_owned())),
            ("accelerator", |machine| {
                machine.accelerator = Some("kvm".to_owned());
            }),
            ("kernel", |machine| machine.kernel = "5.10".to_owned()),
            ("CPU", |machine| machine.cpu = "another".to_owned()),
            ("number", |machine| machine.cores += 1),
        ];
        for (what, change) in changes {
            let mut other = example::calibration();
            change(&mut other.machine);
            let why = other.misfit(&environment).unwrap_or_default();
            assert!(why.contains(what), "{what}: {why}");
        }
        let mut without = example::calibration();
        (without.machine.qemu, without.machine.accelerator) = (None, None);
        assert_eq!(without.misfit(&environment), None);
    }

    #[test]
    fn a_record_carries_it_and_reads_it_back() {
        let mut record = example::jvm();
        assert!(!record.to_json().contains("calibration"));
        record.calibration = Some(example::calibration());
        let read = Record::from_json(record.to_json().as_bytes(), "record.json".as_ref()).unwrap();
        assert_eq!(read, record);
        // Damage in it is the record's.
        for (from, to) in [
            ("412.0", "NaN"),
            ("\"us\"", "\"ells\""),
            ("\"machine\"", "\"m\""),
        ] {
            let text = record.to_json().replace(from, to);
            let error = Record::from_json(text.as_bytes(), "record.json".as_ref()).unwrap_err();
            assert!(error.to_string().contains("record.json"), "{error}");
        }
    }

    #[test]
    fn numbers_that_nothing_can_have_are_told() {
        let wrong: [fn(&mut Instrument); 4] = [
            |instrument| instrument.latency_us = Some(-1.0),
            |instrument| instrument.latency_us = Some(f64::NAN),
            |instrument| instrument.cost.as_mut().unwrap().cpu_us = f64::INFINITY,
            |instrument| instrument.resolution.as_mut().unwrap().value = -0.5,
        ];
        assert_eq!(example::calibration().contradiction(), None);
        for change in wrong {
            let mut calibration = example::calibration();
            change(&mut calibration.instruments[0]);
            let told = calibration.contradiction().unwrap_or_default();
            assert!(told.contains("\"qmp-sample\""), "{told}");
        }
        let mut many = example::calibration();
        many.instruments = vec![many.instruments[0].clone(); INSTRUMENTS_MAX + 1];
        assert!(many.contradiction().is_some());
    }
}
