//! `/openapi.json` says what is so.

use std::collections::BTreeSet;

use crate::support::miner::{Logs, TestMiner};
use crate::support::scripted_server::obliging;
use blockchain::api::client::MinerClient;
use blockchain::api::routes::{OPENAPI, ROUTES};
use blockchain::api::{
    Added, Cursor, DataPage, DataState, Departure, Event, EventPage, FileReport, Fork, ForkBlock,
    ForksAnswer, Happening, Health, JobReport, MiningReport, NeighbourDetail, NeighbourPage,
    NeighbourState, Problem, RunId, Setting, Status, StatusReport, Syncing,
};
use blockchain::chain::{Data, DataId, Difficulty, Hash, Why};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::tempdir;

/// A path of the API as the document has it.
fn in_document(path: &str) -> String {
    path.replace("<id>", "{id}").replace("<height or hash>", "{block}")
}

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

#[test]
fn the_description_names_every_path_and_method_and_no_other() {
    let document = document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let known = ROUTES.iter().map(|route| (in_document(route.path), route.method.to_owned()));
    assert_eq!(described, known.collect());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    assert!(document.pointer(&to[1..]).is_some(), "{to}");
                }
                fields.values().for_each(|value| walk(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    walk(&document(), &document());
}

#[test]
fn the_server_itself_sends_the_description() {
    let scripted = obliging();
    let answer = scripted.client().ask("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.body.as_slice()), (200, OPENAPI.as_bytes()));
    let answer = scripted.client().ask("PUT /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(scripted.requests(), []);
}

/// Checks an answer that has every field against the schema of this name.
fn check(name: &str, answer: &impl Serialize) {
    let document = document();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "there is no {name}");
    let answer = serde_json::to_value(answer).unwrap();
    if let Err(why) = fits(&document, schema, &answer) {
        panic!("{name}: {why}: {answer}");
    }
}

/// Whether a value fits a schema, as far as this document uses schemas. A field that is
/// not described does not fit.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(to) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&to[1..]).unwrap(), value);
    }
    if value.is_null() && schema["nullable"] == true {
        return Ok(());
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits(document, part, value)?;
    }
    let is_of_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        _ => true,
    };
    if !is_of_type {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        return Err(format!("{value} is none of {}", schema["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item)?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => fits(document, schema, field)?,
            None if schema["allOf"].is_array() => {}
            None => return Err(format!("{name} is not described")),
        }
    }
    Ok(())
}

#[test]
fn answers_are_as_described() {
    let (id, hash) = (DataId::from_bytes([7; 16]), Hash::of("x"));
    let data: Data = serde_json::from_value(json!({"id": id, "message": "hello"})).unwrap();
    let neighbour = "miner2:1".parse::<blockchain::api::Address>().unwrap();
    let run = RunId::from_random([7; 16]);
    check("Problem", &Problem { message: "a".into(), more_information: "b".into() });
    let (message, more_information) = ("a".into(), "b".into());
    check("Added", &Added { message, more_information, data: data.clone() });
    let block =
        json!({"index": 1, "timestamp": 2, "data": data, "previous_hash": hash, "proof": null});
    check("ChainPage", &json!({"chain": [block], "length": 2}));
    let cursor = Some(Cursor { run, arrivals: 1 });
    check("DataPage", &DataPage { data: vec![data], length: 1, cursor });
    check("DataState", &DataState::Unprocessed { sha256: hash, other_index: None });
    let (index, confirmations, sha256, other_index) = (2, 1, hash, Some(1));
    check("DataState", &DataState::Mined { index, confirmations, sha256, other_index });
    for known in [Some(1), None] {
        let detail = NeighbourDetail {
            neighbour: neighbour.clone(),
            state: NeighbourState::Banned,
            permanent: true,
            last_answer: known,
            failures: 1,
            reason: known.map(|_| "x".into()),
            until: known,
            length: known,
            head: known.map(|_| hash),
        };
        let neighbours = vec![neighbour.clone()];
        check("NeighbourPage", &NeighbourPage { neighbours, length: 1, details: vec![detail] });
    }
    let health = Health {
        status: Status::Failing,
        id: run,
        name: Some("x".into()),
        version: "1".into(),
        network: "main".parse().unwrap(),
        difficulty: Difficulty::DEFAULT,
        genesis: hash,
        length: 1,
        head: hash,
        unprocessed: 0,
        neighbours: 0,
        kernel: "portable".into(),
        uptime_seconds: 0,
        syncing: Some(Syncing { length: 1, of: 2 }),
        reorganised: None,
        refused: None,
        reasons: vec!["x".into()],
    };
    check("Health", &health);
}

#[test]
fn events_and_status_are_as_described() {
    let (id, hash) = (DataId::from_bytes([7; 16]), Hash::of("x"));
    let neighbour = "miner2:1".parse::<blockchain::api::Address>().unwrap();
    let from = Some(neighbour.clone());
    let events = [
        Happening::Block { index: 1, hash, id, from: None },
        Happening::Reorganisation {
            fork: 1,
            dropped: 1,
            dropped_head: hash,
            adopted: 2,
            head: hash,
            why: Why::LowerHash,
            returned: vec![id],
            returned_count: 1,
            from,
        },
        Happening::BranchRefused { fork: 1, dropped: 1, head: hash, from: None },
        Happening::Messages { unprocessed: 1 },
        Happening::NeighbourCame { neighbour: neighbour.clone() },
        Happening::NeighbourGone { neighbour, reason: "x".into() },
    ];
    let events = events.map(|what| Event { id: 2, at: 1, what }).to_vec();
    check("EventPage", &EventPage { events, length: 6, last: 2, missed: false });
    for why in [Why::Longer, Why::LowerHash, Why::Clock, Why::Accepted] {
        let dropped = Departure { at: 1, why, winner: hash, file: Some("x".into()) };
        let blocks = vec![ForkBlock { index: 2, hash }];
        let fork = Fork { fork: 1, depth: 1, head: hash, blocks, dropped };
        check("ForksAnswer", &ForksAnswer { forks: vec![fork], length: 1 });
    }
    for known in [Some(1), None] {
        let mining = known.map(|since| MiningReport {
            index: 1,
            id,
            difficulty: Difficulty::DEFAULT,
            since,
            guesses_per_second: 1.5,
            expected_seconds: 2.5,
        });
        let file = FileReport { name: "x".into(), kind: "chain".into(), bytes: 1, changed: known };
        let job = JobReport {
            job: "mine".into(),
            last_run: known,
            took: known,
            next_run: known,
            error: known.map(|_| "x".into()),
        };
        let settings = vec![Setting { name: "x".into(), value: "y".into() }];
        let report = StatusReport { now: 1, settings, files: vec![file], jobs: vec![job], mining };
        check("StatusReport", &report);
    }
}

/// What the document says of an answer with this status: its schema.
fn described<'a>(document: &'a Value, method: &str, target: &str, status: u16) -> &'a Value {
    let path = target.split('?').next().unwrap();
    let path = match path {
        _ if path.starts_with("/data/") => "/data/{id}",
        _ if path.starts_with("/blocks/") => "/blocks/{block}",
        _ => path,
    };
    let responses = &document["paths"][path][method.to_lowercase()]["responses"];
    let (exact, class) = (status.to_string(), format!("{}XX", status / 100));
    let response = responses.get(&exact).or_else(|| responses.get(&class));
    let response = response.unwrap_or_else(|| panic!("{method} {path} {status} is not described"));
    let response = match response["$ref"].as_str() {
        Some(to) => document.pointer(&to[1..]).unwrap(),
        None => response,
    };
    &response["content"]["application/json"]["schema"]
}

