//! A link that is cut carries nothing until it is whole again, whoever makes it.

use std::time::Duration;

use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkMethod, LinkSpec, Network};

use crate::probes::{Flow, Pace};
use crate::support::live;
use crate::{lab_with, link_lab, pids};

/// Of 100 datagrams from source to destination.
fn arrived(lab: &Lab) -> usize {
    let address = lab.address(Role::Destination, Network::Migration);
    let flow = Flow::start(pids(lab), address, Pace::of(8_000_000, 100), 100);
    100 - flow.missing().len()
}

#[test]
fn both_methods_cut_at_once_and_restore() {
    live(
        "cut::both_methods_cut_at_once_and_restore",
        &super::NEEDS,
        || {
            for method in [LinkMethod::Kernel, LinkMethod::UserSpace] {
                let base = tempfile::tempdir().unwrap();
                let link = LinkSpec {
                    method,
                    rate_bps: Some(1_000_000_000),
                    ..LinkSpec::default()
                };
                let mut lab = lab_with(base.path(), link);
                let network = Network::Migration;
                assert_eq!(lab.method(network), Some(method));
                // The hosts have found each other: a question for the address would be cut, too, and asked again after a second.
                assert_eq!(arrived(&lab), 100);
                lab.cut(network, None).unwrap();
                assert_eq!(arrived(&lab), 0);
                assert_eq!(lab.restore_all().unwrap(), [network]);
                assert_eq!(lab.restore_all().unwrap(), []);
                assert_eq!(arrived(&lab), 100);
                // The answers' direction only.
                lab.cut(network, Some(Role::Source)).unwrap();
                assert_eq!(arrived(&lab), 100);
                lab.restore(network).unwrap();
                lab.close().unwrap();
            }
        },
    );
}

#[test]
fn a_user_space_link_cuts_at_a_byte_and_ends_a_flap_by_itself() {
    live(
        "cut::a_user_space_link_cuts_at_a_byte_and_ends_a_flap_by_itself",
        &super::NEEDS,
        || {
            let base = tempfile::tempdir().unwrap();
            let mut lab = link_lab(base.path(), &LinkSpec::default());
            let network = Network::Migration;
            // 42 bytes of headers: ten frames and a part of the next, whatever else the hosts send.
            lab.cut_after(network, Some(Role::Destination), 10 * 142 + 100, None)
                .unwrap();
            assert!((5..=10).contains(&arrived(&lab)));
            assert_eq!(arrived(&lab), 0);
            lab.restore(network).unwrap();
            lab.cut_after(network, None, 0, Some(Duration::from_mins(1)))
                .unwrap();
            assert_eq!(arrived(&lab), 0);
            lab.restore(network).unwrap();
            // The first frame finds the link down, and the time is over with it.
            lab.cut_after(network, None, 0, Some(Duration::ZERO))
                .unwrap();
            assert!((98..100).contains(&arrived(&lab)));
            lab.close().unwrap();
        },
    );
}
