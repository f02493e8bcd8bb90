//! `GET /metrics`.

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::metrics::Text;
use crate::api::state::Api;
use crate::model::{ObservedState, Scope};
use crate::supervisor::Observed;

type Answer = ([(HeaderName, &'static str); 1], String);

/// Shows the node's numbers as Prometheus text.
///
/// Modules, HTTP requests, event streams, the journal, and the modules' own metrics.
#[utoipa::path(
    get, path = "/metrics", tag = "host",
    responses((status = 200, description = "The numbers.", body = String, content_type = "text/plain")),
    extensions(("x-scope" = json!("metrics:read")))
)]
pub async fn get_metrics(caller: Caller, State(api): State<Api>) -> ApiResult<Answer> {
    caller.require(Scope::MetricsRead)?;
    let mut text = Text::default();
    text.family("bllvm_build_info", "gauge", "The program's version.");
    text.sample(
        "bllvm_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    text.family("bllvm_sse_clients", "gauge", "Open event streams.");
    text.sample("bllvm_sse_clients", &[], api.inner().streams.open());
    text.family(
        "bllvm_journal_events_total",
        "counter",
        "Durable events ever journaled.",
    );
    text.sample("bllvm_journal_events_total", &[], api.store.last_seq());
    webhooks(&api, &mut text).await?;
    modules(&api, &mut text).await?;
    api.inner().metrics.write(&mut text);
    Ok((
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text.finish(),
    ))
}

async fn webhooks(api: &Api, text: &mut Text) -> ApiResult<()> {
    let name = "bllvm_webhook_deliveries_total";
    text.family(
        name,
        "counter",
        "Webhooks that came in since the start, by what came of them.",
    );
    for ((source, outcome), count) in api.webhooks.counted() {
        text.sample(name, &[("source", &source), ("outcome", outcome)], count);
    }
    let name = "bllvm_webhook_dead_letters";
    text.family(
        name,
        "gauge",
        "Webhook deliveries that a module refused or failed on.",
    );
    for (state, count) in api.store.webhook_dead_letters().await? {
        text.sample(name, &[("state", state.as_str())], count);
    }
    let name = "bllvm_webhook_attempts_total";
    text.family(
        name,
        "counter",
        "Attempts to send webhooks since the start, by what came of them.",
    );
    for ((endpoint, outcome), count) in api.webhooks.outgoing().counted() {
        text.sample(
            name,
            &[("endpoint", &endpoint), ("outcome", outcome)],
            count,
        );
    }
    let name = "bllvm_webhook_messages";
    text.family(
        name,
        "gauge",
        "Webhook messages that wait or have failed, by endpoint.",
    );
    for (endpoint, state, count) in api.store.webhook_queues().await? {
        text.sample(
            name,
            &[("endpoint", &endpoint), ("state", state.as_str())],
            count,
        );
    }
    Ok(())
}

/// A family of one number a module.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Observed) -> String,
);

const FAMILIES: [Family; 5] = [
    (
        "bllvm_module_up",
        "gauge",
        "Whether the module runs.",
        |seen| u8::from(seen.state == ObservedState::Running).to_string(),
    ),
    (
        "bllvm_module_restarts_total",
        "counter",
        "Restarts after a crash.",
        |seen| seen.restarts.to_string(),
    ),
    (
        "bllvm_module_cpu_ratio",
        "gauge",
        "Processor time over the last sample; 1 is one core.",
        |seen| (seen.cpu_percent / 100.0).to_string(),
    ),
    (
        "bllvm_module_resident_memory_bytes",
        "gauge",
        "Resident memory.",
        |seen| seen.memory_bytes.to_string(),
    ),
    (
        "bllvm_module_event_lag",
        "gauge",
        "Durable events not acknowledged yet.",
        |seen| seen.cursor_lag.to_string(),
    ),
];

async fn modules(api: &Api, text: &mut Text) -> ApiResult<()> {
    let modules = api.inner().board.modules().await?;
    let seen: Vec<_> = modules
        .iter()
        .map(|module| {
            let seen = api.supervisor.observed(&module.name);
            (
                module.name.as_str(),
                seen.unwrap_or_else(|| Observed::stopped(module.changed_at)),
            )
        })
        .collect();
    for (name, kind, help, number) in FAMILIES {
        text.family(name, kind, help);
        for (module, seen) in &seen {
            text.sample(name, &[("module", module)], number(seen));
        }
    }
    // A family must be in one piece, and several modules may have a metric of the same name.
    let own = "bllvm_module_metric";
    text.family(own, "untyped", "The modules' own metrics, by name.");
    for (module, seen) in &seen {
        for (metric, (_, value)) in &seen.metrics {
            text.sample(own, &[("module", module), ("metric", metric)], value);
        }
    }
    Ok(())
}
