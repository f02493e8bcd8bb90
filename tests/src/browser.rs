//! A browser without script: logged in by a one-time code, with a cookie and forms.

use std::fmt::Write as _;

use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::{Answer, Rest, TestServer};

/// A session of the dashboard.
#[derive(Clone, Debug)]
pub struct Browser {
    rest: Rest,
    origin: String,
    cookie: String,
}

impl Browser {
    /// Logs in.
    ///
    /// # Panics
    /// When the node lets nobody in.
    pub async fn log_in(server: &TestServer) -> Self {
        let rest = server.rest.clone();
        let made = rest.post("/api/v1/login-codes", &json!({})).await.done();
        let code = made["code"].as_str().expect("a code").to_owned();
        let mut browser = Self {
            origin: rest.base.clone(),
            rest,
            cookie: String::new(),
        };
        let fields = [("token", code.as_str()), ("next", "/")];
        let answer = browser.post("/login", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.headers[SET_COOKIE].to_str().expect("a cookie");
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut browser.cookie);
        browser
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let asked = self.rest.anonymous(method, path);
        asked
            .header(ACCEPT, "text/html,*/*;q=0.8")
            .header(ORIGIN, &self.origin)
            .header(COOKIE, &self.cookie)
    }

    /// A page, whatever its status; `query` is encoded.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let path = with_query(path, query);
        self.rest.send(self.ask(Method::GET, &path)).await
    }

    /// A form as it is.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let asked = self.ask(Method::POST, path);
        let asked = asked.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.rest.send(asked.body(encoded(fields))).await
    }

    /// A form of a page, with the session's token in it.
    ///
    /// # Panics
    /// When the page has no form.
    pub async fn submit(
        &self,
        path: &str,
        query: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let page = self.get(path, query).await.text;
        let token = page.split("name=\"_csrf\" value=\"").nth(1);
        let token = token.and_then(|rest| rest.split('"').next());
        let token = token.expect("a form with a token").to_owned();
        let fields = [fields, &[("_csrf", token.as_str())]].concat();
        self.post(&with_query(path, query), &fields).await
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    match query {
        [] => path.to_owned(),
        some => format!("{path}?{}", encoded(some)),
    }
}

/// Fields as a form sends them.
fn encoded(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            // Writing to a string cannot fail.
            let _ = match byte {
                plain if plain.is_ascii_alphanumeric() => write!(text, "{}", char::from(plain)),
                other => write!(text, "%{other:02X}"),
            };
        }
    }
    text
}
