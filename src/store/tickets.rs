//! Tickets, their record, and the counts of each contract.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, number_at, text_at};
use crate::rules::ticket::Ticket;

/// A closed ticket stays at hand this long for an evaluation, a reopening or a question about it.
const RECENT_MS: i64 = 3 * 24 * 3_600_000;
/// Live tickets stay at hand.
const ALWAYS_MS: i64 = i64::MAX / 2;
/// Most tickets one look-up brings back.
const MOST: i64 = 500;

statements! {
    /// Tickets by contract and number.
    BY_NUMBER = "SELECT t.body, t.version FROM ticket AS t JOIN" rows
                "ON t.contract = r.value ->> 0 AND t.number = CAST(r.value ->> 1 AS BIGINT)";
    /// Tickets at hand of requesters in conversations: what a message of theirs may mean, whatever else the group has.
    BY_REQUESTER = "SELECT t.body, t.version FROM ticket AS t JOIN" rows
                   "ON t.conversation = r.value ->> 0 AND t.requester = r.value ->> 1 WHERE t.recent_until_ms > $2
                    ORDER BY t.opened_at_ms DESC LIMIT 500";
    /// Tickets at hand in conversations.
    BY_CONVERSATION = "SELECT t.body, t.version FROM ticket AS t JOIN" rows
                      "ON t.conversation = r.value ->> 0 WHERE t.recent_until_ms > $2 ORDER BY t.opened_at_ms DESC LIMIT 500";
    /// Tickets at hand of engineers.
    BY_ENGINEER = "SELECT t.body, t.version FROM ticket AS t JOIN" rows
                  "ON t.engineer = r.value ->> 0 WHERE t.engineer <> '' AND t.recent_until_ms > $2
                   ORDER BY t.opened_at_ms DESC LIMIT 500";
    /// Live tickets of a contract, oldest first.
    LIVE = "SELECT body, version FROM ticket WHERE contract = $1 AND state IN ('open', 'claimed', 'suspended', 'resolved')
             ORDER BY opened_at_ms LIMIT $2";
    /// Live tickets about a system of a contract, opened lately.
    LIKE = "SELECT number, conversation FROM ticket
             WHERE contract = $1 AND system = $2 AND system <> '' AND opened_at_ms >= $3
               AND state IN ('open', 'claimed', 'suspended')
             ORDER BY opened_at_ms LIMIT 50";
    /// Tickets of these contracts whose alarm has come, earliest first.
    DUE = "SELECT t.body, t.version FROM ticket AS t
            WHERE t.alarm_at_ms > 0 AND t.alarm_at_ms <= $2 AND t.contract || '' IN (SELECT r.value ->> 0 FROM" rows
          ") ORDER BY t.alarm_at_ms LIMIT $3";
    /// When the next alarm of these contracts comes.
    NEXT_ALARM = "SELECT t.alarm_at_ms FROM ticket AS t
                   WHERE t.alarm_at_ms > 0 AND t.contract || '' IN (SELECT r.value ->> 0 FROM" rows
                 ") ORDER BY t.alarm_at_ms LIMIT 1";
    /// Writes tickets: new ones, and changed ones whose version is the one that was read.
    SAVE = "INSERT INTO ticket (id, contract, number, state, conversation, engineer, system, opened_at_ms, recent_until_ms,
                                alarm_at_ms, version, body, requester)
            SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), r.value ->> 3, r.value ->> 4, r.value ->> 5,
                   r.value ->> 6, CAST(r.value ->> 7 AS BIGINT), CAST(r.value ->> 8 AS BIGINT),
                   CAST(r.value ->> 9 AS BIGINT), CAST(r.value ->> 10 AS BIGINT), r.value ->> 11, r.value ->> 12 FROM" rows
           "WHERE true ON CONFLICT (id) DO UPDATE SET state = excluded.state, engineer = excluded.engineer,
                 system = excluded.system, recent_until_ms = excluded.recent_until_ms,
                 alarm_at_ms = excluded.alarm_at_ms, version = excluded.version, body = excluded.body
             WHERE ticket.version = excluded.version - 1";
    /// The newest tickets of a contract.
    NEWEST_OF = "SELECT body, version FROM ticket WHERE contract = $1 ORDER BY number DESC LIMIT $2";
    /// All tickets in the order of opening, a page at a time.
    ALL_OF = "SELECT body, version FROM ticket WHERE contract = $1 AND number > $2 ORDER BY number LIMIT $3";
    /// Contracts that have tickets.
    CONTRACTS = "SELECT contract FROM counter ORDER BY contract";
    /// Makes sure a contract is counted.
    COUNT_FROM = "INSERT INTO counter (contract) SELECT r.value ->> 0 FROM" rows "WHERE true ON CONFLICT (contract) DO NOTHING";
    /// Where the counts stand; the row is held until the transaction ends.
    COUNTS = "SELECT contract, tickets, events, hash FROM counter WHERE contract = $1" hold "";
    /// Writes the counts.
    COUNTED = "UPDATE counter SET tickets = d.a, events = d.b, hash = d.c
                 FROM (SELECT r.value ->> 0 AS contract, CAST(r.value ->> 1 AS BIGINT) AS a,
                              CAST(r.value ->> 2 AS BIGINT) AS b, r.value ->> 3 AS c FROM" rows
              ") AS d WHERE counter.contract = d.contract";
    /// Appends to the record.
    RECORD = "INSERT INTO event (contract, seq, ticket, at_ms, kind, body, hash)
              SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT),
                     CAST(r.value ->> 3 AS BIGINT), r.value ->> 4, r.value ->> 5, r.value ->> 6 FROM" rows "";
    /// The record of one ticket.
    EVENTS_OF = "SELECT seq, ticket, body, hash FROM event WHERE contract = $1 AND ticket = $2 ORDER BY seq LIMIT 10000";
    /// The record of a contract, a page at a time.
    EVENTS = "SELECT seq, ticket, body, hash FROM event WHERE contract = $1 AND seq > $2 ORDER BY seq LIMIT $3";
}

