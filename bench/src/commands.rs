//! What each command does, and the exit code it ends with.

mod agent;
mod carry;
mod doctor;
mod list;
mod run;
mod schema;
mod show;

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};

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
    /// A migration failed.
    MigrationFailed = 4,
    /// Ctrl-C; what was measured is kept.
    Interrupted = 130,
}

/// An error that ends a command: what to print, and the exit code.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Failed {
            exit,
            message: message.to_string(),
        }
    }

    /// An error with all its causes.
    pub(crate) fn from_error(exit: Exit, error: &dyn std::error::Error) -> Self {
        Failed::new(exit, crate::error::chain(error))
    }
}

/// Runs the command.
pub fn main(cli: Cli) -> ExitCode {
    log();
    let result = match cli.command {
        Command::Run(arguments) => run::main(&arguments),
        Command::List(arguments) => list::main(&arguments),
        Command::Show(arguments) => show::main(&arguments),
        Command::Doctor { format } => doctor::main(format),
        Command::Carry { end } => carry::main(end),
        Command::Agent { .. } => agent::main(),
        Command::Schema { of } => schema::main(of),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "lmbench",
                &mut std::io::stdout(),
            );
            Ok(Exit::Success)
        }
        Command::Man => man(),
    };
    let exit = result.unwrap_or_else(|failed| {
        // A terminal that has closed takes no message, and must not turn the exit code into a panic's.
        let _ = writeln!(anstream::stderr(), "error: {}", failed.message);
        failed.exit
    });
    ExitCode::from(exit as u8)
}

fn man() -> Result<Exit, Failed> {
    let page = clap_mangen::Man::new(Cli::command());
    print(|output| page.render(output))
}

/// Writes to stdout; a reader that has gone (`| head`) is no error.
pub(crate) fn print(
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<Exit, Failed> {
    let mut output = std::io::stdout().lock();
    match write(&mut output).and_then(|()| std::io::Write::flush(&mut output)) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failed::new(
            Exit::Internal,
            format!("can't write to stdout: {error}"),
        )),
        _ => Ok(Exit::Success),
    }
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
