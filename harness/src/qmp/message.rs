//! What a line from QEMU says: a greeting, a reply or an event. Says nothing about whom it is for.

use std::time::Duration;

use serde_json::Value;

use super::error::CloseReason;
use super::event::Event;
use super::version::QemuVersion;

/// One line from QEMU.
#[derive(Debug)]
pub(super) enum Message {
    /// The first line of a connection.
    Greeting(Greeting),
    /// An answer to the command with this id.
    Reply { id: u64, outcome: Outcome },
    /// Something that happened.
    Event(Event),
}

/// What QEMU says of itself.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) version: QemuVersion,
    /// Protocol capabilities that a client may enable.
    pub(super) offers_out_of_band: bool,
}

/// How a command ended.
pub(super) type Outcome = Result<Value, Refusal>;

/// QEMU's error object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) class: String,
    pub(super) description: String,
}

impl Message {
    /// Reads one line that arrived at `received_ns`.
    pub(super) fn parse(line: &[u8], received_ns: u64) -> Result<Message, CloseReason> {
        let mut message: Value =
            serde_json::from_slice(line).map_err(|error| junk(line, error.to_string()))?;
        if let Some(name) = message["event"].as_str() {
            let name = name.to_owned();
            let qemu_time = event_time(&message["timestamp"]);
            return Ok(Message::Event(Event {
                name,
                data: take(&mut message, "data"),
                qemu_time,
                received_ns,
            }));
        }
        if let Some(greeting) = message.get("QMP") {
            return match QemuVersion::from_greeting(&greeting["version"]) {
                Some(version) => Ok(Message::Greeting(Greeting {
                    version,
                    offers_out_of_band: offers_oob(greeting),
                })),
                None => Err(junk(line, "greeting without a version")),
            };
        }
        let outcome = if message.get("return").is_some() {
            Ok(take(&mut message, "return"))
        } else if let Some(error) = message.get("error") {
            Err(Refusal {
                class: text(error, "class"),
                description: text(error, "desc"),
            })
        } else {
            return Err(junk(line, "neither greeting, event nor reply"));
        };
        match (message["id"].as_u64(), outcome) {
            (Some(id), outcome) => Ok(Message::Reply { id, outcome }),
            // Every command of ours has an id, so only a message that QEMU could not parse is answered without one.
            (None, Err(Refusal { description, .. })) => {
                Err(CloseReason::Misunderstood { description })
            }
            (None, Ok(_)) => Err(junk(line, "reply without an id of ours")),
        }
    }
}

fn offers_oob(greeting: &Value) -> bool {
    greeting["capabilities"]
        .as_array()
        .is_some_and(|names| names.iter().any(|name| name == "oob"))
}

/// QEMU sends -1 when it cannot tell the time; that and a missing stamp become zero.
fn event_time(stamp: &Value) -> Duration {
    let seconds = stamp["seconds"].as_u64().unwrap_or(0);
    let microseconds = stamp["microseconds"].as_u64().unwrap_or(0);
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(microseconds))
}

fn take(message: &mut Value, name: &str) -> Value {
    message.get_mut(name).map_or(Value::Null, Value::take)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn junk(line: &[u8], problem: impl Into<String>) -> CloseReason {
    let excerpt = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_BYTES)]).into_owned();
    CloseReason::Junk {
        problem: problem.into(),
        excerpt,
    }
}

const EXCERPT_BYTES: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Message, CloseReason> {
        Message::parse(line.as_bytes(), 7)
    }

    #[test]
    fn reads_an_event_with_its_times() {
        let line = r#"{"timestamp": {"seconds": 3, "microseconds": 250}, "event": "NEW_ONE", "data": {"a": 1}}"#;
        let Ok(Message::Event(event)) = parse(line) else {
            panic!("no event")
        };
        assert_eq!((event.name.as_str(), event.received_ns), ("NEW_ONE", 7));
        assert_eq!(event.qemu_time, Duration::from_micros(3_000_250));
        assert_eq!(event.data["a"], 1);
    }

    #[test]
    fn an_event_without_a_usable_time_is_still_an_event() {
        let line = r#"{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "STOP"}"#;
        let Ok(Message::Event(event)) = parse(line) else {
            panic!("no event")
        };
        assert_eq!((event.qemu_time, event.data), (Duration::ZERO, Value::Null));
        let line = r#"{"timestamp": {"seconds": 18446744073709551615, "microseconds": 1000000}, "event": "STOP"}"#;
        assert!(
            matches!(parse(line), Ok(Message::Event(event)) if event.qemu_time == Duration::MAX)
        );
    }

    #[test]
    fn an_error_without_an_id_is_about_our_own_words() {
        let line = r#"{"error": {"class": "GenericError", "desc": "JSON parse error"}}"#;
        assert!(
            matches!(parse(line), Err(CloseReason::Misunderstood { description }) if description == "JSON parse error")
        );
    }

    #[test]
    fn other_shapes_are_junk_with_an_excerpt() {
        for line in [
            "",
            "junk",
            "[]",
            "{}",
            "3",
            r#"{"QMP": {}}"#,
            r#"{"return": {}, "id": "theirs"}"#,
        ] {
            assert!(
                matches!(parse(line), Err(CloseReason::Junk { excerpt, .. }) if excerpt == line),
                "{line}"
            );
        }
    }

    proptest! {
        // Whatever a peer sends, the answer is a value: no panic on any bytes.
        #[test]
        fn no_bytes_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::parse(&line, 0);
        }
    }
}
