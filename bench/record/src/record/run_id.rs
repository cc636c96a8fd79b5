//! The name of a run: when, of what, and four random digits; safe as the name of a folder, and sorted by time.

use jiff::Timestamp;

/// A new id: `20261120-234840-jvm-heavy-1f3c`.
pub fn new_run_id(started: Timestamp, scenario: &str) -> String {
    let mut random = [0; 2];
    // Without randomness the id is still an id; two runs of one second would then be refused by the store.
    let _ = getrandom::fill(&mut random);
    format!(
        "{}-{}-{:04x}",
        started.strftime("%Y%m%d-%H%M%S"),
        folder_name(scenario),
        u16::from_ne_bytes(random)
    )
}

/// What of a scenario's name may stand in a path: letters, digits, `-` and `_`, and not too many of them.
///
/// Dots are left out, so that neither `..` nor a hidden folder can arise.
fn folder_name(scenario: &str) -> String {
    let mut name = String::new();
    for character in scenario.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => name.push(character),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        if name.len() == LONGEST_NAME {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name.to_owned()
    }
}

const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (name, folder) in [
            ("jvm-heavy", "jvm-heavy"),
            ("../../etc/passwd", "etc-passwd"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("a\0b\n\x1b[31mc", "a-b-31mc"),
            ("naïve ünïcode", "na-ve-n-code"),
        ] {
            assert_eq!(folder_name(name), folder, "{name:?}");
        }
        assert_eq!(folder_name(&"x".repeat(5000)).len(), LONGEST_NAME);
    }

    #[test]
    fn the_id_says_when_in_utc() {
        let id = new_run_id("2026-11-21T01:48:40+02:00".parse().unwrap(), "idle");
        assert!(id.starts_with("20261120-234840-idle-"), "{id}");
        assert_eq!(id.len(), "20261120-234840-idle-0000".len());
    }

    proptest! {
        #[test]
        fn any_name_is_one_plain_path_component(name in any::<String>()) {
            let folder = folder_name(&name);
            prop_assert!(!folder.is_empty() && folder.len() <= LONGEST_NAME);
            prop_assert!(folder.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        }
    }
}
