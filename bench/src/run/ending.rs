//! How a repeat ends on both hosts, and what that says about a migration that failed.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::{Death, Failure, TimedEvent};
use lmbench_harness::process::how;
use lmbench_harness::role::Role;

use super::RunError;
use super::hosts::Hosts;
use crate::record::Event;

/// Who was gone when a repeat was ended.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Agents, each with its end.
    agents: Vec<String>,
    deaths: Vec<Death>,
}

impl Losses {
    /// Whether the lab must be made anew.
    pub(super) fn hosts(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Why the migration failed, where that is known: a process that was killed explains any error, for all of them follow from it.
    pub(super) fn cause(&self) -> Option<String> {
        let killed = self.deaths.iter().filter(|death| death.killed);
        let causes: Vec<&str> = self
            .agents
            .iter()
            .map(String::as_str)
            .chain(killed.map(|death| death.what.as_str()))
            .collect();
        (!causes.is_empty()).then(|| causes.join(" and "))
    }

    /// What QEMU said at the end of a migration, with what is known besides.
    pub(super) fn explain(&self, reason: &str) -> String {
        if let Some(cause) = self.cause() {
            return format!("{cause}; the source saw: {reason}");
        }
        let ends: Vec<&str> = self
            .deaths
            .iter()
            .map(|death| death.what.as_str())
            .collect();
        if ends.is_empty() {
            reason.to_owned()
        } else {
            format!("{reason} ({})", ends.join("; "))
        }
    }
}

/// Ends everything of the repeat on both hosts. An error says that something can't be ended.
pub(super) async fn end_repeat(hosts: &Hosts) -> Result<Losses, RunError> {
    let (source, destination) = tokio::join!(
        hosts.source.call(calls::EndRepeat),
        hosts.destination.call(calls::EndRepeat)
    );
    let mut losses = Losses::default();
    for (role, ended) in Role::BOTH.into_iter().zip([source, destination]) {
        match ended {
            Ok(deaths) => losses.deaths.extend(deaths),
            Err(AgentError::Failed(failure)) => return Err(RunError::Internal(failure.message)),
            Err(error @ AgentError::Gone { .. }) => {
                let end = hosts.agent_end(role).await;
                let text = end.map_or(error.to_string(), |status| {
                    format!("the agent on the {role} {}", how(status))
                });
                losses.agents.push(text);
            }
            Err(error) => losses.agents.push(error.to_string()),
        }
    }
    Ok(losses)
}

/// A death as the error of whatever could not go on without the dead.
pub(super) fn error_of(death: Death) -> AgentError {
    AgentError::Failed(Failure {
        message: death.what,
        environment: false,
    })
}

/// What is wrong with the lab itself as an error of its migration.
pub(super) fn lab_failure(error: &dyn std::error::Error) -> AgentError {
    let message = crate::error::chain(error);
    AgentError::Failed(Failure {
        message,
        environment: true,
    })
}

/// What the hosts that still answer saw of a migration that broke: events have no values, so a failed repeat keeps them.
/// `done` is what the controller did and saw.
pub(super) async fn evidence(hosts: &Hosts, done: Vec<TimedEvent>) -> Vec<Event> {
    let mut seen: Vec<_> = done
        .into_iter()
        .map(|event| (event.at_ns, "controller", event))
        .collect();
    for role in Role::BOTH {
        let host = hosts.host(role);
        let collected = host.call(calls::Collect);
        // A host that does not answer now has nothing to add.
        if let Ok(Ok(readings)) = tokio::time::timeout(EVIDENCE_WITHIN, collected).await {
            let events = readings.events.into_iter();
            seen.extend(events.map(|event| (host.clock.apply(event.at_ns), role.name(), event)));
        }
    }
    seen.sort_by_key(|(at_ns, ..)| *at_ns);
    let migrate = seen.iter().find(|(.., event)| event.name == "migrate");
    let zero_ns = migrate.or(seen.last()).map_or(0, |(at_ns, ..)| *at_ns);
    let event = |(at_ns, host, event): (u64, &str, TimedEvent)| Event {
        at_ms: at_ns as f64 / 1e6 - zero_ns as f64 / 1e6,
        host: host.to_owned(),
        name: event.name,
        data: event.data,
    };
    seen.into_iter().map(event).collect()
}

/// For an agent that has nothing else to do.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn death(what: &str, killed: bool) -> Death {
        Death {
            what: what.to_owned(),
            killed,
        }
    }

    #[test]
    fn who_was_killed_is_the_cause_and_who_followed_is_not() {
        let mut losses = Losses {
            agents: Vec::new(),
            deaths: vec![
                death("QEMU on the destination ended with exit status 1", false),
                death("the carrier on the source was killed by signal 9", true),
            ],
        };
        assert_eq!(
            losses.explain("Broken pipe"),
            "the carrier on the source was killed by signal 9; the source saw: Broken pipe"
        );
        losses.deaths.pop();
        assert_eq!(losses.cause(), None);
        assert_eq!(
            losses.explain("Broken pipe"),
            "Broken pipe (QEMU on the destination ended with exit status 1)"
        );
        losses.deaths.pop();
        assert_eq!(losses.explain("Broken pipe"), "Broken pipe");
        losses
            .agents
            .push("the agent on the source was killed by signal 9".to_owned());
        assert!(losses.hosts());
    }
}
