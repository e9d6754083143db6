//! Data in and out: import, export, backup, restore, binding codes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::tables::{self, Brought, extension, read_text};
use super::{Failure, print_json, settings};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::desk::{Change, Desk, events_json, faq_rows, local_time, people_rows};
use crate::rules::directory::Directory;
use crate::rules::people::Known;
use crate::rules::roster::gaps;
use crate::store::{Store, TicketKey, chain};

// -------------------------------------------------------------------- import

/// How far ahead an import is looked through for times without anybody on duty.
const GAPS_HOURS: i64 = 24 * 14;
/// Most of them that are listed for one contract.
const GAPS_SHOWN: usize = 5;

pub(super) async fn import(settings: &Settings, files: &[PathBuf]) -> Result<(), Failure> {
    let desk = super::serve::desk_without_channels(settings).await?;
    let contracts: Vec<String> = desk.contracts().map(|contract| contract.terms.id.clone()).collect();
    let mut failed = false;
    for path in files {
        let before = desk.directory();
        let known = Known { file: Some(before.file()), contracts: Some(&contracts) };
        let Brought { people, faq, refused } = match tables::bring(path, known) {
            Ok(found) => found,
            Err(problem) => {
                failed = true;
                say!("{problem}");
                continue;
            }
        };
        let mut rows = people_rows(&people);
        rows.extend(faq_rows(&faq));
        match desk.import(rows).await {
            Ok(changes) => {
                let count = |what| changes.iter().filter(|(_, change)| *change == what).count();
                let removed = match count(Change::Removed) {
                    0 => String::new(),
                    some => format!("，移除 {some}"),
                };
                say!(
                    "{}：新增 {}，更改 {}，不变 {}{removed}，拒绝 {}",
                    path.display(),
                    count(Change::Added),
                    count(Change::Changed),
                    count(Change::Unchanged),
                    refused.len()
                );
                for line in new_gaps(&desk, &before) {
                    say!("  {line}");
                }
            }
            Err(problem) => {
                failed = true;
                say!("{}：{problem}", path.display());
            }
        }
        for (place, why) in &refused {
            say!("  {place}：{why}");
        }
        failed |= !refused.is_empty();
    }
    if failed { Err(Failure::work("有内容没有导入，见上面的说明")) } else { Ok(()) }
}

/// Times in which somebody was on duty before and nobody is now, a line each.
fn new_gaps(desk: &Desk, before: &Directory) -> Vec<String> {
    let (now, after) = (desk.now(), desk.directory());
    if before.file() == after.file() {
        return Vec::new();
    }
    let until = now + jiff::SignedDuration::from_hours(GAPS_HOURS);
    let mut lines = Vec::new();
    for contract in desk.contracts() {
        let terms = &contract.terms;
        let old = gaps(before, terms, now, until, 100);
        let new: Vec<_> = gaps(&after, terms, now, until, 100)
            .into_iter()
            .filter(|(from, to)| !old.iter().any(|(start, end)| start <= from && to <= end))
            .collect();
        for (from, to) in new.iter().take(GAPS_SHOWN) {
            let (from, to) = (local_time(terms, *from, now), local_time(terms, *to, now));
            lines.push(format!("注意：{} 从 {from} 至 {to} 无人值班", terms.id));
        }
        if new.len() > GAPS_SHOWN {
            lines.push(format!("注意：{} 两周内共有 {} 段新的无人值班时间", terms.id, new.len()));
        }
    }
    lines
}

// -------------------------------------------------------------------- export

#[derive(Args)]
pub(super) struct Export {
    /// faq、tickets、messages 或 audit
    #[arg(value_parser = ["faq", "tickets", "messages", "audit"])]
    what: String,
    /// 合同；不给时全部
    #[arg(long)]
    contract: Option<String>,
    /// 写到文件（.jsonl、.csv、.xlsx）；不给时以 JSON 行输出
    #[arg(long)]
    out: Option<PathBuf>,
    /// 核对一份导出的审计记录
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,
    /// 输出 JSON 行
    #[arg(long)]
    json: bool,
}

pub(super) async fn export(config: Option<&Path>, args: Export) -> Result<(), Failure> {
    if let Some(file) = &args.verify {
        return verify(file);
    }
    let settings = settings(config)?;
    let store = open_store(&settings).await?;
    let mut rows: Vec<Value> = Vec::new();
    let contracts: Vec<String> = match &args.contract {
        Some(one) => vec![one.clone()],
        None => store.contracts().await.map_err(Failure::work)?,
    };
    match args.what.as_str() {
        "faq" => {
            for row in store.directory().await.map_err(Failure::work)? {
                if row.kind == "faq" {
                    rows.push(serde_json::from_str(&row.body).map_err(Failure::work)?);
                }
            }
        }
        "messages" => messages(&store, &mut rows).await?,
        "tickets" => tickets(&store, &contracts, &mut rows).await?,
        _ => audit(&store, &contracts, &mut rows).await?,
    }
    match &args.out {
        None => {
            for row in &rows {
                print_json(row);
            }
            Ok(())
        }
        Some(path) => {
            write_rows(path, &rows)?;
            say!("已写出 {} 条到 {}", rows.len(), path.display());
            Ok(())
        }
    }
}

