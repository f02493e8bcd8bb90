//! `POST /modules/{name}/methods/{method}`.

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::Scope;

/// What a method answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallAnswer {
    /// The result, as the method's own schema describes it.
    #[schema(value_type = Object)]
    pub result: Value,
}

/// Calls a method that a module offers.
///
/// The body is the method's parameters, as its schema in `GET /modules/{name}/methods` describes
/// them.
#[utoipa::path(
    post, path = "/modules/{name}/methods/{method}", tag = "modules",
    params(
        ("name" = String, Path, description = "The module's name."),
        ("method" = String, Path, description = "The method's name.")
    ),
    request_body(content = Option<Object>, description = "The method's parameters."),
    responses((status = 200, description = "What the method answered.", body = CallAnswer)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!([
            "module_not_found", "method_not_found", "module_not_running", "module_refused",
            "module_gone", "invalid_request"
        ]))
    )
)]
pub async fn call_module(
    caller: Caller,
    Path((name, method)): Path<(ModuleName, String)>,
    State(api): State<Api>,
    params: Option<Json<Value>>,
) -> ApiResult<JsonAnswer<CallAnswer>> {
    caller.require(Scope::ModulesControl)?;
    let params = params.map_or_else(
        || Value::Object(serde_json::Map::new()),
        |Json(value)| value,
    );
    let result = api
        .control
        .call(&name, &method, params, &caller.actor())
        .await;
    let result =
        result.map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))?;
    Ok(JsonAnswer(CallAnswer { result }))
}
