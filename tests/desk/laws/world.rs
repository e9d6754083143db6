//! Random histories: what people, channels and the clock may do to a ticket, in any order.

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use zhishou::ids::TicketId;
use zhishou::rules::holidays::Holidays;
use zhishou::rules::notice::Kind;
use zhishou::rules::profile::{ChangePart, Profile, Promise, Role};
use zhishou::rules::terms::Terms;
use zhishou::rules::ticket::{
    Actor, Audience, Commitment, Decision, Event, Opening, Outcome, Proof, Refusal, Tell, Ticket,
};

/// What a law says of one history.
pub type Verdict = Result<(), TestCaseError>;

static CONTRACTS: LazyLock<Vec<Arc<Terms>>> = LazyLock::new(|| {
    let ready = |(id, text): &(&str, &str)| {
        let profile = Profile::parse(text, id).expect("the shipped profile holds");
        Terms::new(id, profile, Holidays::shipped()).expect("its calendars compile")
    };
    Profile::shipped().iter().map(ready).collect()
});

/// The shipped contract called `id`.
pub fn contract(id: &str) -> Arc<Terms> {
    let found = CONTRACTS.iter().find(|terms| terms.id == id);
    Arc::clone(found.expect("a shipped contract"))
}

pub fn actor(id: &str) -> Actor {
    Actor { id: id.to_owned(), name: id.to_owned(), channel: "qq:group:1".to_owned() }
}

const ENGINEERS: [&str; 2] = ["engineer-1", "engineer-2"];
const LEADS: [&str; 2] = ["lead-1", "lead-2"];

/// `MM-DD HH:MM` of 2026 in Shanghai, with seconds and fractions where given.
pub fn t(text: &str) -> Timestamp {
    let (date, time) = text.split_once(' ').expect(text);
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    format!("2026-{date}T{time}+08:00").parse().expect(text)
}

pub fn ms(n: i64) -> SignedDuration {
    SignedDuration::from_millis(n)
}

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// What a ticket is opened with.
pub fn opening(origin: &str, number: u64, severity: Option<&str>, category: Option<&str>) -> Opening {
    let id: TicketId = "tkt_01K5Z0000000000000000000AA".parse().expect("an id");
    Opening {
        id,
        number,
        origin: origin.to_owned(),
        requester: actor("requester-1"),
        account: "10086".to_owned(),
        unit: String::new(),
        phone: None,
        message: None,
        text: "打不开".to_owned(),
        attachments: Vec::new(),
        severity: severity.map(|id| (id.to_owned(), Vec::new())),
        category: category.map(str::to_owned),
        system: None,
        problems: Vec::new(),
        doubt: None,
        follows: None,
    }
}

/// A ticket opened at an instant of 2026 as [`t`] reads it, its alarm rung on time.
pub fn ticket(id: &str, severity: &str, category: Option<&str>, at: &str) -> Tale {
    Tale::open(contract(id), opening("qq:group:1", 1, Some(severity), category), t(at), Ringing::OnTime)
}

/// How the alarm is rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ringing {
    /// At the instant asked for.
    OnTime,
    /// Only now and then: the desk was down.
    Late,
    /// At the instant asked for, by two instances.
    Twice,
}

/// How much time passes before something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    None,
    Millis(i64),
    Minutes(i64),
    Days(i64),
    /// To the next due time, and so many milliseconds more.
    Due(i64),
    /// To the next alarm.
    Alarm,
    /// To the end of the confirmation time, and so many milliseconds more.
    Confirmation(i64),
}

/// What is done. Numbers choose among what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Nothing,
    Ring,
    Claim(usize),
    Assign(usize),
    Assist,
    Progress { spoken: bool },
    Suspend,
    Resume,
    Severity(usize),
    Category(usize),
    Visit,
    Arrive(usize),
    Leave,
    Support,
    ThirdParty,
    Upgrade(bool),
    ConfirmNeed,
    Change,
    Resolve(usize),
    Confirm,
    Reopen,
    Close,
    Withdraw,
    MergeInto,
    Absorb(Other),
    Link,
    Evaluate(u8),
    Acknowledge,
    AcknowledgeReport(usize),
    Mute(i64),
    Urge,
    Append,
    Recalled,
    Deliver(usize),
    Bounce(usize),
    CalendarChanged,
    Odd(usize),
}

