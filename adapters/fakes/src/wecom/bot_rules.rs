//! What the bot's line takes and refuses (wecom.md 5.7 to 5.12). Pure: fed with commands and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::bot_socket::Out;
use super::bot_upload::Upload;
use super::cards::{self, Maker, Occasion};
use super::media::Owner;
use super::shown::{By, Shown};
use super::state::{Refusal, State, Window, no};

/// Replies and pushes together, per conversation (wecom.md 5.11).
const A_MINUTE: usize = 30;
/// The same, an hour.
const AN_HOUR: usize = 1000;
/// Bytes of a stream or of markdown.
const CONTENT_MAX: usize = 20_480;
/// A card event and an entry are answered within this.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(5);
/// A stream is finished within this after its first frame: the older, shorter of the two figures known.
const STREAM: SignedDuration = SignedDuration::from_mins(6);
/// A message can be replied to for this long.
const REPLY: SignedDuration = SignedDuration::from_hours(24);

/// What a callback asked about, and so how its req_id may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// A message in this conversation.
    Message { conversation: String, msgid: String },
    /// A first visit today.
    Enter { userid: String },
    /// A press on this card.
    Card { task_id: String },
    /// Anything that may not be answered: feedback, a lost connection.
    Nothing,
}

/// A callback that was given over a connection.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) about: About,
    /// Another connection's req_ids are worth nothing.
    pub(super) link: u64,
    pub(super) at: Timestamp,
    pub(super) answered: bool,
}

/// One stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    began: Timestamp,
    finished: bool,
    /// Its place among what is shown.
    place: usize,
}

/// Layouts of card events found in the wild (wecom.md 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Under `event.template_card_event`, as documented.
    #[default]
    Nested,
    /// Directly under `event`, as the official SDK's type has it.
    Flat,
    /// PascalCase with `ResponseData`, as a peer saw it.
    Pascal,
}

/// By which way a message of the bot goes out; what is allowed differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Reply,
    Push,
    Welcome,
    ResponseUrl,
}

/// The bot's side of the state.
#[derive(Default)]
pub(super) struct Bot {
    pub(super) links: BTreeMap<u64, mpsc::Sender<Out>>,
    pub(super) subscribed: Option<u64>,
    pub(super) subscriptions: usize,
    pub(super) asked: BTreeMap<String, Asked>,
    /// By request and stream id.
    pub(super) streams: BTreeMap<(String, String), Stream>,
    /// Conversations in which it was spoken to.
    pub(super) spoken: BTreeSet<String>,
    rates: BTreeMap<String, Window>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) upload_rate: Window,
    pub(super) layout: Layout,
    /// Made by an ordinary member: sees encrypted userids.
    pub(super) sees_open_userids: bool,
    /// Requests whose acknowledgement is held back.
    pub(super) busy: BTreeSet<String>,
    next_link: u64,
}

impl Bot {
    /// A new connection, not yet subscribed.
    pub(super) fn connect(&mut self, queue: mpsc::Sender<Out>) -> u64 {
        self.next_link += 1;
        self.links.insert(self.next_link, queue);
        self.next_link
    }

    /// A connection ended.
    pub(super) fn disconnect(&mut self, link: u64) {
        self.links.remove(&link);
        self.busy.clear();
        if self.subscribed == Some(link) {
            self.subscribed = None;
        }
    }

    /// Counts one message in a conversation.
    pub(super) fn within_rate(&mut self, conversation: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.rates.entry(conversation.to_owned()).or_default().take(now, A_MINUTE, AN_HOUR) {
            return Ok(());
        }
        no(45009, "api freq out of limit")
    }

    /// The callback this req_id answers, where that still holds.
    fn request(&self, link: u64, req_id: &str, within: SignedDuration, now: Timestamp) -> Result<&About, Refusal> {
        let asked = self.asked.get(req_id).filter(|asked| asked.link == link);
        let alive = asked.filter(|asked| now.duration_since(asked.at) <= within);
        alive.map_or_else(|| no(846_605, "invalid req_id"), |asked| Ok(&asked.about))
    }

    /// The same for those that can be answered once only.
    fn once(&mut self, link: u64, req_id: &str, now: Timestamp) -> Result<About, Refusal> {
        let about = self.request(link, req_id, AT_ONCE, now)?.clone();
        if self.asked.get(req_id).is_some_and(|asked| asked.answered) {
            return no(846_605, "invalid req_id");
        }
        Ok(about)
    }

    fn answered(&mut self, req_id: &str) {
        if let Some(asked) = self.asked.get_mut(req_id) {
            asked.answered = true;
        }
    }
}

