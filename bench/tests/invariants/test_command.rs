//! The test command that README gives is the one that CI runs.

use std::fs;

use crate::root;

/// The first line of code in README's section `## Test`.
fn test_command(readme: &str) -> Result<&str, String> {
    let section = readme
        .split("\n## ")
        .find_map(|section| section.strip_prefix("Test\n"))
        .ok_or("README.md has no section `## Test`")?;
    let block = section
        .split("```")
        .nth(1)
        .ok_or("README.md's section `## Test` has no code block")?;
    // What follows the opening fence on its line is the language.
    block
        .lines()
        .skip(1)
        .map(str::trim)
        .find(|line| !line.is_empty())
        .ok_or_else(|| "README.md's test command is empty".into())
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let made_up = "# lmbench\n\n## Run\n```sh\ncargo run\n```\n## Test\nTo test:\n```sh\n\nmake all\n```\n\n## Contribute\n";
    assert_eq!(test_command(made_up), Ok("make all"));
    for wrong in [
        "# lmbench\n## Testing\n```\nx\n```",
        "# lmbench\n## Test\nno code",
        "# lmbench\n## Test\n```sh\n```",
    ] {
        assert!(test_command(wrong).is_err(), "{wrong}");
    }

    let read = |name: &str| {
        fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    let command = test_command(&readme).unwrap_or_else(|trouble| panic!("{trouble}"));
    assert!(
        ci.contains(command),
        ".ci/run does not run README's test command `{command}`"
    );
}
