//! What clients see of the server process, in plain cases.

mod scripted_miner;

use blockchain::api::{Reply, Request};
use blockchain::server::Limits;
use scripted_miner::Scripted;

#[test]
fn a_request_reaches_the_miner_and_its_answer_the_client() {
    let scripted = Scripted::start(Limits::default(), |caller, request| {
        assert_eq!(caller.ip, Some("127.0.0.1".parse().unwrap()));
        let Request::Add { message, .. } = request else { panic!("{request:?}") };
        Some(Reply::problem(200, message.as_str(), ""))
    });
    let mut client = scripted.client();
    for message in ["one", "two"] {
        let length = message.len();
        let answer = client.ask(format!(
            "PUT /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{message}"
        ));
        assert_eq!((answer.status, answer.message()), (200, message.to_owned()));
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert!(answer.header("Date").is_some());
    }
    scripted.end().unwrap();
}
