//! The router: the answer to a question of the desk first, then commands by grammar, then what the
//! weights of `data/cues.toml` say, given the context. Every decision carries its reasons.

use crate::command::TicketRef;
use crate::cues::{Cues, Found, Heard, ROUTES, Weights, cues};
use crate::faq::{Band, FaqIndex};
use crate::fold::put_right;
use crate::followup;
use crate::intent::{Context, FollowUp, Intent, Place, Routing, Speaker};
use crate::lexicon::{Lexicon, Meaning};
use crate::normalise::{is_han, normalise};
use crate::parse::{Parsed, parse};
use crate::slots::{Slot, SlotKind, slots};
use crate::speech::speech;
use crate::talk::{greets, thanks, without_marks, without_mentions};
use crate::ticket::ticket_at;

/// What a message is, for somebody in a context.
pub fn route(text: &str, context: &Context<'_>, lexicon: &Lexicon, faq: Option<&FaqIndex>) -> Routing {
    route_filtered(text, context, lexicon, faq, &|_| true)
}

/// [`route`], asking only those FAQ entries that `filter` lets through (by place in the index).
pub fn route_filtered(
    text: &str,
    context: &Context<'_>,
    lexicon: &Lexicon,
    faq: Option<&FaqIndex>,
    filter: &dyn Fn(usize) -> bool,
) -> Routing {
    let said = speech(text);
    let normal = normalise(&said.text);
    let mut routing = Routing {
        intent: Intent::Chitchat,
        confidence: 1.0,
        why: Vec::new(),
        second: None,
        ticket: named_ticket(&normal.text),
        category: None,
        system: None,
        severity: None,
        slots: slots(text),
        faq: Vec::new(),
        faq_band: Band::None,
        speak: true,
        new_object: false,
    };
    if let Some((intent, why)) = followup::reply(&normal.text, context) {
        routing.why.push(why.to_owned());
        routing.intent = intent;
        return routing;
    }
    match parse(&said.text, &normal, context, lexicon) {
        Parsed::Command(command, how) => {
            routing.why.push(format!("{how}：{}", command.name.zh()));
            // A word of the language in the place of a command is less sure than the command form.
            routing.confidence = if command.colloquial { 0.9 } else { 0.99 };
            routing.intent = Intent::Command(command);
            return routing;
        }
        Parsed::Unknown { typed, suggestion } => {
            routing.why.push(match &suggestion {
                Some(nearest) => format!("像命令但不是，最近的是 {}", nearest.name.zh()),
                None => "像命令，但没有这条命令".to_owned(),
            });
            routing.confidence = 0.8;
            routing.intent = Intent::Unknown { typed, suggestion };
            return routing;
        }
        Parsed::AsksState(state) => {
            routing.ticket = state.ticket;
            routing.why.push("问某张工单的情况".to_owned());
            routing.confidence = 0.95;
            routing.intent = Intent::FollowUp(FollowUp::Urge);
            return routing;
        }
        Parsed::No => {}
    }
    if let Some(intent) = followup::evaluation(&normal.text, &said.text, context) {
        routing.why.push("用平常话打分".to_owned());
        routing.confidence = 0.95;
        routing.intent = intent;
        return routing;
    }
    let message = Message::read(&put_right(&normal.text), context, lexicon);
    message.describe(&mut routing, text, lexicon);
    if let Some(faq) = faq.filter(|_| message.letters > 0) {
        routing.faq = faq.search(&message.commas, 3, filter);
        routing.faq_band = faq.band(&message.commas, &routing.faq);
        let sure = faq.sureness(&message.commas, &routing.faq);
        message.decide(&mut routing, sure);
    } else {
        message.decide(&mut routing, 0.0);
    }
    routing
}

/// The ticket that words name: `#3` anywhere, `3号` or a contract's code at the head.
fn named_ticket(plain: &str) -> Option<TicketRef> {
    let head = ticket_at(plain).filter(|found| found.explicit || plain[..found.len].ends_with('号'));
    let found = head.or_else(|| plain.find('#').and_then(|at| ticket_at(&plain[at..])))?;
    Some(found.ticket)
}

/// A message that is no command, looked at from all sides.
struct Message<'a> {
    /// Plain, spaces as commas.
    commas: String,
    /// Plain, without spaces.
    flat: String,
    found: Vec<Found>,
    context: &'a Context<'a>,
    terms: Vec<crate::lexicon::Occurrence>,
    mentions_other: bool,
    attached: bool,
    object: Option<String>,
    letters: usize,
}

