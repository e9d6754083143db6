//! The state of each conversation, on the shelf: read, changed and written back by one at a time, over all instances.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Now;
use super::planner::{Active, Talk};
use super::session::later;
use crate::{Entry, Shelf, ShelfError};

/// A conversation that was silent for longer is a new one.
const KEPT: Duration = Duration::from_hours(24 * 90);
/// How long a change may take before another instance goes on without it.
const LEASE: Duration = Duration::from_secs(15);
/// Between two tries for a lease that another instance holds, and how many there are.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES: u32 = 250;
/// Conversations that are remembered for `doctor`, and locks that are kept.
const KNOWN: usize = 200;

/// What there is to say about a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether everything said there is heard, and not mentions only; `None` while that did not show.
    pub full: Option<bool>,
    /// Whether the robot may speak first.
    pub active: Active,
    /// When something was heard last.
    pub last: Option<Timestamp>,
    /// Whether something waits for the next contact.
    pub waiting: bool,
    /// What went wrong last.
    pub error: Option<String>,
}

/// All conversations of one robot.
pub struct Talks {
    shelf: Arc<dyn Shelf>,
    now: Now,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    known: Mutex<BTreeMap<String, Known>>,
}

impl Talks {
    /// On this shelf.
    pub fn new(shelf: Arc<dyn Shelf>, now: Now) -> Self {
        Self { shelf, now, locks: Mutex::default(), known: Mutex::default() }
    }

    /// Changes a conversation; durable when it returns.
    ///
    /// # Errors
    /// Where the shelf cannot be reached; then nothing is changed.
    pub async fn change<T>(&self, conversation: &str, act: impl FnOnce(&mut Talk) -> T) -> Result<T, ShelfError> {
        let lock = {
            let mut locks = guard(&self.locks);
            if locks.len() > KNOWN {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            locks.entry(conversation.to_owned()).or_default().clone()
        };
        let _mine = lock.lock().await;
        let key = format!("talk:{conversation}");
        let mut tries = 0;
        while !self.shelf.hold(&key, later((self.now)(), LEASE)).await? {
            tries += 1;
            if tries == TRIES {
                return Err(ShelfError("另一个实例正在这个会话里发消息".to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let done = self.held(&key, conversation, act).await;
        self.shelf.release(&key).await?;
        done
    }

    async fn held<T>(&self, key: &str, conversation: &str, act: impl FnOnce(&mut Talk) -> T) -> Result<T, ShelfError> {
        let kept = self.shelf.get(key).await?;
        // What cannot be read is begun anew: the platform's own refusals stand behind ours.
        let mut talk: Talk = kept.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let before = talk.clone();
        let out = act(&mut talk);
        if talk != before {
            let value = serde_json::to_string(&talk).map_err(|error| ShelfError(error.to_string()))?;
            let until = later((self.now)(), KEPT);
            self.shelf.put(&[Entry { key: key.to_owned(), value, until }]).await?;
        }
        self.note(conversation, |known| {
            known.active = talk.active;
            known.waiting = talk.waiting;
            known.last = talk.anchors.last().map(|anchor| anchor.at).max(known.last);
        });
        Ok(out)
    }

    /// Notes something about a conversation, for `doctor`.
    pub fn note(&self, conversation: &str, act: impl FnOnce(&mut Known)) {
        let mut known = guard(&self.known);
        if known.len() >= KNOWN && !known.contains_key(conversation) {
            let oldest = known.iter().min_by_key(|(_, known)| known.last).map(|(name, _)| name.clone());
            known.remove(&oldest.unwrap_or_default());
        }
        act(known.entry(conversation.to_owned()).or_default());
    }

    /// What is known since the process began.
    pub fn known(&self) -> BTreeMap<String, Known> {
        guard(&self.known).clone()
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
