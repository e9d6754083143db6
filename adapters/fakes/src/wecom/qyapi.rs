//! The application's API: tokens, people, media (wecom.md 4.1, 4.2, 4.6, 4.7); messages stand in `app_send`, groups
//! made by the application in `appchat`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::media::{self, Owner};
use super::state::{Refusal, State, no};
use super::{app_send, appchat};

/// What WeCom answers as `expires_in`.
const TOKEN_SECONDS: i64 = 7200;

/// An access token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) agent_id: i64,
    pub(super) until: Timestamp,
    /// Whether it still counts; answers 42001 otherwise.
    pub(super) expired: bool,
}

pub(super) fn answer(state: &mut State, request: &Request<'_>) -> Result<Answer, Refusal> {
    if request.path == "gettoken" {
        return gettoken(state, request.query, request.now).map(Answer::Json);
    }
    let agent = agent_of(state, request.query, request.now)?;
    let body = request.json;
    let query = |key: &str| request.query.get(key).map(String::as_str).unwrap_or_default();
    let posts = !matches!(request.path, "user/get" | "getcallbackip" | "appchat/get" | "media/get" | "media/upload");
    if posts && !body.is_object() {
        return no(40033, "invalid charset or body is not JSON");
    }
    match request.path {
        "message/send" => app_send::send(state, agent, body, request.now),
        "message/update_template_card" => app_send::update_card(state, agent, body, request.now),
        "message/recall" => app_send::recall(state, agent, body, request.now),
        "appchat/create" => appchat::create(state, agent, body),
        "appchat/update" => appchat::update(state, agent, body),
        "appchat/get" => appchat::get(state, agent, query("chatid")),
        "appchat/send" => appchat::send(state, agent, body, request.now),
        "user/get" => user(state, query("userid")),
        "batch/openuserid_to_userid" => Ok(open_to_plain(state, body)),
        "getcallbackip" => Ok(ok(&json!({ "ip_list": ["101.226.103.*", "127.0.0.1"] }))),
        "media/upload" => {
            let part = media::part(request.content_type, request.body);
            state.upload(Owner::Corp, query("type"), part, request.now)
        }
        "media/get" => {
            let id = Value::from(query("media_id"));
            let kind = state.media.get(query("media_id")).map(|media| media.kind.clone()).unwrap_or_default();
            let media = state.sendable(&Owner::Corp, &id, &kind, request.now)?;
            return Ok(Answer::File { name: media.name.clone(), bytes: media.bytes.clone() });
        }
        _ => no(40066, "invalid url"),
    }
    .map(Answer::Json)
}

/// Success with these fields.
pub(super) fn ok(more: &Value) -> Value {
    let mut answer = json!({ "errcode": 0, "errmsg": "ok" });
    if let (Some(answer), Some(more)) = (answer.as_object_mut(), more.as_object()) {
        answer.extend(more.clone());
    }
    answer
}

/// One token per secret; the same again while it counts.
fn gettoken(state: &mut State, query: &BTreeMap<String, String>, now: Timestamp) -> Result<Value, Refusal> {
    let (Some(corp), Some(secret)) = (query.get("corpid"), query.get("corpsecret")) else {
        let missing = if query.contains_key("corpid") { 41004 } else { 41002 };
        return no(missing, "corpid or corpsecret missing");
    };
    if *corp != state.setup.corp_id {
        state.wrong_secrets += 1;
        return no(40013, "invalid corpid");
    }
    let Some(agent_id) = state.setup.apps.iter().find(|app| app.secret == *secret).map(|app| app.agent_id) else {
        state.wrong_secrets += 1;
        return no(40001, "invalid credential");
    };
    let alive = |token: &Token| token.agent_id == agent_id && !token.expired && token.until > now;
    let known = state.tokens.iter().find(|(_, token)| alive(token)).map(|(text, token)| (text.clone(), token.until));
    let (text, until) = known.unwrap_or_else(|| {
        let text = state.serial(&format!("TOKEN-{agent_id}-"));
        let until = now + SignedDuration::from_secs(TOKEN_SECONDS);
        state.tokens.insert(text.clone(), Token { agent_id, until, expired: false });
        (text, until)
    });
    Ok(ok(&json!({ "access_token": text, "expires_in": until.duration_since(now).as_secs() })))
}

/// The application behind the token.
fn agent_of(state: &State, query: &BTreeMap<String, String>, now: Timestamp) -> Result<i64, Refusal> {
    let Some(text) = query.get("access_token").filter(|text| !text.is_empty()) else {
        return no(41001, "access_token missing");
    };
    let Some(token) = state.tokens.get(text) else { return no(40014, "invalid access_token") };
    if token.expired || token.until <= now {
        return no(42001, "access_token expired");
    }
    if state.untrusted_ip {
        return no(60020, "not allow to access from your ip");
    }
    Ok(token.agent_id)
}

/// A person as an application made since 2022 sees one: name, not number.
fn user(state: &State, userid: &str) -> Result<Value, Refusal> {
    let Some(person) = state.person(userid) else { return no(60111, "userid not found") };
    if person.hidden {
        return no(60011, "no privilege to access/modify contact/party/agent");
    }
    Ok(ok(&json!({ "userid": person.userid, "name": person.name, "department": [1], "position": "", "alias": "",
                   "status": 1, "main_department": 1 })))
}

fn open_to_plain(state: &State, body: &Value) -> Value {
    let asked = body["open_userid_list"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for id in asked {
        match state.people.values().find(|person| person.open_userid == id && !person.hidden) {
            Some(person) => known.push(json!({ "open_userid": id, "userid": person.userid })),
            None => unknown.push(id),
        }
    }
    ok(&json!({ "userid_list": known, "invalid_open_userid_list": unknown }))
}
