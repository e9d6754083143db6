//! What an administrator is told: of a configuration by `check`, of a captured callback by `inspect wecom`.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use zhishou_fakes::wecom::FakeWeCom;

use crate::peers::process::{write, zhishou};

const HEAD: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
"#;
const SOCKET: &str = "[[channel]]\nkind = \"wecom-bot\"\nbot_id = \"aibDESK01\"\nsecret = \"s3cret\"\n";
const CALLBACK: &str = "[[channel]]\nkind = \"wecom-bot\"\nmode = \"callback\"\ntoken = \"botToken2026\"\n\
    encoding_aes_key = \"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C\"\n";
const ROBOT: &str = "[[channel]]\nkind = \"wecom-robot\"\nkey = \"693a91f6-0000-4bc4-97a0-0ec2f0000001\"\n\
    conversation = \"group:wrAGENCY0001\"\n";
const APP: &str = "[[channel]]\nkind = \"wecom-app\"\ncorp_id = \"wwc0ffee0000000001\"\nagent_id = 1000012\n\
    secret = \"s3cret\"\ntoken = \"deskToken2026\"\n\
    encoding_aes_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"\n";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    zhishou(folder).args(arguments).output().expect("it can be run")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn check_says_what_a_set_of_surfaces_can_and_cannot_do() {
    for (why, surfaces, parts) in [
        ("the bot on its line", SOCKET.to_owned(), &["长连接模式", "能主动通知", "强提醒", "没有自建应用"][..]),
        (
            "the bot by callbacks",
            CALLBACK.to_owned(),
            &["回调模式", "一小时内只能答复一次", "所有群", "只能听、不能主动说", "单聊只能一问一答"],
        ),
        (
            "callbacks and a robot",
            format!("{CALLBACK}{ROBOT}"),
            &["回调模式", "没有配置消息推送机器人的群", "group:wrAGENCY0001", "每分钟 20 条"],
        ),
        ("the application alone", APP.to_owned(), &["没有智能机器人", "群里的消息一律听不到", "卡片按钮可用"]),
        ("a robot alone", ROBOT.to_owned(), &["只能说、不能听", "单聊"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &format!("{HEAD}{surfaces}"));
        let output = run(folder.path(), &["check"]);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(0), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
        for secret in ["s3cret", "botToken2026", "deskToken2026", "jWmYm7qr5nMo", "AAECAwQF", "693a91f6"] {
            assert!(!said.contains(secret), "{why}: {secret} is shown: {said}");
        }
    }
}

#[test]
fn a_wrong_key_of_a_surface_is_named_in_chinese() {
    for (why, surfaces, parts) in [
        ("no bot id", SOCKET.replace("bot_id = \"aibDESK01\"\n", ""), &["wecom-bot", "缺少 bot_id"][..]),
        ("no secret", SOCKET.replace("secret = \"s3cret\"\n", ""), &["wecom-bot", "缺少 secret"]),
        ("no token", CALLBACK.replace("token = \"botToken2026\"\n", ""), &["wecom-bot", "缺少 token"]),
        ("a key that is too short", CALLBACK.replace("B2C\"", "\""), &["EncodingAESKey", "43"]),
        ("a key of the application that is too short", APP.replace("Hh8\"", "\""), &["EncodingAESKey", "43"]),
        ("a mode that is none", CALLBACK.replace("\"callback\"", "\"webhook\""), &["mode", "webhook"]),
        (
            "half of a callback",
            APP.replace("token = \"deskToken2026\"\n", ""),
            &["wecom-app", "token", "encoding_aes_key"],
        ),
        ("no corporation", APP.replace("corp_id = \"wwc0ffee0000000001\"\n", ""), &["corp_id"]),
        ("a name for a number", APP.replace("1000012", "\"desk\""), &["agent_id", "数字"]),
        (
            "neither key nor address",
            ROBOT.replace("key = \"693a91f6-0000-4bc4-97a0-0ec2f0000001\"\n", ""),
            &["wecom-robot", "key", "url"],
        ),
        ("no group", ROBOT.replace("conversation = \"group:wrAGENCY0001\"\n", ""), &["conversation"]),
        ("an unknown key", SOCKET.replace("secret =", "secrt ="), &["secrt"]),
        ("two bots", format!("{SOCKET}{SOCKET}"), &["只能有一个 wecom-bot"]),
        ("a proxy without its scheme", format!("{SOCKET}proxy = \"10.0.0.8:3128\"\n"), &["proxy", "http://主机:端口"]),
        ("a proxy of another kind", format!("{ROBOT}proxy = \"socks5://10.0.0.8:1080\"\n"), &["proxy", "http://"]),
        ("the same path twice", format!("{CALLBACK}path = \"/x\"\n{APP}path = \"/x\"\n"), &["path", "相同"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &format!("{HEAD}{surfaces}"));
        let output = run(folder.path(), &["check"]);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(2), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
        assert!(said.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{why}: not in Chinese: {said}");
    }
}

#[test]
fn every_code_of_the_platform_stands_in_the_manual() {
    let manual = include_str!("../../../docs/manual/wecom.md");
    let (_, table) = manual.split_once("## 错误代码").expect("there is a table of codes");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let (mut single, mut ranges) = (Vec::new(), Vec::new());
    for entry in rows.flat_map(|row| row.split('、')) {
        let mut numbers = entry.split(" 至 ").map(|number| number.trim().parse::<i64>());
        match (numbers.next(), numbers.next()) {
            (Some(Ok(from)), Some(Ok(to))) => ranges.push(from..=to),
            (Some(Ok(code)), None) => single.push(code),
            // The head of the table.
            _ => {}
        }
    }
    assert!(single.len() > 40, "the table was read: {single:?}");
    for code in zhishou_adapters::wecom::codec::errcode::known().filter(|code| *code != 0) {
        let told = single.contains(&code) || ranges.iter().any(|range| range.contains(&code));
        assert!(told, "{code} is not explained");
    }
}

#[tokio::test]
async fn a_captured_callback_is_opened_with_the_keys_it_is_given() {
    crate::peers::support::tls();
    let wecom = FakeWeCom::start().await;
    let bot = wecom.setup().bot;
    let sealed = wecom.seal_for_bot(&json!({
        "msgid": "CAIQ1", "aibotid": "aibDESK01", "chatid": "wrAGENCY0001", "chattype": "group",
        "from": { "userid": "WangKeZhang" }, "msgtype": "text", "text": { "content": "@值守 登记系统打不开了" },
    }));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture =
        json!({ "method": "POST", "path": "/wecom/bot", "query": sealed.query, "headers": {}, "body": sealed.body });
    write(folder.path(), "capture.json", &capture.to_string());
    let inspect = |token: &str| -> Value {
        let aes = bot.encoding_aes_key.as_str();
        let output = run(folder.path(), &["inspect", "wecom", "capture.json", "--token", token, "--aes-key", aes]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", words(&output)))
    };
    let seen = inspect(&bot.token);
    assert_eq!(seen["verified"], true, "{seen}");
    assert_eq!(seen["inbound"]["external_id"], "CAIQ1");
    assert_eq!(seen["inbound"]["conversation"], "group:wrAGENCY0001");
    assert!(seen["inbound"]["text"].as_str().is_some_and(|text| text.contains("登记系统打不开了")), "{seen}");
    let forged = inspect("guess");
    assert_eq!(forged["verified"], false, "{forged}");
    assert!(!forged.to_string().contains("登记系统"), "{forged}");
}
