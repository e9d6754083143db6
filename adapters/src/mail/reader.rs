//! Reading an open folder: what is new goes to the desk, one mail at a time, and only then the position moves (2.2).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::config::{MailConfig, Start};
use super::imap::{Fetched, Meta, Opened, Trouble, Woken};
use super::intake::{Intake, Short, before};
use super::position::Position;
use super::read;
use super::status::Reading;
use super::thread::later;
use crate::{Entry, Shelf, ShelfError};

/// Mails whose sizes are asked for at once, and after which the position is written at the latest.
const BLOCK: usize = 20;
/// Tries before a mail is handed in as unreadable.
const TRIES: u32 = 3;
/// Mails in trouble kept in mind at most; the others are found again by comparing.
const IN_TROUBLE: usize = 200;
/// Clocks of servers differ.
const SLACK: Duration = Duration::from_mins(10);
/// How long the position of a mailbox that nobody reads is kept.
const KEPT: Duration = Duration::from_hours(24 * 365 * 20);

/// A folder that is being read.
pub(super) struct Reader<'a> {
    config: &'a MailConfig,
    shelf: &'a Arc<dyn Shelf>,
    intake: &'a Intake,
    opened: Opened,
    position: Position,
    name: String,
    /// Mails that could not be handed in, and how often that was tried.
    trouble: HashMap<u32, u32>,
    /// Since a mail ended the process before: each is written down before it is begun.
    careful: bool,
}

/// What became of one mail.
enum Taken {
    /// The desk has it, or it is none of its business, or it is gone.
    Settled,
    /// It did not work, with the reason.
    Failed(String),
}

impl From<ShelfError> for Trouble {
    fn from(error: ShelfError) -> Self {
        // Without a place for the position nothing is safe: begin again.
        Self::Lost(error.to_string())
    }
}

impl<'a> Reader<'a> {
    /// Finds out how far the folder has been read.
    pub async fn new(
        config: &'a MailConfig,
        shelf: &'a Arc<dyn Shelf>,
        intake: &'a Intake,
        mut opened: Opened,
        name: String,
    ) -> Result<Self, Trouble> {
        let known = shelf.get(&name).await?.and_then(|text| serde_json::from_str::<Position>(&text).ok());
        let position = match known {
            Some(position) if position.validity == opened.uid_validity => position,
            known => {
                let first = known.as_ref().map(|position| position.first);
                begin(config.start, first, (intake.now)(), &mut opened).await?
            }
        };
        let careful = position.trying.is_some();
        let mut reader = Self { config, shelf, intake, opened, position, name, trouble: HashMap::new(), careful };
        reader.write().await?;
        Ok(reader)
    }

    /// Reads until the connection is lost or the folder cannot be read; never returns otherwise.
    pub async fn run(&mut self, silent: &std::sync::atomic::AtomicBool) -> Trouble {
        loop {
            if let Err(trouble) = self.round(silent).await {
                return trouble;
            }
        }
    }

    async fn round(&mut self, silent: &std::sync::atomic::AtomicBool) -> Result<(), Trouble> {
        self.look().await?;
        self.reconcile().await?;
        let mut reconcile_at = later((self.intake.now)(), self.config.timing.reconcile);
        loop {
            let pushes = self.opened.can.idle && !silent.load(std::sync::atomic::Ordering::Relaxed);
            self.tell(pushes);
            if pushes {
                match self.opened.idle(self.config.timing.idle, self.config.timing.connect).await? {
                    Woken::Stirred | Woken::Time => {}
                    Woken::NoIdle => self.opened.can.idle = false,
                    Woken::Silent => {
                        silent.store(true, std::sync::atomic::Ordering::Relaxed);
                        return Err(Trouble::Lost("收信服务器声称支持 IDLE 却不应答，改为定时查看".to_owned()));
                    }
                }
            } else {
                tokio::time::sleep(self.config.timing.poll).await;
                self.opened.noop().await?;
            }
            self.look().await?;
            if (self.intake.now)() >= reconcile_at {
                self.opened.select(&self.folder()).await?;
                if self.opened.uid_validity != self.position.validity {
                    return Err(Trouble::Lost("收信服务器重建了文件夹，重新连接".to_owned()));
                }
                self.reconcile().await?;
                reconcile_at = later((self.intake.now)(), self.config.timing.reconcile);
            }
        }
    }

