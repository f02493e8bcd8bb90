//! Answers of a Bitcoin Core that a real one on regtest seldom gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{serialize, serialize_hex};
use bitcoin::transaction::Version;
use bitcoin::{Transaction, TxIn, TxOut};
use bllvm_ipc::types as t;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mempool::{self, Listing};
use super::rpc::{Rpc, RpcError};
use super::{CoreSettings, Credentials, Shared, mining, submit};
use crate::node::NodeError;

/// A client of a server that answers each request so, and the folder of its password.
async fn server<F>(answer: F) -> (Rpc, tempfile::TempDir)
where
    F: Fn(Value) -> (StatusCode, Value) + Clone + Send + Sync + 'static,
{
    let handle = async move |Json(asked): Json<Value>| {
        let (status, body) = answer(asked);
        (status, Json(body))
    };
    let (settings, folder) = serve(Router::new().route("/", post(handle))).await;
    (Rpc::new(&settings), folder)
}

async fn serve(routes: Router) -> (CoreSettings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let settings = CoreSettings {
        url,
        chain: "regtest".to_owned(),
        challenge: None,
        credentials: Credentials::User {
            name: "me".to_owned(),
            password_file,
        },
        poll: Duration::from_secs(1),
        call_deadline: Duration::from_mins(1),
        zmq: None,
    };
    (settings, folder)
}

fn result(value: &Value) -> (StatusCode, Value) {
    (StatusCode::OK, json!({ "result": value, "error": null }))
}

#[tokio::test]
async fn all_pages_of_a_large_mempool_cost_one_call() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let ids: Vec<String> = (0..4500).rev().map(|id| format!("{id:064x}")).collect();
    let (rpc, _folder) = server(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        result(&json!(ids))
    })
    .await;
    let listing = Listing::default();
    for calls in 1..=2 {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let limit = Some(1000);
            let page = mempool::list(&rpc, &listing, t::PageRequest { cursor, limit }).await;
            let page = page.unwrap();
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 4500);
        assert!(found.is_sorted() && found.windows(2).all(|two| two[0] != two[1]));
        // Who begins again learns of now.
        assert_eq!(asked.load(Ordering::Relaxed), calls);
    }
}

#[tokio::test]
async fn a_transaction_whose_priority_was_taken_below_nothing_is_told_of() {
    let (rpc, _folder) = server(|_| {
        result(&json!({
            "vsize": 225, "weight": 900, "time": 1_795_453_730, "height": 701,
            "descendantcount": 1, "descendantsize": 225,
            "ancestorcount": 1, "ancestorsize": 225, "wtxid": "11".repeat(32),
            "fees": {
                "base": 0.000_022_50, "modified": -0.999_977_50,
                "ancestor": -0.999_977_50, "descendant": -0.999_977_50,
            },
            "depends": [], "spentby": [], "bip125-replaceable": true, "unbroadcast": true,
        }))
    })
    .await;
    let entry = mempool::entry(&rpc, t::Txid([0x11; 32])).await.unwrap();
    assert_eq!(entry.fee_sat, 2250);
    assert_eq!(
        (entry.ancestors.fees_sat, entry.descendants.fees_sat),
        (0, 0)
    );
}

