//! What the lab is made of: namespaces and links. All is really made, in a namespace that ends with the probe.

use std::fs::OpenOptions;
use std::path::Path;

use lmbench_harness::lab::{forbidding_switch, may_make_namespaces};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::system::uname;

use super::packages::{Manager, Part};
use super::probe::{self, Outcome};
use super::{Finding, Status};

/// Tries all of it, as a run would make it.
pub(super) fn examine() -> Vec<Finding> {
    let rights = may_make_namespaces();
    let namespace: &[&str] = if rights { &PLAIN } else { &IN_USER };
    let own = probe::run(&[namespace, &["true"]].concat());
    let ordinary = if geteuid().is_root() {
        probe::run(&[&AS_NOBODY[..], &IN_USER, &["true"]].concat())
    } else {
        own.clone()
    };
    let works = |outcome: &Outcome| matches!(outcome, Outcome::Success(_));
    let mut findings = vec![network(rights, &own), user(&own, &ordinary)];
    let namespace = works(&own).then_some(namespace);
    findings.extend(LINKS.iter().map(|link| link.examine(namespace)));
    let tap = findings.iter().find(|finding| finding.name == TAP);
    let user_tap = match tap {
        Some(tap) if !geteuid().is_root() => Finding {
            name: USER_TAP.into(),
            // What mends it is told once.
            detail: "as tap, which see".into(),
            mend: None,
            without: None,
            ..tap.clone()
        },
        _ => user_tap(works(&ordinary)),
    };
    findings.push(user_tap);
    findings.push(impairment(&findings));
    findings
}

/// Whether labs of ordinary users have TAP devices too, where root asks: there the node is often root's alone.
fn user_tap(has_namespaces: bool) -> Finding {
    if !has_namespaces {
        return Finding::limited(USER_TAP, "not tried: ordinary users can make no lab here");
    }
    let link = LINKS.iter().find(|link| link.name == TAP);
    let make = link.map_or("false", |link| link.make);
    match probe::run(&[&AS_NOBODY[..], &IN_USER, &["sh", "-c", make]].concat()) {
        Outcome::Success(_) => Finding::found(
            USER_TAP,
            "their labs have lmbench's own link and a tenant network too",
        ),
        outcome => Finding::limited(
            USER_TAP,
            format!(
                "{}; their labs have neither lmbench's own link nor a tenant network",
                outcome.trouble("sh")
            ),
        )
        .mend(OPEN_TAP),
    }
}

/// What rtt, jitter, loss and reorder will use in a run here.
fn impairment(findings: &[Finding]) -> Finding {
    let works = |name: &str| {
        let finding = findings.iter().find(|finding| finding.name == name);
        finding.is_some_and(|finding| finding.status == Status::Found)
    };
    let name = "link delay and loss";
    match (works("netem"), works("tap")) {
        (true, _) => Finding::found(name, "by the kernel (method = \"kernel\")"),
        (_, true) => Finding::found(
            name,
            "by lmbench's own link (method = \"user-space\"), which uses some CPU of its own",
        ),
        _ => Finding::missing(
            name,
            "neither netem nor tap: scenarios with rtt, jitter, loss or reorder are refused",
        )
        .without("rtt, jitter, loss or reorder of a link"),
    }
}

/// `rights` says whether runs need no user namespace; `own` how a namespace of this user's could be made.
fn network(rights: bool, own: &Outcome) -> Finding {
    let name = "network namespaces";
    match (rights, own) {
        (true, Outcome::Success(_)) => Finding::found(name, "can be made by this user").required(),
        (false, Outcome::Success(_)) => {
            Finding::found(name, "can be made within a user namespace").required()
        }
        (_, outcome) => {
            let root = geteuid().is_root();
            let reason = match (root, rights) {
                (true, false) => {
                    "; this root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN, and may make no user namespace instead"
                }
                _ => "",
            };
            Finding::missing(name, format!("{}{reason}", outcome.trouble("unshare")))
                .required()
                .mend(match outcome {
                    Outcome::Absent => Manager::of_this_system().install(Part::UtilLinux),
                    _ => mend(root, rights, forbidding_switch()),
                })
        }
    }
}

/// What forbids all namespaces is told by [`network`].
fn user(own: &Outcome, ordinary: &Outcome) -> Finding {
    let name = "user namespaces";
    match (ordinary, own) {
        (Outcome::Success(_), _) => Finding::found(name, "the lab works for ordinary users too"),
        (_, Outcome::Success(_)) => Finding::limited(name, "only root can make a lab here"),
        _ => Finding::missing(name, "none either"),
    }
}

