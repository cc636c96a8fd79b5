//! The tenant network in the lab: a bridge and a tap for one guest on each host, and a veth pair between the bridges.
//!
//! Made when the first guest wants it; the namespaces take it along when they end, as all wires. It is not shaped: nobody's migration goes
//! over it. The client's address is on the source's bridge, which from the guest's arrival on reaches it through the other host, as any
//! switch port would.

use super::command::Tool;
use super::{Lab, LabError};
use crate::role::Role;
use crate::tenant::{BRIDGE, CLIENT, GUEST, GUEST_HARDWARE, TAP, WIRE, hardware_text};

impl Lab {
    /// Makes the tenant network, or has one that is there forget where the last guest was: a new one that never spoke would get nothing. An
    /// error where there are no TAP devices or the kernel has no bridges.
    pub fn tenant(&mut self) -> Result<(), LabError> {
        if self.tenant {
            return Role::BOTH
                .into_iter()
                .try_for_each(|role| self.run(role, Tool::Ip, &[forget()]));
        }
        crate::link::is_available().map_err(|error| LabError::Unsupported {
            key: "guest.tenant".to_owned(),
            missing: format!(
                "the guest's network card needs a TAP device, and /dev/net/tun cannot be opened: {error}"
            ),
            mend: "load the module tun with `modprobe tun`; in a container pass the device in (`--device /dev/net/tun`); or write `tenant = false`".to_owned(),
        })?;
        let made = self.make_tenant();
        if made.is_err() {
            // Half a segment would be in the way of the next attempt.
            for role in Role::BOTH {
                for device in [WIRE, TAP, BRIDGE] {
                    let _ = self.run(role, Tool::Ip, &[format!("link delete dev {device}")]);
                }
            }
        }
        self.tenant = made.is_ok();
        made
    }

    fn make_tenant(&mut self) -> Result<(), LabError> {
        let destination = self.pid(Role::Destination);
        let wire = format!("link add {WIRE} type veth peer name {WIRE} netns {destination}");
        self.run(Role::Source, Tool::Ip, &[wire])?;
        for role in Role::BOTH {
            self.run(role, Tool::Ip, &segment(role))?;
        }
        Ok(())
    }
}

/// What makes one host's end. Ports forward at once, and nothing but the guest and its client speaks.
fn segment(role: Role) -> Vec<String> {
    let mut commands = vec![
        format!(
            "link add {BRIDGE} address {} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            hardware_text(bridge_hardware(role))
        ),
        format!("tuntap add dev {TAP} mode tap"),
    ];
    commands.extend([WIRE, TAP].map(|port| format!("link set dev {port} master {BRIDGE}")));
    let quiet = [WIRE, TAP, BRIDGE];
    commands.extend(quiet.map(|device| format!("link set dev {device} addrgenmode none")));
    commands.extend([WIRE, TAP, BRIDGE].map(|device| format!("link set dev {device} up")));
    if role == Role::Source {
        commands.push(format!("address add {CLIENT}/24 dev {BRIDGE}"));
        // Known for ever: a question that is asked while the guest stands still would be answered a second later.
        commands.push(format!(
            "neighbour replace {GUEST} lladdr {} dev {BRIDGE} nud permanent",
            hardware_text(GUEST_HARDWARE)
        ));
    }
    commands
}

/// Both bridges learn anew from the first frame on.
fn forget() -> String {
    format!("link set dev {BRIDGE} type bridge fdb_flush")
}

/// Locally administered, and the same in every lab.
fn bridge_hardware(role: Role) -> [u8; 6] {
    let host = match role {
        Role::Source => 1,
        Role::Destination => 2,
    };
    [0x02, 0x6c, 0x6d, 0x00, 0x02, host]
}
