//! Published examples, every kind of bad delivery, repetitions in any order.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bllvm_manifest::ModuleName;
use bytes::Bytes;
use tokio::time::Instant;

use super::outgoing::AllowedAddresses;
use super::sign::sign;
use super::{IntakeError, Receipt, Unproven, Webhooks, seal};
use crate::clock::{Clock as _, new_id};
use crate::configuration::SecretKey;
use crate::model::{
    AttemptKind, DeliveryState, EventEnvelope, HmacHeaders, Id, SignatureEncoding, SourceSettings,
    WebhookScheme, kinds,
};
use crate::store::commands::{
    AddWebhookSource, DropWebhookBodies, JudgeWebhook, ReplayWebhook, ReplayWebhooks,
    RotateWebhookSecret,
};
use crate::store::testing::{START_MS, TestStore, operator, options};
use crate::store::{DeliveryFilter, Options, PageRequest, StoreError};

const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const GITHUB_SIGNATURE: &str =
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const STANDARD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const STANDARD_ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const STANDARD_TIME: i64 = 1_649_367_553;
const STANDARD_BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;
const V1: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
/// The key of RFC 8032's first example; the signature was made by OpenSSL.
const PUBLIC_KEY: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const V1A: &str =
    "v1a,jfp5j4J3Buv9EPOcc9Bqo8rJqAO1H6lrRl0WZQdzVZI6IttNPT8HSLyPvUvY54dJJt2BQGA01di1ePvigCwlCw==";

struct Inbox {
    test: TestStore,
    hooks: Webhooks,
    key: SecretKey,
}

impl Inbox {
    async fn new() -> Self {
        Self::with(options()).await
    }

    async fn with(options: Options) -> Self {
        let test = TestStore::with(options).await;
        let key = SecretKey::open_or_create(test.dir.path()).unwrap();
        let hooks = Webhooks::new(
            test.store.clone(),
            key.clone(),
            1 << 20,
            AllowedAddresses::default(),
        );
        Self { test, hooks, key }
    }

    async fn add(&self, name: &str, settings: SourceSettings, secret: &str) {
        let id = new_id(&*self.test.clock);
        let add = AddWebhookSource {
            name: name.to_owned(),
            settings,
            secret: id,
            sealed: seal(&self.key, name, id, secret),
            by: operator(),
        };
        self.test.store.commit(add).await.unwrap();
        self.hooks.reload().await.unwrap();
    }

    async fn github(&self) {
        let settings = SourceSettings {
            rate_per_minute: 0,
            ..SourceSettings::of(WebhookScheme::Github)
        };
        self.add("gh", settings, GITHUB_SECRET).await;
    }

    async fn standard(&self, secret: &str) {
        let settings = SourceSettings::of(WebhookScheme::Standard);
        self.add("std", settings, secret).await;
        self.test
            .clock
            .advance_ms(STANDARD_TIME * 1000 - self.test.clock.now().unix_ms());
    }

    async fn send(&self, source: &str, headers: &[(&str, &str)], body: &str) -> Taken {
        let body = Bytes::from(body.to_owned());
        self.hooks.receive(source, &headers_of(headers), body).await
    }

    /// A delivery as the source's sender signs it.
    async fn signed(&self, source: &str, id: &str, body: &str) -> Taken {
        let live = self.hooks.source(source).unwrap();
        let headers = sign(&live, id, self.test.clock.now(), body.as_bytes()).unwrap();
        let body = Bytes::from(body.to_owned());
        self.hooks.receive(source, &headers, body).await
    }

    async fn rows(&self) -> usize {
        let page = PageRequest::of(1000);
        let all = DeliveryFilter::default();
        let page = self.test.store.webhook_deliveries(&page, &all).await;
        page.unwrap().items.len()
    }

    async fn events(&self, kind: &str) -> Vec<EventEnvelope> {
        let kinds = [kind.to_owned()];
        self.test
            .store
            .events_after(0, &kinds, 100_000)
            .await
            .unwrap()
    }

