//! How the writer groups, isolates and refuses.

use std::fs;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use super::commands::{AppendEvents, PruneEvents, SetCursor, SetFact};
use super::testing::{START_MS, TestStore, event, module_name, options};
use super::{Command, Options, Store, StoreError, Tx};
use crate::model::{NewEvent, UtcTime};

/// Keeps the writer busy until it is told to go on.
struct Hold {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Command for Hold {
    type Output = ();

    async fn apply(self, _: &mut Tx<'_>) -> Result<(), StoreError> {
        self.begun.notify_one();
        self.go_on.notified().await;
        Ok(())
    }
}

/// Does something and then fails, or panics.
struct Fail {
    panics: bool,
}

impl Command for Fail {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.set_fact("failed", &json!(true)).await?;
        tx.append_event(event(99)).await?;
        assert!(!self.panics, "the test asked for it");
        Err(StoreError::not_found("reason", "any"))
    }
}

/// Whether the writer and a reader see a fact right now.
struct Look {
    reader: Store,
}

impl Command for Look {
    type Output = (bool, bool);

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(bool, bool), StoreError> {
        let inside: Option<bool> = tx.fact("grouped").await?;
        let outside: Option<bool> = self.reader.fact("grouped").await?;
        Ok((inside.is_some(), outside.is_some()))
    }
}

fn set(name: &'static str) -> SetFact {
    SetFact {
        name,
        value: json!(true),
    }
}

/// Posts commands while the writer is busy, so that they wait together.
macro_rules! together {
    ($store:expr, $($command:expr),+ $(,)?) => {{
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let hold = Hold { begun: begun.clone(), go_on: go_on.clone() };
        let release = async {
            begun.notified().await;
            // The commands are posted by then: each is polled before this goes on.
            tokio::task::yield_now().await;
            go_on.notify_one();
        };
        let (_, _, answers) = tokio::join!($store.commit(hold), release, async {
            tokio::join!($($store.commit($command)),+)
        });
        answers
    }};
}

#[tokio::test]
async fn commands_that_wait_share_one_transaction() {
    let test = TestStore::new().await;
    let reader = test.store.clone();

    let (set, looked) = together!(test.store, set("grouped"), Look { reader });

    set.unwrap();
    assert_eq!(
        looked.unwrap(),
        (true, false),
        "one sees it before the commit, the other not"
    );
    assert_eq!(test.store.fact("grouped").await.unwrap(), Some(true));
}

