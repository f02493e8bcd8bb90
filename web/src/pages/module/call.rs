//! One of a module's methods, called by hand: a form for the parameters, and what it answered.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::samples::{self, HOSTILE};

/// `GET /modules/{name}/methods/{method}`, and the answer to the form on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/call.html")]
pub struct MethodCall {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// The method's name.
    pub method: String,
    /// What it does.
    pub description: String,
    /// The parameters as JSON: as typed, or an example.
    pub params: String,
    /// What is wrong with them.
    pub params_error: Option<String>,
    /// The JSON Schema of the parameters.
    pub schema: String,
    /// What it answered, as JSON.
    pub result: Option<String>,
    /// Why it did not answer.
    pub failure: Option<String>,
    /// Its address in the API.
    pub path: String,
}

impl MethodCall {
    /// A method that answered.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/methods/since_tip"),
            head: ModuleHead::sample(Tab::Overview),
            method: "since_tip".to_owned(),
            description: "Seconds since the tip was mined.".to_owned(),
            params: "{}".to_owned(),
            params_error: None,
            schema: "{\n  \"type\": \"object\"\n}".to_owned(),
            result: Some("{\n  \"seconds\": 185\n}".to_owned()),
            failure: None,
            path: "/api/v1/modules/block-clock/methods/since_tip".to_owned(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let typo = Self {
            params: "{".to_owned(),
            params_error: Some("This is not JSON: EOF at line 1 column 1.".to_owned()),
            result: None,
            ..Self::sample()
        };
        let failed = Self {
            result: None,
            failure: Some("The module did not answer within 30000 ms.".to_owned()),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/methods/y"),
            head: ModuleHead::hostile(Tab::Overview),
            method: HOSTILE.to_owned(),
            description: HOSTILE.to_owned(),
            params: HOSTILE.to_owned(),
            params_error: Some(HOSTILE.to_owned()),
            schema: HOSTILE.to_owned(),
            result: Some(HOSTILE.to_owned()),
            failure: Some(HOSTILE.to_owned()),
            path: HOSTILE.to_owned(),
        };
        vec![
            ("sample", Self::sample()),
            ("typo", typo),
            ("failed", failed),
            ("hostile", hostile),
        ]
    }
}
