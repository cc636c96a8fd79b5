//! A post-copy over a link that drops everything, with somebody who makes new connections.

use tokio::sync::oneshot::Sender;

use super::*;

/// Whoever hears that nothing moves, and breaks the connection.
struct Breaker<'a> {
    guest: &'a Simulated,
    kept: Kept,
}

impl Observer for Breaker<'_> {
    fn reading(&mut self, asked_ns: u64, trigger: &'static str, reading: &Reading) {
        self.kept.reading(asked_ns, trigger, reading);
    }

    fn event(&mut self, event: GuestEvent) {
        if event.name() == "no-progress" {
            self.guest.announce("postcopy-paused");
        }
        self.kept.event(event);
    }
}

/// `help` is done five minutes later: far beyond the timeout, after which a stream that stands still would be given up otherwise.
async fn cut_off(help: impl FnOnce(&Simulated, Sender<String>)) -> (Ended, Vec<String>) {
    let simulated = std::sync::Arc::new(Simulated::default());
    simulated.state().cut_off = true;
    let guest = Handle(simulated.clone());
    let spec = crate::spec::RecoverySpec::default();
    let (recovery, given_up) = RecoveryHandle::new(&spec).unwrap();
    let policy = PolicySpec::PostCopy {
        after_passes: Some(1),
        after: None,
    };
    let (_orders, orders) = mpsc::unbounded_channel();
    let stream = Stream::Unix("/nowhere".into());
    let plan = Plan {
        stream: &stream,
        policy: policy::from_spec(&policy, SUBJECT),
        timeout: Duration::from_secs(20),
        timeout_action: TimeoutAction::Cancel,
        sample: Some(Duration::from_millis(100)),
        orders,
        recovery: Some(recovery),
    };
    let mut breaker = Breaker {
        guest: &simulated,
        kept: Kept::default(),
    };
    let helper = async {
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(simulated.state().status, MigrationStatus::PostcopyPaused);
        help(&simulated, given_up);
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = run(&guest, plan, &mut breaker) => ended.unwrap(),
        () = helper => unreachable!("it never ends"),
    };
    (ended, breaker.kept.0)
}

#[tokio::test(start_paused = true)]
async fn a_silent_post_copy_is_told_and_waits_for_its_new_connection() {
    let recover = |guest: &Simulated, given_up: Sender<String>| {
        for status in ["recover-setup", "recover", "active"] {
            guest.announce(&format!("postcopy-{status}"));
        }
        guest.announce("completed");
        // That nobody can give up any more is no reason to give up.
        drop(given_up);
    };
    let (ended, kept) = cut_off(recover).await;
    assert_eq!(ended.ending, Ending::Completed);
    assert_eq!(kept.iter().filter(|name| *name == "no-progress").count(), 1);
    let position = |wanted: &str| kept.iter().position(|name| name == wanted);
    assert!(position("policy") < position("no-progress"));
}

// Seen with QEMU 10.0.2 whose carrier was killed when all memory was sent: both copies of the guest ran for three seconds.
#[tokio::test(start_paused = true)]
async fn a_source_that_wakes_after_post_copy_is_stopped() {
    for wakes in [true, false] {
        let simulated = std::sync::Arc::new(Simulated::default());
        simulated.state().wakes = wakes;
        simulated.state().breaks_at = (!wakes).then_some(5);
        let policy = if wakes {
            PolicySpec::PostCopy {
                after_passes: Some(1),
                after: None,
            }
        } else {
            PolicySpec::Static
        };
        let guest = Handle(simulated.clone());
        let (ended, kept) = migrate_handle(&guest, policy, TimeoutAction::Cancel, false).await;
        assert_eq!(ended.unwrap().ending, Ending::Failed);
        // Before post-copy the guest is the source's, and runs.
        assert_eq!(simulated.state().stopped, wakes);
        let held = kept.iter().position(|name| name == "held-back");
        let woke = kept.iter().position(|name| name == "RESUME");
        assert_eq!(held.is_some(), wakes, "{kept:?}");
        assert!(woke <= held, "{kept:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_copy_that_is_given_up_says_why() {
    let (ended, _) = cut_off(|_, given_up| given_up.send("no way".into()).unwrap()).await;
    assert_eq!(ended.ending, Ending::Failed);
    assert_eq!(ended.reason.unwrap(), "no way");
}

// A new connection is as good as a byte: otherwise the silence since before the loss would end the migration at the next reading.
#[tokio::test(start_paused = true)]
async fn a_new_connection_has_time_to_show_that_it_works() {
    let resume = |guest: &Simulated, given_up: Sender<String>| {
        guest.announce("postcopy-recover");
        guest.announce("postcopy-active");
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_mins(1)).await;
            given_up.send("lost again".into()).unwrap();
        });
    };
    let (ended, kept) = cut_off(resume).await;
    assert_eq!(ended.reason.unwrap(), "lost again");
    let broken = kept.iter().filter(|name| *name == "no-progress").count();
    assert_eq!(broken, 2, "the second silence is noticed like the first");
}
