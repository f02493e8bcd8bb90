//! The answers, method by method, in the order of the table in `bllvm-ipc`.

use std::sync::Arc;

use bllvm_ipc::method as m;
use bllvm_ipc::types::{
    BlockByHeight, Empty, MethodDescription, ModuleCallRequest, ModuleCallResult, ModuleSummaries,
    ModuleSummary, ResolveRequest, Resolved, StatusFields, UiProgress, UiTask,
};
use bllvm_ipc::{
    Capability, Connection, ErrorCode, ErrorReply, Incoming, Method, MethodInfo, Raw, Reply,
};

use super::Session;
use super::error::{called, stored};
use crate::model::ObservedState;

const MAX_METHODS: usize = 128;
const MAX_STATUS_FIELDS: usize = 16;
const MAX_TASKS: usize = 32;
const MAX_PROGRESS: usize = 32;
const MAX_HOST_NAME: usize = 253;

/// One arm a method: decodes the request, and answers by a task of its own.
macro_rules! answers {
    ($session:ident, $connection:ident, $info:ident, $incoming:ident; $( $method:ident ( $request:pat ) $body:expr; )+) => {
        match $incoming.method {
            $( m::$method::ID => match $incoming.decode::<m::$method>() {
                Ok($request) => {
                    #[allow(unused_variables, reason = "not every answer needs both")]
                    let ($session, $connection) = (Arc::clone($session), $connection.clone());
                    Reply::later::<m::$method>(async move { $body })
                }
                Err(refusal) => Reply::refuse(refusal),
            }, )+
            _ => Reply::refuse(ErrorReply::unsupported(format!("`{}` is not served by this host", $info.name))),
        }
    };
}

/// Answers a request that was authorised.
pub(super) fn answer(
    session: &Arc<Session>,
    connection: &Connection,
    info: &MethodInfo,
    incoming: &Incoming,
) -> Reply {
    answers! { session, connection, info, incoming;
        ChainTip(_) Ok(session.services.read_node.tip().await?);
        ChainHeader(request) Ok(session.services.read_node.header(request).await?);
        ChainHeaders(request) Ok(session.services.read_node.headers(request).await?);
        ChainBlock(request) Ok(Raw(session.services.read_node.block(request.hash).await?));
        ChainBlockByHeight(request) session.block_by_height(request).await;
        ChainFilter(request) Ok(session.services.read_node.filter(request.hash).await?);
        ChainTransaction(request) Ok(session.services.read_node.transaction(request).await?);
        ChainUtxo(request) Ok(session.services.read_node.utxo(request).await?);
        ChainSpentOutputs(request) Ok(session.services.read_node.spent_outputs_page(request).await?);
        ChainVerifyScript(request) Ok(session.services.read_node.verify_script(request).await?);

        MempoolInfo(_) Ok(session.services.read_node.mempool_info().await?);
        MempoolList(request) Ok(session.services.read_node.mempool_list(request).await?);
        MempoolTransaction(request) Ok(session.services.read_node.mempool_transaction(request).await?);
        MempoolTestAccept(request) Ok(session.services.read_node.test_accept(request).await?);

        FeeEstimate(request) Ok(session.services.read_node.fee(request).await?);
        TxBroadcast(request) {
            session.submissions.take()?;
            Ok(session.services.submit_node.broadcast(request).await?)
        };
        MiningTemplate(request) Ok(session.services.submit_node.template(request).await?);
        MiningSubmitBlock(block) {
            session.submissions.take()?;
            Ok(session.services.submit_node.submit_block(block.0).await?)
        };

        NetworkInfo(_) Ok(session.services.read_node.info().await?);
        NetworkPeers(_) Ok(session.services.read_node.peers().await?);
        NetworkResolve(request) resolve(request).await;

        EventsSubscribe(request) session.subscribe(&connection, request).await;
        EventsPublish(request) session.publish(request).await;

        StorageGet(request) session.get(request).await;
        StoragePut(request) session.put(request).await;
        StorageDelete(request) session.delete(request).await;
        StorageScan(request) session.scan(request).await;
        StorageTransaction(request) session.transact(request).await;

        ModuleList(_) session.list().await;
        ModuleCall(request) session.call_other(request).await;
        ModuleRegister(request) session.register(request.methods);

        UiStatus(request) session.show_status(request);
        UiTask(request) session.show_task(request);
        UiProgress(request) session.show_progress(request);

        WebhooksBody(request) session.webhook_body(request).await;
        WebhooksVerdict(request) session.judge_webhook(request).await;
    }
}

async fn resolve(request: ResolveRequest) -> Result<Resolved, ErrorReply> {
    if request.host.is_empty() || request.host.len() > MAX_HOST_NAME {
        return Err(ErrorReply::invalid(format!(
            "`host`: a name of 1 to {MAX_HOST_NAME} characters"
        )));
    }
    let found = tokio::net::lookup_host((request.host.as_str(), request.port)).await;
    let found = found.map_err(|error| {
        ErrorReply::not_found(format!("`{}`: {error}", request.host.escape_debug()))
    })?;
    Ok(Resolved {
        addresses: found.map(|address| address.to_string()).collect(),
    })
}

