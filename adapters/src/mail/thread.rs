//! Threads: what of a mail must be known to answer it so that every program shows it in its place (7).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::Now;
use super::ids::{Ids, short};
use super::read::{Address, Mail};
use crate::{Entry, Shelf, ShelfError};

/// How long a mail that came, and what a thread is like, is remembered.
const KEPT: Duration = Duration::from_hours(24 * 180);
/// How long a mail that went out is remembered: bounces and answers come sooner.
const SENT_KEPT: Duration = Duration::from_hours(24 * 90);
/// How long an address whose copies came back gets none.
const GONE: Duration = Duration::from_hours(24 * 30);
/// As good as for ever.
const EVER: Duration = Duration::from_hours(24 * 365 * 20);

/// Ids in References at most (7): the first and the last ones.
const REFERENCES: usize = 20;
/// Longest Message-ID that is kept; a longer one breaks the lines of a header.
const LONGEST_ID: usize = 250;
/// People kept in copy at most.
const COPIES: usize = 10;

/// How to go on in a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// Subject without prefixes and tags.
    pub subject: String,
    /// Message-ID of the newest mail in it.
    pub last: String,
    /// Message-IDs before that one, oldest first.
    pub before: Vec<String>,
    /// Whose thread it is: the address that wrote last.
    pub with: String,
    /// People in copy.
    pub cc: Vec<String>,
    /// Whether the mail was written by a machine: it is not answered by one.
    pub automatic: bool,
}

impl Thread {
    /// The thread as it stands with this mail.
    pub fn of(mail: &Mail, own: &str) -> Self {
        let mut before = mail.references.clone();
        if before.is_empty() {
            before.clone_from(&mail.in_reply_to);
        }
        let usable = |id: &String| id.len() <= LONGEST_ID && id.is_ascii() && !id.contains(char::is_whitespace);
        before.retain(usable);
        let with = mail.from.as_ref().map(|from| from.address.clone()).unwrap_or_default();
        let mut cc: Vec<String> = Vec::new();
        for Address { address, .. } in &mail.cc {
            let usable = super::config::is_address(address) && !is_machine(address);
            if usable && address != own && *address != with && !cc.contains(address) && cc.len() < COPIES {
                cc.push(address.clone());
            }
        }
        Self {
            subject: super::subject::base(&mail.subject),
            last: mail.message_id.clone().filter(usable).unwrap_or_default(),
            before: shortened(before),
            with,
            cc,
            automatic: mail.auto.is_some(),
        }
    }

    /// References of the next mail in it: everything so far, `own` left out (the same mail may be sent again).
    pub fn references(&self, own: &str) -> Vec<String> {
        let all = self.before.iter().chain(Some(&self.last)).filter(|id| !id.is_empty() && *id != own);
        shortened(all.cloned().collect())
    }

    /// The thread with one more mail of ours in it.
    pub fn with_ours(mut self, id: &str) -> Self {
        self.before = self.references(id);
        id.clone_into(&mut self.last);
        self
    }
}

/// The first and the last ones of too many.
fn shortened(mut ids: Vec<String>) -> Vec<String> {
    let mut known = std::collections::HashSet::new();
    ids.retain(|id| known.insert(id.clone()));
    if ids.len() > REFERENCES {
        ids.drain(1..=ids.len() - REFERENCES);
    }
    ids
}

/// Whether nobody reads what is sent to this address (9).
pub(super) fn is_machine(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default().to_lowercase();
    let plain: String = local.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    ["mailerdaemon", "postmaster", "noreply", "donotreply", "bounce", "notification"]
        .iter()
        .any(|word| plain.starts_with(word))
}

/// What the channel remembers of mails, on its shelf.
pub(super) struct Threads {
    shelf: Arc<dyn Shelf>,
    now: Now,
    own: String,
    ids: OnceCell<Ids>,
}

/// A mail of ours that somebody answers or a server returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Where it went, as in [`crate::Outgoing::conversation`].
    pub conversation: String,
    /// Who got a copy.
    #[serde(default)]
    pub copies: Vec<String>,
}

impl Threads {
    pub fn new(shelf: Arc<dyn Shelf>, now: Now, own: &str) -> Self {
        Self { shelf, now, own: own.to_ascii_lowercase(), ids: OnceCell::new() }
    }

    /// The key of our Message-IDs: random, made once by whichever instance comes first.
    ///
    /// It is not made from the account's password: that is changed, and then every answer under way would be a stranger's.
    pub async fn ids(&self) -> Result<&Ids, ShelfError> {
        self.ids.get_or_try_init(|| self.find_or_make()).await
    }

