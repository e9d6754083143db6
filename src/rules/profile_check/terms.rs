//! The checks of hours, promises, escalation, duties and conduct.

use jiff::civil::Time;

use super::semantics::Checker;
use super::source::Path;
use super::suggest::{did_you_mean, listed};
use crate::rules::length::{Length, Point};
use crate::rules::profile::{CalendarDays, CommitmentTerm, Every, Promise};

impl Checker<'_> {
    pub(super) fn calendars(&mut self) {
        let profile = self.profile;
        for (name, def) in &profile.calendars {
            let path = Path::of("calendars").key(name);
            if name == "7x24" {
                self.wrong(&path, "「7x24」是系统自带的全天服务时间，不能改", "换一个名字定义，如 [calendars.\"8x5\"]");
            }
            if def.hours.is_empty() {
                let fix = "至少写一段，如 hours = [[\"08:30\", \"12:00\"], [\"13:30\", \"18:00\"]]";
                self.wrong(&path.clone().key("hours"), format!("服务时间「{name}」没有写钟点"), fix);
            }
            let mut closed = None;
            for (index, [from, to]) in def.hours.iter().enumerate() {
                let at = path.clone().key("hours").item(index);
                let (Some(open), Some(close)) = (minutes(from, false), minutes(to, true)) else {
                    let problem = format!("「{from}」到「{to}」不是钟点");
                    self.wrong(&at, problem, "写成 24 小时制的四位钟点，如 [\"08:30\", \"12:00\"]；一天结束写 24:00");
                    continue;
                };
                if close <= open {
                    let problem = format!("「{to}」不在「{from}」之后");
                    self.wrong(
                        &at,
                        problem,
                        "先写开始再写结束；跨零点的分成两段，如 [\"18:00\", \"24:00\"] 和 [\"00:00\", \"08:00\"]",
                    );
                } else if closed.is_some_and(|closed| open < closed) {
                    self.wrong(&at, "这一段和上一段重叠或颠倒了", "各段按先后写，互不重叠");
                }
                closed = Some(close);
            }
        }
        let path = Path::of("confirmation");
        self.calendar(&path.clone().key("calendar"), &profile.confirmation.calendar);
        self.length(&path.key("within"), profile.confirmation.within, &profile.confirmation.calendar);
    }

    /// Working days need a calendar of working days.
    fn length(&mut self, path: &Path, within: Length, calendar: &str) {
        let everyday = calendar == "7x24"
            || self.profile.calendars.get(calendar).is_some_and(|def| def.days == CalendarDays::Everyday);
        if matches!(within, Length::Workdays(_)) && everyday {
            let problem = format!("服务时间「{calendar}」不分工作日，不能用 wd（工作日）计时");
            self.wrong(path, problem, "把 calendar 改成 \"5x8\"，或把时长写成小时（如 24h）");
        }
    }

    pub(super) fn commitments(&mut self) {
        let profile = self.profile;
        if profile.commitments.is_empty() && self.source.whole("commitment") {
            let fix = "至少写一个 [[commitment]] 块；合同没有写时限的，写承建方自己的承诺并注明 own = true";
            self.wrong(&Path::of("commitment"), "一条服务承诺也没有", fix);
        }
        for (index, term) in profile.commitments.iter().enumerate() {
            let path = Path::of("commitment").item(index);
            self.calendar(&path.clone().key("calendar"), &term.calendar);
            self.length(&path.clone().key("within"), term.within, &term.calendar);
            if let Some(severities) = &term.severities {
                if severities.is_empty() {
                    let fix = "写上级别，如 severities = [\"major\"]；所有级别都算就删去这一行";
                    self.wrong(&path.clone().key("severities"), "severities 是空的", fix);
                }
                self.severity_ids(&path.clone().key("severities"), severities);
            }
            if !term.own && term.clause.trim().is_empty() {
                let problem = format!("承诺「{}」没有写出自哪一条", term.name.zh());
                let fix = "加上 clause = \"合同条款\"；合同没有要求、承建方自己承诺的，写 own = true";
                self.wrong(&path.clone().key("clause"), problem, fix);
            }
            for (earlier, other) in profile.commitments.iter().enumerate().take(index) {
                if other.name == term.name
                    && let Some(shared) = self.shared(other, term)
                {
                    let problem =
                        format!("「{}」对{shared}已经在第 {} 个 [[commitment]] 里承诺过", term.name.zh(), earlier + 1);
                    self.wrong(
                        &path.clone().key("name"),
                        problem,
                        "同一种承诺对同一个级别只写一条：删去一条，或用 severities 分开",
                    );
                }
            }
            self.major_only(&path, term);
            self.needs_category(&path, term);
        }
    }

    /// Which severity two promises of one kind both cover.
    fn shared(&self, one: &CommitmentTerm, other: &CommitmentTerm) -> Option<String> {
        if one.severities.is_none() && other.severities.is_none() {
            return Some("所有级别".to_owned());
        }
        let both =
            self.profile.severities.iter().find(|severity| one.covers(&severity.id) && other.covers(&severity.id))?;
        Some(format!("「{}」", both.name))
    }

    fn major_only(&mut self, path: &Path, term: &CommitmentTerm) {
        if !matches!(term.name, Promise::Report | Promise::Track) || !self.source.whole("severity") {
            return;
        }
        let major: Vec<&str> = self
            .profile
            .severities
            .iter()
            .filter(|severity| severity.major)
            .map(|severity| severity.id.as_str())
            .collect();
        if major.is_empty() {
            let problem = format!("承诺了「{}」，却没有一个级别标明重大", term.name.zh());
            self.wrong(&path.clone().key("name"), problem, "给相应的 [[severity]] 加上 major = true，或删去这条承诺");
        }
        for (index, id) in term.severities.iter().flatten().enumerate() {
            if !major.is_empty() && self.profile.severity(id).is_some() && !major.contains(&id.as_str()) {
                let problem = format!("级别「{id}」不是重大级别，「{}」永远不会开始", term.name.zh());
                let fix = format!("改成重大级别{}，或给这个级别加上 major = true", listed(major.iter().copied()));
                self.wrong(&path.clone().key("severities").item(index), problem, fix);
            }
        }
    }

    fn needs_category(&mut self, path: &Path, term: &CommitmentTerm) {
        let id = match term.name {
            Promise::Bugfix => "bug",
            Promise::Configure => "configure",
            Promise::Respond
            | Promise::Feedback
            | Promise::Report
            | Promise::Track
            | Promise::Resolve
            | Promise::Arrive
            | Promise::Support
            | Promise::ThirdParty
            | Promise::Upgrade => return,
        };
        if self.source.whole("category") && self.profile.category(id).is_none() {
            let problem = format!("承诺了「{}」，却没有编号为「{id}」的类别，永远不会开始", term.name.zh());
            self.wrong(
                &path.clone().key("name"),
                problem,
                format!("加一个 [[category]]，写 id = \"{id}\"，或删去这条承诺"),
            );
        }
    }

    pub(super) fn escalation(&mut self) {
        let chain = &self.profile.escalation;
        let steps = Path::of("escalation").key("step");
        if chain.repeats > 20 {
            self.wrong(
                &Path::of("escalation").key("repeats"),
                format!("重复 {} 次太多了", chain.repeats),
                "写 0 到 20 之间的数",
            );
        }
        for (key, length) in [("repeat_every", chain.repeat_every), ("acknowledged_for", chain.acknowledged_for)] {
            if matches!(length, Length::Workdays(_)) {
                self.wrong(&Path::of("escalation").key(key), "提醒的间隔不能用工作日", "写成分钟或小时，如 \"10m\"");
            }
        }
        if chain.steps.is_empty() {
            self.wrong(
                &steps,
                "升级提醒一步也没有，违约将无人知晓",
                "至少写一个 [[escalation.step]]；要用自带的一套就删去整个 [escalation]",
            );
        }
        let promised: Vec<Promise> = self.profile.commitments.iter().map(|term| term.name).collect();
        let mut latest = 0u64;
        for (index, step) in chain.steps.iter().enumerate() {
            let path = steps.clone().item(index);
            self.filled(&path.clone().key("id"), &step.id, "步骤编号");
            if chain.steps.iter().take(index).any(|other| other.id == step.id) {
                self.wrong(&path.clone().key("id"), format!("步骤编号「{}」写了两次", step.id), "换一个没有用过的编号");
            }
            if step.roles.is_empty() {
                self.wrong(&path.clone().key("roles"), "这一步没有写告诉谁", "写上角色，如 roles = [\"lead\"]");
            }
            let order = place(step.at);
            if order < latest {
                let fix = "按 start、百分比由小到大、broken、broken+时长 的先后排列";
                self.wrong(&path.clone().key("at"), "这一步比上一步还早", fix);
            }
            latest = latest.max(order);
            if step.at == Point::Start && !step.major_only {
                self.wrong(&path.clone().key("at"), "start 只用于重大级别", "给这一步加上 major_only = true");
            }
            for (place, promise) in step.commitments.iter().flatten().enumerate() {
                if self.source.whole("commitment") && !promised.contains(promise) {
                    let problem = format!("这份合同没有承诺「{}」（{}）", promise.zh(), promise.id());
                    let mut names: Vec<&str> = promised.iter().map(|promise| promise.id()).collect();
                    names.dedup();
                    let fix = did_you_mean(promise.id(), names.iter().copied());
                    self.wrong(&path.clone().key("commitments").item(place), problem, fix);
                }
            }
        }
        self.severity_ids(&Path::of("suspension").key("forbidden_for"), &self.profile.suspension.forbidden_for);
    }

    pub(super) fn duties(&mut self) {
        let profile = self.profile;
        self.ids("duty", profile.duties.iter().map(|duty| duty.id.as_str()));
        self.ids("deliverable", profile.deliverables.iter().map(|deliverable| deliverable.id.as_str()));
        let documents: Vec<&str> = profile.deliverables.iter().map(|deliverable| deliverable.id.as_str()).collect();
        for (index, duty) in profile.duties.iter().enumerate() {
            let path = Path::of("duty").item(index);
            self.filled(&path.clone().key("name"), &duty.name, "任务名称");
            self.entries(&path.clone().key("checks"), &duty.checks);
            let times = [("from", &duty.from), ("due", &duty.due)].map(|(key, text)| {
                let time = minutes(text, true);
                if time.is_none() {
                    self.wrong(
                        &path.clone().key(key),
                        format!("「{text}」不是钟点"),
                        "写成 24 小时制的四位钟点，如 \"09:00\"",
                    );
                }
                time
            });
            if let [Some(from), Some(due)] = times
                && due <= from
            {
                self.wrong(&path.clone().key("due"), "截止钟点不在开始钟点之后", "把 due 改到 from 之后");
            }
            if duty.every == Every::OnDemand {
                let fix = "写成 day、workday、holiday、week、half-month、month、quarter、half-year 或 year；按需的事不列为例行任务";
                self.wrong(&path.clone().key("every"), "例行任务要有周期，不能按需", fix);
            }
            if !duty.deliverable.is_empty()
                && self.source.whole("deliverable")
                && !documents.contains(&duty.deliverable.as_str())
            {
                let fix = did_you_mean(&duty.deliverable, documents.iter().copied());
                self.wrong(
                    &path.clone().key("deliverable"),
                    format!("没有编号为「{}」的交付文档", duty.deliverable),
                    fix,
                );
            }
            if !duty.own && duty.clause.trim().is_empty() {
                let fix = "加上 clause = \"合同条款\"；合同没有要求的，写 own = true";
                self.wrong(&path.clone().key("clause"), format!("任务「{}」没有写出自哪一条", duty.name), fix);
            }
        }
        for (index, deliverable) in profile.deliverables.iter().enumerate() {
            let path = Path::of("deliverable").item(index);
            self.filled(&path.clone().key("name"), &deliverable.name, "文档名称");
            if deliverable.every.is_empty() {
                self.wrong(
                    &path.key("every"),
                    "文档的周期是空的",
                    "写上周期，如 every = [\"month\"]；按需的写 [\"on-demand\"]",
                );
            }
        }
    }

    pub(super) fn conduct(&mut self) {
        let profile = self.profile;
        self.entries(&Path::of("confidentiality").key("words"), &profile.confidentiality.words);
        let rating = &profile.satisfaction;
        let path = Path::of("satisfaction");
        if !(2..=10).contains(&rating.scale) {
            self.wrong(
                &path.clone().key("scale"),
                format!("分制 {} 不合要求", rating.scale),
                "写 2 到 10 之间的整数，通常是 5",
            );
        }
        if rating.labels.len() != usize::from(rating.scale) {
            let problem = format!("{} 分制配了 {} 个说法", rating.scale, rating.labels.len());
            self.wrong(&path.clone().key("labels"), problem, "从 1 分起，每个分数写一个说法");
        }
        self.entries(&path.key("labels"), &rating.labels);
        if let Some(change) = &profile.change {
            let path = Path::of("change");
            self.calendar(&path.clone().key("not_during"), &change.not_during);
            if change.not_during == "7x24" {
                self.wrong(
                    &path.clone().key("not_during"),
                    "全天都不许变更，变更将永远办不成",
                    "改成业务时间，如 not_during = \"5x8\"",
                );
            }
            self.filled(&path.key("clause"), &change.clause, "拒绝变更时引用的条款");
        }
    }
}

/// Order of a point within the chain.
fn place(point: Point) -> u64 {
    match point {
        Point::Start => 0,
        Point::Percent(percent) => u64::from(percent),
        Point::Broken => 100,
        Point::AfterBroken(minutes) => 100 + u64::from(minutes),
    }
}

/// Minutes since midnight of `HH:MM`; `24:00` only where a day may end.
fn minutes(text: &str, may_end: bool) -> Option<u32> {
    if text == "24:00" {
        return may_end.then_some(24 * 60);
    }
    if text.len() != 5 {
        return None;
    }
    let time: Time = Time::strptime("%H:%M", text).ok()?;
    Some(u32::try_from(time.hour()).ok()? * 60 + u32::try_from(time.minute()).ok()?)
}
