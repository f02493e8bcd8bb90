//! What the dashboard's card shows.

use std::sync::Arc;
use std::time::Duration;

use super::Governance;
use crate::mining::census::EconomicNodes;
use crate::proposals::{self, Standing};
use crate::store::Store;

/// Between two looks at all facts.
const LEAST_PAUSE: Duration = Duration::from_millis(250);

/// How many proposals stand where, as last counted.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    waiting: usize,
    ready: usize,
}

impl Governance {
    /// Shows a new census.
    pub(super) fn show_census(&self, census: EconomicNodes) {
        self.census.send_replace(Some(census));
        self.changed.notify_one();
    }

    /// Shows what changed, not oftener than people look, until the drain.
    pub(super) async fn keep_showing(self: Arc<Self>) {
        let draining = self.context.draining();
        loop {
            if let Ok(store) = self.store() {
                self.show_proposals(store).await;
                self.settle().await;
            }
            let pause = async {
                tokio::time::sleep(LEAST_PAUSE).await;
                self.changed.notified().await;
            };
            if draining.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Settles vetoes, which a next block or delivery does again if it cannot be done now.
    pub(super) async fn settle(&self) {
        if !self.config.enabled {
            return;
        }
        if let Err(error) = self.settle_vetoes().await {
            tracing::debug!("the vetoes are not weighed now: {}", error.chain());
        }
    }

    /// Counts the proposals anew, and shows all that is to be shown.
    async fn show_proposals(&self, store: &Store) {
        let open = match store.facts().await {
            Ok(facts) => {
                let moment = self.moment().await;
                let all = proposals::all(&facts, &self.known(), &moment, None).proposals;
                let count = |wanted| all.iter().filter(|one| one.standing == wanted).count();
                Open {
                    waiting: count(Standing::Waiting),
                    ready: count(Standing::Ready),
                }
            }
            Err(error) => {
                tracing::warn!("the proposals could not be counted: {error}");
                return;
            }
        };
        let mut fields = vec![
            (
                "open",
                "Open proposals",
                (open.waiting + open.ready).to_string(),
            ),
            ("ready", "Ready", open.ready.to_string()),
        ];
        if let Some(census) = &*self.census.borrow() {
            fields.extend(mined(census));
        }
        if let Err(error) = self.context.ui().status(&fields).await {
            tracing::debug!("the dashboard took no status: {error}");
        }
    }
}

fn mined(census: &EconomicNodes) -> [(&'static str, &'static str, String); 4] {
    let percent = |ppm: u32| format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100);
    let height = census
        .height
        .map_or("none".to_owned(), |height| height.to_string());
    let largest = census.nodes.first().map_or("none".to_owned(), |node| {
        let share = node.share;
        let (low, high) = (percent(share.low_ppm), percent(share.high_ppm));
        format!("{} {} ({low} to {high})", node.name, percent(share.ppm))
    });
    let members = census.nodes.iter().filter(|node| node.member).count();
    [
        ("height", "Counted up to", height),
        ("largest", "Largest", largest),
        ("unknown", "Unknown", percent(census.unknown.share.ppm)),
        ("members", "Members", members.to_string()),
    ]
}
