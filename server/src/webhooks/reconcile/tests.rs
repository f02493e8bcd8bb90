//! Against an API of GitHub's that runs here, over HTTP.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::{Webhooks, seal};
use super::seal_token;
use crate::clock::{Clock as _, new_id};
use crate::configuration::SecretKey;
use crate::model::{ReconcileSettings, SourceSettings, WebhookScheme};
use crate::store::commands::{
    AddWebhookSource, NewApiToken, ReceiveWebhook, RemoveWebhookSource, SetReconcile,
};
use crate::store::testing::{TestStore, operator};
use crate::webhooks::outgoing::AllowedAddresses;

const TOKEN: &str = "ghp_canary";
const HOOK: &str = "repos/example/project/hooks/7";

#[derive(Clone, Default)]
struct Fake {
    /// Pages of the list.
    pages: Arc<Vec<Value>>,
    /// What was asked for again.
    again: Arc<Mutex<Vec<u64>>>,
}

fn knows(headers: &HeaderMap) -> bool {
    headers["authorization"] == format!("Bearer {TOKEN}") && headers.contains_key("user-agent")
}

async fn list(
    State(fake): State<Fake>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if !knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let cursor = query.iter().find(|(key, _)| key == "cursor");
    let page: usize = cursor.map_or(0, |(_, value)| value.parse().unwrap());
    let body = Json(fake.pages[page].clone());
    if page + 1 == fake.pages.len() {
        return body.into_response();
    }
    let next = format!(
        "<http://api.invalid/x?per_page=100&cursor={}>; rel=\"next\"",
        page + 1
    );
    ([("link", next)], body).into_response()
}

async fn again(
    State(fake): State<Fake>,
    headers: HeaderMap,
    Path(attempt): Path<u64>,
) -> StatusCode {
    if !knows(&headers) {
        return StatusCode::UNAUTHORIZED;
    }
    fake.again.lock().unwrap().push(attempt);
    StatusCode::ACCEPTED
}

impl Fake {
    /// Serves; the address below which the API is.
    async fn serve(&self) -> String {
        let deliveries = format!("/api/v3/{HOOK}/deliveries");
        let app = Router::new()
            .route(&deliveries, get(list))
            .route(&format!("{deliveries}/{{id}}/attempts"), post(again))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v3", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        url
    }
}

struct Inbox {
    test: TestStore,
    hooks: Webhooks,
    key: SecretKey,
}

impl Inbox {
    async fn new() -> Self {
        let test = TestStore::new().await;
        let key = SecretKey::open_or_create(test.dir.path()).unwrap();
        let allowed = AllowedAddresses::new(vec!["127.0.0.1".parse().unwrap()]);
        let hooks = Webhooks::new(test.store.clone(), key.clone(), 1 << 20, allowed);
        let id = new_id(&*test.clock);
        let add = AddWebhookSource {
            name: "gh".to_owned(),
            settings: SourceSettings::of(WebhookScheme::Github),
            secret: id,
            sealed: seal(&key, "gh", id, "a secret between two"),
            by: operator(),
        };
        test.store.commit(add).await.unwrap();
        Self { test, hooks, key }
    }

    async fn turn_on(&self, api_url: &str, token: &str) {
        let id = new_id(&*self.test.clock);
        let set = SetReconcile {
            source: "gh".to_owned(),
            settings: ReconcileSettings {
                api_url: api_url.to_owned(),
                ..ReconcileSettings::of(HOOK)
            },
            token: Some(NewApiToken {
                id,
                sealed: seal_token(&self.key, "gh", id, token),
            }),
            by: operator(),
        };
        self.test.store.commit(set).await.unwrap();
    }

    /// A delivery that came in.
    async fn took(&self, guid: &str) {
        let receive = ReceiveWebhook {
            source: "gh".to_owned(),
            sender_id: guid.to_owned(),
            by_digest: false,
            digest: [7; 32],
            kind: None,
            media_type: None,
            secret: new_id(&*self.test.clock),
            touch: false,
            body: bytes::Bytes::from_static(b"{}"),
        };
        self.test.store.commit(receive).await.unwrap();
    }
}

fn attempt(id: u64, guid: &str, at: &str, status_code: u16) -> Value {
    json!({
        "id": id, "guid": guid, "delivered_at": at, "status_code": status_code,
        "status": "x", "event": "push", "redelivery": false,
    })
}

#[tokio::test]
async fn what_nobody_took_is_asked_for_again_over_every_page() {
    let inbox = Inbox::new().await;
    let now = inbox.test.clock.now();
    let (today, old) = (now.to_string(), now.plus_ms(-73 * 3_600_000).to_string());
    let fake = Fake {
        pages: Arc::new(vec![
            json!([
                attempt(9, "taken", &today, 202),
                attempt(8, "missing", &today, 0)
            ]),
            json!([
                attempt(7, "here", &today, 504),
                attempt(6, "other", &today, 502)
            ]),
            json!([attempt(5, "old", &old, 500)]),
        ]),
        ..Fake::default()
    };
    inbox.turn_on(&fake.serve().await, TOKEN).await;
    inbox.took("here").await;
    let report = inbox.hooks.reconcile("gh").await.unwrap().unwrap();
    assert_eq!(report.error, None);
    assert_eq!(
        (report.looked_at, report.missing, report.requested),
        (4, 2, 2)
    );
    assert_eq!(*fake.again.lock().unwrap(), [6, 8]);
    let kept = inbox
        .test
        .store
        .webhook_reconciles()
        .await
        .unwrap()
        .remove(0);
    assert_eq!(kept.reconcile.last_report, Some(report));
    assert_eq!(kept.reconcile.last_run_at, Some(now));
}

#[tokio::test]
async fn what_goes_wrong_is_in_the_report_without_the_token() {
    let inbox = Inbox::new().await;
    let fake = Fake {
        pages: Arc::new(vec![json!({ "not": "a list" })]),
        ..Fake::default()
    };
    let url = fake.serve().await;
    let run = async || {
        let report = inbox.hooks.reconcile("gh").await.unwrap().unwrap();
        let error = report.error.unwrap();
        assert!(!error.contains(TOKEN), "{error}");
        error
    };
    assert_eq!(
        inbox.hooks.reconcile("gh").await,
        Ok(None),
        "it is off at first"
    );
    inbox.turn_on(&url, "wrong").await;
    assert!(run().await.contains("does not know the token"));
    inbox.turn_on(&url, TOKEN).await;
    assert!(run().await.contains("cannot be read"));
    inbox.turn_on(&format!("{url}/elsewhere"), TOKEN).await;
    assert!(run().await.contains("check `hook`"));
    inbox.turn_on("https://10.0.0.1", TOKEN).await;
    assert!(run().await.contains("webhooks.allow_addresses"));
    let remove = RemoveWebhookSource {
        name: "gh".to_owned(),
        by: operator(),
    };
    inbox.test.store.commit(remove).await.unwrap();
    assert!(
        inbox
            .test
            .store
            .webhook_reconciles()
            .await
            .unwrap()
            .is_empty()
    );
}
