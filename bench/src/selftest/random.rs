//! Faults drawn from a seed: which process or network, when, over which carrier, under which policy. One seed is one case, on every
//! machine and in every version that has the same lists.

use std::fmt::Write as _;

use rand_core::{Rng, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::cases::{CARRIERS, Case, carrier_words};
use super::expect::Expect;
use super::trial::Unlike;

/// The cases of `count` seeds, from `seed` on.
pub fn random(count: u32, seed: u64) -> Vec<Case> {
    (0..u64::from(count))
        .map(|index| one(seed.wrapping_add(index)))
        .collect()
}

fn one(seed: u64) -> Case {
    // Neighbouring seeds must not begin alike.
    let mut random = Pcg64Mcg::seed_from_u64(seed ^ 0x6c6d_6265_6e63_6821);
    let carrier = pick(&mut random, &CARRIERS);
    let policy = pick(
        &mut random,
        &[
            "static",
            "auto-converge",
            "post-copy",
            "post-copy",
            "preempt",
        ],
    );
    let mut fault = deed(&mut random, carrier);
    let moment = moment(&mut random, policy);
    // One in five breaks twice.
    if random.next_u32() % 5 == 0 {
        let second = deed(&mut random, carrier);
        let ms = 100 + random.next_u32() % 3_000;
        let _ = write!(fault, "[fault.then]\nat = \"{ms} ms\"\n{second}");
    }
    let policy = match policy {
        "post-copy" | "preempt" => {
            let ms = 500 + random.next_u32() % 2_500;
            let preempt = if policy == "preempt" {
                "preempt = true\n"
            } else {
                ""
            };
            format!("{preempt}[policy.post-copy]\nafter = \"{ms} ms\"\n")
        }
        other => format!("[policy.{other}]\n"),
    };
    Case {
        name: format!("random/{seed}"),
        scenario: format!(
            "# seed {seed}\nname = \"selftest\"\n{}run.repeats = 1\n{GUEST}[migration]\ndowntime-limit = \"300 ms\"\nsettle = \"500 ms\"\n\
             timeout = \"8 s\"\n{policy}[fault]\nat = \"{moment}\"\n{fault}",
            carrier_words(carrier)
        ),
        unlike: Unlike::Nothing,
        expect: Expect::Anything,
        quick: false,
        command: format!("lmbench selftest --random 1 --seed {seed}"),
    }
}

fn pick<'a>(random: &mut Pcg64Mcg, choices: &[&'a str]) -> &'a str {
    choices[random.next_u32() as usize % choices.len()]
}

fn deed(random: &mut Pcg64Mcg, carrier: &str) -> String {
    const QEMUS: [&str; 2] = ["source-qemu", "destination-qemu"];
    const ALL: [&str; 4] = [
        "source-qemu",
        "destination-qemu",
        "source-carrier",
        "destination-carrier",
    ];
    let victims: &[&str] = if carrier.starts_with("native-") {
        &QEMUS
    } else {
        &ALL
    };
    let ms = 100 + random.next_u32() % 4_000;
    match random.next_u32() % 8 {
        0..=2 => format!("kill = \"{}\"\n", pick(random, victims)),
        3..=4 => format!(
            "freeze = \"{}\"\nfor = \"{ms} ms\"\n",
            pick(random, victims)
        ),
        5..=6 => format!("cut = \"migration\"\nfor = \"{ms} ms\"\n"),
        _ => "cancel = true\n".to_owned(),
    }
}

fn moment(random: &mut Pcg64Mcg, policy: &str) -> String {
    let copies_afterwards = matches!(policy, "post-copy" | "preempt");
    match random.next_u32() % 8 {
        0 => "setup".to_owned(),
        1 => format!("pass {}", 1 + random.next_u32() % 3),
        2 | 3 if copies_afterwards => "post-copy".to_owned(),
        2 => "switchover".to_owned(),
        _ => format!("{} ms", random.next_u32() % 7_000),
    }
}

/// As in scenarios/jvm-heavy.toml.
const GUEST: &str = "[guest]\nvcpus = 1\nmemory = \"640 MiB\"\n[workload.jvm]\nyoung = \"160 MiB\"\nold = \"128 MiB\"\n\
                     allocation-rate = \"220 MiB/s\"\nsurvivors = \"10 %\"\n[network.migration]\nrate = \"1 Gbit/s\"\n[network.management]\nrate = \"1 Gbit/s\"\n";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario;

    #[test]
    fn a_seed_is_a_case_whatever_is_asked_beside_it() {
        let five = random(5, 10);
        let last = random(1, 14);
        assert_eq!(five[4].scenario, last[0].scenario);
        assert_eq!(last[0].command, "lmbench selftest --random 1 --seed 14");
    }

    // Two hundred of them are what is asked of a release: none may be refused by the scenario's own checks, and each kind must occur.
    #[test]
    fn two_hundred_seeds_are_scenarios_of_the_jvm_guest() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/jvm-heavy.toml");
        let jvm = scenario::load(&file).unwrap();
        let jvm = &jvm.cells[0].setup;
        let cases = random(200, 1);
        for case in &cases {
            let setup = case.cell().unwrap_or_else(|error| panic!("{error}")).setup;
            assert_eq!(setup.guest, jvm.guest);
            assert_eq!(setup.workload, jvm.workload);
            assert!(setup.fault.is_some());
        }
        for word in [
            "kill",
            "freeze",
            "cut",
            "cancel",
            "then",
            "post-copy\"",
            "switchover",
            "pass",
            "setup",
            "preempt",
            "quic",
            "ssh",
        ] {
            assert!(
                cases.iter().any(|case| case.scenario.contains(word)),
                "{word}"
            );
        }
    }
}
