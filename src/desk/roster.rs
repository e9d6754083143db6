//! The roster in chat: who is on duty, who stands in for whom, and windows of planned maintenance.

use jiff::SignedDuration;
use jiff::civil::Date;
use serde_json::json;
use zhishou_intents::Command;

use super::batch::{Batch, Disposition};
use super::library::{maintenance_key, swap_key};
use super::occasion::local_time;
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::directory::{Directory, Maintenance, Person, Swap};
use crate::rules::escalation::leads;
use crate::rules::notice::Kind;
use crate::rules::roster::{self, Held, gaps, on_duty};
use crate::rules::when;
use crate::store::DirectoryRow;

const EXAMPLE: &str = "换班 @李工 10月3日";
/// A day named without a year that lay at most this long ago is meant as that day, not as next year's.
const LATELY_DAYS: i32 = 183;

impl Batch<'_> {
    /// 值班: who is on duty now and where nobody will be; 值班 明天: who is on duty that day.
    pub(super) fn duty(&mut self, message: &Message, command: &Command) -> Outcome {
        let (directory, terms) = (self.library.directory.clone(), message.terms.clone());
        let names = |ids: &[String]| {
            let name = |id: &String| directory.person(id).map_or_else(|| id.clone(), |p| p.name.clone());
            ids.iter().map(name).collect::<Vec<_>>().join("、")
        };
        if let Some(date) = command.word.as_deref().and_then(|word| when::date(word, terms.date(self.now))) {
            let clock = |at: jiff::Timestamp| terms.zoned(at).strftime("%H:%M").to_string();
            let mut lines = vec![format!("{}的值班：", day_zh(date))];
            for (from, until, people) in roster::day(&directory, &terms, date) {
                let until = if terms.date(until) == date { clock(until) } else { "24:00".to_owned() };
                let who = if people.is_empty() { "无人值班".to_owned() } else { names(&people) };
                lines.push(format!("{}–{until} {who}", clock(from)));
            }
            self.say_status(message, None, &lines.join("\n"));
            return Outcome::new(Disposition::Commanded, None, "值班；");
        }
        let now = on_duty(&directory, &terms, self.now);
        let mut lines = vec![if now.is_empty() {
            "此刻没有人值班！".to_owned()
        } else {
            format!("正在值班：{}", names(&now))
        }];
        let week = self.now + SignedDuration::from_hours(24 * 14);
        for (from, until) in gaps(&directory, &terms, self.now, week, 5) {
            let (from, until) = (local_time(&terms, from, self.now), local_time(&terms, until, self.now));
            lines.push(format!("无人值班：{from} 至{until}"));
        }
        self.say_status(message, None, &lines.join("\n"));
        Outcome::new(Disposition::Commanded, None, "值班；")
    }

    /// 换班 @人 日期: the speaker's shift of that day goes to a colleague, who hears of it, as does the lead.
    pub(super) fn swap(&mut self, message: &Message, command: &Command) -> Outcome {
        let directory = self.library.directory.clone();
        let contract = message.place.contract.clone();
        let today = message.terms.date(self.now);
        let date = command.word.as_deref().and_then(|word| when::date(word, today));
        let (Some(date), Some(name)) = (date, command.people.first().cloned()) else {
            return self.incomplete(message, "同事的名字和日期", EXAMPLE);
        };
        let people = directory.named(&name, &contract);
        let to = match people.as_slice() {
            [to] => (*to).clone(),
            [] => {
                let words = self.words("refusal.person", json!({ "text": name }));
                return self.no_swap(message, words, "没有这位同事；");
            }
            _ => {
                let words = format!("叫「{name}」的同事不止一位，请写全名，例如「{EXAMPLE}」。");
                return self.no_swap(message, words, "同事不止一位；");
            }
        };
        let held = match self.may_swap(message, command, &directory, &to, date) {
            Ok(held) => held,
            Err((words, why)) => return self.no_swap(message, words, why),
        };
        let swap = Swap {
            // Somebody on a shift of all contracts hands it over in all of them: nobody is on duty in half.
            contract: (held == Held::Contract).then(|| contract.clone()),
            date,
            from: message.actor.id.clone(),
            to: to.id.clone(),
            at: Some(self.now),
        };
        self.put(DirectoryRow {
            kind: "swap".to_owned(),
            key: swap_key(&swap),
            body: serde_json::to_string(&swap).unwrap_or_default(),
        });
        let news = format!("{}的班由{}换给{}", day_zh(date), message.actor.name, to.name);
        let told = self.tell_person(&to, &format!("{news}，请留意。如有出入请尽快与对方或负责人联系。"));
        for id in leads(&directory, &contract) {
            if id != to.id
                && id != message.actor.id
                && let Some(lead) = directory.person(&id)
            {
                self.tell_person(lead, &format!("{news}。"));
            }
        }
        let note = if told {
            format!("已通知{}和负责人。", to.name)
        } else {
            format!("{}没有可用的联系方式，请您当面告诉他。", to.name)
        };
        self.say_status(message, None, &format!("{news}。{note}"));
        Outcome::new(Disposition::Commanded, None, "换班；")
    }

    /// Whether the speaker has a shift to give away that day, and this colleague may take it; else what to say.
    fn may_swap(
        &self,
        message: &Message,
        command: &Command,
        directory: &Directory,
        to: &Person,
        date: Date,
    ) -> Result<Held, (String, &'static str)> {
        let (terms, today) = (&message.terms, message.terms.date(self.now));
        let typed = command.word.as_deref().unwrap_or_default();
        // 10月1日 said on 8 October means the one that has passed; only with its year is it next year's.
        let a_year_ago = date.checked_sub(jiff::Span::new().years(1)).ok().filter(|_| date.year() > today.year());
        let lately = today.checked_sub(jiff::Span::new().days(LATELY_DAYS)).unwrap_or(today);
        let meant =
            a_year_ago.filter(|ago| !typed.contains(&date.year().to_string()) && *ago < today && *ago >= lately);
        if let Some(past) = meant {
            let words =
                format!("{}已经过去，不能再换班。如果是指明年，请写「换班 @{} {date}」。", day_zh(past), to.name);
            return Err((words, "日期已过；"));
        }
        if date < today {
            return Err((format!("{}已经过去，不能再换班。", day_zh(date)), "日期已过；"));
        }
        if to.id == message.actor.id {
            return Err((format!("换班要换给另一位同事，例如「{EXAMPLE}」。"), "换给自己；"));
        }
        let Some(held) = roster::holds(directory, terms, &message.actor.id, date, self.now) else {
            let words =
                format!("{}您没有（或已经没有）班，没有换。发送「值班 {date}」可查看那天的安排。", day_zh(date));
            return Err((words, "那天没有班；"));
        };
        let serves = directory
            .file()
            .shift
            .iter()
            .any(|shift| shift.contract.as_deref().is_none_or(|c| c == terms.id) && shift.people.contains(&to.id));
        if to.role.leads() && !serves {
            return Err((format!("{}不参加值班排班，请换给值班的同事。", to.name), "对方不参加排班；"));
        }
        Ok(held)
    }

    fn no_swap(&mut self, message: &Message, words: String, why: &str) -> Outcome {
        self.reply(message, Said::new(Kind::Refusal, words));
        Outcome::new(Disposition::Refused, None, format!("换班未登记：{why}"))
    }

    /// Tells one person how something stands, over the first way there is; whether there is one.
    pub(super) fn tell_person(&mut self, person: &Person, text: &str) -> bool {
        self.say_to_person(person, Said::new(Kind::Status, text.to_owned()))
    }

    /// Says something to one person over the first way there is, with the others to fall back on; whether there is one.
    pub(super) fn say_to_person(&mut self, person: &Person, mut said: Said) -> bool {
        let ways = self.ways_of(person);
        let Some(first) = ways.first().cloned() else { return false };
        said.person = Some(person.id.clone());
        said.ways = ways;
        self.say(&first, said);
        true
    }

    /// 维护窗口 系统 时间 内容.
    pub(super) fn maintenance(&mut self, message: &Message, command: &Command) -> Outcome {
        let zone = message.terms.profile.timezone.clone();
        let Some((from, until)) = when::window(&command.text, message.terms.date(self.now), &zone) else {
            return self.incomplete(message, "起止时间", "维护窗口 登记系统 10月8日 20:00-22:00 升级数据库");
        };
        let systems: Vec<String> = message
            .terms
            .profile
            .systems
            .iter()
            .filter(|s| command.text.contains(&s.name) || s.aliases.iter().any(|a| command.text.contains(a)))
            .map(|s| s.id.clone())
            .collect();
        let window = Maintenance {
            contract: Some(message.place.contract.clone()),
            systems,
            from,
            until,
            text: command.text.trim().to_owned(),
        };
        self.put(DirectoryRow {
            kind: "maintenance".to_owned(),
            key: maintenance_key(&window),
            body: serde_json::to_string(&window).unwrap_or_default(),
        });
        self.say_status(message, None, "维护窗口已登记，期间不发时限提醒；时限照常计算，超时仍会通知负责人。");
        Outcome::new(Disposition::Commanded, None, "维护窗口；")
    }
}

fn day_zh(date: Date) -> String {
    format!("{}月{}日", date.month(), date.day())
}
