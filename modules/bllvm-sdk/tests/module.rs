//! A module's whole life against the host in memory.

#![expect(
    clippy::unused_async,
    reason = "a method is async, whether it waits or not"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bllvm_sdk::ipc::method::{self, ChainSpentOutputs, ChainTip, MiningTemplate};
use bllvm_sdk::ipc::types::{
    Coin, Hex, PageRequest, Sample, SpentOutputs, Template, TemplateRequest, Tip,
};
use bllvm_sdk::ipc::{Direction, METHODS};
use bllvm_sdk::schemars::{self, JsonSchema};
use bllvm_sdk::testing::{StartFailure, TestHost};
use bllvm_sdk::types::{BlockHash, Txid};
use bllvm_sdk::{
    CallError, Caller, Capability, Context, Error, ErrorCode, ErrorReply, Event, EventClass,
    Methods, Module, NoParams, Problems, Result, Undeliverable,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Shown first.
    #[serde(default = "title")]
    title: String,
}

fn title() -> String {
    "Clock".to_owned()
}

/// Set while the module blocks its dispatcher.
static BLOCKED: AtomicBool = AtomicBool::new(false);

struct Clock {
    context: Context,
    config: Config,
    attempts: AtomicU32,
    gate: Arc<Notify>,
}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: u32,
    b: u32,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    text: String,
}

impl Clock {
    async fn hello(self: Arc<Self>, caller: Caller, _: NoParams) -> Result<Answer> {
        let who = caller.module().unwrap_or("operator").to_owned();
        Ok(Answer {
            text: format!("{} to {who}", self.config.title),
        })
    }

    async fn add(self: Arc<Self>, sum: Sum) -> Result<u32> {
        sum.a
            .checked_add(sum.b)
            .ok_or_else(|| ErrorReply::invalid("the sum is too large").into())
    }

    async fn wait(self: Arc<Self>, _: NoParams) -> Result<()> {
        tracing::info!(step = "waits", "a call waits");
        self.gate.notified().await;
        Ok(())
    }

    async fn open(self: Arc<Self>, _: NoParams) -> Result<()> {
        self.gate.notify_one();
        Ok(())
    }

    async fn crash(self: Arc<Self>, _: NoParams) -> Result<()> {
        panic!("on purpose")
    }
}

impl Module for Clock {
    type Config = Config;
    const EVENTS: &'static [&'static str] = &["chain.*"];

    fn validate(config: &Config) -> Result<(), Problems> {
        if config.title.is_empty() {
            return Err(Problems::key("title", "it is empty; give it a word"));
        }
        Ok(())
    }

    fn methods() -> Methods<Self> {
        Methods::new()
            .method_with_caller("hello", "Greets.", Self::hello)
            .method("add", "Adds.", Self::add)
            .method("wait", "Waits for the gate.", Self::wait)
            .method("open", "Opens the gate.", Self::open)
            .method("crash", "Panics.", Self::crash)
    }

    async fn prepare(context: Context, config: Config) -> Result<Self> {
        if config.title == "unlucky" {
            return Err(Error::msg("no luck"));
        }
        Ok(Self {
            context,
            config,
            attempts: AtomicU32::new(0),
            gate: Arc::default(),
        })
    }

    async fn event(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            "chain.fails_twice" if self.attempts.fetch_add(1, Ordering::SeqCst) < 2 => {
                Err(Error::msg("not yet"))
            }
            "chain.never" => Err(Error::msg("never")),
            "chain.blocks" => {
                BLOCKED.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            _ => {
                self.context.storage().save("last", &event.seq).await?;
                Ok(())
            }
        }
    }

    fn undeliverable(&self, event: &Event, _: &Error) -> Undeliverable {
        if event.data["skip"] == json!(true) {
            Undeliverable::Skip
        } else {
            Undeliverable::Stop
        }
    }
}

#[tokio::test]
async fn a_start_tells_methods_with_schemas_and_subscriptions() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let ready = module.ready();
    let names: Vec<_> = ready.methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["add", "crash", "hello", "open", "wait"]);
    assert_eq!(ready.methods[0].params["required"], json!(["a", "b"]));
    assert_eq!(ready.subscriptions, ["chain.*"]);
    module.stop().await.unwrap();
}

