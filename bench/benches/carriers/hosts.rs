//! Two hosts: the harness's lab, with a migration link as fast as the machine.

use std::ffi::OsString;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkSpec, Network, NetworkSpec};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Two namespaces and a veth pair, which the kernel removes when this program has ended, however it does.
pub(crate) struct Hosts {
    lab: Lab,
}

impl Hosts {
    pub(crate) fn make(mtu: u32) -> Result<Self, String> {
        let network = NetworkSpec {
            inbound: Network::Migration,
            migration: LinkSpec {
                mtu: Some(mtu),
                ..LinkSpec::default()
            },
            management: LinkSpec::default(),
            tcp_buffer_bytes: None,
            tcp_congestion_control: None,
        };
        // Something has to live in each namespace, and to end when its standard input does.
        let lab = Lab::create(&[OsString::from("cat")], &network);
        Ok(Self {
            lab: lab.map_err(|error| error.to_string())?,
        })
    }

    /// Runs something on a host, on a thread of its own: threads and processes that it starts are there, too.
    pub(crate) fn on<T: Send>(
        &self,
        role: Role,
        work: impl FnOnce() -> Result<T, String> + Send,
    ) -> Result<T, String> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.lab.agent_pid(role)))
            .map_err(|error| format!("the {role} host is gone: {error}"))?;
        let visit = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| format!("can't enter the {role} host: {error}"))?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(visit).join())
            .map_err(|_| format!("what ran on the {role} host panicked"))?
    }

    /// A host's address on the migration link.
    pub(crate) fn address(&self, role: Role) -> IpAddr {
        self.lab.address(role, Network::Migration)
    }

    /// A path for a unix socket of a host, free and short.
    pub(crate) fn socket(&self, role: Role) -> PathBuf {
        let path = self.lab.directory(role).join("stream");
        remove(&path);
        path
    }

    pub(crate) fn close(self) -> Result<(), String> {
        self.lab.close().map_err(|error| error.to_string())
    }
}

/// What the transfer before may have left; a path that stays is reported by who binds it.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
