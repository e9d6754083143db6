//! Laws of the planner: numbers never repeat, windows and counts are kept, nothing is sent twice.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use zhishou_adapters::qq::official::planner::{Active, Attempt, Kind, Scene, Standing, Step, Talk, Which, Windows};

const SAID: Which<'static> = Which { key: "k1", mark: "m" };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(1_772_413_200).unwrap().checked_add(Duration::from_secs(seconds)).unwrap()
}

fn next(talk: &mut Talk, which: Which<'_>, total: u32, seconds: u64) -> Step {
    talk.next(which, total, Scene::Group, at(seconds), &Windows::default())
}

fn sent(step: Step) -> Attempt {
    match step {
        Step::Send(attempt) => attempt,
        other => panic!("nothing to send: {other:?}"),
    }
}

#[test]
fn what_had_no_answer_is_sent_again_under_the_same_number() {
    let mut talk = Talk::default();
    talk.contact(Kind::Message, "M1", at(0));
    let first = sent(next(&mut talk, SAID, 1, 1));
    assert_eq!((first.id.as_str(), first.seq, first.again), ("M1", 1, false));
    // A newer message came meanwhile: the number belongs to the old one all the same.
    talk.contact(Kind::Message, "M2", at(2));
    let again = sent(next(&mut talk, SAID, 1, 3));
    assert_eq!((again.id.as_str(), again.seq, again.again), ("M1", 1, true));
    assert_eq!(talk.delivered(SAID, Some("out".to_owned()), at(3)), Some(Some("out".to_owned())));
    assert_eq!(next(&mut talk, SAID, 1, 4), Step::Done(Some("out".to_owned())));
    // The next message takes the newest.
    let other = sent(next(&mut talk, Which { key: "k2", mark: "m" }, 1, 5));
    assert_eq!((other.id.as_str(), other.seq), ("M2", 1));
}

#[test]
fn the_sixth_answer_to_one_message_is_refused_here_and_not_there() {
    let mut talk = Talk::default();
    talk.active = Active::Denied;
    talk.contact(Kind::Message, "M1", at(0));
    let keys: Vec<String> = (0..6).map(|n| format!("k{n}")).collect();
    for (n, key) in keys.iter().enumerate() {
        let which = Which { key, mark: "m" };
        let step = next(&mut talk, which, 1, 10);
        if n == 5 {
            assert_eq!(step, Step::Wait);
            assert!(talk.waiting);
        } else {
            assert_eq!(sent(step).seq, u32::try_from(n).unwrap() + 1);
            talk.delivered(which, None, at(10));
        }
    }
    // A click brings new room, by the id of its envelope.
    talk.contact(Kind::Click, "INTERACTION_CREATE:1", at(600));
    let attempt = sent(next(&mut talk, Which { key: "k5", mark: "m" }, 1, 700));
    assert_eq!((attempt.kind, attempt.id.as_str(), attempt.seq), (Some(Kind::Click), "INTERACTION_CREATE:1", 1));
}

#[test]
fn an_unknown_permission_is_tried_once_a_day_and_a_refusal_stands() {
    let mut talk = Talk::default();
    let probe = sent(next(&mut talk, SAID, 1, 0));
    assert_eq!(probe.kind, None);
    // No answer came: nobody can find out, and it is not repeated.
    assert_eq!(next(&mut talk, SAID, 1, 60), Step::Doubt);
    let other = Which { key: "k2", mark: "m" };
    assert_eq!(next(&mut talk, other, 1, 3_600), Step::Wait, "one try within a day");
    let probe = sent(next(&mut talk, other, 1, 24 * 3_600));
    assert_eq!(probe.kind, None);
    talk.denied(other, at(24 * 3_600));
    assert_eq!(next(&mut talk, other, 1, 200 * 3_600), Step::Wait);
    talk.active = Active::Allowed;
    assert_eq!(sent(next(&mut talk, other, 1, 200 * 3_600)).kind, None);
}

