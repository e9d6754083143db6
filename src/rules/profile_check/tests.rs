//! Tests of what ships: the profiles load and say what the contracts say. `broken` holds what must not load.

mod broken;

use std::collections::BTreeSet;

use crate::rules::length::Length;
use crate::rules::profile::{Every, NoticeMoment, Profile, Promise};

fn shipped(id: &str) -> Profile {
    let (_, text) = Profile::shipped().iter().find(|(name, _)| *name == id).expect("a shipped profile");
    Profile::parse(text, id).unwrap_or_else(|errors| panic!("{errors}"))
}

fn all() -> Vec<Profile> {
    Profile::shipped().iter().map(|(id, _)| shipped(id)).collect()
}

fn template() -> Profile {
    Profile::parse(Profile::template(), "template.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_shipped_profile_loads_under_its_own_name_with_a_code_of_its_own() {
    let mut codes = BTreeSet::new();
    for (id, _) in Profile::shipped() {
        let profile = shipped(id);
        assert_eq!(profile.id, *id);
        assert!(codes.insert(profile.code.clone()), "{} is taken", profile.code);
    }
    assert_eq!(codes.len(), 5);
}

#[test]
fn the_template_loads_and_shows_every_key() {
    let profile = template();
    assert_eq!(profile.commitments.len(), Promise::ALL.len() + 1, "one of each kind, resolve twice");
    let kinds: BTreeSet<Promise> = profile.commitments.iter().map(|term| term.name).collect();
    assert_eq!(kinds.len(), Promise::ALL.len());
    // serde lists the keys of a block when it meets one it does not know: each must be shown in the template.
    let shown = |key: &str| {
        Profile::template().lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{key} = "))
                || line.starts_with(&format!("[{key}"))
                || line.starts_with(&format!("[[{key}]"))
                || line.ends_with(&format!(".{key}]]"))
        })
    };
    let mut blocks = 0;
    for (number, header) in Profile::template().lines().enumerate().filter(|(_, line)| line.starts_with('[')) {
        let stranger = |(n, line): (usize, &str)| {
            if n == number { format!("{line}\nzzzzzzzzzzzz = 1\n") } else { format!("{line}\n") }
        };
        let text: String = Profile::template().lines().enumerate().map(stranger).collect();
        let errors = Profile::parse(&text, "t").unwrap_err();
        let keys: Vec<&str> = errors.0[0].fix.split('「').skip(1).filter_map(|rest| rest.split('」').next()).collect();
        assert!(!keys.is_empty(), "{errors}");
        for key in keys {
            assert!(shown(key), "{header} {key} is not in the template");
        }
        blocks += 1;
    }
    assert!(blocks > 20, "{blocks} blocks");
    let errors = Profile::parse(&format!("zzzzzzzzzzzz = 1\n{}", Profile::template()), "t").unwrap_err();
    for key in errors.0[0].fix.split('「').skip(1).filter_map(|rest| rest.split('」').next()) {
        assert!(shown(key), "{key} is not in the template");
    }
}

#[test]
fn every_commitment_names_its_clause_or_is_the_suppliers_own() {
    for profile in all() {
        for term in &profile.commitments {
            assert!(term.own || !term.clause.is_empty(), "{} {}", profile.id, term.name.id());
        }
        for duty in &profile.duties {
            assert!(!duty.clause.is_empty(), "{} {}", profile.id, duty.id);
        }
        for deliverable in &profile.deliverables {
            assert!(!deliverable.clause.is_empty(), "{} {}", profile.id, deliverable.id);
        }
    }
}

#[test]
fn every_severity_has_criteria_and_the_worst_comes_first() {
    for profile in all() {
        for severity in &profile.severities {
            assert!(!severity.criteria.is_empty() && severity.criteria.iter().all(|line| !line.trim().is_empty()));
        }
        let majors: Vec<bool> = profile.severities.iter().map(|severity| severity.major).collect();
        assert!(majors.is_sorted_by(|one, next| one >= next), "{}: a major severity after one that is not", profile.id);
        assert!(majors[0]);
        assert!(!profile.is_major(&profile.default_severity), "{}: a guess must not be major", profile.id);
        assert_eq!(profile.rank(&profile.severities[0].id), Some(1));
    }
}

