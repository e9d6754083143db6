//! Finding mails, marking and moving them.

use std::fmt::Write as _;
use std::time::Duration;

use async_imap::imap_proto::{MailboxDatum, Response};
use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use jiff::civil::Date;

use super::{Opened, Trouble};

/// A folder's name as it goes over the wire: modified UTF-7, in quotes.
pub(in crate::mail) fn encode_name(name: &str) -> String {
    let engine = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);
    let mut out = String::from("\"");
    let mut high: Vec<u16> = Vec::new();
    let flush = |high: &mut Vec<u16>, out: &mut String| {
        if !high.is_empty() {
            let bytes: Vec<u8> = high.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            // Writing to a string cannot fail.
            let _ = write!(out, "&{}-", engine.encode(bytes));
            high.clear();
        }
    };
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut high, &mut out);
            match c {
                '&' => out.push_str("&-"),
                '"' | '\\' => out.extend(['\\', c]),
                c => out.push(c),
            }
        } else {
            high.extend(c.encode_utf16(&mut [0; 2]).iter());
        }
    }
    flush(&mut high, &mut out);
    out.push('"');
    out
}

/// UIDs as a set of ascending ranges: QQ refuses descending ones (3.2).
pub(super) fn uid_set(uids: &[u32]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < uids.len() {
        let first = uids[at];
        while at + 1 < uids.len() && uids[at + 1] == uids[at] + 1 {
            at += 1;
        }
        let comma = if out.is_empty() { "" } else { "," };
        let _ =
            if uids[at] == first { write!(out, "{comma}{first}") } else { write!(out, "{comma}{first}:{}", uids[at]) };
        at += 1;
    }
    out
}

impl Opened {
    /// UIDs that match, ascending. A refusal is an error, not an empty mailbox (2.3).
    async fn search(&mut self, keys: &str) -> Result<Vec<u32>, Trouble> {
        let mut found = Vec::new();
        self.line
            .must(&format!("UID SEARCH {keys}"), |response| {
                if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                    found.extend(uids);
                }
            })
            .await?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// UIDs above this one. `n:*` names the last mail even where it is below `n` (2.2).
    pub(in crate::mail) async fn above(&mut self, uid: u32) -> Result<Vec<u32>, Trouble> {
        let mut found = self.search(&format!("UID {}:*", uid.saturating_add(1))).await?;
        found.retain(|new| *new > uid);
        Ok(found)
    }

    /// All UIDs.
    pub(in crate::mail) async fn all(&mut self) -> Result<Vec<u32>, Trouble> {
        self.search("ALL").await
    }

    /// UIDs of mails that arrived on this day or later, by the server's calendar.
    pub(in crate::mail) async fn since(&mut self, day: Date) -> Result<Vec<u32>, Trouble> {
        self.search(&format!("SINCE {}", day.strftime("%-d-%b-%Y"))).await
    }

    /// Those of these that are there.
    pub(in crate::mail) async fn present(&mut self, uids: &[u32]) -> Result<Vec<u32>, Trouble> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.search(&format!("UID {}", uid_set(uids))).await?;
        found.retain(|uid| uids.binary_search(uid).is_ok());
        Ok(found)
    }

    /// Marks mails as read; a courtesy to people who look into the mailbox. `uids` ascending.
    pub(in crate::mail) async fn mark_read(&mut self, uids: &[u32]) -> Result<(), Trouble> {
        let command = format!("UID STORE {} +FLAGS.SILENT (\\Seen)", uid_set(uids));
        // Read-only folders refuse it; the desk has the mails all the same.
        self.line.run(&command, Duration::ZERO, |_| ()).await.map(|_| ())
    }

    /// Moves mails to a folder, which is created where it is missing; returns those that are still there. `uids` ascending.
    ///
    /// Without MOVE they are copied and marked deleted, and removed only where single ones can be: a plain EXPUNGE would
    /// remove what other people marked (2.5).
    pub(in crate::mail) async fn move_away(&mut self, uids: &[u32], folder: &str) -> Result<Vec<u32>, Trouble> {
        // Copied again, a mail that went in an earlier try would be there twice.
        let uids = self.present(uids).await?;
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let set = uid_set(&uids);
        let name = encode_name(folder);
        let verb = if self.can.mv { "MOVE" } else { "COPY" };
        let command = format!("UID {verb} {set} {name}");
        let mut answer = self.line.run(&command, Duration::ZERO, |_| ()).await?;
        if !answer.ok && answer.try_create {
            self.line.must(&format!("CREATE {name}"), |_| ()).await?;
            answer = self.line.run(&command, Duration::ZERO, |_| ()).await?;
        }
        if !answer.ok {
            return Err(Trouble::Refused(format!("移到“{folder}”被拒绝：{}", answer.text)));
        }
        if self.can.mv {
            // A MOVE of what is gone is OK as well: only looking tells.
            return self.present(&uids).await;
        }
        self.line.must(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"), |_| ()).await?;
        if self.can.uid_plus {
            self.line.must(&format!("UID EXPUNGE {set}"), |_| ()).await?;
        }
        Ok(Vec::new())
    }

    /// Whether there is a folder of this name.
    pub(in crate::mail) async fn has_folder(&mut self, name: &str) -> Result<bool, Trouble> {
        let mut found = false;
        self.line
            .must(&format!("LIST \"\" {}", encode_name(name)), |response| {
                found |= matches!(response, Response::MailboxData(MailboxDatum::List(_)));
            })
            .await?;
        Ok(found)
    }

    /// Asks whether the connection still stands.
    pub(in crate::mail) async fn noop(&mut self) -> Result<(), Trouble> {
        self.line.must("NOOP", |_| ()).await.map(|_| ())
    }
}