/// Carries out one command of a connection; answers the `body` of the acknowledgement, null for none.
pub(super) fn command(
    state: &mut State,
    link: u64,
    cmd: &str,
    req_id: &str,
    body: &Value,
    now: Timestamp,
) -> Result<Value, Refusal> {
    if req_id.is_empty() || req_id.len() > 256 {
        return no(40058, "headers.req_id invalid");
    }
    match cmd {
        "aibot_subscribe" => return subscribe(state, link, body, now).map(|()| Value::Null),
        // Answered whether subscribed or not: a ping cannot tell that the subscription is lost.
        "ping" => return Ok(Value::Null),
        _ if state.bot.subscribed != Some(link) => return no(846_609, "aibot websocket not subscribed"),
        _ if state.bot.busy.contains(req_id) => return no(6000, "data version conflict"),
        _ => {}
    }
    match cmd {
        "aibot_respond_msg" => respond(state, link, req_id, body, now).map(|()| Value::Null),
        "aibot_respond_welcome_msg" => {
            let About::Enter { userid } = state.bot.once(link, req_id, now)? else {
                return no(846_605, "invalid req_id");
            };
            let shown = message(state, &format!("user:{userid}"), body, Sort::Welcome, now)?;
            state.show_of_bot(shown)?;
            state.bot.answered(req_id);
            Ok(Value::Null)
        }
        "aibot_respond_update_msg" => {
            let About::Card { task_id } = state.bot.once(link, req_id, now)? else {
                return no(846_605, "invalid req_id");
            };
            state.update_of_bot(&task_id, body)?;
            state.bot.answered(req_id);
            Ok(Value::Null)
        }
        "aibot_send_msg" => push(state, body, now).map(|()| Value::Null),
        "aibot_upload_media_init" => state.upload_init(body, now),
        "aibot_upload_media_chunk" => state.upload_chunk(body, now),
        "aibot_upload_media_finish" => state.upload_finish(body, now),
        _ => no(40008, "invalid cmd"),
    }
}

/// One connection a bot: the newer wins, the older is told and closed.
fn subscribe(state: &mut State, link: u64, body: &Value, now: Timestamp) -> Result<(), Refusal> {
    let bot = &state.setup.bot;
    if body["bot_id"].as_str() != Some(bot.bot_id.as_str()) {
        return no(93019, "invalid bot_id");
    }
    if body["secret"].as_str() != Some(bot.secret.as_str()) || bot.callback_url.is_some() {
        return no(853_000, "invalid bot_id or secret");
    }
    state.bot.subscriptions += 1;
    let before = state.bot.subscribed.replace(link).filter(|before| *before != link);
    if let Some(before) = before {
        state.tell_disconnected(before, now);
    }
    Ok(())
}

fn respond(state: &mut State, link: u64, req_id: &str, body: &Value, now: Timestamp) -> Result<(), Refusal> {
    let About::Message { conversation, msgid } = state.bot.request(link, req_id, REPLY, now)?.clone() else {
        return no(846_605, "invalid req_id");
    };
    if body["msgtype"] == "stream" {
        if body["stream"].get("msg_item").is_some() {
            return no(40058, "stream.msg_item not supported");
        }
        return stream(state, req_id, &conversation, &msgid, &body["stream"], now);
    }
    let mut shown = message(state, &conversation, body, Sort::Reply, now)?;
    shown.answers = Some(msgid);
    state.bot.within_rate(&conversation, now)?;
    state.show_of_bot(shown)
}

/// A frame of a stream: begins, replaces or ends what is shown.
pub(super) fn stream(
    state: &mut State,
    request: &str,
    conversation: &str,
    msgid: &str,
    given: &Value,
    now: Timestamp,
) -> Result<(), Refusal> {
    let id = given["id"].as_str().unwrap_or_default();
    let text = given["content"].as_str().unwrap_or_default();
    let finish = given["finish"].as_bool().unwrap_or(false);
    if id.is_empty() || text.is_empty() && finish {
        return no(40058, "stream.id or stream.content missing");
    }
    limited(text, "stream.content")?;
    if given["feedback"]["id"].as_str().unwrap_or_default().len() > 256 {
        return no(40058, "stream.feedback.id exceed max length 256");
    }
    let key = (request.to_owned(), id.to_owned());
    if let Some(open) = state.bot.streams.get(&key)
        && (open.finished || now.duration_since(open.began) > STREAM)
    {
        return no(846_608, "stream can not be updated");
    }
    state.bot.within_rate(conversation, now)?;
    let next = state.shown.len();
    let open = state.bot.streams.entry(key).or_insert(Stream { began: now, finished: false, place: next });
    open.finished = finish;
    if open.place == next {
        let mut shown = Shown::new(conversation, By::Bot, "stream", "", now);
        shown.stream_id = Some(id.to_owned());
        shown.answers = Some(msgid.to_owned());
        state.shown.push(shown);
    }
    let shown = &mut state.shown[open.place];
    text.clone_into(&mut shown.text);
    shown.finished = finish;
    Ok(())
}

