//! `/tokens`: tokens for programs: made, shown once, revoked.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::pages::{FreshToken, ScopeChoice, TokenRow, Tokens};
use bllvm_web::parts::{Badge, Choice, FieldError, Tone};

use super::form::{Fields, Signed};
use super::present::{sentence, stamp, who};
use super::respond::{page, page_as, refused_page, see, tell_refusal};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::api::extract::Path;
use crate::control::TokenRequest;
use crate::model::{Id, Scope, Scopes, UtcTime};
use crate::store::Token;

const DAY: Duration = Duration::from_hours(24);
const EXPIRIES: [(&str, &str, Option<u32>); 4] = [
    ("30d", "30 days", Some(30)),
    ("90d", "90 days", Some(90)),
    ("1y", "a year", Some(365)),
    ("never", "as long as it is not revoked", None),
];

/// `GET /tokens`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    page(&view(&api, &visit, &Typed::default(), None, Vec::new()).await?)
}

/// `POST /tokens {name, scope.., expires}`
///
/// The answer is the only page that ever shows the token, so that it is no redirect.
///
/// # Errors
/// When the fault is ours.
pub async fn create(
    State(api): State<Api>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    let visit = visit.at("/tokens");
    let typed = Typed::read(&fields);
    let errors = typed.errors();
    if !errors.is_empty() {
        return refused_page(&view(&api, &visit, &typed, None, errors).await?);
    }
    let request = TokenRequest {
        name: typed.name.clone(),
        scopes: typed.scopes.clone(),
        modules: typed
            .modules
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        expires_in: typed.days().map(|days| DAY * days),
    };
    match api.control.create_token(request, &visit.actor()).await {
        Ok(made) => {
            let fresh = FreshToken {
                name: made.token.name.clone(),
                example: format!(
                    "curl -H 'Authorization: Bearer {}' http://{}/api/v1/modules",
                    made.secret,
                    visit.host()
                ),
                secret: made.secret,
            };
            let view = view(&api, &visit, &Typed::default(), Some(fresh), Vec::new()).await?;
            page_as(StatusCode::CREATED, &view)
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status >= 500 {
                return Err(refused);
            }
            let error = field_error(
                "name",
                "What is it for",
                &sentence(&refused.problem().detail),
            );
            refused_page(&view(&api, &visit, &typed, None, vec![error]).await?)
        }
    }
}

/// `POST /tokens/{id}/revoke`
///
/// # Errors
/// When there is none of this id.
pub async fn revoke(
    State(api): State<Api>,
    Path(id): Path<Id>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::Admin)?;
    match api.control.revoke_token(id, &visit.actor()).await {
        Ok(()) => visit.tell(&api, Tone::Good, "The token is revoked.", None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see("/tokens"))
}

/// The form, as it was filled in.
#[derive(Debug, Default)]
struct Typed {
    name: String,
    scopes: Scopes,
    unknown: Option<String>,
    modules: Vec<String>,
    expires: String,
}

impl Typed {
    fn read(fields: &Fields) -> Self {
        let words = || fields.all("scope");
        Self {
            name: fields.get("name").trim().to_owned(),
            scopes: words().filter_map(Scope::from_word).collect(),
            unknown: words()
                .find(|word| Scope::from_word(word).is_none())
                .map(str::to_owned),
            modules: fields.all("module").map(str::to_owned).collect(),
            expires: fields.get("expires").to_owned(),
        }
    }

    fn days(&self) -> Option<u32> {
        EXPIRIES
            .iter()
            .find(|(word, ..)| *word == self.expires)
            .and_then(|(.., days)| *days)
    }

    fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.name.is_empty() || self.name.chars().count() > 64 {
            errors.push(field_error(
                "name",
                "What is it for",
                "Write 1 to 64 characters.",
            ));
        }
        if let Some(word) = &self.unknown {
            errors.push(field_error(
                "scopes",
                "What may it do",
                &format!("“{word}” is no scope."),
            ));
        } else if self.scopes.is_empty() {
            errors.push(field_error(
                "scopes",
                "What may it do",
                "Choose at least one.",
            ));
        }
        if let Some(name) = self.modules.iter().find(|name| !is_name(name)) {
            errors.push(field_error(
                "modules",
                "Only for",
                &format!("“{name}” is no module's name."),
            ));
        }
        let beyond = self.scopes.iter().find(|scope| !scope.is_about_modules());
        if let (Some(scope), false) = (beyond, self.modules.is_empty()) {
            errors.push(field_error(
                "scopes",
                "What may it do",
                &format!(
                    "“{scope}” reaches beyond single modules: untick it, or choose no module."
                ),
            ));
        }
        if EXPIRIES.iter().all(|(word, ..)| *word != self.expires) {
            errors.push(field_error(
                "expires",
                "Good for",
                "Choose one of the list.",
            ));
        }
        errors
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<ModuleName>().is_ok()
}

fn field_error(id: &str, title: &str, message: &str) -> FieldError {
    FieldError {
        id: id.to_owned(),
        title: title.to_owned(),
        message: message.to_owned(),
    }
}

async fn view(
    api: &Api,
    visit: &Visit,
    typed: &Typed,
    fresh: Option<FreshToken>,
    errors: Vec<FieldError>,
) -> ApiResult<Tokens> {
    let now = now(api);
    let scopes = Scope::ALL.iter().map(|scope| ScopeChoice {
        name: scope.to_string(),
        plain: plain(*scope).to_owned(),
        checked: typed.scopes.contains(scope),
    });
    let modules = api.store.modules().await?;
    let modules = modules.iter().map(|module| {
        let name = module.name.to_string();
        let chosen = typed.modules.contains(&name);
        Choice::new(name.clone(), name, chosen)
    });
    let chosen = if typed.expires.is_empty() {
        "30d"
    } else {
        &typed.expires
    };
    let expiries = EXPIRIES
        .iter()
        .map(|(word, label, _)| Choice::new(*word, *label, *word == chosen));
    Ok(Tokens {
        chrome: visit.chrome(api).await?,
        fresh,
        tokens: api
            .store
            .tokens()
            .await?
            .iter()
            .map(|token| row(token, now))
            .collect(),
        scopes: scopes.collect(),
        modules: modules.collect(),
        expiries: expiries.collect(),
        name: typed.name.clone(),
        errors,
    })
}

fn row(token: &Token, now: UtcTime) -> TokenRow {
    let status = if token.revoked_at.is_some() {
        Badge::new(Tone::Quiet, "revoked")
    } else if token.is_valid(now) {
        Badge::new(Tone::Good, "active")
    } else {
        Badge::new(Tone::Quiet, "expired")
    };
    let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    let modules: Vec<_> = token.modules.iter().map(ModuleName::as_str).collect();
    TokenRow {
        id: token.id.to_string(),
        name: token.name.clone(),
        scopes: scopes.join(" "),
        modules: modules.join(", "),
        status,
        by: who(&token.by),
        created: stamp(token.created_at, now),
        expires: token.expires_at.map(|at| stamp(at, now)),
        last_used: token.last_used_at.map(|at| stamp(at, now)),
        can_revoke: token.is_valid(now),
    }
}

const fn plain(scope: Scope) -> &'static str {
    match scope {
        Scope::ModulesRead => "See modules, their configurations, logs and operations",
        Scope::ModulesControl => "Load, unload and reload modules, call their methods",
        Scope::ModulesInstall => "Install and remove modules, grant permissions",
        Scope::ConfigWrite => "Change configurations",
        Scope::EventsRead => "Read events",
        Scope::NodeRead => "Read the chain and the base node's state",
        Scope::NodeBroadcast => "Send transactions",
        Scope::NodeControl => "Mine and submit blocks",
        Scope::AuditRead => "Read the audit trail",
        Scope::MetricsRead => "Read metrics",
        Scope::WebhooksRead => "See webhook sources and deliveries with their bodies",
        Scope::WebhooksControl => "Change webhook sources and their secrets, replay deliveries",
        Scope::Admin => "Everything, also tokens",
    }
}
