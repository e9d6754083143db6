//! The robot: what all parts of the channel share, and how it says something.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Now;
use super::api::{Api, CallError};
use super::codec::errcode::{Answer, Class};
use super::codec::mention;
use super::codec::outgoing::{self, Buttons, Cites};
use super::codec::split::{keep, split};
use super::config::OfficialConfig;
use super::planner::{Attempt, Form, Kind, Scene, Standing, Step, Talk, Which};
use super::session::later;
use super::talks::Talks;
use crate::{Entry, Outgoing, Receipt, SendError, Shelf, ShelfError};

/// Longest message, in characters: no number is published, peers split at 2000 to 5000 (4.2).
pub const LIMIT: usize = 1_800;
/// The same after the platform called one too long.
const SHORT_LIMIT: usize = 600;
/// Most tries of one message within one call: forms, anchors and numbers are each tried a few times.
const STEPS: usize = 24;
/// Messages a second in one conversation, and of the robot (4.6).
const PACE: (u32, u32) = (1, 5);
const SECOND: Duration = Duration::from_secs(1);
/// After the platform asked to slow down.
const SLOWER: Duration = Duration::from_secs(10);
/// After the robot turned out to be muted: no platform tells for how long.
const MUTED: Duration = Duration::from_mins(10);
/// When the platform lets robots speak again after a night.
const MORNING: i8 = 8;
/// How long it is remembered that the robot has no buttons; after that it is tried again.
const PLAIN: Duration = Duration::from_hours(24 * 7);
/// How long the mark of a message of ours is remembered: for who quotes it.
const REFS: Duration = Duration::from_hours(24 * 30);

/// What a robot may send with buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rich {
    /// Buttons that come back as events.
    Callback,
    /// Buttons that type a command.
    Command,
    /// Plain text only.
    Plain,
}

impl Rich {
    fn name(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Command => "command",
            Self::Plain => "plain",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "plain" => Self::Plain,
            "command" => Self::Command,
            _ => Self::Callback,
        }
    }

    fn less(self) -> Self {
        match self {
            Self::Callback => Self::Command,
            Self::Command | Self::Plain => Self::Plain,
        }
    }
}

/// Counted since the process began.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) passive: AtomicU64,
    pub(super) active: AtomicU64,
    pub(super) waited: AtomicU64,
    pub(super) audits: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) repeated: AtomicU64,
}

/// One robot.
pub struct Robot {
    pub(super) config: OfficialConfig,
    pub(super) api: Api,
    pub(super) shelf: Arc<dyn Shelf>,
    pub(super) now: Now,
    pub(super) talks: Talks,
    pub(super) counters: Counters,
    /// What only an administrator can mend, as the platform told it last.
    blocked: Mutex<Option<String>>,
}

impl Robot {
    pub(super) fn new(config: OfficialConfig, api: Api, shelf: Arc<dyn Shelf>, now: Now) -> Self {
        let talks = Talks::new(shelf.clone(), now.clone());
        Self { config, api, shelf, now, talks, counters: Counters::default(), blocked: Mutex::default() }
    }

    /// What only an administrator can mend.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn block(&self, why: Option<String>) {
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// What the robot may send, as far as it was found out.
    pub(super) async fn rich(&self) -> Rich {
        self.shelf.get("rich").await.ok().flatten().map_or(Rich::Callback, |name| Rich::of(&name))
    }

