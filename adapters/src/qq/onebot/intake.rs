//! Handing in what was heard: in order within a conversation, once, and stored before the wire hears "yes".
//!
//! Connections only feed this; it belongs to the channel, not to a socket, so that a reconnect never doubles it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::codec::{Heard, decode_event};
use super::hub::{Hub, lock};
use super::memory::{Said, essence_of, words_of};
use super::session::ConnId;
use super::{history, prepare};
use crate::{Event, Inbox, InboxError};

/// Events in work at the same time, over all conversations.
const IN_WORK: usize = 64;

/// Files fetched at the same time.
const FETCHES: usize = 4;

/// Longest pause between two tries to hand in an event.
const RETRY_MOST: Duration = Duration::from_secs(10);

/// How long the work at hand may take once the channel is being stopped.
const SETTLE: Duration = Duration::from_secs(5);

/// Ends when the work before it has ended, however that happened.
type Tail = oneshot::Receiver<()>;

/// Order and bounds of the work.
pub(super) struct Intake {
    tails: Mutex<HashMap<String, Tail>>,
    permits: Arc<Semaphore>,
    /// Files being fetched at the same time: each may be large.
    pub(super) fetches: Semaphore,
    pub(super) tracker: TaskTracker,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            tails: Mutex::default(),
            permits: Arc::new(Semaphore::new(IN_WORK)),
            fetches: Semaphore::new(FETCHES),
            tracker: TaskTracker::new(),
        }
    }
}

/// A place in the order of a conversation: wait for `before`, and drop `done` when finished.
pub(super) struct Place {
    before: Option<Tail>,
    _done: oneshot::Sender<()>,
}

impl Place {
    /// Waits until everything before it is finished.
    pub(super) async fn turn(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = before.await;
        }
    }
}

