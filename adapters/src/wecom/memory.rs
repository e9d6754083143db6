//! What the bot keeps in mind while it runs: questions that can still be answered under their own id, presses that wait for
//! their card, conversations that have to wait. Losing it costs comfort, never a message. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use super::session::{gap, later};

/// Questions kept at most; the oldest go first.
const QUESTIONS: usize = 4096;
/// A message may be answered for a day (5.7).
const ANSWERABLE: Duration = Duration::from_hours(24);
/// A pressed card may be changed for 5 s (5.5); a little less, since the way there takes time as well.
pub const CARD_WINDOW: Duration = Duration::from_millis(4_500);
/// Conversations and message keys kept at most.
const KEPT: usize = 4096;

/// A message that can be answered under its request id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    epoch: u64,
    req_id: String,
    conversation: String,
    at: Timestamp,
    answered: bool,
}

/// How a pressed card is answered.
#[derive(Debug)]
pub enum PressWay {
    /// By a command over the connection it came over.
    Line {
        /// That connection.
        epoch: u64,
        /// To answer under.
        req_id: String,
    },
    /// By whoever holds the HTTP request open.
    Request(oneshot::Sender<Value>),
}

#[derive(Debug)]
struct Waiting {
    way: PressWay,
    at: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Memory {
    questions: HashMap<String, Question>,
    order: VecDeque<String>,
    presses: HashMap<String, Vec<Waiting>>,
    held: HashMap<String, Timestamp>,
    heard: HashSet<String>,
    progress: HashMap<String, usize>,
}

impl Memory {
    /// A message came that may be answered under `req_id` while connection `epoch` stands. A repeat of it over the same
    /// connection changes nothing.
    pub fn asked(&mut self, msgid: &str, epoch: u64, req_id: &str, conversation: &str, at: Timestamp) {
        let known = self.questions.get(msgid);
        if known.is_some_and(|question| question.epoch == epoch || question.answered) {
            return;
        }
        if known.is_none() {
            self.order.push_back(msgid.to_owned());
        }
        let question =
            Question { epoch, req_id: req_id.to_owned(), conversation: conversation.to_owned(), at, answered: false };
        self.questions.insert(msgid.to_owned(), question);
        while self.order.len() > QUESTIONS {
            if let Some(oldest) = self.order.pop_front() {
                self.questions.remove(&oldest);
            }
        }
    }

    /// The request id to answer a message under; given once, and only for the connection that stands.
    pub fn take_question(&mut self, msgid: &str, epoch: u64, conversation: &str, now: Timestamp) -> Option<String> {
        let question = self.questions.get_mut(msgid)?;
        let fits = question.epoch == epoch
            && !question.answered
            && question.conversation == conversation
            && gap(question.at, now) < ANSWERABLE;
        if !fits {
            return None;
        }
        question.answered = true;
        Some(question.req_id.clone())
    }

    /// Nothing was written after all: the message may still be answered.
    pub fn give_back(&mut self, msgid: &str) {
        if let Some(question) = self.questions.get_mut(msgid) {
            question.answered = false;
        }
    }

    /// A card was pressed and may be changed for a few seconds.
    pub fn pressed(&mut self, task: &str, way: PressWay, at: Timestamp) {
        self.presses.retain(|_, waiting| {
            waiting.retain(|waiting| gap(waiting.at, at) < CARD_WINDOW);
            !waiting.is_empty()
        });
        self.presses.entry(task.to_owned()).or_default().push(Waiting { way, at });
    }

    /// All who wait for a card's new state. Two who press at once both get it.
    pub fn take_presses(&mut self, task: &str, now: Timestamp) -> Vec<PressWay> {
        let waiting = self.presses.remove(task).unwrap_or_default();
        waiting.into_iter().filter(|waiting| gap(waiting.at, now) < CARD_WINDOW).map(|waiting| waiting.way).collect()
    }

    /// The platform asked us to leave a conversation alone for a while.
    pub fn hold(&mut self, conversation: &str, wait: Duration, now: Timestamp) {
        self.held.retain(|_, until| *until > now);
        self.held.insert(conversation.to_owned(), later(now, wait));
    }

    /// How long a conversation still has to be left alone.
    pub fn held_for(&self, conversation: &str, now: Timestamp) -> Option<Duration> {
        self.held.get(conversation).map(|until| gap(now, *until)).filter(|wait| !wait.is_zero())
    }

    /// Conversations that have to be left alone now.
    pub fn held_now(&self, now: Timestamp) -> usize {
        self.held.values().filter(|until| **until > now).count()
    }

    /// Whether it is known already that somebody was heard in a conversation; from now on it is.
    pub fn knew(&mut self, conversation: &str) -> bool {
        if self.heard.len() >= KEPT {
            self.heard.clear();
        }
        !self.heard.insert(conversation.to_owned())
    }

    /// It could not be written down: ask again next time.
    pub fn forget_heard(&mut self, conversation: &str) {
        self.heard.remove(conversation);
    }

    /// How many parts of a message have gone out.
    pub fn done(&self, key: &str) -> usize {
        self.progress.get(key).copied().unwrap_or(0)
    }

    /// So many parts of a message have gone out; with all of them out there is nothing to keep.
    pub fn set_done(&mut self, key: &str, parts: usize, all: usize) {
        if parts >= all {
            self.progress.remove(key);
            return;
        }
        if self.progress.len() >= KEPT {
            self.progress.clear();
        }
        self.progress.insert(key.to_owned(), parts);
    }
}
