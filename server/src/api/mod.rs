//! What people and programs see over HTTP: REST under `/api/v1`, JSON-RPC at `/rpc`, event
//! streams, metrics.
//!
//! A handler turns typed input into one verb or one read and answers a view; it never parses and
//! never holds a transaction. Refusals are made in `error`, what every request goes through is in
//! `edge`, who may ask in `auth` and `guard`.

pub mod auth;
mod board;
pub mod edge;
pub mod error;
pub mod extract;
pub mod guard;
mod idempotency;
pub mod metrics;
pub mod openapi;
pub mod page;
mod rpc;
mod serve;
mod state;
pub mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod translate;
pub mod v1;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use openapi::openapi;
pub use serve::{Listener, Peer, serve};
pub use state::{Api, Parts};

/// The whole table of addresses below `/api/v1`.
fn resources() -> OpenApiRouter<Api> {
    use v1::modules::{self, config};
    use v1::webhooks::{deliveries, endpoints, messages, reconcile, replay, sources};
    use v1::{
        audit, backups, catalog, events, host, node, operations, publishers, registries, releases,
        tokens,
    };

    OpenApiRouter::default()
        .routes(routes!(
            modules::list::list_modules,
            modules::install::install_module
        ))
        .routes(routes!(
            modules::get::get_module,
            modules::uninstall::uninstall_module
        ))
        .routes(routes!(modules::versions::list_module_versions))
        .routes(routes!(modules::versions::pin_module))
        .routes(routes!(modules::upgrade::plan_module_upgrade))
        .routes(routes!(modules::upgrade::upgrade_module))
        .routes(routes!(modules::upgrade::rollback_module))
        .routes(routes!(modules::load::load_module))
        .routes(routes!(modules::unload::unload_module))
        .routes(routes!(modules::reload::reload_module))
        .routes(routes!(modules::retry::retry_module))
        .routes(routes!(modules::enable::enable_module))
        .routes(routes!(modules::enable::disable_module))
        .routes(routes!(
            config::get::get_module_config,
            config::put::set_module_config,
            config::patch::patch_module_config
        ))
        .routes(routes!(config::schema::get_module_config_schema))
        .routes(routes!(config::validate::validate_module_config))
        .routes(routes!(config::revisions::list_module_config_revisions))
        .routes(routes!(config::rollback::rollback_module_config))
        .routes(routes!(
            modules::grants::get_module_grants,
            modules::grants::set_module_grants
        ))
        .routes(routes!(
            modules::sandbox::get_module_sandbox,
            modules::sandbox::set_module_sandbox
        ))
        .routes(routes!(modules::logs::get_module_logs))
        .routes(routes!(modules::runs::list_module_runs))
        .routes(routes!(modules::stats::get_module_stats))
        .routes(routes!(modules::events::list_module_events))
        .routes(routes!(modules::methods::list_module_methods))
        .routes(routes!(modules::call::call_module))
        .routes(routes!(operations::list::list_operations))
        .routes(routes!(operations::get::get_operation))
        .routes(routes!(operations::cancel::cancel_operation))
        .routes(routes!(events::list::list_events))
        .routes(routes!(events::stream::stream_events))
        .routes(routes!(node::info::get_node))
        .routes(routes!(node::tip::get_tip))
        .routes(routes!(node::blocks::list_blocks))
        .routes(routes!(node::block::get_block))
        .routes(routes!(node::peers::list_peers))
        .routes(routes!(node::mine::mine_blocks))
        .routes(routes!(node::import::import_blocks))
        .routes(routes!(node::mempool::get_mempool))
        .routes(routes!(node::mempool::list_mempool))
        .routes(routes!(node::mempool::get_mempool_transaction))
        .routes(routes!(node::transactions::send_transactions))
        .routes(routes!(node::transactions::get_template))
        .routes(routes!(node::transactions::get_fees))
        .routes(routes!(
            publishers::list::list_publishers,
            publishers::add::add_publisher
        ))
        .routes(routes!(publishers::rotate::rotate_publisher))
        .routes(routes!(publishers::remove::remove_publisher))
        .routes(routes!(
            registries::list_registries,
            registries::add_registry
        ))
        .routes(routes!(registries::remove_registry))
        .routes(routes!(registries::refresh_registry))
        .routes(routes!(catalog::list_catalog))
        .routes(routes!(catalog::get_catalog_module))
        .routes(routes!(catalog::fetch_catalog_module))
        .routes(routes!(catalog::install_catalog_module))
        .routes(routes!(releases::list::list_releases))
        .routes(routes!(releases::forget::forget_release))
        .routes(routes!(
            tokens::list::list_tokens,
            tokens::create::create_token
        ))
        .routes(routes!(tokens::revoke::revoke_token))
        .routes(routes!(tokens::whoami::get_self))
        .routes(routes!(tokens::login_code::create_login_code))
        .routes(routes!(
            sources::list_webhook_sources,
            sources::create_webhook_source
        ))
        .routes(routes!(
            sources::get_webhook_source,
            sources::set_webhook_source,
            sources::delete_webhook_source
        ))
        .routes(routes!(sources::rotate_webhook_secret))
        .routes(routes!(sources::test_webhook_source))
        .routes(routes!(
            reconcile::get_webhook_reconcile,
            reconcile::set_webhook_reconcile,
            reconcile::delete_webhook_reconcile
        ))
        .routes(routes!(reconcile::run_webhook_reconcile))
        .routes(routes!(deliveries::list_webhook_deliveries))
        .routes(routes!(deliveries::get_webhook_delivery))
        .routes(routes!(deliveries::get_webhook_body))
        .routes(routes!(replay::replay_webhook_delivery))
        .routes(routes!(replay::replay_webhook_deliveries))
        .routes(routes!(
            backups::list::list_backups,
            backups::create::create_backup
        ))
        .routes(routes!(
            endpoints::list_webhook_endpoints,
            endpoints::create_webhook_endpoint
        ))
        .routes(routes!(
            endpoints::get_webhook_endpoint,
            endpoints::set_webhook_endpoint,
            endpoints::delete_webhook_endpoint
        ))
        .routes(routes!(endpoints::enable_webhook_endpoint))
        .routes(routes!(endpoints::disable_webhook_endpoint))
        .routes(routes!(endpoints::rotate_webhook_key))
        .routes(routes!(endpoints::test_webhook_endpoint))
        .routes(routes!(messages::redeliver_webhook_messages))
        .routes(routes!(messages::list_webhook_messages))
        .routes(routes!(messages::get_webhook_message))
        .routes(routes!(messages::redeliver_webhook_message))
        .routes(routes!(audit::list_audit))
        .routes(routes!(host::get_host))
}

