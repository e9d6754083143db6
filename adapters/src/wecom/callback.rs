//! The HTTP side of callbacks, shared by app and bot: verifying the address, opening what is posted, sealing replies
//! (wecom.md 2). Whoever serves it stores first and answers after.
//!
//! Refused: a wrong signature, what was signed more than two hours ago or ahead, and what was taken before. A delivery
//! counts as taken only once [`Callback::accepted`] is told so: where the store was down, the platform's repeat of the
//! same bytes must find open doors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Now;
use super::codec::crypto::{CallbackKeys, CryptoError};
use super::codec::envelope::{self, Query};
use crate::{Entry, Shelf};

pub use super::codec::envelope::Form;

/// Most bytes of a posted body (wecom.md 9, "1 MB is ample").
pub const MAX_BODY: usize = 1024 * 1024;

/// How far a signed timestamp may lie from our clock; the platform's nonces do not repeat within this time (2.2).
const WINDOW: Duration = Duration::from_hours(2);

/// How long what was taken is remembered: a timestamp may lie ahead of us by the window and stays good for it after.
const REMEMBERED: Duration = Duration::from_hours(5);

/// Longest decrypted `echostr`; real ones are about twenty digits.
const LONGEST_ECHO: usize = 256;

/// A callback that is genuine.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The decrypted XML or JSON.
    pub message: Vec<u8>,
    /// Nonce of the request; a bot's reply repeats it.
    pub nonce: String,
    /// Timestamp of the request, as received.
    pub timestamp: String,
    /// What this delivery is remembered by.
    seen: String,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("bytes", &self.message.len()).finish_non_exhaustive()
    }
}

/// Why a callback was refused. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another token, or not from WeCom at all.
    #[error("signature wrong")]
    BadSignature,
    /// Encrypted for another corp.
    #[error("meant for another receiver")]
    WrongReceiver,
    /// Signed more than two hours from now.
    #[error("timestamp too far from now")]
    Stale,
    /// Taken before.
    #[error("delivered before")]
    Repeated,
    /// Query, envelope or ciphertext cannot be read.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// More than [`MAX_BODY`].
    #[error("body too large")]
    TooLarge,
    /// What was seen could not be looked up; the platform should deliver again.
    #[error("not now")]
    Unavailable,
}

impl Refused {
    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadSignature | Self::WrongReceiver | Self::Stale | Self::Repeated => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What an administrator should look at, in Chinese.
    pub fn advice(self) -> &'static str {
        match self {
            Self::BadSignature => "签名不正确：请核对 Token 与管理后台填写的是否完全一致",
            Self::WrongReceiver => "消息属于另一个企业：请核对 corp_id（智能机器人回调应留空）",
            Self::Stale => "时间戳与本机相差超过两小时：请核对服务器时间",
            Self::Repeated => "重复投递，已忽略",
            Self::Malformed("padding" | "length") => "解不开消息：请核对 EncodingAESKey 与管理后台是否一致",
            Self::Malformed(_) => "请求格式不正确，不像企业微信发来的",
            Self::TooLarge => "请求过大，已拒绝",
            Self::Unavailable => "数据库暂时不可用，已请平台稍后重发",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}

/// How a saved form in the console fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// When the GET came.
    pub at: Timestamp,
    /// What was wrong, if anything.
    pub outcome: Result<(), Refused>,
}

/// Counted since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Genuine and stored.
    pub accepted: u64,
    /// Genuine, but taken before.
    pub repeated: u64,
    /// Wrong signature or receiver.
    pub bad_signature: u64,
    /// Signed too long ago or ahead.
    pub stale: u64,
    /// Malformed or too large.
    pub malformed: u64,
    /// Not taken because the store was down.
    pub unavailable: u64,
    /// The last GET of the console, for doctor.
    pub verified: Option<Verification>,
}

impl Counts {
    /// By name, as metrics want them.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("callback_accepted", self.accepted),
            ("callback_repeated", self.repeated),
            ("callback_forged", self.bad_signature),
            ("callback_stale", self.stale),
            ("callback_malformed", self.malformed),
            ("callback_unavailable", self.unavailable),
        ]
    }
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    repeated: AtomicU64,
    bad_signature: AtomicU64,
    stale: AtomicU64,
    malformed: AtomicU64,
    unavailable: AtomicU64,
}

/// One callback address.
pub struct Callback {
    keys: CallbackKeys,
    shelf: Arc<dyn Shelf>,
    now: Now,
    name: String,
    counters: Counters,
    verified: Mutex<Option<Verification>>,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A reply could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct SealError;

impl Callback {
    /// `name` keeps the addresses of one channel apart on the shelf and in the log (`app`, `bot`).
    pub fn new(keys: CallbackKeys, shelf: Arc<dyn Shelf>, now: Now, name: &str) -> Self {
        Self { keys, shelf, now, name: name.to_owned(), counters: Counters::default(), verified: Mutex::new(None) }
    }

    /// Answers the console's GET: the decrypted `echostr` as the whole body, within a second (2.4).
    pub async fn verify_url(&self, query: &str) -> Response {
        let outcome = self.echo(query).await;
        let result = outcome.as_ref().map(|_| ()).map_err(|&refused| refused);
        *self.verified.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Verification { at: (self.now)(), outcome: result });
        match outcome {
            Ok(echo) => ([(header::CONTENT_TYPE, "text/plain")], echo).into_response(),
            Err(refused) => self.refuse(refused).into_response(),
        }
    }

