//! Looking back: closing the gap after a (re)connect, and finding a message whose sending ended in doubt.
//!
//! No implementation queues events for us, so the group's history is the only way to what was said meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::account_of;
use super::codec::{Dialect, Heard, HeardMessage, Scope, decode_event, id_json, pieces};
use super::hub::{CallError, Hub, lock};
use super::intake::{Again, Job, Place, hand_in, own_message};
use super::memory::{essence, essence_of};
use super::outcome::explain;
use super::prepare;
use super::sending::receipt;
use super::session::{ConnId, SendNote};
use super::throttle::gap;
use crate::{Event, Inbox, Outgoing, Receipt, SendError};

/// Messages asked for at once. go-cqhttp gives about 20 whatever is asked.
const PAGE: usize = 50;

/// Pages read at most: about a day of a lively group.
const MOST_PAGES: usize = 8;

/// Older messages are not recovered: nobody waits for an answer to them any more.
const HORIZON: SignedDuration = SignedDuration::from_hours(24);

/// Our clock and the platform's may differ by this much.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Groups read at the same time.
const AT_ONCE: usize = 4;

/// A conversation and the last thing we know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    scope: Scope,
    /// External id of the newest message that was stored, if there ever was one.
    newest: Option<String>,
    /// Nothing from before this instant is fetched.
    from: Timestamp,
}

/// Which conversations are to be caught up. Where nothing was ever stored the gap begins when the desk came: what was said
/// before is none of its business.
pub(super) async fn plan(hub: &Hub, inbox: &Arc<dyn Inbox>) -> Vec<Gap> {
    let horizon = hub.now().checked_sub(HORIZON).unwrap_or(Timestamp::MIN);
    let since = inbox.listens_since(&hub.config.id).await;
    let mut gaps = Vec::new();
    for conversation in inbox.bound(&hub.config.id).await {
        if let Some(scope @ Scope::Group(_)) = Scope::parse(&conversation) {
            let newest = inbox.newest(&hub.config.id, &conversation).await;
            let from = match (&newest, since) {
                (Some(_), _) => horizon,
                // The platform tells whole seconds.
                (None, Some(since)) => horizon.max(Timestamp::from_second(since.as_second()).unwrap_or(since)),
                (None, None) => continue,
            };
            gaps.push(Gap { scope, newest, from });
        }
    }
    gaps
}

/// Starts closing the gaps. The places in the conversations' order are taken here and now, so that what comes in live
/// is handed in after what was missed.
pub(super) fn catch_up(hub: &Arc<Hub>, inbox: &Arc<dyn Inbox>, conn: Option<ConnId>, gaps: Vec<Gap>) {
    let places: Vec<(Gap, Place)> =
        gaps.into_iter().map(|gap| (gap.clone(), hub.intake.queue(&gap.scope.conversation()))).collect();
    let (hub, inbox) = (hub.clone(), inbox.clone());
    hub.intake.tracker.clone().spawn(async move {
        hub.greet(conn).await;
        if let Ok(Some(online)) = hub.ask_status().await {
            // Not being told about the account is bearable; it is told again by heartbeats.
            let _ = hand_in(&hub, &inbox, Event::Online(online), Again::ByPeer).await;
        }
        let work = places.into_iter().map(|(gap, place)| close_gap(&hub, &inbox, gap, place));
        futures_util::stream::iter(work).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    });
}

