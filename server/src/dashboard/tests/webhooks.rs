//! Webhooks by clicks: a source, a test delivery, its page, its replay.

use axum::http::StatusCode;

use super::browser::Browser;

#[tokio::test]
async fn a_source_is_added_tested_rotated_and_removed_by_forms() {
    let mut browser = Browser::start().await;
    let fields = [("name", "ours"), ("scheme", "standard"), ("secret", "")];
    let made = browser.submit("/webhooks", "/webhooks", &fields).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(made.text.contains("whsec_"), "{}", made.text);
    assert!(!browser.page("/webhooks").await.contains("whsec_"));

    let delivery = browser
        .press("/webhooks", "/webhook-sources/ours/test", &[])
        .await;
    assert!(delivery.contains("A test delivery came in."), "{delivery}");
    let (_, rest) = delivery.split_once("action=\"/deliveries/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    let path = format!("/deliveries/{id}");
    let replayed = browser.press(&path, &format!("{path}/replay"), &[]).await;
    assert!(replayed.contains("announced again"), "{replayed}");

    let action = "/webhook-sources/ours/rotate";
    let rotated = browser.submit("/webhooks", action, &[]).await;
    assert!(rotated.text.contains("whsec_"), "{}", rotated.text);
    let action = "/webhook-sources/ours/remove";
    let removed = browser.press("/webhooks", action, &[]).await;
    assert!(removed.contains("Nobody yet"), "{removed}");
}

#[tokio::test]
async fn what_is_wrong_with_a_source_is_said_beside_what_was_typed() {
    let mut browser = Browser::start().await;
    let fields = [
        ("name", "my-source"),
        ("scheme", "github"),
        ("secret", "short"),
    ];
    let refused = browser.submit("/webhooks", "/webhooks", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("16 to 256 bytes"), "{}", refused.text);
    assert!(refused.text.contains("my-source") && !refused.text.contains("value=\"short\""));
}

#[tokio::test]
async fn an_endpoint_is_added_tested_changed_rotated_and_removed_by_forms() {
    let mut browser = Browser::start().await;
    let fields = [
        ("name", "ours"),
        ("url", "https://localhost/hook"),
        ("events", "chain.* module.crashed"),
        ("timeout_s", "15"),
        ("signing", "v1"),
    ];
    let list = "/webhook-endpoints";
    let made = browser.submit(list, list, &fields).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(made.text.contains("whsec_"), "{}", made.text);
    let ours = "/webhook-endpoints/ours";
    assert!(!browser.page(ours).await.contains("whsec_"));

    let tested = browser.press(ours, &format!("{ours}/test"), &[]).await;
    assert!(tested.contains("must not be led there"), "{tested}");
    assert!(tested.contains("webhook.test"), "{tested}");

    let mut changed = fields;
    changed[2] = ("events", "host.*");
    let saved = browser.press(ours, ours, &changed[1..4]).await;
    assert!(
        saved.contains("It is saved.") && saved.contains("host.*"),
        "{saved}"
    );
    changed[1] = ("url", "https://10.0.0.1/");
    let refused = browser.submit(ours, ours, &changed[1..4]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("is private") && refused.text.contains("10.0.0.1"));

    let rotated = browser.submit(ours, &format!("{ours}/rotate"), &[]).await;
    assert!(rotated.text.contains("whsec_"), "{}", rotated.text);
    let disabled = browser.press(ours, &format!("{ours}/disable"), &[]).await;
    assert!(disabled.contains("an operator disabled it"), "{disabled}");
    let enabled = browser.press(ours, &format!("{ours}/enable"), &[]).await;
    assert!(enabled.contains("It is sent to again."), "{enabled}");
    let removed = browser.press(ours, &format!("{ours}/remove"), &[]).await;
    assert!(removed.contains("Nobody yet"), "{removed}");
}
