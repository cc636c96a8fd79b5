//! `run --watch` with and without a terminal. The run itself is refused, for want of a QEMU, before it costs time.

use std::process::{Command, Stdio};

use super::support::{Place, SOUND, live};

#[test]
fn without_a_terminal_there_are_plain_lines_and_a_word() {
    let Some(_turn) = live() else {
        return;
    };
    let place = Place::new();
    place.file("luck.toml", SOUND);
    let mut command = place.command(["run", "luck.toml", "--watch", "--format", "json"]);
    command.env("LMBENCH_QEMU", NOWHERE);
    let text = place.said(command).refused(3);
    let note = "note: no dashboard, because standard error is no terminal; here come plain lines\n";
    assert!(text.starts_with(note), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_terminal_is_given_back_before_the_error_comes() {
    let Some(_turn) = live() else {
        return;
    };
    let said = in_a_terminal("xterm");
    let place = |text: &str| {
        said.find(text)
            .unwrap_or_else(|| panic!("{text:?} in {said:?}"))
    };
    let order = ["\u{1b}[?1049h", "looking", "\u{1b}[?1049l", "error: "].map(place);
    assert!(order.is_sorted(), "{order:?} in {said:?}");
    assert!(said[order[3]..].contains(NOWHERE), "{said:?}");
}

#[test]
fn a_dumb_terminal_is_left_alone() {
    let Some(_turn) = live() else {
        return;
    };
    let said = in_a_terminal("dumb");
    assert!(
        said.starts_with("note: no dashboard, because TERM is `dumb`;"),
        "{said:?}"
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

/// What a terminal is sent; it is one of `script`'s, 80x24 for want of a size.
fn in_a_terminal(term: &str) -> String {
    let place = Place::new();
    place.file("luck.toml", SOUND);
    let lmbench = place.command(["run", "luck.toml", "--watch"]);
    let words = [lmbench.get_program()]
        .into_iter()
        .chain(lmbench.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
    let mut script = Command::new("script");
    script
        .args([
            "--quiet",
            "--return",
            "--command",
            &words.join(" "),
            "/dev/null",
        ])
        .current_dir(place.path())
        .env_remove("CI")
        .env_remove("LMBENCH_LOG")
        .env("TERM", term)
        .env("LMBENCH_QEMU", NOWHERE)
        .stdin(Stdio::null());
    let said = place.said(script);
    assert_eq!(said.code, 3, "{said:?}");
    said.stdout
}

const NOWHERE: &str = "/nowhere/qemu";
