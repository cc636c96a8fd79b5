//! `lmbench agent --stdio`.

use super::{Exit, Failed, runtime};

pub(super) fn main() -> Result<Exit, Failed> {
    let served = runtime()?.block_on(lmbench_harness::agent::serve(
        tokio::io::stdin(),
        tokio::io::stdout(),
    ));
    served.map(|()| Exit::Success).map_err(|error| {
        Failed::new(
            Exit::Internal,
            format!("the controller's stream broke: {error}"),
        )
    })
}
