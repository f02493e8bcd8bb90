//! Webhook sources, and deliveries announced again.

use std::time::Duration;

use super::{Control, ControlCode, ControlError};
use crate::clock::new_id;
use crate::model::{
    Actor, HmacHeaders, Id, SourceSettings, WebhookDelivery, WebhookScheme, WebhookSource,
};
use crate::store::DeliveryFilter;
use crate::store::commands::{
    AddWebhookSource, Done, RemoveWebhookSource, ReplayWebhook, ReplayWebhooks, Replayed,
    RotateWebhookSecret, SetWebhookSource, actions,
};
use crate::webhooks::{Receipt, Webhooks, new_secret, parse_secret, seal};

/// Longest name of a source.
const MAX_NAME: usize = 64;
/// The longest that a replaced secret may go on working.
pub(super) const MAX_OVERLAP: Duration = Duration::from_hours(30 * 24);
/// The furthest that a signed time may be off, in seconds.
const MAX_TOLERANCE_S: u32 = 24 * 60 * 60;

/// A source with the secret that was made for it, which is shown this once.
#[derive(Clone)]
pub struct NewWebhookSecret {
    /// The source.
    pub source: WebhookSource,
    /// The secret's text; none where the operator brought it.
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewWebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWebhookSecret")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// One source.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub async fn webhook_source(&self, name: &str) -> Result<WebhookSource, ControlError> {
        let sources = self.store().webhook_sources().await?;
        let found = sources.into_iter().find(|source| source.name == name);
        found.ok_or_else(|| ControlError::NotFound {
            what: format!("webhook source `{}`", shown(name)),
        })
    }

    /// Lets a source send. Without a secret one is made, which is in the answer and nowhere else.
    ///
    /// # Errors
    /// Where name, settings or secret are not fit, or the name is taken.
    pub async fn create_webhook_source(
        &self,
        name: &str,
        settings: SourceSettings,
        secret: Option<&str>,
        by: &Actor,
    ) -> Result<NewWebhookSecret, ControlError> {
        let verb = async {
            check_name(name)?;
            check_settings(&settings)?;
            let scheme = settings.scheme;
            let (id, made, sealed) = self.secret_for(name, scheme, secret)?;
            let add = AddWebhookSource {
                name: name.to_owned(),
                settings,
                secret: id,
                sealed,
                by: by.clone(),
            };
            self.store().commit(add).await?;
            self.with_sources_read(name, made).await
        };
        self.audited(actions::CREATE_WEBHOOK_SOURCE, shown(name), by, verb)
            .await
    }

    /// Changes how a source's deliveries are checked. Its scheme stays: the secrets are of it.
    ///
    /// # Errors
    /// Where there is no such source, or the settings are not fit.
    pub async fn set_webhook_source(
        &self,
        name: &str,
        settings: SourceSettings,
        by: &Actor,
    ) -> Result<WebhookSource, ControlError> {
        let verb = async {
            let known = self.webhook_source(name).await?;
            check_settings(&settings)?;
            if known.settings.scheme != settings.scheme {
                return Err(invalid(format!(
                    "`scheme` is `{}` and stays: make another source for `{}`",
                    known.settings.scheme, settings.scheme
                )));
            }
            let set = SetWebhookSource {
                name: name.to_owned(),
                settings,
                by: by.clone(),
            };
            self.store().commit(set).await?;
            Ok(self.with_sources_read(name, None).await?.source)
        };
        self.audited(actions::SET_WEBHOOK_SOURCE, shown(name), by, verb)
            .await
    }

    /// Gives a source a new secret; the one before goes on working for a while.
    ///
    /// # Errors
    /// Where there is no such source, or the secret is not fit.
    pub async fn rotate_webhook_secret(
        &self,
        name: &str,
        secret: Option<&str>,
        overlap: Duration,
        by: &Actor,
    ) -> Result<NewWebhookSecret, ControlError> {
        let verb = async {
            let known = self.webhook_source(name).await?;
            if overlap > MAX_OVERLAP {
                return Err(invalid("`overlap_s` is at most 30 days".to_owned()));
            }
            let (id, made, sealed) = self.secret_for(name, known.settings.scheme, secret)?;
            let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
            let rotate = RotateWebhookSecret {
                name: name.to_owned(),
                secret: id,
                sealed,
                old_until: self.store().clock().now().plus_ms(overlap_ms),
                by: by.clone(),
            };
            self.store().commit(rotate).await?;
            self.with_sources_read(name, made).await
        };
        self.audited(actions::ROTATE_WEBHOOK_SECRET, shown(name), by, verb)
            .await
    }

    /// Lets a source send no more. Its deliveries stay.
    ///
    /// # Errors
    /// Where there is no such source.
    pub async fn delete_webhook_source(&self, name: &str, by: &Actor) -> Result<(), ControlError> {
        let verb = async {
            let remove = RemoveWebhookSource {
                name: name.to_owned(),
                by: by.clone(),
            };
            self.store().commit(remove).await?;
            Ok(self.webhooks().reload().await?)
        };
        self.audited(actions::DELETE_WEBHOOK_SOURCE, shown(name), by, verb)
            .await
    }

    /// Sends a delivery of our own making through a source, from its signature to its row.
    ///
    /// # Errors
    /// Where there is no such source, or the node cannot sign for it.
    pub async fn test_webhook_source(
        &self,
        name: &str,
        by: &Actor,
    ) -> Result<Receipt, ControlError> {
        let verb = async {
            self.webhook_source(name).await?;
            let clock = self.store().clock().clone();
            let (id, now) = (new_id(&*clock), clock.now());
            let sent = self.webhooks().send_test(name, id, now).await;
            let receipt = sent
                .ok_or_else(|| {
                    invalid(
                        "the source has public keys only, so only its sender can sign: have the \
                         sender send a test"
                            .to_owned(),
                    )
                })?
                .map_err(|error| {
                    ControlError::conflict(ControlCode::Conflict, error.to_string())
                })?;
            let done = Done {
                action: actions::TEST_WEBHOOK_SOURCE.to_owned(),
                target: name.to_owned(),
                detail: format!("delivery {}", receipt.delivery),
                by: by.clone(),
            };
            self.store().commit(done).await?;
            Ok(receipt)
        };
        self.audited(actions::TEST_WEBHOOK_SOURCE, shown(name), by, verb)
            .await
    }

    /// Announces a delivery again.
    ///
    /// # Errors
    /// Where there is none of this id, or its body is kept no more.
    pub async fn replay_webhook_delivery(
        &self,
        id: Id,
        by: &Actor,
    ) -> Result<WebhookDelivery, ControlError> {
        let verb = async {
            let replay = ReplayWebhook { id, by: by.clone() };
            Ok(self.store().commit(replay).await?)
        };
        self.audited(actions::REPLAY_WEBHOOK_DELIVERY, id, by, verb)
            .await
    }

    /// Announces many deliveries again, oldest first, at most 1,000 at a time.
    ///
    /// # Errors
    /// Where the filter leaves everything: say at least a source, a state or a time.
    pub async fn replay_webhook_deliveries(
        &self,
        filter: DeliveryFilter,
        by: &Actor,
    ) -> Result<Replayed, ControlError> {
        let target = shown(filter.source.as_deref().unwrap_or("all"));
        let verb = async {
            if filter == DeliveryFilter::default() {
                return Err(invalid(
                    "say which deliveries: `source`, `state`, `dead`, `since` or `until`"
                        .to_owned(),
                ));
            }
            let replay = ReplayWebhooks {
                filter,
                by: by.clone(),
            };
            Ok(self.store().commit(replay).await?)
        };
        self.audited(actions::REPLAY_WEBHOOK_DELIVERIES, target, by, verb)
            .await
    }

    pub(super) fn webhooks(&self) -> &Webhooks {
        &self.0.parts.webhooks
    }

    /// A secret of the operator's or of our making: its id, its text where it is new, and sealed.
    fn secret_for(
        &self,
        source: &str,
        scheme: WebhookScheme,
        given: Option<&str>,
    ) -> Result<(Id, Option<String>, Vec<u8>), ControlError> {
        let made = given.is_none().then(|| new_secret(scheme).to_string());
        let text = given.or(made.as_deref()).unwrap_or_default();
        parse_secret(scheme, text).map_err(|error| invalid(format!("`secret`: {error}")))?;
        let id = new_id(&**self.store().clock());
        let sealed = seal(self.webhooks().key(), source, id, text);
        Ok((id, made, sealed))
    }

    /// Lets the intake see a change, and shows it.
    async fn with_sources_read(
        &self,
        name: &str,
        secret: Option<String>,
    ) -> Result<NewWebhookSecret, ControlError> {
        self.webhooks().reload().await?;
        Ok(NewWebhookSecret {
            source: self.webhook_source(name).await?,
            secret,
        })
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> ControlError {
    ControlError::refused(ControlCode::InvalidRequest, detail)
}

pub(super) fn check_name(name: &str) -> Result<(), ControlError> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letters) {
        return Ok(());
    }
    Err(invalid(
        "`name` is the last part of the address: 1 to 64 of a-z, 0-9 and -".to_owned(),
    ))
}

