//! What holds for any guest, path and settings.

#[path = "common/guests.rs"]
mod common;

use std::time::Duration;

use common::{blackout, completed, machine, memory, path, started, unlimited};
use lmbench_model::{Carrier, Event, Machine, Migration, Path, Settings, Status};
use proptest::prelude::*;

fn any_path() -> impl Strategy<Value = Path> {
    (
        1e6_f64..2e9,
        0_u64..100,
        1.0_f64..4e6,
        0.0_f64..0.3,
        0.0_f64..0.05,
    )
        .prop_map(|(rate, rtt_ms, buffer_bytes, noise, loss)| Path {
            rtt: Duration::from_millis(rtt_ms),
            buffer_bytes,
            noise,
            loss,
            ..path(rate)
        })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let flags = any::<[bool; 5]>();
    (flags, 0_u64..200_000_000, 0_u64..100_000_000, 1_u64..2000).prop_map(
        |(
            [
                auto_converge,
                multifd,
                postcopy_ram,
                postcopy_preempt,
                pause,
            ],
            bandwidth,
            postcopy,
            ms,
        )| Settings {
            max_bandwidth: bandwidth,
            max_postcopy_bandwidth: postcopy,
            downtime_limit: Duration::from_millis(ms),
            auto_converge,
            multifd,
            postcopy_ram,
            postcopy_preempt,
            pause_before_switchover: pause,
            ..Settings::default()
        },
    )
}

/// Something that an operator or a fault does, half a second after what came before it.
fn act(migration: &mut Migration, what: u8) {
    let done = match what {
        0 => migration.start_postcopy(),
        1 => migration.continue_switchover(),
        2 => migration.cancel(),
        3 => migration.pause(),
        4 => migration.recover(),
        _ => Ok(()),
    };
    match what {
        5 => migration.cut_link(),
        6 => migration.restore_link(),
        7 => migration.break_connection(),
        _ => {}
    }
    // What does not fit is refused and changes nothing.
    let _ = done;
}

fn drive(
    memory_pages: f64,
    writes: f64,
    path: Path,
    settings: Settings,
    acts: &[u8],
    seed: u64,
) -> (Migration, Vec<Event>) {
    let mut migration = Migration::new(
        Machine::lab(2),
        memory(memory_pages, writes),
        path,
        settings,
        seed,
    );
    migration.start().unwrap();
    let mut events = Vec::new();
    for what in acts {
        events.extend(migration.advance(migration.now() + Duration::from_millis(500)));
        act(&mut migration, *what);
    }
    events.extend(migration.run(Duration::from_mins(1)));
    (migration, events)
}

