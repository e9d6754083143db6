//! A browser without a window, worked as a person works it: what is hidden cannot be read, what is covered cannot be
//! pressed. Speaks WebDriver to a chromedriver of its own, and nothing of either is left when the test is over.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a loaded machine, short enough to end.
const LIMIT: Duration = Duration::from_mins(1);
/// The word before the port in the line chromedriver prints.
const STARTED: &str = "started successfully on port ";

/// What a visitor looks at.
#[derive(Clone, Copy)]
pub enum Screen {
    /// The small screen of an office, with keyboard and mouse.
    Office,
    /// A phone held upright, touched.
    Phone,
}

impl Screen {
    /// Width and height of the page, in CSS pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Office => (1366, 768),
            Self::Phone => (390, 844),
        }
    }
}

/// A chromedriver in a process group of its own, in which it also starts the browser.
struct Driver {
    child: Child,
    port: u16,
    /// Held open, so that it can go on printing.
    _stdout: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Driver {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            // A browser that is killed leaves its sockets behind; there they go with the folder.
            .env("TMPDIR", folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is in PATH: Debian's packages chromium and chromium-driver");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).expect("stdout can be read"), 0, "it ended before it had started");
            if let Some((_, port)) = line.split_once(STARTED) {
                break port.trim_end().trim_end_matches('.').parse().expect("a port");
            }
        };
        Self { child, port, _stdout: stdout, folder }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The group, so that a browser whose test failed goes as well.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// What WebDriver has no command for: chromedriver's log of what a page said or fetched since the last time.
#[derive(Debug)]
struct Log(&'static str);

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": self.0 }).to_string()))
    }
}

/// The page in a browser.
pub struct Window {
    client: Client,
    /// Where the desk serves, `http://127.0.0.1:4711/`.
    base: String,
    _driver: Driver,
}

impl Window {
    /// Starts a browser that has never seen the page, and opens it.
    pub async fn open(screen: Screen, address: &str) -> Self {
        let driver = Driver::start();
        let ((width, height), phone) = (screen.size(), matches!(screen, Screen::Phone));
        let capabilities = json!({
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": {
                "args": [
                    // Root, as which CI runs, gets no sandbox; and nothing is fetched that the page did not ask for.
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
                    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--force-prefers-reduced-motion",
                    format!("--user-data-dir={}", driver.folder.path().join("profile").display()),
                ],
                "mobileEmulation": {
                    "deviceMetrics": {
                        "width": width, "height": height, "pixelRatio": 1.0, "mobile": phone, "touch": phone,
                    },
                },
            },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("it is an object").clone())
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("a browser starts");
        let base = format!("http://{address}/");
        client.goto(&base).await.expect("the page opens");
        Self { client, base, _driver: driver }
    }

    /// Waits for what this XPath names, wherever it stands.
    pub async fn find(&self, path: &str) -> Element {
        match self.client.wait().at_most(LIMIT).for_element(Locator::XPath(path)).await {
            Ok(element) => element,
            Err(error) => panic!("{path}: {error}; the page reads:\n{}", self.reads("body").await),
        }
    }

    /// What a person reads in the first element of this CSS selector; nothing where it is not shown.
    pub async fn reads(&self, selector: &str) -> String {
        let script = "const box = document.querySelector(arguments[0]);
            return box?.getClientRects().length ? box.innerText : '';";
        self.answer(script, vec![json!(selector)]).await.as_str().expect("a text").to_owned()
    }

    /// What a script of the test finds out about the page.
    pub async fn answer(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.expect("a script of the test runs")
    }

    /// Waits until something in the box with this id says `words`, in sight.
    pub async fn sees(&self, id: &str, words: &str) -> Element {
        self.shown(&format!("(//*[@id='{id}']/descendant-or-self::*[contains(., '{words}')])[last()]"), words).await
    }

    /// The newest message of a seat with these words, once it has settled.
    pub async fn message(&self, seat: &str, words: &str) -> Element {
        let settled = "not(contains(@class, 'fresh'))";
        self.shown(&format!("(//*[@id='seat-{seat}']//article[{settled} and contains(., '{words}')])[last()]"), words)
            .await
    }

    async fn shown(&self, path: &str, words: &str) -> Element {
        let mut read = String::new();
        // What is drawn afresh between finding and reading is looked for again.
        for _ in 0..9 {
            let element = self.find(path).await;
            match element.text().await {
                Ok(text) if text.contains(words) => return element,
                Ok(text) => read = text,
                Err(error) => assert!(error.is_stale_element_reference(), "{path}: {error}"),
            }
        }
        panic!("{path} is there, but in sight is only: {read:?}");
    }

    /// Presses what this XPath names.
    pub async fn press(&self, path: &str) {
        for _ in 0..9 {
            match self.find(path).await.click().await {
                Ok(()) => return,
                Err(error) if error.is_stale_element_reference() => {}
                Err(error) => panic!("{path} cannot be pressed: {error}"),
            }
        }
        panic!("{path} does not stand still");
    }

    /// The page fetched afresh, as by F5.
    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page opens again");
    }

    /// Ends the visit: the console stayed empty, and nothing came from anywhere but the desk.
    pub async fn close(self) {
        let console = self.client.issue_cmd(Log("browser")).await.expect("there is a log");
        assert_eq!(console, json!([]), "the page complained");
        let fetched = self.client.issue_cmd(Log("performance")).await.expect("there is a log");
        let urls: Vec<String> = fetched
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|entry| {
                let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let sent = event["message"]["method"] == "Network.requestWillBeSent";
                Some(event["message"]["params"]["request"]["url"].as_str().filter(|_| sent)?.to_owned())
            })
            // The browser's own empty tab.
            .filter(|url| !url.starts_with("chrome:") && !url.starts_with("data:"))
            .collect();
        let foreign: Vec<&String> = urls.iter().filter(|url| !url.starts_with(&self.base)).collect();
        assert!(foreign.is_empty(), "fetched from elsewhere: {foreign:?}");
        for part in ["sandbox/page/sandbox.js", "sandbox/page/sandbox.css", "sandbox/api/events"] {
            assert!(urls.contains(&format!("{}{part}", self.base)), "{part} is not among {urls:?}");
        }
        self.client.close().await.expect("the browser ends");
    }
}