fn check_settings(settings: &SourceSettings) -> Result<(), ControlError> {
    if !(1..=MAX_TOLERANCE_S).contains(&settings.tolerance_s) {
        return Err(invalid(
            "`tolerance_s` is 1 to 86400 seconds; 300 is usual".to_owned(),
        ));
    }
    match (&settings.hmac, settings.scheme) {
        (Some(headers), WebhookScheme::Hmac) => check_headers(headers),
        (None, WebhookScheme::Hmac) => Err(invalid(
            "`hmac` is needed with the scheme `hmac`: it names the signature's header and encoding"
                .to_owned(),
        )),
        (Some(_), scheme) => Err(invalid(format!(
            "`hmac` goes with the scheme `hmac` only; `{scheme}` has headers of its own"
        ))),
        (None, _) => Ok(()),
    }
}

fn check_headers(headers: &HmacHeaders) -> Result<(), ControlError> {
    let named = [
        ("signature_header", Some(&headers.signature_header)),
        ("id_header", headers.id_header.as_ref()),
        ("timestamp_header", headers.timestamp_header.as_ref()),
    ];
    for (field, name) in named {
        let fits = |name: &String| {
            name.len() <= MAX_NAME && axum::http::HeaderName::from_bytes(name.as_bytes()).is_ok()
        };
        if name.is_some_and(|name| !fits(name)) {
            return Err(invalid(format!(
                "`hmac.{field}` is not the name of a header, such as `x-signature`"
            )));
        }
    }
    if headers.prefix.len() > MAX_NAME || !headers.prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(invalid(
            "`hmac.prefix` is at most 64 printable characters, such as `sha256=`".to_owned(),
        ));
    }
    Ok(())
}

/// Fit for the audit trail, also where it is refused.
pub(super) fn shown(name: &str) -> String {
    name.chars()
        .filter(|one| !one.is_control())
        .take(MAX_NAME)
        .collect()
}
