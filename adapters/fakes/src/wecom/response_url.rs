//! `aibot/response`: the reply address that comes with a callback, for one reply within an hour (wecom.md 5.6).

use serde_json::json;

use super::bot_rules::{self, Sort};
use super::http::{Answer, Request};
use super::state::{Refusal, State, no};

/// How long the address lives.
const LIFE_HOURS: i64 = 1;

pub(super) fn answer(state: &mut State, request: &Request<'_>) -> Result<Answer, Refusal> {
    let body = request.json;
    // The JSON of a card update has no message type (wecom.md 5.6).
    let kind = body["msgtype"].as_str().unwrap_or_default();
    if !matches!(kind, "markdown" | "template_card") {
        return no(40008, "invalid message type");
    }
    let code = request.query.get("response_code").map(String::as_str).unwrap_or_default();
    let Some(conversation) = state.code_is_for(code, request.now, LIFE_HOURS) else {
        return no(40058, "response_code invalid, expired or used");
    };
    if kind == "template_card" && conversation.starts_with("group:") {
        return no(40008, "invalid message type");
    }
    let shown = bot_rules::message(state, &conversation, body, Sort::ResponseUrl, request.now)?;
    state.bot.within_rate(&conversation, request.now)?;
    state.show_of_bot(shown)?;
    state.spend_code(code);
    Ok(Answer::Json(json!({ "errcode": 0, "errmsg": "ok" })))
}
