//! What may be said in a conversation now, and by which right: the robot may answer what was said there a short while ago, a
//! few times; it may answer a click; where a group's owner allows it, it may speak by itself; else it has to wait.
//!
//! Pure: a [`Talk`] is the whole state of one conversation, kept on the shelf and written down before anything is sent.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most things to answer that are remembered of a conversation.
const ANCHORS: usize = 8;
/// Most messages of ours whose progress is remembered.
const DRAFTS: usize = 32;
/// How long it is remembered that a message went out.
const FINISHED: Duration = Duration::from_hours(24);
/// Most messages that one long text may take: the others are for what comes after.
const MOST_PARTS: u32 = 3;

/// How long and how often something may be answered (qq-official.md 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// A message in a group.
    pub group: Duration,
    /// A message in a private chat.
    pub private: Duration,
    /// A click on a button.
    pub click: Duration,
    /// Any other event that may be cited.
    pub event: Duration,
    /// Taken off each: clocks differ and messages travel.
    pub margin: Duration,
    /// Answers to one message in a group.
    pub group_replies: u32,
    /// Answers to one message in a private chat.
    pub private_replies: u32,
    /// Answers to one click.
    pub click_replies: u32,
    /// Answers to one other event.
    pub event_replies: u32,
    /// After how long an unknown permission to speak first is tried again.
    pub probe: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            group: Duration::from_mins(5),
            private: Duration::from_hours(1),
            click: Duration::from_mins(30),
            event: Duration::from_mins(5),
            margin: Duration::from_secs(15),
            group_replies: 5,
            private_replies: 4,
            click_replies: 5,
            event_replies: 1,
            probe: Duration::from_hours(24),
        }
    }
}

impl Windows {
    /// How long something may be answered, without the margin, and how often.
    pub fn of(&self, kind: Kind, scene: Scene) -> (Duration, u32) {
        match (kind, scene) {
            (Kind::Message, Scene::Group) => (self.group, self.group_replies),
            (Kind::Message, Scene::Private) => (self.private, self.private_replies),
            (Kind::Click, _) => (self.click, self.click_replies),
            (Kind::Event, _) => (self.event, self.event_replies),
        }
    }
}

/// Group or private chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// `group:…`
    Group,
    /// `user:…`
    Private,
}

impl Scene {
    /// Of a conversation.
    pub fn of(conversation: &str) -> Self {
        if conversation.starts_with("group:") { Self::Group } else { Self::Private }
    }
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message, cited by its id.
    Message,
    /// A click, cited by the id of its envelope.
    Click,
    /// Another event, cited likewise.
    Event,
}

/// Something that may be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// What it is.
    pub kind: Kind,
    /// Id of the message or of the envelope.
    pub id: String,
    /// When it came about.
    pub at: Timestamp,
    /// Answers given or under way.
    #[serde(default)]
    pub used: u32,
    /// The number of the last answer; numbers are never used twice.
    #[serde(default)]
    pub seq: u32,
}

/// Whether the robot may speak by itself here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Active {
    /// Nobody has told us, and it was not tried.
    #[default]
    Unknown,
    /// Yes.
    Allowed,
    /// No, until the platform tells otherwise.
    Denied,
}

/// By which right a message goes out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// As an answer to this anchor.
    Passive(usize),
    /// By itself; `probe` to find out whether that is allowed.
    Active {
        /// Whether it is a try.
        probe: bool,
    },
    /// Not at all.
    Wait,
}

/// How a text is changed so that it goes through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Addresses left out.
    #[serde(default)]
    pub no_addresses: bool,
    /// Nothing but that there is news.
    #[serde(default)]
    pub neutral: bool,
    /// In shorter pieces.
    #[serde(default)]
    pub short: bool,
}

/// A send whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    kind: Option<Kind>,
    id: String,
    seq: u32,
}

/// How far a message of ours has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Draft {
    key: String,
    /// Tells another text under the same key.
    mark: String,
    at: Timestamp,
    /// Pieces that went out.
    done: u32,
    /// Pieces there are to be; told with the first.
    most: Option<u32>,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    open: Option<Open>,
    /// The platform's id of the first piece.
    #[serde(default)]
    receipt: Option<String>,
}

impl Draft {
    fn finished(&self) -> bool {
        self.open.is_none() && self.most.is_some_and(|most| self.done >= most)
    }
}

