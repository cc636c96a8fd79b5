//! The loop against a simulated guest: no QEMU, no waiting (tokio's clock is paused).

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::hypervisor::{Look, MigrationStats, Preparation, RamStats, RunState};
use crate::policy;
use crate::spec::PolicySpec;

mod cut_off;
mod orders;
mod policies;

const SUBJECT: policy::Subject = policy::Subject {
    memory_bytes: 1 << 30,
};

/// Dirties as fast as it sends, so it ends only by an action.
#[derive(Default)]
struct Simulated {
    state: Mutex<State>,
    events: tokio::sync::Notify,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one misbehaviour, and tests combine them"
)]
struct State {
    status: MigrationStatus,
    reads: u64,
    stuck: bool,
    /// Neither a pause nor post-copy ends it.
    stubborn: bool,
    stopped: bool,
    /// Post-copy begins, and not a byte of it moves until it gets a new connection.
    cut_off: bool,
    /// `cancel` is taken and leads nowhere.
    deaf: bool,
    /// `cancel` breaks the stream before it ends the migration: QEMU then reports a failure.
    abrupt: bool,
    /// It waits for a word before the switch-over.
    waits: bool,
    /// It breaks by itself after this many readings.
    breaks_at: Option<u64>,
    /// It sends its device state from the start, and completes after five readings.
    switching: bool,
    gone: bool,
    /// Its first status, if it is not `active`.
    begins_as: Option<&'static str>,
    /// Its post-copy fails and its guest runs again, as QEMU's may.
    wakes: bool,
    /// Post-copy was not switched on.
    no_post_copy: bool,
    /// It completes in the moment in which the guest is let run again.
    completes_at_resume: bool,
    queue: VecDeque<GuestEvent>,
}

impl Simulated {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn announce(&self, status: &str) {
        let mut state = self.state.lock().unwrap();
        state.status = status.into();
        let kind = EventKind::Migration(status.into());
        state.queue.push_back(GuestEvent::new(monotonic_ns(), kind));
        self.events.notify_one();
    }
}

struct Queue(std::sync::Arc<Simulated>);

#[async_trait]
impl GuestEvents for Queue {
    async fn next(&mut self) -> Option<GuestEvent> {
        loop {
            {
                let mut state = self.0.state.lock().unwrap();
                if state.gone {
                    return None;
                }
                if let Some(event) = state.queue.pop_front() {
                    return Some(event);
                }
            }
            self.0.events.notified().await;
        }
    }
}

struct Handle(std::sync::Arc<Simulated>);

#[async_trait]
impl Guest for Handle {
    async fn migrate(&self, _stream: &Stream) -> Result<(), GuestError> {
        let begins = self.0.state().begins_as.unwrap_or("active");
        self.0.announce(begins);
        if self.0.state().switching {
            self.0.announce("device");
        }
        Ok(())
    }

    async fn reading(&self) -> Result<Reading, GuestError> {
        let (broken, sent) = {
            let mut state = self.0.state();
            state.reads += 1;
            let sent = state.switching && state.reads == 5;
            (state.breaks_at == Some(state.reads), sent)
        };
        if sent {
            self.0.announce("completed");
        }
        if broken {
            self.0.announce("failed");
        }
        let state = self.0.state();
        let silent = state.stuck || (state.cut_off && state.status.is_post_copy());
        let transferred_bytes = if silent { 1 } else { state.reads * 1000 };
        let is = |status| state.status == status;
        let pass = (!is(MigrationStatus::Cancelled)).then_some(1 + state.reads / 10);
        let failed = is(MigrationStatus::Failed);
        Ok(Reading {
            stats: MigrationStats {
                status: state.status.clone(),
                error_desc: failed.then(|| "Channel error: Input/output error".into()),
                ram: Some(RamStats {
                    dirty_sync_count: pass,
                    transferred: Some(transferred_bytes),
                    ..RamStats::default()
                }),
                ..MigrationStats::default()
            },
            raw: json!({ "reads": state.reads }),
        })
    }

    async fn apply(&self, action: &Action) -> Result<(), GuestError> {
        match action {
            Action::Cancel if self.0.state().deaf => self.0.announce("cancelling"),
            Action::Cancel if self.0.state().abrupt => self.0.announce("failed"),
            Action::Cancel => self.0.announce("cancelled"),
            Action::StartPostCopy if self.0.state().no_post_copy => {
                return Err(GuestError::Refused {
                    operation: "migrate-start-postcopy".into(),
                    reason: "Enable postcopy first".into(),
                });
            }
            Action::StartPostCopy if self.0.state().wakes => {
                self.0.announce("postcopy-active");
                self.0.announce("failed");
                let mut state = self.0.state();
                let woke = GuestEvent::new(monotonic_ns(), EventKind::Resume);
                state.queue.push_back(woke);
                state.stopped = false;
            }
            Action::StartPostCopy if self.0.state().stubborn => self.0.announce("postcopy-paused"),
            Action::StartPostCopy if self.0.state().cut_off => self.0.announce("postcopy-active"),
            Action::StartPostCopy => {
                self.0.announce("postcopy-active");
                self.0.announce("completed");
            }
            Action::Pause => {
                self.0.state().stopped = true;
                if self.0.state().waits {
                    self.0.announce("pre-switchover");
                } else if !self.0.state().stubborn {
                    self.0.announce("completed");
                }
            }
            Action::Resume => {
                self.0.state().stopped = false;
                if self.0.state().completes_at_resume {
                    self.0.announce("completed");
                }
            }
            Action::Set(_) => {}
        }
        Ok(())
    }

