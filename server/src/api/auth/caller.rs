//! Who asks, once it is known.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use bllvm_manifest::ModuleName;

use crate::api::error::{ApiError, ApiResult, Code};
use crate::model::{Actor, Id, Once, Scope, Scopes};

/// How a caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the cookie file: the local administrator.
    Cookie,
    /// By the unix socket, as the node's own user or root: the local administrator.
    Unix {
        /// The user.
        uid: u32,
    },
    /// By a token.
    Token {
        /// Its id.
        id: Id,
        /// What it may.
        scopes: Scopes,
        /// The modules that it is bound to; none where it is not bound.
        modules: BTreeSet<ModuleName>,
    },
    /// By a browser's session.
    Session {
        /// Its id.
        id: Id,
        /// SHA-256 of its cookie.
        hash: [u8; 32],
        /// What it may.
        scopes: Scopes,
        /// What its forms must carry.
        csrf: String,
    },
}

/// Who asks, and what they may. Set by the layer that authenticates, so that no route is open
/// because someone forgot to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    kind: Kind,
    request: Option<String>,
    once: Option<Once>,
}

impl Caller {
    /// A caller, in a request.
    pub fn new(kind: Kind, request: Option<String>) -> Self {
        Self {
            kind,
            request,
            once: None,
        }
    }

    /// The same caller in a request that may be repeated.
    #[must_use]
    pub fn once(mut self, once: Once) -> Self {
        self.once = Some(once);
        self
    }

    /// Whether the caller may do what needs `scope`.
    ///
    /// # Errors
    /// `missing_scope`, which names it.
    pub fn require(&self, scope: Scope) -> ApiResult<()> {
        if self.may(scope) {
            return Ok(());
        }
        Err(ApiError::missing_scope(scope))
    }

    /// Whether the caller has `scope`; `admin` includes all.
    pub fn may(&self, scope: Scope) -> bool {
        match &self.kind {
            Kind::Cookie | Kind::Unix { .. } => true,
            Kind::Token { scopes, .. } | Kind::Session { scopes, .. } => {
                scopes.contains(&scope) || scopes.contains(&Scope::Admin)
            }
        }
    }

    /// The modules that the caller is bound to; none where they are not bound.
    pub fn modules(&self) -> Option<&BTreeSet<ModuleName>> {
        match &self.kind {
            Kind::Token { modules, .. } if !modules.is_empty() => Some(modules),
            _ => None,
        }
    }

    /// Whether the caller may touch what belongs to a module, or, where it is none, to no module.
    ///
    /// # Errors
    /// `module_not_permitted`, which names the modules that the caller is bound to.
    pub fn require_module(&self, module: Option<&str>) -> ApiResult<()> {
        let Some(modules) = self.modules() else {
            return Ok(());
        };
        if module.is_some_and(|name| modules.iter().any(|one| one.as_str() == name)) {
            return Ok(());
        }
        let names: Vec<_> = modules.iter().map(|name| format!("`{name}`")).collect();
        Err(ApiError::new(
            Code::ModuleNotPermitted,
            format!(
                "this token is bound to {}: it reaches only what is below /api/v1/modules/<name> and its operations; use a token that is not bound",
                names.join(", ")
            ),
        ))
    }

    /// Every scope that the caller has.
    pub fn scopes(&self) -> Scopes {
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| self.may(*scope))
            .collect()
    }

    /// The caller as the audit trail names it.
    pub fn actor(&self) -> Actor {
        let id = match &self.kind {
            Kind::Cookie => "cookie".to_owned(),
            Kind::Unix { uid } => format!("unix:{uid}"),
            Kind::Token { id, .. } => format!("token:{id}"),
            Kind::Session { id, .. } => format!("session:{id}"),
        };
        Actor {
            id,
            request: self.request.clone(),
            once: self.once.clone(),
        }
    }

    /// How the caller proved who they are.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            ApiError::internal(format!(
                "`{}` is served without authentication",
                parts.uri.path()
            ))
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::Code;

    fn token(scopes: &[Scope]) -> Caller {
        let id = Id(ulid::Ulid::from_parts(1, 1));
        let scopes = scopes.iter().copied().collect();
        let modules = BTreeSet::new();
        Caller::new(
            Kind::Token {
                id,
                scopes,
                modules,
            },
            None,
        )
    }

    #[test]
    fn a_token_has_its_scopes_and_no_others() {
        for granted in Scope::ALL {
            let caller = token(&[*granted]);
            for asked in Scope::ALL {
                let expected = granted == asked || *granted == Scope::Admin;
                assert_eq!(
                    caller.require(*asked).is_ok(),
                    expected,
                    "{granted} {asked}"
                );
            }
        }
        let refused = token(&[]).require(Scope::Admin).unwrap_err();
        assert_eq!(refused.code(), Code::MissingScope);
    }

    #[test]
    fn local_administrators_may_everything() {
        let scopes = Caller::new(Kind::Cookie, None).scopes();
        assert_eq!(scopes.len(), Scope::ALL.len());
    }
}
