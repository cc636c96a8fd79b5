//! QEMU as a driver: its translator, unix sockets, and a folder for each host.

use lmbench_harness::drivers::{Driver, hypervisor};
use lmbench_harness::hypervisor::{Hypervisor, Stream};
use lmbench_harness::role::Role;
use tempfile::TempDir;

use super::suite::{self, Rig};

struct Qemus {
    source: Box<dyn Hypervisor>,
    destination: Box<dyn Hypervisor>,
    folder: TempDir,
}

impl Qemus {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = |role: Role| {
            let directory = folder.path().join(role.name());
            std::fs::create_dir(&directory).unwrap();
            hypervisor(Driver::Qemu, &directory)
        };
        Qemus {
            source: host(Role::Source),
            destination: host(Role::Destination),
            folder,
        }
    }
}

impl Rig for Qemus {
    fn hypervisor(&self, role: Role) -> &dyn Hypervisor {
        match role {
            Role::Source => &*self.source,
            Role::Destination => &*self.destination,
        }
    }

    fn stream(&self) -> Stream {
        Stream::Unix(self.folder.path().join("stream"))
    }
}

#[tokio::test]
async fn a_guest_moves_and_nothing_is_lost() {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    suite::a_guest_moves_and_nothing_is_lost(&Qemus::new()).await;
}

#[tokio::test]
async fn a_guest_whose_migration_is_cancelled_stays() {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    suite::a_guest_whose_migration_is_cancelled_stays(&Qemus::new()).await;
}

#[tokio::test]
async fn a_guest_that_is_ended_is_gone() {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    suite::a_guest_that_is_ended_is_gone(&Qemus::new()).await;
}

#[tokio::test]
async fn a_guest_that_dies_says_how() {
    let Some(_turn) = lmbench_testing::live(&[]) else {
        return;
    };
    suite::a_guest_that_dies_says_how(&Qemus::new()).await;
}
