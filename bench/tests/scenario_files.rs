//! The scenarios that we ship, and what the reader makes of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lmbench::carrier::{CarrierSpec, TcpPath};
use lmbench::plan::Plan;
use lmbench::scenario::{self, Scenario};
use lmbench_guest::spec::{Pattern, Rate};
use lmbench_harness::spec::{Accelerator, Boot, Network, PolicySpec, TimeoutAction};

fn shipped() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("scenarios/ stands at the top") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "toml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn load(name: &str) -> Scenario {
    let file = shipped()
        .into_iter()
        .find(|file| file.ends_with(format!("{name}.toml")));
    scenario::load(&file.unwrap_or_else(|| panic!("no scenario {name}")))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn parse(text: &str) -> Scenario {
    scenario::parse(Path::new("test.toml"), text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_shipped_scenario_loads_under_its_own_name_and_plans() {
    let files = shipped();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    assert_eq!(files.len(), scenario::BUILTINS.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let scenario = scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            Some(scenario.name.as_str()),
            file.file_stem().and_then(|stem| stem.to_str())
        );
        assert!(
            !scenario.about.is_empty(),
            "{} says nothing about itself",
            scenario.name
        );
        let name = file.with_extension("");
        let name = name.strip_prefix(&folder).expect("it was found there");
        let built_in = name.to_str().and_then(scenario::builtin);
        let built_in = built_in.unwrap_or_else(|| panic!("{} is not built in", name.display()));
        assert!(
            built_in.question().ends_with('?'),
            "{}: which question? {}",
            scenario.name,
            built_in.question()
        );
        assert!(
            built_in
                .time()
                .contains(|digit: char| digit.is_ascii_digit())
                || built_in.time().contains("minutes"),
            "{}: how long? {}",
            scenario.name,
            built_in.time()
        );
        assert_eq!(
            (text.as_str(), built_in.text),
            (scenario.text.as_str(), text.as_str())
        );
        let plan = Plan::new(&scenario, &[], None, None).expect("a plan");
        insta::assert_snapshot!(format!("plan_{}", scenario.name), plan.to_string());
        assert_eq!(plan.warnings(), Vec::<String>::new(), "{}", scenario.name);
    }
}

/// A gate of many minutes is switched off, and where the link does not limit, the machine's noise is measured.
#[test]
fn the_scenario_for_gating_is_bound_by_its_link() {
    let ci = load("ci");
    assert!(ci.run.repeats >= 8 && ci.gate.asks_metrics());
    for cell in &ci.cells {
        let rate = cell.setup.network.migration.rate_bps;
        assert!(rate.is_some_and(|rate| rate <= 300_000_000), "{rate:?}");
    }
}

#[test]
fn the_promised_times_hold() {
    // CI runs the first two; the bound is the one that their headers state.
    let guestperf = shipped()
        .into_iter()
        .filter(|file| file.iter().any(|part| part == "guestperf"))
        .map(|file| {
            file.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        });
    let others = [
        ("quick", 1),
        ("ci", 3),
        ("jvm-heavy", 10),
        ("downtime", 10),
        ("auto-converge", 10),
        ("post-copy", 10),
    ];
    let others = others.map(|(name, minutes)| (name.to_owned(), minutes));
    for (name, minutes) in others.into_iter().chain(guestperf.map(|name| (name, 10))) {
        let plan = Plan::new(&load(&name), &[], None, None).expect("a plan");
        let estimate = plan.estimate();
        assert!(
            estimate.usual_max <= Duration::from_secs(60 * minutes),
            "{name} may take {estimate:?}"
        );
    }
}

/// guestperf's `comparison.py`, set by set: how many scenarios, and what varies with which values.
#[test]
fn all_of_guestperf_s_comparisons_are_there() {
    let bandwidths = "12MiB/s 37MiB/s 125MiB/s 1250MiB/s 12500MiB/s";
    let sets = [
        ("pause-iters", "policy.pause.after-passes", "0 1 5 20"),
        ("post-copy-bandwidth", "migration.max-bandwidth", bandwidths),
        (
            "post-copy-iters",
            "policy.post-copy.after-passes",
            "0 1 5 20",
        ),
        (
            "auto-converge-iters",
            "policy.auto-converge.increment",
            "5 10 20",
        ),
        (
            "auto-converge-bandwidth",
            "migration.max-bandwidth",
            bandwidths,
        ),
        ("compr-mt", "migration.qmp.compress-threads", "1 2 4"),
        (
            "compr-xbzrle",
            "migration.xbzrle-cache-size",
            "32MiB 64MiB 128MiB 512MiB",
        ),
        ("compr-multifd", "migration.multifd-channels", "4 8 32 64"),
        (
            "compr-dirty-limit-period",
            "migration.vcpu-dirty-limit-period",
            "500ms 800ms 1000ms",
        ),
        (
            "compr-dirty-limit",
            "migration.vcpu-dirty-limit",
            "10MiB/s 20MiB/s 50MiB/s",
        ),
        (
            "compr-multifd-compression",
            "migration.multifd-compression",
            "zlib zstd qpl uadk",
        ),
    ];
    let mut cells = 0;
    for (set, axis, values) in sets {
        let scenario = load(set);
        let ids: Vec<String> = values
            .split(' ')
            .map(|value| format!("carrier=native-unix,{axis}={value}"))
            .collect();
        let found: Vec<&str> = scenario.cells.iter().map(|cell| cell.id.as_str()).collect();
        assert_eq!(found, ids, "{set}");
        let limit = scenario.cells[0].setup.migration.downtime_limit;
        assert_eq!(limit, Duration::from_millis(500), "{set}");
        cells += found.len();
    }
    let files = shipped();
    let folder = files
        .iter()
        .filter(|file| file.iter().any(|part| part == "guestperf"));
    assert_eq!((folder.count(), cells), (sets.len(), 42));
}

#[test]
fn jvm_heavy_cannot_converge_by_its_own_numbers() {
    let scenario = load("jvm-heavy");
    for cell in &scenario.cells {
        let workload = cell.setup.workload.as_ref().expect("a workload");
        let Pattern::Jvm {
            young_bytes,
            allocation_rate: Rate::BytesPerSecond(rate),
            ..
        } = workload.pattern
        else {
            panic!("not a rate-controlled jvm");
        };
        let link = cell.setup.network.migration.rate_bps.expect("a rate") / 8;
        // Even if every bit of the link were payload and the guest reached only four fifths of its rate: a pass over the young generation
        // takes as long as rewriting most of it, and what is left exceeds the downtime's room several times.
        let pass = young_bytes as f64 / link as f64;
        let dirtied = (0.8 * rate as f64 * pass).min(young_bytes as f64);
        let room = link as f64 * cell.setup.migration.downtime_limit.as_secs_f64();
        assert!(
            dirtied > 3.0 * room,
            "{}: {dirtied} bytes against {room}",
            cell.id
        );
        assert!(rate > link, "{}: allocates slower than the link", cell.id);
    }
}

#[test]
fn the_example_of_the_design_reads_as_it_says() {
    let scenario = parse(
        r#"
name = "jvm-heavy"
about = "design section 8"
[guest]
vcpus = 1
memory = "1 GiB"
accelerator = "auto"
[workload.jvm]
young = "192 MiB"
old = "256 MiB"
allocation-rate = "120 MiB/s"
survivors = "10 %"
[network]
inbound = "migration"
[network.migration]
rate = "1 Gbit/s"
rtt = "1 ms"
[network.management]
rate = "1 Gbit/s"
background = "300 Mbit/s"
[migration]
downtime-limit = "300 ms"
timeout = "20 s"
[matrix]
carrier = ["native-tcp", "tcp"]
policy = ["static", "auto-converge", "post-copy"]
[run]
repeats = 3
seed = 1
[gate]
downtime_ms = "10 %"
"#,
    );
    let ids: Vec<&str> = scenario.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "carrier=native-tcp,policy=static",
            "carrier=native-tcp,policy=auto-converge",
            "carrier=native-tcp,policy=post-copy",
            "carrier=tcp,policy=static",
            "carrier=tcp,policy=auto-converge",
            "carrier=tcp,policy=post-copy",
        ]
    );
    let setup = &scenario.cells[5].setup;
    assert_eq!(
        setup.carrier,
        CarrierSpec::Tcp {
            path: TcpPath::Splice,
            sleep_per_mib: Duration::ZERO,
        }
    );
    assert_eq!(
        setup.policy,
        PolicySpec::PostCopy {
            after_passes: Some(1),
            after: None
        }
    );
    assert_eq!(setup.guest.memory_bytes, 1 << 30);
    assert_eq!(setup.guest.accelerator, Accelerator::Auto);
    assert!(setup.guest.prealloc);
    assert_eq!(setup.network.inbound, Network::Migration);
    assert_eq!(setup.network.migration.rate_bps, Some(1_000_000_000));
    assert_eq!(setup.network.management.background_bps, Some(300_000_000));
    assert_eq!(setup.migration.timeout_action, TimeoutAction::Cancel);
    assert_eq!(setup.migration.max_bandwidth, None);
    let workload = setup.workload.as_ref().expect("a workload");
    assert_eq!(workload.memory_bytes, 448 << 20);
    assert_eq!(workload.seed, 1);
    let cell = &scenario.cells[0];
    let rules = scenario.gate.of(&cell.id, &cell.parameters);
    assert_eq!(rules.metrics["downtime_ms"].tolerance, Some(0.1));
    assert_eq!(scenario.sha256.len(), 64);
}

