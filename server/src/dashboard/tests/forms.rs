//! Every action as a form without script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use axum::http::header::LOCATION;

use super::browser::{Browser, hidden};
use crate::model::{DesiredState, Outcome};
use crate::store::{AuditFilter, PageRequest};

const MANIFEST: &str = r#"
name = "clock"
version = "0.1.0"
entry_point = "clock"
capabilities = ["chain.read", "ui"]
[config]
schema = "config.schema.json"
[ui]
title = "A clock"
"#;
const SCHEMA: &str = r#"{
  "type": "object", "additionalProperties": false,
  "properties": {
    "title": { "type": "string", "default": "Clock", "maxLength": 20 },
    "every": { "type": "integer", "default": 10, "minimum": 1 },
    "loud": { "type": "boolean", "default": true },
    "zone": { "enum": ["utc", "local"], "default": "utc" },
    "peers": { "type": "array", "items": { "type": "string" }, "default": [] },
    "key": { "type": "string", "x-secret": true }
  }
}"#;

/// A module's folder outside the modules directory.
fn folder(dir: &Path) -> PathBuf {
    let folder = dir.join("clock");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("module.toml"), MANIFEST).unwrap();
    fs::write(folder.join("config.schema.json"), SCHEMA).unwrap();
    let program = folder.join("clock");
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A browser, and a module that was taken in and loaded once.
async fn with_clock() -> (Browser, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut browser = Browser::start().await;
    let path = folder(dir.path()).display().to_string();
    let review = browser
        .press("/modules", "/modules/add", &[("path", &path)])
        .await;
    assert!(review.contains("Review A clock"), "{review}");
    let digest = hidden(&review, "digest");
    let fields = [("digest", digest.as_str()), ("grant", "chain.read")];
    browser
        .press("/modules/clock/review", "/modules/clock/load", &fields)
        .await;
    (browser, dir)
}

#[tokio::test]
async fn no_form_does_anything_without_the_sessions_token() {
    let (mut browser, _dir) = with_clock().await;
    let before = browser
        .node
        .api
        .store
        .module(&"clock".parse().unwrap())
        .await
        .unwrap();
    let posts = [
        "/logout",
        "/node/mine",
        "/operations/01J0000000000000000000000A/cancel",
        "/tokens",
        "/tokens/01J0000000000000000000000A/revoke",
        "/backups",
        "/modules/add",
        "/modules/clock/load",
        "/modules/clock/unload",
        "/modules/clock/reload",
        "/modules/clock/enable",
        "/modules/clock/disable",
        "/modules/clock/uninstall",
        "/modules/clock/configuration",
        "/modules/clock/configuration/1/restore",
        "/modules/clock/permissions",
        "/modules/clock/upgrade",
        "/modules/clock/rollback",
        "/modules/clock/pin",
        "/modules/clock/methods/x",
    ];
    for path in posts {
        for fields in [&[][..], &[("_csrf", "0123456789abcdef")][..]] {
            let answer = browser.post(path, fields).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path}: {}",
                answer.text
            );
            assert!(
                answer.text.contains("load the page again"),
                "{path}: {}",
                answer.text
            );
        }
    }
    let after = browser
        .node
        .api
        .store
        .module(&"clock".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(before, after);
    let refused = AuditFilter {
        outcome: Some(Outcome::Refused),
        ..AuditFilter::default()
    };
    let rows = browser
        .node
        .api
        .store
        .audit(&PageRequest::of(100), &refused)
        .await
        .unwrap();
    let told = rows
        .items
        .iter()
        .filter(|row| row.detail.starts_with("csrf_refused"))
        .count();
    assert_eq!(told, posts.len() * 2);
}

