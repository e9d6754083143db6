//! The router: the answer to a question of the desk first, then commands by grammar, then what the
//! weights of `data/cues.toml` say, given the context. Every decision carries its reasons.

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
        Parsed::AsksState(_) => {
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
    if let Some(faq) = faq {
        routing.faq = faq.search(&said.text, 3, filter);
        routing.faq_band = faq.band(&said.text, &routing.faq);
        let sure = faq.sureness(&said.text, &routing.faq);
        message.decide(&mut routing, sure);
    } else {
        message.decide(&mut routing, 0.0);
    }
    routing
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
    object: Option<String>,
    letters: usize,
}

impl<'a> Message<'a> {
    fn read(plain: &str, context: &'a Context<'a>, lexicon: &Lexicon) -> Self {
        let (plain, mentions_other) = without_mentions(plain, lexicon);
        let commas = plain.replace(' ', ",");
        let flat = plain.replace(' ', "");
        let table = cues();
        let found = table.find(&commas);
        let terms = lexicon.occurrences(&flat);
        let object = table.object(&commas).map(str::to_owned);
        let letters = commas.chars().filter(|c| is_han(*c) || c.is_ascii_alphanumeric()).count();
        Message { commas, flat, found, context, terms, mentions_other, object, letters }
    }

    /// Category, system, severity and slots, whatever the route will be.
    fn describe(&self, routing: &mut Routing, text: &str, lexicon: &Lexicon) {
        if let Some((id, start, end)) = lexicon.system(&self.terms) {
            let name = &self.flat[start..end];
            routing.why.push(format!("系统：{name}"));
            if let Some(at) = text.find(name) {
                routing.slots.push(Slot { kind: SlotKind::System, text: name.to_owned(), start: at, end: at + name.len() });
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
        for (cue, found) in cues.groups.iter().zip(&self.found) {
            let heard = match cue.who {
                None => true,
                Some(Heard::Requester) => self.context.speaker == Speaker::Requester,
                Some(Heard::Engineer) => self.context.speaker != Speaker::Requester,
            };
            if found.count == 0 || !heard {
                continue;
            }
            let times = 1.0 + cue.more * f32::from(found.count.min(3) - 1);
            let weight = cue.weight.map(|weight| weight * times);
            add(&mut sum, weight);
            let what = if found.example.is_empty() { cue.name.clone() } else { format!("{}「{}」", cue.name, found.example) };
            reasons.push((weight.iter().fold(0.0, |most, one| most.max(*one)), what, weight));
        }
        for (name, holds) in self.facts(routing) {
            if holds {
                add(&mut sum, cues.context(name));
            }
        }
        self.weigh_faq(&mut sum, routing, sure, cues);
        let order = ranked(sum);
        let best = order[0].0;
        let total: f32 = order.iter().map(|(_, logit)| (logit - order[0].1).exp()).sum();
        routing.confidence = 1.0 / total;
        routing.second = Some(ROUTES[order[1].0]);
        reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
        routing.why.extend(reasons.into_iter().filter(|(_, _, weight)| weight[best] > 0.0).take(3).map(|(_, what, _)| what));
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
            ("attachment", context.has_attachment || self.attached()),
            ("engineer", context.speaker != Speaker::Requester),
            ("addressed", context.addressed || context.place == Place::Private),
            ("system", routing.system.is_some() || self.terms.iter().any(|one| one.meaning == Meaning::Request)),
            ("object", self.object.is_some()),
            ("short", self.letters <= 4),
            ("mention_other", self.mentions_other),
        ]
    }

    fn attached(&self) -> bool {
        ["[图片]", "[截图]", "[视频]", "[语音]", "[cq:image"].iter().any(|mark| self.commas.contains(mark))
    }

    /// An entry that surely answers speaks for a question, an unknown subject against one.
    fn weigh_faq(&self, sum: &mut Weights, routing: &mut Routing, sure: f32, cues: &Cues) {
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
        let empty = self.letters == 0;
        if empty && (context.has_attachment || self.attached()) {
            routing.why.push("只有图片或附件".to_owned());
            let joins = context.open_tickets > 0 || context.recent_ticket || context.quotes_ticket || context.awaits_supply;
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
            "faq" => Intent::Question,
            "followup" => {
                let number = |name: &str| cues.number(name);
                Intent::FollowUp(followup::kind(&self.found, &number, context))
            }
            _ => self.talk(staff, routing, cues),
        }
    }

    /// Which talk it is that needs no ticket.
    fn talk(&self, staff: bool, routing: &mut Routing, cues: &Cues) -> Intent {
        let bare = self.commas.trim_matches(['.', '!', '~', ',', '?']);
        if greets(bare) {
            routing.why.push("只是打招呼".to_owned());
            return Intent::Greeting;
        }
        if thanks(bare) {
            routing.why.push("只是道谢".to_owned());
            return Intent::Thanks;
        }
        if self.mentions_other || self.has(cues, "通知与安排") || (staff && self.has(cues, "工程师自述")) {
            return Intent::NotForUs;
        }
        Intent::Chitchat
    }

    /// Whether the desk says something. Silence is a decision like any other.
    fn speaks(&self, routing: &Routing) -> bool {
        let addressed = self.context.addressed || self.context.place == Place::Private;
        match &routing.intent {
            Intent::Question => addressed || routing.faq_band == Band::Answer || routing.new_object || self.context.open_tickets > 0 && routing.faq_band == Band::Offer,
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

fn greets(bare: &str) -> bool {
    let words = ["你好", "您好", "在吗", "在么", "在不在", "有人吗", "有人在吗", "hi", "hello", "哈喽", "嗨", "早", "早上好", "上午好", "中午好", "下午好", "晚上好", "大家好", "各位好", "老师好", "你好啊", "您好啊", "有人么", "在不", "喂", "早安"];
    bare.split(',').all(|part| words.contains(&part.trim_end_matches(['?', '呀', '啊', '!']))) && !bare.is_empty()
}

fn thanks(bare: &str) -> bool {
    let words = ["谢谢", "多谢", "感谢", "谢了", "谢啦", "辛苦", "辛苦了", "麻烦了", "谢谢您", "谢谢你", "谢谢大家", "非常感谢", "感谢感谢", "谢谢老师", "3q", "thanks", "thx", "谢谢啊", "辛苦啦", "谢谢谢谢", "多谢多谢"];
    bare.split(',').all(|part| words.contains(&part)) && !bare.is_empty()
}

/// The text without mentions, and whether somebody else than the desk was mentioned.
fn without_mentions(plain: &str, lexicon: &Lexicon) -> (String, bool) {
    if !plain.contains('@') {
        let called = lexicon.begins_with_person(plain).is_some();
        return (plain.to_owned(), called);
    }
    let mut out = String::with_capacity(plain.len());
    let mut other = false;
    for (i, part) in plain.split('@').enumerate() {
        if i == 0 {
            out.push_str(part);
            continue;
        }
        let (name, rest) = part.split_once([' ', ',', ':']).unwrap_or((part, ""));
        if out.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            // A mail address.
            out.push('@');
            out.push_str(part);
            continue;
        }
        if matches!(name, "所有人" | "全体成员" | "all") {
            out.push('@');
            out.push_str(name);
            out.push(',');
            other = true;
        } else if lexicon.is_person(name) || named_like_a_person(name) {
            other = true;
        }
        out.push_str(rest);
    }
    (out.trim().to_owned(), other)
}

/// 张工, 李科长, 王主任: a surname and a title. The desk's own names and 运维 are not.
fn named_like_a_person(name: &str) -> bool {
    ["工", "科", "科长", "主任", "处长", "局长", "老师", "总", "经理", "哥", "姐", "队"].iter().any(|title| name.ends_with(title)) && name.chars().count() <= 5
}
