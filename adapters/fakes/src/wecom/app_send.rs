//! `message/send`, `message/update_template_card`, `message/recall` (wecom.md 4.3, 4.4).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cards::{self, Maker, Occasion};
use super::media::Owner;
use super::qyapi::ok;
use super::shown::{By, Shown};
use super::state::{Person, Refusal, State, no};
use super::webhook::news;

/// Bytes of a text; the rest is cut without a word.
pub(super) const TEXT_MAX: usize = 2048;
/// Receivers in one call.
const RECEIVERS_MAX: usize = 1000;
/// A card can be changed for three days.
const CODE_HOURS: i64 = 72;

pub(super) fn send(state: &mut State, agent: i64, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    match body["agentid"].as_i64() {
        None => return no(40056, "invalid agentid"),
        Some(given) if given != agent => return no(301_002, "not allow operate another agent with this accesstoken"),
        Some(_) => {}
    }
    let named = |field: &str| joined(&body[field]);
    let (users, parties, tags) = (named("touser"), named("toparty"), named("totag"));
    if users.is_empty() && parties.is_empty() && tags.is_empty() {
        return no(82001, "missing to_user or to_party or to_tag");
    }
    if users.len() > RECEIVERS_MAX || parties.len() > 100 || tags.len() > 100 {
        return no(40032, "invalid userid list size");
    }
    if let Some(before) = repeated(state, body, now) {
        return Ok(before);
    }
    let (receivers, invalid) = receivers(state, &users);
    let message = message(state, agent, body, now)?;
    if receivers.is_empty() {
        return no(81013, "user & party & tag all invalid");
    }
    let by = By::App(agent);
    if let Some(card) = &message.card {
        state.claim_task_id(&by, card)?;
    }
    let msgid = state.serial("MSG");
    let mut taken = Vec::new();
    for userid in receivers {
        let window = state.per_member.entry((agent, userid.clone())).or_default();
        if window.take(now, 30, 1000) {
            taken.push(userid);
        } else if state.says_member_limit {
            return no(45009, "api freq out of limit");
        }
    }
    for userid in &taken {
        let mut copy = message.clone();
        copy.conversation = format!("user:{userid}");
        copy.msgid = Some(msgid.clone());
        state.shown.push(copy);
    }
    let mut answer = ok(&json!({ "msgid": msgid, "invaliduser": invalid.join("|"), "invalidparty": parties.join("|"),
                                 "invalidtag": tags.join("|"), "unlicenseduser": "" }));
    if let Some(card) = message.card.as_ref().filter(|card| cards::calls_back(card)) {
        let task = card["task_id"].as_str().unwrap_or_default();
        answer["response_code"] = state.make_code(task, now).into();
    }
    state.recent_sends.push((now, body.clone(), answer.clone()));
    Ok(answer)
}

/// The answer given to the same body before, where the sender asked for that check.
fn repeated(state: &State, body: &Value, now: Timestamp) -> Option<Value> {
    if body["enable_duplicate_check"] != 1 {
        return None;
    }
    let seconds = body["duplicate_check_interval"].as_i64().unwrap_or(1800).min(14_400);
    let within = |at: &Timestamp| now.duration_since(*at) < SignedDuration::from_secs(seconds);
    state.recent_sends.iter().rev().find(|(at, sent, _)| within(at) && sent == body).map(|(.., answer)| answer.clone())
}

