//! One GET over HTTP or HTTPS: nothing is followed, no proxy is asked, every piece has its deadline.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_RANGE, HOST, RANGE, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::source::Part;
use crate::{Authorities, RegistryError};

/// How long connecting, and each piece of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A web server's address.
#[derive(Clone, Debug)]
pub struct Web {
    base: String,
    host: String,
    port: u16,
    secure: bool,
    /// Who certifies it; without, the system's authorities.
    authorities: Option<Authorities>,
}

/// Where an answer goes.
pub(crate) enum Sink<'a, 'b> {
    /// Into memory; a byte more than the limit says that there was more.
    Memory(&'a mut Vec<u8>, u64),
    /// Behind what a file has.
    File(&'a mut Part<'b>),
}

impl Web {
    pub(crate) fn of(address: &str) -> Result<Self, &'static str> {
        let uri: Uri = address.parse().map_err(|_| "it is no address")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("this scheme is not spoken here"),
        };
        let authority = uri.authority().ok_or("it names no machine")?;
        if authority.as_str().contains('@') {
            return Err("a user name or password has no place in it");
        }
        if uri.query().is_some() || address.contains('#') {
            return Err("`?` and `#` have no place in it");
        }
        let host = authority.host().to_owned();
        let port = authority.port_u16();
        if host.is_empty() || (authority.port().is_none() && authority.as_str() != host) {
            return Err("its machine or port cannot be read");
        }
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            host,
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            secure,
            authorities: None,
        })
    }

    pub(crate) fn trusting(mut self, authorities: &Authorities) -> Self {
        self.authorities = Some(authorities.clone());
        self
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Fetches a file from its byte `from` on.
    pub(crate) async fn get(
        &self,
        path: &str,
        from: u64,
        to: Sink<'_, '_>,
    ) -> Result<(), RegistryError> {
        let url = format!("{}/{path}", self.base);
        let stream = self.connect(&url).await?;
        if self.secure {
            let stream = self.secured(&url, stream).await?;
            exchange(stream, &url, from, to).await
        } else {
            exchange(stream, &url, from, to).await
        }
    }

    async fn connect(&self, url: &str) -> Result<TcpStream, RegistryError> {
        let host = self.host.trim_matches(['[', ']']);
        let connected = in_time(url, TcpStream::connect((host, self.port))).await?;
        let stream = connected.map_err(|error| unreachable(url, &error))?;
        // One small request: waiting for more of it gains nothing.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn secured(
        &self,
        url: &str,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, RegistryError> {
        let authorities = match &self.authorities {
            Some(named) => named.clone(),
            None => Authorities::of_system()
                .await
                .map_err(|why| unreachable(url, &why))?,
        };
        let name = ServerName::try_from(self.host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| unreachable(url, &error))?;
        let connecting = TlsConnector::from(authorities.config()).connect(name, stream);
        in_time(url, connecting).await?.map_err(|error| {
            let why = format!("TLS failed: {error}; `catalog.ca_file` names more authorities");
            unreachable(url, &why)
        })
    }
}

async fn exchange<S>(
    stream: S,
    url: &str,
    from: u64,
    mut to: Sink<'_, '_>,
) -> Result<(), RegistryError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &hyper::Error| {
        unreachable(
            url,
            &format!("it broke off ({error}); ask again, and it goes on where it was"),
        )
    };
    let shaking = http1::Builder::new().handshake(TokioIo::new(stream));
    let (mut sender, connection) = in_time(url, shaking).await?.map_err(|e| broken(&e))?;
    let request = request(url, from).map_err(|error| unreachable(url, &error))?;
    let reading = async {
        let asked = in_time(url, sender.send_request(request)).await?;
        let (head, mut body) = asked.map_err(|error| broken(&error))?.into_parts();
        match head.status {
            StatusCode::OK if from > 0 => {
                // It gives whole files only.
                if let Sink::File(part) = &mut to {
                    part.begin_anew().await?;
                }
            }
            StatusCode::OK => {}
            StatusCode::PARTIAL_CONTENT if from > 0 => {
                let range = head.headers.get(CONTENT_RANGE);
                let range = range.and_then(|value| value.to_str().ok());
                if range.is_some_and(|text| !text.starts_with(&format!("bytes {from}-"))) {
                    return Err(unreachable(url, &"it sent another part than was asked for"));
                }
            }
            status if status.is_redirection() => {
                let why = format!(
                    "it answered {status}; redirects are not followed: give the final address"
                );
                return Err(unreachable(url, &why));
            }
            status => return Err(unreachable(url, &format!("it answered {status}"))),
        }
        while !to.is_full()
            && let Some(frame) = in_time(url, body.frame()).await?
        {
            if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
                to.take(&data).await?;
            }
        }
        Ok(())
    };
    let (mut connection, mut reading) = (pin!(connection), pin!(reading));
    let mut closed = false;
    loop {
        tokio::select! {
            biased;
            read = &mut reading => return read,
            // What it still holds of the answer is read above.
            _ = &mut connection, if !closed => closed = true,
        }
    }
}

fn request(url: &str, from: u64) -> Result<Request<Empty<Bytes>>, String> {
    let uri: Uri = url.parse().map_err(|_| "it is no address".to_owned())?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(uri.path())
        .header(HOST, host)
        .header(USER_AGENT, concat!("bllvm/", env!("CARGO_PKG_VERSION")));
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    request
        .body(Empty::new())
        .map_err(|error| error.to_string())
}

impl Sink<'_, '_> {
    async fn take(&mut self, data: &[u8]) -> Result<(), RegistryError> {
        match self {
            Self::Memory(bytes, limit) => {
                let most = usize::try_from(*limit).unwrap_or(usize::MAX) + 1;
                let room = most.saturating_sub(bytes.len());
                bytes.extend_from_slice(&data[..data.len().min(room)]);
                Ok(())
            }
            Self::File(part) => part.take(data).await,
        }
    }

    /// Whether nothing more is wanted; what a server sends beyond it is not read.
    fn is_full(&self) -> bool {
        match self {
            Self::Memory(bytes, limit) => bytes.len() as u64 > *limit,
            Self::File(part) => part.have >= part.size,
        }
    }
}

async fn in_time<T>(url: &str, work: impl Future<Output = T>) -> Result<T, RegistryError> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| {
        let why = format!("nothing came within {} s; try a mirror", PATIENCE.as_secs());
        unreachable(url, &why)
    })
}

fn unreachable(url: &str, why: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Unreachable {
        url: url.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_port_or_refused_with_a_reason() {
        let of = |text: &str| Web::of(text).map(|web| (web.host, web.port, web.secure));
        let local = |port, secure| Ok(("localhost".to_owned(), port, secure));
        assert_eq!(of("http://localhost/r/"), local(80, false));
        assert_eq!(of("https://localhost"), local(443, true));
        assert_eq!(of("https://localhost:8443/x"), local(8443, true));
        assert_eq!(of("http://[::1]:81/"), Ok(("[::1]".to_owned(), 81, false)));
        for bad in [
            "ftp://localhost/",
            "file:///etc/passwd",
            "http://a:b@localhost/",
            "http://localhost/?a",
            "http://",
            "http://localhost:99999/",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
