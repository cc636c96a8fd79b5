//! What stands at the local end of a half: a QEMU behind a socket, or a capture in its place.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lmbench_transport::capture::{LoadError, Recording};
use lmbench_transport::carry::{self, Local, Replay};

use super::super::{Exit, Failed};
use crate::cli::Pace;

/// `--from`, or `--replay` and `--pace`.
pub(super) fn source(
    from: Option<&str>,
    replay: Option<&Path>,
    pace: Pace,
) -> Result<Local, Failed> {
    let Some(file) = replay else {
        let text = from.unwrap_or_default();
        return qemu(text).ok_or_else(|| {
            wrong(
                text,
                "write unix:PATH, or fd:PATH to hand connected sockets over",
            )
        });
    };
    let pace = match pace {
        Pace::Full => carry::Pace::Full,
        Pace::Original => carry::Pace::Original,
    };
    Ok(Local::Replay(Replay {
        recording: load(file)?,
        pace,
    }))
}

/// `--to`.
pub(super) fn sink(to: &str) -> Result<Local, Failed> {
    if to == "discard:" {
        return Ok(Local::Discard);
    }
    match to.strip_prefix("verify:") {
        Some(file) if !file.is_empty() => load(Path::new(file)).map(Local::Verify),
        _ => qemu(to).ok_or_else(|| {
            wrong(to, "write unix:PATH, or fd:PATH to hand connected sockets over; without a QEMU discard: or verify:FILE")
        }),
    }
}

fn qemu(text: &str) -> Option<Local> {
    let (kind, path) = text.split_once(':').filter(|(_, path)| !path.is_empty())?;
    match kind {
        "unix" => Some(Local::Unix(PathBuf::from(path))),
        "fd" => Some(Local::Fd(PathBuf::from(path))),
        _ => None,
    }
}

fn wrong(text: &str, hint: &str) -> Failed {
    Failed::new(Exit::Usage, format!("'{text}' is no local end")).hint(hint)
}

/// A capture that was cut off is played as far as it goes, and its owner is told.
fn load(path: &Path) -> Result<Arc<Recording>, Failed> {
    let recording = Recording::load(path).map_err(|error| match error {
        LoadError::Open { .. } => Failed::from_error(Exit::Usage, &error)
            .hint("name a file that `lmbench capture -o` made"),
        LoadError::Read { .. } => Failed::from_error(Exit::Usage, &error)
            .hint("capture it again, with this version of lmbench"),
        LoadError::Empty { .. } => {
            Failed::from_error(Exit::Usage, &error).hint("start the capture before the migration")
        }
        LoadError::TooLarge { .. } => Failed::from_error(Exit::Environment, &error)
            .hint("capture a smaller guest, or play it on a host with more memory"),
    })?;
    if !recording.is_whole() {
        let totals = recording.totals();
        let _ = writeln!(
            anstream::stderr(),
            "warning: {} is cut off; what is there is used, {} bytes to the destination and {} to the source",
            path.display(),
            totals.to_destination_bytes,
            totals.to_source_bytes
        );
    }
    Ok(Arc::new(recording))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_ends_are_read() {
        let from = |text| source(Some(text), None, Pace::Full);
        for local in [from, sink] {
            assert_eq!(
                local("unix:/run/a:b").unwrap(),
                Local::Unix("/run/a:b".into())
            );
            assert_eq!(local("fd:x").unwrap(), Local::Fd("x".into()));
            for wrong in ["unix:", "tcp:x", "/run/a", "", "verify:", "discard:x"] {
                assert_eq!(local(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
            }
        }
        assert_eq!(sink("discard:").unwrap(), Local::Discard);
        assert!(from("discard:").is_err());
    }
}
