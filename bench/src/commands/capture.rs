//! `lmbench capture`: a migration stream on its way between two QEMUs, written down.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lmbench_harness::files::{Folder, OWNER_ONLY};
use lmbench_transport::carry::CarryError;
use lmbench_transport::secret;
use lmbench_transport::tee::{Tee, TeeError, TeeEvent, TeeListener, TeeOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::carry::no_limit;
use super::signals::Signals;
use super::{Exit, Failed, peer_user, print, runtime};
use crate::cli::{CaptureArguments, Format};

pub(super) fn main(arguments: &CaptureArguments) -> Result<Exit, Failed> {
    let (listen, to) = (socket(&arguments.listen)?, socket(&arguments.to)?);
    let mut options = TeeOptions {
        peer_uid: peer_user::uid(arguments.peer_user.as_deref())?,
        ..TeeOptions::default()
    };
    if arguments.stay {
        options.linger = None;
    }
    let (format, out) = (arguments.format, arguments.output.clone());
    let events: TeeListener = Arc::new(move |event| tell(&event, format, &out));
    let stop = CancellationToken::new();
    secret::forbid_core_dumps().map_err(|error| no_limit(&error))?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let failed = |error: TeeError| failed(&error, &arguments.output);
        // The socket comes first: nothing is overwritten for a capture that cannot begin.
        let tee = Tee::bind(listen, to, options).map_err(failed)?;
        let file = create(&arguments.output, arguments.force)?;
        // A file that reaches the limit of `ulimit -f` is an error to us, and no reason to end the migration.
        let too_large = signal(SignalKind::from_raw(FILE_TOO_LARGE));
        let stopper = stop.clone();
        tokio::spawn(async move {
            signals.next().await;
            stopper.cancel();
        });
        let result = tee.run(file, events, stop).await;
        drop(too_large);
        result.map_err(failed)
    });
    runtime.shutdown_background();
    result.map(|_| Exit::Success)
}

/// Nobody but its owner can read it from its first moment on. It has its name at once: a capture that breaks off is usable up to there.
fn create(path: &Path, force: bool) -> Result<File, Failed> {
    let file = Folder::of(path).and_then(|(folder, name)| {
        if !force {
            return folder.new_file(name, OWNER_ONLY);
        }
        match folder.special(name)? {
            Some(device) => Ok(device),
            // A new file, so that who has the old one open, or another name of it, gets nothing.
            None => folder.replace(name, OWNER_ONLY)?.finish(),
        }
    });
    file.map_err(|error| {
        let (said, hint) = if error.kind() == io::ErrorKind::AlreadyExists {
            (
                format!("{} exists already", path.display()),
                "choose another file, or overwrite it with --force",
            )
        } else {
            (
                format!("can't make {}: {error}", path.display()),
                "its folder must exist and be writable, and a file that is there be yours",
            )
        };
        Failed::new(Exit::Environment, said).hint(hint)
    })
}

fn socket(text: &str) -> Result<PathBuf, Failed> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| {
        Failed::new(Exit::Usage, format!("'{text}' is no unix socket\nhint: write unix:PATH, since a capture stands between two processes of this host"))
    })
}

fn failed(error: &TeeError, out: &Path) -> Failed {
    let of = |exit, hint: &str| Failed::from_error(exit, error).hint(hint);
    match error {
        TeeError::Listen(CarryError::PathTooLong { .. }) => of(
            Exit::Usage,
            "choose a shorter path, such as one below /run or /tmp",
        ),
        TeeError::Listen(_) => of(
            Exit::Environment,
            "the socket's folder must exist and be writable",
        ),
        TeeError::Write(_) => of(
            Exit::Environment,
            &format!(
                "the migration went on; {} ends where the writing failed, and is usable up to there. Make room, or choose another disk",
                out.display()
            ),
        ),
        TeeError::Channel { .. } => of(
            Exit::MigrationFailed,
            &format!(
                "part of the stream is lost, whatever the QEMUs say; {} is usable up to there",
                out.display()
            ),
        ),
        TeeError::Reach { .. } => of(
            Exit::MigrationFailed,
            "start the destination's QEMU, or the carrier's source half, before the migration",
        ),
    }
}

fn tell(event: &TeeEvent, format: Format, out: &Path) {
    if let TeeEvent::Broke { error } = event {
        // At once and to stderr, whatever reads stdout.
        let _ = writeln!(
            anstream::stderr(),
            "warning: {} is not written any more: {error}; the migration goes on",
            out.display()
        );
    }
    let line = match format {
        Format::Json => serde_json::to_string(event).unwrap_or_default(),
        Format::Human => match words(event) {
            Some(words) => words,
            None => return,
        },
    };
    // Whoever read our lines may have gone; the stream goes on.
    let _ = print(|output| writeln!(output, "{line}"));
}

fn words(event: &TeeEvent) -> Option<String> {
    Some(match event {
        TeeEvent::Listening { path } => {
            format!(
                "capturing; QEMU may migrate to unix:{}. Ctrl-C ends it, and so does the migration's end",
                path.display()
            )
        }
        TeeEvent::ChannelOpen { number } => format!("channel {number} open"),
        TeeEvent::ChannelClosed {
            number,
            to_destination_bytes,
            to_source_bytes,
            error,
        } => {
            let error = error.as_ref().map(|error| format!(": {error}"));
            format!(
                "channel {number} closed, {to_destination_bytes} bytes to the destination, {to_source_bytes} to the source{}",
                error.unwrap_or_default()
            )
        }
        TeeEvent::Refused { reason } => format!("a process of this host was turned away: {reason}"),
        TeeEvent::Broke { .. } => return None,
        TeeEvent::Finished {
            channels,
            to_destination_bytes,
            to_source_bytes,
            file_bytes,
            whole,
        } => {
            let stream = to_destination_bytes + to_source_bytes;
            let ratio = stream as f64 / (*file_bytes).max(1) as f64;
            let captured = if *whole { "captured" } else { "cut off" };
            format!(
                "{captured}: {channels} channels, {to_destination_bytes} bytes to the destination, {to_source_bytes} to the source, {file_bytes} bytes of file, {ratio:.2} bytes of stream in each"
            )
        }
    })
}

/// SIGXFSZ. Caught, the write fails instead.
const FILE_TOO_LARGE: i32 = rustix::process::Signal::XFSZ.as_raw();

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    // Guest memory must not get into a file that others can read, or have open, or have planted.
    #[test]
    fn a_forced_capture_is_a_new_file_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let [victim, out] = ["victim", "out"].map(|name| folder.path().join(name));
        fs::write(&victim, "precious").unwrap();
        for plant in [
            |victim: &Path, out: &Path| symlink(victim, out).unwrap(),
            |victim: &Path, out: &Path| fs::hard_link(victim, out).unwrap(),
        ] {
            plant(&victim, &out);
            assert!(create(&out, false).is_err());
            create(&out, true).unwrap().write_all(b"memory").unwrap();
            assert_eq!(fs::read(&out).unwrap(), b"memory");
            let made = fs::symlink_metadata(&out).unwrap();
            assert_eq!((made.mode() & 0o777, made.nlink()), (0o600, 1));
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
            fs::remove_file(&out).unwrap();
        }
    }
}
