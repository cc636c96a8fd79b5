//! The tee between two ends that this test plays.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lmbench_transport::capture::{Direction, Reader, Recording, Totals, What};
use lmbench_transport::tee::{Tee, TeeError, TeeEvent, TeeOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::nobody::{as_nobody, open_folder};

/// A tee at work, and the end behind it.
struct Rig {
    folder: TempDir,
    destination: UnixListener,
    events: mpsc::UnboundedReceiver<TeeEvent>,
    stop: CancellationToken,
    task: JoinHandle<Result<Totals, TeeError>>,
}

impl Rig {
    async fn new(file: Option<File>, linger: Option<Duration>) -> Self {
        Self::with_deadlines(file, linger, PATIENT).await
    }

    async fn with_deadlines(
        file: Option<File>,
        linger: Option<Duration>,
        deadline: Duration,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let destination = UnixListener::bind(folder.path().join("destination")).unwrap();
        let file = file.unwrap_or_else(|| File::create(folder.path().join("file")).unwrap());
        let options = TeeOptions {
            local_deadline: deadline,
            drain_deadline: deadline,
            linger,
            peer_uid: None,
        };
        let [listen, to] = ["source", "destination"].map(|name| folder.path().join(name));
        let tee = Tee::bind(listen, to, options).unwrap();
        let (sender, mut events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let listener = Arc::new(move |event| drop(sender.send(event)));
        let task = tokio::spawn(tee.run(file, listener, stop.clone()));
        let first = events.recv().await;
        assert!(
            matches!(first, Some(TeeEvent::Listening { .. })),
            "{first:?}"
        );
        Self {
            folder,
            destination,
            events,
            stop,
            task,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    async fn channel(&self) -> (UnixStream, UnixStream) {
        let near = UnixStream::connect(self.folder.path().join("source")).await;
        let (far, _) = self.destination.accept().await.unwrap();
        (near.unwrap(), far)
    }

    async fn last_event(&mut self) -> TeeEvent {
        let mut last = None;
        while let Some(event) = self.events.recv().await {
            last = Some(event);
        }
        last.expect("there were events")
    }
}

/// Each direction ends by itself and is passed on as a half-close; the file has both, in the order of cause and effect.
#[tokio::test]
async fn both_directions_are_passed_on_and_written_down() {
    let mut rig = Rig::new(None, Some(Duration::ZERO)).await;
    let (mut main, mut main_far) = rig.channel().await;
    let (mut other, mut other_far) = rig.channel().await;
    other.write_all(b"pages").await.unwrap();
    other.shutdown().await.unwrap();
    let mut heard = String::new();
    other_far.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "pages");
    drop(other_far);
    assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    // A closed channel ends nothing as long as the main one is open, and more may come.
    let (third, third_far) = rig.channel().await;
    drop((third, third_far));
    main.write_all(b"ask").await.unwrap();
    main_far.read_exact(&mut [0; 3]).await.unwrap();
    main_far.write_all(b"answer").await.unwrap();
    main_far.shutdown().await.unwrap();
    let mut heard = String::new();
    main.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "answer");
    main.write_all(b"!").await.unwrap();
    drop(main);
    assert_eq!(main_far.read_u8().await.unwrap(), b'!');
    assert_eq!(main_far.read(&mut [0]).await.unwrap(), 0);

    let totals = (&mut rig.task).await.unwrap().unwrap();
    assert_eq!(
        (totals.to_destination_bytes, totals.to_source_bytes),
        (9, 6)
    );
    assert!(matches!(
        rig.last_event().await,
        TeeEvent::Finished {
            channels: 3,
            whole: true,
            ..
        }
    ));
    let size = std::fs::metadata(rig.file()).unwrap().len();
    assert_eq!(totals.file_bytes, size);
    let mut reader = Reader::new(File::open(rig.file()).unwrap()).unwrap();
    let mut main = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        if entry.channel == 0 {
            main.push(match entry.what {
                What::Open => "open".to_owned(),
                What::Bytes { direction, bytes } => {
                    format!("{direction:?} {}", String::from_utf8_lossy(bytes))
                }
                What::End { direction, broken } => format!("{direction:?} ends {broken}"),
            });
        }
    }
    assert!(reader.is_whole());
    let expected = [
        "open",
        "ToDestination ask",
        "ToSource answer",
        "ToSource ends false",
        "ToDestination !",
        "ToDestination ends false",
    ];
    assert_eq!(main, expected);
    assert!(!rig.folder.path().join("source").exists());
}

/// Without a moment to linger it would have ended by itself.
#[tokio::test]
async fn a_tee_that_stays_ends_when_it_is_told_to() {
    let mut rig = Rig::with_deadlines(None, None, HASTY).await;
    for _ in 0..2 {
        let ends = rig.channel().await;
        drop(ends);
        while !matches!(
            rig.events.recv().await,
            Some(TeeEvent::ChannelClosed { .. })
        ) {}
    }
    let (near, mut far) = rig.channel().await;
    rig.stop.cancel();
    // A channel that does not end by itself is cut, and the file is whole up to there.
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
    drop(near);
    let result = (&mut rig.task).await.unwrap();
    assert!(
        matches!(result, Err(TeeError::Channel { .. })),
        "{result:?}"
    );
    assert!(Recording::load(&rig.file()).unwrap().is_whole());
}

/// The file is a pipe that nobody reads any more: every write fails, as on a full disk. The stream does not notice.
#[tokio::test]
async fn a_file_that_takes_no_more_leaves_the_stream_alone() {
    let (reader, writer) = std::io::pipe().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let mut rig = Rig::new(Some(file), Some(Duration::ZERO)).await;
    let (mut near, mut far) = rig.channel().await;
    near.write_all(b"a").await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();
    drop(reader);
    near.write_all(b"b").await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();
    let error = loop {
        if let TeeEvent::Broke { error } = rig.events.recv().await.unwrap() {
            break error;
        }
    };
    assert!(error.contains("Broken pipe"), "{error}");
    let bytes = vec![5; 3_000_000];
    let send = async {
        near.write_all(&bytes).await.unwrap();
        near.shutdown().await.unwrap();
        near.read(&mut [0]).await.unwrap()
    };
    let receive = async {
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        drop(far);
        heard
    };
    let (end, heard) = tokio::join!(send, receive);
    assert!(heard == bytes);
    assert_eq!(end, 0);
    assert!(matches!(
        (&mut rig.task).await.unwrap(),
        Err(TeeError::Write(_))
    ));
    assert!(matches!(
        rig.last_event().await,
        TeeEvent::Finished { whole: false, .. }
    ));
}

/// What fits into the queue and the pipe passes; then the source has to wait until somebody reads.
#[tokio::test]
async fn a_slow_file_slows_the_stream() {
    let (reader, writer) = std::io::pipe().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let rig = Rig::new(Some(file), Some(Duration::ZERO)).await;
    let (mut near, mut far) = rig.channel().await;
    // Noise, so that the pipe fills.
    let mut state = 1_u64;
    let noise = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..1 << 20).map(noise).collect();
    let (mut sent, mut passed) = (0, 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let either = async {
            tokio::select! {
                written = near.write(&bytes[sent % bytes.len()..]) => sent += written.unwrap(),
                read = far.read(&mut buffer) => passed += read.unwrap(),
            }
        };
        // Long enough that a stall of the machine is not taken for the file's.
        if tokio::time::timeout(STANDSTILL, either).await.is_err() {
            break;
        }
        assert!(passed < 200 << 20, "nothing ever waits");
    }
    assert!(passed > 0);
    // Once somebody reads, it goes on.
    let drain = std::thread::spawn(move || std::io::copy(&mut { reader }, &mut std::io::sink()));
    let mut more = [0; 1];
    far.read_exact(&mut more).await.unwrap();
    rig.stop.cancel();
    drop((near, far));
    // The stream was cut by this end.
    let _ = rig.task.await.unwrap();
    drain.join().unwrap().unwrap();
}

