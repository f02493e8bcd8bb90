//! A client of Bitcoin Core's JSON-RPC, as plain as `bitcoin-cli`.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::Answer;

/// A client with one password.
#[derive(Clone, Debug)]
pub struct CoreRpc {
    http: reqwest::Client,
    /// The address, without a slash at its end.
    pub url: String,
    user: String,
    /// The password.
    pub password: String,
}

impl CoreRpc {
    /// A client of the node at `url`.
    pub fn new(url: &str, user: &str, password: &str) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            url: url.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A request without a password.
    pub fn anonymous(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends, and reads the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("a body"),
        }
    }

    /// A GET with the password.
    pub async fn get(&self, path: &str) -> Answer {
        let request = self.anonymous(reqwest::Method::GET, path);
        self.send(request.basic_auth(&self.user, Some(&self.password)))
            .await
    }

    /// A body of any kind, as it is.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.anonymous(reqwest::Method::POST, "/").body(body);
        self.send(request.basic_auth(&self.user, Some(&self.password)))
            .await
    }

    /// A call in the older style; a refusal is its number and words.
    ///
    /// # Errors
    /// The number and words.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        let request = json!({ "id": "test", "method": method, "params": params });
        let answer = self.post(request.to_string()).await;
        let body = answer.json();
        assert_eq!(body["id"], "test", "{} {}", answer.status, answer.text);
        if body["error"].is_null() {
            assert_eq!(answer.status, StatusCode::OK);
            return Ok(body["result"].clone());
        }
        let words = body["error"]["message"].as_str().unwrap_or_default();
        let number = body["error"]["code"].as_i64().unwrap_or_default();
        Err((number, words.to_owned()))
    }

    /// A call that must succeed.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn done(&self, method: &str, params: Value) -> Value {
        let shown = params.to_string();
        let done = self.call(method, params).await;
        done.unwrap_or_else(|refused| panic!("{method} {shown}: {refused:?}"))
    }
}