impl<'a> Message<'a> {
    fn read(plain: &str, context: &'a Context<'a>, lexicon: &Lexicon) -> Self {
        let attached =
            ["[图片]", "[截图]", "[视频]", "[语音]", "[动画表情]", "[cq:image"].iter().any(|mark| plain.contains(mark));
        let (plain, mentions_other) = without_mentions(&without_marks(plain), lexicon);
        let commas = plain.replace(' ', ",");
        let flat = plain.replace(' ', "");
        let table = cues();
        let found = table.find(&commas);
        let terms = lexicon.occurrences(&flat);
        let object = table.object(&commas).map(str::to_owned);
        let letters = commas.chars().filter(|c| is_han(*c) || c.is_ascii_alphanumeric()).count();
        Message { commas, flat, found, context, terms, mentions_other, attached, object, letters }
    }

    /// Category, system, severity and slots, whatever the route will be.
    fn describe(&self, routing: &mut Routing, text: &str, lexicon: &Lexicon) {
        if let Some((id, start, end)) = lexicon.system(&self.terms) {
            let name = &self.flat[start..end];
            routing.why.push(format!("系统：{name}"));
            if let Some(at) = text.find(name) {
                routing.slots.push(Slot {
                    kind: SlotKind::System,
                    text: name.to_owned(),
                    start: at,
                    end: at + name.len(),
                });
            }
            routing.system = Some(id);
        }
        routing.category = lexicon.category(&self.terms);
        routing.severity = lexicon.severity(&self.flat, &self.terms);
        routing.new_object = routing.system.is_some() || self.object.is_some();
    }

    fn has(&self, cues: &Cues, name: &str) -> bool {
        self.found.get(cues.number(name)).is_some_and(|found| found.count > 0)
    }

    fn decide(&self, routing: &mut Routing, sure: f32) {
        let cues = cues();
        let mut sum = cues.bias;
        let mut reasons: Vec<(f32, String, Weights)> = Vec::new();
        let mut explained = false;
        for (cue, found) in cues.groups.iter().zip(&self.found) {
            let heard = match cue.who {
                None => true,
                Some(Heard::Requester) => self.context.speaker == Speaker::Requester,
                Some(Heard::Engineer) => self.context.speaker != Speaker::Requester,
            };
            if found.count == 0 || !heard {
                continue;
            }
            explained = true;
            let times = 1.0 + cue.more * f32::from(found.count.min(3) - 1);
            let weight = cue.weight.map(|weight| weight * times);
            add(&mut sum, weight);
            let what = if found.example.is_empty() {
                cue.name.clone()
            } else {
                format!("{}「{}」", cue.name, found.example)
            };
            reasons.push((weight.iter().fold(0.0, |most, one| most.max(*one)), what, weight));
        }
        // Words that say nothing to us, from somebody who waits for us, are more likely about their ticket.
        if !explained && self.context.open_tickets > 0 && self.context.speaker == Speaker::Requester {
            add(&mut sum, cues.context("unexplained_open"));
        }
        for (name, holds) in self.facts(routing) {
            if holds {
                add(&mut sum, cues.context(name));
            }
        }
        Self::weigh_faq(&mut sum, routing, sure, cues);
        let order = ranked(sum);
        let best = order[0].0;
        if let Some(intent) = self.talk_alone(routing) {
            routing.second = Some(ROUTES[best]).filter(|route| *route != "chitchat");
            routing.confidence = 0.95;
            routing.intent = intent;
            routing.speak = self.speaks(routing);
            return;
        }
        let total: f32 = order.iter().map(|(_, logit)| (logit - order[0].1).exp()).sum();
        routing.confidence = 1.0 / total;
        routing.second = Some(ROUTES[order[1].0]);
        reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
        routing
            .why
            .extend(reasons.into_iter().filter(|(_, _, weight)| weight[best] > 0.0).take(3).map(|(_, what, _)| what));
        routing.intent = self.intent(best, routing, cues);
        routing.speak = self.speaks(routing);
    }

