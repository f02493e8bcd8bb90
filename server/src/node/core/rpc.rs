//! Calls to Bitcoin Core: one at a time or as a batch, with a deadline and a bound on the answer.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::CoreSettings;
use crate::node::NodeError;

/// The largest answer that is read: a block in JSON with everything that it spends.
const MAX_ANSWER_BYTES: usize = 128 << 20;
/// How long a connection may take to come about.
const KEEPALIVE: Duration = Duration::from_mins(1);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A password that shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How Bitcoin Core learns who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// By its cookie file, which is new at each of its starts.
    Cookie(PathBuf),
    /// By a user of its configuration.
    User {
        /// The name.
        name: String,
        /// A file that holds the password and nothing else.
        password_file: PathBuf,
    },
}

impl Credentials {
    async fn read(&self) -> Result<(String, Password), String> {
        let path = match self {
            Self::Cookie(path) => path,
            Self::User { password_file, .. } => password_file,
        };
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|error| match self {
            Self::Cookie(_) => format!(
                "its cookie file {} cannot be read ({error}); is Bitcoin Core running, and may this user read the file? `node.core_cookie` names another",
                path.display()
            ),
            Self::User { .. } => format!(
                "the password file {} cannot be read ({error}); `node.core_password_file` names it",
                path.display()
            ),
        })?;
        let text = text.trim();
        match self {
            Self::User { name, .. } => Ok((name.clone(), Password(text.to_owned()))),
            Self::Cookie(_) => match text.split_once(':') {
                Some((user, password)) => Ok((user.to_owned(), Password(password.to_owned()))),
                None => Err(format!("{} is not a cookie file", path.display())),
            },
        }
    }
}

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RpcError {
    /// Bitcoin Core cannot be asked now.
    Away(String),
    /// Bitcoin Core refused, with its number and words.
    Refused { code: i64, message: String },
    /// The answer is not what Bitcoin Core gives.
    Shape(String),
}

impl RpcError {
    pub(super) fn is(&self, wanted: i64) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// The error, or this one where Bitcoin Core found nothing (-5 and -8).
    pub(super) fn or_missing(self, what: impl FnOnce() -> String) -> NodeError {
        match self {
            Self::Refused { code: -5 | -8, .. } => NodeError::NotFound(what()),
            other => other.into(),
        }
    }
}

impl From<RpcError> for NodeError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Away(why) => super::away(&why),
            RpcError::Refused { code: -28, message } => super::away(&message),
            RpcError::Refused { code, message } => match code {
                -5 => Self::NotFound(message),
                -32601 | -31 | -33 => Self::Unsupported(format!("Bitcoin Core says: {message}")),
                -3 | -8 | -22 => Self::Invalid {
                    code: "params".to_owned(),
                    message,
                },
                _ if message.contains("pruned") => Self::Unsupported(message),
                _ => Self::Internal(format!("Bitcoin Core says: {message} ({code})")),
            },
            RpcError::Shape(what) => Self::Internal(what),
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<Refusal>,
    #[serde(default)]
    id: Value,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

impl Reply {
    fn outcome(self) -> Result<Value, RpcError> {
        match self.error {
            None => Ok(self.result),
            Some(Refusal { code, message }) => Err(RpcError::Refused { code, message }),
        }
    }
}

/// A client of one Bitcoin Core.
#[derive(Debug)]
pub(super) struct Rpc {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
    known: Mutex<Option<(String, Password)>>,
    deadline: Duration,
}

