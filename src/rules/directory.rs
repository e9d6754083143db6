//! Who is who and where: people and their accounts, conversations and the contract they belong to, senders by domain.
//!
//! The form is that of the people file (`interfaces.md`); the same types are stored, imported and exported.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The order in which ways of reaching a person are tried where that person names none (`interfaces.md`).
const WAYS: [&str; 6] = ["wecom", "qq", "sms", "mail", "qqbot", "sandbox"];

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonRole {
    /// The agency's responsible person.
    Customer,
    /// Works tickets.
    Engineer,
    /// Answers for the contract.
    Lead,
    /// Runs the desk; may do all a lead may.
    Admin,
}

impl PersonRole {
    /// Whether this is somebody of the supplier.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Engineer | Self::Lead | Self::Admin)
    }

    /// Whether this person may do what a lead may.
    pub fn leads(self) -> bool {
        matches!(self, Self::Lead | Self::Admin)
    }
}

/// Somebody the desk knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Stable id.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// Role.
    pub role: PersonRole,
    /// Contracts he or she belongs to; all where left out.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// Accounts on each channel; mostly one.
    #[serde(default)]
    pub accounts: Accounts,
    /// Accounts among them that were bound by a code in a chat: an import that names none on their channel leaves them.
    #[serde(default, skip_serializing_if = "Accounts::is_empty")]
    pub bound: Accounts,
    /// Order of trying to reach this person.
    #[serde(default)]
    pub ways: Vec<String>,
    /// Other names people use.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Agency or department.
    #[serde(default)]
    pub unit: String,
}

impl Person {
    /// Whether this person belongs to the contract.
    pub fn serves(&self, contract: &str) -> bool {
        self.contracts.is_empty() || self.contracts.iter().any(|c| c == contract)
    }

    /// Private conversations in which this person can be reached, in order of trying; only channels that exist.
    pub fn ways(&self, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
        let order: Vec<&str> = if self.ways.is_empty() {
            let known = WAYS.into_iter().filter(|way| self.accounts.contains_key(*way));
            let others = self.accounts.keys().map(String::as_str).filter(|way| !WAYS.contains(way));
            known.chain(others).collect()
        } else {
            self.ways.iter().map(String::as_str).collect()
        };
        order
            .into_iter()
            .filter(|way| exists(way))
            .flat_map(|way| self.accounts.on(way).iter().map(move |account| format!("{way}:user:{account}")))
            .collect()
    }
}

/// A person's accounts, by channel. Mostly there is one on each; on a channel that knows a person under another account in
/// every group (`accounts = { qqbot = ["A", "B"] }`) there are several, the one to write to first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, OneOrMore>", into = "BTreeMap<String, OneOrMore>")]
pub struct Accounts(BTreeMap<String, Vec<String>>);

/// Most accounts of one person on one channel; the oldest but the first goes.
const MOST_ACCOUNTS: usize = 64;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<BTreeMap<String, OneOrMore>> for Accounts {
    fn from(typed: BTreeMap<String, OneOrMore>) -> Self {
        let list = |accounts| match accounts {
            OneOrMore::One(account) => vec![account],
            OneOrMore::More(accounts) => accounts,
        };
        Self(
            typed
                .into_iter()
                .map(|(channel, accounts)| (channel, list(accounts)))
                .filter(|(_, a)| !a.is_empty())
                .collect(),
        )
    }
}

impl From<Accounts> for BTreeMap<String, OneOrMore> {
    fn from(accounts: Accounts) -> Self {
        let typed = |mut accounts: Vec<String>| match accounts.pop() {
            Some(only) if accounts.is_empty() => OneOrMore::One(only),
            last => OneOrMore::More(accounts.into_iter().chain(last).collect()),
        };
        accounts.0.into_iter().map(|(channel, accounts)| (channel, typed(accounts))).collect()
    }
}

impl Accounts {
    /// All on a channel, the one to write to first.
    pub fn on(&self, channel: &str) -> &[String] {
        self.0.get(channel).map(Vec::as_slice).unwrap_or_default()
    }