/// The ticket that is merged into ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub minutes_ago: i64,
    pub severity: usize,
    pub category: usize,
    pub claimed: bool,
    pub suspended: bool,
    pub visit: bool,
}

/// One history.
#[derive(Debug, Clone)]
pub struct History {
    pub contract: usize,
    pub severity: usize,
    pub category: usize,
    pub caller: bool,
    /// Milliseconds after 2026-09-21 00:00 in Shanghai: three weeks with the Mid-Autumn and National Day holidays.
    pub start_ms: i64,
    pub ringing: Ringing,
    pub steps: Vec<(Gap, Deed)>,
}

fn gap() -> impl Strategy<Value = Gap> {
    prop_oneof![
        4 => Just(Gap::None),
        1 => (1i64..3).prop_map(Gap::Millis),
        5 => (1i64..150).prop_map(Gap::Minutes),
        1 => (1i64..12).prop_map(Gap::Days),
        3 => (0i64..2).prop_map(Gap::Due),
        2 => Just(Gap::Alarm),
        1 => (0i64..2).prop_map(Gap::Confirmation),
    ]
}

fn other() -> impl Strategy<Value = Other> {
    (0i64..400, 0usize..4, 0usize..4, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(minutes_ago, severity, category, claimed, suspended, visit)| Other {
            minutes_ago,
            severity,
            category,
            claimed,
            suspended,
            visit,
        },
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => Just(Deed::Nothing),
        3 => Just(Deed::Ring),
        3 => (0usize..2).prop_map(Deed::Claim),
        1 => (0usize..2).prop_map(Deed::Assign),
        5 => any::<bool>().prop_map(|spoken| Deed::Progress { spoken }),
        4 => Just(Deed::Suspend),
        3 => Just(Deed::Resume),
        4 => (0usize..4).prop_map(Deed::Severity),
        2 => (0usize..4).prop_map(Deed::Category),
        2 => prop_oneof![Just(Deed::Visit), Just(Deed::Support), Just(Deed::ThirdParty), Just(Deed::ConfirmNeed)],
        1 => (0usize..2).prop_map(Deed::Arrive),
        1 => prop_oneof![Just(Deed::Leave), Just(Deed::Assist), Just(Deed::Link), Just(Deed::Recalled), Just(Deed::Urge)],
        1 => any::<bool>().prop_map(Deed::Upgrade),
        1 => Just(Deed::Change),
        3 => (0usize..2).prop_map(Deed::Resolve),
        3 => Just(Deed::Reopen),
        2 => prop_oneof![
            4 => Just(Deed::Confirm),
            4 => Just(Deed::Close),
            1 => Just(Deed::Withdraw),
            1 => Just(Deed::MergeInto),
            2 => (1u8..6).prop_map(Deed::Evaluate),
        ],
        2 => other().prop_map(Deed::Absorb),
        2 => prop_oneof![Just(Deed::Acknowledge), (1i64..120).prop_map(Deed::Mute)],
        2 => (0usize..2).prop_map(Deed::AcknowledgeReport),
        2 => Just(Deed::Append),
        11 => (0usize..8).prop_map(Deed::Deliver),
        5 => (0usize..8).prop_map(Deed::Bounce),
        1 => Just(Deed::CalendarChanged),
        1 => (0usize..12).prop_map(Deed::Odd),
    ]
}

