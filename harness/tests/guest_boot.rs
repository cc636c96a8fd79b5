//! Boots the real guest with QEMU's translator: it reports, it beats, it proves its memory, and it notices one flipped bit.
//!
//! Guest RAM is a shared file, so that the test can change a page behind the guest's back with an ordinary write.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use lmbench_guest::content::{PAGE_WORDS, Pages};
use lmbench_guest::spec::{Content, Pattern, Rate, WorkloadSpec};
use lmbench_guest::wire::{
    CONTROL_PORT, FromGuest, HEARTBEAT_BYTES, HEARTBEAT_PORT, ToGuest, VERSION, Verified, to_line,
};
use lmbench_harness::image::{COMMAND_LINE, GuestKernel, initramfs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

type Failure = Box<dyn Error>;

#[test]
fn the_guest_reports_beats_and_proves_its_memory() {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    if let Err(failure) = live() {
        // An error returned from a test is printed without its hint.
        panic!("{failure}");
    }
}

fn live() -> Result<(), Failure> {
    let mut guest = Guest::boot()?;
    let FromGuest::Hello {
        version,
        vcpus,
        memory_available_bytes,
        ..
    } = guest.receive()?
    else {
        return Err("the guest did not start with hello".into());
    };
    assert_eq!((version, vcpus), (VERSION, 2));
    assert!(memory_available_bytes > WORKLOAD_BYTES);

    // What makes no sense is answered, and the guest lives on.
    guest.control.get_mut().write_all(b"{\"start\": 1}\n")?;
    assert!(
        matches!(guest.receive()?, FromGuest::Failed { reason } if reason.contains("not understood"))
    );
    guest.send(&ToGuest::Verify)?;
    assert!(
        matches!(guest.receive()?, FromGuest::Failed { reason } if reason.contains("no workload"))
    );

    guest.send(&ToGuest::Start {
        workload: workload(),
        heartbeat_interval_ns: HEARTBEAT.as_nanos() as u64,
        report_interval_ns: 50_000_000,
    })?;
    assert!(
        matches!(guest.receive()?, FromGuest::Ready { pages, .. } if pages == WORKLOAD_BYTES / 4096)
    );

    // The workload is unbounded and has as many threads as the guest has vCPUs, so without real-time priority nothing else would come regularly.
    let mut operations = 0;
    for expected in 1..=5 {
        let FromGuest::Report(report) = guest.receive()? else {
            return Err("no report".into());
        };
        assert_eq!(report.sequence, expected);
        assert_eq!(report.operations_total, operations + report.operations);
        assert!(report.pages_dirtied <= report.operations + 2);
        operations = report.operations_total;
    }
    assert!(operations > 0);
    let beats = (0..10)
        .map(|_| guest.heartbeat())
        .collect::<Result<Vec<_>, _>>()?;
    for pair in beats.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + 1);
        assert!(pair[1].1 > pair[0].1);
    }

    let before = guest.verify()?;
    assert!(before.intact(), "{before:?}");
    assert!(before.operations_total >= operations);

    // One bit of one page, changed and changed back; the workload stands still meanwhile.
    guest.flip_bit(VICTIM)?;
    let broken = guest.verify()?;
    assert!(!broken.intact());
    assert_eq!((broken.pages_wrong, broken.first_wrong), (1, Some(VICTIM)));
    guest.flip_bit(VICTIM)?;
    assert!(guest.verify()?.intact());

    guest.send(&ToGuest::Continue)?;
    let after = loop {
        if let FromGuest::Report(report) = guest.receive()?
            && report.operations_total > before.operations_total
        {
            break guest.verify()?;
        }
    };
    assert!(after.intact() && after.operations_total > before.operations_total);
    Ok(())
}

fn workload() -> WorkloadSpec {
    let pattern = Pattern::HotSet {
        rate: Rate::Unbounded,
        hot_bytes: WORKLOAD_BYTES / 8,
        hot_share: 0.9,
    };
    WorkloadSpec {
        seed: 20,
        threads: 2,
        memory_bytes: WORKLOAD_BYTES,
        content: CONTENT,
        pattern,
    }
}

/// A running guest; dropping it ends QEMU.
struct Guest {
    qemu: Child,
    ram: File,
    control: BufReader<UnixStream>,
    heartbeat: UnixStream,
    _directory: tempfile::TempDir,
}

