//! What a mail says: bytes in, plain facts out. Pure, and never panics whatever the bytes are.

mod auto;
mod body;
mod charset;
mod containers;
mod flowed;
mod head;
mod key;
mod lines;
mod marks;
mod names;
mod page;
mod people;
mod picture;
mod reply;
mod report;
mod sieve;
mod signature;
mod subject;
mod transfer;
mod tree;
mod winmail;
mod words;

use jiff::Timestamp;

pub use key::content_key;
pub use picture::decoration;

/// Bytes of a mail that are read (5.7 of the mail sheet).
pub const LONGEST_MAIL: usize = 30 * 1024 * 1024;

/// An address with the name beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// `zhang@example.com`, domain and local part in small letters.
    pub address: String,
    /// What the sender calls itself; free text, believed by nobody.
    pub name: String,
}

/// A mail as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mail {
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Ids in In-Reply-To, without brackets.
    pub in_reply_to: Vec<String>,
    /// Ids in References, oldest first, without brackets.
    pub references: Vec<String>,
    /// The one address in From; `None` where there is none or more than one.
    pub from: Option<Address>,
    /// Addresses in To.
    pub to: Vec<Address>,
    /// Addresses in Cc.
    pub cc: Vec<Address>,
    /// Subject, decoded, as written.
    pub subject: String,
    /// Date as the sender wrote it.
    pub date: Option<Timestamp>,
    /// The whole body as plain text.
    pub text: String,
    /// What the sender wrote: without quotation and signature.
    pub reply: String,
    /// Whether answers stand between quoted lines or below them: [`Mail::reply`] is then what is left between them.
    pub between: bool,
    /// Why a machine wrote it (automatic replies, lists), in words for people.
    pub auto: Option<String>,
    /// What did not arrive, where this is a delivery report.
    pub bounce: Option<Bounce>,
    /// Files and pictures.
    pub attachments: Vec<Part>,
    /// Authentication-Results fields as they stand, topmost first, each with the number of Received fields above it.
    pub authentication: Vec<(usize, String)>,
    /// What could not be read as it should, in words for people.
    pub problems: Vec<String>,
}

/// A delivery report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounce {
    /// Message-IDs of the mail it is about, and any other ids named in it, without brackets.
    pub about: Vec<String>,
    /// Addresses that were not reached.
    pub recipients: Vec<String>,
    /// Whether trying again is useless.
    pub permanent: bool,
    /// Whether it only tells of a delay, or even of success: nothing has failed.
    pub harmless: bool,
    /// Enhanced status or reply code, where one is told (`5.1.1`, `550`).
    pub status: String,
    /// The reason in the server's words, at most 500 characters.
    pub why: String,
}

/// A file that came with a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// File name as shown; never used as a path.
    pub name: String,
    /// MIME type as labelled, in small letters.
    pub kind: String,
    /// Its bytes, decoded.
    pub bytes: Vec<u8>,
    /// Whether the text shows it in its place (`cid:`).
    pub inline: bool,
    /// Why it is not to be handed on (a program, a name that lies), in words for people.
    pub danger: Option<String>,
}

/// Reads a mail. Every input gives a mail: what cannot be read as it should is told in [`Mail::problems`], and the text is
/// then as much of the bytes as can be made out. Work and memory grow with the length, up to [`LONGEST_MAIL`].
pub fn read(raw: &[u8]) -> Mail {
    let mut mail = Mail::default();
    let mut problem = |text: &str| mail.problems.push(text.to_owned());
    if raw.len() > LONGEST_MAIL {
        problem("邮件太大，只读了前面一部分");
    }
    let raw = &raw[..raw.len().min(LONGEST_MAIL)];
    let tree = tree::tree(raw);
    let empty = head::Head::default();
    let head = tree.parts.first().map_or(&empty, |root| &root.head);
    match (raw.trim_ascii().is_empty(), head.fields.is_empty()) {
        (true, _) => problem("邮件是空的"),
        (_, true) => problem("没有邮件头，无法判断是谁写的"),
        _ => {}
    }
    if head.too_long {
        problem("邮件头太长，后面的没有读");
    }
    let from = people::addresses(head, "from");
    let mut one = from.clone();
    one.dedup_by(|other, first| other.address == first.address);
    match one.as_slice() {
        [only] => mail.from = Some(only.clone()),
        [] if head.fields.is_empty() => {}
        [] => problem("没有能用的发件人地址"),
        _ => problem("发件人有多个地址，无法确定是谁写的"),
    }
    let sender = people::addresses(head, "sender");
    mail.to = people::addresses(head, "to");
    mail.cc = people::addresses(head, "cc");
    mail.message_id = head.get("message-id").and_then(|value| people::ids(value).into_iter().next());
    mail.in_reply_to = head.all("in-reply-to").flat_map(people::ids).collect();
    mail.references = head.all("references").flat_map(people::ids).collect();
    mail.subject = subject::shown(head);
    mail.date = head.get("date").and_then(people::date);
    mail.authentication = authentication(head);

    let mut body = body::body(&tree);
    let kind = reply::Kind {
        answers: !mail.in_reply_to.is_empty() || !mail.references.is_empty() || subject::answers(&mail.subject),
        forwards: subject::forwards(&mail.subject),
    };
    let lines = body.lines();
    mail.text = lines::whole(&lines);
    let mut cut = reply::cut(&lines, kind);
    if !cut.quoted
        && let Some(page) = body.page_lines()
    {
        // The plain form shows no quotation; the page may have containers for it.
        let of_page = reply::cut(&page, kind);
        if of_page.quoted {
            cut = of_page;
        }
    }
    mail.attachments = body.files();
    if body.encrypted && mail.text.is_empty() {
        "加密邮件，无法读取".clone_into(&mut mail.text);
        cut = reply::Cut { reply: mail.text.clone(), ..reply::Cut::default() };
        mail.problems.push("邮件是加密的，无法读取".to_owned());
        let name = "原始邮件.eml".to_owned();
        let whole = Part { name, kind: "message/rfc822".to_owned(), bytes: raw.to_vec(), ..Part::default() };
        mail.attachments.push(whole);
    }
    (mail.reply, mail.between) = (cut.reply, cut.between);
    let root = tree.parts.first().map_or("", |root| root.kind.as_str());
    mail.bounce = report::bounce(&tree, &from, &mail.subject, &mail.text);
    mail.auto = auto::auto(head, &from, &sender, &mail.subject, root, body.calendar.is_some());
    if mail.auto.is_none() && mail.bounce.is_some() {
        mail.auto = Some("退信".to_owned());
    }
    mail.problems.append(&mut body.problems);
    mail
}

/// Authentication-Results with the number of Received fields above each: only what stands above the first one that our own
/// server did not write can be believed.
fn authentication(head: &head::Head<'_>) -> Vec<(usize, String)> {
    /// Fields that are taken.
    const MOST: usize = 50;
    let mut above = 0;
    let mut found = Vec::new();
    for field in &head.fields {
        if field.name.eq_ignore_ascii_case(b"received") {
            above += 1;
        } else if field.name.eq_ignore_ascii_case(b"authentication-results") && found.len() < MOST {
            found.push((above, String::from_utf8_lossy(&head::unfold(field.value)).into_owned()));
        }
    }
    found
}
