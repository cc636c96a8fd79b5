//! What a run left behind: processes, network namespaces, links, runtime directories with their sockets, temporary files.
//!
//! It knows a run by what the run made below the test's own directories and below the pid that the test started, so labs of
//! other tests and users beside it are neither blamed nor hidden behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::processes::{Process, all_pids, is_below, lab_mark, network_namespace, tree};

/// Everything known to have belonged to the runs of one test.
pub(crate) struct Traces {
    runtime: PathBuf,
    temporary: PathBuf,
    links_before: BTreeSet<String>,
    own_namespace: Option<u64>,
    seen: BTreeSet<Process>,
    namespaces: BTreeSet<u64>,
}

impl Traces {
    /// Of runs whose `XDG_RUNTIME_DIR` and `TMPDIR` are these.
    pub(crate) fn new(runtime: &Path, temporary: &Path) -> Traces {
        Traces {
            runtime: runtime.to_owned(),
            temporary: temporary.to_owned(),
            links_before: links(),
            own_namespace: network_namespace(std::process::id()),
            seen: BTreeSet::new(),
            namespaces: BTreeSet::new(),
        }
    }

    /// Remembers what is below `root` now, so that it is still known once its parent is dead.
    pub(crate) fn watch(&mut self, root: Process) {
        for (process, _) in tree(root) {
            self.seen.insert(process);
            let namespace = network_namespace(process.pid);
            self.namespaces
                .extend(namespace.filter(|namespace| Some(*namespace) != self.own_namespace));
        }
    }

    /// Shortens the memory to what may still be alive; a namespace's inode may be given away again.
    pub(crate) fn forget_the_dead(&mut self) {
        self.seen.retain(|process| process.lives());
        self.namespaces.clear();
    }

    /// Living processes of the runs, the controller among them.
    pub(crate) fn processes(&self) -> BTreeSet<Process> {
        let marked = all_pids()
            .into_iter()
            .filter(|pid| lab_mark(*pid).is_some_and(|mark| is_below(&mark, &self.runtime)));
        let marked = marked.filter_map(Process::of);
        self.seen
            .iter()
            .copied()
            .chain(marked)
            .filter(|process| process.lives())
            .collect()
    }

    /// The directories of labs, dead or alive.
    pub(crate) fn labs(&self) -> Vec<PathBuf> {
        below(&self.runtime)
            .into_iter()
            .filter(|path| path.is_dir() && name(path).starts_with("lab-"))
            .collect()
    }

    /// All that is there now and should not be.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut left = self.without_directories();
        // The users' root and its lock are what labs find each other by; they stay.
        let stays = |path: &PathBuf| {
            name(path).starts_with("lmbench-") && path.is_dir()
                || name(path) == "lock"
                    && path
                        .parent()
                        .is_some_and(|parent| name(parent).starts_with("lmbench-"))
        };
        let files = below(&self.runtime).into_iter().filter(|path| !stays(path));
        left.extend(
            files
                .chain(below(&self.temporary))
                .map(|path| format!("file {}", path.display())),
        );
        left
    }

    /// As [`Traces::leftovers`], but after a `kill -9` of the controller the directory stays until the next start.
    pub(crate) fn without_directories(&self) -> Vec<String> {
        let mut left: Vec<String> = self
            .processes()
            .into_iter()
            .map(|process| format!("process {}", process.describe()))
            .collect();
        left.extend(self.inhabited());
        left.extend(
            links()
                .difference(&self.links_before)
                .map(|link| format!("link {link}")),
        );
        left
    }

    /// The namespaces that somebody still is in. The kernel gives their numbers away again: one in which another lab's agent
    /// lives is that lab's.
    fn inhabited(&self) -> Vec<String> {
        let mut inhabitants: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for pid in all_pids() {
            if let Some(namespace) =
                network_namespace(pid).filter(|id| self.namespaces.contains(id))
            {
                inhabitants.entry(namespace).or_default().push(pid);
            }
        }
        let foreign =
            |pid: &u32| lab_mark(*pid).is_some_and(|mark| !is_below(&mark, &self.runtime));
        inhabitants.retain(|_, pids| !pids.iter().any(foreign));
        let name =
            |(namespace, pids)| format!("network namespace {namespace} with processes {pids:?}");
        inhabitants.into_iter().map(name).collect()
    }

    /// Waits until nothing of `what` is left. Dying takes a moment that nobody announces.
    pub(crate) fn expect_none(
        &self,
        when: &str,
        what: impl Fn(&Traces) -> Vec<String>,
        within: Duration,
    ) {
        let deadline = Instant::now() + within;
        loop {
            let left = what(self);
            if left.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{when}, {within:?} later this is left:\n{}",
                left.join("\n")
            );
            std::thread::sleep(POLL);
        }
    }
}

