//! Who may address this node by which name, and which pages may ask it.
//!
//! The host list is the defence against DNS rebinding; the origin rule is the one against pages of
//! other sites. Both hold on every route.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};

use crate::api::error::{ApiError, ApiResult, Code};

/// The names under which the node answers, lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// The loopback names and `configured` ones.
    pub fn new(configured: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
            .map(str::to_owned)
            .into();
        names.extend(configured.into_iter().map(|name| name.to_ascii_lowercase()));
        Self { names }
    }

    fn allows(&self, authority: &str) -> bool {
        let name = without_port(authority);
        self.names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Refuses a request that names a host that is not ours, or comes from a page that is not.
pub fn check(hosts: &Hosts, request: &Request) -> ApiResult<()> {
    let host = host_of(request)?;
    if !hosts.allows(host) {
        return Err(ApiError::new(
            Code::HostRefused,
            format!(
                "`{}` is not a name of this node; use 127.0.0.1 or localhost, or add the name to `http.allowed_hosts`",
                printable(host)
            ),
        ));
    }
    match header(request.headers(), &ORIGIN)? {
        None => Ok(()),
        Some(origin) if same_origin(origin, host) => Ok(()),
        Some(origin) => Err(ApiError::new(
            Code::OriginRefused,
            format!(
                "a page of `{}` may not ask this node; only its own pages may",
                printable(origin)
            ),
        )),
    }
}

/// The host that the request names: exactly one, and the same in an absolute address.
fn host_of(request: &Request) -> ApiResult<&str> {
    let in_header = header(request.headers(), &HOST)?;
    let in_address = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    match (in_header, in_address) {
        (Some(host), None) | (None, Some(host)) => Ok(host),
        (Some(host), Some(address)) if host.eq_ignore_ascii_case(address) => Ok(host),
        (Some(_), Some(_)) => Err(ApiError::new(
            Code::HostRefused,
            "the address and the `Host` header name different hosts",
        )),
        (None, None) => Err(ApiError::new(
            Code::HostRefused,
            "the `Host` header is missing",
        )),
    }
}

fn header<'r>(headers: &'r HeaderMap, name: &axum::http::HeaderName) -> ApiResult<Option<&'r str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::new(
            Code::BadRequest,
            format!("the `{name}` header comes more than once"),
        ));
    }
    value.to_str().map(Some).map_err(|_| {
        ApiError::new(
            Code::BadRequest,
            format!("the `{name}` header is not plain text"),
        )
    })
}

/// Whether a page's origin is the host that it asks. The scheme is a reverse proxy's business.
fn same_origin(origin: &str, host: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Whether a browser vouches that an unsafe request comes from one of our own pages, or from the
/// person themselves. `Origin`, where present, was checked before.
pub fn is_own_page(headers: &HeaderMap) -> bool {
    match headers
        .get("sec-fetch-site")
        .map(axum::http::HeaderValue::as_bytes)
    {
        Some(site) => site == b"same-origin" || site == b"none",
        None => headers.contains_key(ORIGIN),
    }
}

/// Whether a method may change something.
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn code(uri: &str, headers: &[(&str, &str)]) -> Option<Code> {
        let hosts = Hosts::new(["node.example".to_owned()]);
        check(&hosts, &request(uri, headers))
            .err()
            .map(|e| e.code())
    }

    #[test]
    fn loopback_names_and_configured_ones_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:8480",
            "127.0.0.1:1",
            "[::1]:8480",
            "node.example",
        ] {
            assert_eq!(code("/", &[("host", host)]), None, "{host}");
        }
    }

    #[test]
    fn every_other_host_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8480",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "localhost.",
            "0.0.0.0:8480",
            "[::]",
            "127.0.0.2",
            "127.1",
            "2130706433",
            "node.example.",
            "evil@localhost",
            "",
        ] {
            assert_eq!(
                code("/", &[("host", host)]),
                Some(Code::HostRefused),
                "{host}"
            );
        }
        assert_eq!(code("/", &[]), Some(Code::HostRefused));
        assert_eq!(
            code("http://evil.example/", &[("host", "localhost")]),
            Some(Code::HostRefused)
        );
        assert_eq!(
            code("/", &[("host", "localhost"), ("host", "evil.example")]),
            Some(Code::BadRequest)
        );
    }

    #[test]
    fn an_origin_must_be_the_host_itself() {
        let host = ("host", "127.0.0.1:8480");
        assert_eq!(
            code("/", &[host, ("origin", "http://127.0.0.1:8480")]),
            None
        );
        for origin in [
            "null",
            "",
            "http://127.0.0.1:8481",
            "http://localhost:8480",
            "http://evil.example",
            "file://127.0.0.1:8480",
            "http://127.0.0.1:8480.evil.example",
        ] {
            assert_eq!(
                code("/", &[host, ("origin", origin)]),
                Some(Code::OriginRefused),
                "{origin}"
            );
        }
    }
}
