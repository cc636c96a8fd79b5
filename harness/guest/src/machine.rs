//! What a PID 1 does before its work: mounts the kernel's file systems, loads the modules that the initramfs carries, reads
//! what the host wants to know of the machine.

use std::fs::{self, File};
use std::path::Path;

use lmbench_guest::wire::{FromGuest, VERSION};
use rustix::mount::{MountFlags, mount};
use rustix::system::{finit_module, uname};

/// Mounts and loads; the answer says what failed. None of it stops the guest: what matters will show.
pub(crate) fn prepare() -> Vec<String> {
    let mut problems = Vec::new();
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        if let Err(error) = fs::create_dir_all(target)
            .and_then(|()| Ok(mount(kind, target, kind, MountFlags::empty(), None)?))
        {
            problems.push(format!("mounting {kind} on {target} failed: {error}"));
        }
    }
    // Without modules to load there is no such file.
    for name in fs::read_to_string(MODULES_ORDER)
        .unwrap_or_default()
        .lines()
    {
        let path = Path::new(MODULES).join(name);
        if let Err(error) = File::open(&path).and_then(|file| Ok(finit_module(file, c"", 0)?)) {
            problems.push(format!("loading {} failed: {error}", path.display()));
        }
    }
    problems
}

/// What the guest says of itself.
pub(crate) fn hello() -> FromGuest {
    FromGuest::Hello {
        version: VERSION,
        vcpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        memory_available_bytes: memory_available_bytes(),
        kernel: uname().release().to_string_lossy().into_owned(),
        clocksource: fs::read_to_string(CLOCKSOURCE)
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

/// `MemAvailable`; 0 if the kernel doesn't say.
pub(crate) fn memory_available_bytes() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

const MODULES: &str = "/modules";
const MODULES_ORDER: &str = "/modules/order";
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
