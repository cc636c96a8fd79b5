//! What each host's kernel does with TCP, which each namespace has for itself: how much a connection may keep (`net.ipv4.tcp_wmem` and
//! `tcp_rmem`), and its congestion control.

use super::Lab;
use super::command;
use super::error::LabError;
use crate::role::Role;
use crate::spec::NetworkSpec;

/// What a network asks of its hosts' TCP; `None` is as this machine has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// The most that a connection may keep in each direction.
    buffer: Option<u64>,
    congestion_control: Option<String>,
}

impl Settings {
    pub(super) fn of(network: &NetworkSpec) -> Self {
        Settings {
            buffer: network.tcp_buffer_bytes,
            congestion_control: network.tcp_congestion_control.clone(),
        }
    }

    /// An error for a congestion control that a namespace may not choose here.
    pub(super) fn check(&self) -> Result<(), LabError> {
        let Some(wanted) = &self.congestion_control else {
            return Ok(());
        };
        let allowed = read("tcp_allowed_congestion_control").unwrap_or_default();
        if allowed.split_ascii_whitespace().any(|name| name == wanted) {
            return Ok(());
        }
        Err(LabError::Unsupported {
            key: "network.tcp-congestion-control".to_owned(),
            missing: format!("this kernel lets a namespace choose {allowed}, not `{wanted}`"),
            mend: "as root load the module `tcp_NAME` and add NAME to net.ipv4.tcp_allowed_congestion_control, or choose another".to_owned(),
        })
    }

    fn script(&self) -> String {
        let buffers = BUFFERS
            .into_iter()
            .filter_map(|key| Some(buffer(key, limits(key)?, self.buffer)));
        let own = || read("tcp_congestion_control");
        let control = self.congestion_control.clone().or_else(own);
        let control = control.map(|name| write("tcp_congestion_control", &name));
        buffers.chain(control).collect::<Vec<_>>().join(" && ")
    }
}

impl Lab {
    pub(super) fn set_tcp(&mut self, wanted: &Settings) -> Result<(), LabError> {
        if self.tcp == *wanted {
            return Ok(());
        }
        let script = wanted.script();
        for role in Role::BOTH {
            command::shell(self.pid(role), &script, &mut self.commands)?;
        }
        self.tcp = wanted.clone();
        Ok(())
    }
}

/// Of this process's own network. `None` on a kernel that has no such setting.
fn read(key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{key}")).ok()?;
    Some(text.trim().to_owned())
}

/// Least, initial and most.
fn limits(key: &str) -> Option<[u64; 3]> {
    let text = read(key)?;
    let mut values = text
        .split_ascii_whitespace()
        .map(|value| value.parse().ok());
    Some([values.next()??, values.next()??, values.next()??])
}

fn buffer(key: &str, [least, initial, most]: [u64; 3], bytes: Option<u64>) -> String {
    let most = bytes.unwrap_or(most).max(initial);
    write(key, &format!("{least} {initial} {most}"))
}

fn write(key: &str, value: &str) -> String {
    format!("echo {value} > /proc/sys/net/ipv4/{key}")
}

const BUFFERS: [&str; 2] = ["tcp_wmem", "tcp_rmem"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_most_changes_and_never_below_what_a_connection_begins_with() {
        let limits = [4096, 16_384, 4 << 20];
        let written = |bytes| buffer("tcp_wmem", limits, bytes);
        assert_eq!(
            written(Some(16 << 20)),
            "echo 4096 16384 16777216 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert_eq!(
            written(None),
            "echo 4096 16384 4194304 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert_eq!(
            written(Some(1)),
            "echo 4096 16384 16384 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert!(super::limits("tcp_wmem").is_some());
    }

    #[test]
    fn a_congestion_control_that_the_kernel_does_not_offer_is_refused() {
        let settings = |name: &str| Settings {
            congestion_control: Some(name.to_owned()),
            ..Settings::default()
        };
        // It becomes a part of a shell's command, and only what the kernel lists does.
        for name in ["vegetarian", "reno; id", ""] {
            let refused = settings(name).check().unwrap_err().to_string();
            assert!(refused.starts_with("network.tcp-congestion-control: this kernel"));
        }
        settings("reno").check().unwrap();
        assert!(
            settings("reno")
                .script()
                .ends_with("echo reno > /proc/sys/net/ipv4/tcp_congestion_control")
        );
    }
}