async fn close_gap(hub: &Arc<Hub>, inbox: &Arc<dyn Inbox>, gap: Gap, mut place: Place) {
    place.turn().await;
    let known =
        |heard: &Heard| message_of(heard).map(HeardMessage::external_id).is_some_and(|id| gap.newest == Some(id));
    let old = |heard: &Heard| message_of(heard).and_then(|message| message.at).is_some_and(|at| at < gap.from);
    let read = match read(hub, &gap.scope, |page| page.iter().any(|heard| known(heard) || old(heard))).await {
        Ok((read, _)) => read,
        Err(error) => {
            tracing::warn!(channel.id = %hub.config.id, error = ?error, "a gap could not be closed");
            return;
        }
    };
    let after = read.iter().position(known).map_or(0, |at| at + 1);
    let mut recovered = 0usize;
    for heard in read.into_iter().skip(after).filter(|heard| !old(heard)) {
        let event = match heard {
            // Came in live as well: it waits behind us, and is no recovered one.
            Heard::Message(heard) if lock(&hub.memory).arrived.get(&heard.external_id()).is_some() => None,
            Heard::Message(heard) => {
                lock(&hub.memory).met(&heard);
                prepare::event(hub, inbox, Job::Message { heard, recovered: true, attached: Vec::new() }).await
            }
            Heard::Own(own) => Some(own_message(hub, &own)),
            _ => None,
        };
        if let Some(event) = event {
            recovered += 1;
            match hand_in(hub, inbox, event, Again::Here).await {
                // One that cannot be stored keeps nobody else's message back.
                Ok(()) | Err(crate::InboxError::Refused(_)) => {}
                Err(crate::InboxError::Unavailable(_)) => return,
            }
        }
    }
    if recovered > 0 {
        tracing::info!(channel.id = %hub.config.id, messages.count = recovered, "messages were recovered after a gap");
    }
}

fn message_of(heard: &Heard) -> Option<&HeardMessage> {
    match heard {
        Heard::Message(message) | Heard::Own(message) => Some(message),
        _ => None,
    }
}

/// Reads back page by page until `enough` is content with what there is, oldest first. Also answers whether nothing
/// further back was left unread that mattered.
async fn read(hub: &Hub, scope: &Scope, enough: impl Fn(&[Heard]) -> bool) -> Result<(Vec<Heard>, bool), CallError> {
    let mut all: Vec<Heard> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    for _ in 0..MOST_PAGES {
        let oldest = all.first().and_then(message_of);
        let (action, params) = question(hub, scope, oldest);
        let answer = hub.call(action, params, hub.config.timing.history, None).await?;
        if !answer.is_ok() {
            return Err(CallError::NotConnected(format!("读不到聊天记录：{}", explain(&answer))));
        }
        let mut page: Vec<Heard> = decode_page(hub, scope, &answer.data);
        page.retain(|heard| message_of(heard).is_some_and(|message| seen.insert(message.external_id())));
        if page.is_empty() {
            return Ok((all, true));
        }
        page.append(&mut all);
        // Peers disagree about the order within a page; seconds are all the time there is, and the sort is stable.
        page.sort_by_key(|heard| message_of(heard).and_then(|message| message.at));
        all = page;
        if enough(&all) {
            return Ok((all, true));
        }
    }
    Ok((all, false))
}

/// The messages of a page. Entries of a history may lack what every event has.
fn decode_page(hub: &Hub, scope: &Scope, data: &Value) -> Vec<Heard> {
    let account = account_of(hub);
    let items = data.get("messages").or(Some(data)).and_then(Value::as_array);
    let (kind, key, id) = match scope {
        Scope::Group(id) => ("group", "group_id", id),
        Scope::Private(id) => ("private", "target_id", id),
    };
    let complete = |item: &Value| {
        let mut item = item.as_object()?.clone();
        let sender = item.get("sender").and_then(|sender| sender.get("user_id")).cloned();
        item.entry("post_type").or_insert_with(|| "message".into());
        item.entry("self_id").or_insert_with(|| account.clone().into());
        item.entry("message_type").or_insert_with(|| kind.into());
        item.entry(key).or_insert_with(|| id.clone().into());
        if let Some(sender) = sender {
            item.entry("user_id").or_insert(sender);
        }
        decode_event(&Value::Object(item)).ok()
    };
    let mut page: Vec<Heard> = items.into_iter().flatten().filter_map(complete).collect();
    let at = |heard: Option<&Heard>| heard.and_then(message_of).and_then(|message| message.at);
    if at(page.first()) > at(page.last()) {
        page.reverse();
    }
    page
}