    /// The facts of the context by the names of `cues.toml`.
    fn facts(&self, routing: &Routing) -> [(&'static str, bool); 12] {
        let context = self.context;
        [
            ("open_ticket", context.open_tickets > 0 || context.awaits_confirmation || context.awaits_supply),
            ("recent_ticket", context.recent_ticket),
            ("quotes_ticket", context.quotes_ticket),
            ("awaits_confirmation", context.awaits_confirmation),
            ("awaits_supply", context.awaits_supply),
            ("attachment", context.has_attachment || self.attached),
            ("engineer", context.speaker != Speaker::Requester),
            ("addressed", context.addressed || context.place == Place::Private),
            ("system", routing.system.is_some() || self.terms.iter().any(|one| one.meaning == Meaning::Request)),
            ("object", self.object.is_some()),
            ("short", self.letters <= 4),
            ("mention_other", self.mentions_other),
        ]
    }

    /// An entry that surely answers speaks for a question, an unknown subject against one.
    fn weigh_faq(sum: &mut Weights, routing: &mut Routing, sure: f32, cues: &Cues) {
        if routing.faq.is_empty() {
            return;
        }
        let top = routing.faq[0].score;
        sum[1] += cues.context("faq_sure")[1] * sure + cues.context("faq_score")[1] * top;
        if routing.faq_band != Band::None {
            routing.why.push(format!("知识库最近：{}（{:.2}）", routing.faq[0].id, top));
        }
    }

    fn intent(&self, best: usize, routing: &mut Routing, cues: &Cues) -> Intent {
        let context = self.context;
        let staff = context.speaker != Speaker::Requester;
        let addressed = context.addressed || context.place == Place::Private;
        // In an engineers' conversation only commands and mentions are taken up.
        if context.place == Place::Engineers && !addressed {
            routing.why.push("工程师群里没有叫我".to_owned());
            return Intent::NotForUs;
        }
        let presses =
            ["急", "急急急", "急急", "很急", "加急", "急用", "在线等", "十万火急", "催", "顶", "快点", "速度", "急!"];
        let joins = context.open_tickets > 0 || context.recent_ticket || context.quotes_ticket;
        if joins && !staff && presses.contains(&self.commas.trim_matches([',', '.', '!', '~'])) {
            routing.why.push("只是催促".to_owned());
            return Intent::FollowUp(FollowUp::Append);
        }
        let empty = self.letters == 0;
        if empty && (context.has_attachment || self.attached) {
            routing.why.push("只有图片或附件".to_owned());
            let joins =
                context.open_tickets > 0 || context.recent_ticket || context.quotes_ticket || context.awaits_supply;
            return if joins {
                Intent::FollowUp(if context.awaits_supply { FollowUp::Supply } else { FollowUp::Append })
            } else if addressed || !staff {
                Intent::Request
            } else {
                Intent::NotForUs
            };
        }
        if empty {
            return Intent::Chitchat;
        }
        match ROUTES[best] {
            "ticket" => Intent::Request,
            // "打不开了" tells of an outage even where the base knows the thing: instructions are no answer to it.
            "faq" if self.tells_a_fault(routing) => Intent::Request,
            "faq" => Intent::Question,
            "followup" => {
                let number = |name: &str| cues.number(name);
                Intent::FollowUp(followup::kind(&self.found, &number, context))
            }
            _ => self.talk(staff, cues),
        }
    }

    /// Words of a fault and none of a question.
    fn tells_a_fault(&self, routing: &Routing) -> bool {
        let says = |cue: &str| routing.why.iter().any(|why| why.split('，').any(|part| part.starts_with(cue)));
        says("故障说法") && !says("疑问说法") && !self.commas.contains(['?', '吗', '呢'])
    }

    /// A greeting or thanks and nothing else, whatever the weights say.
    fn talk_alone(&self, routing: &mut Routing) -> Option<Intent> {
        let bare = self.commas.trim_matches(['.', '!', '~', ',', '?']);
        if greets(bare) {
            routing.why.push("只是打招呼".to_owned());
            return Some(Intent::Greeting);
        }
        if thanks(bare) {
            routing.why.push("只是道谢".to_owned());
            return Some(Intent::Thanks);
        }
        None
    }

    /// Which talk it is that needs no ticket.
    fn talk(&self, staff: bool, cues: &Cues) -> Intent {
        if self.mentions_other || self.has(cues, "通知与安排") || (staff && self.has(cues, "工程师自述")) {
            return Intent::NotForUs;
        }
        Intent::Chitchat
    }

    /// Whether the desk says something. Silence is a decision like any other.
    fn speaks(&self, routing: &Routing) -> bool {
        let addressed = self.context.addressed || self.context.place == Place::Private;
        match &routing.intent {
            // Surely known: answered. Perhaps known, or about something of ours: at least a ticket. Else people's own affair.
            Intent::Question => addressed || routing.faq_band != Band::None || routing.new_object,
            Intent::Request
            | Intent::FollowUp(_)
            | Intent::Evaluation { .. }
            | Intent::Command(_)
            | Intent::Unknown { .. }
            | Intent::Choice(_)
            | Intent::AcceptSuggestion => true,
            Intent::Greeting | Intent::Chitchat => addressed,
            Intent::Thanks | Intent::NotForUs => false,
        }
    }
}

fn add(sum: &mut Weights, weight: Weights) {
    for (sum, weight) in sum.iter_mut().zip(weight) {
        *sum += weight;
    }
}

/// Routes by logit, best first.
fn ranked(sum: Weights) -> [(usize, f32); 4] {
    let mut order = [(0, sum[0]), (1, sum[1]), (2, sum[2]), (3, sum[3])];
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}
