use super::*;
use crate::chain::testing::data;

fn texts(pool: &Pool) -> Vec<&str> {
    pool.iter().map(|data| data.message.as_str()).collect()
}

#[test]
fn messages_wait_in_order_and_once() {
    let mut pool = Pool::default();
    assert!(pool.add(data("a")) && pool.add(data("b")) && !pool.add(data("a")));
    assert_eq!(texts(&pool), ["a", "b"]);
    assert_eq!(pool.next().unwrap().message.as_str(), "a");
    assert!(pool.remove(&data("a")));
    assert_eq!((pool.len(), pool.bytes()), (1, 1));
    assert!(!pool.remove(&data("a")));
}

#[test]
fn two_texts_under_one_id_are_two_messages() {
    let mut pool = Pool::default();
    let other = Data { id: data("a").id, ..data("b") };
    assert!(pool.add(data("a")) && pool.add(other.clone()) && !pool.add(other.clone()));
    assert_eq!(pool.with_id(&other.id).collect::<Vec<_>>(), [&data("a"), &other]);
    assert!(pool.remove(&data("a")) && pool.how_came(&data("a")).is_none());
    assert_eq!(pool.how_came(&other), Some(Came::New));
}

#[test]
fn returned_messages_are_the_oldest_and_pass_the_limits() {
    let mut pool = Pool::new(PoolLimits { count: 1, bytes: 1 });
    pool.add(data("d"));
    assert!(!pool.has_room(&Usage::default(), Source::Own, 0));
    pool.give_back([data("b"), data("c")].into_iter());
    pool.give_back([data("a"), data("c")].into_iter());
    assert_eq!(texts(&pool), ["a", "b", "c", "d"]);
}

fn stranger(number: u8) -> Source {
    Source::From(IpAddr::from([10, 0, number, 0]), 0)
}

/// Adds messages of `source` until there is no room; how many fitted.
fn fill(pool: &mut Pool, source: Source, name: &str) -> usize {
    let mut count = 0;
    while pool.has_room(&Usage::default(), source, 1) {
        pool.add_from(source, data(&format!("{name}{count}")));
        count += 1;
    }
    count
}

#[test]
fn no_source_takes_all_places() {
    // One stranger filled the pool, and nobody else's message was taken for minutes.
    let mut pool = Pool::new(PoolLimits { count: 400, bytes: 1 << 20 });
    let shares: Vec<usize> =
        (0..4).map(|number| fill(&mut pool, stranger(number), &number.to_string())).collect();
    assert_eq!(shares, [150, 75, 37, 19]);
    assert_eq!(fill(&mut pool, Source::Own, "own"), 400 - 281);
    let mut batch = Usage::default();
    let mut pool = Pool::new(PoolLimits { count: 400, bytes: 1 << 20 });
    while pool.has_room(&batch, stranger(0), 1) {
        batch.add(stranger(0), 1);
    }
    assert_eq!(batch.of(stranger(0)).count, 150, "a batch is counted, too");
    assert_eq!(fill(&mut pool, Source::Own, "own"), 400);
}

#[test]
fn sources_are_mined_in_turns_and_each_in_order() {
    let mut pool = Pool::default();
    for number in 0..100 {
        pool.add_from(stranger(1), data(&format!("flood {number}")));
    }
    for text in ["a", "b"] {
        pool.add(data(text));
        pool.add_from(stranger(2), data(&format!("other {text}")));
    }
    let mut mined = Vec::new();
    while mined.len() < 7 {
        let next = pool.next().unwrap().clone();
        assert_eq!(pool.next(), Some(&next), "it stays the next one until it is mined");
        pool.remove(&next);
        mined.push(next.message.as_str().to_owned());
    }
    let expected = ["a", "flood 0", "other a", "b", "flood 1", "other b", "flood 2"];
    assert_eq!(mined, expected);
}

#[test]
fn returned_messages_have_their_old_place_in_line() {
    // A later message that another miner had mined came back in front of an earlier one of
    // the same client.
    let mut pool = Pool::default();
    for text in ["a", "b", "c", "d"] {
        pool.add(data(text));
    }
    pool.remove(&data("b"));
    pool.remove(&data("d"));
    pool.give_back([data("b"), data("d")].into_iter());
    assert_eq!(texts(&pool), ["a", "b", "c", "d"]);
    // What never waited here is first, and what came before it in the chain before that.
    pool.remove(&data("a"));
    pool.remove(&data("c"));
    pool.give_back([data("a"), data("x"), data("c")].into_iter());
    assert_eq!(texts(&pool), ["a", "x", "b", "c", "d"]);
    assert_eq!(pool.next(), Some(&data("a")));
}

#[test]
fn a_cursor_asks_for_what_came_since() {
    let mut pool = Pool::default();
    pool.add(data("a"));
    pool.add(data("b"));
    let cursor = pool.since(0).next().unwrap().0;
    pool.remove(&data("a"));
    pool.give_back([data("a")].into_iter());
    let new: Vec<_> = pool.since(cursor).map(|(_, data)| data.message.as_str()).collect();
    assert_eq!(new, ["b", "a"]);
    assert_eq!(pool.since(pool.cursor()).count(), 0);
}
