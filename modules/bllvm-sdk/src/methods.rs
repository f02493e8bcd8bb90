//! A module's own methods: typed inside, JSON with a schema outside.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bllvm_ipc::ErrorReply;
use bllvm_ipc::lifecycle::Call;
use bllvm_ipc::page::Page;
use bllvm_ipc::types::MethodDescription;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// Who calls a method: `operator`, or `module:<name>`. Set by the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub String);

impl Caller {
    /// The calling module's name; none for the operator.
    pub fn module(&self) -> Option<&str> {
        self.0.strip_prefix("module:")
    }
}

/// Parameters of a method that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

type Answer = Pin<Box<dyn Future<Output = Result<Value, ErrorReply>> + Send>>;
type Run<M> = Box<dyn Fn(Arc<M>, Caller, Value) -> Result<Answer, ErrorReply> + Send + Sync>;

struct Entry<M> {
    description: MethodDescription,
    run: Run<M>,
}

/// The methods that a module offers. They appear in REST, JSON-RPC, the command line and the
/// dashboard, with forms made from the schemas of their parameters.
///
/// ```
/// use std::sync::Arc;
/// use bllvm_sdk::{Context, Methods, Module, NoConfig, NoParams, Result};
/// use bllvm_sdk::schemars::{self, JsonSchema};
/// use serde::Serialize;
///
/// struct Clock;
///
/// #[derive(Serialize, JsonSchema)]
/// struct TipAge { seconds: u64 }
///
/// impl Clock {
///     async fn tip_age(self: Arc<Self>, _: NoParams) -> Result<TipAge> {
///         Ok(TipAge { seconds: 12 })
///     }
/// }
///
/// impl Module for Clock {
///     type Config = NoConfig;
///
///     async fn prepare(_: Context, _: NoConfig) -> Result<Self> {
///         Ok(Self)
///     }
///
///     fn methods() -> Methods<Self> {
///         Methods::new().method("tip_age", "How old the tip is.", Self::tip_age)
///     }
/// }
/// assert_eq!(Clock::methods().descriptions()[0].name, "tip_age");
/// ```
pub struct Methods<M> {
    entries: BTreeMap<&'static str, Entry<M>>,
}

impl<M> fmt::Debug for Methods<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl<M> Default for Methods<M> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }
}

impl<M: Send + Sync + 'static> Methods<M> {
    /// No methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method: its name (a-z, 0-9, `_`), one sentence, and the function.
    #[must_use]
    pub fn method<P, R, F, Fut>(self, name: &'static str, summary: &str, function: F) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        F: Fn(Arc<M>, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        self.method_with_caller(name, summary, move |module, _, params| {
            function(module, params)
        })
    }

    /// Adds a method that is told who calls.
    #[must_use]
    pub fn method_with_caller<P, R, F, Fut>(
        self,
        name: &'static str,
        summary: &str,
        function: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        F: Fn(Arc<M>, Caller, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        self.described(name, summary, schema_of::<R>(), function)
    }

    /// Adds a method that answers with a [`Page`] for the dashboard. `[ui] pages` in `module.toml`
    /// gives it an id and a title; it is called whenever somebody looks, so it changes nothing.
    #[must_use]
    pub fn page<P, F, Fut>(self, name: &'static str, summary: &str, function: F) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        F: Fn(Arc<M>, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Page>> + Send + 'static,
    {
        let result = serde_json::json!({
            "title": "Page",
            "description": "a page of the dashboard, as data",
            "type": "object",
        });
        self.described(name, summary, result, move |module, _, params| {
            function(module, params)
        })
    }

    fn described<P, R, F, Fut>(
        mut self,
        name: &'static str,
        summary: &str,
        result: Value,
        function: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        R: Serialize,
        F: Fn(Arc<M>, Caller, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        let description = MethodDescription {
            name: name.to_owned(),
            description: summary.to_owned(),
            params: schema_of::<P>(),
            result,
        };
        let run: Run<M> = Box::new(move |module, caller, params| {
            let params = serde_json::from_value(params)
                .map_err(|error| ErrorReply::invalid(format!("`{name}`: {error}")))?;
            let answer = function(module, caller, params);
            Ok(Box::pin(async move {
                let result = answer.await.map_err(|error| {
                    tracing::warn!(method = name, "method failed: {}", error.chain());
                    error.to_reply()
                })?;
                serde_json::to_value(result)
                    .map_err(|error| ErrorReply::internal(format!("`{name}`: {error}")))
            }))
        });
        self.entries.insert(name, Entry { description, run });
        self
    }

    /// The methods with their schemas, in order of name.
    pub fn descriptions(&self) -> Vec<MethodDescription> {
        self.entries
            .values()
            .map(|entry| entry.description.clone())
            .collect()
    }

    /// Begins a call; an unknown name and unfit parameters are refused at once.
    pub(crate) fn begin(&self, module: Arc<M>, call: Call) -> Result<Answer, ErrorReply> {
        let Some(entry) = self.entries.get(call.method.as_str()) else {
            let known: Vec<_> = self.entries.keys().copied().collect();
            return Err(ErrorReply::not_found(format!(
                "no method `{}`; there is: {}",
                call.method,
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        };
        // No parameters and empty parameters are the same for those who type them.
        let params = if call.params.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            call.params
        };
        (entry.run)(module, Caller(call.caller), params)
    }
}

/// The JSON Schema 2020-12 of a type.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    schemars::SchemaGenerator::default()
        .into_root_schema_for::<T>()
        .to_value()
}
