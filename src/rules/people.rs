//! The people file as it comes in, entry by entry: what is wrong with one of them stops no other.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::directory::{Conversation, Domain, Maintenance, PeopleFile, Person, Shift, ShiftDays, Swap};
use super::reading;

/// One entry as typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// Where it stands, as a person finds it: `第 3 行`.
    pub place: String,
    /// `person`, `conversation`, `domain`, `shift`, `swap` or `maintenance`.
    pub kind: String,
    /// Its keys.
    pub value: Value,
}

/// What is there already, against which a file is held.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// People, conversations and rosters that stay where the file does not name them.
    pub file: Option<&'a PeopleFile>,
    /// Contracts of the configuration; any where left out.
    pub contracts: Option<&'a [String]>,
}

/// An entry that was left out: where it stands, and why.
pub type Refusal = (String, String);

/// The kinds of entry, as the tables of the file are called.
const KINDS: [&str; 6] = ["person", "conversation", "domain", "shift", "swap", "maintenance"];

/// Entries of the TOML form.
///
/// # Errors
/// A sentence with the line where it is no TOML or holds a table that means nothing.
pub fn typed(text: &str) -> Result<Vec<Typed>, String> {
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let tables: BTreeMap<toml::Spanned<String>, Vec<toml::Spanned<toml::Value>>> =
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(1, |span| line(span.start));
            format!("第 {at} 行：写法不对，请检查引号、方括号和等号，列表项要写在 [[person]] 这样的标题下面")
        })?;
    let mut entries: Vec<(usize, Typed)> = Vec::new();
    for (kind, rows) in tables {
        if !KINDS.contains(&kind.get_ref().as_str()) {
            let at = line(kind.span().start);
            return Err(format!("第 {at} 行：没有「{}」这种表，可用的有 {}", kind.get_ref(), KINDS.join("、")));
        }
        for row in rows {
            let at = row.span().start;
            let value = plain(row.into_inner());
            entries.push((at, Typed { place: format!("第 {} 行", line(at)), kind: kind.get_ref().clone(), value }));
        }
    }
    entries.sort_by_key(|(at, _)| *at);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// A TOML value as JSON; a date or time stands as text, with or without quotes in the file.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(is) => Value::Bool(is),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>())
        }
    }
}

/// What has been read so far, to hold the next entry against.
struct Reader<'a> {
    known: Known<'a>,
    file: PeopleFile,
    refused: Vec<Refusal>,
    /// Where each name was first used.
    names: HashMap<(&'static str, String), String>,
    /// Who has an account, and where that stands.
    accounts: HashMap<(String, String), String>,
}

/// Reads entries one by one. Shifts that name people are read after all people.
pub fn read(entries: Vec<Typed>, known: Known<'_>) -> (PeopleFile, Vec<Refusal>) {
    let mut accounts = HashMap::new();
    let named: Vec<&str> =
        entries.iter().filter(|e| e.kind == "person").filter_map(|e| e.value.get("id")?.as_str()).collect();
    // Whom the file names anew may give an account away; whom it does not name keeps his.
    for person in known.file.iter().flat_map(|file| &file.person).filter(|p| !named.contains(&p.id.as_str())) {
        for (channel, account) in &person.accounts {
            accounts.insert((channel.clone(), account.clone()), person.id.clone());
        }
    }
    let mut reader =
        Reader { known, file: PeopleFile::default(), refused: Vec::new(), names: HashMap::new(), accounts };
    let (people, others): (Vec<Typed>, Vec<Typed>) = entries.into_iter().partition(|entry| entry.kind == "person");
    let mut wrong_shift = false;
    for Typed { place, kind, value } in people.into_iter().chain(others) {
        if let Err(why) = reader.take(&place, &kind, value) {
            wrong_shift |= kind == "shift";
            reader.refused.push((place, why));
        }
    }
    // Shifts replace those of their contract as a whole: half a roster would leave gaps nobody meant.
    if wrong_shift && !reader.file.shift.is_empty() {
        let count = reader.file.shift.len();
        reader.file.shift.clear();
        reader.refused.push((
            "班次".to_owned(),
            format!("班次按整份替换，有一条不对，其余 {count} 条也没有导入，原来的班次不变；改好后请重新导入"),
        ));
    }
    (reader.file, reader.refused)
}

