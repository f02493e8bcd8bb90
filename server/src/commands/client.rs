//! Asks a running node over REST: finds it by its data directory, proves itself by the cookie
//! file or a token, and turns refusals into errors.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH,
};
use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::Value;

use super::cli::{Options, usage};
use super::exit::CommandError;
use crate::app::ADDRESS_FILE;

/// How long an ordinary answer may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// A refusal, as far as people are told of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Problem {
    /// The code.
    #[serde(default)]
    pub code: String,
    /// Why a package was refused.
    #[serde(default)]
    pub reason: Option<String>,
    /// What happened and the way out.
    #[serde(default)]
    pub detail: String,
    /// Field by field.
    #[serde(default)]
    pub errors: Vec<FieldProblem>,
    /// The operation in the way.
    #[serde(default)]
    pub operation: Option<String>,
}

/// One field's fault.
#[derive(Clone, Debug, Deserialize)]
pub struct FieldProblem {
    /// Where.
    pub pointer: String,
    /// What.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.reason.as_ref().unwrap_or(&self.code))?;
        }
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        if let Some(operation) = &self.operation {
            write!(f, "\n  see it with `bllvm-node operation show {operation}`")?;
        }
        Ok(())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The body; null where there is none.
    pub body: Value,
    /// Its entity tag.
    pub etag: Option<String>,
}

/// A connection to one node.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
    data_dir: Option<PathBuf>,
}

impl Client {
    /// Finds the node.
    ///
    /// # Errors
    /// [`CommandError::Unreachable`] where no node runs on the data directory.
    pub fn connect(options: &Options) -> Result<Self> {
        let (base, data_dir) = if let Some(url) = &options.url {
            (url.trim_end_matches('/').to_owned(), None)
        } else {
            let dir = options.data_dir()?;
            (address_of(options, &dir)?, Some(dir))
        };
        if !base.starts_with("http://") {
            return Err(usage(format!(
                "--url {base}: only http:// is spoken here; ask a node behind TLS through a tunnel"
            )));
        }
        let authorization = match &options.token {
            Some(token) => format!("Bearer {}", read_token(token)?),
            None => cookie(options, &base)?,
        };
        let mut headers = HeaderMap::new();
        let mut value = HeaderValue::from_str(&authorization)
            .map_err(|_| usage("the token has characters that no token has"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            base,
            headers,
            data_dir,
        })
    }

    /// The node's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Removes.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a text of a media type; with an entity tag only if that still holds.
    pub async fn send_text(
        &self,
        method: Method,
        path: &str,
        media: &'static str,
        text: String,
        etag: Option<&str>,
    ) -> Result<Answer> {
        let mut request = self
            .request(method, path)
            .timeout(DEADLINE)
            .header(CONTENT_TYPE, media)
            .body(text);
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, etag);
        }
        self.answer(request).await
    }

    /// Any request with a JSON body.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let mut request = self.request(method, path).timeout(DEADLINE);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(request).await
    }

    /// Opens a stream of events.
    pub async fn stream(&self, path: &str, last_id: Option<&str>) -> Result<Response> {
        let mut request = self
            .request(Method::GET, path)
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .headers(self.headers.clone())
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let etag = response
            .headers()
            .get(ETAG)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.failed(&error))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .context("the node's answer is not JSON; is it a bllvm-node of this version?")?
        };
        Ok(Answer { body, etag })
    }

    fn failed(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() {
            "it did not answer in time"
        } else if error.is_connect() {
            "nothing answers there"
        } else {
            "the connection broke"
        };
        unreachable(&self.base, why, self.data_dir.as_deref())
    }
}

/// A piece of a path or a query, made safe.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

async fn refusal(response: Response) -> anyhow::Error {
    let status = response.status();
    let bytes = response.bytes().await.unwrap_or_default();
    let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
        detail: format!("the node answered {status}"),
        ..Problem::default()
    });
    CommandError::Refused(Box::new(problem)).into()
}

fn unreachable(base: &str, why: &str, data_dir: Option<&Path>) -> anyhow::Error {
    let way_out = match data_dir {
        Some(dir) => format!(
            "Start it with `bllvm-node run --data-dir {0}`, or name the data directory of the one that runs with --data-dir (now {0}).",
            dir.display()
        ),
        None => "Check --url.".to_owned(),
    };
    CommandError::Unreachable(format!(
        "the node at {base} cannot be reached: {why}.\n{way_out}"
    ))
    .into()
}

/// Where the node on a data directory listens: as it wrote itself, else as it is configured.
fn address_of(options: &Options, data_dir: &Path) -> Result<String> {
    if let Ok(address) = std::fs::read_to_string(data_dir.join(ADDRESS_FILE)) {
        return Ok(address.trim().to_owned());
    }
    Ok(format!("http://{}", options.load(Vec::new())?.http.listen))
}

fn read_token(text: &str) -> Result<String> {
    match text.strip_prefix('@') {
        None => Ok(text.to_owned()),
        Some(file) => Ok(std::fs::read_to_string(file)
            .with_context(|| format!("the token's file {file} cannot be read"))?
            .trim()
            .to_owned()),
    }
}

/// The cookie of the data directory as basic authentication. It never leaves this machine.
fn cookie(options: &Options, base: &str) -> Result<String> {
    let host = base.trim_start_matches("http://");
    let local = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|name| host.starts_with(name));
    if options.url.is_some() && !local {
        return Err(usage(format!(
            "{base} is another machine, and the cookie file is for this one; give a --token"
        )));
    }
    let dir = options.data_dir()?;
    let path = dir.join(".cookie");
    let cookie = match std::fs::read_to_string(&path) {
        Ok(cookie) => cookie,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(unreachable(
                base,
                "no node runs on this data directory",
                Some(&dir),
            ));
        }
        Err(error) => {
            return Err(CommandError::Unreachable(format!(
                "the cookie file {} cannot be read ({error}); ask as the user that runs the node, or with a --token",
                path.display()
            ))
            .into());
        }
    };
    Ok(format!("Basic {}", base64(cookie.trim().as_bytes())))
}

/// Base64, as basic authentication wants it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0_usize, |word, i| {
            word << 8 | usize::from(chunk.get(i).copied().unwrap_or(0))
        });
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(ALPHABET[word >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_others_write_it() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("__cookie__:ab", "X19jb29raWVfXzphYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn the_cookie_never_leaves_this_machine() {
        let options = Options {
            url: Some("http://node.example:8480".into()),
            ..Options::default()
        };
        let error = Client::connect(&options).unwrap_err();
        assert!(error.to_string().contains("give a --token"), "{error}");
        let options = Options {
            url: Some("https://127.0.0.1".into()),
            token: Some("x".into()),
            ..Options::default()
        };
        assert!(
            Client::connect(&options)
                .unwrap_err()
                .to_string()
                .contains("only http://")
        );
    }

    #[test]
    fn a_node_that_does_not_run_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            data_dir: Some(dir.path().to_owned()),
            ..Options::default()
        };
        let error = Client::connect(&options).unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(CommandError::Unreachable(_))
        ));
        assert!(
            error.to_string().contains("bllvm-node run --data-dir"),
            "{error}"
        );
    }

    #[test]
    fn text_in_an_address_is_escaped() {
        assert_eq!(encoded("a b/c?d=é"), "a%20b%2Fc%3Fd%3D%C3%A9");
    }
}
