//! `lmbench link`.

use super::{Exit, Failed};

pub(super) fn main() -> Result<Exit, Failed> {
    let input = std::io::BufReader::new(std::io::stdin());
    lmbench_harness::link::serve(input, std::io::stdout())
        .map(|()| Exit::Success)
        .map_err(|error| Failed::from_error(Exit::Internal, &error))
}
