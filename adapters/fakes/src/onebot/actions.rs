//! The API: what each action answers, in the words of the dialect.

use serde_json::{Value, json};

use super::message::{plain, segments_of};
use super::state::{ApiCall, Behaviour, Dialect, Shared, State, number_or_text};

/// What to do with an answer.
pub(super) enum Reply {
    /// Give it.
    Now(Value),
    /// Keep it until told.
    Later(Value),
    /// Say nothing.
    Silence,
    /// Cut every connection.
    Cut,
}

/// Carries out one call.
pub(super) fn act(shared: &Shared, action: &str, params: &Value) -> Reply {
    shared.edit(|state| {
        state.calls.push(ApiCall { action: action.to_owned(), params: params.clone() });
        if state.unresponsive {
            return Reply::Silence;
        }
        if let Some((code, words)) = state.refusals.get(action) {
            return Reply::Now(failed(state, *code, words));
        }
        match action {
            "send_group_msg" | "send_private_msg" | "send_msg" => send(state, params),
            _ => Reply::Now(answer(state, action, params)),
        }
    })
}

fn ok(data: &Value) -> Value {
    json!({ "status": "ok", "retcode": 0, "data": data, "message": "", "wording": "" })
}

/// A failure with the fields this dialect gives.
fn failed(state: &State, code: i64, words: &str) -> Value {
    match state.dialect {
        Dialect::GoCqHttp => {
            json!({ "status": "failed", "retcode": code, "data": null, "msg": words, "message": words, "wording": words })
        }
        Dialect::Lagrange => json!({ "status": "failed", "retcode": code, "data": null }),
        Dialect::NapCat | Dialect::LlOneBot => {
            json!({ "status": "failed", "retcode": code, "data": null, "message": words, "wording": words,
                    "stream": "normal-action" })
        }
    }
}

/// The dialect's code for "the action failed".
fn failure(state: &State, words: &str) -> Value {
    let code = match state.dialect {
        Dialect::GoCqHttp => 100,
        Dialect::Lagrange => 200,
        Dialect::NapCat | Dialect::LlOneBot => 1200,
    };
    failed(state, code, words)
}

const TIMED_OUT: &str = "Timeout: NTEvent serviceAndMethod:NodeIKernelMsgService/sendMsg \
    ListenerName:NodeIKernelMsgListener/onMsgInfoListUpdate EventRet:\n{\n    \"result\": 0,\n    \"errMsg\": \"\"\n}\n";

const MUTED: &str = "EventChecker Failed: NTEvent serviceAndMethod:NodeIKernelMsgService/sendMsg \
    EventRet:\n{\n    \"result\": 120,\n    \"errMsg\": \"\"\n}\n";

fn send(state: &mut State, params: &Value) -> Reply {
    let group = plain(&params["group_id"]);
    let user = plain(&params["user_id"]);
    let segments = segments_of(&params["message"]);
    let private = !user.is_empty();
    if !private && !state.groups.contains_key(&group) {
        return Reply::Now(failure(state, "GROUP_NOT_FOUND 群聊不存在"));
    }
    if !private && state.muted.contains(&group) {
        return Reply::Now(failure(state, MUTED));
    }
    // The real ones refuse a quotation with more than an id in it.
    let bad_reply = |s: &Value| s["type"] == "reply" && s["data"].as_object().is_none_or(|data| data.len() != 1);
    if segments.as_array().is_some_and(|all| all.iter().any(bad_reply)) {
        return Reply::Now(failure(state, "消息不存在"));
    }
    if segments.as_array().is_none_or(Vec::is_empty) {
        return Reply::Now(failure(state, "EMPTY_MSG_ERROR"));
    }
    let conversation = if private { format!("user:{user}") } else { format!("group:{group}") };
    let behaviour = state.behaviours.pop_front().unwrap_or(Behaviour::Answer);
    let taken = |state: &mut State| {
        let (id, event) = state.deliver(&conversation, &segments);
        state.report_own(&event);
        ok(&json!({ "message_id": number_or_text(&id) }))
    };
    match behaviour {
        Behaviour::Answer => Reply::Now(taken(state)),
        Behaviour::Lose => Reply::Silence,
        Behaviour::Forget => Reply::Now(ok(&json!({ "message_id": 4242 }))),
        Behaviour::TakeSilently => {
            taken(state);
            Reply::Silence
        }
        Behaviour::TakeAndCut => {
            taken(state);
            Reply::Cut
        }
        Behaviour::Lie => {
            taken(state);
            Reply::Now(failure(state, TIMED_OUT))
        }
        Behaviour::AnswerLate => Reply::Later(taken(state)),
        Behaviour::Duplicate => {
            taken(state);
            Reply::Now(taken(state))
        }
    }
}

