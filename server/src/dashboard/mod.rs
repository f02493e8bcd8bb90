//! The dashboard: pages for people, every action of them a plain form.
//!
//! A handler reads or calls one verb of `control`, and fills a struct of `bllvm_web`; it knows no
//! SQL and starts nothing. `frame` is what every request goes through, `visit` who asks, `form` how
//! forms are read, `present` how facts become words. `live` tells open pages to fetch themselves
//! again; nothing needs it.

mod actions;
mod address;
mod assets;
mod audit;
mod backups;
mod catalog;
mod endpoints;
mod events;
mod form;
mod frame;
mod journal;
mod live;
mod login;
mod mempool;
mod messages;
mod module;
mod modules;
mod node;
mod operations;
mod overview;
mod present;
mod respond;
mod review;
mod settings;
#[cfg(test)]
mod tests;
mod tokens;
mod visit;
mod webhooks;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::api::Api;
use crate::api::error::{ApiError, Code};

/// The pages, to be merged into [`crate::api::router`].
pub fn router(api: &Api) -> Router<Api> {
    let private = pages()
        .merge(of_modules())
        .layer(from_fn_with_state(api.clone(), frame::private));
    let public = Router::new()
        .route("/login", get(login::show).post(login::log_in))
        .route("/assets/{name}", get(assets::get))
        .fallback(nothing_here)
        .layer(from_fn_with_state(api.clone(), frame::public));
    private.merge(public)
}

fn pages() -> Router<Api> {
    Router::new()
        .route("/", get(overview::show))
        .route("/live", get(live::get))
        .route("/logout", post(login::log_out))
        .route("/node", get(node::show))
        .route("/node/mine", post(node::mine))
        .route("/node/transactions", post(node::send))
        .merge(of_catalog())
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::show))
        .route("/operations/{id}/cancel", post(operations::cancel))
        .route("/events", get(events::show))
        .route("/audit", get(audit::show))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhook-sources/{name}/rotate", post(webhooks::rotate))
        .route("/webhook-sources/{name}/remove", post(webhooks::remove))
        .route("/webhook-sources/{name}/test", post(webhooks::test))
        .route("/deliveries/replay-dead", post(webhooks::replay_dead))
        .route("/deliveries/{id}", get(webhooks::show))
        .route("/deliveries/{id}/replay", post(webhooks::replay))
        .route("/backups", get(backups::list).post(backups::create))
        .merge(of_endpoints())
        .route("/settings", get(settings::show))
}

/// What registries have.
fn of_catalog() -> Router<Api> {
    Router::new()
        .route("/catalog", get(catalog::list))
        .route("/catalog/add", post(catalog::add))
        .route("/catalog/remove", post(catalog::remove))
        .route("/catalog/refresh", post(catalog::refresh))
        .route("/catalog/{registry}/{name}", get(catalog::show))
        .route("/catalog/{registry}/{name}/install", post(catalog::install))
        .route("/catalog/{registry}/{name}/fetch", post(catalog::fetch))
}

/// Webhooks that go out.
fn of_endpoints() -> Router<Api> {
    let one = |verb: &str| format!("/webhook-endpoints/{{name}}{verb}");
    Router::new()
        .route(
            "/webhook-endpoints",
            get(endpoints::list).post(endpoints::create),
        )
        .route(&one(""), get(endpoints::show).post(endpoints::change))
        .route(&one("/test"), post(endpoints::test))
        .route(&one("/rotate"), post(endpoints::rotate))
        .route(&one("/enable"), post(endpoints::enable))
        .route(&one("/disable"), post(endpoints::disable))
        .route(&one("/redeliver"), post(endpoints::redeliver))
        .route(&one("/remove"), post(endpoints::remove))
        .route("/webhook-messages/{id}", get(messages::show))
        .route(
            "/webhook-messages/{id}/redeliver",
            post(messages::redeliver),
        )
}

fn of_modules() -> Router<Api> {
    use module::{
        call, configuration, danger, events, logs, overview, page, permissions, revision, runs,
        versions,
    };

    Router::new()
        .route("/modules", get(modules::list))
        .route("/modules/add", post(modules::add))
        .route("/modules/{name}", get(overview::show))
        .route("/modules/{name}/review", get(review::show))
        .route("/modules/{name}/load", post(actions::load))
        .route("/modules/{name}/unload", post(actions::unload))
        .route("/modules/{name}/reload", post(actions::reload))
        .route("/modules/{name}/enable", post(actions::enable))
        .route("/modules/{name}/disable", post(actions::disable))
        .route("/modules/{name}/uninstall", post(actions::uninstall))
        .route("/modules/{name}/danger", get(danger::show))
        .route(
            "/modules/{name}/configuration",
            get(configuration::show).post(configuration::save),
        )
        .route(
            "/modules/{name}/configuration/{revision}",
            get(revision::show),
        )
        .route(
            "/modules/{name}/configuration/{revision}/restore",
            post(revision::restore),
        )
        .route("/modules/{name}/logs", get(logs::show))
        .route("/modules/{name}/logs/stream", get(logs::stream))
        .route("/modules/{name}/logs/download", get(logs::download))
        .route("/modules/{name}/events", get(events::show))
        .route(
            "/modules/{name}/permissions",
            get(permissions::show).post(permissions::change),
        )
        .route("/modules/{name}/versions", get(versions::show))
        .route("/modules/{name}/upgrade", post(versions::upgrade))
        .route("/modules/{name}/rollback", post(versions::rollback))
        .route("/modules/{name}/pin", post(versions::pin))
        .route("/modules/{name}/runs", get(runs::show))
        .route(
            "/modules/{name}/pages/{id}",
            get(page::show).post(page::send),
        )
        .route(
            "/modules/{name}/methods/{method}",
            get(call::show).post(call::call),
        )
}

async fn nothing_here() -> ApiError {
    ApiError::new(
        Code::RouteNotFound,
        "nothing is served at this address; /api/v1/openapi.json lists what is for programs",
    )
}