/// The names of this namespace's links.
fn links() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/net/dev").unwrap();
    table
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

const POLL: Duration = Duration::from_millis(20);

mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    use super::*;

    /// A checker that cannot fail proves nothing: each kind of leftover is made, found, and missed again once it is gone.
    #[test]
    fn every_kind_of_leftover_is_found() {
        let base = tempfile::tempdir().unwrap();
        let [runtime, temporary] = ["r", "t"].map(|name| base.path().join(name));
        let lab = runtime.join("lmbench-0/lab-01234567");
        fs::create_dir_all(runtime.join("lmbench-0")).unwrap();
        fs::create_dir_all(&temporary).unwrap();
        fs::write(runtime.join("lmbench-0/lock"), "").unwrap();
        let mut traces = Traces::new(&runtime, &temporary);
        assert_eq!(traces.leftovers(), Vec::<String>::new());

        fs::create_dir_all(&lab).unwrap();
        let socket = UnixListener::bind(lab.join("qmp")).unwrap();
        fs::write(temporary.join("scratch"), "").unwrap();
        let mut marked = Command::new("sleep")
            .arg("60")
            .env("LMBENCH_LAB", &lab)
            .spawn()
            .unwrap();
        let mut parent = Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The child exists once the line is there.
        std::io::Read::read(parent.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let root = Process::of(parent.id()).unwrap();
        traces.watch(root);
        let child = traces
            .seen
            .iter()
            .copied()
            .find(|process| *process != root)
            .unwrap();
        parent.kill().unwrap();
        parent.wait().unwrap();
        // Neither this namespace nor lo is a leftover; taken for one, each must show.
        traces
            .namespaces
            .extend(network_namespace(std::process::id()));
        traces.links_before.remove("lo");

        let found = traces.leftovers().join("\n");
        for wanted in [
            format!("process {} sleep 60", marked.id()),
            // It may not have come to `sleep` yet.
            format!("process {} ", child.pid),
            format!(
                "network namespace {}",
                network_namespace(std::process::id()).unwrap()
            ),
            "link lo".to_owned(),
            format!("file {}", lab.join("qmp").display()),
            format!("file {}", temporary.join("scratch").display()),
        ] {
            assert!(found.contains(&wanted), "{wanted} is not in\n{found}");
        }
        assert_eq!(traces.labs(), [lab]);
        let failed = std::panic::catch_unwind(|| {
            traces.expect_none("in this test", Traces::leftovers, Duration::ZERO);
        });
        assert!(failed.is_err());

        child.signal(rustix::process::Signal::KILL);
        marked.kill().unwrap();
        marked.wait().unwrap();
        drop(socket);
        fs::remove_dir_all(runtime.join("lmbench-0/lab-01234567")).unwrap();
        fs::remove_file(temporary.join("scratch")).unwrap();
        traces.namespaces.clear();
        traces.links_before.insert("lo".to_owned());
        traces.expect_none(
            "after it was cleared",
            Traces::leftovers,
            Duration::from_secs(5),
        );
    }
}
