//! Chat commands: which ticket is meant, whether this person may, what it does, and what is answered.

use jiff::SignedDuration;
use serde_json::json;
use zhishou_intents::{Command, CommandName, Speaker, TicketRef, Who, duration_minutes};

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::change::change_parts;
use super::occasion::{shorten, summary};
use super::said::Said;
use super::take::{Message, Outcome, Question, command_text};
use crate::rules::notice::Kind;
use crate::rules::profile::Promise;
use crate::rules::ticket::{Actor, Event, Opening, Refusal, State, Ticket};
use crate::store::TicketKey;

/// Most candidates that are listed to choose from.
const CANDIDATES: usize = 9;

impl Batch<'_> {
    pub(super) async fn command(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        if let Some(outcome) = self.no_right(message, command).await? {
            return Ok(outcome);
        }
        if let Some(outcome) = self.doubted(message, command) {
            return Ok(outcome);
        }
        match command.name {
            CommandName::Help => Ok(self.help(message, Disposition::Commanded)),
            CommandName::Human => self.human(message, command).await,
            CommandName::Bind => self.bind(message, command).await,
            CommandName::OnBehalf => self.on_behalf(message, command).await,
            CommandName::Mine => Ok(self.mine(message)),
            CommandName::Todo => self.todo(message).await,
            CommandName::Duty => Ok(self.duty(message, command)),
            CommandName::Swap => {
                self.load_shut().await?;
                Ok(self.swap(message, command))
            }
            CommandName::Broadcast => Ok(self.broadcast(message, command)),
            CommandName::Maintenance => Ok(self.maintenance(message, command)),
            CommandName::Inspection | CommandName::FinishDuty => {
                Ok(self.status(message, "例行任务会按合同的周期在这里提醒，完成后回复「完成任务 编号 结果」登记；任务登记功能随控制台一起开放。"))
            }
            CommandName::Harvest => {
                Ok(self.status(message, "「收录 编号」会把已解决的工单整理成问答条目，经确认后加入知识库；该功能即将开放。"))
            }
            CommandName::Weekly | CommandName::Monthly => {
                Ok(self.status(message, "报告会按合同模板从工单记录生成并发到这里；该功能随文档模块一起开放。"))
            }
            CommandName::Status if command.ticket.is_none() && message.quoted.is_none() => self.my_status(message).await,
            CommandName::Ack if command.ticket.is_none() && message.quoted.is_none() => self.ack_all(message).await,
            CommandName::Merge => self.merge(message, command).await,
            CommandName::Link => self.link(message, command).await,
            _ => match self.target(message, command).await? {
                Ok(key) => self.on_ticket(message, command, &key).await,
                Err(outcome) => Ok(outcome),
            },
        }
    }

    /// An unknown person's engineer's command is refused politely, once a day in a conversation, then without a word.
    async fn no_right(&mut self, message: &Message, command: &Command) -> Result<Option<Outcome>, DeskError> {
        let entry = match (command.name.who(), message.speaker) {
            (Who::Anyone, _) | (Who::Engineer, Speaker::Engineer | Speaker::Lead) | (Who::Lead, Speaker::Lead) => {
                return Ok(None);
            }
            // A requester may reopen what is his own.
            (Who::Engineer, Speaker::Requester) if command.name == CommandName::Reopen => return Ok(None),
            (Who::Lead, Speaker::Engineer) => "refusal.lead",
            (Who::Engineer | Who::Lead, Speaker::Requester) => "refusal.right",
        };
        let known = message.person.is_some();
        let mark = format!("right|{}|{}", message.issuer.conversation, message.inbound.sender);
        if known || self.once(&mark, 24).await? {
            let words = self.words(entry, json!({ "command": command.name.zh() }));
            self.reply(message, Said::new(Kind::Refusal, words));
        }
        Ok(Some(Outcome::new(Disposition::Refused, None, "没有这项权限；")))
    }

    // ---------------------------------------------------------------- which ticket

    /// The ticket a command means: named, quoted, or the only one it can mean.
    async fn target(&mut self, message: &Message, command: &Command) -> Result<Result<TicketKey, Outcome>, DeskError> {
        if let Some(number) = &command.ticket {
            return self.named(message, number, command).await;
        }
        if let Some(key) = message.quoted.clone().filter(|key| self.ticket(key).is_some_and(|t| message.may_see(t))) {
            return Ok(Ok(key));
        }
        let fits = fits(command.name, message);
        let mut keys: Vec<TicketKey> =
            self.tickets().filter(|(_, t)| message.owns(t) && fits(t)).map(|(key, _)| key.clone()).collect();
        if message.is_staff() && (keys.is_empty() || reaches_beyond(command.name)) {
            let live = self.load_live(&message.place.contract).await?;
            keys = live
                .into_iter()
                .filter(|key| self.ticket(key).is_some_and(|t| message.may_see(t) && fits(t)))
                .collect();
        }
        match keys.as_slice() {
            [only] => Ok(Ok(only.clone())),
            [] => {
                let words = self.words("refusal.nothing", json!({ "command": command.name.zh() }));
                self.reply(message, Said::new(Kind::Refusal, words));
                Ok(Err(Outcome::new(Disposition::Asked, None, "没有可以操作的工单；")))
            }
            several => Ok(Err(self.ask_which(message, command, several))),
        }
    }

    async fn named(
        &mut self,
        message: &Message,
        number: &TicketRef,
        command: &Command,
    ) -> Result<Result<TicketKey, Outcome>, DeskError> {
        let contracts: Vec<String> = match &number.code {
            Some(code) => self
                .desk
                .contracts
                .values()
                .filter(|c| c.terms.profile.code.eq_ignore_ascii_case(code))
                .map(|c| c.terms.id.clone())
                .collect(),
            None if message.is_staff() && message.place.private => self.desk.contracts.keys().cloned().collect(),
            None => vec![message.place.contract.clone()],
        };
        let keys: Vec<TicketKey> =
            contracts.into_iter().map(|contract| TicketKey { contract, number: number.number }).collect();
        self.load(&keys).await?;
        let found: Vec<TicketKey> =
            keys.into_iter().filter(|key| self.ticket(key).is_some_and(|ticket| message.may_see(ticket))).collect();
        match found.as_slice() {
            [only] => Ok(Ok(only.clone())),
            [] => {
                // The same words whether it is another agency's or does not exist: nothing is given away.
                let words = self.words("refusal.unknown", json!({ "text": number.to_string() }));
                self.reply(message, Said::new(Kind::Refusal, words));
                Ok(Err(Outcome::new(Disposition::Refused, None, "没有这个工单，或不属于这里；")))
            }
            several => Ok(Err(self.ask_which(message, command, several))),
        }
    }

    fn ask_which(&mut self, message: &Message, command: &Command, keys: &[TicketKey]) -> Outcome {
        let keys: Vec<TicketKey> = keys.iter().take(CANDIDATES).cloned().collect();
        let choices: Vec<String> = keys
            .iter()
            .map(|key| {
                let words = self.ticket(key).map(|t| shorten(&summary(t), 24)).unwrap_or_default();
                let number = self.numbered_for(message, key);
                format!("{number} {words}")
            })
            .collect();
        let text = format!("「{}」是指哪一个工单？", command.name.zh());
        let words = self.words("ask.ticket", json!({ "text": text, "choices": choices }));
        self.reply(message, Said::new(Kind::Ask, words));
        let mut template = Command { ticket: Some(TicketRef::bare(0)), ..command.clone() };
        template.colloquial = false;
        let command = command_text(&template).replacen(" 0", " {}", 1);
        self.remember(message, &Question::Ticket { keys, command });
        Outcome::new(Disposition::Asked, None, "不止一个工单，请对方选；")
    }

    // ---------------------------------------------------------------- on one ticket

    async fn on_ticket(&mut self, message: &Message, command: &Command, key: &TicketKey) -> Result<Outcome, DeskError> {
        let text = command.text.trim().to_owned();
        let event = match command.name {
            CommandName::Status => {
                self.tell_status(message, key).await?;
                return Ok(commanded(key, "查询"));
            }
            CommandName::Urge => {
                let text = if text.is_empty() { "请尽快处理".to_owned() } else { text };
                let outcome = self.urge(message, key, &text).await?;
                return Ok(Outcome { disposition: Disposition::Commanded, ..outcome });
            }
            CommandName::Evaluate => return self.evaluate_command(message, command, key).await,
            CommandName::Escalation => return Ok(self.who_would_hear(message, key)),
            CommandName::Withdraw => {
                let own = self.ticket(key).is_some_and(|t| message.owns(t)) || message.is_staff();
                if !own {
                    let words = self.words("refusal", json!({ "text": "只有提出人可以撤回这个工单。" }));
                    self.reply(message, Said::new(Kind::Refusal, words));
                    return Ok(Outcome::new(Disposition::Refused, Some(key.clone()), "不是本人的工单；"));
                }
                Event::Withdraw { text: withdrawn_because(message.is_staff(), text), unfounded: false }
            }
            CommandName::NotProblem => {
                let text = if text.is_empty() { "经核实不是问题".to_owned() } else { text };
                Event::Withdraw { text, unfounded: true }
            }
            CommandName::Claim => Event::Claim,
            CommandName::Assign | CommandName::Dispatch | CommandName::Assist => {
                match self.colleague(message, command, key) {
                    Ok(to) if command.name == CommandName::Assist => Event::Assist { who: to },
                    Ok(to) => Event::Assign { to },
                    Err(outcome) => return Ok(outcome),
                }
            }
            CommandName::Progress => Event::Progress { text, spoken: false },
            CommandName::Suspend => Event::Suspend { reason: text },
            CommandName::Resume => Event::Resume,
            CommandName::Severity => Event::Severity { to: command.word.clone().unwrap_or(text) },
            CommandName::Category => Event::Category { to: command.word.clone().unwrap_or(text) },
            CommandName::Visit => Event::Visit,
            CommandName::Arrive => Event::Arrive,
            CommandName::Leave => Event::Leave,
            CommandName::Support => Event::Support,
            CommandName::ThirdParty => Event::ThirdParty { unit: command.word.clone().unwrap_or(text) },
            CommandName::Upgrade => Event::Upgrade { begun: command.word.as_deref() != Some("finish") },
            CommandName::ConfirmNeed => Event::ConfirmNeed,
            CommandName::Change => {
                let (parts, window) = change_parts(&text, self.now, message);
                Event::Change { parts, window }
            }
            CommandName::Resolve => Event::Resolve { text },
            CommandName::Close => Event::Close { text },
            CommandName::Reopen => Event::Reopen { text },
            // The engineer's reminders are the engineer's to quiet.
            CommandName::Ack if self.awaits_lead(message, key) => {
                return Ok(self.ack_without_reminder(message, Some(key)));
            }
            CommandName::Ack => Event::Acknowledge,
            CommandName::ConfirmReport if message.speaker == Speaker::Lead => Event::AcknowledgeReport,
            CommandName::ConfirmReport if !message.is_staff() => {
                if self.ticket(key).is_none_or(|t| t.requester.id != message.actor.id) {
                    return self.second(message, key, "确认已解决").await;
                }
                Event::Confirm
            }
            CommandName::ConfirmReport => {
                let words = self.words("refusal.lead", json!({ "command": "确认" }));
                self.reply(message, Said::new(Kind::Refusal, words));
                return Ok(Outcome::new(Disposition::Refused, Some(key.clone()), "确认上报由负责人操作；"));
            }
            CommandName::Mute => match command.word.as_deref().or(Some(text.as_str())).and_then(duration_minutes) {
                Some(minutes) => Event::Mute { until: self.now + SignedDuration::from_mins(i64::from(minutes)) },
                None => return Ok(self.missing(message, key, "提醒要暂停多久", "暂停提醒 3 2小时")),
            },
            CommandName::Help
            | CommandName::Human
            | CommandName::Bind
            | CommandName::OnBehalf
            | CommandName::Mine
            | CommandName::Todo
            | CommandName::Duty
            | CommandName::Swap
            | CommandName::Broadcast
            | CommandName::Maintenance
            | CommandName::Inspection
            | CommandName::FinishDuty
            | CommandName::Harvest
            | CommandName::Weekly
            | CommandName::Monthly
            | CommandName::Merge
            | CommandName::Link => return Ok(Outcome::new(Disposition::Noted, None, "指令不针对单个工单；")),
        };
        match self.decide(key, &event, &message.actor, Some(&message.issuer)).await? {
            Ok(()) => {
                if matches!(command.name, CommandName::Mute | CommandName::Ack) {
                    let words = if command.name == CommandName::Ack {
                        self.quieted(message, std::slice::from_ref(key))
                    } else {
                        "提醒已暂停，时限照常计算。".to_owned()
                    };
                    self.say_status(message, Some(key), &words);
                }
                self.carry_to_linked(message, key, &event).await?;
                Ok(commanded(key, command.name.zh()))
            }
            Err(refusal) => Ok(self.refuse(message, key, command.name.zh(), &refusal)),
        }
    }

    /// One incident, several tickets: what is said about one is said to all, and counts for each.
    async fn carry_to_linked(&mut self, message: &Message, key: &TicketKey, event: &Event) -> Result<(), DeskError> {
        if !matches!(event, Event::Claim | Event::Progress { .. } | Event::Resolve { .. }) {
            return Ok(());
        }
        let linked = self.ticket(key).map(|t| t.linked.clone()).unwrap_or_default();
        let keys: Vec<TicketKey> =
            linked.into_iter().map(|number| TicketKey { contract: key.contract.clone(), number }).collect();
        self.load(&keys).await?;
        for other in keys {
            // One that is already over, or claimed by somebody else, keeps its own course.
            let _ = self.decide(&other, event, &message.actor, None).await?;
        }
        Ok(())
    }

    async fn evaluate_command(
        &mut self,
        message: &Message,
        command: &Command,
        key: &TicketKey,
    ) -> Result<Outcome, DeskError> {
        if message.is_staff() {
            let words = self.words("refusal", json!({ "text": "评价由提出人填写。" }));
            self.reply(message, Said::new(Kind::Refusal, words));
            return Ok(Outcome::new(Disposition::Refused, Some(key.clone()), "工程师不能评价；"));
        }
        match command.score {
            Some(score) => self.evaluate_ticket(message, key, score, &command.text).await,
            None => Ok(self.missing(message, key, "分数", &format!("评价 {} 5", key.number))),
        }
    }

    fn colleague(&mut self, message: &Message, command: &Command, key: &TicketKey) -> Result<Actor, Outcome> {
        let mentioned = message
            .inbound
            .mentions
            .iter()
            .find_map(|account| self.library.directory.by_account(&message.inbound.channel, account))
            .filter(|person| person.role.is_staff() && person.serves(&key.contract))
            .cloned();
        let name = command.people.first().cloned().or_else(|| {
            let text = command.text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        });
        let directory = self.library.directory.clone();
        let people = match (&mentioned, &name) {
            (Some(person), _) => vec![person],
            (None, Some(name)) => directory.named(name, &key.contract),
            (None, None) => {
                return Err(self.missing(
                    message,
                    key,
                    "同事的名字",
                    &format!("{} {} @张工", command.name.zh(), key.number),
                ));
            }
        };
        match people.as_slice() {
            [person] => Ok(Actor {
                id: person.id.clone(),
                name: person.name.clone(),
                channel: message.issuer.conversation.clone(),
            }),
            [] => {
                let words = self.words("refusal.person", json!({ "text": name.unwrap_or_default() }));
                self.reply(message, Said::new(Kind::Refusal, words));
                Err(Outcome::new(Disposition::Refused, Some(key.clone()), "没有这位同事；"))
            }
            several => {
                let choices: Vec<&str> = several.iter().map(|p| p.name.as_str()).collect();
                let words = self
                    .words("ask.person", json!({ "text": name.unwrap_or_default(), "choices": choices.join("、") }));
                self.reply(message, Said::new(Kind::Ask, words));
                Err(Outcome::new(Disposition::Asked, Some(key.clone()), "同名的同事不止一位；"))
            }
        }
    }

    /// What 收到 brings: these reminders are not repeated, and what is still running is warned of all the same.
    fn quieted(&self, message: &Message, keys: &[TicketKey]) -> String {
        let numbers: Vec<String> = keys.iter().map(|key| self.numbered_for(message, key)).collect();
        let running = |t: &Ticket| t.commitments.iter().any(|c| c.outcome == crate::rules::ticket::Outcome::Running);
        let later = if keys.iter().any(|key| self.ticket(key).is_some_and(running)) {
            "；快到期时仍会提醒您"
        } else {
            ""
        };
        format!("好的，{} 暂时不再重复提醒{later}。", numbers.join("、"))
    }

    // ---------------------------------------------------------------- several tickets

    /// 收到 alone: everything this engineer has been reminded of.
    async fn ack_all(&mut self, message: &Message) -> Result<Outcome, DeskError> {
        let pinged = |t: &Ticket| {
            t.state.is_live() && t.pings.iter().any(|p| p.role == crate::rules::profile::Role::Engineer && p.fired > 0)
        };
        self.load_live(&message.place.contract).await?;
        let duty = crate::rules::roster::on_duty(&self.library.directory, &message.terms, self.now);
        let keys: Vec<TicketKey> = self
            .tickets()
            .filter(|(_, t)| pinged(t) && message.may_see(t))
            .filter(|(_, t)| message.owns(t) || (t.engineer.is_none() && duty.contains(&message.actor.id)))
            .map(|(key, _)| key.clone())
            .collect();
        if keys.is_empty() {
            return Ok(self.ack_without_reminder(message, None));
        }
        for key in &keys {
            // One that has ended meanwhile has no reminders to quiet.
            let _ = self.decide(key, &Event::Acknowledge, &message.actor, None).await?;
        }
        let words = self.quieted(message, &keys);
        self.say_status(message, keys.first(), &words);
        Ok(commanded(&keys[0], "收到"))
    }

    async fn merge(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        let pair = self.numbered(message, command).await?;
        let [first, second, ..] = pair.as_slice() else {
            return Ok(self.incomplete(message, "两个工单编号", "合并 5 3（5 并入 3）"));
        };
        let Some(other) = self.ticket(first).cloned().filter(|_| first != second) else {
            return Ok(self.incomplete(message, "两个不同的工单编号", "合并 5 3（5 并入 3）"));
        };
        // Both or neither: a merger is refused before either side has changed.
        for key in [first, second] {
            if let Some(state) = self.ticket(key).map(|t| t.state).filter(|state| !state.is_live()) {
                return Ok(self.refuse(message, key, "合并", &Refusal::State(state)));
            }
        }
        let into = Event::MergeInto { number: second.number };
        for (key, event) in [(second, Event::Absorb { other: Box::new(other) }), (first, into)] {
            if let Err(refusal) = self.decide(key, &event, &message.actor, Some(&message.issuer)).await? {
                return Ok(self.refuse(message, key, "合并", &refusal));
            }
        }
        Ok(commanded(first, "合并"))
    }

    async fn link(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        let keys = self.numbered(message, command).await?;
        if keys.len() < 2 {
            return Ok(self.incomplete(message, "至少两个工单编号", "关联 3 4 5"));
        }
        for key in &keys {
            let others = keys.iter().filter(|other| *other != key).map(|other| (other.number, String::new())).collect();
            if let Err(refusal) =
                self.decide(key, &Event::Link { others }, &message.actor, Some(&message.issuer)).await?
            {
                return Ok(self.refuse(message, key, "关联", &refusal));
            }
        }
        let numbers: Vec<String> = keys.iter().map(|key| format!("#{}", key.number)).collect();
        self.say_status(message, keys.first(), &format!("{} 已关联，进展和结果会同时告知各方。", numbers.join("、")));
        Ok(commanded(&keys[0], "关联"))
    }

    /// The tickets a command names, those that exist and may be seen.
    async fn numbered(&mut self, message: &Message, command: &Command) -> Result<Vec<TicketKey>, DeskError> {
        let numbers: Vec<u64> = command.ticket.iter().chain(&command.more).map(|r| r.number).collect();
        let contract = match command.ticket.as_ref().and_then(|r| r.code.as_deref()) {
            Some(code) => self
                .desk
                .contracts
                .values()
                .find(|c| c.terms.profile.code.eq_ignore_ascii_case(code))
                .map_or_else(|| message.place.contract.clone(), |c| c.terms.id.clone()),
            None => message.place.contract.clone(),
        };
        let keys: Vec<TicketKey> =
            numbers.into_iter().map(|number| TicketKey { contract: contract.clone(), number }).collect();
        self.load(&keys).await?;
        Ok(keys.into_iter().filter(|key| self.ticket(key).is_some_and(|t| message.may_see(t))).collect())
    }

    // ---------------------------------------------------------------- without a ticket

    pub(super) fn incomplete(&mut self, message: &Message, what: &str, example: &str) -> Outcome {
        let words = self.words("ask.words", json!({ "text": what, "example": example }));
        self.reply(message, Said::new(Kind::Ask, words));
        Outcome::new(Disposition::Asked, None, "指令不完整；")
    }

    async fn human(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        let text = if command.text.trim().is_empty() { "请求人工服务".to_owned() } else { command.text.clone() };
        if let Some(key) = self.own_ticket(message, |t| t.state.is_live()) {
            let outcome = self.urge(message, &key, &text).await?;
            return Ok(Outcome { disposition: Disposition::Commanded, ..outcome });
        }
        let asked = self.dialogue(&message.dialogue.clone()).await?.and_then(|body| serde_json::from_str(&body).ok());
        let text = match asked {
            Some(Question::Faq { text: question, .. }) => question,
            Some(Question::Ticket { .. } | Question::Correction { .. }) | None => text,
        };
        self.open_ticket(message, &text, None).await
    }

    async fn on_behalf(&mut self, message: &Message, command: &Command) -> Result<Outcome, DeskError> {
        let (Some(unit), Some(reporter), Some(phone)) = (&command.unit, &command.reporter, &command.phone) else {
            return Ok(self.incomplete(
                message,
                "单位、联系人、电话和问题",
                "代报 市住建局 王科长 13800000000 登记系统打不开",
            ));
        };
        if command.text.trim().is_empty() {
            return Ok(self.incomplete(message, "问题描述", "代报 市住建局 王科长 13800000000 登记系统打不开"));
        }
        let channel = if self.desk.has_channel("sms") { "sms" } else { "phone" };
        let origin = format!("{channel}:user:{phone}");
        let requester = Actor { id: origin.replace(":user:", ":"), name: reporter.clone(), channel: origin.clone() };
        let Some(contract) = self.desk.contracts.get(&message.place.contract) else {
            return Ok(Outcome::new(Disposition::Refused, None, "合同未配置"));
        };
        let routing =
            zhishou_intents::route(&command.text, &zhishou_intents::Context::default(), &contract.lexicon, None);
        let terms = message.terms.clone();
        let key = self
            .open(&terms, &message.actor, Some(&message.issuer), |number, id| Opening {
                id,
                number,
                origin,
                requester,
                account: String::new(),
                unit: unit.clone(),
                phone: Some(phone.clone()),
                message: None,
                text: command.text.trim().to_owned(),
                attachments: message.inbound.attachments.iter().map(|a| a.name.clone()).collect(),
                severity: routing.severity.as_ref().map(|s| (s.id.clone(), s.words.clone())),
                category: routing.category.clone(),
                system: routing.system.clone(),
                problems: Vec::new(),
                doubt: None,
                follows: None,
            })
            .await?;
        let number = self.shown_number(message, &key);
        self.say_status(message, Some(&key), &format!("已为{unit}{reporter}登记工单 #{number}。"));
        Ok(Outcome::new(Disposition::Opened, Some(key), "代报；"))
    }

    fn broadcast(&mut self, message: &Message, command: &Command) -> Outcome {
        if command.text.trim().is_empty() {
            return self.incomplete(message, "播报内容", "播报 今晚 20:00 系统升级，请提前保存");
        }
        let directory = self.library.directory.clone();
        let mut count = 0;
        for conversation in &directory.file().conversation {
            let place = directory.place(&conversation.channel, &conversation.id, "");
            let here = place.is_some_and(|p| {
                p.contract == message.place.contract && p.kind == crate::rules::directory::ConversationKind::Requesters
            });
            if here && self.reachable(&conversation.name()) {
                let text = super::speak::masked(&message.terms, command.text.trim());
                self.say(&conversation.name(), Said::new(Kind::Status, text));
                count += 1;
            }
        }
        self.say_status(message, None, &format!("已发送到 {count} 个会话。"));
        Outcome::new(Disposition::Commanded, None, "播报；")
    }

    fn status(&mut self, message: &Message, text: &str) -> Outcome {
        self.say_status(message, None, text);
        Outcome::new(Disposition::Commanded, None, "")
    }

    pub(super) fn say_status(&mut self, message: &Message, key: Option<&TicketKey>, text: &str) {
        let mut said = Said::new(Kind::Status, text.to_owned());
        said.ticket = key.cloned();
        self.reply(message, said);
    }
}

