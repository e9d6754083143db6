//! A contract as data: what a profile file says, checked.
//!
//! A profile is TOML ([`Profile::parse`]); the five shipped ones and the template stand in `contracts/`. Nothing in
//! code names a contract. Errors name the line, the key and the fix, because a supplier's administrator reads them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use super::length::Length;

mod conduct;
mod duties;
mod escalation;
mod lookup;
mod promise;

pub use conduct::{ChangePart, ChangeTerms, Confidentiality, Masked, Satisfaction};
pub use duties::{Deliverable, Duty, Every};
pub use escalation::{CustomerNotice, Escalation, NoticeMoment, Role, Step, SuspensionTerms};
pub(crate) use lookup::{fold, level};
pub use promise::{CommitmentTerm, Promise};

/// Everything a contract promises and demands, as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Stable id, as configuration and `--contract` name it.
    pub id: String,
    /// Short prefix of ticket numbers where several contracts meet (`AB` gives `AB-3`); 1 to 8 ASCII letters or digits.
    pub code: String,
    /// Name of the platform under contract, as people say it.
    pub name: String,
    /// The agency that signed.
    pub customer: String,
    /// Which published text this was read from.
    #[serde(default)]
    pub source: String,
    /// Telephone number people are pointed to; empty where none is known.
    #[serde(default)]
    pub hotline: String,
    /// IANA zone of all working hours.
    #[serde(default = "shanghai")]
    pub timezone: String,
    /// Severity that holds, marked as assumed, where the words decide none.
    pub default_severity: String,
    /// What happens after a solution.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// Calendars beyond the built-in `7x24` and `5x8`, by name; one called `5x8` replaces the built-in.
    #[serde(default)]
    pub calendars: BTreeMap<String, CalendarDef>,
    /// Rest days of this agency beyond the State Council's.
    #[serde(default)]
    pub extra_rest_days: Vec<Date>,
    /// Working days of this agency beyond the State Council's.
    #[serde(default)]
    pub extra_work_days: Vec<Date>,
    /// What an unsure message in a requesters' group becomes when it may be work.
    #[serde(default)]
    pub unsure: Unsure,
    /// Systems and modules in scope, with the names people really use.
    #[serde(default, rename = "system")]
    pub systems: Vec<System>,
    /// Severities, worst first.
    #[serde(rename = "severity")]
    pub severities: Vec<Severity>,
    /// Kinds of work.
    #[serde(default, rename = "category")]
    pub categories: Vec<Category>,
    /// The promises.
    #[serde(rename = "commitment")]
    pub commitments: Vec<CommitmentTerm>,
    /// Who is told when; the shipped chain where left out.
    #[serde(default)]
    pub escalation: Escalation,
    /// When a promise may stand still.
    #[serde(default)]
    pub suspension: SuspensionTerms,
    /// What the customer's responsible person is told unasked.
    #[serde(default)]
    pub customer_notice: CustomerNotice,
    /// Scheduled work.
    #[serde(default, rename = "duty")]
    pub duties: Vec<Duty>,
    /// Documents the contract demands.
    #[serde(default, rename = "deliverable")]
    pub deliverables: Vec<Deliverable>,
    /// What must not leave the supplier's side.
    #[serde(default)]
    pub confidentiality: Confidentiality,
    /// How service is rated.
    #[serde(default)]
    pub satisfaction: Satisfaction,
    /// What a change needs before it may begin; absent where the contract says nothing.
    #[serde(default)]
    pub change: Option<ChangeTerms>,
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

/// What happens between a solution and the closing of a ticket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Confirmation {
    /// For how long after 解决 the requester's 还是不行 counts as the same ticket; then it closes by itself.
    pub within: Length,
    /// Calendar that time is counted on.
    pub calendar: String,
}

impl Default for Confirmation {
    fn default() -> Self {
        Self { within: Length::Minutes(72 * 60), calendar: "7x24".to_owned() }
    }
}

/// A calendar of service hours.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarDef {
    /// Spans of a working day, `[["08:30", "12:00"], ["13:30", "18:00"]]`.
    pub hours: Vec<[String; 2]>,
    /// `workdays` (with the State Council's calendar) or `everyday`.
    #[serde(default)]
    pub days: CalendarDays,
    /// Where the contract names these hours.
    #[serde(default)]
    pub clause: String,
}

/// On which days a calendar is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarDays {
    /// Monday to Friday, holidays out, make-up days in.
    #[default]
    Workdays,
    /// All days.
    Everyday,
}

/// What an unsure message becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsure {
    /// A ticket: a missed request costs more than a needless ticket.
    #[default]
    Ticket,
    /// A question back, also where nobody mentioned the desk.
    Ask,
}

/// A system or module in scope.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Stable id.
    pub id: String,
    /// Full name as the contract has it.
    pub name: String,
    /// Names people use.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A severity and the words that show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Severity {
    /// `A` to `D`, `major`, `general`.
    pub id: String,
    /// What people read (`A级`, `重大紧急事件`).
    pub name: String,
    /// Names accepted in 改级 (`重大`).
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether `report` and `track` start and the lead is told at once.
    #[serde(default)]
    pub major: bool,
    /// The contract's own criteria.
    pub criteria: Vec<String>,
    /// Single words that show it.
    #[serde(default)]
    pub words: Vec<String>,
    /// Combinations: every space-separated part must occur; a part may list alternatives (`全市|所有人 打不开|登不上`).
    #[serde(default)]
    pub phrases: Vec<String>,
    /// Clause.
    #[serde(default)]
    pub clause: String,
}

/// A kind of work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Stable id; `bug`, `configure`, `upgrade`, `change` and `consult` have a meaning in the rules.
    pub id: String,
    /// What people read.
    pub name: String,
    /// Names accepted in 改类.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Words that show it.
    #[serde(default)]
    pub words: Vec<String>,
    /// Whether a ticket of this kind is a fault (told to the customer where the contract says so).
    #[serde(default)]
    pub fault: bool,
    /// Clause.
    #[serde(default)]
    pub clause: String,
}
