//! Who is told when, when a promise may stand still, and what the customer hears unasked.

use serde::Deserialize;

use super::promise::Promise;
use crate::rules::length::{Length, Point};

/// The escalation chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Escalation {
    /// Pause between repetitions of a step nobody has acknowledged.
    pub repeat_every: Length,
    /// How often a step is repeated after its first notice.
    pub repeats: u32,
    /// For how long 收到 and 确认 keep the pings quiet when nothing follows.
    pub acknowledged_for: Length,
    /// The steps.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

impl Default for Escalation {
    fn default() -> Self {
        let step = |id: &str, at: Point, roles: &[Role], major_only: bool| Step {
            id: id.to_owned(),
            at,
            roles: roles.to_vec(),
            commitments: None,
            major_only,
            clause: String::new(),
        };
        Self {
            repeat_every: Length::Minutes(10),
            repeats: 3,
            acknowledged_for: Length::Minutes(60),
            steps: vec![
                step("major", Point::Start, &[Role::Lead], true),
                step("warn-50", Point::Percent(50), &[Role::Engineer], false),
                step("warn-80", Point::Percent(80), &[Role::Engineer, Role::Lead], false),
                step("broken", Point::Broken, &[Role::Lead], false),
            ],
        }
    }
}

/// One step of the chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Stable id, shown as `step` in transcripts.
    pub id: String,
    /// `start` (as soon as the ticket is or becomes major), `50%`, `broken`, `broken+30m`.
    pub at: Point,
    /// Who is told.
    pub roles: Vec<Role>,
    /// Promises it watches; all where left out. A `start` step watches the ticket, not a promise.
    #[serde(default)]
    pub commitments: Option<Vec<Promise>>,
    /// Only for major severities.
    #[serde(default)]
    pub major_only: bool,
    /// Clause.
    #[serde(default)]
    pub clause: String,
}

/// Who a step tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The engineer who claimed, or who is on duty while nobody has.
    Engineer,
    /// The engineers' conversations of the contract.
    Engineers,
    /// The lead.
    Lead,
    /// The agency's responsible person.
    Customer,
}

impl Role {
    /// The name in transcripts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Engineer => "engineer",
            Self::Engineers => "engineers",
            Self::Lead => "lead",
            Self::Customer => "customer",
        }
    }
}

/// When a ticket may be suspended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuspensionTerms {
    /// Severities that may not be suspended.
    pub forbidden_for: Vec<String>,
    /// Clause.
    pub clause: String,
}

/// What the customer's responsible person is told unasked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerNotice {
    /// Of which moments: `opened`, `severity`, `resolved`. Empty: of none.
    pub on: Vec<NoticeMoment>,
    /// Only tickets whose category is a fault (or unknown).
    pub faults_only: bool,
    /// Clause.
    pub clause: String,
}

/// A moment the customer is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeMoment {
    /// The fault was reported.
    Opened,
    /// Its level changed.
    Severity,
    /// It was solved.
    Resolved,
}
