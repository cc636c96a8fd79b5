//! Series for tests.

use indexmap::IndexMap;

use crate::store::HistoryPoint;

/// A run's value of 2026-03-01, all from one machine.
pub fn point(run: usize, median: f64) -> HistoryPoint {
    let text = |text: &str| Some(text.to_owned());
    HistoryPoint {
        run_id: format!("20260301-{run:06}-jvm-heavy-0000"),
        started: Some(format!("2026-03-{:02}T12:00:00Z", run % 28 + 1)),
        scenario: text("jvm-heavy"),
        scenario_sha256: text("0123456789abcdef"),
        cell: "carrier=tcp,policy=static".to_owned(),
        parameters: IndexMap::new(),
        accelerator: text("kvm"),
        cpu: text("Intel(R) Xeon(R) Platinum 8481C"),
        qemu: text("10.0.2"),
        lmbench: text("0.1.0"),
        kernel: text("6.12.0"),
        cores: Some(2),
        source: text("rack1-node07"),
        destination: text("rack1-node08"),
        n: 5,
        tried: 5,
        median,
        ci95: None,
        min: median * 0.9,
        max: median * 1.1,
    }
}

/// Twelve runs about 280 ms and, from the thirteenth on, twelve about 350 ms.
pub fn stepped() -> Vec<HistoryPoint> {
    let noise = [
        0.0, 4.0, -3.0, 2.0, -5.0, 1.0, 3.0, -2.0, 5.0, -1.0, -4.0, 2.5,
    ];
    let runs = noise.map(|noise| 280.0 + noise).into_iter();
    let runs = runs.chain(noise.map(|noise| 350.0 + noise));
    let mut points: Vec<HistoryPoint> = (1..)
        .zip(runs)
        .map(|(run, median)| point(run, median))
        .collect();
    for after in &mut points[12..] {
        after.lmbench = Some("0.2.0".to_owned());
        after.scenario_sha256 = Some("fedcba9876543210".to_owned());
    }
    points
}
