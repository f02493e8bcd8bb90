//! Transactions that people and programs send, and what the next block would be.

use bllvm_ipc::types::{
    Acceptance, Hex, Template, TemplateRequest, TransactionVerdict, Transactions,
};

use super::{Control, ControlCode, ControlError};
use crate::model::Actor;
use crate::node::NodeError;
use crate::store::commands::actions;

/// Transactions of one request; a package of Bitcoin Core's has as many at the most.
const MAX_TRANSACTIONS: usize = 25;
/// Bytes of all of them: more than any block takes.
const MAX_BYTES: usize = 4_000_000;
/// Weight that is kept free for the coinbase, as Bitcoin Core does.
const COINBASE_WEIGHT: u32 = 8000;

impl Control {
    /// Hands transactions to the base node: to its mempool, and from there to its peers. A verdict
    /// is an answer, also where the mempool refuses.
    ///
    /// # Errors
    /// Where they cannot be read, or the base node is away.
    pub async fn broadcast(
        &self,
        transactions: &[String],
        by: &Actor,
    ) -> Result<Acceptance, ControlError> {
        let verb = async {
            let transactions = read(transactions)?;
            let node = &self.0.parts.submit_node;
            let verdict = node
                .broadcast(Transactions { transactions })
                .await
                .map_err(|error| refused(&error))?;
            let outcome = if verdict.results.iter().all(|one| one.accepted) {
                Ok(in_words(&verdict.results))
            } else {
                Err(in_words(&verdict.results))
            };
            let target = named(&verdict.results);
            self.record_submission(actions::SEND_TRANSACTIONS, target, outcome, by)
                .await;
            Ok(verdict)
        };
        self.audited(actions::SEND_TRANSACTIONS, "node", by, verb)
            .await
    }

    /// Whether the base node would take transactions; nothing changes.
    ///
    /// # Errors
    /// Where they cannot be read, or the base node is away.
    pub async fn test_transactions(
        &self,
        transactions: &[String],
    ) -> Result<Acceptance, ControlError> {
        let transactions = read(transactions)?;
        let node = &self.0.parts.read_node;
        let verdict = node.test_accept(Transactions { transactions }).await;
        verdict.map_err(|error| refused(&error))
    }

    /// What the next block would be.
    ///
    /// # Errors
    /// Where the base node is away, or makes no templates.
    pub async fn next_template(&self) -> Result<Template, NodeError> {
        let request = TemplateRequest {
            coinbase_weight: COINBASE_WEIGHT,
            longpoll_id: None,
        };
        self.0.parts.submit_node.template(request).await
    }
}

/// Reads transactions in hex; the base node reads what is in them.
fn read(texts: &[String]) -> Result<Vec<Hex>, ControlError> {
    let wrong = |detail: String| {
        ControlError::refused(
            ControlCode::InvalidRequest,
            format!("`transactions{detail}"),
        )
    };
    if !(1..=MAX_TRANSACTIONS).contains(&texts.len()) {
        return Err(wrong("` has 1 to 25 transactions as hex".to_owned()));
    }
    if texts.iter().map(String::len).sum::<usize>() > MAX_BYTES * 2 {
        let detail = "` has more than 4,000,000 bytes, which no block takes";
        return Err(wrong(detail.to_owned()));
    }
    let all = texts.iter().enumerate();
    all.map(|(place, text)| match hex::decode(text.trim()) {
        Ok(bytes) if !bytes.is_empty() => Ok(Hex(bytes)),
        Ok(_) => Err(wrong(format!("[{place}]` is empty: give its bytes in hex"))),
        Err(fault) => Err(wrong(format!("[{place}]` is not hex: {fault}"))),
    })
    .collect()
}

/// A base node's refusal as a verb's.
fn refused(error: &NodeError) -> ControlError {
    let detail = error.to_string();
    match error {
        NodeError::Unsupported(_) => ControlError::refused(ControlCode::Unsupported, detail),
        NodeError::Unavailable { retry_ms, .. } => ControlError::Unavailable {
            detail,
            retry_ms: *retry_ms,
        },
        NodeError::NotFound(_) | NodeError::Invalid { .. } => {
            ControlError::refused(ControlCode::InvalidRequest, detail)
        }
        NodeError::Internal(_) => ControlError::Unavailable {
            detail,
            retry_ms: 5000,
        },
    }
}

/// For the audit trail: what was sent.
fn named(results: &[TransactionVerdict]) -> String {
    let ids: Vec<String> = results.iter().map(|one| one.txid.to_string()).collect();
    format!("transaction {}", ids.join(", "))
}

/// For the audit trail: which were taken, and why others were not.
fn in_words(results: &[TransactionVerdict]) -> String {
    let words: Vec<String> = results
        .iter()
        .map(|one| match &one.reason {
            None => format!("{} accepted", one.txid),
            Some(reason) => format!("{} refused: {reason}", one.txid),
        })
        .collect();
    words.join("; ")
}
