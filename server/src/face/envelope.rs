//! Requests and answers of JSON-RPC as Bitcoin Core has them: version 2.0, and the older style of
//! `bitcoin-cli` where `jsonrpc` is missing.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::error::{INVALID_REQUEST, NO_METHOD, Outcome, Refusal};
use super::message::{Fields, Params};

/// A request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) params: Params,
    id: Option<Value>,
    /// Version 2.0: a refusal answers with 200, a request without id has no answer.
    two: bool,
}

impl Request {
    /// Reads one request; none is what is no object. A refusal still knows the id and the style
    /// that it is answered in.
    pub(super) fn read(fields: Option<Fields>) -> Result<Self, Box<(Self, Refusal)>> {
        let mut request = Self::default();
        match request.fill(fields) {
            Ok(()) => Ok(request),
            Err(refusal) => Err(Box::new((request, refusal))),
        }
    }

    fn fill(&mut self, fields: Option<Fields>) -> Outcome<()> {
        let refuse = |text: &str| Err(Refusal::new(INVALID_REQUEST, text));
        let Some(fields) = fields else {
            self.id = Some(Value::Null);
            return refuse("Invalid Request object");
        };
        self.id = fields.id;
        match fields.jsonrpc {
            Value::Null => {}
            Value::String(version) => match version.as_str() {
                "2.0" => self.two = true,
                "1.0" | "1.1" => {}
                _ => return refuse("JSON-RPC version not supported"),
            },
            _ => return refuse("jsonrpc field must be a string"),
        }
        self.method = match fields.method {
            Value::Null => return refuse("Missing method"),
            Value::String(method) => method,
            _ => return refuse("Method must be a string"),
        };
        if matches!(fields.params, Params::Other) {
            return refuse("Params must be an array or object");
        }
        self.params = fields.params;
        Ok(())
    }

    /// Whether nobody waits for the answer.
    fn is_notification(&self) -> bool {
        self.two && self.id.is_none()
    }

    /// What goes back; none for a notification.
    pub(super) fn reply(self, outcome: Outcome) -> Option<Value> {
        (!self.is_notification()).then(|| self.written(outcome))
    }

    fn written(self, outcome: Outcome) -> Value {
        let mut reply = Map::new();
        match (self.two, outcome) {
            (true, Ok(result)) => {
                reply.insert("jsonrpc".to_owned(), json!("2.0"));
                reply.insert("result".to_owned(), result);
            }
            (true, Err(refusal)) => {
                reply.insert("jsonrpc".to_owned(), json!("2.0"));
                reply.insert("error".to_owned(), refusal.to_json());
            }
            (false, Ok(result)) => {
                reply.insert("result".to_owned(), result);
                reply.insert("error".to_owned(), Value::Null);
            }
            (false, Err(refusal)) => {
                reply.insert("result".to_owned(), Value::Null);
                reply.insert("error".to_owned(), refusal.to_json());
            }
        }
        // Since Bitcoin Core 28, who gives no id gets none back.
        if let Some(id) = self.id {
            reply.insert("id".to_owned(), id);
        }
        Value::Object(reply)
    }

    /// The whole answer to what came alone and is no request, nor a notification: an error in
    /// either style.
    pub(super) fn refuse(self, refusal: Refusal) -> Response {
        (status_of(&refusal), Json(self.written(Err(refusal)))).into_response()
    }

    /// The whole answer to a request that came alone.
    pub(super) fn respond(self, outcome: Outcome) -> Response {
        let status = match &outcome {
            Ok(_) => StatusCode::OK,
            Err(_) if self.two => StatusCode::OK,
            Err(refusal) => status_of(refusal),
        };
        match self.reply(outcome) {
            Some(reply) => (status, Json(reply)).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

/// The answer to what is no request at all.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let nobody = Request {
        id: Some(Value::Null),
        ..Request::default()
    };
    nobody.refuse(refusal)
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.code {
        INVALID_REQUEST => StatusCode::BAD_REQUEST,
        NO_METHOD => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::message::Message;

    fn read(body: &Value) -> Result<Request, Box<(Request, Refusal)>> {
        match Message::read(body.to_string().as_bytes()).unwrap() {
            Message::One(fields) => Request::read(Some(fields)),
            Message::Batch(_) | Message::Other => Request::read(None),
        }
    }

    fn refused(body: &Value) -> String {
        read(body).unwrap_err().1.message
    }

    #[test]
    fn what_is_no_request_is_refused_in_cores_words() {
        assert_eq!(refused(&json!(7)), "Invalid Request object");
        assert_eq!(refused(&json!({})), "Missing method");
        assert_eq!(refused(&json!({ "method": 7 })), "Method must be a string");
        assert_eq!(
            refused(&json!({ "method": "help", "params": "x" })),
            "Params must be an array or object"
        );
        assert_eq!(
            refused(&json!({ "jsonrpc": "3.0", "method": "help" })),
            "JSON-RPC version not supported"
        );
        assert_eq!(
            refused(&json!({ "jsonrpc": 2, "method": "help" })),
            "jsonrpc field must be a string"
        );
    }

    #[test]
    fn each_style_is_answered_in_kind() {
        let old = read(&json!({ "id": "a", "method": "uptime" })).unwrap();
        assert_eq!(
            old.reply(Ok(json!(1))),
            Some(json!({ "result": 1, "error": null, "id": "a" }))
        );
        let nameless = read(&json!({ "method": "uptime" })).unwrap();
        assert_eq!(
            nameless.reply(Ok(json!(1))),
            Some(json!({ "result": 1, "error": null }))
        );
        let new = read(&json!({ "jsonrpc": "2.0", "id": 1, "method": "uptime" })).unwrap();
        assert_eq!(
            new.reply(Err(Refusal::new(-1, "no"))),
            Some(json!({ "jsonrpc": "2.0", "error": { "code": -1, "message": "no" }, "id": 1 }))
        );
        let silent = read(&json!({ "jsonrpc": "2.0", "method": "uptime" })).unwrap();
        assert_eq!(silent.reply(Ok(json!(1))), None);
    }
}
