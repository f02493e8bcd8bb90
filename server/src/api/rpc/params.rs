//! Parameters of a method, by position or by name.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::envelope::Failure;
use super::methods::Method;
use crate::api::error::{ApiError, ApiResult, Code};

/// The parameters of one request, by name.
#[derive(Debug)]
pub(super) struct Params {
    usage: &'static str,
    values: Map<String, Value>,
}

impl Params {
    /// Puts positions to names, and refuses what the method does not know.
    pub(super) fn read(method: &Method, params: &Value) -> Result<Self, Failure> {
        let usage = method.usage;
        let refuse = |text: String| Failure::new(-32602, format!("{text}; usage: {usage}"));
        let names: Vec<&str> = method.names().collect();
        let values = match params {
            Value::Null => Map::new(),
            Value::Array(values) if values.len() > names.len() => {
                let (found, most) = (values.len(), names.len());
                return Err(refuse(format!(
                    "{found} parameters where at most {most} belong"
                )));
            }
            Value::Array(values) => names
                .iter()
                .zip(values)
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            Value::Object(values) => {
                if let Some(unknown) = values.keys().find(|name| !names.contains(&name.as_str())) {
                    let unknown = super::printable(unknown);
                    return Err(refuse(format!("there is no parameter `{unknown}`")));
                }
                values.clone()
            }
            _ => {
                return Err(refuse(
                    "`params` is neither an array nor an object".to_owned(),
                ));
            }
        };
        Ok(Self { usage, values })
    }

    /// A parameter that must be there.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> ApiResult<T> {
        self.maybe(name)?.ok_or_else(|| {
            let detail = format!("`{name}` is missing; usage: {}", self.usage);
            ApiError::new(Code::InvalidParameter, detail)
        })
    }

    /// A parameter where it is a text; it stays there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// A parameter that may be there.
    pub(super) fn maybe<T: DeserializeOwned>(&mut self, name: &str) -> ApiResult<Option<T>> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|fault| {
                let detail = format!("`{name}` does not fit: {fault}; usage: {}", self.usage);
                ApiError::new(Code::InvalidParameter, detail)
            }),
        }
    }
}
