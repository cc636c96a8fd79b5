//! Finding OpenSSH's programs. `sshd` must be started by its whole path, because it starts itself again for each connection.

use std::path::{Path, PathBuf};

use super::error::SshError;

pub(super) fn find(program: &'static str) -> Result<PathBuf, SshError> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&search).chain(DAEMON_PLACES.map(PathBuf::from));
    places
        .filter(|place| place.is_absolute())
        .map(|place| place.join(program))
        .find(|path| is_executable(path))
        .ok_or(SshError::Missing { program })
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Often not in an ordinary user's `PATH`.
const DAEMON_PLACES: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_whole_path() {
        assert!(find("sh").unwrap().is_absolute());
        let error = find("no-such-sshd").unwrap_err().to_string();
        assert!(
            error.starts_with("no program `no-such-sshd` in PATH"),
            "{error}"
        );
    }
}
