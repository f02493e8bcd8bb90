//! Parameters of the wrong number, type, form and name, for every method: Bitcoin Core's numbers and
//! words, held against a table, and the table against a real bitcoind where `BITCOIND_EXE` names one.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, CoreRpc};
use serde_json::{Value, json};

use super::with_blocks;

/// One call a line, on a chain of one block: a mark (`-` for none), the method, its parameters as they are sent, the
/// number and the words of the refusal, or `ok`. `help` stands for a method's own help. With the mark
/// `*`, a bitcoind answers otherwise: Bitcoin Knots takes more parameters than Bitcoin Core, and
/// `generatetodescriptor` and `getrawmempool` can do more than ours.
const TABLE: &str = include_str!("parameters.tsv");

struct Row {
    ours_alone: bool,
    method: &'static str,
    params: &'static str,
    expected: (String, String),
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let mut parts = line.split('\t');
        let mark = parts.next().unwrap();
        let (method, params) = (parts.next().unwrap(), parts.next().unwrap());
        let code = parts.next().unwrap().to_owned();
        let words = parts.next().map_or_else(String::new, |words| {
            serde_json::from_str(words).unwrap_or_else(|_| panic!("{line}"))
        });
        Row {
            ours_alone: mark == "*",
            method,
            params,
            expected: (code, words),
        }
    };
    TABLE.lines().map(row).collect()
}

