//! The processor, and what makes its speed uneven.

use std::thread::available_parallelism;

use super::Finding;
use super::probe::read;

/// Looks at the processor and at the kernel's settings of it.
pub(super) fn examine() -> Vec<Finding> {
    let processors = read("/proc/cpuinfo").unwrap_or_default();
    vec![
        processor(&processors, available_parallelism().map_or(1, usize::from)),
        governor(read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").as_deref()),
        turbo(
            read("/sys/devices/system/cpu/intel_pstate/no_turbo").as_deref(),
            read("/sys/devices/system/cpu/cpufreq/boost").as_deref(),
        ),
        threads(read("/sys/devices/system/cpu/smt/active").as_deref()),
    ]
}

fn processor(processors: &str, cores: usize) -> Finding {
    let name = "processor";
    let value = |keys: &[&str]| {
        let of = |line: &str| {
            line.split_once(':')
                .filter(|(key, _)| keys.contains(&key.trim()))
                .map(|(_, value)| value.trim().to_owned())
        };
        processors.lines().find_map(of)
    };
    let model = value(&["model name"]).unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let flags = value(&["flags", "Features"]).unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let mut notes = Vec::new();
    if !has("aes") {
        notes.push("no aes: encrypted carriers are slow".to_owned());
    }
    if std::env::consts::ARCH == "x86_64" && !has("avx2") {
        notes.push("no avx2: zero pages are found slowly".to_owned());
    }
    if cores < CORES_WANTED {
        notes.push(format!("with {cores} cores, guests, carriers and sampling share them: a fast link is bound by the processor"));
    }
    if has("hypervisor") {
        notes.push(
            "a virtual machine: neighbours disturb figures, so interleave and repeat".to_owned(),
        );
    }
    let version = Some(format!("{cores} cores"));
    if notes.is_empty() {
        Finding::found(name, model)
    } else {
        Finding::limited(name, format!("{model}; {}", notes.join("; ")))
    }
    .version(version)
}

fn governor(governor: Option<&str>) -> Finding {
    let name = "cpu governor";
    match governor {
        None => Finding::found(
            name,
            "the kernel has none; a virtual machine's frequency is its host's affair",
        ),
        Some("performance") => {
            Finding::found(name, "holds the frequency up").version(Some("performance".into()))
        }
        Some(other) => Finding::limited(
            name,
            "lets the frequency follow the load, so short migrations look slower",
        )
        .version(Some(other.into()))
        .mend("cpupower frequency-set -g performance"),
    }
}

fn turbo(intel_off: Option<&str>, boost: Option<&str>) -> Finding {
    let name = "cpu turbo";
    let on = Finding::limited(name, "the frequency depends on heat and on idle neighbours")
        .version(Some("on".into()));
    match (intel_off, boost) {
        (Some("0"), _) => on.mend("echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"),
        (_, Some("1")) => on.mend("echo 0 > /sys/devices/system/cpu/cpufreq/boost"),
        (None, None) => Finding::found(name, "the kernel has no say in it"),
        _ => Finding::found(name, "the frequency has no such peaks").version(Some("off".into())),
    }
}

fn threads(active: Option<&str>) -> Finding {
    let name = "cpu smt";
    match active {
        Some("1") => Finding::limited(
            name,
            "two threads share a core, so CPU seconds depend on what runs beside",
        )
        .version(Some("on".into()))
        .mend("echo off > /sys/devices/system/cpu/smt/control"),
        _ => Finding::found(
            name,
            "a thread has its core to itself, as far as the kernel sees",
        )
        .version(Some("off".into())),
    }
}

/// Two guests' vCPUs, and on each host a carrier.
const CORES_WANTED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn the_processor_s_weaknesses_are_named() {
        let strong = processor("model name\t: Big\nflags\t\t: fpu aes avx2\n", 8);
        assert_eq!(
            (strong.status, strong.detail.as_str()),
            (Status::Found, "Big")
        );
        let weak = processor("model name\t: Small\nflags\t\t: fpu hypervisor\n", 2);
        assert_eq!(weak.status, Status::Limited);
        for part in ["no aes", "2 cores", "virtual machine"] {
            assert!(weak.detail.contains(part), "{}", weak.detail);
        }
    }

    #[test]
    fn settings_that_disturb_are_limits_with_a_mend() {
        for finding in [
            governor(Some("powersave")),
            turbo(Some("0"), None),
            turbo(None, Some("1")),
            threads(Some("1")),
        ] {
            assert_eq!(finding.status, Status::Limited);
            assert!(finding.mend.is_some(), "{finding:?}");
        }
        for finding in [
            governor(None),
            governor(Some("performance")),
            turbo(None, None),
            turbo(Some("1"), None),
            threads(None),
        ] {
            assert_eq!(finding.status, Status::Found);
        }
    }
}