    fn tell(&self, pushes: bool) {
        let since = match self.intake.status.now_reading() {
            Reading::Open { since, .. } => since,
            _ => (self.intake.now)(),
        };
        self.intake.status.reading(Reading::Open { since, pushes });
    }

    /// Takes what is new, and once more what is in trouble.
    async fn look(&mut self) -> Result<(), Trouble> {
        let mut again: Vec<u32> = self.trouble.keys().copied().collect();
        if !again.is_empty() {
            again.sort_unstable();
            self.take_all(&again, false).await?;
        }
        let mut new = self.opened.above(self.position.watermark).await?;
        if let Some((floor, _)) = self.position.floor
            && new.len() > BLOCK
        {
            new = self.without_old(new, floor).await?;
        }
        self.take_all(&new, true).await
    }

    /// Leaves out what arrived days before the floor without fetching anything of it; the rest is looked at one by one.
    async fn without_old(&mut self, mut new: Vec<u32>, floor: Timestamp) -> Result<Vec<u32>, Trouble> {
        let day = before(floor, Duration::from_hours(48)).to_zoned_datetime(TimeZone::UTC).date();
        let recent = match self.opened.since(day).await {
            Ok(recent) => recent,
            // A server that cannot search by date: all of them are asked for their date.
            Err(Trouble::Refused(_)) => return Ok(new),
            Err(trouble) => return Err(trouble),
        };
        let covered = self.position.floor.map_or(0, |(_, to)| to);
        new.retain(|uid| *uid > covered || recent.binary_search(uid).is_ok());
        // What is passed over is done with: it is no gap in which something may appear.
        let passed = new.first().map_or(covered, |first| first - 1).min(covered);
        if passed > self.position.watermark {
            self.position.watermark = passed;
            self.write().await?;
        }
        Ok(new)
    }

    /// Compares the whole folder with what is known: finds what appeared below the watermark (2.2.6), and moves away what
    /// should have been.
    async fn reconcile(&mut self) -> Result<(), Trouble> {
        let mut all = self.opened.all().await?;
        self.position.moving.retain(|uid| all.binary_search(uid).is_ok());
        let (watermark, position, trouble) = (self.position.watermark, &self.position, &self.trouble);
        all.retain(|uid| *uid <= watermark && position.is_open(*uid) && !trouble.contains_key(uid));
        self.take_all(&all, false).await?;
        self.move_away(&[]).await
    }

    /// Takes these; `new`: they stand above the watermark, which goes along with them.
    async fn take_all(&mut self, uids: &[u32], new: bool) -> Result<(), Trouble> {
        let mut left = uids;
        while !left.is_empty() {
            self.intake.status.left(left.len());
            let (block, rest) = left.split_at(left.len().min(if self.careful { 1 } else { BLOCK }));
            left = rest;
            self.take_block(block, new).await?;
        }
        self.intake.status.left(0);
        self.careful = false;
        Ok(())
    }

