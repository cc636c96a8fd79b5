//! The `lmbench` program: parses its arguments, runs one command, ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lmbench::commands::main(lmbench::cli::parse())
}
