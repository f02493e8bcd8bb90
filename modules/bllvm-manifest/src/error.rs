//! What can be wrong with a manifest, said so that its author can mend it.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::file::FileError;

/// One thing that is wrong, where, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The full dotted key, such as `resources.memory`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.problem)?;
        if self.help.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.help)
        }
    }
}

/// Why a text or file is not a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file could not be read, or is larger than any manifest.
    #[error(transparent)]
    File(#[from] FileError),
    /// A text in memory that is larger than any manifest.
    #[error("the manifest has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// The size of the text.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Bytes that are no text.
    #[error("the manifest is not UTF-8: line {line}, column {column} holds a byte that is no text")]
    NotUtf8 {
        /// Line of the first bad byte, from 1.
        line: usize,
        /// Column of the first bad byte, from 1.
        column: usize,
    },
    /// Text that is not TOML.
    #[error("the manifest is not TOML: line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// TOML that says something no manifest may say: everything that was found.
    #[error("{}", list(.problems))]
    Invalid {
        /// All that is wrong, in the order of the manifest's sections.
        problems: Vec<Problem>,
    },
}

impl ManifestError {
    /// What is wrong key by key; empty where the text could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems } => problems,
            _ => &[],
        }
    }

    /// The way out, in one sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::File(FileError::Missing { .. }) => {
                "put one there, with at least name, version and entry_point, or remove the folder if it is \
                 no module"
            }
            Self::File(FileError::NotAFile { .. }) => "module.toml must be a regular file",
            Self::File(FileError::TooLarge { .. }) | Self::TooLarge { .. } => {
                "a manifest holds no data; move what is large into a file of its own"
            }
            Self::File(FileError::Io { .. }) => "check the file's owner and permissions",
            Self::NotUtf8 { .. } => "save the file as UTF-8",
            Self::Syntax { .. } => "correct the line; https://toml.io shows the syntax",
            Self::Invalid { .. } => "correct each key named; MANIFEST.md lists them all",
        }
    }
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [only] => only.to_string(),
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|problem| format!("\n  {problem}"))
                .collect();
            format!("{} problems:{}", many.len(), lines.concat())
        }
    }
}