/// Which message of ours: its key, and what tells another text under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which<'a> {
    /// [`crate::Outgoing::key`].
    pub key: &'a str,
    /// A hash of its words.
    pub mark: &'a str,
}

/// What a send cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What is answered; `None` for an active message.
    pub kind: Option<Kind>,
    /// Its id; empty for an active message.
    pub id: String,
    /// Running number.
    pub seq: u32,
    /// Which piece, counted from 0.
    pub part: u32,
    /// How many pieces there are to be.
    pub of: u32,
    /// Whether the same was sent before without an answer: then a duplicate is a success.
    pub again: bool,
}

/// What to do about a message now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Attempt),
    /// It is out; the platform's id of it.
    Done(Option<String>),
    /// Nothing is possible before the next contact.
    Wait,
    /// An active message without an answer: nobody can find out, and it is not repeated.
    Doubt,
}

/// How a message of ours stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is out; the platform's id of it.
    Finished(Option<String>),
    /// A piece was handed over, and nobody knows what became of it.
    Doubt,
    /// Nothing is under way.
    Nothing,
}

/// One conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// What may be answered, the newest last.
    #[serde(default)]
    pub anchors: Vec<Anchor>,
    /// Whether the robot may speak by itself.
    #[serde(default)]
    pub active: Active,
    /// When that was tried last.
    #[serde(default)]
    pub probed: Option<Timestamp>,
    /// Whether something waits for the next contact.
    #[serde(default)]
    pub waiting: bool,
    #[serde(default)]
    drafts: Vec<Draft>,
}

impl Talk {
    /// Somebody wrote, clicked or switched: from now on it may be answered. A repeat changes nothing.
    pub fn contact(&mut self, kind: Kind, id: &str, at: Timestamp) {
        if id.is_empty() || self.anchors.iter().any(|anchor| anchor.id == id) {
            return;
        }
        self.anchors.push(Anchor { kind, id: id.to_owned(), at, used: 0, seq: 0 });
        self.anchors.sort_by_key(|anchor| anchor.at);
        let surplus = self.anchors.len().saturating_sub(ANCHORS);
        self.anchors.drain(..surplus);
    }

    /// By which right something could be said now: the newest message, then the newest event, then by itself.
    pub fn choose(&self, scene: Scene, now: Timestamp, windows: &Windows) -> Choice {
        let open = |anchor: &Anchor| room(anchor, scene, now, windows) > 0;
        let newest = |message: bool| {
            self.anchors.iter().rposition(|anchor| (anchor.kind == Kind::Message) == message && open(anchor))
        };
        if let Some(at) = newest(true).or_else(|| newest(false)) {
            return Choice::Passive(at);
        }
        let rested = self.probed.is_none_or(|at| since(at, now) >= windows.probe);
        match self.active {
            Active::Allowed => Choice::Active { probe: false },
            Active::Unknown if rested => Choice::Active { probe: true },
            Active::Unknown | Active::Denied => Choice::Wait,
        }
    }

    /// How the text of a message is to be changed.
    pub fn form(&self, which: Which<'_>) -> Form {
        self.draft(which).map(|draft| draft.form).unwrap_or_default()
    }

    /// What to do about a message of `total` pieces now. What is to be sent is reserved: to be written down before it goes.
    pub fn next(&mut self, which: Which<'_>, total: u32, scene: Scene, now: Timestamp, windows: &Windows) -> Step {
        if let Some(draft) = self.draft(which) {
            if draft.finished() {
                return Step::Done(draft.receipt.clone());
            }
            if let Some(open) = &draft.open {
                if open.kind.is_none() {
                    return Step::Doubt;
                }
                let of = draft.most.unwrap_or(total);
                let Open { kind, id, seq } = open.clone();
                return Step::Send(Attempt { kind, id, seq, part: draft.done, of, again: true });
            }
        }
        let (open, room) = match self.choose(scene, now, windows) {
            Choice::Wait => {
                self.waiting = true;
                return Step::Wait;
            }
            Choice::Active { probe } => {
                if probe {
                    self.probed = Some(now);
                }
                (Open { kind: None, id: String::new(), seq: 0 }, 1)
            }
            Choice::Passive(at) => {
                let room = room(&self.anchors[at], scene, now, windows);
                let anchor = &mut self.anchors[at];
                anchor.used += 1;
                anchor.seq += 1;
                (Open { kind: Some(anchor.kind), id: anchor.id.clone(), seq: anchor.seq }, room)
            }
        };
        let draft = self.draft_mut(which, now);
        let of = *draft.most.get_or_insert(total.min(room).clamp(1, MOST_PARTS));
        let part = draft.done;
        draft.open = Some(open.clone());
        Step::Send(Attempt { kind: open.kind, id: open.id, seq: open.seq, part, of, again: false })
    }