async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    Store::open(&settings.database).await.map_err(Failure::work)
}

async fn messages(store: &Store, rows: &mut Vec<Value>) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = store.inbox_account(&after, 500).await.map_err(Failure::work)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.row.id);
        for account in &page {
            let body: Value = serde_json::from_str(&account.row.body).unwrap_or_default();
            rows.push(json!({
                "id": account.row.id, "at": stamp_ms(account.row.received_at_ms), "conversation": account.row.conversation,
                "from": account.row.sender, "name": body["sender_name"], "text": body["text"],
                "disposition": account.disposition, "ticket": account.ticket, "why": account.why,
            }));
        }
    }
}

async fn tickets(store: &Store, contracts: &[String], rows: &mut Vec<Value>) -> Result<(), Failure> {
    for contract in contracts {
        let mut after = 0;
        loop {
            let page = store.tickets_after(contract, after, 200).await.map_err(Failure::work)?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for ticket in &page {
                let key = TicketKey { contract: contract.clone(), number: ticket.number };
                let events = store.events_of(&key).await.map_err(Failure::work)?;
                let mut value = crate::rehearse::ticket_json(ticket, &events_json(&events, &stamp), &stamp);
                value["text"] = json!(ticket.text.join("\n"));
                value["solution"] = json!(ticket.solution);
                rows.push(value);
            }
        }
    }
    Ok(())
}

async fn audit(store: &Store, contracts: &[String], rows: &mut Vec<Value>) -> Result<(), Failure> {
    for contract in contracts {
        let mut after = 0;
        loop {
            let page = store.events_after(contract, after, 1000).await.map_err(Failure::work)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            rows.extend(page.iter().map(|event| {
                json!({
                    "contract": contract, "seq": event.seq, "ticket": event.ticket, "body": event.body, "hash": event.hash,
                })
            }));
        }
    }
    Ok(())
}

/// Checks the hash chain of an exported audit, contract by contract.
fn verify(file: &Path) -> Result<(), Failure> {
    let text = read_text(file).map_err(Failure::usage)?;
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut count = 0;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let broken = |why: &str| Failure::work(format!("第 {} 行：{why}，链在此断开", at + 1));
        let event: Value = serde_json::from_str(line).map_err(|_| broken("不是 JSON"))?;
        let (Some(contract), Some(seq), Some(body), Some(hash)) =
            (event["contract"].as_str(), event["seq"].as_u64(), event["body"].as_str(), event["hash"].as_str())
        else {
            return Err(broken("缺少 contract、seq、body 或 hash"));
        };
        let (before_seq, before_hash) = last.get(contract).cloned().unwrap_or((0, String::new()));
        if seq != before_seq + 1 {
            return Err(broken(&format!("合同 {contract} 的第 {} 条记录缺失或次序被改动", before_seq + 1)));
        }
        if chain(&before_hash, body) != hash {
            return Err(broken(&format!("合同 {contract} 的第 {seq} 条记录被改动")));
        }
        let inner: Value = serde_json::from_str(body).map_err(|_| broken("记录内容不是 JSON"))?;
        if inner["seq"].as_u64() != Some(seq) || inner["contract"].as_str() != Some(contract) {
            return Err(broken(&format!("合同 {contract} 的第 {seq} 条记录与其内容不符")));
        }
        last.insert(contract.to_owned(), (seq, hash.to_owned()));
        count += 1;
    }
    say!("已核对 {count} 条记录，哈希链完整。");
    for (contract, (seq, hash)) in last {
        say!("{contract}：至第 {seq} 条，{hash}");
    }
    Ok(())
}

