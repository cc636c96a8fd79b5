//! Worked examples, at the end of every command's `--help` and manual page. A test sees that each command has some, and that they parse.

/// A line at the margin names a command; what is indented below it is shown as it stands: a command line, and below it what that does.
const EXAMPLES: &str = include_str!("examples.txt");

/// Those of a command, named without `lmbench`; empty where there are none.
pub(crate) fn of(path: &str) -> String {
    let command = format!("lmbench {path}");
    let lines = EXAMPLES
        .lines()
        .skip_while(|line| *line != command.trim_end());
    let below = lines.skip(1).take_while(|line| line.starts_with(' '));
    below.collect::<Vec<_>>().join("\n")
}

/// Writes the examples of a command, and of those below it, to the end of its help.
pub(super) fn written(mut command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    for name in names {
        let path = below(path, &name);
        command = command.mut_subcommand(name, |command| written(command, &path));
    }
    let examples = of(path);
    if examples.is_empty() {
        return command;
    }
    let after = command.get_after_help().map(|after| format!("{after}\n\n"));
    command.after_help(format!(
        "{}Examples:\n{examples}",
        after.unwrap_or_default()
    ))
}

/// The name of a command below another.
pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path} {name}")
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::super::{Cli, Command, command};
    use super::*;
    use crate::scenario::builtin;

    /// Every command that somebody may ask for help, by its name.
    fn commands(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            commands(one, &below(path, one.get_name()), all);
        }
    }

    /// The words that the program gets of a line that a shell reads.
    fn words(line: &str) -> Vec<String> {
        // What stands behind these is another program's.
        let ends = [" > ", " | "].iter().filter_map(|end| line.find(end));
        let line = &line[..ends.min().unwrap_or(line.len())];
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for letter in line.chars() {
            match letter {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(letter),
            }
        }
        let is_variable = |word: &String| {
            word.split_once('=').is_some_and(|(name, _)| {
                name.chars()
                    .all(|letter| letter.is_ascii_uppercase() || letter == '_')
            })
        };
        words.into_iter().skip_while(is_variable).collect()
    }

    /// Which command was called.
    fn called(matches: &clap::ArgMatches) -> String {
        matches
            .subcommand()
            .map_or_else(String::new, |(name, matches)| {
                below(name, &called(matches)).trim_end().to_owned()
            })
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let mut all = Vec::new();
        commands(&command(), "", &mut all);
        assert!(all.contains(&"carry sink".to_owned()), "{all:?}");
        let named = EXAMPLES.lines().filter(|line| !line.starts_with(' '));
        let mut known: Vec<&str> = named.collect();
        known.sort_unstable();
        let mut wanted: Vec<String> = all.iter().map(|path| below("lmbench", path)).collect();
        wanted.sort_unstable();
        assert_eq!(
            known,
            wanted
                .iter()
                .map(|path| path.trim_end())
                .collect::<Vec<_>>()
        );
        for path in &all {
            let examples = of(path);
            let mut lines = examples.lines().peekable();
            assert!(lines.peek().is_some(), "`{path}` has no example");
            while let Some(line) = lines.next() {
                assert!(line.starts_with("  ") && !line.starts_with("   "), "{line}");
                let does = lines.next().unwrap_or_default();
                assert!(
                    does.starts_with("      ") && !does.starts_with("       "),
                    "{line}: {does}"
                );
                let matches = command()
                    .try_get_matches_from(words(line.trim_start()))
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(
                    called(&matches).starts_with(path.as_str()),
                    "`{line}` is not of `{path}`"
                );
                let read = Cli::from_arg_matches(&matches).unwrap();
                if let Command::Run(run) = read.command {
                    let name = run.scenario.to_string_lossy();
                    assert!(
                        name.ends_with(".toml") || builtin(&name).is_some(),
                        "{line}"
                    );
                }
            }
        }
    }

    #[test]
    fn help_shows_them_behind_what_else_it_says() {
        let mut gate = command().find_subcommand("gate").unwrap().clone();
        let help = gate.render_long_help().to_string();
        let (said, examples) = help.split_once("Examples:\n").unwrap();
        assert!(said.contains("Exit codes: 0 pass"), "{said}");
        assert!(examples.contains("--junit gate.xml"), "{examples}");
    }

    /// One meaning each: whoever learnt `--out` and `-o` at one command knows them at all.
    #[test]
    fn options_mean_the_same_everywhere() {
        fn each(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let value = argument.get_value_names().map(|names| names[0].as_str());
                let about = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                match name {
                    "out" => {
                        assert_eq!(value, Some("DIRECTORY"), "{path}: --out");
                        assert_eq!(argument.get_default_values(), ["results"], "{path}: --out");
                        assert_eq!(argument.get_short(), None, "{path}: --out");
                        assert!(about.starts_with("Directory "), "{path}: --out: {about}");
                    }
                    "output" => {
                        assert_eq!(
                            (value, argument.get_short()),
                            (Some("FILE"), Some('o')),
                            "{path}: -o"
                        );
                        assert_eq!(argument.get_long(), Some("output"), "{path}: -o");
                    }
                    "run" | "runs" | "resume" | "base" => {
                        assert!(about.contains("`latest`"), "{path}: RUN: {about}");
                    }
                    _ => assert_ne!(argument.get_short(), Some('o'), "{path}: {name}"),
                }
            }
            for one in command.get_subcommands() {
                each(one, &below(path, one.get_name()));
            }
        }
        each(&command(), "lmbench");
    }
}