    /// A piece was taken. `Some` once that was the last, with the platform's id of the first.
    pub fn delivered(&mut self, which: Which<'_>, id: Option<String>, now: Timestamp) -> Option<Option<String>> {
        let draft = self.draft_mut(which, now);
        let active = draft.open.take().is_some_and(|open| open.kind.is_none());
        draft.done += 1;
        draft.receipt = draft.receipt.take().or(id);
        let end = draft.finished().then(|| draft.receipt.clone());
        if active {
            self.active = Active::Allowed;
        }
        end
    }

    /// A piece was surely not taken, and its right is as good as before.
    pub fn not_taken(&mut self, which: Which<'_>, now: Timestamp) {
        let Some(open) = self.draft_mut(which, now).open.take() else { return };
        match self.anchors.iter_mut().find(|anchor| anchor.id == open.id) {
            Some(anchor) => anchor.used = anchor.used.saturating_sub(1),
            // A try that found out nothing.
            None if open.kind.is_none() && self.active == Active::Unknown => self.probed = None,
            None => {}
        }
    }

    /// A number was used before: the next one is free.
    pub fn number_taken(&mut self, which: Which<'_>, now: Timestamp) {
        self.draft_mut(which, now).open = None;
    }

    /// What was cited may not be answered any more.
    pub fn anchor_gone(&mut self, which: Which<'_>, now: Timestamp) {
        let Some(open) = self.draft_mut(which, now).open.take() else { return };
        self.anchors.retain(|anchor| anchor.id != open.id);
    }

    /// The robot may not speak by itself here.
    pub fn denied(&mut self, which: Which<'_>, now: Timestamp) {
        self.draft_mut(which, now).open = None;
        self.active = Active::Denied;
    }

    /// The words did not go through: the next try is in another form. `false` where that was tried before.
    pub fn reform(&mut self, which: Which<'_>, now: Timestamp, change: impl FnOnce(&mut Form)) -> bool {
        self.not_taken(which, now);
        let draft = self.draft_mut(which, now);
        let before = draft.form;
        change(&mut draft.form);
        if draft.done == 0 {
            draft.most = None;
        }
        draft.form != before
    }

    /// How a message stands.
    pub fn standing(&self, which: Which<'_>) -> Standing {
        match self.draft(which) {
            Some(draft) if draft.finished() => Standing::Finished(draft.receipt.clone()),
            Some(draft) if draft.open.is_some() => Standing::Doubt,
            Some(_) | None => Standing::Nothing,
        }
    }

    fn draft(&self, which: Which<'_>) -> Option<&Draft> {
        self.drafts.iter().find(|draft| draft.key == which.key && draft.mark == which.mark)
    }

    fn draft_mut(&mut self, which: Which<'_>, now: Timestamp) -> &mut Draft {
        let known = self.drafts.iter().position(|draft| draft.key == which.key && draft.mark == which.mark);
        let at = known.unwrap_or_else(|| {
            self.drafts
                .retain(|draft| draft.key != which.key && !(draft.finished() && since(draft.at, now) > FINISHED));
            if self.drafts.len() >= DRAFTS {
                let oldest = self.drafts.iter().position(Draft::finished).unwrap_or(0);
                self.drafts.remove(oldest);
            }
            self.drafts.push(Draft {
                key: which.key.to_owned(),
                mark: which.mark.to_owned(),
                at: now,
                done: 0,
                most: None,
                form: Form::default(),
                open: None,
                receipt: None,
            });
            self.drafts.len() - 1
        });
        &mut self.drafts[at]
    }
}

/// How many answers an anchor has left.
fn room(anchor: &Anchor, scene: Scene, now: Timestamp, windows: &Windows) -> u32 {
    let (window, most) = windows.of(anchor.kind, scene);
    if since(anchor.at, now) < window.saturating_sub(windows.margin) { most.saturating_sub(anchor.used) } else { 0 }
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(at).try_into().unwrap_or_default()
}
