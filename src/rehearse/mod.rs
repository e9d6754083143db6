//! Rehearsal: a script of messages and faults through the real pipeline, on a database in memory, with simulated time.
//!
//! The supplier's drill, the project's acceptance test and the best documentation at once. Nothing in here decides
//! anything: it hands in what the script says and writes down what the desk does.

mod script;
mod stage;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use zhishou_adapters::{Inbound, Press};
use zhishou_intents::FaqEntry;

use crate::clock::HandClock;
use crate::desk::{Desk, Parts, Said, Wording, events_json};
use crate::rules::directory::PeopleFile;
use crate::rules::profile::Promise;
use crate::rules::terms::Terms;
use crate::rules::ticket::Outcome;
use crate::store::{Store, TicketKey};
use script::{Quote, SaidRef, What};
use stage::{Stage, external_id};

pub use script::{Line, parse};
pub use stage::CHANNELS;

/// What a rehearsal plays with.
pub struct Cast {
    /// The contract.
    pub terms: Arc<Terms>,
    /// People, conversations, rosters.
    pub people: PeopleFile,
    /// Questions and answers.
    pub faq: Vec<FaqEntry>,
    /// When it ends; 24 hours after the last line where left out.
    pub until: Option<Timestamp>,
    /// The supplier's own wording.
    pub wording: Option<String>,
}

/// What a rehearsal left behind.
pub struct Played {
    /// The transcript, a JSON value a line.
    pub transcript: Vec<Value>,
    /// The state file.
    pub state: Value,
}

/// How many turns at one instant are taken as a sign that something goes in circles.
const CIRCLES: usize = 10_000;

struct Play {
    desk: Arc<Desk>,
    store: Store,
    clock: Arc<HandClock>,
    stage: Arc<Stage>,
    cast: Cast,
    transcript: Vec<Value>,
    seen: String,
    said: Vec<(u64, String, Vec<String>, Option<u64>)>,
    heard: BTreeMap<String, Inbound>,
    crashes: u64,
}

/// Plays a script.
///
/// # Errors
/// A sentence that names the line where the script cannot be followed, or what failed.
pub async fn play(lines: &[Line], cast: Cast) -> Result<Played, String> {
    let start = lines.first().map_or(Timestamp::UNIX_EPOCH, |line| line.at);
    let store = Store::in_memory().await.map_err(|error| error.to_string())?;
    let clock = Arc::new(HandClock::at(start));
    let stage = Arc::new(Stage::default());
    let desk = open(&cast, &store, &clock, &stage, 1).await?;
    let mut rows = crate::desk::people_rows(&cast.people);
    rows.extend(crate::desk::faq_rows(&cast.faq));
    desk.import(rows).await.map_err(|error| error.to_string())?;
    let until =
        cast.until.or_else(|| lines.last().map(|line| line.at + SignedDuration::from_hours(24))).unwrap_or(start);
    let mut play = Play {
        desk,
        store,
        clock,
        stage,
        cast,
        transcript: Vec::new(),
        seen: String::new(),
        said: Vec::new(),
        heard: BTreeMap::new(),
        crashes: 0,
    };
    for line in lines.iter().filter(|line| line.at <= until) {
        play.advance(line.at, false).await?;
        play.perform(line).await?;
        play.settle().await?;
    }
    play.advance(until, true).await?;
    let state = play.state().await?;
    Ok(Played { transcript: play.transcript, state })
}

async fn open(
    cast: &Cast,
    store: &Store,
    clock: &Arc<HandClock>,
    stage: &Arc<Stage>,
    seed: u64,
) -> Result<Arc<Desk>, String> {
    let wording = Wording::new(cast.wording.as_deref()).map_err(|error| error.to_string())?;
    Desk::open(Parts {
        store: store.clone(),
        clock: clock.clone(),
        seed,
        contracts: vec![cast.terms.clone()],
        default_contract: Some(cast.terms.id.clone()),
        wording,
        channels: stage.channels(),
        attachments: None,
    })
    .await
    .map_err(|error| error.to_string())
}

