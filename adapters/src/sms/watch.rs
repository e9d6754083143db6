//! Urgent messages that no report confirms in time: the desk is told, so that somebody is reached another way (sms.md 1.4).
//!
//! Only where this gateway has ever brought a report that something arrived: one that brings none confirms nothing.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::counts::count;
use super::intake::{Intake, NotStored, Sent};
use crate::sms::time::later;
use crate::{Entry, Shelf, ShelfError};

/// How long an urgent message waits for its report.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// Most messages that are waited for; the oldest are let go, as their promises are repeated anyway.
const MOST: usize = 128;
/// How long it is known that this gateway brings reports.
const KNOWN: Duration = Duration::from_hours(24 * 30);
/// Where that is noted.
const REPORTS: &str = "reports";
/// Where the list outlives a restart.
const WAITING: &str = "waiting";

/// A message that is waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    sent: Sent,
    until: Timestamp,
}

/// Messages that are waited for, the oldest first.
#[derive(Default)]
pub(crate) struct Watch {
    list: tokio::sync::Mutex<VecDeque<Waiting>>,
}

impl Watch {
    /// Waits for the report on an urgent message.
    pub async fn begin(&self, shelf: &dyn Shelf, sent: Sent, now: Timestamp) -> Result<(), ShelfError> {
        let mut list = self.list.lock().await;
        list.retain(|waiting| waiting.sent.external_id != sent.external_id);
        if list.len() >= MOST {
            list.pop_front();
        }
        list.push_back(Waiting { sent, until: later(now, PATIENCE) });
        keep(shelf, &list, now).await
    }

    /// A report says that something arrived.
    pub async fn arrived(&self, shelf: &dyn Shelf, sent: &Sent, now: Timestamp) -> Result<(), ShelfError> {
        let note = |key: String, until| Entry { key, value: String::new(), until };
        // The report may come to another instance than the one that waits.
        let entries = [note(came(sent), later(now, PATIENCE * 4)), note(REPORTS.to_owned(), later(now, KNOWN))];
        shelf.put(&entries).await
    }

    /// Looks every `look` until `stop`, whether something is overdue.
    pub async fn follow(&self, intake: &Intake, look: Duration, stop: &CancellationToken) {
        let mut known = false;
        while tokio::time::timeout(look, stop.cancelled()).await.is_err() {
            let looked = async {
                if !known {
                    self.recall(intake).await?;
                    known = true;
                }
                self.look(intake).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(%error, "whether texts arrived could not be looked after; it is tried again");
            }
        }
    }

    /// What was waited for before a restart.
    async fn recall(&self, intake: &Intake) -> Result<(), NotStored> {
        let kept = intake.ground.shelf.get(WAITING).await?;
        let kept: VecDeque<Waiting> = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
        let mut list = self.list.lock().await;
        for waiting in kept.into_iter().rev() {
            if list.iter().all(|known| known.sent.external_id != waiting.sent.external_id) {
                list.push_front(waiting);
            }
        }
        Ok(())
    }

    async fn look(&self, intake: &Intake) -> Result<(), NotStored> {
        let (shelf, now) = (&*intake.ground.shelf, (intake.ground.now)());
        let mut list = self.list.lock().await;
        let before = list.len();
        while let Some(first) = list.front().filter(|first| first.until <= now).cloned() {
            let confirmed = shelf.get(&came(&first.sent)).await?.is_some() || shelf.get(REPORTS).await?.is_none();
            if !confirmed {
                intake.unconfirmed(&first.sent).await?;
                count(&intake.ground.counts.reports_overdue, 1);
            }
            list.pop_front();
        }
        if list.len() != before {
            keep(shelf, &list, now).await?;
        }
        Ok(())
    }
}

async fn keep(shelf: &dyn Shelf, list: &VecDeque<Waiting>, now: Timestamp) -> Result<(), ShelfError> {
    let value = serde_json::to_string(list).map_err(|error| ShelfError(error.to_string()))?;
    shelf.put(&[Entry { key: WAITING.to_owned(), value, until: later(now, PATIENCE * 4) }]).await
}

fn came(sent: &Sent) -> String {
    format!("came:{}", sent.external_id)
}
