//! Address groups: what one stranger can have many of counts as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::chain::Source;

/// The group of an address: its /24 (IPv4) or /64 (IPv6), by the first address in it. None on
/// this host, so that networks of many miners on one host work.
pub fn group_of(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(Ipv4Addr::from_bits(ip.to_bits() & !0xff).into()),
        IpAddr::V6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

/// The group of an address, where it is about places among the neighbours: in a private network
/// each host is one of its own, elsewhere as [`group_of`] says.
///
/// A classroom or an office is one /24. With two places for all of it, 16 of 20 miners there
/// were nobody's neighbour and had news by their own questions alone, up to 10 s late. A
/// stranger from outside has no private address to answer at. Somebody inside that takes many
/// gets at most what many ports of this host get: the free places and a quarter of the others
/// (see `makes_place`); `--only-given-neighbours` is for networks where that is too much.
pub fn place_group_of(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    if is_private(ip) { Some(ip) } else { group_of(ip) }
}

/// True if an address is of a private network (RFC 1918, RFC 4193) or of one link alone.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The source of messages that come from `ip`. Clients of this host, at 127.0.0.1 or ::1, are
/// its own; a neighbour there is told from them, and from others, by its `port`.
pub fn source_of(ip: Option<IpAddr>, port: Option<u16>) -> Source {
    let Some(ip) = ip.map(|ip| ip.to_canonical()) else {
        return port.map_or(Source::Own, |port| Source::From(Ipv4Addr::UNSPECIFIED.into(), port));
    };
    let is_own = ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
    match (group_of(ip), port) {
        (Some(group), _) => Source::From(group, 0),
        (None, Some(port)) => Source::From(ip, port),
        (None, None) if is_own => Source::Own,
        (None, None) => Source::From(ip, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_net_are_one_group_and_this_host_is_none() {
        let group = |ip: &str| group_of(ip.parse().unwrap()).map(|ip| ip.to_string());
        assert_eq!(group("10.1.2.3").as_deref(), Some("10.1.2.0"));
        assert_eq!(group("::ffff:10.1.2.9"), group("10.1.2.3"));
        assert_eq!(group("2001:db8:1:2:3::4").as_deref(), Some("2001:db8:1:2::"));
        assert_eq!((group("127.9.9.9"), group("::1")), (None, None));
        let source = |ip: &str, port| source_of(Some(ip.parse().unwrap()), port);
        assert_eq!(source("10.1.2.3", None), source("10.1.2.200", Some(1)));
        assert_eq!(source("::1", None), Source::Own);
        assert_ne!(source("127.0.0.1", Some(1)), source("127.0.0.1", Some(2)));
        assert_ne!(source("127.0.0.2", None), Source::Own);
    }
}
