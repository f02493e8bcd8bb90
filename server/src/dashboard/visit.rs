//! Who looks at which page, and the frame around it.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{HOST, REFERER};
use axum::http::request::Parts;
use bllvm_web::format::{self, Hash};
use bllvm_web::layout::{Chrome, Flash, NodeStrip};
use bllvm_web::parts::{Badge, Tone};
use tokio::time::timeout;

use super::address;
use super::present::module::Seen;
use super::present::stamp;
use crate::api::Api;
use crate::api::auth::{Flash as Notice, FlashKind, SessionCaller};
use crate::api::error::ApiResult;
use crate::model::{Actor, Id, OperationStatus, Scope, UtcTime};
use crate::node::NodeState;
use crate::store::{OperationFilter, PageRequest};

/// A page waits no longer than this for what the base node has to say.
pub const NODE_PATIENCE: Duration = Duration::from_millis(800);

/// A request by someone who is logged in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who.
    pub session: SessionCaller,
    path: String,
    here: String,
    refresh: bool,
    host: String,
    referer: Option<String>,
}

impl FromRequestParts<Api> for Visit {
    type Rejection = crate::api::error::ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> ApiResult<Self> {
        let session = SessionCaller::from_request_parts(parts, api).await?;
        let text = |headers: &HeaderMap, name| {
            headers
                .get(name)
                .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
                .map(str::to_owned)
        };
        let here = parts.uri.path_and_query().map_or("/", |all| all.as_str());
        Ok(Self {
            session,
            path: parts.uri.path().to_owned(),
            here: here.to_owned(),
            refresh: is_refresh(&parts.headers),
            host: text(&parts.headers, HOST).unwrap_or_default(),
            referer: text(&parts.headers, REFERER),
        })
    }
}

/// Whether a page fetches itself again.
pub fn is_refresh(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

impl Visit {
    /// Whether the visitor may do what needs `scope`.
    ///
    /// # Errors
    /// `missing_scope`, which names it.
    pub fn require(&self, scope: Scope) -> ApiResult<()> {
        self.session.require(scope)
    }

    /// The visitor as the audit trail names them.
    pub fn actor(&self) -> Actor {
        self.session.caller.actor()
    }

    /// The host as the visitor addressed it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The same visit, as if it were of another page: for answers to a post that show that page.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        path.clone_into(&mut self.here);
        self
    }

    /// The same visit, of a page that the navigation shows as part of another.
    #[must_use]
    pub fn under(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The page that the button was pressed on, where it is one of ours.
    pub fn back(&self) -> Option<String> {
        let rest = self.referer.as_deref()?.split_once("://")?.1;
        let path = rest.strip_prefix(self.host.as_str())?;
        address::own(path).map(str::to_owned)
    }

    /// Leaves a message for the next page.
    pub fn tell(&self, api: &Api, tone: Tone, text: impl Into<String>, operation: Option<Id>) {
        let kind = match tone {
            Tone::Bad => FlashKind::Error,
            Tone::Warn => FlashKind::Warning,
            Tone::Busy => FlashKind::Pending,
            Tone::Good | Tone::Info | Tone::Quiet => FlashKind::Success,
        };
        let notice = Notice {
            kind,
            text: text.into(),
            operation,
        };
        api.auth.flash(self.session.session, notice);
    }

    /// The frame around a page.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn chrome(&self, api: &Api) -> ApiResult<Chrome> {
        let seen = all_seen(api).await?;
        let waiting = seen.iter().filter(|one| one.needs_attention()).count();
        Ok(Chrome {
            path: self.path.clone(),
            here: self.here.clone(),
            user: Some("operator".to_owned()),
            csrf: self.session.csrf.clone(),
            node: Some(strip(api).await),
            flash: self.flash(api),
            modules_waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            operations_running: open_operations(api).await?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The message of the last action. A page that fetches itself again leaves it for the page
    /// that the action leads to.
    fn flash(&self, api: &Api) -> Option<Flash> {
        if self.refresh {
            return None;
        }
        let notices = api.auth.take_flashes(self.session.session);
        let last = notices.last()?;
        let tone = match last.kind {
            FlashKind::Success => Tone::Good,
            FlashKind::Pending => Tone::Busy,
            FlashKind::Warning => Tone::Warn,
            FlashKind::Error => Tone::Bad,
        };
        let texts: Vec<_> = notices.iter().map(|notice| notice.text.as_str()).collect();
        Some(Flash {
            tone,
            text: texts.join(" "),
            operation: last.operation.map(|id| id.to_string()),
        })
    }
}

/// The frame for those who are not logged in.
pub fn bare(path: &str) -> Chrome {
    Chrome {
        path: path.to_owned(),
        here: path.to_owned(),
        user: None,
        csrf: String::new(),
        node: None,
        flash: None,
        modules_waiting: 0,
        operations_running: 0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Every module with what is seen of it.
///
/// # Errors
/// When the store cannot be read.
pub async fn all_seen(api: &Api) -> ApiResult<Vec<Seen>> {
    let modules = api.store.modules().await?;
    let mut observed = api.supervisor.observed_all();
    let seen = modules.into_iter().map(|module| {
        let observed = observed.remove(&module.name);
        Seen::new(module, observed)
    });
    Ok(seen.collect())
}

/// The time, by the node's clock.
pub fn now(api: &Api) -> UtcTime {
    api.clock.now()
}

async fn open_operations(api: &Api) -> ApiResult<u32> {
    let mut open = 0;
    for status in [OperationStatus::Queued, OperationStatus::Running] {
        let filter = OperationFilter {
            module: None,
            status: Some(status),
        };
        open += api
            .store
            .operations(&filter, &PageRequest::of(100))
            .await?
            .items
            .len();
    }
    Ok(u32::try_from(open).unwrap_or(u32::MAX))
}

/// The base node's state as a badge.
pub fn node_badge(api: &Api) -> Badge {
    match api.node.state() {
        NodeState::Ready => Badge::new(Tone::Good, "ready"),
        NodeState::Starting => Badge::new(Tone::Busy, "starting"),
        NodeState::Unavailable { .. } if api.node.backend() == "none" => {
            Badge::new(Tone::Quiet, "no base node")
        }
        NodeState::Unavailable { .. } => Badge::new(Tone::Bad, "unreachable"),
    }
}

async fn strip(api: &Api) -> NodeStrip {
    let (info, tip) = tokio::join!(
        timeout(NODE_PATIENCE, api.node.info()),
        timeout(NODE_PATIENCE, api.node.tip()),
    );
    let chain = info.ok().and_then(Result::ok).map(|info| info.chain);
    let tip = tip.ok().and_then(Result::ok);
    NodeStrip {
        state: node_badge(api),
        chain: chain.unwrap_or_else(|| "–".to_owned()),
        backend: api.node.backend().to_owned(),
        height: tip
            .as_ref()
            .map_or_else(|| "–".to_owned(), |tip| format::count(tip.height.into())),
        hash: tip.as_ref().map(|tip| Hash::new(tip.hash.to_string())),
        tip_time: tip.map(|tip| stamp(seconds(tip.time), now(api))),
    }
}

/// A block's time.
pub const fn seconds(unix: u32) -> UtcTime {
    UtcTime::from_unix_ms(unix as i64 * 1000)
}
