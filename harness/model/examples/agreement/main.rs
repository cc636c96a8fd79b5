//! How near the model is to measured migrations: `cargo run -p lmbench-model --example agreement -- RECORD.json…`
//!
//! For every cell of each record that a model can stand for: medians of what was measured, what the model says, and
//! the ratio. Nothing is fitted to the record: the model knows the scenario and the constants of its own pages. A
//! cell whose constants were calibrated on this very run is marked `*`.

mod scenario;

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_model::{
    Carrier, EventKind, Machine, Memory, Migration, Path, Pattern, Rate, Settings, Status,
    ThrottleSettings, Workload,
};
use serde_json::Value;
use toml::{Table, Value as Toml};

use scenario::{bits, bytes, duration, get, plain, set, share};

/// Figures of one cell, medians.
type Figures = BTreeMap<&'static str, f64>;

const METRICS: [(&str, &str); 5] = [
    ("total_time_ms", "total"),
    ("blackout_ms", "blackout"),
    ("downtime_ms", "downtime"),
    ("iterations", "passes"),
    ("ram_bytes", "bytes"),
];
/// Runs that a constant of the model comes from.
const CALIBRATION: [&str; 8] = [
    "20261201-031226-cost-d318",
    "20261201-134438-metering-fc10",
    "20261201-134809-slower-c2d0",
    "20261201-130217-transports-80b0",
    "20261201-033907-wan-9402",
    "20261201-081052-ci-1a53",
    "20261201-133458-post-copy-944e",
    "20261201-132618-transports-aca7",
];
/// The model's own repeats: where in its cycles the guest is, and 3 % of noise of the path.
const SEEDS: u64 = 15;

fn main() {
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut fresh: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut ends = (0, 0);
    println!(
        "run cell | {}",
        METRICS
            .map(|(_, label)| format!("{label} measured model ratio"))
            .join(" | ")
    );
    for file in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&file).expect("a readable record");
        let record: Value = serde_json::from_str(&text).expect("a record");
        let run = record["run_id"].as_str().unwrap_or("?");
        let scenario: Table =
            toml::from_str(record["scenario"]["text"].as_str().unwrap_or_default())
                .expect("the scenario");
        for cell in record["cells"].as_array().into_iter().flatten() {
            let id = cell["id"].as_str().unwrap_or_default();
            let Some(case) = Case::read(&scenario, &cell["parameters"]) else {
                println!("{run} {id} | not modelled");
                continue;
            };
            let (measured, done, all) = measured(cell);
            if all == 0 {
                continue;
            }
            let (model, completed) = case.run();
            ends.0 += usize::from(completed == (2 * done > all));
            ends.1 += 1;
            let known = CALIBRATION.contains(&run);
            let mark = if known { "*" } else { "" };
            let columns: Vec<String> = METRICS
                .iter()
                .map(
                    |(metric, label)| match (measured.get(metric), model.get(metric)) {
                        (Some(seen), Some(said)) => {
                            let ratio = said / seen;
                            ratios.entry(label).or_default().push(ratio);
                            if !known {
                                fresh.entry(label).or_default().push(ratio);
                            }
                            format!("{seen:.0} {said:.0} {ratio:.2}")
                        }
                        _ => "-".to_owned(),
                    },
                )
                .collect();
            let end = if completed { "completes" } else { "never" };
            println!(
                "{run}{mark} {id} ({done}/{all}, model {end}) | {}",
                columns.join(" | ")
            );
        }
    }
    println!("outcome as in most repeats: {} of {} cells", ends.0, ends.1);
    for (what, ratios) in [
        ("all cells", &ratios),
        ("without those of calibration", &fresh),
    ] {
        println!("{what}:");
        for (label, ratios) in ratios {
            let mut errors: Vec<f64> = ratios.iter().map(|ratio| (ratio - 1.0).abs()).collect();
            errors.sort_by(f64::total_cmp);
            let within = errors.iter().filter(|error| **error <= 0.15).count();
            println!(
                "  {label}: {} cells, ratio in the median {:.3}, |error| in the median {:.1} %, p90 {:.1} %, within 15 %: {within}",
                errors.len(),
                median(ratios),
                errors[errors.len() / 2] * 100.0,
                errors[errors.len() * 9 / 10] * 100.0
            );
        }
    }
}

