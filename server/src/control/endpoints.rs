//! Endpoints of outgoing webhooks, and messages sent again.

use std::time::Duration;

use super::webhooks::{MAX_OVERLAP, check_name, invalid, shown};
use super::{Control, ControlError};
use crate::clock::new_id;
use crate::model::{Actor, EndpointSettings, Id, SigningScheme, WebhookEndpoint, WebhookMessage};
use crate::store::MessageFilter;
use crate::store::commands::{
    AddEndpoint, DisableEndpoint, EnableEndpoint, NewEndpointKey, QueueTest, RedeliverMessage,
    RedeliverMessages, Redelivered, RemoveEndpoint, RotateEndpointKey, SetEndpoint, actions,
};
use crate::webhooks::outgoing::{
    KeyError, Outgoing, OutgoingKey, Sent, new_key, of_test, seal_key,
};

/// Patterns of one endpoint.
const MAX_PATTERNS: usize = 32;
/// Bytes of a pattern, and of a description.
const MAX_PATTERN: usize = 128;
const MAX_DESCRIPTION: usize = 256;
/// Seconds that an attempt may take.
const TIMEOUTS: std::ops::RangeInclusive<u32> = 1..=30;

/// An endpoint with the key that was made for it, which is shown this once.
#[derive(Clone)]
pub struct NewEndpoint {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The secret that the receiver checks with; none where that is public, or where the operator
    /// brought the key.
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEndpoint")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The message.
    pub message: Id,
    /// The attempt.
    pub sent: Sent,
}

