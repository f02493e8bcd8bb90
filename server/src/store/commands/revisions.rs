//! Configuration revisions: recorded, applied, rolled back.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};

use super::{StartOperation, actions};
use crate::model::{
    Actor, ConfigSource, DesiredState, Operation, OperationKind, Revision, RevisionStatus, kinds,
};
use crate::store::row::int;
use crate::store::{Command, Secret, StoreError, Tx};

/// Records a configuration. It applies from now on; where the module shall run, the operation
/// that comes with it tells what became of it.
#[derive(Clone, Debug)]
pub struct AddRevision {
    /// The module.
    pub module: ModuleName,
    /// The text, secrets replaced.
    pub text: String,
    /// Strong entity tag of the text.
    pub etag: String,
    /// How it came about.
    pub source: ConfigSource,
    /// All secrets of this revision, encrypted.
    pub secrets: Vec<Secret>,
    /// The entity tag that must apply before; none asks for nothing.
    pub expect_etag: Option<String>,
    /// Who.
    pub by: Actor,
}

impl Command for AddRevision {
    type Output = (Revision, Option<Operation>);

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let module = tx.module(&self.module).await?;
        let current = tx.current_revision(&self.module).await?;
        if let Some(expected) = &self.expect_etag {
            let current = current.map(|revision| revision.etag).unwrap_or_default();
            if *expected != current {
                return Err(StoreError::EtagMismatch { current });
            }
        }
        let action = match self.source {
            ConfigSource::Rollback => actions::ROLLBACK_CONFIG,
            _ => actions::SET_CONFIG,
        };
        let operation = if module.desired == DesiredState::Running && module.enabled {
            let start = StartOperation {
                kind: OperationKind::Configure,
                module: Some(self.module.clone()),
                about: None,
                params: Value::Null,
                by: self.by.clone(),
            };
            // A load that is still on its way takes the newest revision anyway.
            match tx.open_operation(&self.module).await? {
                Some(open) if open.kind == OperationKind::Load => None,
                _ => Some(start.apply(tx).await?),
            }
        } else {
            None
        };
        let number = tx.next_revision(&self.module).await?;
        let revision = Revision {
            module: self.module,
            number,
            text: self.text,
            etag: self.etag,
            source: self.source,
            status: if operation.is_some() {
                RevisionStatus::Pending
            } else {
                RevisionStatus::Applied
            },
            reason: None,
            by: self.by.id.clone(),
            created_at: tx.now(),
        };
        tx.insert_revision(&revision, &self.secrets).await?;
        let detail = format!("revision {number}");
        tx.accepted(&self.by, action, &revision.module, &detail)
            .await?;
        tx.revision_event(&revision).await?;
        Ok((revision, operation))
    }
}

/// Says what became of a revision. Rolled back, the newest one that worked applies again.
#[derive(Clone, Debug)]
pub struct SetRevisionStatus {
    /// The module.
    pub module: ModuleName,
    /// The revision.
    pub number: u64,
    /// What became of it.
    pub status: RevisionStatus,
    /// Why it was rolled back.
    pub reason: Option<String>,
}

impl Command for SetRevisionStatus {
    type Output = Revision;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Revision, StoreError> {
        let mut revision = tx
            .find_revision(&self.module, self.number)
            .await?
            .ok_or_else(|| StoreError::not_found("revision", self.number))?;
        if revision.status == self.status && revision.reason == self.reason {
            return Ok(revision);
        }
        let (key, number) = (self.module.as_str(), int(self.number));
        if self.status == RevisionStatus::Applied {
            sqlx::query!(
                "UPDATE revisions SET status = 'superseded'
                 WHERE module = $1 AND number <> $2 AND status = 'applied'",
                key,
                number
            )
            .execute(tx.db())
            .await?;
        }
        let status = self.status.as_str();
        sqlx::query!(
            "UPDATE revisions SET status = $3, reason = $4 WHERE module = $1 AND number = $2",
            key,
            number,
            status,
            self.reason
        )
        .execute(tx.db())
        .await?;
        let now = tx.now().to_string();
        match self.status {
            RevisionStatus::Applied => {
                sqlx::query!(
                    "UPDATE modules SET revision = $2, changed_at = $3 WHERE name = $1",
                    key,
                    number,
                    now
                )
                .execute(tx.db())
                .await?;
            }
            // Only the revision that applies makes room for the one before; an older one that is
            // rolled back late changes nothing.
            RevisionStatus::RolledBack => {
                sqlx::query!(
                    "UPDATE modules SET changed_at = $3, revision =
                         (SELECT max(number) FROM revisions WHERE module = $1 AND status = 'applied')
                     WHERE name = $1 AND revision = $2",
                    key,
                    number,
                    now
                )
                .execute(tx.db())
                .await?;
            }
            RevisionStatus::Pending | RevisionStatus::Superseded => {}
        }
        revision.status = self.status;
        revision.reason = self.reason;
        tx.revision_event(&revision).await?;
        Ok(revision)
    }
}

impl Tx<'_> {
    async fn next_revision(&mut self, module: &ModuleName) -> Result<u64, StoreError> {
        let key = module.as_str();
        let last = sqlx::query_scalar!(
            r#"SELECT coalesce(max(number), 0) AS "last!: i64" FROM revisions WHERE module = $1"#,
            key
        )
        .fetch_one(self.db())
        .await?;
        Ok(crate::store::row::count(last) + 1)
    }

    async fn insert_revision(
        &mut self,
        revision: &Revision,
        secrets: &[Secret],
    ) -> Result<(), StoreError> {
        let (key, number) = (revision.module.as_str(), int(revision.number));
        // One that is tried stays beside the one that works until it works, too.
        let replaced = match revision.status {
            RevisionStatus::Applied => "applied",
            _ => "pending",
        };
        sqlx::query!(
            "UPDATE revisions SET status = 'superseded'
             WHERE module = $1 AND status IN ('pending', $2)",
            key,
            replaced
        )
        .execute(self.db())
        .await?;
        let (source, status) = (revision.source.as_str(), revision.status.as_str());
        let now = revision.created_at.to_string();
        sqlx::query!(
            "INSERT INTO revisions (module, number, text, etag, source, status, made_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            key,
            number,
            revision.text,
            revision.etag,
            source,
            status,
            revision.by,
            now
        )
        .execute(self.db())
        .await?;
        for secret in secrets {
            sqlx::query!(
                "INSERT INTO secrets (module, number, key_path, ciphertext) VALUES ($1, $2, $3, $4)",
                key,
                number,
                secret.key_path,
                secret.ciphertext
            )
            .execute(self.db())
            .await?;
        }
        sqlx::query!(
            "UPDATE modules SET revision = $2, changed_at = $3 WHERE name = $1",
            key,
            number,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }

    async fn revision_event(&mut self, revision: &Revision) -> Result<(), StoreError> {
        // The text stays out: an event is for everyone who may see events.
        let data = json!({
            "module": revision.module, "revision": revision.number, "status": revision.status,
            "source": revision.source, "reason": revision.reason, "by": revision.by,
        });
        self.host_event(kinds::MODULE_CONFIG, data).await?;
        Ok(())
    }
}
