//! Groups made by the application (wecom.md 4.5). It can speak there and hears nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::app_send::plain;
use super::qyapi::ok;
use super::state::{Group, Refusal, State, no};

/// Most members.
const MEMBERS_MAX: usize = 2000;

pub(super) fn create(state: &mut State, agent: i64, body: &Value) -> Result<Value, Refusal> {
    allowed(state)?;
    let name = body["name"].as_str().unwrap_or_default();
    if name.chars().count() > 50 {
        return no(86004, "invalid chat name");
    }
    let chatid = match body["chatid"].as_str() {
        None | Some("") => state.serial("appchat"),
        Some(id) if id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => id.to_owned(),
        Some(_) => return no(86001, "invalid chatid"),
    };
    if state.groups.contains_key(&chatid) {
        return no(86215, "chatid exists");
    }
    let members = members(state, &body["userlist"])?;
    if !(2..=MEMBERS_MAX).contains(&members.len()) {
        return no(86006, "invalid chat member count");
    }
    let owner = body["owner"].as_str().unwrap_or_default().to_owned();
    if !owner.is_empty() && !members.iter().any(|member| member.eq_ignore_ascii_case(&owner)) {
        return no(86207, "owner not in userlist");
    }
    state.groups.insert(chatid.clone(), Group { members, made_by: Some((agent, name.to_owned(), owner)) });
    Ok(ok(&json!({ "chatid": chatid })))
}

pub(super) fn update(state: &mut State, agent: i64, body: &Value) -> Result<Value, Refusal> {
    allowed(state)?;
    let chatid = body["chatid"].as_str().unwrap_or_default();
    let (more, less) = (members(state, &body["add_user_list"])?, members(state, &body["del_user_list"])?);
    let group = own(state, agent, chatid)?;
    let after: BTreeSet<String> =
        group.members.union(&more).filter(|member| !less.contains(*member)).cloned().collect();
    if !(2..=MEMBERS_MAX).contains(&after.len()) {
        return no(86006, "invalid chat member count");
    }
    group.members = after;
    if let (Some(name), Some(made_by)) = (body["name"].as_str(), group.made_by.as_mut()) {
        name.clone_into(&mut made_by.1);
    }
    Ok(ok(&Value::Null))
}

pub(super) fn get(state: &mut State, agent: i64, chatid: &str) -> Result<Value, Refusal> {
    allowed(state)?;
    let group = own(state, agent, chatid)?;
    let (name, owner) = group.made_by.as_ref().map(|(_, name, owner)| (name, owner)).unzip();
    Ok(ok(&json!({ "chat_info": { "chatid": chatid, "name": name, "owner": owner, "userlist": group.members } })))
}

pub(super) fn send(state: &mut State, agent: i64, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    allowed(state)?;
    let chatid = body["chatid"].as_str().unwrap_or_default();
    own(state, agent, chatid)?;
    let kind = body["msgtype"].as_str().unwrap_or_default();
    let given = &body[kind];
    // No cards here: `plain` knows none.
    let mut shown = plain(state, agent, kind, given, now)?;
    shown.conversation = format!("group:{chatid}");
    shown.mentions = state.mentioned(chatid, &given["mentioned_list"], &shown.text);
    state.shown.push(shown);
    Ok(ok(&Value::Null))
}

/// Only where the application may be seen by the whole corporation.
fn allowed(state: &State) -> Result<(), Refusal> {
    if state.root_range { Ok(()) } else { no(48002, "api forbidden") }
}

fn own<'a>(state: &'a mut State, agent: i64, chatid: &str) -> Result<&'a mut Group, Refusal> {
    match state.groups.get_mut(chatid) {
        None => no(86003, "chatid not exist"),
        Some(group) if group.made_by.as_ref().is_some_and(|(maker, ..)| *maker == agent) => Ok(group),
        Some(_) => no(86008, "chat not created by this agent"),
    }
}

fn members(state: &State, list: &Value) -> Result<BTreeSet<String>, Refusal> {
    let asked = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    asked
        .map(|id| match state.person(id) {
            Some(person) => Ok(person.userid.clone()),
            None => no(86216, "invalid chat member"),
        })
        .collect()
}
