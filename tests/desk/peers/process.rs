//! The program as an administrator starts it: its own process, its own folder, its exit status and its words.

use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};
use zhishou::config::Settings;
use zhishou::rules::profile::Profile;

use super::support;

/// What the program prints once it serves.
const GREETING: &str = "值守已启动，请在浏览器打开 ";

/// The program with nothing in its environment but the path.
pub fn zhishou(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhishou"));
    command.current_dir(folder).env_clear().env("ZHISHOU_LOG", "warn").stdin(Stdio::null());
    command
}

/// A running desk; killed when the test is over.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
    /// Where it serves, `127.0.0.1:4711`.
    pub address: String,
}

impl Running {
    /// Starts it and waits for the line that names the address.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::try_start(folder, arguments).unwrap_or_else(|words| panic!("it did not start: {words}"))
    }

    /// The same, or what it said instead.
    pub fn try_start(folder: &Path, arguments: &[&str]) -> Result<Self, String> {
        let mut command = zhishou(folder);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout can be read");
        let Some(url) = line.trim_end().strip_prefix(GREETING) else {
            let mut words = line;
            // It has ended, so that this does too.
            stderr.read_to_string(&mut words).expect("stderr can be read");
            let _ = child.wait();
            return Err(words);
        };
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Self { child, stdout: Some(stdout), stderr: Some(stderr), address })
    }

    /// `kill -9`: nothing is said, nothing is put in order.
    pub fn kill(mut self) {
        self.child.kill().expect("a process of ours can be killed");
        self.child.wait().expect("it is gone");
    }

    /// Asks it to end, as systemd does. Answers status, and what else it said on stdout and stderr.
    pub fn ends(mut self) -> (Option<i32>, String, String) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill can be run");
        assert!(asked.success());
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.take().expect("it is still there").read_to_string(&mut out).expect("stdout can be read");
        self.stderr.take().expect("it is still there").read_to_string(&mut err).expect("stderr can be read");
        (self.child.wait().expect("it ends").code(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already where the test ended as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    zhishou(folder).args(arguments).output().expect("the program can be run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A sandbox on a port of its own.
const SANDBOX: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
[[channel]]
kind = "sandbox"
"#;

/// A sandbox with the sample people.
pub fn sandbox(folder: &Path) -> Running {
    write(folder, "zhishou.toml", SANDBOX);
    write(folder, "people.toml", Profile::sample_people());
    let import = run(folder, &["import", "people.toml"]);
    assert!(import.status.success(), "{}", said(&import));
    Running::start(folder, &[])
}

fn client() -> reqwest::Client {
    support::tls();
    reqwest::Client::builder().no_proxy().build().expect("a client needs no more than a TLS provider")
}

#[tokio::test]
async fn alone_in_an_empty_folder_it_starts_the_sandbox_and_prints_one_line_with_the_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = match Running::try_start(folder.path(), &[]) {
        Ok(running) => running,
        // Something else on this machine holds the default port: then it must say so, and what to do.
        Err(words) => {
            assert!(words.contains("127.0.0.1:8080") && words.contains("listen"), "{words}");
            return;
        }
    };
    assert_eq!(running.address, "127.0.0.1:8080");
    let page = client().get(format!("http://{}/", running.address)).send().await.expect("it answers");
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().expect("ASCII").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = page.text().await.expect("a page");
    assert!(text.contains("值守") && !text.contains("<script>") && !text.contains(" onclick="), "{text}");
    assert!(folder.path().join("data/zhishou.db").exists());
    let (status, out, _) = running.ends();
    assert_eq!((status, out.as_str()), (Some(0), ""), "one line, and a clean end");
}

#[tokio::test]
async fn the_console_answers_machines_and_browsers_and_takes_nothing_from_other_sites() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = sandbox(folder.path());
    let (client, base) = (client(), format!("http://{}", running.address));
    for (path, part) in [
        ("/", "值守"),
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/metrics", "zhishou_inbox_pending 0"),
        ("/sandbox/api/state", "movable"),
        ("/sandbox/page/sandbox.js", ""),
        ("/sandbox/page/sandbox.css", ""),
    ] {
        let answer = client.get(format!("{base}{path}")).send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.text().await.expect("text").contains(part), "{path}");
    }
    for path in
        ["/sandbox/page/../../../Cargo.toml", "/sandbox/page/%2e%2e%2fsandbox.rs", "/data/zhishou.db", "/nowhere"]
    {
        let status = client.get(format!("{base}{path}")).send().await.expect("it answers").status();
        assert_eq!(status, 404, "{path}");
    }
    let say = json!({
        "conversation": "sandbox:group:agency", "account": "wang", "name": "王科长", "text": "登记系统打不开了",
    });
    let form = client.post(format!("{base}/sandbox/api/say")).json(&say).send().await.expect("it answers");
    assert_eq!(form.status(), 403, "a form of another site cannot send X-Zhishou");
    assert!(form.text().await.expect("text").contains("X-Zhishou"));
    let clock = client.post(format!("{base}/sandbox/api/clock")).json(&json!({ "to_next": true })).send().await;
    assert_eq!(clock.expect("it answers").status(), 403);
    let ours = client.post(format!("{base}/sandbox/api/say")).header("X-Zhishou", "1");
    assert_eq!(ours.json(&say).send().await.expect("it answers").status(), 204);
    for (why, body) in [
        ("no conversation of the sandbox", json!({ "conversation": "qq:group:1", "account": "w", "text": "x" })),
        ("nobody", json!({ "conversation": "sandbox:group:agency", "account": "", "text": "x" })),
        ("nothing", json!({ "conversation": "sandbox:group:agency", "account": "w", "text": "  " })),
        ("too much", json!({ "conversation": "sandbox:group:agency", "account": "w", "text": "长".repeat(4001) })),
        ("other keys", json!({ "text": 7 })),
    ] {
        let ours = client.post(format!("{base}/sandbox/api/say")).header("X-Zhishou", "1");
        let status = ours.json(&body).send().await.expect("it answers").status();
        assert!(status.is_client_error(), "{why}: {status}");
    }
    let ours = client.post(format!("{base}/sandbox/api/say")).header("X-Zhishou", "1");
    let large = ours.body("x".repeat(10 << 20)).send().await;
    // Refused by status, or by closing while the rest is still being sent.
    assert!(large.is_err() || large.is_ok_and(|answer| answer.status().is_client_error()));
    assert_eq!(client.get(format!("{base}/healthz")).send().await.expect("it answers").status(), 200);
}