    /// The one to write to.
    pub fn get(&self, channel: &str) -> Option<&String> {
        self.on(channel).first()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is any on a channel.
    pub fn contains_key(&self, channel: &str) -> bool {
        self.0.contains_key(channel)
    }

    /// Channels.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// All accounts, whatever their channels.
    pub fn values(&self) -> impl Iterator<Item = &String> {
        self.0.values().flatten()
    }

    /// Channel and account of each.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().flat_map(|(channel, accounts)| accounts.iter().map(move |account| (channel, account)))
    }

    /// Puts an account in the place of those on a channel.
    pub fn insert(&mut self, channel: String, account: String) {
        self.0.insert(channel, vec![account]);
    }

    /// Adds an account to those on a channel; `first` where it is the one to write to.
    pub fn add(&mut self, channel: String, account: String, first: bool) {
        let known = self.0.entry(channel).or_default();
        known.retain(|other| !other.eq_ignore_ascii_case(&account));
        if known.len() >= MOST_ACCOUNTS {
            known.remove(1);
        }
        known.insert(if first { 0 } else { known.len() }, account);
    }
}

impl<'a> FromIterator<(&'a String, &'a String)> for Accounts {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a String)>>(pairs: I) -> Self {
        let mut accounts = Self::default();
        for (channel, account) in pairs {
            accounts.add(channel.clone(), account.clone(), false);
        }
        accounts
    }
}

impl<'a> IntoIterator for &'a Accounts {
    type Item = (&'a String, &'a String);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// What kind of people write in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConversationKind {
    /// Agency staff.
    #[default]
    Requesters,
    /// The supplier's own.
    Engineers,
}

/// A conversation bound to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Channel id.
    pub channel: String,
    /// `group:ID` or `user:ID`.
    pub id: String,
    /// Contract; the default one where left out.
    #[serde(default)]
    pub contract: Option<String>,
    /// Agency or department.
    #[serde(default)]
    pub unit: String,
    /// Who writes here.
    #[serde(default)]
    pub kind: ConversationKind,
    /// Where else what is said here may be said while this conversation can only be answered and nobody speaks: full names
    /// (`mail:user:ADDRESS`, `qq:group:20001`, `sms:user:NUMBER`), the first that works.
    #[serde(default)]
    pub also: Vec<String>,
}

impl Conversation {
    /// The full name, `qq:group:20001`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.channel, self.id)
    }
}

/// Mail senders and numbers that belong to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// `@domain`, an address, or a number prefix (`138*`).
    #[serde(rename = "match")]
    pub pattern: String,
    /// Contract; the default one where left out.
    #[serde(default)]
    pub contract: Option<String>,
    /// Agency or department.
    #[serde(default)]
    pub unit: String,
}

impl Domain {
    fn fits(&self, account: &str) -> bool {
        match (self.pattern.strip_prefix('@'), self.pattern.strip_suffix('*')) {
            (Some(domain), _) => account.rsplit_once('@').is_some_and(|(_, host)| host.eq_ignore_ascii_case(domain)),
            (None, Some(prefix)) => account.starts_with(prefix),
            (None, None) => account.eq_ignore_ascii_case(&self.pattern),
        }
    }
}

/// On which days a shift falls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ShiftDays {
    /// `workdays`, `restdays` or `everyday`.
    Kind(DayKind),
    /// Names of weekdays (`mon`) or dates (`2026-10-01`).
    List(Vec<String>),
}

/// A kind of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DayKind {
    /// Working days, make-up days included.
    Workdays,
    /// All others.
    Restdays,
    /// All.
    Everyday,
}

/// How those of a shift take turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// All are on duty.
    #[default]
    None,
    /// One a day.
    Daily,
    /// One a week, from Monday.
    Weekly,
}

/// Who is on duty when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Contract; all where left out.
    #[serde(default)]
    pub contract: Option<String>,
    /// Person ids.
    pub people: Vec<String>,
    /// Days.
    #[serde(default = "everyday")]
    pub days: ShiftDays,
    /// Begin, wall clock.
    pub from: String,
    /// End, wall clock; not after `from` means the next day.
    pub to: String,
    /// Turns.
    #[serde(default)]
    pub rotate: Rotation,
    /// Where the turns begin to be counted.
    #[serde(default)]
    pub since: Option<Date>,
}

