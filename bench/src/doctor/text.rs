//! The findings for people. A hint is one line, however long: commands in it are there to be copied.

use std::fmt::Write as _;

use super::{Finding, Status, ready};
use crate::terminal::{painted, wrapped};

/// One line per finding, the mend below it, and what follows from all of them at the end.
pub fn text(findings: &[Finding]) -> String {
    let width = |of: fn(&Finding) -> usize| findings.iter().map(of).max().unwrap_or(0);
    let name_width = width(|finding| finding.name.len());
    let version_width =
        width(|finding| finding.version.as_deref().map_or(0, str::len)).min(VERSION_WIDTH_MAX);
    let mut text = String::new();
    for finding in findings {
        let status = word(finding);
        let space = " ".repeat(7_usize.saturating_sub(status.len()));
        let version = finding.version.as_deref().unwrap_or_default();
        let line = format!(
            "{}{space}  {:<name_width$}  {version:<version_width$}  {}",
            painted(status),
            finding.name,
            finding.detail
        );
        text += &wrapped(line.trim_end(), DETAIL_INDENT);
        if let Some(mend) = finding
            .mend
            .as_deref()
            .filter(|_| finding.status != Status::Found)
        {
            push(&mut text, &format!("         hint: {mend}"));
        }
    }
    push(&mut text, "");
    for line in verdict(findings).lines() {
        text += &wrapped(line, 4);
    }
    text
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

fn word(finding: &Finding) -> &'static str {
    match finding.status {
        Status::Found => "found",
        Status::Limited => "limited",
        Status::Missing if finding.required => "MISSING",
        Status::Missing => "missing",
    }
}

fn verdict(findings: &[Finding]) -> String {
    if ready(findings) {
        return ready_without(findings);
    }
    let missing: Vec<_> = findings
        .iter()
        .filter(|finding| finding.required && finding.status == Status::Missing)
        .map(|finding| finding.name.as_str())
        .collect();
    format!("not ready: `lmbench run` needs {}", missing.join(", "))
}

/// Nobody should find out in a record what this host could not do.
fn ready_without(findings: &[Finding]) -> String {
    let mut without: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings.iter().filter(|one| one.status == Status::Missing) {
        let Some(what) = finding.without.as_deref() else {
            continue;
        };
        match without.iter_mut().find(|(known, _)| *known == what) {
            Some((_, names)) => names.push(&finding.name),
            None => without.push((what, vec![&finding.name])),
        }
    }
    if without.is_empty() {
        return "ready: `lmbench run` has all that it needs".into();
    }
    let mut text = "ready, but cells that ask for it are skipped or refused:".to_owned();
    for (what, names) in without {
        write!(text, "\n  no {what} ({})", names.join(", "))
            .expect("writing to a string does not fail");
    }
    text
}

/// A longer version pushes its own line's detail to the right instead of everybody's.
const VERSION_WIDTH_MAX: usize = 12;

/// Below its name, where a narrow page has room.
const DETAIL_INDENT: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::found("qemu", "/usr/bin/qemu-system-x86_64")
                .required()
                .version(Some("10.0.2".into())),
            Finding::limited("kvm", "opens; proven only by booting a guest"),
            Finding::found("guest kernel", "/boot/vmlinuz")
                .version(Some("6.12.95+deb12-cloud-amd64".into())),
            Finding::missing("virsh", "virsh is not on PATH")
                .mend("apt-get install libvirt-clients"),
        ]
    }

    #[test]
    fn a_ready_host() {
        insta::assert_snapshot!(text(&findings()), @r"
        found    qemu          10.0.2        /usr/bin/qemu-system-x86_64
        limited  kvm                         opens; proven only by booting a guest
        found    guest kernel  6.12.95+deb12-cloud-amd64  /boot/vmlinuz
        missing  virsh                       virsh is not on PATH
                 hint: apt-get install libvirt-clients

        ready: `lmbench run` has all that it needs
        ");
    }

    #[test]
    fn a_long_detail_is_folded_and_a_hint_is_not() {
        let hint = "x".repeat(120);
        let findings = [
            Finding::limited("processor", "a word ".repeat(30)).mend(&hint),
            Finding::missing("tap", "none").without("a tenant network ".repeat(9)),
        ];
        let text = text(&findings);
        assert!(text.contains(&hint));
        for line in text.lines().filter(|line| !line.contains("hint: ")) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn a_ready_host_says_what_will_be_missing() {
        let findings = [
            Finding::found("qemu", "/usr/bin/qemu").required(),
            Finding::missing("userfaultfd", "not open").without("post-copy"),
            Finding::missing("bridge", "none").without("tenant network"),
            Finding::missing("tap", "none").without("tenant network"),
            Finding::limited("netem", "replaced").without("loss"),
            Finding::missing("virsh", "not on PATH"),
        ];
        insta::assert_snapshot!(verdict(&findings), @r"
        ready, but cells that ask for it are skipped or refused:
          no post-copy (userfaultfd)
          no tenant network (bridge, tap)
        ");
    }

    #[test]
    fn a_host_that_lacks_what_is_required() {
        let mut findings = findings();
        findings.push(
            Finding::missing("veth", "Unknown device type")
                .required()
                .mend("modprobe veth"),
        );
        findings.push(
            Finding::missing("ip", "ip is not on PATH")
                .required()
                .mend("apt-get install iproute2"),
        );
        insta::assert_snapshot!(text(&findings[3..]), @r"
        missing  virsh    virsh is not on PATH
                 hint: apt-get install libvirt-clients
        MISSING  veth     Unknown device type
                 hint: modprobe veth
        MISSING  ip       ip is not on PATH
                 hint: apt-get install iproute2

        not ready: `lmbench run` needs veth, ip
        ");
    }
}
