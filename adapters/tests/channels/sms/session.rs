//! The session as scripted exchanges: what happens on the left, what must follow on the right, nothing else.
//!
//! `+N` lets N seconds pass, `dial` opens the socket, `ok` takes the login, `say X` is a frame of the gateway, `submit N` a
//! message of ours, `stored N` the word that a DELIVER was stored, `gone` the end of the socket.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use zhishou_adapters::sms::cmpp::codec::{
    Deliver, MsgId, Pdu, Submit, Width, authenticator, decode, encode, gateway_authenticator, timestamp_text,
};
use zhishou_adapters::sms::cmpp::session::{Effect, Gone, QUEUE, Session, SessionConfig, SessionTiming, State};

const SECRET: &str = "Zs-2026-test";

fn config(timing: SessionTiming) -> SessionConfig {
    SessionConfig { width: Width::Three, sp_id: "901234".to_owned(), secret: SECRET.into(), strict: false, timing }
}

fn start() -> Timestamp {
    "2026-11-22T08:30:15+08:00".parse().unwrap()
}

fn name(pdu: &Pdu) -> String {
    match pdu {
        Pdu::Connect(_) => "CONNECT".to_owned(),
        Pdu::Terminate => "TERMINATE".to_owned(),
        Pdu::TerminateResp => "TERMINATE_RESP".to_owned(),
        Pdu::Submit(submit) => format!("SUBMIT({})", submit.service_id),
        Pdu::DeliverResp { msg_id, result } => format!("DELIVER_RESP({:x},{result})", msg_id.0),
        Pdu::ActiveTest => "ACTIVE_TEST".to_owned(),
        Pdu::ActiveTestResp { .. } => "ACTIVE_TEST_RESP".to_owned(),
        other => panic!("the client never says {other:?}"),
    }
}

fn told(effects: &[Effect]) -> String {
    let mut out = String::new();
    for effect in effects {
        let separator = if out.is_empty() { "" } else { ", " };
        out.push_str(separator);
        match effect {
            Effect::Write(raw) => {
                let frame = decode(raw, Width::Three).unwrap();
                write!(out, "{}#{}", name(&frame.pdu), frame.sequence).unwrap();
            }
            Effect::Settle { call, outcome } => write!(out, "{call}={outcome:?}").unwrap(),
            Effect::Heard { sequence, deliver } => write!(out, "heard {:x}#{sequence}", deliver.msg_id.0).unwrap(),
            Effect::Close => out.push_str("close"),
            Effect::Note(_) => out.push('!'),
        }
    }
    out
}

/// A session in the hands of a script.
struct Play {
    session: Session,
    now: Timestamp,
}

impl Play {
    fn new(timing: SessionTiming) -> Self {
        Self { session: Session::new(config(timing)), now: start() }
    }

    fn hear(&mut self, sequence: u32, pdu: &Pdu) -> Vec<Effect> {
        self.session.bytes(&encode(sequence, pdu, Width::Three), self.now)
    }

    fn login(&mut self, status: u32, version: u8) -> Vec<Effect> {
        let ours = authenticator("901234", SECRET, &timestamp_text(self.now));
        let proof = gateway_authenticator(Width::Three, status, &ours, SECRET);
        self.hear(1, &Pdu::ConnectResp { status, authenticator: proof, version })
    }

