//! Who is told when: the steps of the escalation chain as rows of the ticket, each with the instant it rings.
//!
//! A step fires once per promise, step and round of repetition: `fired` counts, and the row is written in the same
//! transaction as the notice, so no restart and no second instance can fire it again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::length::{Length, Point};
use super::super::notice::Kind;
use super::super::profile::{Promise, Role, Step};
use super::promises::first_after;
use super::{About, Audience, Outcome, Stepping, Tell, Ticket};

/// A notice later than this says how late it is.
const LATE_AFTER_MS: i64 = 60_000;

/// One step for one role, watching one promise (or the ticket itself).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// Step id of the profile.
    pub step: String,
    /// Who is told.
    pub role: Role,
    /// [`super::Commitment::id`] of the promise it watches; `None` for a step that watches the ticket.
    pub commitment: Option<u32>,
    /// How often it has fired.
    pub fired: u32,
    /// When it rings next; `None` while it is parked or done.
    pub at: Option<Timestamp>,
    /// Whether its first word is never held back: a break, or the telling of a major emergency.
    #[serde(default)]
    pub urgent: bool,
    /// The end of a maintenance window that holds it back.
    #[serde(default)]
    pub held_until: Option<Timestamp>,
}

fn gap(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond() - from.as_millisecond()
}

impl Ticket {
    /// When a ping really rings: an acknowledgement or a mute pushes it back, but never the first word of a break.
    pub(super) fn rings_at(&self, ping: &Ping) -> Option<Timestamp> {
        let at = ping.at?;
        if ping.urgent && ping.fired == 0 {
            return Some(at);
        }
        let muted = self.muted_until.max(ping.held_until).filter(|until| *until > at);
        // An acknowledgement answers what was said; a step that has not spoken yet is news.
        let quiet = self
            .quiet
            .iter()
            .filter(|(role, until)| ping.fired > 0 && *role == ping.role && *until > at)
            .map(|(_, until)| *until)
            .max();
        Some([Some(at), muted, quiet].into_iter().flatten().max().unwrap_or(at))
    }
}