/// Contract and number of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TicketKey {
    /// Contract.
    pub contract: String,
    /// Number.
    pub number: u64,
}

impl TicketKey {
    /// The form that stands in the database: `contract#number`.
    pub fn text(&self) -> String {
        format!("{}#{}", self.contract, self.number)
    }

    /// Reads that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (contract, number) = text.rsplit_once('#')?;
        Some(Self { contract: contract.to_owned(), number: number.parse().ok()? })
    }
}

/// Where the counts of a contract stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Contract.
    pub contract: String,
    /// Last ticket number given.
    pub tickets: u64,
    /// Last event number given.
    pub events: u64,
    /// Hash of the last event.
    pub hash: String,
}

impl Counter {
    /// Gives the next place in the record to `event` and chains it to what stands before.
    pub fn record(&mut self, ticket: u64, at_ms: i64, kind: &str, body: String) -> EventRow {
        self.events += 1;
        self.hash = chain(&self.hash, &body);
        EventRow {
            contract: self.contract.clone(),
            seq: self.events,
            ticket,
            at_ms,
            kind: kind.to_owned(),
            body,
            hash: self.hash.clone(),
        }
    }
}

/// The hash that chains an event to the one before it: SHA-256 over the previous hash, a line feed and the event's body.
pub fn chain(before: &str, body: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(before.as_bytes());
    hasher.update(b"\n");
    hasher.update(body.as_bytes());
    hex::encode(hasher.finalize())
}

/// An event as it is stored.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Contract.
    pub contract: String,
    /// Place in the contract's record.
    pub seq: u64,
    /// Ticket number; 0 for what concerns no ticket.
    pub ticket: u64,
    /// When it counts as having happened.
    pub at_ms: i64,
    /// Kind.
    pub kind: String,
    /// The event as JSON; exactly these bytes are hashed.
    pub body: String,
    /// Hash of this and all before it.
    pub hash: String,
}

/// An event as it is read back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// Place in the contract's record.
    pub seq: u64,
    /// Ticket number.
    pub ticket: u64,
    /// JSON as stored.
    pub body: String,
    /// Hash.
    pub hash: String,
}

fn ticket_at(row: &sqlx::any::AnyRow) -> Result<(Ticket, i64), StoreError> {
    let body = text_at(row, 0);
    let ticket = serde_json::from_str(&body).map_err(|error| StoreError::Corrupt {
        table: "ticket",
        id: body.chars().take(60).collect(),
        why: error.to_string(),
    })?;
    Ok((ticket, number_at(row, 1)))
}

