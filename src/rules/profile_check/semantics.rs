//! What a profile says, held against itself: names that exist, ids that are unique, lists that are filled.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::ProfileError;
use super::source::{Aim, Path, Source};
use super::suggest::did_you_mean;
use crate::rules::profile::{Profile, fold, level};

/// Everything contradictory in a profile whose form is right.
pub(super) fn check(profile: &Profile, source: &Source<'_>) -> Vec<ProfileError> {
    let mut checker = Checker { profile, source, errors: Vec::new() };
    checker.head();
    checker.systems();
    checker.severities();
    checker.categories();
    checker.calendars();
    checker.commitments();
    checker.escalation();
    checker.duties();
    checker.conduct();
    checker.errors
}

/// The profile under examination and what was found.
pub(super) struct Checker<'a> {
    pub(super) profile: &'a Profile,
    pub(super) source: &'a Source<'a>,
    errors: Vec<ProfileError>,
}

impl Checker<'_> {
    pub(super) fn wrong(&mut self, path: &Path, problem: impl Into<String>, fix: impl Into<String>) {
        let error = self.source.error(path, Aim::Value, problem.into(), fix.into());
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// A text that must not be empty.
    pub(super) fn filled(&mut self, path: &Path, text: &str, what: &str) {
        if text.trim().is_empty() {
            self.wrong(path, format!("{what}是空的"), format!("填上{what}"));
        }
    }

    /// A list whose entries must not be empty.
    pub(super) fn entries(&mut self, path: &Path, list: &[String]) {
        for (index, entry) in list.iter().enumerate() {
            if entry.trim().is_empty() {
                self.wrong(&path.clone().item(index), "列表里有一项是空的", "填上内容，或把这一项删去");
            }
        }
    }

    /// Ids of one list: present, plain and unique.
    pub(super) fn ids<'i>(&mut self, list: &str, ids: impl Iterator<Item = &'i str>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, id) in ids.enumerate() {
            let path = Path::of(list).item(index).key("id");
            let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if !plain {
                self.wrong(
                    &path,
                    format!("编号「{id}」不合要求"),
                    "编号只用英文字母、数字、- 和 _，如 \"sms-platform\"",
                );
            }
            if let Some(first) = seen.get(id) {
                let problem = format!("编号「{id}」与第 {} 个 [[{list}]] 重复", first + 1);
                self.wrong(&path, problem, "换一个没有用过的编号");
            } else {
                seen.insert(id, index);
            }
        }
    }

    /// Whether a calendar of this name can be used.
    pub(super) fn calendar(&mut self, path: &Path, name: &str) {
        let names = self.calendar_names();
        if self.source.whole("calendars") && !names.contains(&name) {
            let fix = format!(
                "{}；也可以加一个 [calendars.\"{name}\"] 块来定义它",
                did_you_mean(name, names.iter().copied())
            );
            self.wrong(path, format!("服务时间「{name}」没有定义"), fix);
        }
    }

    pub(super) fn calendar_names(&self) -> Vec<&str> {
        let mut names = vec!["7x24", "5x8"];
        names.extend(self.profile.calendars.keys().map(String::as_str).filter(|name| !["7x24", "5x8"].contains(name)));
        names
    }

    /// Whether these severities exist.
    pub(super) fn severity_ids(&mut self, path: &Path, ids: &[String]) {
        if !self.source.whole("severity") {
            return;
        }
        let known: Vec<&str> = self.profile.severities.iter().map(|severity| severity.id.as_str()).collect();
        for (index, id) in ids.iter().enumerate() {
            if !known.contains(&id.as_str()) {
                let fix = did_you_mean(id, known.iter().copied());
                self.wrong(&path.clone().item(index), format!("没有编号为「{id}」的级别"), fix);
            }
            if ids[..index].contains(id) {
                self.wrong(&path.clone().item(index), format!("级别「{id}」写了两次"), "删去一个");
            }
        }
    }

    fn head(&mut self) {
        let profile = self.profile;
        if self.source.whole("id") {
            let plain = !profile.id.is_empty()
                && profile.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !plain {
                let fix = "只用小写英文字母、数字和 -，如 id = \"city-project\"";
                self.wrong(&Path::of("id"), format!("合同编号「{}」不合要求", profile.id), fix);
            }
        }
        if self.source.whole("code") {
            let code = &profile.code;
            if !(1..=8).contains(&code.len()) || !code.chars().all(|c| c.is_ascii_alphanumeric()) {
                let fix = "用 1 到 8 个英文字母或数字，如 code = \"YX\"";
                self.wrong(&Path::of("code"), format!("工单号前缀「{code}」不合要求"), fix);
            } else if code.chars().all(|c| c.is_ascii_digit()) {
                let fix = "至少写一个英文字母，免得和工单号混在一起";
                self.wrong(&Path::of("code"), format!("工单号前缀「{code}」全是数字"), fix);
            }
        }
        if self.source.whole("name") {
            self.filled(&Path::of("name"), &profile.name, "平台名称");
        }
        if self.source.whole("customer") {
            self.filled(&Path::of("customer"), &profile.customer, "采购人名称");
        }
        if TimeZone::get(&profile.timezone).is_err() {
            let fix = "写 IANA 时区名；国内一律写 timezone = \"Asia/Shanghai\"";
            self.wrong(&Path::of("timezone"), format!("没有叫「{}」的时区", profile.timezone), fix);
        }
        if self.source.whole("default_severity") {
            let ids: Vec<&str> = profile.severities.iter().map(|severity| severity.id.as_str()).collect();
            if self.source.whole("severity") && !ids.contains(&profile.default_severity.as_str()) {
                let problem = format!("默认级别「{}」不在 [[severity]] 里", profile.default_severity);
                let fix = did_you_mean(&profile.default_severity, ids.iter().copied());
                self.wrong(&Path::of("default_severity"), problem, fix);
            }
        }
        for (index, day) in profile.extra_work_days.iter().enumerate() {
            if profile.extra_rest_days.contains(day) {
                let problem = format!("{day} 同时写成了休息日和工作日");
                self.wrong(&Path::of("extra_work_days").item(index), problem, "只留其中一个");
            }
        }
    }

    fn systems(&mut self) {
        let profile = self.profile;
        self.ids("system", profile.systems.iter().map(|system| system.id.as_str()));
        let mut owners: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for (index, system) in profile.systems.iter().enumerate() {
            owners.entry(fold(&system.name)).or_insert((index, &system.name));
        }
        for (index, system) in profile.systems.iter().enumerate() {
            let path = Path::of("system").item(index);
            self.filled(&path.clone().key("name"), &system.name, "系统名称");
            if owners.get(&fold(&system.name)).is_some_and(|(owner, _)| *owner != index) {
                self.wrong(
                    &path.clone().key("name"),
                    format!("系统名称「{}」写了两次", system.name),
                    "每个系统只写一个 [[system]]",
                );
            }
            self.entries(&path.clone().key("aliases"), &system.aliases);
            for (place, alias) in system.aliases.iter().enumerate() {
                let at = path.clone().key("aliases").item(place);
                match owners.get(&fold(alias)) {
                    Some((owner, name)) if *owner != index => {
                        let problem = format!("叫法「{alias}」已经属于「{name}」");
                        self.wrong(&at, problem, "一个叫法只能指一个系统：留在最常指的那个系统里，另一处删去");
                    }
                    Some(_) => {}
                    None => {
                        owners.insert(fold(alias), (index, &system.name));
                    }
                }
            }
        }
    }

    fn severities(&mut self) {
        let profile = self.profile;
        if profile.severities.is_empty() && self.source.whole("severity") {
            self.wrong(&Path::of("severity"), "一个级别也没有", "至少写一个 [[severity]] 块");
        }
        self.ids("severity", profile.severities.iter().map(|severity| severity.id.as_str()));
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for (index, severity) in profile.severities.iter().enumerate() {
            let path = Path::of("severity").item(index);
            self.filled(&path.clone().key("name"), &severity.name, "级别名称");
            if severity.criteria.is_empty() {
                let fix = "把合同里的判定标准抄进来，一条一项";
                self.wrong(&path.clone().key("criteria"), format!("级别「{}」没有判定标准", severity.name), fix);
            }
            for (key, list) in [
                ("criteria", &severity.criteria),
                ("aliases", &severity.aliases),
                ("words", &severity.words),
                ("phrases", &severity.phrases),
            ] {
                self.entries(&path.clone().key(key), list);
            }
            names.entry(level(&severity.id)).or_insert(index);
            for (at, name) in names_of(&path, &severity.name, &severity.aliases) {
                let owner = *names.entry(level(name)).or_insert(index);
                if owner != index {
                    let problem = format!("叫法「{name}」已经属于级别「{}」", profile.severities[owner].name);
                    self.wrong(&at, problem, "一个叫法只能指一个级别，删去一处");
                }
            }
            for (place, word) in severity.words.iter().enumerate() {
                let owner = *words.entry(fold(word)).or_insert(index);
                if owner != index && !word.trim().is_empty() {
                    let problem = format!("「{word}」已经写在级别「{}」的 words 里", profile.severities[owner].name);
                    self.wrong(&path.clone().key("words").item(place), problem, "一个词只能说明一个级别，删去一处");
                }
            }
            for (place, phrase) in severity.phrases.iter().enumerate() {
                self.phrase(&path.clone().key("phrases").item(place), phrase);
            }
        }
    }

    fn phrase(&mut self, path: &Path, phrase: &str) {
        let parts: Vec<&str> = phrase.split_whitespace().collect();
        if parts.len() == 1 {
            self.wrong(path, format!("「{phrase}」只有一个部分"), "用空格隔开至少两个部分；单独一个词请写到 words 里");
        }
        if parts.iter().any(|part| part.split('|').any(str::is_empty)) {
            self.wrong(path, format!("「{phrase}」里的 | 有一边是空的"), "| 的两边都要写上词");
        }
    }

    fn categories(&mut self) {
        let profile = self.profile;
        self.ids("category", profile.categories.iter().map(|category| category.id.as_str()));
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for (index, category) in profile.categories.iter().enumerate() {
            let path = Path::of("category").item(index);
            self.filled(&path.clone().key("name"), &category.name, "类别名称");
            self.entries(&path.clone().key("words"), &category.words);
            self.entries(&path.clone().key("aliases"), &category.aliases);
            names.entry(fold(&category.id)).or_insert(index);
            for (at, name) in names_of(&path, &category.name, &category.aliases) {
                let owner = *names.entry(fold(name)).or_insert(index);
                if owner != index {
                    let problem = format!("叫法「{name}」已经属于类别「{}」", profile.categories[owner].name);
                    self.wrong(&at, problem, "一个叫法只能指一个类别，删去一处");
                }
            }
        }
    }
}

/// A block's name and aliases, each with its place.
fn names_of<'n>(path: &Path, name: &'n str, aliases: &'n [String]) -> Vec<(Path, &'n str)> {
    let mut names = vec![(path.clone().key("name"), name)];
    let listed = path.clone().key("aliases");
    names.extend(aliases.iter().enumerate().map(|(place, alias)| (listed.clone().item(place), alias.as_str())));
    names
}
