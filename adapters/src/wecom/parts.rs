//! A message in several parts: how many of them the platform has taken, so that a second try goes on where the first
//! stopped instead of saying the beginning twice.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::codec::markdown::clean;
use crate::{Entry, Outgoing, SendError, Shelf};

/// Longer than the outbox tries.
const KEPT: Duration = Duration::from_hours(48);

/// The parts of one message that are through.
pub(super) struct Progress<'a> {
    shelf: &'a dyn Shelf,
    key: String,
    now: Timestamp,
    done: usize,
}

impl<'a> Progress<'a> {
    /// Looks up where a message stands; `way` keeps two ways of the same message apart.
    pub(super) async fn of(shelf: &'a dyn Shelf, way: &str, message: &str, now: Timestamp) -> Result<Self, SendError> {
        let key = format!("part:{way}:{}", short_hash(message));
        let kept = shelf.get(&key).await.map_err(unavailable)?;
        let done = kept.and_then(|done| done.parse().ok()).unwrap_or(0);
        Ok(Self { shelf, key, now, done })
    }

    /// Parts that need not be said again.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// One more is through. Where that cannot be written down, it may be said twice: better than not at all.
    pub(super) async fn one_more(&mut self) {
        self.done += 1;
        let until = self.now.saturating_add(KEPT).unwrap_or(Timestamp::MAX);
        let entry = Entry { key: self.key.clone(), value: self.done.to_string(), until };
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(%error, "how far a message in several parts has come could not be kept");
        }
    }
}

/// The shelf is down: nothing was sent, try later.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub(super) fn unavailable(error: crate::ShelfError) -> SendError {
    SendError::Unreachable(error.to_string())
}

/// Enough of a hash to tell keys apart, in 24 characters of `[0-9a-f]`.
pub(super) fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..12])
}

/// The whole message as plain text. Text of app and robot is not all plain: `<a …>` links and `<@…>` mentions, and neither
/// may come from what somebody wrote.
pub(super) fn plain_text(message: &Outgoing) -> String {
    let text = clean(message.text.trim());
    let title = clean(message.title.trim()).replace('\n', " ");
    let whole = if title.is_empty() || text.starts_with(&title) { text } else { format!("{title}\n{text}") };
    let mut out = String::with_capacity(whole.len());
    let mut rest = whole.chars().peekable();
    while let Some(c) = rest.next() {
        let acts = c == '<' && rest.peek().is_some_and(|next| matches!(next, '@' | 'a' | 'A' | '/'));
        out.push(if acts { '＜' } else { c });
    }
    out
}
