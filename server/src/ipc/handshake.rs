//! Who may come in: the module that was started here, in a protocol that both speak.

use std::time::Duration;

use bllvm_ipc::handshake::{Goodbye, Hello, Welcome, negotiate};
use bllvm_manifest::ModuleName;

use crate::model::{Grant, Id};

/// What a hello is compared with, and what the welcome tells.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The module that was started.
    pub module: ModuleName,
    /// The run.
    pub run: Id,
    /// Its grant.
    pub grant: Grant,
    /// How often it will be pinged.
    pub heartbeat: Duration,
}

/// Answers a hello.
///
/// # Errors
/// A goodbye that says what to do.
pub fn welcome(identity: &Identity, hello: &Hello) -> Result<Welcome, Goodbye> {
    if hello.name != identity.module.as_str() {
        // The name is the module's own text, so that it is cut before it is shown.
        let said: String = hello.name.chars().take(64).collect();
        let message = format!(
            "this channel belongs to `{}`, and the program calls itself `{}`: make `name` in \
             module.toml and the name that the program was built with the same",
            identity.module,
            said.escape_debug()
        );
        return Err(Goodbye::new("identity", message));
    }
    let capabilities = identity.grant.capabilities.iter();
    Ok(Welcome {
        protocol: negotiate(hello)?,
        host: env!("CARGO_PKG_VERSION").to_owned(),
        instance: identity.run.to_string(),
        grants: capabilities.map(ToString::to_string).collect(),
        heartbeat_ms: u64::try_from(identity.heartbeat.as_millis()).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_is_refused_with_the_way_out() {
        let identity = Identity {
            module: "block-clock".parse().unwrap(),
            run: Id(ulid::Ulid::nil()),
            grant: Grant::default(),
            heartbeat: Duration::from_secs(2),
        };
        let refused = welcome(&identity, &Hello::new("../../x", "1.0.0")).unwrap_err();
        assert_eq!(refused.code, "identity");
        assert!(refused.message.contains("`block-clock`"), "{refused}");
        let welcomed = welcome(&identity, &Hello::new("block-clock", "1.0.0")).unwrap();
        assert_eq!(welcomed.heartbeat_ms, 2000);
    }
}
