//! A TAP device with offloads: GSO packets of 64 KiB cross in one read, checksums are left to whoever needs them.
#![expect(
    unsafe_code,
    reason = "rustix has no wrappers for the ioctls of /dev/net/tun"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, Updater, ioctl, opcode};

/// Makes the device in this network namespace. Reads and writes of the descriptor do not block; the device vanishes with it.
pub(super) fn open(name: &str) -> io::Result<OwnedFd> {
    let file = device()?;
    let mut request = Request {
        name: [0; 16],
        flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
        padding: [0; 22],
    };
    // The last byte stays zero.
    for (place, byte) in request.name[..15].iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, of which `Request` has the size and the layout of the part that is used.
    unsafe { ioctl(&file, Updater::<TUNSETIFF, Request>::new(&mut request)) }?;
    // Segmentation of UDP needs Linux 6.2; without it UDP crosses frame by frame.
    match offload(&file, OFFLOADS | OFFLOAD_UDP) {
        Err(Errno::INVAL) => offload(&file, OFFLOADS)?,
        other => other?,
    }
    Ok(file.into())
}

/// Whether this process may use TAP devices at all, as far as can be told without making one.
pub fn is_available() -> io::Result<()> {
    device().map(drop)
}

fn device() -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed())
        .open("/dev/net/tun")
}

fn offload(file: &File, offloads: usize) -> Result<(), Errno> {
    // SAFETY: TUNSETOFFLOAD takes an integer, and refuses bits that it does not know.
    unsafe { ioctl(file, IntegerSetter::<TUNSETOFFLOAD>::new_usize(offloads)) }
}

/// `struct ifreq` as far as TUNSETIFF uses it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    padding: [u8; 22],
}

const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const IFF_TAP: i16 = 0x0002;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;
/// `TUN_F_CSUM`, `TUN_F_TSO4`, `TUN_F_TSO6`, `TUN_F_TSO_ECN`.
const OFFLOADS: usize = 0x01 | 0x02 | 0x04 | 0x08;
/// `TUN_F_USO4`, `TUN_F_USO6`.
const OFFLOAD_UDP: usize = 0x20 | 0x40;
