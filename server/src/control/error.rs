//! Why a verb was refused, in words for an operator and with the way out.

use bllvm_manifest::ConfigProblem;

use crate::model::Id;
use crate::store::StoreError;
use crate::supervisor::CallFailure;

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $word:literal; )+) => {
        /// What kind of refusal it is; the words are those of problem documents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ControlCode { $( $(#[doc = $doc])+ $variant, )+ }

        impl ControlCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

codes! {
    /// Another operation on the module is under way.
    OperationOpen = "operation_open";
    /// The operation is over already.
    OperationFinal = "operation_final";
    /// A module of this name is there already.
    ModuleExists = "module_exists";
    /// A publisher of this name is trusted already.
    PublisherExists = "publisher_exists";
    /// A registry of this name was added already.
    RegistryExists = "registry_exists";
    /// The module is disabled.
    ModuleDisabled = "module_disabled";
    /// The module cannot be loaded as it was found.
    ModuleBroken = "module_broken";
    /// The module waits for its first load.
    ModuleWaiting = "module_waiting";
    /// The module does not run.
    ModuleNotRunning = "module_not_running";
    /// The binary is not the one that was confirmed or named.
    DigestMismatch = "digest_mismatch";
    /// A changed program asks for more than the module has.
    GrantExceeded = "grant_exceeded";
    /// The module is pinned to its version.
    ModulePinned = "module_pinned";
    /// No earlier version of the module is kept.
    NoPreviousVersion = "no_previous_version";
    /// The version before cannot read the data that is there.
    DataNotReadable = "data_not_readable";
    /// The new version did not work, and the one before is in place again.
    UpgradeRolledBack = "upgrade_rolled_back";
    /// What was typed to confirm is not the module's name.
    ConfirmationMismatch = "confirmation_mismatch";
    /// A module that it cannot run without is not installed.
    DependencyMissing = "dependency_missing";
    /// A webhook source of this name is there already.
    WebhookSourceExists = "webhook_source_exists";
    /// An endpoint of outgoing webhooks of this name is there already.
    WebhookEndpointExists = "webhook_endpoint_exists";
    /// The endpoint is disabled.
    WebhookEndpointDisabled = "webhook_endpoint_disabled";
    /// A webhook's body is kept no more.
    WebhookBodyDropped = "webhook_body_dropped";
    /// It conflicts with the present state.
    Conflict = "conflict";
    /// It is not allowed here.
    Refused = "refused";
    /// What was asked is not valid.
    InvalidRequest = "invalid_request";
    /// The base node cannot do that.
    Unsupported = "unsupported";
}

/// Why a verb did nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// Its kind and name, such as ``module `x` ``.
        what: String,
    },
    /// It does not fit the present state.
    #[error("{detail}")]
    Conflict {
        /// What kind of conflict.
        code: ControlCode,
        /// What is in the way, and the way out.
        detail: String,
        /// The operation that is in the way.
        operation: Option<Id>,
    },
    /// A configuration is not valid.
    #[error("the configuration is not valid: {}", list(problems))]
    Invalid {
        /// Every problem, with its key and the way out.
        problems: Vec<ConfigProblem>,
    },
    /// It is not allowed, or makes no sense.
    #[error("{detail}")]
    Refused {
        /// What kind of refusal.
        code: ControlCode,
        /// Why, and the way out.
        detail: String,
    },
    /// A change of a configuration did not name the one it is based on.
    #[error("`If-Match` is needed: send the entity tag of the configuration that you changed")]
    PreconditionRequired,
    /// The configuration changed meanwhile.
    #[error("the configuration has changed meanwhile: read it again; its entity tag is {current}")]
    PreconditionFailed {
        /// The entity tag that holds now.
        current: String,
    },
    /// Something that is needed is away for the moment.
    #[error("{detail}")]
    Unavailable {
        /// What.
        detail: String,
        /// When asking again makes sense.
        retry_ms: u64,
    },
    /// A call of a module's method has no answer.
    #[error(transparent)]
    Call(#[from] CallFailure),
    /// A package is not one that is taken here.
    #[error("{detail}")]
    Package {
        /// Why, as a word: a code of `bllvm_package::Refusal` or `KeySetError`.
        reason: &'static str,
        /// What was checked, expected and found, and the way out.
        detail: String,
    },
    /// A registry, or what it has, is not believed or cannot be read.
    #[error("{detail}")]
    Registry {
        /// Why, as a word: a code of `bllvm_registry::RegistryError`.
        reason: &'static str,
        /// What was checked, expected and found, and the way out.
        detail: String,
    },
    /// The system refused a file.
    #[error("{detail}")]
    Files {
        /// Which one, what the system said, the way out.
        detail: String,
    },
    /// The database refused.
    #[error(transparent)]
    Store(StoreError),
}

impl ControlError {
    pub(super) fn conflict(code: ControlCode, detail: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            detail: detail.into(),
            operation: None,
        }
    }

    pub(super) fn refused(code: ControlCode, detail: impl Into<String>) -> Self {
        Self::Refused {
            code,
            detail: detail.into(),
        }
    }

    pub(super) fn files(detail: impl Into<String>) -> Self {
        Self::Files {
            detail: detail.into(),
        }
    }

    /// The code that a failed operation carries.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Conflict { code, .. } | Self::Refused { code, .. } => code.as_str(),
            Self::Package { reason, .. } | Self::Registry { reason, .. } => reason,
            Self::Invalid { .. } => "invalid_config",
            Self::PreconditionRequired => "precondition_required",
            Self::PreconditionFailed { .. } => "precondition_failed",
            Self::Unavailable { .. } => "unavailable",
            Self::Call(_) => "module_refused",
            Self::Store(StoreError::DiskFull | StoreError::DiskLow { .. }) => "disk_full",
            Self::Files { .. } | Self::Store(_) => "internal",
        }
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what } => Self::NotFound { what },
            StoreError::Conflict { operation, .. } => Self::Conflict {
                code: ControlCode::OperationOpen,
                detail: error.to_string(),
                operation: Some(operation),
            },
            StoreError::EtagMismatch { current } => Self::PreconditionFailed { current },
            StoreError::Refused { code, detail } => Self::conflict(
                match code {
                    "operation_ended" => ControlCode::OperationFinal,
                    word => ControlCode::ALL
                        .iter()
                        .copied()
                        .find(|code| code.as_str() == word)
                        .unwrap_or(ControlCode::Conflict),
                },
                detail,
            ),
            other => Self::Store(other),
        }
    }
}

fn list(problems: &[ConfigProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
