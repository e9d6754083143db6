//! The desk dies at every place where it waits, again and again, and nothing is lost or said twice.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use serde_json::Value;
use zhishou::clock::HandClock;
use zhishou::desk::Desk;
use zhishou::store::Store;
use zhishou_adapters::Inbound;

use super::support::{self, Tape, XIAN, inbound};

/// More pauses than a step has: a story that needs more has found no end.
const MOST: usize = 400;
/// Deaths in a row within one step; then it is left to finish.
const DEATHS: usize = 2;

/// What happens from outside.
enum Step {
    /// Somebody writes: conversation, account, id, text.
    Says(&'static str, &'static str, &'static str, &'static str),
    /// Time passes, in seconds.
    Passes(i64),
}

const ENGINEERS: &str = "group:20009";
const AGENCY: &str = "group:20001";

/// A ticket's whole life: reported, warned about, broken, claimed late, answered, resolved, confirmed, rated.
const STORY: [Step; 14] = [
    Step::Says(AGENCY, "40001", "m1", "登记系统打不开了"),
    Step::Passes(60),
    Step::Says(AGENCY, "40001", "m2", "报错代码 502"),
    Step::Passes(3600),
    Step::Passes(3600),
    Step::Says(ENGINEERS, "30011", "m3", "认领 1"),
    Step::Says(ENGINEERS, "30011", "m4", "进展 1 正在重启服务"),
    Step::Passes(3),
    Step::Says(ENGINEERS, "30011", "m5", "解决 1 已重启恢复"),
    Step::Passes(3),
    Step::Says(AGENCY, "40001", "m6", "可以了，谢谢"),
    Step::Passes(3),
    Step::Says(AGENCY, "40001", "m7", "5分 很及时"),
    Step::Passes(3),
];

const MESSAGES: usize = 7;

/// Polls a future so many times and then drops it. `None` where it was not done by then.
async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A desk that can die: everything but the file and the platform is lost.
struct Mortal {
    url: String,
    clock: Arc<HandClock>,
    tape: Arc<Tape>,
    desk: Arc<Desk>,
    lives: u64,
}

impl Mortal {
    async fn born(folder: &Path) -> Self {
        let url = format!("sqlite://{}", folder.join("zhishou.db").display());
        let (clock, tape) = (support::clock(), Tape::new());
        let store = Store::open(&url).await.expect("a database file");
        let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
        support::furnish(&desk).await;
        Self { url, clock, tape, desk, lives: 1 }
    }

    /// The process is gone; another one starts on the same file.
    async fn again(&mut self) {
        // What the dead one had handed to the database may still be carried out; its connections end first, as they
        // do with a process.
        self.desk.store().close().await;
        self.lives += 1;
        let store = Store::open(&self.url).await.expect("the same file");
        self.desk = support::open(&store, &self.clock, vec![self.tape.clone()], self.lives).await;
    }
}

/// One step in one life: the message is handed in, then all is done that is due.
async fn live(desk: &Arc<Desk>, message: Option<Inbound>, acknowledged: &AtomicBool) {
    if let Some(message) = message {
        desk.receive(message).await.expect("the database takes it");
        acknowledged.store(true, Ordering::SeqCst);
    }
    support::quiet(desk).await;
}

/// Plays the story; in each step the desk dies after `polls` pauses, several times. Answers how often it died.
async fn play(mortal: &mut Mortal, polls: usize) -> usize {
    let mut deaths = 0;
    for step in &STORY {
        let message = match step {
            Step::Says(conversation, sender, id, text) => Some(inbound(conversation, sender, id, text)),
            Step::Passes(seconds) => {
                support::forward(&mortal.clock, *seconds);
                None
            }
        };
        let acknowledged = AtomicBool::new(message.is_none());
        for death in 0..=DEATHS {
            let budget = if death == DEATHS { usize::MAX } else { polls };
            // The platform delivers again what was not acknowledged, and nothing else.
            let again = message.clone().filter(|_| !acknowledged.load(Ordering::SeqCst));
            if at_most(budget, live(&mortal.desk, again, &acknowledged)).await.is_some() {
                break;
            }
            deaths += 1;
            mortal.again().await;
        }
    }
    deaths
}

/// What is left at the end: what people saw, the tickets with their promises and record, the dispositions.
async fn left(mortal: &Mortal) -> (Vec<(String, String)>, Value, Vec<(String, String, String)>) {
    let store = mortal.desk.store();
    (mortal.tape.seen(), support::account_of(store, XIAN).await, support::dispositions(store).await)
}

#[tokio::test]
async fn a_desk_that_dies_wherever_it_waits_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut unharmed = Mortal::born(folder.path()).await;
    Box::pin(play(&mut unharmed, usize::MAX)).await;
    support::sound(unharmed.desk.store(), MESSAGES).await;
    let expected = left(&unharmed).await;
    assert_eq!(expected.1.as_array().map(Vec::len), Some(1), "one ticket");
    assert_eq!(expected.1[0]["state"], "closed");
    let spoken: Vec<&str> = expected.0.iter().map(|(to, _)| to.as_str()).collect();
    assert!(
        spoken.contains(&"qq:user:30011") && spoken.contains(&"qq:user:30020"),
        "people were woken: {:#?}",
        expected.0
    );

    for polls in 0..MOST {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mortal = Mortal::born(folder.path()).await;
        let deaths = Box::pin(play(&mut mortal, polls)).await;
        let mut keys = mortal.tape.keys();
        keys.sort();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all, "dying after {polls} pauses: something was said twice");
        let found = left(&mortal).await;
        assert_eq!(found.2, expected.2, "dying after {polls} pauses: dispositions");
        assert_eq!(found.1, expected.1, "dying after {polls} pauses: promises and record");
        assert_eq!(found.0, expected.0, "dying after {polls} pauses: what people saw");
        support::sound(mortal.desk.store(), MESSAGES).await;
        mortal.desk.store().close().await;
        if deaths == 0 {
            assert!(polls > 20, "the steps have many pauses: {polls}");
            return;
        }
    }
    panic!("the story never came through");
}