#[test]
fn the_promises_are_those_of_the_contracts() {
    /// Promise, severity, length, calendar.
    type Row = (&'static str, &'static str, Length, &'static str);
    const HOUR: u32 = 60;
    let minutes = |n| Length::Minutes(n);
    let rows: [(&str, &[Row]); 5] = [
        (
            "xian-realestate",
            &[
                ("feedback", "general", minutes(2 * HOUR), "7x24"),
                ("feedback", "major", minutes(2 * HOUR), "7x24"),
                ("report", "major", minutes(HOUR), "7x24"),
                ("track", "major", minutes(30), "7x24"),
            ],
        ),
        (
            "yulin-approval",
            &[
                ("respond", "A", minutes(30), "7x24"),
                ("respond", "D", minutes(30), "7x24"),
                ("resolve", "A", minutes(2 * HOUR), "7x24"),
                ("resolve", "B", minutes(2 * HOUR), "7x24"),
                ("resolve", "C", Length::Workdays(1), "5x8"),
                ("resolve", "D", Length::Workdays(5), "5x8"),
                ("bugfix", "A", minutes(2 * HOUR), "7x24"),
                ("bugfix", "D", minutes(2 * HOUR), "7x24"),
            ],
        ),
        (
            "nantong-exchange",
            &[("respond", "general", minutes(30), "7x24"), ("feedback", "major", minutes(2 * HOUR), "7x24")],
        ),
        (
            "xian-gaoxin-oa",
            &[
                ("resolve", "general", minutes(2 * HOUR), "7x24"),
                ("resolve", "major", minutes(8 * HOUR), "7x24"),
                ("arrive", "general", minutes(HOUR), "7x24"),
                ("support", "major", minutes(2 * HOUR), "7x24"),
                ("third_party", "general", minutes(12 * HOUR), "7x24"),
                ("upgrade", "general", minutes(HOUR), "7x24"),
            ],
        ),
        (
            "zhongshan-civil",
            &[
                ("resolve", "general", minutes(4 * HOUR), "7x24"),
                ("resolve", "major", minutes(24 * HOUR), "7x24"),
                ("arrive", "major", minutes(HOUR), "7x24"),
                ("bugfix", "general", Length::Workdays(5), "5x8"),
                ("configure", "general", Length::Workdays(2), "5x8"),
            ],
        ),
    ];
    for (id, promises) in rows {
        let profile = shipped(id);
        for (name, severity, within, calendar) in promises {
            let kind = Promise::from_id(name).expect("a kind of promise");
            let term = profile.term(kind, severity).unwrap_or_else(|| panic!("{id}: no {name} for {severity}"));
            assert_eq!((term.within, term.calendar.as_str()), (*within, *calendar), "{id} {name} {severity}");
            assert_eq!(term.own, id == "nantong-exchange", "{id} {name}: own or demanded");
        }
        let listed: BTreeSet<&str> = promises.iter().map(|(name, ..)| *name).collect();
        let given: BTreeSet<&str> = profile.commitments.iter().map(|term| term.name.id()).collect();
        assert_eq!(given, listed, "{id} promises nothing else");
    }
}

#[test]
fn report_is_promised_for_major_severities_only() {
    let profile = shipped("xian-realestate");
    assert!(profile.term(Promise::Report, "major").is_some());
    assert!(profile.term(Promise::Report, "general").is_none());
    assert!(profile.term(Promise::Resolve, "major").is_none(), "not promised at all");
}

#[test]
fn scope_and_paperwork_are_complete() {
    assert_eq!(shipped("xian-realestate").systems.len(), 13, "section 3");
    let yulin = shipped("yulin-approval");
    assert_eq!((yulin.systems.len(), yulin.deliverables.len()), (6, 18));
    let classes: BTreeSet<&str> = yulin.deliverables.iter().map(|document| document.service.as_str()).collect();
    assert_eq!(classes, BTreeSet::from(["例行操作", "响应支持", "优化改善", "调研评估", "其它"]));
    assert!(yulin.duties.iter().any(|duty| duty.every == Every::HalfMonth));
    let gaoxin = shipped("xian-gaoxin-oa");
    let quarterly =
        gaoxin.duties.iter().find(|duty| duty.id == "quarterly-inspection").expect("the quarterly inspection");
    assert_eq!(quarterly.checks.len(), 8);
    let moments = [NoticeMoment::Opened, NoticeMoment::Severity, NoticeMoment::Resolved];
    assert_eq!(gaoxin.customer_notice.on, moments);
    for other in all().iter().filter(|profile| profile.id != gaoxin.id) {
        assert!(other.customer_notice.on.is_empty(), "{}", other.id);
    }
    let change = shipped("nantong-exchange").change.expect("terms of change");
    assert_eq!((change.requires.len(), change.not_during.as_str()), (3, "5x8"));
}

#[test]
fn names_are_found_however_they_are_typed() {
    let yulin = shipped("yulin-approval");
    for (typed, id) in [("A", "A"), ("a级", "A"), ("Ａ 级", "A"), ("特别严重", "A"), ("c", "C"), ("一般", "C")]
    {
        assert_eq!(yulin.severity_named(typed).map(|severity| severity.id.as_str()), Some(id), "{typed}");
    }
    assert!(yulin.severity_named("E").is_none() && yulin.severity_named("级").is_none());
    for (typed, id) in [("BUG", "bug"), ("咨询", "consult"), ("纠正", "data-correction"), ("需求与变更", "change")]
    {
        assert_eq!(yulin.category_named(typed).map(|category| category.id.as_str()), Some(id), "{typed}");
    }
    assert!(yulin.category_named("与").is_none(), "fits several");
    assert!(yulin.category_named(" ").is_none());
    assert_eq!(yulin.system("service-hall").map(|system| system.name.as_str()), Some("网上办事大厅"));
    for profile in all().iter().filter(|profile| profile.id != yulin.id) {
        for (typed, id) in [("一般", "general"), ("重大", "major"), ("MAJOR", "major"), ("重大级", "major")] {
            let found = profile.severity_named(typed).map(|severity| severity.id.as_str());
            assert_eq!(found, Some(id), "{} {typed}", profile.id);
        }
    }
}

#[test]
fn the_samples_name_every_shipped_contract() {
    let people: toml::Table = toml::from_str(Profile::sample_people()).unwrap();
    let ids: Vec<&str> = Profile::shipped().iter().map(|(id, _)| *id).collect();
    for person in people["person"].as_array().unwrap() {
        let contracts: Vec<&str> =
            person["contracts"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(contracts, ids, "{person}");
        for channel in ["sandbox", "qq", "wecom", "mail", "sms"] {
            assert!(person["accounts"].get(channel).is_some(), "{person} has no {channel}");
        }
    }
    let lines: Vec<&str> = Profile::sample_faq().lines().collect();
    assert!(lines.len() >= 55, "{} entries", lines.len());
    let mut seen = BTreeSet::new();
    for line in lines {
        let text = |key: &str| line.split(&format!("\"{key}\": \"")).nth(1).and_then(|rest| rest.split('"').next());
        assert!(seen.insert(text("id").unwrap_or_else(|| panic!("no id: {line}"))), "twice: {line}");
        assert!(
            text("question").is_some_and(|q| !q.is_empty()) && text("answer").is_some_and(|a| !a.is_empty()),
            "{line}"
        );
        if let Some(contract) = text("contract") {
            let profile = shipped(contract);
            assert!(text("system").is_none_or(|system| profile.system(system).is_some()), "{line}");
        }
    }
}
