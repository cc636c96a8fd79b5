//! What QEMU does and answers: its monitor's replies and events, its trace, and the turns of its vCPUs.

use std::time::Duration;

use lmbench_harness::agent::VCPU_LOOK_INTERVAL;
use lmbench_harness::drivers::qemu;
use lmbench_harness::hypervisor::{GuestError, MigrationStatus, Stream};
use lmbench_harness::vcpus;
use serde_json::{Map, Value};
use tokio::io::{copy, sink};
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep, timeout};

use super::{Subject, or_skipped};
use crate::calibrate::timing::{Stopwatch, common_step, set, steps, time, us};
use crate::error::chain;
use crate::record::Instrument;
use crate::run::SAMPLE_INTERVAL;
use crate::statistics::median;

pub(super) fn all() -> [Instrument; 4] {
    [vcpu_turns(), event(), sample(), trace()]
}

fn vcpu_turns() -> Instrument {
    let tells = &["blackout_vcpu_ms"];
    Instrument::new(
        "vcpu-turns",
        "whether a vCPU was given a CPU after RESUME: schedstat",
        tells,
    )
}

fn event() -> Instrument {
    let tells = &["blackout_ms", "total_time_ms", "blackout_stop_ms"];
    Instrument::new("qmp-event", "QEMU's events, by its own stamps", tells)
}

fn sample() -> Instrument {
    let tells = &[
        "throttle_max_percent",
        "dirty_rate_bps",
        "sample_answer_us_p50",
        "sample_gap_ms_max",
    ];
    Instrument::new(
        "qmp-sample",
        "query-migrate while a migration goes on",
        tells,
    )
}

fn trace() -> Instrument {
    let tells = &["blackout_ram_ms", "blackout_state_ms", "blackout_load_ms"];
    Instrument::new(
        "qemu-trace",
        "QEMU's trace of its switch-over, read once after it",
        tells,
    )
}

/// The guest is stopped and resumed, and has left when it is over.
pub(super) async fn instruments(subject: &Subject<'_>) -> [Instrument; 4] {
    [
        or_skipped(&vcpu_turns(), turns(subject)),
        or_skipped(&event(), events(subject).await),
        or_skipped(&sample(), samples(subject).await),
        or_skipped(&trace(), checkpoints(subject)),
    ]
}

fn turns(subject: &Subject<'_>) -> Result<Instrument, String> {
    let pid = subject.launched.pid;
    vcpus::turns(pid).ok_or("this kernel does not count turns")?;
    let timed = time(1, || {
        vcpus::turns(pid);
    });
    Ok(vcpu_turns()
        .costs("look", timed.cpu_us, None)
        .every(VCPU_LOOK_INTERVAL)
        .tells_apart(set(VCPU_LOOK_INTERVAL))
        .takes(timed.wall_us)
        .note("on the destination, from RESUME to the first turn only"))
}

async fn events(subject: &Subject<'_>) -> Result<Instrument, String> {
    let guest = &subject.launched.guest;
    // The same events twice: as they came, and with their stamps on our clock.
    let (mut came, mut stamped) = (guest.qmp().events(), guest.events());
    let (mut late_us, mut stamps_ns) = (Vec::new(), Vec::new());
    let qemu_ns = subject.service_ns();
    let mut stopwatch = Stopwatch::start();
    for number in 0..EVENTS {
        let done = if number % 2 == 0 {
            guest.qmp().stop().await
        } else {
            guest.qmp().cont().await
        };
        done.map_err(|error| chain(&error))?;
        let both = async { came.next().await.zip(stamped.next().await) };
        let both = timeout(EVENT_WITHIN, both).await.ok().flatten();
        let (came, stamped) = both.ok_or("QEMU did not tell that the guest stopped")?;
        stopwatch.lap();
        late_us.push(us(came.received_ns.saturating_sub(stamped.at_ns)));
        stamps_ns.push(u64::try_from(came.qemu_time.as_nanos()).unwrap_or(0));
    }
    let in_qemu = us(subject.service_ns().saturating_sub(qemu_ns)) / f64::from(EVENTS);
    let timed = stopwatch.stop().ok_or("nothing happened")?;
    Ok(event()
        .costs("event", timed.cpu_us, Some(in_qemu))
        .tells_apart(common_step(&steps(stamps_ns)))
        .takes(median(&late_us))
        .note("with the command that causes it, `stop` or `cont`; late is from QEMU's stamp to our reading of it"))
}

