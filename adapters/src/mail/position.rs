//! How far a mailbox has been read: what must outlive a restart. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Gaps kept at most, the newest ones: each is a run of UIDs that were not there when the watermark passed them.
const GAPS: usize = 500;
/// Mails kept at most whose moving away is still to be done.
const MOVING: usize = 1000;

/// How far a mailbox has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// UIDVALIDITY under which the UIDs below mean anything.
    pub validity: u32,
    /// Every mail up to this UID has been handed in, but those in `gaps`.
    pub watermark: u32,
    /// Runs of UIDs below the watermark, first and last, that were never seen: what appears there is new (a server that
    /// delivers out of order, a mail that could not be read yet).
    pub gaps: Vec<(u32, u32)>,
    /// Handed in and not yet moved away.
    pub moving: Vec<u32>,
    /// The UID that is being worked on and how often that was begun: what ends the process three times is passed over.
    pub trying: Option<(u32, u32)>,
    /// The first contact with this mailbox.
    pub first: Timestamp,
    /// Mails up to this UID that arrived before this instant are none of the desk's business.
    pub floor: Option<(Timestamp, u32)>,
}

impl Position {
    /// At the beginning: nothing handed in up to `watermark`, and nothing wanted of it.
    pub fn new(validity: u32, watermark: u32, first: Timestamp, floor: Option<(Timestamp, u32)>) -> Self {
        Self { validity, watermark, gaps: Vec::new(), moving: Vec::new(), trying: None, first, floor }
    }

    /// All up to `to` has been looked at: `seen` of it was there. `seen` ascending.
    pub fn advance(&mut self, to: u32, seen: &[u32]) {
        let known = self.watermark;
        let mut next = known.saturating_add(1);
        for uid in seen.iter().copied().filter(|uid| *uid > known && *uid <= to) {
            if uid > next {
                self.add_gap(next, uid - 1);
            }
            next = uid.saturating_add(1);
        }
        if next <= to {
            self.add_gap(next, to);
        }
        self.watermark = self.watermark.max(to);
    }

    /// This one could not be handed in now: it counts as not seen.
    pub fn put_off(&mut self, uid: u32) {
        if uid <= self.watermark && !self.is_open(uid) {
            self.add_gap(uid, uid);
        }
    }

    /// This one has been handed in after all.
    pub fn settle(&mut self, uid: u32) {
        let Some(at) = self.gaps.iter().position(|(from, to)| (*from..=*to).contains(&uid)) else { return };
        let (from, to) = self.gaps.remove(at);
        if uid < to {
            self.gaps.insert(at, (uid + 1, to));
        }
        if from < uid {
            self.gaps.insert(at, (from, uid - 1));
        }
    }

    /// Whether a mail with this UID would be new.
    pub fn is_open(&self, uid: u32) -> bool {
        uid > self.watermark || self.gaps.iter().any(|(from, to)| (*from..=*to).contains(&uid))
    }

    /// Whether a mail is older than what the desk wants.
    pub fn is_before(&self, uid: u32, arrived: Option<Timestamp>) -> bool {
        match (self.floor, arrived) {
            (Some((floor, to)), Some(arrived)) => uid <= to && arrived < floor,
            _ => false,
        }
    }

    /// These are to be moved away.
    pub fn to_move(&mut self, uids: &[u32]) {
        self.moving.extend(uids);
        self.moving.sort_unstable();
        self.moving.dedup();
        let over = self.moving.len().saturating_sub(MOVING);
        self.moving.drain(..over);
    }

    fn add_gap(&mut self, from: u32, to: u32) {
        let at = self.gaps.partition_point(|(first, _)| *first < from);
        self.gaps.insert(at, (from, to));
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.gaps.len());
        for (from, to) in self.gaps.drain(..) {
            match merged.last_mut() {
                Some((_, last)) if from <= last.saturating_add(1) => *last = (*last).max(to),
                _ => merged.push((from, to)),
            }
        }
        let over = merged.len().saturating_sub(GAPS);
        merged.drain(..over);
        self.gaps = merged;
    }
}
