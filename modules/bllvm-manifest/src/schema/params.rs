//! The schema of a method's parameters: plain JSON Schema, as the module wrote it.

use std::fmt;

use jsonschema::Validator;
use serde_json::Value;

use super::compiled::{MAX_PROBLEMS, SchemaError, compile};
use super::problem::{ConfigProblem, explain, one};

/// A JSON Schema 2020-12 that describes the parameters of a method.
///
/// Unlike a configuration's, it may describe any value, and what it does not mention is allowed
/// unless it says otherwise.
pub struct ParamsSchema {
    root: Value,
    validator: Validator,
}

impl fmt::Debug for ParamsSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParamsSchema")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl ParamsSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn from_value(root: Value) -> Result<Self, SchemaError> {
        let validator = compile(&root)?;
        Ok(Self { root, validator })
    }

    /// Everything that is wrong with the parameters; nothing if they are valid.
    pub fn validate(&self, params: &Value) -> Vec<ConfigProblem> {
        let mut problems: Vec<ConfigProblem> = Vec::new();
        for error in self.validator.iter_errors(params) {
            let mut found = explain(&self.root, params, &error);
            if found.is_empty() {
                // No words of its own, and a fault all the same.
                found.push(one(&self.root, params, &error));
            }
            for problem in found {
                if problems.len() < MAX_PROBLEMS && !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> ParamsSchema {
        let schema = json!({
            "type": "object",
            "properties": { "count": { "type": "integer", "minimum": 1 } },
            "required": ["count"]
        });
        ParamsSchema::from_value(schema).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_named_and_what_is_not_mentioned_is_allowed() {
        assert!(
            schema()
                .validate(&json!({ "count": 1, "more": true }))
                .is_empty()
        );
        for (params, key) in [
            (json!({ "count": 0 }), "count"),
            (json!({ "count": "one" }), "count"),
            (json!({}), "count"),
        ] {
            let problems = schema().validate(&params);
            assert_eq!(problems.len(), 1, "{params}: {problems:?}");
            assert_eq!(problems[0].key, key, "{params}");
        }
        assert!(!schema().validate(&json!([1])).is_empty());
    }

    #[test]
    fn a_method_that_takes_nothing_takes_nothing() {
        let schema = json!({ "type": "object", "additionalProperties": false });
        let nothing = ParamsSchema::from_value(schema).unwrap();
        assert!(nothing.validate(&json!({})).is_empty());
        assert!(!nothing.validate(&json!({ "nonsense": 1 })).is_empty());
    }

    #[test]
    fn any_value_can_be_described_and_a_wrong_schema_is_refused() {
        let list = ParamsSchema::from_value(json!({ "type": "array", "maxItems": 1 })).unwrap();
        assert!(list.validate(&json!([1])).is_empty());
        assert!(!list.validate(&json!([1, 2])).is_empty());
        assert!(ParamsSchema::from_value(json!({ "type": "number-ish" })).is_err());
        assert!(ParamsSchema::from_value(json!({ "$ref": "http://127.0.0.1/x" })).is_err());
    }
}
