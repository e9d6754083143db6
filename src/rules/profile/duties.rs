//! Scheduled work and the documents a contract demands.

use serde::Deserialize;

/// Scheduled work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// Stable id.
    pub id: String,
    /// What people read.
    pub name: String,
    /// How often.
    pub every: Every,
    /// When it is asked for, wall clock of the day it falls on.
    #[serde(default = "nine")]
    pub from: String,
    /// By when it must be done that day (or on the last day of the period), wall clock.
    #[serde(default = "six")]
    pub due: String,
    /// What has to be looked at, one line each.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Deliverable that proves it, by id.
    #[serde(default)]
    pub deliverable: String,
    /// True where the supplier's own.
    #[serde(default)]
    pub own: bool,
    /// Clause.
    #[serde(default)]
    pub clause: String,
}

fn nine() -> String {
    "09:00".to_owned()
}

fn six() -> String {
    "18:00".to_owned()
}

/// How often a duty or document is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// Each day.
    Day,
    /// Each working day.
    Workday,
    /// Each public holiday.
    Holiday,
    /// Each week.
    Week,
    /// On the 1st and the 16th.
    HalfMonth,
    /// Each month.
    Month,
    /// Each quarter.
    Quarter,
    /// Each half year.
    HalfYear,
    /// Each year.
    Year,
    /// When something happens.
    OnDemand,
}

/// A document the contract demands.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliverable {
    /// Stable id.
    pub id: String,
    /// Title of the document.
    pub name: String,
    /// Service class it belongs to.
    #[serde(default)]
    pub service: String,
    /// How often (several for a report of week, month, quarter, year).
    pub every: Vec<Every>,
    /// When it is due, in the contract's words.
    #[serde(default)]
    pub due: String,
    /// Clause.
    #[serde(default)]
    pub clause: String,
}