fn too_many(what: &str, most: usize) -> ErrorReply {
    ErrorReply::new(ErrorCode::TooLarge, format!("at most {most} {what}"))
}

impl Session {
    async fn block_by_height(&self, request: BlockByHeight) -> Result<Raw, ErrorReply> {
        let node = &self.services.read_node;
        let hash = node.block_hash_at(request.height).await?;
        Ok(Raw(node.block(hash).await?))
    }

    async fn list(&self) -> Result<ModuleSummaries, ErrorReply> {
        let modules = self.services.store.modules().await.map_err(stored)?;
        let modules = modules.into_iter().map(|module| {
            let observed = self.services.registry.observed(&module.name);
            let state = observed
                .as_ref()
                .map_or(ObservedState::Stopped, |observed| observed.state);
            let methods = observed.map(|observed| observed.methods);
            ModuleSummary {
                name: module.name.to_string(),
                version: module.manifest.version.to_string(),
                state: state.to_string(),
                methods: methods
                    .unwrap_or_default()
                    .into_iter()
                    .map(|method| method.name)
                    .collect(),
            }
        });
        Ok(ModuleSummaries {
            modules: modules.collect(),
        })
    }

    async fn call_other(&self, request: ModuleCallRequest) -> Result<ModuleCallResult, ErrorReply> {
        let other = request
            .module
            .parse()
            .map_err(|error| ErrorReply::invalid(format!("`module`: {error}")))?;
        let caller = format!("module:{}", self.module);
        let deadline = self.services.call_deadline;
        let registry = &self.services.registry;
        let answer = registry
            .call(&other, &request.method, request.params, &caller, deadline)
            .await;
        let result = answer.map_err(called)?;
        Ok(ModuleCallResult { result })
    }

    /// Publishes the methods that a module named when it became ready.
    ///
    /// # Errors
    /// `denied` without the right, `invalid` for a name that is none.
    pub fn register_at_ready(&self, methods: Vec<MethodDescription>) -> Result<(), ErrorReply> {
        if methods.is_empty() {
            return Ok(());
        }
        if !self.rights.has(Capability::ModuleRegister) {
            return Err(ErrorReply::new(
                ErrorCode::Denied,
                "it offers methods, and `module.register` is not granted",
            ));
        }
        self.register(methods).map(drop)
    }

    fn register(&self, methods: Vec<MethodDescription>) -> Result<Empty, ErrorReply> {
        if methods.len() > MAX_METHODS {
            return Err(too_many("methods", MAX_METHODS));
        }
        for (index, method) in methods.iter().enumerate() {
            let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            let fits = (1..=64).contains(&method.name.len()) && method.name.bytes().all(letters);
            let twice = methods[..index].iter().any(|one| one.name == method.name);
            if !fits || twice {
                return Err(ErrorReply::invalid(format!(
                    "`methods`: `{}` is {}; a-z, 0-9 and _, at most 64, each once",
                    method
                        .name
                        .chars()
                        .take(64)
                        .collect::<String>()
                        .escape_debug(),
                    if twice { "there twice" } else { "no name" }
                )));
            }
        }
        self.params.replace(&methods)?;
        self.observed
            .send_modify(|observed| observed.methods = methods);
        Ok(Empty {})
    }

    fn show_status(&self, request: StatusFields) -> Result<Empty, ErrorReply> {
        if request.fields.len() > MAX_STATUS_FIELDS {
            return Err(too_many("status fields", MAX_STATUS_FIELDS));
        }
        self.observed.send_if_modified(|observed| {
            let changed = observed.status != request.fields;
            observed.status = request.fields;
            changed
        });
        Ok(Empty {})
    }

    fn show_task(&self, task: UiTask) -> Result<Empty, ErrorReply> {
        let mut outcome = Ok(Empty {});
        self.observed.send_modify(|observed| {
            observed.tasks.retain(|known| known.id != task.id);
            if task.title.is_none() {
                return;
            }
            if observed.tasks.len() >= MAX_TASKS {
                outcome = Err(too_many("open tasks", MAX_TASKS));
            } else {
                observed.tasks.push(task);
            }
        });
        outcome
    }

    fn show_progress(&self, progress: UiProgress) -> Result<Empty, ErrorReply> {
        let mut outcome = Ok(Empty {});
        self.observed.send_modify(|observed| {
            observed.progress.retain(|known| known.id != progress.id);
            // What is finished is not shown any more.
            if progress.total > 0 && progress.done >= progress.total {
                return;
            }
            if observed.progress.len() >= MAX_PROGRESS {
                outcome = Err(too_many("kinds of progress", MAX_PROGRESS));
            } else {
                observed.progress.push(progress);
            }
        });
        outcome
    }
}
