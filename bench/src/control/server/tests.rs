//! Clients that mean no good, or know no better; a run that answers them all the same.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use lmbench_harness::policy::Setting;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::control::{ControlError, reach};
use crate::event::RunEvent;
use crate::store::{FoundRun, Liveness, RECORD_FILE};

/// A server without a run around it.
struct Rig {
    folder: tempfile::TempDir,
    desk: Desk,
    task: JoinHandle<()>,
}

impl Rig {
    /// Its run's folder has the lock of a run that goes on, and the word of the socket.
    fn new() -> Rig {
        Rig::patient(PATIENCE)
    }

    fn patient(patience: Duration) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = listen(&socket).unwrap();
        Point::here("id", socket).write(folder.path()).unwrap();
        let (desk, board) = (Desk::default(), Board::default());
        let started = RunEvent::RunStarted {
            run_id: "id".to_owned(),
            scenario: "jvm".to_owned(),
            cells: 1,
            migrations: 1,
            directory: folder.path().to_owned(),
        };
        board.observe(&started, Duration::ZERO);
        let hall = Hall {
            run: "id".to_owned(),
            desk: desk.clone(),
            board,
            patience,
        };
        let task = tokio::spawn(serve(listener, hall));
        Rig { folder, desk, task }
    }

    async fn client(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("socket"))
            .await
            .unwrap()
    }

    /// Everything that comes after `words`, until the server ends the connection.
    async fn say(&self, words: &[u8]) -> String {
        let mut client = self.client().await;
        // The server may have had enough before it has all.
        let _ = client.write_all(words).await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    fn found(&self) -> FoundRun {
        found(self.folder.path())
    }

    async fn ask(&self, command: Command) -> Answer {
        let mut connection = reach(&self.found()).await.unwrap();
        connection.ask(command, PATIENCE).await.unwrap()
    }
}

fn found(folder: &Path) -> FoundRun {
    FoundRun {
        directory: folder.to_owned(),
        record: folder.join(RECORD_FILE),
    }
}

#[tokio::test]
async fn garbage_is_answered_once_and_let_go() {
    let rig = Rig::new();
    for (words, answer) in [
        (&b"\n"[..], "EOF while parsing"),
        (b"hello\n", "expected value"),
        (b"\xff\xfe\n", "expected value"),
        (b"{\"run\":\"id\"}\n", "missing field `command`"),
        (
            b"{\"run\":\"id\",\"command\":\"explode\"}\n",
            "unknown variant",
        ),
        (
            b"{\"run\":\"id\",\"command\":\"status\",\"as\":\"root\"}\n",
            "unknown field",
        ),
        (&[b'x'; LINE_MAX + 1], "one line of at most 4096 bytes"),
        (&[b'['; LINE_MAX], "one line of at most 4096 bytes"),
    ] {
        let said = rig.say(words).await;
        assert!(said.starts_with("{\"misunderstood\":"), "{said}");
        assert!(said.contains(answer), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
    assert!(matches!(rig.ask(Command::Status).await, Answer::Status(_)));
}

#[tokio::test]
async fn half_a_line_is_no_order() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let words = b"{\"run\":\"id\",\"command\":\"cancel\"}";
    client.write_all(words).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let rig = Rig::patient(Duration::from_millis(20));
    assert_eq!(rig.say(b"{\"run\"").await, "");
}

#[tokio::test]
async fn too_many_are_let_go_and_the_others_served() {
    let rig = Rig::new();
    let mut first = reach(&rig.found()).await.unwrap();
    let answer = first.ask(Command::Status, PATIENCE).await;
    assert!(matches!(answer, Ok(Answer::Status(_))));
    let mut idle = Vec::new();
    for _ in 0..CLIENTS_MAX - 1 {
        idle.push(rig.client().await);
    }
    assert_eq!(rig.say(b"").await, "");
    let answer = first.ask(Command::Status, PATIENCE).await;
    assert!(matches!(answer, Ok(Answer::Status(_))), "{answer:?}");
}

#[tokio::test]
async fn orders_reach_the_migration_and_bring_its_answer() {
    let rig = Rig::new();
    let refused = "no migration goes on: the run is between two".to_owned();
    assert_eq!(rig.ask(Command::Cancel).await, Answer::Refused(refused));
    let mut counter = rig.desk.open();
    let setting = Setting::DowntimeLimit { ms: 500 };
    let migration = async {
        let wanted = counter.next().await;
        let order = Order::Set(Setting::DowntimeLimit { ms: 500 });
        assert_eq!(wanted.deed, Deed::Order(order));
        wanted.answer.send(Ok("set".to_owned())).unwrap();
        let wanted = counter.next().await;
        assert_eq!(wanted.deed, Deed::ResumeNetwork);
        wanted
            .answer
            .send(Err("no link was cut".to_owned()))
            .unwrap();
    };
    let orders = async {
        let set = rig.ask(Command::Set(setting)).await;
        (set, rig.ask(Command::ResumeNetwork).await)
    };
    let (answers, ()) = tokio::join!(orders, migration);
    let (done, refused) = ("set".to_owned(), "no link was cut".to_owned());
    assert_eq!(answers, (Answer::Done(done), Answer::Refused(refused)));
}

#[tokio::test]
async fn another_run_at_the_same_place_refuses() {
    let rig = Rig::new();
    let point = Point::here("other", rig.folder.path().join("socket"));
    point.write(rig.folder.path()).unwrap();
    let refused = "this is run id".to_owned();
    assert_eq!(rig.ask(Command::Status).await, Answer::Refused(refused));
}

#[tokio::test]
async fn a_run_that_is_gone_is_told_from_one_that_is_stuck() {
    let mut rig = Rig::new();
    rig.task.abort();
    let _ = (&mut rig.task).await;
    // Without a lock the run has ended; the socket's file is there and nobody listens.
    assert_eq!(rig.found().liveness(), Liveness::Ended);
    let error = reach(&rig.found()).await.unwrap_err();
    assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
    // A free lock is what a killed run leaves.
    std::fs::write(rig.folder.path().join("lock"), "1").unwrap();
    let error = reach(&rig.found()).await.unwrap_err().to_string();
    assert!(error.contains("was killed"), "{error}");

    // Somebody listens and says nothing.
    let socket = rig.folder.path().join("deaf");
    let _listener = UnixListener::bind(&socket).unwrap();
    Point::here("id", socket).write(rig.folder.path()).unwrap();
    let mut connection = reach(&rig.found()).await.unwrap();
    let answer = connection
        .ask(Command::Status, Duration::from_millis(20))
        .await;
    assert!(
        matches!(answer, Err(ControlError::Silent { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn only_the_owner_can_open_the_socket_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open("id", folder.path(), Desk::default(), Board::default()).unwrap();
    let point = Point::read(folder.path()).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode(&point.socket), 0o600);
    assert_eq!(mode(point.socket.parent().unwrap()), 0o700);
    drop(server);
    assert!(!point.socket.parent().unwrap().exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
