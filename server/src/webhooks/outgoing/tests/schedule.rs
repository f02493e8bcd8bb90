//! The way of a message: every failure, the exact times, what ends it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::breaker::{GIVE_UP_AFTER_MS, HOLD_AFTER};
use super::super::schedule::{PAUSES_MS, next};
use super::super::{OutgoingKey, Step};
use super::receiver::{Act, Receiver};
use super::{SECRET, Sender};
use crate::model::{AttemptCode, EndpointSettings, EndpointState, Lane, MessageState, kinds};
use crate::store::MessageFilter;
use crate::store::commands::{EnableEndpoint, RedeliverMessages, SetEndpoint};
use crate::store::testing::operator;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn a_receiver_that_fails_in_eight_ways_meets_the_exact_schedule() {
    let sender = Sender::new().await;
    // Asked for by the sixth and the eighth answer; the pause after the eighth is longer anyway.
    let asked = Duration::from_mins(1000);
    let date = "Mon, 22 Nov 2027 19:00:00 GMT";
    let receiver = Receiver::new([
        Act::status(500),
        Act::status(500),
        Act::status(500),
        Act::Hang,
        Act::with(302, "location: http://169.254.169.254/\r\n"),
        Act::with(429, "retry-after: 60000\r\n"),
        Act::Reset,
        Act::with(503, &format!("retry-after: {date}\r\n")),
        Act::Close,
    ])
    .await;
    sender.told("eight", &receiver.url).await;
    sender.tell(0..1).await;
    let message = sender.messages("eight").await.remove(0);
    let codes = [
        (AttemptCode::Status, Some(500)),
        (AttemptCode::Status, Some(500)),
        (AttemptCode::Status, Some(500)),
        (AttemptCode::Timeout, None),
        (AttemptCode::Redirect, Some(302)),
        (AttemptCode::Status, Some(429)),
        (AttemptCode::BrokenAnswer, None),
        (AttemptCode::Status, Some(503)),
        (AttemptCode::BrokenAnswer, None),
    ];
    for (place, (code, status)) in codes.into_iter().enumerate() {
        let Step::Tried(id, sent) = sender.step("eight").await else {
            panic!("try {place} is due and was not made");
        };
        assert_eq!((id, sent.code, sent.status), (message.id, code, status));

        let tries = u32::try_from(place).unwrap() + 1;
        let retry_after = match place {
            5 => Some(asked),
            7 => Some(Duration::from_hours(24)),
            _ => None,
        };
        let due = next(id, tries, sender.now(), retry_after).unwrap();
        let pause = due.unix_ms() - sender.now().unix_ms();
        let documented = i64::try_from(PAUSES_MS[place]).unwrap();
        match place {
            5 => assert_eq!(pause, 60_000_000),
            7 => assert_eq!(pause, 24 * HOUR_MS),
            _ => assert!(
                (documented..=documented * 6 / 5).contains(&pause),
                "{pause}"
            ),
        }
        let now = sender.messages("eight").await.remove(0);
        assert_eq!(
            (now.state, now.tries, now.due_at),
            (MessageState::Waiting, tries, Some(due))
        );
        // Not a millisecond before.
        sender.test.clock.advance_ms(pause - 1);
        assert_eq!(sender.step("eight").await, Step::Idle(Some(due)));
        assert_eq!(receiver.came().len(), place + 1);
        sender.test.clock.advance_ms(1);
    }
    assert!(matches!(sender.step("eight").await, Step::Tried(..)));
    let message = sender.messages("eight").await.remove(0);
    assert_eq!(
        (message.state, message.due_at),
        (MessageState::Delivered, None)
    );
    assert_eq!(sender.endpoint("eight").await.lane, Lane::default());
    let attempts = sender.attempts(&message).await;
    assert_eq!(attempts.len(), 10);
    assert_eq!(attempts[0].reply.as_deref(), Some("ok"));

    let came = receiver.came();
    let key = OutgoingKey::read(SECRET).unwrap();
    for one in &came {
        let id = &one.headers["webhook-id"];
        assert_eq!(*id, format!("msg_{}", message.id), "the id stays");
        let time = one.headers["webhook-timestamp"].parse().unwrap();
        assert_eq!(
            one.headers["webhook-signature"],
            key.sign(id, time, &one.body)
        );
        assert_eq!(one.body, came[0].body, "the body stays");
    }
    let times: Vec<i64> = came
        .iter()
        .map(|one| one.headers["webhook-timestamp"].parse().unwrap())
        .collect();
    assert!(
        times.is_sorted() && times[0] < times[9],
        "each try has its time"
    );
}