    async fn attempts(&self, id: Id) -> Vec<AttemptKind> {
        let all = self.test.store.webhook_attempts(id).await.unwrap();
        all.into_iter().map(|attempt| attempt.kind).collect()
    }
}

type Taken = Result<Receipt, IntakeError>;

fn headers_of(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    headers.iter().map(pair).collect()
}

fn unproven(taken: &Taken) -> bool {
    *taken == Err(IntakeError::Unproven(Unproven::Signature))
}

fn standard_headers(signature: &str) -> [(&'static str, &str); 3] {
    [
        ("webhook-id", STANDARD_ID),
        ("webhook-timestamp", "1649367553"),
        ("webhook-signature", signature),
    ]
}

#[tokio::test]
async fn githubs_documented_example_is_taken() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    let headers = [
        ("x-hub-signature-256", GITHUB_SIGNATURE),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-github-event", "ping"),
    ];
    let receipt = inbox.send("gh", &headers, "Hello, World!").await.unwrap();
    assert!(!receipt.duplicate);
    let store = &inbox.test.store;
    let row = store
        .webhook_delivery(receipt.delivery)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.kind.as_deref(), Some("ping"));
    assert_eq!(row.state, DeliveryState::Waiting);
    let body = store.webhook_body(receipt.delivery).await.unwrap();
    assert_eq!(body.as_deref(), Some(b"Hello, World!".as_slice()));
    let events = inbox.events(kinds::WEBHOOK_RECEIVED).await;
    assert_eq!(events[0].seq, row.seq);
    assert_eq!(events[0].data["digest"], row.digest);
    assert!(!events[0].data.to_string().contains("Hello"));
}

#[tokio::test]
async fn standard_webhooks_examples_are_taken_v1_and_v1a() {
    for (secret, signature) in [(STANDARD_SECRET, V1), (PUBLIC_KEY, V1A)] {
        let inbox = Inbox::new().await;
        inbox.standard(secret).await;
        let several = format!("v1,AAAA v9,whatever {signature}");
        let headers = standard_headers(&several);
        let taken = inbox.send("std", &headers, STANDARD_BODY).await;
        assert!(!taken.unwrap().duplicate);
        let other = standard_headers(if signature == V1 { V1A } else { V1 });
        assert!(unproven(&inbox.send("std", &other, STANDARD_BODY).await));
    }
}

#[tokio::test]
async fn a_sender_of_its_own_kind_signs_body_and_time_in_its_own_headers() {
    let inbox = Inbox::new().await;
    for encoding in [SignatureEncoding::Hex, SignatureEncoding::Base64] {
        let settings = SourceSettings {
            hmac: Some(HmacHeaders {
                signature_header: "x-signature".into(),
                encoding,
                prefix: "s=".into(),
                id_header: None,
                timestamp_header: Some("x-time".into()),
            }),
            ..SourceSettings::of(WebhookScheme::Hmac)
        };
        let name = encoding.as_str();
        inbox.add(name, settings, "a secret of some length").await;
        let first = inbox.signed(name, "unused", "{}").await.unwrap();
        // Without an id of the sender's the body's digest is the id.
        let again = inbox.signed(name, "unused", "{}").await.unwrap();
        assert_eq!((again.delivery, again.duplicate), (first.delivery, true));
        let wrong = [("x-signature", "s=00"), ("x-time", "1795374000")];
        assert!(unproven(&inbox.send(name, &wrong, "{}").await));
    }
}

