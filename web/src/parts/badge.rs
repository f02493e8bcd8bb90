//! A state as icon, word and colour, never as colour alone.

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As wanted.
    Good,
    /// On its way.
    Busy,
    /// Look at it today.
    Warn,
    /// Someone must act.
    Bad,
    /// Neither good nor bad.
    Quiet,
    /// Worth a glance.
    Info,
}

impl Tone {
    /// The class in the stylesheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "tone-good",
            Self::Busy => "tone-busy",
            Self::Warn => "tone-warn",
            Self::Bad => "tone-bad",
            Self::Quiet => "tone-quiet",
            Self::Info => "tone-info",
        }
    }

    /// The symbol in `icons.svg`.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Good => "check",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "cross",
            Self::Quiet => "dot",
            Self::Info => "info",
        }
    }
}

/// Icon, word and colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// The word.
    pub word: String,
    /// The colour.
    pub tone: Tone,
    /// The symbol in `icons.svg`.
    pub icon: &'static str,
}

impl Badge {
    /// A badge with the usual icon of its tone.
    pub fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            tone,
            icon: tone.icon(),
        }
    }

    fn with_icon(tone: Tone, word: &str, icon: &'static str) -> Self {
        Self {
            word: word.to_owned(),
            tone,
            icon,
        }
    }
}

/// Where a module is; the words are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleState {
    /// Found, not yet reviewed by an operator.
    Waiting,
    /// Found, and no module that could be loaded as it lies there.
    Unusable,
    /// Not running, as wanted.
    Stopped,
    /// Spawned, not yet ready.
    Starting,
    /// Ready.
    Running,
    /// Draining or being ended.
    Stopping,
    /// Crashed; will be started again.
    BackingOff,
    /// Needs a person.
    Failed,
}

impl From<ModuleState> for Badge {
    fn from(state: ModuleState) -> Self {
        match state {
            ModuleState::Waiting => Self::with_icon(Tone::Info, "waiting for review", "eye"),
            ModuleState::Unusable => Self::with_icon(Tone::Warn, "cannot be loaded", "warn"),
            ModuleState::Stopped => Self::with_icon(Tone::Quiet, "stopped", "stop"),
            ModuleState::Starting => Self::with_icon(Tone::Busy, "starting", "busy"),
            ModuleState::Running => Self::with_icon(Tone::Good, "running", "play"),
            ModuleState::Stopping => Self::with_icon(Tone::Busy, "stopping", "busy"),
            ModuleState::BackingOff => Self::with_icon(Tone::Warn, "backing off", "clock"),
            ModuleState::Failed => Self::with_icon(Tone::Bad, "failed", "cross"),
        }
    }
}

/// How a running module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Answers.
    Healthy,
    /// Does not answer.
    Unresponsive,
    /// Says itself that something is wrong.
    Degraded,
}

impl From<Health> for Badge {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy => Self::with_icon(Tone::Good, "healthy", "check"),
            Health::Unresponsive => Self::with_icon(Tone::Bad, "unresponsive", "cross"),
            Health::Degraded => Self::with_icon(Tone::Warn, "degraded", "warn"),
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStatus {
    /// Accepted.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Not done, with a reason.
    Failed,
    /// Ended by a person.
    Cancelled,
}

impl From<OperationStatus> for Badge {
    fn from(status: OperationStatus) -> Self {
        match status {
            OperationStatus::Pending => Self::with_icon(Tone::Quiet, "pending", "clock"),
            OperationStatus::Running => Self::with_icon(Tone::Busy, "running", "busy"),
            OperationStatus::Succeeded => Self::with_icon(Tone::Good, "succeeded", "check"),
            OperationStatus::Failed => Self::with_icon(Tone::Bad, "failed", "cross"),
            OperationStatus::Cancelled => Self::with_icon(Tone::Quiet, "cancelled", "stop"),
        }
    }
}
