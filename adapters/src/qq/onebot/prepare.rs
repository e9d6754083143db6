//! From something heard to something the desk can store: quotations looked up, names found, files fetched.
//!
//! Every step may fail without losing the message.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::codec::{
    HeardMessage, Piece, Scope, Segment, Upload, Viewpoint, cached_names, compose_id, id_json, id_of, message_id_of,
    render,
};
use super::hub::{Hub, lock};
use super::intake::Job;
use super::throttle::later;
use super::{Listen, account_of};
use crate::media::{Fetched, MediaError};
use crate::{Attachment, Event, Inbound, Inbox};

/// Where the platform names no end of a mute: asked again by then.
const OPEN_MUTE: Duration = Duration::from_hours(24);

/// Most names asked for one message.
const MOST_NAMES: usize = 5;

/// Makes an event out of a job; `None` where there is nothing to tell.
pub(super) async fn event(hub: &Arc<Hub>, inbox: &Arc<dyn Inbox>, job: Job) -> Option<Event> {
    match job {
        Job::Plain(event) => Some(event),
        Job::Message { heard, recovered, attached } => message(hub, inbox, *heard, recovered, &attached).await,
        Job::Upload(upload) => uploaded(hub, inbox, *upload).await,
        Job::WholeMute { conversation } => whole_mute(hub, conversation).await,
    }
}

/// The event for a mute of this length.
pub(super) fn muted(conversation: String, seconds: Option<u64>, now: Timestamp) -> Event {
    let until = later(now, seconds.map_or(OPEN_MUTE, Duration::from_secs));
    Event::Muted { conversation, until: Some(until) }
}

/// Owners and administrators may go on speaking while the group is muted.
async fn whole_mute(hub: &Hub, conversation: String) -> Option<Event> {
    let group = conversation.strip_prefix("group:").unwrap_or_default();
    let params = json!({ "group_id": id_json(group), "user_id": id_json(&account_of(hub)), "no_cache": true });
    let role = ask(hub, "get_group_member_info", params).await;
    if role.as_ref().and_then(|data| data.get("role")?.as_str()).is_some_and(|role| role != "member") {
        lock(&hub.session).unmute(&conversation);
        return None;
    }
    Some(muted(conversation, None, hub.now()))
}

/// A short question whose answer would help but is not needed.
async fn ask(hub: &Hub, action: &str, params: Value) -> Option<Value> {
    let answer = hub.call(action, params, hub.config.timing.greeting, None).await.ok()?;
    answer.is_ok().then_some(answer.data)
}

async fn message(
    hub: &Arc<Hub>,
    inbox: &Arc<dyn Inbox>,
    mut heard: HeardMessage,
    recovered: bool,
    attached: &[String],
) -> Option<Event> {
    let external_id = heard.external_id();
    if lock(&hub.memory).taken.get(&external_id).is_some() {
        return None;
    }
    expand_forwards(hub, &mut heard).await;
    let view = Viewpoint { quoted_author: quoted_author(hub, &heard).await, names: names(hub, &heard).await };
    let mut read = render(&heard, &view);
    let conversation = heard.scope.conversation();
    let in_group = matches!(heard.scope, Scope::Group(_));
    if in_group && !read.addressed && hub.config.listen == Listen::Mentions {
        return None;
    }
    read.attachments.retain(|piece| !attached.contains(&piece.attachment.name));
    if read.text.is_empty() && read.attachments.is_empty() && (!read.addressed || !attached.is_empty()) {
        return None;
    }
    let attachments = fetch_all(hub, inbox, &heard.scope, read.attachments).await;
    let quotes = read.quotes.map(|quoted| lock(&hub.memory).aliases.get(&quoted).cloned().unwrap_or(quoted));
    Some(Event::Message(Box::new(Inbound {
        channel: hub.config.id.clone(),
        conversation,
        sender: heard.sender,
        sender_name: heard.sender_name,
        external_id,
        sent_at: heard.at.unwrap_or_else(|| hub.now()),
        text: read.text,
        attachments,
        quotes,
        quoted_text: None,
        addressed: read.addressed,
        mentions: read.mentions,
        recovered,
        ..Inbound::default()
    })))
}

