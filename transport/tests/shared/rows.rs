//! What the user chose of a table that takes long.

/// How often each row of a table is tried.
pub(crate) fn times() -> usize {
    std::env::var("LMBENCH_TIMES").map_or(100, |text| text.parse().expect("a number"))
}

/// Whether `LMBENCH_ONLY` names this row, or none.
pub(crate) fn is_chosen(carrier: &str, rate: u32, rtt_ms: u64) -> bool {
    let row = format!("{carrier},{rate},{rtt_ms}");
    std::env::var("LMBENCH_ONLY").map_or(true, |only| only == row)
}