#[tokio::test]
async fn a_command_that_fails_harms_no_other_of_its_group() {
    let test = TestStore::new().await;

    let (before, failed, panicked, appended, after) = together!(
        test.store,
        set("before"),
        Fail { panics: false },
        Fail { panics: true },
        AppendEvents(vec![event(1), event(2)]),
        set("after"),
    );

    before.unwrap();
    after.unwrap();
    assert!(matches!(failed, Err(StoreError::NotFound { .. })));
    assert!(matches!(panicked, Err(StoreError::Bug { detail }) if detail.contains("asked for it")));
    assert_eq!(
        appended.unwrap(),
        1,
        "numbers of undone events are used again"
    );
    let facts = [
        test.store.fact::<bool>("before").await.unwrap(),
        test.store.fact::<bool>("failed").await.unwrap(),
        test.store.fact::<bool>("after").await.unwrap(),
    ];
    assert_eq!(facts, [Some(true), None, Some(true)]);
    let all = test
        .store
        .events_after(0, &["*".to_owned()], 10)
        .await
        .unwrap();
    let numbers: Vec<_> = all
        .iter()
        .map(|event| (event.seq, &event.data["number"]))
        .collect();
    assert_eq!(numbers, [(1, &json!(1)), (2, &json!(2))]);
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_nothing() {
    let test = TestStore::new().await;
    {
        let mut commit = std::pin::pin!(test.store.commit(set("left")));
        assert!(futures_util::poll!(&mut commit).is_pending());
    }
    test.store.commit(set("later")).await.unwrap();
    assert_eq!(test.store.fact("left").await.unwrap(), Some(true));
}

/// Bounds the file, as a full disk does.
struct Bound(&'static str);

impl Command for Bound {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query(self.0).execute(tx.db()).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_loses_nothing_that_was_answered() {
    let test = TestStore::new().await;
    test.store
        .commit(AppendEvents(vec![event(1)]))
        .await
        .unwrap();
    test.store
        .commit(Bound("PRAGMA max_page_count = 80"))
        .await
        .unwrap();
    let large = || NewEvent::host("test.large", json!("x".repeat(400 << 10)));

    let refused = test.store.commit(AppendEvents(vec![large()])).await;

    assert_eq!(refused, Err(StoreError::DiskFull));
    assert_eq!(test.store.last_seq(), 1);
    test.store
        .commit(Bound("PRAGMA max_page_count = 100000"))
        .await
        .unwrap();
    assert_eq!(test.store.commit(AppendEvents(vec![large()])).await, Ok(2));
    test.store.quick_check().await.unwrap();
}

#[tokio::test]
async fn intake_stops_before_the_disk_is_full() {
    let disk_floor = u64::MAX;
    let test = TestStore::with(Options {
        disk_floor,
        ..options()
    })
    .await;
    let refused = test.store.commit(AppendEvents(vec![event(1)])).await;
    assert!(matches!(refused, Err(StoreError::DiskLow { .. })));
    test.store.commit(set("still works")).await.unwrap();
}

#[tokio::test]
async fn an_event_that_does_not_fit_the_wire_is_refused() {
    let test = TestStore::new().await;
    let large = NewEvent::host("test.large", json!("x".repeat(600 << 10)));
    let refused = test.store.commit(AppendEvents(vec![event(1), large])).await;
    assert!(matches!(refused, Err(StoreError::EventTooLarge { .. })));
    assert_eq!(test.store.commit(AppendEvents(vec![event(2)])).await, Ok(1));
}

#[tokio::test]
async fn a_second_instance_is_told_who_is_there() {
    let test = TestStore::new().await;
    let second = Store::open(test.dir.path(), test.clock.clone()).await;
    let Err(StoreError::Locked { pid, .. }) = &second else {
        panic!("{second:?}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    let said = second.unwrap_err().to_string();
    assert!(
        said.contains(&format!("process {}", std::process::id())),
        "{said}"
    );
    // Closing lets go of the directory.
    test.reopened().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let test = TestStore::new().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum,
                                               execution_time)
                 VALUES (99991231235959, 'later', 1, x'00', 0)";
    test.store.commit(Bound(newer)).await.unwrap();
    let TestStore { dir, clock, store } = test;
    store.close().await;
    let refused = Store::open(dir.path(), clock).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::NewerDatabase {
                found: 99_991_231_235_959,
                ..
            }
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let clock = crate::clock::FixedClock::at(START_MS);
    fs::write(
        dir.path().join("bllvm.sqlite"),
        "this is not a database".repeat(100),
    )
    .unwrap();
    let refused = Store::open(dir.path(), clock).await.unwrap_err();
    let StoreError::Corrupt { path, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert!(path.starts_with(dir.path()));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let clock = crate::clock::FixedClock::at(START_MS);
    let refused = Store::open("/nonexistent/bllvm".as_ref(), clock)
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
}

#[tokio::test]
async fn after_closing_nothing_is_taken() {
    let test = TestStore::new().await;
    let other = test.store.clone();
    test.store.close().await;
    assert_eq!(other.commit(set("late")).await, Err(StoreError::Closed));
    assert_eq!(other.fact::<bool>("late").await, Err(StoreError::Closed));
}

#[tokio::test]
async fn old_events_go_and_their_numbers_never_come_back() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let test = TestStore::new().await;
    let store = &test.store;
    store
        .commit(AppendEvents((1..=5).map(event).collect()))
        .await
        .unwrap();
    test.clock.advance_ms(DAY_MS);
    store
        .commit(AppendEvents((6..=8).map(event).collect()))
        .await
        .unwrap();

    let upto = store
        .prunable(UtcTime::from_unix_ms(START_MS + 1), u64::MAX)
        .await
        .unwrap();
    let pruned = store.commit(PruneEvents { upto }).await.unwrap();

    assert_eq!((pruned.upto, pruned.removed, pruned.kept), (5, 5, 0));
    assert_eq!(store.first_seq().await.unwrap(), 6);
    let upto = store
        .prunable(UtcTime::from_unix_ms(START_MS + 9 * DAY_MS), u64::MAX)
        .await
        .unwrap();
    store.commit(PruneEvents { upto }).await.unwrap();
    let test = test.reopened().await;
    assert_eq!(test.store.first_seq().await.unwrap(), 9);
    assert_eq!(test.store.commit(AppendEvents(vec![event(9)])).await, Ok(9));
}

#[tokio::test]
async fn the_journal_is_bounded_in_bytes() {
    let test = TestStore::new().await;
    let store = &test.store;
    let kilobyte = || NewEvent::host("test.large", json!("x".repeat(1022)));
    store
        .commit(AppendEvents((0..100).map(|_| kilobyte()).collect()))
        .await
        .unwrap();
    let upto = store
        .prunable(UtcTime::from_unix_ms(0), 10 << 10)
        .await
        .unwrap();
    assert_eq!(upto, 90);
    assert_eq!(
        store
            .prunable(UtcTime::from_unix_ms(0), 200 << 10)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_vote_that_nobody_counted_yet_outlives_its_time() {
    let test = TestStore::new().await;
    let store = &test.store;
    let vote = || NewEvent::host("governance.vote_cast", json!({}));
    store
        .commit(AppendEvents(vec![vote(), event(2), vote(), event(4)]))
        .await
        .unwrap();
    let module = module_name("counter");
    store
        .commit(SetCursor {
            module: module.clone(),
            seq: 1,
        })
        .await
        .unwrap();

    let pruned = store.commit(PruneEvents { upto: 4 }).await.unwrap();

    assert_eq!((pruned.removed, pruned.kept), (3, 1));
    let left = store.events_after(0, &["*".to_owned()], 10).await.unwrap();
    assert_eq!(left.iter().map(|event| event.seq).collect::<Vec<_>>(), [3]);
    store.commit(SetCursor { module, seq: 4 }).await.unwrap();
    let pruned = store.commit(PruneEvents { upto: 4 }).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (1, 0));
}
