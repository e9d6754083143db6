//! What the gateway delivers: stored first, then acknowledged (sms.md 1.7).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::codec::report::words;
use super::codec::{Deliver, MsgId, Report, verdict};
use super::fragments::{Fragments, MOST_PARTS, Piece, Plan, Whole, plan};
use super::link::{Heard as Delivered, Line};
use crate::sms::counts::count;
use crate::sms::intake::{Heard, Intake, NotStored, Told};
use crate::sms::text::udh::Concat;
use crate::sms::text::{Number, content, number, udh};
use crate::sms::time::gap;
use crate::{Entry, ShelfError};

/// A report may overtake the answer to its message by a little.
const EARLY: std::time::Duration = std::time::Duration::from_mins(15);
/// Reports that wait for their message; the oldest go first.
const MOST_EARLY: usize = 200;
/// Where those stand.
const EARLY_KEY: &str = "early";

/// Handles what is heard, one after the other.
pub(super) struct Hearing {
    line: Arc<Line>,
    intake: Arc<Intake>,
    fragments: Fragments,
    early: Vec<(String, String, jiff::Timestamp)>,
    epoch: Option<u64>,
}

impl Hearing {
    pub fn new(line: Arc<Line>, intake: Arc<Intake>) -> Self {
        let fragments = Fragments::new(intake.ground.clone());
        Self { line, intake, fragments, early: Vec::new(), epoch: None }
    }

    /// Until nobody hears any more. `sent` rings when something was sent that an early report may be about.
    pub async fn follow(
        mut self,
        mut queue: mpsc::Receiver<Delivered>,
        sent: &tokio::sync::Notify,
        look: std::time::Duration,
        stop: &CancellationToken,
    ) {
        loop {
            let delivered = tokio::select! {
                delivered = queue.recv() => match delivered {
                    Some(delivered) => Some(delivered),
                    None => return,
                },
                () = sent.notified() => None,
                () = tokio::time::sleep(look) => None,
            };
            if self.line.status().standby && !stop.is_cancelled() {
                // The other instance has what is kept; ours may be old by the time it is our turn.
                self.epoch = None;
                if delivered.is_none() {
                    continue;
                }
            }
            let outcome = match delivered {
                Some(delivered) => self.handle(delivered).await,
                None => self.look().await,
            };
            if let Err(error) = outcome {
                count(&self.intake.ground.counts.not_stored, 1);
                tracing::warn!(%error, "what the gateway delivered could not be stored; it will be repeated");
            }
        }
    }

    async fn fresh(&mut self, epoch: u64) -> Result<(), ShelfError> {
        if self.epoch != Some(epoch) {
            self.fragments.reload().await?;
            let kept = self.intake.ground.shelf.get(EARLY_KEY).await?;
            self.early = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
            self.epoch = Some(epoch);
        }
        Ok(())
    }

    async fn handle(&mut self, delivered: Delivered) -> Result<(), NotStored> {
        let Delivered { epoch, sequence, deliver } = delivered;
        self.fresh(epoch).await?;
        if deliver.registered_delivery == 1 {
            self.report(&deliver).await?;
        } else {
            self.text(&deliver).await?;
        }
        self.line.stored(epoch, sequence, deliver.msg_id);
        Ok(())
    }

    /// What time alone brings: texts whose parts never came, reports whose message is known by now.
    async fn look(&mut self) -> Result<(), NotStored> {
        if self.epoch.is_none() {
            // Not before a line stood: what is kept may be another instance's.
            if !matches!(self.line.status().state, super::session::State::Ready { .. }) {
                return Ok(());
            }
            self.fresh(0).await?;
        }
        let now = (self.intake.ground.now)();
        while let Some(name) = self.fragments.overdue(now) {
            match self.fragments.load(&name).await? {
                Some(mut group) if !group.done => {
                    self.hand_on(group.whole()).await?;
                    group.done = true;
                    self.fragments.store(&name, &group).await?;
                }
                _ => self.fragments.forget(&name),
            }
        }
        let mut left = Vec::new();
        let before = self.early.len();
        for (id, stat, at) in std::mem::take(&mut self.early) {
            match self.intake.sent(&id).await {
                Ok(Some(sent)) => {
                    let told = Told { verdict: verdict(&stat), code: &stat, why: words(&stat) };
                    if self.intake.report(&sent, told).await.is_err() {
                        left.push((id, stat, at));
                    }
                }
                Ok(None) if gap(at, now) >= EARLY => count(&self.intake.ground.counts.reports_unknown, 1),
                Ok(None) | Err(_) => left.push((id, stat, at)),
            }
        }
        self.early = left;
        if self.early.len() != before {
            self.keep_early().await?;
        }
        Ok(())
    }

