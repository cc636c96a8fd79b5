//! The life of a link process: commands in, answers out, a thread for each direction.

use std::io::{BufRead, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::direction::Direction;
use super::model::Shape;
use super::protocol::{Answer, Command, Report, Toward};
use super::tap;
use crate::role::Role;
use crate::spec::LinkSpec;

/// Why a link process ended before its owner or its hosts did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The owner's pipe.
    #[error("cannot talk to the owner of the link")]
    Owner(#[source] std::io::Error),
}

/// Serves an owner until its end of `input` closes or a device goes with its host, see [`Command`]. The directions' threads outlive this call: end the process after it.
pub fn serve(
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
) -> Result<(), LinkError> {
    let (sender, events) = channel();
    let commands = sender.clone();
    std::thread::spawn(move || {
        for line in input.lines() {
            let line = line.map_err(LinkError::Owner);
            if commands.send(Event::Line(line)).is_err() {
                return;
            }
        }
        let _ = commands.send(Event::End);
    });
    let mut link = Link {
        open: None,
        sender,
        cpu_before_s: 0.0,
    };
    let ended = link.obey(&events, &mut output);
    // The last word; an owner that was killed does not hear it.
    let _ = say(&mut output, &Answer::Report(link.report(false)));
    ended
}

enum Event {
    Line(Result<String, LinkError>),
    Ended(Toward, Errno),
    End,
}

struct Link {
    /// By where they lead: the source, the destination.
    open: Option<[(Toward, Direction); 2]>,
    sender: Sender<Event>,
    /// Used before the counters began.
    cpu_before_s: f64,
}

impl Link {
    fn obey(&mut self, events: &Receiver<Event>, output: &mut impl Write) -> Result<(), LinkError> {
        for event in events {
            let line = match event {
                Event::Line(line) => line?,
                Event::End => return Ok(()),
                // Devices go with their hosts, and a link with its devices.
                Event::Ended(toward, errno) => {
                    tracing::info!(%toward, %errno, "a device is gone");
                    return Ok(());
                }
            };
            let answer = match serde_json::from_str(&line) {
                Ok(command) => self.answer(command),
                Err(error) => Answer::Failed {
                    why: format!("this is no command: {error}"),
                },
            };
            say(output, &answer).map_err(LinkError::Owner)?;
        }
        Ok(())
    }

    fn answer(&mut self, command: Command) -> Answer {
        let done = match command {
            Command::Open { seed } => self.open(seed),
            Command::Set(link) => {
                let shape = Shape::of(&link);
                self.tell(None, |model| model.set(shape))
            }
            Command::Cut {
                toward,
                after_bytes,
                down_ms,
            } => {
                let down_ns = down_ms.map(|ms| ms.saturating_mul(1_000_000));
                self.tell(toward, |model| model.cut(after_bytes, down_ns))
            }
            Command::Restore {} => self.tell(None, super::model::Model::restore),
            Command::Report { restart } => return Answer::Report(self.report(restart)),
        };
        match done {
            Ok(()) => Answer::Done {},
            Err(why) => Answer::Failed { why },
        }
    }

    fn open(&mut self, seed: u64) -> Result<(), String> {
        if self.open.is_some() {
            return Err("the link is open already".to_owned());
        }
        let device = |role: Role| {
            tap::open(role.name()).map(Arc::new).map_err(|error| {
                format!("cannot make a TAP device with /dev/net/tun: {error}; see that it exists, that this user may write to it, and that the module tun is loaded")
            })
        };
        let (source, destination) = (device(Role::Source)?, device(Role::Destination)?);
        let shape = Shape::of(&LinkSpec::default());
        self.open = Some(Role::BOTH.map(|toward| {
            // Two different sequences out of one seed.
            let direction = Direction::new(shape, seed ^ ((toward as u64 + 1) << 56));
            let (from, to) = match toward {
                Role::Source => (destination.clone(), source.clone()),
                Role::Destination => (source.clone(), destination.clone()),
            };
            self.start(toward, direction.clone(), from, to);
            (toward, direction)
        }));
        Ok(())
    }

    fn start(&self, toward: Toward, direction: Direction, from: Arc<OwnedFd>, to: Arc<OwnedFd>) {
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let errno = direction.run(&from, &to);
            let _ = sender.send(Event::Ended(toward, errno));
        });
    }

    fn tell(
        &self,
        toward: Option<Toward>,
        command: impl Fn(&mut super::model::Model),
    ) -> Result<(), String> {
        let Some(directions) = &self.open else {
            return Err("the link is not open: `open` comes first".to_owned());
        };
        for (leads, direction) in directions {
            if toward.is_none_or(|toward| toward == *leads) {
                direction.command(&command);
            }
        }
        Ok(())
    }

    fn report(&mut self, restart: bool) -> Report {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used_s = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        let cpu_s = used_s - self.cpu_before_s;
        if restart {
            self.cpu_before_s = used_s;
        }
        let directions = self.open.iter().flatten();
        Report {
            cpu_s,
            realtime: self
                .open
                .iter()
                .flatten()
                .all(|(_, direction)| direction.is_realtime()),
            toward: directions
                .map(|(toward, direction)| (*toward, direction.report(restart)))
                .collect(),
        }
    }
}

fn say(output: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let text = serde_json::to_string(answer)?;
    writeln!(output, "{text}").and_then(|()| output.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_answered_and_the_last_word_is_a_report() {
        let input = "nonsense\n{\"cut\":{\"toward\":\"source\"}}\n{\"report\":{}}\n";
        let mut output = Vec::new();
        serve(std::io::Cursor::new(input), &mut output).unwrap();
        let answers: Vec<Answer> = String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let whys: Vec<&str> = answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Failed { why } => Some(why.as_str()),
                _ => None,
            })
            .collect();
        assert!(
            whys[0].contains("no command") && whys[1].contains("`open` comes first"),
            "{whys:?}"
        );
        assert_eq!(answers.len(), 4);
        assert!(matches!(answers[2], Answer::Report(_)));
        assert!(matches!(answers[3], Answer::Report(_)));
    }
}