fn recorded(row: &sqlx::any::AnyRow) -> Recorded {
    Recorded {
        seq: u64::try_from(number_at(row, 0)).unwrap_or(0),
        ticket: u64::try_from(number_at(row, 1)).unwrap_or(0),
        body: text_at(row, 2),
        hash: text_at(row, 3),
    }
}

impl Write {
    /// Tickets by contract and number, each with the version it was read at.
    pub async fn tickets_by_number(&mut self, keys: &[TicketKey]) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let rows: Vec<_> = keys.iter().map(|key| (&key.contract, key.number)).collect();
        let query = self.query(&BY_NUMBER).bind(json_rows(&rows));
        self.rows(&BY_NUMBER, query).await?.iter().map(ticket_at).collect()
    }

    /// Tickets at hand of requesters: `(conversation, requester)`.
    pub async fn tickets_by(
        &mut self,
        pairs: &[(String, String)],
        now_ms: i64,
    ) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let query = self.query(&BY_REQUESTER).bind(json_rows(pairs)).bind(now_ms);
        self.rows(&BY_REQUESTER, query).await?.iter().map(ticket_at).collect()
    }

    /// Tickets at hand in these conversations: live ones, and those that ended lately.
    pub async fn tickets_in(
        &mut self,
        conversations: &[String],
        now_ms: i64,
    ) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let rows: Vec<_> = conversations.iter().map(|name| [name]).collect();
        let query = self.query(&BY_CONVERSATION).bind(json_rows(&rows)).bind(now_ms);
        self.rows(&BY_CONVERSATION, query).await?.iter().map(ticket_at).collect()
    }

    /// Tickets at hand of these engineers.
    pub async fn tickets_of(&mut self, engineers: &[String], now_ms: i64) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let rows: Vec<_> = engineers.iter().map(|id| [id]).collect();
        let query = self.query(&BY_ENGINEER).bind(json_rows(&rows)).bind(now_ms);
        self.rows(&BY_ENGINEER, query).await?.iter().map(ticket_at).collect()
    }

    /// Live tickets of a contract, oldest first, at most 500.
    pub async fn tickets_live(&mut self, contract: &str) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let query = self.query(&LIVE).bind(contract.to_owned()).bind(MOST);
        self.rows(&LIVE, query).await?.iter().map(ticket_at).collect()
    }

    /// Live tickets about a system, opened since: number and conversation, the oldest 50.
    pub async fn tickets_like(
        &mut self,
        contract: &str,
        system: &str,
        since_ms: i64,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let query = self.query(&LIKE).bind(contract.to_owned()).bind(system.to_owned()).bind(since_ms);
        let rows = self.rows(&LIKE, query).await?;
        Ok(rows.iter().map(|row| (u64::try_from(number_at(row, 0)).unwrap_or_default(), text_at(row, 1))).collect())
    }

    /// Tickets of these contracts whose alarm has come, earliest first.
    pub async fn tickets_due(
        &mut self,
        contracts: &[String],
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(Ticket, i64)>, StoreError> {
        let rows: Vec<_> = contracts.iter().map(|id| [id]).collect();
        let limit = i64::try_from(limit).unwrap_or(MOST);
        let query = self.query(&DUE).bind(json_rows(&rows)).bind(now_ms).bind(limit);
        self.rows(&DUE, query).await?.iter().map(ticket_at).collect()
    }

    /// Writes tickets, each with the version it was read at (0 for a new one).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another instance has written one of them since.
    pub async fn tickets_save(&mut self, tickets: &[(&Ticket, i64)]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(tickets.len());
        for (ticket, version) in tickets {
            let body = serde_json::to_string(ticket).map_err(|error| StoreError::Corrupt {
                table: "ticket",
                id: ticket.id.to_string(),
                why: error.to_string(),
            })?;
            let recent = match ticket.closed_at {
                Some(closed) if ticket.state.is_over() => closed.as_millisecond() + RECENT_MS,
                Some(_) | None => ALWAYS_MS,
            };
            rows.push((
                ticket.id.as_str(),
                &ticket.contract,
                ticket.number,
                ticket.state.id(),
                &ticket.origin,
                ticket.engineer.as_ref().map_or("", |engineer| engineer.id.as_str()),
                ticket.system.as_deref().unwrap_or(""),
                ticket.opened_at.as_millisecond(),
                recent,
                ticket.next_alarm().map_or(0, jiff::Timestamp::as_millisecond),
                version + 1,
                body,
                &ticket.requester.id,
            ));
        }
        let query = self.query(&SAVE).bind(json_rows(&rows));
        let written = self.run(&SAVE, query).await?;
        if written == rows.len() as u64 { Ok(()) } else { Err(StoreError::Conflict("工单".to_owned())) }
    }

    /// Where a contract's counts stand; held until this transaction ends.
    pub async fn counter(&mut self, contract: &str) -> Result<Counter, StoreError> {
        let query = self.query(&COUNT_FROM).bind(json_rows(&[[contract]]));
        self.run(&COUNT_FROM, query).await?;
        let query = self.query(&COUNTS).bind(contract.to_owned());
        let rows = self.rows(&COUNTS, query).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt {
            table: "counter",
            id: contract.to_owned(),
            why: "no such row".to_owned(),
        })?;
        Ok(Counter {
            contract: text_at(row, 0),
            tickets: u64::try_from(number_at(row, 1)).unwrap_or(0),
            events: u64::try_from(number_at(row, 2)).unwrap_or(0),
            hash: text_at(row, 3),
        })
    }

    /// Appends to the record and writes where the counts stand.
    pub async fn record(&mut self, events: &[EventRow], counters: &[Counter]) -> Result<(), StoreError> {
        if !events.is_empty() {
            let rows: Vec<_> =
                events.iter().map(|e| (&e.contract, e.seq, e.ticket, e.at_ms, &e.kind, &e.body, &e.hash)).collect();
            let query = self.query(&RECORD).bind(json_rows(&rows));
            self.run(&RECORD, query).await?;
        }
        let rows: Vec<_> = counters.iter().map(|c| (&c.contract, c.tickets, c.events, &c.hash)).collect();
        let query = self.query(&COUNTED).bind(json_rows(&rows));
        self.run(&COUNTED, query).await?;
        Ok(())
    }
}

