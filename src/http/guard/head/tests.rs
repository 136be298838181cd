use super::*;

#[test]
fn names_that_a_stranger_can_own_are_not_ours() {
    let names = ["miner.lan".to_owned()];
    for host in [
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "a.localhost:1",
        "127.0.0.1",
        "127.1.2.3:80",
        "10.0.0.1:80",
        "[::1]",
        "[::1]:80",
        "miner2:12345",
        "Miner.LAN:1",
        "miner.lan.",
    ] {
        assert!(is_ours(host, &names), "{host}");
    }
    for host in [
        "",
        ":80",
        ".",
        "evil.example:12345",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "miner.lan.evil.example",
        "[evil.example]",
        "[evil]",
        "evil.example:[::1]",
        "localhost:80.evil.example",
        "localhost@evil.example",
    ] {
        assert!(!is_ours(host, &names), "{host}");
    }
}

#[test]
fn an_ipv6_host_is_one_place_whatever_address_it_takes() {
    let check = |ip: &str, expected: &str| {
        assert_eq!(place(ip.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{ip}");
    };
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    check("2001:db8:1:2::", "2001:db8:1:2::");
    check("2001:db8:1:3::1", "2001:db8:1:3::");
    check("::ffff:10.0.0.1", "10.0.0.1");
    check("10.0.0.2", "10.0.0.2");
    check("::ffff:127.1.2.3", "127.0.0.1");
    check("127.1.2.3", "127.0.0.1");
    check("::1", "::1");
}