/// What stands on the page.
async fn state(client: &reqwest::Client, base: &str) -> Value {
    client.get(format!("{base}/sandbox/api/state")).send().await.expect("it answers").json().await.expect("JSON")
}

async fn post(client: &reqwest::Client, base: &str, path: &str, body: Value) -> (u16, Value) {
    let request = client.post(format!("{base}/sandbox/api/{path}")).header("X-Zhishou", "1").json(&body);
    let answer = request.send().await.expect("it answers");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn the_clock_moved_forward_stops_at_every_alarm_on_the_way_and_its_place_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = sandbox(folder.path());
    let (client, base) = (client(), format!("http://{}", running.address));
    let (status, _) = post(&client, &base, "clock", json!({ "to_next": true })).await;
    assert_eq!(status, 409, "nothing is due while there is no ticket");
    let say = json!({
        "conversation": "sandbox:group:agency", "account": "wang", "name": "王科长", "text": "登记系统打不开了",
    });
    assert_eq!(post(&client, &base, "say", say).await.0, 204);
    // A step of no length does all that is due now.
    assert_eq!(post(&client, &base, "clock", json!({ "forward_ms": 0 })).await.0, 200);
    let opened = state(&client, &base).await;
    assert_eq!(opened["tickets"][0]["number"], 1, "{opened:#}");
    let next = opened["clock"]["next"].clone();
    let (status, moved) = post(&client, &base, "clock", json!({ "to_next": true })).await;
    assert_eq!((status, &moved["now"].as_str().map(|at| &at[..19])), (200, &next.as_str().map(|at| &at[..19])));
    assert_eq!(post(&client, &base, "clock", json!({ "forward_ms": -1 })).await.0, 400, "never back");
    assert_eq!(post(&client, &base, "clock", json!({ "forward_ms": 32_i64 * 24 * 3_600_000 })).await.0, 400);
    assert_eq!(post(&client, &base, "clock", json!({ "forward_ms": 3 * 3_600_000 })).await.0, 200);
    let after = state(&client, &base).await;
    let told = after["messages"].as_array().expect("messages");
    let texts: Vec<&str> = told.iter().filter_map(|message| message["text"].as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("时限提醒")), "{texts:#?}");
    assert!(texts.iter().any(|text| text.contains("已超时")), "{texts:#?}");
    assert!(!texts.iter().any(|text| text.contains("晚了")), "each alarm rang at its own instant: {texts:#?}");
    assert_eq!(after["tickets"][0]["commitments"][0]["outcome"], "broken");
    running.kill();
    let running = Running::start(folder.path(), &[]);
    let base = format!("http://{}", running.address);
    let again = state(&client, &base).await;
    assert!(again["clock"]["now"].as_str() >= after["clock"]["now"].as_str(), "the offset outlives the process");
    assert_eq!(again["messages"].as_array().map(Vec::len), after["messages"].as_array().map(Vec::len));
}