#[tokio::test]
async fn ten_tries_end_a_message_and_a_range_sends_all_again() {
    let sender = Sender::new().await;
    let receiver = Receiver::new(vec![Act::status(500); 10]).await;
    sender.told("dead", &receiver.url).await;
    sender.tell(0..1).await;
    for _ in 0..10 {
        assert!(matches!(sender.step("dead").await, Step::Tried(..)));
        if let Step::Idle(Some(due)) = sender.step("dead").await {
            let wait = due.unix_ms() - sender.now().unix_ms();
            sender.test.clock.advance_ms(wait);
        }
    }
    assert_eq!(sender.step("dead").await, Step::Idle(None));
    let message = sender.messages("dead").await.remove(0);
    assert_eq!((message.state, message.tries), (MessageState::Failed, 10));
    assert_eq!(sender.events(kinds::WEBHOOK_MESSAGE_FAILED).await, 1);

    let failed = MessageFilter {
        state: Some(MessageState::Failed),
        ..MessageFilter::default()
    };
    let again = RedeliverMessages {
        endpoint: "dead".to_owned(),
        filter: failed,
        by: operator(),
    };
    let done = sender.test.store.commit(again).await.unwrap();
    assert_eq!((done.redelivered, done.more), (1, false));
    sender.test.clock.advance_ms(HOUR_MS);
    assert_eq!(sender.run("dead").await, 1);
    let message = sender.messages("dead").await.remove(0);
    assert_eq!(message.state, MessageState::Delivered);
    assert_eq!(sender.attempts(&message).await.len(), 11);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let sender = Sender::new().await;
    let receiver = Receiver::new([Act::status(410)]).await;
    sender.told("gone", &receiver.url).await;
    sender.tell(0..3).await;
    assert_eq!(sender.run("gone").await, 1);
    let endpoint = sender.endpoint("gone").await;
    assert_eq!(endpoint.state, EndpointState::Disabled);
    assert!(endpoint.reason.contains("410"), "{}", endpoint.reason);
    assert_eq!(sender.events(kinds::WEBHOOK_ENDPOINT_DISABLED).await, 1);
    sender.tell(3..6).await;
    assert_eq!(sender.run("gone").await, 0);
    assert_eq!(receiver.came().len(), 1);
    assert_eq!(sender.messages("gone").await.len(), 3);

    // Enabled again, it gets what waited and what came in between.
    let enable = EnableEndpoint {
        name: "gone".to_owned(),
        from_now: false,
        by: operator(),
    };
    sender.test.store.commit(enable).await.unwrap();
    sender.outgoing.reload().await.unwrap();
    sender.tell(6..7).await;
    assert_eq!(sender.run("gone").await, 6);
    let numbers: Vec<_> = receiver.came().iter().map(number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn three_days_away_lose_nothing_and_keep_the_order() {
    for ordered in [false, true] {
        let sender = Sender::new().await;
        let receiver = Receiver::new([]).await;
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}/", listener.local_addr().unwrap())
        };
        let settings = |url: &str| EndpointSettings {
            ordered,
            ..EndpointSettings::of(url, &["test.*"])
        };
        sender.add("away", settings(&closed)).await;
        let mut attempts = 0;
        for hour in 0..72 {
            sender.tell(hour..hour + 1).await;
            attempts += sender.run("away").await;
            sender.test.clock.advance_ms(HOUR_MS);
        }
        let lane = sender.endpoint("away").await.lane;
        assert!(lane.failures > HOLD_AFTER);
        assert!(attempts < 72 * 2, "the breaker holds: {attempts}");
        let set = SetEndpoint {
            name: "away".to_owned(),
            settings: settings(&receiver.url),
            looked_at: sender.outgoing.looked_at("away"),
            by: operator(),
        };
        sender.test.store.commit(set).await.unwrap();
        sender.outgoing.reload().await.unwrap();
        while receiver.came().len() < 72 {
            sender.run("away").await;
            sender.test.clock.advance_ms(HOUR_MS);
        }
        let mut numbers: Vec<_> = receiver.came().iter().map(number).collect();
        if !ordered {
            numbers.sort_unstable();
        }
        assert_eq!(numbers, (0..72).collect::<Vec<_>>());
        for message in sender.messages("away").await {
            assert_eq!(message.state, MessageState::Delivered);
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_took_nothing_for_five_days_is_disabled() {
    let sender = Sender::new().await;
    let receiver = Receiver::new(vec![Act::status(500); 50]).await;
    sender.told("dead", &receiver.url).await;
    sender.tell(0..1).await;
    sender.run("dead").await;
    sender.test.clock.advance_ms(GIVE_UP_AFTER_MS - 1);
    sender.run("dead").await;
    assert_eq!(sender.endpoint("dead").await.state, EndpointState::Enabled);
    sender.tell(1..2).await;
    sender.test.clock.advance_ms(HOUR_MS);
    sender.run("dead").await;
    let endpoint = sender.endpoint("dead").await;
    assert_eq!(endpoint.state, EndpointState::Disabled);
    assert!(endpoint.reason.contains("5 days"), "{}", endpoint.reason);
}

#[tokio::test]
async fn a_poisonous_message_holds_up_others_only_where_the_order_is_kept() {
    for (ordered, expected) in [(false, vec![0, 1, 2, 0]), (true, vec![0, 0, 1, 2])] {
        let sender = Sender::new().await;
        let receiver = Receiver::new([Act::status(400)]).await;
        let settings = EndpointSettings {
            ordered,
            ..EndpointSettings::of(&receiver.url, &["test.*"])
        };
        sender.add("some", settings).await;
        sender.tell(0..3).await;
        sender.run("some").await;
        sender.test.clock.advance_ms(HOUR_MS);
        sender.run("some").await;
        let numbers: Vec<_> = receiver.came().iter().map(number).collect();
        assert_eq!(numbers, expected);
    }
}

#[tokio::test]
async fn what_was_sent_and_not_recorded_is_sent_again_under_its_id() {
    let sender = Sender::new().await;
    let receiver = Receiver::new([Act::Hang]).await;
    sender.told("cut", &receiver.url).await;
    sender.tell(0..1).await;
    {
        // The node ends while the receiver thinks.
        let live = sender.live("cut");
        let step = sender.outgoing.step(&live);
        tokio::pin!(step);
        while receiver.came().is_empty() {
            tokio::select! {
                _ = &mut step => panic!("the receiver does not answer"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    receiver.then([Act::status(200)]);
    assert_eq!(sender.run("cut").await, 1);
    let came = receiver.came();
    assert_eq!(came.len(), 2);
    assert_eq!(came[0].headers["webhook-id"], came[1].headers["webhook-id"]);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_none_of_ninety_nine_others() {
    const OTHERS: usize = 99;
    const EVENTS: usize = 5;
    let sender = Sender::new().await;
    let slow = Receiver::new([Act::Hang]).await;
    let mut well = Vec::new();
    for _ in 0..OTHERS {
        well.push(Receiver::new([]).await);
    }
    let settings = |url: &str| EndpointSettings {
        // Longer than this test may take.
        timeout_s: 3600,
        ..EndpointSettings::of(url, &["test.*"])
    };
    let (tracker, soft) = (TaskTracker::new(), CancellationToken::new());
    sender.outgoing.start(&tracker, &soft).await.unwrap();
    sender.add("slow", settings(&slow.url)).await;
    for (place, receiver) in well.iter().enumerate() {
        sender
            .add(&format!("well-{place}"), settings(&receiver.url))
            .await;
    }
    sender.tell(0..EVENTS as u64).await;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(5);
    let missing = || well.iter().filter(|one| one.came().len() < EVENTS).count();
    while missing() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} wait", missing());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(slow.came().len(), 1, "it is still at its first");
    assert!(well.iter().all(|one| one.came().len() == EVENTS));
    soft.cancel();
    tracker.close();
    tracker.wait().await;
}

fn number(came: &super::receiver::Came) -> u64 {
    let body: serde_json::Value = serde_json::from_str(&came.body).unwrap();
    body["data"]["number"].as_u64().unwrap()
}
