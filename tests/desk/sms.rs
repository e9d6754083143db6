//! SMS through the program as an administrator starts it: its configuration, its captures, a text to the hotline; and the
//! last way to a lead whom nothing else reaches.

mod last_way;
mod opt_out;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use zhishou::clock::{Clock as _, SystemClock};
use zhishou_fakes::sms::cmpp::{Agreement, FakeGateway, Text};

use crate::peers::process::{Running, write, zhishou};
use crate::peers::support::within;

const HEAD: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
"#;
const CMPP: &str = "[[channel]]\nkind = \"sms\"\ngateway = \"cmpp3\"\nhost = \"127.0.0.1\"\nsp_id = \"901234\"\n\
    shared_secret = \"Zs-2026-test\"\nservice_id = \"HELP\"\nsrc_id = \"106900001234\"\nsignature = \"西安不动产运维\"\n";
const ALIYUN: &str = "[[channel]]\nkind = \"sms\"\ngateway = \"aliyun\"\naccess_key_id = \"AKID0001\"\n\
    access_key_secret = \"s3cret\"\nsign_name = \"西安不动产运维\"\npath = \"/sms/9f2c4be1a07d4c35\"\n\
    templates = [{ id = \"SMS_1\", when = [\"升级\"], variables = { what = \"short\" } }]\n";
const TENCENT: &str = "[[channel]]\nkind = \"sms\"\ngateway = \"tencent\"\naccess_key_id = \"AKID0001\"\n\
    access_key_secret = \"s3cret\"\napp_id = \"1400000000\"\nsign_name = \"西安不动产运维\"\n\
    templates = [{ id = \"1\", variables = [\"short\"] }]\n";
const HTTP: &str = "[[channel]]\nkind = \"sms\"\ngateway = \"http\"\napi_base = \"http://sms.example.gov.cn\"\n\
    key_id = \"zhishou\"\nshared_secret = \"desk-test-secret-0123456789abcdef\"\nsignature = \"西安不动产运维\"\n";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    zhishou(folder).args(arguments).output().expect("it can be run")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn checked(channel: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", &format!("{HEAD}{channel}"));
    let output = run(folder.path(), &["check"]);
    (output.status.code(), words(&output))
}

#[test]
fn check_says_what_a_gateway_can_and_cannot_do() {
    for (why, channel, parts) in [
        ("the operator", CMPP.to_owned(), &["CMPP 3.0", "能收能发", "速率"][..]),
        ("without a signature", CMPP.replace("signature = \"西安不动产运维\"\n", ""), &["signature", "拦截"]),
        ("a cloud", ALIYUN.to_owned(), &["阿里云", "只能按模板", "没有通用模板", "推送没有签名"]),
        ("a cloud that hears nothing", TENCENT.to_owned(), &["腾讯云", "没有填写 path"]),
        ("an agency's platform", HTTP.to_owned(), &["/sms/inbound", "没有加密"]),
    ] {
        let (status, said) = checked(&channel);
        assert_eq!(status, Some(0), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
        for secret in ["Zs-2026-test", "s3cret", "desk-test-secret", "9f2c4be1a07d4c35"] {
            assert!(!said.contains(secret), "{why}: {secret} is shown: {said}");
        }
    }
}

#[test]
fn a_wrong_key_of_a_gateway_is_named_in_chinese() {
    for (why, channel, parts) in [
        ("no gateway", CMPP.replace("gateway = \"cmpp3\"\n", ""), &["gateway"][..]),
        ("a gateway that is none", CMPP.replace("cmpp3", "cmpp4"), &["cmpp4"]),
        ("a key of another gateway", format!("{CMPP}sign_name = \"x\"\n"), &["sign_name"]),
        ("a login that is too short", CMPP.replace("901234", "9012"), &["sp_id", "6 位"]),
        ("an access number that is none", CMPP.replace("106900001234", "10690000-1234"), &["src_id"]),
        ("a signature with brackets inside", CMPP.replace("西安不动产", "西安】不动产"), &["签名"]),
        ("a path that can be guessed", ALIYUN.replace("9f2c4be1a07d4c35", "aliyun"), &["path", "随机"]),
        ("a source that is none", ALIYUN.replace("\"short\"", "\"body\""), &["body", "short"]),
        ("names in the wrong cloud", TENCENT.replace("[\"short\"]", "{ a = \"short\" }"), &["variables", "{1}{2}"]),
        ("no application", TENCENT.replace("app_id = \"1400000000\"\n", ""), &["app_id"]),
        ("a secret that is too short", HTTP.replace("-0123456789abcdef", ""), &["shared_secret", "32"]),
        ("half of a second key", format!("{HTTP}other_key_id = \"old\"\n"), &["other_shared_secret"]),
    ] {
        let (status, said) = checked(&channel);
        assert_eq!(status, Some(2), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
        assert!(said.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{why}: not in Chinese: {said}");
    }
}

#[test]
fn a_captured_frame_is_told_as_the_desk_would_get_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "zhishou.toml", &format!("{HEAD}{CMPP}"));
    let login = "00000027000000010000000139303132333\
                 4e8607ffbd66b585998b7c6356a259a873042e1a0c7";
    let text = "000000570000000500000003bb21f101a195020131303639303030303132333430373331000000000048454c50\
        000000000000000000313338303031333830303000000000000000000000000254440000000000000000";
    write(folder.path(), "frames.txt", &format!("{login}\n{text}\n"));
    let inspect = |arguments: &[&str]| -> Value {
        let output = run(folder.path(), &[&["inspect", "sms", "frames.txt"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", words(&output)))
    };
    let seen = inspect(&["--channel", "sms", "--config", "zhishou.toml"]);
    assert_eq!(seen["verified"], true, "{seen}");
    assert_eq!(seen["inbound"]["sender"], "13800138000", "{seen}");
    assert_eq!(seen["inbound"]["text"], "TD");
    assert_eq!(seen["event"][1]["extension"], "0731", "{seen}");
    assert_eq!(inspect(&["--secret", "guess"])["verified"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_the_hotline_opens_a_ticket_and_is_answered_in_one_part() {
    let clock = Arc::new(SystemClock::default());
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement, Arc::new(move || clock.now())).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = format!("port = {}\nstrict = true\n", gateway.port());
    write(folder.path(), "zhishou.toml", &format!("{HEAD}{CMPP}{port}"));
    let running = tokio::task::block_in_place(|| Running::start(folder.path(), &[]));
    within("the desk logs in", gateway.until(|gateway| gateway.logins() == [0])).await;
    let content: Vec<u8> =
        "不动产登记系统登录不上，一直提示证书过期".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let id = gateway.deliver(&Text {
        from: "8613800138000",
        extension: "",
        flag: 0,
        header: &[],
        format: 8,
        content: &content,
    });
    within("it is answered", gateway.until(|gateway| !gateway.taken().is_empty())).await;
    assert_eq!(gateway.acknowledged(), [(id, 0)]);
    let answer = &gateway.taken()[0];
    assert_eq!((answer.to.as_str(), answer.from.as_str()), ("13800138000", "106900001234"));
    assert!(answer.text.starts_with("【西安不动产运维】"), "{}", answer.text);
    assert!(answer.text.contains("#1"), "the ticket is named: {}", answer.text);
    drop(running);
    assert_eq!(gateway.broken_rules(), [""; 0]);
}
