//! `harness/vm.sh` calls a failure what is one: the steps inside its VM, and what it makes of a VM that ends in some way.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::root;

/// Runs `line` in a shell that has the VM's steps; what it says.
fn steps(line: &str) -> String {
    let results = tempfile::tempdir().unwrap();
    let script = format!(". '{}'; {line}", root().join("harness/vm/steps").display());
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("RESULTS", results.path())
        .env("TMPDIR", results.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_step_is_well_only_if_all_of_it_is() {
    for (line, verdict) in [
        ("step a true", "vm: ok a: "),
        ("step a false", "vm: FAILED a: exit code 1"),
        (
            "step a echo 'test result: ok. 0 passed; 0 failed'",
            "vm: FAILED a: no test is called so",
        ),
        (
            "step a sh -c 'echo \"skipped\ta test\tno kvm\" >>$LMBENCH_TEST_JOURNAL'",
            "vm: FAILED a: a test was skipped",
        ),
    ] {
        let said = steps(line);
        let told = said.lines().last().unwrap_or_default();
        assert!(told.starts_with(verdict), "{line}: {said}");
    }
}

#[test]
fn a_scenario_is_well_only_if_every_guest_has_arrived_intact() {
    let fixture = root().join("bench/tests/fixtures/quick/record.json");
    let record = std::fs::read_to_string(fixture).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    let verdict = |record: &str| {
        std::fs::write(&path, record).unwrap();
        steps(&format!("step a scenario cat '{}'", path.display()))
    };
    assert!(
        verdict(&record).contains("vm: ok a"),
        "{}",
        verdict(&record)
    );
    for (is, becomes) in [
        (
            "\"outcome\": \"completed\"",
            "\"outcome\": \"did-not-converge\"",
        ),
        ("\"outcome\": \"completed\"", "\"outcome\": \"failed\""),
        ("\"running_on\": \"destination\"", "\"running_on\":\"both\""),
        ("\"memory_intact\": true", "\"memory_intact\":false"),
        ("\"memory_intact\"", "\"memory\""),
    ] {
        assert!(record.contains(is), "{is}");
        // One migration of several suffices, but for the last: a record in which nobody's memory was compared.
        let worse = if becomes == "\"memory\"" {
            record.replace(is, becomes)
        } else {
            record.replacen(is, becomes, 1)
        };
        let said = verdict(&worse);
        assert!(said.contains("vm: FAILED a: exit code 1"), "{is}: {said}");
    }
}

/// A QEMU that only writes into the VM's log, and says its process id on the console.
const FAKE_QEMU: &str = r#"#!/bin/sh
case "$*" in
  *-accel\ help) echo tcg; exit ;;
  *-L\ help) exit ;;
esac
for word; do
  case $word in
    *id=log,path=*) log=${word##*path=} ;;
    file:*) console=${word#file:} ;;
  esac
done
echo "process $$" >"$console"
echo "the kernel's last words" >>"$console"
"#;

/// Runs `harness/vm.sh` with a VM that does `what`.
fn vm(folder: &Path, what: &str) -> Output {
    let qemu = folder.join("qemu-system-x86_64");
    std::fs::write(&qemu, format!("{FAKE_QEMU}{what}\n")).unwrap();
    std::fs::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new(root().join("harness/vm.sh"))
        .arg(root().join("scenarios/quick.toml"))
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("LMBENCH_VM_PROGRAM", "/bin/true")
        .env("LMBENCH_VM_SECONDS", "2")
        .env("LMBENCH_VM_OUT", folder.join("out"))
        .env("TMPDIR", folder)
        .output()
        .unwrap()
}

#[test]
fn a_vm_that_ends_otherwise_than_well_is_told_with_its_last_words() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    for (what, code, told) in [
        (
            "printf 'vm: ok a: 1 s\\nvm: all is done\\n' >\"$log\"",
            0,
            "all went well",
        ),
        (
            "printf 'vm: FAILED a: exit code 4\\nvm: all is done\\n' >\"$log\"",
            1,
            "error: vm: FAILED a: exit code 4",
        ),
        (
            "echo 'vm: ok a: 1 s' >\"$log\"",
            1,
            "error: the VM ended before its job did",
        ),
        ("exec sleep 600", 1, "it was not done within 2 s"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = vm(folder.path(), what);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{what}: {said}");
        assert!(said.contains(told), "{what}: {said}");
        assert_eq!(
            said.contains("the kernel's last words"),
            code != 0,
            "{said}"
        );
        let console = std::fs::read_to_string(folder.path().join("out/console")).unwrap();
        let process = console
            .lines()
            .next()
            .unwrap()
            .replace("process ", "/proc/");
        assert!(!Path::new(&process).exists(), "{what}: {process} is left");
        // Nor is a file of the image's.
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "the fake QEMU and the results");
    }
}
