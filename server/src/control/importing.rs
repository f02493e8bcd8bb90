//! `import`: an operation that hands the blocks of Bitcoin Core's files to the base node, a batch at a
//! time: its journal is synced once for all of them. What is there already is passed over, so after a
//! restart it simply begins anew.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bitcoin::BlockHash;
use bllvm_ipc::types::{BlockVerdict, NetworkInfo};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::folders::{Begin, interrupted};
use super::handle::blocking;
use super::{Control, ControlCode, ControlError};
use crate::model::{Actor, Failure, Id, Operation, OperationKind};
use crate::node::{BlockFiles, BlockFilesError, NodeError, NodeState, Place};
use crate::store::commands::{Done, StartOperation, actions};

/// The most blocks of a batch: what a stop or a cancel waits for, and what others wait behind.
const BATCH_BLOCKS: usize = 128;
/// A batch is full with the block that reaches this.
const BATCH_BYTES: usize = 8 << 20;
/// Between two records of progress.
const PROGRESS: Duration = Duration::from_millis(250);
/// How long a base node that went away is waited for.
const NODE_PATIENCE: Duration = Duration::from_mins(10);
/// How often a base node may go away under one operation.
const MAX_LOSSES: u32 = 5;

impl Control {
    /// Takes blocks from block files of Bitcoin Core, or of another node of ours: a file, or the
    /// folder that they lie in.
    ///
    /// # Errors
    /// Where there is no such file.
    pub async fn import_blocks(
        &self,
        path: PathBuf,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let target = path.display().to_string();
        let verb = async {
            let refused = |detail| ControlError::refused(ControlCode::InvalidRequest, detail);
            if !path.is_absolute() {
                return Err(refused(format!(
                    "`path` is {target}: name the full path of a block file or its folder"
                )));
            }
            let looked = path.clone();
            let found = blocking(move || BlockFiles::find(&looked)).await?;
            let files = found.map_err(|error| refused(error.to_string()))?;
            let begin = Begin {
                start: StartOperation {
                    kind: OperationKind::Import,
                    module: None,
                    about: None,
                    params: json!({ "path": path }),
                    by: by.clone(),
                },
                done: Done {
                    action: actions::IMPORT_BLOCKS.to_owned(),
                    target: "node".to_owned(),
                    detail: format!("from {target}"),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            self.spawn_import(operation.id, files);
            Ok(operation)
        };
        self.audited(actions::IMPORT_BLOCKS, &target, by, verb)
            .await
    }

    /// Begins anew with an import that our own end cut short.
    pub(super) async fn resume_import(&self, operation: &Operation, params: &Value) {
        let Some(path) = params["path"].as_str().map(PathBuf::from) else {
            let failure = interrupted("it does not say what it was to take in");
            return self.end(operation.id, Err(failure)).await;
        };
        match blocking(move || BlockFiles::find(&path)).await {
            Ok(Ok(files)) => self.spawn_import(operation.id, files),
            Ok(Err(error)) => self.end(operation.id, Err(unusable(&error))).await,
            Err(error) => {
                let failure = interrupted(&error.to_string());
                self.end(operation.id, Err(failure)).await;
            }
        }
    }

    fn spawn_import(&self, id: Id, files: BlockFiles) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let import = Import {
                control: control.clone(),
                id,
                files: Arc::new(files),
                cancel,
                told: None,
            };
            let outcome = import.run().await;
            // The node stops: the operation stays open, and the next start goes on.
            if outcome.is_err() && control.soft().is_cancelled() {
                return;
            }
            control.end(id, outcome).await;
        });
    }
}

/// What became of the blocks.
#[derive(Default)]
struct Count {
    added: u64,
    known: u64,
    refused: HashSet<BlockHash>,
    first_refused: Option<String>,
}

impl Count {
    /// Whether a block stands on a refused one; it is then refused itself.
    fn stands_on_refused(&mut self, place: &Place) -> bool {
        let stands = self.refused.contains(&place.prev);
        if stands {
            self.refused.insert(place.hash);
        }
        stands
    }
}

/// One operation under way.
struct Import {
    control: Control,
    id: Id,
    files: Arc<BlockFiles>,
    cancel: CancellationToken,
    told: Option<Instant>,
}

impl Import {
    async fn run(mut self) -> Result<Value, Failure> {
        self.step("looking through the files", 0, 0).await;
        let info = self.chain().await?;
        let (files, cancel) = (Arc::clone(&self.files), self.cancel.clone());
        let looked = blocking(move || {
            let challenge = info.signet_challenge.map(|script| script.0.into());
            files.blocks(&info.chain, challenge.as_ref(), || cancel.is_cancelled())
        })
        .await;
        let places = looked
            .map_err(|error| interrupted(&error.to_string()))?
            .map_err(|error| unusable(&error))?;
        let (total, mut count) = (places.len() as u64, Count::default());
        let (mut rest, mut batch) = (VecDeque::from(places), VecDeque::new());
        loop {
            if self.cancel.is_cancelled() {
                return Err(failure(
                    "cancelled",
                    "it was cancelled; the blocks before stay".to_owned(),
                ));
            }
            self.fill(&mut batch, &mut rest, &mut count).await?;
            if batch.is_empty() {
                break;
            }
            if self.told.is_none_or(|told| told.elapsed() >= PROGRESS) {
                let waiting = (rest.len() + batch.len()) as u64;
                self.step("taking in blocks", total.saturating_sub(waiting), total)
                    .await;
            }
            self.take(&mut batch, &mut count).await?;
        }
        let refused = count.refused.len() as u64;
        if let Some(why) = &count.first_refused
            && count.added + count.known == 0
        {
            return Err(failure(
                "invalid_request",
                format!("none of {total} blocks was taken: {why}"),
            ));
        }
        Ok(json!({
            "files": self.files.count(), "blocks": total, "added": count.added,
            "known": count.known, "refused": refused, "first_refused": count.first_refused,
        }))
    }

