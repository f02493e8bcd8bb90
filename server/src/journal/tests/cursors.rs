//! A property: whatever happens in between, each event arrives at least once and in order.

use bllvm_manifest::ModuleName;
use proptest::prelude::*;
use serde_json::json;

use super::receiver::Subscription;
use crate::journal::Journal;
use crate::model::NewEvent;
use crate::store::testing::{TestStore, module_name};

#[derive(Clone, Debug)]
enum Step {
    /// Publishes as many events; every other one matches when `mixed`.
    Publish { count: usize, mixed: bool },
    /// Subscribes, where it is not subscribed.
    Connect,
    /// Acknowledges what arrived so far, up to such a part of it.
    Ack { percent: usize },
    /// The connection ends.
    Disconnect,
    /// The delivering task dies without a word.
    Kill,
    /// The host starts anew.
    Restart,
    /// Lets others run.
    Wait { turns: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..40_usize, any::<bool>()).prop_map(|(count, mixed)| Step::Publish { count, mixed }),
        3 => Just(Step::Connect),
        4 => (0..=100_usize).prop_map(|percent| Step::Ack { percent }),
        2 => Just(Step::Disconnect),
        1 => Just(Step::Kill),
        1 => Just(Step::Restart),
        3 => (1..20_u8).prop_map(|turns| Step::Wait { turns }),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the test knows beside the journal.
struct World {
    test: TestStore,
    journal: Journal,
    module: ModuleName,
    subscription: Option<Subscription>,
    /// Numbers of the events that concern the module, in order.
    concerning: Vec<u64>,
    /// The highest number that the module ever acknowledged.
    acked: u64,
    /// The same since it connected: a host that dies may forget what came before.
    acked_here: u64,
}

impl World {
    async fn new() -> Self {
        let test = TestStore::new().await;
        let journal = Journal::new(test.store.clone());
        let module = module_name("reader");
        // From its first subscription on, the journal owes it everything.
        Subscription::begin(&journal, &module, &["wanted.*"])
            .await
            .end()
            .await;
        Self {
            test,
            journal,
            module,
            subscription: None,
            concerning: Vec::new(),
            acked: 0,
            acked_here: 0,
        }
    }

    async fn connect(&mut self) {
        if self.subscription.is_some() {
            return;
        }
        let subscription = Subscription::begin(&self.journal, &self.module, &["wanted.*"]).await;
        let skipped: Vec<_> = self
            .concerning
            .iter()
            .filter(|seq| **seq > self.acked && **seq <= subscription.after)
            .collect();
        assert!(
            skipped.is_empty(),
            "{skipped:?} were neither acknowledged nor will come"
        );
        self.acked_here = subscription.after;
        self.subscription = Some(subscription);
    }

    /// What arrived is what concerns the module, from where it started, without a hole.
    fn check(&self) {
        let Some(subscription) = &self.subscription else {
            return;
        };
        let arrived = subscription.receiver.durable();
        let expected = self
            .concerning
            .iter()
            .filter(|seq| **seq > subscription.after);
        let expected: Vec<_> = expected.copied().take(arrived.len()).collect();
        assert_eq!(arrived, expected);
    }

    async fn step(mut self, step: &Step) -> Self {
        self.check();
        match step {
            Step::Publish { count, mixed } => {
                let kind = |number: usize| {
                    if *mixed && number.is_multiple_of(2) {
                        "other.thing"
                    } else {
                        "wanted.thing"
                    }
                };
                let events: Vec<_> = (0..*count)
                    .map(|number| NewEvent::host(kind(number), json!({"number": number})))
                    .collect();
                let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
                let first = self.journal.publish(events).await.unwrap();
                let wanted = (first..)
                    .zip(kinds)
                    .filter(|(_, kind)| kind.starts_with("wanted"));
                self.concerning.extend(wanted.map(|(seq, _)| seq));
            }
            Step::Connect => self.connect().await,
            Step::Ack { percent } => {
                if let Some(subscription) = &self.subscription {
                    let arrived = subscription.receiver.durable();
                    let count = arrived.len() * percent / 100;
                    if let Some(seq) = arrived[..count].last() {
                        subscription.ack(*seq).await;
                        self.acked = self.acked.max(*seq);
                        self.acked_here = self.acked_here.max(*seq);
                    }
                }
            }
            Step::Disconnect => {
                if let Some(subscription) = self.subscription.take() {
                    subscription.end().await;
                    let cursor = self.test.store.cursor(&self.module).await.unwrap();
                    assert!(
                        cursor >= Some(self.acked_here),
                        "a clean end keeps every acknowledgement"
                    );
                }
            }
            Step::Kill => {
                if let Some(subscription) = self.subscription.take() {
                    subscription.kill().await;
                }
            }
            Step::Restart => {
                if let Some(subscription) = self.subscription.take() {
                    subscription.kill().await;
                }
                self.test = self.test.reopened().await;
                self.journal = Journal::new(self.test.store.clone());
            }
            Step::Wait { turns } => {
                for _ in 0..*turns {
                    tokio::task::yield_now().await;
                }
            }
        }
        self
    }

    /// In the end all that was not acknowledged arrives.
    async fn finish(mut self) {
        self.connect().await;
        let subscription = self.subscription.as_ref().unwrap();
        let owed = self
            .concerning
            .iter()
            .filter(|seq| **seq > subscription.after)
            .count();
        subscription
            .receiver
            .until(|events| events.len() >= owed)
            .await;
        self.check();
        let last = self.concerning.last().copied().unwrap_or(0);
        subscription.ack(last).await;
        self.subscription.take().unwrap().end().await;
        assert!(self.test.store.cursor(&self.module).await.unwrap() >= Some(last));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_event_arrives_at_least_once_and_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world = world.step(step).await;
            }
            world.finish().await;
        });
    }
}
