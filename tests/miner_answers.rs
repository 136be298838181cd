//! What a miner answers depends on who asks and on how full it is; what it takes in, on itself.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use blockchain::api::client::{MinerClient, Transport};
use blockchain::api::link::{self, EndsLink, ToMiner, ToServer};
use blockchain::api::{Address, Caller, Health, Introduction, Reply, Request, RunId};
use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Branch, Chain, Forks, Hash, Pool, PoolLimits};
use blockchain::miner::jobs::{SideBySide, Wake, backup, communication, gossip, sync_chain};
use blockchain::miner::{Clock, Keeper, Miner, Moment, Neighbours, Shared, Surroundings, answer};
use blockchain::store::sim_disk::{Failure, SimDisk};
use blockchain::store::{ChainFile, Journal, Names, Start};

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: NOW, steady: Duration::from_secs(1) }
    }
}

/// Asks nobody.
struct Alone;

impl Transport for Alone {
    fn exchange(&self, _: &Address, _: &Request, _: u64) -> Result<(u16, Vec<u8>), String> {
        Err("nobody is asked here".into())
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

/// A miner with room for so many messages, and its disk.
fn miner(room: usize) -> (Miner, Arc<SimDisk>) {
    miner_beside(room, Alone)
}

fn miner_beside(room: usize, others: impl Transport + 'static) -> (Miner, Arc<SimDisk>) {
    let disk = Arc::new(SimDisk::default());
    let names = Names::of(Path::new("test.chain")).unwrap();
    let (journal, _) = Journal::open(disk.clone(), names).unwrap();
    let pool = Pool::new(PoolLimits { count: room, ..PoolLimits::default() });
    let shared =
        Shared::new(Chain::new(&network(1)), Forks::default(), pool, Neighbours::new([], 8));
    let surroundings = Surroundings {
        clock: Arc::new(Still),
        client: MinerClient::new(Box::new(others)),
        random: Box::new(|| [7; 16]),
    };
    let id = RunId::from_random([1; 16]);
    (Miner::new(id, network(1), shared, Keeper::new(journal), surroundings), disk)
}

fn caller(ip: &str) -> Caller {
    Caller { ip: Some(ip.parse().unwrap()), miner: None }
}

/// Sends more than it was asked for.
struct Talkative;

impl Transport for Talkative {
    fn exchange(&self, _: &Address, request: &Request, _: u64) -> Result<(u16, Vec<u8>), String> {
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
    fn exchange(&self, address: &Address, _: &Request, _: u64) -> Result<(u16, Vec<u8>), String> {
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
    let mut asks = SideBySide::new("sync_chain");
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
        let nobody = Caller { ip: None, miner: None };
        assert_eq!(answer(&miner, changes[0].clone(), &nobody).status, 403);
        assert!(miner.shared.with_neighbours(|all| all.is_empty()));
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
    answer(miner, request, &caller("10.0.0.1"))
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

#[test]
fn hints_are_taken_from_neighbours_alone() {
    let (miner, _) = miner(1);
    let known = RunId::from_random([2; 16]);
    let address: Address = "10.0.0.2:1".parse().unwrap();
    let health = Health { id: known, ..health_of(&miner) };
    miner.shared.with_neighbours(|all| {
        all.give(address.clone());
        all.answered(&address, &health, Still.now());
    });
    let hint = |id| {
        let miner_itself = Introduction { id, host: None, port: 1 };
        let caller = Caller { miner: Some(miner_itself), ..caller("10.0.0.2") };
        let request = Request::Announce { head: Hash::of("x"), length: 9, unprocessed: 1 };
        assert_eq!(answer(&miner, request, &caller).status, 200);
        asked_soon(&miner)
    };
    let nobody: [Vec<Address>; 2] = [vec![], vec![]];
    // Bells were rung for strangers, too.
    assert_eq!(hint(RunId::from_random([3; 16])), ([false; 2], nobody));
    assert_eq!(hint(known), ([true; 2], [vec![address.clone()], vec![address.clone()]]));
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
    let hinted = miner
        .shared
        .with_neighbours(|all| [&mut all.hinted_chain, &mut all.hinted_data].map(std::mem::take));
    (rung, hinted.map(|all| all.into_iter().collect()))
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
        let names = Names::of(Path::new("test.chain")).unwrap();
        let load = ChainFile::load;
        let (on, start) = (network(1), Start::Keep);
        let (mut file, _) =
            load(disk.clone(), names.clone(), &on, start, 2, NOW, &mut |_, _| {}).unwrap();
        miner.keep(&[data("a")]);
        miner.shared.adopt(&branch(&["a"]), NOW).unwrap();
        assert!(backup::round(&miner, &mut file));
        miner.shared.adopt(&branch(&["b", "c"]), NOW).unwrap();
        disk.fail_at(disk.operations() + operation, Failure::Io);
        let failed = !backup::round(&miner, &mut file);
        miner.shared.adopt(&branch(&["a", "d", "e"]), NOW).unwrap();
        miner.with_keeper(|keeper, shared| keeper.finish(shared));
        let holds_it =
            |name: &str| String::from_utf8(disk.contents(name).unwrap()).unwrap().contains("\"a\"");
        let (in_file, in_journal) = (holds_it(&names.chain), holds_it(&names.data));
        assert!(in_file || in_journal, "lost, where operation {operation} fails");
        replaced += u32::from(failed && !in_file);
    }
    assert!(replaced > 0, "no save failed behind the replacement");
}