    async fn echo(&self, query: &str) -> Result<Vec<u8>, Refused> {
        let query = envelope::read_query(query).ok_or(Refused::Malformed("query"))?;
        let echo = query.echo.clone().filter(|echo| !echo.is_empty()).ok_or(Refused::Malformed("query"))?;
        self.check(&query, &echo)?;
        // A captured message with its signature could be sent here to have it decrypted: what was taken as a message is
        // no echo, and an echo is a short number.
        if self.shelf.get(&seen_key(&self.name, &query)).await.is_ok_and(|seen| seen.is_some()) {
            return Err(Refused::Repeated);
        }
        let message = self.decrypt(&echo)?;
        if message.len() > LONGEST_ECHO || message.iter().any(|byte| matches!(byte, b'<' | b'{')) {
            return Err(Refused::Malformed("echo"));
        }
        Ok(message)
    }

    /// Reads a body no further than [`MAX_BODY`].
    pub async fn read(&self, body: Body) -> Result<Bytes, Refused> {
        // A body that breaks off is as unreadable as one that is too long; only the second says so.
        axum::body::to_bytes(body, MAX_BODY).await.map_err(|error| {
            let too_long = std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("limit"));
            self.refuse(if too_long { Refused::TooLarge } else { Refused::Malformed("body") })
        })
    }

    /// Opens a POST. Counted where it is refused; [`Self::accepted`] counts the rest.
    pub async fn open(&self, query: &str, body: &[u8], form: Form) -> Result<Opened, Refused> {
        self.opened(query, body, form).await.map_err(|refused| self.refuse(refused))
    }

    async fn opened(&self, query: &str, body: &[u8], form: Form) -> Result<Opened, Refused> {
        if body.len() > MAX_BODY {
            return Err(Refused::TooLarge);
        }
        let query = envelope::read_query(query).ok_or(Refused::Malformed("query"))?;
        let sealed = envelope::ciphertext(body, form).ok_or(Refused::Malformed("envelope"))?;
        self.check(&query, &sealed)?;
        let seen = seen_key(&self.name, &query);
        let known = self.shelf.get(&seen).await.map_err(|_| Refused::Unavailable)?;
        if known.is_some() {
            return Err(Refused::Repeated);
        }
        let message = self.decrypt(&sealed)?;
        Ok(Opened { message, nonce: query.nonce, timestamp: query.timestamp, seen })
    }

    /// To be called once what was opened is stored: from now on the same delivery is refused.
    pub async fn accepted(&self, opened: &Opened) {
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let until = (self.now)().saturating_add(REMEMBERED).unwrap_or(Timestamp::MAX);
        let entry = Entry { key: opened.seen.clone(), value: String::new(), until };
        // Without it a replay is opened again; the inbox knows the message by its id.
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(callback = %self.name, %error, "a delivery that was stored could not be remembered");
        }
    }

    /// To be called where what was opened could not be stored: answer 503, and the same delivery is welcome again.
    pub fn unavailable(&self) -> Refused {
        self.refuse(Refused::Unavailable)
    }

    /// To be called where what was opened cannot be read: `part` says which part of it.
    pub fn malformed(&self, part: &'static str) -> Refused {
        self.refuse(Refused::Malformed(part))
    }

    /// The encrypted reply to a request with this nonce, as the HTTP body.
    pub fn seal(&self, reply: &[u8], nonce: &str, form: Form) -> Result<Vec<u8>, SealError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| SealError)?;
        let at = (self.now)().as_second();
        let sealed = self.keys.encrypt(reply, random);
        let signature = self.keys.signature(&at.to_string(), nonce, &sealed);
        Ok(envelope::reply(&sealed, &signature, at, nonce, form).into_bytes())
    }

    /// For metrics and doctor.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: read(&self.counters.accepted),
            repeated: read(&self.counters.repeated),
            bad_signature: read(&self.counters.bad_signature),
            stale: read(&self.counters.stale),
            malformed: read(&self.counters.malformed),
            unavailable: read(&self.counters.unavailable),
            verified: self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Signature first: of strangers nothing else is looked at. Then the age.
    fn check(&self, query: &Query, sealed: &str) -> Result<(), Refused> {
        if !self.keys.verify(&query.signature, &query.timestamp, &query.nonce, sealed) {
            return Err(Refused::BadSignature);
        }
        let signed = query.timestamp.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let signed = signed.ok_or(Refused::Malformed("timestamp"))?;
        let distance = signed.duration_since((self.now)()).unsigned_abs();
        if distance > WINDOW { Err(Refused::Stale) } else { Ok(()) }
    }

    fn decrypt(&self, sealed: &str) -> Result<Vec<u8>, Refused> {
        self.keys.decrypt(sealed).map_err(|error| match error {
            CryptoError::Receiver => Refused::WrongReceiver,
            CryptoError::Padding => Refused::Malformed("padding"),
            CryptoError::Length => Refused::Malformed("length"),
            CryptoError::Base64 | CryptoError::Blocks => Refused::Malformed("ciphertext"),
        })
    }

    fn refuse(&self, refused: Refused) -> Refused {
        let counter = match refused {
            Refused::BadSignature | Refused::WrongReceiver => &self.counters.bad_signature,
            Refused::Stale => &self.counters.stale,
            Refused::Repeated => &self.counters.repeated,
            Refused::Malformed(_) | Refused::TooLarge => &self.counters.malformed,
            Refused::Unavailable => &self.counters.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(callback = %self.name, reason = %refused, "a callback was refused");
        refused
    }
}

/// Of bounded length whatever a stranger puts into his nonce.
fn seen_key(name: &str, query: &Query) -> String {
    let mut hash = Sha256::new();
    for part in [&query.timestamp, &query.nonce, &query.signature.to_ascii_lowercase()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("seen:{name}:{}", hex::encode(hash.finalize()))
}
