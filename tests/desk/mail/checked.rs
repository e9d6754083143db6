//! What an administrator is told of a mailbox: by the configuration, by `check`, and by `check --online` over real servers.

use std::path::Path;
use std::process::Output;

use zhishou_fakes::mail::server::MailServer;

use crate::peers::process::{write, zhishou};

const HEAD: &str = r#"
[console]
listen = "127.0.0.1:0"
[[contract]]
profile = "xian-realestate"
default = true
"#;
const MAIL: &str = r#"
[[channel]]
kind = "mail"
address = "helpdesk@gov.test"
start = "now"
authserv_ids = ["mx.gov.test"]
imap = { host = "imap.gov.test", password = "s3cret", done_folder = "已处理" }
smtp = { host = "smtp.gov.test", password = "s3cret" }
"#;

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let (folder, arguments) = (folder.to_owned(), arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    // The servers of a test must go on while the command runs.
    let ran = tokio::task::spawn_blocking(move || zhishou(&folder).args(arguments).output());
    ran.await.expect("nothing panics").expect("it can be run")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn check_says_what_a_mailbox_can_and_cannot_do() {
    for (why, mail, parts) in [
        ("all of it", MAIL.to_owned(), &["只处理今后收到的邮件", "已处理", "imap.gov.test", "每天至多 200 封"][..]),
        ("start left out", MAIL.replace("start = \"now\"\n", ""), &["没有写 start", "第一次连上以后再改就不起作用了"]),
        ("a date", MAIL.replace("\"now\"", "2026-03-01"), &["2026-03-01"]),
        ("everything", MAIL.replace("\"now\"", "\"all\""), &["已有的邮件也全部处理"]),
        ("nobody verifies", MAIL.replace("authserv_ids = [\"mx.gov.test\"]\n", ""), &["没有配置 authserv_ids"]),
        ("deaf", MAIL.lines().filter(|l| !l.starts_with("imap")).collect::<Vec<_>>().join("\n"), &["收不到退信"]),
        ("dumb", MAIL.lines().filter(|l| !l.starts_with("smtp")).collect::<Vec<_>>().join("\n"), &["没有配置 smtp"]),
        ("a provider with codes", MAIL.replace("imap.gov.test", "imap.163.com"), &["授权码"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &format!("{HEAD}{mail}"));
        let output = run(folder.path(), &["check"]).await;
        let said = words(&output);
        assert_eq!(output.status.code(), Some(0), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
        assert!(!said.contains("s3cret"), "{why}: the password is shown: {said}");
    }
}

#[tokio::test]
async fn a_wrong_key_of_a_mailbox_is_named_in_chinese() {
    for (why, mail, parts) in [
        ("no address", MAIL.replace("address = \"helpdesk@gov.test\"\n", ""), &["address"][..]),
        ("no address at all", MAIL.replace("helpdesk@gov.test", "helpdesk"), &["address", "helpdesk@example.gov.cn"]),
        ("another start", MAIL.replace("\"now\"", "\"yesterday\""), &["start", "\"all\"", "2026-03-01"]),
        ("another tls", MAIL.replace("done_folder", "tls = \"ssl\", done_folder"), &["ssl", "starttls"]),
        ("open to the world", MAIL.replace("imap.gov.test\"", "93.184.216.34\", tls = \"none\""), &["不加密", "内网"]),
        ("no certificate there", MAIL.replace("start =", "ca_file = \"none.pem\"\nstart ="), &["ca_file", "none.pem"]),
        ("a key nobody knows", MAIL.replace("start =", "begin ="), &["begin"]),
        (
            "neither way",
            MAIL.lines().filter(|l| !l.contains("host")).collect::<Vec<_>>().join("\n"),
            &["至少要配置一项"],
        ),
        ("no password", MAIL.replacen("password = \"s3cret\", ", "", 1), &["password"]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "zhishou.toml", &format!("{HEAD}{mail}"));
        let output = run(folder.path(), &["check"]).await;
        let said = words(&output);
        assert_eq!(output.status.code(), Some(2), "{why}: {said}");
        for part in parts {
            assert!(said.contains(part), "{why}: no word of {part} in: {said}");
        }
    }
}

#[tokio::test]
async fn check_online_logs_in_and_names_what_is_refused() {
    let server = MailServer::start().await;
    let ports = server.ports();
    let mailbox = |password: &str| {
        format!(
            "{HEAD}\n[[channel]]\nkind = \"mail\"\naddress = \"helpdesk@gov.test\"\nstart = \"now\"\nca_file = \"ca.pem\"\n\
             imap = {{ host = \"localhost\", port = {}, password = \"{password}\" }}\n\
             smtp = {{ host = \"localhost\", port = {}, tls = \"starttls\", password = \"{password}\" }}\n",
            ports.imaps, ports.submission
        )
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("ca.pem"), server.ca_pem()).expect("a writable folder");
    write(folder.path(), "zhishou.toml", &mailbox("secret"));
    let output = run(folder.path(), &["check", "--online"]).await;
    let said = words(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("已登录") && said.contains("没有试发邮件"), "{said}");
    assert_eq!(server.count("helpdesk@gov.test", "INBOX"), 0, "nothing was sent");

    write(folder.path(), "zhishou.toml", &mailbox("wrong-password"));
    let output = run(folder.path(), &["check", "--online"]).await;
    let said = words(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("需处理") && said.contains("登录被拒绝") && said.contains("授权码"), "{said}");
    assert!(!said.contains("wrong-password"), "{said}");
}
