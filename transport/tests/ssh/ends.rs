//! How both halves come to their end.

use std::path::Path;
use std::time::Duration;

use lmbench_transport::carry::Event;
use lmbench_transport::ssh::{Connections, Settings};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::rig::{Both, live, source};

#[test]
fn stopping_the_sink_ends_both_too() {
    live(async {
        let both = Both::new(Settings::default()).await;
        both.sink.stop.cancel();
        assert_eq!(both.sink.finished().await, (Ok(()), 0));
        assert_eq!(both.source.finished().await, (Ok(()), 0));
    });
}

/// `sshd` has children of its own, which nobody here waits for: they must have gone before it.
#[test]
fn no_process_is_left() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let (ssh, sshd) = (children("ssh", &both), children("sshd", &both));
        let mut all: Vec<String> = ssh
            .iter()
            .chain(&sshd)
            .map(|pid| pid.as_raw_nonzero().to_string())
            .collect();
        assert_eq!(all.len(), 2);
        let mut seen = 0;
        while let Some(pid) = all.get(seen).cloned() {
            all.extend(children_of(&pid));
            seen += 1;
        }
        both.end().await;
        let left: Vec<&String> = all.iter().filter(|pid| is_running(pid)).collect();
        assert!(left.is_empty(), "{left:?} of {all:?}");
    });
}

/// What was written before the stop arrives, since the far end still reads.
#[test]
fn a_stop_lets_the_last_bytes_through() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let (mut near, mut far) = both.channel().await;
        near.write_all(&vec![5; 100_000]).await.unwrap();
        drop(near);
        both.source.stop.cancel();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard.len(), 100_000);
        drop(far);
        assert_eq!(both.source.finished().await, (Ok(()), 0));
        assert_eq!(both.sink.finished().await, (Ok(()), 0));
    });
}

/// The channel stays open on both ends, so only the deadline ends it.
#[test]
fn a_stop_cuts_what_does_not_end_by_itself() {
    live(async {
        let both = Both::with_drain(Settings::default(), Duration::from_millis(200)).await;
        let (mut near, mut far) = both.channel().await;
        both.source.stop.cancel();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        for half in [both.source, both.sink] {
            let error = half.finished().await.0.unwrap_err();
            assert!(error.starts_with("the stream broke: "), "{error}");
        }
    });
}

/// All of the stream has left the source, and `sshd` has passed it on, when the destination's QEMU goes away without having read it.
#[test]
fn a_destination_that_leaves_the_last_bytes_unread_is_an_error_on_both_sides() {
    for connections in [Connections::Shared, Connections::PerChannel] {
        live(async {
            let both = Both::new(Settings {
                connections,
                ..Settings::default()
            })
            .await;
            let (mut near, far) = both.channel().await;
            near.write_all(&[5; 1000]).await.unwrap();
            near.shutdown().await.unwrap();
            far.readable().await.unwrap();
            drop(far);
            assert_eq!(near.read(&mut [0]).await.unwrap_or(0), 0);
            drop(near);
            both.source.stop.cancel();
            for half in [both.source, both.sink] {
                let error = half.finished().await.0.unwrap_err();
                assert!(error.starts_with("the stream broke: "), "{error}");
            }
        });
    }
}

#[test]
fn an_ssh_that_is_killed_is_an_error_on_both_sides() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let [ssh] = children("ssh", &both)[..] else {
            panic!("one ssh")
        };
        kill_process(ssh, Signal::KILL).unwrap();
        let (source, sink) = tokio::join!(both.source.finished(), both.sink.finished());
        // Each of them may come first and then is what the other one sees.
        let lost = "session lost: the peer went away without ending the session";
        for (program, result) in [("ssh ", source.0), ("sshd ", sink.0)] {
            let error = result.unwrap_err();
            let ended = error.starts_with(program) && error.contains("ended too early");
            assert!(ended || error == lost, "{error}");
        }
    });
}

#[test]
fn an_sshd_that_is_killed_is_an_error_on_both_sides() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let [sshd] = children("sshd", &both)[..] else {
            panic!("one sshd")
        };
        kill_process(sshd, Signal::KILL).unwrap();
        let (source, sink) = tokio::join!(both.source.finished(), both.sink.finished());
        assert!(source.0.is_err() && sink.0.is_err(), "{source:?} {sink:?}");
    });
}

/// A half that vanishes takes its OpenSSH with it, and the other half notices.
#[test]
fn a_half_that_dies_is_an_error_of_the_other() {
    live(async {
        let both = Both::new(Settings::default()).await;
        both.source.task.abort();
        let lost = "session lost: the peer went away without ending the session";
        assert_eq!(both.sink.finished().await.0.unwrap_err(), lost);
        let both = Both::new(Settings::default()).await;
        both.sink.task.abort();
        assert_eq!(both.source.finished().await.0.unwrap_err(), lost);
    });
}

#[test]
fn a_taken_path_is_found_before_anybody_is_called() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let taken = both.folder.path().join("source");
        let half = source(
            &both.endpoint,
            &both.token,
            taken.clone(),
            Settings::default(),
        );
        let error = half.task.await.unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("socket path {} is already taken", taken.display())),
            "{error}"
        );
        assert!(taken.exists());
        both.end().await;
    });
}

#[test]
fn nobody_there_is_told_with_the_endpoint_as_it_was_written() {
    live(async {
        let folder = tempfile::tempdir().unwrap();
        let token = lmbench_transport::Token::generate().unwrap();
        let endpoint = "ssh://127.0.0.1:1".parse().unwrap();
        let half = source(
            &endpoint,
            &token,
            folder.path().join("x"),
            Settings::default(),
        );
        let error = half.task.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to ssh://127.0.0.1:1");
    });
}

/// The details are for a record that everybody may read.
#[test]
fn no_event_holds_a_key() {
    live(async {
        let mut both = Both::new(Settings::default()).await;
        assert!(!both.details.contains("SHA256:"), "{}", both.details);
        both.source.stop.cancel();
        while let Some(event) = both.source.events.recv().await {
            assert!(!matches!(event, Event::Listening { .. }));
        }
    });
}

/// Direct children of this process that belong to this test's session, recognised by their private folder or their connection.
fn children(name: &str, both: &Both) -> Vec<Pid> {
    let socket = std::fs::canonicalize(both.folder.path().join("source")).unwrap();
    let port = both.endpoint.port();
    children_of("self")
        .into_iter()
        .filter(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            match name {
                "ssh" => words.contains(&*socket.to_string_lossy()),
                _ => words.starts_with("sshd") && uses_port(pid, port),
            }
        })
        .map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .collect()
}

fn children_of(pid: &str) -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .flat_map(|task| {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Neither gone nor a zombie that waits for somebody else.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Whether a descriptor of the process is a connection at this local port.
fn uses_port(pid: &str, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inodes: Vec<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[1].ends_with(&format!(":{port:04X}")))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(descriptors) = std::fs::read_dir(Path::new("/proc").join(pid).join("fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|link| inodes.iter().any(|inode| link == Path::new(inode)))
}
