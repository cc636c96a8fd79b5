//! What a real QEMU says it can be set to, and what it then takes.

use lmbench_harness::qmp::{ParameterType, Setting};
use serde_json::{Map, Value, json};

use crate::machine::Machine;

#[tokio::test]
async fn its_schema_knows_its_settings() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let qmp = &machine.qmp;
    let schema = qmp.schema().await.unwrap();
    assert!(schema.has_command("migrate") && schema.has_event("MIGRATION_PASS"));
    assert_eq!(
        schema.migration_parameter("downtime-limit"),
        Some(ParameterType::Int)
    );
    assert_eq!(
        schema.migration_parameter("tls-creds"),
        Some(ParameterType::Str)
    );
    let Some(ParameterType::Enum(modes)) = schema.migration_parameter("multifd-compression") else {
        panic!("enum")
    };
    assert!(modes.contains(&"none".to_owned()));
    assert_eq!(
        schema.closest("max_bandwith"),
        Some("max-bandwidth".to_owned())
    );

    // Every name that QEMU itself lists is one that the schema knows, with the type of its present value.
    for entry in qmp
        .execute("query-migrate-capabilities", Value::Null)
        .await
        .unwrap()
        .as_array()
        .unwrap()
    {
        let name = entry["capability"].as_str().unwrap();
        assert_eq!(
            schema.check(name, &entry["state"]),
            Ok(Setting::Capability(false)),
            "{name}"
        );
    }
    let present = qmp
        .execute("query-migrate-parameters", Value::Null)
        .await
        .unwrap();
    for (name, value) in present.as_object().unwrap() {
        assert_eq!(
            schema.check(name, value),
            Ok(Setting::Parameter(value.clone())),
            "{name}"
        );
    }
}

#[tokio::test]
async fn takes_capabilities_and_parameters() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let qmp = &machine.qmp;
    qmp.set_capabilities(&[("events", true), ("auto-converge", true)])
        .await
        .unwrap();
    qmp.set_parameters(Map::from_iter([("downtime-limit".to_owned(), json!(50))]))
        .await
        .unwrap();
    let parameters = qmp
        .execute("query-migrate-parameters", Value::Null)
        .await
        .unwrap();
    assert_eq!(parameters["downtime-limit"], 50);
    let error = qmp
        .set_parameters(Map::from_iter([("warp".to_owned(), json!(9))]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "QEMU refused `migrate-set-parameters`: Parameter 'warp' is unexpected"
    );
}
