//! The pages of the dashboard: each asks for what the methods answer, and puts it down as data.

use std::sync::Arc;

use bllvm_sdk::page::Page;
use bllvm_sdk::{ErrorReply, NoParams, Result};

use super::Governance;
use super::weighing::PATIENCE;
use crate::answers::{WhichProposal, WhichProposals};
use crate::pages;

/// Verdicts on the page; the node's own pages have all deliveries.
const NEWEST: u32 = 50;

impl Governance {
    pub(super) async fn proposals_page(self: Arc<Self>, _: NoParams) -> Result<Page> {
        let repositories = self.known().repository_names().count();
        let all = self.get_proposals(WhichProposals::default()).await?;
        Ok(pages::proposals(&all, repositories))
    }

    pub(super) async fn proposal_page(self: Arc<Self>, which: WhichProposal) -> Result<Page> {
        let narrowed = WhichProposals {
            repository: Some(which.repository.clone()),
            number: Some(which.number),
            at: None,
        };
        let found = Arc::clone(&self).get_proposals(narrowed).await?;
        let Some(one) = found.proposals.first() else {
            let text = format!("there is no proposal {}#{}", which.repository, which.number);
            return Err(ErrorReply::not_found(text).into());
        };
        // A node that is away leaves the page without its veto, and with everything else.
        let transcripts = match self.transcripts(&found.proposals, PATIENCE).await {
            Ok(transcripts) => transcripts,
            Err(error) => {
                tracing::debug!("the veto could not be weighed: {}", error.chain());
                Vec::new()
            }
        };
        let keys = self.known().maintainers_of(one.layer).count();
        Ok(pages::proposal(one, keys, transcripts.first()))
    }

    pub(super) async fn economic_nodes_page(self: Arc<Self>, _: NoParams) -> Result<Page> {
        let census = self.census.borrow().clone();
        let forks = self.store()?.forks().await?;
        let weights = self.get_weights(NoParams {}).await.ok();
        let (census, weights) = (census.as_ref(), weights.as_ref());
        Ok(pages::economic_nodes(census, weights, &forks))
    }

    pub(super) async fn vetoes_page(self: Arc<Self>, _: NoParams) -> Result<Page> {
        let all = self.get_vetoes(WhichProposals::default()).await?;
        Ok(pages::vetoes(&all.vetoes))
    }

    pub(super) async fn deliveries_page(self: Arc<Self>, _: NoParams) -> Result<Page> {
        let newest = self.store()?.verdicts(NEWEST).await?;
        let status = self.get_webhook_status(NoParams {}).await?;
        Ok(pages::deliveries(&status, &newest))
    }
}
