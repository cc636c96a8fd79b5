//! Plays a capture to the half's socket, as the source's QEMU would: a thread for each direction of each channel.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use super::error::ReplayError;
use super::search::same_len;
use super::spec::{Pace, Place, Replay};
use super::stage::Stage;
use crate::capture::{Line, Track};

/// What went and came, if all went well.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) channels: u32,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// Where the return direction first differed from the capture, on the lowest of the channels that differed.
    pub(super) differs: Option<Place>,
}

/// When what is due.
#[derive(Clone, Copy)]
struct Clock {
    begin: Instant,
    pace: Pace,
}

/// One channel at work.
#[derive(Clone)]
struct Channel<'a> {
    number: u32,
    track: &'a Track,
    stream: Arc<UnixStream>,
    stage: &'a Stage,
    clock: Clock,
}

/// Returns when every direction has ended.
pub(super) fn play(replay: &Replay, path: &Path, stage: &Stage) -> Result<Sums, ReplayError> {
    let clock = Clock {
        begin: Instant::now(),
        pace: replay.pace,
    };
    let mut sums = Sums::default();
    scope(|scope| {
        let mut ears = Vec::new();
        for (number, track) in (0..).zip(replay.recording.channels()) {
            if !(clock.wait(track.opened_ns, stage) && stage.wait_sent(&track.after)) {
                break;
            }
            let stream = match UnixStream::connect(path) {
                Ok(stream) => Arc::new(stream),
                Err(source) => {
                    let channel = number;
                    stage.fail(ReplayError::Connect { channel, source });
                    break;
                }
            };
            stage.add(&stream);
            let channel = Channel {
                number,
                track,
                stream,
                stage,
                clock,
            };
            match channel.start(scope) {
                Ok(ear) => ears.push((number, ear)),
                Err(source) => {
                    let channel = number;
                    stage.fail(ReplayError::Thread { channel, source });
                    break;
                }
            }
        }
        for (channel, ear) in ears {
            let (received, differs) = ear.join().unwrap_or_default();
            sums.received_bytes += received;
            let place = differs.map(|offset| Place { channel, offset });
            sums.differs = sums.differs.or(place);
        }
    });
    match stage.outcome() {
        (Some(error), _) => Err(error),
        (None, true) => Err(ReplayError::Stopped),
        (None, false) => {
            let totals = replay.recording.totals();
            sums.channels = totals.channels;
            sums.sent_bytes = totals.to_destination_bytes;
            Ok(sums)
        }
    }
}

impl<'a> Channel<'a> {
    /// Begins to send and to listen.
    fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
    ) -> io::Result<ScopedJoinHandle<'scope, (u64, Option<u64>)>>
    where
        'a: 'scope,
    {
        let ear = self.clone();
        Builder::new().spawn_scoped(scope, move || {
            if let Err((offset, source)) = self.send() {
                self.stage.fail(ReplayError::Broken {
                    channel: self.number,
                    offset: offset as u64,
                    len: self.track.to_destination.bytes.len() as u64,
                    source,
                });
            }
        })?;
        Builder::new().spawn_scoped(scope, move || hear(&ear.stream, &ear.track.to_source))
    }

    /// Sends everything and half-closes, or tells how far it came.
    fn send(&self) -> Result<(), (usize, io::Error)> {
        let line = &self.track.to_destination;
        let mut marks = line.marks.iter().peekable();
        match self.clock.pace {
            Pace::Full => self.write(0, &line.bytes)?,
            Pace::Original => {
                while let Some(mark) = marks.next() {
                    let end = marks.peek().map_or(line.bytes.len(), |next| next.offset);
                    if !self.clock.wait(mark.at_ns, self.stage) {
                        return Ok(());
                    }
                    self.write(mark.offset, &line.bytes[mark.offset..end])?;
                }
            }
        }
        if let Some(at_ns) = line.ended_ns
            && !self.clock.wait(at_ns, self.stage)
        {
            return Ok(());
        }
        match self.stream.shutdown(Shutdown::Write) {
            // Whoever has gone needs no half-close.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Err((line.bytes.len(), error))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, mut offset: usize, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        for chunk in bytes.chunks(WRITE_LEN) {
            (&*self.stream)
                .write_all(chunk)
                .map_err(|error| (offset, error))?;
            offset += chunk.len();
            self.stage.sent(self.number as usize, offset as u64);
        }
        Ok(())
    }
}

impl Clock {
    /// Waits until something of the capture is due; `false` when everything ended before.
    fn wait(self, at_ns: u64, stage: &Stage) -> bool {
        match self.pace {
            Pace::Full => true,
            Pace::Original => stage.wait_until(self.begin + Duration::from_nanos(at_ns)),
        }
    }
}

/// Reads until the end. How many bytes came, and where they first differed from the capture.
fn hear(mut stream: &UnixStream, line: &Line) -> (u64, Option<u64>) {
    let (mut received, mut differs) = (0, None);
    let mut buffer = vec![0; READ_LEN];
    // An error is an end here: if it matters, sending meets it too.
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        let rest = line.bytes.get(received..).unwrap_or_default();
        let same = same_len(rest, &buffer[..len]);
        if same < len {
            differs = differs.or(Some((received + same) as u64));
        }
        received += len;
    }
    (received as u64, differs)
}

/// QEMU's own writes are at most 64 pages each.
const WRITE_LEN: usize = 256 * 1024;
const READ_LEN: usize = 64 * 1024;
