//! What goes wrong, what is stopped, and when things happen. Over one carrier: the ends are the same for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lmbench_transport::Scheme;
use lmbench_transport::carry::{Event, Local, Pace, Place, Replay};

use crate::rig::{HASTY, Script, play, sink, source};

/// A verify that accepts anything would pass every other test.
#[tokio::test]
async fn what_differs_is_found() {
    let played = || {
        Script::new()
            .open(0)
            .sends(0, b"main")
            .open(1)
            .sends(1, &vec![7; 500_000])
    };
    let mut other = vec![7; 500_000];
    other[400_000] = 8;
    let expectations = [
        (
            Script::new()
                .open(0)
                .sends(0, b"main")
                .open(1)
                .sends(1, &other),
            "channel 1 differs from the capture at byte 400000",
        ),
        (
            Script::new()
                .open(0)
                .sends(0, b"main")
                .open(1)
                .sends(1, &vec![7; 600_000]),
            "channel 1 ended after 500000 bytes, the capture has 600000",
        ),
        (
            Script::new()
                .open(0)
                .sends(0, b"main")
                .open(1)
                .sends(1, &vec![7; 400_000]),
            "channel 1 differs from the capture at byte 400000",
        ),
        (
            played().open(2).sends(2, b"more"),
            "channel 2 of the capture never came, the capture has 4 bytes of it",
        ),
        (
            Script::new().open(0).sends(0, b"main"),
            "a channel came that the capture does not have",
        ),
    ];
    for (expected, error) in expectations {
        let recording = played().done();
        let ended = play(
            Scheme::Tcp,
            &recording,
            Pace::Full,
            Local::Verify(expected.done()),
        )
        .await;
        assert_eq!(ended.sink.0, Err(error.to_owned()), "{:?}", ended.sink.1);
        let told = |event: &Event| matches!(event, Event::Replayed { .. });
        assert!(!ended.sink.1.iter().any(told), "{:?}", ended.sink.1);
        let last = ended.sink.1.last();
        assert!(matches!(last, Some(Event::Finished { .. })), "{last:?}");
    }
}

/// Another QEMU answers in its own way, so this is told and no error.
#[tokio::test]
async fn another_answer_is_told() {
    let played = Script::new()
        .open(0)
        .sends(0, b"main")
        .hears(0, b"answer")
        .done();
    let answering = Script::new()
        .open(0)
        .sends(0, b"main")
        .hears(0, b"answers!")
        .done();
    let ended = play(Scheme::Tcp, &played, Pace::Full, Local::Verify(answering)).await;
    assert_eq!((ended.source.0, ended.sink.0), (Ok(()), Ok(())));
    let place = Place {
        channel: 0,
        offset: 6,
    };
    let told =
        |event: &Event| matches!(event, Event::Replayed { differs: Some(at), .. } if *at == place);
    assert!(ended.source.1.iter().any(told), "{:?}", ended.source.1);
}

/// The sum of the pauses is the least it may take; at full speed hours of them pass before the deadline of every replay here.
#[tokio::test]
async fn the_original_pace_is_kept() {
    let (short, long) = (Duration::from_millis(60), Duration::from_hours(1));
    for (pace, pause, least) in [
        (Pace::Original, short, 3 * short),
        (Pace::Full, long, Duration::ZERO),
    ] {
        let recording = Script::new()
            .open(0)
            .sends(0, b"a")
            .after(pause)
            .sends(0, b"b")
            .after(pause)
            .open(1)
            .after(pause)
            .sends(1, b"c")
            .done();
        let begin = Instant::now();
        let verify = Local::Verify(Arc::clone(&recording));
        let ended = play(Scheme::Tcp, &recording, pace, verify).await;
        assert_eq!((ended.source.0, ended.sink.0), (Ok(()), Ok(())));
        let took = begin.elapsed();
        assert!(took >= least, "{took:?} at {pace:?} speed");
    }
}

/// An hour of silence, and a stop in the middle of it.
#[tokio::test]
async fn a_stop_ends_a_replay() {
    let recording = Script::new()
        .open(0)
        .sends(0, b"a")
        .after(Duration::from_hours(1))
        .sends(0, b"b")
        .done();
    let (sink, endpoint, token) = sink(Scheme::Tcp, Local::Discard, HASTY).await;
    let replay = Local::Replay(Replay {
        recording,
        pace: Pace::Original,
    });
    let mut source = source(Scheme::Tcp, endpoint, &token, replay, HASTY);
    while !matches!(source.events.recv().await, Some(Event::ChannelOpen { .. })) {}
    source.stop.cancel();
    let (result, events) = source.ended().await;
    let expected = "stopped before the whole capture was played";
    assert_eq!(result, Err(expected.to_owned()), "{events:?}");
    assert!(sink.ended().await.0.is_err());
}

/// The source must hear of a sink that ends early, and not take it for a success.
#[tokio::test]
async fn a_sink_that_stops_fails_the_replay() {
    let recording = Script::new()
        .open(0)
        .sends(0, b"a")
        .after(Duration::from_hours(1))
        .sends(0, b"b")
        .done();
    let (mut sink, endpoint, token) = sink(Scheme::Tcp, Local::Discard, HASTY).await;
    let replay = Local::Replay(Replay {
        recording,
        pace: Pace::Original,
    });
    let source = source(Scheme::Tcp, endpoint, &token, replay, HASTY);
    while !matches!(sink.events.recv().await, Some(Event::ChannelOpen { .. })) {}
    sink.stop.cancel();
    assert!(sink.ended().await.0.is_err());
    let (result, events) = source.ended().await;
    assert!(result.is_err(), "{events:?}");
}

#[tokio::test]
async fn each_end_has_its_half() {
    let recording = Script::new().open(0).done();
    let expected = Err(
        "a capture is played by the source half, and discarded or verified by the sink half"
            .to_owned(),
    );
    for scheme in [Scheme::Tcp, Scheme::Ssh] {
        let endpoint: lmbench_transport::Endpoint =
            format!("{scheme}://127.0.0.1:1").parse().unwrap();
        let token = lmbench_transport::Token::generate().unwrap();
        let verify = Local::Verify(Arc::clone(&recording));
        let half = source(scheme, endpoint, &token, verify, HASTY);
        assert_eq!(half.ended().await.0, expected);
    }
}