/// Somebody else made a socket where the destination's QEMU was expected.
#[tokio::test]
async fn a_socket_of_another_user_gets_no_byte() {
    let folder = open_folder();
    let [listen, to] = ["source", "destination"].map(|name| folder.path().join(name));
    let bound = to.clone();
    let Some(listener) = as_nobody(|| std::os::unix::net::UnixListener::bind(bound).unwrap())
    else {
        return;
    };
    let tee = Tee::bind(listen.clone(), to, TeeOptions::default()).unwrap();
    let file = File::create(folder.path().join("file")).unwrap();
    let task = tokio::spawn(tee.run(file, Arc::new(|_| ()), CancellationToken::new()));
    let mut near = UnixStream::connect(listen).await.unwrap();
    let _ = near.write_all(b"secret").await;
    let TeeError::Reach { source, .. } = task.await.unwrap().unwrap_err() else {
        panic!("it reaches nobody")
    };
    let said = source.to_string();
    assert!(
        said.contains("belongs to user 65534, this one to user 0"),
        "{said}"
    );
    let (mut far, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    std::io::Read::read_to_end(&mut far, &mut heard).unwrap();
    assert!(heard.is_empty());
}

/// QEMU sees an end of file; this is how its operator hears more.
#[tokio::test]
async fn a_channel_that_breaks_is_an_error() {
    let mut rig = Rig::new(None, Some(Duration::ZERO)).await;
    let (mut near, far) = rig.channel().await;
    near.write_all(b"a").await.unwrap();
    far.readable().await.unwrap();
    // With a byte unread, so that the kernel tells whoever writes to it.
    drop(far);
    while near.write_all(&[0; 1000]).await.is_ok() {}
    let closed = async {
        while !matches!(
            rig.events.recv().await,
            Some(TeeEvent::ChannelClosed { error: Some(_), .. })
        ) {}
    };
    closed.await;
    rig.stop.cancel();
    let error = (&mut rig.task).await.unwrap().unwrap_err();
    assert!(matches!(error, TeeError::Channel { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_behind_the_tee_is_an_error() {
    let rig = Rig::with_deadlines(None, Some(Duration::ZERO), HASTY).await;
    std::fs::remove_file(rig.folder.path().join("destination")).unwrap();
    let mut near = UnixStream::connect(rig.folder.path().join("source"))
        .await
        .unwrap();
    assert_eq!(near.read(&mut [0]).await.unwrap_or(0), 0);
    let error = rig.task.await.unwrap().unwrap_err();
    let expected = format!(
        "cannot reach {}",
        rig.folder.path().join("destination").display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn directions_are_told_by_number() {
    assert_eq!(
        (Direction::ToDestination as u8, Direction::ToSource as u8),
        (0, 1)
    );
}

/// For ends that come by themselves.
const PATIENT: Duration = Duration::from_secs(10);
/// For those that a deadline has to bring.
const HASTY: Duration = Duration::from_millis(100);
const STANDSTILL: Duration = Duration::from_secs(2);
