//! What the methods of a module take: their schemas, compiled once when they are registered, so that
//! a call which cannot fit never reaches the module.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bllvm_ipc::ErrorReply;
use bllvm_ipc::types::MethodDescription;
use bllvm_manifest::ParamsSchema;
use serde_json::Value;

use crate::supervisor::CallFailure;

/// The parameters' schemas of one module's methods. Cheap to clone; the clones are one.
#[derive(Clone, Debug, Default)]
pub struct ParamsSchemas(Arc<RwLock<BTreeMap<String, Arc<ParamsSchema>>>>);

impl ParamsSchemas {
    /// Takes the schemas of these methods instead of those before.
    ///
    /// # Errors
    /// `invalid`, which names the method whose schema is none; nothing is replaced then.
    pub fn replace(&self, methods: &[MethodDescription]) -> Result<(), ErrorReply> {
        let mut schemas = BTreeMap::new();
        for method in methods {
            // A method that says nothing takes anything.
            if method.params.is_null() {
                continue;
            }
            let schema = ParamsSchema::from_value(method.params.clone()).map_err(|error| {
                ErrorReply::invalid(format!(
                    "`methods`: the parameters of `{}`: {error}",
                    method.name
                ))
            })?;
            schemas.insert(method.name.clone(), Arc::new(schema));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = schemas;
        Ok(())
    }

    /// Compares the parameters of a call with the method's schema.
    ///
    /// # Errors
    /// [`CallFailure::Params`], which names the fields.
    pub fn check(&self, method: &str, params: &Value) -> Result<(), CallFailure> {
        let schema = {
            let schemas = self.0.read().unwrap_or_else(PoisonError::into_inner);
            schemas.get(method).cloned()
        };
        let problems = schema.map_or_else(Vec::new, |schema| schema.validate(params));
        if problems.is_empty() {
            return Ok(());
        }
        Err(CallFailure::Params {
            method: method.to_owned(),
            problems,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn method(name: &str, params: Value) -> MethodDescription {
        MethodDescription {
            name: name.to_owned(),
            description: String::new(),
            params,
            result: Value::Null,
        }
    }

    #[test]
    fn a_call_that_does_not_fit_names_the_field() {
        let schemas = ParamsSchemas::default();
        let count = json!({ "type": "object", "properties": { "count": { "type": "integer" } } });
        let methods = [method("mine", count), method("any", Value::Null)];
        schemas.replace(&methods).unwrap();

        schemas.check("mine", &json!({ "count": 2 })).unwrap();
        schemas.check("any", &json!([1, "two"])).unwrap();
        let refused = schemas.check("mine", &json!({ "count": "two" }));
        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("`mine`") && text.contains("`count`"),
            "{text}"
        );
        let refused = schemas.check("mine", &json!([]));
        let text = refused.unwrap_err().to_string();
        assert!(!text.contains("configuration"), "{text}");
    }

    #[test]
    fn a_schema_that_is_none_is_refused_with_its_method_and_changes_nothing() {
        let schemas = ParamsSchemas::default();
        schemas
            .replace(&[method("good", json!({ "type": "array" }))])
            .unwrap();
        let wrong = method("wrong", json!({ "type": 7 }));
        let refused = schemas.replace(&[method("good", Value::Null), wrong]);
        assert!(refused.unwrap_err().message.contains("`wrong`"));
        assert!(schemas.check("good", &json!({})).is_err());
    }
}
