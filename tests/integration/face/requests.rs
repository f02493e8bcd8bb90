//! What is no request, does not fit, or is too much at once.

use bllvm_tests::{Answer, TestServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::cookie;

fn told(answer: &Answer) -> (u16, i64, String) {
    let error = &answer.json()["error"];
    let words = error["message"].as_str().unwrap_or_default();
    (
        answer.status.as_u16(),
        error["code"].as_i64().unwrap_or(0),
        words.to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_as_bitcoin_core_refuses_them() {
    let server = TestServer::start().await;
    let core = cookie(&server);
    let cases: &[(&str, (u16, i64, &str))] = &[
        ("", (500, -32700, "Parse error")),
        ("{", (500, -32700, "Parse error")),
        ("7", (500, -32700, "Top-level object parse error")),
        ("{}", (400, -32600, "Missing method")),
        (r#"{"method":7}"#, (400, -32600, "Method must be a string")),
        (r#"{"method":"nosuch"}"#, (404, -32601, "Method not found")),
        (
            r#"{"method":"uptime","params":7}"#,
            (400, -32600, "Params must be an array or object"),
        ),
        (
            r#"{"method":"uptime","jsonrpc":"9"}"#,
            (400, -32600, "JSON-RPC version not supported"),
        ),
        (
            r#"{"method":"uptime","params":{"x":1}}"#,
            (500, -8, "Unknown named parameter x"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"nosuch"}"#,
            (200, -32601, "Method not found"),
        ),
        (
            r#"{"method":"getblockhash","params":[1.5]}"#,
            (500, -1, "JSON integer out of range"),
        ),
        (
            r#"{"method":"getblockheader","params":["zz"]}"#,
            (500, -8, "hash must be of length 64 (not 2, for 'zz')"),
        ),
        (
            r#"{"method":"sendrawtransaction","params":["zz"]}"#,
            (
                500,
                -22,
                "TX decode failed. Make sure the tx has at least one input.",
            ),
        ),
        (r#"{"method":"getblocktemplate"}"#, (500, -1, "")),
    ];
    for (body, expected) in cases {
        let (status, code, words) = told(&core.post(*body).await);
        assert_eq!((status, code), (expected.0, expected.1), "{body}: {words}");
        if !expected.2.is_empty() {
            assert_eq!(words, expected.2, "{body}");
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(told(&core.post(deep).await).1, -32700);
    let got = core.get("/").await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
    let silent = core.post(r#"{"jsonrpc":"2.0","method":"uptime"}"#).await;
    assert_eq!(
        (silent.status, silent.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    let huge = core.post(vec![b' '; (16 << 20) + 1]).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Every type at every parameter: an error of the caller, never a fault of the node.
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!("x"),
        json!([[]]),
        json!({ "a": {} }),
    ];
    let help = core.done("help", json!([])).await;
    for line in help.as_str().unwrap().lines() {
        let mut words = line.split(' ');
        let (method, count) = (words.next().unwrap(), words.count());
        for value in &odd {
            for filled in 0..=count + 1 {
                let answer = core
                    .call(method, Value::Array(vec![value.clone(); filled]))
                    .await;
                let words = answer.err().map(|refused| refused.1).unwrap_or_default();
                assert!(
                    !words.contains("its log says why"),
                    "{line} {value} {filled}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_answered_in_order_and_bounded() {
    let server = TestServer::start().await;
    let core = cookie(&server);
    let batch = |count: u32| {
        let one = |id| json!({ "id": id, "method": "uptime" });
        Value::Array((0..count).map(one).collect()).to_string()
    };
    let answers = core.post(batch(10_000)).await.done();
    let ids: Vec<u64> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (0..10_000).collect::<Vec<_>>());
    let refused = told(&core.post(batch(10_001)).await);
    assert_eq!((refused.0, refused.1), (400, -32600));
    assert!(
        refused.2.contains("at most 10000 requests, not 10001"),
        "{}",
        refused.2
    );
    assert_eq!(core.post("[]").await.text, "[]");
    let mixed = core.post(r#"[7,{"id":1,"method":"nosuch"},{"jsonrpc":"2.0","method":"uptime"},{"jsonrpc":"2.0","id":2,"method":"uptime"}]"#);
    let mixed = mixed.await.done();
    assert_eq!(mixed.as_array().unwrap().len(), 3);
    assert_eq!(mixed[0]["error"]["message"], "Invalid Request object");
    assert_eq!(mixed[1]["error"]["code"], -32601);
    assert_eq!(
        (&mixed[2]["id"], &mixed[2]["jsonrpc"]),
        (&json!(2), &json!("2.0"))
    );
}
