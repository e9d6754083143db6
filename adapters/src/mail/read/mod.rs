//! What a mail says: bytes in, plain facts out. Pure, and never panics whatever the bytes are.

use jiff::Timestamp;

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