#[test]
fn without_a_matrix_there_is_one_cell_with_the_defaults() {
    let scenario = parse("name = \"plain\"\n[workload.idle]\n");
    let [cell] = &scenario.cells[..] else {
        panic!("{} cells", scenario.cells.len())
    };
    assert_eq!((cell.id.as_str(), cell.parameters.len()), ("base", 0));
    assert_eq!(cell.setup.carrier, CarrierSpec::NativeTcp);
    assert_eq!(cell.setup.policy, PolicySpec::Static);
    assert_eq!(cell.setup.guest.boot, Boot::Lmbench);
    // Everything but what the kernel keeps: 96 MiB with one vCPU, and a 32nd.
    assert_eq!(
        cell.setup
            .workload
            .as_ref()
            .map(|workload| workload.memory_bytes),
        Some((1024 - 96 - 32) << 20)
    );
}

#[test]
fn settings_of_a_carrier_are_axes_of_its_cells_only() {
    let scenario = load("idle");
    let ids: Vec<&str> = scenario.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "carrier=native-tcp",
            "carrier=tcp,carrier.tcp.path=splice",
            "carrier=tcp,carrier.tcp.path=fd"
        ]
    );
    assert_eq!(
        scenario.cells[2].setup.carrier,
        CarrierSpec::Tcp {
            path: TcpPath::Fd,
            sleep_per_mib: Duration::ZERO
        }
    );
}

