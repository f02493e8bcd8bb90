//! The module: takes deliveries in, follows the chain, answers.

mod pages;
mod status;
mod weighing;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bllvm_sdk::{Context, ErrorReply, Event, Methods, Module, NoParams, Problems, Result};
use tokio::sync::{Mutex, Notify, OnceCell, watch};

use crate::answers::{Forks, WebhookStatus, WhichProposals};
use crate::config::Config;
use crate::known::Known;
use crate::mining::census::EconomicNodes;
use crate::mining::coinbase::Mined;
use crate::mining::follower::Follower;
use crate::mining::pools::{BUILT_IN, Pools};
use crate::proposals::{self, Moment, Proposals};
use crate::rules::Rules;
use crate::store::Store;
use crate::{inbox, outbox};

/// How long a node that cannot answer is left alone.
const AGAIN: Duration = Duration::from_secs(2);
/// Under which name the chain's first block is remembered.
const CHAIN: &str = "chain";

/// Proposals, and who mines.
pub struct Governance {
    context: Context,
    config: Config,
    known: RwLock<Known>,
    store: OnceCell<Store>,
    wake: Arc<Notify>,
    tell: Arc<Notify>,
    changed: Notify,
    census: watch::Sender<Option<EconomicNodes>>,
    mined: watch::Sender<Arc<Vec<(u32, Mined)>>>,
    proving: Mutex<()>,
    weighing: Mutex<()>,
}

impl Module for Governance {
    type Config = Config;
    const EVENTS: &'static [&'static str] = &[
        "chain.block_connected",
        "chain.block_disconnected",
        "webhook.received",
    ];

    fn validate(config: &Config) -> Result<(), Problems> {
        config.check()
    }

    fn methods() -> Methods<Self> {
        Methods::new()
            .method(
                "get_proposals",
                "Pull requests of the configured repositories: who signed what, and what is missing.",
                Self::get_proposals,
            )
            .method(
                "get_economic_nodes",
                "Who mined the newest 2,016 blocks, how sure that is, and who counts as a member.",
                Self::get_economic_nodes,
            )
            .method(
                "get_forks",
                "Branches of two blocks and more that the node's chain left for another.",
                Self::get_forks,
            )
            .method(
                "get_vetoes",
                "What miners and economic nodes say, weighed: one transcript a proposal, for \
                 `bllvm-governance verify`.",
                Self::get_vetoes,
            )
            .method(
                "get_weights",
                "What each economic node has proven, as of the tip.",
                Self::get_weights,
            )
            .method(
                "get_challenge",
                "The words that an economic node signs (BIP322) to prove scripts and coins.",
                Self::get_challenge,
            )
            .method(
                "submit_proof",
                "Takes a proof in, after every input was checked against this node's chain.",
                Self::submit_proof,
            )
            .method(
                "get_webhook_status",
                "What came in by webhooks, and what became of it.",
                Self::get_webhook_status,
            )
            .page("proposals_page", "The page of all proposals.", Self::proposals_page)
            .page("proposal_page", "The page of one proposal.", Self::proposal_page)
            .page(
                "economic_nodes_page",
                "The page of who mines, and of what economic nodes have proven.",
                Self::economic_nodes_page,
            )
            .page("vetoes_page", "The page of vetoes.", Self::vetoes_page)
            .page("deliveries_page", "The page of what came in.", Self::deliveries_page)
    }

    async fn prepare(context: Context, config: Config) -> Result<Self> {
        // Read here, so that a bad file ends the start with its reason.
        read_pools(&context, &config)?;
        let rules = read_rules(&context, &config)?;
        Ok(Self {
            known: RwLock::new(Known::new(&config, rules, None)),
            context,
            config,
            store: OnceCell::new(),
            wake: Arc::new(Notify::new()),
            tell: Arc::new(Notify::new()),
            changed: Notify::new(),
            census: watch::Sender::new(None),
            mined: watch::Sender::new(Arc::default()),
            proving: Mutex::default(),
            weighing: Mutex::default(),
        })
    }

    async fn activate(self: Arc<Self>) -> Result<()> {
        if !self.config.webhook_url.is_empty() {
            tracing::warn!(
                "`webhook_url` is set, but nothing is sent there; the node sends webhooks"
            );
        }
        let store = self
            .store
            .get_or_try_init(|| Store::open(self.context.data_dir()));
        let store = store.await?.clone();
        self.find_chain(&store).await?;
        let module = Arc::clone(&self);
        self.context.spawn(module.keep_showing());
        let telling = outbox::keep_telling(self.context.clone(), store, Arc::clone(&self.tell));
        self.context.spawn(telling);
        if !self.config.enabled {
            tracing::info!("`enabled` is false: deliveries are not read, blocks are not counted");
            return Ok(());
        }
        let pools = read_pools(&self.context, &self.config)?;
        let (node, storage) = (self.context.node(), self.context.storage());
        let news = self.store()?.clone();
        let follower = Follower::open(node, storage, news, Arc::new(pools)).await?;
        let module = Arc::clone(&self);
        self.context.spawn(module.keep_following(follower));
        Ok(())
    }

    async fn event(&self, event: &Event) -> Result<()> {
        // The chain itself tells what to do, so its events need no place of their own in the store.
        if event.kind != "webhook.received" {
            self.wake.notify_one();
            return Ok(());
        }
        if !self.config.enabled {
            return Ok(());
        }
        let store = self.store()?;
        if self.known().chain().is_err() {
            self.find_chain(store).await?;
        }
        let known = self.known();
        let source = &self.config.webhook_source;
        if inbox::take(event, source, &self.context, store, &known).await? {
            self.changed.notify_one();
        }
        self.tell.notify_one();
        Ok(())
    }
}

