//! A ticket and its promises: one state, one event, one instant in; a new state, facts and effects out.
//!
//! [`Ticket::decide`] is the only way a ticket changes. It is pure, so the same code serves chat, console, rehearsal
//! and the millions of histories the property tests try.

mod commands;
mod decision;
mod pings;
mod promises;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::notice::Kind;
use super::profile::{ChangePart, Promise, Role};
use super::terms::Terms;
use crate::ids::TicketId;

pub use decision::{Decision, Opening, Refusal};
pub use pings::Ping;
pub use promises::{Commitment, Outcome};

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has claimed it.
    Open,
    /// An engineer works on it.
    Claimed,
    /// It waits for somebody; some promises stand still.
    Suspended,
    /// Solved, waiting for the requester's word.
    Resolved,
    /// Over.
    Closed,
    /// Taken back by the requester, or found to be no problem.
    Withdrawn,
    /// Goes on in another ticket.
    Merged,
}

impl State {
    /// Whether work is still owed.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Claimed | Self::Suspended)
    }

    /// Whether the ticket has ended for good (it may still be reopened from `Closed`).
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Withdrawn | Self::Merged)
    }

    /// The name in state files and in the database.
    pub fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Suspended => "suspended",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
            Self::Merged => "merged",
        }
    }

    /// What people read.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Open => "待认领",
            Self::Claimed => "处理中",
            Self::Suspended => "已挂起",
            Self::Resolved => "已解决，待确认",
            Self::Closed => "已关闭",
            Self::Withdrawn => "已撤回",
            Self::Merged => "已合并",
        }
    }
}

/// Who did something, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Person id where known, else the account on its channel (`qq:10086`).
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// Conversation it came from (`qq:group:20001`), or `desk`.
    pub channel: String,
}

impl Actor {
    /// The desk itself, when an alarm or a delivery is the cause.
    pub fn desk() -> Self {
        Self { id: "desk".to_owned(), name: "值守".to_owned(), channel: "desk".to_owned() }
    }
}

/// One request for help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Id.
    pub id: TicketId,
    /// Contract it belongs to.
    pub contract: String,
    /// Number within the contract, from 1.
    pub number: u64,
    /// State.
    pub state: State,
    /// Severity.
    pub severity: String,
    /// Whether nobody and no word decided the severity, so that the profile's default holds.
    pub severity_assumed: bool,
    /// Words of the message that decided the severity.
    #[serde(default)]
    pub severity_words: Vec<String>,
    /// Category, where known.
    pub category: Option<String>,
    /// System, where known.
    pub system: Option<String>,
    /// Conversation that opened it and hears of progress.
    pub origin: String,
    /// Who asked: person id where known, else the account with its channel (`qq:10086`).
    pub requester: Actor,
    /// Others who asked the same, from tickets that were merged into this one.
    #[serde(default)]
    pub co_requesters: Vec<String>,
    /// Account of who asked, to be mentioned; empty for a caller.
    #[serde(default)]
    pub account: String,
    /// The agency or department.
    #[serde(default)]
    pub unit: String,
    /// Telephone number of a caller for whom the ticket was opened.
    #[serde(default)]
    pub phone: Option<String>,
    /// External id of the message that opened it, to answer that message.
    #[serde(default)]
    pub opening: Option<String>,
    /// What was asked, in the requester's words: the opening message and what belongs to it.
    pub text: Vec<String>,
    /// Names of pictures and files that came with it.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// What came with the opening message and could not be taken, for people.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Why somebody else may have written it than it says.
    #[serde(default)]
    pub doubt: Option<String>,
    /// Number of the ticket, over by then, that it goes on from.
    #[serde(default)]
    pub follows: Option<u64>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the requester last wrote to it.
    pub touched_at: Timestamp,
    /// Who works on it.
    #[serde(default)]
    pub engineer: Option<Actor>,
    /// Name of the engineer it was taken over from.
    #[serde(default)]
    pub before: Option<String>,
    /// Who helps.
    #[serde(default)]
    pub assistants: Vec<Actor>,
    /// Why it stands still.
    #[serde(default)]
    pub suspension: Option<Suspension>,
    /// Name of who reopened it last.
    #[serde(default)]
    pub reopened_by: Option<String>,
    /// When a late reopening began a new life, with promises of its own.
    #[serde(default)]
    pub reborn_at: Option<Timestamp>,
    /// When an engineer claimed it.
    #[serde(default)]
    pub claimed_at: Option<Timestamp>,
    /// When the engineer last heard that somebody asked after it.
    #[serde(default)]
    pub urged_at: Option<Timestamp>,
    /// The last word of an engineer to the requester.
    #[serde(default)]
    pub latest: Option<String>,
    /// Ended because it was looked into and found to be no problem.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfounded: bool,
    /// The solution.
    #[serde(default)]
    pub solution: Option<String>,
    /// When it was solved.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// Until when 还是不行 counts as this ticket; then it closes by itself.
    #[serde(default)]
    pub confirm_until: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// The promises, in the order they were made.
    pub commitments: Vec<Commitment>,
    /// What somebody will be told, and when.
    #[serde(default)]
    pub pings: Vec<Ping>,
    /// Until when 收到 (engineer) and 确认 (lead) keep the pings quiet.
    #[serde(default)]
    pub quiet: Vec<(Role, Timestamp)>,
    /// Until when 暂停提醒 keeps all pings quiet.
    #[serde(default)]
    pub muted_until: Option<Timestamp>,
    /// Leads whom a notice of the major emergency has reached.
    #[serde(default)]
    pub leads_reached: Vec<String>,
    /// Words of engineers on their way to the requester and the lead, newest last.
    #[serde(default)]
    pub words: Vec<Word>,
    /// Conversations that hear of progress beside `origin` (linked and merged tickets).
    #[serde(default)]
    pub also: Vec<String>,
    /// Numbers of tickets linked as one incident.
    #[serde(default)]
    pub linked: Vec<u64>,
    /// Number of the ticket it goes on in.
    #[serde(default)]
    pub merged_into: Option<u64>,
    /// The requester's rating and words.
    #[serde(default)]
    pub rating: Option<(u8, String)>,
    /// Parts of a change request handed in so far, and its window.
    #[serde(default)]
    pub change: Change,
    /// How many rounds of promises there have been: 1, and one more for each late reopening.
    #[serde(default = "one")]
    pub rounds: u32,
}

