//! GitHub's API for the deliveries of one hook.

use std::time::Duration;

use axum::http::Method;
use reqwest::Url;

use super::plan::{Listed, within};
use crate::model::{AttemptCode, UtcTime};
use crate::webhooks::outgoing::{HttpClient, Posted};

/// Pages of 100 deliveries that one run reads.
const MOST_PAGES: usize = 20;
/// Bytes of a page; a delivery in it has less than 1 KiB.
const PAGE_BYTES: usize = 1 << 20;
/// For one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The API for one hook.
pub struct GitHub<'a> {
    client: &'a HttpClient,
    deliveries: Url,
    token: &'a str,
}

impl<'a> GitHub<'a> {
    /// The API below `api_url`, such as `https://api.github.com`, for a hook such as
    /// `repos/example/project/hooks/1`.
    ///
    /// # Errors
    /// Where the address cannot be read, or is one that the node must not be led to.
    pub fn new(
        client: &'a HttpClient,
        api_url: &str,
        hook: &str,
        token: &'a str,
    ) -> Result<Self, String> {
        let address = format!("{}/{hook}/deliveries", api_url.trim_end_matches('/'));
        let deliveries = client
            .allowed()
            .read_url(&address)
            .map_err(|why| format!("`api_url` {why}"))?;
        Ok(Self {
            client,
            deliveries,
            token,
        })
    }

    /// The attempts of the window, newest first.
    ///
    /// # Errors
    /// Why they cannot be read, and the way out.
    pub async fn deliveries(&self, now: UtcTime) -> Result<Vec<Listed>, String> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.deliveries.clone();
            url.query_pairs_mut().append_pair("per_page", "100");
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let answer = self.send(Method::GET, &url, now).await?;
            let page: Vec<Listed> = serde_json::from_slice(&answer.body)
                .map_err(|error| format!("the list of deliveries cannot be read: {error}"))?;
            let more = page.last().is_some_and(|oldest| within(oldest, now));
            all.extend(page);
            cursor = answer.header("link").and_then(next_cursor);
            if cursor.is_none() || !more {
                break;
            }
        }
        Ok(all)
    }

    /// Asks for an attempt to be made again.
    ///
    /// # Errors
    /// Why it is not, and the way out.
    pub async fn redeliver(&self, attempt: u64, now: UtcTime) -> Result<(), String> {
        let address = format!("{}/{attempt}/attempts", self.deliveries);
        let url = Url::parse(&address).map_err(|error| error.to_string())?;
        self.send(Method::POST, &url, now).await.map(|_| ())
    }

    async fn send(&self, method: Method, url: &Url, now: UtcTime) -> Result<Posted, String> {
        let headers = [
            ("accept", "application/vnd.github+json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ];
        let answer = self
            .client
            .ask(method, url, headers, TIMEOUT, PAGE_BYTES, now)
            .await;
        let sent = &answer.sent;
        match (sent.code, sent.status) {
            (AttemptCode::Delivered, _) => Ok(answer),
            (_, Some(401)) => Err("GitHub does not know the token (401): set a new one".to_owned()),
            (_, Some(403 | 404)) => Err(format!(
                "GitHub {}: check `hook`, and that the token may administer it",
                sent.detail
            )),
            _ => Err(format!("GitHub: {}", sent.detail)),
        }
    }
}

/// The cursor of the next page in a `Link` header.
fn next_cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|one| one.contains("rel=\"next\""))?;
    let address = next.trim().strip_prefix('<')?.split('>').next()?;
    let url = Url::parse(address).ok()?;
    let found = url.query_pairs().find(|(key, _)| key == "cursor");
    found.map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use super::next_cursor;

    #[test]
    fn the_next_page_is_where_the_link_says() {
        let link = r#"<https://api.github.com/repos/o/r/hooks/1/deliveries?cursor=v1_2&per_page=100>; rel="next""#;
        assert_eq!(next_cursor(link).as_deref(), Some("v1_2"));
        let last = r#"<https://api.github.com/x?cursor=v1_1>; rel="prev""#;
        assert_eq!(next_cursor(last), None);
    }
}
