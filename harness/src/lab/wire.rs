//! What joins the two hosts in one network: a veth pair, or a user-space link. Chooses, makes and shapes it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::command::{self, Tool};
use super::error::LabError;
use super::link_process::LinkProcess;
use super::process::Deadline;
use super::statistics::dropped_packets;
use super::{Lab, address, address_v6, interface, link, link_process, number, record_process};
use crate::link::{Command, Report};
use crate::role::Role;
use crate::spec::{LinkMethod, LinkSpec, Network};

/// A link that has been made.
#[derive(Debug)]
pub(super) enum Wire {
    /// It lives as long as both namespaces.
    Veth,
    /// It lives as long as its process.
    Process(Box<LinkProcess>),
}

impl Wire {
    pub(super) fn lives(&mut self) -> bool {
        match self {
            Wire::Veth => true,
            Wire::Process(process) => process.status().is_none(),
        }
    }
}

impl Lab {
    /// What moves a network's packets now: [`LinkMethod::Kernel`] or [`LinkMethod::UserSpace`]. `None` between two.
    pub fn method(&self, network: Network) -> Option<LinkMethod> {
        self.wires.get(&network).map(|wire| match wire {
            Wire::Veth => LinkMethod::Kernel,
            Wire::Process(_) => LinkMethod::UserSpace,
        })
    }

    /// What would move the packets of such a link here, or why nothing can.
    pub fn method_for(
        &mut self,
        network: Network,
        link: &LinkSpec,
    ) -> Result<LinkMethod, LabError> {
        let needs_netem = link::netem_key(network, link);
        let counts_bytes = link::counts_bytes(link);
        match (link.method, needs_netem) {
            (LinkMethod::UserSpace, _) => {
                let key = link::key(network, "method");
                self.require_user_space(&key, link)?;
                Ok(LinkMethod::UserSpace)
            }
            (LinkMethod::Auto, _) if counts_bytes => {
                self.require_user_space(&link::key(network, "cut-at"), link)?;
                Ok(LinkMethod::UserSpace)
            }
            (LinkMethod::Kernel, _) if counts_bytes => Err(LabError::Unsupported {
                key: link::key(network, "cut-at"),
                missing: "the kernel's links do not count up to a byte".to_owned(),
                mend: "write a time or a stage of the migration, or `method = \"auto\"` for lmbench's own link".to_owned(),
            }),
            (_, None) => Ok(LinkMethod::Kernel),
            (_, Some(_)) if self.has_netem()? => Ok(LinkMethod::Kernel),
            (LinkMethod::Kernel, Some(key)) => Err(LabError::Unsupported {
                key,
                missing: NO_NETEM.to_owned(),
                mend: "load it with `modprobe sch_netem`, use a kernel that has it, or write `method = \"auto\"` for lmbench's own link"
                    .to_owned(),
            }),
            (LinkMethod::Auto, Some(key)) => {
                self.require_user_space(&key, link)?;
                Ok(LinkMethod::UserSpace)
            }
        }
    }

    /// Drops what enters a network's link toward a host, or both ways, until [`Lab::restore`].
    pub fn cut(&mut self, network: Network, toward: Option<Role>) -> Result<(), LabError> {
        if self.method(network) == Some(LinkMethod::UserSpace) {
            return self.cut_after(network, toward, 0, None);
        }
        self.cut.insert(network);
        let cut = [link::cut_command(interface(network))];
        Role::BOTH
            .into_iter()
            .filter(|role| toward.is_none_or(|toward| toward == peer(*role)))
            .try_for_each(|role| self.run(role, Tool::Tc, &cut))
    }

    /// As [`Lab::cut`], after so many bytes and for a time if one is given. An error if the kernel makes that link.
    pub fn cut_after(
        &mut self,
        network: Network,
        toward: Option<Role>,
        after_bytes: u64,
        down: Option<Duration>,
    ) -> Result<(), LabError> {
        let cut = Command::Cut {
            toward,
            after_bytes,
            down_ms: down.map(|down| u64::try_from(down.as_millis()).unwrap_or(u64::MAX)),
        };
        self.command_link(network, &cut)?;
        self.cut.insert(network);
        Ok(())
    }

    /// Makes whole whatever was cut; returns what that was.
    pub fn restore_all(&mut self) -> Result<Vec<Network>, LabError> {
        let cut: Vec<Network> = self.cut.iter().copied().collect();
        cut.iter().try_for_each(|network| self.restore(*network))?;
        Ok(cut)
    }

