//! Tests of the neighbours' bookkeeping.

use super::places::{CALLERS_MAX, CANDIDATES_MAX, CHANCE_WHEN_FULL, TURNED_DOWN};
use super::*;
use crate::api::Status;
use crate::chain::testing::network;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Moment {
    let steady = Duration::from_secs(seconds);
    Moment { wall: 1_000_000_000 + seconds * 1_000_000, steady }
}

fn health(id: u8) -> Health {
    let network = network(1);
    Health {
        status: Status::Ok,
        id: RunId::from_random([id; 16]),
        name: None,
        version: "1".into(),
        network: network.name,
        difficulty: network.difficulty,
        genesis: Hash::of("genesis"),
        length: 1,
        head: Hash::of("head"),
        unprocessed: 0,
        neighbours: 0,
        kernel: "portable".into(),
        uptime_seconds: 0,
        syncing: None,
        reorganised: None,
        refused: None,
        reasons: Vec::new(),
    }
}

fn failing() -> Fault {
    Fault::Failing("silence".into())
}

fn states(all: &Neighbours, now: Moment) -> Vec<(String, NeighbourState)> {
    let details = all.page(true, now).details;
    details.iter().map(|one| (one.neighbour.to_string(), one.state)).collect()
}

#[test]
fn a_failing_neighbour_is_asked_less_and_less_often() {
    let mut all = Neighbours::new([address("a:1")], 8);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..9 {
        all.failed(&address("a:1"), &failing(), now);
        let mut wait = 0;
        while all.due(at(now.steady.as_secs() + wait)).is_empty() {
            wait += 1;
        }
        waits.push(wait);
        now = at(now.steady.as_secs() + wait);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    all.hear_from(&address("a:1"), now);
    assert_eq!(all.due(now), [address("a:1")]);
}

#[test]
fn one_that_fails_is_tried_again_at_its_time_and_not_at_the_next_round() {
    // A given neighbour that refused at the start was asked ten seconds later.
    let mut all = Neighbours::new([address("a:1"), address("b:1")], 8);
    assert_eq!(all.retry_at(), None);
    all.failed(&address("a:1"), &failing(), at(0));
    assert_eq!(all.retry_at(), Some(Duration::from_secs(1)));
    assert_eq!(all.to_retry(at(0)), []);
    assert_eq!(all.to_retry(at(1)), [address("a:1")]);
    all.answered(&address("a:1"), &health(1), at(1));
    assert_eq!(all.retry_at(), None);
}

#[test]
fn a_closed_network_takes_in_nobody() {
    let mut all = Neighbours::new([address("given:1")], 8);
    all.only_given = true;
    assert!(!all.called(address("a:1"), None, at(0)));
    assert!(!all.suggest(address("b:1"), at(0)));
    assert_eq!(all.candidate(0, at(0)), None);
    assert_eq!(all.addresses().collect::<Vec<_>>(), [&address("given:1")]);
}

#[test]
fn a_given_neighbour_is_never_forgotten_and_a_learned_one_is() {
    let mut all = Neighbours::new([address("given:1")], 8);
    assert!(all.learn(address("learned:1"), &health(1), 0, at(0)));
    let mut fates = Vec::new();
    for second in 0..u64::from(FAILURES_MAX) {
        all.failed(&address("given:1"), &failing(), at(second));
        fates.push(all.failed(&address("learned:1"), &failing(), at(second)));
    }
    assert_eq!((fates[0], fates[1]), (Fate::Gone, Fate::Failing));
    assert_eq!(fates.last(), Some(&Fate::Forgotten));
    assert_eq!(all.addresses().collect::<Vec<_>>(), [&address("given:1")]);
}

#[test]
fn a_liar_is_banned_for_a_while_and_shown_with_its_reason() {
    let mut all = Neighbours::new([address("given:1")], 8);
    all.learn(address("learned:1"), &health(1), 0, at(0));
    let lie = Fault::Lying("block 7: proof: found …".into());
    assert_eq!(all.failed(&address("learned:1"), &lie, at(0)), Fate::Banned);
    assert_eq!(all.failed(&address("given:1"), &lie, at(0)), Fate::Banned);
    // A call that was under way ended later, and took the ban back.
    all.failed(&address("given:1"), &failing(), at(1));
    all.answered(&address("given:1"), &health(3), at(1));
    assert!(all.due(at(599)).is_empty());
    let banned = NeighbourState::Banned;
    let expected = [("given:1".into(), banned), ("learned:1".into(), banned)];
    assert_eq!(states(&all, at(0)), expected);
    assert_eq!(all.page(true, at(0)).details[1].reason.as_deref(), Some("block 7: proof: found …"));
    assert!(!all.suggest(address("learned:1"), at(599)));
    assert!(all.suggest(address("learned:1"), at(601)));
    assert_eq!(all.due(at(601)), [address("given:1")]);
}

#[test]
fn a_miner_does_not_keep_itself_nor_one_neighbour_twice() {
    let mut all = Neighbours::new([address("name:1")], 8);
    assert!(all.learn(address("own:1"), &health(9), 0, at(0)));
    assert_eq!(all.failed(&address("own:1"), &Fault::Ourselves, at(0)), Fate::Forgotten);
    assert!(!all.suggest(address("own:1"), at(0)));
    assert!(all.answered(&address("name:1"), &health(1), at(0)));
    assert!(!all.answered(&address("name:1"), &health(1), at(0)));
    all.push_begins(&address("name:1"), "10.0.0.1".parse().ok());
    assert!(!all.learn(address("10.0.0.1:1"), &health(1), 0, at(0)));
    assert_eq!(all.addresses().count(), 1);
    assert_eq!(all.with_id(&health(1).id), Some(address("name:1")));
}

#[test]
fn a_given_name_that_once_leads_to_this_miner_is_tried_again() {
    // A balancer led back to the miner once, and it had no neighbour for ever.
    let balancer = address("balancer:1");
    let mut all = Neighbours::new([balancer.clone()], 8);
    assert_eq!(all.failed(&balancer, &Fault::Ourselves, at(0)), Fate::Failing);
    assert!(all.due(at(0)).is_empty());
    assert_eq!(all.due(at(1)), std::slice::from_ref(&balancer));
    assert!(all.answered(&balancer, &health(1), at(1)));
    assert_eq!(states(&all, at(1)), [("balancer:1".to_owned(), NeighbourState::Ok)]);
}

#[test]
fn who_says_to_be_another_displaces_nobody_and_keeps_nobody_out() {
    // A learned neighbour was dropped as soon as another claimed its run's id, which /health
    // tells everybody.
    let mut all = Neighbours::new([], 8);
    let (honest, liar) = (address("10.0.0.1:1"), address("10.0.1.2:1"));
    assert!(all.learn(honest.clone(), &health(1), 0, at(0)));
    assert!(all.learn(liar.clone(), &health(2), 0, at(0)));
    all.answered(&liar, &health(1), at(1));
    assert!(all.addresses().any(|address| *address == honest), "it was displaced");
    let late = address("10.0.2.3:1");
    all.answered(&liar, &health(3), at(1));
    assert!(all.called(late.clone(), None, at(2)));
    assert!(all.learn(late, &health(3), 0, at(2)), "it is kept out");
}

#[test]
fn strangers_that_call_all_the_time_leave_most_places_alone() {
    // One address with 60 ports took every place within half a minute.
    let mut all = Neighbours::new([], 8);
    let honest: Vec<Address> = (1..=6).map(|n| address(&format!("10.0.{n}.1:1"))).collect();
    for (id, address) in honest.iter().enumerate() {
        assert!(all.learn(address.clone(), &health(id as u8), 0, at(0)));
    }
    let mut random = 0;
    for second in 1..600 {
        for address in &honest {
            all.hear_from(address, at(second));
        }
        let stranger = address(&format!("10.9.9.9:{}", 1 + second % 60));
        all.called(stranger.clone(), stranger.ip(), at(second));
        while let Some(candidate) = all.candidate(second, at(second)) {
            all.learn(candidate.clone(), &health(100), random, at(second));
            all.hear_from(&candidate, at(second));
            random += 1;
        }
    }
    let left = honest.iter().filter(|address| all.addresses().any(|it| it == *address)).count();
    assert_eq!(left, 6);
    assert_eq!(all.addresses().count(), 8);
}

#[test]
fn an_address_group_has_two_places_and_two_looks_but_on_this_host() {
    let mut all = Neighbours::new([], 8);
    for number in 1..9 {
        all.learn(address(&format!("203.0.113.{number}:1")), &health(number), 0, at(0));
        all.learn(address(&format!("[2001:db8::{number}]:1")), &health(20 + number), 0, at(0));
    }
    assert_eq!(all.addresses().count(), 4);
    for number in 1..4 {
        assert!(all.learn(address(&format!("127.0.0.1:{number}")), &health(40 + number), 0, at(0)));
    }
    let mut all = Neighbours::new([], 8);
    let mut calls = |prefix: &str, ip: &str| {
        let mut called = |n| all.called(address(&format!("{prefix}{n}:1")), ip.parse().ok(), at(0));
        (1..9).filter(|n| called(*n)).count()
    };
    // Silent addresses in the name of one caller kept every newcomer out.
    assert_eq!(calls("10.9.9.", "10.9.9.9"), 2);
    assert_eq!(calls("10.1.1.", "127.0.0.1"), 2);
    assert_eq!(calls("host-", "10.3.3.3"), 2);
    assert_eq!((1..9).filter(|n| calls(&format!("127.0.0.{n}"), "127.0.0.99") > 0).count(), 1);
    let mut own =
        |n| all.called(address(&format!("127.0.0.1:{n}")), "127.0.0.1".parse().ok(), at(0));
    assert_eq!((1..9).filter(|n| own(*n)).count(), 8, "many miners on this host");
}

#[test]
fn hosts_of_a_private_network_are_all_neighbours_and_one_of_them_takes_two_places() {
    // A classroom is one /24: it had two places in all, and news reached most of its miners by
    // their own questions alone.
    for net in ["10.9.9.", "172.16.0.", "192.168.1.", "169.254.1.", "fd00::", "fe80::"] {
        let on = |host: u8, port| match net.contains(':') {
            true => address(&format!("[{net}{host}]:{port}")),
            false => address(&format!("{net}{host}:{port}")),
        };
        let mut all = Neighbours::new([on(1, 1)], 8);
        for host in 2..8 {
            assert!(all.learn(on(host, 1), &health(host), 0, at(0)), "{net}{host}");
        }
        let mut all = Neighbours::new([], 8);
        let taken = (1..9).filter(|n| all.learn(on(9, (*n).into()), &health(*n), 0, at(0)));
        assert_eq!(taken.count(), 2, "{net}");
    }
}

#[test]
fn a_private_network_of_strangers_leaves_most_places_alone() {
    let mut all = Neighbours::new([], 8);
    let honest: Vec<Address> = (1..=6).map(|n| address(&format!("198.51.{n}.1:1"))).collect();
    for (id, address) in honest.iter().enumerate() {
        assert!(all.learn(address.clone(), &health(id as u8), 0, at(0)));
    }
    for second in 1..600 {
        for address in &honest {
            all.hear_from(address, at(second));
        }
        for host in 1..=254 {
            let stranger = address(&format!("10.9.9.{host}:1"));
            all.called(stranger.clone(), stranger.ip(), at(second));
        }
        while let Some(candidate) = all.candidate(second, at(second)) {
            all.learn(candidate.clone(), &health(100), second * 4, at(second));
            all.hear_from(&candidate, at(second));
        }
    }
    let is_left = |honest: &&Address| all.addresses().any(|it| it == *honest);
    assert_eq!(honest.iter().filter(is_left).count(), 6);
}

#[test]
fn one_that_brought_a_block_makes_no_place_and_is_remembered() {
    let mut all = Neighbours::new([], 2);
    assert!(all.learn(address("a:1"), &health(1), 0, at(0)));
    assert!(all.learn(address("b:1"), &health(2), 0, at(0)));
    all.note(&address("a:1"), |it| it.brought = true);
    assert_eq!(all.trusted(at(0)), [address("a:1")]);
    for random in 0..9 {
        let newcomer = address(&format!("new-{random}:1"));
        all.learn(newcomer, &health(3 + random), random.into(), at(600 + u64::from(random)));
    }
    assert!(all.addresses().any(|it| *it == address("a:1")));
    assert!(all.addresses().all(|it| *it != address("b:1")));
}

#[test]
fn where_there_is_no_room_one_that_does_not_know_us_makes_place() {
    let mut all = Neighbours::new([address("given:1")], 3);
    assert!(all.learn(address("a:1"), &health(1), 0, at(0)));
    assert!(all.learn(address("b:1"), &health(2), 0, at(0)));
    assert!(!all.learn(address("c:1"), &health(3), 0, at(59)), "both may come to know us");
    all.hear_from(&address("b:1"), at(59));
    assert!(all.learn(address("c:1"), &health(3), 0, at(60)), "a does not");
    let expected = ["b:1", "c:1", "given:1"].map(address);
    assert_eq!(all.addresses().cloned().collect::<Vec<_>>(), expected);
    let mut full = Neighbours::new([address("given:1")], 1);
    assert!(!full.learn(address("a:1"), &health(1), 0, at(100)));
}

#[test]
fn a_newcomer_that_calls_comes_first_and_gets_a_place_sooner_or_later() {
    let mut all = Neighbours::new([], 2);
    assert!(all.learn(address("a:1"), &health(1), 0, at(0)));
    assert!(all.learn(address("b:1"), &health(2), 0, at(0)));
    for number in 0..2 * CANDIDATES_MAX {
        all.suggest(address(&format!("host-{number}:1")), at(50));
    }
    all.hear_from(&address("a:1"), at(50));
    all.hear_from(&address("b:1"), at(50));
    assert_eq!(all.candidate(7, at(50)), None, "nobody has a chance");
    assert!(all.called(address("new:1"), None, at(50)));
    assert_eq!(all.candidate(7, at(50)), Some(address("new:1")));
    assert!(!all.learn(address("new:1"), &health(3), 1, at(50)));
    let again = 50 + TURNED_DOWN.as_secs();
    assert!(!all.called(address("new:1"), None, at(again - 1)), "a look is a call, too");
    assert!(all.called(address("new:1"), None, at(again)));
    assert_eq!(all.candidate(7, at(again)), Some(address("new:1")));
    assert!(all.learn(address("new:1"), &health(3), CHANCE_WHEN_FULL, at(again)));
}

#[test]
fn a_name_with_several_addresses_names_several_neighbours() {
    let mut all = Neighbours::new([address("miner:1")], 8);
    let (a, b, c) = (address("10.0.0.1:1"), address("10.0.0.2:1"), address("10.0.0.3:1"));
    all.resolved(&address("miner:1"), std::slice::from_ref(&a));
    assert_eq!(all.addresses().collect::<Vec<_>>(), [&address("miner:1")]);
    all.resolved(&address("miner:1"), &[a.clone(), b.clone()]);
    assert_eq!(all.addresses().collect::<Vec<_>>(), [&a, &b]);
    all.resolved(&address("miner:1"), &[b.clone(), c.clone()]);
    assert_eq!(all.addresses().collect::<Vec<_>>(), [&b, &c]);
    all.resolved(&address("miner:1"), &[]);
    assert_eq!(all.addresses().count(), 2);
    assert_eq!(all.given_names(), [address("miner:1")]);
}

/// So many addresses.
fn many(count: usize) -> impl Iterator<Item = Address> {
    (0..count).map(|number| address(&format!("host-{number}:1")))
}

#[test]
fn candidates_callers_bans_and_own_addresses_are_bounded() {
    let mut all = Neighbours::new([], 8);
    let heard = many(2 * CANDIDATES_MAX).filter(|host| all.suggest(host.clone(), at(0))).count();
    assert_eq!((heard, all.candidates.len()), (CANDIDATES_MAX, CANDIDATES_MAX));
    let mut all = Neighbours::new([], 8);
    let mut callers = many(4 * CALLERS_MAX);
    for _ in 0..2 {
        let some = callers.by_ref().take(2 * CALLERS_MAX);
        let heard = some.filter(|host| all.called(host.clone(), None, at(0))).count();
        assert_eq!((heard, all.callers.len()), (CALLERS_MAX, CALLERS_MAX));
        while !all.callers.is_empty() {
            assert!(all.candidate(0, at(0)).is_some());
        }
        assert_eq!(all.invited.len(), CALLERS_MAX);
    }
    for host in many(2 * BANNED_MAX) {
        all.ban(host.clone(), "it lies", at(0));
        all.note_own(&host);
    }
    assert_eq!((all.banned.len(), all.own.len()), (BANNED_MAX, CANDIDATES_MAX));
}

#[test]
fn callers_that_do_not_answer_keep_no_newcomer_out() {
    // The places of those that were looked at were never free again.
    let mut all = Neighbours::new([], 1);
    assert!(all.learn(address("first:1"), &health(1), 0, at(0)));
    for (number, host) in many(4 * CALLERS_MAX).enumerate() {
        assert!(all.called(host.clone(), None, at(0)));
        assert_eq!(all.candidate(0, at(0)), Some(host.clone()));
        if number % 2 == 0 { all.turn_down(&host, at(0)) } else { all.note_own(&host) }
    }
    assert!(all.called(address("newcomer:1"), None, at(0)));
    assert_eq!(all.candidate(0, at(0)), Some(address("newcomer:1")));
    assert!(all.learn(address("newcomer:1"), &health(2), 0, at(0)));
}

#[test]
fn reasons_are_cut_and_escaped_and_all_of_them_fit_into_one_answer() {
    // Seven neighbours with an error text of 2 MB each ended the server process.
    let given = address("given:1");
    let mut all = Neighbours::new([given.clone()], 8);
    let host = format!("{}.example", "h".repeat(240));
    let lie = "😀".repeat(100_000);
    for number in 0..BANNED_MAX {
        all.ban(address(&format!("{host}:{}", number + 1)), &lie, at(0));
    }
    let fault = Fault::Lying(format!("a\u{1b}[31m\n{lie}"));
    assert_eq!(all.failed(&given, &fault, at(0)), Fate::Banned);
    let page = all.page(true, at(0));
    assert_eq!(page.details.len(), BANNED_MAX + 1);
    let mut reasons = page.details.iter().map(|detail| detail.reason.as_deref().unwrap());
    assert!(reasons.clone().all(|reason| reason.chars().count() == 300));
    assert!(reasons.next_back().unwrap().chars().all(crate::escape::is_harmless));
    let bytes = serde_json::to_vec(&page).unwrap().len() as u64;
    assert!(bytes < crate::api::PAGE_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn this_host_and_link_are_asked_on_the_word_of_those_there_alone() {
    let check = |told: &str, teller: &str, expected: bool| {
        let may = may_be_told(&address(told), Some(teller.parse().unwrap()));
        assert_eq!(may, expected, "{told} from {teller}");
    };
    for told in [
        "127.0.0.1:6379",
        "127.9.9.9:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "0.0.0.0:1",
        "localhost:1",
    ] {
        check(told, "127.0.0.1", true);
        check(told, "::1", true);
        check(told, "10.0.0.1", false);
        check(told, "169.254.0.1", false);
    }
    for told in ["169.254.169.254:80", "[fe80::1]:1"] {
        check(told, "127.0.0.1", true);
        check(told, "169.254.0.1", true);
        check(told, "10.0.0.1", false);
    }
    for told in ["10.0.0.2:1", "miner2:1", "[2001:db8::1]:1", "a.example:1"] {
        check(told, "10.0.0.1", true);
    }
    assert!(!may_be_told(&address("127.0.0.1:1"), None));
    let (here, there) = ([address("127.0.0.1:1")], [address("10.0.0.1:1")]);
    assert!(!may_be_looked_at(&address("evil.example:1"), &here));
    assert!(may_be_looked_at(&address("good.example:1"), &there));
    // On many hosts this is a name in /etc/hosts.
    assert!(!may_be_looked_at(&address("ip6-localhost:1"), &here));
    assert!(may_be_looked_at(&address("miner2:1"), &there));
    assert!(may_be_looked_at(&address("localhost:1"), &here), "it was judged when it was told");
}
