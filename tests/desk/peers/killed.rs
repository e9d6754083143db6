//! `kill -9` between any two things that can be seen from outside, and a start on the same folder: nothing is lost, nothing
//! is said twice.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use zhishou::clock::{Clock as _, SystemClock};
use zhishou::store::Store;
use zhishou_fakes::onebot::{Dialect, FakeOneBot, Sent};

use super::conversation::{AGENCY, ENGINEERS, TOKEN, WANG, ZHANG, qq};
use super::process::{Running, write, zhishou};
use super::support::{self, XIAN};

/// Moments of the story at which the process may be killed.
const MOMENTS: usize = 11;
/// A message in doubt is looked for after twenty seconds, and once more if the peer was not there yet.
const PATIENCE: Duration = Duration::from_secs(100);

const CONFIG: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
[[contract]]
profile = "yulin-approval"
[[channel]]
kind = "onebot"
access_token = "t0k"
"#;

/// One desk with its own folder and its own QQ, killed at one moment of its life.
struct Life {
    folder: TempDir,
    running: Option<Running>,
    qq: FakeOneBot,
    heard: VecDeque<Sent>,
    kill_at: usize,
    moments: usize,
}

async fn start(folder: PathBuf) -> Running {
    let started = tokio::task::spawn_blocking(move || Running::start(&folder, &[])).await;
    started.expect("it starts and prints its address")
}

impl Life {
    async fn begin(kill_at: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", CONFIG);
        write(folder.path(), "people.toml", support::PEOPLE);
        let import = zhishou(folder.path()).args(["import", "people.toml"]).output().expect("it can be run");
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        let running = start(folder.path().to_owned()).await;
        let life = Self {
            folder,
            running: Some(running),
            qq: qq(Dialect::NapCat),
            heard: VecDeque::new(),
            kill_at,
            moments: 0,
        };
        // What is said is dated as the desk dates it: a gap is closed by time.
        life.qq.set_time(SystemClock::default().now().as_second());
        assert_eq!(TOKEN, "t0k", "the token of the configuration above");
        life.dial().await;
        life
    }

    async fn dial(&self) {
        let address = &self.running.as_ref().expect("it runs").address;
        self.qq.dial(&format!("ws://{address}/onebot/v11/ws")).await.expect("the desk takes the connection");
    }

    /// Something could be seen from outside: this may be the moment.
    async fn moment(&mut self) {
        if self.moments == self.kill_at {
            self.running.take().expect("it runs").kill();
            self.qq.has_connections(0).await;
            self.running = Some(start(self.folder.path().to_owned()).await);
            self.dial().await;
        }
        self.moments += 1;
    }

    async fn say(&mut self, group: &str, user: &str, text: &str) {
        self.qq.say(group, user, text).await;
        self.moment().await;
    }

    /// Both groups hear of it, in whatever order; each time is a moment.
    async fn both_hear(&mut self, agency: &str, engineers: &str) {
        let mut left = vec![(format!("group:{AGENCY}"), agency), (format!("group:{ENGINEERS}"), engineers)];
        while !left.is_empty() {
            let sent = self.qq.next_sent_within(PATIENCE).await;
            let sent = sent.unwrap_or_else(|| panic!("killed at {}: nobody said {left:?}", self.kill_at));
            let at = left.iter().position(|(conversation, _)| *conversation == sent.conversation);
            let (_, words) = left.remove(at.unwrap_or_else(|| panic!("killed at {}: {sent:?}", self.kill_at)));
            assert!(sent.text.contains(words), "killed at {}: not {words} but {sent:#?}", self.kill_at);
            self.heard.push_back(sent);
            self.moment().await;
        }
    }

    /// The whole story, and what is left of it.
    async fn live(mut self) -> usize {
        self.qq.mention(AGENCY, WANG, "帮助").await;
        self.qq.mention(ENGINEERS, ZHANG, "帮助").await;
        self.both_hear("查询", "认领").await;
        self.say(AGENCY, WANG, "登记系统打不开了").await;
        self.both_hear("已受理", "新工单 #1").await;
        self.say(ENGINEERS, ZHANG, "认领 1").await;
        self.both_hear("已由张工受理", "已由张工认领").await;
        self.say(ENGINEERS, ZHANG, "解决 1 已重启恢复").await;
        self.both_hear("已处理完毕", "已解决").await;
        // Whatever were still on its way would be said before these: a conversation is served in order.
        self.qq.mention(AGENCY, WANG, "查询 1").await;
        self.qq.mention(ENGINEERS, ZHANG, "查询 1").await;
        let moments = self.moments;
        self.both_hear("工单 #1", "#1").await;
        let running = self.running.take().expect("it runs");
        let (status, _, words) = tokio::task::spawn_blocking(|| running.ends()).await.expect("it ends");
        assert_eq!(status, Some(0), "killed at {}: {words}", self.kill_at);
        let said = self.qq.sent();
        assert_eq!(said.len(), 10, "killed at {}: {said:#?}", self.kill_at);
        let url = format!("sqlite://{}", self.folder.path().join("data/zhishou.db").display());
        let store = Store::open(&url).await.expect("the database");
        support::sound(&store, 7).await;
        let tickets = store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
        assert_eq!(tickets.len(), 1, "killed at {}", self.kill_at);
        assert_eq!(tickets[0].state.id(), "resolved");
        let promises: Vec<_> = tickets[0].commitments.iter().map(|c| (c.promise.id(), c.outcome.id())).collect();
        assert_eq!(promises.iter().filter(|p| **p == ("feedback", "met")).count(), promises.len(), "{promises:?}");
        store.close().await;
        moments
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_desk_killed_between_any_two_steps_and_started_again_loses_and_doubles_nothing() {
    let mut lives = JoinSet::new();
    let mut clocks = JoinSet::new();
    // And one that nobody kills.
    for kill_at in (0..MOMENTS).chain([usize::MAX]) {
        let life = Life::begin(kill_at).await;
        let qq = life.qq.clone();
        // The platform's clock runs: what is looked up in its history is found by time.
        clocks.spawn(async move {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            loop {
                seconds.tick().await;
                qq.set_time(SystemClock::default().now().as_second());
            }
        });
        lives.spawn(life.live());
    }
    while let Some(life) = lives.join_next().await {
        let moments = life.expect("a life without loss");
        assert_eq!(moments, MOMENTS, "all moments of the story are tried");
    }
    clocks.abort_all();
}
