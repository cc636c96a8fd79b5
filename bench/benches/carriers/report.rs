//! What criterion can't tell: CPU time, and ratios of speeds that were measured side by side.

use super::figures;
use super::pump::Transfer;
use super::rounds::{Case, Results};
use super::settings::Settings;

pub(crate) fn show(settings: &Settings, cases: &[Case], results: &Results) {
    let measured: Vec<&Case> = cases
        .iter()
        .filter(|case| !results.of(case).is_empty())
        .collect();
    println!(
        "\nbenchmark                                     MB/s  CPU-s/GiB source + sink     all"
    );
    for case in &measured {
        let transfers = results.of(case);
        let gib = case.stream.len() as f64 / GIB;
        let cpu = |of: fn(&Transfer) -> f64| {
            figures::median(
                &transfers
                    .iter()
                    .map(|one| of(one) / gib)
                    .collect::<Vec<_>>(),
            )
        };
        println!(
            "{:42} {:7.0}           {:6.3} + {:5.3}   {:5.3}",
            case.name(),
            figures::median(&speeds(case, results)),
            cpu(|one| one.source_s),
            cpu(|one| one.sink_s),
            cpu(|one| one.source_s + one.sink_s),
        );
    }
    println!("\nratio of speeds, medians                              95 % interval");
    for (over, under) in RATIOS {
        for (case, reference) in pairs(&measured, over, under) {
            let (ratio, [low, high]) =
                figures::ratio_of_medians(&speeds(case, results), &speeds(reference, results));
            let name = format!("{} / {}", case.name(), reference.variant);
            println!("{name:46} {ratio:6.3}  {low:.3}–{high:.3}");
        }
    }
    println!(
        "\n{} interleaved rounds; load now {}",
        settings.rounds,
        figures::load()
    );
    println!(
        "command: cargo bench -p lmbench --bench carriers -- {}",
        figures::command()
    );
}

/// Those of the same group, by the kind of their variants.
fn pairs<'case>(
    measured: &[&'case Case],
    over: &str,
    under: &str,
) -> Vec<(&'case Case, &'case Case)> {
    let of = |kind: &str| {
        let cases = measured.iter().copied();
        cases
            .filter(|case| case.variant.kind() == kind)
            .collect::<Vec<_>>()
    };
    let unders = of(under);
    let together = of(over).into_iter().flat_map(|over| {
        let same = unders
            .iter()
            .filter(move |case| case.group() == over.group());
        same.map(move |under| (over, *under))
    });
    together.collect()
}

/// MB/s of each round.
fn speeds(case: &Case, results: &Results) -> Vec<f64> {
    let speed = |one: &Transfer| case.stream.len() as f64 / one.took.as_secs_f64() / 1e6;
    results.of(case).iter().map(speed).collect()
}

/// What is asked of the carriers, as kinds of variants.
const RATIOS: [(&str, &str); 7] = [
    ("iperf3", "raw-tcp"),
    ("tcp", "raw-tcp"),
    ("tls", "raw-tcp"),
    ("tls", "tcp"),
    ("tls", "ssh"),
    ("quic", "tls"),
    ("quic", "ssh"),
];
const GIB: f64 = (1u64 << 30) as f64;
