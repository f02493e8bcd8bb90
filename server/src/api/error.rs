//! Refusals over HTTP: one closed list of codes and one document, `application/problem+json`
//! (RFC 9457). Every other part speaks of its errors in its own words; they become a [`Problem`]
//! in `translate` and nowhere else.
//!
//! A handler answers an [`ApiError`]. The outermost layer (`edge`) writes the body, because it
//! knows the request's id; it also turns the framework's own refusals into the same document.

use std::error::Error as StdError;

use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Id, Scope};

macro_rules! codes {
    ($( $variant:ident = $word:tt, $status:ident, $title:literal; )+) => {
        /// What kind of refusal it is. Clients may match on it; words are added, never changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $( #[doc = $title] #[serde(rename = $word)] $variant, )+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the document.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The code of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// The sentence that is the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be read.";
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not JSON.";
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A part of the address, a query field or a header does not fit.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Credentials are needed.";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "The credentials are not known here.";
    TokenExpired = "token_expired", UNAUTHORIZED, "The token has expired.";
    TokenRevoked = "token_revoked", UNAUTHORIZED, "The token was revoked.";
    SessionExpired = "session_expired", UNAUTHORIZED, "The session is over.";
    WebhookUnproven = "webhook_unproven", UNAUTHORIZED, "The webhook's source or signature is not known here.";
    WebhookStale = "webhook_stale", UNAUTHORIZED, "The webhook's signed time is too far from now.";
    LoginCodeInvalid = "login_code_invalid", UNAUTHORIZED, "The login code is used up, expired or wrong.";
    MissingScope = "missing_scope", FORBIDDEN, "The credentials lack a scope.";
    ModuleNotPermitted = "module_not_permitted", FORBIDDEN, "The token is bound to other modules.";
    OriginRefused = "origin_refused", FORBIDDEN, "A page of another origin may not ask this.";
    CsrfRefused = "csrf_refused", FORBIDDEN, "The form's token is missing or wrong.";
    Refused = "refused", FORBIDDEN, "It is not allowed here.";
    RouteNotFound = "route_not_found", NOT_FOUND, "There is nothing at this address.";
    NotFound = "not_found", NOT_FOUND, "It does not exist.";
    ModuleNotFound = "module_not_found", NOT_FOUND, "There is no module of this name.";
    MethodNotFound = "method_not_found", NOT_FOUND, "The module does not offer this method.";
    OperationNotFound = "operation_not_found", NOT_FOUND, "There is no operation of this id.";
    RevisionNotFound = "revision_not_found", NOT_FOUND, "There is no revision of this number.";
    TokenNotFound = "token_not_found", NOT_FOUND, "There is no token of this id.";
    BlockNotFound = "block_not_found", NOT_FOUND, "The base node does not have this block.";
    WebhookSourceNotFound = "webhook_source_not_found", NOT_FOUND, "There is no webhook source of this name.";
    WebhookDeliveryNotFound = "webhook_delivery_not_found", NOT_FOUND, "There is no webhook delivery of this id.";
    WebhookEndpointNotFound = "webhook_endpoint_not_found", NOT_FOUND, "There is no webhook endpoint of this name.";
    WebhookMessageNotFound = "webhook_message_not_found", NOT_FOUND, "There is no webhook message of this id.";
    TransactionNotFound = "transaction_not_found", NOT_FOUND, "The mempool does not have this transaction.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This address does not take this HTTP method.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive.";
    Conflict = "conflict", CONFLICT, "It conflicts with the present state.";
    OperationOpen = "operation_open", CONFLICT, "Another operation on this module is under way.";
    OperationFinal = "operation_final", CONFLICT, "The operation is already over.";
    ModuleExists = "module_exists", CONFLICT, "A module of this name is already installed.";
    ModuleDisabled = "module_disabled", CONFLICT, "The module is disabled.";
    GrantExceeded = "grant_exceeded", CONFLICT, "The changed program asks for more than the module has.";
    ModulePinned = "module_pinned", CONFLICT, "The module is pinned to its version.";
    NoPreviousVersion = "no_previous_version", CONFLICT, "No earlier version of the module is kept.";
    DataNotReadable = "data_not_readable", CONFLICT, "The version before cannot read the data that is there.";
    UpgradeRolledBack = "upgrade_rolled_back", CONFLICT, "The new version did not work, and the one before is in place again.";
    PackageRefused = "package_refused", UNPROCESSABLE_ENTITY, "The package is not one that is taken here.";
    RegistryRefused = "registry_refused", UNPROCESSABLE_ENTITY, "The registry, or what it has, is not believed or cannot be read.";
    RegistryNotFound = "registry_not_found", NOT_FOUND, "No registry of this name was added here.";
    RegistryExists = "registry_exists", CONFLICT, "A registry of this name was added already.";
    PublisherNotFound = "publisher_not_found", NOT_FOUND, "No publisher of this name is trusted here.";
    PublisherExists = "publisher_exists", CONFLICT, "A publisher of this name is trusted already.";
    ReleaseNotFound = "release_not_found", NOT_FOUND, "No release of this module is remembered.";
    ModuleBroken = "module_broken", CONFLICT, "The module cannot be loaded as it was found.";
    ModuleWaiting = "module_waiting", CONFLICT, "The module waits for its first load.";
    DependencyMissing = "dependency_missing", CONFLICT, "A module that it needs is not installed.";
    ModuleNotRunning = "module_not_running", CONFLICT, "The module does not run.";
    DigestMismatch = "digest_mismatch", CONFLICT, "The binary is not the one that was named.";
    ConfirmationMismatch = "confirmation_mismatch", CONFLICT, "The confirmation does not name the module.";
    IdempotencyAnswerLost = "idempotency_answer_lost", CONFLICT, "The first request with this key was carried out, and its answer is lost.";
    IdempotencyInFlight = "idempotency_in_flight", CONFLICT, "The first request with this key is not answered yet.";
    WebhookConflict = "webhook_conflict", CONFLICT, "The webhook's delivery id came before with another body.";
    WebhookSourceExists = "webhook_source_exists", CONFLICT, "There is a webhook source of this name already.";
    WebhookBodyDropped = "webhook_body_dropped", CONFLICT, "The webhook's body is kept no more.";
    WebhookEndpointExists = "webhook_endpoint_exists", CONFLICT, "There is a webhook endpoint of this name already.";
    WebhookEndpointDisabled = "webhook_endpoint_disabled", CONFLICT, "The webhook endpoint is disabled.";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "It was changed in the meantime.";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is larger than allowed.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body's media type is not taken here.";
    HostRefused = "host_refused", MISDIRECTED_REQUEST, "This node does not answer under this host name.";
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "The body does not have the right shape.";
    InvalidConfig = "invalid_config", UNPROCESSABLE_ENTITY, "The configuration is not valid.";
    InvalidManifest = "invalid_manifest", UNPROCESSABLE_ENTITY, "The module's manifest is not valid.";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "What was asked is not valid.";
    ModuleRefused = "module_refused", UNPROCESSABLE_ENTITY, "The module refused the call.";
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "This key was used for another request.";
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "`If-Match` is needed.";
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the node.";
    Unsupported = "unsupported", NOT_IMPLEMENTED, "The base node cannot do that.";
    ModuleGone = "module_gone", BAD_GATEWAY, "The module ended before it answered.";
    NodeUnavailable = "node_unavailable", SERVICE_UNAVAILABLE, "The base node is away for the moment.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "A part that is needed is away for the moment.";
    TooManyStreams = "too_many_streams", SERVICE_UNAVAILABLE, "Too many event streams are open.";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, "The node is shutting down.";
    DeadlineExceeded = "deadline_exceeded", GATEWAY_TIMEOUT, "It took longer than allowed.";
    DiskFull = "disk_full", INSUFFICIENT_STORAGE, "There is not enough free disk space.";
}

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One field's fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Where it is: a JSON pointer (RFC 6901) into the body or configuration; empty for the whole.
    pub pointer: String,
    /// What is wrong and the way out.
    pub detail: String,
}

