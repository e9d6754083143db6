//! One inbound message: who wrote it, what it is, what follows. It ends with exactly one disposition.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use zhishou_adapters::Inbound;
use zhishou_intents::{Band, Command, CommandName, Context, Intent, Place as Spot, Routing, Speaker, route_filtered};

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::letter;
use super::said::Said;
use super::speak::{Issuer, masked};
use super::thread::Thread;
use crate::rules::directory::{ConversationKind, Person, Place};
use crate::rules::notice::Kind;
use crate::rules::profile::Unsure;
use crate::rules::terms::Terms;
use crate::rules::ticket::{Actor, Event, Opening, State, Ticket};
use crate::store::{InboxRow, TicketKey};

/// What one person writes within this time of opening or touching a ticket belongs to it, unless it names something new.
const BURST: SignedDuration = SignedDuration::from_mins(5);
/// A command fetched from history after a gap is not carried out when it is older than this.
const STALE: SignedDuration = SignedDuration::from_mins(10);
/// How long an open question waits for its answer, in minutes.
pub(super) const DIALOGUE_MINUTES: i64 = 10;
/// The same where it was asked of a letter, in minutes.
const LETTER_MINUTES: i64 = 3 * 24 * 60;
/// Reports about one system within this time may be one incident.
const INCIDENT: SignedDuration = SignedDuration::from_mins(10);
/// Longest text that is taken up, in characters; the whole stays in the inbox.
const LONGEST: usize = 20_000;

/// What became of a message.
pub(super) struct Outcome {
    pub disposition: Disposition,
    pub ticket: Option<TicketKey>,
    pub why: String,
}

impl Outcome {
    pub(super) fn new(disposition: Disposition, ticket: Option<TicketKey>, why: impl Into<String>) -> Self {
        Self { disposition, ticket, why: why.into() }
    }
}

/// Everything that is known about a message before it is understood.
pub(super) struct Message {
    pub inbound: Inbound,
    pub place: Place,
    pub terms: Arc<Terms>,
    pub person: Option<Person>,
    pub speaker: Speaker,
    pub actor: Actor,
    pub issuer: Issuer,
    /// The ticket it quotes or answers, or whose card was pressed.
    pub quoted: Option<TicketKey>,
    /// The ticket in whose thread it stands.
    pub thread: Option<Thread>,
    /// What was found out about where it belongs, for the account of messages.
    pub note: String,
    /// Key of the dialogue with this person here.
    pub dialogue: String,
}

impl Message {
    pub(super) fn is_staff(&self) -> bool {
        self.speaker != Speaker::Requester
    }

    /// Whether a picture or file came with it.
    pub(super) fn has_enclosures(&self) -> bool {
        letter::enclosed(&self.inbound.attachments).next().is_some()
    }

    /// When it counts as written: now, or for what was caught up after a gap, when it was.
    pub(super) fn when(&self, now: jiff::Timestamp) -> jiff::Timestamp {
        if self.inbound.recovered { self.inbound.sent_at.min(now) } else { now }
    }

    /// Whether a ticket is one this person may see and speak of.
    pub(super) fn may_see(&self, ticket: &Ticket) -> bool {
        match &self.person {
            Some(person) if person.role.is_staff() => person.serves(&ticket.contract),
            _ => {
                ticket.hearers().any(|hearer| hearer == self.issuer.conversation)
                    || ticket.requester.id == self.actor.id
                    || self.thread.as_ref().is_some_and(|thread| thread.is_of(ticket))
                    || (!self.place.unit.is_empty()
                        && ticket.contract == self.place.contract
                        && ticket.unit == self.place.unit
                        && self.place.bound)
            }
        }
    }

    /// Whether a ticket is this person's own: opened by them, or claimed by them.
    pub(super) fn owns(&self, ticket: &Ticket) -> bool {
        if self.is_staff() {
            ticket.engineer.as_ref().is_some_and(|engineer| engineer.id == self.actor.id)
        } else {
            ticket.requester.id == self.actor.id || ticket.co_requesters.contains(&self.actor.id)
        }
    }
}

/// An open question the desk asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// Which FAQ entry; ids in the order shown. The text is what was asked.
    Faq { ids: Vec<String>, text: String },
    /// Which ticket a command means; the command as text with `{}` for the number.
    Ticket { keys: Vec<TicketKey>, command: String },
    /// Whether a corrected command was meant.
    Correction { command: String },
}

