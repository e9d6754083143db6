//! What the application hears (wecom.md 4.8): opened, stored, and only then answered, empty, within the 5 seconds after which
//! WeCom posts again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::super::callback::{Callback, Form, Refused};
use super::super::codec::app_event::{self, AppWhat, CardPress, HeardApp};
use super::super::codec::card::STATE_KEY;
use super::super::codec::file_name::invented_name;
use super::super::codec::markdown::clean;
use super::sending::code_key;
use super::{App, lock};
use crate::media::sniff;
use crate::{Attachment, Event, Inbound, Inbox, InboxError, Press};

/// For names and files together: WeCom waits 5 s, and storing takes its share.
const LOOK_UP: Duration = Duration::from_millis(3500);

/// The part of it that a name may take.
const NAME: Duration = Duration::from_millis(1500);

#[derive(Clone)]
struct Door {
    app: Arc<App>,
    inbox: Arc<dyn Inbox>,
    channel: Arc<str>,
}

impl App {
    /// What the desk's HTTP server serves for it: the callback address, or nothing where there is none.
    pub fn routes(self: &Arc<Self>, inbox: Arc<dyn Inbox>, channel_id: &str) -> Option<Router> {
        let path = format!("/{}", self.config.callback.as_ref()?.path.trim_matches('/'));
        let door = Door { app: Arc::clone(self), inbox, channel: channel_id.into() };
        // The limit is ours: what is refused for it is counted.
        Some(Router::new().route(&path, get(verify).post(posted)).layer(DefaultBodyLimit::disable()).with_state(door))
    }
}

