//! One attempt over HTTP: the name is resolved once, only addresses that are allowed are connected
//! to, nothing is followed, no proxy is asked, and of the answer a kibibyte is kept.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::{AllowedAddresses, host_address, plain_http};
use super::names::Names;
use crate::model::{AttemptCode, UtcTime};

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Bytes of an answer's body that are read, and that are kept.
const READ_BYTES: usize = 64 << 10;
const KEPT_BYTES: usize = 1 << 10;
/// Bytes of an answer's head.
const HEAD_BYTES: usize = 64 << 10;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// In one word.
    pub code: AttemptCode,
    /// The receiver's HTTP status.
    pub status: Option<u16>,
    /// In words.
    pub detail: String,
    /// The beginning of the answer's body.
    pub reply: Option<String>,
    /// What the receiver asked for.
    pub retry_after: Option<Duration>,
}

impl Sent {
    pub(super) fn failed(code: AttemptCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: None,
            detail: detail.into(),
            reply: None,
            retry_after: None,
        }
    }
}

/// Sends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    allowed: AllowedAddresses,
    names: Names,
    /// The system's certificates, read at the first use.
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// A message to be posted.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a Url,
    /// Its signature and id.
    pub headers: [(&'static str, String); 3],
    /// The body.
    pub body: &'a str,
    /// For everything together.
    pub timeout: Duration,
    /// Against which a date in the answer is read.
    pub now: UtcTime,
}

/// A request on its way.
struct Asked<'a> {
    method: Method,
    post: Post<'a>,
    /// Bytes of the answer's body that are read, and of these kept.
    read: usize,
    keep: usize,
}

/// An answer with its head and as much of its body as was asked for.
#[derive(Debug)]
pub struct Posted {
    /// What came of it.
    pub sent: Sent,
    /// The body.
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Posted {
    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn failed(sent: Sent) -> Self {
        Self {
            sent,
            body: Vec::new(),
            headers: HeaderMap::new(),
        }
    }
}

impl HttpClient {
    /// A client that may connect to the public internet and to these.
    pub fn new(allowed: AllowedAddresses) -> Self {
        Self {
            allowed,
            names: Names::System,
            tls: Arc::default(),
        }
    }

    /// A client that asks a test's resolver.
    #[cfg(test)]
    pub(super) fn resolving(allowed: AllowedAddresses, resolver: super::tests::Resolver) -> Self {
        Self {
            names: Names::Scripted(resolver),
            ..Self::new(allowed)
        }
    }

    /// A client that trusts these authorities only.
    #[cfg(test)]
    pub(super) fn trusting(
        allowed: AllowedAddresses,
        roots: RootCertStore,
    ) -> Result<Self, String> {
        Ok(Self {
            tls: Arc::new(OnceCell::new_with(Some(trusting(roots)?))),
            ..Self::new(allowed)
        })
    }

    /// The addresses that are allowed.
    pub fn allowed(&self) -> &AllowedAddresses {
        &self.allowed
    }

    /// Posts a message once.
    pub async fn post(&self, post: Post<'_>) -> Sent {
        let asked = Asked {
            method: Method::POST,
            post,
            read: READ_BYTES,
            keep: KEPT_BYTES,
        };
        self.in_time(asked).await.sent
    }

    /// Sends a request without a body, and reads up to `most` bytes of the answer.
    pub async fn ask(
        &self,
        method: Method,
        url: &Url,
        headers: [(&'static str, String); 3],
        timeout: Duration,
        most: usize,
        now: UtcTime,
    ) -> Posted {
        let post = Post {
            url,
            headers,
            body: "",
            timeout,
            now,
        };
        let asked = Asked {
            method,
            post,
            read: most,
            keep: most,
        };
        self.in_time(asked).await
    }

    async fn in_time(&self, asked: Asked<'_>) -> Posted {
        let timeout = asked.post.timeout;
        match tokio::time::timeout(timeout, self.attempt(asked)).await {
            Ok(Ok(posted)) => posted,
            Ok(Err(sent)) => Posted::failed(sent),
            Err(_) => Posted::failed(Sent::failed(
                AttemptCode::Timeout,
                format!("no whole answer within {} s", timeout.as_secs()),
            )),
        }
    }

    async fn attempt(&self, asked: Asked<'_>) -> Result<Posted, Sent> {
        let url = asked.post.url;
        let stream = self.connect(url).await?;
        if url.scheme() == "https" {
            exchange(self.secured(url, stream).await?, &asked).await
        } else {
            exchange(stream, &asked).await
        }
    }

    /// Connects to one of the addresses that the name has now and that are allowed.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Sent> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let found: Vec<IpAddr> = match host_address(url) {
            Some(address) => vec![address],
            None => self.names.addresses(host, port).await.map_err(|error| {
                let detail = format!("the name {host} could not be resolved: {error}");
                Sent::failed(AttemptCode::Dns, detail)
            })?,
        };
        let mut refused = None;
        let mut open = Vec::new();
        for address in found {
            match self.allowed.check(address) {
                Ok(()) if url.scheme() == "http" && !self.allowed.names(address) => {
                    refused.get_or_insert_with(|| format!("the address {}", plain_http()));
                }
                Ok(()) => open.push(address),
                Err(why) => {
                    refused.get_or_insert(why);
                }
            }
        }
        if open.is_empty() {
            return Err(match refused {
                Some(why) => Sent::failed(AttemptCode::AddressRefused, why),
                None => Sent::failed(AttemptCode::Dns, format!("the name {host} has no address")),
            });
        }
        let mut last = None;
        for address in open.into_iter().take(MAX_ADDRESSES) {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => {
                    // One small request: waiting for more of it gains nothing.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = Some(format!("{address} port {port}: {error}")),
            }
        }
        Err(Sent::failed(
            AttemptCode::Connect,
            format!("could not connect to {}", last.unwrap_or_default()),
        ))
    }