fn push(state: &mut State, body: &Value, now: Timestamp) -> Result<(), Refusal> {
    let chatid = body["chatid"].as_str().unwrap_or_default();
    let single = state.person(chatid).map_or_else(|| chatid.to_owned(), |person| person.userid.clone());
    let (single, group) = (format!("user:{single}"), format!("group:{chatid}"));
    let conversation = match body.get("chat_type").map_or(Some(0), Value::as_i64) {
        Some(2) => group,
        Some(0) if state.bot.spoken.contains(&group) => group,
        Some(0 | 1) => single,
        _ => return no(40058, "chat_type invalid"),
    };
    if !state.bot.spoken.contains(&conversation) {
        return no(93006, "invalid chatid");
    }
    let shown = message(state, &conversation, body, Sort::Push, now)?;
    state.bot.within_rate(&conversation, now)?;
    state.show_of_bot(shown)
}

/// What a message of the bot would show, or why it is refused.
pub(super) fn message(
    state: &State,
    conversation: &str,
    body: &Value,
    sort: Sort,
    now: Timestamp,
) -> Result<Shown, Refusal> {
    let kind = body["msgtype"].as_str().unwrap_or_default();
    let given = &body[kind];
    let show = |text: &str| Shown::new(conversation, By::Bot, kind, text, now);
    match (kind, sort) {
        // Plain text is taken as a welcome only.
        ("text", Sort::Welcome) | ("markdown", Sort::Reply | Sort::Push | Sort::ResponseUrl) => {
            let text = given["content"].as_str().unwrap_or_default();
            if text.is_empty() {
                return no(44004, "empty content");
            }
            limited(text, kind)?;
            Ok(show(text))
        }
        ("template_card", _) => {
            cards::check(given, Maker::Bot, Occasion::New).map_err(|words| Refusal { code: 40058, words })?;
            Ok(Shown::card(conversation, By::Bot, given, now))
        }
        ("image" | "file" | "voice" | "video", Sort::Reply | Sort::Push) => {
            state.sendable(&Owner::Bot, &given["media_id"], kind, now).map(|media| show(&media.name))
        }
        _ => no(40008, "invalid message type"),
    }
}

fn limited(text: &str, field: &str) -> Result<(), Refusal> {
    if text.len() <= CONTENT_MAX {
        return Ok(());
    }
    no(40058, &format!("{field} exceed max length {CONTENT_MAX}"))
}

impl State {
    /// Shows a message of the bot; a card's task id is taken into use.
    pub(super) fn show_of_bot(&mut self, shown: Shown) -> Result<(), Refusal> {
        if let Some(card) = &shown.card {
            self.claim_task_id(&By::Bot, card)?;
        }
        self.shown.push(shown);
        Ok(())
    }

    /// Changes a card in answer to a press on it: everybody's copy, or those of the people named.
    pub(super) fn update_of_bot(&mut self, task_id: &str, body: &Value) -> Result<(), Refusal> {
        let card = &body["template_card"];
        if body["response_type"] != "update_template_card" {
            return no(40058, "response_type invalid");
        }
        cards::check(card, Maker::Bot, Occasion::Update).map_err(|words| Refusal { code: 40058, words })?;
        if card["task_id"].as_str() != Some(task_id) {
            return no(40058, "template_card.task_id mismatch");
        }
        let people: Vec<String> =
            body["userids"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let bots = |shown: &&mut Shown| shown.by == By::Bot;
        self.with_task(task_id).filter(bots).for_each(|shown| shown.change_card(card, &people));
        Ok(())
    }

    /// Tells a connection that another one took over, and ends it.
    pub(super) fn tell_disconnected(&mut self, link: u64, now: Timestamp) {
        let (req_id, msgid) = (self.serial("SRV-"), self.serial("CAIQ"));
        let frame = json!({ "cmd": "aibot_event_callback", "headers": { "req_id": req_id }, "body": {
            "msgid": msgid, "create_time": now.as_second(), "aibotid": self.setup.bot.bot_id,
            "msgtype": "event", "event": { "eventtype": "disconnected_event" } } });
        let asked = Asked { about: About::Nothing, link, at: now, answered: false };
        self.bot.asked.insert(req_id, asked);
        if let Some(queue) = self.bot.links.get(&link) {
            // A reader that lets its queue fill up hears nothing more: so it is in life.
            let _ = queue.try_send(Out::Text(frame.to_string()));
            let _ = queue.try_send(Out::Close);
        }
    }
}