impl Rpc {
    pub(super) fn new(settings: &CoreSettings) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_DEADLINE)
            // A longpoll may wait for days; a machine that is gone must not.
            .tcp_keepalive(KEEPALIVE)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self {
            http: http.expect("a client without TLS can always be made"),
            url: settings.url.trim_end_matches('/').to_owned(),
            credentials: settings.credentials.clone(),
            known: Mutex::new(None),
            deadline: settings.call_deadline,
        }
    }

    /// Calls a method.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, RpcError> {
        self.call_within(method, params, self.deadline).await
    }

    /// Calls a method that may take longer than others.
    pub(super) async fn call_within<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        deadline: Duration,
    ) -> Result<T, RpcError> {
        let request = json!({ "id": "bllvm", "method": method, "params": params });
        let answer = self.post(&request, deadline).await?;
        let reply: Reply = read(method, &answer)?;
        typed(method, reply.outcome()?)
    }

    /// Calls a method many times; the answers are in the order of the parameters. The first
    /// refusal is the error.
    pub(super) async fn batch<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>, RpcError> {
        let requests: Vec<Value> = params
            .into_iter()
            .enumerate()
            .map(|(id, params)| json!({ "id": id, "method": method, "params": params }))
            .collect();
        let count = requests.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let answer = self.post(&Value::Array(requests), self.deadline).await?;
        let mut replies: Vec<Reply> = read(method, &answer)?;
        replies.sort_by_key(|reply| reply.id.as_u64());
        if replies.len() != count {
            let found = replies.len();
            let text = format!("Bitcoin Core gave {found} answers to a batch of {count} {method}");
            return Err(RpcError::Shape(text));
        }
        replies
            .into_iter()
            .map(|reply| typed(method, reply.outcome()?))
            .collect()
    }

    /// Sends a body. Credentials are read again once, where they were refused: a cookie is new at
    /// each of Bitcoin Core's starts.
    async fn post(&self, body: &Value, deadline: Duration) -> Result<Vec<u8>, RpcError> {
        let work = async {
            let remembered = self
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(known) = &remembered
                && let Some(answer) = self.post_as(known, body).await?
            {
                return Ok(answer);
            }
            let fresh = self.credentials.read().await.map_err(RpcError::Away)?;
            if remembered.as_ref() == Some(&fresh) {
                return Err(RpcError::Away(self.unknown()));
            }
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
            let answer = self.post_as(&fresh, body).await?;
            answer.ok_or_else(|| RpcError::Away(self.unknown()))
        };
        tokio::time::timeout(deadline, work)
            .await
            .unwrap_or_else(|_| {
                let seconds = deadline.as_secs();
                Err(RpcError::Away(format!(
                    "{} did not answer within {seconds} s",
                    self.url
                )))
            })
    }

    fn unknown(&self) -> String {
        let way_out = match &self.credentials {
            Credentials::Cookie(path) => format!(
                "the cookie in {} is not the one of this Bitcoin Core; `node.core_cookie` names another file",
                path.display()
            ),
            Credentials::User { name, .. } => format!(
                "it does not know the user {name} with this password; see rpcauth in bitcoin.conf, `node.core_user` and `node.core_password_file`"
            ),
        };
        format!("{} refuses us: {way_out}", self.url)
    }

    /// The answer's bytes; none where the credentials were refused.
    async fn post_as(
        &self,
        (user, password): &(String, Password),
        body: &Value,
    ) -> Result<Option<Vec<u8>>, RpcError> {
        let lost = |error: reqwest::Error| RpcError::Away(self.lost(&error));
        let request = self
            .http
            .post(&self.url)
            .basic_auth(user, Some(&password.0));
        let mut answer = request.json(body).send().await.map_err(lost)?;
        match answer.status() {
            // Some say it this way once it happened often.
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => return Ok(None),
            StatusCode::FORBIDDEN => {
                let named = body["method"].as_str().or(body[0]["method"].as_str());
                let text = format!(
                    "{} forbids us the method `{}`; see rpcwhitelist and rpcallowip in bitcoin.conf",
                    self.url,
                    named.unwrap_or_default()
                );
                return Err(RpcError::Refused {
                    code: -32601,
                    message: text,
                });
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                return Err(RpcError::Away(format!(
                    "{} has too much to do; rpcworkqueue and rpcthreads in bitcoin.conf let it take more at a time",
                    self.url
                )));
            }
            _ => {}
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                let text = format!("an answer of {} is larger than 128 MiB", self.url);
                return Err(RpcError::Shape(text));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// What happened to the connection, down to its last cause.
    fn lost(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        format!("{} cannot be reached: {cause}", self.url)
    }
}

fn read<T: DeserializeOwned>(method: &str, answer: &[u8]) -> Result<T, RpcError> {
    serde_json::from_slice(answer).map_err(|_| {
        let text = String::from_utf8_lossy(answer);
        let start: String = text.chars().take(80).collect();
        RpcError::Shape(format!("the answer to {method} is not JSON-RPC: {start:?}"))
    })
}

fn typed<T: DeserializeOwned>(method: &str, result: Value) -> Result<T, RpcError> {
    serde_json::from_value(result)
        .map_err(|error| RpcError::Shape(format!("the result of {method} does not fit: {error}")))
}