impl Batch<'_> {
    /// Takes one stored message.
    pub(super) async fn take(&mut self, row: &InboxRow) -> Result<(), DeskError> {
        self.caused_by(&row.id);
        let inbound: Inbound = match serde_json::from_str(&row.body) {
            Ok(inbound) => inbound,
            Err(error) => {
                tracing::error!(inbound.id = %row.id, %error, "a stored message cannot be read");
                self.dispose(&row.id, Disposition::Refused, None, "消息内容无法解析，原文已保留");
                return Ok(());
            }
        };
        let (cut, external_id, sender) = (inbound.cut.clone(), inbound.external_id.clone(), inbound.sender.clone());
        let queued = self.queued();
        let outcome = match self.meet_sender(inbound, row).await? {
            Ok(message) => match (&message.inbound.automatic, super::intake::cut_from_bytes(&row.body)) {
                (Some(why), _) => self.by_machine(&message, why).await?,
                (None, Some(bytes)) => self.too_long(&message, bytes).await?,
                (None, None) => {
                    let outcome = self.understand(&message).await?;
                    let known = message.person.is_some() && message.inbound.doubt.is_none();
                    if known && outcome.disposition == Disposition::Commanded {
                        self.commanded_since(queued);
                    }
                    outcome
                }
            },
            Err(outcome) => outcome,
        };
        if let (Some(key), Some(cut)) = (&outcome.ticket, cut) {
            let who = self.writer_id(&row.channel, &sender);
            let by = Actor { id: who, name: sender, channel: row.conversation.clone() };
            self.keep_cut(key, by, &cut, &external_id).await?;
        }
        self.dispose(&row.id, outcome.disposition, outcome.ticket.as_ref(), &outcome.why);
        Ok(())
    }

    /// A message of which only the head was kept. Its sender is told, once an hour: a pasted log often comes in many.
    async fn too_long(&mut self, message: &Message, bytes: usize) -> Result<Outcome, DeskError> {
        if self.once(&format!("long|{}", message.dialogue), 1).await? {
            let words = self.words("refusal.long", json!({}));
            self.reply(message, Said::new(Kind::Refusal, words));
        }
        Ok(Outcome::new(Disposition::Refused, None, format!("消息过长（{bytes} 字节），只保留开头，没有受理；")))
    }

    /// Who wrote, where, under which contract.
    async fn meet_sender(&mut self, inbound: Inbound, row: &InboxRow) -> Result<Result<Message, Outcome>, DeskError> {
        let directory = self.library.directory.clone();
        // Who was sent one of our mails answers under the contract of its ticket, wherever he belongs.
        let of_thread = || {
            let contract = TicketKey::parse(inbound.about.as_deref()?)?.contract;
            let (unit, kind) = (String::new(), ConversationKind::Requesters);
            Some(Place { contract, unit, kind, private: true, bound: false })
        };
        let place = directory.place(&inbound.channel, &inbound.conversation, &inbound.sender).or_else(of_thread);
        let terms = place.as_ref().and_then(|place| self.terms(&place.contract));
        let (Some(place), Some(terms)) = (place, terms) else {
            if inbound.automatic.is_some() {
                return Ok(Err(Outcome::new(Disposition::Noted, None, "不是人写的，会话也没有关联到任何合同")));
            }
            if let Some(outcome) = self.bind_from_anywhere(&inbound, &row.conversation).await? {
                return Ok(Err(outcome));
            }
            if inbound.addressed && self.once(&format!("refuse|{}", row.conversation), 24).await? {
                let hotline =
                    self.desk.contracts.values().map(|c| c.terms.profile.hotline.clone()).find(|h| !h.is_empty());
                let text = self.words("refusal.agency", json!({ "hotline": hotline }));
                self.say(&row.conversation, Said::new(Kind::Refusal, text));
            }
            return Ok(Err(Outcome::new(Disposition::Refused, None, "会话没有关联到任何合同")));
        };
        let person = directory.by_account(&inbound.channel, &inbound.sender).cloned();
        let speaker = match &person {
            Some(person) if person.role.leads() && person.serves(&place.contract) => Speaker::Lead,
            Some(person) if person.role.is_staff() && person.serves(&place.contract) => Speaker::Engineer,
            _ => Speaker::Requester,
        };
        let name = match &person {
            Some(person) => person.name.clone(),
            None if inbound.sender_name.trim().is_empty() => inbound.sender.clone(),
            None => super::occasion::shorten(&inbound.sender_name, 20),
        };
        let actor =
            Actor { id: self.writer_id(&inbound.channel, &inbound.sender), name, channel: row.conversation.clone() };
        let several =
            person.as_ref().is_some_and(|person| place.private && self.several(&|contract| person.serves(contract)));
        let issuer = Issuer {
            conversation: row.conversation.clone(),
            message: inbound.external_id.clone(),
            account: inbound.sender.clone(),
            requesters: place.kind == ConversationKind::Requesters,
            several,
        };
        let dialogue = format!("{}|{}", row.conversation, inbound.sender);
        let (quoted, thread, note) = (None, None, String::new());
        let mut message =
            Message { inbound, place, terms, person, speaker, actor, issuer, quoted, thread, note, dialogue };
        self.bind_to_ticket(&mut message).await?;
        // Who writes from a way on which nothing arrived can be reached there again; a machine proves nothing.
        if message.person.is_some() && message.inbound.automatic.is_none() && message.inbound.doubt.is_none() {
            self.open_again(&row.conversation).await?;
        }
        Ok(Ok(message))
    }

    async fn understand(&mut self, message: &Message) -> Result<Outcome, DeskError> {
        if message.is_staff() {
            self.load_engineers(std::slice::from_ref(&message.actor.id)).await?;
        } else {
            let pair = (message.issuer.conversation.clone(), message.actor.id.clone());
            self.load_requesters(std::slice::from_ref(&pair)).await?;
            // What was merged is spoken of where it goes on.
            let merged: Vec<TicketKey> = self
                .tickets()
                .filter(|(_, t)| t.requester.id == message.actor.id)
                .filter_map(|(key, t)| t.merged_into.map(|number| TicketKey { contract: key.contract.clone(), number }))
                .collect();
            self.load(&merged).await?;
        }
        if let Some(key) = &message.quoted {
            self.load(std::slice::from_ref(key)).await?;
        }
        let question: Option<Question> =
            self.dialogue(&message.dialogue).await?.and_then(|body| serde_json::from_str(&body).ok());
        if let Some(press) = &message.inbound.press {
            let outcome = self.pressed(message, &press.action).await?;
            // A button is a command, whatever it does to the ticket.
            let appended = outcome.disposition == Disposition::Appended;
            let disposition = if appended { Disposition::Commanded } else { outcome.disposition };
            return Ok(Outcome { disposition, ..outcome });
        }
        let mut text: String = message.inbound.text.chars().take(LONGEST).collect();
        let context = self.context(message, question.as_ref());
        let Some(contract) = self.desk.contracts.get(&message.place.contract) else {
            return Ok(Outcome::new(Disposition::Refused, None, "合同未配置"));
        };
        let (faq, role) = (self.library.faq.clone(), role_id(message.speaker));
        let read = |text: &str| {
            route_filtered(text, &context, &contract.lexicon, Some(&faq), &|at| {
                faq.entry(at).is_some_and(|entry| {
                    entry.contract.as_deref().is_none_or(|c| c == message.place.contract)
                        && entry.role.as_deref().is_none_or(|r| r == role)
                })
            })
        };
        let mut routing = read(&text);
        // A command may stand below a subject as well as in it.
        if let Some((_, body)) = letter::parts(&text)
            && (message.is_staff() || !body.contains('\n'))
            && !matches!(routing.intent, Intent::Command(_))
        {
            let below = read(body);
            if matches!(&below.intent, Intent::Command(command) if !command.colloquial) {
                (text, routing) = (body.to_owned(), below);
            }
        }
        let outcome = self.follow(message, &text, &routing, question).await?;
        Ok(Outcome { why: format!("{}{}{}", message.note, outcome.why, because(&routing)), ..outcome })
    }

    fn context(&self, message: &Message, question: Option<&Question>) -> Context<'static> {
        let own: Vec<&Ticket> = self.tickets().map(|(_, t)| t).filter(|t| message.owns(t)).collect();
        let here = |t: &&&Ticket| t.hearers().any(|hearer| hearer == message.issuer.conversation);
        Context {
            speaker: message.speaker,
            place: match (message.place.private, message.place.kind) {
                (true, _) => Spot::Private,
                (false, ConversationKind::Requesters) => Spot::Requesters,
                (false, ConversationKind::Engineers) => Spot::Engineers,
            },
            addressed: message.inbound.addressed || message.place.private,
            open_tickets: own.iter().filter(|t| t.state.is_live()).count(),
            recent_ticket: !message.is_staff()
                && own
                    .iter()
                    .filter(here)
                    .any(|t| t.state.is_live() && message.when(self.now) - t.touched_at.max(t.opened_at) < BURST),
            awaits_confirmation: !message.is_staff() && own.iter().any(|t| t.state == State::Resolved),
            awaits_supply: !message.is_staff() && own.iter().any(|t| t.state == State::Suspended),
            quotes_ticket: message.quoted.is_some(),
            choices: match question {
                Some(Question::Faq { ids, .. }) => ids.len(),
                Some(Question::Ticket { keys, .. }) => keys.len(),
                Some(Question::Correction { .. }) | None => 0,
            },
            has_attachment: message.has_enclosures(),
            confirm_reply: matches!(question, Some(Question::Correction { .. })),
            ..Context::default()
        }
    }

    async fn follow(
        &mut self,
        message: &Message,
        text: &str,
        routing: &Routing,
        question: Option<Question>,
    ) -> Result<Outcome, DeskError> {
        // An engineer's word under a ticket in the requester's own group is heard there, whatever it sounds like.
        let talk = !matches!(
            routing.intent,
            Intent::Command(_) | Intent::Unknown { .. } | Intent::AcceptSuggestion | Intent::Choice(_)
        );
        if talk && message.is_staff() && message.quoted.is_some() && message.issuer.requesters && !message.place.private
        {
            return self.staff_talk(message, text).await;
        }
        if let Some(outcome) = self.in_thread(message, text, routing).await? {
            return Ok(outcome);
        }
        let stale = message.inbound.recovered && self.now - message.inbound.sent_at > STALE;
        match &routing.intent {
            Intent::Command(_) | Intent::AcceptSuggestion if stale => {
                Ok(Outcome::new(Disposition::Noted, None, "断线期间的指令已过时，未执行；"))
            }
            Intent::Command(command) => self.command(message, command).await,
            Intent::Unknown { typed, suggestion } => Ok(self.mistyped(message, typed, suggestion.as_ref())),
            Intent::AcceptSuggestion => match question {
                Some(Question::Correction { command }) => self.typed(message, &command).await,
                Some(Question::Faq { .. } | Question::Ticket { .. }) | None => {
                    Ok(Outcome::new(Disposition::Noted, None, "没有待确认的指令；"))
                }
            },
            Intent::Choice(number) => self.chosen(message, *number, question).await,
            Intent::Evaluation { score, text } => self.evaluate(message, *score, text).await,
            Intent::FollowUp(what) => self.follow_up(message, *what, text, routing).await,
            Intent::Question if message.is_staff() && !message.inbound.addressed && !message.place.private => {
                Ok(Outcome::new(Disposition::Noted, None, "工程师之间的交谈；"))
            }
            Intent::Question => self.question(message, text, routing).await,
            Intent::Request if message.is_staff() => self.staff_talk(message, text).await,
            Intent::Request => self.request(message, text, routing).await,
            Intent::Greeting if message.inbound.addressed || message.place.private => {
                let entry = if message.is_staff() { "ask.staff" } else { "ask.what" };
                let text = self.words(entry, json!({ "name": message.actor.name }));
                self.reply(message, Said::new(Kind::Ask, text));
                Ok(Outcome::new(Disposition::Asked, None, "打招呼，请对方说明问题；"))
            }
            Intent::Thanks | Intent::Greeting | Intent::Chitchat | Intent::NotForUs => self.talk(message, text).await,
        }
    }

    /// Talk that asks for nothing. A picture without words, or a sentence under a quoted ticket, still belongs somewhere.
    async fn talk(&mut self, message: &Message, text: &str) -> Result<Outcome, DeskError> {
        if message.is_staff() {
            return self.staff_talk(message, text).await;
        }
        if message.has_enclosures()
            && let Some(key) = self.own_ticket(message, |t| t.state.is_live())
        {
            return self.append(message, &key, text).await;
        }
        if text.trim().is_empty() && message.has_enclosures() {
            if message.inbound.addressed || message.place.private {
                let text = self.words("ask.what", json!({}));
                self.reply(message, Said::new(Kind::Ask, text));
                return Ok(Outcome::new(Disposition::Asked, None, "只有图片，请对方说明；"));
            }
            return Ok(Outcome::new(Disposition::Noted, None, "只有图片，没有文字；"));
        }
        Ok(Outcome::new(Disposition::Noted, None, "闲聊或与服务无关；"))
    }

    /// What an engineer says without a command: in the requester's conversation, under a ticket, it is progress that has
    /// already reached the requester.
    async fn staff_talk(&mut self, message: &Message, text: &str) -> Result<Outcome, DeskError> {
        if let Some(key) = &message.quoted
            && !message.place.private
            && message.issuer.requesters
            && self.ticket(key).is_some_and(|t| t.origin == message.issuer.conversation && !t.state.is_over())
            && !text.trim().is_empty()
        {
            let event = Event::Progress { text: text.to_owned(), spoken: true };
            if self.decide(key, &event, &message.actor, Some(&message.issuer)).await?.is_ok() {
                return Ok(Outcome::new(Disposition::Appended, Some(key.clone()), "工程师在提出人会话中直接答复；"));
            }
        }
        if message.inbound.addressed || message.place.private {
            return Ok(self.help(message, Disposition::Asked));
        }
        Ok(Outcome::new(Disposition::Noted, None, "工程师之间的交谈；"))
    }

    async fn question(&mut self, message: &Message, text: &str, routing: &Routing) -> Result<Outcome, DeskError> {
        let addressed = message.inbound.addressed || message.place.private;
        let best = routing.faq.first().and_then(|hit| self.library.faq.entry_by_id(&hit.id).cloned());
        if routing.faq_band == Band::Answer
            && let Some(entry) = best
        {
            return Ok(self.answer(message, &entry.id, &entry.answer));
        }
        if routing.faq_band == Band::Offer && addressed {
            let ids: Vec<String> = routing.faq.iter().take(3).map(|hit| hit.id.clone()).collect();
            let titles: Vec<String> = ids
                .iter()
                .filter_map(|id| self.library.faq.entry_by_id(id).map(|entry| entry.question.clone()))
                .collect();
            let words = self.words("ask.faq", json!({ "choices": titles }));
            self.reply(message, Said::new(Kind::Ask, words));
            self.remember(message, &Question::Faq { ids, text: text.to_owned() });
            return Ok(Outcome::new(Disposition::Asked, None, "请对方从相近的问答里选；"));
        }
        if message.is_staff() {
            return Ok(Outcome::new(Disposition::Noted, None, "工程师的提问，知识库没有答案；"));
        }
        // A question nobody answers is work for a person.
        if addressed || routing.speak || routing.confidence >= 0.5 {
            return self.request(message, text, routing).await;
        }
        Ok(Outcome::new(Disposition::Noted, None, "像是提问，但不确定是问我们；"))
    }

    pub(super) fn answer(&mut self, message: &Message, id: &str, answer: &str) -> Outcome {
        let words = self.words("answer", json!({ "text": answer }));
        let mut said = Said::new(Kind::Answer, masked(&message.terms, &words));
        said.faq = Some(id.to_owned());
        self.reply(message, said);
        Outcome::new(Disposition::Answered, None, format!("知识库 {id}；"))
    }

    async fn chosen(
        &mut self,
        message: &Message,
        number: usize,
        question: Option<Question>,
    ) -> Result<Outcome, DeskError> {
        self.ask(&message.dialogue.clone(), 0, String::new());
        match question {
            Some(Question::Faq { ids, text }) => {
                let entry = number.checked_sub(1).and_then(|at| ids.get(at));
                match entry.and_then(|id| self.library.faq.entry_by_id(id).cloned()) {
                    Some(entry) => Ok(self.answer(message, &entry.id, &entry.answer)),
                    None => self.open_ticket(message, &text, None).await,
                }
            }
            Some(Question::Ticket { keys, command }) => match number.checked_sub(1).and_then(|at| keys.get(at)) {
                Some(key) => {
                    let number = self.shown_number(message, key);
                    self.typed(message, &command.replace("{}", &number)).await
                }
                None => Ok(Outcome::new(Disposition::Noted, None, "没有这个选项；")),
            },
            Some(Question::Correction { .. }) | None => Ok(Outcome::new(Disposition::Noted, None, "没有待选的问题；")),
        }
    }

    /// Carries out a command that stands as text: a chosen, corrected or pressed one.
    pub(super) async fn typed(&mut self, message: &Message, command: &str) -> Result<Outcome, DeskError> {
        self.ask(&message.dialogue.clone(), 0, String::new());
        let Some(contract) = self.desk.contracts.get(&message.place.contract) else {
            return Ok(Outcome::new(Disposition::Refused, None, "合同未配置"));
        };
        let context = Context { speaker: message.speaker, place: Spot::Private, addressed: true, ..Context::default() };
        let routing = zhishou_intents::route(command, &context, &contract.lexicon, None);
        match &routing.intent {
            Intent::Command(command) => Box::pin(self.command(message, command)).await,
            _ => Ok(Outcome::new(Disposition::Noted, None, "指令无法执行；")),
        }
    }

    fn mistyped(&mut self, message: &Message, typed: &str, suggestion: Option<&Command>) -> Outcome {
        let command = suggestion.map(command_text);
        let words = self.words("ask.mistyped", json!({ "typed": typed, "suggestion": command }));
        self.reply(message, Said::new(Kind::Ask, words));
        if let Some(command) = command {
            self.remember(message, &Question::Correction { command });
        }
        Outcome::new(Disposition::Asked, None, "像指令但写错了，未执行；")
    }

    async fn request(&mut self, message: &Message, text: &str, routing: &Routing) -> Result<Outcome, DeskError> {
        let addressed = message.inbound.addressed || message.place.private;
        // Bursts belong together, and the same words twice are one report. A letter is a whole by itself.
        let whole = letter::parts(text).is_some();
        let burst = self.own_ticket(message, |t| {
            t.state.is_live()
                && message.when(self.now) - t.touched_at.max(t.opened_at) < BURST
                && (!routing.new_object && !whole || t.text.iter().any(|said| said.trim() == text.trim()))
        });
        if let Some(key) = burst {
            return self.append(message, &key, text).await;
        }
        if message.terms.profile.unsure == Unsure::Ask && !addressed && routing.confidence < 0.5 {
            let words = self.words("ask.what", json!({}));
            self.reply(message, Said::new(Kind::Ask, words));
            return Ok(Outcome::new(Disposition::Asked, None, "不确定是不是报修，按合同设置先问；"));
        }
        self.open_ticket(message, text, Some(routing)).await
    }

    pub(super) async fn open_ticket(
        &mut self,
        message: &Message,
        text: &str,
        routing: Option<&Routing>,
    ) -> Result<Outcome, DeskError> {
        let requester = message.actor.clone();
        let severity = routing.and_then(|r| r.severity.as_ref()).map(|s| (s.id.clone(), s.words.clone()));
        let terms = message.terms.clone();
        let follows = message.thread.as_ref().map(|t| &t.key).filter(|key| key.contract == terms.id);
        let follows = follows.map(|key| key.number);
        let attachments = message.inbound.attachments.iter().map(|a| a.name.clone()).collect();
        let (origin, unit) = (message.issuer.conversation.clone(), message.place.unit.clone());
        let key = self
            .open(&terms, &message.actor, Some(&message.issuer), |number, id| Opening {
                id,
                number,
                origin,
                requester,
                account: message.inbound.sender.clone(),
                unit,
                phone: None,
                message: Some(message.inbound.external_id.clone()),
                text: text.to_owned(),
                attachments,
                severity,
                category: routing.and_then(|r| r.category.clone()),
                system: routing.and_then(|r| r.system.clone()),
                problems: letter::problems(&message.inbound.attachments),
                doubt: message.inbound.doubt.clone(),
                follows,
            })
            .await?;
        self.offer_incident(message, &key).await?;
        Ok(Outcome::new(Disposition::Opened, Some(key), "报修或求助；"))
    }

    /// Several conversations with the same system down within minutes are offered to the engineers as one incident: when the
    /// second reports it, at the next few, and then each time their number has doubled. One that reports again adds nothing.
    async fn offer_incident(&mut self, message: &Message, key: &TicketKey) -> Result<(), DeskError> {
        let Some(system) = self.ticket(key).and_then(|t| t.system.clone()) else { return Ok(()) };
        let alike = self.similar(&key.contract, &system, self.now - INCIDENT).await?;
        let origins = alike.values().collect::<BTreeSet<_>>().len();
        let again =
            alike.get(&key.number).is_some_and(|own| alike.values().filter(|origin| *origin == own).count() > 1);
        let linked = self.ticket(key).is_some_and(|t| !t.linked.is_empty());
        if again || linked || !(matches!(origins, 2..=4) || origins > 4 && origins.is_power_of_two()) {
            return Ok(());
        }
        let numbers: Vec<String> = alike.keys().map(|number| format!("#{number}")).collect();
        let command: Vec<String> = alike.keys().map(u64::to_string).collect();
        let name = message.terms.profile.system(&system).map_or(system.clone(), |s| s.name.clone());
        let words = self.words(
            "ask.incident",
            json!({ "numbers": numbers.join("、"), "system": name, "command": command.join(" ") }),
        );
        for conversation in self.engineers_conversations(&key.contract) {
            let mut said = Said::new(Kind::Ask, words.clone());
            said.ticket = Some(key.clone());
            self.say(&conversation, said);
        }
        Ok(())
    }

    // ---------------------------------------------------------------- small helpers

    /// Answers in the conversation the message came from.
    pub(super) fn reply(&mut self, message: &Message, mut said: Said) {
        said.reply_to = Some((message.issuer.message.clone(), message.issuer.account.clone()));
        self.say(&message.issuer.conversation, said);
    }

    pub(super) fn remember(&mut self, message: &Message, question: &Question) {
        let body = serde_json::to_string(question).unwrap_or_default();
        // Nobody answers a letter within minutes.
        let letter = letter::parts(&message.inbound.text).is_some();
        self.ask(&message.dialogue, if letter { LETTER_MINUTES } else { DIALOGUE_MINUTES }, body);
    }

    /// The person's own ticket in this conversation that fits, the one touched last.
    pub(super) fn own_ticket(&self, message: &Message, fits: impl Fn(&Ticket) -> bool) -> Option<TicketKey> {
        self.tickets()
            .filter(|(_, t)| message.owns(t) && fits(t))
            .filter(|(_, t)| {
                message.is_staff() || message.place.private || t.hearers().any(|h| h == message.issuer.conversation)
            })
            .max_by_key(|(_, t)| t.touched_at.max(t.opened_at))
            .map(|(key, _)| key.clone())
    }

    /// The number as it may be typed in this conversation.
    pub(super) fn shown_number(&self, message: &Message, key: &TicketKey) -> String {
        match self.terms(&key.contract) {
            Some(terms) if message.issuer.several || key.contract != message.place.contract => {
                format!("{}-{}", terms.profile.code, key.number)
            }
            Some(_) | None => key.number.to_string(),
        }
    }
}

fn role_id(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Requester => "requester",
        Speaker::Engineer => "engineer",
        Speaker::Lead => "lead",
    }
}

fn because(routing: &Routing) -> String {
    routing.why.join("，")
}

/// A command as somebody would type it.
pub(super) fn command_text(command: &Command) -> String {
    let mut text = command.name.zh().to_owned();
    let mut push = |part: &str| {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    };
    if let Some(number) = &command.ticket {
        push(&number.to_string().replace('#', ""));
    }
    for more in &command.more {
        push(&more.to_string().replace('#', ""));
    }
    for person in &command.people {
        push(&format!("@{person}"));
    }
    if let Some(score) = command.score {
        push(&score.to_string());
    }
    if let Some(word) = &command.word {
        push(match (command.name, word.as_str()) {
            (CommandName::Upgrade, "start") => "开始",
            (CommandName::Upgrade, "finish") => "完成",
            (_, word) => word,
        });
    }
    push(&command.text);
    text
}
