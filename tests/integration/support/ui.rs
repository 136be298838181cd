//! What tests of the web UI share: a miner that says what a test wants, a small HTTP
//! client, and a browser.

use std::net::TcpListener;

use blockchain::api::Address;
use blockchain::ui::{Home, Ui};

/// A name by which browsers may open the UI.
pub const ALLOWED_NAME: &str = "pages.example";

/// A UI on a free port of loopback.
pub struct TestUi {
    pub url: String,
    ui: Option<Ui>,
}

impl TestUi {
    pub fn start(miner: &Address) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let names = vec![ALLOWED_NAME.to_owned()];
        Self { url, ui: Some(Ui::start(listener, Home::Miner(miner.clone()), names, ()).unwrap()) }
    }

    /// Asks for a page as a browser without scripts would; status, headers and body.
    pub fn get(&self, path: &str) -> (u16, String, String) {
        let answer = agent().get(format!("{}{path}", self.url)).call().unwrap();
        read(answer)
    }

    /// Bytes of a page as a browser gets it, which takes it compressed.
    pub fn weigh(&self, path: &str) -> usize {
        let request = agent().get(format!("{}{path}", self.url));
        let answer = request.header("Accept-Encoding", "gzip, deflate, br").call().unwrap();
        answer.into_body().read_to_vec().unwrap().len()
    }

    /// Sends a form; status, `Location` and body.
    pub fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> (u16, String, String) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = agent().post(format!("{}{path}", self.url));
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body).unwrap())
    }
}

impl Drop for TestUi {
    fn drop(&mut self) {
        self.ui.take().unwrap().stop().unwrap();
    }
}

pub fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.max_redirects(0).http_status_as_error(false).proxy(None).build().into()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> (u16, String, String) {
    let headers = format!("{:?}", answer.headers()).to_lowercase();
    (answer.status().as_u16(), headers, answer.body_mut().read_to_string().unwrap())
}
