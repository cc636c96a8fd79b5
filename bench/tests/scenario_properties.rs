//! What holds for every text: units survive printing, and nothing that anybody writes makes the reader panic.

use std::path::Path;
use std::time::Duration;

use lmbench::scenario;
use lmbench::scenario::units::{Rate, Share, Size, Time};
use proptest::prelude::*;

const SCENARIO: &str = r#"
name = "fuzz"
[guest]
memory = "512 MiB"
[workload]
memory = "64 MiB"
phases = [{ duration = "10 s", jvm = { young = "8 MiB", old = "8 MiB", allocation-rate = "1 MiB/s" } }]
[network.migration]
rate = "1 Gbit/s"
rtt = "1 ms"
[migration.qmp]
xbzrle = true
[carrier.tcp]
path = "splice"
[matrix]
carrier = ["native-tcp", "tcp"]
policy = ["static", "post-copy"]
"migration.multifd-channels" = [1, 4]
[run]
repeats = 3
"#;

proptest! {
    #[test]
    fn sizes_survive_printing(bytes: u64) {
        let size = Size::from_bytes(bytes);
        prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
    }

    #[test]
    fn rates_survive_printing(bits: u64) {
        let rate = Rate::BitsPerSecond(bits);
        prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
    }

    #[test]
    fn times_survive_printing(nanos: u64) {
        let time = Time::from_nanos(nanos);
        prop_assert_eq!(time.to_string().parse::<Time>(), Ok(time));
    }

    #[test]
    fn shares_survive_printing(parts in 0_u32..=1_000_000_000) {
        let share = Share::from_parts_per_billion(parts).expect("at most all of it");
        prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        prop_assert!((0.0..=1.0).contains(&share.fraction()));
    }

    #[test]
    fn units_take_any_text_without_panic(text in "\\PC*") {
        let _ = (text.parse::<Size>(), text.parse::<Rate>(), text.parse::<Time>(), text.parse::<Share>());
    }

    #[test]
    fn numbers_of_any_length_are_answered(number in "[0-9]{0,60}\\.?[0-9]{0,60}", unit in "B|GiB|Gbit/s|ns|h|%| %|") {
        let text = format!("{number}{unit}");
        let _ = (text.parse::<Size>(), text.parse::<Rate>(), text.parse::<Time>(), text.parse::<Share>());
    }

    #[test]
    fn bytes_of_any_kind_are_answered(bytes: Vec<u8>) {
        answer(&bytes);
    }

    /// Damage to a sound file reaches the passes behind the parser, which random text never does.
    #[test]
    fn damaged_scenarios_are_answered(at in 0..SCENARIO.len(), length in 0_usize..40, insert in "[ -~\\n]{0,12}") {
        let mut text = SCENARIO.to_owned();
        text.replace_range(at..(at + length).min(text.len()), &insert);
        answer(text.as_bytes());
    }

    /// The same with values of all kinds in the places of others.
    #[test]
    fn odd_values_are_answered(line in 0..SCENARIO.lines().count(), value in ODD) {
        let lines: Vec<String> = SCENARIO
            .lines()
            .enumerate()
            .map(|(index, text)| match text.split_once('=') {
                Some((key, _)) if index == line => format!("{key}= {value}"),
                _ => text.to_owned(),
            })
            .collect();
        answer(lines.join("\n").as_bytes());
    }
}

const ODD: &str = "0|-1|18446744073709551616|1e400|nan|-inf|true|\"\"|\"ü\"|\"0 B\"|\"17179869183 GiB\"|\"unbounded\"|1979-05-27|\\[\\]|\\[\\[\\]\\]|\\[1, 1\\]|\\{\\}|\\{ a = 1 \\}|\\[\\{\\}\\]";

fn answer(bytes: &[u8]) {
    if let Err(error) = scenario::parse_bytes(Path::new("fuzz.toml"), bytes) {
        assert!(error.problem_count() > 0);
        assert!(!error.render(true).is_empty() && !error.to_string().is_empty());
    }
}

