//! Chromium, driven over WebDriver.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a page may take to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often `chromedriver` is started until it has a port.
const DRIVER_STARTS: usize = 10;

/// Key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window of its own; closed when dropped.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
}

/// Runs axe-core; returns what is wrong, and where.
const RUN_AXE: &str = "
    const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const where = (violation) => violation.nodes.map((node) => node.html).join(' ');
    axe.run(document, { runOnly: rules }).then(({ violations }) =>
        arguments[0](violations.map((violation) => `${violation.id}: ${where(violation)}`)));
";

/// Checks that a page keeps what people with other eyes and hands need; its faults.
const ACCESSIBILITY: &str = include_str!("accessibility.js");

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// Starts `chromedriver` and a headless window.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same for a browser that takes `address` for this host: as if the UI were on
    /// another one of the local network.
    pub fn start_in_a_network(address: &str) -> Self {
        Self::start_with(&[format!("--host-resolver-rules=MAP {address} 127.0.0.1")])
    }

    fn start_with(more: &[String]) -> Self {
        let (driver, port) = (0..DRIVER_STARTS)
            .find_map(|_| start_driver())
            .expect("chromedriver finds a free port");
        let url = format!("http://127.0.0.1:{port}/session");
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1280,900",
            "--lang=en",
        ];
        let flags: Vec<_> = flags.into_iter().chain(more.iter().map(String::as_str)).collect();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // axe takes long where many share two cores.
            "timeouts": {"script": 120_000},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"args": flags}
        }}});
        let agent = super::ui::agent();
        let answer: Value =
            agent.post(&url).send_json(capabilities).unwrap().into_body().read_json().unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self { driver, agent, session: format!("{url}/{id}") }
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let mut answer =
            self.agent.post(format!("{}{path}", self.session)).send_json(body).unwrap();
        answer.body_mut().with_config().limit(64 << 20).read_json::<Value>().unwrap()["value"]
            .take()
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// Leaves the page, so that what it asked is no part of what the next one asks.
    pub fn leave(&self) {
        self.open("about:blank");
        self.requests();
    }

    /// Runs a script in the page and returns what it returns.
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        let value = self.post("/execute/sync", json!({"script": script, "args": arguments}));
        assert!(value["error"].is_null() || value["stacktrace"].is_null(), "{script}: {value}");
        value
    }

    /// Runs a script whose last argument is called with the result.
    pub fn run_async(&self, script: &str, arguments: Value) -> Value {
        let value = self.post("/execute/async", json!({"script": script, "args": arguments}));
        assert!(value["error"].is_null() || value["stacktrace"].is_null(), "{script}: {value}");
        value
    }

    fn find(&self, selector: &str) -> Option<Element> {
        let found = self.post("/element", json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().map(|id| Element(id.to_owned()))
    }

    /// Clicks the element that `selector` names.
    pub fn click(&self, selector: &str) {
        let Element(id) = self.find(selector).unwrap_or_else(|| panic!("no {selector}"));
        let answer = self.post(&format!("/element/{id}/click"), json!({}));
        assert!(answer.is_null(), "{selector}: {answer}");
    }

    /// Types into the element that `selector` names.
    pub fn write(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector).unwrap_or_else(|| panic!("no {selector}"));
        let answer = self.post(&format!("/element/{id}/value"), json!({ "text": text }));
        assert!(answer.is_null(), "{selector}: {answer}");
    }

    /// Presses a key in the page.
    pub fn press(&self, key: &str) {
        let keys =
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let source = json!({"type": "key", "id": "keyboard", "actions": keys});
        self.post("/actions", json!({ "actions": [source] }));
    }

    /// The text that the first such element shows; empty if there is none.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, json!([selector])).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until such an element shows this text.
    pub fn await_text(&self, selector: &str, expected: &str) {
        self.await_script(
            "return (document.querySelector(arguments[0])?.innerText ?? '').includes(arguments[1])",
            json!([selector, expected]),
        );
    }

    /// Waits until a script returns true. Each look waits for the next picture in the
    /// browser, so this is no busy loop.
    pub fn await_script(&self, script: &str, arguments: Value) {
        let began = Instant::now();
        let next = "requestAnimationFrame(() => setTimeout(arguments[0], 30))";
        while self.run(script, arguments.clone()) != json!(true) {
            if began.elapsed() > PATIENCE {
                panic!("waited in vain for {script} {arguments}; the page: {}", self.text("main"));
            }
            // A page that is left meanwhile never calls back; the next one is looked at then.
            self.post("/execute/async", json!({"script": next, "args": []}));
        }
    }

    /// Looks at the whole of a page of the UI at `url`: nothing wider than the window, nothing
    /// in the console, nobody asked but that UI, readable for all.
    pub fn inspect(&self, url: &str, what: &str) {
        let overflow =
            self.run("return document.documentElement.scrollWidth - innerWidth", json!([]));
        assert!(overflow.as_i64().unwrap() <= 0, "{what} is {overflow} too wide");
        assert_eq!(self.run(ACCESSIBILITY, json!([])), json!([]), "{what}");
        assert_eq!(self.axe_faults(), json!([]), "{what}");
        self.inspect_traffic(url, what);
    }

    /// Looks at what a page of the UI at `url` did: nothing in the console, nobody asked but
    /// that UI.
    pub fn inspect_traffic(&self, url: &str, what: &str) {
        assert_eq!(self.console(), Vec::<String>::new(), "{what}");
        for asked in self.requests() {
            assert!(asked.starts_with(url) || asked.starts_with("data:"), "{what} asks {asked}");
        }
    }

    /// What axe-core finds wrong with the page, by WCAG 2.2 AA and good practice.
    fn axe_faults(&self) -> Value {
        let axe =
            concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/axe_playwright_python/axe.min.js");
        let axe = fs::read_to_string(axe).expect("scripts/test puts axe-core into target");
        self.run_async(&format!("{axe};{RUN_AXE}"), json!([]))
    }

    /// What went to the console since the last look.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// Addresses that the page asked since the last look.
    fn requests(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "performance"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let url = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let sent = message["message"]["method"] == "Network.requestWillBeSent";
            let url = message["message"]["params"]["request"]["url"].as_str()?.to_owned();
            sent.then_some(url)
        };
        entries.iter().filter_map(url).collect()
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    /// Lets the window be that of a device: width, height, dots a pixel.
    pub fn become_device(&self, width: u32, height: u32, dots: f64, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": dots, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        self.prefer("prefers-color-scheme", scheme);
    }

    /// Lets the reader have a preference, such as less motion.
    pub fn prefer(&self, name: &str, value: &str) {
        let features = json!([{"name": name, "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Lets the reader be in another time zone.
    pub fn move_to(&self, zone: &str) {
        self.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone }));
    }

    /// Empties the browser's cache.
    pub fn forget(&self) {
        self.devtools("Network.clearBrowserCache", json!({}));
    }

    /// Lets scripts run or not.
    pub fn allow_scripts(&self, allow: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !allow }));
    }

    /// A picture of the whole page, as PNG in base64.
    pub fn picture(&self) -> String {
        let parameters = json!({"captureBeyondViewport": true, "format": "png"});
        self.devtools("Page.captureScreenshot", parameters)["data"].as_str().unwrap().to_owned()
    }
}

/// Starts `chromedriver`, which chooses its port and says so. It gives up if somebody else
/// took that port of the other address family.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromium-driver is installed: apt-get install chromium chromium-driver");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let port = line.split("on port ").nth(1)?.trim_end_matches('.');
        port.parse::<u16>().ok().filter(|port| *port != 0)
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, port?))
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The bytes of a text in base64.
pub fn decode_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<_> = text.bytes().filter(|&c| c != b'=').map(value).collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
