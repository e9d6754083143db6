//! What the channel keeps in mind for a while: who wrote what, what we said, what has already been handed in.
//!
//! All of it may be lost at a restart without harm: the desk's own unique ids hold then.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;

use super::codec::{HeardMessage, words_of_segments};
use super::throttle::gap;

/// A map that forgets its oldest entries.
#[derive(Debug)]
pub struct Recent<K, V> {
    most: usize,
    order: VecDeque<K>,
    entries: HashMap<K, V>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// Keeps at most `most` entries.
    pub fn new(most: usize) -> Self {
        Self { most, order: VecDeque::new(), entries: HashMap::new() }
    }

    /// Adds or replaces an entry.
    pub fn put(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Looks an entry up.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key)
    }
}

/// A message of ours that was seen in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub conversation: String,
    /// Composed id.
    pub external_id: String,
    /// What people wrote or we did, squeezed by [`essence`].
    pub essence: String,
    /// When it was said.
    pub at: Timestamp,
}

/// How far a message of several pieces has come.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Composed ids of the pieces that went out, in order; `None` where the platform told none.
    pub sent: Vec<Option<String>>,
    /// When the last try ended in doubt.
    pub doubt_at: Option<Timestamp>,
}

/// The notice and the message of one upload come within this time of each other.
const UPLOAD_WINDOW: Duration = Duration::from_secs(10);

/// How many of our own messages are kept for comparison.
const SAID_KEPT: usize = 512;

/// One half of an upload: conversation, sender, name, size; and whether it was the notice.
type UploadHalf = (String, bool, Timestamp);

/// Everything that is kept in mind.
#[derive(Debug)]
pub struct Memory {
    /// External ids that came in live and are on their way to the desk, or there.
    pub arrived: Recent<String, ()>,
    /// External ids that the desk has taken.
    pub taken: Recent<String, ()>,
    /// Writers by composed id, our own account included.
    pub authors: Recent<String, String>,
    /// Our further pieces by composed id, each with the id the desk knows the message by.
    pub aliases: Recent<String, String>,
    /// Names by `conversation/account`.
    pub names: Recent<String, String>,
    /// For temporary sessions: the group through which a person can be answered.
    pub through: Recent<String, String>,
    /// Unfinished or doubtful messages by key.
    pub progress: Recent<String, Progress>,
    /// Ids told in answers to our sends.
    pub receipts: Recent<String, ()>,
    said: VecDeque<Said>,
    uploads: VecDeque<UploadHalf>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            arrived: Recent::new(4096),
            taken: Recent::new(4096),
            authors: Recent::new(8192),
            aliases: Recent::new(2048),
            names: Recent::new(4096),
            through: Recent::new(1024),
            progress: Recent::new(512),
            receipts: Recent::new(4096),
            said: VecDeque::new(),
            uploads: VecDeque::new(),
        }
    }
}

impl Memory {
    /// Remembers who wrote a message, by what name, and how to answer.
    pub fn met(&mut self, message: &HeardMessage) {
        let conversation = message.scope.conversation();
        self.authors.put(message.external_id(), message.sender.clone());
        if !message.sender_name.is_empty() {
            self.names.put(format!("{conversation}/{}", message.sender), message.sender_name.clone());
        }
        if let Some(group) = &message.through_group {
            self.through.put(message.sender.clone(), group.clone());
        }
    }

    /// Remembers a message of ours that was seen.
    pub fn saw_own(&mut self, said: Said, account: &str) {
        self.authors.put(said.external_id.clone(), account.to_owned());
        if self.said.iter().any(|known| known.external_id == said.external_id) {
            return;
        }
        if self.said.len() == SAID_KEPT {
            self.said.pop_front();
        }
        self.said.push_back(said);
    }

    /// A message of ours with this content seen after `since` and not yet known as another's receipt.
    pub fn find_said(&self, conversation: &str, essence: &str, since: Timestamp) -> Option<String> {
        let fits = |said: &&Said| {
            said.conversation == conversation
                && said.essence == essence
                && said.at >= since
                && self.receipts.get(&said.external_id).is_none()
        };
        self.said.iter().find(fits).map(|said| said.external_id.clone())
    }

    /// Notes one half of an upload. True where the other half came before: then this one is not to be attached.
    pub fn second_half(&mut self, upload: String, notice: bool, now: Timestamp) -> bool {
        self.uploads.retain(|(_, _, at)| gap(*at, now) <= UPLOAD_WINDOW);
        let other = self.uploads.iter().position(|(known, was_notice, _)| *known == upload && *was_notice != notice);
        if let Some(at) = other {
            self.uploads.remove(at);
            return true;
        }
        self.uploads.push_back((upload, notice, now));
        false
    }
}

/// What a message says, without anything that platforms change on the way: white space, and the mentions in front.
pub fn essence(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The essence of reported segments.
pub fn essence_of(message: &HeardMessage) -> String {
    essence(&words_of(message))
}

/// The text segments alone, as we wrote them.
pub fn words_of(message: &HeardMessage) -> String {
    words_of_segments(&message.segments)
}
