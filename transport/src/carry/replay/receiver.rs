//! Takes what the half brings, as the destination's QEMU would: a thread for each channel, and one more for what it answers.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, scope};
use std::time::Instant;

use super::error::ReplayError;
use super::search::{Claims, Search, same_len};
use super::spec::Replayed;
use super::stage::Stage;
use crate::capture::Recording;
use crate::carry::event::Event;

/// What becomes of the bytes.
pub(super) enum Goal {
    Discard,
    Verify(Arc<Recording>),
}

/// Shared by all channels.
pub(super) struct Receiver {
    goal: Goal,
    stage: Arc<Stage>,
    claims: Claims,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    channels: u32,
    sent_bytes: u64,
    received_bytes: u64,
    begin: Option<Instant>,
    end: Option<Instant>,
}

/// What the answering thread has to know of the other one.
#[derive(Default)]
struct Heard {
    state: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    channel: Option<usize>,
    received: usize,
    ended: bool,
}

impl Receiver {
    pub(super) fn new(goal: Goal, stage: Arc<Stage>) -> Self {
        let channels = match &goal {
            Goal::Discard => 0,
            Goal::Verify(recording) => recording.channels().len(),
        };
        Self {
            goal,
            stage,
            claims: Claims::new(channels),
            sums: Mutex::default(),
        }
    }

    /// Takes one channel to its end.
    pub(super) fn receive(&self, stream: UnixStream) {
        let stream = Arc::new(stream);
        self.stage.add(&stream);
        self.count(|sums| {
            sums.channels += 1;
            sums.begin.get_or_insert_with(Instant::now);
        });
        let result = stream
            .set_nonblocking(false)
            .map_err(ReplayError::Socket)
            .and_then(|()| match &self.goal {
                Goal::Discard => {
                    self.discard(&stream);
                    Ok(())
                }
                Goal::Verify(recording) => self.verify(&stream, recording),
            });
        if let Err(error) = result {
            // Dropping the stream breaks the channel, which the source hears; others end as they do.
            self.stage.note(error);
        }
        self.count(|sums| sums.end = Some(Instant::now()));
    }

    /// Channels, and bytes to the peer and from it.
    pub(super) fn counted(&self) -> (u32, u64, u64) {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.channels, sums.sent_bytes, sums.received_bytes)
    }

    /// What happened, when every channel has ended.
    pub(super) fn outcome(&self) -> Result<Event, ReplayError> {
        let missing = match &self.goal {
            Goal::Discard => None,
            Goal::Verify(recording) => self.claims.missing(recording),
        };
        if let Some(error) = self.stage.outcome().0.or(missing) {
            return Err(error);
        }
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let took = sums
            .begin
            .zip(sums.end)
            .map(|(begin, end)| end.duration_since(begin));
        Ok(Event::Replayed {
            what: match self.goal {
                Goal::Discard => Replayed::Discarded,
                Goal::Verify(_) => Replayed::Verified,
            },
            channels: sums.channels,
            sent_bytes: sums.sent_bytes,
            received_bytes: sums.received_bytes,
            seconds: took.unwrap_or_default().as_secs_f64(),
            differs: None,
        })
    }

    fn discard(&self, mut stream: &UnixStream) {
        let mut buffer = vec![0; READ_LEN];
        // A channel that breaks is an error of the half, after which this one tells nothing.
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            self.count(|sums| sums.received_bytes += len as u64);
        }
    }

    fn verify(&self, stream: &UnixStream, recording: &Recording) -> Result<(), ReplayError> {
        let heard = Heard::default();
        scope(|scope| {
            let answer = Builder::new().spawn_scoped(scope, || {
                let sent = answer(stream, recording, &heard);
                self.count(|sums| sums.sent_bytes += *sent.as_ref().unwrap_or(&0));
                sent.map(drop)
            });
            let answer = answer.map_err(|source| ReplayError::Thread { channel: 0, source })?;
            let result = self.compare(stream, recording, &heard);
            if result.is_err() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            heard.update(|progress| progress.ended = true);
            let answered = answer.join().unwrap_or(Ok(()));
            result.and(answered)
        })
    }

    fn compare(
        &self,
        mut stream: &UnixStream,
        recording: &Recording,
        heard: &Heard,
    ) -> Result<(), ReplayError> {
        let mut search = Search::new(recording);
        let (mut found, mut received) = (None, 0);
        let mut buffer = vec![0; READ_LEN];
        // A channel that breaks has ended early, or has nothing to lose.
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            let bytes = &buffer[..len];
            match found {
                None => found = search.narrow(bytes, recording, &self.claims)?,
                Some(channel) => same(recording, channel, received, bytes)?,
            }
            received += len;
            self.count(|sums| sums.received_bytes += len as u64);
            heard.update(|progress| {
                progress.channel = found;
                progress.received = received;
            });
        }
        match found {
            None => {
                let channel = search.end(recording, &self.claims)?;
                heard.update(|progress| progress.channel = Some(channel));
                Ok(())
            }
            Some(channel) => whole(recording, channel, received),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Sums)) {
        change(&mut self.sums.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Heard {
    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until this is so, or the other direction has ended.
    fn wait(&self, is_so: impl Fn(&Progress) -> bool) -> Progress {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ended && !is_so(&state) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *state
    }
}

fn same(
    recording: &Recording,
    channel: usize,
    from: usize,
    bytes: &[u8],
) -> Result<(), ReplayError> {
    let rest = &recording.channels()[channel].to_destination.bytes[from..];
    let same = same_len(rest, bytes);
    if same == bytes.len() {
        return Ok(());
    }
    Err(ReplayError::Differs {
        channel: channel as u32,
        offset: (from + same) as u64,
    })
}

fn whole(recording: &Recording, channel: usize, received: usize) -> Result<(), ReplayError> {
    let len = recording.channels()[channel].to_destination.bytes.len();
    if received == len {
        return Ok(());
    }
    Err(ReplayError::Short {
        channel: channel as u32,
        offset: received as u64,
        len: len as u64,
    })
}

/// Plays the return direction and half-closes. Tells how many bytes went.
fn answer(
    mut stream: &UnixStream,
    recording: &Recording,
    heard: &Heard,
) -> Result<u64, ReplayError> {
    let known = heard.wait(|progress| progress.channel.is_some());
    let Some(number) = known.channel else {
        return Ok(0);
    };
    let line = &recording.channels()[number].to_source;
    let mut marks = line.marks.iter().peekable();
    while let Some(mark) = marks.next() {
        let end = marks.peek().map_or(line.bytes.len(), |next| next.offset);
        let progress = heard.wait(|progress| progress.received >= mark.behind);
        if progress.received < mark.behind {
            // It ended early, which the other thread reports.
            return Ok(mark.offset as u64);
        }
        let written = stream.write_all(&line.bytes[mark.offset..end]);
        written.map_err(|source| ReplayError::Broken {
            channel: number as u32,
            offset: mark.offset as u64,
            len: line.bytes.len() as u64,
            source,
        })?;
    }
    heard.wait(|_| false);
    match stream.shutdown(Shutdown::Write) {
        Err(source) if source.kind() != io::ErrorKind::NotConnected => {
            Err(ReplayError::Socket(source))
        }
        _ => Ok(line.bytes.len() as u64),
    }
}

const READ_LEN: usize = 256 * 1024;
