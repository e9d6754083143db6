//! Group robots: `webhook/send` and `webhook/upload_media` (wecom.md 3).

use serde_json::{Value, json};

use super::cards::{self, Maker, Occasion};
use super::http::{Answer, Request};
use super::media::{self, Owner};
use super::shown::{By, Shown};
use super::state::{Refusal, Robot, State, no};

/// Messages a robot may send in a minute.
const A_MINUTE: usize = 20;
/// Bytes of a text.
const TEXT_MAX: usize = 2048;
/// Bytes of markdown, either dialect.
const MARKDOWN_MAX: usize = 4096;

pub(super) fn answer(state: &mut State, request: &Request<'_>) -> Result<Answer, Refusal> {
    let key = request.query.get("key").map(String::as_str).unwrap_or_default();
    if request.path == "webhook/upload_media" {
        let part = media::part(request.content_type, request.body);
        // Emptiness is looked at before the key (wecom.md 3.4).
        if part.as_ref().is_none_or(|part| part.bytes.is_empty()) {
            return no(44001, "empty media data");
        }
        robot(state, key)?;
        let kind = request.query.get("type").map(String::as_str).unwrap_or_default();
        return state.upload(Owner::Robot(key.to_owned()), kind, part, request.now).map(Answer::Json);
    }
    let now = request.now;
    let chatid = robot(state, key)?.chatid.clone();
    let shown = message(state, key, &chatid, request)?;
    let within = robot(state, key)?.taken.take(now, A_MINUTE, usize::MAX);
    if !within {
        return no(45009, "api freq out of limit");
    }
    state.shown.push(shown);
    Ok(Answer::Json(json!({ "errcode": 0, "errmsg": "ok" })))
}

fn robot<'a>(state: &'a mut State, key: &str) -> Result<&'a mut Robot, Refusal> {
    match state.robots.get_mut(key) {
        Some(Robot { out: Some(code), .. }) => no(*code, "robot is out"),
        Some(robot) => Ok(robot),
        None => no(93000, "invalid webhook url"),
    }
}

/// What would be shown, or why not.
fn message(state: &State, key: &str, chatid: &str, request: &Request<'_>) -> Result<Shown, Refusal> {
    let kind = request.json["msgtype"].as_str().unwrap_or_default();
    let given = &request.json[kind];
    let show = |text: &str| Shown::new(&format!("group:{chatid}"), By::Robot(key.to_owned()), kind, text, request.now);
    match kind {
        "text" => {
            let content = content(given, kind, TEXT_MAX)?;
            let mut shown = show(content);
            shown.mentions = state.mentioned(chatid, &given["mentioned_list"], content);
            let by_mobile = mobiles(state, &given["mentioned_mobile_list"]);
            shown.mentions.extend(state.mentioned(chatid, &by_mobile, ""));
            Ok(shown)
        }
        "markdown" => {
            let content = content(given, kind, MARKDOWN_MAX)?;
            let mut shown = show(content);
            shown.mentions = state.mentioned(chatid, &Value::Null, content);
            Ok(shown)
        }
        // Mentions nobody, whatever stands in it.
        "markdown_v2" => Ok(show(content(given, kind, MARKDOWN_MAX)?)),
        "image" => State::inline_image(given).map(|_| show("")),
        "news" => news(given).map(|text| show(&text)),
        "file" | "voice" => {
            let owner = Owner::Robot(key.to_owned());
            state.sendable(&owner, &given["media_id"], kind, request.now).map(|media| show(&media.name))
        }
        "template_card" => {
            cards::check(given, Maker::Robot, Occasion::New).map_err(|field| Refusal { code: 40058, words: field })?;
            Ok(Shown::card(&format!("group:{chatid}"), By::Robot(key.to_owned()), given, request.now))
        }
        _ => no(40008, "invalid message type"),
    }
}

/// Too long is refused here, not cut.
fn content<'a>(given: &'a Value, kind: &str, most: usize) -> Result<&'a str, Refusal> {
    let content = given["content"].as_str().unwrap_or_default();
    if content.is_empty() {
        return no(44004, "empty content");
    }
    if content.len() > most {
        return no(40058, &format!("{kind}.content exceed max length {most}. invalid Request Parameter"));
    }
    Ok(content)
}

/// Articles, one to eight; answers the first title.
pub(super) fn news(given: &Value) -> Result<String, Refusal> {
    let articles = given["articles"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=8).contains(&articles.len()) {
        return no(45008, "article size out of limit");
    }
    let missing =
        |article: &Value| ["title", "url"].iter().any(|field| article[field].as_str().is_none_or(str::is_empty));
    if articles.iter().any(missing) {
        return no(40058, "news.articles.title or url missing");
    }
    Ok(articles[0]["title"].as_str().unwrap_or_default().to_owned())
}

fn mobiles(state: &State, given: &Value) -> Value {
    let wanted: Vec<&str> = given.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let known =
        state.people.values().filter(|person| person.mobile.as_deref().is_some_and(|own| wanted.contains(&own)));
    let mut found: Vec<Value> = known.map(|person| Value::from(person.userid.clone())).collect();
    if wanted.contains(&"@all") {
        found.push(Value::from("@all"));
    }
    Value::Array(found)
}
