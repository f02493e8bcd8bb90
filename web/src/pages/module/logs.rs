//! A module's output: filtered, searched, followed, downloaded.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::parts::{Badge, Choice, LogLine, Tone};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /modules/{name}/logs?level=&source=&q=&follow=1`
///
/// While following, `stream` answers with messages whose data is a rendered
/// [`crate::parts::LogLines`].
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/logs.html")]
pub struct Logs {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// Levels to filter by.
    pub levels: Vec<Choice>,
    /// Sources to filter by.
    pub sources: Vec<Choice>,
    /// What was searched for.
    pub search: String,
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// What to say if there is none.
    pub nothing: String,
    /// Where lines older than these are.
    pub older: Option<String>,
    /// The stream's address, while following.
    pub stream: Option<String>,
    /// What is shown while following.
    pub following: Badge,
    /// This page, following.
    pub follow_href: String,
    /// This page, not following.
    pub still_href: String,
    /// All lines that match as a file.
    pub download_href: String,
}

impl Logs {
    /// A page that stands still.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/logs"),
            head: ModuleHead::sample(Tab::Logs),
            levels: vec![
                Choice::new("", "all", false),
                Choice::new("info", "info and worse", true),
                Choice::new("warn", "warn and worse", false),
                Choice::new("error", "error only", false),
            ],
            sources: vec![Choice::new("", "all", true), Choice::plain("stderr", false)],
            search: String::new(),
            lines: lines(),
            nothing: "It has not written a line yet.".to_owned(),
            older: Some("/modules/block-clock/logs?before=881".to_owned()),
            stream: None,
            following: Badge::new(Tone::Busy, "following"),
            follow_href: "/modules/block-clock/logs?level=info&follow=1".to_owned(),
            still_href: "/modules/block-clock/logs?level=info".to_owned(),
            download_href: "/modules/block-clock/logs/download?level=info".to_owned(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            lines: Vec::new(),
            older: None,
            nothing: "No line matches the filter.".to_owned(),
            search: "timeout".to_owned(),
            ..Self::sample()
        };
        let following = Self {
            stream: Some("/modules/block-clock/logs/stream?level=info".to_owned()),
            ..Self::sample()
        };
        let mut line = lines().remove(0);
        (line.message, line.fields, line.source) =
            (HOSTILE.to_owned(), LONG.repeat(9), HOSTILE.to_owned());
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/logs"),
            head: ModuleHead::hostile(Tab::Logs),
            levels: vec![Choice::plain(HOSTILE, true)],
            search: HOSTILE.to_owned(),
            lines: vec![line],
            older: Some(HOSTILE.to_owned()),
            stream: Some(HOSTILE.to_owned()),
            still_href: HOSTILE.to_owned(),
            download_href: HOSTILE.to_owned(),
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("following", following),
            ("hostile", hostile),
        ]
    }
}

fn lines() -> Vec<LogLine> {
    let line = |seconds, level, source: &str, message: &str, fields: &str| LogLine {
        at: ago(seconds),
        level,
        source: source.to_owned(),
        message: message.to_owned(),
        fields: fields.to_owned(),
    };
    vec![
        line(
            120,
            "info",
            "log",
            "listening",
            "http.address=127.0.0.1:8490",
        ),
        line(
            119,
            "debug",
            "log",
            "subscribed to chain events",
            "cursor=8790",
        ),
        line(
            61,
            "warn",
            "log",
            "a client was slow and was let go",
            "peer=127.0.0.1:50122 waited_ms=5000",
        ),
        line(
            60,
            "gap",
            "host",
            "1,204 lines were dropped: more than 1 MiB in a second",
            "",
        ),
        line(
            30,
            "error",
            "stderr",
            "thread 'main' panicked at src/module.rs:41:9: no tip yet, and the line goes on for quite a while so that it needs to wrap or scroll somewhere",
            "",
        ),
        line(3, "info", "log", "new tip", "height=1204"),
    ]
}
