//! Misspelt names: which of those that exist was meant.

/// The name that was meant: the nearest, if it is near.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let normal = name.to_ascii_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&normal, candidate),
                strsim::jaro_winkler(&normal, candidate),
                candidate,
            )
        })
        .filter(|(edits, similarity, _)| *edits <= 1 || *similarity >= NEAR)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, candidate)| candidate)
}

/// Longest name that is compared with others; the longest of ours has 22 letters.
const NAME_MAX: usize = 64;

/// Jaro-Winkler similarity from which a name counts as a misspelling even if it is several edits away: 0.8 takes `memroy` for `memory`
/// and leaves `colour` alone.
const NEAR: f64 = 0.8;
