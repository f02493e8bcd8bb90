//! `/modules/{name}/logs`: output, filtered, followed and downloaded.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use bllvm_ipc::log::Level;
use bllvm_manifest::ModuleName;
use bllvm_web::Template as _;
use bllvm_web::pages::module::{Logs, Tab};
use bllvm_web::parts::{Badge, Choice, LogLines, Tone};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::{find, head};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::dashboard::address::with_query;
use crate::dashboard::present::log::{level_word, line, source_word};
use crate::dashboard::respond::page;
use crate::dashboard::visit::{Visit, now};
use crate::logs::LogLine;
use crate::model::{Scope, UtcTime};

/// Lines of a page, and lines that are looked through.
const PAGE: usize = 500;
const KEPT: usize = 2000;
/// Lines of one message of the stream.
const BATCH: usize = 200;
const SOURCES: [&str; 4] = ["log", "stdout", "stderr", "host"];

/// Which lines.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LogsQuery {
    #[serde(default)]
    level: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    follow: String,
    before: Option<u64>,
}

impl LogsQuery {
    fn least(&self) -> Option<Level> {
        match self.level.as_str() {
            "error" => Some(Level::Error),
            "warn" => Some(Level::Warn),
            "info" => Some(Level::Info),
            "debug" => Some(Level::Debug),
            _ => None,
        }
    }

    fn fits(&self, line: &LogLine) -> bool {
        let search = self.q.to_lowercase();
        self.least().is_none_or(|least| line.level >= least)
            && (self.source.is_empty() || self.source == source_word(line.source))
            && (search.is_empty()
                || line.message.to_lowercase().contains(&search)
                || line
                    .fields
                    .values()
                    .any(|value| value.to_string().to_lowercase().contains(&search)))
            && self.before.is_none_or(|before| line.seq < before)
    }

    fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let own = [
            ("level", self.level.as_str()),
            ("source", &self.source),
            ("q", &self.q),
        ];
        with_query(path, &[&own, more].concat())
    }
}

/// `GET /modules/{name}/logs`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(query): Query<LogsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let seen = find(&api, &name).await?;
    let mut found = tail(&api, &name, &query);
    let cut = found.len().saturating_sub(PAGE);
    let older = (cut > 0).then(|| found[cut].seq.to_string());
    found.drain(..cut);
    let path = format!("/modules/{name}/logs");
    let filtered = [&query.level, &query.source, &query.q]
        .iter()
        .any(|text| !text.is_empty());
    let now = now(&api);
    page(&Logs {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Logs).await?,
        levels: levels(&query.level),
        sources: sources(&query.source),
        search: query.q.clone(),
        lines: found.iter().map(|one| line(one, now)).collect(),
        nothing: if filtered {
            "No line fits.".to_owned()
        } else {
            "It has not written a line yet.".to_owned()
        },
        older: older.map(|seq| query.address(&path, &[("before", &seq)])),
        stream: (query.follow == "1").then(|| {
            let after = found.last().map_or(0, |last| last.seq).to_string();
            query.address(&format!("{path}/stream"), &[("after", &after)])
        }),
        following: Badge::new(Tone::Busy, "following"),
        follow_href: query.address(&path, &[("follow", "1")]),
        still_href: query.address(&path, &[]),
        download_href: query.address(&format!("{path}/download"), &[]),
    })
}

fn tail(api: &Api, name: &ModuleName, query: &LogsQuery) -> Vec<LogLine> {
    let mut lines = api.logs.tail(name, None, query.least(), KEPT);
    lines.retain(|line| query.fits(line));
    lines
}

fn levels(chosen: &str) -> Vec<Choice> {
    let levels = [
        ("", "all"),
        ("debug", "debug and worse"),
        ("info", "info and worse"),
        ("warn", "warn and worse"),
        ("error", "error only"),
    ];
    levels
        .into_iter()
        .map(|(value, label)| Choice::new(value, label, value == chosen))
        .collect()
}

fn sources(chosen: &str) -> Vec<Choice> {
    let named = SOURCES
        .iter()
        .map(|source| Choice::plain(*source, *source == chosen));
    [Choice::new("", "all", chosen.is_empty())]
        .into_iter()
        .chain(named)
        .collect()
}

/// `GET /modules/{name}/logs/download`
///
/// # Errors
/// When there is no module of this name.
pub async fn download(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(query): Query<LogsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    find(&api, &name).await?;
    let now = now(&api);
    let lines = tail(&api, &name, &query);
    let text: Vec<String> = lines.iter().map(|kept| as_text(kept, now)).collect();
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.log\""),
        ),
    ];
    Ok((headers, text.concat()).into_response())
}

fn as_text(kept: &LogLine, now: UtcTime) -> String {
    let shown = line(kept, now);
    let level = level_word(kept.level);
    let said = format!("{} {}", shown.message, shown.fields);
    format!(
        "{} {level:<5} {:<6} {}\n",
        kept.time,
        shown.source,
        said.trim_end()
    )
}

/// Where a stream goes on.
#[derive(Debug, Default, Deserialize)]
pub struct StreamQuery {
    #[serde(default)]
    after: u64,
}

/// `GET /modules/{name}/logs/stream`: messages without a name, whose data are rendered lines.
///
/// # Errors
/// When there is no module of this name, or too many streams are open.
pub async fn stream(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(query): Query<LogsQuery>,
    Query(from): Query<StreamQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    find(&api, &name).await?;
    let follow = Follow {
        lines: api.logs.subscribe(&name),
        // Lines between the page and this stream.
        missed: api.logs.tail(&name, Some(from.after), query.least(), KEPT),
        seen: from.after,
        query,
        name,
        api: api.clone(),
    };
    api.inner().streams.answer(messages(follow))
}

struct Follow {
    api: Api,
    name: ModuleName,
    lines: Receiver<Arc<LogLine>>,
    missed: Vec<LogLine>,
    seen: u64,
    query: LogsQuery,
}

impl Follow {
    /// Some new lines that fit; none when there will be no more.
    async fn next(&mut self) -> Option<Vec<LogLine>> {
        let mut fresh = std::mem::take(&mut self.missed);
        loop {
            fresh.retain(|line| line.seq > self.seen && self.query.fits(line));
            if let Some(last) = fresh.last() {
                self.seen = last.seq;
                return Some(fresh);
            }
            match self.lines.recv().await {
                Ok(line) => fresh.push(LogLine::clone(&line)),
                // What was lost is in the ring, and a line there tells of what is not.
                Err(RecvError::Lagged(_)) => {
                    fresh = self.api.logs.tail(&self.name, Some(self.seen), None, KEPT);
                }
                Err(RecvError::Closed) => return None,
            }
            while fresh.len() < BATCH {
                match self.lines.try_recv() {
                    Ok(line) => fresh.push(LogLine::clone(&line)),
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(_) => break,
                }
            }
        }
    }
}

fn messages(follow: Follow) -> impl Stream<Item = Event> + Send {
    unfold(follow, |mut follow| async move {
        let fresh = follow.next().await?;
        let now = now(&follow.api);
        let lines = LogLines {
            lines: fresh.iter().map(|one| line(one, now)).collect(),
        };
        // A template of strings does not fail; an empty message would be left out.
        let html = lines.render().unwrap_or_default();
        Some((Event::default().data(html), follow))
    })
}