    /// Makes a network's link whole again after [`Lab::cut`].
    pub fn restore(&mut self, network: Network) -> Result<(), LabError> {
        self.cut.remove(&network);
        // A link whose process is gone is made anew by the next `configure`.
        if !self.wires.get_mut(&network).is_some_and(Wire::lives) {
            return Ok(());
        }
        if self.method(network) == Some(LinkMethod::UserSpace) {
            return self.command_link(network, &Command::Restore {});
        }
        let Some(link) = self.applied.get(&network).cloned() else {
            return Ok(());
        };
        let shaping = link::shaping_commands(interface(network), &link);
        Role::BOTH
            .into_iter()
            .try_for_each(|role| self.run(role, Tool::Tc, &shaping))
    }

    /// Has a network's user-space link do something. An error if the kernel makes that link.
    pub fn command_link(&mut self, network: Network, command: &Command) -> Result<(), LabError> {
        match self.wires.get_mut(&network) {
            Some(Wire::Process(process)) => process.tell(command),
            _ => Err(LabError::Unsupported {
                key: link::key(network, "method"),
                missing: "the kernel moves this link's packets, and takes no such commands"
                    .to_owned(),
                mend: "write `method = \"user-space\"`".to_owned(),
            }),
        }
    }

    /// What the user-space links have done since they were made or last asked.
    pub fn link_reports(&mut self) -> Result<BTreeMap<Network, Report>, LabError> {
        let pids = Role::BOTH.map(|role| (role, self.pid(role)));
        let mut reports = BTreeMap::new();
        for (network, wire) in &mut self.wires {
            let Wire::Process(process) = wire else {
                continue;
            };
            let mut report = process.report()?;
            for (role, pid) in pids {
                let dropped = dropped_packets(pid, interface(*network));
                if let Some(report) = report.toward.get_mut(&peer(role)) {
                    report.device_dropped_packets = process.dropped_since(role, dropped);
                }
            }
            reports.insert(*network, report);
        }
        Ok(reports)
    }

    /// The pid of a network's user-space link.
    pub fn link_pid(&self, network: Network) -> Option<u32> {
        match self.wires.get(&network)? {
            Wire::Process(process) => Some(process.pid()),
            Wire::Veth => None,
        }
    }

    pub(super) fn raise_loopback(&mut self) -> Result<(), LabError> {
        let commands = ["link set dev lo up".to_owned()];
        Role::BOTH
            .into_iter()
            .try_for_each(|role| self.run(role, Tool::Ip, &commands))
    }

    /// Makes a network's interfaces and their addresses, after removing those that are there.
    pub(super) fn join(&mut self, network: Network, method: LinkMethod) -> Result<(), LabError> {
        self.part(network)?;
        let joined = if method == LinkMethod::UserSpace {
            self.join_user_space(network)
        } else {
            self.join_veth(network)
        };
        let addressed = joined.and_then(|()| {
            Role::BOTH
                .into_iter()
                .try_for_each(|role| self.give_addresses(role, network))
        });
        if addressed.is_err() {
            // Half a link would look like a whole one to the next attempt; why it failed matters more than why it stays.
            let _ = self.part(network);
        }
        addressed
    }

    /// Brings settings to a network's link.
    pub(super) fn shape(&mut self, network: Network, link: &LinkSpec) -> Result<(), LabError> {
        let name = interface(network);
        let kernel = self.method(network) != Some(LinkMethod::UserSpace);
        if !kernel {
            let set = Command::Set(Box::new(link.clone()));
            self.command_link(network, &set)?;
            let text = serde_json::to_string(&set).unwrap_or_default();
            self.commands
                .push(format!("# to the link of {name}: {text}"));
        }
        for role in Role::BOTH {
            if kernel {
                self.run(role, Tool::Ip, &link::interface_commands(name, link))?;
                self.run(role, Tool::Tc, &link::shaping_commands(name, link))?;
            } else {
                self.run(role, Tool::Ip, &link::tap_commands(name, link))?;
            }
        }
        Ok(())
    }

    fn part(&mut self, network: Network) -> Result<(), LabError> {
        match self.wires.remove(&network) {
            None => Ok(()),
            Some(Wire::Veth) => {
                let name = interface(network);
                self.run(Role::Source, Tool::Ip, &[format!("link delete dev {name}")])
            }
            Some(Wire::Process(mut process)) => {
                process.end(Deadline::after(link_process::END_LIMIT));
                Ok(())
            }
        }
    }

