//! Every page with modules in every state.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use bllvm_ipc::log::Level;
use bllvm_manifest::{Digest, Manifest, ModuleName};
use bllvm_web::assets;

use super::browser::Browser;
use crate::logs::{LogSource, NewLine};
use crate::model::{Actor, Grant, ObservedState, Source, TrustClass};
use crate::store::commands::{Confirm, FoundModule, SetEnabled};

const OF_A_MODULE: [&str; 10] = [
    "",
    "/review",
    "/configuration",
    "/logs",
    "/logs?follow=1&level=warn&q=x",
    "/events",
    "/permissions",
    "/versions",
    "/runs",
    "/danger",
];
const OTHERS: [&str; 17] = [
    "/backups",
    "/",
    "/modules",
    "/node",
    "/operations",
    "/events",
    "/events?type=module.*&module=fine",
    "/audit",
    "/audit?q=host",
    "/tokens",
    "/webhooks",
    "/webhooks?dead=true",
    "/webhook-endpoints",
    "/webhook-endpoints?failed=true",
    "/settings",
    "/login",
    "/events?before=1",
];

fn name(text: &str) -> ModuleName {
    text.parse().unwrap()
}

/// `waiting`, `broken`, `fine` (confirmed, stopped), `changed` (another program than was
/// confirmed), `disabled`.
async fn populated() -> Browser {
    let browser = Browser::start().await;
    let store = &browser.node.api.store;
    browser.node.with_module("broken").await;
    for text in ["waiting", "fine", "changed", "disabled"] {
        let manifest = format!(
            "name = \"{text}\"\nversion = \"0.1.0\"\nentry_point = \"x\"\n\
             description = \"A <b>module</b>\"\ncapabilities = [\"chain.read\", \"tx.broadcast\"]\n\
             [network]\noutgoing = [9735]\n[network.listeners]\nhttp = \"0.0.0.0:9735\"\n"
        );
        let found = FoundModule {
            manifest: Manifest::parse(&manifest).unwrap(),
            dir: browser.node.api.modules_dir.join(text),
            source: Source::Directory,
            trust: TrustClass::Local,
            digest: Some(Digest::of(text)),
            problem: None,
            by: Actor::host(),
        };
        store.commit(found).await.unwrap();
        if text == "waiting" {
            continue;
        }
        let agreed = if text == "changed" { "before" } else { text };
        let confirm = Confirm {
            name: name(text),
            digest: Digest::of(agreed),
            grant: Some(Grant::default()),
            by: Actor::host(),
        };
        store.commit(confirm).await.unwrap();
    }
    let disable = SetEnabled {
        name: name("disabled"),
        enabled: false,
        by: Actor::host(),
    };
    store.commit(disable).await.unwrap();
    let mut line = NewLine::new(Level::Warn, LogSource::Stderr, "<script>x</script>");
    line.fields.insert("peer".to_owned(), "one".into());
    browser.node.api.logs.append(&name("fine"), line);
    browser
}

#[tokio::test]
async fn every_page_is_drawn() {
    let browser = populated().await;
    let names = ["waiting", "broken", "fine", "changed", "disabled"];
    let of_modules = names.iter().flat_map(|name| {
        OF_A_MODULE
            .iter()
            .map(move |tab| format!("/modules/{name}{tab}"))
    });
    for path in OTHERS.iter().map(ToString::to_string).chain(of_modules) {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert_eq!(
            answer.headers[CONTENT_TYPE], "text/html; charset=utf-8",
            "{path}"
        );
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store", "{path}");
        let policy = answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
        assert!(!answer.text.contains("<script>x"), "{path}");
        assert!(!answer.text.contains("<b>module"), "{path}");
    }
}

#[tokio::test]
async fn a_folder_without_a_manifest_says_what_is_missing_and_is_not_to_be_reviewed() {
    let browser = Browser::start().await;
    let api = &browser.node.api;
    std::fs::create_dir_all(api.modules_dir.join("nothing")).unwrap();
    api.control.rescan().await.unwrap();

    let list = browser.page("/modules").await;

    for part in [
        "cannot be loaded",
        "nothing/module.toml does not exist",
        "put one there",
    ] {
        assert!(list.contains(part), "{part} is in\n{list}");
    }
    assert!(!list.contains("/modules/nothing/review"), "{list}");
    let overview = browser.page("/").await;
    assert!(overview.contains("1 folder cannot be loaded as it is: nothing."));
    let module = browser.page("/modules/nothing").await;
    assert!(module.contains("cannot be loaded"), "{module}");
    assert!(!module.contains("waiting for review"), "{module}");
}

#[tokio::test]
async fn modules_show_what_state_they_are_in() {
    let browser = populated().await;
    let list = browser.page("/modules").await;
    assert!(list.contains("Waiting for you"));
    assert!(list.contains("The binary is missing."), "{list}");
    let overview = browser.page("/").await;
    assert!(
        overview.contains(
            "2 modules wait for your review: changed, waiting. 1 folder cannot be loaded as it is: broken."
        ),
        "{overview}"
    );

    let review = browser.page("/modules/waiting/review").await;
    assert!(
        review.contains("A transaction that is sent can&#39;t be taken back."),
        "{review}"
    );
    assert!(review.contains("reachable from other machines"));
    assert!(review.contains("It may connect to port 9735 of any machine."));
    let broken = browser.page("/modules/broken/review").await;
    assert!(broken.contains("<button disabled"), "{broken}");
    let disabled = browser.page("/modules/disabled").await;
    assert!(disabled.contains("action=\"/modules/disabled/enable\""));
    assert!(!disabled.contains("action=\"/modules/disabled/load\""));
    let seen = browser.node.api.supervisor.observed(&name("fine"));
    assert!(seen.is_none_or(|seen| seen.state == ObservedState::Stopped));
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_a_way_out() {
    let browser = populated().await;
    let cases = [
        ("/modules/fien", 404, "did you mean “fine”?"),
        ("/modules/BAD..name", 400, "address"),
        (
            "/modules/fine/configuration/7",
            404,
            "no configuration revision 7",
        ),
        ("/modules/fine/methods/x", 404, "offers no method"),
        (
            "/operations/01J0000000000000000000000A",
            404,
            "There is no operation",
        ),
        ("/nothing/here", 404, "Nothing is served at this address"),
    ];
    for (path, status, words) in cases {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        assert!(answer.text.contains(words), "{path}: {}", answer.text);
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert!(
            answer.text.contains(id),
            "{path}: the page names the request"
        );
        assert!(answer.text.contains("href=\"/\""), "{path}");
    }
}

#[tokio::test]
async fn files_may_be_kept_for_ever_under_their_hashed_names() {
    let browser = Browser::stranger().await;
    for asset in assets::all() {
        let answer = browser.get(&asset.url).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers[CONTENT_TYPE], asset.content_type);
        assert!(
            answer.headers[CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    assert_eq!(
        browser.get("/assets/app.css").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn open_pages_are_told_of_changes() {
    use futures_util::StreamExt as _;
    let browser = Browser::start().await;
    let request = axum::http::Request::get("/live").header("cookie", browser.cookie());
    let answer = browser
        .node
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
    let mut body = answer.into_body().into_data_stream();
    body.next().await.unwrap().unwrap();

    browser.node.with_module("clock").await;

    let told = body.next().await.unwrap().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&told),
        "event: changed\ndata: 1\n\n"
    );
}
