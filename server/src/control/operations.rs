//! Operations that an operator ends, mining, and what a restart does with what was open.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::folders::{Begin, interrupted};
use super::handle::lock;
use super::{Control, ControlCode, ControlError};
use crate::model::{Actor, DesiredState, Failure, Id, Operation, OperationKind};
use crate::node::{MineRequest, NodeError};
use crate::store::commands::{Cancel, Done, StartOperation, Want, actions};
use crate::store::{Command, StoreError, Tx};

/// Blocks that may be asked for at once.
const MAX_BLOCKS: u32 = 1000;
/// Between two records of progress.
const PROGRESS: Duration = Duration::from_millis(250);

impl Control {
    /// Ends an operation. A module whose load is ended shall not run any more.
    ///
    /// # Errors
    /// Where there is none of this id, or it is over already.
    pub async fn cancel_operation(&self, id: Id, by: &Actor) -> Result<Operation, ControlError> {
        let verb = async {
            let operation = self.store().commit(End { id, by: by.clone() }).await?;
            if let Some(cancel) = lock(&self.0.cancels).get(&id) {
                cancel.cancel();
            }
            if let Some(module) = &operation.module {
                self.fleet().wake(module);
            }
            Ok(operation)
        };
        self.audited(actions::CANCEL_OPERATION, id, by, verb).await
    }

    /// Mines blocks on a chain where anybody can (regtest).
    ///
    /// # Errors
    /// Where the count makes no sense.
    pub async fn mine(
        &self,
        count: u32,
        address: Option<String>,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            if !(1..=MAX_BLOCKS).contains(&count) {
                return Err(ControlError::refused(
                    ControlCode::InvalidRequest,
                    format!("`count` is {count}: ask for 1 to {MAX_BLOCKS} blocks"),
                ));
            }
            let begin = Begin {
                start: StartOperation {
                    kind: OperationKind::Mine,
                    module: None,
                    params: json!({ "count": count, "address": address }),
                    by: by.clone(),
                },
                done: Done {
                    action: actions::MINE_BLOCKS.to_owned(),
                    target: "node".to_owned(),
                    detail: format!("{count} blocks"),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            let (control, id) = (self.clone(), operation.id);
            let request = MineRequest { count, address };
            self.spawn_operation(id, |cancel| async move {
                let outcome = control.mine_now(id, request, cancel).await;
                control.end(id, outcome).await;
            });
            Ok(operation)
        };
        self.audited(actions::MINE_BLOCKS, "node", by, verb).await
    }

    async fn mine_now(
        &self,
        id: Id,
        request: MineRequest,
        cancel: CancellationToken,
    ) -> Result<Value, Failure> {
        let total = request.count;
        let (progress, mut done) = mpsc::channel(16);
        let mining = self.0.parts.submit_node.mine(request, progress, cancel);
        tokio::pin!(mining);
        let mut told: Option<Instant> = None;
        let mut listening = true;
        loop {
            tokio::select! {
                outcome = &mut mining => {
                    return match outcome {
                        Ok(hashes) => Ok(json!({ "hashes": hashes })),
                        Err(error) => Err(node_failure(&error)),
                    };
                }
                count = done.recv(), if listening => match count {
                    Some(count) if told.is_none_or(|told| told.elapsed() >= PROGRESS) => {
                        told = Some(Instant::now());
                        if let Err(error) = self.step(id, "mining", count.into(), total.into()).await {
                            tracing::warn!(operation.id = %id, %error, "could not record progress");
                        }
                    }
                    Some(_) => {}
                    None => listening = false,
                },
            }
        }
    }

    /// After a start: what we did ourselves goes on or is failed with its reason; the supervisor
    /// takes up what modules were asked.
    pub(super) async fn resume_operations(&self) -> Result<(), ControlError> {
        for open in self.store().unfinished_operations().await? {
            let operation = &open.operation;
            match operation.kind {
                OperationKind::Install => self.resume_install(operation, &open.params).await,
                OperationKind::Mine => {
                    let why = format!(
                        "{} of {} blocks were mined at least",
                        operation.done, open.params["count"]
                    );
                    self.end(operation.id, Err(interrupted(&why))).await;
                }
                OperationKind::Uninstall => {
                    let why = "the module is stopped and not removed";
                    self.end(operation.id, Err(interrupted(why))).await;
                }
                OperationKind::Load
                | OperationKind::Unload
                | OperationKind::Reload
                | OperationKind::Configure => {}
            }
        }
        Ok(())
    }
}

fn node_failure(error: &NodeError) -> Failure {
    let code = match error {
        NodeError::Unsupported(_) => "unsupported",
        NodeError::NotFound(_) => "not_found",
        NodeError::Unavailable { .. } => "node_unavailable",
        NodeError::Invalid { .. } => "invalid_request",
        NodeError::Internal(_) => "internal",
    };
    Failure {
        code: code.to_owned(),
        detail: error.to_string(),
    }
}

/// An operation ends; the wish behind a load ends with it.
struct End {
    id: Id,
    by: Actor,
}

impl Command for End {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let cancel = Cancel {
            id: self.id,
            by: self.by.clone(),
        };
        let operation = cancel.apply(tx).await?;
        if operation.kind == OperationKind::Load
            && let Some(name) = &operation.module
            && is_known(tx, name).await?
        {
            let stop = Want {
                name: name.clone(),
                desired: DesiredState::Stopped,
                kind: OperationKind::Unload,
                by: self.by,
            };
            stop.apply(tx).await?;
        }
        Ok(operation)
    }
}

async fn is_known(tx: &mut Tx<'_>, name: &ModuleName) -> Result<bool, StoreError> {
    Ok(tx.find_module(name).await?.is_some())
}