    async fn plainer(&self, rich: Rich) {
        let until = later((self.now)(), PLAIN);
        tracing::warn!(rich = rich.name(), "the robot lacks a right to markdown or buttons");
        let entry = Entry { key: "rich".to_owned(), value: rich.name().to_owned(), until };
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(%error, "that the robot has no buttons could not be remembered");
        }
    }

    /// Says a message by whatever right there is now, in as many pieces as there are answers left.
    pub(super) async fn say(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        let conversation = message.conversation.as_str();
        let (path, scene) = path_of(conversation)?;
        let mark = mark_of(message);
        let which = Which { key: &message.key, mark: &mark };
        let mut repeats = 0;
        let mut paced = None;
        for _ in 0..STEPS {
            let now = (self.now)();
            let planned = self.talks.change(conversation, |talk| {
                let form = talk.form(which);
                let pieces = pieces(message, form);
                let total = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
                (talk.next(which, total, scene, now, &self.config.windows), form, pieces)
            });
            let (step, form, pieces) = planned.await.map_err(|error| not_now(&error))?;
            let attempt = match step {
                Step::Done(external_id) => return Ok(Receipt { external_id }),
                Step::Wait => {
                    self.counters.waited.fetch_add(1, Ordering::Relaxed);
                    return Err(SendError::AwaitsContact);
                }
                Step::Doubt => return Err(SendError::Perhaps),
                Step::Send(attempt) => attempt,
            };
            // What was refused did not show: another form of the same piece needs no new leave.
            if paced != Some(attempt.part)
                && let Some(retry_after) = self.pace(conversation).await.map_err(|error| not_now(&error))?
            {
                if !attempt.again {
                    self.on(conversation, |talk| talk.not_taken(which, now)).await?;
                }
                return Err(SendError::Throttled { retry_after });
            }
            paced = Some(attempt.part);
            let rich = self.rich().await;
            let body = body(message, &attempt, pieces, form, rich);
            let answer = match self.api.call(Method::POST, &path, Some(&body)).await {
                Ok(answer) => answer,
                Err(CallError::Unreachable(why)) => {
                    if attempt.again {
                        return Err(SendError::Perhaps);
                    }
                    self.on(conversation, |talk| talk.not_taken(which, now)).await?;
                    return Err(SendError::Unreachable(why));
                }
                Err(CallError::Lost) => Answer {
                    class: Class::Transport,
                    code: 0,
                    words: String::new(),
                    trace: String::new(),
                    body: Value::Null,
                },
            };
            if answer.class == Class::Transport {
                // Under the same number it can be sent again without being said twice; without one it cannot.
                repeats += 1;
                if attempt.kind.is_none() || repeats > self.config.timing.repeats {
                    return Err(SendError::Perhaps);
                }
                tokio::time::sleep(self.config.timing.again).await;
                continue;
            }
            if let Some(end) = self.treat(message, which, &attempt, &answer, rich).await? {
                return end;
            }
        }
        Err(SendError::Unreachable("平台反复拒绝，稍后再试".to_owned()))
    }

    /// After a send without an answer: whether the message is there. The same number is sent again, which is harmless.
    pub(super) async fn found(&self, message: &Outgoing) -> Result<Option<Receipt>, SendError> {
        let mark = mark_of(message);
        let which = Which { key: &message.key, mark: &mark };
        let standing = self
            .talks
            .change(&message.conversation, |talk| talk.standing(which))
            .await
            .map_err(|error| not_now(&error))?;
        match standing {
            Standing::Finished(external_id) => Ok(Some(Receipt { external_id })),
            Standing::Doubt => self.say(message).await.map(Some),
            Standing::Nothing => Ok(None),
        }
    }

    /// What an answer comes to; `None` where another try may help.
    async fn treat(
        &self,
        message: &Outgoing,
        which: Which<'_>,
        attempt: &Attempt,
        answer: &Answer,
        rich: Rich,
    ) -> Result<Option<Result<Receipt, SendError>>, SendError> {
        let (conversation, now) = (message.conversation.as_str(), (self.now)());
        let told = answer.told();
        let fails = !matches!(answer.class, Class::Sent | Class::Done | Class::PendingAudit | Class::Duplicate);
        self.talks.note(conversation, |known| known.error = fails.then(|| told.clone()));
        match answer.class {
            Class::Sent | Class::Done | Class::PendingAudit => {
                let end = self.taken(message, which, attempt, answer).await?;
                return Ok(end.map(|external_id| Ok(Receipt { external_id })));
            }
            Class::Duplicate if attempt.again => {
                let end = self.taken(message, which, attempt, answer).await?;
                return Ok(end.map(|external_id| Ok(Receipt { external_id })));
            }
            Class::Duplicate => self.on(conversation, |talk| talk.number_taken(which, now)).await?,
            // The first try may have arrived all the same: nobody can tell any more.
            Class::AnchorExpired | Class::AnchorInvalid | Class::CountUsed if attempt.again => {
                return Ok(Some(Err(SendError::Perhaps)));
            }
            Class::ActiveForbidden if attempt.kind.is_none() => {
                self.on(conversation, |talk| talk.denied(which, now)).await?;
            }
            Class::AnchorExpired | Class::AnchorInvalid | Class::CountUsed | Class::ActiveForbidden
                if attempt.kind.is_some() =>
            {
                self.on(conversation, |talk| talk.anchor_gone(which, now)).await?;
            }
            Class::Url | Class::Sensitive | Class::TooLong => {
                let class = answer.class;
                let changed = self.on(conversation, |talk| reform(talk, which, now, class, &message.text)).await?;
                if !changed {
                    return Ok(Some(Err(SendError::Refused { code: answer.code, text: told })));
                }
            }
            Class::Markdown | Class::Keyboard if rich != Rich::Plain => {
                self.on(conversation, |talk| talk.not_taken(which, now)).await?;
                self.plainer(if answer.class == Class::Markdown { Rich::Plain } else { rich.less() }).await;
            }
            class => {
                if !attempt.again {
                    self.on(conversation, |talk| talk.not_taken(which, now)).await?;
                }
                return Ok(Some(Err(self.closed(class, answer.code, told))));
            }
        }
        Ok(None)
    }

    /// An end for now, or for good.
    fn closed(&self, class: Class, code: i64, told: String) -> SendError {
        match class {
            Class::RateLimited => SendError::Throttled { retry_after: SLOWER },
            Class::Muted => SendError::Muted { retry_after: MUTED },
            Class::Night => SendError::Muted { retry_after: until_morning((self.now)()) },
            Class::Token | Class::Config | Class::Permission | Class::Banned => {
                self.block(Some(told.clone()));
                SendError::Unreachable(told)
            }
            _ => SendError::Refused { code, text: told },
        }
    }

    /// A piece was taken. `Some` once that was the last.
    async fn taken(
        &self,
        message: &Outgoing,
        which: Which<'_>,
        attempt: &Attempt,
        answer: &Answer,
    ) -> Result<Option<Option<String>>, SendError> {
        let now = (self.now)();
        self.block(None);
        let counter = if attempt.kind.is_some() { &self.counters.passive } else { &self.counters.active };
        counter.fetch_add(1, Ordering::Relaxed);
        let audit = answer.body["data"]["message_audit"]["audit_id"].as_str().filter(|id| !id.is_empty());
        let id = match (message.actions.is_empty(), audit) {
            (false, _) => Some(card_id(&message.key)),
            (true, Some(audit)) => Some(format!("{AUDIT}{audit}")),
            (true, None) => answer.body["id"].as_str().map(str::to_owned),
        };
        let mut entries = Vec::new();
        if let Some(id) = &id {
            let entry = |key: String, value: &str| Entry { key, value: value.to_owned(), until: later(now, REFS) };
            entries.extend(answer.body["ext_info"]["ref_idx"].as_str().map(|mark| entry(ref_key(mark), id)));
            entries.extend(audit.map(|audit| entry(audit_key(audit), &format!("{}\n{id}", message.conversation))));
        }
        if audit.is_some() {
            self.counters.audits.fetch_add(1, Ordering::Relaxed);
        }
        let end = self.on(&message.conversation, |talk| talk.delivered(which, id, now)).await?;
        if !entries.is_empty()
            && let Err(error) = self.shelf.put(&entries).await
        {
            // Who quotes this message is not understood; nothing else is lost.
            tracing::warn!(%error, "the mark of a message could not be kept");
        }
        Ok(end)
    }

    async fn on<T>(&self, conversation: &str, act: impl FnOnce(&mut Talk) -> T) -> Result<T, SendError> {
        // What was sent is written down as under way: the next try finds out what became of it.
        self.talks.change(conversation, act).await.map_err(|_| SendError::Perhaps)
    }

    async fn pace(&self, conversation: &str) -> Result<Option<Duration>, ShelfError> {
        match self.shelf.spend(&format!("pace:{conversation}"), PACE.0, SECOND).await? {
            Some(wait) => Ok(Some(wait)),
            None => self.shelf.spend("pace", PACE.1, SECOND).await,
        }
    }
}

