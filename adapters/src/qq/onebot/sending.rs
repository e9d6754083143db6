//! Saying things: checks, turns, pieces, and what the answers mean for the outbox.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::codec::{Scope, id_json, message_json, pieces};
use super::hub::{CallError, Hub, lock};
use super::outcome::{Outcome, explain, of_send};
use super::session::SendNote;
use super::throttle::Turn;
use crate::{Outgoing, Receipt, SendError};

/// After an answer that hints at a mute without telling its length.
const SUSPECTED_MUTE: Duration = Duration::from_mins(10);

/// Sends one message, in as many pieces as it takes. Called again with the same key it goes on where it stopped.
pub(super) async fn send(hub: &Arc<Hub>, message: &Outgoing) -> Result<Receipt, SendError> {
    let scope = Scope::parse(&message.conversation).ok_or_else(|| SendError::Refused {
        code: 0,
        text: "会话编号不是 group:群号 或 user:QQ 号，请检查绑定".to_owned(),
    })?;
    may_speak(hub, &message.conversation)?;
    let texts = pieces(&message.text);
    let begun = lock(&hub.memory).progress.get(&message.key).map_or(0, |progress| progress.sent.len());
    for (piece, text) in texts.iter().enumerate().skip(begun) {
        take_turn(hub, &message.conversation).await?;
        say(hub, message, &scope, piece, text).await?;
    }
    Ok(receipt(hub, &message.key))
}

/// The id of the first piece: the one that carries the quotation.
pub(super) fn receipt(hub: &Hub, key: &str) -> Receipt {
    let memory = lock(&hub.memory);
    Receipt { external_id: memory.progress.get(key).and_then(|progress| progress.sent.first().cloned().flatten()) }
}

fn may_speak(hub: &Hub, conversation: &str) -> Result<(), SendError> {
    let session = lock(&hub.session);
    // Asked before a turn is taken: nobody waits for a pause only to hear that nobody listens.
    if hub.http.is_none() && session.connected_since().is_none() {
        return Err(SendError::Unreachable(hub.not_connected()));
    }
    if !session.is_online() {
        let text = "QQ 账号已下线，请在 NapCat 等实现里重新登录".to_owned();
        return Err(SendError::Unreachable(text));
    }
    if let Some(retry_after) = session.muted_for(conversation, hub.now()) {
        return Err(SendError::Muted { retry_after });
    }
    Ok(())
}

async fn take_turn(hub: &Hub, conversation: &str) -> Result<(), SendError> {
    let turn = lock(&hub.throttle).take(conversation, hub.now());
    match turn {
        Turn::Later(retry_after) => Err(SendError::Throttled { retry_after }),
        Turn::After(wait) => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
    }
}

async fn say(hub: &Arc<Hub>, message: &Outgoing, scope: &Scope, piece: usize, text: &str) -> Result<(), SendError> {
    let conversation = &message.conversation;
    let note = SendNote { conversation: conversation.clone(), key: message.key.clone(), piece };
    let body = message_json(message, text, piece == 0, matches!(scope, Scope::Group(_)));
    let (action, params) = call_for(hub, scope, &body);
    let answer = match hub.call(action, params, hub.config.timing.text, Some(note.clone())).await {
        Ok(answer) => answer,
        Err(CallError::NotConnected(why)) => return Err(SendError::Unreachable(why)),
        Err(CallError::Lost) => return Err(doubt(hub, &note)),
    };
    match of_send(&answer) {
        Outcome::Sent(id) => {
            hub.delivered(&note, id.as_deref());
            lock(&hub.throttle).went_well(conversation);
            Ok(())
        }
        Outcome::Perhaps => Err(doubt(hub, &note)),
        Outcome::Refused(text) => Err(SendError::Refused { code: answer.code, text }),
        Outcome::Blocked(text) => {
            lock(&hub.throttle).blocked(conversation, hub.now());
            tracing::error!(channel.id = %hub.config.id, "risk control blocked a message");
            Err(SendError::Refused { code: answer.code, text })
        }
        Outcome::Muted => {
            lock(&hub.session).muted_by_answer(conversation, SUSPECTED_MUTE, hub.now());
            Err(SendError::Muted { retry_after: SUSPECTED_MUTE })
        }
        // Left to heartbeats and notices to establish: only they reach the desk as an event.
        Outcome::Offline => Err(SendError::Unreachable(format!("QQ 账号已下线，请重新登录（{}）", explain(&answer)))),
        Outcome::Token => {
            hub.set_problem(
                "对方拒绝了 access_token。请核对本通道的 access_token 与 OneBot 实现里填写的 Token 是否一致。",
            );
            Err(SendError::Unreachable(hub.not_connected()))
        }
    }
}

/// It may have arrived.
fn doubt(hub: &Hub, note: &SendNote) -> SendError {
    let now = hub.now();
    lock(&hub.throttle).in_doubt(&note.conversation, now);
    let mut memory = lock(&hub.memory);
    let mut progress = memory.progress.get(&note.key).cloned().unwrap_or_default();
    progress.doubt_at = Some(now);
    memory.progress.put(note.key.clone(), progress);
    tracing::warn!(channel.id = %hub.config.id, "no clear answer after sending");
    SendError::Perhaps
}

fn call_for(hub: &Hub, scope: &Scope, body: &Value) -> (&'static str, Value) {
    match scope {
        Scope::Group(group) => ("send_group_msg", json!({ "group_id": id_json(group), "message": body })),
        Scope::Private(user) => {
            let mut params = json!({ "user_id": id_json(user), "message": body });
            // Who is no friend can only be answered through the group he wrote from.
            if let Some(group) = lock(&hub.memory).through.get(user) {
                params["group_id"] = id_json(group);
            }
            ("send_private_msg", params)
        }
    }
}