async fn uploaded(hub: &Arc<Hub>, inbox: &Arc<dyn Inbox>, upload: Upload) -> Option<Event> {
    let in_group = matches!(upload.scope, Scope::Group(_));
    if in_group && hub.config.listen == Listen::Mentions {
        return None;
    }
    let conversation = upload.scope.conversation();
    let piece = Piece {
        attachment: Attachment {
            name: upload.name.clone(),
            kind: "file".to_owned(),
            url: upload.url,
            size_bytes: upload.size_bytes,
            stored: None,
            problem: None,
        },
        file_id: Some(upload.file_id.clone()),
        busid: upload.busid,
        file: upload.name,
        inline: None,
    };
    let attachments = fetch_all(hub, inbox, &upload.scope, vec![piece]).await;
    let sender_name = lock(&hub.memory).names.get(&format!("{conversation}/{}", upload.sender)).cloned();
    Some(Event::Message(Box::new(Inbound {
        channel: hub.config.id.clone(),
        external_id: compose_id(&upload.account, &conversation, &format!("upload/{}", upload.file_id)),
        conversation,
        sender: upload.sender,
        sender_name: sender_name.unwrap_or_default(),
        sent_at: upload.at.unwrap_or_else(|| hub.now()),
        text: String::new(),
        attachments,
        quotes: None,
        quoted_text: None,
        addressed: !in_group,
        mentions: Vec::new(),
        recovered: false,
        ..Inbound::default()
    })))
}

/// Files in a message: the key of the upload, and the name under which it is attached.
pub(super) fn uploads_in(heard: &HeardMessage) -> Vec<(String, String)> {
    let read = render(heard, &Viewpoint::default());
    let files = read.attachments.into_iter().filter(|piece| piece.attachment.kind == "file");
    let conversation = heard.scope.conversation();
    files
        .map(|piece| {
            let Attachment { name, size_bytes, .. } = piece.attachment;
            (key_of(&conversation, &heard.sender, &name, size_bytes), name)
        })
        .collect()
}

/// The same key for the notice.
pub(super) fn upload_key(upload: &Upload) -> String {
    key_of(&upload.scope.conversation(), &upload.sender, &upload.name, upload.size_bytes)
}

fn key_of(conversation: &str, sender: &str, name: &str, size: Option<u64>) -> String {
    format!("{conversation}/{sender}/{}/{name}", size.unwrap_or(0))
}

async fn expand_forwards(hub: &Hub, heard: &mut HeardMessage) {
    let bare = |s: &&mut Segment| s.kind == "forward" && s.data.get("content").is_none_or(Value::is_null);
    for segment in heard.segments.iter_mut().filter(bare) {
        let Some(id) = segment.data.get("id").and_then(id_of) else { continue };
        let Some(data) = ask(hub, "get_forward_msg", json!({ "id": id, "message_id": id })).await else { continue };
        if let Some(items) = data.get("messages").or_else(|| data.get("message")) {
            segment.data.insert("content".to_owned(), items.clone());
        }
    }
}

/// Who wrote the quoted message: from memory, else by asking. It decides whether we are meant.
async fn quoted_author(hub: &Hub, heard: &HeardMessage) -> Option<String> {
    let quoted = heard.quoted()?;
    let external_id = compose_id(&heard.account, &heard.scope.conversation(), &quoted);
    if let Some(author) = lock(&hub.memory).authors.get(&external_id) {
        return Some(author.clone());
    }
    let data = ask(hub, "get_msg", json!({ "message_id": id_json(message_id_of(&external_id)) })).await?;
    let author = data.pointer("/sender/user_id").or_else(|| data.get("user_id")).and_then(id_of)?;
    lock(&hub.memory).authors.put(external_id, author.clone());
    Some(author)
}

/// Names of the mentioned accounts, where the message tells none.
async fn names(hub: &Hub, heard: &HeardMessage) -> std::collections::HashMap<String, String> {
    let Scope::Group(group) = &heard.scope else { return std::collections::HashMap::new() };
    let mut found = std::collections::HashMap::new();
    for account in cached_names(heard).into_iter().take(MOST_NAMES) {
        let key = format!("group:{group}/{account}");
        let known = lock(&hub.memory).names.get(&key).cloned();
        let name = if let Some(name) = known {
            name
        } else {
            let params = json!({ "group_id": id_json(group), "user_id": id_json(&account), "no_cache": false });
            let data = ask(hub, "get_group_member_info", params).await.unwrap_or(Value::Null);
            let word = |key: &str| data.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
            let name = [word("card"), word("nickname")].into_iter().find(|name| !name.is_empty());
            // An empty name is remembered too: asking again would not help.
            let name = super::codec::clean(name.unwrap_or_default()).replace('\n', " ");
            lock(&hub.memory).names.put(key, name.clone());
            name
        };
        if !name.is_empty() {
            found.insert(account, name);
        }
    }
    found
}

