//! Whether migrations of one side complete less often than those of the other: the same for `compare`, `gate` and `report`.

use serde::{Deserialize, Serialize};

use super::Rule;
use super::rule::completions_p;

/// How often something ended well, beside how often it did elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completions {
    /// More often, and not by chance.
    Oftener,
    /// More often, or one side has nothing that was tried; chance may have done it.
    PerhapsOftener,
    /// Just as often.
    AsOften,
    /// Less often, but chance may have done it.
    PerhapsRarer,
    /// Less often, and not by chance.
    Rarer,
}

impl Completions {
    /// Whether fewer completed, for whatever reason.
    pub fn are_fewer(self) -> bool {
        matches!(self, Completions::PerhapsRarer | Completions::Rarer)
    }
}

impl Rule {
    /// What `[good, bad]` endings of a candidate are beside those of the base, with Fisher's exact chance that nothing tells them apart.
    pub fn completions(&self, base: [usize; 2], candidate: [usize; 2]) -> (Completions, f64) {
        let p = completions_p(base, candidate);
        let share = |[good, bad]: [usize; 2]| {
            let all = good.saturating_add(bad);
            (all > 0).then(|| good as f64 / all as f64)
        };
        let told = match (share(base), share(candidate)) {
            (Some(_), None) => Completions::PerhapsRarer,
            (None, Some(_)) => Completions::PerhapsOftener,
            (Some(before), Some(after)) if after < before && p <= self.alpha => Completions::Rarer,
            (Some(before), Some(after)) if after < before => Completions::PerhapsRarer,
            (Some(before), Some(after)) if after > before && p <= self.alpha => {
                Completions::Oftener
            }
            (Some(before), Some(after)) if after > before => Completions::PerhapsOftener,
            (None, None) | (Some(_), Some(_)) => Completions::AsOften,
        };
        (told, p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::RULE;

    #[test]
    fn a_worsening_is_one_whatever_was_lost_before() {
        for (base, candidate, expected) in [
            ([16, 0], [16, 0], Completions::AsOften),
            ([15, 1], [9, 7], Completions::PerhapsRarer),
            ([15, 1], [4, 12], Completions::Rarer),
            ([8, 8], [16, 16], Completions::AsOften),
            ([9, 7], [15, 1], Completions::PerhapsOftener),
            ([0, 8], [8, 0], Completions::Oftener),
            ([8, 0], [0, 0], Completions::PerhapsRarer),
            ([0, 0], [0, 0], Completions::AsOften),
        ] {
            let (told, _) = RULE.completions(base, candidate);
            assert_eq!(told, expected, "{base:?} {candidate:?}");
        }
    }
}
