//! Guests that lmbench knows nothing of: they migrate, and the record has what needs no code in the guest, and no more.
//!
//! Both guests run the same few instructions, written here as bytes: a loop that increments one byte in each page of 16 MiB for ever.

use crate::live::{Migration, file, run};

/// Pages that the loop touches.
const LOOP_BYTES: u32 = 16 << 20;

#[test]
fn a_kernel_and_an_initrd_of_the_users_own() {
    let folder = tempfile::tempdir().unwrap();
    let Ok(kernel) = lmbench_harness::image::GuestKernel::find() else {
        panic!("no kernel to boot: harness/setup.sh installs one")
    };
    let initrd = file(folder.path(), "initrd", &initramfs(&program()));
    let guest = format!(
        "kernel = \"{}\"\ninitrd = \"{initrd}\"\nappend = \"console=ttyS0 quiet panic=-1\"",
        kernel.vmlinuz.display()
    );
    // Nobody tells when such a guest has booted, so it gets time to.
    assert_migrates_unseen(&guest, "10 s");
}

#[test]
fn a_disk_of_the_users_own_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = boot_sector().to_vec();
    disk.resize(1 << 20, 0);
    let image = file(folder.path(), "disk.img", &disk);
    assert_migrates_unseen(&format!("image = \"{image}\""), "4 s");
    // The boot sector writes to the disk before it begins its loop, and stops if it can't.
    assert!(
        std::fs::read(&image).unwrap() == disk,
        "the image has changed"
    );
}

fn assert_migrates_unseen(guest: &str, settle: &str) {
    let Some(run) = run(&format!(
        "name = \"own\"\nrun.repeats = 1\n[guest]\nmemory = \"192 MiB\"\n{guest}\n[migration]\ntimeout = \"30 s\"\ntimeout-action = \"pause\"\nsettle = \"{settle}\"\n"
    )) else {
        return;
    };
    let migration = run.only();
    migration.assert_arrived();
    // The loop's pages are all there is to send again, so a second pass proves that it ran.
    assert!(
        migration.metric("ram_bytes") > f64::from(LOOP_BYTES),
        "{migration:?}"
    );
    assert!(migration.metric("iterations") >= 2.0);
    for probe in ["total_time_ms", "downtime_ms", "blackout_ms", "wire_bytes"] {
        assert!(migration.metric(probe) > 0.0, "{probe}");
    }
    assert_says_nothing_of_the_inside(migration);
}

fn assert_says_nothing_of_the_inside(migration: Migration<'_>) {
    assert!(!migration.memory_was_compared());
    assert!(migration.signs_of_life() > 0, "{migration:?}");
    for inside in [
        "guest_pause_ms",
        "brownout_ms",
        "workload_slowdown",
        "op_latency_us_p50",
        "op_latency_us_p99",
        "op_latency_us_max",
        "settle_rate_bps",
        "guest_dirty_rate_bps",
        "heartbeat_interval_ms",
    ] {
        assert_eq!(migration.maybe(inside), None, "{inside}");
    }
}

/// The loop, the same bytes in 32-bit and 64-bit mode.
fn increment_for_ever(first: u32) -> Vec<u8> {
    let mut code = vec![0xbf]; // mov edi, first
    code.extend(first.to_le_bytes());
    code.extend([0xfe, 0x07]); // again: inc byte [edi]
    code.extend([0x81, 0xc7, 0x00, 0x10, 0x00, 0x00]); // add edi, 4096
    code.extend([0x81, 0xff]); // cmp edi, end
    code.extend((first + LOOP_BYTES).to_le_bytes());
    code.extend([0x72, 0xf0]); // jb again
    code.extend([0xeb, 0xe9]); // jmp to the mov
    code
}

/// A static ELF program of one segment, whose end the kernel fills with the loop's zero pages.
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let code = increment_for_ever(0x40_1000);
    let file_bytes = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]); // executable, x86-64, version 1
    elf.extend((BASE + HEADERS).to_le_bytes()); // entry
    elf.extend(64_u64.to_le_bytes()); // program headers
    elf.extend(0_u64.to_le_bytes()); // no sections
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 7, 0, 0, 0]); // load; readable, writable, executable
    for word in [
        0,
        BASE,
        BASE,
        file_bytes,
        0x1000 + u64::from(LOOP_BYTES),
        0x1000,
    ] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A cpio archive ("newc") that holds only `/init`.
fn initramfs(init: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode, content) in [("init", 0o10_0755, init), ("TRAILER!!!", 0, &[][..])] {
        let size = content.len();
        let name_bytes = name.len() + 1;
        archive.extend(
            format!("070701{0:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}{name_bytes:08x}{0:08x}", 0, 1)
                .bytes(),
        );
        archive.extend(name.bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

/// Writes itself to the disk's second sector, stops if that fails, goes to 32-bit mode and loops over the memory from 1 MiB on.
fn boot_sector() -> [u8; 512] {
    let start: &[u8] = &[
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0x8e, 0xc0, // mov es, ax
        0xb8, 0x01, 0x03, // mov ax, 0x0301: write one sector
        0xbb, 0x00, 0x7c, // mov bx, 0x7c00
        0xb9, 0x02, 0x00, // mov cx, 2
        0x30, 0xf6, // xor dh, dh
        0xcd, 0x13, // int 0x13
        0xfa, // cli
        0x73, 0x03, // jnc past the stop
        0xf4, 0xeb, 0xfd, // hlt, for ever
        0x0f, 0x01, 0x16, 0x60, 0x7c, // lgdt [0x7c60]
        0x0f, 0x20, 0xc0, // mov eax, cr0
        0x0c, 0x01, // or al, 1
        0x0f, 0x22, 0xc0, // mov cr0, eax
        0xea, 0x30, 0x7c, 0x08, 0x00, // jmp 0x08:0x7c30
    ];
    let protected: &[u8] = &[
        0x66, 0xb8, 0x10, 0x00, // mov ax, 0x10
        0x8e, 0xd8, // mov ds, ax
    ];
    let descriptors: &[u8] = &[
        0x17, 0x00, 0x68, 0x7c, 0x00, 0x00, 0, 0, // 3 entries at 0x7c68
        0, 0, 0, 0, 0, 0, 0, 0, // none
        0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0, // 4 GiB of code
        0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0, // 4 GiB of data
    ];
    let mut sector = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    assert!(start.len() <= 0x30);
    put(0, start);
    put(0x30, protected);
    put(0x30 + protected.len(), &increment_for_ever(1 << 20));
    put(0x60, descriptors);
    put(510, &[0x55, 0xaa]);
    sector
}
