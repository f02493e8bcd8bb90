//! Browser sessions: opened by a code, bound to our own pages, ended by time.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use axum::http::{Method, Request, StatusCode, request::Builder};

use super::harness::{Answer, HOST_NAME, Node, json};
use crate::api::auth::{Flash, FlashKind};
use crate::model::{Actor, Scope};

async fn session(node: &Node) -> String {
    let made = node
        .api
        .control
        .create_login_code(&Actor::host())
        .await
        .unwrap();
    let cookie = node
        .api
        .auth
        .issue_session(&made.code, None, None)
        .await
        .unwrap();
    let text = cookie.to_str().unwrap();
    assert!(
        text.contains("HttpOnly") && text.contains("SameSite=Strict"),
        "{text}"
    );
    text.split(';').next().unwrap().to_owned()
}

async fn get(node: &Node, cookie: &str, path: &str) -> Answer {
    let request = Request::get(path)
        .header(COOKIE, cookie)
        .body(Body::empty());
    node.ask(request.unwrap()).await
}

fn own_page(method: Method, path: &str, cookie: &str) -> Builder {
    let origin = format!("http://{HOST_NAME}");
    Request::builder()
        .method(method)
        .uri(path)
        .header(COOKIE, cookie)
        .header(ORIGIN, origin)
}

#[tokio::test]
async fn a_code_works_once() {
    let node = Node::start().await;
    let made = node
        .api
        .control
        .create_login_code(&Actor::host())
        .await
        .unwrap();
    assert!(
        node.api
            .auth
            .issue_session(&made.code, None, None)
            .await
            .is_ok()
    );
    let again = node
        .api
        .auth
        .issue_session(&made.code, None, None)
        .await
        .unwrap_err();
    assert_eq!(again.code().as_str(), "login_code_invalid");

    let late = node
        .api
        .control
        .create_login_code(&Actor::host())
        .await
        .unwrap();
    node.clock.advance_ms(10 * 60_000 + 1);
    assert!(
        node.api
            .auth
            .issue_session(&late.code, None, None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn changes_need_our_own_page_and_the_form_token() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let cookie = session(&node).await;
    let csrf = get(&node, &cookie, "/csrf").await.text;
    let path = "/api/v1/modules/clock/disable";

    let bare = Request::post(path)
        .header(COOKIE, &cookie)
        .body(Body::empty());
    assert_eq!(node.ask(bare.unwrap()).await.code(), "origin_refused");
    let cross = own_page(Method::POST, path, &cookie)
        .header("sec-fetch-site", "cross-site")
        .header("x-csrf-token", &csrf);
    assert_eq!(
        node.ask(cross.body(Body::empty()).unwrap()).await.code(),
        "origin_refused"
    );
    let untold = own_page(Method::POST, path, &cookie).body(Body::empty());
    assert_eq!(node.ask(untold.unwrap()).await.code(), "csrf_refused");
    let form = own_page(Method::POST, path, &cookie)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let form = form.body(Body::from(format!("csrf={csrf}")));
    assert_eq!(node.ask(form.unwrap()).await.code(), "csrf_refused");
    let right = own_page(Method::POST, path, &cookie).header("x-csrf-token", &csrf);
    let right = node.ask(right.body(Body::empty()).unwrap()).await;
    assert_eq!(right.status, StatusCode::OK, "{}", right.text);
}

#[tokio::test]
async fn a_session_that_a_token_opened_has_its_scopes_and_ends_with_it() {
    let node = Node::start().await;
    let token = node.token(&[Scope::ModulesRead]).await;
    let opened = node
        .api
        .auth
        .session_for_token(&token, None, None)
        .await
        .unwrap();
    let cookie = opened
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let list = get(&node, &cookie, "/api/v1/modules").await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.text);
    assert_eq!(
        get(&node, &cookie, "/api/v1/audit").await.code(),
        "missing_scope"
    );

    let tokens = node.admin(Method::GET, "/api/v1/tokens", None).await.json();
    let id = tokens["items"][0]["id"].as_str().unwrap().to_owned();
    node.admin(Method::DELETE, &format!("/api/v1/tokens/{id}"), None)
        .await;

    assert_eq!(
        get(&node, &cookie, "/api/v1/modules").await.code(),
        "session_expired"
    );
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_after_half_a_day() {
    let node = Node::start().await;
    let cookie = session(&node).await;
    for _ in 0..25 {
        node.clock.advance_ms(29 * 60_000);
        let answer = get(&node, &cookie, "/api/v1/tokens/self").await;
        if node.clock_hours() >= 12.0 {
            assert_eq!(answer.code(), "session_expired");
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        }
    }
    let idle = session(&node).await;
    node.clock.advance_ms(31 * 60_000);
    assert_eq!(
        get(&node, &idle, "/api/v1/tokens/self").await.code(),
        "session_expired"
    );
}

#[tokio::test]
async fn notices_are_seen_once() {
    let node = Node::start().await;
    let cookie = session(&node).await;
    let actor = get(&node, &cookie, "/api/v1/tokens/self").await.json()["actor"].clone();
    let id = actor
        .as_str()
        .unwrap()
        .strip_prefix("session:")
        .unwrap()
        .parse()
        .unwrap();
    let notice = Flash {
        kind: FlashKind::Success,
        text: "done".to_owned(),
        operation: None,
    };
    node.api.auth.flash(id, notice);
    assert_eq!(node.api.auth.take_flashes(id).len(), 1);
    assert!(node.api.auth.take_flashes(id).is_empty());
    let unsent = json(Method::GET, "/csrf", None);
    assert_eq!(node.ask(unsent).await.code(), "unauthenticated");
}
