//! What the stand-in knows: the corporation, its people and groups, what was shown to them, and how to misbehave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::bot_rules::Bot;
use super::callbacks::Kept;
use super::media::Media;
use super::qyapi::Token;
use super::setup::Setup;
use super::shown::{By, Shown};
use super::wire::Wire;

/// Where the stand-in gets the time, so that tests move it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long the stand-in waits for what a test expects.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// What one call or command is treated to instead of the proper thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not taken; this code is answered.
    Refuse(i64),
    /// Neither taken nor answered.
    Swallow,
    /// Taken, never answered: the lost acknowledgement.
    TakeSilently,
    /// Taken; the answer waits for [`super::FakeWeCom::answer_now`].
    AnswerLate,
    /// Not taken; the connection is cut.
    Cut,
    /// Taken; the connection is cut before the answer.
    TakeAndCut,
    /// Not taken; a page with this HTTP status comes from something in between. Over the socket: as [`Self::Swallow`].
    Page(u16),
}

/// One call or command that came in, in order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The path below `/cgi-bin/` (`message/send`) or the command (`aibot_send_msg`).
    pub what: String,
    /// The query of an HTTP call.
    pub query: BTreeMap<String, String>,
    /// The JSON that came; null where it was none.
    pub body: Value,
    /// When, by the stand-in's clock.
    pub at: Timestamp,
}

/// A code and its words: what WeCom answers instead of 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) words: String,
}

/// Shorthand for a refusal.
pub(super) fn no<T>(code: i64, words: &str) -> Result<T, Refusal> {
    Err(Refusal { code, words: words.to_owned() })
}

/// A member of the corporation.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) userid: String,
    pub(super) name: String,
    pub(super) mobile: Option<String>,
    /// Outside every application's visible range.
    pub(super) hidden: bool,
    /// The id an ordinary member's bot sees (wecom.md 5.1).
    pub(super) open_userid: String,
}

/// A group chat.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) members: BTreeSet<String>,
    /// The application that made it, its name and owner.
    pub(super) made_by: Option<(i64, String, String)>,
}

/// A group robot.
#[derive(Debug, Clone, Default)]
pub(super) struct Robot {
    pub(super) chatid: String,
    /// Answered instead of taking anything: 93004 disabled, 93008 not in the group.
    pub(super) out: Option<i64>,
    pub(super) taken: Window,
}

/// A code with which a card can be changed or a reply given: once, and not for ever.
#[derive(Debug, Clone)]
pub(super) struct OneUse {
    /// The card's task id or the conversation replied in.
    pub(super) about: String,
    pub(super) at: Timestamp,
    pub(super) used: bool,
}

/// Sliding windows of a minute and an hour.
#[derive(Debug, Clone, Default)]
pub(super) struct Window(VecDeque<Timestamp>);

impl Window {
    /// Whether one more fits; counts it where it does.
    pub(super) fn take(&mut self, now: Timestamp, a_minute: usize, an_hour: usize) -> bool {
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= SignedDuration::from_hours(1)) {
            self.0.pop_front();
        }
        let recent = self.0.iter().rev().take_while(|at| now.duration_since(**at) < SignedDuration::from_mins(1));
        let fits = recent.count() < a_minute && self.0.len() < an_hour;
        if fits {
            self.0.push_back(now);
        }
        fits
    }
}

/// Everything behind the lock.
#[expect(clippy::struct_excessive_bools, reason = "switches that tests turn, not states")]
pub(super) struct State {
    pub(super) setup: Setup,
    /// `http://` and the port that is dialled.
    pub(super) base: String,
    /// How long a callback waits for its answer.
    pub(super) patience: Duration,
    /// Repeats of a callback carry a signature of their own, not the first one again.
    pub(super) signs_anew: bool,
    /// What may be given more than once is.
    pub(super) gives_twice: bool,
    pub(super) people: BTreeMap<String, Person>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) robots: BTreeMap<String, Robot>,
    pub(super) bot: Bot,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) wrong_secrets: usize,
    /// Answers 60020 to every application call.
    pub(super) untrusted_ip: bool,
    /// Says 45009 for a member's limit instead of dropping silently.
    pub(super) says_member_limit: bool,
    /// The application's range is the whole corporation: `appchat` works.
    pub(super) root_range: bool,
    pub(super) per_member: BTreeMap<(i64, String), Window>,
    /// Bodies for the duplicate check.
    pub(super) recent_sends: Vec<(Timestamp, Value, Value)>,
    pub(super) response_codes: BTreeMap<String, OneUse>,
    pub(super) task_ids: BTreeSet<(By, String)>,
    pub(super) media: BTreeMap<String, Media>,
    pub(super) shown: Vec<Shown>,
    pub(super) read: usize,
    pub(super) calls: Vec<Call>,
    pub(super) complaints: Vec<String>,
    pub(super) faults: VecDeque<(String, Fault)>,
    pub(super) held: Vec<oneshot::Sender<()>>,
    pub(super) kept: BTreeMap<String, Kept>,
    /// Replies to callbacks that were opened, as JSON (bot) or XML text (app).
    pub(super) replies: Vec<Value>,
    serial: u64,
}

