//! Proofs and vetoes: the methods, and what happens when a block comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::ScriptBuf;
use bitcoin::address::{Address, NetworkUnchecked};
use bllvm_sdk::types::{BlockHash, Tip};
use bllvm_sdk::{CallError, ErrorCode, ErrorReply, NoParams, Result};
use serde_json::json;

use super::Governance;
use crate::answers::{
    ChallengeAnswer, ChallengeFor, Claim, NodeWeight, NodeWeights, Vetoes, WhichProposals,
};
use crate::mining::coinbase::Mined;
use crate::proofs::{self, Challenge, HOLDS, Proof, Proven, Refused};
use crate::proposals::Proposal;
use crate::store::{News, Store};
use crate::veto::closing::{self, Snapshot};
use crate::veto::{self, At, Transcript};

/// A tip, and the blocks of the window up to it.
type Counted = (Tip, Arc<Vec<(u32, Mined)>>);

/// How long an answer waits for the newest blocks to be counted.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Both sides of a veto were reached.
const REACHED: &str = "governance.veto_threshold_reached";
/// The time for signals is over.
const CLOSED: &str = "governance.veto_closed";

impl Governance {
    /// The words that a node signs to prove what it has.
    pub(super) async fn get_challenge(
        self: Arc<Self>,
        who: ChallengeFor,
    ) -> Result<ChallengeAnswer> {
        let known = self.known();
        let chain = known
            .chain()
            .map_err(|no| ErrorReply::unavailable(no.detail, 5000))?;
        if known.economic_node(&who.key).is_none() {
            let text = format!("`key`: {} is not in `economic_nodes`", who.key);
            return Err(ErrorReply::not_found(text).into());
        }
        let tip = self.context.node().tip().await?;
        let challenge = Challenge {
            chain: chain.to_owned(),
            key: who.key.to_lowercase(),
            block: tip.hash,
        };
        Ok(ChallengeAnswer {
            message: challenge.text(),
            until_height: tip.height + proofs::FRESH,
        })
    }

    /// Takes a proof in, if it is good.
    pub(super) async fn submit_proof(self: Arc<Self>, claim: Claim) -> Result<Proof> {
        let store = self.store()?;
        let known = self.known();
        let chain = known
            .chain()
            .map_err(|no| ErrorReply::unavailable(no.detail, 5000))?;
        let script = script(&claim.address)?;
        let node = self.context.node();
        let height = node.tip().await?.height;
        // One at a time, so that two cannot show the same coin at once.
        let _one_at_a_time = self.proving.lock().await;
        let mut others = store.proofs().await?;
        others.retain(|other| height <= other.height.saturating_add(HOLDS));
        let knows = |key: &str| known.economic_node(key).is_some();
        let shown = (&script, claim.message.as_str(), claim.signature.as_str());
        let checked = proofs::check(&node, chain, knows, &others, shown).await;
        let proof = checked.map_err(|refused| match refused {
            Refused::Node(error) => bllvm_sdk::Error::from(error),
            refused => ErrorReply::invalid(refused.to_string()).into(),
        })?;
        store.keep_proof(&proof).await?;
        Ok(proof)
    }

    /// What each economic node weighs now.
    pub(super) async fn get_weights(self: Arc<Self>, _: NoParams) -> Result<NodeWeights> {
        let counted = self.counted(PATIENCE).await?;
        let (at, proven) = self.weigh(counted).await?;
        let known = self.known();
        let nodes = known.economic_nodes().map(|(key, node)| {
            let none = Proven::default();
            let weight = proven.get(&key).unwrap_or(&none);
            NodeWeight {
                name: node.name.clone(),
                blocks: u32::try_from(weight.blocks.len()).unwrap_or(u32::MAX),
                proven_sat: weight.sat,
                attested_sat: node.attested_sat,
                holds_until: weight.holds_until,
                key,
            }
        });
        Ok(NodeWeights {
            height: at.height,
            block: at.block,
            nodes: nodes.collect(),
        })
    }

    /// The tip, and all blocks of the window up to it: weights of a block are never those of another.
    async fn counted(&self, patience: Duration) -> Result<Counted> {
        let mut mined = self.mined.subscribe();
        loop {
            let tip = self.context.node().tip().await?;
            let counted = mined.borrow_and_update().clone();
            if counted.last().is_some_and(|(_, top)| top.hash == tip.hash) {
                return Ok((tip, counted));
            }
            self.wake.notify_one();
            if tokio::time::timeout(patience, mined.changed())
                .await
                .is_err()
            {
                let text = if self.config.enabled {
                    "the newest blocks are being counted; ask again"
                } else {
                    "blocks are not counted: set `enabled = true` in this module's configuration"
                };
                return Err(ErrorReply::unavailable(text, 2000).into());
            }
        }
    }

    async fn weigh(&self, (tip, mined): Counted) -> Result<(At, BTreeMap<String, Proven>)> {
        let node = self.context.node();
        let proofs = self.store()?.proofs().await?;
        let proven = proofs::weigh(&node, &proofs, &mined, tip.height).await?;
        if node.tip().await?.hash != tip.hash {
            let text = "a block came while coins were asked for; ask again";
            return Err(ErrorReply::unavailable(text, 500).into());
        }
        let mut moment = self.moment().await;
        moment.median_time = Some(tip.median_time.into());
        moment.height = Some(tip.height);
        let at = At {
            height: tip.height,
            block: tip.hash.to_string(),
            moment,
        };
        Ok((at, proven))
    }

