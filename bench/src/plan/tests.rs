//! Plans whose number of repeats is not fixed.

use std::collections::BTreeMap;

use super::*;
use crate::record::{Repeat, example};
use crate::scenario;

#[test]
fn what_is_settled_is_not_wanted_any_more() {
    let text = "name = \"until\"\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"32 MiB\"\nrate = \"40 MiB/s\"\n\
                [matrix]\ncarrier = [\"native-tcp\", \"tcp\"]\n[run]\nrepeats = \"until ci95 < 5 %, at most 9\"\n";
    let scenario = scenario::parse(std::path::Path::new("until.toml"), text).unwrap();
    let plan = Plan::new(&scenario, &[], None, None).unwrap();
    assert_eq!(
        (plan.steps.len(), plan.until.map(|until| until.metric)),
        (18, Some("total_time_ms"))
    );
    assert!(
        plan.to_string().contains("at most 18 migrations")
            && plan.to_string().contains("until total_time_ms ci95 < 5 %")
    );
    let fixed = Plan::new(&scenario, &[], Some(3), None).unwrap();
    assert_eq!((fixed.steps.len(), fixed.until), (6, None));

    let cells = plan
        .cells
        .iter()
        .map(|cell| (cell.id.clone(), cell.parameters.clone()));
    let text = crate::record::ScenarioText::new("until", text);
    let mut record =
        crate::record::Record::new(text, example::empty("until", 9, 1).environment, 1, 9, cells);
    for repeat in 1..=6 {
        let metrics = BTreeMap::from([("total_time_ms".to_owned(), 100.0)]);
        record.push(1, Repeat::completed(repeat, 0.0, metrics));
    }
    assert_eq!(
        (plan.remaining(&record).len(), record.planned()),
        (12, Some(18))
    );
    record.settle(1);
    assert_eq!(
        (plan.remaining(&record).len(), record.planned()),
        (9, Some(15))
    );
    assert!(plan.remaining(&record).iter().all(|step| step.cell == 0));
    record.settle(0);
    assert!(record.complete && plan.remaining(&record).is_empty());
    let resumed = Plan::resumed(&scenario, &[], &record).unwrap();
    assert_eq!(resumed, plan);
}