impl Stepping<'_> {
    fn applies(&self, step: &Step, index: usize) -> bool {
        let promise = self.ticket.commitments[index].promise;
        step.at != Point::Start
            && step.commitments.as_ref().is_none_or(|only| only.contains(&promise))
            && (!step.major_only || self.ticket.is_major(self.terms))
    }

    fn step_time(&self, step: &Step, index: usize) -> Option<Timestamp> {
        let c = &self.ticket.commitments[index];
        let due = c.due_at?;
        Some(match step.at {
            Point::Start => return None,
            Point::Percent(percent) => c.used_at(self.terms, percent),
            Point::Broken => first_after(due),
            Point::AfterBroken(minutes) => first_after(due) + SignedDuration::from_mins(i64::from(minutes)),
        })
    }

    /// Sets the rows of a promise that begins.
    pub(super) fn schedule_pings(&mut self, index: usize) {
        let id = self.ticket.commitments[index].id;
        let terms = self.terms;
        for step in &terms.profile.escalation.steps {
            if !self.applies(step, index) {
                continue;
            }
            for role in &step.roles {
                // What stands still has no instants yet: its rows wait for it to run again.
                let at = self.step_time(step, index);
                self.ticket.pings.push(Ping {
                    step: step.id.clone(),
                    role: *role,
                    commitment: Some(id),
                    fired: 0,
                    at,
                    urgent: matches!(step.at, Point::Broken | Point::AfterBroken(_)),
                    held_until: None,
                });
            }
        }
    }

    /// Begins the step that tells the lead at once of a major emergency.
    pub(super) fn start_major(&mut self) {
        let terms = self.terms;
        for step in terms.profile.escalation.steps.iter().filter(|step| step.at == Point::Start) {
            if step.major_only && !self.ticket.is_major(terms) {
                continue;
            }
            // Where the contract promises a report, this step is its first notice and ends with it.
            let report = self.ticket.unsettled(Promise::Report).map(|c| c.id);
            for role in &step.roles {
                let again = self.ticket.pings.iter().any(|p| {
                    p.step == step.id
                        && p.role == *role
                        && p.commitment == report
                        && (report.is_some() || p.at.is_some())
                });
                if !again {
                    self.ticket.pings.push(Ping {
                        step: step.id.clone(),
                        role: *role,
                        commitment: report,
                        fired: 0,
                        at: Some(self.now),
                        urgent: true,
                        held_until: None,
                    });
                }
            }
        }
        self.ring();
    }

    /// Ends the step that told the lead of a major emergency.
    pub(super) fn end_major(&mut self) {
        let terms = self.terms;
        let starts = |id: &str| terms.profile.escalation.steps.iter().any(|s| s.id == id && s.at == Point::Start);
        for ping in self.ticket.pings.iter_mut().filter(|ping| starts(&ping.step)) {
            ping.at = None;
        }
    }

    /// Silences a promise that has ended or stands still. The rows stay: should the promise run again (a bounce, a
    /// reopening), what has fired is not fired a second time.
    pub(super) fn park_pings(&mut self, commitment: u32) {
        for ping in self.ticket.pings.iter_mut().filter(|p| p.commitment == Some(commitment)) {
            ping.at = None;
        }
    }

    /// Sets the instants of steps that have not fired, after the promise's due time has moved.
    pub(super) fn wake_pings(&mut self, commitment: u32) {
        let Some(index) = self.ticket.commitments.iter().position(|c| c.id == commitment) else { return };
        let terms = self.terms;
        for step in terms.profile.escalation.steps.iter().filter(|step| step.at != Point::Start) {
            let at = self.step_time(step, index);
            for ping in &mut self.ticket.pings {
                if ping.commitment == Some(commitment) && ping.step == step.id && ping.fired == 0 {
                    ping.at = at;
                }
            }
        }
    }

    /// Fires every ping whose time has come. All that one person is told about this ticket now is one message.
    pub(super) fn ring(&mut self) {
        let (terms, now) = (self.terms, self.now);
        let escalation = &terms.profile.escalation;
        let every = SignedDuration::from_millis(escalation.repeat_every.fixed_ms().unwrap_or(600_000));
        let rank = |id: &str| escalation.steps.iter().position(|step| step.id == id).unwrap_or(0);
        let mut told: Vec<(Role, Vec<About>)> = Vec::new();
        // No step speaks of a break that is not written.
        for index in 0..self.ticket.commitments.len() {
            if self.ticket.commitments[index].outcome == Outcome::Running {
                self.break_if_due(index, now);
            }
        }
        self.drop_overtaken();
        for index in 0..self.ticket.pings.len() {
            let ping = &self.ticket.pings[index];
            let Some(rings) = self.ticket.rings_at(ping).filter(|at| *at <= now) else { continue };
            let (role, commitment, step) = (ping.role, ping.commitment, ping.step.clone());
            let point = escalation.steps.get(rank(&step)).map_or(Point::Start, |s| s.at);
            let promise = commitment.and_then(|id| self.ticket.commitments.iter().find(|c| c.id == id));
            let (promise, due_at) = (promise.map(|c| c.promise), promise.and_then(|c| c.due_at));
            let ping = &mut self.ticket.pings[index];
            let deferred = ping.at.is_some_and(|planned| gap(planned, now) > LATE_AFTER_MS);
            ping.fired += 1;
            ping.at = (ping.fired <= escalation.repeats).then(|| now + every);
            let (round, first) = (ping.fired, ping.fired == 1);
            let late_ms = gap(rings, now);
            let about = About {
                commitment: promise,
                step: step.clone(),
                role,
                round,
                due_at,
                late_ms: if late_ms > LATE_AFTER_MS { late_ms } else { 0 },
                kind: match point {
                    Point::Percent(_) => Kind::Warning,
                    Point::Broken => Kind::Broken,
                    Point::Start | Point::AfterBroken(_) => Kind::Escalation,
                },
                deferred,
            };
            self.fact_with(
                "escalated",
                "",
                json!({
                    "step": about.step, "role": role.id(), "round": round, "commitment": promise.map(Promise::id),
                    "late_ms": about.late_ms,
                }),
            );
            match told.iter_mut().find(|(who, _)| *who == role) {
                Some((_, abouts)) => abouts.push(about),
                None => told.push((role, vec![about])),
            }
            if first && commitment.is_some() {
                let all = matches!(point, Point::Broken | Point::AfterBroken(_));
                self.hush_earlier(commitment, rank(&step), rank, (!all).then_some(role));
            }
        }
        self.drop_overtaken();
        for (role, about) in told {
            // The gravest names the message.
            let kind = [Kind::Broken, Kind::Escalation, Kind::Warning]
                .into_iter()
                .find(|kind| about.iter().any(|a| a.kind == *kind))
                .unwrap_or(Kind::Escalation);
            self.tells.push(Tell { to: Audience::Role(role), kind, text: String::new(), about, proof: None });
        }
    }

    /// Warnings that are due wait until then: what nobody was told is neither recorded as told nor used up.
    pub(super) fn hold_back(&mut self, until: Timestamp) {
        let terms = self.terms;
        let warns =
            |id: &str| terms.profile.escalation.steps.iter().any(|s| s.id == id && matches!(s.at, Point::Percent(_)));
        let due: Vec<usize> = (0..self.ticket.pings.len())
            .filter(|index| warns(&self.ticket.pings[*index].step))
            .filter(|index| self.ticket.rings_at(&self.ticket.pings[*index]).is_some_and(|at| at <= self.now))
            .collect();
        for index in &due {
            self.ticket.pings[*index].held_until = Some(until);
        }
        if !due.is_empty() {
            self.fact_with("held_back", "计划维护期间的提醒推迟到维护结束", json!({ "until": until.to_string() }));
        }
    }

    /// A warning that was held back (muted) until its break had been told has nothing left to warn of.
    fn drop_overtaken(&mut self) {
        let terms = self.terms;
        let point = |id: &str| terms.profile.escalation.steps.iter().find(|s| s.id == id).map(|s| s.at);
        let told: Vec<Option<u32>> = self
            .ticket
            .pings
            .iter()
            .filter(|p| p.fired > 0 && point(&p.step) == Some(Point::Broken))
            .map(|p| p.commitment)
            .collect();
        for ping in &mut self.ticket.pings {
            if matches!(point(&ping.step), Some(Point::Percent(_))) && told.contains(&ping.commitment) {
                ping.at = None;
            }
        }
    }

    /// Once the next step of a promise has spoken to somebody, the earlier ones are not repeated to him; once it is broken,
    /// to nobody.
    fn hush_earlier(
        &mut self,
        commitment: Option<u32>,
        reached: usize,
        rank: impl Fn(&str) -> usize,
        only: Option<Role>,
    ) {
        for ping in &mut self.ticket.pings {
            let hears = only.is_none_or(|role| role == ping.role);
            if hears && ping.commitment == commitment && ping.fired > 0 && rank(&ping.step) < reached {
                ping.at = None;
            }
        }
    }

    /// 收到 or 确认: the pings of a role keep quiet for the time the contract sets.
    pub(super) fn quiet(&mut self, role: Role) {
        let minutes = self.terms.profile.escalation.acknowledged_for;
        let ms = match minutes {
            Length::Minutes(minutes) => i64::from(minutes) * 60_000,
            Length::Workdays(_) => 3_600_000,
        };
        self.ticket.quiet.retain(|(quiet, _)| *quiet != role);
        self.ticket.quiet.push((role, self.now + SignedDuration::from_millis(ms)));
    }

    /// The engineer has done something: what he was reminded of is not repeated.
    pub(super) fn engineer_acted(&mut self) {
        for ping in &mut self.ticket.pings {
            if ping.role == Role::Engineer && ping.fired > 0 {
                ping.at = None;
            }
        }
    }

    /// Breaks what is due, fires what rings, closes what nobody answered.
    pub(super) fn alarm(&mut self) {
        self.ring();
        if self.ticket.state == super::State::Resolved && self.ticket.confirm_until.is_some_and(|at| at <= self.now) {
            self.close("解决后在约定时间内没有收到不同意见，自动关闭", true);
        }
    }
}