    async fn report(&mut self, deliver: &Deliver) -> Result<(), NotStored> {
        let Some(report) = Report::read(&deliver.content) else {
            tracing::info!("a report without Msg_Id and Stat was acknowledged and left");
            return Ok(());
        };
        let verdict = verdict(&report.stat);
        tracing::info!(msg_id = %report.msg_id, stat = report.stat, "a report");
        if !verdict.is_final() {
            return Ok(());
        }
        let id = report.msg_id.to_string();
        if let Some(sent) = self.intake.sent(&id).await? {
            let told = Told { verdict, code: &report.stat, why: words(&report.stat) };
            return self.intake.report(&sent, told).await;
        }
        if self.early.len() >= MOST_EARLY {
            self.early.remove(0);
        }
        self.early.push((id, report.stat, (self.intake.ground.now)()));
        Ok(self.keep_early().await?)
    }

    async fn keep_early(&self) -> Result<(), ShelfError> {
        let value = serde_json::to_string(&self.early).map_err(|error| ShelfError(error.to_string()))?;
        let until = crate::sms::time::later((self.intake.ground.now)(), EARLY * 2);
        self.intake.ground.shelf.put(&[Entry { key: EARLY_KEY.to_owned(), value, until }]).await
    }

    async fn text(&mut self, deliver: &Deliver) -> Result<(), NotStored> {
        let sender = Number::read(&deliver.src_terminal_id)
            .map_or_else(|| deliver.src_terminal_id.clone(), |number| number.canonical);
        let read = udh::flagged(deliver.tp_udhi).then(|| udh::read(&deliver.content)).flatten();
        let payload = read.as_ref().map_or(deliver.content.as_slice(), |read| read.payload);
        let concat =
            read.as_ref().and_then(|read| read.concat).filter(|concat| (2..=MOST_PARTS).contains(&concat.total));
        if let Some(concat) = concat {
            let piece = Piece { id: deliver.msg_id.to_string(), format: deliver.msg_fmt, bytes: hex::encode(payload) };
            return self.fragment(&sender, &deliver.dest_id, concat, piece).await;
        }
        let text = content::text(deliver.msg_fmt, payload);
        let id = deliver.msg_id.to_string();
        self.hand_on(Whole { sender, id, text, incomplete: false }).await
    }

    async fn fragment(&mut self, sender: &str, dest: &str, concat: Concat, piece: Piece) -> Result<(), NotStored> {
        let name = Fragments::name(sender, dest, concat);
        let known = self.fragments.load(&name).await?;
        let Plan { first, group, whole } = plan(known, sender, concat, piece, (self.intake.ground.now)());
        if let Some(first) = first {
            self.hand_on(first).await?;
        }
        let Some(mut group) = group else { return Ok(()) };
        self.fragments.store(&name, &group).await?;
        count(&self.intake.ground.counts.fragments_stored, 1);
        if let Some(whole) = whole {
            self.hand_on(whole).await?;
            group.done = true;
            self.fragments.store(&name, &group).await?;
        }
        Ok(())
    }

    async fn hand_on(&self, whole: Whole) -> Result<(), NotStored> {
        let counts = &self.intake.ground.counts;
        let Some(text) = whole.text else {
            tracing::info!(from = number::masked(&whole.sender), "a message without text was acknowledged and left");
            count(&counts.texts_unreadable, 1);
            return Ok(());
        };
        count(&counts.texts_incomplete, u64::from(whole.incomplete));
        let now = (self.intake.ground.now)();
        let gateway_time = u64::from_str_radix(&whole.id, 16).ok().and_then(|id| MsgId(id).time_before(now));
        let external_id = format!("cmpp:{}:{}", whole.id, whole.sender);
        let heard = Heard {
            from: whole.sender,
            external_id,
            // CMPP carries no time; the gateway's own keeps the order of a burst.
            sent_at: gateway_time.unwrap_or(now),
            text,
            doubt: None,
        };
        self.intake.text(heard).await
    }
}
