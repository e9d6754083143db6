//! 谁会被通知: who would be told when, without anything happening; and who is recorded as told when it happens.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use zhishou::clock::Clock as _;
use zhishou::desk::people_rows;
use zhishou::ids::{IdMaker, TicketId};
use zhishou::rules::directory::{Directory, PeopleFile};
use zhishou::rules::escalation::{Line, forecast_opening};
use zhishou::rules::length::Point;
use zhishou::rules::ticket::{Actor, Opening};
use zhishou::store::{Store, TicketKey};

use crate::peers::support::{self, Tape, XIAN, inbound, morning, terms};

const PEOPLE: &str = r#"
[[person]]
id = "zhang"
name = "张工"
role = "engineer"
accounts = { qq = "10001" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
accounts = { qq = "10003" }
"#;
const ON_DUTY: &str = r#"
[[shift]]
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"
"#;

fn foretold(people: &str) -> Vec<Line> {
    let file = PeopleFile::parse(people, "people.toml").expect("people");
    let directory = Directory::new(file, Some(XIAN.to_owned()));
    let opening = Opening {
        id: TicketId::next(&IdMaker::new(0), morning()),
        number: 1,
        origin: "qq:group:20001".to_owned(),
        requester: Actor { id: "wang".to_owned(), name: "王科长".to_owned(), channel: "qq".to_owned() },
        account: String::new(),
        unit: String::new(),
        phone: None,
        message: None,
        text: "登记系统打不开了".to_owned(),
        attachments: Vec::new(),
        severity: None,
        category: None,
        system: None,
        problems: Vec::new(),
        doubt: None,
        follows: None,
    };
    forecast_opening(opening, &directory, &terms(XIAN), morning(), 1000, &|_| true)
}

#[test]
fn where_nobody_is_on_duty_the_lead_is_counted_once() {
    let lines = foretold(PEOPLE);
    assert!(lines.iter().any(|line| line.person.as_deref() == Some("chen")), "{lines:#?}");
    let mut seen = HashSet::new();
    for line in &lines {
        assert!(seen.insert((line.at, line.commitment, line.person.clone())), "twice at once: {line:?}\n{lines:#?}");
    }
}

#[test]
fn planned_maintenance_holds_back_what_is_foretold_too() {
    let terms = terms(XIAN);
    let warns = |line: &&Line| {
        let step = terms.profile.escalation.steps.iter().find(|step| step.id == line.step);
        step.is_some_and(|step| matches!(step.at, Point::Percent(_)))
    };
    let first = |lines: &[Line]| -> Timestamp { lines.iter().find(warns).expect("there is a warning").at };
    let plain = first(&foretold(&format!("{PEOPLE}{ON_DUTY}")));
    let until = plain + SignedDuration::from_mins(1);
    let window = format!("[[maintenance]]\nfrom = \"{}\"\nuntil = \"{until}\"\ntext = \"升级数据库\"\n", morning());
    assert_eq!(first(&foretold(&format!("{PEOPLE}{ON_DUTY}{window}"))), until);
}

#[tokio::test]
async fn what_a_lead_is_spared_in_nobodys_place_is_not_recorded_as_told() {
    let store = Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open_with(&store, &clock, vec![tape.clone()], 1, &[XIAN]).await;
    let people = PeopleFile::parse(PEOPLE, "people.toml").expect("people");
    desk.import(people_rows(&people)).await.expect("people can be brought in");
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    support::quiet(&desk).await;
    let told = |tape: &Tape| tape.texts_in("qq:user:10003").len();
    let ticket = async |store: &Store| store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read").remove(0);
    let start = told(&tape);
    while ticket(&store).await.pings.iter().all(|ping| ping.fired == 0) {
        assert!(clock.now() < morning() + SignedDuration::from_hours(24), "{:#?}", tape.texts());
        support::forward(&clock, 60);
        support::quiet(&desk).await;
    }
    assert_eq!(told(&tape), start + 1, "he hears it in nobody's place: {:#?}", tape.texts());
    let mut confirmed = inbound("user:10003", "10003", "m2", "确认 1");
    confirmed.addressed = true;
    desk.receive(confirmed).await.expect("it is stored");
    support::quiet(&desk).await;

    let key = TicketKey { contract: XIAN.to_owned(), number: 1 };
    let repeated = async |store: &Store| {
        let events = store.events_of(&key).await.expect("the record can be read");
        let bodies: Vec<Value> = events.iter().map(|e| serde_json::from_str(&e.body).expect("JSON")).collect();
        let again = |body: &&Value| body["kind"] == "escalated" && body["data"]["round"].as_u64() > Some(1);
        bodies.iter().filter(again).count()
    };
    let before = repeated(&store).await;
    // The answer to his word, and nothing after it.
    let heard = told(&tape);
    for _ in 0..25 {
        support::forward(&clock, 60);
        support::quiet(&desk).await;
    }
    let ticket = ticket(&store).await;
    assert!(ticket.pings.iter().any(|ping| ping.fired > 1), "a repetition was due: {:#?}", ticket.pings);
    assert_eq!(told(&tape), heard, "he has said that he knows: {:#?}", tape.texts());
    assert_eq!(repeated(&store).await, before, "nobody was told");
}
