//! One unit of work: what was loaded, what was decided, and one transaction that stores all of it.
//!
//! However many messages or alarms a batch holds, it costs the same handful of statements. Nothing in it is visible to
//! anybody before [`Batch::finish`] has committed; nothing is sent before that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::said::Said;
use super::{Desk, DeskError, Library};
use crate::ids::OutboundId;
use crate::rules::escalation::in_nobodys_place;
use crate::rules::notice::Kind;
use crate::rules::profile::Promise;
use crate::rules::terms::Terms;
use crate::rules::ticket::{About, Actor, Audience, Decision, Event, Fact, Opening, Refusal, Ticket};
use crate::store::{Counter, DirectoryRow, EventRow, OutboxRow, OutboxState, StoreError, TicketKey, Write};

/// Changes about one ticket to one conversation within this time become one message (`interfaces.md`).
pub(super) const MERGE_MS: i64 = 3_000;

/// A ticket as it was loaded and as it is now.
struct Loaded {
    ticket: Ticket,
    version: i64,
    dirty: bool,
}

/// What becomes of an inbound message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Answered,
    Opened,
    Appended,
    Commanded,
    Asked,
    Noted,
    Refused,
}

impl Disposition {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Opened => "opened",
            Self::Appended => "appended",
            Self::Commanded => "commanded",
            Self::Asked => "asked",
            Self::Noted => "noted",
            Self::Refused => "refused",
        }
    }
}

/// Whether this is the record of somebody having been told this.
fn is_of(fact: &Fact, about: &About) -> bool {
    fact.kind == "escalated"
        && fact.data["step"] == about.step
        && fact.data["role"] == about.role.id()
        && fact.data["round"] == about.round
        && fact.data["commitment"] == json!(about.commitment.map(Promise::id))
}

/// One unit of work.
pub(super) struct Batch<'d> {
    pub(super) desk: &'d Desk,
    pub(super) library: Arc<Library>,
    pub(super) now: Timestamp,
    write: Write,
    tickets: BTreeMap<TicketKey, Loaded>,
    conversations: BTreeSet<String>,
    requesters: BTreeSet<(String, String)>,
    engineers: BTreeSet<String>,
    counters: BTreeMap<String, Counter>,
    events: Vec<EventRow>,
    says: Vec<OutboxRow>,
    said: Vec<Said>,
    dispositions: Vec<(String, &'static str, String, String, i64)>,
    dialogues: BTreeMap<String, Option<String>>,
    asked: BTreeMap<String, (i64, String)>,
    marks: BTreeMap<String, (i64, String)>,
    imports: Vec<DirectoryRow>,
    /// Ways on which nothing arrives, once they were asked for.
    pub(super) shut: Option<BTreeSet<String>>,
    /// Whether something was put back into the outbox beside what is queued here.
    sends: bool,
    /// What the next outgoing messages are a consequence of; with a count it makes their unique keys.
    cause: String,
    count: u32,
}

impl<'d> Batch<'d> {
    pub(super) async fn begin(desk: &'d Desk) -> Result<Self, DeskError> {
        let write = desk.store.write().await?;
        Ok(Self {
            desk,
            library: desk.library(),
            now: desk.now(),
            write,
            tickets: BTreeMap::new(),
            conversations: BTreeSet::new(),
            requesters: BTreeSet::new(),
            engineers: BTreeSet::new(),
            counters: BTreeMap::new(),
            events: Vec::new(),
            says: Vec::new(),
            said: Vec::new(),
            dispositions: Vec::new(),
            dialogues: BTreeMap::new(),
            asked: BTreeMap::new(),
            marks: BTreeMap::new(),
            imports: Vec::new(),
            shut: None,
            sends: false,
            cause: String::new(),
            count: 0,
        })
    }

    pub(super) fn write(&mut self) -> &mut Write {
        &mut self.write
    }

    /// What follows is a consequence of this; the same cause twice has the effect of one.
    pub(super) fn caused_by(&mut self, cause: &str) {
        cause.clone_into(&mut self.cause);
        self.count = 0;
    }

    pub(super) fn terms(&self, contract: &str) -> Option<Arc<Terms>> {
        self.desk.contracts.get(contract).map(|c| c.terms.clone())
    }

