//! The bot's callback mode: what the platform posts (wecom.md 5.6). Stored first, answered after; said later by the address
//! that came along, or by another surface.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::bot::updating;
use super::callback::{Callback, Form, Opened, Refused};
use super::codec::bot_body::{BotMessage, CardPress, HeardBot, read_body};
use super::intake::Intake;
use super::memory::PressWay;
use crate::{Event, InboxError};

/// Said where the platform asks how a stream goes on: we leave none open, so this one is not known any more.
const STREAM_OVER: &str = "已记录，处理进展会另行通知。";

struct Served {
    intake: Arc<Intake>,
    callback: Arc<Callback>,
}

/// What is served for the bot.
pub(super) fn routes(path: &str, intake: Arc<Intake>, callback: Arc<Callback>) -> Router {
    let served = Arc::new(Served { intake, callback });
    Router::new().route(path, get(verify).post(take)).with_state(served)
}

async fn verify(State(served): State<Arc<Served>>, RawQuery(query): RawQuery) -> Response {
    served.callback.verify_url(query.as_deref().unwrap_or_default()).await
}

async fn take(State(served): State<Arc<Served>>, RawQuery(query): RawQuery, body: Body) -> Response {
    let callback = &served.callback;
    let opened = async {
        let body = callback.read(body).await?;
        callback.open(query.as_deref().unwrap_or_default(), &body, Form::Json).await
    };
    let opened = match opened.await {
        Ok(opened) => opened,
        Err(refused) => return refused.into_response(),
    };
    // In a task of its own: where the platform hangs up, what it said is stored all the same.
    let work = tokio::spawn(async move { served.work(opened).await });
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Served {
    async fn work(&self, opened: Opened) -> Response {
        let bot = &self.intake.bot;
        let at = (bot.now)();
        let body: Option<Value> = serde_json::from_slice(&opened.message).ok();
        let told = body.as_ref().and_then(|body| read_body(body, bot.config.name.as_deref()).ok());
        // Genuine, yet nothing we could do anything with: refusing it would only bring it again.
        let Some(told) = told else {
            tracing::warn!("a callback of the bot was not understood");
            return self.done(&opened, None).await;
        };
        match told {
            HeardBot::Message(message) => self.message(&opened, *message, at).await,
            HeardBot::Press(press) => self.press(&opened, *press, at).await,
            HeardBot::EnterChat { .. } => {
                let welcome = self.intake.welcome();
                self.done(&opened, Some(welcome)).await
            }
            HeardBot::StreamPoll { stream } => {
                let over = json!({ "id": stream, "finish": true, "content": STREAM_OVER });
                self.done(&opened, Some(json!({ "msgtype": "stream", "stream": over }))).await
            }
            HeardBot::Disconnected | HeardBot::Ignored(_) => self.done(&opened, None).await,
        }
    }

    async fn message(&self, opened: &Opened, message: BotMessage, at: Timestamp) -> Response {
        let bot = &self.intake.bot;
        // Before it is stored: the desk may answer within the same moment.
        if let Some(url) = &message.response_url {
            bot.keep_address(&message.msgid, &message.conversation, url).await;
        }
        let event = self.intake.inbound(message, at).await;
        match self.store(event).await {
            Ok(()) => self.done(opened, None).await,
            Err(refused) => refused.into_response(),
        }
    }

    async fn press(&self, opened: &Opened, press: CardPress, at: Timestamp) -> Response {
        let bot = &self.intake.bot;
        if let Some(url) = &press.response_url {
            bot.keep_address(&press.msgid, &press.conversation, url).await;
        }
        let (answer, changed) = oneshot::channel();
        let task = press.task.clone();
        // From here on, storing included: the platform waits five seconds in all.
        let limit = tokio::time::sleep(bot.config.timing.card);
        let before = bot.kept_card(&task).await;
        bot.note_press(&task).await;
        if let Some(event) = self.intake.press(press, at, PressWay::Request(answer)).await
            && let Err(refused) = self.store(event).await
        {
            return refused.into_response();
        }
        let changed = tokio::select! {
            changed = changed => changed.ok(),
            card = bot.changed_elsewhere(&task, before) => Some(updating(&card)),
            () = limit => None,
        };
        self.done(opened, changed).await
    }

    /// An event that can never be stored is as good as taken: delivering it again changes nothing.
    async fn store(&self, event: Event) -> Result<(), Refused> {
        match self.intake.inbox.accept(&self.intake.channel, event).await {
            Ok(()) => Ok(()),
            Err(InboxError::Unavailable(_)) => Err(self.callback.unavailable()),
            Err(error @ InboxError::Refused(_)) => {
                tracing::error!(%error, "what the bot heard cannot be stored");
                Ok(())
            }
        }
    }

    /// Answers what was taken: sealed where there is something to say, else nothing at all.
    async fn done(&self, opened: &Opened, reply: Option<Value>) -> Response {
        self.callback.accepted(opened).await;
        let Some(reply) = reply else { return StatusCode::OK.into_response() };
        match self.callback.seal(reply.to_string().as_bytes(), &opened.nonce, Form::Json) {
            Ok(sealed) => ([(header::CONTENT_TYPE, "application/json")], sealed).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer of the bot could not be sealed");
                StatusCode::OK.into_response()
            }
        }
    }
}
