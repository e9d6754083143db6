//! The promises of a ticket: small state machines driven by what happens to it.
//!
//! The rules are those of the contracts' common vocabulary ("The kinds of promise"). Outcomes are written once; a later
//! bounce or reopening voids one as an event of its own, and both stay readable in the record.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::profile::Promise;
use super::super::terms::Terms;
use super::{State, Stepping};

/// How a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The clock runs.
    Running,
    /// The clock stands still.
    Paused,
    /// Kept.
    Met,
    /// Not kept, and not made good yet.
    Broken,
    /// Not kept, made good later.
    MetLate,
    /// No longer owed; the cause is written beside it.
    Cancelled,
}

impl Outcome {
    /// The name in state files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Met => "met",
            Self::Broken => "broken",
            Self::MetLate => "met_late",
            Self::Cancelled => "cancelled",
        }
    }

    /// What people read.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Running => "计时中",
            Self::Paused => "已暂停",
            Self::Met => "已兑现",
            Self::Broken => "已超时",
            Self::MetLate => "超时后完成",
            Self::Cancelled => "已取消",
        }
    }
}

/// A promise with its clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commitment {
    /// Number within the ticket.
    pub id: u32,
    /// Which kind.
    #[serde(rename = "name")]
    pub promise: Promise,
    /// For repeating promises: which round, from 1.
    pub round: u32,
    /// Severity it was given for.
    pub severity: String,
    /// Calendar it is counted on.
    pub calendar: String,
    /// Service milliseconds.
    pub length_ms: i64,
    /// Start of the count.
    pub started_at: Timestamp,
    /// When it is due; `None` while it stands still.
    pub due_at: Option<Timestamp>,
    /// Service milliseconds left, while it stands still.
    pub left_ms: Option<i64>,
    /// Times taken out of the count.
    #[serde(default)]
    pub pauses: Vec<(Timestamp, Timestamp)>,
    /// How it stands.
    pub outcome: Outcome,
    /// When it was met, in time or late.
    pub met_at: Option<Timestamp>,
    /// When it ended (met or cancelled).
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled, or what met it.
    #[serde(default)]
    pub cause: String,
    /// Whether the due time lies past the last published holiday notice.
    #[serde(default)]
    pub provisional: bool,
    /// Whether it broke at its due time at some point, whatever happened later.
    #[serde(default)]
    pub broke: bool,
}

/// The first moment after an instant, in the resolution of the store.
pub(super) fn first_after(at: Timestamp) -> Timestamp {
    at + SignedDuration::from_millis(1)
}

impl Commitment {
    /// Whether it still runs, stands still, or is broken and not made good.
    pub fn is_unsettled(&self) -> bool {
        match self.outcome {
            Outcome::Running | Outcome::Paused => true,
            // A broken promise is owed until it is made good, or until its ticket ends without.
            Outcome::Broken => self.ended_at.is_none(),
            Outcome::Met | Outcome::MetLate | Outcome::Cancelled => false,
        }
    }

    /// The first moment at which it is broken if nothing happens; `None` unless it runs.
    pub fn breaks_at(&self) -> Option<Timestamp> {
        match self.outcome {
            Outcome::Running => self.due_at.map(first_after),
            Outcome::Paused | Outcome::Met | Outcome::Broken | Outcome::MetLate | Outcome::Cancelled => None,
        }
    }

    /// The instant at which `percent` of it is used up.
    pub(super) fn used_at(&self, terms: &Terms, percent: u8) -> Timestamp {
        terms.due(&self.calendar, self.started_at, self.length_ms * i64::from(percent) / 100, &self.pauses)
    }

    /// Whether the clock of this kind stands still while the ticket is suspended.
    fn pauses_with_ticket(&self) -> bool {
        match self.promise {
            Promise::Feedback | Promise::Resolve | Promise::Bugfix | Promise::Configure => true,
            Promise::Respond
            | Promise::Report
            | Promise::Track
            | Promise::Arrive
            | Promise::Support
            | Promise::ThirdParty
            | Promise::Upgrade => false,
        }
    }