/// Medians over completed repeats, and how many completed of how many.
fn measured(cell: &Value) -> (Figures, usize, usize) {
    let repeats: Vec<&Value> = cell["repeats"].as_array().into_iter().flatten().collect();
    let completed: Vec<&&Value> = repeats
        .iter()
        .filter(|repeat| repeat["outcome"] == "completed")
        .collect();
    let mut figures = Figures::new();
    for (metric, _) in METRICS {
        let values: Vec<f64> = completed
            .iter()
            .filter_map(|repeat| repeat["metrics"][metric].as_f64())
            .collect();
        if !values.is_empty() {
            figures.insert(metric, median(&values));
        }
    }
    (figures, completed.len(), repeats.len())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[values.len() / 2], values[(values.len() - 1) / 2])
}

/// One cell as the model takes it.
struct Case {
    machine: Machine,
    memory: Memory,
    path: Path,
    settings: Settings,
    timeout: Duration,
    postcopy_after: Option<u64>,
}

impl Case {
    fn read(scenario: &Table, parameters: &Value) -> Option<Self> {
        let mut table = Toml::Table(scenario.clone());
        // A choice comes after the settings of what is chosen.
        let mut axes: Vec<_> = parameters.as_object().into_iter().flatten().collect();
        axes.sort_by_key(|(key, _)| std::cmp::Reverse(key.matches('.').count()));
        for (key, value) in axes {
            set(&mut table, key, value);
        }
        let at = |key: &str| get(&table, key);
        let text = |key: &str| at(key).map(plain);
        let guest_bytes = text("guest.memory").map_or(1 << 30, |size| bytes(&size) as u64);
        let vcpus = at("guest.vcpus").and_then(Toml::as_integer).unwrap_or(1) as u32;
        let channels = at("migration.multifd-channels")
            .and_then(Toml::as_integer)
            .unwrap_or(1) as u32;
        let carrier_name = text("carrier")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "native-tcp".to_owned());
        let policy = policy(&table)?;
        let sleep =
            text("carrier.tcp.sleep-per-mib").map_or(Duration::ZERO, |time| duration(&time));
        let carrier = match carrier_name.as_str() {
            "native-unix" => Carrier::NATIVE_UNIX,
            "native-tcp" => Carrier::NATIVE_TCP,
            "native-tls" if channels > 1 => Carrier::NATIVE_TLS_MULTIFD,
            "native-tls" => Carrier::NATIVE_TLS,
            "tcp" if text("carrier.tcp.path").as_deref() == Some("fd") => Carrier::TCP_FD,
            "tcp" => Carrier {
                sleep_per_mib: sleep,
                ..Carrier::TCP
            },
            "tls" => Carrier::TLS,
            "quic" => Carrier::QUIC,
            "ssh" => Carrier::SSH,
            _ => return None,
        };
        let managed =
            carrier_name == "ssh" && text("carrier.ssh.network").as_deref() != Some("migration");
        let network = if managed {
            "network.management"
        } else {
            "network.migration"
        };
        let of = |key: &str| text(&format!("{network}.{key}"));
        let path = Path {
            link_bps: if carrier_name == "native-unix" {
                None
            } else {
                of("rate").map(|rate| bits(&rate))
            },
            mtu: at(&format!("{network}.mtu"))
                .and_then(Toml::as_integer)
                .unwrap_or(1500) as u32,
            rtt: of("rtt").map_or(Duration::from_micros(50), |rtt| duration(&rtt)),
            loss: of("loss").map_or(0.0, |loss| share(&loss)),
            other_traffic_bps: of("background").map_or(0.0, |rate| bits(&rate)),
            channels,
            noise: 0.03,
            ..Path::new(carrier)
        };
        // Of a socket's buffer half is for the kernel's own, and QEMU fills the rest; our carriers ask for less.
        let path = match text("network.tcp-buffer") {
            Some(size) if carrier_name.starts_with("native") => Path {
                buffer_bytes: bytes(&size) / 2.0,
                ..path
            },
            _ => path,
        };
        let limit = |key: &str| match text(key).as_deref() {
            None | Some("unbounded" | "unlimited") => 0,
            Some(rate) => (bits(rate) / 8.0) as u64,
        };
        let settings = Settings {
            max_bandwidth: limit("migration.max-bandwidth"),
            max_postcopy_bandwidth: limit("migration.max-postcopy-bandwidth"),
            downtime_limit: text("migration.downtime-limit")
                .map_or(Duration::from_millis(300), |time| duration(&time)),
            auto_converge: policy.auto_converge.is_some(),
            throttle: policy.auto_converge.unwrap_or_default(),
            multifd: channels > 1,
            postcopy_ram: policy.postcopy_after.is_some(),
            postcopy_preempt: at("migration.preempt")
                .and_then(Toml::as_bool)
                .unwrap_or(false),
            ..Settings::default()
        };
        let workload = workload(get(&table, "workload")?, guest_bytes, vcpus)?;
        Some(Self {
            machine: Machine::lab(vcpus),
            memory: Memory::new(guest_bytes, &workload),
            path,
            settings,
            timeout: text("migration.timeout")
                .map_or(Duration::from_mins(1), |time| duration(&time)),
            postcopy_after: policy.postcopy_after,
        })
    }

    /// Medians over seeds, and whether most of them complete.
    fn run(&self) -> (Figures, bool) {
        let runs: Vec<Figures> = (0..SEEDS).filter_map(|seed| self.once(seed)).collect();
        let mut figures = Figures::new();
        for (metric, _) in METRICS {
            let values: Vec<f64> = runs
                .iter()
                .filter_map(|run| run.get(metric).copied())
                .collect();
            if !values.is_empty() {
                figures.insert(metric, median(&values));
            }
        }
        (figures, runs.len() as u64 * 2 > SEEDS)
    }

    fn once(&self, seed: u64) -> Option<Figures> {
        let mut migration = Migration::new(
            self.machine,
            self.memory.clone(),
            self.path.clone(),
            self.settings.clone(),
            seed,
        );
        migration.start().ok()?;
        let (mut stop, mut resume) = (None, None);
        while !migration.status().is_final() && migration.now() < self.timeout {
            let next = migration.next_event()?;
            for event in migration.advance(next) {
                match event.kind {
                    EventKind::Stop => stop = Some(event.at),
                    EventKind::Resume => resume = Some(event.at),
                    _ => {}
                }
            }
            let passes = migration.stats().ram.dirty_sync_count;
            if self.postcopy_after.is_some_and(|after| passes > after)
                && migration.status() == Status::Active
            {
                migration.start_postcopy().ok()?;
            }
        }
        if migration.status() != Status::Completed {
            return None;
        }
        let stats = migration.stats();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Some(Figures::from([
            ("total_time_ms", ms(stats.total_time)),
            ("blackout_ms", ms(resume?.checked_sub(stop?)?)),
            ("downtime_ms", ms(stats.downtime?)),
            ("iterations", stats.ram.dirty_sync_count as f64),
            ("ram_bytes", stats.ram.transferred as f64),
        ]))
    }
}

