//! Orders: each is answered after the hypervisor, does what it says and no more, and stands in the record.

use super::*;
use crate::policy::Setting;

type Answer = Result<String, String>;

/// What came of the orders: how it ended, the answers in order, and the events `operator`.
struct Executed {
    ended: Ended,
    answers: Vec<Option<Answer>>,
    events: Vec<serde_json::Value>,
}

#[derive(Default)]
struct Operators(Vec<serde_json::Value>);

impl Observer for Operators {
    fn reading(&mut self, _asked_ns: u64, _trigger: &'static str, _reading: &Reading) {}
    fn event(&mut self, event: GuestEvent) {
        if event.name() == "operator" {
            self.0.push(event.data);
        }
    }
}

/// Gives the orders one after the other, a second apart, into a migration of at most 20 s.
async fn execute(guest: &Handle, policy: PolicySpec, orders: &[Order]) -> Executed {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = Stream::Unix("/nowhere".into());
    let plan = Plan {
        recovery: None,
        stream: &stream,
        policy: policy::from_spec(&policy, SUBJECT),
        timeout: Duration::from_secs(20),
        timeout_action: TimeoutAction::Cancel,
        sample: Some(Duration::from_millis(100)),
        orders: receiver,
    };
    let mut operators = Operators::default();
    let give = async {
        let mut answers = Vec::new();
        for order in orders {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (answer, answered) = tokio::sync::oneshot::channel();
            let order = order.clone();
            let sent = sender.send(Command { order, answer });
            answers.push(if sent.is_ok() {
                answered.await.ok()
            } else {
                None
            });
        }
        answers
    };
    let (ended, answers) = tokio::join!(run(guest, plan, &mut operators), give);
    Executed {
        ended: ended.unwrap(),
        answers,
        events: operators.0,
    }
}

fn guest(misbehave: impl FnOnce(&mut State)) -> Handle {
    let guest = Simulated::default();
    misbehave(&mut guest.state());
    Handle(std::sync::Arc::new(guest))
}

fn post_copy() -> PolicySpec {
    PolicySpec::PostCopy {
        after_passes: Some(100),
        after: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_answered_and_recorded() {
    let executed = execute(&guest(|_| {}), PolicySpec::Static, &[Order::Cancel]).await;
    assert_eq!(executed.ended.ending, Ending::Cancelled);
    let said = "the migration is being cancelled; the guest stays on the source";
    assert_eq!(executed.answers, [Some(Ok(said.to_owned()))]);
    assert_eq!(
        executed.events,
        [json!({ "order": "cancel", "outcome": "done", "detail": said })]
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_is_not_answered() {
    let orders = [Order::Cancel, Order::Pause];
    let executed = execute(&guest(|_| {}), PolicySpec::Static, &orders).await;
    assert_eq!(executed.answers[1], None);
}

// Nova's force_complete: post-copy if permitted, else pause.
#[tokio::test(start_paused = true)]
async fn force_complete_is_post_copy_where_it_is_on_and_a_stop_where_not() {
    let permitted = guest(|_| {});
    let executed = execute(&permitted, post_copy(), &[Order::ForceComplete]).await;
    assert_eq!(executed.ended.ending, Ending::Completed);
    assert!(!executed.ended.stopped && !permitted.0.state().stopped);

    let without = guest(|state| state.no_post_copy = true);
    let executed = execute(&without, PolicySpec::Static, &[Order::ForceComplete]).await;
    assert_eq!(executed.ended.ending, Ending::Completed);
    assert!(executed.ended.stopped);
    let said = executed.answers[0].clone().unwrap().unwrap();
    assert!(said.contains("Enable postcopy first"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_was_stopped_and_let_run_again_does_not_arrive_stopped() {
    let guest = guest(|state| state.stubborn = true);
    let orders = [Order::Resume, Order::Pause, Order::Resume, Order::Cancel];
    let executed = execute(&guest, PolicySpec::Static, &orders).await;
    let done: Vec<_> = executed
        .answers
        .iter()
        .flatten()
        .map(Result::is_ok)
        .collect();
    assert_eq!(done, [false, true, true, true]);
    assert!(!executed.ended.stopped && !guest.0.state().stopped);
}

// The bound: between a reading and `cont` lies a moment in which the migration may complete, and the destination's copy with it.
#[tokio::test(start_paused = true)]
async fn a_source_that_lost_its_guest_does_not_go_on_running() {
    let guest = guest(|state| {
        state.stubborn = true;
        state.completes_at_resume = true;
    });
    let orders = [Order::Pause, Order::Resume];
    let executed = execute(&guest, PolicySpec::Static, &orders).await;
    assert_eq!(executed.ended.ending, Ending::Completed);
    let refused = "the migration completed meanwhile".to_owned();
    assert_eq!(executed.answers[1], Some(Err(refused)));
    assert!(executed.ended.stopped && guest.0.state().stopped);
}

#[tokio::test(start_paused = true)]
async fn in_post_copy_nothing_takes_the_guest_back() {
    for order in [
        Order::Cancel,
        Order::Pause,
        Order::Resume,
        Order::ForceComplete,
    ] {
        let guest = guest(|state| {
            state.begins_as = Some("postcopy-active");
            state.stuck = true;
        });
        let executed = execute(&guest, PolicySpec::Static, &[order]).await;
        let refused = executed.answers[0].clone().unwrap().unwrap_err();
        assert!(refused.starts_with("post-copy has begun"), "{refused}");
        assert_eq!(executed.events[0]["outcome"], "refused");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_are_set() {
    let orders = [Order::Set(Setting::DowntimeLimit { ms: 500 })];
    let executed = execute(&guest(|_| {}), PolicySpec::Static, &orders).await;
    assert_eq!(executed.answers[0], Some(Ok("set".to_owned())));
    assert_eq!(
        executed.events[0]["order"],
        json!({ "set": { "downtime-limit": { "ms": 500 } } })
    );
}