impl Play {
    /// Lets time pass up to `until`, doing what falls due on the way. What falls due exactly then waits for the line at
    /// that instant, unless `including`.
    async fn advance(&mut self, until: Timestamp, including: bool) -> Result<(), String> {
        loop {
            let Some(next) = self.settle().await? else { break };
            let now = self.desk.now();
            if next > until || (next == until && !including && next > now) {
                break;
            }
            if next <= now {
                return Err("演练停不下来：有事情到期却没有处理，请把脚本发给开发者".to_owned());
            }
            self.clock.set(next);
        }
        if self.desk.now() < until {
            self.clock.set(until);
            if including {
                self.settle().await?;
            }
        }
        Ok(())
    }

    /// Does all that is due now and answers when something is due next.
    async fn settle(&mut self) -> Result<Option<Timestamp>, String> {
        for _ in 0..CIRCLES {
            let tick = self.desk.tick().await.map_err(|error| error.to_string())?;
            self.write_down_heard().await?;
            let sent = self.desk.dispatch().await.map_err(|error| error.to_string())?;
            self.write_down_said().await?;
            if tick.done + sent.done == 0 {
                return Ok([tick.next, sent.next].into_iter().flatten().min());
            }
        }
        Err("演练在同一时刻停不下来，请把脚本发给开发者".to_owned())
    }

    async fn perform(&mut self, line: &Line) -> Result<(), String> {
        match &line.what {
            What::Says(saying) => {
                let id = saying.id.clone().unwrap_or_else(|| format!("L{}", line.number));
                let quotes = match &saying.quote {
                    None => None,
                    Some(Quote::Id(id)) => Some(id.clone()),
                    Some(Quote::Said { said }) => Some(self.find_said(said, line.number)?),
                };
                let (channel, conversation) = split(&saying.conversation, line.number)?;
                let inbound = Inbound {
                    channel,
                    conversation,
                    sender: saying.from.clone(),
                    sender_name: saying.name.clone(),
                    external_id: id,
                    sent_at: line.at,
                    text: saying.text.clone(),
                    attachments: saying.attachments.iter().map(Into::into).collect(),
                    quotes,
                    quoted_text: None,
                    addressed: saying.mention,
                    mentions: Vec::new(),
                    recovered: false,
                    ..Inbound::default()
                };
                self.receive(inbound, line.number).await
            }
            What::Presses(pressing) => {
                let on = self.find_said(&pressing.press.said, line.number)?;
                let (channel, conversation) = split(&pressing.conversation, line.number)?;
                let inbound = Inbound {
                    channel,
                    conversation,
                    sender: pressing.from.clone(),
                    sender_name: pressing.name.clone(),
                    external_id: pressing.id.clone().unwrap_or_else(|| format!("L{}", line.number)),
                    sent_at: line.at,
                    text: String::new(),
                    attachments: Vec::new(),
                    quotes: None,
                    quoted_text: None,
                    addressed: true,
                    mentions: Vec::new(),
                    recovered: false,
                    press: Some(Press { on, action: pressing.press.action.clone() }),
                    ..Inbound::default()
                };
                self.receive(inbound, line.number).await
            }
            What::Fault { channel, down } => {
                if !CHANNELS.contains(&channel.as_str()) {
                    return Err(format!(
                        "脚本第 {} 行：没有渠道「{channel}」，可用的有 {}",
                        line.number,
                        CHANNELS.join("、")
                    ));
                }
                self.stage.fault(channel, *down);
                Ok(())
            }
            What::Crash => {
                self.crashes += 1;
                self.desk = open(&self.cast, &self.store, &self.clock, &self.stage, 1 + self.crashes).await?;
                Ok(())
            }
            What::Repeat(id) => {
                let again = self
                    .heard
                    .get(id)
                    .cloned()
                    .ok_or_else(|| format!("脚本第 {} 行：前面没有 id 为「{id}」的消息", line.number))?;
                self.desk.receive(again).await.map_err(|error| error.to_string())
            }
        }
    }

