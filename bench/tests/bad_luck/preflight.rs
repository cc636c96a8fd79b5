//! What only this host and its QEMU can refuse, before anything starts. A lab and a QEMU without a guest, half a second each.

use super::support::{Place, SOUND, live, without_versions};

/// Runs a scenario with settings in the environment; the record's folder must not be made.
fn refused(text: &str, variables: &[(&str, &str)], code: i32) -> String {
    let place = Place::new();
    place.file("luck.toml", text);
    let mut command = place.command(["run", "luck.toml", "--format", "json"]);
    command.envs(variables.iter().copied());
    let said = place.said(command).refused(code);
    assert!(
        !place.path().join("results").exists(),
        "nothing ran, so nothing is recorded"
    );
    without_versions(&said)
}

#[test]
fn what_this_qemu_does_not_know() {
    let Some(_turn) = live() else {
        return;
    };
    let text = format!(
        "{}\n[migration.qmp]\nxbzrel-cache-size = 1\nmultifd-compression = \"zstdd\"\nauto-converge-x = true\n",
        SOUND.replace(
            "[workload.idle]",
            "machine = \"q36\"\ncpu = \"pentium9,-avx\"\n\n[workload.idle]"
        )
    );
    insta::assert_snapshot!(refused(&text, &[], 2));
}

/// The exclusion is QEMU's: up to 10.0 it refuses post-copy with multifd, later ones may not.
#[test]
fn what_this_qemu_excludes() {
    let Some(_turn) = live() else {
        return;
    };
    let text = format!(
        "{SOUND}\n[matrix]\npolicy = [\"post-copy\"]\n\"migration.multifd-channels\" = [2, 4]\n"
    );
    // Cells that can't be run are skipped; with none left there is nothing to do.
    let said = refused(&text, &[], 3);
    // One problem, however many cells and hosts meet it.
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_value_out_of_qemu_s_range() {
    let Some(_turn) = live() else {
        return;
    };
    let text = format!("{SOUND}\n[migration.qmp]\nmultifd-zlib-level = 99\n");
    insta::assert_snapshot!(refused(&text, &[], 2));
}

/// Dead and foreign names are no mistakes: the cells that ask for them would be skipped, were there others.
#[test]
fn what_only_other_qemus_and_hosts_have() {
    let Some(_turn) = live() else {
        return;
    };
    let text = format!(
        "{SOUND}\n[guest.pinning.source]\nvcpus = \"1023\"\n[migration]\nmultifd-channels = 2\nmultifd-compression = \"uadk\"\n\
         [migration.qmp]\ncompress = true\n"
    );
    insta::assert_snapshot!(refused(&text, &[], 3));
}

/// A QEMU without a machine answers on its standard streams whether it takes two capabilities at once.
#[test]
fn the_table_of_exclusions_is_qemu_s_own() {
    let Some(_turn) = live() else {
        return;
    };
    let list = |names: &[&str], on| {
        let one = |name: &&str| serde_json::json!({ "capability": name, "state": on });
        let list: Vec<_> = names.iter().map(one).collect();
        serde_json::json!({ "execute": "migrate-set-capabilities", "arguments": { "capabilities": list } })
    };
    let mut script = "{\"execute\": \"qmp_capabilities\"}\n".to_owned();
    for (one, other) in lmbench::scenario::EXCLUDE {
        for on in [true, false] {
            script += &list(&[one, other], on).to_string();
            script.push('\n');
        }
    }
    script += "{\"execute\": \"quit\"}\n";
    let arguments = [
        "-machine",
        "none",
        "-nodefaults",
        "-display",
        "none",
        "-qmp",
        "stdio",
    ];
    let output = assert_cmd::Command::new("qemu-system-x86_64")
        .args(arguments)
        .write_stdin(script)
        .output()
        .expect("QEMU is installed by harness/setup.sh");
    let answers: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|answer: &serde_json::Value| {
            answer.get("return").is_some() || answer.get("error").is_some()
        })
        .collect();
    assert!(
        answers.len() >= 2 * lmbench::scenario::EXCLUDE.len(),
        "{answers:?}"
    );
    // Behind the answer to `qmp_capabilities`, every other one is to a pair.
    for (pair, answer) in lmbench::scenario::EXCLUDE
        .iter()
        .zip(answers[1..].iter().step_by(2))
    {
        // dirty-limit alone needs KVM's dirty ring, so there the refusal proves less.
        assert!(
            answer.get("error").is_some(),
            "{pair:?} is taken together: {answer}"
        );
    }
}