impl Reader<'_> {
    fn take(&mut self, place: &str, kind: &str, value: Value) -> Result<(), String> {
        match kind {
            "person" => {
                let person: Person = reading::entry(value)?;
                if person.id.trim().is_empty() || person.name.trim().is_empty() {
                    return Err("缺少 id 或 name".to_owned());
                }
                for (channel, account) in &person.accounts {
                    let owner = self.accounts.get(&(channel.clone(), account.clone()));
                    if let Some(other) = owner.filter(|other| **other != person.id) {
                        return Err(format!(
                            "{channel} 账号 {account} 已经属于 {other}，不能同时属于 {}，请改正其中一个",
                            person.id
                        ));
                    }
                }
                self.once("id", &person.id, place)?;
                for (channel, account) in &person.accounts {
                    self.accounts.insert((channel.clone(), account.clone()), person.id.clone());
                }
                self.file.person.push(person);
            }
            "conversation" => {
                let conversation: Conversation = reading::entry(value)?;
                let id = conversation.id.split_once(':');
                if !id.is_some_and(|(kind, id)| matches!(kind, "group" | "user") && !id.is_empty()) {
                    return Err(format!(
                        "会话 id「{}」应写成 group:群号 或 user:账号，例如 group:20001",
                        conversation.id
                    ));
                }
                for other in &conversation.also {
                    let parts: Vec<&str> = other.splitn(3, ':').collect();
                    let named = matches!(parts.as_slice(), [channel, "group" | "user", id] if !channel.is_empty() && !id.is_empty());
                    if !named || *other == conversation.name() {
                        return Err(format!(
                            "also 里的「{other}」应写成另一个会话的全名，例如 mail:user:zhang@example.com 或 qq:group:20001"
                        ));
                    }
                }
                self.contract(conversation.contract.as_deref())?;
                self.once("会话", &conversation.name(), place)?;
                self.file.conversation.push(conversation);
            }
            "domain" => {
                let domain: Domain = reading::entry(value)?;
                self.contract(domain.contract.as_deref())?;
                self.once("match", &domain.pattern, place)?;
                self.file.domain.push(domain);
            }
            "shift" => {
                let shift: Shift = reading::entry(value)?;
                self.shift(&shift)?;
                self.file.shift.push(shift);
            }
            "swap" => {
                let swap: Swap = reading::entry(value)?;
                for id in [&swap.from, &swap.to] {
                    self.person(id, "换班")?;
                }
                if swap.from == swap.to {
                    return Err("换班的双方是同一个人".to_owned());
                }
                self.file.swap.push(swap);
            }
            _ => {
                let window: Maintenance = reading::entry(value)?;
                if window.until <= window.from {
                    return Err("维护窗口的 until 应晚于 from".to_owned());
                }
                self.file.maintenance.push(window);
            }
        }
        Ok(())
    }

    fn once(&mut self, what: &'static str, name: &str, place: &str) -> Result<(), String> {
        match self.names.insert((what, name.to_owned()), place.to_owned()) {
            None => Ok(()),
            Some(first) => {
                self.names.insert((what, name.to_owned()), first.clone());
                Err(format!("{what}「{name}」与{first}重复，只取前一条"))
            }
        }
    }

    fn contract(&self, contract: Option<&str>) -> Result<(), String> {
        match (contract, self.known.contracts) {
            (Some(contract), Some(known)) if !known.iter().any(|id| id == contract) => {
                Err(format!("合同「{contract}」不在配置里，可用的有 {}", known.join("、")))
            }
            _ => Ok(()),
        }
    }

    fn person(&self, id: &str, what: &str) -> Result<(), String> {
        let before = self.known.file.map(|file| file.person.as_slice()).unwrap_or_default();
        // A file of shifts alone may be read by itself, where nobody is known at all.
        let any = self.known.file.is_none() && self.file.person.is_empty();
        if any || self.file.person.iter().chain(before).any(|person| person.id == *id) {
            return Ok(());
        }
        Err(format!("{what}里的「{id}」不在人员名单中，请先添加 [[person]] 或改正 id"))
    }

    fn shift(&self, shift: &Shift) -> Result<(), String> {
        for id in &shift.people {
            self.person(id, "班次")?;
        }
        for time in [&shift.from, &shift.to] {
            if super::roster::wall_clock(time).is_none() {
                return Err(format!("班次时间「{time}」应写成 08:30 的样子"));
            }
        }
        if let ShiftDays::List(days) = &shift.days
            && let Some(wrong) = days.iter().find(|day| super::roster::day_name(day).is_none())
        {
            return Err(format!("班次日期「{wrong}」应写成 mon…sun 或 2026-10-01"));
        }
        Ok(())
    }
}

