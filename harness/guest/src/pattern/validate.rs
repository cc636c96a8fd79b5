//! Whether a workload can be run at all; asked before any memory is touched, so that the walks can rely on it.

use crate::spec::{PAGE_BYTES, Pattern, Rate, WorkloadSpec};

/// What is wrong with a workload, as a fragment of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// Checks everything that the rest of this package takes for granted.
pub fn validate(spec: &WorkloadSpec) -> Result<(), Invalid> {
    let threads = u64::from(spec.threads);
    let content = &spec.content;
    require((1..=THREADS_MAX).contains(&threads), || {
        format!("threads must be 1 to {THREADS_MAX}, not {threads}")
    })?;
    require(spec.memory_bytes.is_multiple_of(PAGE_BYTES), || {
        format!("memory of {} bytes is not whole pages", spec.memory_bytes)
    })?;
    require(spec.pages() >= threads, || {
        format!("{} pages for {threads} threads", spec.pages())
    })?;
    require(
        (16..=PAGE_BYTES).contains(&u64::from(content.bytes_per_page)),
        || {
            format!(
                "a write must change 16 to {PAGE_BYTES} bytes of a page, not {}",
                content.bytes_per_page
            )
        },
    )?;
    for (name, share) in [
        ("zero", content.zero),
        ("compressible", content.compressible),
        ("duplicate", content.duplicate),
    ] {
        share_of_one(name, share)?;
    }
    let sum = content.zero + content.compressible + content.duplicate;
    require(sum <= 1.0 + 1e-9, || {
        format!("the shares of content add up to {sum}")
    })?;
    pattern(spec, &spec.pattern, true)
}

fn pattern(spec: &WorkloadSpec, pattern_of: &Pattern, outermost: bool) -> Result<(), Invalid> {
    if let Rate::BytesPerSecond(0) = super::rate(pattern_of) {
        return Err(Invalid(
            "a rate of 0; the idle pattern writes nothing".into(),
        ));
    }
    match pattern_of {
        Pattern::Idle | Pattern::Uniform { .. } | Pattern::Sweep { .. } => Ok(()),
        Pattern::HotSet {
            hot_bytes,
            hot_share,
            ..
        } => {
            share_of_one("hot", *hot_share)?;
            region(spec, "hot part", *hot_bytes, 1, spec.memory_bytes)
        }
        Pattern::Zipf { exponent, .. } => {
            require(*exponent > 0.0 && *exponent <= EXPONENT_MAX, || {
                format!("exponent must be above 0 and at most {EXPONENT_MAX}, not {exponent}")
            })
        }
        Pattern::Jvm {
            young_bytes,
            old_bytes,
            survivors,
            ..
        } => {
            share_of_one("survivors", *survivors)?;
            region(
                spec,
                "young generation",
                *young_bytes,
                YOUNG_PAGES_MIN,
                spec.memory_bytes,
            )?;
            region(
                spec,
                "old generation",
                *old_bytes,
                0,
                spec.memory_bytes - young_bytes,
            )
        }
        Pattern::Database {
            log_bytes,
            log_share,
            checkpoint_share,
            checkpoint_interval_ns,
            ..
        } => {
            share_of_one("log", *log_share)?;
            share_of_one("checkpoint", *checkpoint_share)?;
            require(*checkpoint_interval_ns > 0, || {
                "a checkpoint interval of 0".into()
            })?;
            let cache_of_one_page = PAGE_BYTES * u64::from(spec.threads);
            region(
                spec,
                "log",
                *log_bytes,
                0,
                spec.memory_bytes - cache_of_one_page,
            )
        }
        Pattern::Phases(phases) => {
            require(outermost, || "phases inside phases".into())?;
            require(!phases.is_empty(), || "no phases".into())?;
            for phase in phases {
                require(phase.duration_ns > 0, || "a phase of 0 ns".into())?;
                pattern(spec, &phase.pattern, false)?;
            }
            Ok(())
        }
    }
}

/// A region needs some pages for each thread, and a place.
fn region(
    spec: &WorkloadSpec,
    name: &str,
    bytes: u64,
    pages_min: u64,
    bytes_max: u64,
) -> Result<(), Invalid> {
    let bytes_min = pages_min * PAGE_BYTES * u64::from(spec.threads);
    require((bytes_min..=bytes_max).contains(&bytes), || {
        format!("{name} must be {bytes_min} to {bytes_max} bytes, not {bytes}")
    })
}

fn share_of_one(name: &str, share: f64) -> Result<(), Invalid> {
    require((0.0..=1.0).contains(&share), || {
        format!("the share {name} must be 0 to 1, not {share}")
    })
}

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid(what())) }
}

const THREADS_MAX: u64 = 1024;
const EXPONENT_MAX: f64 = 10.0;
/// An eden page is left even when everything survives.
const YOUNG_PAGES_MIN: u64 = 3;
