//! Windows, slow followers, latest and lossy events, resets.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::receiver::Subscription;
use crate::journal::{FeedItem, GAP, Journal, RESET};
use crate::model::{EventClass, NewEvent, kinds};
use crate::store::commands::PruneEvents;
use crate::store::testing::{TestStore, event, module_name};

async fn journal() -> (TestStore, Journal) {
    let test = TestStore::new().await;
    let journal = Journal::new(test.store.clone());
    (test, journal)
}

async fn publish(journal: &Journal, count: u64) {
    journal
        .publish((0..count).map(event).collect())
        .await
        .unwrap();
}

fn of_class(class: EventClass, kind: &str, data: serde_json::Value) -> NewEvent {
    NewEvent {
        class,
        ..NewEvent::host(kind, data)
    }
}

#[tokio::test]
async fn a_window_bounds_what_is_unacknowledged_and_acks_open_it() {
    let (_test, journal) = journal().await;
    let module = module_name("reader");
    let subscription = Subscription::begin(&journal, &module, &["test.*"]).await;
    publish(&journal, 3000).await;
    let receiver = &subscription.receiver;

    receiver.until(|events| events.len() == 1024).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(receiver.durable().len(), 1024);
    assert_eq!(journal.lag(&module), Some(3000));

    subscription.ack(1000).await;
    receiver.until(|events| events.len() == 2024).await;
    subscription.ack(2024).await;
    receiver.until(|events| events.len() == 3000).await;
    assert_eq!(receiver.durable(), (1..=3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_window_is_bounded_in_bytes_too() {
    let (_test, journal) = journal().await;
    let subscription = Subscription::begin(&journal, &module_name("reader"), &["*"]).await;
    let large = || NewEvent::host("test.large", json!("x".repeat(300 << 10)));
    for _ in 0..10 {
        journal.publish(vec![large()]).await.unwrap();
    }
    let receiver = &subscription.receiver;
    receiver.until(|events| events.len() == 4).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(receiver.durable(), [1, 2, 3, 4]);
    for seq in 1..=10 {
        subscription.ack(seq).await;
        receiver
            .until(|events| events.len() as u64 >= (seq + 3).min(10))
            .await;
    }
}

#[tokio::test]
async fn a_slow_follower_falls_behind_alone_and_is_told_on() {
    let (_test, journal) = journal().await;
    let slow = Subscription::begin(&journal, &module_name("slow"), &["test.*"]).await;
    let quick = Subscription::begin(&journal, &module_name("quick"), &["*"]).await;
    slow.receiver.set_full(true);
    for round in 1..=20 {
        publish(&journal, 500).await;
        quick
            .receiver
            .until(|events| events.last().is_some_and(|last| last.seq >= round * 500))
            .await;
        quick.ack(round * 500).await;
    }
    assert!(slow.receiver.durable().is_empty());

    slow.receiver.set_full(false);
    slow.receiver.until(|events| events.len() == 1024).await;
    quick
        .receiver
        .until(|events| {
            events
                .iter()
                .any(|event| event.kind == kinds::MODULE_LAGGING)
        })
        .await;
    let told = quick.receiver.all();
    let lagging = told
        .iter()
        .find(|event| event.kind == kinds::MODULE_LAGGING)
        .unwrap();
    assert_eq!(lagging.data["module"], "slow");

    // What memory no longer holds comes from the database.
    let last = 10_000;
    while slow.receiver.durable().last() != Some(&last) {
        let at = *slow.receiver.durable().last().unwrap();
        slow.ack(at).await;
        slow.receiver
            .until(|events| events.last().is_some_and(|last| last.seq > at))
            .await;
    }
    assert_eq!(slow.receiver.durable(), (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_moves_past_events_that_do_not_concern() {
    let (test, journal) = journal().await;
    let module = module_name("reader");
    let subscription = Subscription::begin(&journal, &module, &["rare.*"]).await;
    publish(&journal, 5000).await;
    let rare = NewEvent::host("rare.thing", json!({}));
    journal.publish(vec![rare]).await.unwrap();
    let receiver = &subscription.receiver;
    receiver.until(|events| !events.is_empty()).await;
    subscription.end().await;
    assert_eq!(test.store.cursor(&module).await.unwrap(), Some(5000));
}

#[tokio::test]
async fn an_older_cursor_is_told_where_the_journal_starts() {
    let (test, journal) = journal().await;
    let module = module_name("reader");
    publish(&journal, 10).await;
    test.store.commit(PruneEvents { upto: 5 }).await.unwrap();
    // Memory still has them; a restarted host does not.
    let test = test.reopened().await;
    let journal_anew = Journal::new(test.store.clone());
    drop(journal);

    let types = &["test.*"];
    let subscription = Subscription::begin_after(&journal_anew, &module, types, Some(2)).await;

    subscription
        .receiver
        .until(|events| events.len() == 6)
        .await;
    let events = subscription.receiver.all();
    assert_eq!(
        (events[0].kind.as_str(), &events[0].data),
        (RESET, &json!({"first": 6}))
    );
    let seqs: Vec<_> = events[1..].iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [6, 7, 8, 9, 10]);
    let mut feed = journal_anew.live(vec!["*".to_owned()], Some(0));
    assert_eq!(
        feed.next().await.unwrap(),
        Some(FeedItem::Reset { first: 6 })
    );
}

#[tokio::test]
async fn of_latest_events_the_newest_counts() {
    let (_test, journal) = journal().await;
    for height in 1..=5 {
        let tip = of_class(EventClass::Latest, kinds::TIP, json!({"height": height}));
        journal.publish(vec![tip]).await.unwrap();
    }
    for target in [2, 6, 2] {
        let data = json!({"key": target.to_string(), "target": target});
        journal.pass(vec![of_class(EventClass::Latest, "chain.fee", data)]);
    }
    let subscription = Subscription::begin(&journal, &module_name("reader"), &["*"]).await;
    subscription
        .receiver
        .until(|events| events.len() == 3)
        .await;
    let seen: Vec<_> = subscription
        .receiver
        .all()
        .into_iter()
        .map(|event| event.data)
        .collect();
    assert_eq!(seen[0], json!({"height": 5}));
    assert_eq!(
        (&seen[1]["target"], &seen[2]["target"]),
        (&json!(6), &json!(2))
    );
    journal.pass(vec![of_class(
        EventClass::Latest,
        kinds::TIP,
        json!({"height": 6}),
    )]);
    subscription
        .receiver
        .until(|events| events.len() == 4)
        .await;
}

#[tokio::test]
async fn every_missed_lossy_event_is_accounted_for() {
    let (_test, journal) = journal().await;
    let mut feed = journal.live(vec!["test.*".to_owned()], None);
    for number in 0..10_000 {
        let data = json!({"number": number});
        journal.pass(vec![of_class(EventClass::Lossy, "test.line", data)]);
    }
    let Some(FeedItem::Gap { missed }) = feed.next().await.unwrap() else {
        panic!("no {GAP}");
    };
    let mut seen = 0;
    while let Ok(item) = timeout(Duration::from_millis(50), feed.next()).await {
        let Some(FeedItem::Event(event)) = item.unwrap() else {
            panic!("another gap");
        };
        assert_eq!(event.data["number"], missed + seen);
        seen += 1;
    }
    assert_eq!(missed + seen, 10_000);
}

#[tokio::test]
async fn a_live_feed_starts_where_asked_and_goes_on() {
    let (_test, journal) = journal().await;
    publish(&journal, 3).await;
    let mut feed = journal.live(vec!["test.*".to_owned()], Some(1));
    publish(&journal, 1).await;
    for expected in 2..=4 {
        let Some(FeedItem::Event(event)) = feed.next().await.unwrap() else {
            panic!("not an event");
        };
        assert_eq!(event.seq, expected);
    }
    let later = async {
        tokio::task::yield_now().await;
        publish(&journal, 1).await;
    };
    let (item, ()) = tokio::join!(feed.next(), later);
    assert!(matches!(item, Ok(Some(FeedItem::Event(event))) if event.seq == 5));
}
