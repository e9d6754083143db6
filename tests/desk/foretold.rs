//! 谁会被通知: who would be told when, without anything happening.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use zhishou::ids::{IdMaker, TicketId};
use zhishou::rules::directory::{Directory, PeopleFile};
use zhishou::rules::escalation::{Line, forecast_opening};
use zhishou::rules::length::Point;
use zhishou::rules::ticket::{Actor, Opening};

use crate::peers::support::{XIAN, morning, terms};

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
