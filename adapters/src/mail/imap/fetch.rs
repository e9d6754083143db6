//! Fetching: what a mail is like first, then its bytes, large ones in steps.

use std::collections::HashMap;
use std::time::Duration;

use async_imap::imap_proto::{AttributeValue, MessageSection, Response, SectionPath};
use jiff::Timestamp;

use super::mailbox::uid_set;
use super::{Opened, Trouble};

/// Mails larger than this are fetched in steps of it (2.3: one response is read whole into memory).
const STEP: u64 = 1 << 20;

/// Mails up to this size are fetched several at once.
const SMALL: u64 = 64 << 10;

/// Largest header that is fetched (5.7).
const HEADER: u64 = 256 << 10;

/// What is known of a mail before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mail) struct Meta {
    /// Its UID.
    pub uid: u32,
    /// Bytes, where the server tells a number that fits.
    pub size: Option<u64>,
    /// When it arrived, by the server's clock.
    pub arrived: Option<Timestamp>,
}

/// A mail as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mail) enum Fetched {
    /// All of it.
    Whole(Vec<u8>),
    /// Nothing came, or nothing yet: the mail is gone, or the server is not ready with it (2.3).
    Nothing,
    /// It is larger than it said, and too large.
    TooLarge,
}

impl Opened {
    /// What these mails are like; those that are gone are left out. `uids` ascending.
    ///
    /// Whatever was asked for and did not come is asked for again, alone: an answer may end early without an error (2.3).
    pub(in crate::mail) async fn metas(&mut self, uids: &[u32]) -> Result<Vec<Meta>, Trouble> {
        let mut found = self.metas_at_once(uids).await?;
        for uid in uids {
            if !found.iter().any(|meta| meta.uid == *uid) {
                found.extend(self.metas_at_once(&[*uid]).await?);
            }
        }
        found.sort_unstable_by_key(|meta| meta.uid);
        found.dedup_by_key(|meta| meta.uid);
        Ok(found)
    }

    async fn metas_at_once(&mut self, uids: &[u32]) -> Result<Vec<Meta>, Trouble> {
        let mut found = Vec::new();
        let command = format!("UID FETCH {} (UID INTERNALDATE RFC822.SIZE)", uid_set(uids));
        // A refusal in the middle leaves some out: they are asked for one by one.
        self.line
            .run(&command, Duration::ZERO, |response| {
                if let Response::Fetch(_, attributes) = response
                    && let Some(meta) = meta_of(attributes)
                    && uids.contains(&meta.uid)
                {
                    found.push(meta);
                }
            })
            .await?;
        Ok(found)
    }

    /// A mail's bytes, at most `most`.
    pub(in crate::mail) async fn fetch(&mut self, meta: &Meta, most: u64) -> Result<Fetched, Trouble> {
        let size = meta.size.unwrap_or(u64::MAX);
        if size <= STEP {
            let whole = self.body(meta.uid, "BODY.PEEK[]", Wanted::Body).await?;
            return Ok(match whole {
                Some(bytes) if bytes.len() as u64 > most => Fetched::TooLarge,
                Some(bytes) if !bytes.is_empty() => Fetched::Whole(bytes),
                _ => Fetched::Nothing,
            });
        }
        let mut all: Vec<u8> = Vec::new();
        loop {
            let from = all.len();
            let part = self.body(meta.uid, &format!("BODY.PEEK[]<{from}.{STEP}>"), Wanted::Body).await?;
            let Some(part) = part else {
                return Ok(Fetched::Nothing);
            };
            all.extend_from_slice(&part);
            if all.len() as u64 > most {
                return Ok(Fetched::TooLarge);
            }
            // The size is approximate on some servers (3): the short step is the last.
            if (part.len() as u64) < STEP {
                let short = meta.size.is_some_and(|size| (all.len() as u64) < size / 2);
                return Ok(if all.is_empty() || short { Fetched::Nothing } else { Fetched::Whole(all) });
            }
        }
    }

