//! How work is done: what is masked, how service is rated, what a change needs.

use serde::Deserialize;

/// What must not leave the supplier's side of the desk.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Confidentiality {
    /// What is masked in anything a requester, another unit or the customer reads.
    pub mask: Vec<Masked>,
    /// Further words (names of hosts, products) that are masked.
    pub words: Vec<String>,
    /// Clause.
    pub clause: String,
}

/// Something recognisable that can be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masked {
    /// IP addresses.
    Ip,
    /// Host names and addresses of pages.
    Host,
    /// Accounts and passwords.
    Account,
    /// Identity card numbers.
    IdCard,
    /// Telephone numbers.
    Phone,
}

/// How service is rated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Satisfaction {
    /// Highest mark; 1 is the lowest.
    pub scale: u8,
    /// Words for the marks, from 1 up.
    pub labels: Vec<String>,
    /// Clause.
    pub clause: String,
}

impl Default for Satisfaction {
    fn default() -> Self {
        let labels = ["很不满意", "不满意", "一般", "满意", "很满意"];
        Self { scale: 5, labels: labels.map(str::to_owned).to_vec(), clause: String::new() }
    }
}

/// What a change needs before it may begin.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTerms {
    /// Parts that must be handed in: `plan`, `emergency`, `rollback`.
    pub requires: Vec<ChangePart>,
    /// Calendar of business hours in which no change may run.
    pub not_during: String,
    /// Clause, quoted in a refusal.
    pub clause: String,
}

/// A part of a change request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangePart {
    /// 变更方案
    Plan,
    /// 应急预案
    Emergency,
    /// 回退方案
    Rollback,
}
