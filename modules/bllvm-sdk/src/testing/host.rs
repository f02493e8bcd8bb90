//! The answering side of the test host, and what it has seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bllvm_ipc::log::{LogRecord, Metric};
use bllvm_ipc::method as m;
use bllvm_ipc::types::Hex;
use bllvm_ipc::types::{
    Empty, MethodDescription, PublishRequest, Published, StatusField, StoragePage, StoragePut,
    StorageValue, SubscribeRequest, Subscribed, UiProgress, UiTask,
};
use bllvm_ipc::{
    Capability, Connection, ErrorCode, ErrorReply, Handler, Incoming, Method, Notice, Reply, method,
};
use tokio::sync::watch;

pub(super) type Answers = HashMap<u16, Box<dyn Fn(&Incoming) -> Reply + Send + Sync>>;

/// What a module did so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The methods that it asked, in order.
    pub asked: Vec<&'static str>,
    /// Its published events.
    pub published: Vec<PublishRequest>,
    /// The status fields that it shows.
    pub status: Vec<StatusField>,
    /// The tasks that it shows, in the order in which they came.
    pub tasks: Vec<UiTask>,
    /// The progress that it showed last, by id.
    pub progress: BTreeMap<String, UiProgress>,
    /// Methods that it registered while running.
    pub registered: Vec<MethodDescription>,
    /// Its subscriptions while running.
    pub subscriptions: Vec<SubscribeRequest>,
    /// Its log records.
    pub logs: Vec<LogRecord>,
    /// Its metrics.
    pub metrics: Vec<Metric>,
    /// The newest durable event that it has applied.
    pub acknowledged: u64,
}

impl Seen {
    /// Whether a log record contains this text.
    pub fn logged(&self, text: &str) -> bool {
        self.logs.iter().any(|record| record.message.contains(text))
    }
}

/// The handler of the test host's connection.
pub(super) struct Host {
    grants: Vec<Capability>,
    answers: Answers,
    storage: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(super) seen: watch::Sender<Seen>,
}

impl Host {
    pub(super) fn new(grants: Vec<Capability>, answers: Answers) -> Self {
        Self {
            grants,
            answers,
            storage: Mutex::default(),
            seen: watch::Sender::new(Seen::default()),
        }
    }

    fn storage(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes, notes and answers a method that needs no script.
    fn own<M: Method>(
        &self,
        request: &Incoming,
        answer: impl FnOnce(M::Request, &mut Seen) -> M::Response,
    ) -> Reply {
        let result = request.decode::<M>().map(|params| {
            let mut response = None;
            self.seen
                .send_modify(|seen| response = Some(answer(params, seen)));
            response
        });
        Reply::now::<M>(result.and_then(|response| {
            response.ok_or_else(|| ErrorReply::internal("the test host has no answer"))
        }))
    }

    fn answer_from_memory(&self, request: &Incoming) -> Option<Reply> {
        Some(match request.method {
            m::EventsPublish::ID => self.own::<m::EventsPublish>(request, |event, seen| {
                seen.published.push(event);
                let seq = seen.published.len() as u64;
                Published { seq }
            }),
            m::EventsSubscribe::ID => self.own::<m::EventsSubscribe>(request, |wanted, seen| {
                let after = wanted.after.unwrap_or(seen.acknowledged);
                seen.subscriptions.push(wanted);
                Subscribed { after, first: 1 }
            }),
            m::UiStatus::ID => self.own::<m::UiStatus>(request, |status, seen| {
                seen.status = status.fields;
                Empty {}
            }),
            m::UiTask::ID => self.own::<m::UiTask>(request, |task, seen| {
                seen.tasks.retain(|shown| shown.id != task.id);
                seen.tasks.extend(task.title.is_some().then_some(task));
                Empty {}
            }),
            m::UiProgress::ID => self.own::<m::UiProgress>(request, |progress, seen| {
                seen.progress.insert(progress.id.clone(), progress);
                Empty {}
            }),
            m::ModuleRegister::ID => self.own::<m::ModuleRegister>(request, |wanted, seen| {
                seen.registered = wanted.methods;
                Empty {}
            }),
            _ => return self.answer_from_storage(request),
        })
    }

    fn answer_from_storage(&self, request: &Incoming) -> Option<Reply> {
        Some(match request.method {
            m::StorageGet::ID => self.own::<m::StorageGet>(request, |key, _| StorageValue {
                value: self.storage().get(&key.key.0).cloned().map(Hex),
            }),
            m::StoragePut::ID => self.own::<m::StoragePut>(request, |put, _| {
                self.storage().insert(put.key.0, put.value.0);
                Empty {}
            }),
            m::StorageDelete::ID => self.own::<m::StorageDelete>(request, |key, _| {
                self.storage().remove(&key.key.0);
                Empty {}
            }),
            m::StorageScan::ID => self.own::<m::StorageScan>(request, |scan, _| {
                let storage = self.storage();
                let mut found = storage.iter().filter(|(key, _)| {
                    key.starts_with(&scan.prefix.0)
                        && scan.after.as_ref().is_none_or(|after| **key > after.0)
                });
                let page = found.by_ref().take(scan.limit as usize);
                let items = page.map(|(key, value)| StoragePut {
                    key: Hex(key.clone()),
                    value: Hex(value.clone()),
                });
                StoragePage {
                    items: items.collect(),
                    more: found.next().is_some(),
                }
            }),
            m::StorageTransaction::ID => {
                self.own::<m::StorageTransaction>(request, |transaction, _| {
                    let mut storage = self.storage();
                    for change in transaction.changes {
                        match change.value {
                            Some(value) => drop(storage.insert(change.key.0, value.0)),
                            None => drop(storage.remove(&change.key.0)),
                        }
                    }
                    Empty {}
                })
            }
            _ => return None,
        })
    }
}

impl Handler for Host {
    fn request(&self, _: &Connection, request: Incoming) -> Reply {
        let Some(row) = method::by_id(request.method) else {
            return Reply::refuse(ErrorReply::unsupported("no such method"));
        };
        self.seen.send_modify(|seen| seen.asked.push(row.name));
        if let Some(needed) = row
            .capability
            .filter(|needed| !self.grants.contains(needed))
        {
            let text = format!("`{}` needs `{needed}`, which is not granted", row.name);
            return Reply::refuse(ErrorReply::new(ErrorCode::Denied, text));
        }
        if let Some(answer) = self.answers.get(&request.method) {
            return answer(&request);
        }
        self.answer_from_memory(&request).unwrap_or_else(|| {
            Reply::refuse(ErrorReply::unsupported(format!(
                "this test host has no answer for `{}`; give it one with `TestHost::answer`",
                row.name
            )))
        })
    }

    fn notice(&self, connection: &Connection, notice: Notice) {
        match notice {
            Notice::Ack(seq) => self.seen.send_modify(|seen| seen.acknowledged = seq),
            Notice::Log(record) => self.seen.send_modify(|seen| seen.logs.push(record)),
            Notice::Metric(metric) => self.seen.send_modify(|seen| seen.metrics.push(metric)),
            Notice::Ping(id) => connection.pong(id),
            Notice::Event(_) | Notice::Goodbye(_) => {}
        }
    }
}