impl Intake {
    /// Takes the next place in a conversation's order.
    pub(super) fn queue(&self, conversation: &str) -> Place {
        let (done, tail) = oneshot::channel();
        let mut tails = lock(&self.tails);
        if tails.len() > 512 {
            tails.retain(|_, tail| matches!(tail.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        }
        Place { before: tails.insert(conversation.to_owned(), tail), _done: done }
    }

    /// Waits for the work at hand, for a while.
    pub(super) async fn settle(&self) {
        self.tracker.close();
        let _ = tokio::time::timeout(SETTLE, self.tracker.wait()).await;
        self.tracker.reopen();
    }
}

/// Whether an event that cannot be stored is tried again here, or by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// WebSocket: nobody but us would.
    Here,
    /// HTTP: the peer hears 503.
    ByPeer,
}

/// Serves one connection's events, after closing the gap before it.
pub(super) async fn feed(hub: Arc<Hub>, inbox: Arc<dyn Inbox>, conn: ConnId, mut events: mpsc::Receiver<Value>) {
    // Before the first new event: afterwards the newest stored message would hide the gap.
    let gaps = history::plan(&hub, &inbox).await;
    history::catch_up(&hub, &inbox, Some(conn), gaps);
    while let Some(event) = events.recv().await {
        take(&hub, &inbox, &event, Again::Here).await;
    }
}

/// Takes an event into work. The receiver tells whether it was stored; `None` where there is nothing to store.
pub(super) async fn take(
    hub: &Arc<Hub>,
    inbox: &Arc<dyn Inbox>,
    event: &Value,
    again: Again,
) -> Option<oneshot::Receiver<Result<(), InboxError>>> {
    let heard = match decode_event(event) {
        Ok(heard) => heard,
        Err(missing) => {
            tracing::warn!(channel.id = %hub.config.id, event.problem = missing, "dropped a malformed event");
            return None;
        }
    };
    let now = hub.now();
    let changed = lock(&hub.session).observe(&heard, now);
    if changed == Some(true) {
        // While the account was out nothing reached us either.
        let gaps = history::plan(hub, inbox).await;
        history::catch_up(hub, inbox, None, gaps);
    }
    if let (Heard::Message(message), Again::Here) = (&heard, again) {
        lock(&hub.memory).arrived.put(message.external_id(), ());
    }
    let job = job_of(hub, heard, changed)?;
    let permit = hub.intake.permits.clone().acquire_owned().await.ok()?;
    Some(start(hub, inbox, job, again, permit))
}

/// What is to be done about an event.
pub(super) enum Job {
    /// Ready to be handed in.
    Plain(Event),
    /// A message, with the places of its segments whose file is already attached elsewhere.
    Message { heard: Box<super::codec::HeardMessage>, recovered: bool, attached: Vec<String> },
    /// A file told by a notice.
    Upload(Box<super::codec::Upload>),
    /// The whole group was muted: it may not concern us.
    WholeMute { conversation: String },
}

impl Job {
    fn conversation(&self) -> String {
        match self {
            Self::Message { heard, .. } => heard.scope.conversation(),
            Self::Upload(upload) => upload.scope.conversation(),
            Self::WholeMute { conversation } => conversation.clone(),
            Self::Plain(event) => match event {
                Event::Message(inbound) => inbound.conversation.clone(),
                Event::Recalled { conversation, .. }
                | Event::Joined { conversation }
                | Event::Left { conversation }
                | Event::Muted { conversation, .. }
                | Event::Reachable { conversation }
                | Event::OwnMessage { conversation, .. }
                | Event::OptedOut { conversation, .. }
                | Event::Bounced { conversation, .. } => conversation.clone(),
                Event::Online(_) => String::new(),
            },
        }
    }
}

fn job_of(hub: &Hub, heard: Heard, changed: Option<bool>) -> Option<Job> {
    let now = hub.now();
    Some(match heard {
        Heard::Message(heard) => {
            let mut memory = lock(&hub.memory);
            memory.met(&heard);
            let mut attached = Vec::new();
            for (key, file) in prepare::uploads_in(&heard) {
                if memory.second_half(key, false, now) {
                    attached.push(file);
                }
            }
            drop(memory);
            Job::Message { heard, recovered: false, attached }
        }
        Heard::Own(own) => Job::Plain(own_message(hub, &own)),
        Heard::Upload(upload) => {
            if lock(&hub.memory).second_half(prepare::upload_key(&upload), true, now) {
                return None;
            }
            Job::Upload(upload)
        }
        Heard::Recalled { conversation, external_id } => Job::Plain(Event::Recalled { conversation, external_id }),
        Heard::Joined(conversation) => Job::Plain(Event::Joined { conversation }),
        Heard::Left(conversation) => Job::Plain(Event::Left { conversation }),
        Heard::Muted { conversation, whole_group: true, .. } => Job::WholeMute { conversation },
        Heard::Muted { conversation, seconds, .. } => Job::Plain(prepare::muted(conversation, seconds, now)),
        Heard::Unmuted(conversation) => Job::Plain(Event::Muted { conversation, until: None }),
        Heard::Online(_) | Heard::Heartbeat { .. } => Job::Plain(Event::Online(changed?)),
        Heard::Lifecycle(_) => return None,
        Heard::Ignored(reason) => {
            tracing::debug!(channel.id = %hub.config.id, event.reason = reason, "an event means nothing to us");
            return None;
        }
    })
}

/// A message of ours was seen: kept for comparison, and told to the desk.
pub(super) fn own_message(hub: &Hub, own: &super::codec::HeardMessage) -> Event {
    let conversation = own.scope.conversation();
    let external_id = own.external_id();
    let said = Said {
        conversation: conversation.clone(),
        external_id: external_id.clone(),
        essence: essence_of(own),
        at: own.at.unwrap_or_else(|| hub.now()),
    };
    lock(&hub.memory).saw_own(said, &own.account);
    Event::OwnMessage { conversation, external_id, text: super::codec::clean(&words_of(own)).trim().to_owned() }
}

fn start(
    hub: &Arc<Hub>,
    inbox: &Arc<dyn Inbox>,
    job: Job,
    again: Again,
    permit: OwnedSemaphorePermit,
) -> oneshot::Receiver<Result<(), InboxError>> {
    let (told, result) = oneshot::channel();
    let mut place = hub.intake.queue(&job.conversation());
    let (hub, inbox) = (hub.clone(), inbox.clone());
    hub.intake.tracker.clone().spawn(async move {
        // Pictures are fetched at once, while earlier messages are still being stored.
        let ready = prepare::event(&hub, &inbox, job).await;
        place.turn().await;
        let stored = match ready {
            Some(event) => hand_in(&hub, &inbox, event, again).await,
            None => Ok(()),
        };
        drop(permit);
        // Over a WebSocket nobody asks.
        let _ = told.send(stored);
    });
    result
}

/// Hands in one event, repeats aside.
pub(super) async fn hand_in(hub: &Hub, inbox: &Arc<dyn Inbox>, event: Event, again: Again) -> Result<(), InboxError> {
    let message_id = match &event {
        Event::Message(inbound) => Some(inbound.external_id.clone()),
        _ => None,
    };
    if let Some(id) = &message_id
        && lock(&hub.memory).taken.get(id).is_some()
    {
        return Ok(());
    }
    let mut pause = hub.config.timing.retry;
    loop {
        match inbox.accept(&hub.config.id, event.clone()).await {
            Ok(()) => {
                if let Some(id) = message_id {
                    lock(&hub.memory).taken.put(id, ());
                }
                return Ok(());
            }
            Err(InboxError::Unavailable(why)) if again == Again::Here && hub.is_open() => {
                tracing::warn!(channel.id = %hub.config.id, error = %why, "an event could not be stored, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MOST);
            }
            Err(error) => {
                tracing::error!(channel.id = %hub.config.id, %error, "an event was not stored");
                return Err(error);
            }
        }
    }
}
