//! Other traffic on the lab's networks.

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::background::BackgroundReport;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Network, NetworkSpec};

use super::hosts::Hosts;

/// Starts it on the network that the scenario names, if any.
pub(super) async fn start(hosts: &Hosts, network: &NetworkSpec) -> Result<(), AgentError> {
    let networks = [
        (Network::Management, network.management.background_bps),
        (Network::Migration, network.migration.background_bps),
    ];
    let busy = networks
        .into_iter()
        .find_map(|(network, rate_bps)| Some((network, rate_bps?)));
    let Some((network, rate_bps)) = busy else {
        return Ok(());
    };
    let address = hosts.address(Role::Destination, network);
    let to = hosts
        .destination
        .call(calls::ReceiveBackground { address })
        .await?;
    hosts
        .source
        .call(calls::SendBackground { to, rate_bps })
        .await
}

/// Ends it; what it came to.
pub(super) async fn stop(hosts: &Hosts) -> Result<Option<BackgroundReport>, AgentError> {
    hosts.source.call(calls::StopBackground).await
}