#[tokio::test]
async fn what_is_not_proven_leaves_nothing() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    inbox.standard(STANDARD_SECRET).await;
    let id = ("x-github-delivery", "1");
    let signature = |value: &'static str| ("x-hub-signature-256", value);
    let bare = &GITHUB_SIGNATURE["sha256=".len()..];
    let github: [(&str, Vec<_>); 8] = [
        ("no signature", vec![id]),
        ("empty", vec![id, signature("")]),
        ("without its prefix", vec![id, signature(bare)]),
        ("SHA-1", vec![id, ("x-hub-signature", GITHUB_SIGNATURE)]),
        ("no hex", vec![id, signature("sha256=zz")]),
        ("cut", vec![id, signature("sha256=757107ea")]),
        ("of another body", vec![id, signature(GITHUB_SIGNATURE)]),
        (
            "twice",
            vec![id, signature(GITHUB_SIGNATURE), signature(GITHUB_SIGNATURE)],
        ),
    ];
    for (what, headers) in &github {
        let body = if *what == "of another body" {
            "Hello, world!"
        } else {
            "Hello, World!"
        };
        assert!(unproven(&inbox.send("gh", headers, body).await), "{what}");
        assert!(
            unproven(&inbox.send("nobody", headers, body).await),
            "{what}"
        );
    }
    let tampered = [
        [
            ("webhook-id", "msg_other"),
            ("webhook-timestamp", "1649367553"),
            ("webhook-signature", V1),
        ],
        [
            ("webhook-id", STANDARD_ID),
            ("webhook-timestamp", "1649367554"),
            ("webhook-signature", V1),
        ],
        [
            ("webhook-id", STANDARD_ID),
            ("webhook-timestamp", "1649367553"),
            ("webhook-signature", "v1,"),
        ],
        [
            ("webhook-id", STANDARD_ID),
            ("webhook-timestamp", "1649367553"),
            ("webhook-signature", &V1[3..]),
        ],
    ];
    for headers in tampered {
        assert!(
            unproven(&inbox.send("std", &headers, STANDARD_BODY).await),
            "{headers:?}"
        );
    }
    assert_eq!(inbox.rows().await, 0);
    assert!(inbox.events("webhook.*").await.is_empty());
    let counted = inbox.hooks.counted();
    assert_eq!(counted[&("unknown".to_owned(), "unproven")], 8);
}

#[tokio::test]
async fn an_unknown_source_and_a_bad_signature_are_answered_at_the_same_moment() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    inbox.standard(STANDARD_SECRET).await;
    let settings = SourceSettings::of(WebhookScheme::Standard);
    inbox.add("pub", settings, PUBLIC_KEY).await;
    let large = "x".repeat(1 << 19);
    let mut answers = Vec::new();
    tokio::time::pause();
    for body in ["{}", &large] {
        for source in ["gh", "std", "pub", "nobody"] {
            let began = Instant::now();
            let taken = inbox.send(source, &[], body).await;
            assert!(unproven(&taken), "{source}: {taken:?}");
            answers.push(began.elapsed());
        }
    }
    // Time stands still but for the wait, so that a difference would be one of the code.
    let (small, large) = answers.split_at(4);
    for some in [small, large] {
        assert!(some.iter().all(|answer| *answer == some[0]), "{answers:?}");
    }
}

#[tokio::test]
async fn what_is_signed_cannot_be_cut_into_other_parts() {
    let inbox = Inbox::new().await;
    inbox.standard(STANDARD_SECRET).await;
    let live = inbox.hooks.source("std").unwrap();
    let now = inbox.test.clock.now();
    // The sender signs "a.<time>.x.<time>.y..z": there are many ways to cut it.
    let time = (now.unix_ms() / 1000).to_string();
    let body = format!("x.{time}.y..z");
    let signed = sign(&live, "a", now, body.as_bytes()).unwrap();
    let signature = signed["webhook-signature"].to_str().unwrap().to_owned();
    let longer = format!("a.{time}.x");
    let longest = format!("a.{time}.x.{time}.y");
    let timed = format!("{time}.x.{time}");
    let cuts = [
        (longer.as_str(), Some(time.as_str()), "y..z"),
        (longest.as_str(), Some(""), "z"),
        (longest.as_str(), None, "z"),
        ("a", Some(timed.as_str()), "y..z"),
    ];
    for (id, time, body) in cuts {
        let mut headers = vec![
            ("webhook-id", id),
            ("webhook-signature", signature.as_str()),
        ];
        headers.extend(time.map(|time| ("webhook-timestamp", time)));
        let taken = inbox.send("std", &headers, body).await;
        let refused = Err(IntakeError::Unproven(Unproven::Id {
            header: "webhook-id".to_owned(),
        }));
        assert!(unproven(&taken) || taken == refused, "{id}: {taken:?}");
    }
    assert_eq!(inbox.rows().await, 0);
    let whole = Bytes::from(body);
    assert!(inbox.hooks.receive("std", &signed, whole).await.is_ok());
}