/// Addresses outside `/api/v1` that need credentials.
fn beside() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(v1::metrics::get_metrics))
        .routes(routes!(rpc::call_rpc))
}

/// Addresses that anyone may ask; what is sent to the intake of webhooks proves itself.
fn public() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(v1::health::get_healthz))
        .routes(routes!(v1::health::get_readyz))
        .routes(routes!(openapi::get_openapi))
        .routes(routes!(v1::webhooks::intake::receive_webhook))
}

/// The API as one router. `pages` is merged in before the outermost layer, so that the dashboard
/// obeys the same rules of host, origin, request id and problems; it authenticates by
/// [`guard::guard`] itself.
pub fn router(api: &Api, pages: Router<Api>) -> Router {
    let guarded = OpenApiRouter::default()
        .nest("/api/v1", resources())
        .merge(beside());
    let guarded: Router<Api> = guarded.into();
    let guarded = guarded
        .route_layer(from_fn_with_state(api.clone(), idempotency::idempotency))
        .route_layer(from_fn_with_state(api.clone(), guard::guard));
    let open: Router<Api> = public().into();
    guarded
        .merge(open)
        .merge(pages)
        .layer(DefaultBodyLimit::max(edge::MAX_BODY_BYTES))
        .layer(from_fn_with_state(edge::Edge::new(api), edge::edge))
        .with_state(api.clone())
}