#[tokio::test]
async fn a_bad_configuration_and_a_failed_preparation_are_told_apart() {
    let unknown = TestHost::new().config(json!({ "titel": "x" }));
    let refused = unknown.start::<Clock>().await.unwrap_err();
    assert!(
        refused.to_string().contains("unknown field `titel`"),
        "{refused}"
    );

    let empty = TestHost::new().config(json!({ "title": "" }));
    let refused = empty.start::<Clock>().await.unwrap_err();
    assert!(matches!(refused, StartFailure::Config(text) if text.starts_with("title it is empty")));

    let unlucky = TestHost::new().config(json!({ "title": "unlucky" }));
    let refused = unlucky.start::<Clock>().await.unwrap_err();
    assert!(refused.to_string().contains("no luck"));
}

#[tokio::test]
async fn a_prepared_module_serves_nothing_until_it_is_activated() {
    let mut module = TestHost::new().prepare::<Clock>().await.unwrap();
    let seq = module.event("chain.block_connected", json!({}));
    let refused = module.call("hello", json!({})).await.unwrap_err();
    assert!(matches!(refused, CallError::Reply(e) if e.code == ErrorCode::Unavailable));
    module.ping().await.unwrap();
    assert_eq!(module.seen().asked, Vec::<&str>::new());

    module.activate().await.unwrap();
    module.acknowledged(seq).await;
    assert_eq!(
        module.call("hello", json!(null)).await.unwrap(),
        json!({ "text": "Clock to operator" })
    );
}

#[tokio::test]
async fn methods_answer_in_types_and_refuse_with_codes() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let code = |outcome: Result<serde_json::Value, CallError>| match outcome.unwrap_err() {
        CallError::Reply(error) => (error.code, error.message),
        other => panic!("{other}"),
    };
    assert_eq!(
        module.call("add", json!({ "a": 1, "b": 2 })).await.unwrap(),
        3
    );
    let hello = module.call_as("module:mesh", "hello", json!({})).await;
    assert_eq!(hello.unwrap(), json!({ "text": "Clock to mesh" }));
    let (unknown, text) = code(module.call("ad", json!({})).await);
    assert_eq!(unknown, ErrorCode::NotFound);
    assert!(text.contains("add, crash, hello"), "{text}");
    assert_eq!(
        code(module.call("add", json!({ "a": 1 })).await).0,
        ErrorCode::Invalid
    );
    let large = json!({ "a": u32::MAX, "b": 1 });
    assert_eq!(code(module.call("add", large).await).0, ErrorCode::Invalid);
    assert_eq!(
        code(module.call("crash", json!({})).await).0,
        ErrorCode::Internal
    );
    module.ping().await.unwrap();
}

#[tokio::test]
async fn calls_run_beside_each_other_and_a_drain_waits_for_them() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let mut waits = Box::pin(module.call("wait", json!({})));
    tokio::select! {
        answer = &mut waits => panic!("the gate is shut: {answer:?}"),
        _ = module.until(|seen| seen.logged("a call waits")) => {}
    }
    let mut drains = Box::pin(module.drain());
    let refused = tokio::select! {
        biased;
        early = &mut drains => panic!("a call is open: {early:?}"),
        refused = module.call("hello", json!({})) => refused.unwrap_err(),
    };
    assert!(matches!(refused, CallError::Reply(e) if e.code == ErrorCode::Unavailable));
    drop(waits);
    drains.await.unwrap();
    module.resume().await.unwrap();
    module.call("hello", json!({})).await.unwrap();
    module.stop().await.unwrap();
}

#[tokio::test]
async fn a_failed_event_comes_again_and_is_acknowledged_after_it_succeeded() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let failing = module.event("chain.fails_twice", json!({}));
    let next = module.event("chain.block_connected", json!({}));
    assert!(module.seen().acknowledged < failing);
    module.acknowledged(next).await;
    let seen = module.until(|seen| seen.logged("comes again")).await;
    assert_eq!(
        seen.logs
            .iter()
            .filter(|r| r.message.contains("not yet"))
            .count(),
        2
    );
}

