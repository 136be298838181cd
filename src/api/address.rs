//! Where a miner can be reached: a host and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The port of a miner that names none.
pub const DEFAULT_PORT: u16 = 12345;

/// Longest host name, in characters: the limit of DNS.
const HOST_CHARACTERS_MAX: usize = 253;

/// A host (name, IPv4 or IPv6 address) and a port, written `host:port` or `[v6]:port`.
///
/// Names are kept in lower case, so that one miner has one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The address of `ip`, IPv4 also where it comes mapped into IPv6.
    pub fn from_ip(ip: IpAddr, port: u16) -> Self {
        Self { host: ip.to_canonical().to_string(), port }
    }

    /// A name or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True if it leads to this host, as far as the address alone tells.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// Its IP address, unless the host is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `host`, `host:port`, `[v6]:port` or a bare IPv6 address, with or without
    /// `http://` before and `/` behind.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).ok_or_else(|| AddressError(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<Address> {
    let text = text.trim();
    let bare = text.strip_prefix("http://").unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if let Ok(ip) = bare.parse::<Ipv6Addr>() {
        return Some(Address::from_ip(ip.into(), DEFAULT_PORT));
    }
    let (host, port) = match bare.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let ip: Ipv6Addr = host.parse().ok()?;
            (IpAddr::from(ip).to_canonical().to_string(), port)
        }
        None => {
            let (host, port) = bare.split_at(bare.find(':').unwrap_or(bare.len()));
            is_host(host).then(|| (host.to_ascii_lowercase(), port))?
        }
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        None if port.is_empty() => DEFAULT_PORT,
        _ => return None,
    };
    (port != 0).then_some(Address { host, port })
}

fn is_host(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    // The C library reads 0x7f000001, 127.1 and 1.0x2 as addresses of IPv4, too.
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or(last.strip_prefix("0X")).unwrap_or(last);
    let digit = |b: u8| if hex == last { b.is_ascii_digit() } else { b.is_ascii_hexdigit() };
    let looks_numeric = hex.bytes().all(digit);
    (1..=HOST_CHARACTERS_MAX).contains(&host.len())
        && host.bytes().all(allowed)
        && (!looks_numeric || host.parse::<IpAddr>().is_ok())
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a miner's address is host:port (port 1 to 65535, {DEFAULT_PORT} if left out), not {0:?}")]
pub struct AddressError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form_and_written_in_one() {
        for (text, expected) in [
            ("miner1", "miner1:12345"),
            ("Miner1:80", "miner1:80"),
            ("http://127.0.0.1:12346/", "127.0.0.1:12346"),
            ("[::1]:7", "[::1]:7"),
            ("::1", "[::1]:12345"),
            ("[fe80::1]", "[fe80::1]:12345"),
            ("[::ffff:10.0.0.1]:5", "10.0.0.1:5"),
            ("a_b.example:65535", "a_b.example:65535"),
            ("a.example.:1", "a.example.:1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn other_text_is_refused() {
        let long = "x".repeat(254);
        for text in [
            "",
            ":",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            "a/b",
            "a:1/x",
            "https://a",
            "[::1",
            "[a]:1",
            "1.2.3",
            "1.2.3.4.5:1",
            "256.1.1.1",
            "2130706433",
            "0x7f000001:1",
            "0x7f.0X1",
            "0x",
            "host.1",
            "ä:1",
            "a:1:2",
            "a\n:1",
            &long,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
