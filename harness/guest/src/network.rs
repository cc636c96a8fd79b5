//! The guest's address on the tenant network; its kernel does the answering.
//!
//! One card, one address, set by two messages to the kernel (`rtnetlink(7)`). No routes: its clients are on its segment.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// Kernel parameter that the host gives a guest with a card; a parameter that the kernel doesn't know becomes PID 1's environment.
const PARAMETER: &str = "LMBENCH_TENANT";

/// Takes the address that the kernel's command line names, if it names one. An error says what failed.
pub(crate) fn configure() -> Result<(), String> {
    let Ok(address) = std::env::var(PARAMETER) else {
        return Ok(());
    };
    let address: Ipv4Addr = address
        .parse()
        .map_err(|_| format!("{PARAMETER}={address} is no address"))?;
    let card = card().ok_or("there is no network card, or no driver for it")?;
    // Nothing but the answers to the client should leave the guest.
    let quiet = format!("/proc/sys/net/ipv6/conf/{card}/disable_ipv6");
    let _ = fs::write(quiet, "1");
    let index = fs::read_to_string(format!("{CARDS}/{card}/ifindex"));
    let index = index.ok().and_then(|text| text.trim().parse::<u32>().ok());
    let index = index.ok_or_else(|| format!("{card} has no number"))?;
    for message in [new_address(index, address), up(index)] {
        tell(&message).map_err(|error| format!("configuring {card} failed: {error}"))?;
    }
    Ok(())
}

/// The first card that is not the loopback device.
fn card() -> Option<String> {
    let cards = fs::read_dir(CARDS).ok()?.flatten();
    let mut names = cards.filter_map(|card| card.file_name().into_string().ok());
    names.find(|name| name != "lo")
}

/// Sends one request and waits for the kernel's word on it.
fn tell(message: &[u8]) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    // No protocol is the one for addresses and interfaces.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    send(&socket, message, SendFlags::empty())?;
    let mut answer = [0; ANSWER_BYTES];
    let (_, length) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // `struct nlmsgerr` behind the header: the negative error number, 0 for done.
    let number = answer[..length].get(HEADER_BYTES..HEADER_BYTES + 4);
    let number = number.map_or(0, |bytes| {
        i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    });
    if number == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(-number))
    }
}

/// `RTM_NEWADDR` with `struct ifaddrmsg`, the local address and the address.
fn new_address(index: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![FAMILY_V4, PREFIX_BITS, 0, 0];
    body.extend(index.to_ne_bytes());
    for attribute in [ATTRIBUTE_LOCAL, ATTRIBUTE_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(address.octets());
    }
    request(NEW_ADDRESS, FLAG_CREATE, &body)
}

/// `RTM_NEWLINK` with `struct ifinfomsg`: sets the flag that brings it up, and changes no other.
fn up(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(INTERFACE_UP.to_ne_bytes());
    body.extend(INTERFACE_UP.to_ne_bytes());
    request(NEW_LINK, 0, &body)
}

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((FLAG_REQUEST | FLAG_ACKNOWLEDGE | flags).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

const CARDS: &str = "/sys/class/net";
const HEADER_BYTES: usize = 16;
const ANSWER_BYTES: usize = 4096;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const FLAG_REQUEST: u16 = 1;
const FLAG_ACKNOWLEDGE: u16 = 4;
const FLAG_CREATE: u16 = 0x400;
const FAMILY_V4: u8 = 2;
const PREFIX_BITS: u8 = 24;
const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;
const INTERFACE_UP: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    // Lengths as the kernel counts them; a wrong one would be refused by every guest.
    #[test]
    fn messages_state_their_length() {
        let address = new_address(7, [198, 18, 2, 100].into());
        assert_eq!((address.len(), address[0]), (40, 40));
        assert_eq!(address[24..28], [8, 0, 2, 0]);
        assert_eq!(address[28..32], [198, 18, 2, 100]);
        let up = up(7);
        assert_eq!((up.len(), up[0]), (32, 32));
        assert_eq!(up[20], 7);
    }
}