impl Guest {
    fn boot() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("lmbench-guest-boot-")
            .tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let kernel = GuestKernel::find()?;
        std::fs::write(path("initramfs"), initramfs(&kernel, false)?)?;
        let ports = [("control", CONTROL_PORT), ("heartbeat", HEARTBEAT_PORT)];
        let ram = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path("ram"))?;
        ram.set_len(256 << 20)?;
        let listeners = ports
            .iter()
            .map(|(id, _)| UnixListener::bind(path(id)))
            .collect::<Result<Vec<_>, _>>()?;

        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-m",
            "256",
            "-smp",
            "2",
        ]);
        command.args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-machine",
            "q35,memory-backend=ram",
        ]);
        command.arg("-object").arg(format!(
            "memory-backend-file,id=ram,size=256M,share=on,mem-path={}",
            path("ram").display()
        ));
        command
            .arg("-kernel")
            .arg(kernel.boots())
            .arg("-initrd")
            .arg(path("initramfs"))
            .args(["-append", COMMAND_LINE]);
        command
            .arg("-serial")
            .arg(format!("file:{}", path("serial").display()))
            .args(["-device", "virtio-serial-pci"]);
        for (id, name) in ports {
            command
                .arg("-chardev")
                .arg(format!("socket,id={id},path={}", path(id).display()));
            command
                .arg("-device")
                .arg(format!("virtserialport,chardev={id},name={name}"));
        }
        let qemu = command.spawn().map_err(|error| {
            format!("qemu-system-x86_64 does not start: {error}; run harness/setup.sh")
        })?;
        let mut qemu = Kill(Some(qemu));
        let streams = listeners
            .iter()
            .map(accept)
            .collect::<Result<Vec<_>, _>>()?;
        let [control, heartbeat] = <[UnixStream; 2]>::try_from(streams).map_err(|_| "two ports")?;
        let qemu = qemu.0.take().ok_or("qemu runs")?;
        Ok(Self {
            qemu,
            ram,
            control: BufReader::new(control),
            heartbeat,
            _directory: directory,
        })
    }

    fn send(&mut self, message: &ToGuest) -> Result<(), Failure> {
        Ok(self.control.get_mut().write_all(&to_line(message))?)
    }

    fn receive(&mut self) -> Result<FromGuest, Failure> {
        let mut line = String::new();
        if self.control.read_line(&mut line)? == 0 {
            return Err("the guest has gone".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn heartbeat(&mut self) -> Result<(u64, u64), Failure> {
        let mut record = [0; HEARTBEAT_BYTES];
        self.heartbeat.read_exact(&mut record)?;
        let (sequence, time) = record.split_at(8);
        Ok((
            u64::from_le_bytes(sequence.try_into()?),
            u64::from_le_bytes(time.try_into()?),
        ))
    }

    /// The answer to `verify`, after the reports that were on their way.
    fn verify(&mut self) -> Result<Verified, Failure> {
        self.send(&ToGuest::Verify)?;
        loop {
            match self.receive()? {
                FromGuest::Report(_) => {}
                FromGuest::Verified(verified) => return Ok(verified),
                other => return Err(format!("instead of a proof: {other:?}").into()),
            }
        }
    }

    /// Changes one bit of a workload page in guest RAM. Finds the page by its last half, which no write of this workload changes.
    fn flip_bit(&mut self, page: u64) -> Result<(), Failure> {
        let mut content = vec![0; PAGE_WORDS];
        Pages::new(workload().seed, &CONTENT).fill(page, &mut content);
        let wanted: Vec<u8> = content[PAGE_WORDS / 2..]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let mut found = [0; 4096];
        for address in (0..self.ram.metadata()?.len()).step_by(found.len()) {
            self.ram.read_exact_at(&mut found, address)?;
            // All but the byte that a flip before may have changed.
            if found[2048..4095] == wanted[..2047] {
                return Ok(self.ram.write_all_at(&[found[4095] ^ 1], address + 4095)?);
            }
        }
        Err(format!("page {page} is not in guest RAM").into())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.qemu.kill().and_then(|()| self.qemu.wait()));
    }
}

/// Ends QEMU if the boot fails half-way.
struct Kill(Option<Child>);

impl Drop for Kill {
    fn drop(&mut self) {
        if let Some(qemu) = &mut self.0 {
            drop(qemu.kill().and_then(|()| qemu.wait()));
        }
    }
}

/// QEMU's connection, with the time limit on everything read from it.
fn accept(listener: &UnixListener) -> Result<UnixStream, Failure> {
    let limit = Timespec {
        tv_sec: LIMIT.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    if poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit))? == 0 {
        return Err(format!("QEMU did not connect its port within {LIMIT:?}").into());
    }
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

const WORKLOAD_BYTES: u64 = 64 << 20;
/// All pages are random, so that the search finds exactly one.
const CONTENT: Content = Content {
    bytes_per_page: 64,
    zero: 0.0,
    compressible: 0.0,
    duplicate: 0.0,
};
const HEARTBEAT: Duration = Duration::from_millis(10);
/// A page of the second thread's share.
const VICTIM: u64 = 12_345;
/// Far above the 2 s that a boot takes: the machine may be busy with other tests.
const LIMIT: Duration = Duration::from_mins(2);
