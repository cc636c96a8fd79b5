//! The `lmbench` program: parses its arguments, runs one command, ends with its exit code.

use std::process::ExitCode;

use clap::Parser as _;
use lmbench::cli::Cli;

fn main() -> ExitCode {
    lmbench::commands::main(Cli::parse())
}
