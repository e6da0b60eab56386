//! Looking for what is wrong with an installation, and saying what to do about it. Nothing is made, migrated or repaired.

pub(crate) mod log;
pub(crate) mod place;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// In order.
    Ok,
    /// It works, but should be looked after.
    Warning,
    /// It does not work, or something is lost.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at.
    pub(crate) part: String,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it; empty where nothing is to be done.
    #[serde(default)]
    pub(crate) todo: String,
}

impl Finding {
    pub(crate) fn ok(part: &str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, part: part.to_owned(), what: what.into(), todo: String::new() }
    }

    pub(crate) fn warning(part: &str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Warning, part: part.to_owned(), what: what.into(), todo: todo.into() }
    }

    pub(crate) fn fault(part: &str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Fault, part: part.to_owned(), what: what.into(), todo: todo.into() }
    }

    /// A fault whose text says what to do as well.
    pub(crate) fn error(part: &str, error: &anyhow::Error) -> Self {
        Self::fault(part, format!("{error:#}"), "")
    }
}

/// For a person: a line, and one with what to do.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Fault => "FAULT  ",
        };
        write!(f, "{level}  {}: {}", self.part, self.what)?;
        if self.todo.is_empty() { Ok(()) } else { write!(f, "\n         → {}", self.todo) }
    }
}