    async fn secured(
        &self,
        url: &Url,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Sent> {
        let failed = |detail: String| Sent::failed(AttemptCode::Tls, detail);
        let config = self.tls.get_or_try_init(tls_config).await.map_err(failed)?;
        let name = match host_address(url) {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(url.host_str().unwrap_or_default().to_owned())
                .map_err(|error| failed(format!("the name cannot be in a certificate: {error}")))?,
        };
        TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| failed(format!("TLS failed: {error}")))
    }
}

async fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let read = read.map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(read.certs);
    if added == 0 {
        return Err(
            "this system has no certificate authorities: install its `ca-certificates` package, \
             or name a file in SSL_CERT_FILE; then start the node again"
                .to_owned(),
        );
    }
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Sends the request and reads the answer.
async fn exchange<S>(stream: S, asked: &Asked<'_>) -> Result<Posted, Sent>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &hyper::Error| {
        let detail = format!("the connection broke before the answer was whole: {error}");
        Sent::failed(AttemptCode::BrokenAnswer, detail)
    };
    let request = request(asked)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let answering = async {
        let answer = sender.send_request(request).await?;
        let (head, mut body) = answer.into_parts();
        let mut kept = Vec::new();
        let mut read = 0;
        while read < asked.read
            && let Some(frame) = body.frame().await
        {
            let Ok(data) = frame?.into_data() else { break };
            read += data.len();
            let room = asked.keep - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok::<_, hyper::Error>((head, kept))
    };
    let (mut connection, mut answering) = (pin!(connection), pin!(answering));
    let mut closed = false;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut answering => break answer,
            // What it still holds of the answer is read above.
            _ = &mut connection, if !closed => closed = true,
        }
    };
    let (head, kept) = answer.map_err(|error| broken(&error))?;
    Ok(Posted {
        sent: judged(head.status, &head.headers, &kept, asked.post.now),
        body: kept,
        headers: head.headers,
    })
}

fn request(asked: &Asked<'_>) -> Result<Request<Full<Bytes>>, Sent> {
    let post = &asked.post;
    let url = post.url;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::builder()
        .method(asked.method.clone())
        .uri(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("bllvm-node/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in &post.headers {
        let mut value = HeaderValue::from_str(value)
            .map_err(|error| Sent::failed(AttemptCode::Connect, error.to_string()))?;
        value.set_sensitive(matches!(*name, "webhook-signature" | "authorization"));
        request = request.header(HeaderName::from_static(name), value);
    }
    request
        .body(Full::new(Bytes::from(post.body.to_owned())))
        .map_err(|error| Sent::failed(AttemptCode::Connect, error.to_string()))
}

/// What an answer means.
fn judged(status: StatusCode, headers: &HeaderMap, body: &[u8], now: UtcTime) -> Sent {
    let (code, detail) = match status.as_u16() {
        200..=299 => (AttemptCode::Delivered, format!("answered {status}")),
        300..=399 => (
            AttemptCode::Redirect,
            format!("answered {status}; redirects are not followed: set the final address"),
        ),
        410 => (
            AttemptCode::Gone,
            "answered 410 Gone: the receiver wants nothing more".to_owned(),
        ),
        _ => (AttemptCode::Status, format!("answered {status}")),
    };
    // The others that mean "later" are 502 and 504; Standard Webhooks names all four.
    let slower = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    Sent {
        code,
        status: Some(status.as_u16()),
        detail,
        reply: Some(String::from_utf8_lossy(&body[..body.len().min(KEPT_BYTES)]).into_owned())
            .filter(|reply| !reply.is_empty()),
        retry_after: headers
            .get(RETRY_AFTER)
            .filter(|_| slower)
            .and_then(|value| retry_after(value.to_str().ok()?, now)),
    }
}

/// `Retry-After` as seconds or as a date.
fn retry_after(text: &str, now: UtcTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let ms = then.as_millisecond() - now.unix_ms();
    u64::try_from(ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_asks_for_patience_in_seconds_or_by_a_date() {
        let now: UtcTime = "2026-11-23T02:00:00Z".parse().unwrap();
        let asked = |text: &str| retry_after(text, now);
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(
            asked("Mon, 23 Nov 2026 02:01:00 GMT"),
            Some(Duration::from_mins(1))
        );
        assert_eq!(asked("Mon, 23 Nov 2026 01:01:00 GMT"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-5"), None);
    }

    #[test]
    fn a_long_answer_is_cut_and_only_a_later_is_listened_to() {
        let now = UtcTime::from_unix_ms(0);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("9"))]);
        let of = |status: u16| judged(StatusCode::from_u16(status).unwrap(), &headers, b"why", now);
        for (status, code, asked) in [
            (200, AttemptCode::Delivered, false),
            (204, AttemptCode::Delivered, false),
            (302, AttemptCode::Redirect, false),
            (410, AttemptCode::Gone, false),
            (404, AttemptCode::Status, false),
            (500, AttemptCode::Status, false),
            (429, AttemptCode::Status, true),
            (503, AttemptCode::Status, true),
        ] {
            let sent = of(status);
            assert_eq!(
                (sent.code, sent.retry_after.is_some()),
                (code, asked),
                "{status}"
            );
            assert_eq!(sent.reply.as_deref(), Some("why"));
        }
    }
}