    /// Whether 解决 meets it.
    pub(super) fn met_by_solution(&self) -> bool {
        match self.promise {
            Promise::Resolve | Promise::Bugfix | Promise::Configure | Promise::ThirdParty => true,
            Promise::Respond
            | Promise::Feedback
            | Promise::Report
            | Promise::Track
            | Promise::Arrive
            | Promise::Support
            | Promise::Upgrade => false,
        }
    }
}

impl Stepping<'_> {
    /// Starts a promise now if the contract gives one of this kind for the ticket's severity and none is unsettled.
    pub(super) fn start(&mut self, promise: Promise) {
        self.start_at(promise, self.now);
    }

    pub(super) fn start_at(&mut self, promise: Promise, start: Timestamp) {
        if self.ticket.unsettled(promise).is_some() {
            return;
        }
        let Some(term) = self.terms.profile.term(promise, &self.ticket.severity) else { return };
        let (length_ms, calendar) = (self.terms.length_ms(term), term.calendar.clone());
        let round =
            1 + u32::try_from(self.ticket.commitments.iter().filter(|c| c.promise == promise).count()).unwrap_or(0);
        let due = self.terms.due(&calendar, start, length_ms, &[]);
        self.ticket.commitments.push(Commitment {
            id: self.next_id(),
            promise,
            round,
            severity: self.ticket.severity.clone(),
            provisional: self.terms.is_provisional(&calendar, due),
            calendar,
            length_ms,
            started_at: start,
            due_at: Some(due),
            left_ms: None,
            pauses: Vec::new(),
            outcome: Outcome::Running,
            met_at: None,
            ended_at: None,
            cause: String::new(),
            broke: false,
        });
        let at = self.ticket.commitments.len() - 1;
        self.commitment_fact("commitment.started", at, start);
        self.schedule_pings(at);
        if self.ticket.state == State::Suspended {
            self.pause(at);
        }
    }

    fn next_id(&self) -> u32 {
        self.ticket.commitments.iter().map(|c| c.id + 1).max().unwrap_or(1)
    }

    /// Meets the unsettled promise of this kind at `at`: in time if `at` is not after its due time, else late.
    pub(super) fn meet(&mut self, promise: Promise, at: Timestamp, cause: &str) -> Option<u32> {
        let index = self.ticket.commitments.iter().rposition(|c| c.promise == promise && c.is_unsettled())?;
        Some(self.meet_index(index, at, cause))
    }

    pub(super) fn meet_index(&mut self, index: usize, at: Timestamp, cause: &str) -> u32 {
        // The alarm of a promise may not have rung yet when it is met after its due time: it breaks first, at its due time.
        self.break_if_due(index, at);
        let commitment = &mut self.ticket.commitments[index];
        commitment.outcome = if commitment.outcome == Outcome::Broken { Outcome::MetLate } else { Outcome::Met };
        commitment.met_at = Some(at);
        commitment.ended_at = Some(at);
        cause.clone_into(&mut commitment.cause);
        let (id, late) = (commitment.id, commitment.outcome == Outcome::MetLate);
        self.park_pings(id);
        self.commitment_fact(if late { "commitment.met_late" } else { "commitment.met" }, index, at);
        id
    }

    /// Breaks a running promise whose due time lies before `at`.
    pub(super) fn break_if_due(&mut self, index: usize, at: Timestamp) {
        let commitment = &mut self.ticket.commitments[index];
        if commitment.breaks_at().is_none_or(|breaks| breaks > at) {
            return;
        }
        commitment.outcome = Outcome::Broken;
        commitment.broke = true;
        let due = commitment.due_at.unwrap_or(at);
        self.commitment_fact("commitment.broken", index, due);
    }

    /// Cancels what still runs or stands still. What is broken stays broken.
    pub(super) fn cancel_where(&mut self, which: impl Fn(Promise) -> bool, cause: &str) {
        for index in 0..self.ticket.commitments.len() {
            let promise = self.ticket.commitments[index].promise;
            if which(promise) {
                self.cancel(index, cause);
            }
        }
    }

    pub(super) fn cancel(&mut self, index: usize, cause: &str) {
        self.break_if_due(index, self.now);
        let now = self.now;
        let commitment = &mut self.ticket.commitments[index];
        let id = commitment.id;
        match commitment.outcome {
            Outcome::Running | Outcome::Paused => {
                commitment.outcome = Outcome::Cancelled;
                commitment.ended_at = Some(now);
                cause.clone_into(&mut commitment.cause);
                self.park_pings(id);
                self.commitment_fact("commitment.cancelled", index, now);
            }
            Outcome::Broken | Outcome::Met | Outcome::MetLate | Outcome::Cancelled => {}
        }
    }

    /// Lets the promises that stand still with the ticket stand still.
    pub(super) fn pause_all(&mut self) {
        for index in 0..self.ticket.commitments.len() {
            self.pause(index);
        }
    }

    pub(super) fn pause(&mut self, index: usize) {
        self.pause_from(index, self.now);
    }

    /// Lets a promise stand still since `from`: now, or since the ticket was suspended where it runs again meanwhile.
    fn pause_from(&mut self, index: usize, from: Timestamp) {
        self.break_if_due(index, from);
        let (terms, now) = (self.terms, self.now);
        let commitment = &mut self.ticket.commitments[index];
        if commitment.outcome != Outcome::Running || !commitment.pauses_with_ticket() {
            return;
        }
        let from = from.max(commitment.started_at);
        commitment.pauses.retain(|pause| pause.0 < from);
        let used =
            terms.calendar(&commitment.calendar).elapsed_with_pauses(commitment.started_at, from, &commitment.pauses);
        commitment.left_ms = Some((commitment.length_ms - used).max(0));
        commitment.due_at = None;
        commitment.outcome = Outcome::Paused;
        commitment.pauses.push((from, now.max(from)));
        let id = commitment.id;
        self.park_pings(id);
        self.commitment_fact("commitment.paused", index, now);
    }

    /// Takes a promise out whatever became of it: the word it rested on never arrived.
    pub(super) fn strike(&mut self, index: usize, cause: &str) {
        let now = self.now;
        let commitment = &mut self.ticket.commitments[index];
        let was = commitment.outcome;
        if was == Outcome::Cancelled {
            return;
        }
        commitment.outcome = Outcome::Cancelled;
        commitment.left_ms = None;
        commitment.met_at = None;
        commitment.ended_at = Some(now);
        cause.clone_into(&mut commitment.cause);
        let id = commitment.id;
        self.park_pings(id);
        if matches!(was, Outcome::Met | Outcome::MetLate | Outcome::Broken) {
            self.commitment_fact("commitment.voided", index, now);
        }
        self.commitment_fact("commitment.cancelled", index, now);
    }

    /// The ticket is over: nothing runs, nothing rings, and what was broken stays so.
    pub(super) fn end_all(&mut self, cause: &str) {
        self.cancel_where(|_| true, cause);
        let now = self.now;
        for commitment in &mut self.ticket.commitments {
            if commitment.outcome == Outcome::Broken && commitment.ended_at.is_none() {
                commitment.ended_at = Some(now);
            }
        }
        for ping in &mut self.ticket.pings {
            ping.at = None;
        }
    }

    /// A ticket that goes on after its end owes again what it left broken then.
    pub(super) fn owe_again(&mut self, ended: Timestamp) {
        for commitment in &mut self.ticket.commitments {
            if commitment.outcome == Outcome::Broken && commitment.ended_at == Some(ended) {
                commitment.ended_at = None;
            }
        }
    }

    /// Lets them run again with the service time they had left.
    pub(super) fn resume_all(&mut self) {
        for index in 0..self.ticket.commitments.len() {
            let (terms, now) = (self.terms, self.now);
            let commitment = &mut self.ticket.commitments[index];
            if commitment.outcome == Outcome::Met
                && let Some(left) = commitment.left_ms.take()
            {
                // Met while it stood still: should that be taken back, it is due as if it had gone on with the others.
                if let Some(pause) = commitment.pauses.last_mut() {
                    pause.1 = now;
                }
                commitment.due_at = Some(terms.due(&commitment.calendar, now, left, &[]));
            }
            let commitment = &mut self.ticket.commitments[index];
            if commitment.outcome != Outcome::Paused {
                continue;
            }
            if let Some(pause) = commitment.pauses.last_mut() {
                pause.1 = now;
            }
            let left = commitment.left_ms.take().unwrap_or(0);
            let due = terms.due(&commitment.calendar, now, left, &[]);
            commitment.due_at = Some(due);
            commitment.provisional = terms.is_provisional(&commitment.calendar, due);
            commitment.outcome = Outcome::Running;
            let id = commitment.id;
            self.wake_pings(id);
            self.commitment_fact("commitment.resumed", index, now);
        }
    }

    /// What a change of severity does to the promises: those whose length changes end as cancelled and get a successor
    /// that counts from the old start; where that instant has passed, from the change.
    pub(super) fn change_lengths(&mut self) {
        for index in 0..self.ticket.commitments.len() {
            self.break_if_due(index, self.now);
            let old = self.ticket.commitments[index].clone();
            if !matches!(old.outcome, Outcome::Running | Outcome::Paused) {
                continue;
            }
            let term = self.terms.profile.term(old.promise, &self.ticket.severity);
            let Some(term) = term else {
                self.cancel(index, "严重程度调整后不再适用");
                continue;
            };
            let (length_ms, calendar) = (self.terms.length_ms(term), term.calendar.clone());
            if length_ms == old.length_ms && calendar == old.calendar {
                self.ticket.commitments[index].severity.clone_from(&self.ticket.severity);
                continue;
            }
            self.cancel(index, "严重程度调整");
            self.succeed(&old, length_ms, &calendar);
        }
    }

    fn succeed(&mut self, old: &Commitment, length_ms: i64, calendar: &str) {
        let (terms, now) = (self.terms, self.now);
        let mut next = Commitment {
            id: self.next_id(),
            severity: self.ticket.severity.clone(),
            calendar: calendar.to_owned(),
            length_ms,
            outcome: Outcome::Running,
            ended_at: None,
            left_ms: None,
            cause: String::new(),
            ..old.clone()
        };
        if old.outcome == Outcome::Paused {
            // What it had used when it came to stand still stays used, counted on the new calendar.
            let since = old.pauses.last().map_or(now, |pause| pause.0);
            let count = terms.calendar(calendar);
            let used = count.elapsed_with_pauses(old.started_at, since, &old.pauses);
            if used > length_ms {
                (next.started_at, next.pauses) = (now, vec![(now, now)]);
                next.left_ms = Some(length_ms);
            } else {
                next.left_ms = Some(length_ms - used);
            }
            (next.outcome, next.due_at) = (Outcome::Paused, None);
        } else {
            let due = terms.due(calendar, next.started_at, length_ms, &next.pauses);
            if due < now {
                (next.started_at, next.pauses) = (now, Vec::new());
            }
            let due = if due < now { terms.due(calendar, now, length_ms, &[]) } else { due };
            next.provisional = terms.is_provisional(calendar, due);
            next.due_at = Some(due);
        }
        self.ticket.commitments.push(next);
        let at = self.ticket.commitments.len() - 1;
        self.commitment_fact("commitment.started", at, now);
        self.schedule_pings(at);
    }

    /// Takes the `met` of a promise back: it runs again to its due time. Whether that has passed is for the caller to settle
    /// ([`Self::break_if_due`]), once what else may have met it is counted.
    pub(super) fn void(&mut self, index: usize, pause_from: Option<Timestamp>, cause: &str) {
        let (terms, now) = (self.terms, self.now);
        let commitment = &mut self.ticket.commitments[index];
        let was = commitment.outcome;
        if !matches!(was, Outcome::Met | Outcome::MetLate) {
            return;
        }
        let met_at = commitment.met_at.take();
        commitment.ended_at = None;
        commitment.cause.clear();
        if let Some(left) = commitment.left_ms.take() {
            // It was met while it stood still: it has what it had left then.
            if let Some(pause) = commitment.pauses.last_mut() {
                pause.1 = now;
            }
            commitment.due_at = Some(terms.due(&commitment.calendar, now, left, &[]));
        }
        match was {
            Outcome::MetLate => commitment.outcome = Outcome::Broken,
            Outcome::Met => {
                commitment.outcome = Outcome::Running;
                if let Some(from) = pause_from {
                    let used = terms.calendar(&commitment.calendar).elapsed_with_pauses(
                        commitment.started_at,
                        from,
                        &commitment.pauses,
                    );
                    commitment.pauses.push((from, now));
                    // From here with what it had left: a solution on the very due time leaves nothing, and breaks only now.
                    let left = (commitment.length_ms - used).max(0);
                    commitment.due_at = Some(terms.due(&commitment.calendar, now, left, &[]));
                }
            }
            Outcome::Running | Outcome::Paused | Outcome::Broken | Outcome::Cancelled => return,
        }
        let data = json!({
            "commitment": self.ticket.commitments[index].promise.id(),
            "id": self.ticket.commitments[index].id,
            "round": self.ticket.commitments[index].round,
            "met_at": met_at.map(|at| at.to_string()),
            "due_at": self.ticket.commitments[index].due_at.map(|at| at.to_string()),
        });
        self.fact_with("commitment.voided", cause, data);
        let id = self.ticket.commitments[index].id;
        self.wake_pings(id);
        if let Some(since) = self.ticket.suspension.as_ref().map(|s| s.since) {
            self.pause_from(index, since);
        }
    }

    /// Open due times computed again because a calendar changed, each with a record of its own.
    pub(super) fn recompute(&mut self) {
        for index in 0..self.ticket.commitments.len() {
            let terms = self.terms;
            let commitment = &mut self.ticket.commitments[index];
            if commitment.outcome != Outcome::Running {
                continue;
            }
            // What adds up under the calendar as it is now stays as it is, however it came about.
            let used = commitment.due_at.map(|due| {
                let calendar = terms.calendar(&commitment.calendar);
                calendar.elapsed_with_pauses(commitment.started_at, due, &commitment.pauses)
            });
            let provisional = commitment.due_at.is_some_and(|due| terms.is_provisional(&commitment.calendar, due));
            if used == Some(commitment.length_ms) && provisional == commitment.provisional {
                continue;
            }
            let due = terms.due(&commitment.calendar, commitment.started_at, commitment.length_ms, &commitment.pauses);
            let provisional = terms.is_provisional(&commitment.calendar, due);
            if commitment.due_at == Some(due) && commitment.provisional == provisional {
                continue;
            }
            let before = commitment.due_at.replace(due);
            commitment.provisional = provisional;
            let (id, promise) = (commitment.id, commitment.promise.id());
            let data = json!({
                "commitment": promise, "id": id, "due_at": due.to_string(),
                "before": before.map(|at| at.to_string()), "provisional": provisional,
            });
            self.fact_with("commitment.recomputed", "工作日历有更新，时限重新计算", data);
            self.wake_pings(id);
        }
    }

    pub(super) fn commitment_fact(&mut self, kind: &'static str, index: usize, at: Timestamp) {
        let c = &self.ticket.commitments[index];
        let data = json!({
            "commitment": c.promise.id(), "id": c.id, "round": c.round, "severity": c.severity,
            "calendar": c.calendar, "length_ms": c.length_ms, "started_at": c.started_at.to_string(),
            "due_at": c.due_at.map(|due| due.to_string()), "left_ms": c.left_ms, "provisional": c.provisional,
        });
        let cause = c.cause.clone();
        self.fact_at(kind, &cause, data, at);
    }
}