    fn act(&mut self, act: &str) -> Vec<Effect> {
        let words: Vec<&str> = act.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        match words[..] {
            [wait] if wait.starts_with('+') => {
                let seconds: u64 = wait[1..].parse().unwrap();
                self.now = self.now.checked_add(Duration::from_secs(seconds)).unwrap();
                self.session.tick(self.now)
            }
            ["dial"] => self.session.dialled(self.now),
            ["ok"] => self.login(0, 0x30),
            ["login", _] => self.login(number(1), 0x30),
            ["speaks", "2.0"] => {
                let answer = Pdu::ConnectResp { status: 0, authenticator: [0; 16], version: 0x20 };
                self.session.bytes(&encode(1, &answer, Width::Two), self.now)
            }
            ["forged"] => self.hear(1, &Pdu::ConnectResp { status: 0, authenticator: [9; 16], version: 0x30 }),
            ["submit", _] => {
                let submit = Submit { service_id: words[1].to_owned(), ..Submit::default() };
                self.session.submit(u64::from(number(1)), submit, self.now)
            }
            ["say", "resp", _, _] => {
                let msg_id = MsgId(if number(3) == 0 { 0xa0 + u64::from(number(2)) } else { 0 });
                self.hear(number(2), &Pdu::SubmitResp { msg_id, result: number(3) })
            }
            ["say", "deliver", _, _] => {
                let deliver = Deliver { msg_id: MsgId(u64::from(number(2))), ..Deliver::default() };
                self.hear(number(3), &Pdu::Deliver(Box::new(deliver)))
            }
            ["say", "test", _] => self.hear(number(2), &Pdu::ActiveTest),
            ["say", "alive", _] => self.hear(number(2), &Pdu::ActiveTestResp { reserved: None }),
            ["say", "terminate", _] => self.hear(number(2), &Pdu::Terminate),
            ["say", "goodbye", _] => self.hear(number(2), &Pdu::TerminateResp),
            ["say", "nonsense"] => self.session.bytes(&[0, 0, 0, 11], self.now),
            ["say", "unknown"] => self.session.bytes(&hex::decode("0000000c0000007700000001").unwrap(), self.now),
            ["stored", _, _] => self.session.stored(number(2), MsgId(u64::from(number(1))), self.now),
            ["stop"] => self.session.stop(self.now),
            ["gone"] => self.session.gone(1.0, self.now),
            _ => panic!("{act}"),
        }
    }

    fn wait(&self) -> u64 {
        let at = self.session.may_dial_at().expect("it is idle");
        u64::try_from(at.duration_since(self.now).as_secs()).unwrap()
    }
}

const SCRIPTS: [(&str, &[(&str, &str)]); 20] = [
    (
        "a message is sent, taken and told",
        &[
            ("dial", "CONNECT#1"),
            ("submit 1", "1=NotSent"),
            ("ok", ""),
            ("submit 2", "SUBMIT(2)#2"),
            ("say resp 2 0", "2=Accepted { msg_id: Some(MsgId(00000000000000a2)) }"),
        ],
    ),
    (
        "a refusal is told with its number, a repeated sequence counts as taken",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("submit 2", "SUBMIT(2)#3"),
            ("say resp 3 13", "2=Refused { result: 13 }"),
            ("say resp 2 3", "1=Accepted { msg_id: None }"),
            ("say resp 2 0", "!"),
        ],
    ),
    (
        "result 8 pauses everything; the same message is sent again, in its old place",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("submit 2", "SUBMIT(2)#3"),
            ("say resp 3 8", "!"),
            ("say resp 2 8", "!"),
            ("submit 3", ""),
            ("+0", ""),
            ("+1", "SUBMIT(1)#4, SUBMIT(2)#5, SUBMIT(3)#6"),
            ("say resp 4 8", "!"),
            ("+1", ""),
            ("+1", "SUBMIT(1)#7"),
            ("say resp 7 8", "!"),
            ("+3", ""),
            ("+1", "SUBMIT(1)#8"),
            ("say resp 8 0", "1=Accepted { msg_id: Some(MsgId(00000000000000a8)) }"),
        ],
    ),
    (
        "no answer: the same number again, three sends in all, then nobody knows",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("+60", "SUBMIT(1)#2"),
            ("say alive 9", ""),
            ("+60", "SUBMIT(1)#2"),
            ("say alive 9", ""),
            ("+60", "1=Unknown, ACTIVE_TEST#3"),
        ],
    ),
    (
        "no answer to anything: the link is dead, however much we write",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("+60", "SUBMIT(1)#2"),
            ("+60", "SUBMIT(1)#2"),
            ("+60", "close"),
            ("gone", "1=Unknown"),
        ],
    ),
    (
        "a link that breaks leaves what was written in doubt and the rest unsent",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("say resp 2 8", "!"),
            ("+1", "SUBMIT(1)#3"),
            ("say resp 3 8", "!"),
            ("submit 2", ""),
            ("gone", "1=NotSent, 2=NotSent"),
        ],
    ),
    (
        "what was open when the link broke is in doubt",
        &[("dial", "CONNECT#1"), ("ok", ""), ("submit 1", "SUBMIT(1)#2"), ("gone", "1=Unknown")],
    ),
    (
        "silence asks for a sign of life; any traffic is one",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("+44", ""),
            ("+1", "ACTIVE_TEST#2"),
            ("say deliver 7 1", "heard 7#1"),
            ("stored 7 1", "DELIVER_RESP(7,0)#1"),
            ("+44", ""),
            ("+1", "ACTIVE_TEST#3"),
            ("say alive 3", ""),
            ("+45", "ACTIVE_TEST#4"),
            ("+60", "ACTIVE_TEST#5"),
            ("+60", "ACTIVE_TEST#6"),
            ("+60", "close"),
        ],
    ),
    (
        "a sign of life answered by a request of the same number is answered and counts",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("+45", "ACTIVE_TEST#2"),
            ("say test 2", "ACTIVE_TEST_RESP#2"),
            ("+44", ""),
            ("+1", "ACTIVE_TEST#3"),
        ],
    ),
    (
        "what is heard is acknowledged once stored, not before; a repeat is heard again",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("say deliver 7 1", "heard 7#1"),
            ("say deliver 7 2", "heard 7#2"),
            ("stored 7 2", "DELIVER_RESP(7,0)#2"),
            ("gone", ""),
            ("stored 7 1", ""),
        ],
    ),
    ("nothing is heard before the login", &[("dial", "CONNECT#1"), ("say deliver 7 1", "!"), ("ok", ""), ("ok", "!")]),
    (
        "the gateway ends it: answered, closed",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("say terminate 5", "TERMINATE_RESP#5, close"),
            ("say terminate 6", ""),
            ("gone", "1=Unknown"),
        ],
    ),
    (
        "we end it: the last answers are waited for, then goodbye",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("stop", ""),
            ("submit 2", "2=NotSent"),
            ("say deliver 7 1", "heard 7#1"),
            ("stored 7 1", "DELIVER_RESP(7,0)#1"),
            ("say resp 2 0", "1=Accepted { msg_id: Some(MsgId(00000000000000a2)) }, TERMINATE#3"),
            ("say goodbye 3", "close"),
        ],
    ),
    (
        "we end it, and nobody answers",
        &[
            ("dial", "CONNECT#1"),
            ("ok", ""),
            ("submit 1", "SUBMIT(1)#2"),
            ("stop", ""),
            ("+5", "TERMINATE#3"),
            ("+2", "close"),
            ("gone", "1=Unknown"),
        ],
    ),
    (
        "both end it at once",
        &[("dial", "CONNECT#1"), ("ok", ""), ("stop", "TERMINATE#2"), ("say terminate 9", "TERMINATE_RESP#9, close")],
    ),
    ("no answer to the login", &[("dial", "CONNECT#1"), ("+60", "close"), ("gone", "")]),
    ("a gateway of another version is left", &[("dial", "CONNECT#1"), ("speaks 2.0", "close"), ("gone", "")]),
    ("a gateway without proof is noted", &[("dial", "CONNECT#1"), ("forged", "!"), ("submit 1", "SUBMIT(1)#2")]),
    ("what cannot be a frame closes", &[("dial", "CONNECT#1"), ("ok", ""), ("say nonsense", "close"), ("gone", "")]),
    ("an unknown command is passed over", &[("dial", "CONNECT#1"), ("ok", ""), ("say unknown", "!")]),
];