fn write_rows(path: &Path, rows: &[Value]) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::work(format!("无法写入 {}：{error}", path.display()));
    let mut heads: Vec<String> = Vec::new();
    for row in rows {
        for key in row.as_object().into_iter().flatten().map(|(key, _)| key) {
            if !heads.contains(key) {
                heads.push(key.clone());
            }
        }
    }
    match extension(path).as_str() {
        "jsonl" | "json" => {
            let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
            std::fs::write(path, lines.join("\n") + "\n").map_err(|error| wrong(&error))
        }
        "csv" => {
            let mut writer = csv::Writer::from_path(path).map_err(|error| wrong(&error))?;
            writer.write_record(&heads).map_err(|error| wrong(&error))?;
            for row in rows {
                writer
                    .write_record(heads.iter().map(|head| harmless(&plain(&row[head]))))
                    .map_err(|error| wrong(&error))?;
            }
            writer.flush().map_err(|error| wrong(&error))
        }
        "xlsx" => {
            let mut book = rust_xlsxwriter::Workbook::new();
            let page = book.add_worksheet();
            for (column, head) in (0u16..).zip(&heads) {
                page.write_string(0, column, head).map_err(|error| wrong(&error))?;
            }
            for (line, row) in (1u32..).zip(rows) {
                for (column, head) in (0u16..).zip(&heads) {
                    // Written as text, so that no cell is ever taken for a formula; longer than a cell may be, it is cut.
                    let text: String = plain(&row[head]).chars().take(32_000).collect();
                    page.write_string(line, column, text).map_err(|error| wrong(&error))?;
                }
            }
            book.save(path).map_err(|error| wrong(&error))
        }
        other => Err(Failure::usage(format!("不认识 .{other}，可用 .jsonl、.csv、.xlsx"))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// A cell that begins like a formula is shown as text by every spreadsheet.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// An instant as it goes out: with the offset people live by.
pub(super) fn stamp(at: jiff::Timestamp) -> String {
    at.in_tz("Asia/Shanghai").map_or_else(|_| at.to_string(), |z| z.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

fn stamp_ms(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(stamp).unwrap_or_default()
}

// -------------------------------------------------------------------- backup

fn sqlite_path(settings: &Settings) -> Result<PathBuf, Failure> {
    settings
        .database
        .strip_prefix("sqlite://")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::usage("PostgreSQL 请用 pg_dump 备份、pg_restore 恢复"))
}

pub(super) async fn backup(settings: &Settings, file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::usage(format!("{} 已存在，请换一个文件名", file.display())));
    }
    sqlite_path(settings)?;
    let store = open_store(settings).await?;
    store.backup_to(file).await.map_err(Failure::work)?;
    store.close().await;
    // A backup is one only when it can be opened again.
    let copy = Store::open(&format!("sqlite://{}", file.display())).await.map_err(Failure::work)?;
    let contracts = copy.contracts().await.map_err(Failure::work)?;
    copy.close().await;
    say!("已备份到 {}，并验证可以打开（{} 份合同的记录）。", file.display(), contracts.len());
    Ok(())
}

pub(super) async fn restore(settings: &Settings, file: &Path, force: bool) -> Result<(), Failure> {
    let target = sqlite_path(settings)?;
    if !file.exists() {
        return Err(Failure::usage(format!("没有备份文件 {}", file.display())));
    }
    if target.exists() && !force {
        return Err(Failure::usage(format!("{} 已有数据；确认要覆盖请加 --force（请先停止值守）", target.display())));
    }
    let head = std::fs::read(file).map_err(Failure::work)?;
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(Failure::usage(format!("{} 不是值守的备份文件", file.display())));
    }
    drop(head);
    // Opened before anything is touched: a damaged backup overwrites nothing.
    let check = Store::open(&format!("sqlite://{}", file.display())).await.map_err(Failure::work)?;
    check.close().await;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(Failure::work)?;
    }
    for suffix in ["-wal", "-shm"] {
        let side = PathBuf::from(format!("{}{suffix}", target.display()));
        if side.exists() {
            std::fs::remove_file(&side).map_err(Failure::work)?;
        }
    }
    std::fs::copy(file, &target).map_err(|error| Failure::work(format!("无法写入 {}：{error}", target.display())))?;
    say!("已从 {} 恢复到 {}。", file.display(), target.display());
    Ok(())
}

// -------------------------------------------------------------------- binding

/// How long a binding code holds.
const CODE_HOURS: i64 = 24;

pub(super) async fn bind_code(settings: &Settings, person: &str) -> Result<(), Failure> {
    let desk = super::serve::desk_without_channels(settings).await?;
    let directory = desk.directory();
    let Some(found) = directory.person(person) else {
        return Err(Failure::usage(format!("没有 id 为「{person}」的人员，请先导入")));
    };
    let mut random = [0u8; 5];
    getrandom::fill(&mut random).map_err(Failure::work)?;
    let code = hex::encode(random);
    let until = SystemClock::default().now() + jiff::SignedDuration::from_hours(CODE_HOURS);
    let mut write = desk.store().write().await.map_err(Failure::work)?;
    write
        .marks_save(&[(format!("bind|{code}"), until.as_millisecond(), person.to_owned())])
        .await
        .map_err(Failure::work)?;
    write.commit().await.map_err(Failure::work)?;
    say!("请{}在要绑定的账号里发送：绑定 {code}（24 小时内有效，只能用一次）", found.name);
    Ok(())
}