impl Control {
    /// One endpoint.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub async fn webhook_endpoint(&self, name: &str) -> Result<WebhookEndpoint, ControlError> {
        let all = self.store().webhook_endpoints().await?;
        let found = all.into_iter().find(|endpoint| endpoint.name == name);
        found.ok_or_else(|| ControlError::NotFound {
            what: format!("webhook endpoint `{}`", shown(name)),
        })
    }

    /// Tells somebody of events from now on. Without a key one is made.
    ///
    /// # Errors
    /// Where name, settings or key are not fit, or the name is taken.
    pub async fn create_webhook_endpoint(
        &self,
        name: &str,
        settings: EndpointSettings,
        signing: SigningScheme,
        key: Option<&str>,
        by: &Actor,
    ) -> Result<NewEndpoint, ControlError> {
        let verb = async {
            check_name(name)?;
            self.check_endpoint(&settings)?;
            let (key, secret) = self.endpoint_key(name, signing, key)?;
            let add = AddEndpoint {
                name: name.to_owned(),
                settings,
                key,
                by: by.clone(),
            };
            self.store().commit(add).await?;
            self.with_endpoints_read(name, secret).await
        };
        self.audited(actions::CREATE_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Changes what is sent where; messages that wait go to the new address.
    ///
    /// # Errors
    /// Where there is no such endpoint, or the settings are not fit.
    pub async fn set_webhook_endpoint(
        &self,
        name: &str,
        settings: EndpointSettings,
        by: &Actor,
    ) -> Result<WebhookEndpoint, ControlError> {
        let verb = async {
            self.webhook_endpoint(name).await?;
            self.check_endpoint(&settings)?;
            let set = SetEndpoint {
                name: name.to_owned(),
                settings,
                looked_at: self.outgoing().looked_at(name),
                by: by.clone(),
            };
            self.store().commit(set).await?;
            Ok(self.with_endpoints_read(name, None).await?.endpoint)
        };
        self.audited(actions::SET_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Removes an endpoint with its messages.
    ///
    /// # Errors
    /// Where there is no such endpoint.
    pub async fn delete_webhook_endpoint(
        &self,
        name: &str,
        by: &Actor,
    ) -> Result<(), ControlError> {
        let verb = async {
            let remove = RemoveEndpoint {
                name: name.to_owned(),
                by: by.clone(),
            };
            self.store().commit(remove).await?;
            Ok(self.outgoing().reload().await?)
        };
        self.audited(actions::DELETE_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Sends to an endpoint no more; what waits goes on waiting.
    ///
    /// # Errors
    /// Where there is no such endpoint.
    pub async fn disable_webhook_endpoint(
        &self,
        name: &str,
        by: &Actor,
    ) -> Result<WebhookEndpoint, ControlError> {
        let verb = async {
            let disable = DisableEndpoint {
                name: name.to_owned(),
                reason: "an operator disabled it".to_owned(),
                by: by.clone(),
            };
            self.store().commit(disable).await?;
            Ok(self.with_endpoints_read(name, None).await?.endpoint)
        };
        self.audited(actions::DISABLE_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Sends to an endpoint again; also ends a hold of one that is enabled.
    ///
    /// # Errors
    /// Where there is no such endpoint.
    pub async fn enable_webhook_endpoint(
        &self,
        name: &str,
        from_now: bool,
        by: &Actor,
    ) -> Result<WebhookEndpoint, ControlError> {
        let verb = async {
            let enable = EnableEndpoint {
                name: name.to_owned(),
                from_now,
                by: by.clone(),
            };
            self.store().commit(enable).await?;
            Ok(self.with_endpoints_read(name, None).await?.endpoint)
        };
        self.audited(actions::ENABLE_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Gives an endpoint a new key; for a while the one before signs beside it.
    ///
    /// # Errors
    /// Where there is no such endpoint, or the key is not fit.
    pub async fn rotate_webhook_key(
        &self,
        name: &str,
        signing: Option<SigningScheme>,
        key: Option<&str>,
        overlap: Duration,
        by: &Actor,
    ) -> Result<NewEndpoint, ControlError> {
        let verb = async {
            let known = self.webhook_endpoint(name).await?;
            if overlap > MAX_OVERLAP {
                return Err(invalid("`overlap_s` is at most 30 days"));
            }
            let now = known
                .keys
                .first()
                .map_or(SigningScheme::V1, |key| key.scheme);
            let (key, secret) = self.endpoint_key(name, signing.unwrap_or(now), key)?;
            let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
            let rotate = RotateEndpointKey {
                name: name.to_owned(),
                key,
                old_until: self.store().clock().now().plus_ms(overlap_ms),
                by: by.clone(),
            };
            self.store().commit(rotate).await?;
            self.with_endpoints_read(name, secret).await
        };
        self.audited(actions::ROTATE_WEBHOOK_KEY, shown(name), by, verb)
            .await
    }

    /// Sends a message of our own making once, and waits for what comes of it.
    ///
    /// # Errors
    /// Where there is no such endpoint; an attempt that fails is an answer.
    pub async fn test_webhook_endpoint(
        &self,
        name: &str,
        by: &Actor,
    ) -> Result<Tested, ControlError> {
        let verb = async {
            self.webhook_endpoint(name).await?;
            let clock = self.store().clock().clone();
            let id = new_id(&*clock);
            let body = of_test(name, id, clock.now());
            let queue = QueueTest {
                endpoint: name.to_owned(),
                id,
                body: body.clone(),
                by: by.clone(),
            };
            self.store().commit(queue).await?;
            let sent = self.outgoing().try_once(name, id, &body).await?;
            let sent = sent.ok_or_else(|| ControlError::NotFound {
                what: format!("webhook endpoint `{}`", shown(name)),
            })?;
            Ok(Tested { message: id, sent })
        };
        self.audited(actions::TEST_WEBHOOK_ENDPOINT, shown(name), by, verb)
            .await
    }

    /// Sends a message again, at once and by a new schedule.
    ///
    /// # Errors
    /// Where there is none of this id, or its endpoint is disabled.
    pub async fn redeliver_webhook_message(
        &self,
        id: Id,
        by: &Actor,
    ) -> Result<WebhookMessage, ControlError> {
        let verb = async {
            let redeliver = RedeliverMessage { id, by: by.clone() };
            let message = self.store().commit(redeliver).await?;
            self.outgoing().wake(&message.endpoint);
            Ok(message)
        };
        self.audited(actions::REDELIVER_WEBHOOK_MESSAGE, id, by, verb)
            .await
    }

    /// Sends messages of an endpoint again that are over, oldest first, at most 1,000 at a time.
    ///
    /// # Errors
    /// Where there is no such endpoint, it is disabled, or the filter leaves everything.
    pub async fn redeliver_webhook_messages(
        &self,
        name: &str,
        filter: MessageFilter,
        by: &Actor,
    ) -> Result<Redelivered, ControlError> {
        let verb = async {
            if filter == MessageFilter::default() {
                return Err(invalid(
                    "say which messages: `state`, `since` or `until`; usual is `state` = \"failed\"",
                ));
            }
            let redeliver = RedeliverMessages {
                endpoint: name.to_owned(),
                filter,
                by: by.clone(),
            };
            let done = self.store().commit(redeliver).await?;
            self.outgoing().wake(name);
            Ok(done)
        };
        self.audited(actions::REDELIVER_WEBHOOK_MESSAGES, shown(name), by, verb)
            .await
    }

    fn outgoing(&self) -> &Outgoing {
        self.webhooks().outgoing()
    }

    fn check_endpoint(&self, settings: &EndpointSettings) -> Result<(), ControlError> {
        self.outgoing()
            .allowed()
            .read_url(&settings.url)
            .map_err(|why| invalid(format!("`url` {why}")))?;
        if !(1..=MAX_PATTERNS).contains(&settings.events.len()) {
            return Err(invalid(format!(
                "`events` has 1 to {MAX_PATTERNS} types, such as [\"chain.*\"]; [\"*\"] is all"
            )));
        }
        if let Some(bad) = settings.events.iter().find(|one| !is_pattern(one)) {
            return Err(invalid(format!(
                "`events` has `{}`, which is not a type such as `chain.block_connected`, a \
                 namespace such as `chain.*`, or `*`",
                shown(bad)
            )));
        }
        if !TIMEOUTS.contains(&settings.timeout_s) {
            return Err(invalid("`timeout_s` is 1 to 30 seconds; 15 is usual"));
        }
        if settings.description.len() > MAX_DESCRIPTION {
            return Err(invalid("`description` has at most 256 bytes"));
        }
        Ok(())
    }

    /// A key of the operator's or of our making, sealed; and the secret where the receiver needs
    /// one that was made here.
    fn endpoint_key(
        &self,
        endpoint: &str,
        signing: SigningScheme,
        given: Option<&str>,
    ) -> Result<(NewEndpointKey, Option<String>), ControlError> {
        let bad = |error: KeyError| invalid(format!("`key`: {error}"));
        let made = given.is_none().then(|| new_key(signing));
        let text = given
            .or(made.as_deref().map(String::as_str))
            .unwrap_or_default();
        let key = OutgoingKey::read(text).map_err(bad)?;
        if key.scheme() != signing {
            return Err(bad(KeyError::Scheme {
                asked: signing,
                found: key.scheme(),
            }));
        }
        let id = new_id(&**self.store().clock());
        let new = NewEndpointKey {
            id,
            scheme: signing,
            sealed: seal_key(self.outgoing().key(), endpoint, id, text),
            public: key.public(),
        };
        // An Ed25519 key stays here: the receiver needs its public half, which is always shown.
        let secret = made.filter(|_| signing == SigningScheme::V1);
        Ok((new, secret.map(|secret| secret.to_string())))
    }

    /// Lets the sender see a change, and shows it.
    async fn with_endpoints_read(
        &self,
        name: &str,
        secret: Option<String>,
    ) -> Result<NewEndpoint, ControlError> {
        self.outgoing().reload().await?;
        Ok(NewEndpoint {
            endpoint: self.webhook_endpoint(name).await?,
            secret,
        })
    }
}

/// A whole type, a namespace with `.*`, or `*`.
fn is_pattern(text: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let stem = text.strip_suffix(".*").unwrap_or(text);
    text == "*" || (!stem.is_empty() && text.len() <= MAX_PATTERN && stem.bytes().all(plain))
}