proptest! {
    // Counters against each other: passes, phases and pages all add up to what was sent; no page is left over or
    // missing; time never goes back; the guest's time is whole.
    #[test]
    fn everything_adds_up(
        pages in 1.0_f64..100_000.0, writes in 0.0_f64..1e6, path in any_path(), settings in any_settings(),
        acts in proptest::collection::vec(0_u8..9, 0..8), seed in any::<u64>(),
    ) {
        let (migration, events) = drive(pages, writes, path, settings, &acts, seed);
        let stats = migration.stats();
        let ram = stats.ram;
        let passes: f64 = migration.pass_bytes().iter().sum();
        prop_assert!((passes - ram.transferred as f64).abs() <= 1.0, "{passes} {ram:?}");
        let parts = ram.precopy_bytes + ram.downtime_bytes + ram.postcopy_bytes;
        prop_assert!(parts.abs_diff(ram.transferred) <= 2, "{ram:?}");
        prop_assert!(ram.transferred as f64 >= (ram.normal_bytes as f64 - 4096.0) && ram.remaining <= ram.total + 1);
        prop_assert_eq!(migration.pass_bytes().len() as u64, ram.dirty_sync_count);
        prop_assert!(events.is_sorted_by_key(|event| event.at));
        prop_assert!(events.iter().all(|event| event.at <= migration.now()));
        let guest = migration.guest();
        let lived = (guest.running + guest.stopped).as_secs_f64();
        prop_assert!((lived - migration.now().as_secs_f64()).abs() < 1e-6);
        prop_assert!(guest.work_s <= guest.running.as_secs_f64() + 1e-6 && guest.work_s >= 0.0);
        prop_assert!((0.0..=1.0).contains(&migration.speed()));
        if completed(&migration) {
            prop_assert_eq!(ram.remaining, 0);
            prop_assert!(ram.normal + 1 >= pages as u64);
        }
    }

    // The same seed, the same migration, however often somebody looks.
    #[test]
    fn the_seed_decides_everything(
        pages in 1.0_f64..50_000.0, writes in 0.0_f64..1e5, path in any_path(), settings in any_settings(), seed in any::<u64>(), step_ms in 1_u64..500,
    ) {
        let (migration, events) = drive(pages, writes, path.clone(), settings.clone(), &[], seed);
        let (again, same) = drive(pages, writes, path.clone(), settings.clone(), &[], seed);
        prop_assert_eq!(&events, &same);
        prop_assert_eq!(migration.stats(), again.stats());
        let mut watched = Migration::new(Machine::lab(2), memory(pages, writes), path, settings, seed);
        watched.start().unwrap();
        let mut seen = Vec::new();
        while !watched.status().is_final() && watched.now() < migration.now() {
            seen.extend(watched.advance((watched.now() + Duration::from_millis(step_ms)).min(migration.now())));
        }
        // Looking cuts a flow in two, which rounds: the same events, each within a microsecond.
        prop_assert_eq!(events.len(), seen.len());
        for (event, other) in events.iter().zip(&seen) {
            prop_assert_eq!((event.side, event.kind), (other.side, other.kind));
            prop_assert!(event.at.abs_diff(other.at) < Duration::from_micros(1), "{:?} {:?}", event, other);
        }
    }

    // Nothing is dirtied: everything once, in the time that it takes, and a faster path is never slower.
    #[test]
    fn an_idle_guest_is_sent_once(pages in 100.0_f64..100_000.0, rate in 1e6_f64..1e9, faster in 1.0_f64..10.0) {
        let time = |rate: f64| {
            let mut migration = started(memory(pages, 0.0), path(rate), unlimited());
            migration.run(Duration::from_hours(1));
            assert!(completed(&migration));
            let sent = migration.stats().ram.transferred as f64;
            assert!((sent - pages * 4104.0).abs() <= 1.0);
            (migration.stats().total_time.as_secs_f64(), migration.path().rate())
        };
        let (slow_s, slow) = time(rate);
        // Setup, device state, word back; a cap by the processor is in the path's rate.
        let expected = 0.002 + (pages * 4104.0 + 50e3) / slow + 0.0065;
        prop_assert!((slow_s - expected).abs() < 0.001 + expected * 1e-3, "{slow_s} {expected}");
        prop_assert!(time(rate * faster).0 <= slow_s + 1e-6);
    }

    // A path twice as fast is not slower with a guest that writes, but for one look (51 ms), one window, and one
    // pass more that the finer grain may take.
    #[test]
    fn a_faster_path_is_not_slower(pages in 1000.0_f64..100_000.0, lambda in 0.0_f64..0.7, rate in 5e6_f64..2e8) {
        let time = |rate: f64, writes: f64| {
            let mut migration = started(memory(pages, writes), path(rate), unlimited());
            migration.run(Duration::from_hours(2));
            assert!(completed(&migration));
            migration.stats().total_time.as_secs_f64()
        };
        let writes = rate * lambda / 4096.0;
        let (slow, fast) = (time(rate, writes), time(rate * 2.0, writes));
        prop_assert!(fast <= slow + 0.3, "{slow} {fast}");
    }

    // By the rule, as QEMU knows it: what is left fits into the limit at the rate of the last window. On top come
    // what lies in buffers (once in the estimate, once to drain) and what is not memory.
    #[test]
    fn downtime_keeps_to_the_limit_but_for_what_qemu_does_not_count(
        pages in 5_000.0_f64..100_000.0, lambda in 0.0_f64..0.7, rate in 5e6_f64..2e8, limit_ms in 50_u64..2000, buffer in 1.0_f64..1e6,
    ) {
        let way = Path { buffer_bytes: buffer, ..path(rate) };
        let settings = Settings { downtime_limit: Duration::from_millis(limit_ms), ..unlimited() };
        let mut migration = started(memory(pages, rate * lambda / 4096.0), way, settings);
        let events = migration.run(Duration::from_hours(2));
        prop_assert!(completed(&migration));
        // Of memory that is through within the first window nobody asks how long the rest takes.
        prop_assume!(pages * 4104.0 > rate * 0.2 + buffer);
        let limit_s = limit_ms as f64 / 1000.0;
        let bound = limit_s * 1.003 * (1.0 + buffer / (rate * 0.1)) + buffer / rate + 50e3 / rate + 0.008;
        let blackout = blackout(&events).unwrap().as_secs_f64();
        prop_assert!(blackout <= bound, "{blackout} {bound}");
    }

    // Costs and limits of carriers: no path is faster than its link, and none dearer than its parts.
    #[test]
    fn a_path_is_no_faster_than_its_parts(link in 1e6_f64..1e11, rtt_ms in 0_u64..200, channels in 1_u32..16, mtu in 576_u32..65_000) {
        for carrier in [Carrier::NATIVE_TCP, Carrier::TCP, Carrier::TLS, Carrier::QUIC, Carrier::SSH, Carrier::NATIVE_TLS, Carrier::NATIVE_UNIX] {
            let way = Path { link_bps: Some(link), rtt: Duration::from_millis(rtt_ms), channels, mtu, ..Path::new(carrier) };
            let rate = way.rate();
            prop_assert!(rate > 0.0 && rate * 8.0 <= link && rate <= way.source_rate());
            let cpu: f64 = way.cpu_s(rate).iter().sum();
            prop_assert!(cpu <= way.cores.count + 1e-9, "{cpu}");
            let unlimited = Path { link_bps: None, ..way.clone() };
            prop_assert!(unlimited.rate() >= rate);
        }
    }
}

// Time of commands that do not fit never passes and never panics.
#[test]
fn commands_before_the_begin_are_refused() {
    let mut migration = Migration::new(machine(), memory(10.0, 0.0), path(1e6), unlimited(), 1);
    assert!(
        migration.cancel().is_err() && migration.pause().is_err() && migration.recover().is_err()
    );
    migration.break_connection();
    assert_eq!(
        (migration.status(), migration.next_event()),
        (Status::None, None)
    );
}
