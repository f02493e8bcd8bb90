//! Event streams: resumed where they broke off, and ended with the node.

use bllvm_tests::sse::Stream;
use bllvm_tests::{Fixture, TestServer};
use reqwest::Method;
use serde_json::json;

const TICKS: &str = "/api/v1/events/stream?types=fixture-well.*";

async fn open(server: &TestServer, path: &str, last: Option<u64>) -> Stream {
    let mut request = server.rest.request(Method::GET, path);
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    Stream::new(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_goes_on_where_it_was() {
    let mut server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let publish = async |server: &TestServer, from: u64| {
        let params = json!({ "from": from, "count": 100 });
        server.call("fixture-well", "publish", params).await;
    };
    publish(&server, 0).await;

    let mut seen = Vec::new();
    let mut first = open(&server, &format!("{TICKS}&after=0"), None).await;
    for _ in 0..60 {
        seen.push(first.next().await.unwrap());
    }
    drop(first);
    publish(&server, 100).await;
    let mut second = open(&server, TICKS, seen.last().and_then(|event| event.id)).await;
    for _ in 0..100 {
        seen.push(second.next().await.unwrap());
    }
    // Over a restart of the node, too.
    server.restart().await;
    // What was on its way may still come; then the stream ends with the node.
    while second.next().await.is_some() {}
    server.in_state("fixture-well", "running").await;
    publish(&server, 200).await;
    let mut third = open(&server, TICKS, seen.last().and_then(|event| event.id)).await;
    for _ in 0..140 {
        seen.push(third.next().await.unwrap());
    }
    let numbers: Vec<u64> = seen
        .iter()
        .filter_map(|message| message.data["data"]["n"].as_u64())
        .collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    publish(&server, 300).await;
    let live = third.next().await.unwrap();
    assert_eq!(
        live.data["data"]["n"], 300,
        "and new ones come as they are made"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_ends_in_good_order_with_a_hundred_streams_open() {
    let mut server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(open(&server, "/api/v1/events/stream?after=0", None).await);
    }
    for stream in &mut streams {
        stream.next().await.unwrap();
    }
    let children = server.child_processes();
    assert!(!children.is_empty());

    let status = server.stop().await;

    assert!(status.success(), "{status}");
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
    let left = bllvm_tests::processes::of_data_dir(&server.data_dir(), 0);
    assert!(left.is_empty(), "{left:?}");
    assert!(
        !server.data_dir().join(".cookie").exists(),
        "the cookie goes with the node"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_ends_while_everything_is_busy() {
    let mut server = TestServer::start().await;
    for n in 1..=4 {
        server
            .run(&Fixture::new(format!("well-{n}")).subscribe("fixture-well*"))
            .await;
    }
    let busy: Vec<_> = (1..=4)
        .map(|n| {
            let rest = server.rest.clone();
            tokio::spawn(async move {
                let path = format!("/api/v1/modules/fixture-well-{n}/methods/publish");
                let mut done = 0;
                loop {
                    let body = json!({ "from": done, "count": 20 });
                    let request = rest.request(Method::POST, &path).json(&body);
                    match rest.try_send(request).await {
                        Some(answer) if answer.status.is_success() => done += 20,
                        _ => return done,
                    }
                }
            })
        })
        .collect();
    bllvm_tests::wait::until("there is work", async || {
        (server.event_numbers("fixture-well*").await.len() > 200).then_some(())
    })
    .await;
    let status = server.stop().await;
    assert!(status.success(), "{status}");
    let mut promised = 0;
    for one in busy {
        promised += one.await.unwrap();
    }
    server.start_again().await;
    let kept = server.event_numbers("fixture-well*").await.len() as u64;
    assert!(kept >= promised, "{kept} of {promised} are kept");
}
