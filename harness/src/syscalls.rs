//! System calls of processes: the kernel's trace point `raw_syscalls:sys_enter`, counted by `perf_event_open(2)`.
//!
//! Threads and children that begin later are counted with whoever began them, and keep their counts when they end. The trace
//! point lengthens every call of every process of the host while it is counted, so it is on only when it is asked for. It needs root
//! (or `CAP_PERFMON`), and tracefs to be mounted, where the trace point's number stands.
#![expect(
    unsafe_code,
    reason = "no safe crate opens a perf event of another process"
)]

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::FromRawFd as _;

/// Counts while it lives.
#[derive(Debug)]
pub struct Counter(Vec<File>);

impl Counter {
    /// Begins to count the calls of the processes. An error says what is missing and what mends it.
    pub fn begin(pids: &[u32]) -> Result<Self, String> {
        let id = trace_point(&TRACEFS)?;
        let mut events = Vec::new();
        for pid in pids {
            for tid in threads(*pid) {
                match open(id, tid) {
                    Ok(event) => events.push(event),
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    Err(error) => {
                        return Err(format!(
                            "perf_event_open is refused ({error}): run as root, or lower kernel.perf_event_paranoid to -1"
                        ));
                    }
                }
            }
        }
        Ok(Counter(events))
    }

    /// Calls since the beginning; `None` if a count can't be read.
    pub fn read(&self) -> Option<u64> {
        let mut sum = 0;
        for event in &self.0 {
            let mut count = [0; 8];
            let mut event = event;
            event.read_exact(&mut count).ok()?;
            sum += u64::from_ne_bytes(count);
        }
        Some(sum)
    }
}

fn trace_point(places: &[&str]) -> Result<u64, String> {
    let text = places
        .iter()
        .find_map(|place| std::fs::read_to_string(format!("{place}/{TRACE_POINT}/id")).ok());
    let text = text.ok_or_else(|| {
        format!(
            "{}/{TRACE_POINT}/id can't be read: mount -t tracefs tracefs {}, as root",
            places[0], places[0]
        )
    })?;
    let number = text.trim().parse();
    number.map_err(|_| format!("{TRACE_POINT}/id holds no number"))
}

fn threads(pid: u32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

fn open(trace_point: u64, tid: i32) -> io::Result<File> {
    // `struct perf_event_attr` in its first version: type and size, config, period, sample type, read format, flags, and the rest.
    let mut attributes = [0_u64; 8];
    attributes[0] = TYPE_TRACE_POINT | (size_of_val(&attributes) as u64) << 32;
    attributes[1] = trace_point;
    attributes[5] = FLAG_INHERIT;
    // SAFETY: the kernel reads the attributes, whose size stands in them, and returns a descriptor that nobody else has.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            tid,
            -1,
            -1,
            FLAG_CLOSE_ON_EXEC,
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: as above.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { File::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const TRACE_POINT: &str = "events/raw_syscalls/sys_enter";
const TYPE_TRACE_POINT: u64 = 2;
const FLAG_INHERIT: u64 = 1 << 1;
const FLAG_CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_shows_no_trace_points_is_told_with_its_mend() {
        let error = trace_point(&["/nonexistent"]).unwrap_err();
        assert!(
            error.contains("mount -t tracefs tracefs /nonexistent"),
            "{error}"
        );
    }

    // Where the machine allows it: a child that copies 20 lines makes a read and a write for each, at least.
    #[test]
    fn calls_are_counted_where_the_kernel_lets() {
        use std::io::{BufRead as _, Write as _};
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = io::BufReader::new(child.stdout.take().unwrap()).lines();
        let counter = Counter::begin(&[child.id()]);
        for _ in 0..20 {
            input.write_all(b"x\n").unwrap();
            lines.next().unwrap().unwrap();
        }
        match counter {
            Ok(counter) => assert!((39..=1000).contains(&counter.read().unwrap())),
            Err(reason) => assert!(reason.contains("root"), "{reason}"),
        }
        drop(input);
        child.wait().unwrap();
    }
}
