//! The two sides of the border: what the desk knows when a message arrives, and what it is told.

use crate::command::{Command, TicketRef};
use crate::faq::{Band, Hit};
use crate::slots::Slot;
use serde::Serialize;
use std::marker::PhantomData;

/// Who speaks. Administrators count as leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Agency staff.
    #[default]
    Requester,
    /// Maintenance staff.
    Engineer,
    /// Whoever answers for the contract, and administrators.
    Lead,
}

/// The kind of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A group with agency staff.
    #[default]
    Requesters,
    /// A group of engineers only: commands and mentions are taken up, nothing else.
    Engineers,
    /// A private chat, a mail or a text: always addressed.
    Private,
}

/// What the desk knows about the moment in which a message was written.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact, named where it is set")]
pub struct Context<'a> {
    /// Who speaks.
    pub speaker: Speaker,
    /// Where.
    pub place: Place,
    /// The desk was mentioned, or the chat is private.
    pub addressed: bool,
    /// The speaker's own open tickets: opened by a requester, claimed by an engineer.
    pub open_tickets: usize,
    /// A ticket of the speaker was opened or appended to within the last minutes.
    pub recent_ticket: bool,
    /// A ticket of the speaker is resolved and waits for their word.
    pub awaits_confirmation: bool,
    /// A ticket of the speaker is suspended and waits for something from them.
    pub awaits_supply: bool,
    /// The message quotes a ticket, or what the desk said about one.
    pub quotes_ticket: bool,
    /// Above 0: the desk has just asked this speaker to pick 1 to this many by number.
    pub choices: usize,
    /// A picture or file came with it.
    pub has_attachment: bool,
    /// The desk has just proposed the correction of a mistyped command.
    pub confirm_reply: bool,
    /// Room for borrowed context without a change of the type.
    pub phrase: PhantomData<&'a ()>,
}

/// What a message inside a running ticket wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUp {
    /// More about it: a number, a screenshot, "急".
    Append,
    /// "还没好吗".
    Urge,
    /// "可以了谢谢", after a solution.
    Confirm,
    /// "还是不行".
    Deny,
    /// What was asked for.
    Supply,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// A command, complete or not.
    Command(Command),
    /// Has the form of a command but is none: does nothing, the nearest one is offered.
    Unknown {
        /// As typed.
        typed: String,
        /// The nearest command, with the arguments that were given.
        suggestion: Option<Command>,
    },
    /// One of the choices just offered, from 1.
    Choice(usize),
    /// Yes to the proposed correction.
    AcceptSuggestion,
    /// Asks how something is done; see [`Routing::faq`].
    Question,
    /// Work: a fault, a correction of data, a wish.
    Request,
    /// Belongs to a ticket of the speaker.
    FollowUp(FollowUp),
    /// Marks in plain words: "5分 很好".
    Evaluation {
        /// 1 to 5.
        score: u8,
        /// What was said with it.
        text: String,
    },
    /// A greeting and nothing else.
    Greeting,
    /// Thanks and nothing else.
    Thanks,
    /// People's own talk.
    Chitchat,
    /// For other people: engineers' own work talk, notices, somebody else mentioned.
    NotForUs,
}

/// The severity the words speak for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeverityGuess {
    /// As in the lexicon.
    pub id: String,
    /// The words that decided.
    pub words: Vec<String>,
}

/// What the router made of a message, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Routing {
    /// What it is.
    pub intent: Intent,
    /// 0 to 1: how sure.
    pub confidence: f32,
    /// Why, in Chinese, for whoever asks "why did it say that".
    pub why: Vec<String>,
    /// The route that came second.
    pub second: Option<&'static str>,
    /// A ticket named in words that are no command: "#3 现在到哪了".
    pub ticket: Option<TicketRef>,
    /// A category id of the lexicon.
    pub category: Option<String>,
    /// A system id of the lexicon.
    pub system: Option<String>,
    /// The severity by the lexicon's words; `None` where they decide nothing.
    pub severity: Option<SeverityGuess>,
    /// Numbers, names, times and the like, with their place in the text (bytes).
    pub slots: Vec<Slot>,
    /// The nearest FAQ entries.
    pub faq: Vec<Hit>,
    /// How far the nearest may be trusted.
    pub faq_band: Band,
    /// Whether the desk should say something at all.
    pub speak: bool,
    /// Names another thing than a follow-up would.
    pub new_object: bool,
}

impl Routing {
    /// The route by name: `command`, `faq`, `ticket`, `followup` or `chitchat`.
    pub fn route(&self) -> &'static str {
        match &self.intent {
            Intent::Command(_) | Intent::Unknown { .. } | Intent::AcceptSuggestion => "command",
            Intent::Choice(_) | Intent::Question => "faq",
            Intent::Request => "ticket",
            Intent::FollowUp(_) | Intent::Evaluation { .. } => "followup",
            Intent::Greeting | Intent::Thanks | Intent::Chitchat | Intent::NotForUs => "chitchat",
        }
    }
}