/// The setting that forbids user namespaces here, or else the rights that are missing.
fn mend(root: bool, rights: bool, switch: Option<String>) -> String {
    match (switch, root, rights) {
        (Some(command), ..) => command,
        (None, true, true) => {
            "allow the unshare system call; in a container: --security-opt seccomp=unconfined".into()
        }
        (None, true, false) => "give the container these capabilities: docker run --privileged, or \
             --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
            .into(),
        (None, false, _) => {
            "run as root; in a container allow the unshare system call: --security-opt seccomp=unconfined".into()
        }
    }
}

/// A kind of link or queue.
struct Link {
    name: &'static str,
    /// A shell command that makes one.
    make: &'static str,
    /// What it is for, or what happens without it.
    purpose: &'static str,
    need: Need,
    /// What no scenario has without it; nothing where no run is possible then, or where something else says it.
    without: Option<&'static str>,
    /// The kernel module that brings it.
    module: &'static str,
}

/// How much depends on a link.
enum Need {
    /// No run without it.
    Run,
    /// Some scenarios.
    Some,
    /// Nothing: lmbench replaces it.
    Replaced,
}

impl Link {
    fn examine(&self, namespace: Option<&[&str]>) -> Finding {
        // The one cause is told with the namespaces, and says nothing of the kernel.
        let Some(namespace) = namespace else {
            return Finding::limited(self.name, "not tried: it takes a network namespace");
        };
        let tool = self.make.split(' ').next().unwrap_or_default();
        if probe::find(tool).is_none() {
            return self.untried(tool, Manager::of_this_system());
        }
        self.judge(&probe::run(&[namespace, &["sh", "-c", self.make]].concat()))
    }

    /// Without the tool nothing is known of the kernel, and loading a module would mend nothing.
    fn untried(&self, tool: &str, manager: Manager) -> Finding {
        let outcome = Outcome::Failure(format!("cannot be tried without {tool}"));
        self.judge(&outcome).mend(manager.install(Part::Iproute))
    }

    fn judge(&self, outcome: &Outcome) -> Finding {
        let finding = if let Outcome::Success(_) = outcome {
            Finding::found(self.name, self.purpose)
        } else {
            let detail = format!("{}; {}", outcome.trouble("sh"), self.purpose);
            let finding = match self.need {
                Need::Replaced => Finding::limited(self.name, detail),
                Need::Run | Need::Some => Finding::missing(self.name, detail),
            };
            let finding = match self.without {
                Some(what) => finding.without(what),
                None => finding,
            };
            finding.mend(self.cure())
        };
        if matches!(self.need, Need::Run) {
            finding.required()
        } else {
            finding
        }
    }
}

impl Link {
    fn cure(&self) -> String {
        let modules = format!("/lib/modules/{}", uname().release().to_string_lossy());
        let module = module_mend(self.module, Path::new(&modules).is_dir());
        if self.name != TAP {
            return module;
        }
        let opened = OpenOptions::new().read(true).write(true).open(TUN);
        match opened.map_err(|error| Errno::from_io_error(&error)) {
            Err(Some(Errno::ACCESS)) => OPEN_TAP.to_owned(),
            Err(Some(Errno::PERM)) => {
                format!("give the container the device: docker run --device {TUN}")
            }
            Err(Some(Errno::NOENT)) => format!(
                "{module}; then, if there is no {TUN}: mkdir -p /dev/net && mknod -m 0666 {TUN} c 10 200"
            ),
            _ => module,
        }
    }
}

/// A kernel without modules, as many virtual machines boot, has only what is built into it.
fn module_mend(module: &str, kernel_has_modules: bool) -> String {
    if kernel_has_modules {
        return format!(
            "modprobe {module}; if there is no such module, install the distribution's full kernel"
        );
    }
    format!("boot a kernel with {module}; the running one has no modules to load")
}

/// As `lmbench_testing` calls them too.
const TAP: &str = "tap";
const USER_TAP: &str = "tap for ordinary users";
const TUN: &str = "/dev/net/tun";
const OPEN_TAP: &str = "chmod 0666 /dev/net/tun, as most distributions' udev does";
const AS_NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];
const PLAIN: [&str; 2] = ["unshare", "--net"];
const IN_USER: [&str; 4] = ["unshare", "--user", "--map-root-user", "--net"];

