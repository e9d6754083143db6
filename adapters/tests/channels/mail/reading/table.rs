//! Mails of the shapes that clients and servers write, with what is expected of each in `expected.json`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use zhishou_adapters::mail::read::{Mail, read};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails"))
}

fn differs(wrong: &mut String, what: &str, got: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug) {
    let (got, wanted) = (format!("{got:?}"), format!("{wanted:?}"));
    if got != wanted {
        writeln!(wrong, "  {what}\n    got    {got}\n    wanted {wanted}").unwrap();
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// What is told of this mail and is not so.
fn check(mail: &Mail, wanted: &Value) -> String {
    let mut wrong = String::new();
    if let Some(subject) = wanted["subject"].as_str() {
        differs(&mut wrong, "subject", &mail.subject, &subject);
    }
    match &wanted["from"] {
        Value::Array(from) => {
            let got = mail.from.as_ref().map(|from| (from.address.as_str(), from.name.as_str()));
            differs(&mut wrong, "from", &got, &Some((from[0].as_str().unwrap(), from[1].as_str().unwrap())));
        }
        // `null` is written where none is to be taken; where nothing is written nothing is checked.
        Value::Null if wanted.get("from").is_some() => differs(&mut wrong, "from", &mail.from, &None::<()>),
        _ => {}
    }
    if let Some(reply) = wanted["reply"].as_str() {
        differs(&mut wrong, "reply", &mail.reply, &reply);
    }
    for part in texts(&wanted["text_has"]) {
        differs(&mut wrong, &format!("text holds {part}"), &mail.text.contains(&part), &true);
    }
    differs(&mut wrong, "auto", &mail.auto.is_some(), &wanted["auto"].as_bool().unwrap_or(false));
    differs(&mut wrong, "between", &mail.between, &wanted["between"].as_bool().unwrap_or(false));
    match (&mail.bounce, wanted["bounce"].as_object()) {
        (None, None) => {}
        (Some(bounce), Some(wanted)) => {
            differs(&mut wrong, "recipients", &bounce.recipients, &texts(&wanted["recipients"]));
            differs(&mut wrong, "permanent", &bounce.permanent, &wanted["permanent"].as_bool().unwrap());
            differs(&mut wrong, "harmless", &bounce.harmless, &wanted["harmless"].as_bool().unwrap());
            differs(&mut wrong, "status", &bounce.status.as_str(), &wanted["status"].as_str().unwrap());
            differs(&mut wrong, "about", &bounce.about, &texts(&wanted["about"]));
            differs(&mut wrong, "why is told", &bounce.why.is_empty(), &false);
        }
        (got, wanted) => differs(&mut wrong, "bounce", got, &wanted),
    }
    let files = wanted["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = mail.attachments.iter().map(|part| part.name.as_str()).collect();
    differs(&mut wrong, "files", &names, &files.iter().map(|file| file[0].as_str().unwrap()).collect::<Vec<_>>());
    for (part, file) in mail.attachments.iter().zip(files) {
        differs(&mut wrong, &part.name, &part.kind.as_str(), &file[1].as_str().unwrap());
        if let Some(bytes) = file[2].as_u64() {
            differs(&mut wrong, &part.name, &(part.bytes.len() as u64), &bytes);
        }
    }
    let flagged: Vec<&str> =
        mail.attachments.iter().filter(|part| part.danger.is_some()).map(|part| part.name.as_str()).collect();
    differs(&mut wrong, "danger", &flagged, &texts(&wanted["danger"]));
    let inline: Vec<&str> = mail.attachments.iter().filter(|part| part.inline).map(|part| part.name.as_str()).collect();
    differs(&mut wrong, "inline", &inline, &texts(&wanted["inline"]));
    let problems = texts(&wanted["problems"]);
    differs(&mut wrong, "number of problems", &mail.problems.len(), &problems.len());
    for (got, wanted) in mail.problems.iter().zip(&problems) {
        differs(&mut wrong, "problem", &got.contains(wanted), &true);
    }
    wrong
}

#[test]
fn every_mail_of_the_table_is_read_as_told() {
    let table = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let table: Vec<Value> = serde_json::from_str(&table).unwrap();
    assert!(table.len() >= 60, "{} mails", table.len());
    let mut wrong = String::new();
    for wanted in &table {
        let file = wanted["file"].as_str().unwrap();
        let mail = read(&std::fs::read(folder().join(file)).unwrap());
        let differences = check(&mail, wanted);
        if !differences.is_empty() {
            write!(wrong, "{file}\n{differences}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_mail_in_the_folder_is_in_the_table() {
    let table = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let told = table.contains(&format!("\"{name}\""));
        assert!(told || name == "expected.json", "{name} stands in no row");
    }
}