fn everyday() -> ShiftDays {
    ShiftDays::Kind(DayKind::Everyday)
}

/// One person stands in for another on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Contract whose shift it is; all where left out.
    #[serde(default)]
    pub contract: Option<String>,
    /// The day the shift begins on.
    pub date: Date,
    /// Who had it.
    pub from: String,
    /// Who takes it.
    pub to: String,
    /// When it was agreed in a chat: what was handed on counts in this order. Those of a file come first.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// A planned maintenance window: mutes what it covers and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Contract; all where left out.
    #[serde(default)]
    pub contract: Option<String>,
    /// Systems it covers; all where empty.
    #[serde(default)]
    pub systems: Vec<String>,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// What is done.
    #[serde(default)]
    pub text: String,
}

/// The people file as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleFile {
    /// `[[person]]`
    pub person: Vec<Person>,
    /// `[[conversation]]`
    pub conversation: Vec<Conversation>,
    /// `[[domain]]`
    pub domain: Vec<Domain>,
    /// `[[shift]]`
    pub shift: Vec<Shift>,
    /// `[[swap]]`
    pub swap: Vec<Swap>,
    /// `[[maintenance]]`
    pub maintenance: Vec<Maintenance>,
}

/// A conversation as the desk sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Contract.
    pub contract: String,
    /// Agency; empty where unknown.
    pub unit: String,
    /// Who writes here.
    pub kind: ConversationKind,
    /// Whether only one person and the desk are in it.
    pub private: bool,
    /// Whether a person bound it, or it fell to the default contract.
    pub bound: bool,
}

/// Everybody and everything, indexed.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    file: PeopleFile,
    by_account: HashMap<String, usize>,
    conversations: HashMap<String, usize>,
    /// Contract of conversations that nobody bound; `None` refuses them.
    pub default_contract: Option<String>,
}

/// No channel tells accounts apart by capitals alone: WeCom's userids and mail addresses are the same in either, the others are
/// figures.
fn account_key(channel: &str, account: &str) -> String {
    format!("{channel}:{}", account.to_ascii_lowercase())
}

impl Directory {
    /// Indexes a people file.
    pub fn new(file: PeopleFile, default_contract: Option<String>) -> Self {
        let by_account = file
            .person
            .iter()
            .enumerate()
            .flat_map(|(at, person)| {
                person.accounts.iter().map(move |(channel, account)| (account_key(channel, account), at))
            })
            .collect();
        let conversations = file.conversation.iter().enumerate().map(|(at, c)| (c.name(), at)).collect();
        Self { file, by_account, conversations, default_contract }
    }

    /// The people file this was made of.
    pub fn file(&self) -> &PeopleFile {
        &self.file
    }

    /// The person with this account on this channel.
    pub fn by_account(&self, channel: &str, account: &str) -> Option<&Person> {
        self.by_account.get(&account_key(channel, account)).map(|at| &self.file.person[*at])
    }

