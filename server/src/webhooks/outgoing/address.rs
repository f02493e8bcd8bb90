//! Where the node may be led to by an address that somebody typed: only to the public internet.
//!
//! Without this, whoever may make an endpoint could have the node post into its own machine, its
//! private network or a cloud's metadata service. An operator allows single networks in the
//! configuration, `webhooks.allow_addresses`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use reqwest::Url;

/// Longest address.
const MAX_URL: usize = 2048;

/// An address range, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    first: IpAddr,
    bits: u8,
}

impl Net {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Self {
        Self {
            first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits,
        }
    }

    const fn v6(segments: [u16; 8], bits: u8) -> Self {
        Self {
            first: IpAddr::V6(Ipv6Addr::from_segments(segments)),
            bits,
        }
    }

    /// Whether an address lies in it. IPv4 and IPv6 never mix.
    pub fn has(&self, address: IpAddr) -> bool {
        let shift = |width: u32| width - u32::from(self.bits);
        match (self.first, address) {
            (IpAddr::V4(net), IpAddr::V4(one)) => {
                (net.to_bits() ^ one.to_bits())
                    .checked_shr(shift(32))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(net), IpAddr::V6(one)) => {
                (net.to_bits() ^ one.to_bits())
                    .checked_shr(shift(128))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not an address or a range such as \"127.0.0.1\" or \"10.0.0.0/8\"",
                text.escape_debug()
            )
        };
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| wrong())?,
            None => most,
        };
        if bits > most {
            return Err(wrong());
        }
        let net = Self { first, bits };
        let lowest = |bits: u8| match first {
            IpAddr::V4(one) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                one.to_bits() & mask == one.to_bits()
            }
            IpAddr::V6(one) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                one.to_bits() & mask == one.to_bits()
            }
        };
        if lowest(bits) {
            Ok(net)
        } else {
            Err(format!(
                "`{net}` has bits beyond its first {bits}: write the range's first address"
            ))
        }
    }
}

/// What an address is that nobody may lead the node to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closed {
    net: Net,
    what: &'static str,
}

const fn closed(net: Net, what: &'static str) -> Closed {
    Closed { net, what }
}