#[tokio::test]
async fn a_newcomer_gets_from_a_folder_to_a_configured_module_and_back() {
    let (mut browser, _dir) = with_clock().await;
    let store = browser.node.api.store.clone();
    let clock = "clock".parse().unwrap();
    let module = store.module(&clock).await.unwrap().unwrap();
    assert_eq!(module.desired, DesiredState::Running);
    let granted = store.grant(&clock).await.unwrap().capabilities;
    assert_eq!(granted.len(), 1, "only what was ticked is given");

    let page = browser
        .press("/modules/clock", "/modules/clock/unload", &[])
        .await;
    assert!(page.contains("clock is stopped."), "{page}");
    let granted = [("grant", "ui")];
    let page = browser
        .press(
            "/modules/clock/permissions",
            "/modules/clock/permissions",
            &granted,
        )
        .await;
    assert!(page.contains("ui is granted."), "{page}");

    let permissions = "/modules/clock/permissions";
    let page = browser
        .press(permissions, permissions, &[("waive", "seccomp")])
        .await;
    assert!(page.contains("seccomp: it may start without."), "{page}");
    assert!(page.contains("Require seccomp again"), "{page}");
    let waived = store.waived(&clock).await.unwrap();
    assert_eq!(waived, [crate::model::RequiredLayer::Seccomp].into());
    let page = browser
        .press(permissions, permissions, &[("require", "seccomp")])
        .await;
    assert!(page.contains("seccomp: is required again"), "{page}");
    assert!(store.waived(&clock).await.unwrap().is_empty());

    let here = "/modules/clock/configuration";
    let form = browser.page(here).await;
    let etag = hidden(&form, "_etag");
    let typed = [
        ("_etag", etag.as_str()),
        ("_mode", "form"),
        ("_action", "apply"),
        ("c.title", "Mine"),
        ("c.every", "5"),
        ("c.zone", "local"),
        ("c.peers", "one\r\ntwo\r\n"),
        ("c.key", "hunter2"),
    ];
    let page = browser.press(here, here, &typed).await;
    assert!(page.contains("Saved as revision 2."), "{page}");
    assert!(!page.contains("hunter2"));
    let kept = browser.node.api.control.config(&clock).await.unwrap();
    assert_eq!(kept.json["title"], "Mine");
    assert_eq!(kept.json["every"], 5);
    assert_eq!(
        kept.json["loud"], false,
        "a box that is not ticked means no"
    );
    assert_eq!(kept.json["peers"], serde_json::json!(["one", "two"]));

    let revision = browser.page("/modules/clock/configuration/2").await;
    assert!(revision.contains("title = &#34;Mine&#34;"), "{revision}");
    let page = browser
        .press(here, "/modules/clock/configuration/1/restore", &[])
        .await;
    assert!(page.contains("Revision 3"), "{page}");

    let wrong = browser
        .submit(
            "/modules/clock/danger",
            "/modules/clock/uninstall",
            &[("confirm", "clok")],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text.contains("id=\"confirm-error\""),
        "{}",
        wrong.text
    );
    let page = browser
        .press(
            "/modules/clock/danger",
            "/modules/clock/uninstall",
            &[("confirm", "clock")],
        )
        .await;
    assert!(page.contains("clock was removed."), "{page}");
    assert!(store.module(&clock).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_with_what_was_typed() {
    let (mut browser, _dir) = with_clock().await;
    let here = "/modules/clock/configuration";
    let etag = hidden(&browser.page(here).await, "_etag");
    for (key, typed, words) in [
        ("c.every", "soon", "is no whole number"),
        ("c.every", "0", "field-every-help"),
        (
            "c.title",
            "a title of more than twenty characters",
            "field-title-help",
        ),
        ("c.zone", "mars", "Choose one of utc, local."),
    ] {
        let fields = [
            ("_etag", etag.as_str()),
            ("_mode", "form"),
            ("_action", "apply"),
            (key, typed),
        ];
        let answer = browser.submit(here, here, &fields).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{key}: {}",
            answer.text
        );
        assert!(answer.text.contains("Not saved"), "{key}: {}", answer.text);
        assert!(answer.text.contains(words), "{key}: {}", answer.text);
        if key != "c.zone" {
            assert!(
                answer.text.contains(&format!("value=\"{typed}\"")),
                "{key}: {}",
                answer.text
            );
        }
    }
    let toml = [
        ("_etag", etag.as_str()),
        ("_mode", "toml"),
        ("_action", "apply"),
        ("toml", "titel = \"x\"\nkey = \"hunter2\"\n"),
    ];
    let answer = browser.submit(here, here, &toml).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.text.contains("id=\"toml-error\"") && answer.text.contains("titel"),
        "{}",
        answer.text
    );
    let kept = browser
        .node
        .api
        .control
        .config(&"clock".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(kept.revision.unwrap().number, 1);
}

#[tokio::test]
async fn a_check_saves_nothing_and_shows_what_would_change() {
    let (mut browser, _dir) = with_clock().await;
    let here = "/modules/clock/configuration";
    let etag = hidden(&browser.page(here).await, "_etag");
    let fields = [
        ("_etag", etag.as_str()),
        ("_mode", "form"),
        ("_action", "check"),
        ("c.loud", "true"),
        ("c.title", "Other"),
    ];
    let answer = browser.submit(here, here, &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains("What would change"), "{}", answer.text);
    assert!(
        answer.text.contains("title = &#34;Other&#34;"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("value=\"Other\""));
    let kept = browser
        .node
        .api
        .control
        .config(&"clock".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (kept.etag == etag, kept.json["title"].as_str()),
        (true, Some("Clock"))
    );
}

#[tokio::test]
async fn whoever_is_slower_is_told_so_and_keeps_what_they_typed() {
    let (mut browser, _dir) = with_clock().await;
    let here = "/modules/clock/configuration";
    let etag = hidden(&browser.page(here).await, "_etag");
    let save = |title| {
        [
            ("_etag", etag.as_str()),
            ("_mode", "form"),
            ("_action", "apply"),
            ("c.loud", "true"),
            ("c.title", title),
        ]
    };
    browser
        .press("/modules/clock", "/modules/clock/unload", &[])
        .await;
    browser.press(here, here, &save("Faster")).await;

    let slower = browser.submit(here, here, &save("Slower")).await;

    assert_eq!(slower.status, StatusCode::CONFLICT);
    assert!(
        slower
            .text
            .contains("Revision 2 by operator is in force now."),
        "{}",
        slower.text
    );
    assert!(slower.text.contains("value=\"Slower\""));
}

#[tokio::test]
async fn a_plain_load_of_what_nobody_reviewed_leads_to_the_review() {
    let dir = tempfile::tempdir().unwrap();
    let mut browser = Browser::start().await;
    let path = folder(dir.path()).display().to_string();
    browser
        .press("/modules", "/modules/add", &[("path", &path)])
        .await;

    let answer = browser.submit("/modules", "/modules/clock/load", &[]).await;

    assert_eq!(answer.headers[LOCATION], "/modules/clock/review");
    let module = browser
        .node
        .api
        .store
        .module(&"clock".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(module.is_waiting());
}

#[tokio::test]
async fn a_path_that_holds_no_module_is_answered_beside_it() {
    let mut browser = Browser::start().await;
    let answer = browser
        .submit("/modules", "/modules/add", &[("path", "/nowhere/at all")])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.text.contains("id=\"add-path-error\""),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("value=\"/nowhere/at all\""));
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let mut browser = Browser::start().await;
    browser.node.with_module("clock").await;
    let empty = browser
        .submit("/tokens", "/tokens", &[("name", "ci"), ("expires", "30d")])
        .await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text.contains("Choose at least one.") && empty.text.contains("value=\"ci\""));

    let fields = [
        ("name", "ci"),
        ("scope", "modules:read"),
        ("scope", "events:read"),
        ("module", "clock"),
        ("expires", "1y"),
    ];
    let made = browser.submit("/tokens", "/tokens", &fields).await;

    assert_eq!(made.status, StatusCode::CREATED);
    let rest = made.text.split_once("Bearer bllvm_").unwrap().1;
    let secret = rest.split('&').next().unwrap();
    assert!(secret.len() > 32, "{secret}");
    let list = browser.page("/tokens").await;
    assert!(
        list.contains("events:read modules:read") && !list.contains(secret),
        "{list}"
    );
    assert!(list.contains("only for <strong>clock</strong>"), "{list}");
    let beyond = [
        ("name", "ci"),
        ("scope", "admin"),
        ("module", "clock"),
        ("expires", "1y"),
    ];
    let refused = browser.submit("/tokens", "/tokens", &beyond).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("reaches beyond single modules"),
        "{}",
        refused.text
    );
    let id = list
        .split_once("/tokens/")
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let page = browser
        .press("/tokens", &format!("/tokens/{id}/revoke"), &[])
        .await;
    assert!(page.contains("The token is revoked."));
}

#[tokio::test]
async fn mining_without_a_chain_is_explained() {
    let mut browser = Browser::start().await;
    let odd = browser
        .submit("/node", "/node/mine", &[("count", "many")])
        .await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = browser
        .press("/node", "/node/mine", &[("count", "3")])
        .await;
    assert!(page.contains("there is no base node"), "{page}");
}
