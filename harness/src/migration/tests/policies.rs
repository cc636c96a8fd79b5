//! Policies that give up, stop the guest, or meet a switch-over that waits.

use super::*;
use crate::spec::{NovaSpec, VirshTimeoutSpec};

// A policy that gives up is a result like a timeout, not somebody's cancel and not a failure, whatever QEMU calls it. The simulated
// guest's pass 3 begins at its 20th reading, and readings are 100 ms apart.
#[tokio::test(start_paused = true)]
async fn a_policy_that_gives_up_has_not_converged() {
    let policy = PolicySpec::Nova(NovaSpec {
        completion_timeout_per_gib: Duration::from_secs(1),
        ..NovaSpec::default()
    });
    for abrupt in [false, true] {
        let guest = Simulated::default();
        guest.state().abrupt = abrupt;
        let (ended, kept) = migrate(guest, policy.clone(), TimeoutAction::Cancel, false).await;
        let ended = ended.unwrap();
        assert_eq!(ended.ending, Ending::TimedOut);
        assert_eq!(
            ended.reason.unwrap(),
            "the policy gave up after 2.5 s, in pass 3: not complete after the completion timeout of 2 s: it gives up"
        );
        assert_eq!(kept.iter().filter(|name| *name == "timeout").count(), 0);
    }
}

// What a policy stopped must not stay so on the source.
#[tokio::test(start_paused = true)]
async fn a_guest_that_a_policy_stopped_in_vain_runs_again() {
    let guest = Handle(std::sync::Arc::new(Simulated::default()));
    guest.0.state().stubborn = true;
    let policy = PolicySpec::VirshTimeoutSuspend(VirshTimeoutSpec {
        timeout: Duration::from_secs(1),
        time_scale: 1.0,
    });
    let (ended, kept) = migrate_handle(&guest, policy, TimeoutAction::Cancel, false).await;
    assert_eq!(ended.unwrap().ending, Ending::TimedOut);
    assert!(!guest.0.state().stopped);
    // The stop and the resume.
    assert_eq!(kept.iter().filter(|name| *name == "policy").count(), 2);
}

// Without a word the migration would wait for ever, and the timeout's cancel would be the only end.
#[tokio::test(start_paused = true)]
async fn a_switch_over_that_waits_gets_its_word() {
    let guest = Simulated::default();
    guest.state().waits = true;
    let policy = PolicySpec::Pause { after_passes: 0 };
    let (ended, seen) = migrate(guest, policy, TimeoutAction::Cancel, false).await;
    assert_eq!(ended.unwrap().ending, Ending::Completed);
    let told = |name: &str| seen.iter().filter(|event| *event == name).count();
    assert_eq!(
        (told("policy"), told("migrate-continue")),
        (1, 1),
        "{seen:?}"
    );
}
