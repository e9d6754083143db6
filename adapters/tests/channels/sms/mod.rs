//! SMS: the operator's gateway, the clouds, an agency's own platform.

mod clouds;
mod cmpp;
mod cmpp_long;
mod frames;
mod inspect;
mod platform;
mod session;
mod support;
mod texts;

use serde_json::Value;

/// A section of the collected facts, by its path (`cmpp.pdus`).
fn vectors(path: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../vectors/sms.json")).unwrap();
    let found = path.split('.').fold(&all, |value, key| &value[key]);
    assert!(!found.is_null(), "there is no {path}");
    found.clone()
}

fn cases(path: &str) -> Vec<Value> {
    vectors(path).as_array().filter(|cases| !cases.is_empty()).expect("a list of cases").clone()
}

/// A text of a case.
fn word<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} in {case}"))
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(word(case, key)).unwrap()
}