    fn join_veth(&mut self, network: Network) -> Result<(), LabError> {
        let (name, destination) = (interface(network), self.pid(Role::Destination));
        let add = format!("link add {name} type veth peer name {name} netns {destination}");
        self.run(Role::Source, Tool::Ip, &[add])?;
        self.wires.insert(network, Wire::Veth);
        Ok(())
    }

    fn join_user_space(&mut self, network: Network) -> Result<(), LabError> {
        // Two networks lose different frames.
        let seed = self.seed ^ (u64::from(number(network)) << 48);
        let process = LinkProcess::start(&self.link, &self.directory.path, seed)?;
        let link = process.pid();
        record_process(&self.directory.path, link)?;
        let name = interface(network);
        self.commands
            .push(format!("{} &  # {name}, pid {link}", process.command));
        self.wires.insert(network, Wire::Process(Box::new(process)));
        let moves = Role::BOTH
            .map(|role| format!("link set dev {role} netns {} name {name}", self.pid(role)));
        command::run(link, Tool::Ip, &moves, &mut self.commands)
    }

    fn give_addresses(&mut self, role: Role, network: Network) -> Result<(), LabError> {
        let name = interface(network);
        let mut commands = vec![
            format!("address add {}/24 dev {name}", address(role, network)),
            // Without duplicate address detection, during which the address cannot be used for a second.
            format!(
                "address add {}/64 dev {name} nodad",
                address_v6(role, network)
            ),
        ];
        if self.method(network) == Some(LinkMethod::UserSpace) {
            commands.push(format!(
                "link set dev {name} address {}",
                hardware_address(role, network)
            ));
            let peer = peer(role);
            let neighbours = [address(peer, network), address_v6(peer, network)];
            commands.push(format!("link set dev {name} up"));
            // Known for ever: a real link's ends find their router without crossing it, and a lost question costs a second.
            commands.extend(neighbours.map(|neighbour| {
                format!(
                    "neighbour replace {neighbour} lladdr {} dev {name} nud permanent",
                    hardware_address(peer, network)
                )
            }));
        }
        self.run(role, Tool::Ip, &commands)
    }

    fn require_user_space(&self, key: &str, link: &LinkSpec) -> Result<(), LabError> {
        let unsupported = |missing: String, mend: &str| {
            Err(LabError::Unsupported {
                key: key.to_owned(),
                missing,
                mend: mend.to_owned(),
            })
        };
        if self.link.is_empty() {
            return unsupported(
                format!("{NO_NETEM}, and there is no program for a user-space link"),
                "load netem with `modprobe sch_netem`, or name the program in `LabOptions::link`",
            );
        }
        if let Err(error) = crate::link::is_available() {
            return unsupported(
                format!(
                    "lmbench's own link needs TAP devices, and /dev/net/tun cannot be opened: {error}"
                ),
                "load the module tun with `modprobe tun`; in a container pass the device in (`--device /dev/net/tun`); or load netem with `modprobe sch_netem`",
            );
        }
        if link.mtu.is_some_and(|mtu| mtu > crate::link::MTU_MAX) {
            return Err(LabError::Setting {
                key: key.replace(".method", ".mtu"),
                why: format!("a user-space link takes at most {}", crate::link::MTU_MAX),
            });
        }
        Ok(())
    }

    fn has_netem(&mut self) -> Result<bool, LabError> {
        match self.netem {
            Some(available) => Ok(available),
            None => Ok(*self.netem.insert(probe_netem(self.pid(Role::Source))?)),
        }
    }
}

/// Whether the kernel has netem, tried on the loopback device of a namespace of ours.
fn probe_netem(pid: u32) -> Result<bool, LabError> {
    let refused = command::batch(
        pid,
        Tool::Tc,
        &["qdisc replace dev lo root netem delay 1ms".to_owned()],
    )?;
    if refused.is_none() {
        let _ = command::batch(pid, Tool::Tc, &["qdisc del dev lo root".to_owned()])?;
    }
    Ok(refused.is_none())
}

fn peer(role: Role) -> Role {
    match role {
        Role::Source => Role::Destination,
        Role::Destination => Role::Source,
    }
}

/// Locally administered, and the same in every lab.
fn hardware_address(role: Role, network: Network) -> String {
    let host = match role {
        Role::Source => 1,
        Role::Destination => 2,
    };
    format!("02:6c:6d:00:{:02x}:{host:02x}", number(network))
}

const NO_NETEM: &str = "this kernel has no netem (sch_netem), which delays and drops packets";
