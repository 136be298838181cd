//! The house stays as `src/README.md` draws it: a room imports rooms below its own floor, and on
//! its own floor only what the table names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table: a room, its floor, and what it may import there.
struct Room {
    floor: u32,
    beside: BTreeSet<String>,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Words in backticks.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rooms() -> BTreeMap<String, Room> {
    let text = fs::read_to_string(source().join("README.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| floor | room |")).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let room = quoted(cells[2]).pop_first().expect("a room");
        (room, Room { floor: cells[1].parse().expect("a floor"), beside: quoted(cells[4]) })
    };
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// Source files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// The room that a file belongs to.
fn room_of(file: &Path) -> String {
    let first = file.strip_prefix(source()).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Rooms that a line of code names: whatever follows `crate::`, also in braces.
fn imported(code: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
    };
    let mut found = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            None => _ = found.insert(name(path)),
            Some(many) => found.extend(top_level(many).into_iter().map(name)),
        }
    }
    found
}

/// Parts of a list in braces that stand between its own commas.
fn top_level(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 1, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            parts.push(&list[from..at]);
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    parts
}

/// What a file's code says, without comments and without its tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    code.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_import_only_what_their_floor_allows() {
    let rooms = rooms();
    assert!(rooms.len() > 10, "the table of src/README.md was not found");
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let room = room_of(&file);
        // They only name the rooms.
        if ["lib", "main"].contains(&&*room) {
            continue;
        }
        let own = rooms.get(&room).unwrap_or_else(|| panic!("src/README.md lacks {room}"));
        for other in imported(&code_of(&file)) {
            let Some(named) = rooms.get(&other) else { continue };
            if other != room && named.floor >= own.floor && !own.beside.contains(&other) {
                wrong.push(format!("{} imports {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_braces_too() {
    let code = "use crate::{api::{link, Reply}, chain};\nlet x = crate::pow::rate();";
    let found: Vec<String> = imported(code).into_iter().collect();
    assert_eq!(found, ["api", "chain", "pow"]);
}
