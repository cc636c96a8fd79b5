//! Whether vCPU threads have been given the CPU: `/proc/PID/task/TID/schedstat`, which a kernel with `CONFIG_SCHED_INFO` has.
//!
//! A running thread's CPU time is as of its last scheduler tick; how often it was given a CPU is exact at once, so that is read.

/// How often the threads that execute a QEMU's guest were given a CPU since they began; `None` without threads or counts.
pub fn turns(qemu: u32) -> Option<u64> {
    let mut sum = None;
    for thread in crate::cpu::of_threads(qemu) {
        if thread.name.starts_with(VCPU_NAME) {
            let path = format!("/proc/{qemu}/task/{}/schedstat", thread.tid);
            let text = std::fs::read_to_string(path).ok()?;
            *sum.get_or_insert(0) += parse(&text)?;
        }
    }
    sum
}

/// The third number; kernels that don't count say 0 for all.
fn parse(text: &str) -> Option<u64> {
    let turns = text.split_ascii_whitespace().nth(2)?.parse().ok()?;
    (turns > 0).then_some(turns)
}

/// QEMU names them `CPU 0/KVM` and `CPU 0/TCG`.
const VCPU_NAME: &str = "CPU ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_the_third_number() {
        assert_eq!(parse("123 456 7\n"), Some(7));
        assert_eq!(parse("0 0 0\n"), None);
        assert_eq!(parse("1 2"), None);
        // This process has no vCPUs.
        assert_eq!(turns(std::process::id()), None);
    }
}
