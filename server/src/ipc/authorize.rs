//! Whether a module may ask this: each request once, against the grant in force now.

use std::sync::{Arc, PoisonError, RwLock};

use bllvm_ipc::{Capability, Direction, ErrorCode, ErrorReply, MethodInfo};

use crate::model::Grant;

/// A module's grant as its sessions see it. A change applies to the next request.
#[derive(Clone, Debug, Default)]
pub struct Rights(Arc<RwLock<Grant>>);

impl Rights {
    /// Replaces the grant; tells whether it changed.
    pub fn set(&self, grant: Grant) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != grant;
        *held = grant;
        changed
    }

    /// The grant now.
    pub fn get(&self) -> Grant {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether a capability is granted.
    pub fn has(&self, capability: Capability) -> bool {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.capabilities.contains(&capability)
    }
}

/// Lets a request through, or says what is missing and who can give it.
///
/// # Errors
/// `unsupported` for what only the host asks, `denied` for what was not granted.
pub fn authorize(rights: &Rights, method: &MethodInfo) -> Result<(), ErrorReply> {
    if method.direction == Direction::ToModule {
        let text = format!("`{}` is asked by the host, not by modules", method.name);
        return Err(ErrorReply::unsupported(text));
    }
    match method.capability {
        Some(capability) if !rights.has(capability) => Err(ErrorReply::new(
            ErrorCode::Denied,
            format!(
                "`{}` needs `{capability}`, which is not granted; name it in the manifest's \
                 capabilities and have an operator grant it",
                method.name
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bllvm_ipc::METHODS;

    use super::*;

    #[test]
    fn each_method_opens_with_its_own_capability_and_no_other() {
        for method in METHODS {
            for &capability in Capability::ALL {
                let rights = Rights::default();
                rights.set(Grant {
                    capabilities: BTreeSet::from([capability]),
                    ..Grant::default()
                });
                let allowed = authorize(&rights, method).is_ok();
                let expected = method.direction == Direction::ToHost
                    && method.capability.is_none_or(|needed| needed == capability);
                assert_eq!(allowed, expected, "{} with {capability}", method.name);
            }
        }
    }

    #[test]
    fn a_change_of_the_grant_applies_at_once() {
        let rights = Rights::default();
        let tip = bllvm_ipc::method::by_name("chain.tip").unwrap();
        assert_eq!(authorize(&rights, tip).unwrap_err().code, ErrorCode::Denied);
        let session = rights.clone();
        rights.set(Grant {
            capabilities: BTreeSet::from([Capability::ChainRead]),
            ..Grant::default()
        });
        assert!(authorize(&session, tip).is_ok());
        rights.set(Grant::default());
        assert!(authorize(&session, tip).is_err());
    }
}