/// What is posted for one piece.
fn body(message: &Outgoing, attempt: &Attempt, pieces: Vec<String>, form: Form, rich: Rich) -> Value {
    let most = usize::try_from(attempt.of).unwrap_or(usize::MAX);
    let part = usize::try_from(attempt.part).unwrap_or(usize::MAX);
    let mut pieces = keep(pieces, most, limit_of(form), &more(message));
    let last = part + 1 >= pieces.len();
    let piece = if part < pieces.len() { pieces.swap_remove(part) } else { more(message) };
    let cites = match attempt.kind {
        Some(Kind::Message) => Cites::Message(&attempt.id, attempt.seq),
        Some(Kind::Click | Kind::Event) => Cites::Event(&attempt.id, attempt.seq),
        None => Cites::Nothing,
    };
    let buttons = match rich {
        Rich::Callback => Some(Buttons::Callback),
        Rich::Command => Some(Buttons::Command),
        Rich::Plain => None,
    };
    let called = if part == 0 { mentions(message) } else { String::new() };
    match buttons.filter(|_| last && attempt.kind.is_some() && !message.actions.is_empty()) {
        Some(buttons) => {
            let keyboard = outgoing::keyboard(&card_id(&message.key), &message.actions, buttons);
            outgoing::markdown(&format!("{called}{}", outgoing::as_markdown(&piece)), &keyboard, cites)
        }
        None => outgoing::text(&format!("{called}{piece}"), cites),
    }
}

