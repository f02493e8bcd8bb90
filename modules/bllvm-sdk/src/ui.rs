//! What a module shows on the dashboard: status fields, tasks for a person, progress.

use bllvm_ipc::method as m;
use bllvm_ipc::types::{StatusField, StatusFields, UiProgress, UiTask};
use bllvm_ipc::{CallError, Connection};

/// The module's place on the dashboard.
#[derive(Clone, Debug)]
pub struct Ui {
    connection: Connection,
}

impl Ui {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Shows status fields, each `(key, label, value)`; replaces those shown before.
    pub async fn status(&self, fields: &[(&str, &str, String)]) -> Result<(), CallError> {
        let fields = fields.iter().map(|(key, label, value)| StatusField {
            key: (*key).to_owned(),
            label: (*label).to_owned(),
            value: value.clone(),
        });
        let request = StatusFields {
            fields: fields.collect(),
        };
        self.connection
            .call::<m::UiStatus>(&request)
            .await
            .map(drop)
    }

    /// Shows a task that needs a person.
    pub async fn task(&self, id: &str, title: &str, detail: &str) -> Result<(), CallError> {
        self.send_task(id, Some(title), detail).await
    }

    /// Ends a task.
    pub async fn end_task(&self, id: &str) -> Result<(), CallError> {
        self.send_task(id, None, "").await
    }

    async fn send_task(
        &self,
        id: &str,
        title: Option<&str>,
        detail: &str,
    ) -> Result<(), CallError> {
        let request = UiTask {
            id: id.to_owned(),
            title: title.map(str::to_owned),
            detail: detail.to_owned(),
        };
        self.connection.call::<m::UiTask>(&request).await.map(drop)
    }

    /// Shows progress; a `total` of 0 stands for "not known".
    pub async fn progress(
        &self,
        id: &str,
        label: &str,
        done: u64,
        total: u64,
    ) -> Result<(), CallError> {
        let request = UiProgress {
            id: id.to_owned(),
            label: label.to_owned(),
            done,
            total,
        };
        self.connection
            .call::<m::UiProgress>(&request)
            .await
            .map(drop)
    }
}