#[test]
fn axes_need_no_quotes_and_take_any_setting() {
    let scenario = parse(
        r#"
name = "axes"
workload.zipf = { rate = "unbounded", memory = "64 MiB" }
[matrix]
migration.multifd-channels = [1, 2]
"migration.qmp.multifd-compression" = ["none", "zstd"]
"workload.zipf.exponent" = [0.5, 1]
"guest.prealloc" = [true, false]
"#,
    );
    assert_eq!(scenario.cells.len(), 16);
    let last = &scenario.cells[15];
    assert_eq!(
        last.id,
        "migration.multifd-channels=2,migration.qmp.multifd-compression=zstd,workload.zipf.exponent=1,guest.prealloc=false"
    );
    assert_eq!(last.setup.migration.multifd_channels, 2);
    assert_eq!(last.setup.migration.qmp["multifd-compression"], "zstd");
    assert!(!last.setup.guest.prealloc);
}

#[test]
fn a_guest_of_ones_own_has_no_workload() {
    let scenario =
        parse("name = \"own\"\n[guest]\nkernel = \"/k\"\ninitrd = \"/i\"\nappend = \"quiet\"\n");
    let setup = &scenario.cells[0].setup;
    assert_eq!(setup.workload, None);
    assert!(matches!(&setup.guest.boot, Boot::Kernel { append, .. } if append == "quiet"));
}

#[test]
fn phases_read_in_both_spellings() {
    let list = "name = \"p\"\n[workload]\nmemory = \"64 MiB\"\nphases = [{ duration = \"10 s\", idle = {} }, { duration = \"5 s\", sweep = { rate = \"1 MiB/s\" } }]\n";
    let tables = "name = \"p\"\n[workload]\nmemory = \"64 MiB\"\n[[workload.phases]]\nduration = \"10 s\"\nidle = {}\n[[workload.phases]]\nduration = \"5 s\"\nsweep = { rate = \"1 MiB/s\" }\n";
    let workload = |text| {
        parse(text).cells[0]
            .setup
            .workload
            .clone()
            .expect("a workload")
    };
    assert_eq!(workload(list), workload(tables));
    let Pattern::Phases(phases) = workload(list).pattern else {
        panic!("not phases")
    };
    assert_eq!((phases.len(), phases[1].duration_ns), (2, 5_000_000_000));
}

#[test]
fn the_scenario_of_the_guide_is_one() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guide/scenarios.md");
    let page = std::fs::read_to_string(page).expect("the guide has a page on scenarios");
    let (_, rest) = page
        .split_once("```toml\n")
        .expect("the guide shows a scenario");
    let (text, _) = rest.split_once("```").expect("the scenario has an end");
    assert_eq!(parse(text).cells.len(), 8);
}