    /// Small mails at once, together not more than one step: a round trip for each is what takes long with many. What does
    /// not come this way is to be fetched alone, whatever the reason.
    pub(in crate::mail) async fn fetch_small(&mut self, metas: &[Meta]) -> Result<HashMap<u32, Vec<u8>>, Trouble> {
        let mut sum = 0;
        let fits = |meta: &&Meta| {
            let size = meta.size.unwrap_or(u64::MAX);
            let fits = size <= SMALL && sum + size <= STEP;
            sum += if fits { size } else { 0 };
            fits
        };
        let uids: Vec<u32> = metas.iter().filter(fits).map(|meta| meta.uid).collect();
        let mut found = HashMap::new();
        if uids.len() > 1 {
            let command = format!("UID FETCH {} (UID BODY.PEEK[])", uid_set(&uids));
            self.line
                .run(&command, Duration::ZERO, |response| {
                    if let Response::Fetch(_, attributes) = response
                        && let Some(uid) = uid_of(attributes).filter(|uid| uids.contains(uid))
                        && let Some(bytes) = body_of(attributes, Wanted::Body).filter(|bytes| !bytes.is_empty())
                    {
                        found.insert(uid, bytes.to_vec());
                    }
                })
                .await?;
        }
        Ok(found)
    }

    /// A mail's header, or as much as is reasonable of it.
    pub(in crate::mail) async fn header(&mut self, uid: u32) -> Result<Option<Vec<u8>>, Trouble> {
        self.body(uid, &format!("BODY.PEEK[HEADER]<0.{HEADER}>"), Wanted::Header).await
    }

    async fn body(&mut self, uid: u32, what: &str, wanted: Wanted) -> Result<Option<Vec<u8>>, Trouble> {
        let mut found: Option<Vec<u8>> = None;
        let command = format!("UID FETCH {uid} (UID {what})");
        let answer = self
            .line
            .run(&command, Duration::ZERO, |response| {
                if let Response::Fetch(_, attributes) = response
                    && uid_of(attributes) == Some(uid)
                    && let Some(bytes) = body_of(attributes, wanted)
                {
                    found = Some(bytes.to_vec());
                }
            })
            .await?;
        if !answer.ok {
            return Err(Trouble::Refused(format!("取信被拒绝：{}", answer.text)));
        }
        Ok(found)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Body,
    Header,
}

fn uid_of(attributes: &[AttributeValue<'_>]) -> Option<u32> {
    attributes.iter().find_map(|value| match value {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    })
}

fn body_of<'a>(attributes: &'a [AttributeValue<'_>], wanted: Wanted) -> Option<&'a [u8]> {
    attributes.iter().find_map(|value| match value {
        AttributeValue::BodySection { section, data: Some(data), .. } => {
            let fits = match section {
                None => wanted == Wanted::Body,
                Some(SectionPath::Full(MessageSection::Header)) => wanted == Wanted::Header,
                Some(_) => false,
            };
            fits.then_some(data.as_ref())
        }
        AttributeValue::Rfc822(Some(data)) if wanted == Wanted::Body => Some(data.as_ref()),
        _ => None,
    })
}

fn meta_of(attributes: &[AttributeValue<'_>]) -> Option<Meta> {
    let (mut uid, mut size, mut arrived) = (None, None, None);
    for value in attributes {
        match value {
            AttributeValue::Uid(of) => uid = Some(*of),
            AttributeValue::Rfc822Size(bytes) => size = Some(u64::from(*bytes)),
            AttributeValue::InternalDate(text) => arrived = internal_date(text),
            _ => {}
        }
    }
    // An answer that tells neither is about something else (flags that somebody changed).
    (size.is_some() || arrived.is_some()).then_some(())?;
    Some(Meta { uid: uid?, size, arrived })
}

/// `" 5-Nov-2026 18:09:28 +0800"`.
fn internal_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let padded = if text.as_bytes().get(1) == Some(&b'-') { format!("0{text}") } else { text.to_owned() };
    jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", padded).ok()?.to_timestamp().ok()
}