    async fn switch_over(&self) -> Result<(), GuestError> {
        self.0.announce("completed");
        Ok(())
    }

    async fn prepare(&self, _preparation: Preparation<'_>) -> Result<(), GuestError> {
        Ok(())
    }

    async fn listen(&self, stream: &Stream) -> Result<Stream, GuestError> {
        Ok(stream.clone())
    }

    async fn run_state(&self) -> Result<RunState, GuestError> {
        Ok(RunState::Running)
    }

    async fn look(&self) -> Result<Look, GuestError> {
        Ok(Look::default())
    }

    fn lives(&self) -> bool {
        !self.0.state().gone
    }

    fn events(&self) -> Box<dyn GuestEvents> {
        Box::new(Queue(self.0.clone()))
    }

    async fn exit_reason(&self) -> GuestError {
        GuestError::Gone {
            who: "QEMU on the source".into(),
            reason: "killed by signal 9".into(),
        }
    }
}

#[derive(Default)]
struct Kept(Vec<String>);

impl Observer for Kept {
    fn reading(&mut self, _asked_ns: u64, trigger: &'static str, _reading: &Reading) {
        self.0.push(trigger.to_owned());
    }
    fn event(&mut self, event: GuestEvent) {
        self.0.push(event.name().to_owned());
    }
}

async fn migrate(
    guest: Simulated,
    policy: PolicySpec,
    action: TimeoutAction,
    cancelled: bool,
) -> (Result<Ended, GuestError>, Vec<String>) {
    let guest = Handle(std::sync::Arc::new(guest));
    migrate_handle(&guest, policy, action, cancelled).await
}

async fn migrate_handle(
    guest: &Handle,
    policy: PolicySpec,
    action: TimeoutAction,
    cancelled: bool,
) -> (Result<Ended, GuestError>, Vec<String>) {
    let (sender, orders) = mpsc::unbounded_channel();
    if cancelled {
        let (answer, _) = tokio::sync::oneshot::channel();
        let order = Order::Cancel;
        sender.send(Command { order, answer }).unwrap();
    }
    let stream = Stream::Unix("/nowhere".into());
    let plan = Plan {
        stream: &stream,
        policy: policy::from_spec(&policy, SUBJECT),
        timeout: Duration::from_secs(20),
        timeout_action: action,
        sample: Some(Duration::from_millis(100)),
        orders,
        recovery: None,
    };
    let mut kept = Kept::default();
    let ended = run(guest, plan, &mut kept).await;
    (ended, kept.0)
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_never_converges_is_a_result() {
    let (ended, kept) = migrate(
        Simulated::default(),
        PolicySpec::Static,
        TimeoutAction::Cancel,
        false,
    )
    .await;
    let ended = ended.unwrap();
    assert_eq!(ended.ending, Ending::TimedOut);
    // A pass every ten readings of the simulated guest, which forgets it when it is cancelled, as QEMU does.
    assert_eq!(
        ended.reason.unwrap(),
        "not converged after 20.0 s, in pass 21"
    );
    // 20 s of readings every 100 ms, the first at once, and the final one.
    assert_eq!(kept.iter().filter(|name| *name == "interval").count(), 201);
    assert_eq!(kept.last().unwrap(), "final");
}

// 20 s of timeout, read every second from the first one on: enough to know how it ended, and no reading at any pass.
#[tokio::test(start_paused = true)]
async fn without_samples_it_is_read_for_the_timeout_only() {
    let stream = Stream::Unix("/nowhere".into());
    for (policy, wanted) in [
        (PolicySpec::Static, ("interval", 20)),
        (
            PolicySpec::PostCopy {
                after_passes: Some(100),
                after: None,
            },
            ("interval", 201),
        ),
    ] {
        let plan = Plan {
            stream: &stream,
            policy: policy::from_spec(&policy, SUBJECT),
            timeout: Duration::from_secs(20),
            timeout_action: TimeoutAction::Cancel,
            sample: None,
            orders: mpsc::unbounded_channel().1,
            recovery: None,
        };
        let guest = Handle(std::sync::Arc::new(Simulated::default()));
        let mut kept = Kept::default();
        let ended = run(&guest, plan, &mut kept).await.unwrap();
        assert_eq!(ended.ending, Ending::TimedOut);
        let count = |trigger: &str| kept.0.iter().filter(|name| *name == trigger).count();
        assert_eq!(count(wanted.0), wanted.1);
    }
}

// Seen with QEMU 10.0.2: 0.6 ms after our cancel at the timeout it reported `failed`, with the error of the socket it had shut.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_the_hypervisor_calls_a_failure_is_a_cancel() {
    for (cancelled, wanted) in [(false, Ending::TimedOut), (true, Ending::Cancelled)] {
        let guest = Simulated::default();
        guest.state().abrupt = true;
        let (ended, _) = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, cancelled).await;
        let ended = ended.unwrap();
        assert_eq!(ended.ending, wanted);
        let reason = ended.reason.unwrap();
        assert!(!reason.contains("Channel error"), "{reason}");
    }
}