/// Why a ticket was withdrawn; where the supplier's side did it, the requester reads that it was not himself.
fn withdrawn_because(staff: bool, text: String) -> String {
    match (staff, text.is_empty()) {
        (true, true) => "经办人撤回".to_owned(),
        (true, false) => format!("经办人撤回：{text}"),
        (false, true) => "提出人撤回".to_owned(),
        (false, false) => text,
    }
}

fn commanded(key: &TicketKey, why: &str) -> Outcome {
    Outcome::new(Disposition::Commanded, Some(key.clone()), format!("{why}；"))
}

/// Commands that may mean a ticket which is nobody's or somebody else's.
fn reaches_beyond(name: CommandName) -> bool {
    matches!(name, CommandName::Claim | CommandName::Dispatch | CommandName::ConfirmReport | CommandName::Mute)
}

/// Tickets a command without a number can mean.
fn fits(name: CommandName, message: &Message) -> impl Fn(&Ticket) -> bool + use<> {
    let requester = !message.is_staff();
    move |ticket: &Ticket| match name {
        CommandName::Claim => ticket.engineer.is_none() && ticket.state.is_live(),
        CommandName::Reopen | CommandName::Evaluate => matches!(ticket.state, State::Resolved | State::Closed),
        CommandName::ConfirmReport if requester => ticket.state == State::Resolved,
        CommandName::ConfirmReport => {
            ticket.unsettled(Promise::Report).is_some()
                || ticket
                    .pings
                    .iter()
                    .any(|p| p.role == crate::rules::profile::Role::Lead && p.fired > 0 && p.at.is_some())
        }
        CommandName::Resume => ticket.state == State::Suspended,
        CommandName::Close | CommandName::Withdraw | CommandName::Urge | CommandName::Status => !ticket.state.is_over(),
        _ => ticket.state.is_live(),
    }
}
