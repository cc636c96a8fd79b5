//! Who is at a local socket: this user, or one that was named, and nobody else.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use lmbench_transport::carry::{CarryError, Event, Local, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::nobody::{NOBODY, as_nobody, open_folder};
use crate::{PATIENT, options, sink_with, source, source_with};

fn with_peer(peer_uid: Option<u32>) -> Options {
    Options {
        peer_uid,
        ..options(PATIENT)
    }
}

/// Somebody else made a socket where the destination's QEMU was expected, and gets not a byte, by relay or as a descriptor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_another_user_gets_no_byte() {
    for (kind, named) in [
        (Local::Unix as fn(PathBuf) -> Local, None),
        (Local::Fd, None),
        (Local::Unix, Some(NOBODY)),
    ] {
        let folder = open_folder();
        let path = folder.path().join("destination");
        let bound = path.clone();
        let Some(listener) = as_nobody(|| std::os::unix::net::UnixListener::bind(bound).unwrap())
        else {
            return;
        };
        let (mut sink, endpoint, token) = sink_with(kind(path), with_peer(named)).await;
        let mut source = source(
            &endpoint,
            &token,
            Local::Unix(folder.path().join("source")),
            PATIENT,
        );
        assert!(matches!(source.next().await, Event::Ready { .. }));
        let mut near = UnixStream::connect(folder.path().join("source"))
            .await
            .unwrap();
        let _ = near.write_all(b"secret").await;
        let (mut far, _) = listener.accept().unwrap();
        if named.is_some() {
            let mut heard = [0; 6];
            std::io::Read::read_exact(&mut far, &mut heard).unwrap();
            assert_eq!(&heard, b"secret");
            continue;
        }
        let (_, _, error) = sink.closed().await;
        let error = error.unwrap();
        assert!(
            error.contains("belongs to user 65534, this one to user 0"),
            "{error}"
        );
        assert!(error.contains("--peer-user"), "{error}");
        let mut heard = Vec::new();
        std::io::Read::read_to_end(&mut far, &mut heard).unwrap();
        assert!(heard.is_empty());
        source.stop.cancel();
        assert!(matches!(
            sink.task.await.unwrap(),
            Err(CarryError::Broke { .. })
        ));
    }
}

/// Another user reaches the source's socket only where somebody opened it, and then is heard only if named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_gives_no_byte() {
    for named in [None, Some(NOBODY)] {
        let folder = open_folder();
        let destination = UnixListener::bind(folder.path().join("destination")).unwrap();
        let far = Local::Unix(folder.path().join("destination"));
        let (_sink, endpoint, token) = sink_with(far, options(PATIENT)).await;
        let path = folder.path().join("source");
        let near = Local::Unix(path.clone());
        let mut source = source_with(&endpoint, &token, near, with_peer(named));
        assert!(matches!(source.next().await, Event::Ready { .. }));
        if named.is_none() {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        }
        let forged = as_nobody(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            let _ = std::io::Write::write_all(&mut stream, b"forged");
            stream
        });
        let Some(mut forged) = forged else { return };
        if named.is_some() {
            let (mut to, _) = destination.accept().await.unwrap();
            let mut heard = [0; 6];
            to.read_exact(&mut heard).await.unwrap();
            continue;
        }
        let Event::Refused { reason, .. } = source.next().await else {
            panic!("refused comes next")
        };
        assert!(reason.contains("belongs to user 65534"), "{reason}");
        let read = std::io::Read::read(&mut forged, &mut [0]);
        assert!(read.map_or(true, |len| len == 0));
    }
}
