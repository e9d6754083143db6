//! From a mail that was read to what the desk is told.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::config::MailConfig;
use super::fence::{self, Fence};
use super::ids::Ids;
use super::imap::Meta;
use super::read::{self, Address, Bounce, Mail};
use super::status::{Counted, Status};
use super::thread::{Thread, Threads};
use super::{Now, subject, trust};
use crate::{Attachment, Event, Inbound, Inbox, InboxError, ShelfError};

/// Name under which the mail itself is attached.
const RAW_NAME: &str = "原始邮件.eml";
/// Stands for a sender that cannot be told; nothing can be sent there.
pub(super) const NOBODY: &str = "unknown@mail.invalid";

/// Longest text handed in; all of it is in the attached mail. Bytes.
const MOST_TEXT: usize = 200_000;
/// Longest cut part handed in; bytes.
const MOST_CUT: usize = 64 << 10;
/// Longest pause between two tries to hand something in.
const PAUSE: Duration = Duration::from_mins(1);
/// What arrived longer ago was not read when it came: old commands in it are not to be carried out blindly.
const OLD: Duration = Duration::from_hours(1);

/// Hands mails in.
pub(super) struct Intake {
    pub config: Arc<MailConfig>,
    pub inbox: Arc<dyn Inbox>,
    pub threads: Arc<Threads>,
    pub fence: Arc<Fence>,
    pub status: Arc<Status>,
    pub now: Now,
}

/// What became of an attempt that is to be made again.
enum Again {
    /// It cannot be stored now.
    Later(String),
    /// It can never be stored.
    Never(String),
}

impl From<ShelfError> for Again {
    fn from(error: ShelfError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<InboxError> for Again {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Unavailable(why) => Self::Later(why),
            InboxError::Refused(why) => Self::Never(why),
        }
    }
}

impl Intake {
    /// Hands a whole mail in; returns once it is stored. The desk knows it by `key`, so a second time changes nothing.
    ///
    /// # Errors
    /// Where the desk refuses it for good.
    pub async fn whole(&self, mail: &Mail, raw: &[u8], key: &str, meta: &Meta) -> Result<(), String> {
        let mut pause = self.config.timing.store;
        while let Err(again) = self.once(mail, raw, key, meta).await {
            self.wait(again, &mut pause).await?;
        }
        Ok(())
    }

    /// Hands in what can be told of a mail that was not fetched.
    ///
    /// # Errors
    /// Where the desk refuses it for good.
    pub async fn in_short(&self, header: Option<&[u8]>, key: &str, meta: &Meta, short: &Short) -> Result<(), String> {
        let mail = header.map(read::read).unwrap_or_default();
        let mut pause = self.config.timing.store;
        while let Err(again) = self.once_in_short(&mail, header, key, meta, short).await {
            self.wait(again, &mut pause).await?;
        }
        self.status.count(match short {
            Short::TooLarge { .. } => Counted::TooLarge,
            Short::Unreadable(_) => Counted::Unreadable,
        });
        Ok(())
    }

    /// Waits before what could not be stored now is tried again.
    async fn wait(&self, again: Again, pause: &mut Duration) -> Result<(), String> {
        match again {
            Again::Never(why) => Err(why),
            Again::Later(why) => {
                tracing::warn!(channel = %self.config.id, %why, "a mail could not be stored; it is tried again");
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(PAUSE);
                Ok(())
            }
        }
    }

    async fn once(&self, mail: &Mail, raw: &[u8], key: &str, meta: &Meta) -> Result<(), Again> {
        if let Some(bounce) = &mail.bounce {
            return self.bounced(mail, bounce, key).await;
        }
        let mut inbound = self.inbound(mail, key, meta).await?;
        inbound.attachments = self.attachments(mail, raw).await?;
        self.hand_in(mail, inbound).await
    }

    async fn once_in_short(
        &self,
        mail: &Mail,
        header: Option<&[u8]>,
        key: &str,
        meta: &Meta,
        short: &Short,
    ) -> Result<(), Again> {
        let mut inbound = self.inbound(mail, key, meta).await?;
        let (said, problem) = short.words(meta);
        inbound.text = format!("{}\n\n{said}", subject::base(&mail.subject));
        inbound.cut = None;
        if let Short::Unreadable(_) = short {
            // Nobody is to be answered on the strength of what could not be read.
            inbound.automatic = Some("邮件无法读取，请人工查看".to_owned());
        }
        let stored = match header {
            Some(header) => Some(self.inbox.keep(header.to_vec()).await?),
            None => None,
        };
        inbound.attachments = vec![Attachment {
            name: RAW_NAME.to_owned(),
            kind: "message/rfc822".to_owned(),
            url: String::new(),
            size_bytes: meta.size,
            stored,
            problem: Some(problem),
        }];
        self.hand_in(mail, inbound).await
    }

