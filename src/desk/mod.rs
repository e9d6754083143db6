//! The desk: where messages, language, promises and storage meet.
//!
//! inbox → route → decide → one transaction → outbox. Everything that changes a ticket goes through `batch::Batch`, so
//! chat, alarms, deliveries and the console have the same rules and the same record.

mod acknowledge;
mod batch;
mod binding;
mod bounce;
mod brief;
mod card;
mod change;
mod clockwork;
mod commands;
mod contact;
mod dispatch;
mod failure;
mod followup;
mod health;
mod intake;
mod letter;
mod library;
mod occasion;
mod opt_out;
mod refusal;
mod roster;
mod said;
mod shelf;
mod speak;
mod status;
mod take;
mod thread;
mod trust;
mod undelivered;
mod wording;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tokio::sync::Notify;
use zhishou_adapters::Channel;
use zhishou_intents::{FaqIndex, Lexicon};

use crate::clock::Clock;
use crate::ids::IdMaker;
use crate::rules::directory::Directory;
use crate::rules::terms::Terms;
use crate::store::{Store, StoreError};

pub use clockwork::Tick;
pub use dispatch::RECHECK_MS;
pub use health::Health;
pub use library::{Change, Library, LibraryError, faq_rows, lexicon_of, people_rows};
pub use occasion::{explain_due, local_time, summary};
pub use said::Said;
pub use shelf::ChannelShelf;
pub use status::events_json;
pub use wording::{SHIPPED as SHIPPED_WORDING, Wording, WordingError};

/// A contract as the desk runs it: its terms, and its words for the router.
#[derive(Debug)]
pub struct Contract {
    /// What is promised.
    pub terms: Arc<Terms>,
    /// How people say it.
    pub lexicon: Lexicon,
}

/// What a desk is made of. Only `main`, rehearsals and tests make one.
pub struct Parts {
    /// Database.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells instances apart and seeds ids.
    pub seed: u64,
    /// Contracts by id.
    pub contracts: Vec<Arc<Terms>>,
    /// Contract of conversations nobody bound.
    pub default_contract: Option<String>,
    /// Words.
    pub wording: Wording,
    /// Channels.
    pub channels: Vec<Arc<dyn Channel>>,
    /// Folder of the attachment store; `None` keeps no bytes.
    pub attachments: Option<std::path::PathBuf>,
}

/// The desk.
pub struct Desk {
    store: Store,
    clock: Arc<dyn Clock>,
    ids: IdMaker,
    holder: String,
    contracts: BTreeMap<String, Contract>,
    default_contract: Option<String>,
    wording: Wording,
    channels: BTreeMap<String, Arc<dyn Channel>>,
    library: RwLock<Arc<Library>>,
    encoder: std::sync::OnceLock<zhishou_intents::encoder::Encoder>,
    attachments: Option<std::path::PathBuf>,
    intake: intake::Intake,
    /// Rung when there is something new to take up.
    pub(crate) work: Notify,
    /// Rung when there is something new to send.
    pub(crate) mail: Notify,
    /// Rung after each commit: what watches the desk looks again.
    pub(crate) changed: tokio::sync::watch::Sender<u64>,
    last_sweep_ms: std::sync::atomic::AtomicI64,
}

/// Why the desk could not do its work. Single messages never end here; they are disposed of.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory or the FAQ base in the database cannot be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
}

impl Desk {
    /// Opens a desk on its database: loads people and FAQ, forgets the claims of a process that is no more.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, DeskError> {
        let mut contracts = BTreeMap::new();
        for terms in parts.contracts {
            let lexicon = lexicon_of(&terms);
            contracts.insert(terms.id.clone(), Contract { terms, lexicon });
        }
        let library = Library::load(&parts.store, parts.default_contract.clone(), None, None).await?;
        let desk = Self {
            store: parts.store,
            clock: parts.clock,
            ids: IdMaker::new(parts.seed),
            holder: format!("{:x}", parts.seed),
            contracts,
            default_contract: parts.default_contract,
            wording: parts.wording,
            channels: parts.channels.into_iter().map(|channel| (channel.id().to_owned(), channel)).collect(),
            library: RwLock::new(Arc::new(library)),
            encoder: std::sync::OnceLock::new(),
            attachments: parts.attachments,
            intake: intake::Intake::default(),
            work: Notify::new(),
            mail: Notify::new(),
            changed: tokio::sync::watch::Sender::new(0),
            last_sweep_ms: std::sync::atomic::AtomicI64::new(0),
        };
        // A desk without channels (an import, a check) sends nothing and must not free what a running one holds.
        if desk.store.engine() == crate::store::Engine::Sqlite && !desk.channels.is_empty() {
            let mut write = desk.store.write().await?;
            write.outbox_release().await?;
            write.commit().await?;
        }
        Ok(Arc::new(desk))
    }

    /// The database, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Now, by the desk's clock.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// The contracts, by id.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.values()
    }

    /// Ids of the contracts. What belongs to one that was taken out of the configuration stands still and is kept.
    pub(crate) fn contract_ids(&self) -> Vec<String> {
        self.contracts.keys().cloned().collect()
    }

    /// When the next alarm rings, in milliseconds.
    pub async fn next_alarm(&self) -> Result<Option<i64>, StoreError> {
        self.store.next_alarm(&self.contract_ids()).await
    }

    /// The contract called `id`.
    pub fn contract(&self, id: &str) -> Option<&Contract> {
        self.contracts.get(id)
    }

    /// Contract of conversations nobody bound.
    pub fn default_contract(&self) -> Option<&str> {
        self.default_contract.as_deref()
    }

    /// The channels.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.channels.values()
    }

    /// People, rosters and the FAQ base as they are now.
    pub fn library(&self) -> Arc<Library> {
        self.library.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The directory as it is now.
    pub fn directory(&self) -> Arc<Directory> {
        self.library().directory.clone()
    }

    /// The FAQ base as it is now.
    pub fn faq(&self) -> Arc<FaqIndex> {
        self.library().faq.clone()
    }

    /// A receiver that is told after each commit.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether a way of reaching people exists here: a configured channel.
    pub fn has_channel(&self, id: &str) -> bool {
        self.channels.contains_key(id)
    }

    /// Lets the clockwork and the outbox look at once, after the clock was moved.
    pub fn nudge(&self) {
        self.work.notify_one();
        self.mail.notify_one();
    }

    fn committed(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("contracts", &self.contracts.keys()).finish_non_exhaustive()
    }
}
