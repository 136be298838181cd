use super::*;
use crate::chain::testing::{Maker, NOW, data, network};
use crate::chain::{Message, Rule, check_block};

fn branch(fork: Head, texts: &[&str]) -> Branch {
    let mut maker = Maker::at(network(1), fork);
    let mut branch = Branch::new(fork);
    for text in texts {
        branch.push(maker.add(text), NOW, &network(1)).unwrap();
    }
    branch
}

fn chain(texts: &[&str]) -> Chain {
    let mut chain = Chain::new(&network(1));
    let branch = branch(*chain.head(), texts);
    if !branch.is_empty() {
        chain.adopt(&branch).unwrap();
    }
    chain
}

fn texts(view: &ChainView) -> Vec<String> {
    view.messages_from(1).map(|data| data.unwrap().message.as_str().into()).collect()
}

fn at(chain: &Chain, height: u64) -> Head {
    chain.view().head_at(height).unwrap().unwrap()
}

#[test]
fn a_longer_branch_is_adopted_and_says_what_changed() {
    let mut chain = chain(&["a", "b", "c"]);
    let before = chain.view();
    let adopted = chain.adopt(&branch(at(&chain, 1), &["c", "d", "e"])).unwrap();
    assert_eq!(adopted, (vec![data("b")], 2));
    assert_eq!(texts(&chain.view()), ["a", "c", "d", "e"]);
    assert_eq!(texts(&before), ["a", "b", "c"], "a picture has changed");
    assert_eq!(texts(&before.from(2)), ["b", "c"]);
    assert_eq!(before.from(2).line(1), Ok(None));
    assert_eq!(chain.height_of(&data("b")), Ok(None));
    assert_eq!(chain.height_of(&data("c")), Ok(Some(2)));
    assert_eq!(chain.view().hash(4), Ok(Some(chain.head().hash)));
    assert_eq!(chain.view().line(5), Ok(None));
    let hash = at(&chain, 3).hash;
    assert_eq!(chain.may_have(&hash), [3]);
}

#[test]
fn of_two_equal_branches_both_sides_keep_the_same() {
    let (mut one, mut two) = (chain(&["a"]), chain(&["b"]));
    let genesis = at(&one, 0);
    let to_two = two.adopt(&branch(genesis, &["a"])).is_ok();
    let to_one = one.adopt(&branch(genesis, &["b"])).is_ok();
    assert!(to_one != to_two);
    assert_eq!(one.head(), two.head());
}

#[test]
fn a_shorter_branch_or_one_on_a_moved_chain_is_refused() {
    let mut chain = chain(&["a", "b"]);
    let before = *chain.head();
    let genesis = at(&chain, 0);
    assert_eq!(chain.adopt(&branch(genesis, &["c"])), Err(Refused::NotBetter));
    assert_eq!(chain.adopt(&Branch::new(before)), Err(Refused::NotBetter));
    let foreign = branch(*branch(genesis, &["x"]).head(), &["y", "z"]);
    assert_eq!(chain.adopt(&foreign), Err(Refused::Moved));
    let (one, two) = (branch(before, &["c"]), branch(before, &["d"]));
    let late = Change::plan(&chain.view(), &one, &[]).unwrap();
    chain.adopt(&two).unwrap();
    assert_eq!(chain.make(&late), Err(Refused::Moved));
    assert_eq!(texts(&chain.view()), ["a", "b", "d"]);
}

#[test]
fn a_message_is_in_a_chain_once_and_a_second_text_under_its_id_is_another_message() {
    let mut chain = chain(&["a", "b"]);
    let error = chain.adopt(&branch(at(&chain, 1), &["c", "a"])).unwrap_err();
    let Refused::Invalid(error) = error else { panic!("{error}") };
    assert_eq!((error.block, error.rule), (3, Rule::Twice));
    assert_eq!(texts(&chain.view()), ["a", "b"]);
    let mut twice = branch(*chain.head(), &["c"]);
    let line = Maker::at(network(1), *twice.head()).add("c");
    assert_eq!(twice.push(line, NOW, &network(1)).unwrap_err().rule, Rule::Twice);
    for text in 0..9 {
        let maker = Maker::at(network(1), *chain.head());
        let mut block = maker.candidate("x");
        block.data = Data { message: Message::new(&text.to_string()).unwrap(), ..data("a") };
        let mut branch = Branch::new(*chain.head());
        branch.push(maker.mine(block.clone()), NOW, &network(1)).unwrap();
        chain.adopt(&branch).unwrap();
        assert_eq!(chain.height_of(&block.data), Ok(Some(chain.head().index)));
    }
    assert_eq!(chain.height_of(&data("a")), Ok(Some(1)));
    assert_eq!(chain.may_hold_id(&data("a").id).len(), 3, "a look-up has an end");
    assert_eq!(chain.may_hold_id(&data("a").id)[0], 1, "the first is found first");
    let adopted = chain.adopt(&branch(
        at(&chain, 0),
        &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
    ));
    assert_eq!(adopted.unwrap().1, 11);
    assert_eq!(chain.height_of(&data("a")), Ok(None));
}

#[test]
fn pictures_share_what_they_share_at_every_length() {
    let count = 1_300;
    let texts: Vec<String> = (0..count).map(|i| i.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut chain = chain(&texts);
    let view = chain.view();
    for fork in [count - 1, 1_024, 1_023, 512, 511, 1] {
        let mut part = view.clone();
        part.truncate(at(&chain, fork as u64));
        assert_eq!(part.shared_length(&view), Ok(fork as u64 + 1));
        assert_eq!(part.lines_from(0).count(), fork + 1);
        assert_eq!(part.from(fork as u64).lines_from(0).count(), 1);
        let above = view.from(fork as u64 + 1);
        assert_eq!(above.lines_from(0).count(), count - fork);
        part.join(&above);
        assert_eq!(part.shared_length(&view), Ok(view.length()));
        let line = Maker::at(network(1), at(&chain, fork as u64)).add("other");
        let mut other = view.clone();
        other.truncate(at(&chain, fork as u64));
        let block = check_block(other.head(), line, NOW, &network(1)).unwrap();
        other.push(Arc::clone(block.line()), *block.head());
        assert_eq!(other.shared_length(&view), Ok(fork as u64 + 1));
    }
    let none = Branch::new(at(&chain, 0));
    let cut = Change::replacing(&view, &none).unwrap();
    assert_eq!((cut.depth(), cut.returned.len()), (count as u64, count));
    chain.make(&cut).unwrap();
    assert_eq!((chain.head().index, view.lines_from(0).count()), (0, count + 1));
}