fn one() -> u32 {
    1
}

/// What a change request has handed in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Parts with their text.
    #[serde(default)]
    pub parts: Vec<(ChangePart, String)>,
    /// Planned window.
    #[serde(default)]
    pub window: Option<(Timestamp, Timestamp)>,
}

/// Why a ticket stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// The reason, which names who owes what.
    pub reason: String,
    /// The state to go back to.
    pub was: State,
}

/// An engineer's word on its way: a feedback counts when it has reached the requester, not when it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Number within the ticket.
    pub id: u32,
    /// Who wrote it.
    pub by: Actor,
    /// When it reached the requester.
    pub requester_at: Option<Timestamp>,
    /// When it reached the lead.
    pub lead_at: Option<Timestamp>,
    /// Id of the commitments it met, so that a later bounce can void just those.
    #[serde(default)]
    pub met: Vec<u32>,
}

/// What happens to a ticket.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It was opened: promises start.
    Opened,
    /// 认领
    Claim,
    /// 转派 / 指派
    Assign {
        /// To whom.
        to: Actor,
    },
    /// 协办
    Assist {
        /// Who helps.
        who: Actor,
    },
    /// 进展: words for the requester. `spoken` where the requester's conversation has already heard them.
    Progress {
        /// The words.
        text: String,
        /// Already said in the requester's own conversation.
        spoken: bool,
    },
    /// 挂起
    Suspend {
        /// Who owes what.
        reason: String,
    },
    /// 恢复
    Resume,
    /// 改级
    Severity {
        /// New severity id.
        to: String,
    },
    /// 改类
    Category {
        /// New category id.
        to: String,
    },
    /// 上门: a visit is needed.
    Visit,
    /// 到场
    Arrive,
    /// 离场
    Leave,
    /// 支援
    Support,
    /// 第三方
    ThirdParty {
        /// Which company.
        unit: String,
    },
    /// 升级 开始 / 完成
    Upgrade {
        /// Begun, or done.
        begun: bool,
    },
    /// 需求确认
    ConfirmNeed,
    /// 变更: a part was handed in.
    Change {
        /// Which parts, with their texts.
        parts: Vec<(ChangePart, String)>,
        /// Planned window, where named.
        window: Option<(Timestamp, Timestamp)>,
    },
    /// 解决
    Resolve {
        /// What was done.
        text: String,
    },
    /// The requester confirms the solution.
    Confirm,
    /// 还是不行 or 重开.
    Reopen {
        /// Why.
        text: String,
    },
    /// 关闭
    Close {
        /// Why, where said.
        text: String,
    },
    /// 撤回 or 不是问题.
    Withdraw {
        /// Why.
        text: String,
        /// Looked into and found to be none.
        unfounded: bool,
    },
    /// 合并: this ticket goes on in another.
    MergeInto {
        /// Number of that ticket.
        number: u64,
    },
    /// 合并: another ticket goes on in this one.
    Absorb {
        /// The other ticket, as it stood before the merger.
        other: Box<Ticket>,
    },
    /// 关联: one incident with other tickets.
    Link {
        /// Their numbers and conversations.
        others: Vec<(u64, String)>,
    },
    /// 评价
    Evaluate {
        /// 1 to the profile's scale.
        score: u8,
        /// Words.
        text: String,
    },
    /// 收到 from an engineer.
    Acknowledge,
    /// 确认 from a lead.
    AcknowledgeReport,
    /// 暂停提醒
    Mute {
        /// Until when.
        until: Timestamp,
    },
    /// 催办
    Urge {
        /// What was written.
        text: String,
    },
    /// Something the requester added.
    Append {
        /// The words.
        text: String,
        /// Files that came with them.
        attachments: Vec<String>,
    },
    /// Something that belongs to it and is the word of nobody who may speak for it: a machine's answer, a stranger's mail.
    /// It starts, stops and answers nothing.
    Remark {
        /// What it is, in words for people.
        text: String,
        /// Whether the engineers are told.
        tell: bool,
    },
    /// The requester took the opening message back on the platform; the ticket stays.
    Recalled,
    /// A message that carries a proof was taken by its channel.
    Delivered {
        /// Which message.
        proof: Proof,
        /// Over another way than the requester's own conversation.
        other_way: bool,
    },
    /// A message that had been taken turned out not to have arrived.
    Bounced {
        /// Which message.
        proof: Proof,
        /// Why.
        cause: String,
    },
    /// Time has come.
    Alarm,
    /// A maintenance window covers the ticket: warnings that are due wait for its end. Breaks and reports do not.
    HoldBack {
        /// The end of the window.
        until: Timestamp,
    },
    /// The contract's calendar changed: open due times are computed again.
    CalendarChanged,
}