    async fn take_block(&mut self, block: &[u32], new: bool) -> Result<(), Trouble> {
        let Some(last) = block.last().copied() else { return Ok(()) };
        let first = block[0];
        let begun = self.position.trying.filter(|(uid, _)| *uid == first).map_or(0, |(_, times)| times);
        self.position.trying = Some((first, begun + 1));
        self.write().await?;
        let metas = self.opened.metas(block).await?;
        let wanted: Vec<Meta> =
            metas.iter().filter(|meta| !self.position.is_before(meta.uid, meta.arrived)).cloned().collect();
        let mut at_hand = self.opened.fetch_small(&wanted).await?;
        let mut done = Vec::with_capacity(metas.len());
        let mut put_off = Vec::new();
        for uid in block {
            let Some(meta) = metas.iter().find(|meta| meta.uid == *uid) else {
                // Gone, or not to be had now: comparing tells.
                if !self.opened.present(&[*uid]).await?.is_empty() {
                    put_off.push((*uid, "服务器没有给出这封邮件".to_owned()));
                }
                continue;
            };
            if self.position.is_before(meta.uid, meta.arrived) {
                continue;
            }
            // Alone in its block and begun too often: it ends the process or the connection each time.
            let taken = if block.len() == 1 && begun >= TRIES {
                self.hand_in_short(meta, Short::Unreadable("读取它时程序或连接多次中断".to_owned())).await?
            } else {
                self.take(meta, at_hand.remove(uid)).await?
            };
            match taken {
                Taken::Settled => done.push(*uid),
                Taken::Failed(why) => put_off.push((*uid, why)),
            }
        }
        if new {
            self.position.advance(last, block);
        }
        for uid in block {
            self.position.settle(*uid);
            self.trouble.retain(|of, _| of != uid || put_off.iter().any(|(off, _)| off == uid));
        }
        for (uid, why) in put_off {
            self.put_off(uid, &why, &metas).await?;
        }
        self.position.trying = None;
        if self.config.imap.as_ref().is_some_and(|imap| imap.done_folder.is_some()) {
            self.position.to_move(&done);
        }
        self.write().await?;
        if done.is_empty() { Ok(()) } else { self.courtesies(&done).await }
    }

    /// A mail that could not be handed in stays open, and after three tries goes to a person instead.
    async fn put_off(&mut self, uid: u32, why: &str, metas: &[Meta]) -> Result<(), Trouble> {
        let tries = self.trouble.get(&uid).copied().unwrap_or(0) + 1;
        tracing::warn!(channel = %self.config.id, uid, tries, %why, "a mail could not be read");
        if tries < TRIES {
            self.position.put_off(uid);
            if self.trouble.len() < IN_TROUBLE {
                self.trouble.insert(uid, tries);
            }
            return Ok(());
        }
        let unknown = Meta { uid, size: None, arrived: None };
        let meta = metas.iter().find(|meta| meta.uid == uid).unwrap_or(&unknown);
        if let Taken::Failed(why) = self.hand_in_short(meta, Short::Unreadable(why.to_owned())).await? {
            tracing::error!(channel = %self.config.id, uid, %why, "a mail could not be handed in at all; it stays in the mailbox");
        }
        self.trouble.remove(&uid);
        Ok(())
    }

    /// `at_hand`: its bytes, where they have come already.
    async fn take(&mut self, meta: &Meta, at_hand: Option<Vec<u8>>) -> Result<Taken, Trouble> {
        let most = self.config.max_bytes;
        // A size that does not fit is too large (2.3).
        if meta.size.is_none_or(|size| size > most) {
            return self.hand_in_short(meta, Short::TooLarge { most }).await;
        }
        let fetched = match at_hand.filter(|raw| raw.len() as u64 <= most) {
            Some(raw) => Ok(Fetched::Whole(raw)),
            None => self.opened.fetch(meta, most).await,
        };
        let raw = match fetched {
            Ok(Fetched::Whole(raw)) => raw,
            Ok(Fetched::TooLarge) => return self.hand_in_short(meta, Short::TooLarge { most }).await,
            Ok(Fetched::Nothing) => {
                let there = !self.opened.present(&[meta.uid]).await?.is_empty();
                return Ok(if there {
                    Taken::Failed("服务器给出的内容为空".to_owned())
                } else {
                    Taken::Settled
                });
            }
            Err(Trouble::Refused(why)) => return Ok(Taken::Failed(why)),
            Err(trouble) => return Err(trouble),
        };
        let reading = tokio::task::spawn_blocking(move || {
            let (mail, key) = (read::read(&raw), read::content_key(&raw));
            (mail, key, raw)
        });
        let Ok((mail, key, raw)) = reading.await else {
            return Ok(Taken::Failed("解析时出错".to_owned()));
        };
        Ok(match self.intake.whole(&mail, &raw, &key, meta).await {
            Ok(()) => Taken::Settled,
            Err(why) => Taken::Failed(why),
        })
    }

