//! Receivers that fail in every way they can, on a clock that the tests move.

mod addresses;
mod rebinding;
mod receiver;
mod schedule;
mod tls;

pub(super) use rebinding::Resolver;

use std::sync::Arc;

use serde_json::json;

use super::endpoints::Live;
use super::{AllowedAddresses, Outgoing, Step, seal_key};
use crate::clock::{Clock as _, new_id};
use crate::configuration::SecretKey;
use crate::model::{
    EndpointSettings, MessageAttempt, NewEvent, SigningScheme, UtcTime, WebhookEndpoint,
    WebhookMessage,
};
use crate::store::commands::{AddEndpoint, AppendEvents, NewEndpointKey};
use crate::store::testing::{TestStore, operator};
use crate::store::{MessageFilter, PageRequest};

pub(super) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A sender that does nothing by itself: tests take its steps.
pub(super) struct Sender {
    pub(super) test: TestStore,
    pub(super) outgoing: Outgoing,
    key: SecretKey,
}

impl Sender {
    pub(super) async fn new() -> Self {
        Self::allowing(&["127.0.0.1"]).await
    }

    pub(super) async fn allowing(nets: &[&str]) -> Self {
        let test = TestStore::new().await;
        let key = SecretKey::open_or_create(test.dir.path()).unwrap();
        let nets = nets.iter().map(|net| net.parse().unwrap()).collect();
        let allowed = AllowedAddresses::new(nets);
        let outgoing = Outgoing::new(test.store.clone(), key.clone(), allowed);
        Self {
            test,
            outgoing,
            key,
        }
    }

    pub(super) fn now(&self) -> UtcTime {
        self.test.clock.now()
    }

    pub(super) async fn add(&self, name: &str, settings: EndpointSettings) {
        let id = new_id(&*self.test.clock);
        let add = AddEndpoint {
            name: name.to_owned(),
            settings,
            key: NewEndpointKey {
                id,
                scheme: SigningScheme::V1,
                sealed: seal_key(&self.key, name, id, SECRET),
                public: None,
            },
            by: operator(),
        };
        self.test.store.commit(add).await.unwrap();
        self.outgoing.reload().await.unwrap();
    }

    /// An endpoint that is told of what [`Sender::tell`] tells.
    pub(super) async fn told(&self, name: &str, url: &str) {
        let settings = EndpointSettings {
            timeout_s: 1,
            ..EndpointSettings::of(url, &["test.*"])
        };
        self.add(name, settings).await;
    }

    /// Appends events, and queues what matches.
    pub(super) async fn tell(&self, numbers: std::ops::Range<u64>) {
        let events = numbers
            .map(|number| NewEvent::host("test.counted", json!({ "number": number })))
            .collect();
        self.test.store.commit(AppendEvents(events)).await.unwrap();
        while self.outgoing.queue_next().await.unwrap() {}
    }

    pub(super) fn live(&self, name: &str) -> Arc<Live> {
        self.outgoing.live(name).unwrap()
    }

    pub(super) async fn step(&self, name: &str) -> Step {
        self.outgoing.step(&self.live(name)).await.unwrap()
    }

    /// Goes on until nothing is due now; how many were tried.
    pub(super) async fn run(&self, name: &str) -> usize {
        let mut tried = 0;
        while let Step::Tried(..) = self.step(name).await {
            tried += 1;
        }
        tried
    }

    pub(super) async fn endpoint(&self, name: &str) -> WebhookEndpoint {
        let all = self.test.store.webhook_endpoints().await.unwrap();
        all.into_iter().find(|one| one.name == name).unwrap()
    }

    /// Oldest event first.
    pub(super) async fn messages(&self, name: &str) -> Vec<WebhookMessage> {
        let filter = MessageFilter {
            endpoint: Some(name.to_owned()),
            ..MessageFilter::default()
        };
        let page = PageRequest::of(1000);
        let page = self.test.store.webhook_messages(&page, &filter).await;
        let mut all = page.unwrap().items;
        all.sort_by_key(|message| message.seq);
        all
    }

    pub(super) async fn attempts(&self, message: &WebhookMessage) -> Vec<MessageAttempt> {
        let attempts = self.test.store.webhook_message_attempts(message.id).await;
        attempts.unwrap()
    }

    pub(super) async fn events(&self, kind: &str) -> usize {
        let kinds = [kind.to_owned()];
        let events = self.test.store.events_after(0, &kinds, 1000).await;
        events.unwrap().len()
    }
}
