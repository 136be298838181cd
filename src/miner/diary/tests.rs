use super::*;
use crate::api::Address;

fn after(millis: u64) -> Moment {
    Moment { wall: 1_000_000 + millis * 1000, steady: Duration::from_millis(millis) }
}

fn address(n: u64) -> Address {
    format!("a:{}", n + 1).parse().unwrap()
}

fn reorganisation(dropped: u64) -> Happening {
    let hash = crate::chain::Hash::of("x");
    Happening::Reorganisation {
        fork: 1,
        dropped,
        dropped_head: hash,
        adopted: 1,
        head: hash,
        why: crate::chain::Why::LowerHash,
        returned: Vec::new(),
        returned_count: 0,
        from: None,
    }
}

fn ids(page: &EventPage) -> Vec<u64> {
    page.events.iter().map(|event| event.id).collect()
}

#[test]
fn ids_rise_with_every_event_and_over_runs() {
    let diary = Diary::default();
    diary.begins(100);
    assert_eq!((diary.last_event(), diary.events_after(100)), (100, None));
    // A clock that stands or goes back does not stop them.
    for at in [100, 150, 150, 120, 200] {
        diary.note(at, Happening::NeighbourCame { neighbour: address(at) });
    }
    assert_eq!(ids(&diary.events(200)), [101, 150, 151, 152, 200]);
    let after = diary.events_after(151).unwrap();
    assert_eq!((ids(&after), after.last, after.missed), (vec![152, 200], 200, false));
    assert_eq!(diary.events_after(200), None);
    // Who follows an earlier run, or one whose clock was ahead, is told all, and that there
    // was more.
    for after in [0, 99, 201] {
        let page = diary.events_after(after).unwrap();
        assert_eq!((page.length, page.missed), (5, true), "{after}");
    }
    let empty = Diary::default();
    empty.begins(300);
    let page = empty.events_after(200).unwrap();
    assert_eq!((page.length, page.last, page.missed), (0, 300, true));
}

#[test]
fn a_flood_of_others_leaves_the_reorganisations() {
    // A thousand neighbours that came and went took them out.
    let diary = Diary::default();
    diary.note(1, reorganisation(9));
    for n in 0..EVENTS_MAX as u64 + 1 {
        diary.note(2 + n, Happening::NeighbourCame { neighbour: address(n) });
        diary.note(2 + n, Happening::Messages { unprocessed: n });
    }
    let page = diary.events(1_000);
    assert_eq!(page.length, EVENTS_MAX as u64 + 2);
    assert!(page.events.is_sorted_by_key(|event| event.id));
    assert_eq!(page.events[0].what, reorganisation(9));
    assert_eq!(diary.deepest_reorganisation(1_000, 6).map(|it| it.depth), Some(9));
    // The first neighbour is forgotten, and who followed from before it is told so.
    assert!(diary.events_after(1).unwrap().missed);
    assert!(!diary.events_after(page.events[1].id).unwrap().missed);
    for depth in 0..REORGANISATIONS_MAX as u64 {
        diary.note(9, reorganisation(depth));
    }
    let is_first = |event: &Event| event.what == reorganisation(9) && event.id == 1;
    assert!(!diary.events(1_000).events.iter().any(is_first));
}

/// The rate was measured at the end of a search alone: 0 during the first one, and then
/// that of the one before, whenever somebody looked.
#[test]
fn the_hash_rate_is_that_of_the_search_under_way() {
    let diary = Diary::default();
    let mining = |now| diary.mining(Difficulty::DEFAULT, now).unwrap();
    let begins = |at| {
        let progress = Progress::default();
        let id = DataId::from_bytes([1; 16]);
        diary.search_begins(1, id, after(at), progress.clone());
        progress
    };
    diary.estimate(16_f64.powi(5));
    let progress = begins(0);
    assert_eq!(mining(after(1)).expected_seconds, 1.0);
    progress.add(2_000_000);
    assert_eq!(mining(after(1000)).guesses_per_second, 2e6);
    assert_eq!(mining(after(4000)).guesses_per_second, 0.5e6);
    assert_eq!(mining(after(1000)).expected_seconds, 16_f64.powi(5) / 2e6);
    assert_eq!(diary.guesses_per_second(after(1000)), 2e6);
    diary.search_ended(9_000_000, Duration::from_secs(3));
    assert_eq!(diary.guesses_per_second(after(9000)), 3e6);
    begins(9000);
    assert_eq!(mining(after(9001)).guesses_per_second, 3e6);
    diary.estimate(1.0);
    assert_eq!(mining(after(9001)).guesses_per_second, 3e6);
}
