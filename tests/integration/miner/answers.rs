//! What a miner answers depends on who asks and on how full it is; what it takes in, on itself.

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use blockchain::api::client::{Exchanged, MinerClient, Transport};
use blockchain::api::link::{self, EndsLink, ToMiner, ToServer};
use blockchain::api::{
    Address, BanPage, BlocksTaken, Caller, Cursor, DataState, DataTaken, EVENT_WAIT_MAX, EventPage,
    Happening, Health, Introduction, NeighbourState, Reply, Request, RunId, Span,
};
use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Branch, Chain, Data, Forks, Hash, Message, Pool, PoolLimits, Source, Why};
use blockchain::miner::jobs::{
    SideBySide, Wake, backup, communication, gossip, mine, push, sync_chain,
};
use blockchain::miner::{
    Clock, Keeper, Miner, Moment, Neighbours, Sender, Shared, Surroundings, answer,
};
use blockchain::store::{ChainFile, Files, Journal, Names, Start};

use crate::support::sim_disk::{Failure, SimDisk};

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: NOW, steady: Duration::from_secs(1) }
    }
}

/// Asks nobody.
struct Alone;

impl Transport for Alone {
    fn exchange(&self, _: &Address, _: &Request, _: u64) -> Exchanged {
        Err("nobody is asked here".into())
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

pub fn files(disk: &Arc<SimDisk>) -> Files {
    Files::new(Arc::clone(disk) as _, Names::of(Path::new("test.chain")).unwrap())
}

/// A miner with room for so many messages, and its disk.
fn miner(room: usize) -> (Miner, Arc<SimDisk>) {
    miner_beside(room, Alone)
}

fn miner_beside(room: usize, others: impl Transport + 'static) -> (Miner, Arc<SimDisk>) {
    miner_at(room, others, Arc::new(Still))
}

fn miner_at(
    room: usize,
    others: impl Transport + 'static,
    clock: Arc<dyn Clock>,
) -> (Miner, Arc<SimDisk>) {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = Journal::open(files(&disk)).unwrap();
    let pool = Pool::new(PoolLimits { count: room, ..PoolLimits::default() });
    let shared =
        Shared::new(Chain::new(&network(1)), Forks::default(), pool, Neighbours::new([], 8));
    let surroundings = Surroundings {
        clock,
        client: MinerClient::new(Box::new(others)),
        random: Box::new(|| [7; 16]),
    };
    let id = RunId::from_random([1; 16]);
    (Miner::new(id, network(1), shared, Keeper::new(journal), surroundings), disk)
}

fn caller(ip: &str) -> Caller {
    Caller { ip: Some(ip.parse().unwrap()), miner: None, token: None }
}

/// Sends more than it was asked for.
struct Talkative;

impl Transport for Talkative {
    fn exchange(&self, _: &Address, request: &Request, _: u64) -> Exchanged {
        let body = match request {
            Request::Health => serde_json::to_string(&health_of(&miner(1).0)).unwrap(),
            Request::Chain { .. } => r#"{"chain":[0,1,2],"length":99}"#.into(),
            _ => {
                let all: Vec<String> = (0..500).map(|number| format!("host-{number}:1")).collect();
                serde_json::json!({"neighbours": all, "length": all.len()}).to_string()
            }
        };
        let id = |number: u8| RunId::from_random([number; 16]).to_string();
        Ok((200, body.replace(&id(1), &id(2)).into_bytes()))
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

#[test]
fn no_page_has_more_blocks_than_were_asked_for() {
    let (client, address) = (MinerClient::new(Box::new(Talkative)), "a:1".parse().unwrap());
    assert_eq!(client.chain(&address, 5, 3).unwrap().chain.len(), 3);
    let refused = client.chain(&address, 5, 2).unwrap_err().to_string();
    assert!(refused.contains("3 blocks from height 5"), "{refused}");
    assert!(client.chain(&address, 97, 3).is_err());
    assert!(client.chain(&address, u64::MAX - 1, 3).is_err());
}

/// Answers nothing until another neighbour is asked, too.
struct Slow {
    others: crossbeam_channel::Receiver<()>,
    asked: crossbeam_channel::Sender<()>,
    waited: Arc<AtomicBool>,
}

impl Transport for Slow {
    fn exchange(&self, address: &Address, _: &Request, _: u64) -> Exchanged {
        if address.host() == "slow" {
            let other = self.others.recv_timeout(Duration::from_secs(10));
            self.waited.store(other.is_ok(), SeqCst);
        } else {
            self.asked.send(()).unwrap();
        }
        Err("no answer".into())
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

#[test]
fn a_slow_neighbour_keeps_no_round_from_asking_the_others() {
    let (asked, others) = crossbeam_channel::unbounded();
    let waited = Arc::new(AtomicBool::new(false));
    let (miner, _) = miner_beside(1, Slow { others, asked, waited: Arc::clone(&waited) });
    let mut asks = SideBySide::new("sync_chain", |_| ());
    let whom = ["slow:1", "quick:1"].map(|address| address.parse().unwrap());
    asks.ask(&Arc::new(miner), Wake::Tick, whom.into(), sync_chain::round);
    asks.join();
    assert!(waited.load(SeqCst), "the other was asked only after the slow one");
}

#[test]
fn one_neighbour_names_only_so_many_others_in_a_round() {
    let (miner, _) = miner_beside(1, Talkative);
    let address: Address = "a:1".parse().unwrap();
    miner.shared.with_neighbours(|all| all.give(address.clone()));
    gossip::round(&miner, &address);
    let named = (0..500).map(|_| gossip::candidates(&miner, 0).len()).sum::<usize>();
    assert_eq!(named, 100);
}

#[test]
fn neighbours_are_changed_from_this_host_alone() {
    let (miner, _) = miner(1);
    let address: Address = "miner2:1".parse().unwrap();
    let changes =
        [Request::AddNeighbour(address.clone()), Request::DeleteNeighbour(address.clone())];
    for ip in ["10.0.0.1", "128.0.0.1", "0.0.0.0", "::2", "::ffff:10.0.0.1", "fe80::1"] {
        for change in &changes {
            assert_eq!(answer(&miner, change.clone(), &caller(ip)).status, 403, "{ip}");
        }
        let nobody = Caller { ip: None, miner: None, token: None };
        assert_eq!(answer(&miner, changes[0].clone(), &nobody).status, 403);
        assert!(miner.shared.with_neighbours(|all| all.addresses().next().is_none()));
    }
    for ip in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
        for change in &changes {
            assert_eq!(answer(&miner, change.clone(), &caller(ip)).status, 200, "{ip}");
        }
    }
}

fn add(miner: &Miner, text: &str) -> Reply {
    let data = data(text);
    let request = Request::Add { id: Some(data.id), message: data.message };
    answer(miner, request, &caller("127.0.0.1"))
}

#[test]
fn what_there_is_no_room_for_may_come_again_later() {
    let (miner, _) = self::miner(2);
    for (text, status) in [("a", 200), ("b", 200), ("c", 503), ("a", 200)] {
        let reply = add(&miner, text);
        assert_eq!((reply.status, reply.retry_after), (status, (status == 503).then_some(5)));
    }
    let (miner, disk) = self::miner(2);
    disk.set_full(true);
    let reply = add(&miner, "a");
    assert_eq!((reply.status, reply.retry_after), (503, Some(5)));
}

#[test]
fn more_messages_than_the_disk_takes_may_come_again_later_and_reads_go_on() {
    /// More than are written at a time and wait besides.
    const ADDS: u64 = 1_024 + 4_096 + 1;
    let (miner, _) = self::miner(1);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let asks = link::Sender::new(ours.try_clone().unwrap());
    let mut answers = link::Receiver::new(ours.try_clone().unwrap());
    let (told, heard) = crossbeam_channel::unbounded();
    let ask = |id, request| {
        let caller = caller("10.0.0.1");
        asks.to_miner(&[ToMiner::Ask { id, caller, request }]).unwrap();
    };
    thread::scope(|scope| {
        let _ends = EndsLink(ours);
        scope.spawn(|| communication::serve(&miner, theirs, &mut || ()));
        scope.spawn(move || {
            while let Ok(Some(answer)) = answers.from_miner() {
                told.send(answer).unwrap();
            }
        });
        // As long as somebody else has the journal, nothing is written.
        miner.with_keeper(|_, _| {
            asks.to_miner(&[ToMiner::Ready]).unwrap();
            for id in 0..ADDS {
                ask(id, Request::Add { id: None, message: data("a").message });
            }
            ask(ADDS, Request::Health);
            let mut refused = 0;
            for ToServer { id, reply } in heard.iter() {
                if id == ADDS {
                    assert_eq!(reply.status, 200);
                    break;
                }
                assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
                refused += 1;
            }
            assert!(refused > 0);
        });
    });
}

/// What a miner answers those who ask over its link.
struct Asked<'a> {
    asks: &'a link::Sender,
    heard: &'a crossbeam_channel::Receiver<ToServer>,
}

impl Asked<'_> {
    fn ask_from(&self, ip: &str, id: u64, request: Request) {
        self.asks.to_miner(&[ToMiner::Ask { id, caller: caller(ip), request }]).unwrap();
    }

    /// The next answer: whose, and the page in it.
    fn next(&self) -> (u64, EventPage) {
        let ToServer { id, reply } = self.heard.recv().unwrap();
        assert_eq!(reply.status, 200);
        (id, serde_json::from_slice(&reply.body).unwrap())
    }
}

/// Lets `work` ask `miner` over a link.
fn over_a_link(miner: &Miner, work: impl FnOnce(&Asked<'_>)) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let asks = link::Sender::new(ours.try_clone().unwrap());
    let mut answers = link::Receiver::new(ours.try_clone().unwrap());
    let (told, heard) = crossbeam_channel::unbounded();
    thread::scope(|scope| {
        let _ends = EndsLink(ours);
        scope.spawn(|| communication::serve(miner, theirs, &mut || ()));
        scope.spawn(move || {
            while let Ok(Some(answer)) = answers.from_miner() {
                told.send(answer).unwrap();
            }
        });
        asks.to_miner(&[ToMiner::Ready]).unwrap();
        work(&Asked { asks: &asks, heard: &heard });
    });
}

fn follow(after: u64) -> Request {
    Request::Events { after: Some(after), wait: EVENT_WAIT_MAX }
}

#[test]
fn who_waits_for_an_event_holds_up_nobody_and_is_answered_at_the_first() {
    let (miner, _) = self::miner(9);
    let begin = miner.diary.last_event();
    over_a_link(&miner, |link| {
        let last = 100;
        (0..last).for_each(|id| link.ask_from("127.0.0.1", id, follow(begin)));
        link.ask_from("10.0.0.1", last, Request::EVENTS);
        // All of them were read before it, and none has an answer.
        assert_eq!(link.next(), (last, EventPage { last: begin, ..EventPage::default() }));
        let neighbour: Address = "10.0.0.9:1".parse().unwrap();
        miner.tell(Happening::NeighbourCame { neighbour: neighbour.clone() });
        let mut answered = Vec::new();
        for _ in 0..last {
            let (id, page) = link.next();
            answered.push(id);
            let came = Happening::NeighbourCame { neighbour: neighbour.clone() };
            assert_eq!((&page.events[0].what, page.length, page.missed), (&came, 1, false));
            assert!(page.events[0].id > begin && page.last == page.events[0].id);
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..last).collect::<Vec<_>>());
        // What happened before is told at once, and what a message is at its acknowledgement.
        let last = miner.diary.last_event();
        link.ask_from("10.0.0.1", 0, follow(begin));
        assert_eq!(link.next().1.length, 1);
        link.ask_from("10.0.0.1", 1, follow(last));
        assert_eq!(add(&miner, "a").status, 200);
        let (id, page) = link.next();
        assert_eq!((id, &page.events[0].what), (1, &Happening::Messages { unprocessed: 1 }));
    });
}

#[test]
fn a_wait_for_an_event_ends_without_one() {
    let (miner, _) = self::miner(9);
    let begin = miner.diary.last_event();
    over_a_link(&miner, |link| {
        let began = Instant::now();
        link.ask_from("10.0.0.1", 0, follow(begin));
        link.ask_from("10.0.0.1", 1, Request::Events { after: None, wait: 1 });
        assert_eq!(link.next(), (1, EventPage { last: begin, ..EventPage::default() }));
        assert!((1..5).contains(&began.elapsed().as_secs()));
    });
}

#[test]
fn followers_beyond_the_bound_are_answered_at_once() {
    let (miner, _) = self::miner(9);
    let begin = miner.diary.last_event();
    over_a_link(&miner, |link| {
        let empty = EventPage { last: begin, ..EventPage::default() };
        // One address has a share of the places.
        (0..33).for_each(|id| link.ask_from("10.0.0.1", id, follow(begin)));
        assert_eq!(link.next(), (32, empty.clone()));
        // So many have all.
        (33..33 + 224).for_each(|id| link.ask_from("127.0.0.1", id, follow(begin)));
        link.ask_from("127.0.0.1", 999, follow(begin));
        assert_eq!(link.next(), (999, empty));
    });
}

#[test]
fn a_reorganisation_says_what_was_dropped_for_what_and_why() {
    let (miner, _) = self::miner(9);
    let before = lines(&["a", "b"]);
    assert_eq!(push(&miner, &before, &caller("10.0.0.1")).0, 200);
    let after = lines(&["c", "d", "e"]);
    assert_eq!(push(&miner, &after, &caller("10.0.0.1")).0, 200);
    let events = miner.diary.events(NOW).events;
    let told = events.iter().find_map(|event| match &event.what {
        Happening::Reorganisation { fork, dropped, dropped_head, adopted, head, why, .. } => {
            Some((*fork, *dropped, *dropped_head, *adopted, *head, *why))
        }
        _ => None,
    });
    let (lost, won) = (Hash::of(&before[1]), Hash::of(&after[2]));
    assert_eq!(told, Some((0, 2, lost, 3, won, Why::Longer)));
}

/// Text of which a miner says by the id of `text` alone that it is in this block, or waits.
fn state_by_id(miner: &Miner, text: &str) -> (Option<u64>, Hash) {
    match miner.shared.state_of(&data(text).id, None).unwrap() {
        Some(DataState::Mined { index, sha256, .. }) => (Some(index), sha256),
        Some(DataState::Unprocessed { sha256, .. }) => (None, sha256),
        None => panic!("an id that was acknowledged is known"),
    }
}

#[test]
fn an_id_means_the_text_that_was_acknowledged_though_another_was_mined_under_it_first() {
    // The thief's block was shown, and the sender believed its message lost.
    let stolen = |texts: &[&str]| {
        let mut maker = Maker::new(network(1));
        let mut branch = Branch::new(*maker.head());
        for text in texts {
            let mut block = maker.candidate(text);
            block.data.id = data("ours").id;
            branch.push(maker.mine(block).as_str(), NOW, &network(1)).unwrap();
            maker = Maker::at(network(1), *branch.head());
        }
        branch
    };
    let ours = Hash::of("ours");
    let (miner, _) = self::miner(9);
    assert_eq!(add(&miner, "ours").status, 200);
    miner.shared.adopt(&stolen(&["theirs"]), NOW).unwrap();
    assert_eq!(state_by_id(&miner, "ours"), (None, ours), "while it waits");
    while mine::round(&miner, NonZeroUsize::MIN) == mine::Mined::Block {}
    assert_eq!(state_by_id(&miner, "ours"), (Some(2), ours), "behind the thief's block");
    let state = miner.shared.state_of(&data("ours").id, None).unwrap().unwrap();
    assert_eq!(state.other_index(), Some(1), "and the thief's is told");

    let (miner, _) = self::miner(9);
    assert_eq!(add(&miner, "ours").status, 200);
    assert_eq!(mine::round(&miner, NonZeroUsize::MIN), mine::Mined::Block);
    miner.shared.adopt(&stolen(&["theirs", "theirs, too"]), NOW).unwrap();
    assert_eq!(state_by_id(&miner, "ours"), (None, ours), "when its block was dropped");

    let (miner, _) = self::miner(9);
    miner.shared.adopt(&branch(&["ours"]), NOW).unwrap();
    let second = Data { message: Message::new("second").unwrap(), ..data("ours") };
    let _ = miner.keep(&[(second, Sender::Neighbour(Source::Own))]);
    while mine::round(&miner, NonZeroUsize::MIN) == mine::Mined::Block {}
    assert_eq!(state_by_id(&miner, "ours"), (Some(1), ours), "nobody acknowledged the second");
}

/// A neighbour at this address, which answers.
fn known(miner: &Miner, address: &str) -> (Address, Caller) {
    let address: Address = address.parse().unwrap();
    let id = RunId::from_random([2; 16]);
    let health = Health { id, ..health_of(miner) };
    miner.shared.with_neighbours(|all| {
        all.give(address.clone());
        all.answered(&address, &health, Still.now());
    });
    let itself = Introduction { id, host: None, port: address.port() };
    let caller = Caller { miner: Some(itself), ip: address.ip(), token: None };
    (address, caller)
}

/// Lines of a chain of so many blocks.
fn lines(texts: &[&str]) -> Vec<String> {
    let mut maker = Maker::new(network(1));
    texts.iter().map(|text| maker.add(text)).collect()
}

fn push(miner: &Miner, lines: &[String], caller: &Caller) -> (u16, Option<BlocksTaken>) {
    let reply = answer(miner, Request::PushBlocks { lines: lines.to_vec() }, caller);
    (reply.status, serde_json::from_slice(&reply.body).ok())
}

#[test]
fn pushed_blocks_are_checked_taken_if_they_win_and_passed_on() {
    let (miner, _) = miner(1);
    let stranger = caller("10.0.0.9");
    let ours = lines(&["a", "b", "c"]);
    let (status, taken) = push(&miner, &ours[..1], &stranger);
    let taken = taken.unwrap();
    assert_eq!((status, taken.taken, taken.length), (200, 1, 2));
    assert!(miner.shared.bells.push.heard().try_recv().is_ok(), "it is not passed on");
    // Known ones, a gap, a longer branch that begins with known ones.
    assert_eq!(push(&miner, &ours[..1], &stranger).1.unwrap().taken, 0);
    let (status, gap) = push(&miner, &ours[2..], &stranger);
    assert_eq!((status, gap.unwrap().length), (409, 2));
    assert_eq!(push(&miner, &ours, &stranger).1.unwrap().taken, 2);
    // A worse branch is left alone, a better one replaces what is there.
    let theirs = lines(&["x", "y", "z", "w"]);
    assert_eq!(push(&miner, &theirs[..2], &stranger).1.unwrap().taken, 0);
    let (_, taken) = push(&miner, &theirs, &stranger);
    assert_eq!((taken.unwrap().taken, miner.shared.head().length()), (4, 5));
}

#[test]
fn blocks_that_did_not_win_are_built_on() {
    // The third block of a better branch did not fit, since the first two had not won; its sender
    // was asked for the rest, which took three round trips.
    let (miner, _) = miner(9);
    let (_, neighbour) = known(&miner, "10.0.0.1:1");
    let (ours, theirs) = (lines(&["a", "b"]), lines(&["c", "d", "e"]));
    assert_eq!(push(&miner, &ours, &caller("10.0.0.9")).0, 200);
    for (at, length) in [(0, 3), (1, 3), (2, 4)] {
        let (status, taken) = push(&miner, &theirs[at..=at], &neighbour);
        assert_eq!((status, taken.unwrap().length), (200, length), "block {at}");
    }
    // What left the chain is built on, too.
    let longer = lines(&["a", "b", "f", "g"]);
    for (at, length) in [(2, 4), (3, 5)] {
        let (status, taken) = push(&miner, &longer[at..=at], &neighbour);
        assert_eq!((status, taken.unwrap().length), (200, length), "block {at}");
    }
    assert_eq!(miner.shared.head().hash, Hash::of(&longer[3]));
    // A stranger's are not remembered: it could push out those of neighbours.
    let foreign = lines(&["h", "i", "j", "k", "l"]);
    assert_eq!(push(&miner, &foreign[..1], &caller("10.0.0.9")).0, 200);
    assert_eq!(push(&miner, &foreign[1..], &caller("10.0.0.9")).0, 409);
}

#[test]
fn a_pushed_block_that_breaks_a_rule_is_refused_by_its_name() {
    let (miner, _) = miner(1);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let block = lines(&["a"]).remove(0);
    let broken = block.replace("\"message\":\"a\"", "\"message\":\"b\"");
    for (lines, why) in [(vec![broken], "proof"), (vec!["{}".into()], "no block")] {
        let reply = answer(&miner, Request::PushBlocks { lines }, &caller("10.0.0.9"));
        let body = String::from_utf8(reply.body).unwrap();
        assert_eq!(reply.status, 400);
        assert!(body.contains(why), "{body}");
    }
    // A client behind the address of a neighbour could have it banned in its name.
    let broken = block.replace("\"message\":\"a\"", "\"message\":\"b\"");
    assert_eq!(push(&miner, &[broken], &neighbour).0, 400);
    let page = miner.shared.with_neighbours(|all| all.page(true, miner.now()));
    let shown = page.details.first().unwrap();
    assert_eq!((&shown.neighbour, shown.state), (&address, NeighbourState::Ok));
    assert!(shown.reason.as_ref().unwrap().contains("proof"), "{shown:?}");
}

#[test]
fn a_miner_that_wants_to_be_known_by_an_address_of_ipv6_is_looked_at_there() {
    // It was taken for the address [2001:db8::5:1] and another port.
    let (miner, _) = miner(1);
    let (id, host) = (RunId::from_random([3; 16]), Some("2001:db8::5".to_owned()));
    let itself = Some(Introduction { id, host, port: 1 });
    miner.hear_from(&Caller { ip: "2001:db8::9".parse().ok(), miner: itself, token: None });
    assert_eq!(gossip::candidates(&miner, 0), ["[2001:db8::5]:1".parse().unwrap()]);
}

#[test]
fn only_a_neighbour_at_its_place_is_asked_for_what_does_not_fit() {
    let (miner, _) = miner(1);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let far = lines(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    asked_soon(&miner);
    // Its run is known to everybody; where it is, it is alone.
    let elsewhere = Caller { ip: "10.0.0.3".parse().ok(), ..neighbour.clone() };
    for caller in [&elsewhere, &caller("10.0.0.2")] {
        assert_eq!(push(&miner, &far[1..], caller).0, 409);
        assert_eq!(asked_soon(&miner), ([false; 2], [vec![], vec![]]));
    }
    // A few that don't fit are followed by those before them, without being asked for.
    assert_eq!(push(&miner, &far[2..4], &neighbour).0, 409);
    assert_eq!(asked_soon(&miner), ([false; 2], [vec![], vec![]]));
    assert_eq!(push(&miner, &far[1..], &neighbour).0, 409);
    assert_eq!(asked_soon(&miner), ([true, false], [vec![address], vec![]]));
}

#[test]
fn a_neighbour_is_pushed_what_it_lacks_and_no_more() {
    let (miner, _) = miner(1);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let ours = lines(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    let next = || match push::next(&miner, &address, &[]) {
        Some((Request::PushBlocks { lines }, sent)) => Some((lines, sent)),
        other => other.map(|other| panic!("{other:?}")),
    };
    let answered = |sent, status, length: usize, head: Hash| {
        let body = BlocksTaken {
            message: String::new(),
            more_information: String::new(),
            taken: 0,
            length: length as u64,
            head,
        };
        push::answered(&miner, &address, sent, status, &serde_json::to_vec(&body).unwrap());
    };
    assert_eq!(next().map(|it| it.0), None, "it has the genesis block");
    // What it sent itself, it is not sent; what follows goes alone, without waiting.
    push(&miner, &ours[..1], &neighbour);
    assert_eq!(next().map(|it| it.0), None);
    for line in &ours[1..3] {
        push(&miner, std::slice::from_ref(line), &caller("10.0.0.9"));
        assert_eq!(next().unwrap().0, std::slice::from_ref(line));
    }
    // It is on a branch of its own: the last blocks follow, and then it asks by itself.
    push(&miner, &ours[3..], &caller("10.0.0.9"));
    let (lines, sent) = next().unwrap();
    assert_eq!(lines, ours[3..]);
    answered(sent, 409, 9, Hash::of("theirs"));
    let (lines, sent) = next().unwrap();
    assert_eq!(lines, ours[2..], "the last eight");
    answered(sent, 409, 9, Hash::of("theirs"));
    assert_eq!(next().map(|it| it.0), None);
    // It is behind: exactly what is missing follows.
    let behind = miner.shared.chain().hash(7).unwrap().unwrap();
    answered(sent, 409, 8, behind);
    assert_eq!(next().unwrap().0, ours[7..]);
}

#[test]
fn messages_are_pushed_once_and_not_back_to_who_sent_them() {
    let (miner, _) = miner(100);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let next = || match push::next(&miner, &address, &[]) {
        Some((Request::PushData { data, span }, _)) => Some((data, *span.unwrap())),
        other => other.map(|other| panic!("{other:?}")),
    };
    miner.keep(&[(data("a"), Sender::Client(Source::Own))]);
    let (sent, span) = next().unwrap();
    assert_eq!(sent, [data("a")]);
    assert_eq!((span.after.arrivals, span.cursor.arrivals), (0, 1));
    let pushed = Request::PushData { data: vec![data("b"), data("a")], span: None };
    let reply = answer(&miner, pushed, &neighbour);
    let taken: DataTaken = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, taken.taken), (200, 1));
    assert_eq!(taken.span.unwrap().cursor.arrivals, 2);
    miner.keep(&[(data("c"), Sender::Client(Source::Own))]);
    assert_eq!(next().unwrap().0, [data("c")]);
    assert_eq!(next(), None);
}

#[test]
fn what_was_pushed_is_not_asked_for() {
    let (miner, _) = miner(100);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let run = neighbour.miner.as_ref().unwrap().id;
    let cursor = |arrivals| Cursor { run, arrivals };
    let tell = |after, until| {
        let span = Span { after: cursor(after), cursor: cursor(until) };
        let span = Some(Box::new(span));
        let data = vec![data(&format!("{after}"))];
        assert_eq!(answer(&miner, Request::PushData { data, span }, &neighbour).status, 200);
        miner.shared.with_neighbours(|all| all.cursor(&address))
    };
    miner.shared.with_neighbours(|all| all.read_until(&address, cursor(3)));
    assert_eq!(tell(3, 4), Some(cursor(4)));
    // What came between is not known yet: it has to be asked for, or told later.
    assert_eq!(tell(6, 8), Some(cursor(4)));
    assert_eq!(tell(4, 6), Some(cursor(8)));
}

#[test]
fn a_neighbour_added_by_hand_is_asked_at_once() {
    // It was asked at the next round, up to 10 s later.
    let (miner, _) = miner(1);
    let address: Address = "miner2:1".parse().unwrap();
    let added = answer(&miner, Request::AddNeighbour(address.clone()), &caller("127.0.0.1"));
    assert_eq!(added.status, 200);
    assert_eq!(asked_soon(&miner), ([true; 2], [vec![address.clone()], vec![address]]));
}

/// Which of the jobs for blocks and messages were woken, and whom they are to ask.
fn asked_soon(miner: &Miner) -> ([bool; 2], [Vec<Address>; 2]) {
    let bells = &miner.shared.bells;
    let rung = [&bells.sync_chain, &bells.sync_data];
    let rung = rung.map(|bell| bell.heard().try_recv().is_ok());
    let asked = miner
        .shared
        .with_neighbours(|all| [&mut all.ask_chain, &mut all.ask_data].map(std::mem::take));
    (rung, asked.map(|all| all.into_iter().collect()))
}

fn health_of(miner: &Miner) -> Health {
    let reply = answer(miner, Request::Health, &caller("10.0.0.1"));
    serde_json::from_slice(&reply.body).unwrap()
}

/// A branch of blocks with these messages, from the genesis block on.
fn branch(texts: &[&str]) -> Branch {
    let mut maker = Maker::new(network(1));
    let mut branch = Branch::new(*maker.head());
    texts.iter().for_each(|text| branch.push(maker.add(text), NOW, &network(1)).unwrap());
    branch
}

#[test]
fn a_block_that_left_the_file_and_came_back_has_its_message_in_the_journal() {
    // The journal was written anew without it as long as a save that drops the block had not
    // ended, or had failed when the file was already replaced.
    let mut replaced = 0;
    for operation in 0..30 {
        let (miner, disk) = miner(9);
        let (on, start) = (network(1), Start::Keep);
        let progress = &mut |_, _| ControlFlow::Continue(());
        let loaded = ChainFile::load(&files(&disk), &on, start, 2, NOW, progress);
        let mut file = loaded.unwrap().file;
        miner.keep(&[(data("a"), Sender::Client(Source::Own))]);
        miner.shared.adopt(&branch(&["a"]), NOW).unwrap();
        assert!(backup::round(&miner, &mut file));
        miner.shared.adopt(&branch(&["b", "c"]), NOW).unwrap();
        disk.fail_at(disk.operations() + operation, Failure::Io);
        let failed = !backup::round(&miner, &mut file);
        miner.shared.adopt(&branch(&["a", "d", "e"]), NOW).unwrap();
        miner.with_keeper(|keeper, shared| keeper.finish(shared));
        let holds_it =
            |name: &str| String::from_utf8(disk.contents(name).unwrap()).unwrap().contains("\"a\"");
        let names = files(&disk).names;
        let (in_file, in_journal) = (holds_it(&names.chain), holds_it(&names.data));
        assert!(in_file || in_journal, "lost, where operation {operation} fails");
        replaced += u32::from(failed && !in_file);
    }
    assert!(replaced > 0, "no save failed behind the replacement");
}

#[test]
fn a_branch_that_drops_too_much_is_refused_told_and_taken_by_hand_alone() {
    // Two hundred blocks of an idle chain are replaced in a second by whoever wants to.
    let (miner, _) = miner(100);
    miner.finality.set_depth(NonZeroU64::new(2));
    let stranger = caller("10.0.0.9");
    assert_eq!(push(&miner, &lines(&["a", "b", "c"]), &stranger).1.unwrap().taken, 3);
    let head = miner.shared.head();
    // As deep as is allowed.
    let shallow = lines(&["a", "x", "y", "z"]);
    assert_eq!(push(&miner, &shallow[1..], &stranger).1.unwrap().taken, 3);
    let deep = lines(&["a", "1", "2", "3", "4"]);
    for _ in 0..2 {
        let (status, refused) = push(&miner, &deep[1..], &stranger);
        assert_eq!((status, refused.unwrap().taken), (200, 0));
    }
    assert_ne!(miner.shared.head(), head);
    let health = health_of(&miner);
    let refused = health.refused.expect("it is told");
    assert_eq!((refused.fork, refused.dropped, refused.length), (1, 3, 6));
    let events = miner.diary.events(NOW).events;
    let told = events.iter().filter(|it| matches!(it.what, Happening::BranchRefused { .. }));
    assert_eq!(told.count(), 1, "once for each fork");
    let accept = |hash, ip| answer(&miner, Request::Accept(hash), &caller(ip)).status;
    assert_eq!(accept(refused.head, "10.0.0.9"), 403);
    assert_eq!(accept(Hash::of("another"), "127.0.0.1"), 404);
    assert_eq!(push(&miner, &deep[1..], &stranger).1.unwrap().taken, 0);
    assert_eq!(accept(refused.head, "127.0.0.1"), 200);
    assert_eq!(push(&miner, &deep[1..], &stranger).1.unwrap().taken, 4);
    assert_eq!(health_of(&miner).refused, None);
}

#[test]
fn a_deep_reorganisation_is_told_with_and_without_finality() {
    let (miner, _) = miner(100);
    let stranger = caller("10.0.0.9");
    let one = lines(&["1", "2", "3", "4", "5", "6", "7"]);
    let other = lines(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    push(&miner, &one[..6], &stranger);
    push(&miner, &other[..7], &stranger);
    assert_eq!(health_of(&miner).reorganised, None, "six are nothing special");
    push(&miner, &other, &stranger);
    let longer = lines(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    push(&miner, &longer, &stranger);
    assert_eq!(health_of(&miner).reorganised.map(|it| it.depth), Some(8));
}

#[test]
fn a_miner_banned_by_hand_is_neither_asked_nor_answered_until_told_otherwise() {
    let (miner, _) = miner(1);
    let (address, neighbour) = known(&miner, "10.0.0.2:1");
    let ask = |request| answer(&miner, request, &neighbour).status;
    assert_eq!(ask(Request::Health), 200);
    let by_hand = |request| answer(&miner, request, &caller("127.0.0.1")).status;
    assert_eq!(ask(Request::Ban(address.clone())), 403);
    assert_eq!(by_hand(Request::Ban(address.clone())), 200);
    assert_eq!(ask(Request::Health), 403);
    miner.hear_from(&neighbour);
    assert!(
        miner.shared.with_neighbours(|all| all.addresses().next().is_none() && !all.has_callers())
    );
    let bans = answer(&miner, Request::Bans, &caller("10.0.0.9"));
    let bans: BanPage = serde_json::from_slice(&bans.body).unwrap();
    assert_eq!(bans.bans, std::slice::from_ref(&address));
    // Others at its host are not meant.
    assert_eq!(answer(&miner, Request::Health, &caller("10.0.0.2")).status, 200);
    assert_eq!(by_hand(Request::Unban(address.clone())), 200);
    assert_eq!(by_hand(Request::Unban(address)), 404);
    assert_eq!(ask(Request::Health), 200);
    miner.hear_from(&neighbour);
    assert!(miner.shared.with_neighbours(|all| all.has_callers()));
}

/// A clock that a test sets.
#[derive(Default)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Moment {
        Moment { wall: NOW, steady: Duration::from_millis(self.0.load(SeqCst)) }
    }
}

/// Blocks that they send at once.
const PAGE: usize = 40;

/// Is told whom a page is asked of, from where on and how many blocks.
type PageAsked = dyn Fn(&Address, u64, u64) -> Result<(), String> + Send + Sync;

/// Neighbours that all have these blocks. Each page takes so long, and `asked` is called before.
struct SameBlocks {
    lines: Vec<String>,
    page_takes: u64,
    clock: Arc<SetClock>,
    asked: Box<PageAsked>,
}

impl Transport for SameBlocks {
    fn exchange(&self, address: &Address, request: &Request, _: u64) -> Exchanged {
        let length = self.lines.len() + 1;
        let Request::Chain { from, limit: Some(limit) } = request else {
            let head = Hash::of(self.lines.last().unwrap().as_str());
            let id = RunId::from_random([9; 16]);
            let health = Health { id, length: length as u64, head, ..health_of(&miner(1).0) };
            return Ok((200, serde_json::to_vec(&health).unwrap()));
        };
        (self.asked)(address, *from, *limit)?;
        self.clock.0.fetch_add(self.page_takes, SeqCst);
        let lines = self.lines.iter().skip(*from as usize - 1).take(PAGE.min(*limit as usize));
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        let body = format!("{{\"chain\":[{}],\"length\":{length}}}", lines.join(","));
        Ok((200, body.into_bytes()))
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

/// A miner that joins, and its clock.
fn joins(
    blocks: usize,
    page_takes: u64,
    asked: impl Fn(&Address, u64, u64) -> Result<(), String> + Send + Sync + 'static,
) -> (Miner, Arc<SetClock>) {
    let texts: Vec<String> = (0..blocks).map(|number| number.to_string()).collect();
    let lines = lines(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let clock = Arc::new(SetClock::default());
    let asked = Box::new(asked);
    let others = SameBlocks { lines, page_takes, clock: Arc::clone(&clock), asked };
    (miner_at(1, others, clock.clone()).0, clock)
}

#[test]
fn blocks_come_from_one_neighbour_at_a_time() {
    // A miner that joined read the same chain from all of its neighbours side by side.
    let (reached, reads) = crossbeam_channel::bounded(1);
    let (goes_on, waits) = crossbeam_channel::bounded::<()>(1);
    let asked = move |address: &Address, _, _| {
        assert_eq!(address.host(), "a", "a second source");
        reached.send(()).unwrap();
        waits.recv().map_err(|error| error.to_string())
    };
    let (miner, _) = joins(5, 0, asked);
    let [a, b]: [Address; 2] = ["a:1", "b:1"].map(|address| address.parse().unwrap());
    thread::scope(|scope| {
        let fetch = scope.spawn(|| sync_chain::round(&miner, &a));
        reads.recv().unwrap();
        let syncing = health_of(&miner).syncing.unwrap();
        assert_eq!((syncing.length, syncing.of), (1, 6));
        assert_eq!(mine::round(&miner, NonZeroUsize::MIN), mine::Mined::Rests(REST));
        sync_chain::round(&miner, &b);
        goes_on.send(()).unwrap();
        fetch.join().unwrap();
    });
    assert_eq!(miner.shared.head().length(), 6);
    assert_eq!(health_of(&miner).syncing, None);
    assert!(miner.shared.with_neighbours(|all| all.ask_chain.is_empty()), "b has nothing better");
}

/// How long mining rests for a claim.
const REST: Duration = Duration::from_millis(500);

#[test]
fn another_source_is_read_where_the_first_stalls_and_mining_rests_no_longer_for_it() {
    let (reached, reads) = crossbeam_channel::bounded(9);
    let (goes_on, waits) = crossbeam_channel::bounded::<()>(1);
    let asked = move |address: &Address, _, _| {
        reached.send(address.host().to_owned()).unwrap();
        if address.host() == "stalls" {
            waits.recv().unwrap();
        }
        Ok(())
    };
    let (miner, clock) = joins(5, 0, asked);
    let [stalls, b]: [Address; 2] = ["stalls:1", "b:1"].map(|it| it.parse().unwrap());
    thread::scope(|scope| {
        let fetch = scope.spawn(|| sync_chain::round(&miner, &stalls));
        assert_eq!(reads.recv().unwrap(), "stalls");
        clock.0.store(500, SeqCst);
        assert_eq!(mine::round(&miner, NonZeroUsize::MIN), mine::Mined::Nothing);
        clock.0.store(29_999, SeqCst);
        sync_chain::round(&miner, &b);
        assert!(reads.is_empty() && miner.shared.head().length() == 1);
        clock.0.store(30_000, SeqCst);
        sync_chain::round(&miner, &b);
        assert_eq!((reads.recv().unwrap(), miner.shared.head().length()), ("b".into(), 6));
        goes_on.send(()).unwrap();
        fetch.join().unwrap();
    });
    assert_eq!(health_of(&miner).syncing, None);
}

#[test]
fn a_claim_alone_stops_mining_for_a_tenth_of_the_time_at_most() {
    let (reached, reads) = crossbeam_channel::bounded(1);
    let (goes_on, waits) = crossbeam_channel::bounded::<()>(1);
    let asked = move |_: &Address, _, _| {
        reached.send(()).unwrap();
        waits.recv().unwrap();
        Err("nothing comes".to_owned())
    };
    let (miner, clock) = joins(5, 0, asked);
    let liar: Address = "liar:1".parse().unwrap();
    for (time, rests) in [(0, true), (1_000, false), (4_999, false), (5_000, true)] {
        clock.0.store(time, SeqCst);
        thread::scope(|scope| {
            scope.spawn(|| sync_chain::round(&miner, &liar));
            reads.recv().unwrap();
            let mined = mine::round(&miner, NonZeroUsize::MIN);
            assert_eq!(mined != mine::Mined::Nothing, rests, "after {time} ms");
            goes_on.send(()).unwrap();
        });
        assert_eq!(mine::round(&miner, NonZeroUsize::MIN), mine::Mined::Nothing, "it is over");
    }
}

#[test]
fn pages_are_as_large_as_the_line_bears() {
    // Each page of 1,000 blocks came too late, for ever.
    let asked = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let (miner, _) = joins(80, 8_000, move |_, from, limit| {
        seen.lock().push((from, limit));
        Ok(())
    });
    sync_chain::round(&miner, &"slow:1".parse().unwrap());
    let expected = [(1, 10_000), (41, 20), (61, 10), (71, 5), (76, 2), (78, 1), (79, 1), (80, 1)];
    assert_eq!((&asked.lock()[..], miner.shared.head().length()), (&expected[..], 81));
}

#[test]
fn other_hosts_need_the_token_to_add_and_to_change_neighbours() {
    let (mut miner, _) = self::miner(100);
    miner.token = Some("s3cret".parse().unwrap());
    let (_, neighbour) = known(&miner, "10.0.0.2:1");
    let requests = |text: &str| {
        let data = data(text);
        let address: Address = "miner2:1".parse().unwrap();
        [
            Request::Add { id: Some(data.id), message: data.message.clone() },
            Request::PushData { data: vec![data], span: None },
            Request::AddNeighbour(address.clone()),
            Request::DeleteNeighbour(address),
        ]
    };
    let with = |ip: &str, token: Option<&str>| Caller {
        token: token.map(|token| token.parse().unwrap()),
        ..caller(ip)
    };
    for (caller, status) in [
        (with("10.0.0.1", None), 401),
        (with("10.0.0.1", Some("s3creT")), 401),
        (with("10.0.0.1", Some("s3cret")), 200),
        (with("127.0.0.1", None), 200),
    ] {
        for request in requests("a") {
            let reply = answer(&miner, request.clone(), &caller);
            assert_eq!(reply.status, status, "{caller:?} {request:?}");
        }
    }
    let [add, push, ..] = requests("b");
    assert_eq!(answer(&miner, push, &neighbour).status, 200, "a neighbour pushes");
    assert_eq!(answer(&miner, add, &neighbour).status, 401);
    assert_eq!(answer(&miner, Request::Health, &caller("10.0.0.1")).status, 200);
    assert!(!format!("{:?}", with("10.0.0.1", Some("s3cret"))).contains("s3cret"));
}
