//! A message as a mail: plain and HTML, in its thread, saying of itself whether a machine wrote it (8.2, 8.4). Pure.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::{Address, Message};

use super::subject;
use super::thread::Thread;
use crate::Outgoing;

/// The first line: everything below is cut from an answer, also where a program quotes without marks (8.4).
pub const ABOVE: &str = "请在此行以上回复";

/// What goes over the wire, and to whom.
pub(super) struct Composed {
    /// Whom it is for.
    pub to: Address,
    /// Who gets a copy.
    pub copies: Vec<Address>,
    /// The mail.
    pub raw: Vec<u8>,
    /// The thread with this mail in it.
    pub thread: Thread,
}

/// Who writes.
pub(super) struct From<'a> {
    /// The mailbox's own address.
    pub address: &'a Address,
    /// Name beside it.
    pub name: Option<&'a str>,
}

/// Makes the mail. `id` is its Message-ID without brackets.
///
/// # Errors
/// Where the recipient cannot be written to, in a sentence for people.
pub(super) fn compose(
    message: &Outgoing,
    from: &From<'_>,
    to: &str,
    id: &str,
    thread: Option<Thread>,
    at: Timestamp,
) -> Result<Composed, String> {
    let to: Address = to.parse().map_err(|_| format!("“{to}”不是可以发信的邮箱地址"))?;
    let about = message.about.as_deref();
    let thread_goes_on = thread.is_some();
    let mut thread = thread.unwrap_or_else(|| Thread {
        subject: subject::base(&heading(message)),
        with: to.to_string().to_lowercase(),
        ..Thread::default()
    });
    let line =
        if thread_goes_on { subject::answer(&thread.subject, about) } else { subject::tagged(&thread.subject, about) };
    // Copies belong to the requester's thread; a notice to somebody else about the same thing is nobody else's.
    let requester = thread.with.eq_ignore_ascii_case(to.as_ref());
    let copies: Vec<Address> =
        thread.cc.iter().filter(|_| thread_goes_on && requester).filter_map(|copy| copy.parse().ok()).collect();
    let references = thread.references(id);
    let date = SystemTime::try_from(at).map_err(|_| "这台机器的时钟不可用".to_owned())?;
    let mut builder = Message::builder()
        .from(Mailbox::new(from.name.map(str::to_owned), from.address.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(line)
        .date(date)
        .message_id(Some(format!("<{id}>")));
    for copy in &copies {
        builder = builder.cc(Mailbox::new(None, copy.clone()));
    }
    if let Some(last) = references.last() {
        builder = builder.in_reply_to(format!("<{last}>"));
        let all: Vec<String> = references.iter().map(|id| format!("<{id}>")).collect();
        builder = builder.references(all.join(" "));
    }
    if !message.by_person {
        let kind = if message.reply_to.is_some() { "auto-replied" } else { "auto-generated" };
        builder = header(builder, "Auto-Submitted", kind);
        // Exchange answers no mail that carries it (8.4).
        builder = header(builder, "X-Auto-Response-Suppress", "All");
    }
    let text = format!("{ABOVE}\n\n{}\n", message.text.trim_end());
    let built = builder.multipart(MultiPart::alternative_plain_html(text, html(&message.text)));
    let built = built.map_err(|_| "这封邮件无法组成".to_owned())?;
    thread = thread.with_ours(id);
    Ok(Composed { to, copies, raw: built.formatted(), thread })
}

fn header(builder: MessageBuilder, name: &'static str, value: &str) -> MessageBuilder {
    builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()))
}

/// What a message that begins a thread is called.
fn heading(message: &Outgoing) -> String {
    let title = message.title.trim();
    let first = message.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("通知");
    let words = if title.is_empty() { first } else { title };
    if words.chars().count() > 60 { words.chars().take(59).chain(['…']).collect() } else { words.to_owned() }
}

fn html(text: &str) -> String {
    let mut out = format!("<div style=\"color:#888;font-size:12px\">{ABOVE}</div>\n");
    for paragraph in text.trim_end().split("\n\n") {
        out.push_str("<p>");
        for (at, line) in paragraph.lines().enumerate() {
            if at > 0 {
                out.push_str("<br>\n");
            }
            for c in line.chars() {
                match c {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&quot;"),
                    c => out.push(c),
                }
            }
        }
        out.push_str("</p>\n");
    }
    out
}
