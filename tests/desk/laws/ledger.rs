//! The promises as the facts alone tell them: a second reader that never sees the state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Fact, Outcome};

use super::world::solved;

/// One promise as told.
#[derive(Debug, Clone)]
pub struct Entry {
    pub promise: Promise,
    pub calendar: String,
    pub length_ms: i64,
    pub started_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub outcome: Outcome,
    pub met_at: Option<Timestamp>,
    pub pauses: Vec<(Timestamp, Timestamp)>,
    pub inherited: bool,
    /// When it was last voided.
    voided_at: Option<Timestamp>,
}

/// All that was told.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub entries: BTreeMap<u32, Entry>,
    /// Cancelled at this instant: the predecessors of what starts now.
    ended: Vec<(Timestamp, Entry)>,
}

fn time(fact: &Fact, key: &str) -> Option<Timestamp> {
    fact.data.get(key)?.as_str()?.parse().ok()
}

impl Ledger {
    /// Takes in the facts of one decision made at `now`.
    pub fn read(&mut self, facts: &[Fact], now: Timestamp) -> Result<(), String> {
        facts.iter().try_for_each(|fact| self.read_one(fact, now))
    }

    /// Takes in one fact.
    pub fn read_one(&mut self, fact: &Fact, now: Timestamp) -> Result<(), String> {
        if self.ended.first().is_some_and(|(at, _)| *at != now) {
            self.ended.clear();
        }
        if ["resumed", "closed", "withdrawn", "merged"].contains(&fact.kind) {
            // What was met while it stood still says nothing, but stands still no longer either.
            for entry in self.entries.values_mut().filter(|entry| entry.outcome != Outcome::Paused) {
                entry.end_pause(fact.at);
            }
        }
        if !fact.kind.starts_with("commitment.") {
            return Ok(());
        }
        self.take(fact, now).map_err(|why| format!("{why}: {fact:?}"))
    }

    fn take(&mut self, fact: &Fact, now: Timestamp) -> Result<(), String> {
        let id = fact.data["id"].as_u64().and_then(|id| u32::try_from(id).ok()).ok_or("no id")?;
        let due = time(fact, "due_at");
        match fact.kind {
            "commitment.started" => return self.start(id, fact, false, now),
            "commitment.inherited" => return self.start(id, fact, true, now),
            _ => {}
        }
        let entry = self.entries.get_mut(&id).ok_or("of a promise that never started")?;
        let from = entry.outcome;
        let wrong = || Err(format!("cannot follow {from:?}"));
        match (fact.kind, from) {
            ("commitment.paused", Outcome::Running) => {
                entry.outcome = Outcome::Paused;
                entry.due_at = None;
                entry.pauses.push((fact.at, Timestamp::MAX));
            }
            ("commitment.resumed", Outcome::Paused) => {
                entry.outcome = Outcome::Running;
                entry.due_at = due;
                entry.end_pause(fact.at);
            }
            ("commitment.met", Outcome::Running | Outcome::Paused) => {
                entry.outcome = Outcome::Met;
                entry.met_at = Some(fact.at);
            }
            ("commitment.met_late", Outcome::Broken) => {
                entry.outcome = Outcome::MetLate;
                entry.met_at = Some(fact.at);
            }
            ("commitment.broken", Outcome::Running) => {
                entry.outcome = Outcome::Broken;
            }
            // Broken, it is cancelled only where it is voided with it: a round that a bounce shows was never owed.
            ("commitment.cancelled", Outcome::Running | Outcome::Paused | Outcome::Broken)
                if from != Outcome::Broken || entry.voided_at == Some(now) =>
            {
                entry.outcome = Outcome::Cancelled;
                self.ended.push((now, entry.clone()));
            }
            ("commitment.voided", Outcome::Met) => {
                entry.voided_at = Some(now);
                entry.outcome = if due.is_some() { Outcome::Running } else { Outcome::Paused };
                if due.is_some() {
                    // Met while it stood still: until now, at least, it did.
                    entry.end_pause(now);
                }
                entry.due_at = due;
                if solved(entry.promise)
                    && let Some(met) = entry.met_at
                {
                    entry.pauses.push((met, now));
                }
                entry.met_at = None;
            }
            ("commitment.voided", Outcome::MetLate) => {
                entry.voided_at = Some(now);
                entry.outcome = Outcome::Broken;
                entry.met_at = None;
            }
            ("commitment.voided", Outcome::Broken) => {
                entry.voided_at = Some(now);
                entry.outcome = Outcome::Running;
            }
            ("commitment.recomputed", Outcome::Running) => entry.due_at = due,
            _ => return wrong(),
        }
        Ok(())
    }

    fn start(&mut self, id: u32, fact: &Fact, inherited: bool, now: Timestamp) -> Result<(), String> {
        let text = |key: &str| fact.data[key].as_str().ok_or(format!("no {key}"));
        let promise = Promise::from_id(text("commitment")?).ok_or("an unknown promise")?;
        if let Some(known) = self.entries.get(&id)
            && (!inherited || !matches!(known.outcome, Outcome::Running | Outcome::Paused))
        {
            return Err(format!("started twice, being {:?}", known.outcome));
        }
        let started_at = time(fact, "started_at").ok_or("no start")?;
        let old = self
            .ended
            .iter()
            .rev()
            .map(|(_, old)| old)
            .find(|old| old.promise == promise && old.started_at == started_at);
        let mut entry = Entry {
            promise,
            calendar: text("calendar")?.to_owned(),
            length_ms: fact.data["length_ms"].as_i64().ok_or("no length")?,
            started_at,
            due_at: time(fact, "due_at"),
            outcome: Outcome::Running,
            met_at: None,
            pauses: old.map(|old| old.pauses.clone()).unwrap_or_default(),
            inherited: inherited || old.is_some_and(|old| old.inherited),
            voided_at: None,
        };
        if entry.due_at.is_some() {
            entry.end_pause(now);
        } else {
            // A successor of what stands still goes on standing still, in the same pause.
            entry.outcome = Outcome::Paused;
            if entry.pauses.last().is_none_or(|pause| pause.1 != Timestamp::MAX) {
                entry.pauses.push((now, Timestamp::MAX));
            }
        }
        self.entries.insert(id, entry);
        Ok(())
    }
}

impl Entry {
    fn end_pause(&mut self, at: Timestamp) {
        if let Some(open) = self.pauses.last_mut().filter(|pause| pause.1 == Timestamp::MAX) {
            open.1 = at;
        }
    }
}
