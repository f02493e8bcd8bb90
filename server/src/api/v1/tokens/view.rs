//! Tokens as the API shows them.

use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Id, Scope, UtcTime};
use crate::store::Token;

/// A token without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: Id,
    /// What it is for.
    pub name: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// The modules that it is bound to; empty where it is not bound.
    #[schema(value_type = Vec<String>)]
    pub modules: Vec<ModuleName>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it expires.
    pub expires_at: Option<UtcTime>,
    /// When it was revoked.
    pub revoked_at: Option<UtcTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UtcTime>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.into_iter().collect(),
            modules: token.modules.into_iter().collect(),
            by: token.by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A new token with its text.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewTokenView {
    /// The token.
    #[serde(flatten)]
    pub view: TokenView,
    /// Its text, shown this once.
    #[schema(example = "bllvm_…")]
    pub token: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SelfView {
    /// As the audit trail names the caller: `cookie`, `unix:<uid>`, `token:<id>`, `session:<id>`.
    pub actor: String,
    /// Everything that the caller may.
    pub scopes: Vec<Scope>,
    /// The modules that the caller is bound to; empty where they are not bound.
    #[schema(value_type = Vec<String>)]
    pub modules: Vec<ModuleName>,
}

/// A login code with its text.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginCodeView {
    /// Its text, shown this once.
    pub code: String,
    /// The path to open in a browser.
    pub path: String,
    /// When it stops working.
    pub expires_at: UtcTime,
}

impl std::fmt::Debug for NewTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTokenView")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LoginCodeView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginCodeView")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