/// What the policies that need no policy code do.
#[derive(Default)]
struct Policy {
    auto_converge: Option<ThrottleSettings>,
    postcopy_after: Option<u64>,
}

fn policy(table: &Toml) -> Option<Policy> {
    let chosen = match get(table, "policy") {
        None => return Some(Policy::default()),
        Some(Toml::String(name)) => name.clone(),
        Some(Toml::Table(policies)) => match policies.get("chosen").and_then(Toml::as_str) {
            Some(name) => name.to_owned(),
            None => policies.keys().next()?.clone(),
        },
        Some(_) => return None,
    };
    let number =
        |key: &str| get(table, &format!("policy.{chosen}.{key}")).and_then(Toml::as_integer);
    match chosen.as_str() {
        "static" => Some(Policy::default()),
        "auto-converge" => {
            let own = ThrottleSettings::default();
            let percent = |key: &str, value: u32| number(key).map_or(value, |number| number as u32);
            Some(Policy {
                auto_converge: Some(ThrottleSettings {
                    initial: percent("initial", own.initial),
                    increment: percent("increment", own.increment),
                    max: percent("max", own.max),
                    tailslow: get(table, "policy.auto-converge.tailslow")
                        .and_then(Toml::as_bool)
                        .unwrap_or(false),
                    trigger_threshold: percent("trigger-threshold", own.trigger_threshold),
                }),
                postcopy_after: None,
            })
        }
        "post-copy" => Some(Policy {
            auto_converge: None,
            postcopy_after: Some(number("after-passes").map_or(1, |passes| passes as u64)),
        }),
        _ => None,
    }
}

