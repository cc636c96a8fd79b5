//! Tests of background traffic over loopback, and of its arithmetic.

use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use super::sender::Pacer;
use super::*;

const MILLISECOND: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(10);

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[test]
fn the_pacer_is_exact_and_forgets_stalls() {
    let mut pacer = Pacer::new(1_000_001, 0);
    let second: u64 = (1..=200)
        .map(|tick| pacer.due(tick * 5 * MILLISECOND))
        .sum();
    assert_eq!(
        second, 125_000,
        "remainders of a bit add up instead of being lost"
    );
    // After a stall of ten seconds: twenty milliseconds' worth, not ten seconds'.
    assert_eq!(pacer.due(11_000 * MILLISECOND), 2_500);
}

#[test]
fn quantiles_are_of_real_samples() {
    let report = BackgroundReport {
        probe_us: vec![(100, 98), (200, 1), (9_000, 1)],
        ..BackgroundReport::default()
    };
    assert_eq!(report.samples(), 100);
    assert_eq!(
        (
            report.probe_p50_us(),
            report.probe_p99_us(),
            report.probe_max_us()
        ),
        (Some(100), Some(200), Some(9_000))
    );
    assert_eq!(BackgroundReport::default().probe_p50_us(), None);
}

#[tokio::test]
async fn traffic_flows_at_the_rate_and_both_ends_agree() {
    let mut attempts = Vec::new();
    let enough = |sent: &BackgroundReport| sent.achieved_bps > 80e6 * 0.7 && sent.samples() >= 10;
    while attempts.len() < 5 && !attempts.iter().any(enough) {
        let receiver = Receiver::bind(loopback()).await.unwrap();
        let begin = std::time::Instant::now();
        let sender = Sender::start(receiver.local_addr(), 80_000_000)
            .await
            .unwrap();
        // The traffic itself takes time: this is the measurement's length, not a wait for something to happen.
        sleep(Duration::from_secs(1)).await;
        let sent = sender.stop().await;
        let intervals = begin.elapsed().div_duration_f64(PROBE_INTERVAL) as u64;
        let arrived = receiver.stop().await;
        assert_eq!(sent.ended_early, None);
        assert_eq!(arrived.received_bytes, sent.sent_bytes);
        assert_eq!(sent.received_bytes, sent.sent_bytes);
        // Never faster than asked (20 ms of burst in 1 s); a busy machine may make it slower, but not each time.
        assert!(sent.achieved_bps <= 80e6 * 1.03, "{sent:?}");
        assert!(
            sent.samples() <= sent.probes_sent && sent.probes_sent <= intervals + 2,
            "{sent:?}"
        );
        attempts.push(sent);
    }
    assert!(attempts.iter().any(enough), "{attempts:?}");
}

#[tokio::test]
async fn a_receiver_that_goes_takes_the_sender_with_it() {
    let receiver = Receiver::bind(loopback()).await.unwrap();
    let sender = Sender::start(receiver.local_addr(), 8_000_000)
        .await
        .unwrap();
    drop(receiver);
    timeout(LIMIT, async {
        while !sender.has_ended() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let report = sender.stop().await;
    assert!(
        report.ended_early.is_some() && report.received_bytes.is_none(),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_sender_that_goes_takes_the_receiver_with_it() {
    let receiver = Receiver::bind(loopback()).await.unwrap();
    let sender = Sender::start(receiver.local_addr(), 8_000_000)
        .await
        .unwrap();
    drop(sender);
    timeout(LIMIT, async {
        while !receiver.has_ended() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_peer_that_stops_reading_stops_the_stream_and_nothing_is_caught_up() {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let rate_bps = 400_000_000;
    let sender = Sender::start(listener.local_addr().unwrap(), rate_bps)
        .await
        .unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let _probe = listener.accept().await.unwrap();
    // A stall of a second: the stream fills the socket's buffers and waits.
    let stalled_at = async {
        loop {
            let before = sender.sent_bytes();
            sleep(Duration::from_secs(1)).await;
            if sender.sent_bytes() == before {
                return before;
            }
        }
    };
    let stalled_at = timeout(LIMIT, stalled_at).await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let begin = std::time::Instant::now();
    let drain = async { while stream.read(&mut buffer).await.unwrap() > 0 {} };
    let _ = timeout(Duration::from_millis(500), drain).await;
    let resumed = sender.sent_bytes() - stalled_at;
    // Half a second's worth is 25 MB, and a burst was due before the stall and another after it; had the stall of a second been made up
    // for, it would be 75 MB.
    let time = begin.elapsed() + 2 * BURST;
    let most = rate_bps as f64 / 8.0 * time.as_secs_f64();
    assert!(resumed as f64 <= most, "{resumed} in {time:?}");
    // It does go on, however slow this machine is.
    let goes_on = async {
        while sender.sent_bytes() - stalled_at < 1_000_000 {
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
        }
    };
    timeout(LIMIT, goes_on).await.unwrap();
}

#[tokio::test]
async fn strangers_do_not_disturb() {
    let receiver = Receiver::bind(loopback()).await.unwrap();
    drop(
        tokio::net::TcpStream::connect(receiver.local_addr())
            .await
            .unwrap(),
    );
    let sender = Sender::start(receiver.local_addr(), 8_000_000)
        .await
        .unwrap();
    timeout(LIMIT, async {
        while sender.sent_bytes() < 10_000 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(sender.stop().await.ended_early, None);
}

#[tokio::test]
async fn no_traffic_is_not_a_rate() {
    assert!(matches!(
        Sender::start(loopback(), 0).await,
        Err(BackgroundError::Rate { rate_bps: 0 })
    ));
}