    async fn receive(&mut self, inbound: Inbound, number: usize) -> Result<(), String> {
        if self.heard.contains_key(&inbound.external_id) {
            return Err(format!("脚本第 {number} 行：id「{}」已经用过；重发请写 repeat", inbound.external_id));
        }
        self.heard.insert(inbound.external_id.clone(), inbound.clone());
        self.desk.receive(inbound).await.map_err(|error| format!("脚本第 {number} 行：{error}"))
    }

    fn find_said(&self, said: &SaidRef, number: usize) -> Result<String, String> {
        let found = match said {
            SaidRef::Number(wanted) => self.said.iter().find(|(n, ..)| n == wanted),
            SaidRef::Latest { kind, ticket, to } => self.said.iter().rev().find(|(_, conversation, kinds, about)| {
                kinds.iter().any(|k| k == kind)
                    && ticket.is_none_or(|t| *about == Some(t))
                    && to.as_ref().is_none_or(|to| to == conversation)
            }),
        };
        found.map(|(n, ..)| external_id(*n)).ok_or_else(|| format!("脚本第 {number} 行：此前没有说过所引用的那条消息"))
    }

    fn stamp(&self, at: Timestamp) -> String {
        self.cast.terms.calendar("7x24").rfc3339(at)
    }

    async fn write_down_heard(&mut self) -> Result<(), String> {
        loop {
            let page = self.store.inbox_account(&self.seen, 200).await.map_err(|error| error.to_string())?;
            if page.is_empty() {
                return Ok(());
            }
            for account in page {
                if account.disposition.is_empty() {
                    return Ok(());
                }
                self.seen.clone_from(&account.row.id);
                let at = Timestamp::from_millisecond(account.done_at_ms).map_err(|error| error.to_string())?;
                let mut line = json!({
                    "at": self.stamp(at), "in": account.row.external_id, "disposition": account.disposition,
                });
                if let Some(key) = TicketKey::parse(&account.ticket) {
                    line["ticket"] = json!(key.number);
                }
                line["why"] = json!(account.why);
                self.transcript.push(line);
            }
        }
    }

    async fn write_down_said(&mut self) -> Result<(), String> {
        let taken = self.stage.drain();
        if taken.is_empty() {
            return Ok(());
        }
        let keys: Vec<(String, String)> =
            taken.iter().map(|t| (t.conversation.clone(), external_id(t.number))).collect();
        let mut write = self.store.write().await.map_err(|error| error.to_string())?;
        let rows = write.outbox_quoted(&keys).await.map_err(|error| error.to_string())?;
        drop(write);
        let at = self.stamp(self.desk.now());
        for taken in taken {
            let id = external_id(taken.number);
            let said: Option<Said> = rows
                .iter()
                .find(|(conversation, external, ..)| *conversation == taken.conversation && *external == id)
                .and_then(|(_, _, _, _, body)| serde_json::from_str(body).ok());
            let Some(said) = said else { continue };
            let ticket = said.ticket.as_ref().map(|key| key.number);
            let mut line = json!({ "at": at, "n": taken.number, "to": taken.conversation });
            let mut put = |key: &str, value: Value| line[key] = value;
            if let Some(person) = &said.person {
                put("person", json!(person));
            }
            put("kind", json!(said.kind));
            if said.kinds.len() > 1 {
                put("kinds", json!(said.kinds));
            }
            if let Some(ticket) = ticket {
                put("ticket", json!(ticket));
            }
            // The line is named by what is gravest and newest in it; of two steps of one promise by the later.
            let gravest = said.about.iter().rev().max_by_key(|a| (a.kind, a.commitment.is_some(), Reverse(a.round)));
            let gravest = gravest.and_then(|g| {
                said.about.iter().rfind(|a| a.kind == g.kind && a.commitment == g.commitment && a.round == g.round)
            });
            if let Some(about) = gravest {
                if let Some(promise) = about.commitment {
                    put("commitment", json!(promise.id()));
                }
                let alike = said.about.iter().filter(|a| a.kind == about.kind);
                let mut promises: Vec<&str> = alike.filter_map(|a| a.commitment).map(Promise::id).collect();
                promises.dedup();
                if promises.len() > 1 {
                    put("commitments", json!(promises));
                }
                put("step", json!(about.step));
                put("role", json!(about.role.id()));
                put("round", json!(about.round));
                if about.late_ms > 0 {
                    put("late_ms", json!(about.late_ms));
                }
            }
            if let Some(faq) = &said.faq {
                put("faq", json!(faq));
            }
            put("text", json!(taken.outgoing.text));
            if !said.actions.is_empty() {
                put("actions", json!(said.actions.iter().map(|a| &a.id).collect::<Vec<_>>()));
            }
            let kinds = said.kinds.iter().map(|kind| kind.id().to_owned()).collect();
            self.said.push((taken.number, taken.conversation, kinds, ticket));
            self.transcript.push(line);
        }
        Ok(())
    }

