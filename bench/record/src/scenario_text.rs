//! What a scenario's text says without being understood: of a record that any lmbench wrote, whose other keys this one need not know.

use std::collections::BTreeMap;

use crate::tree;

/// The settings of a scenario's text that make the experiment: paths and values, without names, words for people, `[gate]`, the
/// number of repeats and `[matrix]`, whose values stand in the cells. `None` if the text is no TOML, or longer than any scenario.
pub fn settings(text: &str) -> Option<BTreeMap<String, String>> {
    const ASIDE: [&str; 5] = ["name", "about", "gate", "matrix", "run.repeats"];
    if text.len() as u64 > SCENARIO_BYTES_MAX {
        return None;
    }
    let root = tree::parse(text).ok()?;
    let mut settings = BTreeMap::new();
    root.flatten("", &mut settings);
    let is_aside = |path: &str| {
        let mut aside = ASIDE.iter();
        aside.any(|table| {
            let rest = path.strip_prefix(table);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    settings.retain(|path, _| !is_aside(path));
    Some(settings)
}

/// What a scenario's text says that it is about.
pub fn about(text: &str) -> Option<String> {
    if text.len() as u64 > SCENARIO_BYTES_MAX {
        return None;
    }
    let root = tree::parse(text).ok()?;
    match &root.entry("about")?.node.value {
        tree::Value::Text(about) => Some(about.clone()),
        _ => None,
    }
}

/// The question that a scenario's text says in its head; empty if it says none.
pub fn question(text: &str) -> String {
    let mut said = said(text, "Question: ");
    if let Some(end) = said.find('?') {
        said.truncate(end + 1);
    }
    said
}

/// What stands behind a word of the head, to the end of the paragraph; empty without it.
pub fn said(text: &str, word: &str) -> String {
    let head = text.lines().map_while(|line| line.strip_prefix('#'));
    let lines = head
        .map(str::trim)
        .skip_while(|line| !line.starts_with(word));
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let said = paragraph.join(" ");
    said.strip_prefix(word).unwrap_or_default().to_owned()
}

/// Longest scenario file. The longest of ours is a page; and of a file with an error on every line, the TOML parser's time
/// grows with the square of its length: this much takes a second.
pub const SCENARIO_BYTES_MAX: u64 = 256 << 10;