#[tokio::test]
async fn a_signed_time_counts_for_five_minutes_both_ways() {
    for (off_ms, fine) in [
        (299_999, true),
        (-300_000, true),
        (301_000, false),
        (-301_000, false),
    ] {
        let inbox = Inbox::new().await;
        inbox.standard(STANDARD_SECRET).await;
        inbox.test.clock.advance_ms(off_ms);
        let taken = inbox
            .send("std", &standard_headers(V1), STANDARD_BODY)
            .await;
        assert_eq!(taken.is_ok(), fine, "{off_ms}: {taken:?}");
        if !fine {
            let stale = Unproven::Stale {
                off_s: 301,
                tolerance_s: 300,
            };
            assert_eq!(taken, Err(IntakeError::Unproven(stale)));
            assert_eq!(inbox.rows().await, 0);
        }
    }
}

#[tokio::test]
async fn a_repetition_is_recognised_by_id_and_where_the_id_is_unsigned_by_the_body() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    inbox.standard(STANDARD_SECRET).await;
    let first = inbox.signed("gh", "1", "{}").await.unwrap();
    for id in ["1", "2"] {
        let again = inbox.signed("gh", id, "{}").await.unwrap();
        assert_eq!(
            again,
            Receipt {
                duplicate: true,
                ..first
            }
        );
    }
    assert_eq!(
        inbox.attempts(first.delivery).await,
        [AttemptKind::Duplicate, AttemptKind::Duplicate]
    );
    // A signed id is the sender's own word: two ids are two deliveries.
    let one = inbox.signed("std", "a", "{}").await.unwrap();
    let other = inbox.signed("std", "b", "{}").await.unwrap();
    assert!(!other.duplicate && one.delivery != other.delivery);
    assert!(inbox.signed("std", "a", "{}").await.unwrap().duplicate);
    assert_eq!(inbox.rows().await, 3);
}

#[tokio::test]
async fn the_same_id_with_another_body_is_an_alarm() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    inbox.standard(STANDARD_SECRET).await;
    for source in ["gh", "std"] {
        let first = inbox.signed(source, "1", "{}").await.unwrap();
        let other = inbox.signed(source, "1", "{ }").await;
        assert_eq!(other, Err(IntakeError::Conflict(first.delivery)));
        assert_eq!(
            inbox.attempts(first.delivery).await,
            [AttemptKind::Conflict]
        );
    }
    assert_eq!(inbox.events(kinds::WEBHOOK_CONFLICT).await.len(), 2);
    assert_eq!(inbox.rows().await, 2);
}

#[tokio::test]
async fn an_id_that_cannot_be_kept_is_named() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    let refused = Err(IntakeError::Unproven(Unproven::Id {
        header: "x-github-delivery".to_owned(),
    }));
    let headers = [("x-hub-signature-256", GITHUB_SIGNATURE)];
    assert_eq!(inbox.send("gh", &headers, "Hello, World!").await, refused);
    let long = "x".repeat(257);
    let headers = [headers[0], ("x-github-delivery", long.as_str())];
    assert_eq!(inbox.send("gh", &headers, "Hello, World!").await, refused);
}