/// A refusal (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:bllvm:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sentence that is the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What kind of refusal it is.
    pub code: Code,
    /// What happened here: the field, what is wrong with it, the way out.
    pub detail: String,
    /// `urn:ulid:` and the request's id, as in `X-Request-Id` and in the log.
    pub instance: String,
    /// The faults, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The scope that the credentials lack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_scope: Option<Scope>,
    /// The operation that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Id>,
    /// Why a package or a publisher's keys were refused, as a word that never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The entity tag that holds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When asking again makes sense, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether the audit trail has the refusal already.
    #[serde(skip)]
    pub audited: bool,
}

/// What a handler answers instead of a result.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Problem>);

/// The answer of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with its detail: a sentence that names the field, the fault and the way out.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: format!("urn:bllvm:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            missing_scope: None,
            operation: None,
            reason: None,
            etag: None,
            retry_after_ms: None,
            audited: false,
        }))
    }

    /// A fault of ours: the cause goes to the log with its whole chain, a fixed sentence to the client.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = cause.into();
        let mut chain = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            chain = format!("{chain}: {source}");
            next = source.source();
        }
        tracing::error!(error = chain, "a request failed inside the node");
        Self::new(
            Code::Internal,
            "the node's log has the cause under this request's id",
        )
    }

    /// A refusal whose code another part chose; an unknown word is a plain conflict.
    pub fn from_word(code: &str, detail: impl Into<String>) -> Self {
        let code = match code {
            "operation_ended" => Code::OperationFinal,
            word => Code::from_word(word).unwrap_or(Code::Conflict),
        };
        Self::new(code, detail)
    }

    /// The same refusal, in the more exact words of a noun where it means "not found".
    #[must_use]
    pub fn or_not_found(self, code: Code) -> Self {
        if self.0.code != Code::NotFound {
            return self;
        }
        let mut problem = Self::new(code, self.0.detail);
        problem.0.audited = self.0.audited;
        problem
    }

    /// Credentials without the scope that the operation needs.
    pub fn missing_scope(scope: Scope) -> Self {
        let mut error = Self::new(
            Code::MissingScope,
            format!("this needs the scope `{scope}`; use a token that has it, or the cookie file"),
        );
        error.0.missing_scope = Some(scope);
        error
    }

    /// Adds the faults, field by field.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Names why a package was refused.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.0.reason = Some(reason.to_owned());
        self
    }

    /// Names the operation that is in the way.
    #[must_use]
    pub fn with_operation(mut self, operation: Option<Id>) -> Self {
        self.0.operation = operation;
        self
    }

    /// Names the entity tag that holds now.
    #[must_use]
    pub fn with_etag(mut self, etag: String) -> Self {
        self.0.etag = Some(etag);
        self
    }

    /// Says when asking again makes sense.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.0.retry_after_ms = Some(ms);
        self
    }

    /// Says that the audit trail has the refusal already.
    pub fn mark_audited(&mut self) {
        self.0.audited = true;
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The document, without the request's id.
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The document.
    pub fn into_problem(self) -> Problem {
        *self.0
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0.detail, self.0.code.as_str())
    }
}

