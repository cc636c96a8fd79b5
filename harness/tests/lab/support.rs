//! What the lab's live tests share: labs, threads inside namespaces, traffic, and an owner that can be killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use lmbench_harness::background::{BackgroundReport, Receiver, Sender};
use lmbench_harness::lab::{Lab, LabError, LabOptions, enter_user_namespace_if_needed};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkMethod, LinkSpec, Network, NetworkSpec};
use lmbench_testing::Need;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs a live test here, or in a user namespace if this user may not make namespaces, or skips it.
pub(crate) fn live(name: &str, needs: &[Need], test: impl FnOnce()) {
    let Some(_turn) = lmbench_testing::alone(needs) else {
        return;
    };
    if rustix::process::geteuid().is_root() {
        return test();
    }
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env_remove(lmbench_testing::JOURNAL_VARIABLE)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "it runs in a user namespace, as root does without"
    );
}

pub(crate) fn network(migration: LinkSpec) -> NetworkSpec {
    NetworkSpec {
        inbound: Network::Migration,
        migration,
        management: LinkSpec::default(),
        tcp_buffer_bytes: None,
        tcp_congestion_control: None,
    }
}

pub(crate) fn lab_in(base: &Path, network: &NetworkSpec) -> Result<Lab, LabError> {
    let options = LabOptions {
        base: Some(base.to_owned()),
        ..LabOptions::default()
    };
    Lab::create_with(&[OsString::from("cat")], network, &options)
}

pub(crate) fn open_lab(base: &Path) -> Lab {
    lab_in(base, &network(LinkSpec::default()))
        .expect("the test needs namespaces, and they work here")
}

pub(crate) fn labs_in(base: &Path) -> Vec<PathBuf> {
    let roots = std::fs::read_dir(base).unwrap().flatten();
    let labs = roots.flat_map(|root| std::fs::read_dir(root.path()).unwrap().flatten());
    labs.map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Runs `work` on a thread of its own inside the network namespace of `pid`.
pub(crate) fn inside<T: Send + 'static>(pid: u32, work: impl FnOnce() -> T + Send + 'static) -> T {
    let enter = move || {
        let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )
        .unwrap();
        work()
    };
    std::thread::spawn(enter).join().unwrap()
}

pub(crate) fn run_in(pid: u32, argv: &[&str]) -> String {
    let output = Command::new("nsenter")
        .arg(format!("--net=/proc/{pid}/ns/net"))
        .arg("--")
        .args(argv)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Sends bytes from the first host to `address` on the second; bits per second of payload as the receiver saw them.
pub(crate) fn transfer(pids: [u32; 2], address: IpAddr, bytes: u64) -> f64 {
    let listener = inside(pids[1], move || TcpListener::bind((address, 0)).unwrap());
    let target = listener.local_addr().unwrap();
    // Sockets stay in the namespace where they were made, so any thread may use them.
    let mut sender = inside(pids[0], move || {
        TcpStream::connect_timeout(&target, LIMIT).unwrap()
    });
    let (mut peer, _) = listener.accept().unwrap();
    sender.set_write_timeout(Some(LIMIT)).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    // Before the first byte leaves: a reader that comes late would see too high a rate.
    let started = Instant::now();
    let writer = std::thread::spawn(move || {
        let chunk = vec![0x5a; 256 * 1024];
        let mut left = bytes;
        while left > 0 {
            let part = left.min(chunk.len() as u64);
            sender.write_all(&chunk[..part as usize]).unwrap();
            left -= part;
        }
    });
    let (mut buffer, mut received) = (vec![0; 256 * 1024], 0);
    while received < bytes {
        let count = peer.read(&mut buffer).unwrap();
        assert!(
            count > 0,
            "the connection ended after {received} of {bytes} bytes"
        );
        received += count as u64;
    }
    let elapsed = started.elapsed();
    writer.join().unwrap();
    received as f64 * 8.0 / elapsed.as_secs_f64()
}

/// The result of `work`, and the share of its time in which some task of this machine waited for a CPU: the most that any witness says.
/// The kernel counts waiting for its own tasks and what it is told of the hypervisor's; a thread that ticks notices all of it.
pub(crate) fn with_cpu_pressure<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (started, before) = (Instant::now(), [pressure_s(), steal_s()]);
    // Also ends when the work panics.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let ticker = std::thread::spawn(move || {
        let (mut last, mut late) = (started, Duration::ZERO);
        loop {
            let tick = stopped.recv_timeout(Duration::from_millis(1));
            let gap = last.elapsed();
            last += gap;
            if gap > GAP_MIN {
                late += gap;
            }
            if tick == Err(RecvTimeoutError::Disconnected) {
                return late;
            }
        }
    });
    let result = work();
    drop(stop);
    let late = ticker.join().unwrap().as_secs_f64();
    let after = [pressure_s(), steal_s()];
    let counted = before.into_iter().zip(after);
    let waited = counted.map(|(before, after)| after.unwrap_or(0.0) - before.unwrap_or(0.0));
    let most = waited.fold(late, f64::max);
    (result, (most / started.elapsed().as_secs_f64()).min(1.0))
}