const LINKS: &[Link] = &[
    Link {
        name: "veth",
        make: "ip link add name probe0 type veth peer name probe1 && ip link set probe0 up",
        purpose: "joins the lab's two hosts",
        need: Need::Run,
        without: None,
        module: "veth",
    },
    Link {
        name: "tbf",
        make: "tc qdisc add dev lo root tbf rate 1gbit burst 128kb latency 50ms",
        purpose: "sets a link's rate",
        need: Need::Run,
        without: None,
        module: "sch_tbf",
    },
    Link {
        name: "htb",
        make: "tc qdisc add dev lo root handle 1: htb && tc class add dev lo parent 1: classid 1:1 htb rate 1gbit",
        purpose: "shares a link's rate between networks",
        need: Need::Some,
        without: Some("rate shared between networks"),
        module: "sch_htb",
    },
    Link {
        name: "netem",
        make: "tc qdisc add dev lo root netem delay 1ms",
        purpose: "adds delay, jitter and loss; where it is missing lmbench's own link does, and the record says so",
        need: Need::Replaced,
        without: None,
        module: "sch_netem",
    },
    Link {
        name: "bridge",
        make: "ip link add name probe0 type bridge",
        purpose: "carries the tenant network",
        need: Need::Some,
        without: Some("tenant network"),
        module: "bridge",
    },
    Link {
        name: "tap",
        make: "ip tuntap add dev probe0 mode tap",
        purpose: "lmbench's own link, which adds delay, jitter and loss; joins a guest to the tenant network",
        need: Need::Some,
        without: Some("tenant network"),
        module: "tun",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn success() -> Outcome {
        Outcome::Success(String::new())
    }

    fn failure() -> Outcome {
        Outcome::Failure("unshare failed: Operation not permitted".into())
    }

    #[test]
    fn either_kind_of_namespace_will_do() {
        for rights in [true, false] {
            assert_eq!(network(rights, &success()).status, Status::Found);
            let missing = network(rights, &failure());
            assert_eq!((missing.status, missing.required), (Status::Missing, true));
        }
        assert_eq!(user(&success(), &success()).status, Status::Found);
        assert_eq!(user(&success(), &failure()).status, Status::Limited);
        assert_eq!(user(&failure(), &failure()).status, Status::Missing);
    }

    #[test]
    fn the_mend_is_of_the_cause_that_holds() {
        let switch = || Some("sysctl -w user.max_net_namespaces=1000".to_owned());
        assert_eq!(mend(true, false, switch()), switch().unwrap());
        let container = mend(true, false, None);
        assert!(container.contains("SYS_ADMIN") && !container.contains("as root"));
        assert!(!mend(true, true, None).contains("as root"));
        assert!(mend(false, false, None).starts_with("run as root"));
    }

    /// A kernel of which nothing is known is not to be replaced.
    #[test]
    fn without_a_namespace_one_finding_has_the_mend() {
        let links = LINKS.iter().map(|link| link.examine(None));
        let told: Vec<Finding> = [network(false, &failure()), user(&failure(), &failure())]
            .into_iter()
            .chain(links)
            .chain([user_tap(false)])
            .collect();
        let mended: Vec<&str> = told
            .iter()
            .filter(|finding| finding.mend.is_some())
            .map(|finding| finding.name.as_str())
            .collect();
        assert_eq!(mended, ["network namespaces"]);
        assert!(
            told.iter()
                .all(|finding| !finding.required || finding.name == mended[0])
        );
    }

    #[test]
    fn what_a_link_is_worth_decides_how_its_absence_counts() {
        let judged = |name| {
            let link = LINKS
                .iter()
                .find(|link| link.name == name)
                .expect("the test names links that exist");
            let finding = link.judge(&failure());
            (finding.status, finding.required)
        };
        assert_eq!(judged("veth"), (Status::Missing, true));
        assert_eq!(judged("tap"), (Status::Missing, false));
        assert_eq!(judged("netem"), (Status::Limited, false));
    }

    #[test]
    fn delay_and_loss_are_the_kernel_s_or_else_lmbench_s_own() {
        let told = |netem: Finding, tap: Finding| {
            let finding = impairment(&[netem, tap]);
            (finding.status, finding.detail.contains("user-space"))
        };
        let (netem, tap) = (Finding::found("netem", ""), Finding::found("tap", ""));
        let no_netem = Finding::limited("netem", "");
        let no_tap = Finding::missing("tap", "");
        assert_eq!(told(netem, tap.clone()), (Status::Found, false));
        assert_eq!(told(no_netem.clone(), tap), (Status::Found, true));
        assert_eq!(told(no_netem, no_tap), (Status::Missing, false));
    }

    #[test]
    fn without_the_tool_the_tool_is_the_mend() {
        let finding = LINKS[0].untried("ip", Manager::Apt);
        assert_eq!((finding.status, finding.required), (Status::Missing, true));
        assert_eq!(finding.mend.as_deref(), Some("apt-get install iproute2"));
    }

    #[test]
    fn a_module_is_loaded_only_where_there_are_modules() {
        assert!(module_mend("veth", true).starts_with("modprobe veth"));
        assert!(module_mend("veth", false).starts_with("boot a kernel with veth"));
    }
}