async fn verify(State(door): State<Door>, RawQuery(query): RawQuery) -> Response {
    match &door.app.callback {
        Some(callback) => callback.verify_url(&query.unwrap_or_default()).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn posted(State(door): State<Door>, RawQuery(query): RawQuery, body: Body) -> Response {
    let Some(callback) = &door.app.callback else { return StatusCode::NOT_FOUND.into_response() };
    match take(&door, callback, &query.unwrap_or_default(), body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn take(door: &Door, callback: &Callback, query: &str, body: Body) -> Result<(), Refused> {
    let bytes = callback.read(body).await?;
    let opened = callback.open(query, &bytes, Form::Xml).await?;
    let heard = app_event::read(&opened.message).map_err(|_| callback.malformed("xml"))?;
    if let Some(inbound) = door.app.inbound(heard, &door.inbox, &door.channel).await {
        match door.inbox.accept(&door.channel, Event::Message(Box::new(inbound))).await {
            Ok(()) => {}
            Err(InboxError::Unavailable(_)) => return Err(callback.unavailable()),
            // A repeat would be refused as well.
            Err(InboxError::Refused(why)) => tracing::warn!(why, "a message cannot be stored and is lost"),
        }
    }
    callback.accepted(&opened).await;
    Ok(())
}

impl App {
    /// The message as the desk gets it; `None` for what concerns nobody, after taking note of it.
    async fn inbound(&self, heard: HeardApp, inbox: &Arc<dyn Inbox>, channel: &str) -> Option<Inbound> {
        if heard.agent_id.is_some_and(|agent| agent != self.config.agent_id) {
            tracing::warn!(agent_id = heard.agent_id, "a callback of another application came to this address");
            return None;
        }
        self.take_note(&heard.what).await;
        let mut inbound = inbound_of(&heard, channel)?;
        let file = async {
            match media_of(&heard.what) {
                Some(media_id) => self.fetch(media_id, inbound.attachments.pop(), inbox).await,
                None => None,
            }
        };
        let name = async { tokio::time::timeout(NAME, self.name_of(&heard.from)).await.ok().flatten() };
        let (attachment, sender_name) = tokio::join!(file, name);
        inbound.attachments.extend(attachment);
        inbound.sender_name = sender_name.unwrap_or_default();
        if heard.created.is_none() {
            inbound.sent_at = (self.now)();
        }
        Some(inbound)
    }

    /// What has to be kept of it before the desk can answer.
    async fn take_note(&self, what: &AppWhat) {
        if let AppWhat::Card(press) = what {
            // Only by this code can the card be changed for everybody, once.
            let kept = vec![(code_key(&press.task_id), press.response_code.clone())];
            if !press.response_code.is_empty()
                && let Err(error) = self.keep(kept).await
            {
                tracing::warn!(%error, "the code for changing a pressed card could not be kept");
            }
        }
        if let AppWhat::Event { name, .. } = what {
            self.announced(name);
        }
    }

    /// Since 2025-11 WeCom warns about unused applications and stops them: an administrator must see it.
    fn announced(&self, event: &str) {
        let notice = match event {
            "reopen_inactive_agent" => None,
            "close_inactive_agent" => Some("企业微信已因长期不活跃停用本应用，请到管理后台“应用管理”中重新启用"),
            _ if event.starts_with("inactive_alert") || event.starts_with("low_active") => {
                Some("企业微信提示本应用长期不活跃，可能被停用，请到管理后台“应用管理”中确认继续使用")
            }
            _ => return,
        };
        *lock(&self.notice) = notice.map(str::to_owned);
    }

    /// Bytes kept under their hash, or the reason why not: in either case the message goes on.
    async fn fetch(&self, media_id: &str, about: Option<Attachment>, inbox: &Arc<dyn Inbox>) -> Option<Attachment> {
        let mut attachment = about?;
        let problem = match tokio::time::timeout(LOOK_UP, self.download(media_id)).await {
            Ok(Ok(download)) if attachment.kind == "image" && !sniff(&download.bytes).starts_with("image/") => {
                "下载到的内容不是图片，未保存，请重新发送".to_owned()
            }
            Ok(Ok(download)) => {
                let kind = sniff(&download.bytes);
                attachment.name = download.name.unwrap_or_else(|| match attachment.kind.as_str() {
                    "file" => attachment.name.clone(),
                    word => invented_name(word, kind),
                });
                kind.clone_into(&mut attachment.kind);
                attachment.size_bytes = Some(download.bytes.len() as u64);
                match inbox.keep(download.bytes).await {
                    Ok(hash) => {
                        attachment.stored = Some(hash);
                        return Some(attachment);
                    }
                    Err(_) => "附件未能保存，请重新发送".to_owned(),
                }
            }
            Ok(Err(error)) => format!("附件未能下载：{error}"),
            Err(_) => "附件下载超时，请重新发送".to_owned(),
        };
        attachment.problem = Some(problem);
        Some(attachment)
    }
}

/// The message as the desk gets it, with nothing looked up or fetched; `None` for what is none.
pub fn inbound_of(heard: &HeardApp, channel: &str) -> Option<Inbound> {
    let (text, press) = match &heard.what {
        AppWhat::Text(text) => (clean(text), None),
        AppWhat::Image { .. }
        | AppWhat::Voice { .. }
        | AppWhat::Video { .. }
        | AppWhat::File { .. }
        | AppWhat::Unknown(_) => (String::new(), None),
        AppWhat::Location { latitude, longitude, label, .. } => {
            (format!("[位置] {}（纬度 {latitude}，经度 {longitude}）", clean(label)), None)
        }
        AppWhat::Link { title, url } => (format!("[链接] {} {url}", clean(title)), None),
        // It only says how things stand: pressing it asks for nothing.
        AppWhat::Card(press) if press.key == STATE_KEY => return None,
        AppWhat::Card(press) => (String::new(), Some(pressed(press))),
        AppWhat::Contact { .. } | AppWhat::Kf { .. } | AppWhat::Event { .. } => return None,
    };
    let sent_at = heard.created.and_then(|second| Timestamp::from_second(second).ok());
    Some(Inbound {
        channel: channel.to_owned(),
        conversation: format!("user:{}", heard.from),
        sender: heard.from.clone(),
        sender_name: String::new(),
        external_id: heard.key.clone(),
        sent_at: sent_at.unwrap_or(Timestamp::UNIX_EPOCH),
        text,
        attachments: attachment_of(&heard.what).into_iter().collect(),
        quotes: None,
        quoted_text: None,
        addressed: true,
        mentions: Vec::new(),
        recovered: false,
        press,
        ..Inbound::default()
    })
}

fn media_of(what: &AppWhat) -> Option<&str> {
    match what {
        AppWhat::Image { media_id, .. }
        | AppWhat::Voice { media_id, .. }
        | AppWhat::Video { media_id }
        | AppWhat::File { media_id, .. } => Some(media_id),
        _ => None,
    }
}

fn attachment_of(what: &AppWhat) -> Option<Attachment> {
    let (name, kind) = match what {
        AppWhat::Image { .. } => ("图片", "image"),
        AppWhat::Voice { .. } => ("语音", "voice"),
        AppWhat::Video { .. } => ("视频", "video"),
        AppWhat::File { name, .. } => (if name.is_empty() { "文件" } else { name.as_str() }, "file"),
        AppWhat::Unknown(kind) => (kind.as_str(), kind.as_str()),
        _ => return None,
    };
    let unreadable = matches!(what, AppWhat::Unknown(_));
    Some(Attachment {
        name: name.to_owned(),
        kind: kind.to_owned(),
        url: String::new(),
        size_bytes: None,
        stored: None,
        problem: unreadable.then(|| "应用读不到这种消息，请改发文字或图片".to_owned()),
    })
}

/// Which action was meant: the one option that was chosen, else the key of the button.
fn pressed(press: &CardPress) -> Press {
    let mut chosen = press.selected.iter().flat_map(|(_, ids)| ids);
    let action = match (chosen.next(), chosen.next()) {
        (Some(only), None) => only,
        (Some(_) | None, _) => &press.key,
    };
    Press { on: press.task_id.clone(), action: action.clone() }
}