    /// Hands in what can be told of a mail without fetching it.
    async fn hand_in_short(&mut self, meta: &Meta, short: Short) -> Result<Taken, Trouble> {
        let header = match self.opened.header(meta.uid).await {
            Ok(header) => header.filter(|header| !header.is_empty()),
            Err(Trouble::Refused(_)) => None,
            Err(trouble) => return Err(trouble),
        };
        // The same after all UIDs have changed, where there is a header to tell it by.
        let key = match &header {
            Some(header) => format!("{}-header", read::content_key(header)),
            None => format!("uid-{}-{}", self.position.validity, meta.uid),
        };
        Ok(match self.intake.in_short(header.as_deref(), &key, meta, &short).await {
            Ok(()) => Taken::Settled,
            Err(why) => Taken::Failed(why),
        })
    }

    /// What is done for people once the desk has the mails. A refusal is told and changes nothing.
    async fn courtesies(&mut self, uids: &[u32]) -> Result<(), Trouble> {
        self.opened.mark_read(uids).await?;
        self.move_away(uids).await
    }

    async fn move_away(&mut self, uids: &[u32]) -> Result<(), Trouble> {
        let Some(folder) = self.config.imap.as_ref().and_then(|imap| imap.done_folder.clone()) else { return Ok(()) };
        let uids = if uids.is_empty() { self.position.moving.clone() } else { uids.to_vec() };
        if uids.is_empty() {
            return Ok(());
        }
        match self.opened.move_away(&uids, &folder).await {
            Ok(left) => {
                self.position.moving.retain(|uid| uids.binary_search(uid).is_err() || left.contains(uid));
                self.intake.status.moving(None);
                Ok(())
            }
            Err(Trouble::Refused(why)) => {
                self.intake.status.moving(Some(why));
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn write(&mut self) -> Result<(), Trouble> {
        let value = serde_json::to_string(&self.position).map_err(|error| Trouble::Lost(error.to_string()))?;
        let until = later((self.intake.now)(), KEPT);
        Ok(self.shelf.put(&[Entry { key: self.name.clone(), value, until }]).await?)
    }

    fn folder(&self) -> String {
        self.config.imap.as_ref().map(|imap| imap.folder.clone()).unwrap_or_default()
    }

    /// Gives the connection back.
    pub fn into_opened(self) -> Opened {
        self.opened
    }
}

/// Where a folder is begun that was never read, or whose UIDs have all become void.
async fn begin(
    start: Start,
    first: Option<Timestamp>,
    now: Timestamp,
    opened: &mut Opened,
) -> Result<Position, Trouble> {
    // Servers that tell no UIDNEXT are asked for the last mail there is.
    let last = match opened.uid_next {
        Some(next) => next.saturating_sub(1),
        None => opened.all().await?.last().copied().unwrap_or(0),
    };
    let (watermark, floor) = match (start, first) {
        (Start::All, _) => (0, None),
        (Start::Now, None) => (last, None),
        // Everything since the first contact is fetched again; what the desk has, it knows.
        (Start::Now, Some(first)) => (0, Some((before(first, SLACK), last))),
        (Start::Since(date), _) => {
            let zone = TimeZone::fixed(jiff::tz::offset(8));
            let floor = date.to_zoned_datetime(zone).map(|start| start.timestamp());
            let floor = floor.unwrap_or(now);
            (0, Some((floor, last)))
        }
    };
    Ok(Position::new(opened.uid_validity, watermark, first.unwrap_or(now), floor))
}
