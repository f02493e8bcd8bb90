//! The OpenAPI document, from the handlers' own descriptions.
//!
//! A handler says what is particular about it: the scope it needs (`x-scope`) and the refusals
//! that only it makes (`x-problems`). What holds for all of them is added here: credentials, and
//! the refusals of the layers around it. A test keeps `openapi/v1.json` equal to this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApiBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;

use super::error::{Code, FieldProblem, PROBLEM_JSON, Problem};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&*DOCUMENT).unwrap_or_default() + "\n");
static OPERATIONS: LazyLock<BTreeMap<(String, String), String>> = LazyLock::new(|| {
    operations(&DOCUMENT)
        .filter_map(|(method, path, operation)| {
            let id = operation["operationId"].as_str()?;
            Some(((method.to_uppercase(), path.to_owned()), id.to_owned()))
        })
        .collect()
});

/// The document as text, as `bllvm-node openapi` prints it.
pub fn openapi() -> &'static str {
    &TEXT
}

/// The id of the operation that serves a method at an address's template.
pub fn operation_id(method: &Method, path: &str) -> Option<&'static str> {
    let key = (method.as_str().to_owned(), path.to_owned());
    OPERATIONS.get(&key).map(String::as_str)
}

/// Every operation: method in lower case, template of the address, description.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        METHODS
            .into_iter()
            .filter_map(move |method| Some((method, path.as_str(), item.get(method)?)))
    })
}

/// Shows this document.
///
/// OpenAPI 3.1. It needs no credentials, because it is the same for everyone.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "host",
    responses((status = 200, description = "The document.", body = Object)),
    extensions(("x-public" = json!(true)))
)]
pub async fn get_openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi()).into_response()
}

fn document() -> Value {
    let base = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("bllvm")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(include_str!("openapi.md")))
                .build(),
        )
        .components(Some(ComponentsBuilder::new().build()))
        .build();
    let router = OpenApiRouter::with_openapi(base)
        .nest("/api/v1", super::resources())
        .merge(super::beside())
        .merge(super::public());
    let mut document = serde_json::to_value(router.into_openapi()).unwrap_or_default();
    components(&mut document);
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete(path, method, operation);
            }
        }
    }
    document
}

/// The parts that operations refer to: problems, and the ways to show who asks.
fn components(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    schemas["Problem"] = json!(Problem::schema());
    schemas["FieldProblem"] = json!(FieldProblem::schema());
    schemas["Code"] = json!(Code::schema());
    let lines = Code::ALL
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.title()));
    let about = "What kind of refusal it is. Words are added, never changed.\n\n";
    schemas["Code"]["description"] =
        json!(about.to_owned() + &lines.collect::<Vec<_>>().join("\n"));
    let mut needed = Vec::new();
    Problem::schemas(&mut needed);
    for (name, schema) in needed {
        if schemas[&name].is_null() {
            schemas[name] = json!(schema);
        }
    }
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "A token, `bllvm_<id>_<secret>`. `x-scope` names the scope that an operation needs; `admin` includes all."
        },
        "cookie_file": {
            "type": "http", "scheme": "basic",
            "description": "User and password from the file `.cookie` in the data directory, or any user with a token as password."
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "bllvm_session_8480",
            "description": "A browser's session; the name ends in the port. What changes something needs `X-CSRF-Token`."
        }
    });
}

/// Adds what the layers around a handler do to its description.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let public = operation["x-public"] == json!(true);
    let mut codes: BTreeSet<Code> = operation["x-problems"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| Code::from_word(word.as_str()?))
        .collect();
    codes.extend([Code::BadRequest, Code::HostRefused, Code::OriginRefused]);
    if public {
        operation["security"] = json!([]);
    } else {
        operation["security"] = json!([{ "token": [] }, { "cookie_file": [] }, { "session": [] }]);
        codes.extend([
            Code::DeadlineExceeded,
            Code::Internal,
            Code::InvalidCredentials,
            Code::ModuleNotPermitted,
            Code::SessionExpired,
            Code::ShuttingDown,
            Code::TokenExpired,
            Code::TokenRevoked,
            Code::TooManyRequests,
            Code::Unauthenticated,
        ]);
        if operation["x-scope"].is_string() {
            codes.insert(Code::MissingScope);
        }
        if method != "get" {
            codes.extend([Code::CsrfRefused, Code::DiskFull]);
        }
        if method == "post" && path.starts_with("/api/") {
            codes.extend([
                Code::IdempotencyAnswerLost,
                Code::IdempotencyInFlight,
                Code::IdempotencyMismatch,
            ]);
            let key = json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "schema": { "type": "string", "maxLength": 128 },
                "description": "Whoever repeats the request with the same key within 24 hours gets the first answer again; where the node ended between the change and its answer, `idempotency_answer_lost`. Calls of modules' methods are kept when the module has answered: such a call may be made twice if the node is killed meanwhile."
            });
            push(operation, "parameters", key);
        }
    }
    if has_input(operation) {
        codes.insert(Code::InvalidParameter);
    }
    if !operation["requestBody"]["content"]["application/json"].is_null() {
        codes.extend([
            Code::InvalidBody,
            Code::InvalidJson,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
        ]);
    }
    operation["x-problems"] = codes.iter().map(|code| code.as_str()).collect();
    responses(operation, &codes);
}

fn has_input(operation: &Value) -> bool {
    operation["parameters"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
}

fn push(operation: &mut Value, list: &str, item: Value) {
    match operation[list].as_array_mut() {
        Some(items) => items.push(item),
        None => operation[list] = json!([item]),
    }
}

/// One response a status, which lists its codes.
fn responses(operation: &mut Value, codes: &BTreeSet<Code>) {
    let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        statuses
            .entry(code.status().as_u16())
            .or_default()
            .push(*code);
    }
    for (status, codes) in statuses {
        let words: Vec<_> = codes
            .iter()
            .map(|code| format!("`{}`", code.as_str()))
            .collect();
        let mut content = Map::new();
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        content.insert(PROBLEM_JSON.to_owned(), schema);
        operation["responses"][status.to_string()] =
            json!({ "description": words.join(", "), "content": content });
    }
}