#[tokio::test]
async fn an_event_sent_again_is_not_applied_again() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let seq = module.event("chain.block_connected", json!({}));
    module.acknowledged(seq).await;
    let mut again = Event {
        seq,
        kind: "chain.block_connected".to_owned(),
        class: EventClass::Durable,
        publisher: "host".to_owned(),
        time: String::new(),
        data: json!({}),
    };
    module.send(&again);
    again.seq += 1;
    module.send(&again);
    module.acknowledged(seq + 1).await;
    let stored = module
        .seen()
        .asked
        .iter()
        .filter(|name| **name == "storage.put")
        .count();
    assert_eq!(stored, 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_for_good_is_skipped_loudly_or_ends_the_module() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let skipped = module.event("chain.never", json!({ "skip": true }));
    module.acknowledged(skipped).await;
    module.until(|seen| seen.logged("is skipped")).await;

    let stops = module.event("chain.never", json!({}));
    let seen = module.until(|seen| seen.logged("failed five times")).await;
    assert!(seen.acknowledged < stops);
    let ended = module.ended().await.unwrap_err();
    assert!(ended.contains("`chain.never`"), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_blocks_its_dispatcher_does_not_pong() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    module.ping().await.unwrap();
    let seq = module.event("chain.blocks", json!({}));
    while !BLOCKED.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let mut ping = Box::pin(module.ping());
    for _ in 0..2 {
        tokio::select! {
            biased;
            early = &mut ping => panic!("somebody else answered: {early:?}"),
            () = std::future::ready(()) => {}
        }
        // No tokio timer: the blocked thread may be the one that drives them.
        std::thread::sleep(Duration::from_millis(50));
    }
    ping.await.unwrap();
    module.acknowledged(seq).await;
}

#[tokio::test]
async fn a_configuration_is_judged_without_being_taken() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    assert!(
        module
            .validate(json!({}))
            .await
            .unwrap()
            .problems
            .is_empty()
    );
    let verdict = module.validate(json!({ "title": "" })).await.unwrap();
    assert_eq!(verdict.problems[0].key, "title");
    // Without a `reconfigure` of its own a module takes none while it runs.
    let verdict = module.reconfigure(json!({})).await.unwrap();
    assert!(verdict.problems[0].message.contains("restart"));
}

#[tokio::test]
async fn a_module_ends_with_its_host_and_at_a_signal() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    module.terminate().await.unwrap();

    let module = TestHost::new().start::<Clock>().await.unwrap();
    module.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_what_has_no_answer_says_so() {
    let module = TestHost::new()
        .grants(&[Capability::ChainRead])
        .start::<Asker>()
        .await
        .unwrap();
    let seen = module.call("ask_all", json!({})).await.unwrap();
    let outcome = |name: &str| seen[name].as_str().unwrap().to_owned();
    assert!(outcome("chain.tip").contains("TestHost::answer"));
    assert!(outcome("fee.estimate").contains("needs `fee.read`"));
}

#[tokio::test]
async fn the_node_client_has_a_method_for_every_row_of_the_table() {
    let module = TestHost::new().start::<Asker>().await.unwrap();
    module.call("ask_all", json!({})).await.unwrap();
    let asked = module.seen().asked;
    let areas = ["chain.", "mempool.", "fee.", "tx.", "mining.", "network."];
    let rows = METHODS
        .iter()
        .filter(|row| row.direction == Direction::ToHost)
        .filter(|row| areas.iter().any(|area| row.name.starts_with(area)));
    for row in rows {
        assert!(asked.contains(&row.name), "nothing asks `{}`", row.name);
    }
}

#[tokio::test]
async fn answers_come_typed_through_the_client() {
    let host = TestHost::new().answer::<ChainTip>(|_| Ok(Tip::sample()));
    let module = host.start::<Asker>().await.unwrap();
    let seen = module.call("ask_all", json!({})).await.unwrap();
    assert_eq!(seen["chain.tip"], "ok");
    assert_eq!(
        module
            .seen()
            .asked
            .iter()
            .filter(|m| **m == "storage.scan")
            .count(),
        1
    );
}

#[tokio::test]
async fn pages_are_gathered_and_large_answers_come_whole() {
    let coins = |values: &[u64]| -> Vec<Coin> {
        let coin = |value_sat: &u64| Coin {
            value_sat: *value_sat,
            ..Coin::sample()
        };
        values.iter().map(coin).collect()
    };
    let host = TestHost::new().answer::<ChainSpentOutputs>(move |request| {
        let (transactions, continues, next) = match request.cursor.as_deref() {
            None => (vec![coins(&[1]), coins(&[2, 3])], false, Some("1:2")),
            Some("1:2") => (vec![coins(&[4])], true, Some("2:0")),
            Some(_) => (vec![coins(&[5]), coins(&[6])], false, None),
        };
        Ok(SpentOutputs {
            transactions,
            continues,
            next: next.map(ToOwned::to_owned),
        })
    });
    let host = host.answer::<MiningTemplate>(|_| {
        Ok(Template {
            transactions: vec![Hex(vec![7; 1 << 20]); 4],
            ..Template::sample()
        })
    });
    let module = host.start::<Asker>().await.unwrap();
    let seen = module.call("read_all", json!({})).await.unwrap();
    assert_eq!(seen["spent"], json!([[1], [2, 3, 4], [5], [6]]));
    assert_eq!(seen["template_bytes"], 4 << 20);
}