    /// What the desk is told of a mail, without its attachments.
    async fn inbound(&self, mail: &Mail, key: &str, meta: &Meta) -> Result<Inbound, Again> {
        let now = (self.now)();
        let ids = self.threads.ids().await?;
        let (about, quotes) = self.answered(mail, ids).await?;
        let Address { address: sender, name } = mail.from.clone().unwrap_or_default();
        let sender = if sender.is_empty() { NOBODY.to_owned() } else { sender.to_lowercase() };
        let in_thread = about.is_some() || quotes.is_some();
        let said = mail.reply.trim();
        let text = match (in_thread, said.is_empty()) {
            (true, false) => said.to_owned(),
            (_, true) => subject::base(&mail.subject),
            (false, false) => format!("{}\n\n{said}", subject::base(&mail.subject)),
        };
        let sent_at = meta.arrived.or(mail.date).unwrap_or(now).min(now);
        Ok(Inbound {
            channel: self.config.id.clone(),
            conversation: format!("user:{sender}"),
            sender_name: name,
            external_id: key.to_owned(),
            sent_at,
            text: shortened(&text, MOST_TEXT, "\n（内容过长，全文见所附的原始邮件）"),
            quoted_text: subject::tag(&mail.subject).map(|_| mail.subject.clone()),
            quotes,
            addressed: true,
            recovered: sent_at.checked_add(OLD).is_ok_and(|end| end < now),
            automatic: self.automatic(mail, &sender, ids),
            doubt: trust::doubt(&sender, &mail.authentication, &self.config.authserv_ids, self.config.authserv_hops),
            cut: cut(mail),
            about,
            sender,
            ..Inbound::default()
        })
    }

    fn automatic(&self, mail: &Mail, sender: &str, ids: &Ids) -> Option<String> {
        let returned = mail.message_id.as_deref().is_some_and(|id| ids.read(id).is_some());
        if returned || sender.eq_ignore_ascii_case(&self.config.address) {
            return Some("本邮箱自己发出的邮件".to_owned());
        }
        if sender == NOBODY {
            return Some("发件人地址缺失或不止一个".to_owned());
        }
        mail.auto.clone()
    }

    /// What a mail answers: what ours was about, and the external id of it or of the mail that came earlier (7.1).
    async fn answered(&self, mail: &Mail, ids: &Ids) -> Result<(Option<String>, Option<String>), Again> {
        let order = || mail.in_reply_to.iter().chain(mail.references.iter().rev());
        for id in order() {
            if let Some(about) = ids.read(id) {
                return Ok((about, Some(id.clone())));
            }
        }
        // A mail may name hundreds.
        for id in order().take(20) {
            if let Some(known) = self.threads.incoming(id).await? {
                return Ok((None, Some(known)));
            }
        }
        Ok((None, None))
    }

    async fn attachments(&self, mail: &Mail, raw: &[u8]) -> Result<Vec<Attachment>, Again> {
        let mut all = Vec::with_capacity(mail.attachments.len() + 1);
        for part in &mail.attachments {
            let mut attachment = Attachment {
                name: part.name.clone(),
                kind: part.kind.clone(),
                url: String::new(),
                size_bytes: Some(part.bytes.len() as u64),
                stored: None,
                problem: part.danger.clone(),
            };
            // What is dangerous stays inside the mail, under no name that anybody opens.
            if part.danger.is_none() {
                self.keep(part.bytes.clone(), &mut attachment).await?;
            }
            all.push(attachment);
        }
        let mut attachment = Attachment {
            name: RAW_NAME.to_owned(),
            kind: "message/rfc822".to_owned(),
            url: String::new(),
            size_bytes: Some(raw.len() as u64),
            stored: None,
            problem: None,
        };
        self.keep(raw.to_vec(), &mut attachment).await?;
        all.push(attachment);
        Ok(all)
    }

    async fn keep(&self, bytes: Vec<u8>, attachment: &mut Attachment) -> Result<(), Again> {
        match self.inbox.keep(bytes).await {
            Ok(stored) => attachment.stored = Some(stored),
            Err(InboxError::Refused(why)) => attachment.problem = Some(why),
            Err(InboxError::Unavailable(why)) => return Err(Again::Later(why)),
        }
        Ok(())
    }

