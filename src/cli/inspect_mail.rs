//! `zhishou inspect mail FILE.eml`: what the mail channel makes of a message. Opens nothing, asks nobody.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use zhishou_adapters::mail::read::{Address, LONGEST_MAIL, Mail, read};

use super::exchange::stamp;
use super::{Failure, print_json};

#[derive(Args)]
pub(super) struct MailFile {
    /// 邮件原文（.eml）
    file: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn mail(args: &MailFile) -> Result<(), Failure> {
    use std::io::Read as _;
    let failed = |error| Failure::usage(format!("无法读取 {}：{error}", args.file.display()));
    let mut raw = Vec::new();
    // One byte more than is read, so that a mail that is too long is called so.
    let most = u64::try_from(LONGEST_MAIL).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(&args.file).map_err(failed)?.take(most).read_to_end(&mut raw).map_err(failed)?;
    let mail = read(&raw);
    if args.json {
        print_json(&as_json(&mail));
    } else {
        show(&mail);
    }
    Ok(())
}

fn as_json(mail: &Mail) -> Value {
    let address = |of: &Address| json!({ "address": of.address, "name": of.name });
    let attachments: Vec<Value> = mail
        .attachments
        .iter()
        .map(|part| {
            json!({
                "name": part.name, "type": part.kind, "bytes": part.bytes.len(),
                "inline": part.inline, "danger": part.danger,
            })
        })
        .collect();
    json!({
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": mail.references,
        "from": mail.from.as_ref().map(address),
        "to": mail.to.iter().map(address).collect::<Vec<_>>(),
        "cc": mail.cc.iter().map(address).collect::<Vec<_>>(),
        "subject": mail.subject,
        "date": mail.date.map(stamp),
        "text": mail.text,
        "reply": mail.reply,
        "between": mail.between,
        "auto": mail.auto.is_some(),
        "auto_why": mail.auto,
        "bounce": mail.bounce.is_some(),
        "bounced": mail.bounce.as_ref().map(|bounce| json!({
            "about": bounce.about, "recipients": bounce.recipients, "permanent": bounce.permanent,
            "harmless": bounce.harmless, "status": bounce.status, "why": bounce.why,
        })),
        "attachments": attachments,
        "authentication": mail.authentication.iter()
            .map(|(received_above, field)| json!({ "received_above": received_above, "field": field }))
            .collect::<Vec<_>>(),
        "problems": mail.problems,
    })
}

fn show(mail: &Mail) {
    let person = |of: &Address| {
        if of.name.is_empty() { of.address.clone() } else { format!("{} <{}>", of.name, of.address) }
    };
    let list = |all: &[Address]| all.iter().map(person).collect::<Vec<_>>().join("，");
    say!("发件人：{}", mail.from.as_ref().map_or_else(|| "（不明）".to_owned(), person));
    for (label, value) in [("收件人", list(&mail.to)), ("抄送", list(&mail.cc)), ("主题", mail.subject.clone())]
    {
        if !value.is_empty() {
            say!("{label}：{value}");
        }
    }
    if let Some(date) = mail.date {
        say!("日期：{}", stamp(date));
    }
    if let Some(id) = &mail.message_id {
        say!("Message-ID：{id}");
    }
    if let Some(why) = &mail.auto {
        say!("自动邮件：{why}");
    }
    if let Some(bounce) = &mail.bounce {
        let kind = match (bounce.harmless, bounce.permanent) {
            (true, _) => "只是通知，没有失败",
            (_, true) => "再发也没有用",
            _ => "以后可能送得到",
        };
        say!("退信：{}（{kind}）{} {}", bounce.recipients.join("，"), bounce.status, bounce.why);
    }
    for part in &mail.attachments {
        let inline = if part.inline { "，在正文里显示" } else { "" };
        let danger = part.danger.as_deref().map(|why| format!("，不能转交：{why}")).unwrap_or_default();
        say!("附件：{}（{}，{} 字节{inline}{danger}）", part.name, part.kind, part.bytes.len());
    }
    for problem in &mail.problems {
        say!("注意：{problem}");
    }
    say!("\n{}", mail.reply);
    if mail.reply != mail.text {
        say!("\n──── 全文 ────\n{}", mail.text);
    }
}