/// Deep nesting and sheer size: a stack that overflows cannot be caught, and a reader that takes minutes is as bad.
#[test]
fn deep_and_large_files_are_answered() {
    let deep = 20_000;
    answer(format!("{}a = 1", "a.".repeat(deep)).as_bytes());
    answer(format!("[{}a]", "a.".repeat(deep)).as_bytes());
    answer(format!("[matrix]\n{}a = [1]", "a.".repeat(deep)).as_bytes());
    answer(format!("a = {}", "[".repeat(deep)).as_bytes());
    answer(format!("a = {}", "{a=".repeat(deep)).as_bytes());
    let keys: Vec<String> = (0..5_000).map(|index| format!("k{index} = 1")).collect();
    answer(keys.join("\n").as_bytes());
    answer(format!("\"{}\" = 1", "x".repeat(100_000)).as_bytes());
}

#[test]
fn units_mean_what_they_say() {
    let size = |text: &str| text.parse::<Size>().map(Size::bytes);
    assert_eq!(size("8 GiB"), Ok(8 << 30));
    assert_eq!(size("8GB"), Ok(8_000_000_000));
    assert_eq!(size("1.5 KiB"), Ok(1536));
    assert_ne!(size("1 KiB"), size("1 kB"));
    assert!(size("1 KB").is_err() && size("0.1 B").is_err() && size("-1 B").is_err());
    let rate = |text: &str| text.parse::<Rate>().map(Rate::bytes_per_second);
    assert_eq!(rate("1 Gbit/s"), Ok(Some(125_000_000)));
    assert_eq!(rate("120 MiB/s"), Ok(Some(120 << 20)));
    assert_eq!(rate("unbounded"), Ok(None));
    let time = |text: &str| text.parse::<Time>().map(Time::duration);
    assert_eq!(time("1.5 s"), Ok(Duration::from_millis(1500)));
    assert_eq!(time("2 min"), Ok(Duration::from_mins(2)));
    assert_eq!(
        "0.1 %".parse::<Share>().map(Share::parts_per_billion),
        Ok(1_000_000)
    );
    assert_eq!(
        serde_json::to_string(&Size::from_bytes(8 << 30)).expect("json"),
        "\"8 GiB\""
    );
    let refused = serde_json::from_str::<Size>("\"8\"")
        .expect_err("no unit")
        .to_string();
    assert!(refused.contains("MiB"), "{refused}");
}

#[test]
fn units_print_as_people_write_them() {
    for text in ["8 GiB", "100 MB", "0 B", "1 KiB", "96 MiB"] {
        assert_eq!(
            text.parse::<Size>().map(|size| size.to_string()),
            Ok(text.to_owned())
        );
    }
    for text in [
        "1 Gbit/s",
        "120 MiB/s",
        "300 Mbit/s",
        "10 Gbit/s",
        "unbounded",
    ] {
        assert_eq!(
            text.parse::<Rate>().map(|rate| rate.to_string()),
            Ok(text.to_owned())
        );
    }
    for text in ["300 ms", "2 min", "1500 ms", "5 s", "20 us"] {
        assert_eq!(
            text.parse::<Time>().map(|time| time.to_string()),
            Ok(text.to_owned())
        );
    }
    assert_eq!(
        "0.5 %".parse::<Share>().map(|share| share.to_string()),
        Ok("0.5 %".to_owned())
    );
}

/// The schema is made from the reader's own key table; what is left to check is that it holds the contract's names and says its types.
#[test]
fn the_schema_describes_what_the_reader_reads() {
    let schema = scenario::schema();
    insta::assert_json_snapshot!("scenario_schema", schema);
    let jvm = &schema["properties"]["workload"]["properties"]["jvm"]["properties"];
    assert_eq!(jvm["young"]["type"], "string");
    assert!(schema["properties"]["matrix"]["properties"]["migration.multifd-channels"].is_object());
    assert!(
        schema["properties"]["guest"]["properties"]["domain"].is_null(),
        "planned keys are not offered"
    );
}
