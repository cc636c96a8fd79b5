//! What every page keeps to, whatever is in the record.

use lmbench_record::record::{Record, example};

use super::*;
use crate::report::{Source, report};

fn page(record: Record) -> String {
    html(&report(&[Source::without_samples(record)]))
}

/// Every text of the record says something that must not be taken for markup, script, style or control.
fn hostile() -> Record {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' style='x' javascript:alert(3) \u{1b}[31m \u{202e} <!-- ]]> \u{0}\u{2028} =cmd|x";
    let mut record = example::troubled();
    for (index, cell) in record.cells.iter_mut().enumerate() {
        cell.id = format!("{evil}{index}");
        cell.parameters = [(evil.to_owned(), serde_json::json!(format!("{evil}{index}")))]
            .into_iter()
            .collect();
        for repeat in &mut cell.repeats {
            repeat.reason = repeat.reason.as_ref().map(|_| evil.to_owned());
            for event in &mut repeat.events {
                event.host = evil.to_owned();
            }
            if repeat.outcome.has_metrics() {
                repeat.metrics.insert(evil.to_owned(), 1.0);
                repeat.metrics.insert("total_time_ms".to_owned(), f64::NAN);
                repeat.metrics.insert("blackout_ms".to_owned(), f64::MAX);
            }
        }
    }
    let mut calibration = example::calibration();
    for instrument in &mut calibration.instruments {
        instrument.id = evil.to_owned();
        instrument.reads = evil.to_owned();
        instrument.note = Some(evil.to_owned());
        instrument.tells.push(evil.to_owned());
        if let Some(cost) = &mut instrument.cost {
            cost.per = evil.to_owned();
            cost.cpu_us = f64::MAX;
        }
    }
    calibration.instruments[2].skipped = Some(evil.to_owned());
    calibration.measured = evil.to_owned();
    calibration.machine.qemu = Some(evil.to_owned());
    record.calibration = Some(calibration);
    record.run_id = evil.to_owned();
    record.started = evil.to_owned();
    record.scenario.name = evil.to_owned();
    record.scenario.text = format!("{evil}\n{evil}");
    record.environment.cpu = evil.to_owned();
    record
        .environment
        .details
        .insert(evil.to_owned(), serde_json::json!([evil]));
    record
        .environment
        .hosts
        .insert(evil.to_owned(), serde_json::json!({ "name": evil }));
    record
}

/// The tags of a page as a browser finds them: a script or style ends at its end tag and nowhere else.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let end = rest[start..]
            .find('>')
            .map_or(rest.len(), |end| start + end + 1);
        let tag = &rest[start..end];
        tags.push(tag);
        rest = &rest[end..];
        for raw in ["script", "style"] {
            if tag.starts_with(&format!("<{raw}")) {
                let close = rest.find(&format!("</{raw}")).expect("it is closed");
                rest = &rest[close..];
            }
        }
    }
    tags
}

#[test]
fn hostile_texts_stay_texts() {
    let page = page(hostile());
    let tags = tags(&page);
    let scripts = tags.iter().filter(|tag| tag.starts_with("<script")).count();
    let data = tags
        .iter()
        .filter(|tag| tag.starts_with("<script type=\"application/json\""))
        .count();
    assert_eq!(scripts - data, 1, "one script is executed, ours");
    for tag in &tags {
        assert!(
            !tag.contains("onerror=") || tag.contains("&lt;img"),
            "{tag}"
        );
        assert!(!tag.starts_with("<img"), "{tag}");
        let names = tag.split('"').step_by(2);
        assert!(
            names
                .into_iter()
                .all(|outside| !outside.contains("javascript") && !outside.contains(" on")),
            "{tag}"
        );
    }
    assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{0}', '\u{2028}']));
}

#[test]
fn every_tag_that_is_opened_is_closed() {
    let void = ["meta", "link", "path", "line", "rect", "circle", "!doctype"];
    for record in [
        example::wide(),
        example::troubled(),
        hostile(),
        example::empty("nothing", 3, 2),
    ] {
        let page = page(record);
        let mut open: Vec<String> = Vec::new();
        for tag in tags(&page) {
            let inside = tag.trim_start_matches('<').trim_end_matches('>');
            let name: String = inside
                .chars()
                .take_while(|c| c.is_alphanumeric() || "/!".contains(*c))
                .collect();
            if let Some(closed) = name.strip_prefix('/') {
                if closed.is_empty() || void.contains(&closed) {
                    continue;
                }
                assert_eq!(open.pop().as_deref(), Some(closed), "{tag}");
            } else if !inside.ends_with('/') && !void.contains(&name.to_lowercase().as_str()) {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

// Nothing may be asked of a network: no address in any attribute but links within the page, and a policy that forbids the rest.
#[test]
fn nothing_is_loaded() {
    let page = page(example::wide());
    for tag in tags(&page) {
        for attribute in ["src=", "href=", "action=", "srcset=", "poster="] {
            if let Some((_, value)) = tag.split_once(attribute) {
                assert!(
                    value.starts_with("\"#") || value.starts_with("\"data:,"),
                    "{tag}"
                );
            }
        }
        assert!(
            !tag.contains(" style="),
            "the policy forbids style attributes: {tag}"
        );
    }
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn two_pages_of_one_record_are_the_same() {
    assert_eq!(page(example::wide()), page(example::wide()));
}

#[test]
fn every_chart_has_words_and_its_data() {
    let page = page(example::wide());
    let tags = tags(&page);
    for tag in tags
        .iter()
        .filter(|tag| tag.starts_with("<svg") && !tag.contains("viewBox"))
    {
        assert!(
            tag.contains("aria-label")
                || tag.contains("aria-hidden")
                || tag.contains("class=\"ticks"),
            "{tag}"
        );
    }
    for tag in tags.iter().filter(|tag| tag.starts_with("<figure")) {
        let id = tag
            .split("data-data=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let id = id.unwrap_or_else(|| panic!("{tag} has no data"));
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(
        tags.iter()
            .any(|tag| tag.starts_with("<svg class=\"strip\""))
    );
}
