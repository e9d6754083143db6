//! The parts of a long text: kept on the shelf one by one before each is acknowledged, put together when all are there
//! (sms.md 1.10). What happens to a part is decided in [`plan`], which is pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sms::intake::{Ground, short_hash};
use crate::sms::text::{content, udh::Concat};
use crate::sms::time::{gap, later};
use crate::{Entry, ShelfError};

/// After this long what is there is handed on.
pub const PATIENCE: Duration = Duration::from_mins(10);
/// So long a part may still come late, or once more.
const KEPT: Duration = Duration::from_hours(24);
/// Parts of one text; a header that claims more is not believed.
pub const MOST_PARTS: u8 = 64;
/// Texts that wait for parts; beyond it the oldest is handed on as it is.
const MOST_OPEN: usize = 200;
/// Where the names of those stand.
const INDEX: &str = "frag:open";

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The gateway's id of the DELIVER, in hex.
    pub id: String,
    /// Msg_Fmt of this part.
    pub format: u8,
    /// Its bytes, in hex.
    pub bytes: String,
}

/// A long text as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Who wrote.
    pub sender: String,
    /// How many parts there are.
    pub total: u8,
    /// When the first of them came.
    pub since: Timestamp,
    /// Those that came, by their number.
    pub parts: BTreeMap<u8, Piece>,
    /// Whether it was handed on.
    pub done: bool,
}

/// A text to be handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Who wrote.
    pub sender: String,
    /// The id of its first part.
    pub id: String,
    /// `None` where a part is no text.
    pub text: Option<String>,
    /// Whether parts are missing.
    pub incomplete: bool,
}

/// What follows from a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// To be handed on first: an older text under the same key, or a part that came late.
    pub first: Option<Whole>,
    /// To be stored then; `None` where nothing changes.
    pub group: Option<Group>,
    /// To be handed on after that.
    pub whole: Option<Whole>,
}

/// Decides about a part.
pub fn plan(known: Option<Group>, sender: &str, concat: Concat, piece: Piece, now: Timestamp) -> Plan {
    let fresh = |piece: Piece| Group {
        sender: sender.to_owned(),
        total: concat.total,
        since: now,
        parts: BTreeMap::from([(concat.number, piece)]),
        done: false,
    };
    let same = |group: &Group| {
        group.parts.get(&concat.number).map(|kept| (kept.format, &kept.bytes) == (piece.format, &piece.bytes))
    };
    let (first, group) = match known {
        None => (None, fresh(piece)),
        Some(group) => match (same(&group), group.done) {
            // Said once more, because our answer was late or lost.
            (Some(true), true) => return Plan { first: None, group: None, whole: None },
            (Some(true), false) => (None, group),
            // Another text under the same key.
            (Some(false), done) => ((!done).then(|| group.whole()), fresh(piece)),
            (None, true) => {
                // It was given up: the late part is a message of its own.
                let text = hex::decode(&piece.bytes).ok().and_then(|bytes| content::text(piece.format, &bytes));
                let alone = Whole { sender: sender.to_owned(), id: piece.id.clone(), text, incomplete: true };
                let mut kept = group;
                kept.parts.insert(concat.number, piece);
                return Plan { first: Some(alone), group: Some(kept), whole: None };
            }
            (None, false) => {
                let mut group = group;
                group.parts.insert(concat.number, piece);
                (None, group)
            }
        },
    };
    let whole = group.complete().then(|| group.whole());
    Plan { first, group: Some(group), whole }
}

impl Group {
    /// Whether all parts are there.
    pub fn complete(&self) -> bool {
        self.parts.len() == usize::from(self.total)
    }

    /// The text, with a mark where a part is missing.
    pub fn whole(&self) -> Whole {
        let mut text = Some(String::new());
        let mut run: Vec<(u8, Vec<u8>)> = Vec::new();
        let flush = |run: &mut Vec<(u8, Vec<u8>)>, text: &mut Option<String>| {
            if !run.is_empty() {
                let more = content::joined(&std::mem::take(run));
                *text = text.take().zip(more).map(|(text, more)| text + &more);
            }
        };
        for number in 1..=self.total {
            if let Some(piece) = self.parts.get(&number) {
                // What was stored is hex.
                run.push((piece.format, hex::decode(&piece.bytes).unwrap_or_default()));
                continue;
            }
            flush(&mut run, &mut text);
            if let Some(text) = &mut text {
                // Writing to a string cannot fail.
                let _ = write!(text, "[缺 {number}/{}]", self.total);
            }
        }
        flush(&mut run, &mut text);
        let id = self.parts.values().next().map(|piece| piece.id.clone()).unwrap_or_default();
        Whole { sender: self.sender.clone(), id, text, incomplete: !self.complete() }
    }
}

/// The groups on the shelf.
pub(crate) struct Fragments {
    ground: Ground,
    open: Vec<(String, Timestamp)>,
}

impl Fragments {
    pub fn new(ground: Ground) -> Self {
        Self { ground, open: Vec::new() }
    }

    /// Reads which texts are waited for: at the start, and after another instance had the line.
    pub async fn reload(&mut self) -> Result<(), ShelfError> {
        let kept = self.ground.shelf.get(INDEX).await?;
        self.open = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
        Ok(())
    }

    /// The name of the group a part belongs to.
    pub fn name(sender: &str, dest: &str, concat: Concat) -> String {
        let Concat { reference, ref_bits, total, .. } = concat;
        format!("frag:{}", short_hash(&format!("{sender}|{dest}|{reference}|{ref_bits}|{total}")))
    }

    pub async fn load(&self, name: &str) -> Result<Option<Group>, ShelfError> {
        let kept = self.ground.shelf.get(name).await?;
        Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
    }

    /// Stores a group; whether it is waited for stands in the index, in the same step.
    pub async fn store(&mut self, name: &str, group: &Group) -> Result<(), ShelfError> {
        let mut open = self.open.clone();
        open.retain(|(known, _)| known != name);
        if !group.done {
            open.push((name.to_owned(), group.since));
        }
        let until = later((self.ground.now)(), KEPT);
        let text = |value: Result<String, serde_json::Error>| value.map_err(|error| ShelfError(error.to_string()));
        let entries = [
            Entry { key: name.to_owned(), value: text(serde_json::to_string(group))?, until },
            Entry { key: INDEX.to_owned(), value: text(serde_json::to_string(&open))?, until },
        ];
        self.ground.shelf.put(&entries).await?;
        self.open = open;
        Ok(())
    }

    /// A group that is waited for no longer.
    pub fn overdue(&self, now: Timestamp) -> Option<String> {
        let (name, since) = self.open.iter().min_by_key(|(_, since)| *since)?;
        (gap(*since, now) >= PATIENCE || self.open.len() > MOST_OPEN).then(|| name.clone())
    }

    /// Drops a name from the index whose group is gone.
    pub fn forget(&mut self, name: &str) {
        self.open.retain(|(known, _)| known != name);
    }
}