/// The IANA special-purpose registries, and what clouds put their metadata at.
const CLOSED: &[Closed] = &[
    closed(Net::v4(0, 0, 0, 0, 8), "of this network"),
    closed(Net::v4(10, 0, 0, 0, 8), "private"),
    closed(Net::v4(100, 64, 0, 0, 10), "shared by a provider"),
    closed(Net::v4(127, 0, 0, 0, 8), "loopback"),
    closed(Net::v4(168, 63, 129, 16, 32), "a cloud's metadata service"),
    closed(
        Net::v4(169, 254, 0, 0, 16),
        "link-local, where metadata services are",
    ),
    closed(Net::v4(172, 16, 0, 0, 12), "private"),
    closed(Net::v4(192, 0, 0, 0, 24), "reserved for protocols"),
    closed(Net::v4(192, 0, 2, 0, 24), "for documentation"),
    closed(Net::v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    closed(Net::v4(192, 168, 0, 0, 16), "private"),
    closed(Net::v4(198, 18, 0, 0, 15), "for measurements"),
    closed(Net::v4(198, 51, 100, 0, 24), "for documentation"),
    closed(Net::v4(203, 0, 113, 0, 24), "for documentation"),
    closed(Net::v4(224, 0, 0, 0, 4), "multicast"),
    closed(Net::v4(240, 0, 0, 0, 4), "reserved"),
    closed(Net::v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    closed(Net::v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "IPv4-mapped"),
    closed(
        Net::v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
        "IPv4-translated",
    ),
    closed(Net::v6([0; 8], 96), "IPv4-compatible"),
    closed(Net::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64"),
    closed(Net::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64"),
    closed(
        Net::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "Teredo, or reserved for protocols",
    ),
    closed(
        Net::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "for documentation",
    ),
    closed(Net::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
    closed(
        Net::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "for documentation",
    ),
    closed(Net::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    closed(Net::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    closed(Net::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];
/// Everything else of IPv6 is not assigned.
const UNICAST: Net = Net::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// The networks that the operator allows beside the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedAddresses(Vec<Net>);

impl AllowedAddresses {
    /// These, and the public internet.
    pub fn new(nets: Vec<Net>) -> Self {
        Self(nets)
    }

    /// Whether the operator named it.
    pub fn names(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.has(address))
    }

    /// Whether the node may send to an address.
    ///
    /// # Errors
    /// What the address is, and the way out.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        if self.names(address) {
            return Ok(());
        }
        let what = CLOSED
            .iter()
            .find(|closed| closed.net.has(address))
            .map(|closed| closed.what)
            .or_else(|| (address.is_ipv6() && !UNICAST.has(address)).then_some("not assigned"));
        match what {
            None => Ok(()),
            Some(what) => Err(format!(
                "{address} is {what}, and the node must not be led there; an operator can allow it \
                 in `webhooks.allow_addresses` of the node's configuration"
            )),
        }
    }

    /// Reads where messages are posted to. Whether its name leads to an address that is allowed is
    /// seen at each attempt.
    ///
    /// # Errors
    /// What is wrong, as a continuation of "`url`".
    pub fn read_url(&self, text: &str) -> Result<Url, String> {
        if text.len() > MAX_URL {
            return Err(format!("has at most {MAX_URL} characters"));
        }
        let url = Url::parse(text).map_err(|error| {
            format!("is not an address such as https://example.org/hook: {error}")
        })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("is `https`, not `{}`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "has a user or password in it, which would show in logs: messages prove \
                 themselves by their signature"
                    .to_owned(),
            );
        }
        if url.fragment().is_some() {
            return Err("has a part after `#`, which is never sent: leave it out".to_owned());
        }
        let address = host_address(&url);
        if let Some(address) = address {
            self.check(address)
                .map_err(|why| format!("is refused: {why}"))?;
        }
        let named = address.is_some_and(|address| self.names(address));
        if url.scheme() == "http" && address.is_some() && !named {
            return Err(plain_http());
        }
        Ok(url)
    }
}

/// Why plain HTTP is refused.
pub(super) fn plain_http() -> String {
    "is plain http, which anybody on the way can read: use https (http is for addresses in \
     `webhooks.allow_addresses`)"
        .to_owned()
}

/// The address in a URL that has one instead of a name.
pub(super) fn host_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_address_is_refused_and_public_ones_are_not() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "8000::1",
        ];
        let nothing = AllowedAddresses::default();
        for text in refused {
            let why = nothing.check(text.parse().unwrap());
            assert!(why.is_err(), "{text} is let through");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "193.0.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
            "2001:200::1",
        ] {
            assert_eq!(nothing.check(text.parse().unwrap()), Ok(()), "{text}");
        }
    }

    #[test]
    fn an_operator_allows_networks_and_nothing_beside_them() {
        let allowed = ["10.1.0.0/16", "::1", "127.0.0.1"].map(|net| net.parse().unwrap());
        let allowed = AllowedAddresses::new(allowed.to_vec());
        for text in ["10.1.2.3", "::1", "127.0.0.1"] {
            assert_eq!(allowed.check(text.parse().unwrap()), Ok(()), "{text}");
        }
        for text in [
            "10.2.0.1",
            "127.0.0.2",
            "::2",
            "::ffff:127.0.0.1",
            "169.254.169.254",
        ] {
            assert!(allowed.check(text.parse().unwrap()).is_err(), "{text}");
        }
        let all: Net = "0.0.0.0/0".parse().unwrap();
        assert!(all.has("169.254.169.254".parse().unwrap()) && !all.has("::1".parse().unwrap()));
    }

    #[test]
    fn a_range_that_is_none_is_refused_with_the_way_out() {
        for (text, part) in [
            ("localhost", "is not an address"),
            ("10.0.0.0/33", "is not an address"),
            ("10.0.0.0/", "is not an address"),
            ("10.0.0.1/8", "write the range's first address"),
            ("fd00::1/8", "write the range's first address"),
        ] {
            let why = text.parse::<Net>().unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn an_address_in_disguise_is_seen_through() {
        let nothing = AllowedAddresses::default();
        for (text, part) in [
            ("https://127.1/", "loopback"),
            ("https://0x7f.0.0.1/", "loopback"),
            ("https://2130706433/", "loopback"),
            ("https://017700000001/", "loopback"),
            ("https://[::ffff:169.254.169.254]/", "IPv4-mapped"),
            ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", "loopback"),
            ("http://8.8.8.8/", "plain http"),
            ("https://user:pass@example.org/", "user or password"),
            ("https://example.org/#x", "after `#`"),
            ("ftp://example.org/", "not `ftp`"),
            ("file:///etc/passwd", "not `file`"),
            ("example.org", "is not an address"),
            ("https://", "is not an address"),
        ] {
            let why = nothing.read_url(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
        for text in [
            "https://example.org/hook?x=1",
            "https://8.8.8.8:8443/",
            "http://localhost/",
        ] {
            assert!(nothing.read_url(text).is_ok(), "{text}");
        }
    }
}