impl StdError for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(*self.0);
        response
    }
}

/// Writes a problem's body, with the request's id in it.
pub fn write(mut problem: Problem, request_id: &str, mut response: Response) -> Response {
    problem.instance = format!("urn:ulid:{request_id}");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(CONTENT_LENGTH);
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"bllvm\", Basic realm=\"bllvm\""),
        );
    }
    if let Some(ms) = problem.retry_after_ms {
        headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
    }
    // A problem is made of strings and numbers, so writing it cannot fail.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    *response.body_mut() = body.into();
    response
}

/// The document for a refusal that came from the framework: a status and perhaps a sentence.
pub fn from_status(status: StatusCode, response: &Response) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (
            Code::RouteNotFound,
            "nothing is served at this address; /api/v1/openapi.json lists what is".to_owned(),
        ),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = response.headers().get(ALLOW).and_then(|v| v.to_str().ok());
            (
                Code::MethodNotAllowed,
                format!("this address takes {}", allowed.unwrap_or("other methods")),
            )
        }
        StatusCode::PAYLOAD_TOO_LARGE => (
            Code::PayloadTooLarge,
            "the body is larger than this address takes".to_owned(),
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            Code::UnsupportedMediaType,
            "send `Content-Type: application/json`".to_owned(),
        ),
        StatusCode::REQUEST_TIMEOUT => (
            Code::RequestTimeout,
            "the body did not arrive in time".to_owned(),
        ),
        status if status.is_client_error() => (Code::BadRequest, format!("refused with {status}")),
        _ => (
            Code::Internal,
            "the node's log has the cause under this request's id".to_owned(),
        ),
    };
    let mut problem = ApiError::new(code, detail).into_problem();
    problem.status = status.as_u16();
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_reads_back() {
        for code in Code::ALL {
            assert_eq!(Code::from_word(code.as_str()), Some(*code));
            assert!(code.status().as_u16() >= 400);
            assert_eq!(
                serde_json::to_value(code).unwrap(),
                serde_json::json!(code.as_str())
            );
        }
    }

    #[test]
    fn a_missing_scope_is_named() {
        let error = ApiError::missing_scope(Scope::NodeControl);
        assert_eq!(error.problem().missing_scope, Some(Scope::NodeControl));
        assert!(error.problem().detail.contains("node:control"));
    }
}
