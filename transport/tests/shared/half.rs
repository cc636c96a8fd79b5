//! One half of a carrier at work, and what it tells.

use std::sync::Arc;

use lmbench_transport::carry::{CarryError, Event, Listener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One half at work.
pub(crate) struct Half {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), CarryError>>,
}

impl Half {
    pub(crate) fn start(
        run: impl FnOnce(Listener, CancellationToken) -> JoinHandle<Result<(), CarryError>>,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let task = run(
            Arc::new(move |event| drop(sender.send(event))),
            stop.clone(),
        );
        Self { events, stop, task }
    }

    /// How it ended, and all that it had not told yet.
    pub(crate) async fn ended(mut self) -> (Result<(), String>, Vec<Event>) {
        let result = self.task.await.unwrap().map_err(|error| error.to_string());
        let mut events = Vec::new();
        while let Some(event) = self.events.recv().await {
            events.push(event);
        }
        (result, events)
    }
}
