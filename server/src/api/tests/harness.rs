//! A node without base node and modules, asked through its router.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use axum::{Router, routing};
use bllvm_manifest::Manifest;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::api::auth::cookie::Cookie;
use crate::api::auth::origin::Hosts;
use crate::api::auth::{Auth, SessionCaller};
use crate::api::guard::guard;
use crate::api::{Api, Parts, Peer, router};
use crate::clock::FixedClock;
use crate::configuration::{Configurations, SecretKey};
use crate::control::{Control, ControlParts, ControlSettings, TokenRequest};
use crate::journal::Journal;
use crate::logs::LogStore;
use crate::model::{Actor, Scope, Source, TrustClass};
use crate::node::NoNode;
use crate::store::commands::FoundModule;
use crate::store::{Options, Store};
use crate::supervisor::{self, Asker, Supervisor, SupervisorSettings};
use crate::webhooks::Webhooks;
use crate::webhooks::outgoing::AllowedAddresses;

pub(crate) const HOST_NAME: &str = "127.0.0.1:8480";
const NOON: i64 = 1_795_348_800_000;

pub(crate) struct Node {
    pub(crate) api: Api,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) cookie: String,
    pub(crate) soft: CancellationToken,
    router: Router,
    peers: AtomicU8,
    _dir: TempDir,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The code of the problem; panics where it is none.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.headers[CONTENT_TYPE], "application/problem+json",
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Node {
    /// A node whose pages are those that the tests of the API need.
    pub(crate) async fn start() -> Self {
        Self::start_with(pages).await
    }

    /// A node whose disk has less free space than intake needs.
    pub(crate) async fn start_without_space() -> Self {
        let options = Options {
            disk_floor: u64::MAX,
            ..Options::default()
        };
        Self::start_on(pages, options).await
    }

    /// A node with these pages.
    pub(crate) async fn start_with(pages: fn(&Api) -> Router<Api>) -> Self {
        Self::start_on(pages, Options::default()).await
    }

    async fn start_on(pages: fn(&Api) -> Router<Api>, options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(NOON);
        let store = Store::open_with(dir.path(), clock.clone(), options)
            .await
            .unwrap();
        let journal = Journal::new(store.clone());
        let logs = LogStore::new(dir.path(), clock.clone());
        let base_node = Arc::new(NoNode::default());
        let soft = CancellationToken::new();
        let tracker = TaskTracker::new();
        let key = SecretKey::open_or_create(dir.path()).unwrap();
        let configurations = Configurations::new(store.clone(), key.clone());
        let webhooks = Webhooks::new(store.clone(), key, 1 << 20, AllowedAddresses::default());
        let supervisor = Supervisor::start(supervisor::Parts {
            store: store.clone(),
            journal: journal.clone(),
            logs: logs.clone(),
            read_node: base_node.clone(),
            submit_node: base_node.clone(),
            clock: clock.clone(),
            configs: Arc::new(configurations.clone()),
            settings: SupervisorSettings::new(dir.path()),
            tracker: tracker.clone(),
            hard: CancellationToken::new(),
        })
        .unwrap();
        let control = Control::new(ControlParts {
            store: store.clone(),
            logs: logs.clone(),
            fleet: Arc::new(supervisor.clone()),
            asker: Asker::new(
                store.clone(),
                SupervisorSettings::new(dir.path()),
                tracker.clone(),
            ),
            configurations,
            read_node: base_node.clone(),
            webhooks: webhooks.clone(),
            submit_node: base_node.clone(),
            settings: ControlSettings::new(dir.path()),
            tracker,
            soft: soft.clone(),
        });
        let cookie = Cookie::write(dir.path()).unwrap();
        let secret = std::fs::read_to_string(cookie.path()).unwrap();
        let api = Api::new(Parts {
            auth: Auth::new(store.clone(), cookie, 8480),
            store,
            journal,
            logs,
            supervisor,
            control,
            webhooks,
            node: base_node,
            clock: clock.clone(),
            hosts: Arc::new(Hosts::new([])),
            data_dir: dir.path().to_owned(),
            modules_dir: dir.path().join("modules"),
            max_streams: 2,
            soft: soft.clone(),
        });
        Self {
            router: router(&api, pages(&api)),
            api,
            clock,
            cookie: basic(&secret),
            soft,
            peers: AtomicU8::new(1),
            _dir: dir,
        }
    }

    /// A module that was found and waits.
    pub(crate) async fn with_module(&self, name: &str) {
        let manifest =
            format!("name = \"{name}\"\nversion = \"0.1.0\"\nentry_point = \"{name}\"\n");
        let found = FoundModule {
            manifest: Manifest::parse(&manifest).unwrap(),
            dir: self.api.modules_dir.join(name),
            source: Source::Directory,
            trust: TrustClass::Local,
            digest: None,
            problem: Some("the binary is missing".to_owned()),
            by: Actor::host(),
        };
        self.api.store.commit(found).await.unwrap();
    }

    /// A token's text.
    pub(crate) async fn token(&self, scopes: &[Scope]) -> String {
        self.token_for(scopes, &[]).await
    }

    /// The text of a token that is bound to modules.
    pub(crate) async fn token_for(&self, scopes: &[Scope], modules: &[&str]) -> String {
        let request = TokenRequest {
            name: "test".to_owned(),
            scopes: scopes.iter().copied().collect(),
            modules: modules.iter().map(|name| name.parse().unwrap()).collect(),
            expires_in: Some(std::time::Duration::from_hours(1)),
        };
        let made = self
            .api
            .control
            .create_token(request, &Actor::host())
            .await
            .unwrap();
        made.secret
    }

    /// Asks from an address of its own, so that failed logins do not add up.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let number = self.peers.fetch_add(1, Ordering::Relaxed);
        self.ask_from(IpAddr::from([127, 9, number, 1]), request)
            .await
    }

    pub(crate) async fn ask_from(&self, from: IpAddr, mut request: Request<Body>) -> Answer {
        request
            .extensions_mut()
            .insert(Peer::Tcp(SocketAddr::new(from, 50_000)));
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let stream = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let bytes = if stream {
            axum::body::Bytes::new()
        } else {
            to_bytes(body, usize::MAX).await.unwrap()
        };
        assert!(parts.headers.contains_key("x-request-id"));
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Response {
        let headers = request.headers_mut();
        headers
            .entry(HOST)
            .or_insert_with(|| HOST_NAME.parse().unwrap());
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks as the local administrator.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = json(method, path, body);
        let credentials = self.cookie.parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, credentials);
        self.ask(request).await
    }
}

/// A request without credentials.
pub(crate) fn json(method: Method, path: &str, body: Option<Value>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    match body {
        None => request.body(Body::empty()),
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string())),
    }
    .unwrap()
}

pub(crate) fn basic(user_and_password: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(user_and_password);
    format!("Basic {text}")
}

/// A page that shows a session's form token, as the dashboard's forms do, and a handler that panics.
fn pages(api: &Api) -> Router<Api> {
    let csrf = |session: SessionCaller| async move { session.csrf };
    Router::new()
        .route("/csrf", routing::get(csrf))
        .route_layer(axum::middleware::from_fn_with_state(api.clone(), guard))
        .route(
            "/panic",
            routing::get(|| async { panic!("on purpose") as &'static str }),
        )
}

impl Node {
    /// Hours since noon, when the node started.
    pub(crate) fn clock_hours(&self) -> f64 {
        use crate::clock::Clock as _;
        let passed = self.clock.now().unix_ms() - NOON;
        f64::from(u32::try_from(passed).unwrap()) / 3_600_000.0
    }
}
