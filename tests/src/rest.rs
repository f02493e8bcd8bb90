//! A REST client with the cookie of the server under test.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The code of the problem document; empty where it is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The JSON of a success.
    ///
    /// # Panics
    /// When it is a refusal.
    #[track_caller]
    pub fn done(&self) -> Value {
        assert!(
            self.status.is_success(),
            "refused: {} {}",
            self.status,
            self.text
        );
        self.json()
    }

    /// The problem document of a refusal.
    ///
    /// # Panics
    /// When it is a success, or no problem document.
    #[track_caller]
    pub fn refused(&self) -> Value {
        assert!(!self.status.is_success(), "not refused: {}", self.text);
        let kind = self.headers.get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "{} {kind}: {}",
            self.status,
            self.text
        );
        self.json()
    }

    /// The entity tag.
    pub fn etag(&self) -> String {
        let tag = self.headers.get("etag").and_then(|tag| tag.to_str().ok());
        tag.unwrap_or_default().to_owned()
    }
}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Rest {
    http: reqwest::Client,
    /// The address, without a slash at its end.
    pub base: String,
    /// User and password.
    pub cookie: (String, String),
}

impl Rest {
    /// A client; `cookie` is the text of the cookie file.
    pub fn new(base: &str, cookie: &str) -> Self {
        let (user, password) = cookie.trim().split_once(':').unwrap_or_default();
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
            base: base.trim_end_matches('/').to_owned(),
            cookie: (user.to_owned(), password.to_owned()),
        }
    }

    /// A request as the local administrator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path)
            .basic_auth(&self.cookie.0, Some(&self.cookie.1))
    }

    /// A request as nobody.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends, and reads the answer; none where the server went away meanwhile.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        let answer = request.timeout(PATIENCE).send().await.ok()?;
        Some(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.ok()?,
        })
    }

    /// Sends, and reads the answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Calls a JSON-RPC method; the result or the error.
    ///
    /// # Errors
    /// The error member.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": method, "params": params
        });
        let answer = self.post("/rpc", &body).await.json();
        match &answer["error"] {
            Value::Null => Ok(answer["result"].clone()),
            error => Err(error.clone()),
        }
    }
}
