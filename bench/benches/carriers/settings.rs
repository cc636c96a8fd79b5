//! What was chosen: by cargo and the user on the command line, and by the user in the environment.

use std::env::VarError;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use super::variant::Variant;

/// What this run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Measure and judge: `cargo bench`.
    Measure,
    /// See whether everything still works, with little of everything: `cargo test --benches`, or `-- --test`.
    Test,
    /// Nothing has to be measured: `--list`, `--load-baseline`.
    Names,
}

/// Everything that was chosen.
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// `None` is everything.
    pub(crate) variants: Option<Vec<Variant>>,
    pub(crate) mtus: Vec<u32>,
    /// Bytes of a synthetic transfer.
    pub(crate) bytes: u64,
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) capture: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let mode = mode()?;
        let mib: u64 = one("LMBENCH_MIB")?.unwrap_or(if mode == Mode::Test { 2 } else { 256 });
        if !(1..=MIB_MAX).contains(&mib) {
            return Err(format!("LMBENCH_MIB is {mib}, not from 1 to {MIB_MAX}"));
        }
        let rounds = one("LMBENCH_ROUNDS")?.unwrap_or(ROUNDS_MIN);
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds) {
            return Err(format!(
                "LMBENCH_ROUNDS is {rounds}, not from {ROUNDS_MIN} to {ROUNDS_MAX}"
            ));
        }
        Ok(Self {
            mode,
            variants: many("LMBENCH_CARRIERS")?,
            mtus: many("LMBENCH_MTU")?.unwrap_or_else(|| vec![1500, 9000]),
            bytes: mib << 20,
            rounds: if mode == Mode::Test { 1 } else { rounds },
            json: one("LMBENCH_JSON")?,
            capture: one("LMBENCH_CAPTURE")?,
        })
    }
}

/// As criterion sees it.
fn mode() -> Result<Mode, String> {
    let has = |name: &str| {
        std::env::args().any(|argument| {
            argument
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    if has("--profile-time") {
        return Err(
            "a carrier is not this process, so there is nothing to profile here\nhint: perf record -a while it runs"
                .to_owned(),
        );
    }
    Ok(if has("--list") || has("--load-baseline") {
        Mode::Names
    } else if has("--test") || !has("--bench") {
        Mode::Test
    } else {
        Mode::Measure
    })
}

fn one<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>, String> {
    match std::env::var(name) {
        Ok(text) => value(name, &text).map(Some),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not text")),
    }
}

/// Several values, between blanks.
fn many<T: FromStr<Err: Display>>(name: &str) -> Result<Option<Vec<T>>, String> {
    let text: Option<String> = one(name)?;
    let values = text.map(|text| {
        let words = text.split_whitespace();
        words.map(|word| value(name, word)).collect()
    });
    values.transpose()
}

fn value<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error| format!("{name}: '{text}' can't be used\nhint: {error}"))
}

/// criterion's least number of samples.
pub(crate) const ROUNDS_MIN: usize = 10;
const ROUNDS_MAX: usize = 1000;
const MIB_MAX: u64 = 1 << 20;