    async fn find_or_make(&self) -> Result<Ids, ShelfError> {
        const NAME: &str = "message-id-key";
        for _ in 0..100 {
            if let Some(kept) = self.shelf.get(NAME).await? {
                let secret = hex::decode(kept).map_err(|error| ShelfError(error.to_string()))?;
                return Ok(Ids::new(&secret, &self.own));
            }
            if self.shelf.hold(NAME, later((self.now)(), Duration::from_secs(30))).await? {
                // Whoever had it before us may have made the key.
                if self.shelf.get(NAME).await?.is_none() {
                    let mut secret = [0_u8; 32];
                    getrandom::fill(&mut secret).map_err(|error| ShelfError(error.to_string()))?;
                    self.put(vec![(NAME.to_owned(), hex::encode(secret), EVER)]).await?;
                }
                self.shelf.release(NAME).await?;
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Err(ShelfError("the key of Message-IDs is being made by another instance".to_owned()))
    }

    /// Remembers a mail that came: to answer it, and to know what an answer to it belongs to.
    pub async fn came(&self, external_id: &str, thread: &Thread, about: Option<&str>) -> Result<(), ShelfError> {
        let text = to_text(thread)?;
        let mut entries = vec![(format!("in:{}", short(external_id)), text.clone(), KEPT)];
        if !thread.last.is_empty() {
            entries.push((format!("id:{}", short(&thread.last)), external_id.to_owned(), KEPT));
        }
        if about.is_some() {
            entries.push((topic(&format!("user:{}", thread.with), about), text, KEPT));
        }
        self.put(entries).await
    }

    /// The thread that a message goes on with: that of the mail it answers, else the one about the same thing with the same
    /// person.
    pub async fn to_go_on(
        &self,
        reply_to: Option<&str>,
        conversation: &str,
        about: Option<&str>,
    ) -> Result<Option<Thread>, ShelfError> {
        if let Some(external_id) = reply_to
            && let Some(found) = self.shelf.get(&format!("in:{}", short(external_id))).await?
        {
            return Ok(serde_json::from_str(&found).ok());
        }
        if about.is_some()
            && let Some(found) = self.shelf.get(&topic(conversation, about)).await?
        {
            return Ok(serde_json::from_str(&found).ok());
        }
        Ok(None)
    }

    /// External id of the mail that came with this Message-ID.
    pub async fn incoming(&self, message_id: &str) -> Result<Option<String>, ShelfError> {
        self.shelf.get(&format!("id:{}", short(message_id))).await
    }

    /// About to send: a bounce may be back before the server has answered.
    pub async fn sending(&self, id: &str, conversation: &str, copies: Vec<String>) -> Result<(), ShelfError> {
        let sent = Sent { conversation: conversation.to_owned(), copies };
        self.put(vec![(format!("out:{}", short(id)), to_text(&sent)?, SENT_KEPT)]).await
    }

    /// It was sent: the next one about the same thing goes below it.
    pub async fn sent(&self, conversation: &str, about: Option<&str>, thread: Thread) -> Result<(), ShelfError> {
        if about.is_none() {
            return Ok(());
        }
        self.put(vec![(topic(conversation, about), to_text(&thread)?, KEPT)]).await
    }

    /// The mail of ours with this Message-ID.
    pub async fn outgoing(&self, id: &str) -> Result<Option<Sent>, ShelfError> {
        let found = self.shelf.get(&format!("out:{}", short(id))).await?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Copies to this address come back: it gets none for a while.
    pub async fn copy_came_back(&self, address: &str) -> Result<(), ShelfError> {
        self.put(vec![(format!("gone:{}", short(address)), String::new(), GONE)]).await
    }

    /// Leaves those out whose copies come back.
    pub async fn without_gone(&self, copies: &mut Vec<String>) -> Result<(), ShelfError> {
        let mut gone = Vec::new();
        for address in copies.iter() {
            if self.shelf.get(&format!("gone:{}", short(address))).await?.is_some() {
                gone.push(address.clone());
            }
        }
        copies.retain(|address| !gone.contains(address));
        Ok(())
    }

    /// Whether a delivery report has been handed in already; [`Threads::reported`] says that it has.
    pub async fn was_reported(&self, external_id: &str) -> Result<bool, ShelfError> {
        Ok(self.shelf.get(&format!("report:{}", short(external_id))).await?.is_some())
    }

    /// See [`Threads::was_reported`].
    pub async fn reported(&self, external_id: &str) -> Result<(), ShelfError> {
        self.put(vec![(format!("report:{}", short(external_id)), String::new(), SENT_KEPT)]).await
    }

    async fn put(&self, entries: Vec<(String, String, Duration)>) -> Result<(), ShelfError> {
        let now = (self.now)();
        let entries: Vec<Entry> =
            entries.into_iter().map(|(key, value, kept)| Entry { key, value, until: later(now, kept) }).collect();
        self.shelf.put(&entries).await
    }
}

fn topic(conversation: &str, about: Option<&str>) -> String {
    format!("on:{}", short(&format!("{}\n{}", conversation.to_lowercase(), about.unwrap_or_default())))
}

fn to_text<T: Serialize>(value: &T) -> Result<String, ShelfError> {
    serde_json::to_string(value).map_err(|error| ShelfError(error.to_string()))
}

/// So much later, or the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
