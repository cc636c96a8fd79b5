//! `--peer-user`: who besides this user may be at a local socket.

use std::process::Command;

use super::{Exit, Failed};

/// The number of a user who was named, or given by number. Names come from wherever the host keeps them, so `id` is asked.
pub(super) fn uid(user: Option<&str>) -> Result<Option<u32>, Failed> {
    let Some(user) = user else { return Ok(None) };
    if let Ok(uid) = user.parse() {
        return Ok(Some(uid));
    }
    // A word that begins like an option would be one.
    let named = !user.is_empty() && !user.starts_with('-');
    let output = named.then(|| Command::new("id").args(["-u", user]).output());
    let answer = output
        .and_then(Result::ok)
        .filter(|output| output.status.success());
    let uid = answer.and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok());
    uid.map(Some).ok_or_else(|| {
        Failed::new(Exit::Usage, format!("no user '{user}' on this host"))
            .hint("name the user that your QEMU runs as, or its number")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(uid(None).unwrap(), None);
        assert_eq!(uid(Some("107")).unwrap(), Some(107));
        assert_eq!(uid(Some("root")).unwrap(), Some(0));
        for wrong in ["", "-u", "no such user"] {
            assert_eq!(uid(Some(wrong)).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
