//! The command line as a page: what `--help` says of every command, with its examples.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::cell;
use crate::cli::{Cli, examples};

pub(super) fn text() -> String {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut commands = Vec::new();
    add(&root, "", &mut commands);
    let mut page = String::from(
        "# Commands\n\n\
         RUN is `latest`, a run's id below `--out`, its beginning or end, or the path of its folder or record. Every command takes `--help` and `--color`.\n\n\
         | command | does |\n|---|---|\n",
    );
    for (path, command) in commands.iter().filter(|(path, _)| !path.is_empty()) {
        let _ = writeln!(
            page,
            "| [`lmbench {path}`](#lmbench-{}) | {} |",
            path.replace(' ', "-"),
            about(command)
        );
    }
    page.push('\n');
    for (path, command) in &commands {
        section(&mut page, path, command);
    }
    page
}

/// A command that people call, and those below it.
fn add<'a>(command: &'a Command, path: &str, all: &mut Vec<(String, &'a Command)>) {
    all.push((path.to_owned(), command));
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        add(below, &examples::below(path, below.get_name()), all);
    }
}

fn section(page: &mut String, path: &str, command: &Command) {
    let name = format!("lmbench {path}");
    let _ = write!(page, "## {}\n\n{}\n\n", name.trim_end(), about(command));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(page, "```text\n{usage}\n```\n\n");
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|one| is_told(one, path))
        .collect();
    if !arguments.is_empty() {
        page.push_str("| argument | |\n|---|---|\n");
        for argument in arguments {
            let _ = writeln!(page, "| {} | {} |", spelt(argument), said(argument));
        }
        page.push('\n');
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(page, "```text\n{after}\n```\n\n");
    }
    let examples = examples::of(path);
    if !examples.is_empty() {
        let _ = write!(page, "```text\n{examples}\n```\n\n");
    }
}

/// `--help`, `--version` and what every command takes stand at lmbench itself.
fn is_told(argument: &Arg, path: &str) -> bool {
    let is_common = ["help", "version", "color"].contains(&argument.get_id().as_str());
    !argument.is_hide_set() && (path.is_empty() || !is_common)
}

fn about(command: &Command) -> String {
    cell(
        &command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}

/// `-o`, `--output FILE`; `RUN…`.
fn spelt(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let mut value = names
        .iter()
        .map(clap::builder::Str::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    if argument
        .get_num_args()
        .is_some_and(|number| number.max_values() > 1)
    {
        value.push('…');
    }
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let aliases = argument.get_visible_aliases().unwrap_or_default();
    let options: Vec<String> = short
        .into_iter()
        .chain(long)
        .chain(aliases.iter().map(|alias| format!("--{alias}")))
        .collect();
    let Some((last, before)) = options.split_last() else {
        return format!("`{value}`");
    };
    let last = if argument.get_action().takes_values() {
        format!("{last} {value}")
    } else {
        last.clone()
    };
    let all = before.iter().chain([&last]);
    all.map(|option| format!("`{option}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Its help, the words that it takes, and the one that holds without it.
fn said(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut text = cell(&help.map(ToString::to_string).unwrap_or_default());
    if argument.get_action().takes_values() {
        for value in argument
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
        {
            let help = value
                .get_help()
                .map(|help| format!(": {}", cell(&help.to_string())));
            let _ = write!(
                text,
                "<br>`{}`{}",
                value.get_name(),
                help.unwrap_or_default()
            );
        }
    }
    let defaults = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()));
    let defaults = defaults.collect::<Vec<_>>().join(", ");
    if !defaults.is_empty() && argument.get_action().takes_values() {
        let _ = write!(text, "<br>Default: {defaults}.");
    }
    text
}
