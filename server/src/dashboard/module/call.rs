//! `/modules/{name}/methods/{method}`: one of a module's methods, called by hand.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::module::{MethodCall, Tab};
use serde_json::Value;

use super::{find, head};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::dashboard::form::Signed;
use crate::dashboard::present::sentence;
use crate::dashboard::respond::{page, refused_page};
use crate::dashboard::visit::Visit;
use crate::model::Scope;

/// What was typed, and what came of it.
#[derive(Debug, Default)]
struct Typed {
    params: Option<String>,
    params_error: Option<String>,
    result: Option<String>,
    failure: Option<String>,
}

/// `GET /modules/{name}/methods/{method}`
///
/// # Errors
/// When there is no such module, or it offers no such method now.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path((name, method)): Path<(ModuleName, String)>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    page(&view(&api, &visit, &name, &method, Typed::default()).await?)
}

/// `POST /modules/{name}/methods/{method} {params}`
///
/// The answer is shown at once, so that it is no redirect.
///
/// # Errors
/// When there is no such module, or it offers no such method now.
pub async fn call(
    State(api): State<Api>,
    Path((name, method)): Path<(ModuleName, String)>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesControl)?;
    let text = fields.get("params").to_owned();
    let mut typed = Typed {
        params: Some(text.clone()),
        ..Typed::default()
    };
    let params = match serde_json::from_str::<Value>(&text) {
        Ok(params) => params,
        Err(error) => {
            typed.params_error = Some(format!("This is not JSON: {error}."));
            return refused_page(&view(&api, &visit, &name, &method, typed).await?);
        }
    };
    match api
        .control
        .call(&name, &method, params, &visit.actor())
        .await
    {
        Ok(answer) => {
            typed.result = Some(pretty(&answer));
            page(&view(&api, &visit, &name, &method, typed).await?)
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status == 404 || refused.code() == Code::Internal {
                return Err(refused);
            }
            typed.failure = Some(sentence(&refused.problem().detail));
            refused_page(&view(&api, &visit, &name, &method, typed).await?)
        }
    }
}

async fn view(
    api: &Api,
    visit: &Visit,
    name: &ModuleName,
    method: &str,
    typed: Typed,
) -> ApiResult<MethodCall> {
    let seen = find(api, name).await?;
    let offered = seen.observed.methods.iter().find(|one| one.name == method);
    let found = offered.ok_or_else(|| {
        let known: Vec<_> = seen
            .observed
            .methods
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let text = format!("`{name}` offers no method `{method}` now; it offers {known}");
        ApiError::new(Code::MethodNotFound, text)
    })?;
    Ok(MethodCall {
        chrome: visit.chrome(api).await?,
        head: head(api, &seen, Tab::Overview).await?,
        method: found.name.clone(),
        description: sentence(&found.description),
        params: typed.params.unwrap_or_else(|| example(&found.params)),
        params_error: typed.params_error,
        schema: pretty(&found.params),
        result: typed.result,
        failure: typed.failure,
        path: format!("/api/v1/modules/{name}/methods/{method}"),
    })
}

/// Parameters to begin with: the properties that must be there, empty or with their defaults.
fn example(schema: &Value) -> String {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = required.iter().filter_map(Value::as_str);
    let fields = names.map(|name| {
        let property = &schema["properties"][name];
        let value = match (property.get("default"), property["type"].as_str()) {
            (Some(default), _) => default.clone(),
            (None, Some("integer" | "number")) => 0.into(),
            (None, Some("boolean")) => false.into(),
            (None, Some("array")) => Value::Array(Vec::new()),
            (None, Some("string")) => "".into(),
            _ => Value::Null,
        };
        (name.to_owned(), value)
    });
    pretty(&Value::Object(fields.collect()))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