impl Store {
    /// When the next alarm of these contracts comes, in milliseconds.
    pub async fn next_alarm(&self, contracts: &[String]) -> Result<Option<i64>, StoreError> {
        let rows: Vec<_> = contracts.iter().map(|id| [id]).collect();
        let query = sqlx::query(NEXT_ALARM.on(self.engine)).bind(json_rows(&rows));
        Ok(self.rows(&NEXT_ALARM, query).await?.first().map(|row| number_at(row, 0)))
    }

    /// The newest `limit` tickets of a contract, newest first, whatever their state.
    pub async fn newest_tickets(&self, contract: &str, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let query =
            sqlx::query(NEWEST_OF.on(self.engine)).bind(contract).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(&NEWEST_OF, query).await?.iter().map(|row| ticket_at(row).map(|(ticket, _)| ticket)).collect()
    }

    /// Up to `limit` tickets of a contract with numbers above `after`.
    pub async fn tickets_after(&self, contract: &str, after: u64, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let query = sqlx::query(ALL_OF.on(self.engine))
            .bind(contract)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(&ALL_OF, query).await?.iter().map(|row| ticket_at(row).map(|(ticket, _)| ticket)).collect()
    }

    /// Contracts that have ever had a ticket.
    pub async fn contracts(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(&CONTRACTS, sqlx::query(CONTRACTS.on(self.engine))).await?;
        Ok(rows.iter().map(|row| text_at(row, 0)).collect())
    }

    /// The record of one ticket.
    pub async fn events_of(&self, key: &TicketKey) -> Result<Vec<Recorded>, StoreError> {
        let query = sqlx::query(EVENTS_OF.on(self.engine))
            .bind(key.contract.as_str())
            .bind(i64::try_from(key.number).unwrap_or(i64::MAX));
        Ok(self.rows(&EVENTS_OF, query).await?.iter().map(recorded).collect())
    }

    /// Up to `limit` events of a contract after the place `after`.
    pub async fn events_after(&self, contract: &str, after: u64, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        let query = sqlx::query(EVENTS.on(self.engine))
            .bind(contract)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.rows(&EVENTS, query).await?.iter().map(recorded).collect())
    }
}
