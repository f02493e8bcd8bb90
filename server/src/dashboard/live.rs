//! `/live`: tells an open page that something changed, at most once a second.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use bllvm_manifest::ModuleName;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::visit::Visit;
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::journal::LiveFeed;
use crate::model::Scope;
use crate::supervisor::Observed;

/// Between two messages.
const PACE: Duration = Duration::from_secs(1);
/// Between two looks at what no event tells of: processor, memory, status fields.
const LOOK: Duration = Duration::from_secs(2);

/// `GET /live`
///
/// # Errors
/// When too many streams are open, or the node is shutting down.
pub async fn get(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::EventsRead)?;
    api.inner().streams.answer(changes(Watch::new(&api)))
}

struct Watch {
    api: Api,
    feed: LiveFeed,
    seen: BTreeMap<ModuleName, Observed>,
    looks: tokio::time::Interval,
    quiet_until: Instant,
}

impl Watch {
    fn new(api: &Api) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            api: api.clone(),
            feed: api.journal.live(vec!["*".to_owned()], None),
            seen: api.supervisor.observed_all(),
            looks,
            quiet_until: Instant::now(),
        }
    }

    /// Waits for a change; false when there will be none any more.
    async fn changed(&mut self) -> bool {
        loop {
            tokio::select! {
                event = self.feed.next() => return matches!(event, Ok(Some(_))),
                _ = self.looks.tick() => {
                    let now = self.api.supervisor.observed_all();
                    if now != self.seen {
                        self.seen = now;
                        return true;
                    }
                }
            }
        }
    }

    /// Takes everything that happens until the pace allows a message.
    async fn rest(&mut self) {
        loop {
            tokio::select! {
                () = sleep_until(self.quiet_until) => break,
                // The end of the feed is seen by the next `changed`.
                event = self.feed.next() => if !matches!(event, Ok(Some(_))) { break },
            }
        }
        self.quiet_until = Instant::now() + PACE;
    }
}

fn changes(watch: Watch) -> impl Stream<Item = Event> + Send {
    unfold(watch, |mut watch| async move {
        if !watch.changed().await {
            return None;
        }
        watch.rest().await;
        Some((Event::default().event("changed").data("1"), watch))
    })
}