// The bound of the rule above: what broke before anybody cancelled has failed, even if a cancel follows in the same reading.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_by_itself_has_failed() {
    for breaks_at in [50, 201] {
        let guest = Simulated::default();
        guest.state().breaks_at = Some(breaks_at);
        let (ended, _) = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, false).await;
        let ended = ended.unwrap();
        assert_eq!(
            ended.ending,
            Ending::Failed,
            "broken at reading {breaks_at}"
        );
        assert_eq!(ended.reason.unwrap(), "Channel error: Input/output error");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stands_still_has_failed() {
    let guest = Simulated::default();
    guest.state.lock().unwrap().stuck = true;
    let (ended, _) = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, false).await;
    let ended = ended.unwrap();
    assert_eq!(ended.ending, Ending::Failed);
    assert!(
        ended
            .reason
            .unwrap()
            .starts_with("no byte moved for the last")
    );
}

#[tokio::test(start_paused = true)]
async fn post_copy_switches_and_completes() {
    let policy = PolicySpec::PostCopy {
        after_passes: Some(1),
        after: None,
    };
    let (ended, kept) = migrate(Simulated::default(), policy, TimeoutAction::Cancel, false).await;
    assert_eq!(ended.unwrap().ending, Ending::Completed);
    assert_eq!(kept.iter().filter(|name| *name == "policy").count(), 1);
}

// What deciding cost is summed up once, before the last reading, for a policy that decides by readings.
#[tokio::test(start_paused = true)]
async fn only_a_policy_that_decides_is_measured() {
    let policy = PolicySpec::PostCopy {
        after_passes: Some(1),
        after: None,
    };
    for (policy, wanted) in [(policy, 1), (PolicySpec::Static, 0)] {
        let (_, kept) = migrate(Simulated::default(), policy, TimeoutAction::Pause, false).await;
        let told = kept.iter().filter(|name| *name == "decisions").count();
        assert_eq!(told, wanted);
        assert_eq!(kept.last().unwrap(), "final");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_can_pause_the_guest_instead() {
    let (ended, _) = migrate(
        Simulated::default(),
        PolicySpec::Static,
        TimeoutAction::Pause,
        false,
    )
    .await;
    assert_eq!(ended.unwrap().ending, Ending::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_we_stopped_in_vain_runs_again() {
    let guest = Handle(std::sync::Arc::new(Simulated::default()));
    guest.0.state().stubborn = true;
    let ended = migrate_handle(&guest, PolicySpec::Static, TimeoutAction::Pause, false)
        .await
        .0
        .unwrap();
    assert_eq!(ended.ending, Ending::TimedOut);
    assert!(!guest.0.state().stopped);
}

#[tokio::test(start_paused = true)]
async fn a_post_copy_that_is_cut_off_has_failed() {
    let guest = Simulated::default();
    guest.state().stubborn = true;
    let policy = PolicySpec::PostCopy {
        after_passes: Some(1),
        after: None,
    };
    let ended = migrate(guest, policy, TimeoutAction::Cancel, false)
        .await
        .0
        .unwrap();
    assert_eq!(ended.ending, Ending::Failed);
    assert!(ended.reason.unwrap().starts_with("post-copy was cut off"));
}

// 20 s of timeout, 20 s for its action, and ten seconds without a byte are over by then.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_leads_nowhere_is_given_up() {
    let guest = Simulated::default();
    guest.state().deaf = true;
    guest.state().stuck = true;
    let ended = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, false)
        .await
        .0
        .unwrap();
    assert_eq!(ended.ending, Ending::Failed);
    assert!(ended.reason.unwrap().starts_with("given up after 40"));
}

#[tokio::test(start_paused = true)]
async fn a_user_can_cancel() {
    let (ended, _) = migrate(
        Simulated::default(),
        PolicySpec::Static,
        TimeoutAction::Pause,
        true,
    )
    .await;
    assert_eq!(ended.unwrap().ending, Ending::Cancelled);
}

// QEMU would take it, and let the guest run on both hosts.
#[tokio::test(start_paused = true)]
async fn nobody_cancels_while_the_device_state_is_on_its_way() {
    let guest = Simulated::default();
    guest.state().switching = true;
    let (ended, events) = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, true).await;
    assert_eq!(ended.unwrap().ending, Ending::Completed);
    assert!(events.contains(&"operator".to_owned()), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_source_says_how_it_died() {
    let guest = Simulated::default();
    guest.state.lock().unwrap().gone = true;
    let (ended, _) = migrate(guest, PolicySpec::Static, TimeoutAction::Cancel, false).await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "QEMU on the source is gone (killed by signal 9)"
    );
}
