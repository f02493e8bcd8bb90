//! Which layers an operator lets modules start without, read.

use std::collections::BTreeSet;

use bllvm_manifest::ModuleName;

use super::row::from_json;
use super::{Store, StoreError};
use crate::model::RequiredLayer;

impl Store {
    /// The layers that a module may start without; none where nobody waived any.
    pub async fn waived(&self, name: &ModuleName) -> Result<BTreeSet<RequiredLayer>, StoreError> {
        let key = name.as_str();
        let row = sqlx::query!("SELECT layers FROM waivers WHERE module = $1", key)
            .fetch_optional(self.db())
            .await?;
        row.map(|row| from_json("waivers", &row.layers))
            .transpose()
            .map(Option::unwrap_or_default)
    }
}
