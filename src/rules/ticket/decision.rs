//! What goes into a decision and what comes out of it: openings, decisions, refusals.

use super::super::profile::ChangePart;
use super::{Actor, Fact, State, Tell, Ticket};
use crate::ids::TicketId;

/// Why an event was refused. The wording names the fix.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Somebody else has it.
    Taken {
        /// Name of the engineer.
        by: String,
    },
    /// Not possible in this state.
    State(State),
    /// The contract forbids suspending this severity.
    NoSuspension {
        /// Clause.
        clause: String,
    },
    /// A reason, a solution or other words are missing; the text says which.
    Missing(&'static str),
    /// The value is not one the contract knows; the list says which ones are.
    Unknown {
        /// What was typed.
        typed: String,
        /// What is known.
        known: Vec<String>,
    },
    /// A change without its papers, or inside business hours.
    Change {
        /// Parts still missing.
        missing: Vec<ChangePart>,
        /// The window lies in business hours, or none was named.
        window: bool,
        /// Clause.
        clause: String,
    },
    /// Nothing would change.
    Already,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The new state.
    pub ticket: Ticket,
    /// What happened, for the record.
    pub facts: Vec<Fact>,
    /// What has to be said.
    pub tells: Vec<Tell>,
}

/// What a new ticket is made of.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Id.
    pub id: TicketId,
    /// Number within the contract.
    pub number: u64,
    /// Conversation that hears of progress.
    pub origin: String,
    /// Who asked.
    pub requester: Actor,
    /// Account of who asked; empty for a caller.
    pub account: String,
    /// The agency.
    pub unit: String,
    /// A caller's number.
    pub phone: Option<String>,
    /// External id of the opening message.
    pub message: Option<String>,
    /// What was asked.
    pub text: String,
    /// Files.
    pub attachments: Vec<String>,
    /// What came with it and could not be taken, a phrase each, for people.
    pub problems: Vec<String>,
    /// Severity and the words that decided it; `None` lets the default hold.
    pub severity: Option<(String, Vec<String>)>,
    /// Category.
    pub category: Option<String>,
    /// System.
    pub system: Option<String>,
    /// Why somebody else may have written it than it says.
    pub doubt: Option<String>,
    /// Number of the ticket, over by then, that it goes on from.
    pub follows: Option<u64>,
}