#[test]
fn exchanges_go_as_they_are_written_down() {
    for (what, script) in SCRIPTS {
        let mut play = Play::new(SessionTiming::default());
        for (act, follows) in script {
            let effects = play.act(act);
            assert_eq!(told(&effects), *follows, "“{what}” at “{act}”");
        }
    }
}

#[test]
fn refused_logins_are_not_a_storm() {
    for (status, wait) in [(1, 300), (2, 300), (3, 300), (4, 300), (5, 45), (9, 45)] {
        let mut play = Play::new(SessionTiming::default());
        play.act("dial");
        assert_eq!(told(&play.act(&format!("login {status}"))), "close");
        play.act("gone");
        assert_eq!(play.wait(), wait, "status {status}");
        let State::Idle { why: Some(why), .. } = play.session.state() else { panic!() };
        assert_eq!(why.needs_a_person(), status < 5);
        assert!(why.words().contains(&format!("状态 {status}")), "{}", why.words());
    }
    let mut play = Play::new(SessionTiming::default());
    play.act("dial");
    play.act("ok");
    play.act("say terminate 4");
    play.act("gone");
    assert_eq!(play.wait(), 30);
}

#[test]
fn lost_links_are_waited_for_longer_and_longer_until_one_holds() {
    let mut play = Play::new(SessionTiming::default());
    let mut waits = Vec::new();
    for _ in 0..8 {
        play.act("dial");
        play.act("gone");
        waits.push(play.wait());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    play.act("dial");
    play.act("ok");
    play.act("+60");
    play.act("gone");
    assert_eq!(play.wait(), 1);
}

#[test]
fn a_strict_configuration_leaves_a_gateway_without_proof() {
    let strict = SessionConfig { strict: true, ..config(SessionTiming::default()) };
    let mut play = Play { session: Session::new(strict), now: start() };
    play.act("dial");
    assert_eq!(told(&play.act("forged")), "close");
    play.act("gone");
    assert_eq!(
        play.session.state(),
        State::Idle { not_before: play.now + Duration::from_mins(5), why: Some(Gone::Impostor) }
    );
}

#[test]
fn a_message_the_gateway_never_has_room_for_fails_in_the_end() {
    let mut play = Play::new(SessionTiming::default());
    play.act("dial");
    play.act("ok");
    play.act("submit 1");
    for sequence in 2..32 {
        assert_eq!(told(&play.act(&format!("say resp {sequence} 8"))), "!");
        let again = told(&play.act("+30"));
        assert_eq!(again, format!("SUBMIT(1)#{}", sequence + 1));
    }
    assert_eq!(told(&play.act("say resp 32 8")), "1=Refused { result: 8 }");
}

#[test]
fn what_waits_is_bounded() {
    let mut play = Play::new(SessionTiming::default());
    play.act("dial");
    play.act("ok");
    for call in 1..=16 + QUEUE {
        assert!(!told(&play.act(&format!("submit {call}"))).contains("Busy"));
    }
    assert_eq!(told(&play.act("submit 9999")), "9999=Busy");
}

proptest! {
    #[test]
    fn never_more_than_the_window_is_open_and_everything_is_settled_once(
        acts in proptest::collection::vec((0_u8..8, any::<proptest::sample::Index>()), 1..120),
        rate in proptest::option::of(1_u32..40),
    ) {
        let mut play = Play::new(SessionTiming { rate, ..SessionTiming::default() });
        play.act("dial");
        play.act("ok");
        let (mut calls, mut settled) = (0_u64, Vec::new());
        let mut open: Vec<u32> = Vec::new();
        let mut sent: Vec<Timestamp> = Vec::new();
        let mut live = true;
        for (act, pick) in acts {
            let effects = match act {
                0..=2 => {
                    calls += 1;
                    play.session.submit(calls, Submit::default(), play.now)
                }
                3..=5 if !open.is_empty() && live => {
                    let sequence = open.remove(pick.index(open.len()));
                    let result = [0, 8, 13][usize::from(act - 3)];
                    play.hear(sequence, &Pdu::SubmitResp { msg_id: MsgId(1), result })
                }
                6 => play.act(["+0", "+1", "+7", "+61"][pick.index(4)]),
                // However full the window: asked for a sign of life, it is given.
                7 if live => {
                    let effects = play.act("say test 77");
                    prop_assert!(told(&effects).contains("ACTIVE_TEST_RESP#77"));
                    effects
                }
                _ => Vec::new(),
            };
            for effect in effects {
                match effect {
                    Effect::Write(raw) => {
                        let frame = decode(&raw, Width::Three).unwrap();
                        if let Pdu::Submit(_) = frame.pdu && !open.contains(&frame.sequence) {
                            open.push(frame.sequence);
                            sent.push(play.now);
                        }
                    }
                    Effect::Settle { call, outcome } => {
                        prop_assert!(!settled.contains(&call), "{outcome:?}");
                        settled.push(call);
                    }
                    Effect::Close => live = false,
                    Effect::Heard { .. } | Effect::Note(_) => {}
                }
            }
            prop_assert!(play.session.open_requests() <= 16);
            if let Some(next) = play.session.next_tick() {
                prop_assert!(live && next > Timestamp::MIN);
            }
        }
        if let Some(rate) = rate {
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().filter(|later| later.duration_since(*first).as_secs() < 1).count();
                prop_assert!(within <= rate as usize, "{within} within a second, {rate} allowed");
            }
        }
        for effect in play.act("gone") {
            let Effect::Settle { call, .. } = effect else { panic!() };
            prop_assert!(!settled.contains(&call));
            settled.push(call);
        }
        settled.sort_unstable();
        prop_assert_eq!(settled, (1..=calls).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_at_any_time_neither_panic_nor_hang(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20), logged_in in any::<bool>(),
    ) {
        let mut play = Play::new(SessionTiming::default());
        play.act("dial");
        if logged_in {
            play.act("ok");
        }
        for chunk in chunks {
            play.session.bytes(&chunk, play.now);
            play.act("+10");
        }
    }
}
