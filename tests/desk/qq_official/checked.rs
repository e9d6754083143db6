//! What an administrator is told: of a configuration by `check`, of a capture by `inspect qq`.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::peers::process::{write, zhishou};

const HEAD: &str = "[console]\nlisten = \"127.0.0.1:0\"\n[[contract]]\nprofile = \"xian-realestate\"\ndefault = true\n";
const SECRET: &str = "naOC0ocQE3shWLAfffVLB1rhYPG7";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    zhishou(folder).args(arguments).output().expect("it can be run")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn entry(more: &str) -> String {
    format!("{HEAD}[[channel]]\nkind = \"qq-official\"\napp_id = \"102000001\"\napp_secret = \"{SECRET}\"\n{more}")
}

#[test]
fn check_says_what_the_robot_can_and_what_is_wrong() {
    for (more, status, parts) in [
        ("", 0, &["长连接", "5 分钟内可回复 5 次", "60 分钟内 4 次", "also"][..]),
        ("mode = \"webhook\"\n", 0, &["平台回调", "/qq/callback", "8443"]),
        ("windows = { group_seconds = 3600, group_replies = 4 }\n", 0, &["60 分钟内可回复 4 次"]),
        ("mode = \"push\"\n", 2, &["「push」不可用"]),
        ("mode = \"webhook\"\npath = \"x y\"\n", 2, &["回调路径"]),
        ("api_base = \"api.sgroup.qq.com\"\n", 2, &["https://"]),
        ("app_token = \"x\"\n", 2, &["app_token"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &entry(more));
        let output = run(folder.path(), &["check"]);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(status), "{more}: {said}");
        for part in parts {
            assert!(said.contains(part), "{more}: no word of {part} in: {said}");
        }
        assert!(!said.contains(SECRET), "no secret is shown: {said}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", &entry("").replace(SECRET, ""));
    assert!(words(&run(folder.path(), &["check"])).contains("app_secret 为空"));
}

#[test]
fn the_entry_of_the_example_is_right_once_it_is_uncommented() {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.example.toml"));
    let example = example.expect("the example");
    let block = example.lines().skip_while(|line| !line.starts_with("# ---- QQ 官方机器人")).skip(1);
    let block = block.take_while(|line| !line.starts_with("# ----"));
    let entry: Vec<&str> = block
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| {
            line.starts_with("[[")
                || line
                    .split_once(" = ")
                    .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        })
        .collect();
    assert!(entry.len() > 8, "{entry:#?}");
    for mode in ["socket", "webhook"] {
        let text = entry.join("\n").replace("\"socket\"", &format!("\"{mode}\"")).replace("${QQ_APP_SECRET}", SECRET);
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &format!("{HEAD}{text}\n"));
        let output = run(folder.path(), &["check"]);
        assert_eq!(output.status.code(), Some(0), "{text}\n{}", words(&output));
    }
}

#[test]
fn inspect_reads_a_capture_with_the_secret_of_the_configuration() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../adapters/tests/vectors/qq-official.json")).expect("the collection");
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", &entry(""));
    for case in vectors["ed25519"]["request_verification"].as_array().expect("a list") {
        let capture = json!({
            "method": "POST", "path": "/qq/callback", "query": "", "headers": case["headers"], "body": case["body_utf8"],
        });
        write(folder.path(), "capture.json", &capture.to_string());
        let secret = case["secret"].as_str().expect("a secret");
        let mut arguments = vec!["inspect", "qq", "capture.json", "--json"];
        if secret == SECRET {
            arguments.extend(["--config", "zhishou.toml"]);
        } else {
            arguments.extend(["--secret", secret]);
        }
        let output = run(folder.path(), &arguments);
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
        assert_eq!(seen["verified"], case["expect_valid"], "{}", case["id"]);
    }
    let event = vectors["qq_events"].as_array().expect("a list").iter().find(|e| e["id"] == "maid-c2c-attachment");
    write(folder.path(), "event.json", &event.expect("it is there")["payload"].to_string());
    let output = run(folder.path(), &["inspect", "qq", "event.json", "--channel", "robot2", "--secret", "x"]);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
    assert_eq!(seen["inbound"]["conversation"], "user:user-1");
    assert_eq!(seen["inbound"]["attachments"][0]["name"], "a.jpg");
}