    /// The person with this id.
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.file.person.iter().find(|person| person.id == id)
    }

    /// People of the supplier whose name, alias or id is this; several where it is ambiguous.
    pub fn named(&self, name: &str, contract: &str) -> Vec<&Person> {
        let name = name.trim().trim_start_matches('@');
        let staff = || self.file.person.iter().filter(|p| p.role.is_staff() && p.serves(contract));
        let exact: Vec<&Person> =
            staff().filter(|p| p.name == name || p.id == name || p.aliases.iter().any(|a| a == name)).collect();
        if exact.is_empty() { staff().filter(|p| p.accounts.values().any(|a| a == name)).collect() } else { exact }
    }

    /// All of a role in a contract.
    pub fn of_role(&self, role: PersonRole, contract: &str) -> Vec<&Person> {
        self.file.person.iter().filter(|p| p.role == role && p.serves(contract)).collect()
    }

    /// The engineers' conversations of a contract.
    pub fn engineers_conversations(&self, contract: &str) -> Vec<String> {
        self.file
            .conversation
            .iter()
            .filter(|c| c.kind == ConversationKind::Engineers)
            .filter(|c| c.contract.as_deref().or(self.default_contract.as_deref()) == Some(contract))
            .map(Conversation::name)
            .collect()
    }

    /// What a conversation is: bound by name, by the person who writes privately, by domain, else the default contract.
    /// `None` where it belongs to no contract.
    pub fn place(&self, channel: &str, conversation: &str, account: &str) -> Option<Place> {
        let private = conversation.starts_with("user:");
        if let Some(at) = self.conversations.get(&format!("{channel}:{conversation}")) {
            let found = &self.file.conversation[*at];
            let contract = found.contract.clone().or_else(|| self.default_contract.clone())?;
            return Some(Place { contract, unit: found.unit.clone(), kind: found.kind, private, bound: true });
        }
        if private && let Some(person) = self.by_account(channel, account) {
            let contract = match person.contracts.first() {
                Some(first) if !self.default_contract.as_ref().is_some_and(|d| person.serves(d)) => first.clone(),
                _ => self.default_contract.clone().or_else(|| person.contracts.first().cloned())?,
            };
            let kind = if person.role.is_staff() { ConversationKind::Engineers } else { ConversationKind::Requesters };
            return Some(Place { contract, unit: person.unit.clone(), kind, private, bound: true });
        }
        if let Some(domain) = self.file.domain.iter().find(|domain| domain.fits(account)) {
            let contract = domain.contract.clone().or_else(|| self.default_contract.clone())?;
            return Some(Place {
                contract,
                unit: domain.unit.clone(),
                kind: ConversationKind::Requesters,
                private,
                bound: true,
            });
        }
        let contract = self.default_contract.clone()?;
        Some(Place { contract, unit: String::new(), kind: ConversationKind::Requesters, private, bound: false })
    }

    /// Where else what is said in a conversation (full name) may be said.
    pub fn also(&self, conversation: &str) -> &[String] {
        self.conversations.get(conversation).map(|at| self.file.conversation[*at].also.as_slice()).unwrap_or_default()
    }

    /// The maintenance window that covers a system of a contract now.
    pub fn maintenance(&self, contract: &str, system: Option<&str>, now: Timestamp) -> Option<&Maintenance> {
        self.file.maintenance.iter().find(|window| {
            window.contract.as_deref().is_none_or(|c| c == contract)
                && window.from <= now
                && now < window.until
                && (window.systems.is_empty() || system.is_some_and(|s| window.systems.iter().any(|w| w == s)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::profile::Profile;

    #[test]
    fn an_account_is_found_whatever_its_capitals() {
        let file = PeopleFile::parse(Profile::sample_people(), "people").expect("the sample people");
        let directory = Directory::new(file, None);
        for account in ["ZhangGong", "zhanggong", "ZHANGGONG"] {
            assert_eq!(directory.by_account("wecom", account).map(|p| p.id.as_str()), Some("zhang"), "{account}");
        }
        assert!(directory.by_account("qq", "ZhangGong").is_none(), "each channel has its own");
    }

    #[test]
    fn a_person_may_have_several_accounts_on_one_channel() {
        let typed = "[[person]]\nid = \"zhang\"\nname = \"张工\"\nrole = \"engineer\"\naccounts = { qq = \"10001\", qqbot = [\"U1\", \"M1\"] }";
        let file = PeopleFile::parse(typed, "people").expect("both forms are read");
        let mut person = file.person[0].clone();
        let directory = Directory::new(file, None);
        for (channel, account) in [("qq", "10001"), ("qqbot", "U1"), ("qqbot", "M1")] {
            assert_eq!(directory.by_account(channel, account).map(|p| p.id.as_str()), Some("zhang"), "{account}");
        }
        assert_eq!(person.ways(&|_| true), ["qq:user:10001", "qqbot:user:U1", "qqbot:user:M1"]);
        person.accounts.add("qqbot".to_owned(), "M2".to_owned(), false);
        person.accounts.add("qqbot".to_owned(), "m1".to_owned(), true);
        assert_eq!(person.accounts.on("qqbot"), ["m1", "U1", "M2"]);
        let written = serde_json::to_value(&person).expect("it can be written");
        assert_eq!(written["accounts"], serde_json::json!({ "qq": "10001", "qqbot": ["m1", "U1", "M2"] }));
        assert_eq!(serde_json::from_value::<Person>(written).expect("and read"), person);
    }
}