    // ---------------------------------------------------------------- loading

    fn keep(&mut self, rows: Vec<(Ticket, i64)>) {
        for (ticket, version) in rows {
            let key = TicketKey { contract: ticket.contract.clone(), number: ticket.number };
            self.tickets.entry(key).or_insert(Loaded { ticket, version, dirty: false });
        }
    }

    pub(super) async fn load_conversations(&mut self, names: &[String]) -> Result<(), StoreError> {
        let new: Vec<String> = names.iter().filter(|name| !self.conversations.contains(*name)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows = self.write.tickets_in(&new, self.now.as_millisecond()).await?;
        self.keep(rows);
        self.conversations.extend(new);
        Ok(())
    }

    /// What messages of these people in these conversations may mean.
    pub(super) async fn load_requesters(&mut self, pairs: &[(String, String)]) -> Result<(), StoreError> {
        let new: Vec<_> = pairs.iter().filter(|pair| !self.requesters.contains(*pair)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows = self.write.tickets_by(&new, self.now.as_millisecond()).await?;
        self.keep(rows);
        self.requesters.extend(new);
        Ok(())
    }

    pub(super) async fn load_engineers(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let new: Vec<String> = ids.iter().filter(|id| !self.engineers.contains(*id)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows = self.write.tickets_of(&new, self.now.as_millisecond()).await?;
        self.keep(rows);
        self.engineers.extend(new);
        Ok(())
    }

    pub(super) async fn load_due(&mut self, limit: usize) -> Result<Vec<TicketKey>, StoreError> {
        let rows = self.write.tickets_due(&self.desk.contract_ids(), self.now.as_millisecond(), limit).await?;
        let keys = rows.iter().map(|(t, _)| TicketKey { contract: t.contract.clone(), number: t.number }).collect();
        self.keep(rows);
        Ok(keys)
    }

    pub(super) async fn load_live(&mut self, contract: &str) -> Result<Vec<TicketKey>, StoreError> {
        let rows = self.write.tickets_live(contract).await?;
        self.keep(rows);
        let live =
            self.tickets.iter().filter(|(key, loaded)| key.contract == contract && !loaded.ticket.state.is_over());
        Ok(live.map(|(key, _)| key.clone()).collect())
    }

    pub(super) async fn load(&mut self, keys: &[TicketKey]) -> Result<(), StoreError> {
        let new: Vec<TicketKey> = keys.iter().filter(|key| !self.tickets.contains_key(*key)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows = self.write.tickets_by_number(&new).await?;
        self.keep(rows);
        Ok(())
    }

    /// Numbers and conversations of live tickets about a system, opened since then: those stored, as they were before this
    /// batch, and those of this batch. In the order of their numbers.
    pub(super) async fn similar(
        &mut self,
        contract: &str,
        system: &str,
        since: Timestamp,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        let mut alike: BTreeMap<u64, String> =
            self.write.tickets_like(contract, system, since.as_millisecond()).await?.into_iter().collect();
        for (key, Loaded { ticket, .. }) in self.tickets.iter().filter(|(key, _)| key.contract == contract) {
            let fits = ticket.system.as_deref() == Some(system) && ticket.opened_at >= since && ticket.state.is_live();
            if fits {
                alike.insert(key.number, ticket.origin.clone());
            } else {
                alike.remove(&key.number);
            }
        }
        Ok(alike)
    }

    pub(super) fn ticket(&self, key: &TicketKey) -> Option<&Ticket> {
        self.tickets.get(key).map(|loaded| &loaded.ticket)
    }

    /// The version a ticket was read at; 0 for one that is not loaded.
    pub(super) fn version(&self, key: &TicketKey) -> i64 {
        self.tickets.get(key).map_or(0, |loaded| loaded.version)
    }

    /// How tickets name who writes from an account.
    pub(super) fn writer_id(&self, channel: &str, sender: &str) -> String {
        let person = self.library.directory.by_account(channel, sender);
        person.map_or_else(|| format!("{channel}:{sender}"), |person| person.id.clone())
    }

    /// Tickets loaded so far, with their keys.
    pub(super) fn tickets(&self) -> impl Iterator<Item = (&TicketKey, &Ticket)> {
        self.tickets.iter().map(|(key, loaded)| (key, &loaded.ticket))
    }

    // ---------------------------------------------------------------- deciding

    /// Decides an event on a loaded ticket and takes over what follows. `issuer` is where a command came from.
    pub(super) async fn decide(
        &mut self,
        key: &TicketKey,
        event: &Event,
        by: &Actor,
        issuer: Option<&super::speak::Issuer>,
    ) -> Result<Result<(), Refusal>, DeskError> {
        let Some(terms) = self.terms(&key.contract) else { return Ok(Err(Refusal::Already)) };
        let Some(loaded) = self.tickets.get(key) else { return Ok(Err(Refusal::Already)) };
        match loaded.ticket.decide(&terms, event, by, self.now) {
            Ok(decision) => {
                self.adopt(&terms, key, decision, issuer).await?;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Gives a new ticket its number and opens it.
    pub(super) async fn open(
        &mut self,
        terms: &Arc<Terms>,
        by: &Actor,
        issuer: Option<&super::speak::Issuer>,
        opening: impl FnOnce(u64, crate::ids::TicketId) -> Opening,
    ) -> Result<TicketKey, DeskError> {
        let counter = self.counter(&terms.id).await?;
        counter.tickets += 1;
        let number = counter.tickets;
        let id = crate::ids::TicketId::next(&self.desk.ids, self.now);
        let decision = Ticket::open(terms, opening(number, id), by, self.now);
        let key = TicketKey { contract: terms.id.clone(), number };
        self.adopt(terms, &key, decision, issuer).await?;
        Ok(key)
    }

    async fn adopt(
        &mut self,
        terms: &Arc<Terms>,
        key: &TicketKey,
        decision: Decision,
        issuer: Option<&super::speak::Issuer>,
    ) -> Result<(), DeskError> {
        let Decision { ticket, facts, tells } = decision;
        let (tells, unsaid) = in_nobodys_place(&ticket, &self.library.directory, terms, self.now, tells);
        for fact in facts.iter().filter(|fact| !unsaid.iter().any(|about| is_of(fact, about))) {
            self.record(&key.contract, key.number, fact).await?;
        }
        let version = self.tickets.get(key).map_or(0, |loaded| loaded.version);
        self.tickets.insert(key.clone(), Loaded { ticket, version, dirty: true });
        if tells.iter().any(|tell| !matches!(tell.to, Audience::Requester | Audience::Issuer)) {
            self.load_shut().await?;
        }
        for tell in tells {
            if tell.kind == Kind::Survey && self.wants_no_survey(key).await? {
                continue;
            }
            self.speak(terms, key, &tell, issuer);
        }
        Ok(())
    }

    async fn counter(&mut self, contract: &str) -> Result<&mut Counter, StoreError> {
        if !self.counters.contains_key(contract) {
            let counter = self.write.counter(contract).await?;
            self.counters.insert(contract.to_owned(), counter);
        }
        // Inserted just above where it was missing.
        self.counters.get_mut(contract).ok_or_else(|| StoreError::Corrupt {
            table: "counter",
            id: contract.to_owned(),
            why: "no such row".to_owned(),
        })
    }

    /// Writes a fact into the contract's record.
    pub(super) async fn record(&mut self, contract: &str, ticket: u64, fact: &Fact) -> Result<(), StoreError> {
        let now = self.now;
        let counter = self.counter(contract).await?;
        let body = json!({
            "contract": contract, "seq": counter.events + 1, "ticket": ticket, "at": fact.at.to_string(),
            "recorded_at": now.to_string(), "kind": fact.kind, "by": fact.by.id, "name": fact.by.name,
            "channel": fact.by.channel, "text": fact.text, "data": fact.data,
        });
        let row = counter.record(ticket, fact.at.as_millisecond(), fact.kind, body.to_string());
        self.events.push(row);
        Ok(())
    }

    // ---------------------------------------------------------------- saying

    /// Queues a message for a conversation.
    pub(super) fn say(&mut self, conversation: &str, said: Said) {
        self.count += 1;
        let merges = said.kind.merges() && said.ticket.is_some();
        let ticket = said.ticket.as_ref().map(TicketKey::text).unwrap_or_default();
        let at = self.now.as_millisecond();
        let merge_key = if merges { format!("{conversation}|{ticket}") } else { String::new() };
        if merges && let Some(place) = self.says.iter().position(|row| row.merge_key == merge_key) {
            self.said[place].join(said);
            self.said[place].kind.id().clone_into(&mut self.says[place].kind);
            return;
        }
        self.says.push(OutboxRow {
            id: OutboundId::next(&self.desk.ids, self.now).to_string(),
            key: format!("{}/{}", self.cause, self.count),
            conversation: conversation.to_owned(),
            ticket,
            kind: said.kind.id().to_owned(),
            merge_key,
            state: OutboxState::Ready,
            created_at_ms: at,
            send_at_ms: if merges { at + MERGE_MS } else { at },
            attempts: 0,
            free: i64::from(said.ways.len() > 1),
            external_id: String::new(),
            body: String::new(),
        });
        self.said.push(said);
    }

    /// Something of the outbox is to be sent again: it looks once this has committed.
    pub(super) fn will_send(&mut self) {
        self.sends = true;
    }

    /// How many messages are queued so far.
    pub(super) fn queued(&self) -> usize {
        self.said.len()
    }

    /// Marks what was queued since then and answers somebody: it says that a command of a known person was carried out.
    pub(super) fn commanded_since(&mut self, queued: usize) {
        for said in self.said.iter_mut().skip(queued).filter(|said| said.reply_to.is_some()) {
            said.commanded = true;
        }
    }

    /// What is queued so far.
    pub(super) fn saying(&self) -> impl Iterator<Item = &Said> {
        self.said.iter()
    }

    /// The words of an entry that is about no ticket.
    pub(super) fn words(&self, entry: &str, values: Value) -> String {
        self.desk.wording.say(entry, values)
    }

    /// The words of an entry about a ticket.
    pub(super) fn ticket_words(&self, entry: &str, occasion: Map<String, Value>) -> String {
        self.desk.wording.say(entry, Value::Object(occasion))
    }

    /// The same for channels of 70 characters, where the entry has a short form.
    pub(super) fn short_words(&self, entry: &str, occasion: &Map<String, Value>) -> Option<String> {
        super::brief::brief(&self.desk.wording, entry, occasion)
    }

    // ---------------------------------------------------------------- remembering

    pub(super) fn dispose(&mut self, id: &str, what: Disposition, ticket: Option<&TicketKey>, why: &str) {
        let at = self.now.as_millisecond();
        let ticket = ticket.map(TicketKey::text).unwrap_or_default();
        self.dispositions.push((id.to_owned(), what.id(), ticket, why.to_owned(), at));
    }

    pub(super) async fn dialogue(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        if let Some((until, body)) = self.asked.get(key) {
            return Ok((*until > self.now.as_millisecond()).then(|| body.clone()));
        }
        if !self.dialogues.contains_key(key) {
            self.load_dialogues(&[key.to_owned()]).await?;
        }
        Ok(self.dialogues.get(key).cloned().flatten())
    }

    pub(super) async fn load_dialogues(&mut self, keys: &[String]) -> Result<(), StoreError> {
        let found = self.write.dialogues(keys, self.now.as_millisecond()).await?;
        for key in keys {
            let body = found.iter().find(|(k, _)| k == key).map(|(_, body)| body.clone());
            self.dialogues.insert(key.clone(), body);
        }
        Ok(())
    }

    /// Remembers an open question for `minutes`; 0 forgets it.
    pub(super) fn ask(&mut self, key: &str, minutes: i64, body: String) {
        let until = self.now + SignedDuration::from_mins(minutes);
        self.asked.insert(key.to_owned(), (until.as_millisecond(), body));
    }

    /// Whether something marked to be done once in a while may be done now; marks it as done until then.
    pub(super) async fn once(&mut self, key: &str, hours: i64) -> Result<bool, StoreError> {
        let now = self.now.as_millisecond();
        let until = match self.marks.get(key) {
            Some((until, _)) => *until,
            None => self.write.marks(&[key.to_owned()]).await?.first().map_or(0, |(_, until, _)| *until),
        };
        if until > now {
            return Ok(false);
        }
        self.marks.insert(key.to_owned(), (now + hours * 3_600_000, String::new()));
        Ok(true)
    }

    /// Reads a mark.
    pub(super) async fn mark(&mut self, key: &str) -> Result<Option<(i64, String)>, StoreError> {
        if let Some(mark) = self.marks.get(key) {
            return Ok(Some(mark.clone()));
        }
        Ok(self.write.marks(&[key.to_owned()]).await?.into_iter().next().map(|(_, until, value)| (until, value)))
    }

    /// Sets a mark.
    pub(super) fn set_mark(&mut self, key: &str, until_ms: i64, value: String) {
        self.marks.insert(key.to_owned(), (until_ms, value));
    }

    /// Changes an entry of the directory with this transaction.
    pub(super) fn put(&mut self, row: DirectoryRow) {
        self.imports.push(row);
    }

    // ---------------------------------------------------------------- storing

    /// Stores everything in one transaction. Nothing has happened before this returns.
    pub(super) async fn finish(mut self) -> Result<(), DeskError> {
        let now = self.now.as_millisecond();
        let dirty: Vec<(&Ticket, i64)> =
            self.tickets.values().filter(|l| l.dirty).map(|l| (&l.ticket, l.version)).collect();
        if !dirty.is_empty() {
            self.write.tickets_save(&dirty).await?;
        }
        if !self.counters.is_empty() {
            let counters: Vec<Counter> = self.counters.values().cloned().collect();
            self.write.record(&self.events, &counters).await?;
        }
        let has_mail = self.sends || !self.says.is_empty();
        if !self.says.is_empty() {
            self.queue(now).await?;
        }
        if !self.asked.is_empty() {
            let rows: Vec<_> = self.asked.iter().map(|(k, (until, body))| (k.clone(), *until, body.clone())).collect();
            self.write.dialogues_save(&rows).await?;
        }
        if !self.marks.is_empty() {
            let rows: Vec<_> =
                self.marks.iter().map(|(k, (until, value))| (k.clone(), *until, value.clone())).collect();
            self.write.marks_save(&rows).await?;
        }
        if !self.imports.is_empty() {
            self.write.directory_put(&self.imports).await?;
        }
        if !self.dispositions.is_empty() {
            self.write.inbox_dispose(&self.dispositions).await?;
        }
        self.write.commit().await?;
        if !self.imports.is_empty() {
            self.desk.reload().await?;
        }
        self.desk.committed();
        if has_mail {
            self.desk.mail.notify_one();
        }
        Ok(())
    }

    /// Writes the outgoing messages; a change joins the message that still waits for its conversation and ticket.
    async fn queue(&mut self, now: i64) -> Result<(), DeskError> {
        let keys: Vec<String> =
            self.says.iter().filter(|row| !row.merge_key.is_empty()).map(|row| row.merge_key.clone()).collect();
        let waiting = if keys.is_empty() { Vec::new() } else { self.write.outbox_mergeable(&keys, now).await? };
        let (mut rows, mut rewrites) = (Vec::with_capacity(self.says.len()), Vec::new());
        for (mut row, said) in std::mem::take(&mut self.says).into_iter().zip(std::mem::take(&mut self.said)) {
            let open = waiting.iter().find(|w| !row.merge_key.is_empty() && w.merge_key == row.merge_key);
            let joined = open.and_then(|w| serde_json::from_str::<Said>(&w.body).ok().map(|said| (w, said)));
            if let Some((waiting, mut first)) = joined {
                first.join(said);
                let body = serde_json::to_string(&first).unwrap_or_default();
                rewrites.push((waiting.id.clone(), first.kind.id().to_owned(), body));
            } else {
                row.body = serde_json::to_string(&said).unwrap_or_default();
                rows.push(row);
            }
        }
        if !rows.is_empty() {
            self.write.outbox_add(&rows).await?;
        }
        if !rewrites.is_empty() {
            self.write.outbox_rewrite(&rewrites).await?;
        }
        Ok(())
    }
}
