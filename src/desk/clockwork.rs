//! The clockwork: takes what came in, rings what is due, and answers when it wants to be woken.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Disposition};
use super::{Desk, DeskError};
use crate::rules::ticket::{Actor, Event};
use crate::store::{InboxRow, StoreError, TicketKey};

/// Most messages taken in one transaction.
const MESSAGES: usize = 64;
/// Most alarms rung in one transaction.
const ALARMS: usize = 256;
/// Longest nap: a stepped clock or a machine that slept is noticed within a minute.
const NAP_MS: i64 = 60_000;
/// How often expired questions are swept.
const SWEEP_MS: i64 = 3_600_000;

/// What a turn of the clockwork did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Messages and alarms dealt with.
    pub done: usize,
    /// When there is something to do next, as far as is known; `None` if nothing waits.
    pub next: Option<Timestamp>,
}

impl Desk {
    /// Deals with all that is due now: messages first, then alarms. Sends nothing.
    pub async fn tick(&self) -> Result<Tick, DeskError> {
        let mut done = 0;
        loop {
            let (messages, alarms) = self.turn_once().await?;
            done += messages + alarms;
            // A turn that was not full has taken all there was; what it decided rings by itself later.
            if messages < MESSAGES && alarms < ALARMS {
                break;
            }
        }
        self.sweep().await?;
        let next = self.next_alarm().await?.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Tick { done, next })
    }

    /// Pending messages in the order they came and alarms that are due, in one transaction. A message that cannot be dealt
    /// with is set aside alone.
    async fn turn_once(&self) -> Result<(usize, usize), DeskError> {
        let mut batch = Batch::begin(self).await?;
        let rows = batch.write().inbox_pending(MESSAGES).await?;
        let due = batch.load_due(ALARMS).await?;
        if rows.is_empty() && due.is_empty() {
            return Ok((0, 0));
        }
        let (messages, alarms) = (rows.len(), due.len());
        match self.take_all(batch, &rows, &due).await {
            Ok(()) => Ok((messages, alarms)),
            Err(error) if is_passing(&error) => Err(error),
            Err(error) => {
                tracing::error!(%error, messages, alarms, "a batch failed; its parts are taken one by one");
                for row in &rows {
                    self.take_alone(row).await?;
                }
                for key in &due {
                    self.ring_alone(key).await?;
                }
                Ok((messages, alarms))
            }
        }
    }

    async fn take_all(&self, mut batch: Batch<'_>, rows: &[InboxRow], due: &[TicketKey]) -> Result<(), DeskError> {
        if !rows.is_empty() {
            // What the whole batch will want to know is asked for once.
            let mut writers: Vec<(String, String)> =
                rows.iter().map(|row| (row.conversation.clone(), batch.writer_id(&row.channel, &row.sender))).collect();
            writers.sort_unstable();
            writers.dedup();
            batch.load_requesters(&writers).await?;
            let dialogues: Vec<String> =
                rows.iter().map(|row| format!("{}|{}", row.conversation, row.sender)).collect();
            batch.load_dialogues(&dialogues).await?;
        }
        for row in rows {
            batch.take(row).await?;
        }
        for key in due {
            // The ticket's version at which an alarm is decided makes the key of its notices: none is queued twice.
            let cause = format!("alarm|{}|{}|{}", key.text(), batch.version(key), batch.now.as_millisecond());
            batch.caused_by(&cause);
            if let Some(until) = maintenance_of(&batch, key) {
                let _ = batch.decide(key, &Event::HoldBack { until }, &Actor::desk(), None).await?;
            }
            // An alarm is never refused.
            let _ = batch.decide(key, &Event::Alarm, &Actor::desk(), None).await?;
        }
        batch.finish().await
    }

    /// One message, one transaction: a poisoned one ends visibly and stops nobody else.
    async fn take_alone(&self, row: &InboxRow) -> Result<(), DeskError> {
        let batch = Batch::begin(self).await?;
        match self.take_all(batch, std::slice::from_ref(row), &[]).await {
            Ok(()) => Ok(()),
            Err(error) if is_passing(&error) => Err(error),
            Err(error) => {
                tracing::error!(inbound.id = %row.id, %error, "a message could not be dealt with");
                let mut batch = Batch::begin(self).await?;
                batch.dispose(&row.id, Disposition::Refused, None, "处理时出错，原文已保留，请人工查看");
                batch.finish().await
            }
        }
    }

    /// One alarm, one transaction: a ticket that cannot be decided stops no other.
    async fn ring_alone(&self, key: &TicketKey) -> Result<(), DeskError> {
        let mut batch = Batch::begin(self).await?;
        batch.load(std::slice::from_ref(key)).await?;
        match self.take_all(batch, &[], std::slice::from_ref(key)).await {
            Err(error) if is_passing(&error) => Err(error),
            Err(error) => {
                tracing::error!(ticket = key.text(), %error, "an alarm could not be dealt with");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn sweep(&self) -> Result<(), DeskError> {
        use std::sync::atomic::Ordering::Relaxed;
        let now = self.now().as_millisecond();
        if now - self.last_sweep_ms.load(Relaxed) < SWEEP_MS {
            return Ok(());
        }
        self.last_sweep_ms.store(now, Relaxed);
        let mut write = self.store.write().await?;
        write.dialogues_sweep(now).await?;
        write.shelf_sweep(now).await?;
        write.commit().await?;
        Ok(())
    }

    /// Open due times computed again with the contracts as they are now, each change with a record of its own.
    pub async fn recompute(&self) -> Result<usize, DeskError> {
        let mut count = 0;
        for contract in self.contracts.keys().cloned().collect::<Vec<_>>() {
            let mut batch = Batch::begin(self).await?;
            batch.caused_by(&format!("calendar|{}", batch.now.as_millisecond()));
            for key in batch.load_live(&contract).await? {
                if batch.decide(&key, &Event::CalendarChanged, &Actor::desk(), None).await?.is_ok() {
                    count += 1;
                }
            }
            batch.finish().await?;
        }
        Ok(count)
    }

    /// Runs the clockwork until `stop`. A database that fails is tried again; nothing is lost meanwhile.
    pub async fn run_clockwork(&self, stop: CancellationToken) {
        let mut wait_ms = 200;
        loop {
            let nap = match self.tick().await {
                Ok(tick) => {
                    wait_ms = 200;
                    let now = self.now().as_millisecond();
                    tick.next.map_or(NAP_MS, |next| (next.as_millisecond() - now).clamp(0, NAP_MS))
                }
                Err(error) => {
                    tracing::error!(%error, retry_in_ms = wait_ms, "the clockwork could not run");
                    wait_ms = (wait_ms * 2).min(10_000);
                    wait_ms
                }
            };
            let nap = std::time::Duration::from_millis(u64::try_from(nap).unwrap_or(0));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.work.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }
}

/// The end of the planned maintenance that covers a ticket now.
fn maintenance_of(batch: &Batch<'_>, key: &TicketKey) -> Option<Timestamp> {
    let system = batch.ticket(key)?.system.clone();
    let window = batch.library.directory.maintenance(&key.contract, system.as_deref(), batch.now)?;
    Some(window.until)
}

/// Whether the same may work in a moment: the database is away, or another instance was faster.
fn is_passing(error: &DeskError) -> bool {
    match error {
        DeskError::Store(StoreError::Unavailable { source, .. }) => {
            source.as_database_error().is_none_or(|e| passes(e.code().as_deref().unwrap_or_default()))
        }
        DeskError::Store(StoreError::Conflict(_)) => true,
        DeskError::Store(StoreError::Corrupt { .. } | StoreError::Migration(_) | StoreError::Url(_))
        | DeskError::Library(_) => false,
    }
}

/// Codes of states that pass: locked, busy, full, read-only, input and output (SQLite's low byte says the family), and on
/// PostgreSQL serialisation, dead locks, a full disk and a server that stops. What is wrong with a value does not pass.
fn passes(code: &str) -> bool {
    let family = code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
    matches!(family, Some(5 | 6 | 8 | 10 | 13)) || matches!(code, "40001" | "40P01" | "53100" | "57P01")
}