#[tokio::test]
async fn a_source_that_sends_too_much_is_told_when_there_is_room() {
    let inbox = Inbox::new().await;
    let settings = SourceSettings {
        rate_per_minute: 1,
        ..SourceSettings::of(WebhookScheme::Github)
    };
    inbox.add("gh", settings, GITHUB_SECRET).await;
    // The minute's only one is taken by a delivery of tomorrow, so that no time gives it back.
    let tomorrow = Instant::now() + Duration::from_hours(24);
    let source = inbox.hooks.source("gh").unwrap();
    source.rate.take(1, tomorrow).unwrap();
    for _ in 0..2 {
        let refused = inbox.signed("gh", "1", "1").await;
        let Err(IntakeError::TooMany { retry }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(retry, Duration::from_mins(1));
        // A change of the settings is no new minute.
        inbox.hooks.reload().await.unwrap();
    }
    assert_eq!(inbox.rows().await, 0);
}

#[tokio::test]
async fn nothing_is_taken_when_the_disk_is_nearly_full() {
    let inbox = Inbox::with(Options {
        disk_floor: u64::MAX,
        ..options()
    })
    .await;
    inbox.github().await;
    let refused = inbox.signed("gh", "1", "{}").await;
    assert!(
        matches!(refused, Err(IntakeError::Store(StoreError::DiskLow { .. }))),
        "{refused:?}"
    );
    assert_eq!(inbox.rows().await, 0);
}

#[tokio::test]
async fn two_secrets_work_while_one_is_rotated_and_their_use_is_noted() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    let old = inbox.hooks.source("gh").unwrap();
    let rotate = async |text: &str, old_until| {
        let id = new_id(&*inbox.test.clock);
        let rotate = RotateWebhookSecret {
            name: "gh".to_owned(),
            secret: id,
            sealed: seal(&inbox.key, "gh", id, text),
            old_until,
            by: operator(),
        };
        inbox.test.store.commit(rotate).await.unwrap();
        inbox.hooks.reload().await.unwrap();
    };
    let by_old = async |id: &str| {
        let now = inbox.test.clock.now();
        let headers = sign(&old, id, now, id.as_bytes()).unwrap();
        let body = Bytes::from(id.to_owned());
        inbox.hooks.receive("gh", &headers, body).await
    };
    let hour = inbox.test.clock.now().plus_ms(3_600_000);
    rotate("the second secret", hour).await;
    by_old("1").await.unwrap();
    inbox.signed("gh", "2", "2").await.unwrap();
    let secrets = &inbox.test.store.webhook_sources().await.unwrap()[0].secrets;
    assert_eq!(secrets.len(), 2);
    assert!(secrets.iter().all(|secret| secret.last_used_at.is_some()));

    // As many as come in an hour of a busy source: none is refused, whichever secret signed it.
    for some in (0..10_000_u32).collect::<Vec<_>>().chunks(250) {
        let sent = some.iter().map(async |number| {
            let id = format!("both-{number}");
            if number.is_multiple_of(2) {
                by_old(&id).await
            } else {
                inbox.signed("gh", &id, &id).await
            }
        });
        for taken in futures_util::future::join_all(sent).await {
            assert!(!taken.unwrap().duplicate);
        }
    }

    inbox.test.clock.advance_ms(3_600_000);
    assert!(unproven(&by_old("3").await));

    let later = inbox.test.clock.now().plus_ms(3_600_000);
    rotate("the third secret", later).await;
    rotate("the fourth secret", later).await;
    let secrets = &inbox.test.store.webhook_sources().await.unwrap()[0].secrets;
    assert_eq!(secrets.len(), 2, "{secrets:?}");
    inbox.signed("gh", "4", "4").await.unwrap();
}

