//! What each event does to a ticket.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::notice::Kind;
use super::super::profile::{NoticeMoment, Promise, Role};
use super::{Actor, Audience, Change, Event, Outcome, Proof, Refusal, State, Stepping, Suspension, Tell, Ticket, Word};

/// An engineer hears of urging at most this often for one ticket.
const URGED_AGAIN: SignedDuration = SignedDuration::from_mins(30);
/// How many words of engineers are remembered for proofs and bounces.
const WORDS_KEPT: usize = 16;

impl Stepping<'_> {
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::Opened => self.opened(),
            Event::Claim => self.claim()?,
            Event::Assign { to } => self.assign(to)?,
            Event::Assist { who } => self.assist(who)?,
            Event::Progress { text, spoken } => self.progress(text, *spoken)?,
            Event::Suspend { reason } => self.suspend(reason)?,
            Event::Resume => self.resume(true)?,
            Event::Severity { to } => self.severity(to)?,
            Event::Category { to } => self.category(to)?,
            Event::Visit => self.begin(Promise::Arrive, "visit", "需要到现场处理")?,
            Event::Arrive => self.arrive()?,
            Event::Leave => self.note("left_site", "工程师已离开现场")?,
            Event::Support => self.begin(Promise::Support, "support", "已请求支援工程师")?,
            Event::ThirdParty { unit } => self.third_party(unit)?,
            Event::Upgrade { begun } => self.upgrade(*begun)?,
            Event::ConfirmNeed => self.begin(Promise::Configure, "need_confirmed", "需求已确认，开始计时")?,
            Event::Change { parts, window } => self.change(parts, *window)?,
            Event::Resolve { text } => self.resolve(text)?,
            Event::Confirm => self.confirm()?,
            Event::Reopen { text } => self.reopen(text)?,
            Event::Close { text } => {
                self.must(|state| !state.is_over())?;
                self.close(text, false);
            }
            Event::Withdraw { text, unfounded } => self.withdraw(text, *unfounded)?,
            Event::MergeInto { number } => self.merge_into(*number)?,
            Event::Absorb { other } => self.absorb(other)?,
            Event::Link { others } => self.link(others)?,
            Event::Evaluate { score, text } => self.evaluate(*score, text)?,
            Event::Acknowledge => self.acknowledge()?,
            Event::AcknowledgeReport => self.acknowledge_report()?,
            Event::Mute { until } => {
                self.must(State::is_live)?;
                self.ticket.muted_until = Some(*until);
                self.fact_with("muted", "", json!({ "until": until.to_string() }));
            }
            Event::Urge { text } => self.urge(text)?,
            Event::Append { text, attachments } => self.append(text, attachments)?,
            Event::Remark { text, tell } => {
                self.fact("remark", text);
                if *tell {
                    self.tell(Audience::Engineers, Kind::Status, text);
                }
            }
            Event::Recalled => self.fact("recalled", "提出人在平台上撤回了原消息，工单与已记录的内容保留"),
            Event::Delivered { proof, other_way } => self.delivered(proof, *other_way),
            Event::Bounced { proof, cause } => self.bounced(proof, cause),
            Event::Alarm => self.alarm(),
            Event::HoldBack { until } => self.hold_back(*until),
            Event::CalendarChanged => self.recompute(),
        }
        Ok(())
    }

    fn must(&self, fits: impl Fn(State) -> bool) -> Result<(), Refusal> {
        if fits(self.ticket.state) { Ok(()) } else { Err(Refusal::State(self.ticket.state)) }
    }

    pub(super) fn opened(&mut self) {
        let mut data = json!({
            "number": self.ticket.number, "severity": self.ticket.severity, "assumed": self.ticket.severity_assumed,
            "words": self.ticket.severity_words, "category": self.ticket.category, "system": self.ticket.system,
            "requester": self.ticket.requester.id, "conversation": self.ticket.origin, "unit": self.ticket.unit,
            "phone": self.ticket.phone, "attachments": self.ticket.attachments,
        });
        for (key, value) in
            [("doubt", self.ticket.doubt.clone().map(Value::from)), ("follows", self.ticket.follows.map(Value::from))]
        {
            if let (Some(map), Some(value)) = (data.as_object_mut(), value) {
                map.insert(key.to_owned(), value);
            }
        }
        let text = self.ticket.text.join("\n");
        self.fact_with("opened", &text, data);
        self.start_round();
        self.tell(Audience::Requester, Kind::Opened, "");
        self.tell(Audience::Engineers, Kind::Opened, "");
        self.customer(NoticeMoment::Opened, "");
    }

    /// The promises that begin with a ticket, or again with a late reopening.
    fn start_round(&mut self) {
        for promise in [Promise::Respond, Promise::Feedback, Promise::Resolve] {
            self.start(promise);
        }
        self.start_by_category();
        if self.ticket.is_major(self.terms) {
            self.start(Promise::Report);
            self.start(Promise::Track);
            self.start_major();
        }
    }

    fn start_by_category(&mut self) {
        if self.ticket.category.as_deref() == Some("bug") {
            self.start(Promise::Bugfix);
        }
    }

    fn customer(&mut self, moment: NoticeMoment, text: &str) {
        let terms = &self.terms.profile.customer_notice;
        let fault = self
            .ticket
            .category
            .as_deref()
            .and_then(|id| self.terms.profile.categories.iter().find(|c| c.id == id))
            .is_none_or(|category| category.fault);
        if terms.on.contains(&moment) && (fault || !terms.faults_only) {
            self.tell(Audience::Role(Role::Customer), Kind::CustomerNotice, text);
        }
    }

    fn claim(&mut self) -> Result<(), Refusal> {
        let own = self.ticket.engineer.as_ref().is_some_and(|engineer| engineer.id == self.by.id);
        if own && self.ticket.state.is_live() && self.ticket.unsettled(Promise::Respond).is_some() {
            // Handed to him, and now taken: this is the response.
            self.ticket.claimed_at = Some(self.now);
            self.fact("claimed", "");
            self.meet(Promise::Respond, self.now, "工程师认领");
            self.engineer_acted();
            self.tell_claimed();
            return Ok(());
        }
        if let Some(engineer) = &self.ticket.engineer {
            return Err(if engineer.id == self.by.id {
                Refusal::Already
            } else {
                Refusal::Taken { by: engineer.name.clone() }
            });
        }
        self.must(State::is_live)?;
        self.take(self.by.clone());
        self.ticket.claimed_at = Some(self.now);
        self.fact("claimed", "");
        self.meet(Promise::Respond, self.now, "工程师认领");
        self.tell_claimed();
        Ok(())
    }

    /// Also where the card still says 请认领.
    fn tell_claimed(&mut self) {
        self.tell_both(Kind::Claimed, "");
        self.tell(Audience::Engineers, Kind::Claimed, "");
    }

    fn take(&mut self, engineer: Actor) {
        self.ticket.before = self.ticket.engineer.replace(engineer).map(|before| before.name);
        match &mut self.ticket.suspension {
            Some(suspension) => suspension.was = State::Claimed,
            None => self.ticket.state = State::Claimed,
        }
        self.ticket.quiet.retain(|(role, _)| *role != Role::Engineer);
        self.engineer_acted();
    }

    /// Whether it is the word of whoever asked, or asked the same.
    fn by_asker(&self) -> bool {
        self.by.id == self.ticket.requester.id || self.ticket.co_requesters.contains(&self.by.id)
    }

    /// Says it to the requester and, where the command came from elsewhere, confirms it there.
    fn tell_both(&mut self, kind: Kind, text: &str) {
        self.tell(Audience::Requester, kind, text);
        self.tell(Audience::Issuer, kind, text);
    }

    fn assign(&mut self, to: &Actor) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        if self.ticket.engineer.as_ref().is_some_and(|engineer| engineer.id == to.id) {
            return Err(Refusal::Already);
        }
        self.take(to.clone());
        self.ticket.assistants.retain(|a| a.id != to.id);
        self.fact_with("assigned", "", json!({ "to": to.id, "name": to.name }));
        // Being handed a ticket is no claim: `respond` runs on until the engineer says a word of his own.
        self.tell_both(Kind::Assigned, &to.name);
        self.tell(Audience::Engineers, Kind::Assigned, &to.name);
        self.tell(Audience::Person(to.id.clone()), Kind::Assigned, &to.name);
        Ok(())
    }

    fn assist(&mut self, who: &Actor) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        // Whoever answers for it works on it already.
        if self.ticket.assistants.iter().chain(&self.ticket.engineer).any(|a| a.id == who.id) {
            return Err(Refusal::Already);
        }
        self.ticket.assistants.push(who.clone());
        self.fact_with("assisted", "", json!({ "who": who.id, "name": who.name }));
        self.tell(Audience::Issuer, Kind::Assigned, &who.name);
        self.tell(Audience::Person(who.id.clone()), Kind::Assigned, &who.name);
        Ok(())
    }

    fn progress(&mut self, text: &str, spoken: bool) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        if text.trim().is_empty() {
            return Err(Refusal::Missing("进展内容"));
        }
        self.engineer_acted();
        self.fact("progress", text);
        self.say(Kind::Progress, text, spoken);
        Ok(())
    }

    /// An engineer's word to the requester, with the proof that its delivery gives.
    fn say(&mut self, kind: Kind, text: &str, spoken: bool) {
        let id = self.ticket.words.last().map_or(1, |word| word.id + 1);
        self.ticket.latest = Some(text.to_owned());
        self.ticket.words.push(Word { id, by: self.by.clone(), requester_at: None, lead_at: None, met: Vec::new() });
        if self.ticket.words.len() > WORDS_KEPT {
            self.ticket.words.remove(0);
        }
        if !spoken {
            self.tells.push(Tell {
                to: Audience::Requester,
                kind,
                text: text.to_owned(),
                about: Vec::new(),
                proof: Some(Proof::Word { word: id }),
            });
            self.tell(Audience::Issuer, kind, text);
        }
        if self.ticket.unsettled(Promise::Track).is_some() {
            self.tells.push(Tell {
                to: Audience::Role(Role::Lead),
                kind,
                text: text.to_owned(),
                about: Vec::new(),
                proof: Some(Proof::WordToLead { word: id }),
            });
        }
        if spoken || self.caller_is_called_back() {
            self.delivered(&Proof::Word { word: id }, false);
        }
    }

    /// A ticket opened for a caller whom no message can reach: the engineer's record of the call back counts.
    fn caller_is_called_back(&self) -> bool {
        self.ticket.phone.is_some() && !self.ticket.origin.starts_with("sms:")
    }

    fn suspend(&mut self, reason: &str) -> Result<(), Refusal> {
        self.must(|state| matches!(state, State::Open | State::Claimed))?;
        if reason.trim().is_empty() {
            return Err(Refusal::Missing("挂起原因（等谁提供什么）"));
        }
        let terms = &self.terms.profile.suspension;
        if terms.forbidden_for.contains(&self.ticket.severity) {
            return Err(Refusal::NoSuspension { clause: terms.clause.clone() });
        }
        self.engineer_acted();
        self.ticket.suspension =
            Some(Suspension { since: self.now, reason: reason.to_owned(), was: self.ticket.state });
        self.ticket.state = State::Suspended;
        self.fact("suspended", reason);
        self.pause_all();
        self.tell_both(Kind::Paused, reason);
        Ok(())
    }

    fn resume(&mut self, tell: bool) -> Result<(), Refusal> {
        let Some(suspension) = self.ticket.suspension.take() else {
            return Err(Refusal::State(self.ticket.state));
        };
        self.ticket.state = suspension.was;
        self.fact("resumed", "");
        self.resume_all();
        if tell {
            self.tell_both(Kind::Resumed, "");
            if self.ticket.engineer.as_ref().is_some_and(|engineer| engineer.id != self.by.id) {
                self.tell(Audience::Role(Role::Engineer), Kind::Resumed, "");
            }
        }
        Ok(())
    }

    fn severity(&mut self, typed: &str) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        let Some(severity) = self.terms.profile.severity_named(typed) else {
            return Err(Refusal::Unknown {
                typed: typed.to_owned(),
                known: self.terms.profile.severities.iter().map(|s| s.name.clone()).collect(),
            });
        };
        if severity.id == self.ticket.severity && !self.ticket.severity_assumed {
            return Err(Refusal::Already);
        }
        let was_major = self.ticket.is_major(self.terms);
        let from = std::mem::replace(&mut self.ticket.severity, severity.id.clone());
        self.ticket.severity_assumed = false;
        self.ticket.severity_words.clear();
        self.fact_with("severity", "", json!({ "from": from, "to": self.ticket.severity }));
        let live = self.ticket.state.is_live();
        self.change_lengths();
        if live {
            for promise in [Promise::Respond, Promise::Feedback, Promise::Resolve] {
                // A promise the old severity did not give begins with the ticket, by the rule for severity changes.
                if !self.ticket.commitments.iter().any(|c| c.promise == promise) {
                    self.start(promise);
                }
            }
        }
        match (was_major, severity.major) {
            (false, true) if live => {
                self.start(Promise::Report);
                self.start(Promise::Track);
                self.start_major();
            }
            (true, false) => {
                self.cancel_where(|p| matches!(p, Promise::Report | Promise::Track), "不再属于重大紧急事件");
                self.end_major();
            }
            // Solved already: should it be reopened, it begins then.
            (false, true | false) | (true, true) => {}
        }
        self.ring();
        self.tell_both(Kind::SeverityChanged, "");
        self.customer(NoticeMoment::Severity, "");
        Ok(())
    }

    fn category(&mut self, typed: &str) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        let Some(category) = self.terms.profile.category_named(typed) else {
            return Err(Refusal::Unknown {
                typed: typed.to_owned(),
                known: self.terms.profile.categories.iter().map(|c| c.name.clone()).collect(),
            });
        };
        if self.ticket.category.as_deref() == Some(category.id.as_str()) {
            return Err(Refusal::Already);
        }
        let from = self.ticket.category.replace(category.id.clone());
        self.fact_with("category", "", json!({ "from": from, "to": category.id }));
        if category.id != "bug" {
            self.cancel_where(|p| p == Promise::Bugfix, "类别调整，不再属于 Bug");
        }
        if self.ticket.state.is_live() {
            self.start_by_category();
        }
        self.tell(Audience::Issuer, Kind::Status, &format!("类别已改为「{}」", category.name));
        Ok(())
    }

    /// Something that starts a promise of its own.
    fn begin(&mut self, promise: Promise, fact: &'static str, words: &str) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        self.engineer_acted();
        self.fact(fact, words);
        self.start(promise);
        self.tell(Audience::Issuer, Kind::Status, words);
        if promise == Promise::Support {
            self.tell(Audience::Role(Role::Lead), Kind::Status, words);
        }
        Ok(())
    }

    fn arrive(&mut self) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        self.engineer_acted();
        let own = self.ticket.engineer.as_ref().is_some_and(|engineer| engineer.id == self.by.id);
        self.fact("arrived", "");
        // `support` is met by the arrival of another engineer, `arrive` by anybody's.
        if !own || self.ticket.engineer.is_none() {
            self.meet(Promise::Support, self.now, "支援工程师到场");
        }
        self.meet(Promise::Arrive, self.now, "到达现场");
        self.tell_both(Kind::Progress, &format!("{}已到达现场", self.by.name));
        Ok(())
    }

    fn note(&mut self, fact: &'static str, words: &str) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        self.engineer_acted();
        self.fact(fact, "");
        self.tell(Audience::Issuer, Kind::Status, words);
        Ok(())
    }

    fn third_party(&mut self, unit: &str) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        if unit.trim().is_empty() {
            return Err(Refusal::Missing("第三方单位名称"));
        }
        self.engineer_acted();
        self.fact("third_party", unit);
        self.start(Promise::ThirdParty);
        self.tell_both(Kind::Progress, &format!("已协调第三方（{unit}）处理"));
        Ok(())
    }

    fn upgrade(&mut self, begun: bool) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        self.engineer_acted();
        if begun {
            if let Some(rules) = &self.terms.profile.change {
                let missing: Vec<_> = rules
                    .requires
                    .iter()
                    .filter(|part| !self.ticket.change.parts.iter().any(|(have, _)| have == *part))
                    .copied()
                    .collect();
                let open = self.terms.calendar(&rules.not_during).is_open(self.now);
                if !missing.is_empty() || open {
                    return Err(Refusal::Change { missing, window: open, clause: rules.clause.clone() });
                }
            }
            self.fact("upgrade_begun", "");
            self.start(Promise::Upgrade);
            self.tell_both(Kind::Progress, "升级已开始");
        } else {
            self.fact("upgrade_done", "");
            self.meet(Promise::Upgrade, self.now, "升级完成或已回退");
            self.tell_both(Kind::Progress, "升级已完成");
        }
        Ok(())
    }

    fn change(
        &mut self,
        parts: &[(super::ChangePart, String)],
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        let mut next = Change { parts: self.ticket.change.parts.clone(), window: window.or(self.ticket.change.window) };
        for (part, text) in parts {
            next.parts.retain(|(have, _)| have != part);
            next.parts.push((*part, text.clone()));
        }
        if let Some(rules) = &self.terms.profile.change {
            let missing: Vec<_> =
                rules.requires.iter().filter(|p| !next.parts.iter().any(|(have, _)| have == *p)).copied().collect();
            let in_hours =
                next.window.is_none_or(|(from, to)| self.terms.calendar(&rules.not_during).elapsed(from, to) > 0);
            if !missing.is_empty() || in_hours {
                return Err(Refusal::Change { missing, window: in_hours, clause: rules.clause.clone() });
            }
        }
        self.fact_with(
            "change",
            "",
            json!({
                "parts": next.parts.iter().map(|(part, text)| json!({ "part": part, "text": text })).collect::<Vec<_>>(),
                "window": next.window.map(|(from, to)| [from.to_string(), to.to_string()]),
            }),
        );
        self.ticket.change = next;
        self.tell(Audience::Issuer, Kind::Status, "变更材料已登记，可在变更时间窗口内执行");
        Ok(())
    }

    fn resolve(&mut self, text: &str) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        if text.trim().is_empty() {
            return Err(Refusal::Missing("处理结果"));
        }
        if self.ticket.suspension.is_some() {
            self.resume(false)?;
        }
        if self.ticket.engineer.is_none() {
            self.take(self.by.clone());
            self.meet(Promise::Respond, self.now, "工程师直接解决");
        }
        self.engineer_acted();
        self.ticket.state = State::Resolved;
        self.ticket.solution = Some(text.to_owned());
        self.ticket.resolved_at = Some(self.now);
        let confirmation = &self.terms.profile.confirmation;
        let length = self.terms.span_ms(confirmation.within, &confirmation.calendar);
        self.ticket.confirm_until = Some(self.terms.due(&confirmation.calendar, self.now, length, &[]));
        self.fact("resolved", text);
        for index in 0..self.ticket.commitments.len() {
            let c = &self.ticket.commitments[index];
            if c.met_by_solution() && c.is_unsettled() {
                self.meet_index(index, self.now, "已解决");
            }
        }
        self.cancel_where(|p| matches!(p, Promise::Arrive | Promise::Support), "问题已解决，无需到场");
        self.say(Kind::Resolved, text, false);
        self.customer(NoticeMoment::Resolved, text);
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), Refusal> {
        self.must(|state| state == State::Resolved)?;
        self.fact("confirmed", "");
        self.close("提出人确认已解决", true);
        Ok(())
    }

    fn reopen(&mut self, text: &str) -> Result<(), Refusal> {
        self.must(|state| matches!(state, State::Resolved | State::Closed))?;
        let in_time = self.ticket.confirm_until.is_some_and(|until| self.now <= until);
        let resolved_at = self.ticket.resolved_at.take();
        let ended = self.ticket.closed_at;
        self.ticket.state = if self.ticket.engineer.is_some() { State::Claimed } else { State::Open };
        self.ticket.solution = None;
        self.ticket.latest = None;
        self.ticket.confirm_until = None;
        self.ticket.closed_at = None;
        self.ticket.touched_at = self.now;
        if !text.trim().is_empty() {
            self.ticket.text.push(text.to_owned());
        }
        self.ticket.reopened_by = Some(self.by.name.clone());
        let cause = if self.by_asker() {
            "提出人反映仍未解决".to_owned()
        } else {
            format!("{}重新打开", self.by.name)
        };
        self.fact("reopened", text);
        match resolved_at {
            Some(since) if in_time => {
                for index in 0..self.ticket.commitments.len() {
                    let c = &self.ticket.commitments[index];
                    if c.met_by_solution() && c.met_at == Some(since) {
                        self.void(index, Some(since), &cause);
                        self.break_if_due(index, self.now);
                    }
                }
                if let Some(ended) = ended {
                    self.owe_again(ended);
                }
                self.change_lengths();
                self.start(Promise::Feedback);
                self.start_by_category();
                if self.ticket.is_major(self.terms) {
                    let reported =
                        self.ticket.commitments.iter().any(|c| {
                            c.promise == Promise::Report && matches!(c.outcome, Outcome::Met | Outcome::MetLate)
                        });
                    if !reported {
                        self.start(Promise::Report);
                        self.start_major();
                    }
                    self.start(Promise::Track);
                }
            }
            Some(_) | None => {
                // What was left over from the life that has ended is not owed in the new one.
                self.end_all("确认时间已过，重新计时");
                self.ticket.rounds += 1;
                self.ticket.reborn_at = Some(self.now);
                self.start_round();
            }
        }
        self.tell(Audience::Requester, Kind::Reopened, text);
        self.tell(Audience::Role(Role::Engineer), Kind::Reopened, text);
        Ok(())
    }

    pub(super) fn close(&mut self, text: &str, survey: bool) {
        self.ticket.suspension = None;
        self.ticket.state = State::Closed;
        self.ticket.closed_at = Some(self.now);
        self.fact("closed", text);
        self.end_all("工单已关闭");
        self.tell_both(Kind::Closed, text);
        if survey && self.ticket.rating.is_none() {
            self.tell(Audience::Requester, Kind::Survey, "");
        }
    }

    fn withdraw(&mut self, text: &str, unfounded: bool) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        self.ticket.unfounded = unfounded;
        self.ticket.suspension = None;
        self.ticket.state = State::Withdrawn;
        self.ticket.closed_at = Some(self.now);
        self.fact("withdrawn", text);
        self.end_all("工单已撤回");
        self.tell_both(Kind::Closed, text);
        if self.ticket.engineer.is_some() {
            self.tell(Audience::Role(Role::Engineer), Kind::Closed, text);
        } else {
            // The card there still asks for somebody to claim it.
            self.tell(Audience::Engineers, Kind::Closed, text);
        }
        if !self.ticket.leads_reached.is_empty() {
            self.tell(Audience::Role(Role::Lead), Kind::Closed, text);
        }
        Ok(())
    }

    fn merge_into(&mut self, number: u64) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        self.ticket.suspension = None;
        self.ticket.state = State::Merged;
        self.ticket.merged_into = Some(number);
        self.ticket.closed_at = Some(self.now);
        self.fact_with("merged", "", json!({ "into": number }));
        self.end_all("已并入其他工单，承诺在该工单中继续");
        self.tell(Audience::Requester, Kind::Linked, "");
        Ok(())
    }

    /// Takes over what the other ticket owes: its hearers, and the earlier of the due times.
    fn absorb(&mut self, other: &Ticket) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        for hearer in other.hearers() {
            if !self.ticket.hearers().any(|known| known == hearer) {
                self.ticket.also.push(hearer.to_owned());
            }
        }
        self.fact_with("absorbed", "", json!({ "number": other.number }));
        // Who asked there asks here now, and what had reached a lead has reached him.
        let askers = std::iter::once(&other.requester.id).chain(&other.co_requesters);
        for asker in askers.filter(|id| **id != self.ticket.requester.id) {
            if !self.ticket.co_requesters.contains(asker) {
                self.ticket.co_requesters.push(asker.clone());
            }
        }
        for lead in &other.leads_reached {
            if !self.ticket.leads_reached.contains(lead) {
                self.ticket.leads_reached.push(lead.clone());
            }
        }
        // A promise that stood still is owed from now on: the ticket it goes on in does not stand still.
        let (terms, now) = (self.terms, self.now);
        let owed: Vec<super::Commitment> = other
            .commitments
            .iter()
            .filter(|c| matches!(c.outcome, Outcome::Running | Outcome::Paused))
            .cloned()
            .map(|mut c| {
                if let Some(left) = c.left_ms.take() {
                    c.due_at = Some(terms.due(&c.calendar, now, left, &[]));
                    if let Some(pause) = c.pauses.last_mut() {
                        pause.1 = now;
                    }
                    c.outcome = Outcome::Running;
                }
                c
            })
            .collect();
        for theirs in &owed {
            self.inherit(theirs);
        }
        self.tell(Audience::Issuer, Kind::Linked, &format!("#{} 已并入 #{}", other.number, self.ticket.number));
        Ok(())
    }

    /// Takes over one promise of a merged ticket: the earlier due time of the two holds.
    fn inherit(&mut self, theirs: &super::Commitment) {
        let settled = |outcome| matches!(outcome, Outcome::Met | Outcome::MetLate);
        match self.ticket.commitments.iter().rposition(|c| c.promise == theirs.promise && c.is_unsettled()) {
            Some(index) if self.ticket.commitments[index].outcome == Outcome::Running => {
                let commitment = &mut self.ticket.commitments[index];
                if theirs.due_at < commitment.due_at {
                    commitment.due_at = theirs.due_at;
                    commitment.started_at = theirs.started_at;
                    commitment.length_ms = theirs.length_ms;
                    commitment.calendar.clone_from(&theirs.calendar);
                    commitment.pauses.clone_from(&theirs.pauses);
                    let id = commitment.id;
                    self.wake_pings(id);
                    self.commitment_fact("commitment.inherited", index, self.now);
                }
            }
            // Ours stands still or is broken already: it goes on as it is.
            Some(_) => {}
            None => {
                // Who has it here has answered, and who was told here has been told.
                let answered = match theirs.promise {
                    Promise::Respond => self.ticket.engineer.is_some(),
                    Promise::Report => {
                        self.ticket.commitments.iter().any(|c| c.promise == Promise::Report && settled(c.outcome))
                    }
                    Promise::Feedback
                    | Promise::Track
                    | Promise::Resolve
                    | Promise::Bugfix
                    | Promise::Arrive
                    | Promise::Support
                    | Promise::ThirdParty
                    | Promise::Configure
                    | Promise::Upgrade => false,
                };
                if answered {
                    return;
                }
                let id = self.ticket.commitments.iter().map(|c| c.id + 1).max().unwrap_or(1);
                self.ticket.commitments.push(super::Commitment { id, ..theirs.clone() });
                let index = self.ticket.commitments.len() - 1;
                self.schedule_pings(index);
                self.commitment_fact("commitment.inherited", index, self.now);
                if self.ticket.state == State::Suspended {
                    self.pause(index);
                }
            }
        }
    }

    fn link(&mut self, others: &[(u64, String)]) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        for (number, conversation) in others {
            if !self.ticket.linked.contains(number) {
                self.ticket.linked.push(*number);
            }
            if !conversation.is_empty() && !self.ticket.hearers().any(|known| known == conversation) {
                self.ticket.also.push(conversation.clone());
            }
        }
        self.fact_with("linked", "", json!({ "with": self.ticket.linked }));
        Ok(())
    }

    fn evaluate(&mut self, score: u8, text: &str) -> Result<(), Refusal> {
        self.must(|state| matches!(state, State::Resolved | State::Closed))?;
        let scale = self.terms.profile.satisfaction.scale;
        if score == 0 || score > scale {
            return Err(Refusal::Unknown { typed: score.to_string(), known: vec![format!("1 到 {scale} 分")] });
        }
        let again = self.ticket.rating.replace((score, text.to_owned())).is_some();
        self.fact_with("evaluated", text, json!({ "score": score, "again": again }));
        // A mark from somebody else (who asked the same, the customer) confirms nothing.
        if self.ticket.state == State::Resolved && self.by.id == self.ticket.requester.id {
            self.close("提出人已评价", false);
        }
        self.tell(Audience::Issuer, Kind::Status, "感谢您的评价");
        Ok(())
    }

    fn acknowledge(&mut self) -> Result<(), Refusal> {
        self.must(State::is_live)?;
        self.fact("acknowledged", "");
        self.quiet(Role::Engineer);
        Ok(())
    }

    fn acknowledge_report(&mut self) -> Result<(), Refusal> {
        self.must(|state| !state.is_over())?;
        if self.ticket.unsettled(Promise::Report).is_some() && !self.ticket.leads_reached.contains(&self.by.id) {
            self.tells.push(Tell {
                to: Audience::Issuer,
                kind: Kind::Escalation,
                text: String::new(),
                about: Vec::new(),
                proof: Some(Proof::Lead { person: self.by.id.clone() }),
            });
            self.fact("report_acknowledged_early", "");
            return Ok(());
        }
        self.fact("report_acknowledged", "");
        self.meet(Promise::Report, self.now, "运维负责人确认");
        self.end_major();
        self.quiet(Role::Lead);
        self.tell(Audience::Issuer, Kind::Status, "已记录您的确认");
        Ok(())
    }

    fn append(&mut self, text: &str, attachments: &[String]) -> Result<(), Refusal> {
        self.must(|state| !matches!(state, State::Merged | State::Withdrawn))?;
        self.ticket.touched_at = self.now;
        if !text.trim().is_empty() {
            self.ticket.text.push(text.to_owned());
        }
        self.ticket.attachments.extend(attachments.iter().cloned());
        self.fact_with("appended", text, json!({ "attachments": attachments }));
        if self.ticket.state == State::Suspended {
            self.resume(true)?;
        }
        Ok(())
    }

    /// Somebody asks after it: the engineer hears of it, but not at each impatient line; a suspended ticket goes on when
    /// its requester writes.
    fn urge(&mut self, text: &str) -> Result<(), Refusal> {
        let own = self.by.id == self.ticket.requester.id;
        if own {
            self.ticket.touched_at = self.now;
        }
        self.fact("urged", text);
        if own && self.ticket.state == State::Suspended {
            self.resume(true)?;
        }
        if self.ticket.urged_at.is_none_or(|at| self.now - at >= URGED_AGAIN) {
            self.ticket.urged_at = Some(self.now);
            self.tell(Audience::Role(Role::Engineer), Kind::Status, text);
        }
        Ok(())
    }

    /// A word has reached somebody: this, and not its writing, meets feedback and tracking.
    pub(super) fn delivered(&mut self, proof: &Proof, other_way: bool) {
        let now = self.now;
        match proof {
            Proof::Lead { person } => {
                if !self.ticket.leads_reached.contains(person) {
                    self.ticket.leads_reached.push(person.clone());
                    self.fact_with("lead_reached", "", json!({ "person": person }));
                }
            }
            Proof::WordToLead { word } => {
                if let Some(word) = self.ticket.words.iter_mut().find(|w| w.id == *word && w.lead_at.is_none()) {
                    word.lead_at = Some(now);
                    let id = word.id;
                    self.track(id);
                }
            }
            Proof::Word { word } => {
                let Some(position) = self.ticket.words.iter().position(|w| w.id == *word) else { return };
                if self.ticket.words[position].requester_at.is_some() {
                    return;
                }
                self.ticket.words[position].requester_at = Some(now);
                self.fact_with("reached", "", json!({ "word": word, "other_way": other_way }));
                let over = self.ticket.state == State::Resolved || self.ticket.state.is_over();
                let met: Vec<u32> = [
                    self.meet(Promise::Respond, now, "工程师的答复已送达"),
                    self.meet(Promise::Feedback, now, if over { "结果已送达" } else { "进展已送达" }),
                ]
                .into_iter()
                .flatten()
                .collect();
                let fed = self.ticket.commitments.iter().any(|c| c.promise == Promise::Feedback && met.contains(&c.id));
                self.ticket.words[position].met.extend(met);
                if fed && !over {
                    self.start(Promise::Feedback);
                }
                self.track(*word);
            }
        }
    }

    fn track(&mut self, id: u32) {
        let Some(word) = self.ticket.words.iter().find(|w| w.id == id) else { return };
        let (Some(requester), Some(lead)) = (word.requester_at, word.lead_at) else { return };
        let at = requester.max(lead);
        let Some(open) = self.ticket.unsettled(Promise::Track) else { return };
        // A word from before this round began belongs to an earlier one.
        if at < open.started_at {
            return;
        }
        if let Some(met) = self.meet(Promise::Track, at, "进展已送达提出人和运维负责人")
            && let Some(word) = self.ticket.words.iter_mut().find(|w| w.id == id)
        {
            word.met.push(met);
        }
        if self.ticket.state.is_live() && self.ticket.is_major(self.terms) {
            self.start_at(Promise::Track, at);
        }
    }

    /// What was taken has not arrived after all: the rounds it met run again to their old due times.
    fn bounced(&mut self, proof: &Proof, cause: &str) {
        match proof {
            Proof::Lead { person } => {
                self.ticket.leads_reached.retain(|reached| reached != person);
                self.fact_with("bounced", cause, json!({ "person": person }));
            }
            Proof::WordToLead { word } | Proof::Word { word } => {
                let to_lead = matches!(proof, Proof::WordToLead { .. });
                let Some(word) = self.ticket.words.iter_mut().find(|w| w.id == *word) else { return };
                if to_lead {
                    word.lead_at = None;
                } else {
                    word.requester_at = None;
                }
                let (id, met) = (word.id, std::mem::take(&mut word.met));
                self.fact_with("bounced", cause, json!({ "word": id }));
                for commitment in met {
                    self.unmeet(commitment, id, to_lead, cause);
                }
                if self.ticket.state.is_over() {
                    self.end_all("工单已结束");
                }
            }
        }
    }

    /// Takes back what a word met: the round runs again to its old due time, the rounds that followed from it never were,
    /// and what else has come through since is counted in its place.
    fn unmeet(&mut self, id: u32, bounced: u32, to_lead: bool, cause: &str) {
        let Some(index) = self.ticket.commitments.iter().position(|c| c.id == id) else { return };
        let promise = self.ticket.commitments[index].promise;
        if to_lead && promise != Promise::Track {
            if let Some(word) = self.ticket.words.iter_mut().find(|w| w.id == bounced) {
                word.met.push(id);
            }
            return;
        }
        // What belongs to a life of the ticket that has ended stays as it is.
        if self.ticket.reborn_at.is_some_and(|at| self.ticket.commitments[index].started_at < at) {
            return;
        }
        let later: Vec<usize> = (index + 1..self.ticket.commitments.len())
            .filter(|i| self.ticket.commitments[*i].promise == promise)
            .collect();
        for next in later {
            self.strike(next, "上一次反馈未送达，本轮取消");
        }
        self.void(index, None, cause);
        let started = self.ticket.commitments[index].started_at;
        let mut heard: Vec<(jiff::Timestamp, Option<u32>)> = self
            .ticket
            .words
            .iter()
            .filter_map(|w| {
                let at = if promise == Promise::Track {
                    w.requester_at.zip(w.lead_at).map(|(a, b)| a.max(b))
                } else {
                    w.requester_at
                };
                at.map(|at| (at, Some(w.id)))
            })
            .filter(|(at, _)| *at >= started)
            .filter(|(_, word)| !self.counts_already(*word, promise))
            .collect();
        if promise == Promise::Respond
            && let Some(claimed) = self.ticket.claimed_at.filter(|at| *at >= started)
        {
            heard.push((claimed, None));
        }
        heard.sort();
        for (at, word) in heard {
            let Some(met) = self.meet(promise, at, "其后的答复已送达") else { break };
            if let Some(word) = word
                && let Some(word) = self.ticket.words.iter_mut().find(|w| w.id == word)
            {
                word.met.push(met);
            }
            if promise == Promise::Respond {
                break;
            }
            if self.ticket.state.is_live() {
                self.start_at(promise, at);
            }
        }
        self.break_if_due(index, self.now);
    }

    /// Whether a word already stands for a round of this promise.
    fn counts_already(&self, word: Option<u32>, promise: Promise) -> bool {
        let met = self.ticket.words.iter().find(|w| Some(w.id) == word).map_or(&[][..], |w| &w.met);
        self.ticket.commitments.iter().any(|c| {
            c.promise == promise && met.contains(&c.id) && matches!(c.outcome, Outcome::Met | Outcome::MetLate)
        })
    }
}
