//! `/settings`: what the node runs with.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::pages::{FactGroup, ProgramLink, Settings};
use bllvm_web::parts::{Fact, Value};
use tokio::time::timeout;

use super::present::stamp;
use super::respond::page;
use super::visit::{NODE_PATIENCE, Visit, now};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::model::Scope;

/// `GET /settings`
///
/// # Errors
/// When the store cannot be read.
pub async fn show(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    page(&Settings {
        chrome: visit.chrome(&api).await?,
        groups: vec![paths(&api), versions(&api).await, running(&api, &visit)],
        login_command: "bllvm-node login".to_owned(),
        links: links(),
    })
}

fn paths(api: &Api) -> FactGroup {
    let below = |name: &str| api.data_dir.join(name).display().to_string();
    FactGroup {
        title: "Paths".to_owned(),
        facts: vec![
            Fact::code("Data", api.data_dir.display().to_string()),
            Fact::code("Modules", api.modules_dir.display().to_string()),
            Fact::code("Modules' own data", below("module-data")),
            Fact::code("Cookie", below(".cookie")),
        ],
    }
}

async fn versions(api: &Api) -> FactGroup {
    let protocol = bllvm_ipc::PROTOCOL_VERSIONS;
    let protocol = if protocol.start() == protocol.end() {
        protocol.end().to_string()
    } else {
        format!("{} to {}", protocol.start(), protocol.end())
    };
    let mut facts = vec![
        Fact::text("bllvm-node", env!("CARGO_PKG_VERSION")),
        Fact::text("Module protocol", protocol),
    ];
    if let Ok(Ok(info)) = timeout(NODE_PATIENCE, api.node.info()).await {
        facts.push(Fact::text("Base node", info.version));
    }
    FactGroup {
        title: "Versions".to_owned(),
        facts,
    }
}

fn running(api: &Api, visit: &Visit) -> FactGroup {
    let started = stamp(api.inner().started_at, now(api));
    FactGroup {
        title: "Running".to_owned(),
        facts: vec![
            Fact::code("Dashboard and API", format!("http://{}", visit.host())),
            Fact::text("Process", std::process::id().to_string()),
            Fact::new("Started", Value::Time(started)),
            Fact::text("Newest event", format!("no. {}", api.store.last_seq())),
        ],
    }
}

fn links() -> Vec<ProgramLink> {
    let link = |href: &str, text: &str, detail: &str| ProgramLink {
        href: href.to_owned(),
        text: text.to_owned(),
        detail: detail.to_owned(),
    };
    vec![
        link(
            "/api/v1/openapi.json",
            "OpenAPI document",
            "all of the REST API",
        ),
        link("/metrics", "Metrics", "for Prometheus"),
        link("/readyz", "Readiness", "what is ready and what is not"),
    ]
}