#[tokio::test]
async fn a_transaction_of_a_pruned_block_is_refused_as_pruned() {
    let (rpc, _folder) = server(|asked| {
        let message = match asked["method"].as_str() {
            Some("getrawtransaction") => "Block not available",
            _ => "Block not available (pruned data)",
        };
        let error = json!({ "code": -1, "message": message });
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, json!({ "result": null, "error": error }))
    })
    .await;
    let request = t::TransactionRequest {
        txid: t::Txid([1; 32]),
        block: Some(t::BlockHash([2; 32])),
    };
    match super::read::transaction(&rpc, &request).await {
        Err(NodeError::Unsupported(why)) => assert!(why.contains("pruned block 0202"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_is_forbidden_or_turned_away_learns_which_setting_to_change() {
    let (rpc, _folder) = server(|_| (StatusCode::FORBIDDEN, Value::Null)).await;
    let one = rpc.call::<Value>("getpeerinfo", json!([])).await;
    let many = rpc.batch::<Value>("getblockhash", [json!([0])]).await;
    for (refused, method) in [
        (one.unwrap_err(), "`getpeerinfo`"),
        (many.unwrap_err(), "`getblockhash`"),
    ] {
        let RpcError::Refused { code, message } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(code, -32601);
        for part in [method, "rpcwhitelist", "rpcallowip"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let (rpc, _folder) = server(|_| (StatusCode::SERVICE_UNAVAILABLE, Value::Null)).await;
    match rpc.call::<Value>("getpeerinfo", json!([])).await {
        Err(RpcError::Away(why)) => assert!(why.contains("rpcworkqueue"), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn shared(settings: CoreSettings) -> Arc<Shared> {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    Arc::new(Shared::new(settings, tracker, stop))
}

fn template(longpoll_id: &str) -> Value {
    json!({
        "previousblockhash": "11".repeat(32), "transactions": [], "coinbasevalue": 1,
        "longpollid": longpoll_id, "mintime": 1, "bits": "207fffff", "height": 1,
    })
}

#[tokio::test]
async fn longpolls_leave_bitcoin_core_threads_for_others() {
    let (came, news) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let waiting = Arc::new(AtomicUsize::new(0));
    let (told, until, count) = (came.clone(), news.clone(), waiting.clone());
    let handle = async move |Json(asked): Json<Value>| {
        if asked["params"][0].get("longpollid").is_some() {
            let before = count.fetch_add(1, Ordering::SeqCst);
            assert!(before < mining::LONGPOLLS, "too many wait");
            told.notify_one();
            until.acquire().await.unwrap().forget();
            count.fetch_sub(1, Ordering::SeqCst);
        }
        Json(json!({ "result": template("next"), "error": null }))
    };
    let (settings, _folder) = serve(Router::new().route("/", post(handle))).await;
    let shared = shared(settings);
    let request = |longpoll_id| t::TemplateRequest {
        coinbase_weight: 4000,
        longpoll_id,
    };
    let mut asking = JoinSet::new();
    for _ in 0..mining::LONGPOLLS * 3 {
        let (shared, request) = (shared.clone(), request(Some("last".to_owned())));
        asking.spawn(async move { mining::template(&shared, request).await });
    }
    while waiting.load(Ordering::SeqCst) < mining::LONGPOLLS {
        came.notified().await;
    }
    // Who does not wait is answered meanwhile.
    mining::template(&shared, request(None)).await.unwrap();
    news.add_permits(mining::LONGPOLLS * 3);
    while let Some(answered) = asking.join_next().await {
        assert_eq!(answered.unwrap().unwrap().longpoll_id, "next");
    }
}

/// Bitcoin Core does not notice that somebody left: its thread is taken until there is news.
#[tokio::test]
async fn who_waits_in_vain_is_told_of_now_and_takes_no_second_thread() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let count = waiting.clone();
    let handle = async move |Json(asked): Json<Value>| {
        if asked["params"][0].get("longpollid").is_some() {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        Json(json!({ "result": template("same"), "error": null }))
    };
    let (settings, _folder) = serve(Router::new().route("/", post(handle))).await;
    let shared = shared(settings);
    for _ in 0..3 {
        let mut asking = JoinSet::new();
        for _ in 0..mining::LONGPOLLS * 2 {
            let request = t::TemplateRequest {
                coinbase_weight: 4000,
                longpoll_id: Some("same".to_owned()),
            };
            let (shared, patience) = (shared.clone(), Duration::from_millis(50));
            asking.spawn(async move { mining::template_within(patience, &shared, request).await });
        }
        while let Some(answered) = asking.join_next().await {
            assert_eq!(answered.unwrap().unwrap().longpoll_id, "same");
        }
    }
    assert!(waiting.load(Ordering::SeqCst) <= mining::LONGPOLLS);
}

#[tokio::test]
async fn a_list_that_is_no_package_is_sent_one_by_one() {
    let transactions = [1, 2].map(|lock_time| Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(lock_time),
        input: vec![TxIn::default()],
        output: vec![TxOut::NULL],
    });
    let raw = t::Transactions {
        transactions: transactions
            .iter()
            .map(|one| t::Hex(serialize(one)))
            .collect(),
    };
    let (poor, rich) = (
        serialize_hex(&transactions[0]),
        transactions[1].compute_txid(),
    );
    let (rpc, _folder) = server(move |asked| {
        let refused = |code: i64, message: &str| {
            let error = json!({ "code": code, "message": message });
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, json!({ "result": null, "error": error }))
        };
        match asked["method"].as_str() {
            Some("submitpackage") => {
                refused(-25, "package topology disallowed. not child-with-parents")
            }
            _ if asked["params"][0] == poor => refused(-26, "min relay fee not met"),
            _ => result(&json!(rich)),
        }
    })
    .await;
    let sent = submit::send_package(&rpc, &transactions, &raw)
        .await
        .unwrap();
    let reasons = sent.results.into_iter().map(|one| one.reason);
    let reasons: Vec<_> = reasons.collect();
    assert_eq!(reasons, [Some("min relay fee not met".to_owned()), None]);
}
