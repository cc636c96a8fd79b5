//! The scenarios that the program has in itself, those of `scenarios/`: to be run by name, from any folder.
//!
//! What each asks and how long it takes stands in its head, for whoever reads the file; it is read out of there.

use lmbench_record::scenario_text::{question, said};

/// A scenario of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its path below `scenarios/` without `.toml`: `quick`, `guestperf/post-copy-iters`.
    pub name: &'static str,
    /// The file, byte for byte.
    pub text: &'static str,
}

/// All of them, those of a set behind the others, else by name.
pub static BUILTINS: &[Builtin] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The one of that name, with or without `.toml`.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    let name = name.strip_suffix(".toml").unwrap_or(name);
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

impl Builtin {
    /// The question that it answers.
    pub fn question(&self) -> String {
        question(self.text)
    }

    /// What is known of the time that it takes.
    pub fn time(&self) -> String {
        let mut said = said(self.text, "Time: ");
        let ends = [said.find(';'), said.find(". ")].into_iter().flatten();
        if let Some(end) = ends.min() {
            said.truncate(end);
        }
        said.trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_and_how_long() {
        let of = |text| Builtin { name: "x", text };
        let one = of(
            "# Question: which way\n# is best? It depends.\n# Measured: 4.\n#\n# Time: 3 runs of 1.5 s, about\n# 5 s. More is better; less is not.\nname = \"x\"\n# Time: 9 s\n",
        );
        assert_eq!(one.question(), "which way is best?");
        assert_eq!(one.time(), "3 runs of 1.5 s, about 5 s");
        assert_eq!(of("# Time: 17 s; 58 s beside others.\n").time(), "17 s");
        assert_eq!(
            (of("a = 1\n# Time: 9 s\n").time(), of("").question()),
            Default::default()
        );
    }

    #[test]
    fn names_are_found_with_or_without_their_ending() {
        assert_eq!(builtin("quick.toml"), builtin("quick"));
        assert!(builtin("quick").is_some_and(|quick| quick.text.contains("name = \"quick\"")));
        assert!(builtin("guestperf/post-copy-iters").is_some());
        assert_eq!(builtin("post-copy-iters"), None);
    }
}
