use super::*;

const LINE: &str = concat!(
    r#"{"index":1,"timestamp":1790000000123456,"data":{"id":"00112233445566778899aabbccddeeff","#,
    r#""message":"hello"},"previous_hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","#,
    r#""proof":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-17"}"#
);

#[test]
fn a_line_read_and_written_is_the_same() {
    assert_eq!(Block::read(LINE, 1).unwrap().line(), LINE);
    for message in ["\"\\/\u{8}\u{c}\n\r\t\0\u{1f}", "ä😀\u{2028}\u{80}", "}", "\",\"x\":\""] {
        let mut block = Block::read(LINE, 1).unwrap();
        block.data.message = Message::new(message).unwrap();
        assert_eq!(Block::read(&block.line(), 1).unwrap(), block);
    }
}

#[test]
fn the_genesis_line_is_the_published_one() {
    let network = Network {
        name: "main".parse().unwrap(),
        difficulty: crate::chain::network::Difficulty::DEFAULT,
    };
    let expected = concat!(
        r#"{"index":0,"timestamp":0,"data":{"id":"00000000000000000000000000000000","#,
        r#""message":"network=main difficulty=5"},"previous_hash":null,"proof":null}"#
    );
    assert_eq!(Block::genesis(&network).line(), expected);
    assert_eq!(Block::read(expected, 0).unwrap(), Block::genesis(&network));
}

#[test]
fn the_unsealed_line_is_the_line_without_its_proof() {
    let block = Block::read(LINE, 1).unwrap();
    let end = LINE.find(",\"proof\"").unwrap();
    assert_eq!(block.unsealed_line(), format!("{}}}", &LINE[..end]));
}

/// Changes the line once, and wants a refusal that names `field` and says `words`.
fn refused(from: &str, to: &str, field: &str, words: &str) {
    assert!(LINE.contains(from), "{from}");
    let error = Block::read(&LINE.replacen(from, to, 1), 1).unwrap_err().to_string();
    let head = format!("block 1: {field}: found ");
    assert!(error.starts_with(&head) && error.contains(words), "{from} -> {to}: {error}");
    assert!(error.contains(", expected "), "{error}");
}

#[test]
fn every_other_spelling_is_refused_by_name() {
    refused("\"index\":1", "\"index\":2", "index", "found 2, expected 1");
    refused("\"index\":1", "\"index\":01", "index", "found \"01,");
    refused("\"index\":1", "\"index\":1.0", "line", "found \".0,");
    refused("\"index\":1", "\"index\":\"1\"", "index", "at byte 9, expected a whole number");
    refused("\"index\":1", "\"index\":-1", "index", "-1");
    refused("\"index\":1", "\"index\":1e0", "line", "e0");
    refused("{\"index\":1,", "{", "line", "timestamp");
    refused("{\"index\":1,", "{\"index\":1,\"index\":1,", "line", "at byte 10, expected");
    refused("{\"index\":1,", "{\"index\":1,\"extra\":1,", "line", "extra");
    refused("1790000000123456", "9007199254740992", "timestamp", "9007199254740992");
    refused("1790000000123456", "null", "timestamp", "null");
    refused("1790000000123456", "1790000000.5", "line", "found \".5");
    refused("00112233445566778899aabb", "00112233445566778899AABB", "data.id", "AABB");
    refused("00112233", "0011223", "data.id", "32 lower-case hex digits");
    refused("\"hello\"", "\"\"", "data.message", "empty");
    refused("\"hello\"", "5", "data.message", "found \"5}");
    refused("\"hello\"", "\"hell\\u006f\"", "data.message", "expected \"o\\\"\"");
    refused("\"hello\"", "\"a\\/b\"", "data.message", "expected \"/b\\\"\"");
    refused("\"hello\"", "\"\\u001F\"", "data.message", "at byte 104, expected \"f");
    refused("\"hello\"", "\"a\u{7f}\"", "data.message", "U+007F");
    refused("\"hello\"", "\"a\nb\"", "data.message", "Unicode text");
    refused("\"hello\"", "\"\\ud800\"", "data.message", "ud800");
    refused("\"hello\"", "\"hello", "line", "previous_hash");
    refused("\"data\":{", "\"data\":{\"size\":1,", "line", "size");
    refused(",\"message\":\"hello\"", "", "line", "previous_hash");
    refused("\"data\":{", "\"data\":{ ", "line", "byte");
    refused("{\"index\"", " {\"index\"", "line", "at byte 0, expected \"{");
    refused("-17\"}", "-17\"} ", "line", "expected the end of the line");
    refused("-17", "-017", "proof", "without leading zeros");
    refused("-17", "-", "proof", "found");
    refused("-17", "-+17", "proof", "found");
    refused("-17", "-18446744073709551616", "proof", "below 2^64");
    refused("bbbb-17", "bbbB-17", "proof", "found");
    refused("\"bbb", "\"bb", "proof", "found");
    refused("\"aaa", "\"Aaa", "previous_hash", "found \"\\\"Aaa");
    refused("\"previous_hash\"", "\"Previous_hash\"", "line", "Previous_hash");
    refused("-17\"}", "-17\"", "line", "found the end at byte");
}

#[test]
fn reordered_fields_and_foreign_lines_are_refused() {
    let swapped = LINE.replacen(
        "\"index\":1,\"timestamp\":1790000000123456",
        "\"timestamp\":1790000000123456,\"index\":1",
        1,
    );
    let error = Block::read(&swapped, 1).unwrap_err().to_string();
    assert!(error.contains("at byte 0, expected \"{\\\"index"), "{error}");
    for foreign in ["", "null", "[]", "5", "{}", "<html>", &"[".repeat(200_000), &LINE[..80]] {
        assert!(Block::read(foreign, 1).is_err());
    }
}

#[test]
fn every_changed_byte_is_refused_or_another_block() {
    let block = Block::read(LINE, 1).unwrap();
    for at in 0..LINE.len() {
        for bit in 0..7 {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let line = String::from_utf8(bytes).unwrap();
            if let Ok(other) = Block::read(&line, 1) {
                assert_ne!(other, block);
                assert_eq!(other.line(), line);
            }
        }
    }
}