/// What a node says to a call, as the table has it.
async fn answer(node: &CoreRpc, row: &Row) -> (String, String) {
    let (method, params) = (row.method, row.params);
    let body = format!(r#"{{"id":1,"method":{},"params":{params}}}"#, json!(method));
    let answer = node.post(body).await;
    let answer = answer.json();
    assert_eq!(answer["id"], 1, "{method} {params}: {answer}");
    let error = &answer["error"];
    if error.is_null() {
        return ("ok".to_owned(), String::new());
    }
    let mut words = error["message"].as_str().unwrap();
    if error["code"] == -1 && words.starts_with(method) {
        words = "help";
    }
    (error["code"].to_string(), words.to_owned())
}

async fn differences(node: &CoreRpc, rows: impl Iterator<Item = &Row>) -> Vec<String> {
    let mut differ = Vec::new();
    for row in rows {
        let found = answer(node, row).await;
        if found != row.expected {
            differ.push(format!(
                "{} {}\n  expected {:?}\n  found    {found:?}",
                row.method, row.params, row.expected
            ));
        }
    }
    differ
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_refuses_what_does_not_fit_in_cores_words() {
    let (server, core, _) = with_blocks(0).await;
    let rows = rows();
    let differ = differences(&core, rows.iter()).await;
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    // Two calls asked rightly for one block each.
    assert_eq!(core.done("getblockcount", json!([])).await, 2);
    assert!(
        !server
            .log()
            .contains("a request of a Bitcoin Core client failed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitcoind_refuses_what_does_not_fit_in_the_same_words() {
    let Some(bitcoind) = Bitcoind::start(&[]) else {
        return;
    };
    let rows = rows();
    let shared = rows.iter().filter(|row| !row.ours_alone);
    let differ = differences(&bitcoind.rpc().await, shared).await;
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// The kinds of JSON that a parameter is tried with.
const KINDS: [&str; 6] = ["null", "bool", "number", "string", "array", "object"];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_tries_every_kind_at_every_parameter_of_every_method() {
    let (_server, core, _) = with_blocks(0).await;
    let mut tried: BTreeMap<&str, BTreeSet<(usize, &str)>> = BTreeMap::new();
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows() {
        let params: Value = serde_json::from_str(row.params).unwrap();
        let Value::Array(values) = params else {
            continue;
        };
        let longest = most.entry(row.method).or_default();
        *longest = (*longest).max(values.len());
        let tried = tried.entry(row.method).or_default();
        tried.extend(values.iter().map(kind).enumerate());
    }
    let help = core.done("help", json!([])).await;
    for line in help.as_str().unwrap().lines() {
        let mut words = line.split(' ');
        let (method, count) = (words.next().unwrap(), words.count());
        assert!(most[method] > count, "{method}: more than it takes");
        for at in 0..count {
            for kind in KINDS {
                // Where it is called rightly, a bitcoind stops.
                let harmless = method != "stop" || !["null", "number"].contains(&kind);
                let tried = tried[method].contains(&(at, kind));
                assert!(!harmless || tried, "{method}: {kind} at {at}");
            }
        }
    }
}

/// The whole body as it is sent, and what Bitcoin Core 28 and later answers: the status, and the JSON.
const BODIES: &[(&str, u16, &str)] = &[
    (
        "",
        500,
        r#"{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}"#,
    ),
    (
        "{",
        500,
        r#"{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}"#,
    ),
    (
        r#"{"method":"getblockcount",}"#,
        500,
        r#"{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}"#,
    ),
    (
        "null",
        500,
        r#"{"result":null,"error":{"code":-32700,"message":"Top-level object parse error"},"id":null}"#,
    ),
    (
        "{}",
        400,
        r#"{"result":null,"error":{"code":-32600,"message":"Missing method"}}"#,
    ),
    (
        r#"{"id":null}"#,
        400,
        r#"{"result":null,"error":{"code":-32600,"message":"Missing method"},"id":null}"#,
    ),
    (
        r#"{"method":"nosuch"}"#,
        404,
        r#"{"result":null,"error":{"code":-32601,"message":"Method not found"}}"#,
    ),
    (
        r#"{"method":"getblockcount"}"#,
        200,
        r#"{"result":0,"error":null}"#,
    ),
    (
        r#"{"method":"getblockcount","params":{},"id":[1,{"a":null}]}"#,
        200,
        r#"{"result":0,"error":null,"id":[1,{"a":null}]}"#,
    ),
    (
        r#"{"method":"getblockcount","params":null,"id":1.5}"#,
        200,
        r#"{"result":0,"error":null,"id":1.5}"#,
    ),
    (
        r#"{"method":"getblockcount","id":true,"extra":1}"#,
        200,
        r#"{"result":0,"error":null,"id":true}"#,
    ),
    (
        r#"{"method":"getblockcount","method":"nosuch","id":1,"id":2,"params":[],"params":[1]}"#,
        200,
        r#"{"result":0,"error":null,"id":1}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":"ü","method":"getblockcount"}"#,
        200,
        r#"{"jsonrpc":"2.0","result":0,"id":"ü"}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":null,"method":"getblockcount"}"#,
        200,
        r#"{"jsonrpc":"2.0","result":0,"id":null}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"nosuch"}"#,
        200,
        r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}"#,
    ),
    (r#"{"jsonrpc":"2.0","method":"getblockcount"}"#, 204, ""),
    (r#"{"jsonrpc":"2.0","method":"nosuch"}"#, 204, ""),
    (
        r#"{"jsonrpc":"2.0","method":"getblockhash","params":["x"]}"#,
        204,
        "",
    ),
    // What is no request is no notification either, and no matter for version 2.0.
    (
        r#"{"jsonrpc":"2.0"}"#,
        400,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Missing method"}}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        400,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Method must be a string"},"id":1}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"getblockcount","params":7}"#,
        400,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Params must be an array or object"},"id":1}"#,
    ),
    ("[]", 200, "[]"),
    (
        "[null]",
        200,
        r#"[{"result":null,"error":{"code":-32600,"message":"Invalid Request object"},"id":null}]"#,
    ),
    (
        "[[{}]]",
        200,
        r#"[{"result":null,"error":{"code":-32600,"message":"Invalid Request object"},"id":null}]"#,
    ),
    (
        "[{}]",
        200,
        r#"[{"result":null,"error":{"code":-32600,"message":"Missing method"}}]"#,
    ),
    (
        r#"[{"jsonrpc":"2.0","method":"getblockcount"},{"jsonrpc":"2.0","method":7}]"#,
        204,
        "",
    ),
    (
        r#"[{"method":"getblockhash","params":[9],"id":1},{"jsonrpc":"2.0","method":"nosuch"},{"jsonrpc":"2.0","method":"nosuch","id":2},{"method":"getblockcount"}]"#,
        200,
        r#"[{"result":null,"error":{"code":-8,"message":"Block height out of range"},"id":1},{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":2},{"result":0,"error":null}]"#,
    ),
];

async fn envelopes(node: &CoreRpc) {
    for (body, status, expected) in BODIES {
        let answer = node.post(*body).await;
        assert_eq!(answer.status.as_u16(), *status, "{body}: {}", answer.text);
        if expected.is_empty() {
            assert_eq!(answer.text, "", "{body}");
        } else {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(answer.json(), expected, "{body}");
        }
    }
    // Nobody asks what kind of body it says it is.
    for kind in ["text/plain", "application/xml", "no kind at all"] {
        let request = node.anonymous(reqwest::Method::POST, "/");
        let request = request.basic_auth(node.user(), Some(&node.password));
        let request = request.header("content-type", kind);
        let answer = node
            .send(request.body(r#"{"method":"getblockcount"}"#))
            .await;
        assert_eq!(
            answer.done(),
            json!({ "result": 0, "error": null }),
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_batches_are_answered_in_the_form_of_bitcoin_core() {
    let (_server, core, _) = with_blocks(0).await;
    envelopes(&core).await;
    if let Some(bitcoind) = Bitcoind::start(&[]) {
        envelopes(&bitcoind.rpc().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_ten_thousand_is_answered_in_order() {
    let (_server, core, _) = with_blocks(0).await;
    let one = |id| {
        let (method, params) = match id % 4 {
            0 => ("getblockhash", json!([0])),
            1 => ("getblockhash", json!([id])),
            2 => ("nosuch", json!([])),
            _ => ("getblockhash", json!({ "height": "x" })),
        };
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    };
    let batch: Value = (0..10_000).map(one).collect();
    let answers = core.post(batch.to_string()).await.done();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 10_000);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id);
        let code = answer["error"]["code"].as_i64();
        let expected = [None, Some(-8), Some(-32601), Some(-3)][id % 4];
        assert_eq!(code, expected, "{answer}");
        assert_eq!(answer["result"].is_string(), id % 4 == 0, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_millions_of_values_costs_its_sender_and_not_the_node() {
    let (server, core, _) = with_blocks(0).await;
    let before = server.peak_memory();
    let most = (16 << 20) - 100;
    let bodies = [
        format!("[{}0]", "0,".repeat(most / 2)),
        format!("[{}0]", "{\"\":0},".repeat(most / 7)),
        format!(
            r#"{{"method":"uptime","params":[{}0]}}"#,
            "[],".repeat(most / 3)
        ),
        format!(
            r#"{{"method":"uptime","params":{{{}"x":0}}}}"#,
            "\"\":[],".repeat(most / 6)
        ),
    ];
    for body in bodies {
        let shown: String = body.chars().take(40).collect();
        let refused = core.post(body).await;
        let error = &refused.json()["error"];
        assert_eq!(refused.status.as_u16(), 400, "{shown}: {}", refused.text);
        assert_eq!(
            error["message"], "a body has at most 200000 values; split it",
            "{shown}"
        );
    }
    // One body at a time, and what it is read into.
    let grown = server.peak_memory() - before;
    eprintln!("the node's memory grew by {} MiB at the most", grown >> 20);
    assert!(grown < 160 << 20, "{} MiB", grown >> 20);
    until("it goes on", async || {
        core.call("uptime", json!([])).await.ok()
    })
    .await;
}