#[test]
fn what_a_miner_really_answers_is_as_described() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &[]);
    let id = miner.add("hello");
    logs.wait_until("a block", || miner.health().length == 2);
    let health = miner.health();
    let (document, mut answered) = (document(), BTreeSet::new());
    let page = MinerClient::http(None).chain(&miner.address, 1, 1).unwrap();
    let block = page.chain[0].get().to_owned();
    let gap = block.replace("\"index\":1", "\"index\":9");
    let message = json!({"id": "e".repeat(32), "message": "pushed"}).to_string();
    for (method, target, expected) in [
        ("PUT", "/add?message=waits", 200),
        ("PUT", "/add", 400),
        ("PUT", &format!("/add?message=other&id={id}"), 409),
        ("PUT", &format!("/accept?hash={}", "0".repeat(64)), 404),
        ("PUT", "/bans?neighbour=127.0.0.1:2", 200),
        ("PUT", "/bans", 400),
        ("GET", "/bans", 200),
        ("DELETE", "/bans?neighbour=127.0.0.1:2", 200),
        ("DELETE", "/bans?neighbour=127.0.0.1:2", 404),
        ("PUT", "/blocks", 200),
        ("PUT", "/blocks", 409),
        ("PUT", "/blocks", 400),
        ("PUT", "/data", 200),
        ("PUT", "/data", 400),
        ("GET", "/mining", 200),
        ("PUT", "/mining?hash_rate_limit=1000000", 200),
        ("PUT", "/mining?hash_rate_limit=x", 400),
        ("GET", "/chain", 200),
        ("GET", "/chain?from=1&limit=1", 200),
        ("GET", "/chain?from=x", 400),
        ("GET", "/data", 200),
        ("GET", "/data?after=00112233445566778899aabbccddeeff-0", 200),
        ("GET", "/data?after=x", 400),
        ("GET", &format!("/data/{id}"), 200),
        ("GET", &format!("/data/{}", "f".repeat(32)), 404),
        ("GET", "/data/x", 400),
        ("PUT", "/neighbours?neighbour=127.0.0.1:1", 200),
        ("GET", "/neighbours", 200),
        ("GET", "/neighbours?details=true", 200),
        ("GET", "/neighbours?details=x", 400),
        ("DELETE", "/neighbours?neighbour=127.0.0.1:1", 200),
        ("DELETE", "/neighbours?neighbour=127.0.0.1:1", 404),
        ("GET", "/blocks/1", 200),
        ("GET", &format!("/blocks/{}", health.head), 200),
        ("GET", "/blocks/9", 404),
        ("GET", "/blocks/x", 400),
        ("GET", &format!("/data/{id}?sha256={}", Hash::of("hello")), 200),
        ("GET", "/forks", 200),
        ("GET", "/events", 200),
        ("GET", "/events?after=1&wait=30", 200),
        ("GET", "/events?wait=31", 400),
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/status", 200),
        ("GET", "/status?x=1", 400),
    ] {
        let body = match (target, expected) {
            ("/blocks", 200) => &block,
            ("/blocks", 409) => &gap,
            ("/data", 200) if method == "PUT" => &message,
            _ => "",
        };
        let (status, body) = miner.send(method, target, body.as_bytes());
        assert_eq!(status, expected, "{method} {target}: {body}");
        let schema = described(&document, method, target, status);
        if target == "/openapi.json" {
            assert_eq!((body, schema), (document.clone(), &json!({"type": "object"})));
        } else if let Err(why) = fits(&document, schema, &body) {
            panic!("{method} {target}: {why}: {body}");
        }
        if status == 200 {
            let path = target.split('?').next().unwrap();
            let path = match path.strip_prefix("/blocks/") {
                Some(_) => "/blocks/<height or hash>".to_owned(),
                None => path.replace(&id, "<id>"),
            };
            answered.insert((method.to_owned(), path));
        }
    }
    // /metrics is text, which promtool looks at; nothing was refused that could be accepted.
    let all = ROUTES.iter().filter(|route| !["/accept", "/metrics"].contains(&route.path));
    let all = all.map(|route| (route.method.to_owned(), route.path.to_owned()));
    assert_eq!(answered, all.collect());
}
