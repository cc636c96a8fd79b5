//! A virtio-serial port, found by its name.
//!
//! The kernel announces ports at any time after the driver is there, and there is no udev here to make links, so the names in sysfs are polled.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// An open port. Reading and writing go through `&self`, because different threads do them.
#[derive(Debug)]
pub(crate) struct Port(File);

/// Waits for the port to appear and opens it.
pub(crate) fn find(name: &str) -> Port {
    let mut attempts = 0_u32;
    loop {
        let opened = device(name).map(|path| OpenOptions::new().read(true).write(true).open(path));
        if let Some(Ok(file)) = opened {
            return Port(file);
        }
        attempts = attempts.saturating_add(1);
        if attempts == ATTEMPTS_BEFORE_COMPLAINT {
            eprintln!("lmbench-guest: still waiting for the virtio-serial port {name}: {opened:?}");
        }
        sleep(POLL);
    }
}

impl Port {
    /// Sends one message by one `write`, which virtio-console puts into one buffer: a migration never cuts it. When no host is
    /// connected QEMU drops it, which is as it should be.
    pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
        (&self.0).write_all(message)
    }

    /// Reads what has come; waits while nothing has. `None` stands for a host that is not connected.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let count = (&self.0).read(buffer)?;
        if count == 0 {
            // The driver returns at once without a host and offers nothing to wait on but a signal.
            sleep(POLL);
            return Ok(None);
        }
        Ok(Some(count))
    }
}

fn device(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let port = ports.flatten().find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|found| found.trim() == name)
    })?;
    Some(Path::new("/dev").join(port.file_name()))
}

const POLL: Duration = Duration::from_millis(2);
/// About ten seconds.
const ATTEMPTS_BEFORE_COMPLAINT: u32 = 5000;