fn answer(state: &State, action: &str, params: &Value) -> Value {
    match action {
        "get_login_info" => ok(&json!({ "user_id": state.id(&state.account), "nickname": "运维助手" })),
        "get_version_info" => {
            ok(&json!({ "app_name": app_name(state), "app_version": "0", "protocol_version": "v11" }))
        }
        "get_status" => ok(&json!({ "online": state.online, "good": true })),
        "get_group_list" => ok(&state.groups.keys().map(|group| json!({ "group_id": state.id(group) })).collect()),
        "get_group_member_info" => member(state, params),
        "get_msg" => match state.event_of(&plain(&params["message_id"])) {
            Some(event) => ok(&event),
            None => failure(state, "MSG_NOT_FOUND 消息不存在"),
        },
        "get_group_msg_history" => history(state, &format!("group:{}", plain(&params["group_id"])), params),
        "get_friend_msg_history" if state.dialect != Dialect::GoCqHttp => {
            history(state, &format!("user:{}", plain(&params["user_id"])), params)
        }
        "get_group_file_url" | "get_private_file_url" => {
            let file_id = plain(&params["file_id"]);
            match (&state.file_host, state.files.contains_key(&file_id)) {
                (Some(host), true) => ok(&json!({ "url": format!("{host}/files{file_id}") })),
                _ => failure(state, "FILE_NOT_FOUND 文件不存在"),
            }
        }
        _ => unknown(state, action),
    }
}

fn app_name(state: &State) -> &'static str {
    match state.dialect {
        Dialect::NapCat => "NapCat.Onebot",
        Dialect::GoCqHttp => "go-cqhttp",
        Dialect::Lagrange => "Lagrange.OneBot",
        Dialect::LlOneBot => "LLOneBot",
    }
}

fn unknown(state: &State, action: &str) -> Value {
    match state.dialect {
        Dialect::GoCqHttp => failed(state, 404, "API_NOT_FOUND"),
        Dialect::Lagrange => failed(state, 404, ""),
        Dialect::NapCat | Dialect::LlOneBot => failed(state, 1404, &format!("不支持的Api {action}")),
    }
}

fn member(state: &State, params: &Value) -> Value {
    let (group, user) = (plain(&params["group_id"]), plain(&params["user_id"]));
    match state.groups.get(&group).and_then(|group| group.members.get(&user)) {
        Some(name) => {
            let role = state.groups[&group].roles.get(&user).map_or("member", String::as_str);
            ok(&json!({
                "group_id": state.id(&group), "user_id": state.id(&user), "nickname": name, "card": "", "role": role,
            }))
        }
        None => failure(state, "MEMBER_NOT_FOUND"),
    }
}

/// Pages end before the message they are asked from; go-cqhttp and LLOneBot count by sequence, the others by id.
fn history(state: &State, conversation: &str, params: &Value) -> Value {
    let all: Vec<&Value> = state.history.iter().filter(|(at, _)| at == conversation).map(|(_, event)| event).collect();
    let (key, field) = match state.dialect {
        Dialect::GoCqHttp | Dialect::LlOneBot => ("message_seq", "message_seq"),
        Dialect::NapCat => ("message_seq", "message_id"),
        Dialect::Lagrange => ("message_id", "message_id"),
    };
    let from = plain(&params[key]);
    let end = if from.is_empty() {
        all.len()
    } else {
        match all.iter().position(|event| plain(&event[field]) == from) {
            // Inclusive, as with the real ones.
            Some(at) => at + 1,
            None => return failure(state, "MSG_NOT_FOUND 消息不存在"),
        }
    };
    let count = if state.dialect == Dialect::GoCqHttp { 20 } else { params["count"].as_u64().unwrap_or(20) };
    let start = end.saturating_sub(usize::try_from(count).unwrap_or(20));
    ok(&json!({ "messages": &all[start..end] }))
}
