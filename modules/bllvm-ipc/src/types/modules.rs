//! Other modules, their methods, and what a module shows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Sample, wire_types};

wire_types! {
    /// A module as its neighbours see it.
    ModuleSummary {
        /// Its name.
        name: String = "block-clock".to_owned(),
        /// Its version.
        version: String = "0.1.0".to_owned(),
        /// Its observed state.
        state: String = "running".to_owned(),
        /// Its published methods.
        #[serde(default)]
        methods: Vec<String> = vec!["tip_age".to_owned()],
    }

    /// The installed modules.
    ModuleSummaries {
        /// In order of name.
        modules: Vec<ModuleSummary> = vec![ModuleSummary::sample()],
    }

    /// Calls a published method of another module.
    ModuleCallRequest {
        /// The module's name.
        module: String = "block-clock".to_owned(),
        /// The method's name.
        method: String = "tip_age".to_owned(),
        /// Its parameters.
        #[serde(default)]
        params: serde_json::Value = serde_json::json!({}),
    }

    /// What a published method answered.
    ModuleCallResult {
        /// The result.
        result: serde_json::Value = serde_json::json!({ "seconds": 12 }),
    }

    /// Publishes methods; replaces those published before.
    RegisterRequest {
        /// The methods.
        methods: Vec<MethodDescription> = vec![MethodDescription::sample()],
    }

    /// A method that a module offers.
    MethodDescription {
        /// a-z0-9_, at most 64.
        name: String = "tip_age".to_owned(),
        /// One sentence.
        description: String = "How old the tip is.".to_owned(),
        /// JSON Schema 2020-12 of its parameters.
        #[serde(default)]
        params: serde_json::Value = serde_json::json!({ "type": "object" }),
        /// JSON Schema 2020-12 of its result.
        #[serde(default)]
        result: serde_json::Value = serde_json::json!({ "type": "object" }),
    }

    /// Status fields for the dashboard; replaces those shown before.
    StatusFields {
        /// In the order in which they are shown; at most 16.
        fields: Vec<StatusField> = vec![StatusField::sample()],
    }

    /// One status field.
    StatusField {
        /// Stable name.
        key: String = "tip_height".to_owned(),
        /// Shown name.
        label: String = "Tip".to_owned(),
        /// Shown value.
        value: String = "840000".to_owned(),
    }

    /// A task that needs a person, or its end.
    UiTask {
        /// Stable name.
        id: String = "set-password".to_owned(),
        /// Shown title; none ends the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String> = Some("Set a wallet password".to_owned()),
        /// What to do.
        #[serde(default)]
        detail: String = "Open the configuration and fill in `password`.".to_owned(),
    }

    /// Progress of something long.
    UiProgress {
        /// Stable name.
        id: String = "rescan".to_owned(),
        /// Shown label.
        label: String = "Rescanning".to_owned(),
        /// Done so far.
        done: u64 = 10,
        /// Of so many; 0 where it is not known.
        total: u64 = 100,
    }
}
