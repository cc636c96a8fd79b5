//! What QEMU sends, cut into lines, with all that is made of answers and events; then the same bytes as an agent's documents.

use lmbench_harness::agent::protocol::{Envelope, Message};
use lmbench_harness::hypervisor::Reading;
use lmbench_harness::qmp::Schema;
use lmbench_harness::qmp::benched::received;

/// Must neither panic nor take long, whatever `input` is.
pub(crate) fn read(input: &[u8]) {
    let (events, answers) = received(input);
    for event in events {
        let _ = (event.migration_status(), event.migration_pass());
    }
    for answer in answers {
        if let Some(schema) = Schema::from_reply(&answer) {
            for name in schema.migration_parameters() {
                let _ = schema.check(&name, &answer);
            }
            let _ = schema
                .check("max-bandwidht", &answer)
                .map_err(|problem| problem.to_string());
        }
        let progress = Reading::from(answer).progress();
        assert!(serde_json::to_string(&progress).is_ok());
    }
    if let Ok(message) = serde_json::from_slice::<Message>(input) {
        let text = serde_json::to_string(&message).expect("what was read can be written");
        serde_json::from_str::<Message>(&text).expect("what was written can be read");
    }
    if let Ok(call) = serde_json::from_slice::<Envelope>(input) {
        assert!(serde_json::to_string(&call).is_ok());
    }
}