fn workload(table: &Toml, guest_bytes: u64, vcpus: u32) -> Option<Workload> {
    let table = table.as_table()?;
    let (name, inner) = table
        .iter()
        .find(|(_, value)| value.is_table() || value.is_array())?;
    let size = |key: &str| {
        inner
            .get(key)
            .or(table.get(key))
            .map(|size| bytes(&plain(size)) as u64)
    };
    let pattern = if name == "phases" {
        let steps = inner.as_array()?.iter().map(|phase| {
            let (name, inner) = phase
                .as_table()?
                .iter()
                .find(|(_, value)| value.is_table())?;
            Some((
                duration(&plain(phase.get("duration")?)),
                pattern(name, inner, 0)?,
            ))
        });
        Pattern::Phases(steps.collect::<Option<_>>()?)
    } else {
        pattern(name, inner, size("memory").unwrap_or(0))?
    };
    let generations = ["young", "old"].map(|key| size(key).unwrap_or(0));
    Some(Workload {
        memory_bytes: size("memory")
            .unwrap_or(generations.iter().sum())
            .min(guest_bytes),
        pattern,
        zero: inner.get("zero").map_or(0.0, |value| share(&plain(value))),
        compressible: 0.0,
        duplicate: 0.0,
        // 4.1 µs a write: `op_latency_us_p50` of 20261201-081052-ci-1a53.
        unbounded_pages_per_s: 244_000.0 * f64::from(vcpus),
    })
}

fn pattern(name: &str, inner: &Toml, memory: u64) -> Option<Pattern> {
    let size = |key: &str| inner.get(key).map(|size| bytes(&plain(size)) as u64);
    let part =
        |key: &str, default: f64| inner.get(key).map_or(default, |value| share(&plain(value)));
    let rate = |key: &str| match inner.get(key).map(plain).as_deref() {
        None | Some("unbounded") => Rate::Unbounded,
        Some(rate) => Rate::BytesPerSecond((bits(rate) / 8.0) as u64),
    };
    Some(match name {
        "idle" => Pattern::Idle,
        "uniform" => Pattern::Uniform { rate: rate("rate") },
        "sweep" => Pattern::Sweep { rate: rate("rate") },
        "hot-set" => Pattern::HotSet {
            rate: rate("rate"),
            hot_bytes: size("hot")?,
            hot_share: part("hot-share", 0.9),
        },
        "zipf" => Pattern::Zipf {
            rate: rate("rate"),
            exponent: inner
                .get("exponent")
                .and_then(Toml::as_float)
                .unwrap_or(0.99),
        },
        "jvm" => Pattern::Jvm {
            young_bytes: size("young")?,
            old_bytes: size("old")?,
            allocation_rate: rate("allocation-rate"),
            survivors: part("survivors", 0.1),
        },
        "database" => Pattern::Database {
            rate: rate("rate"),
            log_bytes: size("log").unwrap_or(memory / 8),
            log_share: part("log-share", 0.3),
            checkpoint_interval: inner
                .get("checkpoint-interval")
                .map_or(Duration::from_secs(5), |value| duration(&plain(value))),
            checkpoint_share: part("checkpoint-share", 0.2),
        },
        _ => return None,
    })
}