/// What the delivery of an outgoing message proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The word with this number reached the requester.
    Word {
        /// [`Word::id`].
        word: u32,
    },
    /// The word with this number reached the lead.
    WordToLead {
        /// [`Word::id`].
        word: u32,
    },
    /// A notice of the ticket reached this lead.
    Lead {
        /// Person id.
        person: String,
    },
}

/// Something that happened, for the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// `opened`, `claimed`, `commitment.met`, …
    pub kind: &'static str,
    /// Who.
    pub by: Actor,
    /// When it counts as having happened (a break: at its due time).
    pub at: Timestamp,
    /// Words, where there are any.
    pub text: String,
    /// Figures.
    pub data: Value,
}

/// To whom something is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// The conversation that opened the ticket and those linked to it.
    Requester,
    /// The conversation the command came from.
    Issuer,
    /// The engineers' conversations of the contract; who is on duty where there is none.
    Engineers,
    /// The engineer of the ticket, or who is on duty.
    Role(Role),
    /// One person.
    Person(String),
}

/// Something to be said, without wording.
#[derive(Debug, Clone, PartialEq)]
pub struct Tell {
    /// To whom.
    pub to: Audience,
    /// What kind.
    pub kind: Kind,
    /// Words to carry, where there are any.
    pub text: String,
    /// The promises and steps it is about.
    pub about: Vec<About>,
    /// What its delivery proves.
    pub proof: Option<Proof>,
}

/// A promise, or a step of the escalation chain, that a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The promise, where the step watches one.
    pub commitment: Option<Promise>,
    /// Step id of the profile.
    pub step: String,
    /// Role it was meant for.
    pub role: Role,
    /// 1 for the first notice, counted up at each repetition.
    pub round: u32,
    /// When the promise is due.
    pub due_at: Option<Timestamp>,
    /// Milliseconds by which the notice is late, because the desk was down; 0 if it is not.
    pub late_ms: i64,
    /// What the notice would be called alone.
    pub kind: Kind,
    /// Held back (muted, a maintenance window) beyond the instant the step is for.
    #[serde(default)]
    pub deferred: bool,
}

