//! How often a report names something where nothing differs: a sentence, a star, a colour, anywhere among 2 to 8 arms and all headline metrics.
//!
//! Arms take turns in eight repeats. Of half the reports all metrics of a migration share a mood, as total time and speed do; of the others each
//! has its own.

use std::collections::BTreeMap;

use lmbench::record::{Environment, Record, Repeat, ScenarioText};
use lmbench::report::{Source, model::Report, report};
use serde_json::json;

use super::simulated::{Noise, SHAPES, Shape};

pub(crate) fn main(rounds: usize, noise: &mut Noise) {
    println!("reports of nothing, eight repeats: how many of {rounds} name something");
    let (mut all, mut asked) = (0, 0);
    for (name, shape) in SHAPES {
        let mut line = Vec::new();
        for arms in 2..=8 {
            let named = (0..rounds)
                .filter(|round| names_something(&measured(noise, shape, arms, round % 2 == 0)))
                .count();
            (all, asked) = (all + named, asked + rounds);
            line.push(format!("{arms} arms {named}"));
        }
        println!("{name:22} {}", line.join(", "));
    }
    println!(
        "{all} of {asked}: {:.2} %",
        all as f64 * 100.0 / asked.max(1) as f64
    );
}

fn names_something(record: &Record) -> bool {
    let report = report(&[Source::without_samples(record.clone())]);
    let compared = report
        .comparisons
        .iter()
        .any(|found| !found.best.is_empty() || found.rows.iter().any(|row| row.stands_out));
    compared || is_starred(&report)
}

fn is_starred(report: &Report) -> bool {
    let shades = report
        .overview
        .iter()
        .flat_map(|all| all.rows.iter().flatten());
    shades
        .flatten()
        .any(|shade| shade.best || shade.level.is_some())
}

fn measured(noise: &mut Noise, shape: Shape, arms: usize, share_mood: bool) -> Record {
    let cells = (0..arms).map(|arm| {
        let parameters = [("arm".to_owned(), json!(format!("a{arm}")))];
        (format!("arm=a{arm}"), parameters.into_iter().collect())
    });
    let environment = Environment {
        lmbench: String::new(),
        qemu: String::new(),
        kernel: String::new(),
        accelerator: "tcg".to_owned(),
        accelerator_reason: None,
        cpu: String::new(),
        cores: 2,
        hosts: BTreeMap::new(),
        details: BTreeMap::new(),
    };
    let scenario = ScenarioText::new("nothing", "name = \"nothing\"\n");
    let mut record = Record::new(scenario, environment, 1, REPEATS, cells);
    for repeat in 1..=REPEATS {
        let machine = noise.values(Shape::Normal(0.05), 1, 1.0)[0];
        for (cell, arm) in record.cells.iter_mut().enumerate() {
            let mood = noise.values(shape, 1, machine)[0];
            let value = |id: &&str| {
                let own = if share_mood {
                    Shape::Normal(0.01)
                } else {
                    shape
                };
                let level = if share_mood { mood } else { machine };
                ((*id).to_owned(), noise.values(own, 1, level)[0])
            };
            let metrics = METRICS.iter().map(value).collect();
            let at = f64::from(repeat) * 1e5 + cell as f64 * 1e3;
            arm.repeats.push(Repeat::completed(repeat, at, metrics));
        }
    }
    record
}

const REPEATS: u32 = 8;
/// The headlines of a report, without those that others took the place of.
const METRICS: [&str; 11] = [
    "total_time_ms",
    "guest_throughput_bps",
    "blackout_ms",
    "guest_pause_ms",
    "network_blackout_ms",
    "brownout_ms",
    "workload_slowdown",
    "op_latency_us_p99",
    "wire_bytes",
    "cpu_migration_s",
    "cpu_migration_s_per_gib",
];
