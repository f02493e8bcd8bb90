//! Single values of the host.

use serde_json::Value;

use crate::store::{Command, StoreError, Tx};

/// Sets one of the host's own values.
#[derive(Clone, Debug)]
pub struct SetFact {
    /// Its name, such as `chain.cursor`.
    pub name: &'static str,
    /// The value.
    pub value: Value,
}

impl Command for SetFact {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.set_fact(self.name, &self.value).await
    }
}