/// Asks while the guest's memory goes to nobody, slowly, then lets it go.
async fn samples(subject: &Subject<'_>) -> Result<Instrument, String> {
    let guest = &subject.launched.guest;
    let nowhere = subject.directory.join("nowhere");
    let listener = UnixListener::bind(&nowhere).map_err(|error| error.to_string())?;
    let drain = tokio::spawn(async move {
        if let Ok((mut stream, _)) = listener.accept().await {
            let _ = copy(&mut stream, &mut sink()).await;
        }
    });
    let said = |error: GuestError| chain(&error);
    bandwidth(subject, SLOW).await?;
    guest.migrate(&Stream::Unix(nowhere)).await.map_err(said)?;
    until(subject, MigrationStatus::Active).await?;
    let qemu_ns = subject.service_ns();
    let mut stopwatch = Stopwatch::start();
    for _ in 0..SAMPLES {
        guest.reading().await.map_err(said)?;
        stopwatch.lap();
        // So that not every question comes while QEMU is at it anyway.
        sleep(BETWEEN).await;
        stopwatch.skip();
    }
    let in_qemu = us(subject.service_ns().saturating_sub(qemu_ns)) / f64::from(SAMPLES);
    let timed = stopwatch.stop().ok_or("nothing was asked")?;
    bandwidth(subject, FAST).await?;
    until(subject, MigrationStatus::Completed).await?;
    drain.abort();
    Ok(sample()
        .costs("reading", timed.cpu_us, Some(in_qemu))
        .every(SAMPLE_INTERVAL)
        .tells_apart(set(SAMPLE_INTERVAL))
        .takes(timed.wall_us)
        .note("every dirty sync gives one more"))
}

fn checkpoints(subject: &Subject<'_>) -> Result<Instrument, String> {
    let stamps = qemu::checkpoints(subject.directory).into_iter();
    let step = common_step(&steps(stamps.map(|checkpoint| checkpoint.at_ns)));
    let step = step.ok_or("this QEMU has no such trace, or writes none to files")?;
    let timed = time(1, || {
        qemu::checkpoints(subject.directory);
    });
    Ok(trace()
        .costs("migration", timed.cpu_us, None)
        .tells_apart(step)
        .takes(timed.wall_us)
        .note("the unit of its stamps"))
}

async fn bandwidth(subject: &Subject<'_>, bytes_per_second: u64) -> Result<(), String> {
    let parameters = Map::from_iter([("max-bandwidth".to_owned(), Value::from(bytes_per_second))]);
    let set = subject.launched.guest.qmp().set_parameters(parameters);
    set.await.map_err(|error| chain(&error))
}

async fn until(subject: &Subject<'_>, status: MigrationStatus) -> Result<(), String> {
    let deadline = Instant::now() + STATUS_WITHIN;
    loop {
        let reading = subject.launched.guest.reading().await;
        let now = reading.map_err(|error| chain(&error))?.stats.status;
        if now == status {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "the migration to nowhere is {now} and not {status}"
            ));
        }
        sleep(BETWEEN).await;
    }
}

const EVENTS: u32 = 20;
const EVENT_WITHIN: Duration = Duration::from_secs(10);
const SAMPLES: u32 = 60;
const BETWEEN: Duration = Duration::from_millis(5);
/// What a migration of little memory to nowhere may take on a busy machine.
const STATUS_WITHIN: Duration = Duration::from_secs(30);
/// Bytes per second: the guest's memory lasts for minutes.
const SLOW: u64 = 1 << 20;
const FAST: u64 = 1 << 40;
