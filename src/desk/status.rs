//! Lists and overviews: what is mine, what is open, who is on duty, what a person may do here.

use jiff::SignedDuration;
use serde_json::{Value, json};
use zhishou_intents::{CommandName, Speaker, Who};

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::occasion::{local_time, shorten, shown, summary};
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::escalation::forecast;
use crate::rules::notice::Kind;
use crate::rules::ticket::Ticket;
use crate::store::{Recorded, TicketKey};

/// Most lines of a list in a chat.
const LINES: usize = 15;

impl Batch<'_> {
    fn lines(&self, message: &Message, tickets: &[&Ticket]) -> Vec<Value> {
        let mut lines: Vec<(Option<jiff::Timestamp>, Value)> = tickets
            .iter()
            .filter_map(|t| {
                let terms = self.terms(&t.contract)?;
                let several = message.issuer.several || t.contract != message.place.contract;
                let due = t.commitments.iter().filter(|c| c.is_unsettled()).filter_map(|c| c.due_at).min();
                let line = json!({
                    "no": shown(&terms, t.number, several),
                    "state": t.state_zh(),
                    "engineer": t.engineer.as_ref().map(|e| e.name.clone()),
                    "due": due.map(|due| local_time(&terms, due, self.now)),
                    "summary": shorten(&summary(t), 24),
                });
                Some((due, line))
            })
            .collect();
        lines.sort_by_key(|(due, _)| due.map_or(i64::MAX, jiff::Timestamp::as_millisecond));
        lines.into_iter().take(LINES).map(|(_, line)| line).collect()
    }

    fn list(&mut self, message: &Message, title: &str, lines: &[Value]) -> Outcome {
        let words = self.words("status.list", json!({ "title": title, "tickets": lines }));
        self.reply(message, Said::new(Kind::Status, words));
        Outcome::new(Disposition::Commanded, None, "列表；")
    }

    pub(super) fn mine(&mut self, message: &Message) -> Outcome {
        let own: Vec<&Ticket> =
            self.tickets().map(|(_, t)| t).filter(|t| message.owns(t) && !t.state.is_over()).collect();
        let title = format!("您手上的工单（{}）：", own.len());
        let lines = self.lines(message, &own);
        self.list(message, &title, &lines)
    }

    pub(super) async fn todo(&mut self, message: &Message) -> Result<Outcome, DeskError> {
        let live = self.load_live(&message.place.contract).await?;
        let tickets: Vec<&Ticket> =
            live.iter().filter_map(|key| self.ticket(key)).filter(|t| t.state.is_live()).collect();
        let title = format!("未完成的工单（{}），按时限排列：", tickets.len());
        let lines = self.lines(message, &tickets);
        Ok(self.list(message, &title, &lines))
    }

    /// 查询 without a number: a requester's own tickets here; one alone is told in full.
    pub(super) async fn my_status(&mut self, message: &Message) -> Result<Outcome, DeskError> {
        if !message.is_staff() {
            self.load_conversations(std::slice::from_ref(&message.issuer.conversation)).await?;
        }
        let own: Vec<TicketKey> = self
            .tickets()
            .filter(|(_, t)| !t.state.is_over())
            .filter(|(_, t)| message.owns(t) || (!message.is_staff() && t.origin == message.issuer.conversation))
            .map(|(key, _)| key.clone())
            .collect();
        if let [only] = own.as_slice() {
            self.tell_status(message, only).await?;
            return Ok(Outcome::new(Disposition::Commanded, Some(only.clone()), "查询；"));
        }
        let tickets: Vec<&Ticket> = own.iter().filter_map(|key| self.ticket(key)).collect();
        let lines = self.lines(message, &tickets);
        Ok(self.list(message, "未完成的工单：", &lines))
    }

    /// 谁会被通知 N: the coming steps, without anything happening.
    pub(super) fn who_would_hear(&mut self, message: &Message, key: &TicketKey) -> Outcome {
        let (Some(ticket), Some(terms)) = (self.ticket(key).cloned(), self.terms(&key.contract)) else {
            return Outcome::new(Disposition::Refused, None, "没有这个工单；");
        };
        let directory = self.library.directory.clone();
        let until = self.now + SignedDuration::from_hours(24 * 30);
        let lines = forecast(&ticket, &directory, &terms, until, LINES, &|c| self.desk.has_channel(c));
        let mut text = vec![format!("{} 接下来的提醒：", shown(&terms, ticket.number, message.issuer.several))];
        for line in &lines {
            let who =
                line.person.as_deref().and_then(|id| directory.person(id)).map_or("（无人）", |p| p.name.as_str());
            let promise =
                line.commitment.and_then(crate::rules::profile::Promise::from_id).map_or("工单", |p| p.zh());
            text.push(format!("{} {promise} → {who}", local_time(&terms, line.at, self.now)));
        }
        if lines.is_empty() {
            text.push("没有待触发的提醒。".to_owned());
        }
        self.say_status(message, Some(key), &text.join("\n"));
        Outcome::new(Disposition::Commanded, Some(key.clone()), "升级预演；")
    }

    /// What this person may do here, and nothing else.
    pub(super) fn help(&mut self, message: &Message, disposition: Disposition) -> Outcome {
        let staff = message.is_staff();
        let groups: &[(&str, &[CommandName])] = if staff {
            use CommandName as C;
            &[
                ("接单", &[C::Claim, C::Assign, C::Assist, C::OnBehalf]),
                ("处理", &[C::Progress, C::Suspend, C::Resume, C::Resolve, C::Close, C::Reopen]),
                ("调整", &[C::Severity, C::Category, C::Merge, C::Link, C::NotProblem, C::Withdraw]),
                ("现场", &[C::Visit, C::Arrive, C::Leave, C::Support, C::ThirdParty]),
                ("变更", &[C::Change, C::Upgrade, C::ConfirmNeed]),
                ("查看", &[C::Mine, C::Todo, C::Status, C::Duty, C::Swap, C::Escalation]),
                ("提醒", &[C::Ack, C::Mute, C::ConfirmReport]),
                ("例行", &[C::Inspection, C::FinishDuty, C::Harvest]),
                ("负责人", &[C::Dispatch, C::Broadcast, C::Maintenance, C::Weekly, C::Monthly]),
            ]
        } else {
            use CommandName as C;
            &[("常用", &[C::Status, C::Urge, C::Human, C::Evaluate, C::Withdraw, C::Bind])]
        };
        let leads = message.speaker == Speaker::Lead;
        let may = |name: &&CommandName| match name.who() {
            // 确认 of an engineer would be refused: reports are confirmed by leads.
            Who::Anyone if **name == CommandName::ConfirmReport => leads,
            Who::Anyone => true,
            Who::Engineer => staff,
            Who::Lead => leads,
        };
        let lines: Vec<String> = groups
            .iter()
            .filter_map(|(title, names)| {
                let words: Vec<&str> = names.iter().filter(may).map(|name| usage(*name)).collect();
                (!words.is_empty()).then(|| format!("{title}：{}", words.join(" · ")))
            })
            .collect();
        let words =
            self.words("help", json!({ "staff": staff, "lines": lines, "hotline": message.terms.profile.hotline }));
        self.reply(message, Said::new(Kind::Help, words));
        Outcome::new(disposition, None, "帮助；")
    }
}