#[test]
fn a_port_in_use_is_said_with_what_to_do_and_ends_with_status_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("a bound socket has an address").to_string();
    write(folder.path(), "zhishou.toml", &SANDBOX.replace("127.0.0.1:0", &address));
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&address) && said(&output).contains("[console] listen"), "{}", said(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_second_desk_that_finds_its_port_taken_leaves_the_first_ones_database_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("a bound socket has an address").to_string();
    write(folder.path(), "zhishou.toml", &SANDBOX.replace("127.0.0.1:0", &address));
    assert_eq!(run(folder.path(), &[]).status.code(), Some(1));
    let database = folder.path().join("data/zhishou.db");
    assert!(!database.exists(), "the port is asked for before anything is touched");
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_with_its_place_and_ends_with_status_two() {
    let good = SANDBOX;
    for (why, text, parts) in [
        ("an unknown key", good.replace("listen", "lisen"), vec!["console", "lisen", "listen"]),
        ("an unknown table", format!("{good}\n[consol]\n"), vec!["consol", "console"]),
        (
            "an unset variable",
            good.replace("127.0.0.1:0", "${ZHISHOU_NOWHERE}"),
            vec!["console.listen", "ZHISHOU_NOWHERE"],
        ),
        (
            "a missing secret file",
            good.replace("127.0.0.1:0", "file:nowhere.txt"),
            vec!["console.listen", "nowhere.txt"],
        ),
        ("no TOML", good.replace("profile = ", "profile "), vec!["zhishou.toml", "第 5 行"]),
        (
            "no such profile",
            good.replace("xian-realestate", "xian-realestat"),
            vec!["xian-realestat", "yulin-approval"],
        ),
        ("no such channel", good.replace("\"sandbox\"", "\"sandbx\""), vec!["sandbx", "sandbox", "onebot"]),
        ("no token", good.replace("\"sandbox\"", "\"onebot\""), vec!["qq", "access_token"]),
        ("no contract", "[desk]\nname = \"x\"\n".to_owned(), vec!["[[contract]]", "profile"]),
        ("twice the same", format!("{good}[[channel]]\nkind = \"sandbox\"\n"), vec!["sandbox", "两次"]),
        ("a wrong type", good.replace("default = true", "default = 1"), vec!["default"]),
        ("a zone that is none", format!("[desk]\ntimezone = \"Asia/Xian\"\n{good}"), vec!["timezone", "Asia/Xian"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &text);
        for command in ["check", "serve"] {
            let output = run(folder.path(), &[command]);
            assert_eq!(output.status.code(), Some(2), "{why}, {command}: {}", said(&output));
            let words = said(&output);
            for part in &parts {
                assert!(words.contains(part), "{why}, {command}: no word of {part} in: {words}");
            }
        }
        assert!(!folder.path().join("data").exists(), "{why}: nothing was begun");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (arguments, part) in [
        (&["serve", "--config", "nowhere.toml"][..], "nowhere.toml"),
        (&["serv"][..], "serv"),
        (&["serve", "--port", "80"][..], "--port"),
        (&["import"][..], "import"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{arguments:?}: {}", said(&output));
    }
    write(folder.path(), "zhishou.toml", good);
    let output = run(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_variable_that_is_set_and_a_secret_in_a_file_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "token.txt", "t0k\n");
    let text =
        SANDBOX.replace("\"sandbox\"", "\"onebot\"\naccess_token = \"file:token.txt\"\nsecret = \"${ZHISHOU_S}\"");
    write(folder.path(), "zhishou.toml", &text);
    let output = zhishou(folder.path()).arg("check").env("ZHISHOU_S", "s3cret").output().expect("it can be run");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let words = format!("{}{}", said(&output), String::from_utf8_lossy(&output.stdout));
    assert!(!words.contains("s3cret") && !words.contains("t0k"), "secrets are never shown: {words}");
}

#[test]
fn a_typo_in_a_profile_is_named_with_line_key_and_fix() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, text) = Profile::shipped().iter().find(|(id, _)| *id == support::XIAN).expect("it is shipped");
    for (why, from, to, parts) in [
        ("a key", "within = \"72h\"", "witin = \"72h\"", &["witin", "within"][..]),
        ("a value", "within = \"72h\"", "within = \"72x\"", &["72x", "within"][..]),
        ("a calendar", "calendar = \"7x24\"", "calendar = \"7x25\"", &["7x25", "7x24"][..]),
        ("a promise", "name = \"feedback\"", "name = \"fedback\"", &["fedback", "feedback"][..]),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, **text, "{why}: the profile has changed, choose another place");
        let line = broken.lines().position(|line| line.contains(to)).expect("it was just put there") + 1;
        write(folder.path(), "ours.toml", &broken);
        let settings = SANDBOX.replace("xian-realestate", "ours.toml");
        let error = Settings::parse(&settings, "zhishou.toml", folder.path()).expect_err(why).to_string();
        assert!(error.contains("ours.toml") && error.contains(&line.to_string()), "{why}, line {line}: {error}");
        for part in parts {
            assert!(error.contains(part), "{why}: no word of {part} in: {error}");
        }
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_is_said_and_ends_with_status_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", SANDBOX);
    write(folder.path(), "data", "a file where the folder should be");
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("data") && said(&output).contains("可写"), "{}", said(&output));
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_acknowledged_that_is_not_there_afterwards() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", SANDBOX);
    write(folder.path(), "people.toml", Profile::sample_people());
    assert!(run(folder.path(), &["import", "people.toml"]).status.success());
    // No file may grow beyond 1 MiB: writing fails as on a full disk, and the signal that goes with it is ignored.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" serve 2>err.txt";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_zhishou")])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell can be run");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("stdout can be read");
    let address = line.trim_end().strip_prefix(GREETING).unwrap_or_else(|| panic!("it did not start: {line}"));
    let (client, base) = (client(), address.trim_end_matches('/').to_owned());
    let (mut acknowledged, mut refused) = (0, 0);
    for n in 0..2_000 {
        let say = json!({
            "conversation": "sandbox:group:agency", "account": format!("w{n}"), "name": "王科长",
            "text": format!("{n}号窗口登记系统打不开了"),
        });
        let (status, words) = post(&client, &base, "say", say).await;
        match status {
            204 => acknowledged += 1,
            503 => {
                assert!(words["error"].as_str().is_some_and(|words| words.contains("数据库")), "{words}");
                refused += 1;
            }
            other => panic!("{other}: {words}"),
        }
        if refused == 5 {
            break;
        }
    }
    assert!(acknowledged > 5 && refused == 5, "{acknowledged} acknowledged, {refused} refused");
    let health = client.get(format!("{base}/healthz")).send().await.expect("nothing else stops");
    assert_eq!(health.status(), 200);
    child.kill().expect("a process of ours can be killed");
    child.wait().expect("it is gone");
    // There is room again.
    let running = Running::start(folder.path(), &[]);
    let base = format!("http://{}", running.address);
    assert_eq!(post(&client, &base, "clock", json!({ "forward_ms": 5000 })).await.0, 200);
    let (status, _, _) = running.ends();
    assert_eq!(status, Some(0));
    let url = format!("sqlite://{}", folder.path().join("data/zhishou.db").display());
    let store = zhishou::store::Store::open(&url).await.expect("the database");
    let dispositions = support::dispositions(&store).await;
    assert!(dispositions.len() >= acknowledged, "{} of {acknowledged} are there", dispositions.len());
    let lost: Vec<_> = dispositions.iter().filter(|(_, what, _)| what != "opened" && what != "appended").collect();
    assert!(lost.is_empty(), "a report is a report, also after a full disk: {lost:#?}");
    support::unbroken(&store).await;
}