/// Begins the external id of a message that people have to look at before it is shown.
pub(super) const AUDIT: &str = "audit:";

/// Where the mark of a message of ours is kept; of bounded length whatever a stranger quotes.
pub(super) fn ref_key(mark: &str) -> String {
    format!("ref:{}", short_hash(mark))
}

/// Where it is kept which message waits for an audit.
pub(super) fn audit_key(audit: &str) -> String {
    format!("audit:{}", short_hash(audit))
}

/// The id of a card, made from the key of its message.
pub(super) fn card_id(key: &str) -> String {
    format!("c{}", short_hash(key))
}

fn short_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))[..24].to_owned()
}

fn mark_of(message: &Outgoing) -> String {
    short_hash(&message.text)[..12].to_owned()
}

fn path_of(conversation: &str) -> Result<(String, Scene), SendError> {
    let openid =
        |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let refused = || SendError::Refused {
        code: 0,
        text: "不是 QQ 官方机器人的会话（应为 group:… 或 user:…）".to_owned(),
    };
    let (kind, id) = conversation.split_once(':').filter(|(_, id)| openid(id)).ok_or_else(refused)?;
    match kind {
        "group" => Ok((format!("/v2/groups/{id}/messages"), Scene::Group)),
        "user" => Ok((format!("/v2/users/{id}/messages"), Scene::Private)),
        _ => Err(refused()),
    }
}

fn limit_of(form: Form) -> usize {
    if form.short { SHORT_LIMIT } else { LIMIT }
}

/// The number of the ticket a message is about.
fn number(message: &Outgoing) -> Option<&str> {
    message.about.as_deref()?.rsplit_once('#').map(|(_, number)| number).filter(|number| !number.is_empty())
}

/// Ends a text that was cut.
fn more(message: &Outgoing) -> String {
    match number(message) {
        Some(number) => format!("……（内容较长，回复“查询 {number}”看全部）"),
        None => "……（内容较长，未全部显示）".to_owned(),
    }
}

fn pieces(message: &Outgoing, form: Form) -> Vec<String> {
    let text = if form.neutral {
        match number(message) {
            Some(number) => format!("工单#{number} 有更新，请在系统内查看"),
            None => "有新消息，请在系统内查看".to_owned(),
        }
    } else if form.no_addresses {
        outgoing::without_addresses(&message.text).unwrap_or_else(|| message.text.clone())
    } else {
        message.text.clone()
    };
    let room = limit_of(form) - mentions(message).chars().count().min(SHORT_LIMIT / 2);
    let pieces = split(&mention::harmless(&text), room);
    // The platform takes no empty message.
    if pieces.is_empty() { vec!["（空消息）".to_owned()] } else { pieces }
}

/// Tags of those who are to be called; there is nobody to call in a private chat.
fn mentions(message: &Outgoing) -> String {
    if !message.conversation.starts_with("group:") {
        return String::new();
    }
    message.mentions.iter().take(5).filter_map(|account| mention::of(account)).collect()
}

/// Another form of words that did not go through; `false` where none is left.
fn reform(talk: &mut Talk, which: Which<'_>, now: Timestamp, class: Class, text: &str) -> bool {
    let addresses = outgoing::without_addresses(text).is_some();
    let changed = match class {
        Class::Url if addresses => talk.reform(which, now, |form| form.no_addresses = true),
        Class::TooLong => talk.reform(which, now, |form| form.short = true),
        _ => false,
    };
    changed || (class != Class::TooLong && talk.reform(which, now, |form| form.neutral = true))
}

fn not_now(error: &ShelfError) -> SendError {
    SendError::Unreachable(error.to_string())
}

/// Until eight o'clock in the morning, where the platform is.
fn until_morning(now: Timestamp) -> Duration {
    let Ok(here) = now.in_tz("Asia/Shanghai") else { return Duration::from_hours(1) };
    let today = here.with().hour(MORNING).minute(0).second(0).subsec_nanosecond(0).build();
    let next = today.ok().and_then(|at| if at > here { Some(at) } else { at.tomorrow().ok() });
    next.and_then(|at| at.timestamp().duration_since(now).try_into().ok()).unwrap_or(Duration::from_hours(1))
}
