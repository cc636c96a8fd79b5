//! What the lab is made of: namespaces and links. All is really made, in a namespace that ends with the probe.

use std::path::Path;

use rustix::process::geteuid;
use rustix::system::uname;

use super::packages::{Manager, Part};
use super::probe::{self, Outcome};
use super::{Finding, Status};

/// Tries all of it.
pub(super) fn examine() -> Vec<Finding> {
    let plain = probe::run(&[&PLAIN[..], &["true"]].concat());
    let in_user = probe::run(&[&IN_USER[..], &["true"]].concat());
    let namespace: Option<&[&str]> = match (&plain, &in_user) {
        (Outcome::Success(_), _) => Some(&PLAIN),
        (_, Outcome::Success(_)) => Some(&IN_USER),
        _ => None,
    };
    let mut findings = vec![network(&plain, &in_user), user(&plain, &in_user)];
    findings.extend(LINKS.iter().map(|link| link.examine(namespace)));
    findings.push(user_tap());
    findings.push(impairment(&findings));
    findings
}

/// Whether labs of ordinary users have TAP devices too: there the node is often root's alone.
fn user_tap() -> Finding {
    let name = "tap for ordinary users";
    let link = LINKS.iter().find(|link| link.name == "tap");
    let make = link.map_or("false", |link| link.make);
    let drop_rights: &[&str] = if geteuid().is_root() { &AS_NOBODY } else { &[] };
    match probe::run(&[drop_rights, &IN_USER, &["sh", "-c", make]].concat()) {
        Outcome::Success(_) => Finding::found(
            name,
            "their labs have lmbench's own link and a tenant network too",
        ),
        outcome => Finding::limited(
            name,
            format!(
                "{}; their labs have neither lmbench's own link nor a tenant network",
                outcome.trouble("sh")
            ),
        )
        .mend("chmod 0666 /dev/net/tun, as most distributions' udev does"),
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
            "scenarios with rtt, jitter, loss or reorder are refused",
        )
        .mend("mend netem or tap"),
    }
}

fn network(plain: &Outcome, in_user: &Outcome) -> Finding {
    let name = "network namespaces";
    match (plain, in_user) {
        (Outcome::Success(_), _) => Finding::found(name, "can be made by this user").required(),
        (_, Outcome::Success(_)) => {
            Finding::found(name, "can be made within a user namespace").required()
        }
        _ => Finding::missing(name, plain.trouble("unshare"))
            .required()
            .mend(mend()),
    }
}

fn user(plain: &Outcome, in_user: &Outcome) -> Finding {
    let name = "user namespaces";
    match (in_user, plain) {
        (Outcome::Success(_), _) => Finding::found(name, "the lab works for ordinary users too"),
        (_, Outcome::Success(_)) => Finding::limited(name, "only root can make a lab here"),
        _ => Finding::missing(name, in_user.trouble("unshare")).mend(mend()),
    }
}

/// The setting that forbids user namespaces here, or else root's rights.
fn mend() -> String {
    let forbidding = [
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "user/max_user_namespaces",
            "0",
            "sysctl -w user.max_user_namespaces=15000",
        ),
        (
            "user/max_net_namespaces",
            "0",
            "sysctl -w user.max_net_namespaces=15000",
        ),
    ];
    forbidding
        .into_iter()
        .find(|(setting, value, _)| {
            probe::read(format!("/proc/sys/{setting}")).as_deref() == Some(value)
        })
        .map_or(
            "run as root; a container must have CAP_SYS_ADMIN (docker run --privileged)",
            |(_, _, mend)| mend,
        )
        .to_owned()
}

/// A kind of link or queue.
struct Link {
    name: &'static str,
    /// A shell command that makes one.
    make: &'static str,
    /// What it is for, or what happens without it.
    purpose: &'static str,
    need: Need,
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
        let tool = self.make.split(' ').next().unwrap_or_default();
        if probe::find(tool).is_none() {
            return self.untried(tool, Manager::of_this_system());
        }
        let outcome = match namespace {
            Some(namespace) => probe::run(&[namespace, &["sh", "-c", self.make]].concat()),
            None => Outcome::Failure("there is no namespace to try it in".into()),
        };
        self.judge(&outcome)
    }

    /// Without the tool nothing is known of the kernel, and loading a module would mend nothing.
    fn untried(&self, tool: &str, manager: Manager) -> Finding {
        let outcome = Outcome::Failure(format!("cannot be tried without {tool}"));
        self.judge(&outcome).mend(manager.install(Part::Iproute))
    }

    fn judge(&self, outcome: &Outcome) -> Finding {
        let modules = format!("/lib/modules/{}", uname().release().to_string_lossy());
        let finding = if let Outcome::Success(_) = outcome {
            Finding::found(self.name, self.purpose)
        } else {
            let detail = format!("{}; {}", outcome.trouble("sh"), self.purpose);
            let finding = match self.need {
                Need::Replaced => Finding::limited(self.name, detail),
                Need::Run | Need::Some => Finding::missing(self.name, detail),
            };
            finding.mend(module_mend(self.module, Path::new(&modules).is_dir()))
        };
        if matches!(self.need, Need::Run) {
            finding.required()
        } else {
            finding
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
        module: "veth",
    },
    Link {
        name: "tbf",
        make: "tc qdisc add dev lo root tbf rate 1gbit burst 128kb latency 50ms",
        purpose: "sets a link's rate",
        need: Need::Run,
        module: "sch_tbf",
    },
    Link {
        name: "htb",
        make: "tc qdisc add dev lo root handle 1: htb && tc class add dev lo parent 1: classid 1:1 htb rate 1gbit",
        purpose: "shares a link's rate between networks",
        need: Need::Some,
        module: "sch_htb",
    },
    Link {
        name: "netem",
        make: "tc qdisc add dev lo root netem delay 1ms",
        purpose: "adds delay, jitter and loss; where it is missing lmbench's own link does, and the record says so",
        need: Need::Replaced,
        module: "sch_netem",
    },
    Link {
        name: "bridge",
        make: "ip link add name probe0 type bridge",
        purpose: "carries the tenant network",
        need: Need::Some,
        module: "bridge",
    },
    Link {
        name: "tap",
        make: "ip tuntap add dev probe0 mode tap",
        purpose: "lmbench's own link, which adds delay, jitter and loss; joins a guest to the tenant network",
        need: Need::Some,
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
        let statuses = |plain: Outcome, in_user: Outcome| {
            (
                network(&plain, &in_user).status,
                user(&plain, &in_user).status,
            )
        };
        assert_eq!(
            statuses(success(), success()),
            (Status::Found, Status::Found)
        );
        assert_eq!(
            statuses(failure(), success()),
            (Status::Found, Status::Found)
        );
        assert_eq!(
            statuses(success(), failure()),
            (Status::Found, Status::Limited)
        );
        assert_eq!(
            statuses(failure(), failure()),
            (Status::Missing, Status::Missing)
        );
        assert!(network(&failure(), &failure()).required);
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
