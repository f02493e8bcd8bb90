//! Tokens and login codes: made here, shown once, kept as hashes.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Control, ControlCode, ControlError, LoginCode, NewToken, TokenRequest};
use crate::model::{Actor, Id};
use crate::store::commands::{AddLoginCode, AddToken, Done, RedeemLoginCode, RevokeToken, actions};
use crate::store::{Command, StoreError, Tx};

const PREFIX: &str = "bllvm_";
const CODE_LIFE: Duration = Duration::from_mins(10);
const MAX_LIFE: Duration = Duration::from_hours(10 * 366 * 24);
const MAX_NAME: usize = 100;
const MAX_MODULES: usize = 100;
/// What the audit trail calls the making of a login code.
const CREATE_LOGIN_CODE: &str = "create_login_code";

/// The hash under which a token or login code is kept: SHA-256 of its whole text.
pub fn secret_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Control {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// Where it has no name, no scope, or a life that makes no sense.
    pub async fn create_token(
        &self,
        request: TokenRequest,
        by: &Actor,
    ) -> Result<NewToken, ControlError> {
        let target = shown_name(&request.name);
        let verb = async {
            check(&request)?;
            if request
                .expires_in
                .is_some_and(|life| life.is_zero() || life > MAX_LIFE)
            {
                return Err(invalid("the token's life must be 1 s to 10 years"));
            }
            let secret = format!("{PREFIX}{}", random_text());
            let now = self.store().clock().now();
            let add = AddToken {
                name: request.name,
                hash: secret_hash(&secret),
                scopes: request.scopes,
                modules: request.modules,
                expires_at: request.expires_in.map(|life| now.plus_ms(millis(life))),
                by: by.clone(),
            };
            let token = self.store().commit(add).await?;
            Ok(NewToken { token, secret })
        };
        self.audited(actions::CREATE_TOKEN, &target, by, verb).await
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// Where there is none of this id.
    pub async fn revoke_token(&self, id: Id, by: &Actor) -> Result<(), ControlError> {
        let verb = async {
            let revoke = RevokeToken { id, by: by.clone() };
            Ok(self.store().commit(revoke).await?)
        };
        self.audited(actions::REVOKE_TOKEN, id, by, verb).await
    }

    /// Makes a one-time login code, good for ten minutes.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn create_login_code(&self, by: &Actor) -> Result<LoginCode, ControlError> {
        let verb = async {
            let code = random_text();
            let expires_at = self.store().clock().now().plus_ms(millis(CODE_LIFE));
            let make = MakeCode {
                add: AddLoginCode {
                    hash: secret_hash(&code),
                    expires_at,
                },
                done: Done {
                    action: CREATE_LOGIN_CODE.to_owned(),
                    target: "login".to_owned(),
                    detail: String::new(),
                    by: by.clone(),
                },
            };
            self.store().commit(make).await?;
            Ok(LoginCode { code, expires_at })
        };
        self.audited(CREATE_LOGIN_CODE, "login", by, verb).await
    }

    /// Uses a login code up. A code that is used, old or wrong is refused in the same words.
    ///
    /// # Errors
    /// Where the code is not good.
    pub async fn redeem_login_code(&self, code: &str, by: &Actor) -> Result<(), ControlError> {
        let verb = async {
            let hash = secret_hash(code.trim());
            if self.store().commit(RedeemLoginCode { hash }).await? {
                return Ok(());
            }
            Err(ControlError::refused(
                ControlCode::Refused,
                "the login code is used up, expired or wrong: get another with `bllvm-node login`",
            ))
        };
        self.audited(actions::LOGIN, "login", by, verb).await
    }
}

fn invalid(detail: &str) -> ControlError {
    ControlError::refused(ControlCode::InvalidRequest, detail)
}

fn check(request: &TokenRequest) -> Result<(), ControlError> {
    let TokenRequest {
        name,
        scopes,
        modules,
        ..
    } = request;
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(invalid("the token needs a name of 1 to 100 characters"));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid("the token's name has a control character in it"));
    }
    if scopes.is_empty() {
        return Err(invalid("the token needs at least one scope"));
    }
    if modules.len() > MAX_MODULES {
        return Err(invalid("a token is bound to at most 100 modules"));
    }
    let beyond = scopes.iter().find(|scope| !scope.is_about_modules());
    if let (Some(scope), false) = (beyond, modules.is_empty()) {
        return Err(invalid(&format!(
            "the scope `{scope}` reaches beyond single modules: leave it out, or do not bind the token to modules"
        )));
    }
    Ok(())
}

/// Fit for the audit trail, also where it is refused for its length.
fn shown_name(name: &str) -> String {
    name.chars()
        .filter(|one| !one.is_control())
        .take(MAX_NAME)
        .collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// 32 random bytes as base64url.
fn random_text() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let mut text = String::with_capacity(43);
    for group in bytes.chunks(3) {
        let all = group
            .iter()
            .fold(0_u32, |all, byte| all << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            let letter = all >> (18 - 6 * place) & 63;
            text.push(char::from(LETTERS[letter as usize]));
        }
    }
    text
}

/// A login code with the audit row of its making.
struct MakeCode {
    add: AddLoginCode,
    done: Done,
}

impl Command for MakeCode {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.add.apply(tx).await?;
        self.done.apply(tx).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::random_text;

    #[test]
    fn random_texts_have_the_letters_of_base64url_and_never_repeat() {
        let (one, other) = (random_text(), random_text());
        assert_eq!(one.len(), 43);
        assert!(
            one.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
        assert_ne!(one, other);
    }
}