    async fn state(&self) -> Result<Value, String> {
        let text = |error: crate::store::StoreError| error.to_string();
        let contract = &self.cast.terms.id;
        let (mut tickets, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store.tickets_after(contract, after, 200).await.map_err(text)?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for ticket in &page {
                let key = TicketKey { contract: contract.clone(), number: ticket.number };
                let events = self.store.events_of(&key).await.map_err(text)?;
                tickets.push(ticket_json(ticket, &events_json(&events, &|at| self.stamp(at)), &|at| self.stamp(at)));
            }
        }
        let (pending, _) = self.store.inbox_backlog().await.map_err(text)?;
        let (waiting, failed) = self.store.outbox_counts().await.map_err(text)?;
        Ok(json!({
            "tickets": tickets,
            "inbox": { "pending": pending },
            "outbox": { "pending": waiting, "failed": failed },
        }))
    }
}

/// A ticket in the form of the state file.
pub fn ticket_json(
    ticket: &crate::rules::ticket::Ticket,
    events: &[Value],
    stamp: &dyn Fn(Timestamp) -> String,
) -> Value {
    let bare = |id: &str| id.split_once(':').map_or(id, |(_, account)| account).to_owned();
    let commitments: Vec<Value> = ticket
        .commitments
        .iter()
        .map(|c| {
            json!({
                "name": c.promise.id(), "round": c.round, "severity": c.severity,
                "started_at": stamp(c.started_at),
                "due_at": if c.outcome == Outcome::Paused { None } else { c.due_at.map(stamp) },
                "met_at": c.met_at.map(stamp), "outcome": c.outcome.id(), "provisional": c.provisional,
                "cause": c.cause,
            })
        })
        .collect();
    json!({
        "number": ticket.number, "contract": ticket.contract, "severity": ticket.severity,
        "severity_assumed": ticket.severity_assumed, "category": ticket.category, "system": ticket.system,
        "state": ticket.state.id(), "requester": bare(&ticket.requester.id), "requester_name": ticket.requester.name,
        "unit": ticket.unit, "conversation": ticket.origin,
        "engineer": ticket.engineer.as_ref().map(|e| e.id.clone()), "opened_at": stamp(ticket.opened_at),
        "resolved_at": ticket.resolved_at.map(stamp), "closed_at": ticket.closed_at.map(stamp),
        "rating": ticket.rating.as_ref().map(|(score, _)| *score),
        "merged_into": ticket.merged_into, "linked": ticket.linked,
        "commitments": commitments, "events": events,
    })
}

fn split(conversation: &str, number: usize) -> Result<(String, String), String> {
    match conversation.split_once(':') {
        Some((channel, rest)) if CHANNELS.contains(&channel) && rest.contains(':') => {
            Ok((channel.to_owned(), rest.to_owned()))
        }
        _ => Err(format!(
            "脚本第 {number} 行：会话「{conversation}」应写成 渠道:group:编号 或 渠道:user:账号，渠道可用 {}",
            CHANNELS.join("、")
        )),
    }
}