#[tokio::test]
async fn a_verdict_is_on_the_row_and_a_replay_announces_it_again() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    let store = &inbox.test.store;
    let first = inbox.signed("gh", "1", "1").await.unwrap().delivery;
    let second = inbox.signed("gh", "2", "2").await.unwrap().delivery;
    let judge = |id, state| JudgeWebhook {
        id,
        module: ModuleName::new("reader").unwrap(),
        state,
        code: Some("unknown_repository".to_owned()),
        detail: "no rules for it".to_owned(),
    };
    store
        .commit(judge(first, DeliveryState::Refused))
        .await
        .unwrap();
    store
        .commit(judge(second, DeliveryState::Applied))
        .await
        .unwrap();
    let dead = DeliveryFilter {
        dead: true,
        ..DeliveryFilter::default()
    };
    let page = PageRequest::first();
    let letters = store.webhook_deliveries(&page, &dead).await.unwrap().items;
    assert_eq!(
        letters.iter().map(|one| one.id).collect::<Vec<_>>(),
        [first]
    );

    let by = operator();
    let replay = ReplayWebhooks { filter: dead, by };
    let done = store.commit(replay.clone()).await.unwrap();
    assert_eq!(
        (done.replayed, done.last, done.more),
        (1, Some(first), false)
    );
    assert_eq!(store.commit(replay).await.unwrap().replayed, 0);
    assert_eq!(
        inbox.attempts(first).await,
        [AttemptKind::Verdict, AttemptKind::Replay]
    );
    let last = inbox.events(kinds::WEBHOOK_RECEIVED).await.pop().unwrap();
    assert_eq!(last.data["delivery"], first.to_string());
    assert_eq!(last.data["attempt"], 1);

    // A body goes some time after its verdict; its row goes on recognising repetitions.
    inbox.test.clock.advance_ms(1000);
    let before = inbox.test.clock.now();
    assert_eq!(store.commit(DropWebhookBodies { before }).await, Ok(1));
    assert!(inbox.signed("gh", "2", "2").await.unwrap().duplicate);
    let by = operator();
    let refused = store.commit(ReplayWebhook { id: second, by }).await;
    assert!(matches!(
        refused,
        Err(StoreError::Refused {
            code: "webhook_body_dropped",
            ..
        })
    ));
}

#[tokio::test]
async fn ten_thousand_shuffled_deliveries_with_repetitions_are_each_there_once() {
    const DELIVERIES: u64 = 500;
    const SENT: u64 = 10_000;
    let inbox = Inbox::new().await;
    inbox.github().await;
    // Twenty times each, in an order that a linear generator makes.
    let mut order: Vec<u64> = (0..SENT).map(|number| number % DELIVERIES).collect();
    let mut state = 7_u64;
    for place in (1..order.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let other = usize::try_from(state >> 33).unwrap() % (place + 1);
        order.swap(place, other);
    }
    let mut taken = Vec::new();
    for some in order.chunks(64) {
        let sent = some.iter().map(|number| {
            let (id, body) = (format!("id-{number}"), format!("{{\"number\":{number}}}"));
            let inbox = &inbox;
            async move { inbox.signed("gh", &id, &body).await.unwrap() }
        });
        taken.extend(futures_util::future::join_all(sent).await);
    }
    let new = taken.iter().filter(|receipt| !receipt.duplicate).count();
    assert_eq!(new as u64, DELIVERIES);
    assert_eq!(inbox.rows().await as u64, DELIVERIES);
    let told = inbox.events(kinds::WEBHOOK_RECEIVED).await;
    assert_eq!(told.len() as u64, DELIVERIES);
}

#[tokio::test]
async fn secrets_at_rest_are_not_readable() {
    let inbox = Inbox::new().await;
    inbox.github().await;
    inbox.signed("gh", "1", "{}").await.unwrap();
    assert_eq!(inbox.test.clock.now().unix_ms(), START_MS);
    for file in std::fs::read_dir(inbox.test.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let secret = GITHUB_SECRET.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
}
