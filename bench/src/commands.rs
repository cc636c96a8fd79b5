//! What each command does, and the exit code it ends with.

mod agent;
mod baseline;
mod capture;
mod carry;
mod chosen;
mod compare;
mod ctl;
mod doctor;
mod export;
mod gate;
mod history;
mod import;
mod init;
mod link;
mod list;
mod man;
mod peer_user;
mod replay;
mod report;
mod run;
mod scenarios;
mod schema;
mod selftest;
mod show;
mod signals;

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::{self, Cli, Command};
use crate::output::Stdout;
use crate::scenario::ScenarioError;
use crate::terminal::{Page, wrapped};

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well. A migration that did not converge within its timeout is a result, so it ends here too.
    Success = 0,
    /// A bug, or something that broke.
    Internal = 1,
    /// The command line or the scenario is wrong.
    Usage = 2,
    /// Something is missing on a host.
    Environment = 3,
    /// A migration failed, or a run refused what it was ordered.
    MigrationFailed = 4,
    /// Something got worse than its tolerance, or missed a limit.
    Regressed = 5,
    /// The figures don't tell whether it did.
    Inconclusive = 6,
    /// Ctrl-C; what was measured is kept.
    Interrupted = 130,
}

impl Exit {
    /// All of them.
    pub const ALL: [Exit; 8] = [
        Exit::Success,
        Exit::Internal,
        Exit::Usage,
        Exit::Environment,
        Exit::MigrationFailed,
        Exit::Regressed,
        Exit::Inconclusive,
        Exit::Interrupted,
    ];

    /// A few words, as `--help` has them.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Success => "success",
            Exit::Internal => "internal error",
            Exit::Usage => "usage or scenario error",
            Exit::Environment => "environment (something is missing)",
            Exit::MigrationFailed => "a migration failed, or `ctl` was refused",
            Exit::Regressed => "regression",
            Exit::Inconclusive => "inconclusive",
            Exit::Interrupted => "interrupted",
        }
    }

    /// When a command ends with it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Success => {
                "All went well. Whatever `compare` finds; a migration that did not converge within its timeout."
            }
            Exit::Internal => "A bug, or something that broke.",
            Exit::Usage => {
                "The command line or the scenario is wrong, or `gate` was given a baseline of another scenario."
            }
            Exit::Environment => {
                "Something is missing on a host, and no cell of the scenario can run without it; `ctl` found no such run running; a baseline is of \
                 another kind of machine."
            }
            Exit::MigrationFailed => {
                "A migration failed; `carry` did not bring every channel to its end in order; a case of `selftest` is not ok; a run refused what it \
                 was ordered."
            }
            Exit::Regressed => {
                "`gate`, or `run --baseline`: something got worse than its tolerance, or missed a limit."
            }
            Exit::Inconclusive => {
                "`gate`, or `run --baseline`: the figures do not tell whether it did. `--inconclusive-is` decides otherwise."
            }
            Exit::Interrupted => "Ctrl-C. What was measured is kept, and `run --resume` goes on.",
        }
    }
}

/// An error that ends a command: what to print, and the exit code.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    /// Everything that is printed, `error: ` included; may hold colours, which only a terminal gets to see.
    pub(crate) text: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Failed {
            exit,
            text: format!("error: {message}"),
        }
    }

    /// A scenario's problems, each with its place and its own `error: `.
    pub(crate) fn from_scenario(error: &ScenarioError) -> Self {
        Failed {
            exit: Exit::Usage,
            text: error.render(is_styled()),
        }
    }

    /// Adds what to do to an error that does not say.
    pub(crate) fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        if !self.text.contains("\nhint: ") {
            self.text = format!("{}\nhint: {hint}", self.text);
        }
        self
    }

    /// An error with all its causes.
    pub(crate) fn from_error(exit: Exit, error: &dyn std::error::Error) -> Self {
        Failed::new(exit, crate::error::chain(error))
    }
}

/// Runs the command.
pub fn main(cli: Cli) -> ExitCode {
    cli.color.choice().write_global();
    log();
    Page::stdout().hold(|| perform(cli.command))
}