/// Any history.
pub fn history() -> impl Strategy<Value = History> {
    let ringing = prop_oneof![Just(Ringing::OnTime), Just(Ringing::Late), Just(Ringing::Twice)];
    // The first contract has the promises that repeat, the second the most severities.
    let contracts = prop_oneof![3 => Just(0usize), 2 => Just(1usize), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    let start = prop_oneof![
        3 => (0i64..21 * 1440).prop_map(|minute| minute * 60_000),
        1 => 0i64..21 * 86_400_000,
    ];
    let steps = prop::collection::vec((gap(), deed()), 1..36);
    (contracts, 0usize..4, 0usize..4, prop::bool::weighted(0.1), start, ringing, steps).prop_map(
        |(contract, severity, category, caller, start_ms, ringing, steps)| History {
            contract,
            severity,
            category,
            caller,
            start_ms,
            ringing,
            steps,
        },
    )
}

/// One event and what became of it.
#[derive(Debug, Clone)]
pub struct Moment {
    pub at: Timestamp,
    pub event: Event,
    pub by: Actor,
    pub before: Ticket,
    pub became: Result<Decision, Refusal>,
}

impl Moment {
    /// The ticket afterwards.
    pub fn after(&self) -> &Ticket {
        self.became.as_ref().map_or(&self.before, |decision| &decision.ticket)
    }

    /// In a word, for messages.
    pub fn name(&self) -> String {
        let event = match &self.event {
            Event::Absorb { .. } => "Absorb".to_owned(),
            other => format!("{other:?}"),
        };
        let refused = self.became.as_ref().err().map(|refusal| format!(" refused: {refusal:?}")).unwrap_or_default();
        format!("{} {event}{refused}", shanghai(self.at))
    }
}

fn shanghai(at: Timestamp) -> String {
    at.in_tz("Asia/Shanghai").expect("the zone").strftime("%m-%d %H:%M:%S%.f").to_string()
}

/// A history as it went.
pub struct Tale {
    pub terms: Arc<Terms>,
    pub opened_at: Timestamp,
    pub opened: Decision,
    pub moments: Vec<Moment>,
    pub ringing: Ringing,
    now: Timestamp,
    pending: Vec<Proof>,
    delivered: Vec<Proof>,
}

impl Tale {
    /// A ticket opened now; nothing else has happened.
    pub fn open(terms: Arc<Terms>, opening: Opening, now: Timestamp, ringing: Ringing) -> Self {
        let opened = Ticket::open(&terms, opening, &actor("requester-1"), now);
        let mut tale = Self {
            terms,
            opened_at: now,
            opened,
            moments: Vec::new(),
            ringing,
            now,
            pending: Vec::new(),
            delivered: Vec::new(),
        };
        let tells = tale.opened.tells.clone();
        tale.collect(&tells);
        tale
    }

    pub fn ticket(&self) -> &Ticket {
        self.moments.last().map_or(&self.opened.ticket, Moment::after)
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Tickets before and after each accepted event, with the decision; the opening is not among them.
    pub fn decisions(&self) -> impl Iterator<Item = (&Moment, &Decision)> {
        self.moments.iter().filter_map(|moment| moment.became.as_ref().ok().map(|decision| (moment, decision)))
    }

    /// The story so far, for messages.
    pub fn told(&self) -> String {
        let mut lines = vec![format!(
            "{} {} opened {} {:?}",
            shanghai(self.opened_at),
            self.terms.id,
            self.opened.ticket.severity,
            self.opened.ticket.category
        )];
        for moment in &self.moments {
            lines.push(moment.name());
            if let Ok(decision) = &moment.became {
                for fact in decision
                    .facts
                    .iter()
                    .filter(|fact| fact.kind.starts_with("commitment.") || fact.kind == "escalated")
                {
                    let data = |key: &str| fact.data.get(key).map(ToString::to_string).unwrap_or_default();
                    lines.push(format!(
                        "    {} {} {} #{} due {}",
                        fact.kind,
                        data("commitment"),
                        data("step"),
                        data("id"),
                        data("due_at").trim_matches('"').parse().map(shanghai).unwrap_or_default()
                    ));
                }
            }
        }
        lines.join("\n")
    }

    fn collect(&mut self, tells: &[Tell]) {
        for tell in tells {
            self.pending.extend(tell.proof.clone());
            // What the desk adds when it sends an urgent notice to a lead.
            let urgent = matches!(tell.kind, Kind::Escalation | Kind::Broken | Kind::Warning);
            if tell.to == Audience::Role(Role::Lead) && urgent {
                self.pending.push(Proof::Lead { person: LEADS[0].to_owned() });
            }
        }
    }

    /// Lets an event happen now.
    pub fn event(&mut self, by: &str, event: Event) -> &Moment {
        let (before, by) = (self.ticket().clone(), if by == "desk" { Actor::desk() } else { actor(by) });
        let became = before.decide(&self.terms, &event, &by, self.now);
        if let Ok(decision) = &became {
            let tells = decision.tells.clone();
            self.collect(&tells);
        }
        if let Event::Delivered { proof, .. } = &event {
            self.delivered.push(proof.clone());
        }
        self.moments.push(Moment { at: self.now, event, by, before, became });
        self.moments.last().expect("just pushed")
    }

    fn ring(&mut self) {
        self.event("desk", Event::Alarm);
        if self.ringing == Ringing::Twice {
            self.event("desk", Event::Alarm);
        }
    }

    /// Lets time pass until `to`; the alarm rings on the way as this tale rings it.
    pub fn until(&mut self, to: Timestamp) {
        let to = to.max(self.now);
        if self.ringing != Ringing::Late {
            // Far more than any history needs; the law on alarm storms says so itself.
            for _ in 0..500 {
                let Some(at) = self.ticket().next_alarm().filter(|at| *at <= to) else { break };
                self.now = at.max(self.now);
                self.ring();
            }
        }
        self.now = to;
    }

    /// Lets time pass until an instant as [`t`] reads it.
    pub fn at(&mut self, text: &str) -> &mut Self {
        self.until(t(text));
        self
    }

    /// As [`Tale::event`], in a row.
    pub fn then(&mut self, by: &str, event: Event) -> &mut Self {
        self.event(by, event);
        self
    }

    /// The engineer's word reaches the requester as it is said.
    pub fn says(&mut self) -> &mut Self {
        self.then(ENGINEERS[0], Event::Progress { text: "进展".to_owned(), spoken: true })
    }

    /// The newest word is said but has reached nobody yet; its number.
    pub fn writes(&mut self) -> u32 {
        self.then(ENGINEERS[0], Event::Progress { text: "进展".to_owned(), spoken: false });
        self.ticket().words.last().expect("just written").id
    }

    pub fn arrives(&mut self, proof: Proof) -> &mut Self {
        self.then("desk", Event::Delivered { proof, other_way: false })
    }

    pub fn bounces(&mut self, proof: Proof) -> &mut Self {
        self.then("desk", Event::Bounced { proof, cause: "退信".to_owned() })
    }

    pub fn suspends(&mut self) -> &mut Self {
        self.then(ENGINEERS[0], Event::Suspend { reason: "等材料".to_owned() })
    }

    pub fn becomes(&mut self, severity: &str) -> &mut Self {
        self.then(ENGINEERS[0], Event::Severity { to: severity.to_owned() })
    }

    pub fn resolves(&mut self) -> &mut Self {
        self.then(ENGINEERS[0], Event::Resolve { text: "已修复".to_owned() })
    }

    pub fn reopens(&mut self) -> &mut Self {
        self.then("requester-1", Event::Reopen { text: "还是不行".to_owned() })
    }

    /// Every promise of a kind, oldest first: how it stands and when it is due.
    pub fn rounds(&self, promise: Promise) -> Vec<(Outcome, Option<Timestamp>)> {
        let of = self.ticket().commitments.iter().filter(|c| c.promise == promise);
        of.map(|c| (c.outcome, c.due_at)).collect()
    }

    /// The newest promise of a kind.
    pub fn last(&self, promise: Promise) -> &Commitment {
        let mut of = self.ticket().commitments.iter().rev().filter(|c| c.promise == promise);
        of.next().unwrap_or_else(|| panic!("no {promise:?}\n{}", self.told()))
    }

    /// The next due time not yet past.
    pub fn next_due(&self) -> Option<Timestamp> {
        let running = self.ticket().commitments.iter().filter(|c| c.outcome == Outcome::Running);
        running.filter_map(|c| c.due_at).filter(|due| *due >= self.now).min()
    }

    fn wait(&mut self, gap: Gap) {
        let to = match gap {
            Gap::None => self.now,
            Gap::Millis(n) => self.now + ms(n),
            Gap::Minutes(n) => self.now + minutes(n),
            Gap::Days(n) => self.now + minutes(n * 1440 + 37),
            Gap::Due(more) => self.next_due().map_or(self.now, |due| due + ms(more)),
            Gap::Alarm => self.ticket().next_alarm().unwrap_or(self.now),
            Gap::Confirmation(more) => {
                let until = self.ticket().confirm_until.filter(|until| *until >= self.now);
                until.map_or(self.now, |until| until + ms(more))
            }
        };
        self.until(to);
    }

    /// The severity called by a number.
    fn severity(&self, n: usize) -> String {
        let severities = &self.terms.profile.severities;
        severities[n % severities.len()].id.clone()
    }

    fn category(&self, n: usize) -> Option<String> {
        let wanted = [None, Some("bug"), Some("configure"), Some("consult")][n % 4]?;
        self.terms.profile.category(wanted).map(|category| category.id.clone())
    }

    fn other(&self, other: &Other) -> Ticket {
        let at = self.now - minutes(other.minutes_ago);
        let opening =
            opening("qq:group:2", 77, Some(&self.severity(other.severity)), self.category(other.category).as_deref());
        let mut tale = Self::open(Arc::clone(&self.terms), opening, at, Ringing::OnTime);
        if other.claimed {
            tale.event(ENGINEERS[1], Event::Claim);
        }
        if other.visit {
            tale.event(ENGINEERS[1], Event::Visit);
        }
        if other.suspended {
            tale.until(at + minutes(other.minutes_ago / 2));
            tale.event(ENGINEERS[1], Event::Suspend { reason: "等材料".to_owned() });
        }
        tale.until(self.now);
        tale.ticket().clone()
    }

    fn act(&mut self, deed: &Deed) {
        let text = || "文字".to_owned();
        let engineer = ENGINEERS[0];
        let (by, event) = match deed {
            Deed::Nothing => return,
            Deed::Ring => return self.ring(),
            Deed::Claim(n) => (ENGINEERS[*n], Event::Claim),
            Deed::Assign(n) => (LEADS[0], Event::Assign { to: actor(ENGINEERS[*n]) }),
            Deed::Assist => (engineer, Event::Assist { who: actor(ENGINEERS[1]) }),
            Deed::Progress { spoken } => (engineer, Event::Progress { text: text(), spoken: *spoken }),
            Deed::Suspend => (engineer, Event::Suspend { reason: text() }),
            Deed::Resume => (engineer, Event::Resume),
            Deed::Severity(n) => (engineer, Event::Severity { to: self.severity(*n) }),
            Deed::Category(n) => match self.category(*n) {
                Some(to) => (engineer, Event::Category { to }),
                None => return,
            },
            Deed::Visit => (engineer, Event::Visit),
            Deed::Arrive(n) => (ENGINEERS[*n], Event::Arrive),
            Deed::Leave => (engineer, Event::Leave),
            Deed::Support => (engineer, Event::Support),
            Deed::ThirdParty => (engineer, Event::ThirdParty { unit: text() }),
            Deed::Upgrade(begun) => (engineer, Event::Upgrade { begun: *begun }),
            Deed::ConfirmNeed => (engineer, Event::ConfirmNeed),
            Deed::Change => {
                let part = |part| (part, text());
                let parts = vec![part(ChangePart::Plan), part(ChangePart::Emergency), part(ChangePart::Rollback)];
                (engineer, Event::Change { parts, window: Some((self.now, self.now + minutes(60))) })
            }
            Deed::Resolve(n) => (ENGINEERS[*n], Event::Resolve { text: text() }),
            Deed::Confirm => ("requester-1", Event::Confirm),
            Deed::Reopen => ("requester-1", Event::Reopen { text: text() }),
            Deed::Close => (engineer, Event::Close { text: text() }),
            Deed::Withdraw => ("requester-1", Event::Withdraw { text: text(), unfounded: false }),
            Deed::MergeInto => (engineer, Event::MergeInto { number: 9 }),
            Deed::Absorb(other) => (engineer, Event::Absorb { other: Box::new(self.other(other)) }),
            Deed::Link => (engineer, Event::Link { others: vec![(3, "qq:group:3".to_owned())] }),
            Deed::Evaluate(score) => ("requester-1", Event::Evaluate { score: *score, text: text() }),
            Deed::Acknowledge => (engineer, Event::Acknowledge),
            Deed::AcknowledgeReport(n) => (LEADS[*n], Event::AcknowledgeReport),
            Deed::Mute(n) => (engineer, Event::Mute { until: self.now + minutes(*n) }),
            Deed::Urge => ("requester-1", Event::Urge { text: text() }),
            Deed::Append => ("requester-1", Event::Append { text: text(), attachments: Vec::new() }),
            Deed::Recalled => ("requester-1", Event::Recalled),
            Deed::Deliver(n) => {
                if self.pending.is_empty() {
                    return;
                }
                let proof = self.pending.remove(n % self.pending.len());
                ("desk", Event::Delivered { proof, other_way: n % 2 == 1 })
            }
            Deed::Bounce(n) => {
                if self.delivered.is_empty() {
                    return;
                }
                let proof = self.delivered.remove(n % self.delivered.len());
                // Tried again, it may yet arrive.
                self.pending.push(proof.clone());
                ("desk", Event::Bounced { proof, cause: "退信".to_owned() })
            }
            Deed::CalendarChanged => ("desk", Event::CalendarChanged),
            Deed::Odd(n) => (engineer, self.odd(*n)),
        };
        self.event(by, event);
    }

    fn odd(&self, n: usize) -> Event {
        let (none, typed) = (String::new, || "没有这一种".to_owned());
        match n {
            0 => Event::Progress { text: none(), spoken: true },
            1 => Event::Suspend { reason: none() },
            2 => Event::Severity { to: typed() },
            3 => Event::Category { to: none() },
            4 => Event::ThirdParty { unit: none() },
            5 => Event::Change { parts: Vec::new(), window: None },
            6 => Event::Resolve { text: none() },
            7 => Event::Evaluate { score: 0, text: none() },
            8 => Event::Evaluate { score: u8::MAX, text: none() },
            9 => Event::Mute { until: self.now - minutes(5) },
            10 => Event::Delivered { proof: Proof::Word { word: 999 }, other_way: false },
            _ => Event::Bounced { proof: Proof::WordToLead { word: 999 }, cause: none() },
        }
    }

    /// Rings until nothing waits any more; says how often, `None` if that never ends.
    pub fn drain(&mut self) -> Option<usize> {
        for count in 0..2_000 {
            let Some(at) = self.ticket().next_alarm() else { return Some(count) };
            self.now = at.max(self.now);
            self.ring();
        }
        None
    }

    /// Service milliseconds from one instant to another, pauses taken out.
    pub fn used(&self, calendar: &str, from: Timestamp, to: Timestamp, pauses: &[(Timestamp, Timestamp)]) -> i64 {
        self.terms.calendar(calendar).elapsed_with_pauses(from, to, pauses)
    }
}

impl History {
    /// Lets it happen; `drained` rings on at the end until nothing waits.
    pub fn play(&self, drained: bool) -> Tale {
        let terms = Arc::clone(&CONTRACTS[self.contract % CONTRACTS.len()]);
        let start = t("09-21 00:00") + ms(self.start_ms);
        let mut opening = opening("qq:group:1", 1, None, None);
        if self.severity > 0 {
            let severities = &terms.profile.severities;
            opening.severity = Some((severities[self.severity % severities.len()].id.clone(), Vec::new()));
        }
        let category = [None, Some("bug"), Some("configure"), Some("consult")][self.category % 4];
        opening.category = category.and_then(|id| terms.profile.category(id)).map(|category| category.id.clone());
        opening.phone = self.caller.then(|| "13800000000".to_owned());
        let mut tale = Tale::open(terms, opening, start, self.ringing);
        for (gap, deed) in &self.steps {
            tale.wait(*gap);
            tale.act(deed);
        }
        if drained {
            tale.drain();
        }
        tale
    }
}

/// Holds a law against many histories, the same ones every time unless asked for others.
pub fn hold(name: &str, law: impl Fn(&Tale) -> Verdict) {
    hold_cases(name, 250, true, law);
}

/// As [`hold`], with a number of cases and a choice whether the alarms ring on to the end.
pub fn hold_cases(name: &str, cases: u32, drained: bool, law: impl Fn(&Tale) -> Verdict) {
    let seed = std::env::var("ZHISHOU_LAWS_SEED").unwrap_or_default();
    let mut bytes = [0u8; 32];
    for (at, byte) in name.bytes().chain(seed.bytes()).enumerate() {
        bytes[at % 32] = bytes[at % 32].wrapping_mul(31).wrapping_add(byte);
    }
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    match runner.run(&history(), |history| law(&history.play(drained))) {
        Ok(()) => {}
        Err(TestError::Fail(why, history)) => {
            panic!("{name}\n{why}\n{history:#?}\n{}", history.play(drained).told())
        }
        Err(TestError::Abort(why)) => panic!("{name}: {why}"),
    }
}

/// The commitment with this number.
pub fn find(ticket: &Ticket, id: u32) -> Option<&Commitment> {
    ticket.commitments.iter().find(|c| c.id == id)
}

/// Those of a kind that are not settled.
pub fn owed(ticket: &Ticket, promise: Promise) -> Vec<&Commitment> {
    ticket.commitments.iter().filter(|c| c.promise == promise && c.is_unsettled()).collect()
}

/// Those whose clock stands still with the ticket.
pub fn pausable(promise: Promise) -> bool {
    [Promise::Feedback, Promise::Resolve, Promise::Bugfix, Promise::Configure].contains(&promise)
}

/// Those that 解决 meets.
pub fn solved(promise: Promise) -> bool {
    [Promise::Resolve, Promise::Bugfix, Promise::Configure, Promise::ThirdParty].contains(&promise)
}
