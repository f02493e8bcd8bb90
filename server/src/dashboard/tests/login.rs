//! Logging in and out.

use axum::body::Body;
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{Request, StatusCode};

use super::browser::{Browser, hidden};

#[tokio::test]
async fn opening_the_printed_address_uses_nothing_up() {
    let mut browser = Browser::stranger().await;
    let code = browser.code().await;
    for _ in 0..3 {
        let page = browser.page(&format!("/login?code={code}")).await;
        assert!(page.contains(&format!("value=\"{code}\"")), "{page}");
    }

    let answer = browser
        .post("/login", &[("token", &code), ("next", "/node")])
        .await;

    assert_eq!(answer.headers[LOCATION], "/node");
    browser.page("/node").await;
    let again = browser
        .post("/login", &[("token", &code), ("next", "/")])
        .await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.text.contains("A code works once"), "{}", again.text);
    assert!(!again.text.contains(&code));
}

#[tokio::test]
async fn a_stranger_is_led_to_the_login_and_back() {
    let mut browser = Browser::stranger().await;
    let led = browser.get("/events?type=chain.*").await;
    assert_eq!(led.status, StatusCode::SEE_OTHER);
    let login = led.headers[LOCATION].to_str().unwrap().to_owned();
    let next = hidden(&browser.page(&login).await, "next");
    assert_eq!(next, "/events?type=chain.*");

    let code = browser.code().await;
    let back = browser
        .post("/login", &[("token", &code), ("next", &next)])
        .await;

    assert_eq!(back.headers[LOCATION], next.as_str());
    let program = Request::get("/modules").header(ACCEPT, "application/json");
    let program = browser.node.ask(program.body(Body::empty()).unwrap()).await;
    assert_eq!(program.code(), "unauthenticated");
}

#[tokio::test]
async fn a_login_leads_nowhere_else() {
    let mut browser = Browser::stranger().await;
    for elsewhere in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:x",
    ] {
        let code = browser.code().await;
        let answer = browser
            .post("/login", &[("token", &code), ("next", elsewhere)])
            .await;
        assert_eq!(answer.headers[LOCATION], "/", "{elsewhere}");
    }
}

#[tokio::test]
async fn a_login_from_another_site_is_refused() {
    let browser = Browser::stranger().await;
    let code = browser.code().await;
    let request = Request::post("/login")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={code}")));
    assert_eq!(
        browser.node.ask(request.unwrap()).await.code(),
        "origin_refused"
    );
}

#[tokio::test]
async fn a_token_logs_in_with_its_scopes() {
    use crate::model::Scope;
    let mut browser = Browser::stranger().await;
    let token = browser.node.token(&[Scope::ModulesRead]).await;

    browser
        .post("/login", &[("token", &token), ("next", "/")])
        .await;

    browser.page("/modules").await;
    let refused = browser.get("/tokens").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("admin"), "{}", refused.text);
}

#[tokio::test]
async fn after_the_logout_nothing_is_shown() {
    let mut browser = Browser::start().await;
    let out = browser.submit("/", "/logout", &[]).await;
    assert_eq!(out.headers[LOCATION], "/login");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}