/// `a|b|c`: a string here, never a list.
fn joined(value: &Value) -> Vec<String> {
    value.as_str().unwrap_or_default().split('|').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Who is reached, and who is not: lower-cased, as WeCom reports them.
fn receivers(state: &State, users: &[String]) -> (Vec<String>, Vec<String>) {
    if users == ["@all"] {
        let all = state.people.values().filter(|person| !person.hidden);
        return (all.map(|person| person.userid.clone()).collect(), Vec::new());
    }
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for id in users {
        match state.person(id) {
            Some(Person { hidden: false, userid, .. }) => {
                if !valid.contains(userid) {
                    valid.push(userid.clone());
                }
            }
            _ => invalid.push(id.to_lowercase()),
        }
    }
    (valid, invalid)
}

/// What one receiver would see; the conversation is filled in later.
fn message(state: &State, agent: i64, body: &Value, now: Timestamp) -> Result<Shown, Refusal> {
    let kind = body["msgtype"].as_str().unwrap_or_default();
    let given = &body[kind];
    if kind == "template_card" {
        cards::check(given, Maker::App, Occasion::New).map_err(|words| Refusal { code: 40058, words })?;
        let hears = state.setup.apps.iter().any(|app| app.agent_id == agent && app.callback_url.is_some());
        if cards::calls_back(given) && !hears {
            return no(43012, "callback url needed");
        }
        return Ok(Shown::card("", By::App(agent), given, now));
    }
    plain(state, agent, kind, given, now)
}

/// Kinds that `message/send` and `appchat/send` share.
pub(super) fn plain(state: &State, agent: i64, kind: &str, given: &Value, now: Timestamp) -> Result<Shown, Refusal> {
    let show = |text: &str| Shown::new("", By::App(agent), kind, text, now);
    let content = given["content"].as_str().unwrap_or_default();
    match kind {
        "text" | "markdown" if content.is_empty() => no(44004, "empty content"),
        "text" => Ok(show(cut(content, TEXT_MAX))),
        "markdown" if content.len() > TEXT_MAX => no(45002, "content size out of limit"),
        "markdown" => Ok(show(content)),
        "image" | "voice" | "video" | "file" => {
            state.sendable(&Owner::Corp, &given["media_id"], kind, now).map(|media| show(&media.name))
        }
        "textcard" => {
            let field = |name: &str| given[name].as_str().unwrap_or_default();
            if ["title", "description", "url"].iter().any(|name| field(name).is_empty()) || field("url").len() > 2048 {
                return no(40058, "textcard.title, description or url invalid");
            }
            Ok(show(&format!("{}\n{}", field("title"), field("description"))))
        }
        "news" => news(given).map(|text| show(&text)),
        _ => no(40008, "invalid message type"),
    }
}

/// At most so many bytes, whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) fn update_card(state: &mut State, agent: i64, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    if body["agentid"].as_i64() != Some(agent) {
        return no(40056, "invalid agentid");
    }
    let list = |field: &str| -> Vec<String> {
        body[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let all = body["atall"] == 1;
    let named = list("userids");
    if named.is_empty() && !all && list("partyids").is_empty() && list("tagids").is_empty() {
        return no(82001, "missing userids, partyids or tagids");
    }
    let code = body["response_code"].as_str().unwrap_or_default();
    let Some(task) = state.code_is_for(code, now, CODE_HOURS) else {
        return no(40058, "response_code invalid, expired or used");
    };
    let (card, name) = (&body["template_card"], body["button"]["replace_name"].as_str().unwrap_or_default());
    if card.is_object() {
        cards::check(card, Maker::App, Occasion::Update).map_err(|words| Refusal { code: 40058, words })?;
    } else if name.is_empty() {
        return no(40058, "button.replace_name or template_card missing");
    }
    let (receivers, invalid) = receivers(state, &named);
    let mine = |shown: &&mut Shown| {
        let hers = receivers.iter().any(|userid| shown.conversation.eq_ignore_ascii_case(&format!("user:{userid}")));
        shown.by == By::App(agent) && (all || hers)
    };
    for shown in state.with_task(&task).filter(mine) {
        let mut next = if card.is_object() { card.clone() } else { shown.card.clone().unwrap_or_default() };
        if !card.is_object() {
            replace_button(&mut next, name);
        }
        // Its identity stays, whatever the new card says.
        next["task_id"] = Value::from(task.as_str());
        shown.change_card(&next, &[]);
    }
    state.spend_code(code);
    Ok(ok(&json!({ "invaliduser": invalid })))
}

/// The buttons give way to one grey text.
pub(super) fn replace_button(card: &mut Value, name: &str) {
    if let Some(card) = card.as_object_mut() {
        card.retain(|field, _| !matches!(field.as_str(), "button_list" | "submit_button"));
        card.insert("replace_text".to_owned(), name.into());
    }
}

pub(super) fn recall(state: &mut State, agent: i64, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let msgid = body["msgid"].as_str().filter(|msgid| !msgid.is_empty());
    let recallable = |shown: &&mut Shown| {
        shown.msgid.as_deref() == msgid
            && shown.by == By::App(agent)
            && now.duration_since(shown.at) <= SignedDuration::from_hours(24)
    };
    let mut found = state.shown.iter_mut().filter(recallable).peekable();
    if msgid.is_none() || found.peek().is_none() {
        return no(40058, "msgid invalid");
    }
    found.for_each(|shown| shown.recalled = true);
    Ok(ok(&Value::Null))
}