/// The call for the page before `oldest`, each dialect in its own way.
fn question(hub: &Hub, scope: &Scope, oldest: Option<&HeardMessage>) -> (&'static str, Value) {
    let dialect = lock(&hub.session).dialect();
    let (action, mut params) = match scope {
        Scope::Group(group) => ("get_group_msg_history", json!({ "group_id": id_json(group) })),
        Scope::Private(user) => ("get_friend_msg_history", json!({ "user_id": id_json(user) })),
    };
    if dialect != Dialect::GoCqHttp {
        params["count"] = PAGE.into();
    }
    if let Some(oldest) = oldest {
        let id = || id_json(&oldest.message_id);
        let sequence = || oldest.sequence.as_deref().map_or_else(id, id_json);
        match dialect {
            Dialect::GoCqHttp | Dialect::LlOneBot => params["message_seq"] = sequence(),
            Dialect::NapCat => {
                params["message_seq"] = Value::from(oldest.message_id.clone());
                params["reverse_order"] = true.into();
            }
            Dialect::Lagrange => params["message_id"] = id(),
            Dialect::Unknown => {
                params["message_seq"] = sequence();
                params["message_id"] = id();
            }
        }
    }
    (action, params)
}

/// Whether a doubtful message shows up as sent after `since`.
pub(super) async fn find(
    hub: &Arc<Hub>,
    message: &Outgoing,
    since: Timestamp,
    taken: &HashSet<String>,
) -> Result<Option<Receipt>, SendError> {
    let scope = Scope::parse(&message.conversation)
        .ok_or_else(|| SendError::Unreachable("会话编号不是 group:群号 或 user:QQ 号".to_owned()))?;
    let from = since.checked_sub(CLOCK_SKEW).unwrap_or(since);
    let texts: Vec<String> = pieces(&message.text).iter().map(|text| essence(text)).collect();
    {
        // After a restart only the desk still knows which of our messages are accounted for.
        let mut memory = lock(&hub.memory);
        for external_id in taken {
            memory.receipts.put(external_id.clone(), ());
        }
    }
    if matched(hub, message, &texts, from) {
        return Ok(Some(receipt(hub, &message.key)));
    }
    let reached = |page: &[Heard]| page.iter().filter_map(message_of).any(|m| m.at.is_some_and(|at| at < from));
    let (history, complete) = read(hub, &scope, reached).await.map_err(|error| match error {
        CallError::NotConnected(why) => SendError::Unreachable(why),
        CallError::Lost => SendError::Unreachable("对方没有回答聊天记录查询，稍后再查".to_owned()),
    })?;
    for heard in &history {
        if let Heard::Own(own) = heard
            && lock(&hub.memory).find_said(&message.conversation, &essence_of(own), from).is_none()
        {
            // Kept as if it had been reported live.
            own_message(hub, own);
        }
    }
    if matched(hub, message, &texts, from) {
        return Ok(Some(receipt(hub, &message.key)));
    }
    if !complete {
        return Err(SendError::Unreachable("聊天记录太多，没能查到发送的那一刻".to_owned()));
    }
    // The platform may be slow to show it: only after a while is its absence a proof.
    let doubt_at = lock(&hub.memory).progress.get(&message.key).and_then(|progress| progress.doubt_at);
    let waited = gap(doubt_at.unwrap_or(since), hub.now());
    match hub.config.timing.settle.saturating_sub(waited) {
        Duration::ZERO => Ok(None),
        retry_after => Err(SendError::Throttled { retry_after }),
    }
}

/// Ticks off the pieces that are known to be out; true where all are.
fn matched(hub: &Hub, message: &Outgoing, texts: &[String], from: Timestamp) -> bool {
    let begun = lock(&hub.memory).progress.get(&message.key).map_or(0, |progress| progress.sent.len());
    for (piece, text) in texts.iter().enumerate().skip(begun) {
        let found = lock(&hub.memory).find_said(&message.conversation, text, from);
        let Some(external_id) = found else { return false };
        let note = SendNote { conversation: message.conversation.clone(), key: message.key.clone(), piece };
        hub.delivered(&note, Some(super::codec::message_id_of(&external_id)));
    }
    true
}
