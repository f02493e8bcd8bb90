//! Why a transaction is not taken, in Bitcoin Core's words.

use crate::Fault;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{detail}", if detail.is_empty() { "" } else { ": " })]
pub struct Reject {
    /// Bitcoin Core's reject reason, such as `min relay fee not met`.
    pub code: &'static str,
    /// What exactly; empty where the code says it all.
    pub detail: String,
}

impl Reject {
    /// A refusal that its code explains.
    pub fn new(code: &'static str) -> Self {
        Self::with(code, String::new())
    }

    /// A refusal with a detail.
    pub fn with(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

/// Why a check ended early: the transaction is refused, or the chain could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The transaction is refused.
    Reject(Reject),
    /// The chain could not be asked; says nothing about the transaction.
    Fault(Fault),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    /// Ends the function with a refusal that its code explains.
    pub fn reject<T>(code: &'static str) -> Result<T, Self> {
        Err(Self::Reject(Reject::new(code)))
    }

    /// Ends the function with a refusal and its detail.
    pub fn because<T>(code: &'static str, detail: impl Into<String>) -> Result<T, Self> {
        Err(Self::Reject(Reject::with(code, detail)))
    }

    /// A verdict, where the chain could be asked.
    pub fn verdict<T>(result: Result<T, Self>) -> Result<Result<T, Reject>, Fault> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Self::Reject(reject)) => Ok(Err(reject)),
            Err(Self::Fault(fault)) => Err(fault),
        }
    }
}
