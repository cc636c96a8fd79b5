//! Channels that are passed on as descriptors, with this test in the place of the harness.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::task::Poll;
use std::time::Duration;

use lmbench_transport::carry::{Event, Local};
use lmbench_transport::handover::{Line, Role};
use lmbench_transport::{Carrier as _, tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixListener};

use crate::{PATIENT, sink, source};

/// The test receives both descriptors as the harness would, and talks through them without the halves.
#[tokio::test]
async fn descriptors_are_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let takers =
        ["source", "destination"].map(|name| UnixListener::bind(folder.path().join(name)).unwrap());
    let [near, far] = ["source", "destination"].map(|name| Local::Fd(folder.path().join(name)));
    let (mut sink, endpoint, token) = sink(far, PATIENT).await;
    let mut source = source(&endpoint, &token, near, PATIENT);
    let (from, to) = tokio::join!(take(&takers[0]), take(&takers[1]));
    assert_eq!(
        from.0,
        Line {
            handover: 1,
            channel: 0,
            role: Role::Source
        }
    );
    assert_eq!(
        to.0,
        Line {
            handover: 1,
            channel: 0,
            role: Role::Sink
        }
    );
    assert!(matches!(source.next().await, Event::Ready { .. }));
    assert!(matches!(
        source.next().await,
        Event::HandedOver { number: 0 }
    ));
    assert!(matches!(sink.next().await, Event::Ready { .. }));
    assert!(matches!(sink.next().await, Event::HandedOver { number: 0 }));
    let (mut from, mut to) = (from.1, to.1);
    source.stop.cancel();
    source.finished().await;
    sink.finished().await;
    // The connection outlives both halves, and its end is its owner's end.
    from.write_all(b"pages").await.unwrap();
    drop(from);
    let mut text = String::new();
    to.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "pages");
}

/// Whichever of them is faster, and without any byte. Paused time jumps over the wait as soon as nothing can come any more.
#[tokio::test(start_paused = true)]
async fn a_further_descriptor_follows_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let taker = UnixListener::bind(folder.path().join("destination")).unwrap();
    let local = Local::Fd(folder.path().join("destination"));
    let (_sink, endpoint, token) = sink(local, PATIENT).await;
    let carrier = tcp::Tcp::new(token, tcp::Settings::default());
    let session = carrier.dial(&endpoint).await.unwrap();
    // It has its number, and then nobody goes on with it.
    let mut main = session.open_channel();
    let begun = std::future::poll_fn(|context| Poll::Ready(main.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    let mut further = session.open_channel().await.unwrap();
    assert_eq!(further.number(), 1);
    further.write_all(b"y").await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(1), taker.accept()).await;
    assert!(
        early.is_err(),
        "QEMU has another channel before the main one"
    );
    let _main = main.await.unwrap();
    for number in 0..2 {
        assert_eq!(take(&taker).await.0.channel, number);
    }
}

/// What the harness does with a descriptor.
async fn take(listener: &UnixListener) -> (Line, TcpStream) {
    let (stream, _) = listener.accept().await.unwrap();
    let receive = || {
        let (mut bytes, mut space) = (
            [0; 256],
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))],
        );
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let flags = rustix::net::RecvFlags::CMSG_CLOEXEC;
        let message = rustix::net::recvmsg(
            &stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        )?;
        let descriptor = control.drain().find_map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok((
            serde_json::from_slice(&bytes[..message.bytes]).unwrap(),
            descriptor.unwrap(),
        ))
    };
    let (line, descriptor) = stream.async_io(Interest::READABLE, receive).await.unwrap();
    (line, TcpStream::from_std(descriptor.into()).unwrap())
}
