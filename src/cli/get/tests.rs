use super::super::testing::Fake;
use super::*;
use crate::api::Address;

fn format() -> Format {
    Format { json: false, quiet: false }
}

/// Columns shifted, since an address ignored the width it was given.
#[test]
fn neighbours_of_any_length_stand_in_columns_and_reasons_are_whole() {
    let detail = |neighbour: &str, reason: &str| NeighbourDetail {
        neighbour: neighbour.parse::<Address>().unwrap(),
        state: NeighbourState::Failing,
        permanent: true,
        last_answer: None,
        failures: 1,
        reason: Some(reason.into()),
        until: None,
        length: Some(5),
        head: None,
    };
    let reason = "x".repeat(150);
    let details = vec![detail("a:1", &reason), detail("a-much-longer-name.example:12345", "short")];
    let neighbours = details.iter().map(|it| it.neighbour.clone()).collect();
    let page = NeighbourPage { neighbours, length: 2, details };
    let fake = Fake::new([Ok((200, serde_json::to_vec(&page).unwrap()))]);
    let mut bytes = Vec::new();
    neighbours_of(&fake, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let column = |line: &str, word: &str| line.find(word).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(column(lines[1], "failing"), column(lines[2], "failing"), "{text}");
    assert_eq!(column(lines[0], "note"), column(lines[1], "given"), "{text}");
    assert!(lines[1].ends_with(&reason), "{text}");
}

fn neighbours_of(fake: &Fake, bytes: &mut Vec<u8>) {
    neighbours(&fake.miner(), format(), &mut Output::plain(bytes)).unwrap();
}

#[test]
fn events_of_any_kind_are_shown() {
    let body = br#"{"events":[{"at":1790000000000000,"event":"new_kind","who":"a:1","x":null,
        "ids":["a","b"]}],"length":1}"#;
    let fake = Fake::new([Ok((200, body.to_vec()))]);
    let mut bytes = Vec::new();
    events(&fake.miner(), format(), &mut Output::plain(&mut bytes)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let line = text.lines().nth(1).unwrap();
    assert_eq!(line, "2026-09-21 14:13:20  new kind  ids=a, b who=a:1");
}