impl Ticket {
    /// Where it stands, as people read it.
    pub fn state_zh(&self) -> &'static str {
        if self.unfounded && self.state == State::Withdrawn { "经核实不是问题" } else { self.state.zh() }
    }

    /// A new ticket and the facts and effects of its opening. `by` is who opened it (the requester, or the engineer
    /// who wrote 代报).
    pub fn open(terms: &Terms, opening: Opening, by: &Actor, now: Timestamp) -> Decision {
        let assumed = opening.severity.is_none();
        let (severity, severity_words) =
            opening.severity.unwrap_or_else(|| (terms.profile.default_severity.clone(), Vec::new()));
        let ticket = Self {
            id: opening.id,
            contract: terms.id.clone(),
            number: opening.number,
            state: State::Open,
            severity,
            severity_assumed: assumed,
            severity_words,
            category: opening.category,
            system: opening.system,
            origin: opening.origin,
            requester: opening.requester,
            co_requesters: Vec::new(),
            account: opening.account,
            unit: opening.unit,
            phone: opening.phone,
            opening: opening.message,
            text: vec![opening.text],
            attachments: opening.attachments,
            problems: opening.problems,
            doubt: opening.doubt,
            follows: opening.follows,
            opened_at: now,
            touched_at: now,
            engineer: None,
            before: None,
            reopened_by: None,
            assistants: Vec::new(),
            suspension: None,
            reborn_at: None,
            claimed_at: None,
            urged_at: None,
            latest: None,
            unfounded: false,
            solution: None,
            resolved_at: None,
            confirm_until: None,
            closed_at: None,
            commitments: Vec::new(),
            pings: Vec::new(),
            quiet: Vec::new(),
            muted_until: None,
            leads_reached: Vec::new(),
            words: Vec::new(),
            also: Vec::new(),
            linked: Vec::new(),
            merged_into: None,
            rating: None,
            change: Change::default(),
            rounds: 1,
        };
        let mut step = Stepping::new(terms, ticket, by, now);
        step.opened();
        step.done()
    }

    /// What becomes of the ticket when `event` happens at `now`.
    ///
    /// # Errors
    /// A [`Refusal`] where the event is not possible; nothing has changed then.
    pub fn decide(&self, terms: &Terms, event: &Event, by: &Actor, now: Timestamp) -> Result<Decision, Refusal> {
        let mut step = Stepping::new(terms, self.clone(), by, now);
        step.apply(event)?;
        Ok(step.done())
    }

    /// When the ticket wants to be woken next; `None` if nothing waits.
    pub fn next_alarm(&self) -> Option<Timestamp> {
        let pings = self.pings.iter().filter_map(|ping| self.rings_at(ping));
        let breaks = self.commitments.iter().filter_map(Commitment::breaks_at);
        let closing = if self.state == State::Resolved { self.confirm_until } else { None };
        pings.chain(breaks).chain(closing).min()
    }

    /// The promise of this kind that still runs, stands still or is broken and not yet met, newest first.
    pub fn unsettled(&self, promise: Promise) -> Option<&Commitment> {
        self.commitments.iter().rev().find(|c| c.promise == promise && c.is_unsettled())
    }

    /// Conversations that hear what the requester hears.
    pub fn hearers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.origin.as_str()).chain(self.also.iter().map(String::as_str))
    }

    /// Whether this severity is a major emergency under the contract.
    pub fn is_major(&self, terms: &Terms) -> bool {
        terms.profile.severities.iter().any(|s| s.id == self.severity && s.major)
    }
}

/// One step in the making: the ticket as it changes, and what has come of it so far.
struct Stepping<'a> {
    terms: &'a Terms,
    ticket: Ticket,
    by: &'a Actor,
    now: Timestamp,
    facts: Vec<Fact>,
    tells: Vec<Tell>,
}

impl<'a> Stepping<'a> {
    fn new(terms: &'a Terms, ticket: Ticket, by: &'a Actor, now: Timestamp) -> Self {
        Self { terms, ticket, by, now, facts: Vec::new(), tells: Vec::new() }
    }

    fn done(self) -> Decision {
        Decision { ticket: self.ticket, facts: self.facts, tells: self.tells }
    }

    fn fact(&mut self, kind: &'static str, text: &str) {
        self.fact_with(kind, text, json!({}));
    }

    fn fact_with(&mut self, kind: &'static str, text: &str, data: Value) {
        self.fact_at(kind, text, data, self.now);
    }

    fn fact_at(&mut self, kind: &'static str, text: &str, data: Value, at: Timestamp) {
        self.facts.push(Fact { kind, by: self.by.clone(), at, text: text.to_owned(), data });
    }

    fn tell(&mut self, to: Audience, kind: Kind, text: &str) {
        self.tells.push(Tell { to, kind, text: text.to_owned(), about: Vec::new(), proof: None });
    }
}
