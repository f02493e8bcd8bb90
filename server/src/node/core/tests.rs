//! Answers of a Bitcoin Core that a real one on regtest seldom gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bllvm_ipc::types as t;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::mempool::{self, Listing};
use super::rpc::{Rpc, RpcError};
use super::{CoreSettings, Credentials};
use crate::node::NodeError;

/// A client of a server that answers each request so, and the folder of its password.
async fn server<F>(answer: F) -> (Rpc, tempfile::TempDir)
where
    F: Fn(Value) -> (StatusCode, Value) + Clone + Send + Sync + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = async move |Json(asked): Json<Value>| {
        let (status, body) = answer(asked);
        (status, Json(body))
    };
    let routes = Router::new().route("/", post(handle));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let rpc = Rpc::new(&CoreSettings {
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
    });
    (rpc, folder)
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