/// Seconds since boot in which some task waited for a CPU.
fn pressure_s() -> Option<f64> {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let (_, total_us) = pressure.lines().next()?.rsplit_once("total=")?;
    total_us.parse().ok().map(|us: f64| us / 1e6)
}

/// Seconds since boot that the hypervisor took, of all CPUs together.
fn steal_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    // The line's name, user, nice, system, idle, iowait, irq, softirq, steal; in hundredths.
    let steal = stat.lines().next()?.split_ascii_whitespace().nth(8)?;
    steal.parse().ok().map(|ticks: f64| ticks / 100.0)
}

/// A second of background traffic, beside a transfer of `bulk` bytes if that is not 0, as the sender saw it.
pub(crate) fn background(
    pids: [u32; 2],
    address: IpAddr,
    rate_bps: u64,
    bulk: u64,
) -> BackgroundReport {
    let (tell, told) = std::sync::mpsc::channel();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let receiving = std::thread::spawn(move || {
        inside(pids[1], move || {
            runtime().block_on(async move {
                let receiver = Receiver::bind((address, 0).into()).await.unwrap();
                tell.send(receiver.local_addr()).unwrap();
                let _ = finished.await;
                receiver.stop().await
            })
        })
    });
    let target = told.recv().unwrap();
    let transferring =
        (bulk > 0).then(|| std::thread::spawn(move || transfer(pids, address, bulk)));
    let report = inside(pids[0], move || {
        runtime().block_on(async move {
            let sender = Sender::start(target, rate_bps).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.stop().await
        })
    });
    drop(finish);
    assert!(receiving.join().unwrap().received_bytes.is_some());
    transferring.map(|thread| thread.join().unwrap());
    report
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn first_line(output: impl Read) -> String {
    BufReader::new(output).lines().next().unwrap().unwrap()
}

/// The network namespace of a process; `None` if the process is gone.
pub(crate) fn namespace_of(pid: u32) -> Option<u64> {
    std::fs::metadata(format!("/proc/{pid}/ns/net"))
        .ok()
        .map(|metadata| metadata.ino())
}

/// Waits for something that the kernel does on its own and announces to nobody.
pub(crate) fn until(awaited: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {} s for {awaited}",
            LIMIT.as_secs()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

pub(crate) fn directory_of_nobody() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("lm").tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    directory
}

/// Another process that owns a lab.
pub(crate) struct Holder {
    child: Child,
    pub(crate) lab: PathBuf,
    pub(crate) agents: Vec<u32>,
    /// Kept open: the test harness inside writes its summary to it.
    _stdout: BufReader<ChildStdout>,
    // An ordinary user may be unable to reach the target directory, so it gets a copy of this program.
    _program: tempfile::TempDir,
}

impl Holder {
    pub(crate) fn start(base: &Path, agent: &str, as_nobody: bool) -> Holder {
        Holder::start_with(base, agent, LinkMethod::Kernel, as_nobody)
    }

    /// With a user-space link, its process comes after the agents in the list of these; the test program must have a `link_process`.
    pub(crate) fn start_with(
        base: &Path,
        agent: &str,
        method: LinkMethod,
        as_nobody: bool,
    ) -> Holder {
        let directory = if as_nobody {
            directory_of_nobody()
        } else {
            tempfile::tempdir().unwrap()
        };
        let program = directory.path().join("holder");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = if as_nobody {
            Command::new("setpriv")
        } else {
            Command::new(&program)
        };
        if as_nobody {
            command
                .arg(format!("--reuid={NOBODY}"))
                .arg(format!("--regid={NOBODY}"))
                .arg("--clear-groups")
                .arg(&program);
        }
        command
            .args(["--exact", "holder", "--ignored", "--nocapture"])
            .env("LMBENCH_TEST_AGENT", agent)
            .env("LMBENCH_TEST_METHOD", method.name());
        command
            .env("XDG_RUNTIME_DIR", base)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // While the copy was written another test's thread may have forked, and until that child executes something the copy is busy.
        let mut child = loop {
            match command.spawn() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                child => break child.unwrap(),
            }
        };
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map_while(Result::ok);
        let ready =
            lines.find_map(|line| line.split_once("READY ").map(|(_, rest)| rest.to_owned()));
        let ready = ready.expect("the holder makes a lab: see its message above");
        let mut words = ready.split(' ');
        let lab = PathBuf::from(words.next().unwrap());
        let agents = words.map(|word| word.parse().unwrap()).collect();
        Holder {
            child,
            lab,
            agents,
            _stdout: stdout,
            _program: directory,
        }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it close its lab.
    pub(crate) fn finish(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The holder's life: a lab that carries traffic, then waiting for standard input to close.
pub(crate) fn hold() {
    let Some(agent) = std::env::var_os("LMBENCH_TEST_AGENT") else {
        return;
    };
    enter_user_namespace_if_needed().unwrap();
    // An agent that does not notice that its owner is gone.
    let deaf = ["sleep".into(), "120".into()];
    let argv: &[OsString] = if agent == "deaf" {
        &deaf
    } else {
        &["cat".into()]
    };
    let user_space = std::env::var_os("LMBENCH_TEST_METHOD").is_some_and(|it| it == "user-space");
    let link = LinkSpec {
        rate_bps: Some(1_000_000_000),
        method: if user_space {
            LinkMethod::UserSpace
        } else {
            LinkMethod::Kernel
        },
        ..LinkSpec::default()
    };
    let options = LabOptions {
        link: link_program(),
        ..LabOptions::default()
    };
    let mut lab = Lab::create_with(argv, &network(link), &options).unwrap();
    let agents = Role::BOTH.map(|role| lab.take_agent(role).unwrap());
    let pids = [agents[0].pid, agents[1].pid];
    transfer(
        pids,
        lab.address(Role::Destination, Network::Migration),
        1 << 20,
    );
    let link = lab.link_pid(Network::Migration);
    let pids = pids.into_iter().chain(link).map(|pid| pid.to_string());
    let pids = pids.collect::<Vec<_>>().join(" ");
    println!("\nREADY {} {pids}", lab.path().display());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(agents);
    lab.close().unwrap();
}

/// This program, as the process behind a user-space link.
pub(crate) fn link_program() -> Vec<OsString> {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "link_process", "--ignored", "--nocapture"];
    std::iter::once(this.into())
        .chain(arguments.map(Into::into))
        .collect()
}

const NOBODY: u32 = 65_534;
const LIMIT: Duration = Duration::from_secs(20);
/// A tick of a millisecond that comes so late was kept from a CPU.
const GAP_MIN: Duration = Duration::from_millis(5);