impl PeopleFile {
    /// Reads the TOML form.
    ///
    /// # Errors
    /// A sentence with line and key where the file is wrong.
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        let entries = typed(text).map_err(|why| format!("{file} {why}"))?;
        let (parsed, refused) = read(entries, Known::default());
        match refused.into_iter().next() {
            Some((place, why)) => Err(format!("{file} {place}：{why}")),
            None => Ok(parsed),
        }
    }

    /// What is wrong with it as a whole.
    ///
    /// # Errors
    /// A sentence that names the entry and the fix.
    pub fn check(&self, file: &str) -> Result<(), String> {
        let mut seen: HashMap<(&str, &str), &str> = HashMap::new();
        for person in &self.person {
            for (channel, account) in &person.accounts {
                if let Some(other) = seen.insert((channel, account), &person.id)
                    && other != person.id
                {
                    return Err(format!(
                        "{file}：{channel} 账号 {account} 同时属于 {other} 和 {}，请改正其中一个",
                        person.id
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_entry_is_refused_with_its_line_and_the_rest_stays() {
        let good = "[[person]]\nid = \"a\"\nname = \"张工\"\nrole = \"engineer\"\n\n";
        for (why, entry, line, says) in [
            (
                "a role nobody has",
                "[[person]]\nid = \"b\"\nname = \"李工\"\nrole = \"boss\"\n",
                6,
                "role「boss」不认识，可以是 customer、engineer、lead、admin",
            ),
            ("a key nobody knows", "[[person]]\nid = \"b\"\nnme = \"李工\"\nrole = \"lead\"\n", 6, "没有「nme」这个键"),
            ("a key left out", "[[person]]\nid = \"b\"\nrole = \"lead\"\n", 6, "缺少 name"),
            ("an id twice", "[[person]]\nid = \"a\"\nname = \"李工\"\nrole = \"lead\"\n", 6, "id「a」与第 1 行重复"),
            (
                "a time of no day",
                "[[shift]]\npeople = [\"a\"]\nfrom = \"25:00\"\nto = \"08:00\"\n",
                6,
                "班次时间「25:00」",
            ),
            (
                "a day of no calendar",
                "[[shift]]\npeople = [\"a\"]\nfrom = \"08:00\"\nto = \"18:00\"\nsince = \"2026-13-01\"\n",
                6,
                "since 应写成 2026-10-01",
            ),
            (
                "days of no kind",
                "[[shift]]\npeople = [\"a\"]\ndays = \"holidays\"\nfrom = \"08:00\"\nto = \"18:00\"\n",
                6,
                "days 应为 workdays",
            ),
            (
                "somebody unknown on a shift",
                "[[shift]]\npeople = [\"x\"]\nfrom = \"08:00\"\nto = \"18:00\"\n",
                6,
                "班次里的「x」",
            ),
        ] {
            let (file, refused) = read(typed(&format!("{good}{entry}")).unwrap(), Known::default());
            assert_eq!(file.person.len(), 1, "{why}");
            assert_eq!(refused.len(), 1, "{why}: {refused:?}");
            assert_eq!(refused[0].0, format!("第 {line} 行"), "{why}");
            assert!(refused[0].1.contains(says), "{why}: {}", refused[0].1);
        }
    }

    #[test]
    fn what_is_no_toml_is_refused_in_chinese_with_its_line() {
        let why = PeopleFile::parse("[[person]]\nid = \n", "p.toml").unwrap_err();
        assert!(why.starts_with("p.toml 第 2 行：写法不对"), "{why}");
        let why = PeopleFile::parse("[[persons]]\nid = \"a\"\n", "p.toml").unwrap_err();
        assert!(why.contains("第 1 行：没有「persons」这种表"), "{why}");
    }

    #[test]
    fn one_wrong_shift_leaves_the_whole_roster_as_it_was() {
        let text = "shift = [{ people = [\"a\"], from = \"08:00\", to = \"18:00\" }, { people = [\"a\"], from = \"x\", to = \"1:00\" }]";
        let (file, refused) = read(typed(text).unwrap(), Known::default());
        assert!(file.shift.is_empty());
        assert_eq!(refused.len(), 2);
    }
}