/// Asks everything once.
struct Asker(Context);

impl Asker {
    async fn ask_all(self: Arc<Self>, _: NoParams) -> Result<serde_json::Value> {
        let node = self.0.node();
        let hash = BlockHash([7; 32]);
        let txid = Txid([9; 32]);
        let text = |outcome: Result<(), CallError>| match outcome {
            Ok(()) => json!("ok"),
            Err(error) => json!(error.to_string()),
        };
        let tip = text(node.tip().await.map(drop));
        let fee = text(node.fee_estimate(6).await.map(drop));
        let _ = node.header(hash).await;
        let _ = node.header_at(1).await;
        let _ = node.headers(vec![hash], 10).await;
        let _ = node.block(hash).await;
        let _ = node.block_at(1).await;
        let _ = node.filter(hash).await;
        let _ = node.transaction(txid, None).await;
        let _ = node.utxo(txid, 0).await;
        let _ = node.spent_outputs(hash).await;
        let _ = node.spent_outputs_page(hash, None).await;
        let _ = node.verify_script(vec![1], 0, vec![Coin::sample()]).await;
        let _ = node.mempool_info().await;
        let _ = node.mempool_list(PageRequest::sample()).await;
        let _ = node.mempool_transaction(txid).await;
        let _ = node.test_accept(vec![vec![1]]).await;
        let _ = node.broadcast(vec![vec![1]]).await;
        let _ = node.block_template(TemplateRequest::sample()).await;
        let _ = node.submit_block(vec![1].into()).await;
        let _ = node.network_info().await;
        let _ = node.peers().await;
        let _ = node.resolve("localhost", 1).await;
        self.use_storage().await?;
        Ok(json!({ "chain.tip": tip, "fee.estimate": fee }))
    }

    async fn read_all(self: Arc<Self>, _: NoParams) -> Result<serde_json::Value> {
        let node = self.0.node();
        let spent = node.spent_outputs(BlockHash([7; 32])).await?;
        assert_eq!((spent.continues, spent.next), (false, None));
        let values = |coins: &Vec<Coin>| coins.iter().map(|coin| coin.value_sat).collect();
        let spent: Vec<Vec<u64>> = spent.transactions.iter().map(values).collect();
        let template = node.block_template(TemplateRequest::sample()).await?;
        let bytes: usize = template.transactions.iter().map(|raw| raw.0.len()).sum();
        Ok(json!({ "spent": spent, "template_bytes": bytes }))
    }

    async fn use_storage(&self) -> Result<()> {
        if !self.0.granted(Capability::Storage) {
            return Ok(());
        }
        let storage = self.0.storage();
        storage.put("a1", vec![1]).await?;
        storage.save("a2", &Some("two".to_owned())).await?;
        let both = [(b"a3".to_vec(), Some(vec![3])), (b"a1".to_vec(), None)];
        storage.transaction(both).await?;
        let page = storage.scan("a", Some(b"a2"), 10).await?;
        assert_eq!(page.items.len(), 1);
        assert_eq!(storage.get("a1").await?, None);
        assert_eq!(
            storage.load::<Option<String>>("a2").await?,
            Some(Some("two".to_owned()))
        );
        storage.delete("a3").await?;
        assert_eq!(storage.get("a3").await?, None);
        Ok(())
    }
}

impl Module for Asker {
    type Config = bllvm_sdk::NoConfig;

    async fn prepare(context: Context, _: bllvm_sdk::NoConfig) -> Result<Self> {
        Ok(Self(context))
    }

    fn methods() -> Methods<Self> {
        Methods::new()
            .method("ask_all", "Asks everything once.", Self::ask_all)
            .method("read_all", "Reads what is large.", Self::read_all)
    }
}

#[tokio::test]
async fn life_out_of_order_is_a_conflict_that_names_what_comes_before() {
    let module = TestHost::new().start::<Clock>().await.unwrap();
    let refused = module.resume().await.unwrap_err();
    assert!(
        refused.to_string().contains("`resume` comes after drain"),
        "{refused}"
    );
    assert_eq!(
        method::by_name("lifecycle.resume").map(|row| row.id),
        Some(6)
    );
}
