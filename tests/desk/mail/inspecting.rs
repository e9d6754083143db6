//! What `inspect mail` tells of a mail in a file.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::peers::process::zhishou;

fn mail(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/tests/mails").join(name)
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    zhishou(folder.path()).args(arguments).output().expect("zhishou runs")
}

fn told(name: &str) -> Value {
    let output = run(&["inspect", "mail", &mail(name).to_string_lossy(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_mail_in_a_file_is_told_as_json() {
    let answer = told("qq-classic.eml");
    assert_eq!(answer["message_id"], "m1@jw.example.gov.cn");
    assert_eq!(answer["in_reply_to"], json!(["t12.1.aaaa@ops.example.cn"]));
    assert_eq!(answer["from"], json!({ "address": "liumin@jw.example.gov.cn", "name": "刘敏" }));
    assert_eq!(answer["date"], "2026-10-14T09:30:12+08:00");
    assert_eq!(answer["reply"], "问题还在，请处理。");
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("原始邮件")), "{answer}");
    assert_eq!((&answer["auto"], &answer["bounce"]), (&json!(false), &json!(false)));

    let report = told("dsn-unknown.eml");
    assert_eq!((&report["auto"], &report["bounce"]), (&json!(true), &json!(true)));
    assert_eq!(report["bounced"]["recipients"], json!(["nobody@jw.example.gov.cn"]));

    let files = told("related-and-attachment.eml");
    assert_eq!(files["attachments"][1]["name"], "报表.xls");
    assert_eq!(files["attachments"][1]["type"], "application/vnd.ms-excel");
    assert_eq!(files["attachments"][1]["bytes"], 8);
}

#[test]
fn a_mail_in_a_file_is_told_to_people() {
    let output = run(&["inspect", "mail", &mail("dangerous-files.eml").to_string_lossy()]);
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["刘敏 <liumin@jw.example.gov.cn>", "请看", "合同.pdf.exe", "不能转交"] {
        assert!(said.contains(part), "no word of {part} in: {said}");
    }
}

#[test]
fn what_is_no_mail_is_told_too_and_a_missing_file_is_named() {
    let answer = told("no-header-at-all.eml");
    assert_eq!(answer["from"], Value::Null);
    assert!(answer["problems"][0].as_str().is_some_and(|problem| problem.contains("没有邮件头")), "{answer}");
    let missing = run(&["inspect", "mail", "nowhere.eml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere.eml"));
}
