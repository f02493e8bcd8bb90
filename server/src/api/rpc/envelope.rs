//! Requests and answers of JSON-RPC, in both styles.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::api::error::{ApiError, Code};

/// The style of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// JSON-RPC 2.0: errors answer with 200, a request without id has no answer.
    Two,
    /// As bitcoin-cli: `result` and `error` are always there, errors answer with 500.
    One,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) params: Value,
    id: Option<Value>,
    style: Style,
}

impl Request {
    pub(super) fn read(message: Value) -> Result<Self, Failure> {
        let refuse = |text: &str| Failure::new(-32600, text);
        let Value::Object(mut fields) = message else {
            return Err(refuse(
                "a request is an object with `method`, `params` and `id`",
            ));
        };
        let style = match fields.get("jsonrpc").map(|version| version.as_str()) {
            Some(Some("2.0")) => Style::Two,
            None | Some(Some("1.0" | "1.1")) => Style::One,
            Some(_) => return Err(refuse("`jsonrpc` is neither `2.0` nor missing")),
        };
        let id = fields.remove("id");
        let fits = matches!(
            id,
            None | Some(Value::Null | Value::String(_) | Value::Number(_))
        );
        if !fits {
            return Err(refuse("`id` is not a string, a number or null"));
        }
        let Some(Value::String(method)) = fields.remove("method") else {
            return Err(refuse("`method` is missing or not a string"));
        };
        let params = fields.remove("params").unwrap_or(Value::Null);
        Ok(Self {
            method,
            params,
            id,
            style,
        })
    }
}

/// A refusal, with Bitcoin Core's numbers where one fits.
#[derive(Debug)]
pub(super) struct Failure {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Failure {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        error
    }

    fn status(&self) -> StatusCode {
        match self.code {
            -32600 => StatusCode::BAD_REQUEST,
            -32601 => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match error.code() {
            // RPC_INVALID_ADDRESS_OR_KEY
            Code::NotFound
            | Code::ModuleNotFound
            | Code::MethodNotFound
            | Code::OperationNotFound
            | Code::RevisionNotFound => -5,
            // RPC_INVALID_PARAMETER
            Code::InvalidBody
            | Code::InvalidConfig
            | Code::InvalidRequest
            | Code::InvalidManifest
            | Code::InvalidParameter => -8,
            // RPC_IN_WARMUP
            Code::Unavailable | Code::NodeUnavailable | Code::ShuttingDown => -28,
            Code::Internal => -32603,
            // RPC_MISC_ERROR
            _ => -1,
        };
        Self {
            code,
            message: error.problem().detail.clone(),
            data: serde_json::to_value(error.problem()).ok(),
        }
    }
}

/// What goes back for one request.
#[derive(Debug)]
pub(super) struct Answer {
    body: Option<Value>,
    status: StatusCode,
}

impl Answer {
    pub(super) fn new(request: &Request, outcome: Result<Value, Failure>) -> Self {
        let id = request.id.clone().unwrap_or(Value::Null);
        let (body, status) = match (request.style, outcome) {
            (Style::Two, _) if request.id.is_none() => (None, StatusCode::NO_CONTENT),
            (Style::Two, Ok(result)) => (
                Some(json!({ "jsonrpc": "2.0", "result": result, "id": id })),
                StatusCode::OK,
            ),
            (Style::Two, Err(failure)) => (
                Some(json!({ "jsonrpc": "2.0", "error": failure.to_json(), "id": id })),
                StatusCode::OK,
            ),
            (Style::One, Ok(result)) => (
                Some(json!({ "result": result, "error": null, "id": id })),
                StatusCode::OK,
            ),
            (Style::One, Err(failure)) => (
                Some(json!({ "result": null, "error": failure.to_json(), "id": id })),
                failure.status(),
            ),
        };
        Self { body, status }
    }

    /// The answer to what is not a request.
    pub(super) fn to_nobody(failure: &Failure) -> Self {
        Self {
            body: Some(json!({ "jsonrpc": "2.0", "error": failure.to_json(), "id": null })),
            status: failure.status(),
        }
    }

    pub(super) fn into_json(self) -> Option<Value> {
        self.body
    }

    pub(super) fn into_response(self) -> Response {
        match self.body {
            Some(body) => (self.status, Json(body)).into_response(),
            None => self.status.into_response(),
        }
    }
}

/// The answer to a body that is no request at all.
pub(super) fn refuse(failure: &Failure) -> Response {
    Answer::to_nobody(failure).into_response()
}

/// The answers of a batch; none where all were notifications.
pub(super) fn answer_batch(answers: Vec<Value>) -> Response {
    if answers.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    Json(answers).into_response()
}