    /// The transcripts of the proposals that can be vetoed.
    pub(super) async fn get_vetoes(self: Arc<Self>, which: WhichProposals) -> Result<Vetoes> {
        let all = Arc::clone(&self).get_proposals(which).await?;
        let vetoes = self.transcripts(&all.proposals, PATIENCE).await?;
        Ok(Vetoes { vetoes })
    }

    /// Frozen where the time is over, else as of the tip.
    pub(super) async fn transcripts(
        &self,
        proposals: &[Proposal],
        patience: Duration,
    ) -> Result<Vec<Transcript>> {
        let store = self.store()?;
        if proposals.iter().all(|one| one.needs.veto.is_none()) {
            return Ok(Vec::new());
        }
        // Before the lock, which the follower takes, too: it must not wait for who waits for it.
        let mut counted = Some(self.counted(patience).await);
        // One at a time, so that what was read earlier never replaces what was read later.
        let _one_at_a_time = self.weighing.lock().await;
        let mut weighed = None;
        let (facts, known) = (store.facts().await?, self.known());
        let mut transcripts = Vec::new();
        for proposal in proposals.iter().filter(|one| one.needs.veto.is_some()) {
            let name = name(proposal);
            if let Some(frozen) = store.transcript(&name).await? {
                let made = veto::gather_again(&frozen, &facts);
                if made != frozen {
                    note(store, &name, proposal, &made).await?;
                }
                transcripts.push(made);
                continue;
            }
            if let Some(counted) = counted.take() {
                weighed = Some(self.weigh(counted?).await?);
            }
            let Some((at, proven)) = &weighed else {
                continue;
            };
            let (at, proven) = self.as_of_the_end(proposal, at, proven).await?;
            let made = veto::gather(proposal, &facts, &known, &proven, &at);
            let Some(made) = made else { continue };
            note(store, &name, proposal, &made).await?;
            transcripts.push(made);
        }
        self.tell.notify_one();
        Ok(transcripts)
    }

    /// The weights that count: of the first block whose median time is past the end, kept from then on.
    /// Before that, those of the tip.
    async fn as_of_the_end(
        &self,
        proposal: &Proposal,
        at: &At,
        proven: &BTreeMap<String, Proven>,
    ) -> Result<(At, BTreeMap<String, Proven>)> {
        let Some(closes_at) = proposal.veto_closes_at() else {
            return Ok((at.clone(), proven.clone()));
        };
        if !closing::is_due(at, closes_at) {
            return Ok((at.clone(), proven.clone()));
        }
        let store = self.store()?;
        let key = format!("weights {} {closes_at}", name(proposal));
        if let Some(text) = store.recall(&key).await? {
            let kept: Snapshot = serde_json::from_str(&text)?;
            if self.is_in_chain(&kept.block).await? {
                return Ok((kept.at(at), kept.proven));
            }
        }
        let taken = Snapshot::of(at, proven);
        store
            .remember(&key, &serde_json::to_string(&taken)?)
            .await?;
        Ok((at.clone(), taken.proven))
    }

    async fn is_in_chain(&self, block: &str) -> Result<bool> {
        let Ok(block) = block.parse::<BlockHash>() else {
            return Ok(false);
        };
        match self.context.node().header(block).await {
            Ok(header) => Ok(header.in_best_chain),
            Err(CallError::Reply(reply)) if reply.code == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A block or a delivery came: whatever is over is frozen, whatever was reached is told. Where the
    /// next block is there already, its own turn comes.
    pub(super) async fn settle_vetoes(&self) -> Result<()> {
        let facts = self.store()?.facts().await?;
        let moment = self.moment().await;
        let all = crate::proposals::all(&facts, &self.known(), &moment, None);
        self.transcripts(&all.proposals, Duration::ZERO).await?;
        Ok(())
    }
}

/// A push begins another vote.
fn name(proposal: &Proposal) -> String {
    format!("{}@{}", proposal.id, proposal.head)
}

async fn note(store: &Store, name: &str, proposal: &Proposal, made: &Transcript) -> Result<()> {
    let data = json!({
        "proposal": proposal.id, "head": made.head, "height": made.height, "block": made.block,
        "mining": { "veto": made.tally.mining.veto, "total": made.tally.mining.total },
        "economic": { "veto": made.tally.economic.veto, "total": made.tally.economic.total },
        "vetoed": made.tally.vetoed, "transcript_sha256": made.digest(),
    });
    let news = |kind: &str| News {
        kind: kind.to_owned(),
        data: data.clone(),
    };
    if made.tally.vetoed {
        store
            .tell_once(&format!("reached {name}"), &news(REACHED))
            .await?;
    }
    if made.closed {
        store.freeze(name, made, &news(CLOSED)).await?;
    }
    Ok(())
}

/// A script by its address, or in hex.
fn script(text: &str) -> Result<ScriptBuf> {
    if let Ok(address) = text.parse::<Address<NetworkUnchecked>>() {
        return Ok(address.assume_checked().script_pubkey());
    }
    let unfit = || ErrorReply::invalid("`address`: it is neither an address nor a script in hex");
    Ok(ScriptBuf::from_hex(text).map_err(|_| unfit())?)
}