    async fn hand_in(&self, mail: &Mail, inbound: Inbound) -> Result<(), Again> {
        let own = self.config.address.to_lowercase();
        let mut thread = Thread::of(mail, &own);
        thread.automatic = inbound.automatic.is_some();
        // Before it is handed in: the desk may answer at once.
        self.threads.came(&inbound.external_id, &thread, inbound.about.as_deref()).await?;
        let automatic = inbound.automatic.is_some();
        let (sender, sent_at) = (inbound.sender.clone(), inbound.sent_at);
        self.inbox.accept(&self.config.id, Event::Message(Box::new(inbound))).await?;
        // What lay in the mailbox for long is no burst.
        if sent_at >= before((self.now)(), fence::BURST) && self.fence.heard(&sender).await? {
            tracing::warn!(channel = %self.config.id, "one sender writes very often; it gets no automatic answer for now");
        }
        self.status.heard((self.now)());
        if automatic {
            self.status.count(Counted::Automatic);
        }
        Ok(())
    }

    /// A delivery report: told only where it is about a mail of ours and something failed (9.1).
    async fn bounced(&self, mail: &Mail, bounce: &Bounce, key: &str) -> Result<(), Again> {
        if bounce.harmless {
            self.status.count(Counted::HarmlessReports);
            return Ok(());
        }
        let ids = self.threads.ids().await?;
        let mut named = bounce.about.iter().chain(&mail.references).chain(&mail.in_reply_to);
        let Some(ours) = named.find(|id| ids.read(id).is_some()) else {
            self.status.count(Counted::Backscatter);
            return Ok(());
        };
        if self.threads.was_reported(key).await? {
            return Ok(());
        }
        let sent = self.threads.outgoing(ours).await?;
        if let Some(sent) = &sent
            && !bounce.recipients.is_empty()
            && bounce.recipients.iter().all(|to| sent.copies.contains(&to.to_lowercase()))
        {
            // The mail itself has arrived.
            for to in bounce.recipients.iter().filter(|_| bounce.permanent) {
                self.threads.copy_came_back(&to.to_lowercase()).await?;
            }
            self.threads.reported(key).await?;
            self.status.count(Counted::CopiesBounced);
            return Ok(());
        }
        let sent = sent.map(|sent| sent.conversation);
        let to = bounce.recipients.first().map(|to| format!("user:{}", to.to_lowercase()));
        let Some(conversation) = sent.or(to) else {
            self.status.count(Counted::Backscatter);
            return Ok(());
        };
        let who = if bounce.recipients.is_empty() {
            String::new()
        } else {
            format!("（{}）", bounce.recipients.join("、"))
        };
        let why = format!("邮件被退回{who}：{} {}", bounce.status, bounce.why);
        let event = Event::Bounced {
            conversation,
            external_id: ours.trim_matches(['<', '>']).to_owned(),
            permanent: bounce.permanent,
            why: shortened(why.trim(), 800, "…"),
        };
        self.inbox.accept(&self.config.id, event).await?;
        self.threads.reported(key).await?;
        self.status.count(Counted::Bounced);
        Ok(())
    }
}

/// Why a mail was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Short {
    /// It is larger than the limit; bytes.
    TooLarge {
        /// The limit.
        most: u64,
    },
    /// It failed three times, with the reason.
    Unreadable(String),
}

impl Short {
    /// What stands in place of its text, and beside the attachment.
    fn words(&self, meta: &Meta) -> (String, String) {
        match self {
            Self::TooLarge { most } => {
                let size =
                    meta.size.map_or_else(|| "大小不明".to_owned(), |size| format!("约 {} MB", size.div_ceil(1 << 20)));
                let said = format!(
                    "（这封邮件{size}，超过 {} MB 的上限，没有读取正文和附件。请把附件上传到共享盘后发链接，或分几封发送。）",
                    most >> 20
                );
                (said, format!("邮件{size}，超过上限，只保留了信头"))
            }
            Self::Unreadable(why) => {
                (format!("（这封邮件多次读取失败，请在邮箱里人工查看。原因：{why}）"), format!("邮件无法读取：{why}"))
            }
        }
    }
}

/// What was cut from the text, and what could not be read as it should.
fn cut(mail: &Mail) -> Option<String> {
    let (text, reply) = (mail.text.trim(), mail.reply.trim());
    let mut out = String::new();
    if !mail.problems.is_empty() {
        out = format!("（读取时：{}）\n", mail.problems.join("；"));
    }
    match text.split_once(reply) {
        _ if reply.is_empty() => out.push_str(text),
        Some((before, after)) => {
            out.push_str(before.trim());
            out.push_str(after.trim_matches(['\r', '\n']));
        }
        None => out.push_str(text),
    }
    (!out.trim().is_empty()).then(|| shortened(&out, MOST_CUT, "\n（以下省略，全文见所附的原始邮件）"))
}

/// At most so many bytes, with a word where something was left out.
fn shortened(text: &str, most: usize, word: &str) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(word.len()));
    format!("{}{word}", &text[..end])
}

/// So long ago.
pub(super) fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