#[test]
fn a_long_text_takes_no_more_messages_than_are_left() {
    let mut talk = Talk::default();
    talk.active = Active::Denied;
    talk.contact(Kind::Message, "M1", at(0));
    talk.anchors[0].used = 3;
    talk.anchors[0].seq = 3;
    let first = sent(next(&mut talk, SAID, 9, 1));
    assert_eq!((first.of, first.seq, first.part), (2, 4, 0));
    assert_eq!(talk.delivered(SAID, Some("a".to_owned()), at(1)), None);
    let second = sent(next(&mut talk, SAID, 9, 1));
    assert_eq!((second.of, second.seq, second.part), (2, 5, 1));
    assert_eq!(talk.delivered(SAID, Some("b".to_owned()), at(1)), Some(Some("a".to_owned())));
    // Another text under the same key is another message.
    assert_eq!(next(&mut talk, Which { key: "k1", mark: "other" }, 1, 2), Step::Wait);
}

#[test]
fn state_survives_being_written_down() {
    let mut talk = Talk::default();
    talk.contact(Kind::Message, "M1", at(0));
    let _ = next(&mut talk, SAID, 1, 1);
    let text = serde_json::to_string(&talk).unwrap();
    let mut back: Talk = serde_json::from_str(&text).unwrap();
    assert_eq!(back, talk);
    assert!(sent(next(&mut back, SAID, 1, 2)).again, "a crash between writing down and sending repeats the number");
}

#[derive(Debug, Clone)]
enum Move {
    Contact,
    Click,
    Say(u8),
    Answer(u8, u8),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::Contact),
        Just(Move::Click),
        (0_u8..40).prop_map(Move::Say),
        (0_u8..40, 0_u8..6).prop_map(|(key, how)| Move::Answer(key, how)),
        (0_u64..400).prop_map(Move::Pass),
    ];
    prop::collection::vec(one, 1..120)
}

proptest! {
    #[test]
    fn whatever_happens_no_number_is_used_twice_and_no_window_is_overstepped(moves in moves(), group in any::<bool>()) {
        let windows = Windows::default();
        let scene = if group { Scene::Group } else { Scene::Private };
        let (mut talk, mut now) = (Talk::default(), at(0));
        let mut numbers: HashSet<(String, u32)> = HashSet::new();
        for (n, step) in moves.into_iter().enumerate() {
            match step {
                Move::Contact => talk.contact(Kind::Message, &format!("M{n}"), now),
                Move::Click => talk.contact(Kind::Click, &format!("C{n}"), now),
                Move::Pass(seconds) => now = now.checked_add(Duration::from_secs(seconds)).unwrap(),
                Move::Say(key) => {
                    // How long a text is does not change.
                    let total = u32::from(key % 5) + 1;
                    let key = key.to_string();
                    let which = Which { key: &key, mark: "m" };
                    let before = talk.clone();
                    if let Step::Send(attempt) = talk.next(which, total, scene, now, &windows) && !attempt.again {
                        prop_assert!(attempt.part < attempt.of && attempt.of <= total);
                        if let Some(kind) = attempt.kind {
                            let anchor = before.anchors.iter().find(|a| a.id == attempt.id).expect("it is known");
                            let (window, most) = windows.of(kind, scene);
                            prop_assert!(anchor.used < most);
                            let age: Duration = now.duration_since(anchor.at).try_into().unwrap();
                            prop_assert!(age < window);
                            prop_assert!(numbers.insert((attempt.id.clone(), attempt.seq)), "{attempt:?} twice");
                        }
                    }
                }
                Move::Answer(key, how) => {
                    let key = key.to_string();
                    let which = Which { key: &key, mark: "m" };
                    if talk.standing(which) != Standing::Doubt {
                        continue;
                    }
                    match how {
                        0 => { talk.delivered(which, None, now); }
                        1 => talk.not_taken(which, now),
                        2 => talk.anchor_gone(which, now),
                        3 => talk.number_taken(which, now),
                        4 => { talk.reform(which, now, |form| form.neutral = true); }
                        _ => talk.denied(which, now),
                    }
                }
            }
            let size = serde_json::to_string(&talk).unwrap().len();
            prop_assert!(size < 64 * 1024, "it fits on the shelf: {size}");
        }
    }
}