    /// The chain of the base node, once it answers.
    async fn chain(&self) -> Result<NetworkInfo, Failure> {
        self.ready().await?;
        let info = self.control.0.parts.read_node.info().await;
        info.map_err(|error| failed(&error))
    }

    /// Reads blocks until the batch is full. Who stands on a refused block would be refused for that
    /// alone, and is left out.
    async fn fill(
        &self,
        batch: &mut VecDeque<(Place, Bytes)>,
        rest: &mut VecDeque<Place>,
        count: &mut Count,
    ) -> Result<(), Failure> {
        batch.retain(|(place, _)| !count.stands_on_refused(place));
        let mut bytes: usize = batch.iter().map(|(_, raw)| raw.len()).sum();
        let mut wanted = Vec::new();
        while batch.len() + wanted.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
            let Some(place) = rest.pop_front() else { break };
            if !count.stands_on_refused(&place) {
                bytes += place.size();
                wanted.push(place);
            }
        }
        let files = Arc::clone(&self.files);
        let read = move || {
            let blocks = wanted.into_iter().map(|place| {
                let raw = Bytes::from(files.read(&place)?);
                Ok((place, raw))
            });
            blocks.collect::<Result<Vec<_>, BlockFilesError>>()
        };
        let read = blocking(read).await;
        let read = read.map_err(|error| interrupted(&error.to_string()))?;
        batch.extend(read.map_err(|error| unusable(&error))?);
        Ok(())
    }

    /// Submits a batch, and takes out of it what was judged.
    async fn take(
        &self,
        batch: &mut VecDeque<(Place, Bytes)>,
        count: &mut Count,
    ) -> Result<(), Failure> {
        let blocks: Vec<Bytes> = batch.iter().map(|(_, raw)| raw.clone()).collect();
        let mut losses = 0;
        let verdicts = loop {
            let node = &self.control.0.parts.submit_node;
            match node.submit_blocks(blocks.clone()).await {
                Ok(verdicts) => break verdicts,
                Err(NodeError::Unavailable { .. }) if losses < MAX_LOSSES => {
                    losses += 1;
                    self.ready().await?;
                }
                // The first is no block at all; it is told by its place, and the others are judged.
                Err(NodeError::Invalid { message, .. }) => {
                    break vec![BlockVerdict {
                        accepted: false,
                        new_tip: false,
                        reason: Some(message),
                    }];
                }
                Err(error) => return Err(failed(&error)),
            }
        };
        if verdicts.is_empty() {
            return Err(failure(
                "internal",
                "the base node judged no block".to_owned(),
            ));
        }
        let judged: Vec<_> = batch.drain(..verdicts.len().min(batch.len())).collect();
        for (verdict, (place, _)) in verdicts.into_iter().zip(judged) {
            if verdict.accepted {
                count.added += 1;
            } else if verdict.is_refusal() {
                let reason = verdict.reason.unwrap_or_else(|| "rejected".to_owned());
                let file = self.files.file_of(&place).display();
                let why = format!("block {} in {file} is refused: {reason}", place.hash);
                count.first_refused.get_or_insert(why);
                count.refused.insert(place.hash);
            } else {
                count.known += 1;
            }
        }
        Ok(())
    }

    /// Waits until the base node can be asked.
    async fn ready(&self) -> Result<(), Failure> {
        let node = &self.control.0.parts.read_node;
        let mut changes = node.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let why = match node.state() {
                    NodeState::Ready => return Ok(()),
                    // Without a base node, there is nothing to wait for.
                    NodeState::Unavailable { why } if node.backend() == "none" => why,
                    _ if changes.changed().await.is_ok() => continue,
                    _ => "the base node is gone".to_owned(),
                };
                return Err(failure("node_unavailable", why));
            }
        };
        let waiting = self.cancel.run_until_cancelled(waiting);
        match timeout(NODE_PATIENCE, waiting).await {
            Ok(Some(ready)) => ready,
            Ok(None) => Err(failure("cancelled", "it was cancelled".to_owned())),
            Err(_) => {
                let why = "the base node stayed away; ask again once it is back".to_owned();
                Err(failure("node_unavailable", why))
            }
        }
    }

    async fn step(&mut self, step: &str, done: u64, total: u64) {
        self.told = Some(Instant::now());
        if let Err(error) = self.control.step(self.id, step, done, total).await {
            tracing::warn!(operation.id = %self.id, %error, "could not record progress");
        }
    }
}

fn failure(code: &str, detail: String) -> Failure {
    Failure {
        code: code.to_owned(),
        detail,
    }
}

fn unusable(error: &BlockFilesError) -> Failure {
    failure("invalid_request", error.to_string())
}

fn failed(error: &NodeError) -> Failure {
    let code = match error {
        NodeError::Unsupported(_) => "unsupported",
        NodeError::NotFound(_) => "not_found",
        NodeError::Unavailable { .. } => "node_unavailable",
        NodeError::Invalid { .. } => "invalid_request",
        NodeError::Internal(_) => "internal",
    };
    failure(code, error.to_string())
}
