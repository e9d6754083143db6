//! The callback address: who calls is proved by a signature over the raw body, what was taken is not taken again, and
//! nothing that is signed here can pass as an event (qq-official.md 3.1).

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::codec::event::{self, Frame};
use super::codec::sign::{Keys, may_sign};
use super::intake::Intake;
use super::session::later;
use crate::{Entry, InboxError};

/// Most bytes of a body.
const MAX_BODY: usize = 1024 * 1024;
/// How long it is remembered what was taken: longer than a signed timestamp is good, and than the platform repeats.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Events in work at the same time; of more the platform is asked to deliver again.
const AT_ONCE: usize = 256;

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Forged,
    Stale,
    Malformed,
    TooLarge,
}

impl Refused {
    fn status(self) -> StatusCode {
        match self {
            Self::Forged | Self::Stale => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

/// What a call is about.
#[derive(Debug)]
enum Told {
    Event(Frame),
    Beat(Value),
    Validation(Value),
}

pub(super) struct Webhook {
    intake: Intake,
    keys: Keys,
    under_way: Mutex<HashSet<String>>,
}

/// Serves the callback address of a robot.
pub(super) fn routes(path: &str, intake: Intake, keys: Keys) -> Router {
    let webhook = Arc::new(Webhook { intake, keys, under_way: Mutex::default() });
    Router::new().route(path, post(called)).with_state(webhook)
}

async fn called(State(webhook): State<Arc<Webhook>>, headers: HeaderMap, body: Body) -> Response {
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) => {
            let long = std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("limit"));
            return webhook.refuse(if long { Refused::TooLarge } else { Refused::Malformed });
        }
    };
    match webhook.open(&headers, &body) {
        Ok(Told::Event(frame)) => reply(&json!({ "op": 12, "d": i32::from(!webhook.take(frame).await) })),
        Ok(Told::Beat(number)) => reply(&json!({ "op": 11, "d": number })),
        Ok(Told::Validation(answer)) => reply(&answer),
        Err(refused) => webhook.refuse(refused),
    }
}

fn reply(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl Webhook {
    fn refuse(&self, refused: Refused) -> Response {
        let counters = &self.intake.robot.counters;
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match refused {
            Refused::Forged => count(&counters.forged),
            Refused::Stale => count(&counters.stale),
            Refused::Malformed | Refused::TooLarge => count(&counters.malformed),
        }
        tracing::warn!(reason = ?refused, "a callback was refused");
        refused.status().into_response()
    }

    /// Who calls comes first: of strangers nothing else is looked at, but for a validation that is no danger.
    fn open(&self, headers: &HeaderMap, body: &Bytes) -> Result<Told, Refused> {
        let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let (signature, signed_at) = (value("X-Signature-Ed25519"), value("X-Signature-Timestamp"));
        let signed = signature.is_some() || signed_at.is_some();
        if signed {
            let (signature, signed_at) = (signature.unwrap_or_default(), signed_at.unwrap_or_default());
            if !self.keys.verify(signature, signed_at, body) {
                return Err(Refused::Forged);
            }
            self.fresh(signed_at)?;
        }
        if value("X-Bot-Appid").is_some_and(|id| id != self.intake.robot.config.app_id) {
            return Err(Refused::Forged);
        }
        let frame = match event::frame(body) {
            Some(frame) => frame,
            None if signed => return Err(Refused::Malformed),
            None => return Err(Refused::Forged),
        };
        match frame.op {
            13 => {
                let text = |key: &str| frame.data[key].as_str().unwrap_or_default();
                let (at, token) = (text("event_ts"), text("plain_token"));
                // Signed or not, nothing that reads like an event is signed.
                if !may_sign(at, token) {
                    return Err(Refused::Malformed);
                }
                Ok(Told::Validation(json!({ "plain_token": token, "signature": self.keys.sign(at, token) })))
            }
            _ if !signed => Err(Refused::Forged),
            0 => Ok(Told::Event(frame)),
            1 => Ok(Told::Beat(frame.data)),
            _ => Err(Refused::Malformed),
        }
    }

    fn fresh(&self, signed_at: &str) -> Result<(), Refused> {
        let robot = &self.intake.robot;
        // Seconds, or milliseconds where they have 13 digits.
        let number: i64 = signed_at.parse().map_err(|_| Refused::Malformed)?;
        let at =
            if signed_at.len() >= 13 { Timestamp::from_millisecond(number) } else { Timestamp::from_second(number) };
        let at = at.map_err(|_| Refused::Malformed)?;
        let distance = at.duration_since((robot.now)()).unsigned_abs();
        if distance > robot.config.replay { Err(Refused::Stale) } else { Ok(()) }
    }

    /// Whether the event is stored; where not, the platform is to deliver it again.
    async fn take(self: &Arc<Self>, frame: Frame) -> bool {
        let robot = &self.intake.robot;
        let key = seen_key(&frame);
        match robot.shelf.get(&key).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                robot.counters.repeated.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Err(_) => return false,
        }
        {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // A repeat of what is in work, or too much of it.
            if under_way.len() >= AT_ONCE || !under_way.insert(key.clone()) {
                return false;
            }
        }
        let busy = Busy { webhook: self.clone(), key };
        // The platform may hang up over a large picture: the work goes on, and its repeat finds it done.
        let work = tokio::spawn(async move {
            let heard = event::read(&frame);
            let stored = busy.webhook.intake.hear(&frame, heard).await;
            busy.webhook.settle(&busy.key, stored).await
        });
        tokio::time::timeout(self.intake.robot.config.timing.callback, work)
            .await
            .is_ok_and(|done| done.unwrap_or(false))
    }

    async fn settle(&self, key: &str, stored: Result<(), InboxError>) -> bool {
        let robot = &self.intake.robot;
        match stored {
            Ok(()) => {}
            // Delivered again it would be refused again.
            Err(InboxError::Refused(why)) => tracing::error!(why, "an event cannot be stored"),
            Err(InboxError::Unavailable(why)) => {
                tracing::warn!(why, "an event was not stored; the platform is asked to deliver it again");
                return false;
            }
        }
        robot.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { key: key.to_owned(), value: String::new(), until: later((robot.now)(), REMEMBERED) };
        // Without it a repeat is opened again; the inbox knows the message by its id.
        if let Err(error) = robot.shelf.put(&[entry]).await {
            tracing::warn!(%error, "an event that was stored could not be remembered");
        }
        true
    }
}

/// An event in work; dropping it ends that, however it came to be dropped.
struct Busy {
    webhook: Arc<Webhook>,
    key: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.webhook.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Of bounded length whatever stands in the envelope; an event without an id is known by its content.
fn seen_key(frame: &Frame) -> String {
    let mut hash = Sha256::new();
    if frame.id.is_empty() {
        hash.update(frame.kind.as_bytes());
        hash.update(frame.data.to_string().as_bytes());
    } else {
        hash.update(frame.id.as_bytes());
    }
    format!("seen:{}", &hex::encode(hash.finalize())[..40])
}
