//! `lmbench ctl`.

use std::time::Duration;

use super::{Exit, Failed, print, print_json, runtime};
use crate::cli::{CtlArguments, Format, Order};
use crate::control::{Answer, Command, SettingError, ask, setting};
use crate::store::{Store, StoreError};
use crate::terminal::status_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &CtlArguments) -> Result<Exit, Failed> {
    // Before anything is asked of the run: of several settings all or none can be read.
    let commands = commands(&arguments.order)?;
    let found = Store::open(&arguments.out).find(&arguments.run);
    let found = found.map_err(|error| {
        let exit = match error {
            StoreError::Ambiguous { .. } => Exit::Usage,
            _ => Exit::Environment,
        };
        Failed::from_error(exit, &error)
    })?;
    let runtime = runtime()?;
    for (about, command) in commands {
        let answer = runtime.block_on(ask(&found, command, ANSWER_WITHIN));
        let answer = answer.map_err(|error| Failed::new(Exit::Environment, error))?;
        if arguments.format == Format::Json {
            print_json(&answer)?;
        }
        match answer {
            Answer::Status(status) if arguments.format == Format::Human => {
                let text = status_text(&status);
                print(|output| output.write_all(text.as_bytes()))?;
            }
            Answer::Done(done) if arguments.format == Format::Human => {
                print(|output| writeln!(output, "{about}{}", clean(&done)))?;
            }
            Answer::Status(_) | Answer::Done(_) => {}
            Answer::Refused(why) => {
                let refused = format!("{about}refused: {}", clean(&why));
                let failed = Failed::new(Exit::MigrationFailed, refused);
                let run = &arguments.run;
                return Err(failed.hint(format!("`lmbench ctl {run} status` tells how it stands")));
            }
            Answer::Misunderstood(why) => {
                let other = format!("the run does not understand this lmbench: {}", clean(&why));
                let failed = Failed::new(Exit::Environment, other);
                return Err(failed.hint("use the same lmbench that runs it"));
            }
        }
    }
    Ok(Exit::Success)
}

/// What to say to the run, each with what stands before its answer.
fn commands(order: &Order) -> Result<Vec<(String, Command)>, Failed> {
    let one = |command| Ok(vec![(String::new(), command)]);
    match order {
        Order::Status => one(Command::Status),
        Order::Cancel => one(Command::Cancel),
        Order::ForceComplete => one(Command::ForceComplete),
        Order::Pause => one(Command::Pause),
        Order::Resume => one(Command::Resume),
        Order::ResumeNetwork => one(Command::ResumeNetwork),
        Order::Recover => one(Command::Recover),
        Order::Set { settings } => {
            let read = |text: &String| {
                let command = Command::Set(setting(text)?);
                Ok::<_, SettingError>((format!("{}: ", clean(text)), command))
            };
            let read: Result<_, _> = settings.iter().map(read).collect();
            read.map_err(|error| Failed::new(Exit::Usage, error))
        }
    }
}

/// More than a run gives its migration to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