/// The state, its clock and its wire.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Notify,
    pub(super) now: Now,
    pub(super) wire: Wire,
}

impl Shared {
    pub(super) fn new(setup: Setup, now: Now) -> Self {
        let state = State {
            setup,
            base: String::new(),
            patience: Duration::from_secs(5),
            signs_anew: false,
            gives_twice: false,
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            robots: BTreeMap::new(),
            bot: Bot::default(),
            tokens: BTreeMap::new(),
            wrong_secrets: 0,
            untrusted_ip: false,
            says_member_limit: false,
            root_range: true,
            per_member: BTreeMap::new(),
            recent_sends: Vec::new(),
            response_codes: BTreeMap::new(),
            task_ids: BTreeSet::new(),
            media: BTreeMap::new(),
            shown: Vec::new(),
            read: 0,
            calls: Vec::new(),
            complaints: Vec::new(),
            faults: VecDeque::new(),
            held: Vec::new(),
            kept: BTreeMap::new(),
            replies: Vec::new(),
            serial: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), now, wire: Wire::default() }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        done
    }

    /// Edits with the time at hand.
    pub(super) fn edit_now<T>(&self, change: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = (self.now)();
        self.edit(|state| change(state, now))
    }

    pub(super) async fn until_some<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let found = look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    /// Waits for something, not for ever.
    pub(super) async fn until<T>(&self, what: &str, look: impl FnMut(&mut State) -> Option<T>) -> T {
        let found = tokio::time::timeout(WAIT, self.until_some(look)).await;
        found.unwrap_or_else(|_| panic!("{what}: did not come to pass in time"))
    }
}

impl State {
    /// A new id with this prefix; deterministic.
    pub(super) fn serial(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}{:04}", self.serial)
    }

    /// A person by any spelling of the userid: they are case-insensitive (wecom.md 4.3).
    pub(super) fn person(&self, userid: &str) -> Option<&Person> {
        self.people.get(&userid.to_lowercase())
    }

    pub(super) fn add_person(&mut self, userid: &str, name: &str) -> &mut Person {
        let number = self.people.len() + 1;
        self.people.entry(userid.to_lowercase()).or_insert_with(|| Person {
            userid: userid.to_owned(),
            name: name.to_owned(),
            mobile: None,
            hidden: false,
            open_userid: format!("woOPEN{number:04}"),
        })
    }

    /// Someone who speaks exists, and is in the group.
    pub(super) fn add_to_group(&mut self, chatid: &str, userid: &str) {
        self.add_person(userid, userid);
        self.groups.entry(chatid.to_owned()).or_default().members.insert(userid.to_owned());
    }

    /// The fault planned for this call, if any. `aibot` stands for every bot command but subscribing and pings, `*` for
    /// anything at all.
    pub(super) fn fault(&mut self, what: &str) -> Option<Fault> {
        let any_bot = what.starts_with("aibot_") && what != "aibot_subscribe";
        let mine = |key: &str| key == what || key == "*" || key == "aibot" && any_bot;
        let at = self.faults.iter().position(|(key, _)| mine(key))?;
        self.faults.remove(at).map(|(_, fault)| fault)
    }

    /// What an unused code that is not older than so many hours is about.
    pub(super) fn code_is_for(&self, code: &str, now: Timestamp, hours: i64) -> Option<String> {
        let known = self.response_codes.get(code)?;
        let fresh = !known.used && now.duration_since(known.at) <= SignedDuration::from_hours(hours);
        fresh.then(|| known.about.clone())
    }

    /// Marks a code as used.
    pub(super) fn spend_code(&mut self, code: &str) {
        if let Some(known) = self.response_codes.get_mut(code) {
            known.used = true;
        }
    }

    /// Makes a one-use code.
    pub(super) fn make_code(&mut self, about: &str, now: Timestamp) -> String {
        let code = self.serial("RC");
        self.response_codes.insert(code.clone(), OneUse { about: about.to_owned(), at: now, used: false });
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_and_refused_ones_do_not_count() {
        let start: Timestamp = "2026-10-01T10:00:00+08:00".parse().unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        let mut window = Window::default();
        for (why, seconds, fits) in [
            ("the first", 0, true),
            ("the second", 30, true),
            ("a third within the minute", 59, false),
            ("the first is a minute old", 60, true),
            ("the second is not", 89, false),
            ("now it is", 90, true),
            ("four an hour are over", 200, false),
            ("the first is an hour old", 3600, true),
        ] {
            assert_eq!(window.take(at(seconds), 2, 4), fits, "{why}");
        }
    }
}