impl Governance {
    async fn get_proposals(self: Arc<Self>, which: WhichProposals) -> Result<Proposals> {
        let store = self.store()?;
        let facts = store.facts().await?;
        let mut moment = self.moment().await;
        moment.utc = which.at.unwrap_or(moment.utc);
        let mut all = proposals::all(&facts, &self.known(), &moment, self.node_id());
        if let Some(repository) = which.repository.map(|name| name.to_lowercase()) {
            all.proposals.retain(|one| one.repository == repository);
            all.releases.retain(|one| one.repository == repository);
        }
        if let Some(number) = which.number {
            all.proposals.retain(|one| one.number == number);
        }
        Ok(all)
    }

    #[expect(clippy::unused_async, reason = "a method is a future")]
    async fn get_economic_nodes(self: Arc<Self>, _: NoParams) -> Result<EconomicNodes> {
        if !self.config.enabled {
            let text =
                "blocks are not counted: set `enabled = true` in this module's configuration";
            return Err(ErrorReply::invalid(text).into());
        }
        let census = self.census.borrow().clone();
        census.ok_or_else(|| {
            let text = "the blocks are being counted for the first time; ask again";
            ErrorReply::unavailable(text, 2000).into()
        })
    }

    async fn get_forks(self: Arc<Self>, _: NoParams) -> Result<Forks> {
        let forks = self.store()?.forks().await?;
        Ok(Forks { forks })
    }

    async fn get_webhook_status(self: Arc<Self>, _: NoParams) -> Result<WebhookStatus> {
        let store = self.store()?;
        let counts = store.counts().await?;
        let mut engine = sha256::Hash::engine();
        for fact in store.facts().await? {
            engine.input(&serde_json::to_vec(&fact)?);
            engine.input(b"\n");
        }
        Ok(WebhookStatus {
            node_id: self.node_id(),
            enabled: self.config.enabled,
            webhook_source: self.config.webhook_source.clone(),
            webhook_url: Some(self.config.webhook_url.clone()).filter(|url| !url.is_empty()),
            chain: self.known().chain().ok().map(str::to_owned),
            deliveries: counts.deliveries,
            applied: counts.applied,
            refused: counts.refused,
            failed: counts.failed,
            untold: counts.untold,
            facts: counts.facts,
            facts_sha256: sha256::Hash::from_engine(engine).to_string(),
        })
    }

    fn store(&self) -> Result<&Store> {
        let store = self.store.get();
        store.ok_or_else(|| ErrorReply::unavailable("the module is starting", 500).into())
    }

    fn known(&self) -> Known {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn node_id(&self) -> Option<String> {
        Some(self.config.node_id.clone()).filter(|id| !id.is_empty())
    }

    /// Asks the node which chain it has; one that is away has the chain that it had before.
    async fn find_chain(&self, store: &Store) -> Result<()> {
        let before = store.recall(CHAIN).await?;
        let chain = match self.context.node().network_info().await {
            Ok(info) => Some(info.genesis.to_string()),
            Err(error) => {
                tracing::debug!("the node did not tell its chain: {error}");
                before.clone()
            }
        };
        let Some(chain) = chain else { return Ok(()) };
        if before.as_ref() != Some(&chain) {
            store.remember(CHAIN, &chain).await?;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.set_chain(chain);
        Ok(())
    }

    async fn moment(&self) -> Moment {
        let tip = self.context.node().tip().await.ok();
        Moment {
            utc: now(),
            median_time: tip.as_ref().map(|tip| tip.median_time.into()),
            height: tip.map(|tip| tip.height),
        }
    }

    async fn keep_following(self: Arc<Self>, mut follower: Follower) {
        let draining = self.context.draining();
        loop {
            let followed = tokio::select! {
                followed = follower.follow() => followed,
                () = draining.cancelled() => return,
            };
            let again = match followed {
                Ok(()) => {
                    self.mined.send_replace(Arc::new(follower.newest()));
                    let census = follower.census(self.node_id());
                    self.show_census(census);
                    self.tell.notify_one();
                    self.settle().await;
                    None
                }
                Err(error) => {
                    tracing::warn!("could not follow the chain: {}", error.chain());
                    Some(AGAIN)
                }
            };
            let pause = async {
                match again {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => self.wake.notified().await,
                }
            };
            tokio::select! {
                () = pause => {}
                () = draining.cancelled() => return,
            }
        }
    }
}

fn read_pools(context: &Context, config: &Config) -> Result<Pools> {
    if config.pool_list.is_empty() {
        return Ok(Pools::read(BUILT_IN)?);
    }
    let bytes = read_file(context, "pool_list", &config.pool_list)?;
    Ok(Pools::read(&bytes)?)
}

fn read_rules(context: &Context, config: &Config) -> Result<Rules> {
    if config.rules_file.is_empty() {
        return Ok(config.preset.rules());
    }
    let bytes = read_file(context, "rules_file", &config.rules_file)?;
    Ok(Rules::read_own(&String::from_utf8(bytes)?)?)
}

fn read_file(context: &Context, key: &str, file: &str) -> Result<Vec<u8>> {
    let path = context.data_dir().join(file);
    std::fs::read(&path)
        .map_err(|error| bllvm_sdk::Error::msg(format!("`{key}`: {}: {error}", path.display())))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a review's clock asks the system; every judgement takes the moment as a value"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests;
