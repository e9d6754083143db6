//! The kinds of thing the desk says. Their names are those of the transcript and of the wording file.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What an outgoing message is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in transcripts and in the wording file.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The kind called `id`.
            pub fn from_id(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.id() == id)
            }
        }
    };
}

kinds! {
    /// An answer from the FAQ base.
    Answer = "answer",
    /// A question back.
    Ask = "ask",
    /// What this person may do here.
    Help = "help",
    /// A refusal with its reason.
    Refusal = "refusal",
    /// How things stand.
    Status = "status",
    /// A ticket was opened.
    Opened = "ticket.opened",
    /// Somebody works on it.
    Claimed = "ticket.claimed",
    /// It was handed to somebody.
    Assigned = "ticket.assigned",
    /// Words of the engineer.
    Progress = "ticket.progress",
    /// It waits for somebody.
    Paused = "ticket.paused",
    /// It goes on.
    Resumed = "ticket.resumed",
    /// Its severity changed.
    SeverityChanged = "ticket.severity",
    /// It was solved.
    Resolved = "ticket.resolved",
    /// It is over.
    Closed = "ticket.closed",
    /// It goes on after a solution.
    Reopened = "ticket.reopened",
    /// It is one incident with others, or goes on in another ticket.
    Linked = "ticket.linked",
    /// A promise is about to break.
    Warning = "commitment.warning",
    /// A promise broke.
    Broken = "commitment.broken",
    /// A step of the escalation chain.
    Escalation = "escalation",
    /// Something the customer's responsible person is told.
    CustomerNotice = "customer.notice",
    /// The question for a rating.
    Survey = "survey",
    /// A duty is due.
    DutyDue = "duty.due",
    /// A duty was not done in time.
    DutyLate = "duty.late",
    /// A document is ready.
    ReportReady = "report.ready",
}

impl Kind {
    /// Whether messages of this kind about one ticket to one conversation become one when they come within seconds.
    pub fn merges(self) -> bool {
        match self {
            Self::Claimed
            | Self::Assigned
            | Self::Progress
            | Self::Paused
            | Self::Resumed
            | Self::SeverityChanged
            | Self::Resolved
            | Self::Closed
            | Self::Reopened
            | Self::Linked
            | Self::CustomerNotice
            | Self::Survey
            | Self::DutyDue
            | Self::DutyLate
            | Self::ReportReady => true,
            Self::Answer
            | Self::Ask
            | Self::Help
            | Self::Refusal
            | Self::Status
            | Self::Opened
            | Self::Warning
            | Self::Broken
            | Self::Escalation => false,
        }
    }

    /// Whether it may be tried over another way at once because somebody has to be woken.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Warning | Self::Broken | Self::Escalation | Self::DutyLate)
    }
}