fn perform(command: Command) -> ExitCode {
    let result = match command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Scenarios(arguments) => scenarios::main(&arguments),
        Command::Init(arguments) => init::main(&arguments),
        Command::List(arguments) => list::main(&arguments),
        Command::Show(arguments) => show::main(&arguments),
        Command::Compare(arguments) => compare::main(&arguments),
        Command::History(arguments) => history::main(&arguments),
        Command::Export(arguments) => export::main(&arguments),
        Command::Import { format } => import::main(&format),
        Command::Replay(arguments) => replay::main(&arguments),
        Command::Report(arguments) => report::main(&arguments),
        Command::Ctl(arguments) => ctl::main(&arguments),
        Command::Baseline(arguments) => baseline::main(&arguments),
        Command::Gate(arguments) => gate::main(&arguments),
        Command::Selftest(arguments) => selftest::main(&arguments),
        Command::Doctor {
            calibrate: true,
            format,
            out,
        } => doctor::calibrate(format, &out),
        Command::Doctor { format, out, .. } => doctor::main(format, &out),
        Command::Carry { end } => carry::main(end),
        Command::Capture(arguments) => capture::main(&arguments),
        Command::Agent { .. } => agent::main(),
        Command::Link => link::main(),
        Command::Schema { of } => schema::main(of),
        Command::Completions { shell } => {
            // The generator panics when its output fails, so it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "lmbench", &mut script);
            print(|output| output.write_all(&script))
        }
        Command::Man(arguments) => man::main(&arguments),
    };
    let exit = result.unwrap_or_else(|failed| {
        // With standard error closed or full, the exit code is all that is left to tell.
        say(&failed.text);
        failed.exit
    });
    ExitCode::from(exit as u8)
}

/// Something worth saying on standard error; nothing is lost when that is closed.
pub(crate) fn say(text: &str) {
    let text = match Page::stderr() {
        Some(page) => page.hold(|| folded(text)),
        None => text.to_owned(),
    };
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
}

/// A message whose lines of words fit the page; a picture of a scenario's line has its own.
fn folded(message: &str) -> String {
    let is_words = |line: &str| {
        ["error: ", "hint: ", "warning: ", "note: "]
            .iter()
            .any(|kind| line.starts_with(kind))
    };
    let fitted = |line: &str| {
        if is_words(line) {
            wrapped(line, 4)
        } else {
            format!("{line}\n")
        }
    };
    message.lines().map(fitted).collect()
}

/// Whether errors go to somebody who sees colours.
pub(crate) fn is_styled() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Writes to standard output.
pub(crate) fn print(
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<Exit, Failed> {
    let mut output = Stdout::default();
    let written = write(&mut output).and_then(|()| output.flush());
    written.map_err(|error| {
        let message = format!("can't write to stdout: {error}");
        Failed::new(Exit::Internal, message)
            .hint("what was recorded is safe; `lmbench show` prints it")
    })?;
    Ok(Exit::Success)
}

/// Prints one JSON document.
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<Exit, Failed> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failed::new(Exit::Internal, error))?;
    print(|output| writeln!(output, "{text}"))
}

/// Diagnostics go to stderr; `LMBENCH_LOG=debug` shows more.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LMBENCH_LOG")
        .unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_styled())
        .log_internal_errors(false)
        .init();
}

/// The runtime of commands that talk to processes and sockets: one thread, so that we take little from the guests and
/// the kernel's parent-death signals are bound to a thread that lives as long as we do.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failed::new(Exit::Internal, format!("can't start the runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_folded_at_words_and_pictures_are_not() {
        let picture = format!("3 | {}", "x = 1 ".repeat(30));
        let message = format!("error: {}\n{picture}\nhint: short", "a word ".repeat(30));
        let folded = folded(&message);
        assert!(folded.contains(&picture));
        for line in folded.lines().filter(|line| *line != picture) {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(folded.ends_with("\nhint: short\n"));
    }
}