async fn fetch_all(hub: &Hub, inbox: &Arc<dyn Inbox>, scope: &Scope, pieces: Vec<Piece>) -> Vec<Attachment> {
    let work = pieces.into_iter().map(|piece| async move {
        let fetched = async {
            // Never closed, so a permit always comes.
            let _permit = hub.intake.fetches.acquire().await;
            bytes_of(hub, scope, &piece).await
        };
        // A message waits this long for its files, however many there are.
        let limit = hub.config.media.time_limit * 2;
        let bytes = tokio::time::timeout(limit, fetched).await.unwrap_or(Err(MediaError::TooSlow));
        let mut attachment = piece.attachment;
        match bytes {
            Ok(fetched) => {
                attachment.size_bytes = Some(fetched.bytes.len() as u64);
                fetched.kind.clone_into(&mut attachment.kind);
                match inbox.keep(fetched.bytes).await {
                    Ok(hash) => attachment.stored = Some(hash),
                    Err(_) => attachment.problem = Some("附件已下载，但本机保存失败，请管理员检查磁盘空间".to_owned()),
                }
            }
            Err(error) => {
                tracing::warn!(channel.id = %hub.config.id, %error, "an attachment was not fetched");
                attachment.problem = Some(error.to_string());
            }
        }
        attachment
    });
    futures_util::future::join_all(work).await
}

async fn bytes_of(hub: &Hub, scope: &Scope, piece: &Piece) -> Result<Fetched, MediaError> {
    let fetcher = hub.fetcher.as_ref().map_err(|_| MediaError::Unreachable)?;
    let picture = piece.attachment.kind == "image";
    if let Some(inline) = &piece.inline {
        return decode(inline).and_then(|bytes| fetcher.check(bytes, picture));
    }
    let mut failed = MediaError::BadAddress;
    if !piece.attachment.url.is_empty() {
        match fetcher.fetch(&piece.attachment.url, picture).await {
            Ok(done) => return Ok(done),
            Err(error @ (MediaError::Private | MediaError::TooLarge(_))) => return Err(error),
            Err(error) => failed = error,
        }
    }
    // No address, or one that has died: links of pictures live for an hour or two, the platform may give a fresh one.
    let Some((action, params)) = question(scope, piece) else { return Err(failed) };
    let Some(data) = ask(hub, action, params).await else { return Err(failed) };
    if let Some(inline) = data.get("base64").and_then(Value::as_str).filter(|inline| !inline.is_empty()) {
        return decode(inline).and_then(|bytes| fetcher.check(bytes, picture));
    }
    let url = data.get("url").and_then(Value::as_str).filter(|url| url.starts_with("http")).ok_or(failed)?;
    fetcher.fetch(url, picture).await
}

fn decode(inline: &str) -> Result<Vec<u8>, MediaError> {
    BASE64.decode(inline.trim()).map_err(|_| MediaError::WrongContent)
}

/// Which action tells where the bytes are.
fn question(scope: &Scope, piece: &Piece) -> Option<(&'static str, Value)> {
    match (piece.attachment.kind.as_str(), &piece.file_id, scope) {
        ("image", _, _) if !piece.file.is_empty() => Some(("get_image", json!({ "file": piece.file }))),
        ("file", Some(file_id), Scope::Group(group)) => {
            let mut params = json!({ "group_id": id_json(group), "file_id": file_id });
            if let Some(busid) = piece.busid {
                params["busid"] = Value::from(busid);
            }
            Some(("get_group_file_url", params))
        }
        ("file", Some(file_id), Scope::Private(user)) => {
            Some(("get_private_file_url", json!({ "user_id": id_json(user), "file_id": file_id })))
        }
        (_, Some(file_id), _) => Some(("get_file", json!({ "file_id": file_id }))),
        (_, None, _) if !piece.file.is_empty() => Some(("get_file", json!({ "file": piece.file }))),
        _ => None,
    }
}