/// Sizes depend on the machine: what counts is that the key is shown and that a size which fits is named.
#[test]
fn memory_that_the_machine_has_not() {
    let Some(_turn) = live() else {
        return;
    };
    let text = format!(
        "{}\n[matrix]\n\"guest.memory\" = [\"192 MiB\", \"900 GiB\"]\n",
        SOUND.replace("memory = \"192 MiB\"\n", "huge-pages = false\n")
    );
    let said = refused(&text, &[], 3);
    for part in [
        "together need 1800.",
        " --> luck.toml:13:1",
        "hint: write at most memory = \"",
        "(cell guest.memory=900GiB)",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn a_qemu_and_a_kernel_that_are_not_there() {
    let Some(_turn) = live() else {
        return;
    };
    let missing = [
        ("LMBENCH_QEMU", "/nowhere/qemu"),
        ("LMBENCH_GUEST_KERNEL", "/nowhere/vmlinuz"),
    ];
    let both = refused(SOUND, &missing, 3);
    // Not on the search path, and no QEMU at all.
    let unknown = refused(SOUND, &[("LMBENCH_QEMU", "lmbench-no-such-qemu")], 3);
    let other = refused(SOUND, &[("LMBENCH_QEMU", "/bin/false")], 3);
    insta::assert_snapshot!([both, unknown, other].join("----\n"));
}

#[test]
fn a_guest_of_the_user_s_own_that_is_not_there() {
    let Some(_turn) = live() else {
        return;
    };
    let own = SOUND.replace("[workload.idle]\n", "").replace(
        "accelerator",
        "kernel = \"/nowhere/vmlinuz\"\ninitrd = \"/proc\"\naccelerator",
    );
    insta::assert_snapshot!(refused(&own, &[], 3));
}

#[test]
fn a_runtime_directory_that_will_not_do() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    let long = place.path().join("long".repeat(25));
    std::fs::create_dir(&long).expect("the folder is ours");
    let long = long.to_string_lossy().into_owned();
    let said = refused(SOUND, &[("XDG_RUNTIME_DIR", &long)], 3);
    assert!(said.contains("a unix socket below it would pass the kernel's limit of 107\nhint: set XDG_RUNTIME_DIR to"), "{said}");
    let missing = place.path().join("missing");
    let said = refused(SOUND, &[("XDG_RUNTIME_DIR", &missing.to_string_lossy())], 3);
    assert!(
        said.contains(
            "No such file or directory (os error 2)\nhint: the lab lives below $XDG_RUNTIME_DIR"
        ),
        "{said}"
    );
}

#[test]
fn results_that_can_not_be_written() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    place.file("luck.toml", SOUND);
    place.file("file", "");
    let said = |out| place.run(["run", "luck.toml", "--out", out]).refused(3);
    insta::assert_snapshot!(
        ["file", "file/below", "/proc/nowhere"]
            .map(said)
            .join("----\n")
    );
}

/// Where KVM boots guests this proves only that the scenario runs; where it merely opens, that its defect is told.
#[test]
fn kvm_that_boots_nothing() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    let own = SOUND
        .replace("\"tcg\"", "\"kvm\"\nboot-timeout = \"12 s\"")
        .replace("repeats = 2", "repeats = 1");
    place.file("luck.toml", own);
    let said = place.run(["run", "luck.toml"]);
    if said.code != 0 {
        let text = said.refused(3);
        assert!(text.contains("/dev/kvm") || text.contains("KVM"), "{text}");
        assert!(
            text.contains(" --> luck.toml:5:1")
                && text.contains("hint: set accelerator = \"auto\" or \"tcg\""),
            "{text}"
        );
    }
}

/// What ends a run before its first guest ends a dry run too, with the same words.
#[test]
fn a_dry_run_says_what_the_run_would() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    place.file(
        "qmp.toml",
        format!("{SOUND}\n[migration.qmp]\nxbzrel-cache-size = 1\n"),
    );
    place.file("large.toml", SOUND.replace("192 MiB", "900 GiB"));
    place.file("sound.toml", SOUND);
    let plan = |file: &str, format: &str| {
        let said = place.run(["run", file, "--dry-run", "--format", format]);
        assert!(!place.path().join("results").exists());
        said
    };
    for (file, code, words) in [
        ("qmp.toml", 2, "`xbzrel-cache-size`"),
        ("large.toml", 3, "together need 1800."),
    ] {
        let run = place.run(["run", file]).refused(code);
        let said = plan(file, "human");
        assert_eq!((said.code, said.stderr.contains(words)), (code, true));
        assert!(said.stdout.contains("1 cell, 2 migrations"), "{said:?}");
        // How much memory is left changes from one moment to the next.
        if file == "qmp.toml" {
            assert_eq!(said.stderr, run);
        }
        let said = plan(file, "json");
        let document: serde_json::Value =
            serde_json::from_str(&said.stdout).expect("one JSON document");
        assert_eq!((said.code, &document["ready"]), (code, &false.into()));
        assert!(
            document["problems"][0]["text"]
                .as_str()
                .is_some_and(|text| text.contains(words))
        );
    }
    let said = plan("sound.toml", "json");
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("one JSON document");
    assert_eq!(
        (said.code, &document["ready"]),
        (0, &true.into()),
        "{said:?}"
    );
    assert!(document["memory_available_bytes"].as_u64() > Some(0));
    let said = plan("sound.toml", "human");
    assert!(said.stdout.contains("\navailable here: "), "{said:?}");
}

/// QEMU opens more formats than it migrates; it says which.
#[test]
fn an_image_whose_guest_can_not_be_migrated() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    let image = |format: &str| {
        let made = std::process::Command::new("qemu-img")
            .args([
                "create",
                "-q",
                "-f",
                format,
                &format!("disk.{format}"),
                "1M",
            ])
            .current_dir(place.path())
            .status();
        assert!(made.expect("harness/setup.sh installs qemu-img").success());
        let own = SOUND.replace("[workload.idle]\n", "").replace(
            "accelerator",
            &format!(
                "image = \"{}/disk.{format}\"\naccelerator",
                place.path().display()
            ),
        );
        place.file("own.toml", own);
        place.run(["run", "own.toml", "--dry-run"])
    };
    let said = image("vmdk");
    assert_eq!(said.code, 3, "{said:?}");
    for part in [
        "[PLACE]/disk.vmdk is a vmdk image, and QEMU ",
        " --> own.toml:",
        "qemu-img convert -O qcow2 [PLACE]/disk.vmdk [PLACE]/disk.qcow2",
    ] {
        assert!(said.stderr.contains(part), "{part} is not in {said:?}");
    }
    assert_eq!(image("qcow2").code, 0);
}
