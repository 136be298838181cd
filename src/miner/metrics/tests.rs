use super::looked_up::{as_number, last_until};
use crate::chain::testing::{Maker, NOW, network};
use crate::chain::{ChainView, Hash, Head};

#[test]
fn miners_are_compared_at_the_last_block_before_a_moment() {
    let mut maker = Maker::new(network(1));
    let mut chain = ChainView::empty(0, *maker.head());
    let genesis = crate::chain::Block::genesis(&network(1));
    chain.push(genesis.line().into(), Head::of(&genesis, &genesis.line()));
    // Their timestamps are one microsecond apart, from this one on.
    let first = NOW - 1_000_000 + 1;
    for length in 2..40 {
        let line = maker.add(&format!("{length}"));
        chain.push(line.into(), *maker.head());
        let last = first + length - 2;
        for (moment, height) in [
            (0, 0),
            (first - 1, 0),
            (first, 1),
            (last - 1, length - 2),
            (last, length - 1),
            (u64::MAX, length - 1),
        ] {
            let expected = chain.hash(height).unwrap().unwrap();
            assert_eq!(last_until(&chain, moment).unwrap(), expected, "{length} {height}");
        }
    }
}

#[test]
fn a_sample_holds_the_number_of_a_hash_exactly() {
    let number = as_number(&Hash::of("x"));
    assert_eq!(format!("{number:012x}"), Hash::of("x").to_string()[..12]);
    assert_eq!(number as f64 as i64, number);
    assert!(number < 1 << 53);
}