/// How a command is typed.
fn usage(name: CommandName) -> &'static str {
    use CommandName as C;
    match name {
        C::Help => "帮助",
        C::Status => "查询 编号",
        C::Human => "转人工",
        C::Evaluate => "评价 编号 1–5 意见",
        C::Urge => "催办 编号",
        C::Withdraw => "撤回 编号",
        C::Bind => "绑定 绑定码",
        C::Claim => "认领 编号",
        C::Assign => "转派 编号 @人",
        C::Assist => "协办 编号 @人",
        C::Progress => "进展 编号 内容",
        C::Suspend => "挂起 编号 原因",
        C::Resume => "恢复 编号",
        C::Severity => "改级 编号 级别",
        C::Category => "改类 编号 类别",
        C::Visit => "上门 编号",
        C::Arrive => "到场 编号",
        C::Leave => "离场 编号",
        C::Support => "支援 编号",
        C::ThirdParty => "第三方 编号 单位",
        C::Resolve => "解决 编号 结果",
        C::Close => "关闭 编号",
        C::Reopen => "重开 编号",
        C::Merge => "合并 编号 并入编号",
        C::Link => "关联 编号 编号",
        C::OnBehalf => "代报 单位 人 电话 问题",
        C::Mine => "我的",
        C::Todo => "待办",
        C::Duty => "值班",
        C::Swap => "换班 @人 日期",
        C::Ack => "收到 编号",
        C::Inspection => "巡检",
        C::FinishDuty => "完成任务 编号 结果",
        C::Harvest => "收录 编号",
        C::NotProblem => "不是问题 编号",
        C::ConfirmReport => "确认 编号",
        C::Dispatch => "指派 编号 @人",
        C::Mute => "暂停提醒 编号 时长",
        C::Weekly => "周报",
        C::Monthly => "月报",
        C::Broadcast => "播报 内容",
        C::Upgrade => "升级 编号 开始|完成",
        C::ConfirmNeed => "需求确认 编号",
        C::Change => "变更 编号 方案：… 应急：… 回退：… 时间：…",
        C::Escalation => "谁会被通知 编号",
        C::Maintenance => "维护窗口 系统 起止 说明",
    }
}

/// Events of a ticket in the form of the state file: `{at, kind, by, channel, text?}`.
pub fn events_json(events: &[Recorded], zone: &dyn Fn(jiff::Timestamp) -> String) -> Vec<Value> {
    events
        .iter()
        .filter_map(|event| {
            let body: Value = serde_json::from_str(&event.body).ok()?;
            let at: jiff::Timestamp = body["at"].as_str()?.parse().ok()?;
            let mut line = json!({
                "at": zone(at), "kind": body["kind"], "by": body["by"], "channel": body["channel"], "seq": event.seq,
            });
            if body["text"].as_str().is_some_and(|text| !text.is_empty()) {
                line["text"] = body["text"].clone();
            }
            if body["data"].as_object().is_some_and(|data| !data.is_empty()) {
                line["data"] = body["data"].clone();
            }
            Some(line)
        })
        .collect()
}
